//! Pairs of events: how many are concurrent, and how many of those each clock orders nevertheless.

use crate::{
    clock::HybridTime,
    dice::{Purpose, Stream},
    inspect::{
        causality::Causality,
        history::{EventId, History},
    },
    units::MachineId,
};

/// Pairs that are asked of a run too large to be counted.
pub const SAMPLE_PAIRS: u64 = 100_000;

/// Pairs of different events of a run, or of a sample of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// All pairs of the run.
    pub all: u128,
    /// How many of them the counts below are of: all, or [`SAMPLE_PAIRS`].
    pub counted: u128,
    /// Pairs of which neither happened before the other. A vector clock tells exactly these apart.
    pub concurrent: u128,
    /// Pairs with equal Lamport clocks: concurrent ones that it does not order.
    pub lamport_equal: u128,
    /// The same of hybrid clocks; `None` if an event has none.
    pub hybrid_equal: Option<u128>,
}

impl Pairs {
    /// Counts them; `hybrids` are the hybrid clocks by process, in the order of its events.
    pub(super) fn count(history: &History, hybrids: &[Vec<HybridTime>]) -> Self {
        let causality = Causality::new(history);
        let events = history.len() as u128;
        let all = events * events.saturating_sub(1) / 2;
        let is_known = !history.is_empty() && hybrids.iter().map(Vec::len).sum::<usize>() == history.len();
        let hybrids = is_known.then_some(hybrids);
        match causality.concurrency(0) {
            Ok(counted) => Self {
                all,
                counted: all,
                concurrent: counted.concurrent(),
                lamport_equal: counted.equal,
                hybrid_equal: hybrids.map(equal_pairs),
            },
            Err(_) => Self::sample(&causality, all, hybrids),
        }
    }

    /// Asks of pairs that are drawn, always the same ones for the same run.
    fn sample(causality: &Causality<'_>, all: u128, hybrids: Option<&[Vec<HybridTime>]>) -> Self {
        let history = causality.history();
        let mut dice = Stream::new(0, MachineId(0), Purpose::Die);
        let mut pairs = Self {
            all,
            counted: 0,
            concurrent: 0,
            lamport_equal: 0,
            hybrid_equal: hybrids.map(|_| 0),
        };
        let hybrid = |id: EventId| hybrids?.get(id.process as usize)?.get(id.index as usize).copied();
        while pairs.counted < u128::from(SAMPLE_PAIRS.min(u64::try_from(all).unwrap_or(u64::MAX))) {
            let (Some(a), Some(b)) = (draw(history, &mut dice), draw(history, &mut dice)) else {
                break;
            };
            if a == b {
                continue;
            }
            pairs.counted += 1;
            if causality.happened_before(a, b) || causality.happened_before(b, a) {
                continue;
            }
            pairs.concurrent += 1;
            pairs.lamport_equal += u128::from(causality.rank(a) == causality.rank(b));
            if let (Some(count), Some(a), Some(b)) = (&mut pairs.hybrid_equal, hybrid(a), hybrid(b)) {
                *count += u128::from(a == b);
            }
        }
        pairs
    }

    /// Pairs that Lamport's clock orders though they are concurrent.
    #[must_use]
    pub fn lamport_ordered(&self) -> u128 {
        self.concurrent.saturating_sub(self.lamport_equal)
    }

    /// The same of the hybrid clock, in a hybrid run.
    #[must_use]
    pub fn hybrid_ordered(&self) -> Option<u128> {
        Some(self.concurrent.saturating_sub(self.hybrid_equal?))
    }

    /// Whether they are a sample.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.counted < self.all
    }
}

/// An event, each as likely as any other.
fn draw(history: &History, dice: &mut Stream) -> Option<EventId> {
    let mut place = dice.below(history.len() as u64);
    for process in history.process_ids() {
        let events = u64::from(history.events_of(process));
        if place < events {
            let index = u32::try_from(place).ok()?;
            return Some(EventId { process, index });
        }
        place -= events;
    }
    None
}

