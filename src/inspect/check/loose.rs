//! Messages that an injected fault took out of their channel's order, and counts of what faults did: only as far as the
//! sender's log says so.

use std::collections::{BTreeMap, VecDeque};

use super::message::Sent;

/// Lost messages that are remembered on a channel, so that the arrival of one is known to be that.
const LOST_MAX: usize = 256;

/// Messages on their way that have no place in the order of their channel, by the clock that names them.
#[derive(Clone, Debug, Default)]
pub(super) struct Loose(BTreeMap<u64, Copies>);

/// A message and how many copies of it are on their way.
#[derive(Clone, Debug)]
struct Copies {
    send: Sent,
    left: u64,
}

/// The newest messages that faults lost: clock and line of their send events.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost(VecDeque<(u64, u64)>);

impl Lost {
    pub(super) fn push(&mut self, clock: u64, line: u64) {
        if self.0.len() == LOST_MAX {
            self.0.pop_front();
        }
        self.0.push_back((clock, line));
    }

    /// The line of the message sent at this clock, if it was lost.
    pub(super) fn line_of(&self, clock: u64) -> Option<u64> {
        let found = self.0.iter().rev().find(|(lost, _)| *lost <= clock)?;
        (found.0 == clock).then_some(found.1)
    }
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

    /// How many copies are on their way of messages sent behind this line.
    pub(super) fn count_behind(&self, line: u64) -> u64 {
        let behind = self.0.values().filter(|copies| copies.send.line > line);
        behind.map(|copies| copies.left).sum()
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
