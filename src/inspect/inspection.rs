//! A run judged and counted while it happens: the same rules and the same counts as from its logs, without logs.
//!
//! For simulations, which know their records before they are text. Places of violations name the lines that the
//! logs would have.

use std::sync::Arc;

use super::{
    check::{Check, Verdict},
    summary::{RunSummary, Tally},
};
use crate::{
    trace::{Header, Record, WallTime},
    units::MachineId,
};

/// Machines of a run up to which it is judged as it happens; larger ones are only counted.
///
/// Judging keeps some hundred bytes for each two machines.
pub const JUDGED_MACHINES_MAX: u16 = 1000;

/// The line of a log in front of its first record: the header's.
const HEADER_LINE: u64 = 2;

/// A run that is being judged and counted.
#[derive(Debug)]
pub struct Inspection {
    dir: String,
    check: Option<Check>,
    tally: Tally,
    /// By machine: the line of its last record.
    lines: Vec<u64>,
}

impl Inspection {
    /// A run with these headers, one a machine in the order of their ids. `dir` names it in the verdict.
    #[must_use]
    pub fn new(dir: &str, headers: &[Header]) -> Self {
        let machines = headers.first().map_or(0, |header| header.machines);
        let files = || {
            let names = MachineId::all(machines).map(|machine| format!("machine-{machine}.log"));
            names.map(Arc::from).collect()
        };
        Self {
            dir: dir.to_owned(),
            check: (machines <= JUDGED_MACHINES_MAX).then(|| Check::new(files(), headers.iter())),
            tally: Tally::new(dir, headers.iter()),
            lines: vec![HEADER_LINE; usize::from(machines)],
        }
    }

    /// Takes the next record of a machine. Of different machines they may come in any order.
    #[inline]
    pub fn record(&mut self, machine: MachineId, at: WallTime, record: &Record) {
        if let (Some(check), Some(line)) = (&mut self.check, self.lines.get_mut(machine.index())) {
            *line += 1;
            check.record(machine, *line, at, record);
        }
        self.tally.take(machine, at, record);
    }

    /// All machines have ended. No verdict on runs of more than [`JUDGED_MACHINES_MAX`] machines.
    #[must_use]
    pub fn finish(self) -> (Option<Verdict>, RunSummary) {
        let dir = self.dir;
        let verdict = self
            .check
            .map(|check| check.finish(&dir, &[], std::iter::empty()));
        (verdict, self.tally.finish())
    }
}
