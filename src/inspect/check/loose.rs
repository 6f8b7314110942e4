//! Messages that an injected fault took out of their channel's order, and counts of what faults did: only as far as the
//! sender's log says so.

use std::collections::BTreeMap;

use super::channel::Sent;

/// Messages on their way that have no place in the order of their channel, by the clock that names them.
#[derive(Clone, Debug, Default)]
pub(super) struct Loose(BTreeMap<u64, Copies>);

/// A message and how many copies of it are on their way.
#[derive(Clone, Debug)]
struct Copies {
    send: Sent,
    left: u64,
}

/// What injected faults did on a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Broken {
    /// Messages lost.
    pub(super) lost: u64,
    /// Messages sent twice.
    pub(super) duplicated: u64,
}

impl Loose {
    pub(super) fn insert(&mut self, send: Sent, copies: u64) {
        self.0.insert(send.clock, Copies { send, left: copies });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a copy of the message sent at this clock is on its way.
    pub(super) fn has(&self, clock: u64) -> bool {
        self.0.contains_key(&clock)
    }

    /// Takes a copy of the message sent at this clock.
    pub(super) fn take(&mut self, clock: u64) -> Option<Sent> {
        let copies = self.0.get_mut(&clock)?;
        copies.left -= 1;
        if copies.left > 0 {
            return Some(copies.send.clone());
        }
        self.0.remove(&clock).map(|copies| copies.send)
    }
}
