//! How far knowledge reaches: for each process the first event that knows of an event, and the last one that
//! an event knows of.
//!
//! The events of a process are a line, so its part of a future is all from one event on, and its part of a
//! past all up to one. Dijkstra's search with the rank for the distance visits each process once: whatever
//! leads to an event has a smaller rank. If the messages form a circle there is no rank: then a process is
//! visited again as often as its event improves, and the answer is right all the same.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Causality, EventId};

/// No event of the process.
const NOWHERE: u32 = u32::MAX;

/// What an event knows of each process, as far as it was asked for; by default nothing was.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By process: the last event that is the event or before it, of those found.
    last: Vec<Option<u32>>,
    /// By process: whether that is sure. All are if the search came to its end.
    settled: Vec<bool>,
    whole: bool,
}

impl Known {
    /// The last known event of a process, if the search was for it.
    pub(super) fn last(&self, process: u32) -> Option<u32> {
        self.last.get(process as usize).copied().flatten()
    }

    /// Whether an event may be known: false only if it is sure not to be.
    pub(super) fn may_have(&self, event: EventId) -> bool {
        let is_sure = self.whole || self.settled.get(event.process as usize) == Some(&true);
        !is_sure || self.last(event.process) >= Some(event.index)
    }
}

impl Causality<'_> {
    /// By process: the first event that is one of `sources` or behind one; `None` where there is none.
    #[must_use]
    pub fn future_of(&self, sources: &[EventId]) -> Vec<Option<u32>> {
        let first = self.spread(sources, None);
        first
            .into_iter()
            .map(|index| (index != NOWHERE).then_some(index))
            .collect()
    }

    /// By process: the last event that is `event` or before it; `None` where there is none.
    #[must_use]
    pub fn past_of(&self, event: EventId) -> Vec<Option<u32>> {
        self.known_at(event, None).last
    }

    /// The first event of `process` that is `event` or behind it.
    #[must_use]
    pub fn first_to_know(&self, event: EventId, process: u32) -> Option<EventId> {
        let first = self.spread(&[event], Some(process));
        let index = first.get(process as usize).copied()?;
        (index != NOWHERE).then_some(EventId { process, index })
    }

    /// Whether `a` happened before `b`: not if they are the same.
    #[must_use]
    pub fn happened_before(&self, a: EventId, b: EventId) -> bool {
        if a.process == b.process {
            return a.index < b.index;
        }
        let known = self.known_at(b, Some(a.process)).last(a.process);
        known.is_some_and(|last| a.index <= last)
    }

    /// What `event` knows of each process. With a target the search ends as soon as that process's entry is
    /// sure to be right.
    pub(super) fn known_at(&self, event: EventId, target: Option<u32>) -> Known {
        let count = self.history.processes.len();
        let mut known = Known {
            last: vec![None; count],
            settled: vec![false; count],
            whole: false,
        };
        let may_settle = !self.has_circle();
        let mut heap = BinaryHeap::new();
        if let Some(own) = known.last.get_mut(event.process as usize) {
            *own = Some(event.index);
            heap.push((self.rank(event), event.process, event.index));
        }
        while let Some((_, process, index)) = heap.pop() {
            if known.last(process) != Some(index) {
                continue;
            }
            if may_settle && let Some(settled) = known.settled.get_mut(process as usize) {
                *settled = true;
                if target == Some(process) {
                    return known;
                }
            }
            let Known { last, settled, .. } = &mut known;
            let is_open = |sender: u32| settled.get(sender as usize) == Some(&false);
            for (sender, hop) in self.history.fronts().backward_where(process, index, is_open) {
                if let Some(known) = last.get_mut(sender as usize)
                    && *known < Some(hop.send)
                {
                    *known = Some(hop.send);
                    let send = EventId {
                        process: sender,
                        index: hop.send,
                    };
                    heap.push((self.rank(send), sender, hop.send));
                }
            }
        }
        known.whole = true;
        known
    }

    /// By process: the first event that is one of `sources` or behind one. With a target, only that
    /// process's entry is sure to be right: the search ends there.
    fn spread(&self, sources: &[EventId], target: Option<u32>) -> Vec<u32> {
        let mut first = vec![NOWHERE; self.history.processes.len()];
        let mut settled = vec![false; first.len()];
        let may_settle = !self.has_circle();
        let mut heap = BinaryHeap::new();
        for source in sources {
            if let Some(known) = first.get_mut(source.process as usize)
                && source.index < *known
            {
                *known = source.index;
                heap.push(Reverse((self.rank(*source), source.process, source.index)));
            }
        }
        while let Some(Reverse((_, process, index))) = heap.pop() {
            if first.get(process as usize) != Some(&index) {
                continue;
            }
            if may_settle && let Some(settled) = settled.get_mut(process as usize) {
                *settled = true;
                if target == Some(process) {
                    break;
                }
            }
            let is_open = |recipient: u32| settled.get(recipient as usize) == Some(&false);
            for (recipient, hop) in self.history.fronts().onward_where(process, index, is_open) {
                if let Some(known) = first.get_mut(recipient as usize)
                    && hop.receive < *known
                {
                    *known = hop.receive;
                    let receive = EventId {
                        process: recipient,
                        index: hop.receive,
                    };
                    heap.push(Reverse((self.rank(receive), recipient, hop.receive)));
                }
            }
        }
        first
    }
}
