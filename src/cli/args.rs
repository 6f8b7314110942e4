//! The command line as a person types it. Every text here is `--help`.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::export::{self, ExportArguments};
use super::kv::KvCommand;
use super::report::ReportArguments;
use super::{concurrency, cone, control, cut, fault, order, secret};
use crate::{
    clock::ClockKind,
    lab::BASE_PORT_DEFAULT,
    mesh::OnPeerLoss,
    model::{Phase, Rates},
    sim::Latency,
    trace::Traffic,
    units::{MachineId, Speed},
    wire::RunId,
};

/// A laboratory for logical time on real sockets.
///
/// Machine processes, each with a clock of its own speed, form a full TCP mesh, exchange messages under
/// Lamport's rules and write a log each. Other commands check, measure and draw what happened, from the logs
/// alone.
///
/// Begin with `clocklab run`.
#[derive(Debug, Parser)]
#[command(
    name = "clocklab",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 everything held, 1 a check was violated, 2 usage, 3 a machine failed.
protocol.md specifies the wire and the log; README.md shows what each command prints. Where a command reads one run and \
none is named, it is the newest: logs/latest."
)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Args, Debug)]
pub(super) struct Verbosity {
    /// Diagnostics: only what went wrong
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Diagnostics: every dial, every refusal
    #[arg(long, global = true)]
    pub(super) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start all machines of a run, stop them, check and report it
    #[command(after_help = "\
Examples:
  clocklab run                                   three machines, a minute, random rates
  clocklab run --rates 6,4,1 --duration 10s      three machines of these speeds
  clocklab run --machines 5 --rates 1-6 --seed 7 five, rates and dice from seed 7
  clocklab run --internal 0.25                   fewer internal events: more talk
  clocklab run --rates 6,4,1 --speed 0.1         slow motion: a tenth of these rates
  clocklab run --faults faults.toml              break links and machines by a plan
  clocklab run --clock vector                    vector clocks beside Lamport's; also: hybrid

On several computers, and in several terminals, use `clocklab machine`. More than 200 machines: `clocklab simulate`.

Exit codes: 0 every machine ended in order and every rule held, 1 a rule was violated, 2 usage, 3 a machine failed.")]
    Run(Box<RunArguments>),
    /// Run all machines of a run in virtual time: everything from one seed, an hour in a moment
    #[command(after_help = "\
Examples:
  clocklab simulate --rates 6,4,1 --seed 1                a minute of three machines
  clocklab simulate --rates 6,4,1 --seed 1 --logs logs    and its logs, in logs/sim-1
  clocklab simulate --rates 6,4,1 --seed 1 --trials 1000  seeds 1 to 1000, their statistics
  clocklab simulate --rates 3,3,3 --phase aligned --latency constant:1ms
  clocklab simulate --machines 10000 --latency exponential:2ms
  clocklab simulate --trials 10000 --faults random        10,000 broken networks, every rule judged

The machines and their frames are those of `clocklab run`; only time and network are \
simulated. The same options and seed give the same logs on every computer, byte for \
byte: wall time begins at 2000-01-01T00:00:00Z, and the run's name, which stands in each \
log, is sim-SEED. Every rule of `clocklab check` is judged, up to 1000 machines.

Exit codes: 0 every rule held, 1 one was violated, 2 usage, 3 the simulation or its logs failed.")]
    Simulate(Box<SimulateArguments>),
    /// Run one machine: one process of a mesh, in a terminal of its own
    #[command(after_help = "\
Example, in three terminals, in any order:
  clocklab machine --id 0
  clocklab machine --id 1
  clocklab machine --id 2

They find each other on ports 17100 to 17102, agree on the run's id, and start together. Ctrl-C in one ends all three.
With `--on-peer-loss continue` in each, one that was killed comes back: clocklab machine --id 1 --rejoin")]
    Machine(Box<MachineArguments>),
    /// A replicated key-value store, causally consistent: replicas, clients, checks
    Kv {
        #[command(subcommand)]
        command: KvCommand,
    },
    /// Prove from the logs that a run kept every rule, or show where it did not
    #[command(after_help = "\
Rules of every log: format (lines can be read), complete (no log is missing), time (never goes back), tick \
(numbers without a gap), clock rule (steps by 1; a receive by max(0, T - C) + 1), stamp (a message carries its \
send event's clock), clock condition (C(send) < C(receive)), channel order (first in, first out), conservation \
(sent = received + waiting), footer (its numbers are right), incarnation (lives of a machine count 2, 3, ..., no link \
leads back to an earlier one, and what is sent to one life is received by no other), links (they go down when they are \
up, and up when they are down; messages are dropped where they are down, and only there), faults (what befalls a \
message is the work of a fault of that kind on its link). What such a fault lost, doubled or took out of order is \
expected as the send line says: sent - lost + duplicated = received + waiting. A lost link excuses a tail of what was \
sent before, and nothing behind it.
Of vector clocks: vector clock (own entry 1, 2, 3, ...; a receive takes the greater of both, entry by entry; nobody \
knows more of a machine than the machine). Of hybrid clocks: hybrid rule (figure 5 of the paper, with equality), \
hybrid order (of a send less than of its receive), hybrid bound (not behind the physical clock, nor further ahead of \
it than clocks differ).
Of the scale model: one thing a tick, queue first (a waiting message is taken before anything else is done), \
queue counted (queue lengths, arrivals and waits agree), rate kept (ticks within 2 of rate x speed x seconds, schedule \
by schedule), steps kept (while paused only the ticks that steps ask for), die obeyed \
(a send goes to one or to all; in a ring to the next).
Of a store's replicas: dots (each life numbers its writes 1, 2, 3, ..., and nobody has what was never written), causal \
(writes of an origin are applied without a gap, each behind everything that it needs), known (what a replica says it has is \
what its events add up to, and what is taken over whole is closed), convergence (who knows the same writes has the same \
digest). Their lives have any numbers that rise, their ids are any, and a link of which a log says nothing is not judged. \
What clients saw is judged by `clocklab kv check`.

Files are logs of other programs: of ShiViz or TSViz (the expression in the first line, or ShiViz's default one), of \
GoVector (a file, or a folder with *-Log.txt), of Maelstrom (jepsen.log of a test with --log-net-send true \
--log-net-recv true, or the same as lines of JSON). Rules of their vector clocks: own entry (1, 2, 3, ...), known \
hosts, no future (nobody knows more of a host than the host), never back, merge (an event knows what its causes \
know), causes first (no circle), arrow ends (arrows go from sends to receives). Of Maelstrom's messages: sent once, \
known send, received once, same message, causes first.

Exit codes: 0 every rule held, 1 one was violated, 2 no such folder or no log that is known, 3 a log cannot be read.")]
    Check(CheckArguments),
    /// Show what happened in a run beside what theory expects; of several runs a row each and the mean
    #[command(after_help = super::report::EXAMPLES)]
    Report(ReportArguments),
    /// Write a run for another tool: ShiViz, TSViz, Perfetto, CSV, Parquet, Mermaid, Graphviz
    #[command(after_help = export::EXAMPLES)]
    Export(ExportArguments),
    /// Draw a run as a space-time diagram: a page to look around in, or a picture
    #[command(after_help = "\
Examples:
  clocklab draw                                         logs/latest as diagram.html
  clocklab draw --output run.svg --window 10s-14s       four seconds, for a slide
  clocklab draw --output run.svg --highlight 0:17       what happened before and after that event
  clocklab draw --output run.svg --axis clock           against logical time
  clocklab draw merged --align                          machines of computers whose wall clocks differ

An arrow goes from the send to the arrival; a dotted line leads on to where the message is taken.
A picture holds 64 machines and 5,000 events (unless told otherwise the first 150), a page 1,000 \
machines and 400,000 events; what is left out is said in it.")]
    Draw(Box<super::draw::DrawArguments>),
    /// Say which of two events happened first, and prove it, or say why neither did
    #[command(after_help = order::EXAMPLES)]
    Order(order::OrderArguments),
    /// Show what happened before an event: its causal past
    #[command(after_help = cone::PAST_EXAMPLES)]
    Past(cone::ConeArguments),
    /// Show what an event happened before: its causal future
    #[command(after_help = cone::FUTURE_EXAMPLES)]
    Future(cone::ConeArguments),
    /// Judge a cut of a run: is it consistent, and what do the channels hold
    #[command(after_help = cut::EXAMPLES)]
    Cut(cut::CutArguments),
    /// Count how much of a run is concurrent, what was overtaken, and find the longest causal chain
    #[command(after_help = concurrency::EXAMPLES)]
    Concurrency(concurrency::ConcurrencyArguments),
    /// Merge the run folders of several computers into one, and say how far their wall clocks are apart
    #[command(after_help = super::gather::EXAMPLES)]
    Gather(super::gather::GatherArguments),
    /// Watch a run as it happens: full screen in the terminal, or a page with the diagram growing (--web)
    #[command(after_help = super::watch::EXAMPLES)]
    Watch(super::watch::WatchArguments),
    /// Make many runs by a plan, and write their tables and figures
    #[command(after_help = "\
Without a plan it makes the assignment's: five one-minute runs with random rates, five with a smaller spread of rates, and \
five with a smaller probability of internal events. `--print-plan` prints it as a file to start from.

Exit codes: 0 every run was made and every rule held, 1 a rule was violated, 2 usage, 3 a machine failed, or it was \
stopped.")]
    Experiment(ExperimentArguments),
    /// Play a demonstration on a running run: pause, say, step, break, mend, as a file says
    #[command(after_help = super::walkthrough::EXAMPLES)]
    Walkthrough(super::walkthrough::WalkthroughArguments),
    /// Map where a slow machine keeps up and where not: the phase diagram, by simulation
    #[command(after_help = super::sweep::EXAMPLES)]
    Sweep(super::sweep::SweepArguments),
    /// Ask the machines of a running run how they are; pause, step and resume them
    #[command(after_help = control::EXAMPLES, override_usage = control::USAGE)]
    Control(control::ControlArguments),
    /// Break a running run on purpose, and mend it
    #[command(after_help = fault::EXAMPLES)]
    Fault(fault::FaultArguments),
    /// Make the secret of a run on several computers
    #[command(after_help = secret::EXAMPLES)]
    Secret(secret::SecretArguments),
    /// Print completions for a shell, to be sourced by it
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in the format of man(1)
    Man,
}

/// What the machines of a run are, wherever they run.
#[derive(Args, Clone, Debug)]
pub(super) struct SystemArguments {
    /// Number of machines [default: as many as --rates lists or a hosts file names, else 3]
    #[arg(long, value_name = "N")]
    pub(super) machines: Option<u16>,
    /// Ticks a second: one a machine (6,4,1), or a range to draw from (1-6)
    #[arg(long, value_name = "RATES", default_value = "1-6")]
    pub(super) rates: Rates,
    /// How fast time passes for the machines: 0.1 is slow motion at a tenth of their rates, 10 is haste
    #[arg(long, value_name = "FACTOR", default_value_t = Speed::NORMAL)]
    pub(super) speed: Speed,
    /// Sides of the die: 1 and 2 send to one peer, 3 to all, the others are internal events [default: 10]
    #[arg(long, value_name = "SIDES", conflicts_with = "internal")]
    pub(super) draw: Option<u32>,
    /// Instead of --draw: the probability that an idle tick is an internal event; 0.7 is a die of ten
    #[arg(long, value_name = "P")]
    pub(super) internal: Option<f64>,
    /// Whom sends go to: rolls 1 and 2 to one peer and 3 to all, or in a ring all three to the next machine
    #[arg(long, value_name = "TRAFFIC", default_value_t, value_parser = one_of::<Traffic>(["assignment", "ring"]))]
    pub(super) traffic: Traffic,
    /// Where in its first period a machine's first tick falls
    #[arg(long, default_value_t = Phase::Random, value_parser = one_of::<Phase>(["random", "aligned"]))]
    pub(super) phase: Phase,
    /// Logical clock: every run has Lamport's; vector and hybrid come beside it
    #[arg(long, value_name = "CLOCK", default_value_t = ClockKind::Lamport,
        value_parser = one_of::<ClockKind>(["lamport", "vector", "hybrid"]))]
    pub(super) clock: ClockKind,
    /// Seed of rates, phases and dice: the same seed gives the same, machine by machine [default: drawn; machines
    /// started by hand then draw one each]
    #[arg(long)]
    pub(super) seed: Option<u64>,
}

