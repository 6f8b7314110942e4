//! Answers that are ready but may not leave yet: what they name is not on the disk, or not on as many replicas as was
//! asked for.
//!
//! ```text
//!   accepted --> [ until appended ] --> One: answered
//!                       '--> Pushed: until every live peer has it, or a second has passed: answered
//!                       '--> Two, Majority: until so many have it on their disks: answered
//!                                           or the time is over: TooFewCopies, which is indefinite
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::tokens;
use crate::{
    clock::Dot,
    kv::request::{Answer, Copies, Deny, Reply},
    service::Ticket,
    units::Time,
};

/// Most answers that are held at once; beyond it writes are answered that it is busy.
pub(super) const HELD_MAX: usize = 200_000;

/// What an answer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A read: if the disk fails it is answered if another disk has what it names.
    Read,
    /// A write, or a change of members: if the disk fails it is indefinite.
    Write,
}

/// An answer that waits for the disk.
#[derive(Debug)]
pub(super) struct Unkept {
    /// The append that it waits for.
    pub(super) number: u64,
    pub(super) ticket: Ticket,
    pub(super) kind: Kind,
    pub(super) reply: Reply,
    /// What it waits for then.
    pub(super) then: Option<Wish>,
}

/// A write that others shall have before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) copies: Copies,
    pub(super) dot: Dot,
    pub(super) until: Time,
}

/// How far the peers are with this replica's own writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Every live peer has applied those up to this number.
    pub(super) pushed: u64,
    /// Some peer has those up to this number on its disk.
    pub(super) two: u64,
    /// So many that they are a majority together with this replica have those up to this number on their disks.
    pub(super) majority: u64,
}

/// All answers that are held.
#[derive(Debug, Default)]
pub(super) struct Held {
    unkept: VecDeque<Unkept>,
    /// What the answers that wait for the disk weigh.
    unkept_bytes: usize,
    /// By the kind of wish, then by the write's number.
    wishes: [BTreeMap<u64, (Ticket, Reply, Time)>; 3],
    deadlines: BTreeSet<(Time, usize, u64)>,
    /// Tickets of clients that have gone.
    cancelled: BTreeSet<Ticket>,
}

/// What an answer that waits for the disk weighs in memory, in bytes, about: itself, what its session has seen, what it says.
fn weight(reply: &Reply) -> usize {
    let seen = tokens::weight(&reply.token) + size_of_val(&*reply.released);
    size_of::<Unkept>() + seen + reply.answer.bytes()
}

fn place(copies: Copies) -> Option<usize> {
    match copies {
        Copies::One => None,
        Copies::Pushed => Some(0),
        Copies::Two => Some(1),
        Copies::Majority => Some(2),
    }
}

impl Held {
    /// How many answers are held.
    pub(super) fn len(&self) -> usize {
        self.unkept.len() + self.wishes.iter().map(BTreeMap::len).sum::<usize>()
    }

    /// What the answers that wait for the disk weigh, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.unkept_bytes
    }

    /// Holds an answer until the disk has what it names.
    pub(super) fn until_kept(&mut self, unkept: Unkept) {
        self.unkept_bytes += weight(&unkept.reply);
        self.unkept.push_back(unkept);
    }

    /// Holds an answer until others have the write.
    pub(super) fn until_copied(&mut self, ticket: Ticket, reply: Reply, wish: Wish) {
        let Some(place) = place(wish.copies) else {
            return;
        };
        if let Some(wishes) = self.wishes.get_mut(place) {
            wishes.insert(wish.dot.number, (ticket, reply, wish.until));
            self.deadlines.insert((wish.until, place, wish.dot.number));
        }
    }

    /// Whether an answer waits for an append behind this one.
    pub(super) fn waits_behind(&self, number: u64) -> bool {
        self.unkept.back().is_some_and(|last| last.number > number)
    }

    /// The next answer whose append is on the disk.
    pub(super) fn next_kept(&mut self, through: u64) -> Option<Unkept> {
        let is_kept = self.unkept.front().is_some_and(|first| first.number <= through);
        if !is_kept {
            return None;
        }
        let unkept = self.unkept.pop_front()?;
        self.unkept_bytes -= weight(&unkept.reply);
        Some(unkept)
    }

    /// The disk has failed: everything that waits for it.
    pub(super) fn take_unkept(&mut self) -> VecDeque<Unkept> {
        self.unkept_bytes = 0;
        std::mem::take(&mut self.unkept)
    }

    /// Whether no answer waits for other replicas.
    pub(super) fn has_no_wishes(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// Those whose wish has come true.
    pub(super) fn take_copied(&mut self, progress: Progress) -> Vec<(Ticket, Reply)> {
        let numbers = [progress.pushed, progress.two, progress.majority];
        let mut taken = Vec::new();
        for (place, (wishes, number)) in self.wishes.iter_mut().zip(numbers).enumerate() {
            while let Some(first) = wishes.first_entry()
                && *first.key() <= number
            {
                let (written, (ticket, reply, until)) = first.remove_entry();
                self.deadlines.remove(&(until, place, written));
                taken.push((ticket, reply));
            }
        }
        taken
    }

    /// Those whose time is over: a push is answered all the same, too few copies are told. `have` says how many have a
    /// write on their disks, and how many were asked for.
    pub(super) fn take_late(
        &mut self,
        now: Time,
        have: impl Fn(Copies, u64) -> (u32, u32),
    ) -> Vec<(Ticket, Reply)> {
        let mut taken = Vec::new();
        while let Some((until, place, number)) = self.deadlines.first().copied()
            && until <= now
        {
            self.deadlines.pop_first();
            let wishes = self.wishes.get_mut(place);
            let Some((ticket, mut reply, _)) = wishes.and_then(|wishes| wishes.remove(&number)) else {
                continue;
            };
            let copies = match place {
                0 => None,
                1 => Some(Copies::Two),
                _ => Some(Copies::Majority),
            };
            if let (Some(copies), Answer::Written { dot: Some(dot), .. }) = (copies, &reply.answer) {
                let (have, want) = have(copies, number);
                reply.answer = Answer::Denied(Deny::TooFewCopies {
                    dot: *dot,
                    have,
                    want,
                });
            }
            taken.push((ticket, reply));
        }
        taken
    }

    /// The client of a ticket has gone.
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        // Without anything held there is nothing to leave out. Too many are forgotten: an answer too much does no harm.
        if self.cancelled.len() >= HELD_MAX {
            self.cancelled.clear();
        }
        if self.len() > 0 {
            self.cancelled.insert(ticket);
        }
    }

    /// Whether the answer to a ticket is still of use.
    pub(super) fn is_wanted(&mut self, ticket: Ticket) -> bool {
        let is_wanted = self.cancelled.is_empty() || !self.cancelled.remove(&ticket);
        if self.len() == 0 {
            self.cancelled.clear();
        }
        is_wanted
    }

    /// When the first deadline is.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(until, ..)| *until)
    }
}
