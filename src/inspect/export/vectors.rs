//! One event of a vector-clock file: host, clock, and what it is.

use std::fmt::Write;

use super::{names, part::Excerpt};
use crate::{inspect::history::EventId, trace::WallTime};

/// An event as a vector-clock file tells it.
#[derive(Debug)]
pub(super) struct Stamped<'a> {
    pub(super) host: &'a str,
    /// A JSON object on one line: `{"machine-0":3,"machine-1":2}`; hosts not heard of are left out.
    pub(super) vector: &'a str,
    pub(super) at: Option<WallTime>,
    /// The clock of the run.
    pub(super) clock: u64,
    pub(super) queue: Option<u32>,
    /// What it is, on one line.
    pub(super) text: &'a str,
}

/// Gives the events of an excerpt with their vectors, causes before effects, until `give` says to stop.
/// Returns whether that order was possible: see [`History::each_in_causal_order`].
///
/// [`History::each_in_causal_order`]: crate::inspect::history::History::each_in_causal_order
pub(super) fn each(excerpt: &Excerpt<'_>, mut give: impl FnMut(&Stamped<'_>) -> bool) -> bool {
    let hosts = names::words(&excerpt.history);
    let mut text = String::new();
    let mut goes_on = true;
    excerpt.history.each_in_causal_order(|id: EventId, vector| {
        let (true, Some(event)) = (goes_on, excerpt.history.event(id)) else {
            return;
        };
        text.clear();
        text.push('{');
        for (host, count) in hosts.iter().zip(vector).filter(|(_, count)| **count > 0) {
            let comma = if text.len() > 1 { "," } else { "" };
            // Names hold nothing that JSON would escape, and writing into a text cannot fail.
            let _ = write!(text, "{comma}\"{host}\":{count}");
        }
        text.push('}');
        let description = excerpt.describe(id);
        goes_on = give(&Stamped {
            host: hosts.get(id.process as usize).map_or("", String::as_str),
            vector: &text,
            at: event.at,
            clock: event.clock,
            queue: event.queue,
            text: &description,
        });
    })
}