/// What a run of the scale model is.
#[derive(Args, Clone, Debug)]
pub(super) struct ModelArguments {
    #[command(flatten)]
    pub(super) system: SystemArguments,
    /// Machine i listens on this port + i [default: 17100]
    #[arg(long, value_name = "PORT")]
    pub(super) base_port: Option<u16>,
    /// Address to listen on [default: 127.0.0.1, or the machine's own in the hosts file]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) bind: Option<IpAddr>,
    /// File that says where each machine is: lines of the form `id host:port`
    #[arg(long, value_name = "FILE", conflicts_with = "base_port")]
    pub(super) hosts: Option<PathBuf>,
    /// File with the run's secret, the same for every machine: only who knows it may join or command. Required beyond
    /// this computer; `clocklab secret` makes one
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// What a machine does when a peer goes away [default: stop; with --faults: continue]
    #[arg(long, value_name = "REACTION", value_parser = one_of::<OnPeerLoss>(["stop", "continue"]))]
    pub(super) on_peer_loss: Option<OnPeerLoss>,
    /// File that says what is to be broken, and when; or `random`: faults of links and machines, drawn from the seed
    #[arg(long, value_name = "FILE.toml")]
    pub(super) faults: Option<PathBuf>,
    /// How long to look for peers before the start, such as 30s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = crate::cli::time)]
    pub(super) connect_timeout: Duration,
    /// Folder of run folders
    #[arg(long, value_name = "DIR", default_value = "logs")]
    pub(super) logs: PathBuf,
    /// Name of the run and its folder [default: the start time in UTC, such as 20261120-231601]
    #[arg(long, value_name = "NAME")]
    pub(super) run: Option<RunId>,
}

