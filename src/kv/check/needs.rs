//! What each write needs, as its origin's log says, and the stretches that wait to be judged by it.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    clock::{Dot, Origin, VersionVector},
    trace::Stretch,
    units::MachineId,
};

/// Needs kept of one origin: older ones are forgotten, and what is applied later than that is not judged.
const NEEDS_KEPT_MAX: usize = 1 << 18;

/// Stretches that wait at once for logs to be read; further ones are not judged.
const WAITING_MAX: usize = 1 << 16;

/// Why a stretch is known somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its writes were applied one behind the other.
    Applied,
    /// They came all at once, with everything else that was there.
    TakenOver,
}

/// Whether what a stretch needs is known.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// What is to be judged still.
    pub(super) stretch: Stretch,
    /// The last write of the whole stretch.
    pub(super) last: u64,
    /// Where.
    pub(super) at: (MachineId, u64),
    /// What is known there: before the stretch if that was applied, behind it if it was taken over.
    pub(super) known: VersionVector,
    pub(super) why: Why,
}

/// A write that needs what is not known.
#[derive(Clone, Debug)]
pub(super) struct Unmet {
    pub(super) dot: Dot,
    /// The line of its origin's log that says what it needs.
    pub(super) line: u64,
    /// The first that it needs in vain.
    pub(super) missing: Dot,
    pub(super) asked: Question,
}

/// All origins.
#[derive(Debug)]
pub(super) struct Needs {
    origins: BTreeMap<Origin, Written>,
    /// The first life in each machine's log.
    logs: BTreeMap<MachineId, u32>,
    waiting: usize,
    skipped: u64,
}

/// One origin's writes.
#[derive(Debug, Default)]
struct Written {
    /// How many there are, as far as its log was read.
    through: u64,
    /// (number, line, needs), ascending.
    kept: VecDeque<(u64, u64, VersionVector)>,
    /// The last number whose needs were forgotten.
    forgotten: u64,
    waiting: Vec<Question>,
}

impl Question {
    pub(super) fn origin(&self) -> Origin {
        self.stretch.origin
    }
}

impl Needs {
    pub(super) fn new(logs: impl Iterator<Item = Origin>) -> Self {
        Self {
            origins: BTreeMap::new(),
            logs: logs.map(|origin| (origin.machine, origin.incarnation)).collect(),
            waiting: 0,
            skipped: 0,
        }
    }

    /// How many writes an origin made, as far as its log was read.
    pub(super) fn written(&self, origin: Origin) -> u64 {
        self.origins.get(&origin).map_or(0, |written| written.through)
    }

    /// What of a stretch is unmet as far as its origin's log was read; the rest waits.
    pub(super) fn ask(&mut self, question: Question) -> Option<Unmet> {
        let origin = question.origin();
        // Lives before the log, or of a machine without one, say nothing of what they need.
        if self
            .logs
            .get(&origin.machine)
            .is_none_or(|first| *first > origin.incarnation)
        {
            return None;
        }
        let written = self.origins.entry(origin).or_default();
        let unmet = written.judge(&question);
        if question.stretch.first <= written.forgotten {
            self.skipped += 1;
        }
        if question.stretch.last > written.through {
            if self.waiting < WAITING_MAX {
                self.waiting += 1;
                written.waiting.push(question);
            } else {
                self.skipped += 1;
            }
        }
        unmet
    }

    /// An origin's log says what it wrote, in this line, and what that needs. Returns what of the waiting stretches is
    /// unmet.
    pub(super) fn write(&mut self, wrote: Stretch, line: u64, needs: &[(u64, VersionVector)]) -> Vec<Unmet> {
        let written = self.origins.entry(wrote.origin).or_default();
        let before = written.through;
        written.through = before.max(wrote.last);
        for (number, needs) in needs {
            // A name that is given again keeps its first meaning.
            if *number > before && *number <= wrote.last {
                written.kept.push_back((*number, line, needs.clone()));
            }
        }
        while written.kept.len() > NEEDS_KEPT_MAX {
            if let Some((number, _, _)) = written.kept.pop_front() {
                written.forgotten = number;
            }
        }
        let mut unmet = Vec::new();
        for mut question in std::mem::take(&mut written.waiting) {
            // What was read before was judged then.
            question.stretch.first = question.stretch.first.max(before + 1);
            unmet.extend(written.judge(&question));
            if question.stretch.last > written.through {
                written.waiting.push(question);
            } else {
                self.waiting -= 1;
            }
        }
        unmet
    }

    /// All logs are at their end: what waits still, and how many stretches were not judged.
    pub(super) fn finish(&mut self) -> (Vec<Question>, u64) {
        let origins = self.origins.values_mut();
        let open = origins
            .flat_map(|written| std::mem::take(&mut written.waiting))
            .collect();
        (open, self.skipped)
    }
}

impl Written {
    /// The first write of a stretch that needs what is not known there, as far as the log was read.
    fn judge(&self, question: &Question) -> Option<Unmet> {
        let Stretch { origin, first, last } = question.stretch;
        let start = self.kept.partition_point(|(number, _, _)| *number < first);
        let within = self.kept.iter().skip(start);
        for (number, line, needs) in within.take_while(|(number, _, _)| *number <= last) {
            let mut missing = question.known.missing(needs);
            if let Some(missing) = missing.find(|dot| dot.origin != origin) {
                return Some(Unmet {
                    dot: Dot::new(origin, *number),
                    line: *line,
                    missing,
                    asked: question.clone(),
                });
            }
        }
        None
    }
}
