//! The scale model's own rules, judged from one log alone; what holds for every system's log is judged by
//! `inspect`.
//!
//! Only for logs whose header has a rate and a die. Each rule is an invariant of the module page.

use std::sync::Arc;

use super::{
    config::next_in_ring,
    schedule::{Schedules, Wrong},
    waits::Waits,
};
use crate::{
    trace::{Event, Header, Kind, Place, Record, Traffic, Violations, WallTime},
    units::MachineId,
};

/// The rules' names: the invariants of the module page, in its order.
pub const RULES: [&str; 6] = [
    ONE_THING,
    QUEUE_FIRST,
    QUEUE_COUNTED,
    RATE_KEPT,
    STEPS_KEPT,
    DIE_OBEYED,
];

pub(super) const ONE_THING: &str = "one thing a tick";
const QUEUE_FIRST: &str = "queue first";
const QUEUE_COUNTED: &str = "queue counted";
pub(super) const RATE_KEPT: &str = "rate kept";
pub(super) const STEPS_KEPT: &str = "steps kept";
const DIE_OBEYED: &str = "die obeyed";

/// One machine's log, followed from line to line.
#[derive(Debug)]
pub struct ModelCheck {
    file: Arc<str>,
    me: MachineId,
    peers: usize,
    /// The one machine that sends go to, in a ring.
    next: Option<MachineId>,
    schedules: Schedules,
    /// Messages that still wait, as far as the log says, and the line that says so.
    queue: (u64, u64),
    waits: Waits,
    events: u64,
    receives: u64,
    sends: u64,
    internals: u64,
}

impl ModelCheck {
    /// Begins with a log's header; `None` if the log is not one of the scale model.
    #[must_use]
    pub fn new(header: &Header, file: Arc<str>) -> Option<Self> {
        let (Some(rate), Some(_)) = (header.rate, header.draw) else {
            return None;
        };
        Some(Self {
            file,
            me: header.machine,
            peers: usize::from(header.machines).saturating_sub(1),
            next: match header.traffic {
                Traffic::Assignment => None,
                Traffic::Ring => Some(next_in_ring(header.machine, header.machines)),
            },
            schedules: Schedules::new(header, rate.max(1)),
            queue: (0, 2),
            waits: Waits::default(),
            events: 0,
            receives: 0,
            sends: 0,
            internals: 0,
        })
    }

    /// Takes the next record of the log.
    #[inline]
    pub fn take(&mut self, line: u64, at: WallTime, record: &Record, violations: &mut Violations) {
        match record {
            Record::Event(event) => self.event(line, at, event, violations),
            Record::Stall { skipped, .. } => self.schedules.stall(*skipped),
            Record::Paused => {
                let wrong = self.schedules.pause(line, at);
                self.report_wrong(wrong, violations);
            }
            Record::Stepped { ticks } => {
                let wrong = self.schedules.step(line, *ticks);
                self.report_wrong(wrong, violations);
            }
            Record::Pace { rate, next_us } => {
                let wrong = self.schedules.pace(line, at, *rate, *next_us);
                self.report_wrong(wrong, violations);
            }
            // What waited is lost with the process.
            Record::Restarted { .. } => {
                self.schedules.restart(line);
                self.queue = (0, line);
                self.waits.forget();
            }
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Fault(_)
            | Record::Mended { .. }
            | Record::Jumped { .. }
            | Record::Data(_) => {}
            Record::Ended(footer) => {
                let done = self.receives + self.sends + self.internals;
                if footer.ticks != done {
                    let Self {
                        receives,
                        sends,
                        internals,
                        ..
                    } = self;
                    let text = format!(
                        "ticks={}, but there are {receives} receives + {sends} sends + {internals} internal events = {done}",
                        footer.ticks
                    );
                    self.report(ONE_THING, &[line], text, violations);
                }
                let (queue, known) = self.queue;
                if footer.queued < queue {
                    let text = format!(
                        "queued={}, but {queue} messages were waiting at {} and none was taken since",
                        footer.queued,
                        self.place(known)
                    );
                    self.report(QUEUE_FIRST, &[line, known], text, violations);
                }
                let wrong = self.schedules.end(line, at, footer);
                self.report_wrong(wrong, violations);
            }
        }
        self.schedules.pass(at);
    }

    #[inline]
    fn event(&mut self, line: u64, at: WallTime, event: &Event, violations: &mut Violations) {
        let (queue, known) = self.queue;
        match &event.kind {
            Kind::Internal => self.internals += 1,
            Kind::Send { to, .. } => {
                self.sends += 1;
                if let Some(next) = self.next {
                    if to.as_slice() != [next] {
                        let text =
                            format!("a send to another than machine {next}: in a ring each goes to the next");
                        self.report(DIE_OBEYED, &[line], text, violations);
                    }
                } else if to.len() != 1 && to.len() != self.peers {
                    let text = format!(
                        "a send to {} machines: the die says one peer, or all {}",
                        to.len(),
                        self.peers
                    );
                    self.report(DIE_OBEYED, &[line], text, violations);
                }
            }
            Kind::Receive {
                queue: now,
                waited_us,
                ..
            } => {
                self.receives += 1;
                if let Some((text, other)) = self.waits.take(at, line, *now, *waited_us) {
                    self.report(QUEUE_COUNTED, &[line, other], text, violations);
                }
                self.queue = (*now, line);
                if now.saturating_add(1) < queue {
                    let text = format!(
                        "{now} messages wait, but {queue} did at {}: a tick takes one",
                        self.place(known)
                    );
                    self.report(QUEUE_FIRST, &[line, known], text, violations);
                }
            }
            Kind::Other => return,
        }
        if queue > 0 && !matches!(event.kind, Kind::Receive { .. }) {
            let text = format!(
                "no receive, but {queue} messages were waiting at {}: a waiting message comes first",
                self.place(known)
            );
            self.report(QUEUE_FIRST, &[line, known], text, violations);
        }
        self.events += 1;
        if let wrong @ Some(_) = self.schedules.tick(line, at, event.tick) {
            self.report_wrong(wrong, violations);
        }
    }

    /// The log is at its end. Returns how often each of [`RULES`] was judged.
    pub fn finish(self, notes: &mut Vec<String>) -> [u64; RULES.len()] {
        let skipped = self.schedules.skipped;
        if skipped > 0 {
            notes.push(format!("{}: {skipped} ticks were skipped in stalls", self.file));
        }
        [
            self.events,
            self.events,
            self.waits.judged,
            self.schedules.rate_judged,
            self.schedules.steps_judged,
            self.sends,
        ]
    }

    fn place(&self, line: u64) -> Place {
        Place {
            file: self.file.clone(),
            line,
        }
    }

    fn report_wrong(&self, wrong: Option<Wrong>, violations: &mut Violations) {
        if let Some(Wrong { rule, lines, text }) = wrong {
            self.report(rule, &lines, text, violations);
        }
    }

    #[cold]
    fn report(&self, rule: &'static str, lines: &[u64], text: String, violations: &mut Violations) {
        violations.add(rule, self.me, || {
            (lines.iter().map(|line| self.place(*line)).collect(), text)
        });
    }
}
