//! The queue of a process over time: a step function from arrivals and takes.
//!
//! An arrival adds one, a take removes one; what the log says of the queue behind a take corrects the count,
//! since messages that were never taken have no logged arrival. They are counted from the first take that saw
//! them, which is late by at most the time between two takes; the footer's count is the last step. A process that
//! dies leaves no queue to its next life. Logs that say neither arrivals nor queues give no band.

use crate::inspect::history::{EventId, EventKind, History};

/// The queue from one moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Microseconds since 1970.
    pub at: i64,
    /// Messages waiting from then on.
    pub waiting: u32,
}

/// What happens to a queue, in this order at one moment: what is taken has arrived, and what is left then dies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Arrival,
    Take(EventId),
    Death,
}

/// The steps of a process's queue, in the order of their times; empty if the logs say nothing of it.
#[must_use]
pub fn steps_of(history: &History, process: u32) -> Vec<Step> {
    let mut changes: Vec<(i64, Change)> = Vec::new();
    for id in history.ids_of(process) {
        let Some(event) = history.event(id) else { continue };
        let Some(at) = event.at else { return Vec::new() };
        match event.kind {
            EventKind::Receive | EventKind::Exchange => {
                for message in history.received_by(id) {
                    let arrived = history.arrived(message);
                    changes.extend(arrived.map(|arrived| (arrived.0, Change::Arrival)));
                }
                if event.queue.is_some() {
                    changes.push((at.0, Change::Take(id)));
                }
            }
            // Machines of the model do something else only while nothing waits; other programs may not.
            EventKind::Internal | EventKind::Send | EventKind::Other => {}
        }
    }
    if !changes
        .iter()
        .any(|(_, change)| matches!(change, Change::Take(_)))
    {
        return Vec::new();
    }
    changes.extend(history.deaths_of(process).map(|at| (at.0, Change::Death)));
    changes.sort_unstable();
    let mut steps: Vec<Step> = Vec::new();
    let mut waiting: u32 = 0;
    for (at, change) in changes {
        waiting = match change {
            Change::Arrival => waiting.saturating_add(1),
            Change::Take(id) => {
                let queue = history.event(id).and_then(|event| event.queue);
                queue.unwrap_or(waiting.saturating_sub(1))
            }
            Change::Death => 0,
        };
        match steps.last_mut() {
            Some(last) if last.at == at => last.waiting = waiting,
            _ => steps.push(Step { at, waiting }),
        }
    }
    let known = history.processes.get(process as usize);
    if let Some((ended, waiting)) = known.and_then(|process| process.ended.zip(process.waiting)) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        if steps
            .last()
            .is_some_and(|last| last.at <= ended.0 && last.waiting != waiting)
        {
            steps.push(Step { at: ended.0, waiting });
        }
    }
    steps
}

/// The number waiting at a moment.
#[must_use]
pub fn waiting_at(steps: &[Step], at: i64) -> u32 {
    let behind = steps.partition_point(|step| step.at <= at);
    let step = behind.checked_sub(1).and_then(|place| steps.get(place));
    step.map_or(0, |step| step.waiting)
}
