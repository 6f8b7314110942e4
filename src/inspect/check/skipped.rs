//! Sends of a channel that were passed over: a later message was received, and they were not.

use std::collections::VecDeque;

use super::message::Sent;

/// Skipped sends that are remembered on a channel, so that a late arrival is known to be one.
const SKIPPED_MAX: usize = 256;

/// What was passed over on one channel.
#[derive(Clone, Debug, Default)]
pub(super) struct PassedOver {
    /// Since the last match, without an excuse.
    gap: Option<Gap>,
    /// Sends that might still arrive.
    skipped: VecDeque<Skipped>,
    /// Sends of the present epoch that have not arrived.
    pub(super) missing: u64,
}

/// A send that was passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skipped {
    pub(super) line: u64,
    clock: u64,
    /// Whether that was reported, so that its late arrival needs no second report.
    pub(super) is_told: bool,
}

/// Sends that were passed over: the first one's line and clock, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) line: u64,
    pub(super) clock: u64,
    pub(super) count: u64,
}

impl PassedOver {
    /// Passes over a send. It is excused if the link was lost behind it and before the message that is received next; the
    /// present epoch is what the sender's log says behind the line `epoch`.
    pub(super) fn skip(&mut self, send: &Sent, is_excused: bool, epoch: u64) {
        if !is_excused {
            let gap = self.gap.get_or_insert(Gap {
                line: send.line,
                clock: send.clock,
                count: 0,
            });
            gap.count += 1;
        }
        self.missing += u64::from(send.line > epoch);
        if self.skipped.len() == SKIPPED_MAX {
            self.skipped.pop_front();
        }
        self.skipped.push_back(Skipped {
            line: send.line,
            clock: send.clock,
            is_told: !is_excused,
        });
    }

    /// What was passed over without an excuse before the message that is received now.
    pub(super) fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// The send at this clock, if it was passed over.
    pub(super) fn find(&self, clock: u64) -> Option<Skipped> {
        let mut skipped = self.skipped.iter();
        skipped.find(|skipped| skipped.clock == clock).copied()
    }

    /// A send that was passed over has arrived after all.
    pub(super) fn arrive(&mut self, skipped: Skipped, epoch: u64) {
        self.skipped.retain(|other| other.line != skipped.line);
        self.missing -= u64::from(skipped.line > epoch);
    }
}
