//! Runs of the scale model in virtual time, with links that take no time, and their logs as text: those of machines
//! whose wall clocks differ, too.

use std::{fs, path::Path};

use clocklab::{
    clock::ClockKind,
    faults,
    model::{self, Machine, Phase},
    sim::{self, Latency, Observer, Simulation},
    trace::{Header, LineWriter, Record, Traffic, WallTime},
    units::{MachineId, Speed, Time},
};

const STARTED: WallTime = WallTime(1_795_216_561_123_456);

/// What to run.
pub(crate) struct Plan<'a> {
    pub(crate) rates: &'a [u32],
    pub(crate) draw: u32,
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    /// How far ahead each machine's wall clock is, in microseconds; machines beyond the list: not at all.
    pub(crate) skew_us: &'a [i64],
}

/// The text of each machine's log.
struct Texts(Vec<Text>);

struct Text {
    started: WallTime,
    writer: LineWriter,
    log: Vec<u8>,
}

impl Observer for Texts {
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        let Text { started, writer, log } = &mut self.0[machine.index()];
        writer.write(started.carried(Time(0), at), record, log);
    }
}

/// The log of each machine.
pub(crate) fn logs(plan: &Plan<'_>) -> Vec<String> {
    broken_logs(plan, None)
}

/// The same, with injected faults.
pub(crate) fn broken_logs(plan: &Plan<'_>, faults: Option<faults::Plan>) -> Vec<String> {
    let machines = u16::try_from(plan.rates.len()).unwrap();
    let config = sim::Config {
        machines,
        duration_us: plan.seconds * 1_000_000,
        latency: Latency::Constant { us: 0 },
        faults,
        seed: plan.seed,
        run: "generated".parse().unwrap(),
        epoch: WallTime(0),
    };
    let mut texts = Texts(MachineId::all(machines).map(|me| begin(plan, me)).collect());
    let simulation = Simulation::new(config, |me| Machine::new(model(plan, me))).unwrap();
    assert!(simulation.starts().iter().all(|start| *start == Time(0)));
    simulation.run(&mut texts).unwrap();
    let text = |text: Text| String::from_utf8(text.log).unwrap();
    texts.0.into_iter().map(text).collect()
}

fn model(plan: &Plan<'_>, me: MachineId) -> model::Config {
    model::Config {
        me,
        machines: u16::try_from(plan.rates.len()).unwrap(),
        rate: plan.rates[me.index()],
        speed: Speed::NORMAL,
        draw: plan.draw,
        traffic: Traffic::Assignment,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        seed: plan.seed,
    }
}

/// A log with its header.
fn begin(plan: &Plan<'_>, me: MachineId) -> Text {
    let config = model(plan, me);
    let skew = plan.skew_us.get(me.index()).copied().unwrap_or(0);
    let header = Header {
        speed: Speed::NORMAL,
        machine: me,
        machines: config.machines,
        rate: Some(config.rate),
        draw: Some(config.draw),
        traffic: config.traffic,
        phase_us: Some(config.phase_us()),
        clock: ClockKind::Lamport,
        incarnation: None,
        seed: plan.seed,
        run: "generated".parse().unwrap(),
        started: WallTime(STARTED.0 + skew),
    };
    let (mut writer, mut log) = (LineWriter::default(), Vec::new());
    writer.write_header(&header, &mut log);
    Text {
        started: header.started,
        writer,
        log,
    }
}

/// Writes logs into a folder.
pub(crate) fn write(dir: &Path, logs: &[String]) {
    for (id, log) in logs.iter().enumerate() {
        fs::write(dir.join(format!("machine-{id}.log")), log).unwrap();
    }
}
