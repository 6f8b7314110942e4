//! The store's own rules, judged from the logs of its replicas; what holds for every system's log is judged by `inspect`.
//!
//! Only for logs whose header has an incarnation. Each rule is an invariant of the store's page, as far as logs tell:
//!
//! - *dots*: a replica's writes are of its present life, and numbered 1, 2, 3, … without a gap; nobody applies a write that
//!   its origin did not make.
//! - *causal*: what is applied follows on what was known of its origin, and everything that it needs was known before;
//!   what a write of clients needs was known where it was accepted.
//! - *known*: a `data` remark names what the log's events add up to; and what is taken over whole, from another replica or
//!   from the disk, is closed: with each write, what that needs.
//! - *convergence*: `data` remarks with equal `known` have equal digests.
//!
//! What a write needs stands in its origin's log alone. Logs are read in the order of their times, which may differ from
//! computer to computer, so a stretch may be applied before its origin's log was read so far: then it waits here. What waits,
//! what is kept of needs, and the digests that are compared have limits; what is beyond them is not judged, and said in a
//! note.

mod needs;
mod replica;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use self::{
    needs::{Needs, Question},
    replica::Replica,
};
use crate::{
    clock::Origin,
    trace::{DataNote, Header, Place, Record, Violations},
    units::MachineId,
};

/// The rules' names.
pub const RULES: [&str; 4] = [DOTS, CAUSAL, KNOWN, CONVERGENCE];

const DOTS: &str = "dots";
const CAUSAL: &str = "causal";
const KNOWN: &str = "known";
const CONVERGENCE: &str = "convergence";

/// Digests that are kept to be compared with later ones: of the last so many different states.
const DIGESTS_KEPT_MAX: usize = 4096;

/// A run of the store, followed from line to line.
#[derive(Debug)]
pub struct StoreCheck {
    replicas: BTreeMap<MachineId, Replica>,
    /// Lives that ended in order: their logs have all that they wrote.
    ended: BTreeSet<Origin>,
    shared: Shared,
    digests: Digests,
}

/// What the replicas' logs are judged with.
#[derive(Debug)]
struct Shared {
    files: BTreeMap<MachineId, Arc<str>>,
    needs: Needs,
    /// How often each of [`RULES`] was judged.
    judged: [u64; RULES.len()],
}

/// The digest of each state that was said, and who said it where.
#[derive(Debug, Default)]
struct Digests {
    by_known: BTreeMap<String, (u64, MachineId, u64)>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl StoreCheck {
    /// Begins with the logs' headers and files; `None` if no log is one of the store.
    #[must_use]
    pub fn new<'a>(logs: impl Iterator<Item = (&'a Header, Arc<str>)>) -> Option<Self> {
        let (mut replicas, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (header, file) in logs {
            if let Some(incarnation) = header.incarnation {
                let machine = header.machine;
                files.insert(machine, file);
                replicas.insert(machine, Replica::new(Origin { machine, incarnation }));
            }
        }
        let needs = Needs::new(replicas.values().map(Replica::origin));
        (!replicas.is_empty()).then(|| Self {
            replicas,
            ended: BTreeSet::new(),
            shared: Shared {
                files,
                needs,
                judged: [0; RULES.len()],
            },
            digests: Digests::default(),
        })
    }

    /// Takes the next record of a machine's log.
    #[inline]
    pub fn take(&mut self, machine: MachineId, line: u64, record: &Record, violations: &mut Violations) {
        let change = match record {
            Record::Event(event) => match &event.store {
                None => return,
                Some(change) => Ok(change),
            },
            other => Err(other),
        };
        let Some(replica) = self.replicas.get_mut(&machine) else {
            return;
        };
        match change {
            Ok(change) => replica.change(line, change, &mut self.shared, violations),
            Err(Record::Data(data)) => {
                replica.data(line, data, &mut self.shared, violations);
                self.digests
                    .judge((machine, line), data, &mut self.shared, violations);
            }
            Err(Record::Restarted { incarnation }) => replica.restart(*incarnation),
            Err(Record::Ended(_)) => {
                self.ended.insert(replica.origin());
            }
            Err(
                Record::Event(_)
                | Record::LinkUp { .. }
                | Record::LinkLost { .. }
                | Record::Stall { .. }
                | Record::Fault(_)
                | Record::Mended { .. }
                | Record::Paused
                | Record::Stepped { .. }
                | Record::Pace { .. }
                | Record::Jumped { .. },
            ) => {}
        }
    }

    /// All logs are at their end. Returns how often each of [`RULES`] was judged.
    pub fn finish(mut self, notes: &mut Vec<String>, violations: &mut Violations) -> [u64; RULES.len()] {
        let (open, skipped) = self.shared.needs.finish();
        let mut unread = 0_u64;
        for question in open {
            let origin = question.origin();
            let written = self.shared.needs.written(origin);
            // A life that was killed may have put more on its disk than it had time to log.
            if self.ended.contains(&origin) {
                self.shared.nobodys(&question, written, violations);
            } else {
                unread += 1;
            }
        }
        if unread > 0 {
            notes.push(format!(
                "causal: {unread} stretches of writes were not judged, because the log of their origin is missing or does not \
                 reach so far"
            ));
        }
        if skipped > 0 {
            notes.push(format!(
                "causal: {skipped} stretches of writes were not judged, because they were applied too long before or after \
                 they were made"
            ));
        }
        self.shared.judged
    }
}

