//! One replica's log: what it wrote, applied and took over, and what that adds up to.

use super::{
    CAUSAL, DOTS, KNOWN, Shared,
    needs::{Question, Why},
};
use crate::{
    clock::{Dot, Origin, VersionVector},
    trace::{DataNote, StoreChange, Stretch, Violations},
    units::MachineId,
};

/// What is known of a replica.
#[derive(Debug)]
pub(super) struct Replica {
    /// The life that writes now.
    origin: Origin,
    /// The writes that it has, if the log says all.
    known: VersionVector,
    /// Whether the present life's beginning is known: by its first `data` remark, or because it changed something without
    /// one; until then it may have anything from its disk.
    is_settled: bool,
}

impl Replica {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            known: VersionVector::new(),
            is_settled: false,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn restart(&mut self, incarnation: u32) {
        self.origin.incarnation = incarnation;
        self.is_settled = false;
    }

    /// What an event did: took over, applied, wrote, in this order.
    pub(super) fn change(
        &mut self,
        line: u64,
        change: &StoreChange,
        shared: &mut Shared,
        violations: &mut Violations,
    ) {
        self.is_settled = true;
        let at = (self.origin.machine, line);
        let StoreChange {
            wrote,
            needs,
            applied,
            adopted,
        } = change;
        if let Some(adopted) = adopted {
            let before = self.known.clone();
            self.known.merge(adopted);
            self.judge_own(at, adopted.get(self.origin), shared, violations);
            self.take_over(at, &before, adopted, shared, violations);
        }
        for stretch in applied {
            self.apply(at, *stretch, shared, violations);
        }
        if let Some(wrote) = wrote {
            self.write(at, *wrote, needs, shared, violations);
        } else if let Some((number, _)) = needs.first() {
            let text = format!("needs= names write {number}, but nothing was written");
            shared.report(DOTS, at, text, violations);
        }
    }

    /// What the replica says that it has.
    pub(super) fn data(
        &mut self,
        line: u64,
        data: &DataNote,
        shared: &mut Shared,
        violations: &mut Violations,
    ) {
        let at = (self.origin.machine, line);
        shared.count(KNOWN);
        if self.is_settled {
            if data.known != self.known {
                let text = format!(
                    "known={}, but the events of this log add up to {}",
                    data.known, self.known
                );
                shared.report(KNOWN, at, text, violations);
                self.known.clone_from(&data.known);
            }
            return;
        }
        // What the disk gave back, which may be more than the log had time to say, or nothing.
        self.is_settled = true;
        self.known.clone_from(&data.known);
        self.judge_own(at, data.known.get(self.origin), shared, violations);
        self.take_over(at, &VersionVector::new(), &data.known, shared, violations);
    }

    /// Nobody gives a life back more than it wrote.
    fn judge_own(&self, at: (MachineId, u64), own: u64, shared: &mut Shared, violations: &mut Violations) {
        let written = shared.needs.written(self.origin);
        if own > written {
            let text = format!(
                "{own} writes of {} are here, but this life made {written}",
                self.origin
            );
            shared.report(DOTS, at, text, violations);
        }
    }

    /// What was taken over is closed.
    fn take_over(
        &self,
        at: (MachineId, u64),
        before: &VersionVector,
        held: &VersionVector,
        shared: &mut Shared,
        violations: &mut Violations,
    ) {
        shared.count(KNOWN);
        for (origin, last) in held.iter() {
            let first = before.get(origin) + 1;
            if origin != self.origin && first <= last {
                let question = Question {
                    stretch: Stretch { origin, first, last },
                    last,
                    at,
                    known: self.known.clone(),
                    why: Why::TakenOver,
                };
                shared.ask(question, violations);
            }
        }
    }

    fn apply(
        &mut self,
        at: (MachineId, u64),
        stretch: Stretch,
        shared: &mut Shared,
        violations: &mut Violations,
    ) {
        shared.count(CAUSAL);
        let Stretch { origin, first, last } = stretch;
        if origin == self.origin {
            let text = format!(
                "applied={origin}.{first}-{last} is of this life itself: its own writes stand in `wrote`, once"
            );
            shared.report(DOTS, at, text, violations);
            return;
        }
        let before = self.known.get(origin);
        if first != before.saturating_add(1) {
            let what = if first <= before { "again" } else { "with a gap" };
            let text = format!(
                "applied={origin}.{first}-{last} {what}: of that origin the writes up to {before} were known, so the next is {}",
                before.saturating_add(1)
            );
            shared.report(CAUSAL, at, text, violations);
        }
        let question = Question {
            stretch,
            last,
            at,
            known: self.known.clone(),
            why: Why::Applied,
        };
        shared.ask(question, violations);
        self.known.raise(origin, last);
    }

    fn write(
        &mut self,
        at: (MachineId, u64),
        wrote: Stretch,
        needs: &[(u64, VersionVector)],
        shared: &mut Shared,
        violations: &mut Violations,
    ) {
        shared.count(DOTS);
        let Stretch { origin, first, last } = wrote;
        if origin != self.origin {
            let text = format!(
                "wrote={origin}.{first}-{last}, but this is life {}: a write is named after the life that made it",
                self.origin
            );
            shared.report(DOTS, at, text, violations);
            return;
        }
        let written = shared.needs.written(origin);
        if first != written.saturating_add(1) {
            let what = if first <= written {
                "names are given once"
            } else {
                "there is a gap"
            };
            let text = format!(
                "wrote={origin}.{first}-{last}, but the last write of this life was number {written}: {what}"
            );
            shared.report(DOTS, at, text, violations);
        }
        for (number, needs) in needs {
            shared.count(CAUSAL);
            if !(first..=last).contains(number) {
                let text = format!("needs= names write {number}, but {first} to {last} were written");
                shared.report(DOTS, at, text, violations);
            }
            // Of its own life it has, at that moment, what it wrote before.
            let own = |dot: &Dot| dot.origin == origin && dot.number < *number;
            if let Some(missing) = self.known.missing(needs).find(|dot| !own(dot)) {
                let text = format!(
                    "write {origin}.{number} needs {missing}, but of that origin the writes up to {} were known here: nothing is \
                     accepted before what it needs",
                    self.known.get(missing.origin)
                );
                shared.report(CAUSAL, at, text, violations);
            }
        }
        self.known.raise(origin, last);
        let answers = shared.needs.write(wrote, at.1, needs);
        for unmet in answers {
            shared.unmet(&unmet, violations);
        }
    }
}