#[derive(Args, Debug)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) model: ModelArguments,
    /// How long the machines run, such as 60s, 500ms or 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::cli::time)]
    pub(super) duration: Duration,
    /// Play a demonstration from this file; the run ends with it, or when its time is over
    #[arg(long, value_name = "FILE.toml")]
    pub(super) walkthrough: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct SimulateArguments {
    #[command(flatten)]
    pub(super) system: SystemArguments,
    /// How long the machines run in virtual time, such as 60s, 500ms or 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::cli::time)]
    pub(super) duration: Duration,
    /// How long messages are under way: constant:TIME, uniform:TIME-TIME or exponential:MEAN
    #[arg(long, value_name = "LATENCY", default_value = "uniform:50us-150us")]
    pub(super) latency: Latency,
    /// File that says what is to be broken, and when; or `random`: faults of links and machines, drawn from each run's seed
    #[arg(long, value_name = "FILE.toml")]
    pub(super) faults: Option<PathBuf>,
    /// Simulate this many runs, of seeds SEED, SEED + 1, …, and show how their statistics spread
    #[arg(long, value_name = "K")]
    pub(super) trials: Option<u64>,
    /// Folder in which each run's folder is made [default: no logs are kept]
    #[arg(long, value_name = "DIR")]
    pub(super) logs: Option<PathBuf>,
    /// Name of the run and its folder; in trials the seed is put behind it [default: sim-SEED]
    #[arg(long, value_name = "NAME")]
    pub(super) run: Option<RunId>,
    /// Also write a line for each machine and trial into this file
    #[arg(long, value_name = "FILE.csv")]
    pub(super) csv: Option<PathBuf>,
    /// Replace that file if it exists
    #[arg(long, requires = "csv")]
    pub(super) force: bool,
}

