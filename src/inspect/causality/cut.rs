//! Cuts of a run: a prefix of each process's events, and whether such a moment is one that could have been.
//!
//! A cut is consistent if it has the send event of every message that it has the receive event of. What is
//! inconsistent in a cut is the future of what is outside of it; so the largest consistent cut inside a cut
//! leaves out that future and nothing else, and there is exactly one.
//!
//! ```text
//!   0  ──o──o──┊──s──        the message s → r crosses the cut backwards:
//!                  \         r is inside, s is outside
//!   1  ──o──o──┊    \
//!   2  ──o──o──o──r──┊──
//! ```

use thiserror::Error;

use super::{Causality, EventId};
use crate::{inspect::history::Message, trace::WallTime};

/// A prefix of the events of each process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// By process: how many of its events are in the cut.
    pub counts: Vec<u32>,
}

/// The messages that cross a cut backwards: sent outside, received inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// How many there are; the cut is consistent if there is none.
    pub count: u64,
    /// The first of them, by receiver and receive event.
    pub first: Vec<Message>,
}

/// A moment was asked for, but an event's log has no times.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}, line {line}: this event has no time; name the cut by its events: --events 0:17,1:15")]
pub struct NoTimes {
    /// The log.
    pub file: String,
    /// The line of the event.
    pub line: u32,
}

impl Cut {
    /// Whether an event is in the cut.
    #[must_use]
    pub fn has(&self, event: EventId) -> bool {
        let count = self.counts.get(event.process as usize);
        count.is_some_and(|count| event.index < *count)
    }

    /// The last event of a process in the cut.
    #[must_use]
    pub fn last(&self, process: u32) -> Option<EventId> {
        let index = self.counts.get(process as usize)?.checked_sub(1)?;
        Some(EventId { process, index })
    }

    /// How many events it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}

impl Causality<'_> {
    /// All events.
    #[must_use]
    pub fn cut_at_end(&self) -> Cut {
        let processes = self.history.process_ids();
        Cut {
            counts: processes.map(|process| self.history.events_of(process)).collect(),
        }
    }

    /// Of each process named all events up to this one, of the others none.
    #[must_use]
    pub fn cut_after(&self, last: &[EventId]) -> Cut {
        let mut counts = vec![0; self.history.processes.len()];
        for event in last {
            if let Some(count) = counts.get_mut(event.process as usize) {
                *count = event.index + 1;
            }
        }
        Cut { counts }
    }

    /// The events of each process before its first one that is later than `at`. Clocks of hosts may differ:
    /// such a cut need not be consistent.
    ///
    /// # Errors
    /// [`NoTimes`] if an event has none.
    pub fn cut_at(&self, at: WallTime) -> Result<Cut, NoTimes> {
        let mut counts = Vec::new();
        for process in self.history.process_ids() {
            let mut count = self.history.events_of(process);
            for id in self.history.ids_of(process) {
                let event = self.history.event(id);
                let time = event.and_then(|event| event.at).ok_or_else(|| NoTimes {
                    file: self
                        .history
                        .process(id)
                        .map_or_else(String::new, |process| process.file.to_string()),
                    line: event.map_or(0, |event| event.line),
                })?;
                if time > at {
                    count = id.index;
                    break;
                }
            }
            counts.push(count);
        }
        Ok(Cut { counts })
    }

    /// The messages that cross a cut backwards, the first `shown` of them.
    #[must_use]
    pub fn crossing(&self, cut: &Cut, shown: usize) -> Crossing {
        let crosses = |message: &&Message| {
            message.receive().is_some_and(|receive| cut.has(receive)) && !cut.has(message.send)
        };
        let mut crossing = Crossing {
            count: 0,
            first: Vec::new(),
        };
        for message in self.history.received().filter(crosses) {
            crossing.count += 1;
            if crossing.first.len() < shown {
                crossing.first.push(*message);
            }
        }
        crossing
    }

    /// The largest consistent cut inside a cut; itself if it is consistent.
    #[must_use]
    pub fn largest_consistent(&self, cut: &Cut) -> Cut {
        let first_outside = (0..).zip(&cut.counts);
        let outside: Vec<EventId> = first_outside
            .map(|(process, index)| EventId {
                process,
                index: *index,
            })
            .filter(|event| event.index < self.history.events_of(event.process))
            .collect();
        let future = self.future_of(&outside);
        let counts = cut.counts.iter().zip(future);
        Cut {
            counts: counts
                .map(|(count, first)| first.map_or(*count, |first| first.min(*count)))
                .collect(),
        }
    }
}
