//! How a channel's messages are counted where links were lost: from the last time on that the link came up.

/// Where the present epoch of a channel begins, and the present life of its receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Epoch {
    /// The line of the sender's log by which the link came up.
    pub(super) line: u64,
    /// Messages sent before.
    sent: u64,
    /// Messages sent before the link led to the receiver's present life.
    sent_to_others: u64,
    /// Messages that earlier lives of the receiver received.
    received_by_others: u64,
}

/// What is to be accounted for at the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    /// Messages of the last epoch.
    pub(super) sent: u64,
    /// Those of them that were not received.
    pub(super) open: u64,
    /// Messages sent to the receiver's last life, whenever the link was up.
    pub(super) to_life: u64,
    /// Messages received by it.
    pub(super) by_life: u64,
}

impl Epoch {
    /// The link came up, to another life of the receiver than before if `is_other`.
    pub(super) fn begin(&mut self, line: u64, sent: u64, is_other: bool) {
        (self.line, self.sent) = (line, sent);
        if is_other {
            self.sent_to_others = sent;
        }
    }

    /// A further life of the receiver begins.
    pub(super) fn restart(&mut self, received: u64) {
        self.received_by_others = received;
    }

    /// The account of a channel, from its counts over all epochs.
    pub(super) fn account(self, sent: u64, received: u64, open: u64) -> Account {
        Account {
            sent: sent - self.sent,
            open,
            to_life: sent - self.sent_to_others,
            by_life: received - self.received_by_others,
        }
    }
}
