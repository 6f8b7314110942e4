//! The state of each channel at a cut: what was sent in the cut and not received in it.
//!
//! Where such a message was at the cut follows from when it arrived: it was still on its way, or waited in
//! the receiver's queue. A log that does not say when a message arrived leaves that open.

use std::collections::BTreeMap;

use super::{Causality, Cut};
use crate::{
    inspect::history::{Fate, Message},
    trace::WallTime,
};

/// Where a message was at a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On its way.
    InFlight,
    /// In the receiver's queue.
    Waiting,
    /// On its way or in the queue: the logs do not say when it arrived.
    Unsaid,
    /// On its way or lost: no log says that it ever arrived.
    NeverSeen,
}

/// One channel that is not empty at a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The sender.
    pub from: u32,
    /// The recipient.
    pub to: u32,
    /// By place: how many messages.
    pub counts: BTreeMap<Place, u64>,
    /// The first of its messages, in the order of their sends, and where they were.
    pub first: Vec<(Message, Place)>,
}

impl Channel {
    /// How many of its messages were at this place.
    #[must_use]
    pub fn count(&self, place: Place) -> u64 {
        self.counts.get(&place).copied().unwrap_or(0)
    }

    /// How many messages it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Causality<'_> {
    /// The channels that are not empty at a cut, by sender and recipient, with the first `shown` messages of
    /// each. `at` is the cut's moment if it is one of time; otherwise each process's moment is that of its
    /// last event in the cut. Messages that were dropped at their send are in no channel.
    #[must_use]
    pub fn channels(&self, cut: &Cut, at: Option<WallTime>, shown: usize) -> Vec<Channel> {
        let mut channels: BTreeMap<(u32, u32), Channel> = BTreeMap::new();
        for message in self.history.messages() {
            if !cut.has(message.send) {
                continue;
            }
            let Some(place) = self.place(message, cut, at) else {
                continue;
            };
            let key = (message.send.process, message.to);
            let channel = channels.entry(key).or_insert_with(|| Channel {
                from: message.send.process,
                to: message.to,
                counts: BTreeMap::new(),
                first: Vec::new(),
            });
            *channel.counts.entry(place).or_default() += 1;
            if channel.first.len() < shown {
                channel.first.push((*message, place));
            }
        }
        channels.into_values().collect()
    }

    /// Where a message that was sent in the cut is; `None` if it was received in it or never sent off.
    fn place(&self, message: &Message, cut: &Cut, at: Option<WallTime>) -> Option<Place> {
        match message.fate {
            Fate::Received(receive) if cut.has(receive) => None,
            Fate::Received(_) => Some(self.place_before_receive(message, cut, at)),
            Fate::Waiting => {
                let process = self.history.processes.get(message.to as usize);
                let ended = process.and_then(|process| process.ended);
                let all = cut.counts.get(message.to as usize) == Some(&self.history.events_of(message.to));
                let at_end = all && at.is_none_or(|at| ended.is_none_or(|ended| at >= ended));
                Some(if at_end { Place::Waiting } else { Place::Unsaid })
            }
            Fate::Dropped | Fate::Lost => None,
            Fate::Unknown => Some(Place::NeverSeen),
        }
    }

    fn place_before_receive(&self, message: &Message, cut: &Cut, at: Option<WallTime>) -> Place {
        let moment = at.or_else(|| match cut.last(message.to) {
            Some(last) => self.history.event(last)?.at,
            None => self.history.processes.get(message.to as usize)?.started,
        });
        match (self.history.arrived(message), moment) {
            (Some(arrived), Some(moment)) if arrived <= moment => Place::Waiting,
            (Some(_), Some(_)) => Place::InFlight,
            (None, _) | (_, None) => Place::Unsaid,
        }
    }
}
