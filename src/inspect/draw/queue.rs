//! The queue of a process over time: a step function from arrivals and takes.
//!
//! An arrival adds one, a take removes one; what the log says of the queue behind a take corrects the count,
//! since messages that were never taken have no logged arrival. They are counted from the first take that saw
//! them, which is late by at most the time between two takes; the footer's count is the last step. Logs that
//! say neither arrivals nor queues give no band.

use crate::inspect::history::{EventId, EventKind, History};

/// The queue from one moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Microseconds since 1970.
    pub at: i64,
    /// Messages waiting from then on.
    pub waiting: u32,
}

/// The steps of a process's queue, in the order of their times; empty if the logs say nothing of it.
#[must_use]
pub fn steps_of(history: &History, process: u32) -> Vec<Step> {
    // At one moment arrivals come first: what is taken has arrived.
    let mut changes: Vec<(i64, Option<EventId>)> = Vec::new();
    for id in history.ids_of(process) {
        let Some(event) = history.event(id) else { continue };
        let Some(at) = event.at else { return Vec::new() };
        match event.kind {
            EventKind::Receive | EventKind::Exchange => {
                for message in history.received_by(id) {
                    changes.extend(history.arrived(message).map(|arrived| (arrived.0, None)));
                }
                if event.queue.is_some() {
                    changes.push((at.0, Some(id)));
                }
            }
            // Machines of the model do something else only while nothing waits; other programs may not.
            EventKind::Internal | EventKind::Send | EventKind::Other => {}
        }
    }
    if !changes.iter().any(|(_, take)| take.is_some()) {
        return Vec::new();
    }
    changes.sort_unstable();
    let mut steps: Vec<Step> = Vec::new();
    let mut waiting: u32 = 0;
    for (at, take) in changes {
        waiting = match take {
            None => waiting.saturating_add(1),
            Some(id) => {
                let queue = history.event(id).and_then(|event| event.queue);
                queue.unwrap_or(waiting.saturating_sub(1))
            }
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
