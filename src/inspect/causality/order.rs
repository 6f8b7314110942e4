//! The order of two events, with its proof or with the reason why there is none.

use super::{Causality, Chain, EventId, reach::Known};

/// How two events a and b stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// They are one event.
    Same,
    /// a happened before b, by this chain from a to b.
    Before(Chain),
    /// b happened before a, by this chain from b to a.
    After(Chain),
    /// Neither happened before the other.
    Concurrent {
        /// Why a did not happen before b.
        forth: Gap,
        /// Why b did not happen before a.
        back: Gap,
    },
}

/// Why `from` did not happen before `to`, an event of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The event that is not known.
    pub from: EventId,
    /// The event that does not know it.
    pub to: EventId,
    /// What brought `to` the last that it knows of `from`'s process: an earlier event than `from`, where the
    /// chain begins. `None` if it knows nothing of that process.
    pub known: Option<Chain>,
    /// The first event of `to`'s process that knows of `from`; `None` if none ever does.
    pub learns: Option<EventId>,
}

impl Causality<'_> {
    /// The order of two events of the history.
    #[must_use]
    pub fn order(&self, a: EventId, b: EventId) -> Order {
        if a == b {
            return Order::Same;
        }
        // What happened before has the smaller rank; in a circle nothing is sure.
        let (may_lead, may_follow) = match self.has_circle() {
            true => (true, true),
            false => (self.rank(a) < self.rank(b), self.rank(b) < self.rank(a)),
        };
        if may_lead && let Some(chain) = self.chain_of_few(a, b) {
            return Order::Before(chain);
        }
        if may_follow && let Some(chain) = self.chain_of_few(b, a) {
            return Order::After(chain);
        }
        let known_b = self.known_at(b, Some(a.process));
        if let Some(chain) = self.chain_if_known(a, b, &known_b) {
            return Order::Before(chain);
        }
        let known_a = self.known_at(a, Some(b.process));
        if let Some(chain) = self.chain_if_known(b, a, &known_a) {
            return Order::After(chain);
        }
        Order::Concurrent {
            forth: self.gap(a, b, &known_b),
            back: self.gap(b, a, &known_a),
        }
    }

    fn chain_if_known(&self, from: EventId, to: EventId, known: &Known) -> Option<Chain> {
        if known.last(from.process) < Some(from.index) {
            return None;
        }
        self.chain_within(from, to, known)
    }

    fn gap(&self, from: EventId, to: EventId, known: &Known) -> Gap {
        let brought = known.last(from.process).and_then(|index| {
            let last = EventId {
                process: from.process,
                index,
            };
            self.chain_within(last, to, known)
        });
        Gap {
            from,
            to,
            known: brought,
            learns: self.first_to_know(from, to.process),
        }
    }
}