#[derive(Args, Debug)]
pub(super) struct MachineArguments {
    /// Which machine this is: 0 to machines - 1
    #[arg(long)]
    pub(super) id: MachineId,
    #[command(flatten)]
    pub(super) model: ModelArguments,
    /// How long it runs, such as 60s [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = crate::cli::time)]
    pub(super) duration: Option<Duration>,
    /// Start it again in a run that it was killed in: its own log says what it was and where it goes on, the run's
    /// run.json where its peers are, how long the run is, and its secret [run by default: the newest]
    #[arg(long)]
    pub(super) rejoin: bool,
    /// Standard input is the launcher: a line on it is a reason to stop, its end means that the launcher is gone
    #[arg(long, hide = true)]
    pub(super) launched: bool,
}

#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    /// Run folders, or logs of other programs
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    pub(super) folders: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ExperimentArguments {
    /// Plan in TOML [default: the assignment's]
    #[arg(value_name = "PLAN.toml")]
    pub(super) plan: Option<PathBuf>,
    /// Print the assignment's plan and stop
    #[arg(long)]
    pub(super) print_plan: bool,
    /// Meshes side by side: the first on the base port, each further one on the ports behind it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) parallel: u16,
    /// How long each run is, instead of what the plan says
    #[arg(long, value_name = "TIME", value_parser = crate::cli::time)]
    pub(super) duration: Option<Duration>,
    /// The first mesh's first port
    #[arg(long, value_name = "PORT", default_value_t = BASE_PORT_DEFAULT)]
    pub(super) base_port: u16,
    /// Folder in which the experiment's folder is made
    #[arg(long, value_name = "DIR", default_value = "logs")]
    pub(super) logs: PathBuf,
}

/// A value of a few words, which help, errors and completions list.
pub(super) fn one_of<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}