/// Pairs with equal clocks. On one process they differ.
fn equal_pairs(hybrids: &[Vec<HybridTime>]) -> u128 {
    let mut all: Vec<HybridTime> = hybrids.iter().flatten().copied().collect();
    all.sort_unstable();
    let groups = all.chunk_by(|a, b| a == b).map(|group| group.len() as u128);
    groups.map(|count| count * (count - 1) / 2).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::history::{Event, EventKind, Fate, HistoryBuilder, Message, Process};

    /// Two processes of `events` events each; every seventh event of the first is sent to the second, and taken there a
    /// little later.
    fn history(events: u32) -> History {
        let mut builder = HistoryBuilder::default();
        let processes = ["a", "b"].map(|name| {
            builder.process(Process {
                name: name.to_owned(),
                rate: None,
                started: None,
                ended: None,
                waiting: None,
                file: name.into(),
            })
        });
        let kind = |process, index| match (process, index % 7) {
            (0, 0) => EventKind::Send,
            (1, 3) => EventKind::Receive,
            _ => EventKind::Internal,
        };
        for (place, process) in (0..).zip(processes) {
            for index in 0..events {
                let lag = if place == 0 { 0 } else { 3 };
                let event = Event {
                    clock: u64::from(index) + 1 + lag,
                    at: None,
                    kind: kind(place, index),
                    queue: None,
                    line: index + 3,
                };
                builder.event(process, event);
            }
        }
        for index in (0..events.saturating_sub(3)).step_by(7) {
            let event = |process, index| EventId { process, index };
            builder.message(Message {
                send: event(0, index),
                to: 1,
                fate: Fate::Received(event(1, index + 3)),
                waited_us: None,
            });
        }
        builder.finish("test".to_owned(), "test".to_owned())
    }

    /// A hybrid clock that is a Lamport clock.
    fn hybrids(history: &History) -> Vec<Vec<HybridTime>> {
        let clock = |id| HybridTime {
            physical_us: history.event(id).unwrap().clock,
            logical: 0,
        };
        let process = |process| history.ids_of(process).map(clock).collect();
        history.process_ids().map(process).collect()
    }

    #[test]
    fn counting_and_asking_every_pair_agree() {
        let history = history(60);
        let causality = Causality::new(&history);
        let ids: Vec<EventId> = history.ids().collect();
        let (mut concurrent, mut equal) = (0, 0);
        for (place, a) in ids.iter().enumerate() {
            for b in &ids[place + 1..] {
                if !causality.happened_before(*a, *b) && !causality.happened_before(*b, *a) {
                    concurrent += 1;
                    equal += u128::from(causality.rank(*a) == causality.rank(*b));
                }
            }
        }
        let pairs = Pairs::count(&history, &hybrids(&history));
        assert_eq!((pairs.all, pairs.counted), (120 * 119 / 2, 120 * 119 / 2));
        assert_eq!((pairs.concurrent, pairs.lamport_equal), (concurrent, equal));
        assert!(concurrent > equal && equal > 0, "{pairs:?}");
        assert_eq!(pairs.hybrid_ordered(), Some(pairs.lamport_ordered()));
        assert_eq!(Pairs::count(&history, &[]).hybrid_equal, None);
    }

    #[test]
    fn a_sample_has_the_shares_of_the_whole() {
        let history = history(500);
        let causality = Causality::new(&history);
        let hybrids = hybrids(&history);
        let whole = Pairs::count(&history, &hybrids);
        let sample = Pairs::sample(&causality, whole.all, Some(&hybrids));
        assert!(sample.is_sample() && sample.counted == u128::from(SAMPLE_PAIRS));
        let share = |part: u128, of: u128| part as f64 / of as f64;
        for (part, of_whole) in [
            (sample.concurrent, whole.concurrent),
            (sample.lamport_ordered(), whole.lamport_ordered()),
            (sample.hybrid_ordered().unwrap(), whole.hybrid_ordered().unwrap()),
        ] {
            let (seen, expected) = (share(part, sample.counted), share(of_whole, whole.all));
            assert!((seen - expected).abs() < 0.01, "{seen} {expected}");
        }
        assert_eq!(sample, Pairs::sample(&causality, whole.all, Some(&hybrids)));
    }
}
