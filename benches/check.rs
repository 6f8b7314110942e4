//! Checking a run from its logs: events a second on one core.
//!
//! `cargo bench --bench check`. Options behind `--`: `--events`, `--rounds`.
//!
//! The logs are those of three real nodes of the scale model at 1000 ticks a second, run in virtual time and written
//! by the same code that machines write theirs with; so the check finds a valid run, and has every rule to judge.
//! Logs come from the page cache: this measures the check, not the disk.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

use clocklab::{
    clock::ClockKind,
    inspect,
    model::{Config, Machine, Phase, RATE_MAX, Stamp},
    node::{DownCause, Effect, Effects, Input, Node},
    trace::{Header, LineWriter, WallTime},
    units::{MachineId, Time},
    wire::Reason,
};
use support::{Options, Spread};

const MACHINES: u16 = 3;
const STARTED: WallTime = WallTime(1_700_000_000_000_000);
const RATE_AIM: f64 = 3e6;

fn main() {
    let options = Options::read();
    let events: u64 = options.number("--events", 6_000_000, 30_000);
    let rounds = options.number("--rounds", 5, 1);
    support::print_machine();
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = write_run(folder.path(), events);
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let (verdict, _) = inspect::check(folder.path()).expect("a run");
        let took = began.elapsed();
        assert!(
            verdict.violations.is_empty(),
            "the run is valid: {:?}",
            verdict.violations
        );
        let rate = verdict.events as f64 / took.as_secs_f64();
        println!(
            "{} events, {} MB in {:.2} s: {:.2} million events/s",
            verdict.events,
            bytes / 1_000_000,
            took.as_secs_f64(),
            rate / 1e6
        );
        rates.push(rate);
    }
    let rate = Spread::of(&rates);
    let text = format!(
        "{:.2} million events/s ({:.2}-{:.2})",
        rate.median / 1e6,
        rate.min / 1e6,
        rate.max / 1e6
    );
    println!();
    support::print_figure(
        "check of a log",
        text,
        "at least 3 million",
        rate.median >= RATE_AIM,
    );
}

/// One machine in virtual time, and its log.
struct Simulated {
    node: Machine,
    lines: LineWriter,
    batch: Vec<u8>,
    file: BufWriter<File>,
    bytes: u64,
}

impl Simulated {
    fn new(folder: &Path, me: MachineId) -> Self {
        let config = Config {
            me,
            machines: MACHINES,
            rate: RATE_MAX,
            draw: 10,
            phase: Phase::Random,
            clock: ClockKind::Lamport,
            seed: 7,
        };
        let header = Header {
            machine: me,
            machines: MACHINES,
            rate: Some(config.rate),
            draw: Some(config.draw),
            phase_us: Some(config.phase_us()),
            clock: config.clock,
            seed: config.seed,
            run: "bench".parse().expect("a run id"),
            started: STARTED,
        };
        let file = File::create_new(folder.join(format!("machine-{me}.log"))).expect("a new log");
        let mut simulated = Self {
            node: Machine::new(config),
            lines: LineWriter::default(),
            batch: Vec::new(),
            file: BufWriter::new(file),
            bytes: 0,
        };
        simulated.lines.write_header(&header, &mut simulated.batch);
        simulated
    }

    /// Gives the node an input, writes its records, and returns what it sends.
    fn input(&mut self, now: Time, input: Input<Stamp>) -> Vec<(MachineId, Stamp)> {
        let mut effects: Effects<Stamp> = Vec::new();
        self.node.handle(now, input, &mut effects);
        let mut sent = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, message } => sent.push((to, message)),
                Effect::Record(record) => {
                    let at = WallTime(STARTED.0 + i64::try_from(now.0).expect("small"));
                    self.lines.write(at, &record, &mut self.batch);
                }
                Effect::Stop { reason } => panic!("the node stops: {reason}"),
            }
        }
        self.file.write_all(&self.batch).expect("written");
        self.bytes += self.batch.len() as u64;
        self.batch.clear();
        sent
    }
}

/// Writes the logs of a run with about `events` events; returns their bytes.
fn write_run(folder: &Path, events: u64) -> u64 {
    let mut all: Vec<Simulated> = MachineId::all(MACHINES)
        .map(|me| Simulated::new(folder, me))
        .collect();
    let seconds = events / u64::from(MACHINES) / u64::from(RATE_MAX);
    let end = Time(0).after(Duration::from_secs(seconds));
    for machine in &mut all {
        machine.input(Time(0), Input::Start);
    }
    loop {
        let due = |machine: &Simulated| machine.node.deadline().expect("a machine that runs");
        let (place, now) = all
            .iter()
            .map(due)
            .enumerate()
            .min_by_key(|(_, due)| *due)
            .expect("machines");
        if now >= end {
            break;
        }
        let sent = all[place].input(now, Input::Timeout);
        let from = MachineId(u16::try_from(place).expect("small"));
        for (to, message) in sent {
            all[to.index()].input(now, Input::Message { from, message });
        }
    }
    let stop = Input::Stop {
        reason: Reason::Duration,
        peer: None,
        until: end,
    };
    for (machine, me) in all.iter_mut().zip(MachineId::all(MACHINES)) {
        machine.input(end, stop.clone());
        for peer in me.peers(MACHINES) {
            let cause = DownCause::Goodbye;
            machine.input(end, Input::LinkDown { peer, cause });
        }
        machine.input(end, Input::End);
        machine.file.flush().expect("written");
    }
    all.iter().map(|machine| machine.bytes).sum()
}
