//! What is past, future and concurrent of an event, over the whole history.
//!
//! Only the two borders are computed: on each process the last event of the past and the first of the future.
//! They follow from the channels' fronts, so they cost the number of processes, not of events.

use crate::inspect::history::{EventId, History};

/// How another event stands to the one looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is the event itself.
    Same,
    /// It happened before.
    Past,
    /// It happened after.
    Future,
    /// Neither.
    Concurrent,
}

/// The borders of an event's past and future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borders {
    /// The event.
    pub event: EventId,
    /// By process: how many of its events lie in the past or are the event.
    past: Vec<u32>,
    /// By process: the first event of the future, itself included; the number of its events if there is none.
    future: Vec<u32>,
}

impl Borders {
    /// The borders of an event.
    #[must_use]
    pub fn of(history: &History, event: EventId) -> Self {
        let mut past = vec![0; history.processes.len()];
        let mut future: Vec<u32> = history
            .process_ids()
            .map(|process| history.events_of(process))
            .collect();
        if let Some(own) = past.get_mut(event.process as usize) {
            *own = event.index + 1;
        }
        if let Some(own) = future.get_mut(event.process as usize) {
            *own = event.index;
        }
        let mut open = vec![event];
        while let Some(at) = open.pop() {
            for (from, hop) in history.fronts().backward(at.process, at.index) {
                if let Some(known) = past.get_mut(from as usize).filter(|known| **known <= hop.send) {
                    *known = hop.send + 1;
                    open.push(EventId {
                        process: from,
                        index: hop.send,
                    });
                }
            }
        }
        open.push(event);
        while let Some(at) = open.pop() {
            for (to, hop) in history.fronts().onward(at.process, at.index) {
                if let Some(first) = future.get_mut(to as usize).filter(|first| **first > hop.receive) {
                    *first = hop.receive;
                    open.push(EventId {
                        process: to,
                        index: hop.receive,
                    });
                }
            }
        }
        Self { event, past, future }
    }

    /// How an event stands to the one looked at.
    #[must_use]
    pub fn relation(&self, id: EventId) -> Relation {
        if id == self.event {
            return Relation::Same;
        }
        let process = id.process as usize;
        if self.past.get(process).is_some_and(|count| id.index < *count) {
            Relation::Past
        } else if self.future.get(process).is_some_and(|first| id.index >= *first) {
            Relation::Future
        } else {
            Relation::Concurrent
        }
    }
}
