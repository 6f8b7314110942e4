//! The longest causal chains: how deep an event lies, and the critical path of a run.
//!
//! The length of the longest chain that ends in an event, itself counted, is its Lamport clock if every clock
//! starts at 0 and steps by 1. So the logs' clocks can be compared with it.

use std::iter::Peekable;

use super::{Causality, Chain, EventId, Step};
use crate::inspect::history::{History, Message};

/// By process and event: the length of the longest chain that ends there.
#[derive(Clone, Debug, Default)]
pub(super) struct Depths {
    by_process: Vec<Vec<u32>>,
    whole: bool,
}

/// A longest chain of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Longest {
    /// How many events it has.
    pub events: u32,
    /// The chain; where two were equally long it stays on the machine.
    pub chain: Chain,
}

/// Events whose clock is not the length of the longest chain that ends in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// How many.
    pub count: u64,
    /// The first by process, and the length of its longest chain.
    pub first: Option<(EventId, u32)>,
}

/// Fills depths event by event, in an order that causality allows.
pub(super) struct Deepening<'a> {
    depths: Depths,
    /// By process: its received messages that are not accounted for.
    received: Vec<Peekable<Box<dyn Iterator<Item = &'a Message> + 'a>>>,
}

impl Depths {
    /// In one pass over the history.
    pub(super) fn new(history: &History) -> Self {
        let mut deepening = Deepening::new(history);
        let whole = history.each_causes_first(|id| deepening.take(id, |_| ()));
        deepening.finish(whole)
    }

    /// The length of the longest chain that ends in an event; 0 for one that is not there.
    pub(super) fn of(&self, id: EventId) -> u32 {
        let of_process = self.by_process.get(id.process as usize);
        of_process
            .and_then(|depths| depths.get(id.index as usize))
            .copied()
            .unwrap_or(0)
    }

    /// Whether no message was cut to get out of a circle.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }
}

impl<'a> Deepening<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let received = |process| {
            let messages: Box<dyn Iterator<Item = &'a Message> + 'a> = Box::new(history.received_at(process));
            messages.peekable()
        };
        Self {
            depths: Depths {
                by_process: vec![Vec::new(); history.processes.len()],
                whole: true,
            },
            received: history.process_ids().map(received).collect(),
        }
    }

    /// The next event; gives each message that it takes to `each`.
    pub(super) fn take(&mut self, id: EventId, mut each: impl FnMut(&'a Message)) {
        let before = id.index.checked_sub(1).map_or(0, |index| {
            self.depths.of(EventId {
                process: id.process,
                index,
            })
        });
        let mut deepest = before;
        if let Some(received) = self.received.get_mut(id.process as usize) {
            while let Some(message) = received.next_if(|message| message.receive() == Some(id)) {
                deepest = deepest.max(self.depths.of(message.send));
                each(message);
            }
        }
        if let Some(depths) = self.depths.by_process.get_mut(id.process as usize) {
            depths.push(deepest.saturating_add(1));
        }
    }

    pub(super) fn finish(mut self, whole: bool) -> Depths {
        self.depths.whole = whole;
        self.depths
    }
}

impl Causality<'_> {
    /// A longest chain: the one whose end has the smallest process. `None` without an event.
    pub(super) fn longest(&self, depths: &Depths) -> Option<Longest> {
        let last_of = |process| self.history.ids_of(process).next_back();
        let ends = self.history.process_ids().rev().filter_map(last_of);
        let end = ends.max_by_key(|end| depths.of(*end))?;
        let mut steps = Vec::new();
        let mut here = end;
        loop {
            let below = depths.of(here).saturating_sub(1);
            let start = self.stay(here, depths);
            if start != here {
                steps.push(Step::Along(here));
                here = start;
                continue;
            }
            let cause = self
                .history
                .received_by(here)
                .find(|message| below > 0 && depths.of(message.send) == below);
            let Some(message) = cause else { break };
            steps.push(Step::Message(*message));
            here = message.send;
        }
        steps.reverse();
        Some(Longest {
            events: depths.of(end),
            chain: Chain { from: here, steps },
        })
    }

    /// The event from which the chain to `to` stays on its process.
    fn stay(&self, to: EventId, depths: &Depths) -> EventId {
        let mut here = to;
        while let Some(index) = here.index.checked_sub(1) {
            let before = EventId {
                process: here.process,
                index,
            };
            if depths.of(before) + 1 != depths.of(here) {
                break;
            }
            here = before;
        }
        here
    }

    /// Compares the logs' clocks with the lengths of the longest chains.
    pub(super) fn compare_clocks(&self, depths: &Depths) -> ClockDifference {
        let mut difference = ClockDifference {
            count: 0,
            first: None,
        };
        for id in self.history.ids() {
            let depth = depths.of(id);
            if self.history.event(id).map(|event| event.clock) != Some(u64::from(depth)) {
                difference.count += 1;
                difference.first.get_or_insert((id, depth));
            }
        }
        difference
    }
}
