//! `clocklab kv simulate`: the store in virtual time under faults, as often as asked.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::{Exit, Usage, print, progress},
    lab::stores::{
        CLIENTS_MAX, Counts, Keep, Membership, REPLICAS, SETTLE_US, StoreFaults, StoreTrial, Trialled,
        simulate_stores,
    },
    sim::open::Schedule,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab kv simulate                                   one run: 3 to 5 replicas, 8 clients, faults drawn from the seed
  clocklab kv simulate --trials 10000                    as many, with seeds from --seed on, on all cores
  clocklab kv simulate --seed 4711 --logs logs           one again, with its logs: then `clocklab check`, `clocklab draw`
  clocklab kv simulate --seed 4711 --faults bad.txt      the same clients under the faults of a file
  clocklab kv simulate --members --trials 1000           replicas join, are drained, removed, lost, replaced and taken back

Everything that chance decides comes from the seed, so a run that went wrong goes wrong again.
Clients put, read, delete, swap, count, insert, remove, scan and write batches, in sessions that move between the replicas. \
Until twelve seconds before the end messages are lost, doubled and delayed, links cut both ways or one way, replicas killed, \
stopped and started again with their disk or without it, disks full or slow. Then all has to settle.

Judged is that every session reads what it wrote and nothing older than it has seen, that what is acknowledged is on as \
many disks as were asked for, and there at the end unless all disks that kept it were lost or removed by decision, that \
nothing denied is ever seen and nothing deleted comes back, that counters and sets are exact, that all replicas end with \
the same data and nothing waits, and that the history of all reads and writes is causally consistent and convergent \
(`clocklab kv check`). Watches are told each write of a session's register once, in causal order. \
With --members who is drained has handed over when it leaves, and all have to see the members that were decided.

A file of faults has one a line (seconds, how long, what), as a bad run shows them:
  @3.2 +1.5 partition 0 to 1 hold
  @4 +0.7 kill 2              with its disk; `lose 2` without it, `full 2`, `slow 2 20`, `pause 2`, `restart 2`

Exit codes: 0 all held, 1 something did not, 2 a mistake in the command, 3 a file cannot be written.";

/// Runs that went wrong and are shown.
const SHOWN_MAX: usize = 5;

/// Most runs of one command.
const TRIALS_MAX: u64 = 10_000_000;

/// Longest run: an hour.
const DURATION_MAX: Duration = Duration::from_secs(3600);

#[derive(Args, Debug)]
pub(in crate::cli) struct SimulateArguments {
    /// How many replicas; drawn from the seed, 3 to 5, if left out
    #[arg(long, value_name = "N")]
    replicas: Option<u16>,
    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 8)]
    clients: usize,
    /// How many watches beside them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=16))]
    watches: u16,
    /// Members come and go: one more joins by itself, others are drained, removed, lost, replaced and taken back
    #[arg(long)]
    members: bool,
    /// Time between two requests of one client, on average
    #[arg(long, value_name = "TIME", default_value = "60ms", value_parser = crate::cli::time)]
    think: Duration,
    /// How long each run is, in virtual time
    #[arg(long, value_name = "TIME", default_value = "24s", value_parser = crate::cli::time)]
    duration: Duration,
    /// The seed of the first run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many runs, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    trials: u64,
    /// What is broken: `random`, `none`, or a file of faults
    #[arg(long, value_name = "FAULTS", default_value = "random")]
    faults: String,
    /// Write event logs, history and faults of a single run, or of those that go wrong, to folders below this one
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

pub(super) fn run(arguments: &SimulateArguments) -> anyhow::Result<Exit> {
    let trial = validated(arguments)?;
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.trials);
    if arguments.trials == 1 {
        return one(arguments, &trial);
    }
    let bar = progress::bar(arguments.trials, "runs");
    let mut sum = Counts::default();
    let mut bad = Vec::new();
    simulate_stores(&trial, seeds, |end| {
        bar.inc(1);
        sum.add(&end.counts);
        if !end.broken.is_empty() {
            bad.push((end.seed, end.broken));
        }
    });
    bar.finish_and_clear();
    bad.sort();
    let trials = arguments.trials;
    print(&format!("{trials} runs: {sum}\n"))?;
    if bad.is_empty() {
        print(&format!("everything held in all {trials} runs\n"))?;
        return Ok(Exit::Valid);
    }
    let seeds: Vec<String> = bad.iter().map(|(seed, _)| seed.to_string()).collect();
    print(&format!(
        "{} of {trials} runs went wrong, seeds {}\n",
        bad.len(),
        seeds.join(" ")
    ))?;
    for (seed, broken) in bad.iter().take(SHOWN_MAX) {
        print(&format!("\nseed {seed}:\n  {}\n", broken.join("\n  ")))?;
        print(&format!("again, with its logs: {}\n", again(arguments, *seed)))?;
        if let Some(logs) = &arguments.logs {
            if let Err(Usage(taken)) = free(logs, *seed) {
                print(&format!("its logs are not written: {taken}\n"))?;
                continue;
            }
            let seed = *seed;
            write(
                logs,
                &StoreTrial {
                    seed,
                    ..trial.clone()
                }
                .run(Keep::Logs),
            )?;
        }
    }
    Ok(Exit::Violated)
}

