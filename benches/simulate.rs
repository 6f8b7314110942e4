//! The simulator: events of the scale model a second on one core, a minute of three machines, and ten thousand
//! machines for a minute.
//!
//! `cargo bench --bench simulate`. Options behind `--`: `--seconds` (virtual, of the first figures), `--rounds`,
//! `--machines` and `--minute` (virtual seconds) of the last.
//!
//! An event is a tick: messages, segments and wake-ups are not counted. Statistics are those of `clocklab simulate`
//! without `--logs`, checks included; frames are encoded, cut and decoded by the code that real links use.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::time::{Duration, Instant};

use clocklab::{
    clock::ClockKind,
    lab::{RunFile, Simulated},
    model::{Phase, Rates},
    node::Node,
    sim::{self, Latency, Observer, Simulation},
    trace::Record,
    units::{MachineId, Speed, Time},
};
use support::{Options, Spread};

const EVENTS_AIM: f64 = 5e6;
const MINUTE_AIM: Duration = Duration::from_millis(2);
const LARGE_AIM: Duration = Duration::from_secs(10);
const LARGE_BYTES_AIM: u64 = 1_000_000_000;

const LATENCY: Latency = Latency::Uniform {
    from_us: 50,
    to_us: 150,
};

fn main() {
    let options = Options::read();
    if let Some([machines, seconds]) = options.child() {
        return large(
            machines.parse().expect("a number"),
            seconds.parse().expect("a number"),
        );
    }
    let seconds: u64 = options.number("--seconds", 200_000, 60);
    let rounds: u32 = options.number("--rounds", 5, 1);
    support::print_machine();
    for rates in [vec![6, 4, 1], vec![6, 5, 4]] {
        let name = format!("{rates:?}, a second, statistics only");
        let run = run(rates.clone(), seconds, 1);
        measure(&format!("ticks of {name}"), rounds, Some(EVENTS_AIM), || {
            run.count().expect("a run").summary.events()
        });
        measure(
            &format!("ticks of {rates:?}, driver and codec alone"),
            rounds,
            None,
            || alone(&run),
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = RunFile::simulated(&run, Vec::new());
        measure(&format!("ticks of {rates:?}, logs written"), rounds, None, || {
            let (made, end) = run.write(folder.path(), &file).expect("a run");
            std::fs::remove_dir_all(made).expect("removed");
            end.summary.events()
        });
    }
    minute(&options);
    let machines: u16 = options.number("--machines", 10_000, 300);
    let seconds: u64 = options.number("--minute", 60, 2);
    let mut child = support::start_child(&[machines.to_string(), seconds.to_string()]);
    println!("{}", child.line());
    let words = child.line();
    let mut words = words.split(' ');
    let mut number = || -> u64 { words.next().and_then(|word| word.parse().ok()).expect("a number") };
    let (took_us, bytes) = (number(), number());
    child.join();
    let took = Duration::from_micros(took_us);
    let text = format!("{:.2} s, {} MB resident", took.as_secs_f64(), bytes / 1_000_000);
    let reached = took < LARGE_AIM && bytes < LARGE_BYTES_AIM;
    let name = format!("{machines} machines, {seconds} s, statistics only");
    support::print_figure(&name, text, "under 10 s and 1 GB", reached);
}

fn run(rates: Vec<u32>, seconds: u64, seed: u64) -> Simulated {
    Simulated {
        rates,
        speed: Speed::NORMAL,
        draw: 10,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        duration_us: seconds * 1_000_000,
        latency: LATENCY,
        faults: None,
        seed,
        run: "bench".parse().expect("a run id"),
    }
}

/// Prints the ticks a second of several rounds; `once` returns the ticks of one.
fn measure(name: &str, rounds: u32, aim: Option<f64>, mut once: impl FnMut() -> u64) {
    let rates: Vec<f64> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            let events = once();
            events as f64 / began.elapsed().as_secs_f64()
        })
        .collect();
    let rate = Spread::of(&rates);
    let text = format!(
        "{:.2} million/s ({:.2}-{:.2})",
        rate.median / 1e6,
        rate.min / 1e6,
        rate.max / 1e6
    );
    match aim {
        Some(aim) => support::print_figure(name, text, "at least 5 million/s", rate.median >= aim),
        None => println!("{name}: {text}"),
    }
}

/// Counts events and nothing else.
struct Events(u64);

impl Observer for Events {
    fn record(&mut self, _machine: MachineId, _at: Time, record: &Record) {
        self.0 += u64::from(matches!(record, Record::Event(_)));
    }
}

fn alone(run: &Simulated) -> u64 {
    let config = sim::Config {
        machines: run.machines(),
        duration_us: run.duration_us,
        latency: run.latency,
        faults: None,
        seed: run.seed,
        run: run.run.clone(),
        epoch: clocklab::lab::EPOCH,
    };
    let machine = |me| clocklab::model::Machine::new(run.model(me).expect("valid"));
    let mut events = Events(0);
    simulate(config, machine, &mut events);
    events.0
}

fn simulate<N: Node>(config: sim::Config, node: impl FnMut(MachineId) -> N, events: &mut Events) {
    let simulation = Simulation::new(config, node).expect("connected");
    simulation.run(events).expect("a run");
}

/// A minute of three machines, many seeds: as in trials.
fn minute(options: &Options) {
    let seeds: u64 = options.number("--seeds", 2000, 5);
    let began = Instant::now();
    for seed in 0..seeds {
        let end = run(vec![6, 4, 1], 60, seed).count().expect("a run");
        assert!(
            end.verdict.is_some_and(|verdict| verdict.is_valid()),
            "seed {seed}"
        );
    }
    let each = began.elapsed() / u32::try_from(seeds).expect("few");
    let text = format!("{:.3} ms, mean of {seeds} seeds", each.as_secs_f64() * 1e3);
    support::print_figure(
        "60 s of 3 machines, statistics only",
        text,
        "under 2 ms",
        each < MINUTE_AIM,
    );
}

/// In a process of its own, so that its memory is known.
fn large(machines: u16, seconds: u64) {
    let rates = Rates::Range { from: 1, to: 6 };
    let rates = rates.resolve(machines, 1).expect("rates");
    let began = Instant::now();
    let end = run(rates, seconds, 1).count().expect("a run");
    let took = began.elapsed();
    println!(
        "{} machines, {} s: {} ticks, {} messages, {} segments",
        machines,
        seconds,
        end.summary.events(),
        end.totals.messages,
        end.totals.segments
    );
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .expect("a size");
    println!("{} {}", took.as_micros(), kilobytes * 1024);
}
