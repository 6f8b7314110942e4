//! The event logs of a simulated run of the store, as bytes.

use std::collections::BTreeMap;

use crate::{
    clock::ClockKind,
    sim::open::Moment,
    trace::{Header, LineWriter, Record, Traffic},
    units::{MachineId, Speed},
    wire::RunId,
};

/// One log a machine.
#[derive(Debug)]
pub(super) struct Logs {
    run: RunId,
    seed: u64,
    machines: u16,
    pub(super) logs: BTreeMap<MachineId, Log>,
}

/// A log and who writes it.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: LineWriter,
    pub(super) bytes: Vec<u8>,
}

impl Logs {
    pub(super) fn new(run: RunId, seed: u64, machines: u16) -> Self {
        Self {
            run,
            seed,
            machines,
            logs: BTreeMap::new(),
        }
    }

    /// A life begins: the first one with the header.
    pub(super) fn start(&mut self, machine: MachineId, at: Moment, incarnation: u32) {
        if self.logs.contains_key(&machine) {
            return;
        }
        let mut log = Log::default();
        let header = Header {
            machine,
            machines: self.machines,
            rate: None,
            draw: None,
            traffic: Traffic::Assignment,
            phase_us: None,
            speed: Speed::NORMAL,
            clock: ClockKind::Lamport,
            incarnation: Some(incarnation),
            seed: self.seed,
            run: self.run.clone(),
            started: at.wall,
        };
        log.lines.write_header(&header, &mut log.bytes);
        self.logs.insert(machine, log);
    }

    pub(super) fn record(&mut self, machine: MachineId, at: Moment, record: &Record) {
        if let Some(log) = self.logs.get_mut(&machine) {
            log.lines.write(at.wall, record, &mut log.bytes);
        }
    }
}