/// One run, told in full.
fn one(arguments: &SimulateArguments, trial: &StoreTrial) -> anyhow::Result<Exit> {
    if let Some(logs) = &arguments.logs {
        free(logs, trial.seed)?;
    }
    let keep = match arguments.logs {
        Some(_) => Keep::Logs,
        None => Keep::Verdict,
    };
    let mut ends = Vec::new();
    match keep {
        Keep::Logs => ends.push(trial.run(keep)),
        Keep::Verdict => simulate_stores(trial, trial.seed..trial.seed.saturating_add(1), |end| {
            ends.push(end)
        }),
    }
    let Some(end) = ends.pop() else {
        return Ok(Exit::Failed);
    };
    print(&format!(
        "seed {}: {} replicas, {} clients, {}\n",
        end.seed,
        trial.replicas(),
        trial.clients,
        humantime::format_duration(arguments.duration)
    ))?;
    for line in end.schedule.to_string().lines() {
        print(&format!("  {line}\n"))?;
    }
    for change in &end.changes {
        print(&format!("  {change}\n"))?;
    }
    print(&format!("{}\n", end.counts))?;
    if let Some(logs) = &arguments.logs {
        write(logs, &end)?;
    }
    if end.broken.is_empty() {
        print("everything held\n")?;
        return Ok(Exit::Valid);
    }
    print(&format!("went wrong:\n  {}\n", end.broken.join("\n  ")))?;
    if arguments.logs.is_none() {
        print(&format!("again, with its logs: {}\n", again(arguments, end.seed)))?;
    }
    Ok(Exit::Violated)
}

/// The folder of a seed's run.
fn folder(logs: &Path, seed: u64) -> PathBuf {
    logs.join(format!("store-{seed}"))
}

/// Refuses a run whose folder is there.
fn free(logs: &Path, seed: u64) -> Result<(), Usage> {
    let folder = folder(logs, seed);
    match folder.exists() {
        true => Err(Usage(format!(
            "the folder {} exists: a run is never overwritten; give another --logs, or move it away",
            folder.display()
        ))),
        false => Ok(()),
    }
}

/// Writes the folder of a run.
fn write(logs: &Path, end: &Trialled) -> anyhow::Result<()> {
    let folder = folder(logs, end.seed);
    end.write(&folder)
        .with_context(|| format!("cannot write the run folder {}", folder.display()))?;
    print(&format!("run folder: {}\n", folder.display()))
}

/// How one of several runs is done again.
fn again(arguments: &SimulateArguments, seed: u64) -> String {
    let replicas = arguments.replicas.map(|count| format!(" --replicas {count}"));
    let members = if arguments.members { " --members" } else { "" };
    let faults = match arguments.faults.as_str() {
        "random" => String::new(),
        other => format!(" --faults {other}"),
    };
    format!(
        "clocklab kv simulate --seed {seed}{} --clients {} --watches {}{members} --think {} --duration {}{faults} --logs logs",
        replicas.unwrap_or_default(),
        arguments.clients,
        arguments.watches,
        humantime::format_duration(arguments.think)
            .to_string()
            .replace(' ', ""),
        humantime::format_duration(arguments.duration)
            .to_string()
            .replace(' ', ""),
    )
}

fn validated(arguments: &SimulateArguments) -> Result<StoreTrial, Usage> {
    let wrong = |what: String| Err(Usage(what));
    let (least, most) = (*REPLICAS.start(), *REPLICAS.end());
    if let Some(count) = arguments.replicas.filter(|count| !REPLICAS.contains(count)) {
        return wrong(format!("--replicas {count}: give {least} to {most}"));
    }
    if !(1..=CLIENTS_MAX).contains(&arguments.clients) {
        return wrong(format!(
            "--clients {}: give 1 to {CLIENTS_MAX}",
            arguments.clients
        ));
    }
    if !(1..=TRIALS_MAX).contains(&arguments.trials) {
        return wrong(format!("--trials {}: give 1 to {TRIALS_MAX}", arguments.trials));
    }
    let shortest = Duration::from_micros(SETTLE_US) + Duration::from_secs(1);
    if !(shortest..=DURATION_MAX).contains(&arguments.duration) {
        return wrong(format!(
            "--duration {}: give {} to {}, since the last {} are for settling",
            humantime::format_duration(arguments.duration),
            humantime::format_duration(shortest),
            humantime::format_duration(DURATION_MAX),
            humantime::format_duration(Duration::from_micros(SETTLE_US)),
        ));
    }
    if arguments.think < Duration::from_millis(1) || arguments.think > DURATION_MAX {
        return wrong("--think: give 1ms to 1h".to_owned());
    }
    let faults = match arguments.faults.as_str() {
        "none" => StoreFaults::None,
        "random" => StoreFaults::Random,
        file => {
            let text =
                fs::read_to_string(file).map_err(|error| Usage(format!("--faults {file}: {error}")))?;
            let schedule = Schedule::parse(arguments.seed, &text);
            StoreFaults::Schedule(schedule.map_err(|error| Usage(format!("{file}: {error}")))?)
        }
    };
    let trial = StoreTrial {
        replicas: arguments.replicas,
        clients: arguments.clients,
        watches: arguments.watches,
        members: match arguments.members {
            true => Membership::Changes,
            false => Membership::Fixed,
        },
        duration_us: u64::try_from(arguments.duration.as_micros()).unwrap_or(u64::MAX),
        think_us: u64::try_from(arguments.think.as_micros()).unwrap_or(u64::MAX),
        faults,
        seed: arguments.seed,
    };
    if let StoreFaults::Schedule(schedule) = &trial.faults
        && let Err(what) = schedule.validate(trial.machines())
    {
        return wrong(format!("--faults {}: {what}", arguments.faults));
    }
    Ok(trial)
}
