//! When messages were sent, until they are taken: the age of a message is known from both ends.

use std::collections::{BTreeMap, VecDeque};

use crate::{trace::WallTime, units::MachineId};

/// A channel: from whom, to whom.
type Channel = (MachineId, MachineId);

/// The send times of messages that were not taken yet, by channel, in the order of their sending.
///
/// Memory grows with the messages under way and waiting, not with the length of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct SendTimes {
    channels: BTreeMap<Channel, VecDeque<(u64, WallTime)>>,
}

impl SendTimes {
    /// A message was sent at `at`, with the sender's clock `clock`.
    pub(super) fn sent(&mut self, from: MachineId, to: MachineId, clock: u64, at: WallTime) {
        self.channels
            .entry((from, to))
            .or_default()
            .push_back((clock, at));
    }

    /// The message with the clock `clock` was taken: when it was sent. `None` if its send was not read before:
    /// the log is missing, or the hosts' wall clocks are skewed.
    pub(super) fn taken(&mut self, from: MachineId, to: MachineId, clock: u64) -> Option<WallTime> {
        let channel = self.channels.get_mut(&(from, to))?;
        // First in, first out: what was sent before this one and not taken will not be.
        while channel.front().is_some_and(|(sent, _)| *sent < clock) {
            channel.pop_front();
        }
        let (_, at) = *channel.front().filter(|(sent, _)| *sent == clock)?;
        channel.pop_front();
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    #[test]
    fn a_message_is_found_by_its_channel_and_its_clock() {
        let mut sends = SendTimes::default();
        sends.sent(A, B, 3, WallTime(30));
        sends.sent(A, B, 5, WallTime(50));
        sends.sent(B, A, 3, WallTime(31));
        assert_eq!(sends.taken(A, B, 3), Some(WallTime(30)));
        assert_eq!(sends.taken(B, A, 3), Some(WallTime(31)));
        assert_eq!(sends.taken(A, B, 3), None, "taken once");
        assert_eq!(sends.taken(A, B, 5), Some(WallTime(50)));
    }

    #[test]
    fn lost_and_unknown_messages_do_not_hide_later_ones() {
        let mut sends = SendTimes::default();
        for clock in [1, 2, 4] {
            sends.sent(A, B, clock, WallTime(i64::try_from(clock).unwrap()));
        }
        assert_eq!(sends.taken(A, B, 3), None, "never sent");
        assert_eq!(sends.taken(A, B, 4), Some(WallTime(4)));
        assert_eq!(sends.taken(B, A, 1), None, "no such channel");
    }
}
