//! Messages between machines: which are sent and not yet taken, as far as the logs were read.
//!
//! A message is named by its sender and the clock of its send event. Logs are read one after the other, so a receive
//! may be read before its send. What is listed is bounded; what is only counted is exact as long as channels keep
//! their order.

use std::collections::{BTreeMap, VecDeque};

use crate::{trace::WallTime, units::MachineId};

/// Messages of one channel that are listed; further ones are counted.
const LISTED_MAX: usize = 256;

/// Messages of all channels together that are listed.
const ALL_LISTED_MAX: usize = 20_000;

/// Receives of one channel whose sends were not read yet.
const EARLY_MAX: usize = 4096;

/// A message that was sent and not yet taken: on its way, or in the queue. Which of the two, no log says yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Who sent it.
    pub from: MachineId,
    /// Whom to.
    pub to: MachineId,
    /// The sender's clock at the send event.
    pub clock: u64,
    /// When it was sent.
    pub at: WallTime,
}

/// All channels of a run.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: BTreeMap<(MachineId, MachineId), Channel>,
    recipients: BTreeMap<MachineId, Recipient>,
    /// Messages that are listed, of all channels.
    listed: usize,
}

/// What a send line says of one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) message: UnderWay,
    /// How many copies went out: 0 if it was lost.
    pub(super) copies: u64,
    /// A fault took it out of its channel's order.
    pub(super) unordered: bool,
}

#[derive(Debug, Default)]
struct Recipient {
    /// Copies sent to it and not taken.
    waiting: u64,
    /// What was sent before is void: the machine began a new life then.
    void_before: Option<WallTime>,
}

#[derive(Debug, Default)]
struct Channel {
    /// The oldest messages under way, by clock.
    listed: VecDeque<Listed>,
    /// Copies under way that are not listed.
    unlisted: u64,
    /// Clock of the newest of these.
    unlisted_last: u64,
    /// Clock of the newest send that was read.
    sent_last: u64,
    /// Receives whose send was not read yet: clock and how often.
    early: BTreeMap<u64, u64>,
    /// Sends up to this clock were taken, though their receives are forgotten.
    floor: u64,
}

#[derive(Clone, Copy, Debug)]
struct Listed {
    clock: u64,
    at: WallTime,
    copies: u64,
    unordered: bool,
}

impl Channels {
    /// Takes one message of a send line.
    pub(super) fn sent(&mut self, sent: &Sent) {
        let UnderWay { from, to, clock, at } = sent.message;
        let channel = self.channels.entry((from, to)).or_default();
        let recipient = self.recipients.entry(to).or_default();
        channel.sent_last = clock;
        let listed_before = channel.listed.len();
        let early = channel.early.remove(&clock).unwrap_or(0);
        if early > 0 && !sent.unordered {
            recipient.waiting = recipient.waiting.saturating_sub(channel.overtake(clock));
            self.listed -= listed_before - channel.listed.len();
        }
        let is_void = recipient.void_before.is_some_and(|void| at < void);
        let copies = sent.copies.saturating_sub(early);
        if is_void || copies == 0 || (clock <= channel.floor && !sent.unordered) {
            return;
        }
        recipient.waiting += copies;
        if channel.listed.len() < LISTED_MAX && self.listed < ALL_LISTED_MAX {
            self.listed += 1;
            channel.listed.push_back(Listed {
                clock,
                at,
                copies,
                unordered: sent.unordered,
            });
        } else {
            channel.unlisted += copies;
            channel.unlisted_last = clock;
        }
    }

    /// Takes a receive line of `to`.
    pub(super) fn taken(&mut self, from: MachineId, to: MachineId, clock: u64) {
        let channel = self.channels.entry((from, to)).or_default();
        let recipient = self.recipients.entry(to).or_default();
        let listed_before = channel.listed.len();
        let gone = channel.take(clock);
        self.listed -= listed_before - channel.listed.len();
        recipient.waiting = recipient.waiting.saturating_sub(gone);
    }

    /// What was sent to `to` before `at` will never be taken.
    pub(super) fn void(&mut self, to: MachineId, at: WallTime) {
        let recipient = self.recipients.entry(to).or_default();
        recipient.void_before = recipient.void_before.max(Some(at));
        for (_, channel) in self.channels.iter_mut().filter(|((_, other), _)| *other == to) {
            let mut gone = 0;
            let listed_before = channel.listed.len();
            channel.listed.retain(|message| {
                let stays = message.at >= at;
                gone += if stays { 0 } else { message.copies };
                stays
            });
            self.listed -= listed_before - channel.listed.len();
            if channel.listed.is_empty() {
                gone += std::mem::take(&mut channel.unlisted);
            }
            recipient.waiting = recipient.waiting.saturating_sub(gone);
        }
    }

    /// Copies sent to `to` and not taken.
    pub(super) fn waiting(&self, to: MachineId) -> u64 {
        self.recipients.get(&to).map_or(0, |recipient| recipient.waiting)
    }

    /// The messages under way that are listed, channel by channel, oldest first.
    pub(super) fn under_way(&self) -> impl Iterator<Item = UnderWay> + '_ {
        self.channels.iter().flat_map(|(&(from, to), channel)| {
            channel.listed.iter().map(move |listed| UnderWay {
                from,
                to,
                clock: listed.clock,
                at: listed.at,
            })
        })
    }
}

