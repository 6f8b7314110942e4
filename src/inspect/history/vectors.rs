//! Vector time, reconstructed from the messages: F. Mattern, "Virtual Time and Global States of Distributed
//! Systems", 1989.
//!
//! One pass over all events in an order that causality allows. The vector of an event says for each process
//! how many of its events lie in the event's past, itself included. Memory is the square of the number of
//! processes, and a vector for each send event whose messages are not all received yet; who needs the order
//! alone pays for no vectors.

use std::{collections::BTreeMap, rc::Rc};

use super::{EventId, History};

/// Where the pass stands.
struct Pass<'a> {
    history: &'a History,
    /// By process: how many of its events are done.
    done: Vec<u32>,
    /// By process: its vector. Empty ones if only the order is asked for.
    vectors: Vec<Vec<u32>>,
    entries: usize,
    /// By process: the place in `history.received` of its next received message.
    taken: Vec<usize>,
    /// The vectors of send events, and how many receives still need them.
    parked: BTreeMap<EventId, (Rc<[u32]>, usize)>,
    /// By process: who waits until it has done the event of this index.
    waiters: Vec<Vec<(u32, u32)>>,
    runnable: Vec<u32>,
}

impl History {
    /// Gives every event with its vector, causes before effects. Returns whether that was possible: messages
    /// that form a circle, which only a wrong log has, are cut at the earliest of the events that wait.
    pub fn each_in_causal_order(&self, give: impl FnMut(EventId, &[u32])) -> bool {
        self.pass(self.processes.len(), give)
    }

    /// The same events in the same order, without their vectors.
    pub fn each_causes_first(&self, mut give: impl FnMut(EventId)) -> bool {
        self.pass(0, |id, _| give(id))
    }

    /// `entries` of each vector are kept: all of them, or none.
    fn pass(&self, entries: usize, mut give: impl FnMut(EventId, &[u32])) -> bool {
        let count = self.processes.len();
        let mut pass = Pass {
            history: self,
            done: vec![0; count],
            vectors: vec![vec![0; entries]; count],
            entries,
            taken: self
                .process_ids()
                .map(|process| {
                    let first = EventId { process, index: 0 };
                    self.received
                        .partition_point(|message| self.receive_of(*message) < Some(first))
                })
                .collect(),
            parked: BTreeMap::new(),
            waiters: vec![Vec::new(); count],
            runnable: self.process_ids().rev().collect(),
        };
        let mut in_order = true;
        loop {
            while let Some(process) = pass.runnable.pop() {
                pass.run(process, false, &mut give);
            }
            let Some(process) = pass.earliest_stuck() else {
                return in_order;
            };
            in_order = false;
            for waiters in &mut pass.waiters {
                waiters.retain(|(waiter, _)| *waiter != process);
            }
            pass.run(process, true, &mut give);
        }
    }
}

impl Pass<'_> {
    /// Does events of a process until it has to wait for another; `force` does the first one in any case.
    fn run(&mut self, process: u32, mut force: bool, give: &mut impl FnMut(EventId, &[u32])) {
        let place = process as usize;
        while let Some(index) = self.done.get(place).copied() {
            let event = EventId { process, index };
            if index >= self.history.events_of(process) {
                return;
            }
            if let Some(cause) = self.missing_cause(event)
                && !std::mem::take(&mut force)
            {
                if let Some(waiters) = self.waiters.get_mut(cause.process as usize) {
                    waiters.push((process, cause.index));
                }
                return;
            }
            self.merge(event);
            if let (Some(vector), Some(done)) = (self.vectors.get_mut(place), self.done.get_mut(place)) {
                *done = index + 1;
                if let Some(own) = vector.get_mut(place) {
                    *own = index + 1;
                }
                give(event, vector);
                let sent = match self.entries {
                    0 => &[],
                    _ => self.history.sent_by(event),
                };
                let needed = sent.iter().filter(|message| message.receive().is_some()).count();
                if needed > 0 {
                    self.parked.insert(event, (Rc::from(vector.as_slice()), needed));
                }
            }
            if let Some(waiters) = self.waiters.get_mut(place)
                && !waiters.is_empty()
            {
                let runnable = &mut self.runnable;
                waiters.retain(|(waiter, needed)| {
                    let still_waits = *needed > index;
                    if !still_waits {
                        runnable.push(*waiter);
                    }
                    still_waits
                });
            }
        }
    }

    /// The messages that `event` takes, as far as their send events are done, or else the first that is not.
    fn missing_cause(&self, event: EventId) -> Option<EventId> {
        let start = self.taken.get(event.process as usize).copied()?;
        let messages = self.history.received.get(start..)?.iter();
        let mut mine = messages.map_while(|message| {
            let message = self.history.messages.get(*message as usize)?;
            (message.receive() == Some(event)).then_some(message.send)
        });
        mine.find(|send| {
            self.done
                .get(send.process as usize)
                .is_none_or(|done| *done <= send.index)
        })
    }

    fn merge(&mut self, event: EventId) {
        let (Some(taken), Some(vector)) = (
            self.taken.get_mut(event.process as usize),
            self.vectors.get_mut(event.process as usize),
        ) else {
            return;
        };
        while let Some(message) = self.history.received.get(*taken)
            && let Some(message) = self.history.messages.get(*message as usize)
            && message.receive() == Some(event)
        {
            *taken += 1;
            if let Some((sent, needed)) = self.parked.get_mut(&message.send) {
                for (own, theirs) in vector.iter_mut().zip(sent.iter()) {
                    *own = (*own).max(*theirs);
                }
                *needed -= 1;
                if *needed == 0 {
                    self.parked.remove(&message.send);
                }
            }
        }
    }

    /// Of the processes that wait for each other, the one whose next event is the earliest.
    fn earliest_stuck(&self) -> Option<u32> {
        let next = |process: u32| {
            let index = self.done.get(process as usize).copied()?;
            let event = self.history.event(EventId { process, index })?;
            Some((event.at, event.clock, process))
        };
        let stuck = self.history.process_ids().filter_map(next).min();
        stuck.map(|(_, _, process)| process)
    }
}
