//! The logs of a run of three real nodes of the scale model at 1000 ticks a second, in virtual time, written by
//! the code that machines write theirs with. So a check finds a valid run, and has every rule to judge.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use clocklab::{
    clock::ClockKind,
    model::{Config, Machine, Phase, RATE_MAX, Stamp},
    node::{DownCause, Effect, Effects, Input, Node},
    trace::{Header, LineWriter, WallTime},
    units::{MachineId, Time},
    wire::Reason,
};

const MACHINES: u16 = 3;
const STARTED: WallTime = WallTime(1_700_000_000_000_000);

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
pub fn write_run(folder: &Path, events: u64) -> u64 {
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
