//! Causality, asked of a run's logs: what happened before what, and by which messages.
//!
//! Happened-before is L. Lamport's, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978;
//! cuts are those of K. M. Chandy and L. Lamport, "Distributed Snapshots", 1985, and F. Mattern, "Virtual Time
//! and Global States of Distributed Systems", 1989. Everything follows from the order of each process's events
//! and from messages that were matched by identity. Times, where logs have them, are shown and never believed.
//!
//! Channels need not be first in, first out; an event may take several messages. It does not judge a run:
//! that is `check`.
//!
//! | question | answer |
//! |---|---|
//! | `order` | [`Causality::order`]: a chain of messages, or why there is none |
//! | `past`, `future` | [`Causality::cone`] |
//! | `cut` | [`Cut`], [`Causality::crossing`], [`Causality::largest_consistent`], [`Channel`] |
//! | `concurrency` | [`Concurrency`] |
//!
//! [`report`] turns answers into text for a terminal and JSON for scripts.

mod chain;
mod channel;
mod concurrency;
mod cone;
mod cut;
mod longest;
mod order;
mod reach;
pub mod report;

pub use chain::{Chain, Step};
pub use channel::{Channel, Place};
pub use concurrency::{Concurrency, Overtaken, TooLarge, VECTOR_ENTRIES_MAX};
pub use cone::{Cone, Side};
pub use cut::{Crossing, Cut, NoTimes};
pub use longest::{ClockDifference, Longest};
pub use order::{Gap, Order};

use self::longest::Depths;
use super::history::{EventId, History};

/// A history that can be asked.
#[derive(Debug)]
pub struct Causality<'a> {
    history: &'a History,
    ranks: Ranks,
}

/// A number for each event that rises along every process and every message.
#[derive(Debug)]
enum Ranks {
    /// The logs' own clocks have this property.
    Clocks,
    /// They do not: the length of the longest chain that ends in the event.
    Longest(Depths),
}

impl<'a> Causality<'a> {
    /// Looks once at each event and message, to know whether the logs' clocks can lead the search.
    #[must_use]
    pub fn new(history: &'a History) -> Self {
        let ranks = if clock_condition_holds(history) {
            Ranks::Clocks
        } else {
            Ranks::Longest(Depths::new(history))
        };
        Self { history, ranks }
    }

    /// What is asked.
    #[must_use]
    pub fn history(&self) -> &'a History {
        self.history
    }

    /// Whether the logs' clocks rise along every process and from every send to its receive, as Lamport's do.
    #[must_use]
    pub fn clocks_are_lamport(&self) -> bool {
        matches!(self.ranks, Ranks::Clocks)
    }

    /// Whether the messages form a circle, which only a wrong log has. Answers then hold for the messages as
    /// they are logged, and an event may be in its own past.
    #[must_use]
    pub fn has_circle(&self) -> bool {
        match &self.ranks {
            Ranks::Clocks => false,
            Ranks::Longest(depths) => !depths.is_whole(),
        }
    }

    /// A number that rises along every process and every message: the clock, or where the logs' clocks do not
    /// rise so, the length of the longest chain that ends in the event.
    #[must_use]
    pub fn rank(&self, id: EventId) -> u64 {
        match &self.ranks {
            Ranks::Clocks => self.history.event(id).map_or(0, |event| event.clock),
            Ranks::Longest(depths) => u64::from(depths.of(id)),
        }
    }
}

/// Lamport's clock condition, C(a) < C(b) for each step a → b of a process or a message.
fn clock_condition_holds(history: &History) -> bool {
    let clock = |id: EventId| history.event(id).map(|event| event.clock);
    let processes_rise = history
        .process_ids()
        .all(|process| history.ids_of(process).map(clock).is_sorted_by(|a, b| a < b));
    processes_rise
        && history.messages().iter().all(|message| match message.receive() {
            Some(receive) => clock(message.send) < clock(receive),
            None => true,
        })
}

#[cfg(test)]
mod tests;
