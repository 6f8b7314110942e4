//! The scale model's own rules, judged from one log alone; what holds for every system's log is judged by
//! `inspect`.
//!
//! Only for logs whose header has a rate and a die. Each rule is an invariant of the module page.

use std::sync::Arc;

use super::{config::next_in_ring, waits::Waits};
use crate::{
    trace::{Event, Footer, Header, Kind, Place, Record, Traffic, Violations, WallTime},
    units::MachineId,
};

/// The rules' names: the invariants of the module page, in its order.
pub const RULES: [&str; 5] = [ONE_THING, QUEUE_FIRST, QUEUE_COUNTED, RATE_KEPT, DIE_OBEYED];

const ONE_THING: &str = "one thing a tick";
const QUEUE_FIRST: &str = "queue first";
const QUEUE_COUNTED: &str = "queue counted";
const RATE_KEPT: &str = "rate kept";
const DIE_OBEYED: &str = "die obeyed";

/// Times are whole microseconds, and so are phases and starts: a tick may seem this much early.
const ROUNDING_US: i64 = 2;

/// Ticks that a machine may lie from rate × seconds.
const TICKS_OFF_MAX: f64 = 2.0;

/// Longest wait for goodbyes between the stop and the end, with some room: protocol.md's `DRAIN_MS_MAX`.
const DRAIN_SECONDS_MAX: f64 = 2.1;

/// One machine's log, followed from line to line.
#[derive(Debug)]
pub struct ModelCheck {
    file: Arc<str>,
    me: MachineId,
    peers: usize,
    /// The one machine that sends go to, in a ring.
    next: Option<MachineId>,
    rate: u32,
    phase_us: u64,
    started: WallTime,
    /// Messages that still wait, as far as the log says, and the line that says so.
    queue: (u64, u64),
    waits: Waits,
    events: u64,
    receives: u64,
    sends: u64,
    internals: u64,
    /// Ticks that it says it skipped.
    skipped: u64,
    rate_judged: u64,
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
            rate: rate.max(1),
            phase_us: header.phase_us.unwrap_or(0),
            started: header.started,
            queue: (0, 2),
            waits: Waits::default(),
            events: 0,
            receives: 0,
            sends: 0,
            internals: 0,
            skipped: 0,
            rate_judged: 0,
        })
    }

    /// Takes the next record of the log.
    #[inline]
    pub fn take(&mut self, line: u64, at: WallTime, record: &Record, violations: &mut Violations) {
        match record {
            Record::Event(event) => self.event(line, at, event, violations),
            Record::Stall { skipped, .. } => self.skipped = self.skipped.saturating_add(*skipped),
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Fault(_)
            | Record::Mended { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Pace { .. }
            | Record::Jumped { .. }
            | Record::Restarted { .. } => {}
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
                self.judge_rate(line, at, footer, violations);
            }
        }
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
        self.judge_due(line, at, event.tick, violations);
    }

    /// Tick n (from 1) is due at started + phase + (n − 1) / rate, and never comes earlier.
    #[inline]
    fn judge_due(&self, line: u64, at: WallTime, tick: u64, violations: &mut Violations) {
        let Some(in_us) = tick.saturating_sub(1).checked_mul(1_000_000) else {
            return;
        };
        let due = self.phase_us.saturating_add(in_us / u64::from(self.rate));
        let since = at.us_since(self.started);
        // A time before the start is a violation of its own.
        if u64::try_from(since.saturating_add(ROUNDING_US)).unwrap_or(0) < due {
            let text = format!(
                "tick {tick} comes {since} µs after the start, but at rate {} it is due after {due} µs",
                self.rate
            );
            self.report(ONE_THING, &[line, 2], text, violations);
        }
    }

    /// A machine makes `rate` ticks a second from its start to its stop; those that it says it skipped count.
    ///
    /// A footer without `ticking_us` says only when the machine ended: up to [`DRAIN_SECONDS_MAX`] before that it
    /// may have stopped ticking to wait for its peers' goodbyes.
    fn judge_rate(&mut self, line: u64, at: WallTime, footer: &Footer, violations: &mut Violations) {
        self.rate_judged += 1;
        let rate = f64::from(self.rate);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a tolerance needs no more than 52 bits"
        )]
        let (ticks, ticking) = (
            self.events.saturating_add(self.skipped) as f64,
            footer.ticking_us.map(|us| us as f64 / 1e6),
        );
        let longest = ticking.unwrap_or_else(|| at.seconds_since(self.started));
        let shortest = ticking.unwrap_or(longest - DRAIN_SECONDS_MAX);
        if ticks > rate * longest + TICKS_OFF_MAX || ticks < rate * shortest - TICKS_OFF_MAX {
            let text = format!(
                "{} ticks, {} skipped, in {longest:.3} s: at rate {rate} it must be {:.1}, at most {TICKS_OFF_MAX} off",
                self.events,
                self.skipped,
                rate * longest,
            );
            self.report(RATE_KEPT, &[line], text, violations);
        }
    }

    /// The log is at its end. Returns how often each of [`RULES`] was judged.
    pub fn finish(self, notes: &mut Vec<String>) -> [u64; RULES.len()] {
        if self.skipped > 0 {
            notes.push(format!(
                "{}: {} ticks were skipped in stalls",
                self.file, self.skipped
            ));
        }
        [
            self.events,
            self.events,
            self.waits.judged,
            self.rate_judged,
            self.sends,
        ]
    }

    fn place(&self, line: u64) -> Place {
        Place {
            file: self.file.clone(),
            line,
        }
    }

    #[cold]
    fn report(&self, rule: &'static str, lines: &[u64], text: String, violations: &mut Violations) {
        violations.add(rule, self.me, || {
            (lines.iter().map(|line| self.place(*line)).collect(), text)
        });
    }
}
