//! Run folders written by real nodes of the scale model in virtual time, with links that take no time.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use clocklab::{
    clock::ClockKind,
    model::{Config, Machine, Phase, Stamp},
    node::{DownCause, Effect, Effects, Input, Node},
    trace::{Header, LineWriter, WallTime},
    units::{MachineId, Time},
    wire::Reason,
};

const STARTED: WallTime = WallTime(1_700_000_000_000_000);

/// One machine, and its log.
struct Simulated {
    node: Machine,
    lines: LineWriter,
    batch: Vec<u8>,
    file: BufWriter<File>,
    bytes: u64,
}

impl Simulated {
    fn new(folder: &Path, me: MachineId, rates: &[u32]) -> Self {
        let config = Config {
            me,
            machines: u16::try_from(rates.len()).expect("few machines"),
            rate: rates[me.index()],
            draw: 10,
            phase: Phase::Random,
            clock: ClockKind::Lamport,
            seed: 7,
        };
        let header = Header {
            machine: me,
            machines: config.machines,
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

/// Writes the logs of a run with about `events` events, one machine a rate; returns their bytes.
pub fn write(folder: &Path, events: u64, rates: &[u32]) -> u64 {
    let machines = u16::try_from(rates.len()).expect("few machines");
    let mut all: Vec<Simulated> = MachineId::all(machines)
        .map(|me| Simulated::new(folder, me, rates))
        .collect();
    let ticks: u64 = rates.iter().map(|rate| u64::from(*rate)).sum();
    let end = Time(0).after(Duration::from_micros(events * 1_000_000 / ticks));
    for machine in &mut all {
        machine.input(Time(0), Input::Start);
    }
    let mut due: Vec<Time> = all.iter().map(deadline).collect();
    loop {
        let earliest = due.iter().enumerate().min_by_key(|(_, due)| **due);
        let (place, now) = earliest.map(|(place, due)| (place, *due)).expect("machines");
        if now >= end {
            break;
        }
        let sent = all[place].input(now, Input::Timeout);
        due[place] = deadline(&all[place]);
        let from = MachineId(u16::try_from(place).expect("small"));
        for (to, message) in sent {
            all[to.index()].input(now, Input::Message { from, message });
            due[to.index()] = deadline(&all[to.index()]);
        }
    }
    let stop = Input::Stop {
        reason: Reason::Duration,
        peer: None,
        until: end,
    };
    for (machine, me) in all.iter_mut().zip(MachineId::all(machines)) {
        machine.input(end, stop.clone());
        for peer in me.peers(machines) {
            let cause = DownCause::Goodbye;
            machine.input(end, Input::LinkDown { peer, cause });
        }
        machine.input(end, Input::End);
        machine.file.flush().expect("written");
    }
    all.iter().map(|machine| machine.bytes).sum()
}

fn deadline(machine: &Simulated) -> Time {
    machine.node.deadline().expect("a machine that runs")
}
