//! The causal cone of an event: all that happened before it, or all that it happened before.

use std::collections::BinaryHeap;

use super::{Causality, EventId};

/// Which side of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What happened before it.
    Past,
    /// What it happened before.
    Future,
}

/// One side of an event's cone. The event itself is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cone {
    /// The event.
    pub event: EventId,
    /// The side.
    pub side: Side,
    /// By process: where its part ends that is nearest to the event: of a past its last event, of a future
    /// its first. `None` where no event of the process is in the cone.
    pub edge: Vec<Option<u32>>,
    /// By process: how many of its events are in the cone.
    pub counts: Vec<u32>,
}

impl Cone {
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
    /// One side of an event's cone.
    #[must_use]
    pub fn cone(&self, event: EventId, side: Side) -> Cone {
        let edge = match side {
            Side::Past => self.past_of(event),
            Side::Future => self.future_of(&[event]),
        };
        let step = |(process, edge): (u32, Option<u32>)| {
            let edge = edge?;
            let own = process == event.process;
            match side {
                Side::Past if own => edge.checked_sub(1),
                Side::Past => Some(edge),
                Side::Future if own => Some(edge + 1).filter(|next| *next < self.history.events_of(process)),
                Side::Future => Some(edge),
            }
        };
        let edge: Vec<Option<u32>> = (0..).zip(edge).map(step).collect();
        let count = |(process, edge): (u32, &Option<u32>)| match (side, edge) {
            (_, None) => 0,
            (Side::Past, Some(last)) => last + 1,
            (Side::Future, Some(first)) => self.history.events_of(process) - first,
        };
        let counts = (0..).zip(&edge).map(count).collect();
        Cone {
            event,
            side,
            edge,
            counts,
        }
    }

    /// How many events are concurrent with one: neither before it nor behind it nor itself.
    #[must_use]
    pub fn concurrent_with(&self, event: EventId) -> u64 {
        let cones = self.cone(event, Side::Past).len() + self.cone(event, Side::Future).len();
        (self.history.len() as u64).saturating_sub(cones + 1)
    }

    /// The events of a cone, those nearest to its event first, in an order that causality allows: by rank,
    /// then by process.
    pub fn nearest<'a>(&'a self, cone: &'a Cone) -> impl Iterator<Item = EventId> + 'a {
        // The greatest comes first: of a past the highest rank, of a future the lowest.
        let key = |id: EventId| {
            let rank = i128::from(self.rank(id));
            let rank = match cone.side {
                Side::Past => rank,
                Side::Future => -rank,
            };
            let process = i64::from(id.process);
            (
                rank,
                if cone.side == Side::Past {
                    process
                } else {
                    -process
                },
                id,
            )
        };
        let starts = (0..).zip(&cone.edge);
        let starts = starts.filter_map(|(process, index)| {
            let index = (*index)?;
            Some(EventId { process, index })
        });
        let mut heap: BinaryHeap<_> = starts.map(key).collect();
        std::iter::from_fn(move || {
            let (_, _, id) = heap.pop()?;
            let next = match cone.side {
                Side::Past => id.index.checked_sub(1),
                Side::Future => {
                    Some(id.index + 1).filter(|index| *index < self.history.events_of(id.process))
                }
            };
            heap.extend(next.map(|index| {
                key(EventId {
                    process: id.process,
                    index,
                })
            }));
            Some(id)
        })
    }
}
