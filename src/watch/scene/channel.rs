//! Messages between machines: which are sent and not yet taken, as far as the logs were read.
//!
//! A message is named by its sender and the clock of its send event. Logs are read one after the other, so a receive
//! may be read before its send. What is listed is bounded; what is only counted is exact as long as channels keep
//! their order.
//!
//! What a machine sent before it died lies at its recipient, or never will: the first recipient's event behind the death
//! that shows an empty queue shows that nothing of it is to come.

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
pub(in crate::watch) struct Channels {
    /// By sender and recipient.
    channels: BTreeMap<(MachineId, MachineId), Channel>,
    recipients: BTreeMap<MachineId, Recipient>,
    /// By recipient and sender: what that sent in a life that is over, and may not have arrived.
    left: BTreeMap<(MachineId, MachineId), Left>,
    /// Messages that are listed, of all channels.
    listed: usize,
}

/// What a send line says of one message.
#[derive(Clone, Copy, Debug)]
pub(in crate::watch) struct Sent {
    pub(in crate::watch) message: UnderWay,
    /// How many copies went out: 0 if it was lost.
    pub(in crate::watch) copies: u64,
    /// A fault took it out of its channel's order.
    pub(in crate::watch) unordered: bool,
}

/// What a dead sender left in a channel.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// Clock of the newest send of the life that is over.
    clock: u64,
    /// When that was over.
    at: WallTime,
}

#[derive(Debug, Default)]
struct Recipient {
    /// Copies sent to it and not taken.
    waiting: u64,
    /// What was sent before is void: the machine began a new life then.
    void_before: Option<WallTime>,
    /// When its queue was empty last.
    empty: Option<WallTime>,
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
    /// Takes one message of a send line. Returns how many copies of it are under way.
    pub(in crate::watch) fn sent(&mut self, sent: &Sent) -> u64 {
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
            return 0;
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
        copies
    }

    /// Takes a receive line of `to`.
    pub(in crate::watch) fn taken(&mut self, from: MachineId, to: MachineId, clock: u64) {
        let channel = self.channels.entry((from, to)).or_default();
        let recipient = self.recipients.entry(to).or_default();
        let listed_before = channel.listed.len();
        let gone = channel.take(clock);
        self.listed -= listed_before - channel.listed.len();
        recipient.waiting = recipient.waiting.saturating_sub(gone);
    }

    /// What was sent to `to` before `at` will never be taken.
    pub(in crate::watch) fn void(&mut self, to: MachineId, at: WallTime) {
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

    /// `from` is dead at `at`: what it sent and does not lie at its recipient is lost.
    pub(in crate::watch) fn died(&mut self, from: MachineId, at: WallTime) {
        let of_sender = (from, MachineId(0))..=(from, MachineId(u16::MAX));
        for (&(_, to), channel) in self.channels.range(of_sender) {
            let clock = channel.sent_last;
            // A death is told by the fault and by the next life: nothing was sent in between.
            let left = self.left.entry((to, from)).or_insert(Left { clock, at });
            if left.clock < clock {
                *left = Left { clock, at };
            }
        }
        let recipients: Vec<(MachineId, WallTime)> = self
            .recipients
            .iter()
            .filter_map(|(to, recipient)| Some((*to, recipient.empty?)))
            .collect();
        for (to, empty) in recipients {
            self.empty(to, empty);
        }
    }

    /// The queue of `to` was empty at `at`.
    pub(in crate::watch) fn empty(&mut self, to: MachineId, at: WallTime) {
        let recipient = self.recipients.entry(to).or_default();
        recipient.empty = recipient.empty.max(Some(at));
        let of_recipient = (to, MachineId(0))..=(to, MachineId(u16::MAX));
        let lost: Vec<(MachineId, u64)> = self
            .left
            .range(of_recipient)
            .filter(|(_, left)| left.at < at)
            .map(|((_, from), left)| (*from, left.clock))
            .collect();
        for (from, clock) in lost {
            self.left.remove(&(to, from));
            if let Some(channel) = self.channels.get_mut(&(from, to)) {
                let listed_before = channel.listed.len();
                let gone = channel.lose_until(clock);
                self.listed -= listed_before - channel.listed.len();
                recipient.waiting = recipient.waiting.saturating_sub(gone);
            }
        }
    }

    /// The newest copies of a channel will never be taken: so many.
    pub(in crate::watch) fn lose_newest(&mut self, from: MachineId, to: MachineId, copies: u64) {
        let (Some(channel), Some(recipient)) =
            (self.channels.get_mut(&(from, to)), self.recipients.get_mut(&to))
        else {
            return;
        };
        let listed_before = channel.listed.len();
        let gone = channel.lose_newest(copies);
        self.listed -= listed_before - channel.listed.len();
        recipient.waiting = recipient.waiting.saturating_sub(gone);
    }

    /// Copies of one channel that are under way.
    pub(in crate::watch) fn between(&self, from: MachineId, to: MachineId) -> u64 {
        self.channels.get(&(from, to)).map_or(0, Channel::waiting)
    }

    /// Of these: sent in a life of `from` that is over, and not known to be lost.
    pub(in crate::watch) fn left_between(&self, from: MachineId, to: MachineId) -> u64 {
        let (channel, left) = (self.channels.get(&(from, to)), self.left.get(&(to, from)));
        channel
            .zip(left)
            .map_or(0, |(channel, left)| channel.waiting_until(left.clock))
    }

    /// Copies sent to `to` and not taken.
    pub(in crate::watch) fn waiting(&self, to: MachineId) -> u64 {
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

    /// No message up to `clock` will arrive any more. Returns how many copies that were.
    fn lose_until(&mut self, clock: u64) -> u64 {
        let gone = self.waiting_until(clock);
        self.listed.retain(|message| message.clock > clock);
        if self.unlisted_last <= clock {
            self.unlisted = 0;
        }
        gone
    }

    /// The newest copies will not arrive any more. Returns how many of them were under way.
    fn lose_newest(&mut self, copies: u64) -> u64 {
        let before = self.waiting();
        let left = before.saturating_sub(copies);
        self.unlisted = self.unlisted.saturating_sub(copies);
        while self.waiting() > left
            && let Some(newest) = self.listed.back_mut()
        {
            newest.copies -= 1;
            if newest.copies == 0 {
                self.listed.pop_back();
            }
        }
        before - self.waiting()
    }

    /// Copies under way.
    fn waiting(&self) -> u64 {
        self.waiting_until(u64::MAX)
    }

    /// Copies under way of messages up to `clock`; of unlisted ones only if all are.
    fn waiting_until(&self, clock: u64) -> u64 {
        let listed = self.listed.iter().take_while(|message| message.clock <= clock);
        let listed: u64 = listed.map(|message| message.copies).sum();
        listed
            + if self.unlisted_last <= clock {
                self.unlisted
            } else {
                0
            }
    }
}

#[cfg(test)]
mod tests;
