//! How much of a run is concurrent, counted exactly.
//!
//! One pass with vectors. An event's vector says how many events its past has, so the sum over all vectors
//! counts the pairs that causality orders; Lamport's clocks order all pairs but those with equal clocks.
//!
//! A message is overtaken if its send event happened before an event of the receiver that comes before the
//! receive: the receiver could have known, by another path, before the message was taken. A message to
//! oneself is never overtaken.

use thiserror::Error;

use super::{Causality, ClockDifference, EventId, Longest, longest::Deepening};
use crate::inspect::history::Message;

/// Most vector entries that one pass goes through, events times processes: some tens of seconds. A run that
/// needs more is refused.
pub const VECTOR_ENTRIES_MAX: u64 = 20_000_000_000;

/// Concurrency of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// All events.
    pub events: u64,
    /// Pairs of different events.
    pub pairs: u128,
    /// Pairs of which one happened before the other.
    pub ordered: u128,
    /// Pairs with equal clocks: concurrent, and Lamport's order sees it.
    pub equal: u128,
    /// Messages that a causal path overtook.
    pub overtaken: Overtaken,
    /// A longest chain; `None` without an event.
    pub longest: Option<Longest>,
    /// How the logs' clocks compare with the lengths of longest chains.
    pub difference: ClockDifference,
}

/// Messages that were taken after their news had come by another path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overtaken {
    /// How many.
    pub count: u64,
    /// Of how many received messages.
    pub of: u64,
    /// The first of them by receiver and receive event: the message, and the first event of the receiver that
    /// knew of its send.
    pub first: Vec<(Message, EventId)>,
}

/// A run too large for the pass.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "{events} events of {processes} machines are {} vector entries; {VECTOR_ENTRIES_MAX} are allowed: count a shorter run",
    events.saturating_mul(*processes)
)]
pub struct TooLarge {
    /// Its events.
    pub events: u64,
    /// Its processes.
    pub processes: u64,
}

impl Concurrency {
    /// Pairs of which neither happened before the other.
    #[must_use]
    pub fn concurrent(&self) -> u128 {
        self.pairs.saturating_sub(self.ordered)
    }

    /// Pairs that Lamport's order ranks: those with different clocks.
    #[must_use]
    pub fn ranked(&self) -> u128 {
        self.pairs.saturating_sub(self.equal)
    }

    /// Pairs that Lamport's order ranks although they are concurrent.
    #[must_use]
    pub fn ranked_concurrent(&self) -> u128 {
        self.concurrent().saturating_sub(self.equal)
    }
}

impl Causality<'_> {
    /// Counts a run; the first `shown` overtaken messages are kept.
    ///
    /// # Errors
    /// [`TooLarge`] if the pass would go beyond [`VECTOR_ENTRIES_MAX`].
    pub fn concurrency(&self, shown: usize) -> Result<Concurrency, TooLarge> {
        let history = self.history;
        let (events, processes) = (history.len() as u64, history.processes.len() as u64);
        if events.saturating_mul(processes) > VECTOR_ENTRIES_MAX {
            return Err(TooLarge { events, processes });
        }
        let mut ordered: u128 = 0;
        // By process: its vector before its next event.
        let mut before: Vec<Vec<u32>> = vec![vec![0; history.processes.len()]; history.processes.len()];
        let mut late: Vec<Message> = Vec::new();
        let mut deepening = Deepening::new(history);
        let whole = history.each_in_causal_order(|id, vector| {
            // An event's vector counts itself.
            let past: u64 = vector.iter().map(|count| u64::from(*count)).sum();
            ordered += u128::from(past.saturating_sub(1));
            let Some(before) = before.get_mut(id.process as usize) else {
                return;
            };
            deepening.take(id, |message| {
                let known = before.get(message.send.process as usize);
                // A message to oneself comes after its send anyway.
                let is_known = known.is_some_and(|known| message.send.index < *known);
                if is_known && message.send.process != message.to {
                    late.push(*message);
                }
            });
            before.copy_from_slice(vector);
        });
        let depths = deepening.finish(whole);
        let count = late.len() as u64;
        late.sort_by_key(|message| (message.receive(), message.send));
        late.truncate(shown);
        let first = late.into_iter().filter_map(|message| {
            let knew = self.first_to_know(message.send, message.to)?;
            Some((message, knew))
        });
        Ok(Concurrency {
            events,
            pairs: u128::from(events) * u128::from(events.saturating_sub(1)) / 2,
            ordered,
            equal: self.equal_pairs(),
            overtaken: Overtaken {
                count,
                of: history.received().count() as u64,
                first: first.collect(),
            },
            longest: self.longest(&depths),
            difference: self.compare_clocks(&depths),
        })
    }

    /// Pairs of events with equal ranks. On one process ranks differ, so at most one event of each has any rank.
    fn equal_pairs(&self) -> u128 {
        let mut ranks: Vec<u64> = self.history.ids().map(|id| self.rank(id)).collect();
        ranks.sort_unstable();
        let groups = ranks.chunk_by(|a, b| a == b).map(|group| group.len() as u128);
        groups.map(|count| count * (count - 1) / 2).sum()
    }
}