impl Shared {
    fn place(&self, machine: MachineId, line: u64) -> Place {
        Place {
            file: self.files.get(&machine).cloned().unwrap_or_default(),
            line,
        }
    }

    fn count(&mut self, rule: &'static str) {
        for (count, name) in self.judged.iter_mut().zip(RULES) {
            *count += u64::from(name == rule);
        }
    }

    #[cold]
    fn report(
        &self,
        rule: &'static str,
        (machine, line): (MachineId, u64),
        text: String,
        violations: &mut Violations,
    ) {
        violations.add(rule, machine, || (vec![self.place(machine, line)], text));
    }

    /// Judges a question with what its origin's log says; what that does not say yet waits.
    fn ask(&mut self, question: Question, violations: &mut Violations) {
        if let Some(unmet) = self.needs.ask(question) {
            self.unmet(&unmet, violations);
        }
    }

    #[cold]
    fn unmet(&self, unmet: &needs::Unmet, violations: &mut Violations) {
        let needs::Unmet {
            dot,
            line,
            missing,
            asked,
        } = unmet;
        let machine = asked.at.0;
        let there = self.place(dot.origin.machine, *line);
        let (rule, what) = match asked.why {
            needs::Why::Applied => (CAUSAL, "was applied"),
            needs::Why::TakenOver => (KNOWN, "was taken over"),
        };
        violations.add(rule, machine, || {
            let text = format!(
                "write {dot} {what}, which needs {missing} ({there}), but of that origin {} was known: a write comes after \
                 everything that it needs",
                match asked.known.get(missing.origin) {
                    0 => "nothing".to_owned(),
                    number => format!("{}.{number}", missing.origin),
                }
            );
            (vec![self.place(machine, asked.at.1), there], text)
        });
    }

    #[cold]
    fn nobodys(&self, question: &Question, written: u64, violations: &mut Violations) {
        let (machine, line) = question.at;
        let origin = question.origin();
        let there = self.place(origin.machine, 0);
        violations.add(DOTS, machine, || {
            let text = format!(
                "writes of {origin} up to {} are here, but that life made {written} ({there}): nobody has what was never written",
                question.last
            );
            (vec![self.place(machine, line), there], text)
        });
    }
}

impl Digests {
    fn judge(
        &mut self,
        at: (MachineId, u64),
        data: &DataNote,
        shared: &mut Shared,
        violations: &mut Violations,
    ) {
        shared.count(CONVERGENCE);
        let known = data.known.to_string();
        let Some((digest, machine, line)) = self.by_known.get(&known).copied() else {
            if self.order.len() >= DIGESTS_KEPT_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_known.remove(&oldest);
            }
            self.order.push_back(known.clone());
            self.by_known.insert(known, (data.digest, at.0, at.1));
            return;
        };
        if digest != data.digest {
            let there = shared.place(machine, line);
            violations.add(CONVERGENCE, at.0, || {
                let text = format!(
                    "digest={}, but with the same known={known} machine {machine} has digest={digest} ({there}): who knows the \
                     same writes holds the same data",
                    data.digest
                );
                (vec![shared.place(at.0, at.1), there], text)
            });
        }
    }
}
