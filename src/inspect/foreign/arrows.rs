//! Who sent to whom, out of vector clocks: the transitive reduction.
//!
//! The entries of an event that rose against the event before it name the events that it newly knows of.
//! One of them that another one knows already came through that one; the others are the event's parents, and
//! each is drawn as one message. A log of vectors cannot say more: a message that brought nothing new leaves
//! no trace. Source: ShiViz, `js/model/modelGraph.js` (initParentChild).
//!
//! ```text
//!   a:4 {a:4 b:2}   ── before a:5 {a:5 b:6 c:3}: b and c rose, candidates b:6 and c:3;
//!                      b:6 {b:6 c:3} knows c:3, so the one parent is b:6
//! ```

use super::vectors::{Clocked, VectorLog};

/// An event that another one newly knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) host: u32,
    /// Its place among the events of its host.
    pub(super) index: u32,
}

impl VectorLog {
    /// The event before one, on its host.
    pub(super) fn before(&self, host: u32, index: u32) -> Option<&Clocked> {
        self.event(host, index.checked_sub(1)?)
    }

    /// The events that an event newly knows of, as far as they are in the log.
    pub(super) fn causes(&self, host: u32, index: u32) -> Vec<Cause> {
        let Some(event) = self.event(host, index) else {
            return Vec::new();
        };
        let before = self.before(host, index);
        let entries = event.clock.iter();
        entries
            .filter(|(other, entry)| {
                *other != host && before.is_none_or(|before| before.entry(*other) < *entry)
            })
            .filter_map(|(other, entry)| {
                let index = self.find(*other, *entry)?;
                Some(Cause { host: *other, index })
            })
            .collect()
    }

    /// The causes that no other cause knows of: the send events of the messages that the event takes.
    pub(super) fn parents(&self, causes: &[Cause]) -> Vec<Cause> {
        if causes.len() < 2 {
            return causes.to_vec();
        }
        // What each cause's host is known to have done, by the other causes.
        let mut known = vec![0; causes.len()];
        for cause in causes {
            let Some(event) = self.event(cause.host, cause.index) else {
                continue;
            };
            for (other, entry) in event.clock.iter().filter(|(other, _)| *other != cause.host) {
                // Causes come in the order of their hosts.
                if let Ok(place) = causes.binary_search_by_key(other, |cause| cause.host)
                    && let Some(known) = known.get_mut(place)
                {
                    *known = (*known).max(*entry);
                }
            }
        }
        let own = |cause: &Cause| {
            let event = self.event(cause.host, cause.index);
            event.map_or(0, |event| event.entry(cause.host))
        };
        let paired = causes.iter().zip(known);
        paired
            .filter(|(cause, known)| own(cause) > *known)
            .map(|(cause, _)| *cause)
            .collect()
    }
}
