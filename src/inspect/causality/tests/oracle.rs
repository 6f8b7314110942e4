//! Random histories, and their causality by brute force: the transitive closure of all steps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{event, id, process};
use crate::inspect::history::{EventId, Fate, History, HistoryBuilder, Message};

/// What happens, event by event, in an order that causality allows.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    processes: u32,
    /// Whose event; which of the pending messages it takes, as bits; whom it sends to, as bits.
    steps: Vec<(u32, u8, u8)>,
    clocks: Clocks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clocks {
    /// Lamport's, which step by 1.
    Lamport,
    /// Lamport's, which step by 3.
    Wide,
    /// The number of the event on its process, as logs of other programs have it.
    Own,
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let clocks = prop_oneof![Just(Clocks::Lamport), Just(Clocks::Wide), Just(Clocks::Own)];
    (1_u32..=5, clocks).prop_flat_map(|(processes, clocks)| {
        // Half of the events send nothing, and many take nothing: chains become long and queues fill.
        let sends = prop_oneof![Just(0_u8), any::<u8>()];
        let step = (0..processes, any::<u8>(), sends);
        prop::collection::vec(step, 0..40).prop_map(move |steps| Plan {
            processes,
            steps,
            clocks,
        })
    })
}

/// Happened-before, closed.
pub(super) struct Oracle {
    /// Direct steps: from, to, and whether it is a message.
    steps: Vec<(EventId, EventId, bool)>,
    /// In an order that causality allows.
    ids: Vec<EventId>,
    past: BTreeMap<EventId, Vec<EventId>>,
}

impl Plan {
    pub(super) fn is_lamport(&self) -> bool {
        self.clocks == Clocks::Lamport
    }

    pub(super) fn build(&self) -> (History, Oracle) {
        let mut builder = HistoryBuilder::default();
        for name in 0..self.processes {
            builder.process(process(&name.to_string()));
        }
        let mut counts = vec![0_u32; self.processes as usize];
        let mut clocks = vec![0_u64; self.processes as usize];
        let mut sent: Vec<(Message, u64)> = Vec::new();
        let mut oracle = Oracle {
            steps: Vec::new(),
            ids: Vec::new(),
            past: BTreeMap::new(),
        };
        for (time, (me, takes, sends)) in (0..).zip(&self.steps) {
            let place = *me as usize;
            let this = id(*me, counts[place]);
            if let Some(before) = counts[place].checked_sub(1) {
                oracle.steps.push((id(*me, before), this, false));
            }
            counts[place] += 1;
            let pending = sent
                .iter_mut()
                .filter(|(message, _)| message.to == *me && message.fate == Fate::Unknown);
            let mut clock = clocks[place];
            for (bit, (message, stamp)) in pending.enumerate() {
                if bit < 8 && takes >> bit & 1 == 1 {
                    message.fate = Fate::Received(this);
                    oracle.steps.push((message.send, this, true));
                    clock = clock.max(*stamp);
                }
            }
            clocks[place] = match self.clocks {
                Clocks::Lamport => clock + 1,
                Clocks::Wide => clock + 3,
                Clocks::Own => u64::from(counts[place]),
            };
            builder.event(*me, event(clocks[place], time, counts[place] + 2));
            for to in (0..self.processes).filter(|to| to != me && sends >> to & 1 == 1) {
                // One bit more: a message that the link dropped.
                let dropped = *sends >= 0xE0;
                let message = Message {
                    send: this,
                    to,
                    fate: if dropped { Fate::Dropped } else { Fate::Unknown },
                    waited_us: None,
                };
                sent.push((message, clocks[place]));
            }
            oracle.ids.push(this);
        }
        for (message, _) in sent {
            builder.message(message);
        }
        oracle.close();
        (builder.finish("r".to_owned(), "d".to_owned()), oracle)
    }
}

impl Oracle {
    fn close(&mut self) {
        for this in &self.ids {
            let mut past: Vec<EventId> = Vec::new();
            for (from, _, _) in self.steps.iter().filter(|(_, to, _)| to == this) {
                past.push(*from);
                past.extend(&self.past[from]);
            }
            past.sort();
            past.dedup();
            self.past.insert(*this, past);
        }
    }

    pub(super) fn before(&self, a: EventId, b: EventId) -> bool {
        self.past[&b].contains(&a)
    }

    pub(super) fn before_or_same(&self, a: EventId, b: EventId) -> bool {
        a == b || self.before(a, b)
    }

    /// By event: the fewest messages of any chain from `from` to it.
    pub(super) fn fewest_messages(&self, from: EventId) -> BTreeMap<EventId, Option<usize>> {
        let mut fewest: BTreeMap<EventId, Option<usize>> = BTreeMap::new();
        for this in &self.ids {
            let steps = self.steps.iter().filter(|(_, to, _)| to == this);
            let ways = steps.filter_map(|(before, _, is_message)| {
                let count = fewest.get(before).copied().flatten()?;
                Some(count + usize::from(*is_message))
            });
            let least = ways.min();
            fewest.insert(*this, if *this == from { Some(0) } else { least });
        }
        fewest
    }

    /// By event: the length of the longest chain that ends in it.
    pub(super) fn longest_chains(&self) -> BTreeMap<EventId, u32> {
        let mut longest: BTreeMap<EventId, u32> = BTreeMap::new();
        for this in &self.ids {
            let steps = self.steps.iter().filter(|(_, to, _)| to == this);
            let deepest = steps.map(|(before, _, _)| longest[before]).max();
            longest.insert(*this, deepest.unwrap_or(0) + 1);
        }
        longest
    }
}