impl Channel {
    /// One copy of the message of `clock` was taken. Returns how many copies are under way no more: those that an
    /// ordered message passed were lost.
    fn take(&mut self, clock: u64) -> u64 {
        let place = self.listed.partition_point(|message| message.clock < clock);
        match self
            .listed
            .get_mut(place)
            .filter(|message| message.clock == clock)
        {
            Some(message) => {
                message.copies -= 1;
                let (is_last, unordered) = (message.copies == 0, message.unordered);
                if is_last {
                    self.listed.remove(place);
                }
                1 + if unordered { 0 } else { self.overtake(clock) }
            }
            None if clock > self.sent_last => {
                *self.early.entry(clock).or_default() += 1;
                if self.early.len() > EARLY_MAX
                    && let Some((clock, _)) = self.early.pop_first()
                {
                    self.floor = self.floor.max(clock);
                }
                0
            }
            None => {
                let gone = self.unlisted.min(1);
                self.unlisted -= gone;
                gone
            }
        }
    }

    /// An ordered message of `clock` arrived: ordered ones before it never will. Returns how many copies that were.
    fn overtake(&mut self, clock: u64) -> u64 {
        let mut gone = 0;
        if self.listed.front().is_some_and(|message| message.clock < clock) {
            self.listed.retain(|message| {
                let stays = message.unordered || message.clock >= clock;
                gone += if stays { 0 } else { message.copies };
                stays
            });
        }
        if clock > self.unlisted_last {
            gone += std::mem::take(&mut self.unlisted);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    fn sent(clock: u64) -> Sent {
        Sent {
            message: UnderWay {
                from: A,
                to: B,
                clock,
                at: WallTime(i64::try_from(clock).unwrap()),
            },
            copies: 1,
            unordered: false,
        }
    }

    #[test]
    fn a_receive_may_be_read_before_its_send() {
        let mut channels = Channels::default();
        channels.taken(A, B, 5);
        assert_eq!(channels.waiting(B), 0);
        channels.sent(&sent(5));
        assert_eq!(channels.waiting(B), 0);
        channels.sent(&sent(9));
        assert_eq!((channels.waiting(B), channels.under_way().count()), (1, 1));
        channels.taken(A, B, 9);
        assert_eq!((channels.waiting(B), channels.under_way().count()), (0, 0));
    }

    #[test]
    fn more_messages_than_are_listed_are_counted() {
        let mut channels = Channels::default();
        let many = 3 * LISTED_MAX as u64;
        for clock in 1..=many {
            channels.sent(&sent(clock));
        }
        assert_eq!(
            (channels.waiting(B), channels.under_way().count()),
            (many, LISTED_MAX)
        );
        // While it is taken from, more is sent.
        for clock in 1..=many {
            channels.taken(A, B, clock);
            channels.sent(&sent(many + clock));
            assert_eq!(channels.waiting(B), many, "after {clock}");
        }
        for clock in 1..=many {
            channels.taken(A, B, many + clock);
            assert_eq!(channels.waiting(B), many - clock);
            assert_eq!(channels.listed, channels.under_way().count());
        }
    }

    #[test]
    fn all_channels_together_list_a_bounded_number() {
        let mut channels = Channels::default();
        let senders = 2 * ALL_LISTED_MAX / LISTED_MAX;
        for clock in 1..=LISTED_MAX as u64 {
            for from in 2..2 + u16::try_from(senders).unwrap() {
                channels.sent(&Sent {
                    message: UnderWay {
                        from: MachineId(from),
                        ..sent(clock).message
                    },
                    ..sent(clock)
                });
            }
        }
        assert_eq!(channels.under_way().count(), ALL_LISTED_MAX);
        assert_eq!(channels.waiting(B), (senders * LISTED_MAX) as u64);
        channels.void(B, WallTime(i64::MAX));
        assert_eq!((channels.waiting(B), channels.listed), (0, 0));
    }

    #[test]
    fn more_early_receives_than_are_kept_leave_nothing_under_way() {
        let mut channels = Channels::default();
        let many = 2 * EARLY_MAX as u64;
        for clock in 1..=many {
            channels.taken(A, B, clock);
        }
        for clock in 1..=many {
            channels.sent(&sent(clock));
        }
        assert_eq!(channels.waiting(B), 0);
    }

    #[test]
    fn an_ordered_message_that_arrives_shows_what_was_lost_before_it() {
        let mut channels = Channels::default();
        for clock in 1..=4 {
            channels.sent(&Sent {
                unordered: clock == 2,
                ..sent(clock)
            });
        }
        channels.taken(A, B, 3);
        let left: Vec<u64> = channels.under_way().map(|message| message.clock).collect();
        assert_eq!((left, channels.waiting(B)), (vec![2, 4], 2));
    }

    #[test]
    fn copies_are_counted() {
        let mut channels = Channels::default();
        channels.sent(&Sent { copies: 2, ..sent(1) });
        channels.sent(&Sent { copies: 0, ..sent(2) });
        assert_eq!(channels.waiting(B), 2);
        channels.taken(A, B, 1);
        assert_eq!(channels.waiting(B), 1);
        channels.taken(A, B, 1);
        assert_eq!(channels.waiting(B), 0);
    }

    #[test]
    fn a_new_life_begins_with_an_empty_queue() {
        let mut channels = Channels::default();
        for clock in [1, 2, 30] {
            channels.sent(&sent(clock));
        }
        channels.void(B, WallTime(10));
        assert_eq!(channels.waiting(B), 1);
        channels.sent(&Sent {
            message: UnderWay {
                from: MachineId(2),
                ..sent(4).message
            },
            ..sent(4)
        });
        assert_eq!(channels.waiting(B), 1, "sent before, read later");
    }
}
