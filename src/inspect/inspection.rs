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
        let machines = headers.iter().map(|header| header.machines).max().unwrap_or(0);
        let files = || {
            let names = MachineId::all(machines).map(|machine| format!("machine-{machine}.log"));
            names.map(Arc::from).collect()
        };
        Self {
            dir: dir.to_owned(),
            check: (headers.len() <= usize::from(JUDGED_MACHINES_MAX))
                .then(|| Check::new(files(), headers.iter())),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ClockKind,
        trace::{Event, Kind},
    };

    fn event(tick: u64, clock: u64, kind: Kind) -> Record {
        Record::Event(Event {
            tick,
            clock,
            vector: None,
            hybrid: None,
            store: None,
            kind,
        })
    }

    fn headers() -> Vec<Header> {
        let header = |machine| Header {
            machine,
            machines: 2,
            rate: None,
            draw: None,
            traffic: crate::trace::Traffic::Assignment,
            phase_us: None,
            speed: crate::units::Speed::NORMAL,
            clock: ClockKind::Lamport,
            incarnation: None,
            seed: 1,
            run: "test".parse().unwrap(),
            started: WallTime(0),
        };
        MachineId::all(2).map(header).collect()
    }

    #[test]
    fn a_broken_rule_is_named_with_the_lines_that_the_logs_would_have() {
        let mut inspection = Inspection::new("test", &headers());
        let send = Kind::Send {
            to: [MachineId(1)].into_iter().collect(),
            mishaps: None,
        };
        inspection.record(MachineId(0), WallTime(5), &event(1, 1, Kind::Internal));
        inspection.record(MachineId(0), WallTime(6), &event(2, 2, send));
        let receive = Kind::Receive {
            from: MachineId(0),
            sent: 2,
            queue: 0,
            waited_us: None,
        };
        inspection.record(MachineId(1), WallTime(7), &event(1, 9, receive));
        let (verdict, summary) = inspection.finish();
        let verdict = verdict.unwrap();
        let text = verdict.to_string();
        assert!(!verdict.is_valid() && verdict.matched == 1, "{text}");
        assert!(
            text.contains("machine-1.log:3") && text.contains("machine-0.log:4"),
            "{text}"
        );
        assert_eq!(summary.machines[0].sent_to, [0, 1]);
        assert_eq!((summary.machines[0].sent(), summary.machines[1].receives), (1, 1));
    }

    #[test]
    fn a_run_that_keeps_every_rule_is_valid() {
        let mut inspection = Inspection::new("test", &headers());
        inspection.record(MachineId(1), WallTime(5), &event(1, 1, Kind::Internal));
        let (verdict, summary) = inspection.finish();
        assert!(verdict.unwrap().is_valid());
        assert_eq!(summary.events(), 1);
    }
}
