//! Does a message carry the clock of its send event, or the clock before it?
//!
//! "Send, then update" is the most common wrong reading of Lamport's rule. A machine that follows it stamps
//! every message one too low; the matching of messages tolerates that, so that one sentence can name it.

use super::{
    judge::{Context, Pair},
    message::{Received, Sent},
    rules::STAMP,
};

/// How the messages of one sender carry its clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamps {
    /// Messages that carry the clock of their send event.
    pub(super) exact: u64,
    /// Messages that carry the clock before it.
    pub(super) early: u64,
}

impl Stamps {
    /// Whether this sender stamps before it updates, as far as was seen.
    #[inline]
    pub(super) fn are_early(self) -> bool {
        self.early > self.exact
    }

    /// The clock of the send event that a stamp most likely belongs to.
    #[inline]
    pub(super) fn aim(self, sent: u64) -> u64 {
        if self.are_early() {
            sent.saturating_add(1)
        } else {
            sent
        }
    }

    /// The stamp that the message of a send event most likely carries.
    pub(super) fn name(self, clock: u64) -> u64 {
        if self.are_early() {
            clock.saturating_sub(1)
        } else {
            clock
        }
    }

    /// The clock that it belongs to otherwise.
    pub(super) fn other_aim(self, sent: u64) -> u64 {
        if self.are_early() {
            sent
        } else {
            sent.saturating_add(1)
        }
    }

    /// Counts a message that was matched.
    pub(super) fn take(
        &mut self,
        early: bool,
        pair: Pair,
        send: &Sent,
        receive: &Received,
        context: &mut Context<'_>,
    ) {
        if !early {
            self.exact += 1;
            return;
        }
        self.early += 1;
        let (files, (clock, sent)) = (context.files, (send.clock, receive.sent));
        context.violations.add(STAMP, pair.from, || {
            let places = vec![
                files.place(pair.from, send.line),
                files.place(pair.to, receive.line),
            ];
            let text = format!(
                "the send event has clock {clock}, but its message was received with {sent} ({}): \
                 a message carries the clock of its send event",
                files.place(pair.to, receive.line),
            );
            (places, text)
        });
    }

    /// Whether every message of the sender carries the clock before its send event.
    pub(super) fn all_early(self) -> bool {
        self.early > 0 && self.exact == 0
    }
}
