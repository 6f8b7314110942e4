//! Runs machines of the scale model in virtual time, with links that take no time, and writes their logs.

use std::{fs, path::Path};

use clocklab::{
    clock::ClockKind,
    model::{Config, Machine, Phase, Stamp},
    node::{DownCause, Effect, Input, Node},
    trace::{Header, LineWriter, WallTime},
    units::{MachineId, Time},
    wire::Reason,
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

struct Running {
    machine: Machine,
    id: MachineId,
    started: WallTime,
    writer: LineWriter,
    log: Vec<u8>,
}

/// The log of each machine.
pub(crate) fn logs(plan: &Plan<'_>) -> Vec<String> {
    let machines = u16::try_from(plan.rates.len()).unwrap();
    let mut running: Vec<Running> = (0..machines).map(|id| start(plan, MachineId(id))).collect();
    let mut effects = Vec::new();
    for machine in &mut running {
        machine.machine.handle(Time(0), Input::Start, &mut effects);
    }
    let end = Time(plan.seconds * 1_000_000);
    loop {
        let next = (0..running.len()).min_by_key(|index| running[*index].machine.deadline());
        let index = next.unwrap();
        let Some(now) = running[index].machine.deadline().filter(|due| *due < end) else {
            break;
        };
        running[index].machine.handle(now, Input::Timeout, &mut effects);
        carry_out(index, now, &mut effects, &mut running);
    }
    for index in 0..running.len() {
        let reason = Reason::Duration;
        running[index].machine.handle(
            end,
            Input::Stop {
                reason,
                peer: None,
                until: end,
            },
            &mut effects,
        );
        for peer in MachineId(u16::try_from(index).unwrap()).peers(machines) {
            let cause = DownCause::Goodbye;
            running[index]
                .machine
                .handle(end, Input::LinkDown { peer, cause }, &mut effects);
        }
        running[index].machine.handle(end, Input::End, &mut effects);
        carry_out(index, end, &mut effects, &mut running);
    }
    running
        .into_iter()
        .map(|machine| String::from_utf8(machine.log).unwrap())
        .collect()
}

fn start(plan: &Plan<'_>, id: MachineId) -> Running {
    let config = Config {
        me: id,
        machines: u16::try_from(plan.rates.len()).unwrap(),
        rate: plan.rates[id.index()],
        draw: plan.draw,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        seed: plan.seed,
    };
    let skew = plan.skew_us.get(id.index()).copied().unwrap_or(0);
    let header = Header {
        machine: id,
        machines: config.machines,
        rate: Some(config.rate),
        draw: Some(config.draw),
        phase_us: Some(config.phase_us()),
        clock: ClockKind::Lamport,
        seed: plan.seed,
        run: "generated".parse().unwrap(),
        started: WallTime(STARTED.0 + skew),
    };
    let (mut writer, mut log) = (LineWriter::default(), Vec::new());
    writer.write_header(&header, &mut log);
    Running {
        machine: Machine::new(config),
        id,
        started: header.started,
        writer,
        log,
    }
}

fn carry_out(index: usize, now: Time, effects: &mut Vec<Effect<Stamp>>, running: &mut [Running]) {
    for effect in std::mem::take(effects) {
        match effect {
            Effect::Send { to, message } => {
                let from = running[index].id;
                running[to.index()]
                    .machine
                    .handle(now, Input::Message { from, message }, effects);
            }
            Effect::Record(record) => {
                let Running {
                    started, writer, log, ..
                } = &mut running[index];
                writer.write(started.carried(Time(0), now), &record, log);
            }
            Effect::Stop { reason } => panic!("{reason}"),
        }
    }
}

/// Writes logs into a folder.
pub(crate) fn write(dir: &Path, logs: &[String]) {
    for (id, log) in logs.iter().enumerate() {
        fs::write(dir.join(format!("machine-{id}.log")), log).unwrap();
    }
}
