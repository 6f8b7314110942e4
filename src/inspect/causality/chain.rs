//! Chains of events and messages: the proof that one event happened before another.
//!
//! The search goes message by message from the first event: layer k holds for each process the earliest event
//! that k messages reach and fewer do not. It stays inside the past of the last event, so nothing is followed
//! that cannot arrive in time, and each layer is first asked whether one more message ends it.
//!
//! ```text
//!   from   layer 1   layer 2        the past of `to` bounds each layer
//!    0 ──▶ 1:20 ───▶ 2:31 ┐
//!     └──▶ 3:18 ───▶ 2:35 ┴▶ to     fewest messages; of those the earliest arrival
//! ```

use std::collections::BTreeMap;

use super::{Causality, EventId, reach::Known};
use crate::inspect::history::{Hop, Message};

/// Messages of a chain that is looked for before anything else is known: most pairs of a long run have one.
const FEW: usize = 2;

/// A chain from an event to a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its first event.
    pub from: EventId,
    /// Its steps, each from where the one before it ends. Empty if it is a single event.
    pub steps: Vec<Step>,
}

/// One step of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// On the same process to this later event.
    Along(EventId),
    /// By a message, to the event that takes it. It was sent by the event that the step starts from.
    Message(Message),
}

/// What a message of the search has reached.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// The process that it came from; the hop leads on from that process's entry in the layer before.
    from: u32,
    hop: Hop,
}

impl Chain {
    /// How many messages it has.
    #[must_use]
    pub fn messages(&self) -> usize {
        let is_message = |step: &&Step| matches!(step, Step::Message(_));
        self.steps.iter().filter(is_message).count()
    }

    /// Its last event.
    #[must_use]
    pub fn to(&self) -> EventId {
        self.steps.iter().rev().find_map(Step::end).unwrap_or(self.from)
    }

    /// Goes on to a later event of the same process; nothing to do if it is there.
    pub(super) fn along(&mut self, to: EventId) {
        if self.to() != to {
            self.steps.push(Step::Along(to));
        }
    }
}

impl Step {
    /// The event that it leads to.
    #[must_use]
    pub fn end(&self) -> Option<EventId> {
        match self {
            Self::Along(to) => Some(*to),
            Self::Message(message) => message.receive(),
        }
    }
}

impl Causality<'_> {
    /// The chain from `from` to `to` with the fewest messages, and of those one whose last message is taken
    /// first; `None` if `from` did not happen before `to`. Of an event to itself: a chain without steps.
    #[must_use]
    pub fn chain(&self, from: EventId, to: EventId) -> Option<Chain> {
        self.chain_of_few(from, to)
            .or_else(|| self.chain_within(from, to, &self.known_at(to, Some(from.process))))
    }

    /// The same, but only if it has no more than [`FEW`] messages, which costs two searches for each process.
    pub(super) fn chain_of_few(&self, from: EventId, to: EventId) -> Option<Chain> {
        self.search(from, to, &Known::default(), FEW)
    }

    /// The same, with what `to` knows at hand: of `from`'s process at least.
    pub(super) fn chain_within(&self, from: EventId, to: EventId, known: &Known) -> Option<Chain> {
        self.search(from, to, known, usize::MAX)
    }

    fn search(&self, from: EventId, to: EventId, known: &Known, messages_max: usize) -> Option<Chain> {
        if from.process == to.process && from.index <= to.index {
            let mut chain = Chain {
                from,
                steps: Vec::new(),
            };
            chain.along(to);
            return Some(chain);
        }
        if !known.may_have(from) {
            return None;
        }
        // Most often there is a message, and no other way can be shorter.
        let fronts = self.history.fronts();
        let direct = fronts.onward_to(from.process, from.index, to.process);
        if let Some(hop) = direct.filter(|hop| hop.receive <= to.index) {
            let end = Arrival {
                from: from.process,
                hop,
            };
            return self.trace_back(from, to, end, &[]);
        }
        // The last send of each process that arrives at `to` in time, with nothing between.
        let mut in_time: Vec<Option<u32>> = vec![None; self.history.processes.len()];
        for (sender, hop) in self.history.fronts().backward(to.process, to.index) {
            if let Some(last) = in_time.get_mut(sender as usize) {
                *last = Some(hop.send);
            }
        }
        let mut best: Vec<Option<u32>> = vec![None; self.history.processes.len()];
        let mut layers: Vec<BTreeMap<u32, Arrival>> = Vec::new();
        let mut frontier = vec![from];
        while !frontier.is_empty() {
            if let Some(end) = self.last_hop(&frontier, &in_time, to) {
                return self.trace_back(from, to, end, &layers);
            }
            if layers.len() + 1 >= messages_max {
                return None;
            }
            let layer = self.next_layer(&frontier, known, &mut best);
            frontier.clear();
            frontier.extend(layer.iter().map(|(process, arrival)| EventId {
                process: *process,
                index: arrival.hop.receive,
            }));
            layers.push(layer);
        }
        None
    }

    /// The message from an event of the frontier, or from behind it, that is the first to arrive at `to`.
    fn last_hop(&self, frontier: &[EventId], in_time: &[Option<u32>], to: EventId) -> Option<Arrival> {
        let candidates = frontier
            .iter()
            .filter(|event| in_time.get(event.process as usize).copied().flatten() >= Some(event.index));
        let hops = candidates.filter_map(|event| {
            let fronts = self.history.fronts();
            let hop = fronts.onward_to(event.process, event.index, to.process)?;
            let from = event.process;
            Some(Arrival { from, hop })
        });
        hops.min_by_key(|arrival| arrival.hop.receive)
    }

    /// What one more message reaches earlier than those before, inside the past of the chain's end.
    fn next_layer(
        &self,
        frontier: &[EventId],
        known: &Known,
        best: &mut [Option<u32>],
    ) -> BTreeMap<u32, Arrival> {
        let mut layer = BTreeMap::new();
        for event in frontier {
            for (recipient, hop) in self.history.fronts().onward(event.process, event.index) {
                let place = recipient as usize;
                let receive = EventId {
                    process: recipient,
                    index: hop.receive,
                };
                if !known.may_have(receive) {
                    continue;
                }
                if let Some(earliest) = best.get_mut(place)
                    && earliest.is_none_or(|earliest| hop.receive < earliest)
                {
                    *earliest = Some(hop.receive);
                    let from = event.process;
                    layer.insert(recipient, Arrival { from, hop });
                }
            }
        }
        layer
    }

    fn trace_back(
        &self,
        from: EventId,
        to: EventId,
        end: Arrival,
        layers: &[BTreeMap<u32, Arrival>],
    ) -> Option<Chain> {
        let mut arrivals = vec![(to.process, end)];
        let mut process = end.from;
        for layer in layers.iter().rev() {
            let arrival = *layer.get(&process)?;
            arrivals.push((process, arrival));
            process = arrival.from;
        }
        let mut chain = Chain {
            from,
            steps: Vec::new(),
        };
        for (process, Arrival { from, hop }) in arrivals.into_iter().rev() {
            let send = EventId {
                process: from,
                index: hop.send,
            };
            let receive = EventId {
                process,
                index: hop.receive,
            };
            chain.along(send);
            let sent = self.history.sent_by(send);
            let message = sent.iter().find(|message| message.receive() == Some(receive))?;
            chain.steps.push(Step::Message(*message));
        }
        chain.along(to);
        Some(chain)
    }
}
