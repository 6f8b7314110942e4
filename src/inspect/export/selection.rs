//! Which events of a history: a window of time, machines, the last so many.
//!
//! Of each process the selection is one piece without a gap: what lies from its first to its last event in
//! the window. So process order stays what it was, also where a log's times go back.

use std::{collections::BinaryHeap, ops::Range};

use super::ExportError;
use crate::{
    inspect::{
        history::{EventId, History},
        window::Window,
    },
    trace::WallTime,
};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The window; `None` for the whole run.
    pub window: Option<Window>,
    /// The processes by name; empty for all.
    pub machines: Vec<String>,
    /// How many events.
    pub count: Count,
}

/// How many of the events in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// All that the consumer can take: beyond its limit the last ones.
    #[default]
    Fitting,
    /// The last so many, also beyond the limit.
    Last(u64),
    /// All, also beyond the limit.
    All,
}

/// By process: the places of the events that are meant; all of them if no machine is named.
pub(super) fn of_machines(history: &History, machines: &[String]) -> Result<Vec<Range<u32>>, ExportError> {
    let mut ranges: Vec<Range<u32>> = history
        .process_ids()
        .map(|process| {
            0..if machines.is_empty() {
                history.events_of(process)
            } else {
                0
            }
        })
        .collect();
    for name in machines {
        let process = history.find_process(name)?;
        if let Some(range) = ranges.get_mut(process as usize) {
            range.end = history.events_of(process);
        }
    }
    if ranges.iter().all(Range::is_empty) {
        let source_name = history.source.clone();
        return Err(if history.is_empty() {
            ExportError::NoEvents { source_name }
        } else {
            ExportError::NoneOfMachines {
                source_name,
                machines: machines.join(","),
            }
        });
    }
    Ok(ranges)
}

/// Narrows the ranges to the last `count` events of all together.
///
/// Last in time; where there are no times, those with the most events in their past. Both never fall along a
/// process of a right log, so what is kept is the end of each range.
pub(super) fn last(history: &History, count: u64, ranges: &mut [Range<u32>]) {
    let depths = (!history.has_times()).then(|| depths(history));
    let key = |process: u32, range: &Range<u32>| {
        let index = range.end.checked_sub(1).filter(|index| *index >= range.start)?;
        let id = EventId { process, index };
        let depth = |depths: &Vec<Vec<u64>>| {
            let depth = depths.get(process as usize)?.get(index as usize)?;
            i64::try_from(*depth).ok()
        };
        Some(match &depths {
            Some(depths) => depth(depths).unwrap_or(0),
            None => time(history, id).map_or(0, |at| at.0),
        })
    };
    let mut latest = BinaryHeap::new();
    let mut kept: Vec<Range<u32>> = Vec::new();
    for (process, range) in (0..).zip(&*ranges) {
        kept.push(range.end..range.end);
        latest.extend(key(process, range).map(|key| (key, process)));
    }
    for _ in 0..count {
        let Some((_, process)) = latest.pop() else { return };
        let place = process as usize;
        if let (Some(kept), Some(range)) = (kept.get_mut(place), ranges.get(place)) {
            kept.start = kept.start.saturating_sub(1).max(range.start);
            latest.extend(key(process, &(range.start..kept.start)).map(|key| (key, process)));
        }
    }
    for (range, kept) in ranges.iter_mut().zip(kept) {
        *range = kept;
    }
}

/// By event: how many events lie in its past, itself included.
fn depths(history: &History) -> Vec<Vec<u64>> {
    let mut depths: Vec<Vec<u64>> = vec![Vec::new(); history.processes.len()];
    history.each_in_causal_order(|id, vector| {
        if let Some(depths) = depths.get_mut(id.process as usize) {
            depths.push(vector.iter().map(|entry| u64::from(*entry)).sum());
        }
    });
    depths
}

fn time(history: &History, id: EventId) -> Option<WallTime> {
    history.event(id)?.at
}
