//! Where an event stands in logical time.
//!
//! Where the logs' clocks rise along each process and across each message, they are the positions. Else (logs
//! of other programs number events process by process; wrong logs go back) the positions are Lamport's clock,
//! computed from the messages: the length of the longest chain of events that ends in the event.

use crate::inspect::history::{EventId, History};

/// The logical positions of a history's events.
#[derive(Clone, Debug)]
pub struct Positions {
    /// By process; `None`: the logs' clocks.
    computed: Option<Vec<Vec<u64>>>,
}

impl Positions {
    /// Looks at every event and message once; computes only what it has to.
    #[must_use]
    pub fn new(history: &History) -> Self {
        Self {
            computed: (!clocks_rise(history)).then(|| compute(history)),
        }
    }

    /// Whether the positions are the logs' own clocks.
    #[must_use]
    pub fn are_clocks(&self) -> bool {
        self.computed.is_none()
    }

    /// The position of an event; 0 for one that is not there.
    #[must_use]
    pub fn logical(&self, history: &History, id: EventId) -> u64 {
        match &self.computed {
            None => clock(history, id),
            Some(computed) => get(computed, id),
        }
    }
}

fn clock(history: &History, id: EventId) -> u64 {
    history.event(id).map_or(0, |event| event.clock)
}

fn get(positions: &[Vec<u64>], id: EventId) -> u64 {
    let process = positions.get(id.process as usize);
    process
        .and_then(|process| process.get(id.index as usize))
        .copied()
        .unwrap_or(0)
}

fn clocks_rise(history: &History) -> bool {
    let along = history.process_ids().all(|process| {
        history
            .ids_of(process)
            .map(|id| clock(history, id))
            .is_sorted_by(|before, after| before < after)
    });
    let across = || {
        history.received().all(|message| {
            let receive = message.receive().map_or(0, |receive| clock(history, receive));
            clock(history, message.send) < receive
        })
    };
    along && across()
}

fn compute(history: &History) -> Vec<Vec<u64>> {
    let mut positions: Vec<Vec<u64>> = history
        .process_ids()
        .map(|process| Vec::with_capacity(history.events_of(process) as usize))
        .collect();
    history.each_causes_first(|id| {
        let before = id
            .index
            .checked_sub(1)
            .map_or(0, |index| get(&positions, EventId { index, ..id }));
        let latest = history
            .received_by(id)
            .map(|message| get(&positions, message.send))
            .fold(before, u64::max);
        if let Some(process) = positions.get_mut(id.process as usize) {
            process.push(latest + 1);
        }
    });
    positions
}
