//! Watches: who is told of every change to the keys that begin so, in the order in which writes are applied here.
//!
//! What has been applied lately is remembered as batches, up to a number of writes and of bytes. They are decoded only for
//! those who watch. What they are to be told is read at the end of each round, and told once it is on the disk: so they see
//! states that were, in causal order, and none that a crash can take back. Positions count the writes applied in this life;
//! they begin at the wall clock's microseconds of its start.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::log::weight;
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        config::Config,
        operation::Key,
        request::{Item, Token},
        sealed::Batch,
    },
    service::Ticket,
};

/// What a key weighs beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 32;

/// What was applied.
#[derive(Clone, Debug)]
pub(super) enum Applied {
    /// A batch, as it was sent.
    Batch(Arc<Batch>),
    /// Another replica's state was taken over.
    Adopted(Arc<Adopted>),
}

impl Applied {
    /// What it weighs in memory, about.
    fn weight(&self) -> usize {
        match self {
            Self::Batch(batch) => weight(batch),
            Self::Adopted(adopted) => adopted
                .keys
                .iter()
                .map(|key| KEY_OVERHEAD_BYTES + key.len())
                .sum(),
        }
    }
}

/// What another replica's state has changed.
#[derive(Debug)]
pub(super) struct Adopted {
    /// The keys.
    pub(super) keys: Vec<Key>,
    /// What that replica had applied.
    pub(super) known: VersionVector,
    /// One of the writes that came with it: it names the keys of which nothing is left.
    pub(super) dot: Dot,
}

/// One thing that was applied, and the position behind it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Positions begin here …
    pub(super) first: u64,
    /// … and there are so many of them.
    pub(super) count: u64,
    pub(super) what: Applied,
    /// What was known here before: of a batch, writes below it were applied already.
    pub(super) before: u64,
}

/// One who watches.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    pub(super) prefix: Box<[u8]>,
    /// It has been told of everything up to this position.
    pub(super) told: u64,
    /// What it is to be told up to this position has been read.
    pub(super) prepared: u64,
    /// The first prepared state that is for it.
    pub(super) since: u64,
    /// What its session has seen.
    pub(super) token: Token,
}

/// What watches are to be told of one position.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) position: u64,
    /// The last write of what is told.
    pub(super) dot: Dot,
    /// The keys that are watched, what is under them, and what says so.
    pub(super) changes: Vec<(Key, Option<Item>, VersionVector)>,
    /// What else is seen by who is told.
    pub(super) seen: VersionVector,
}

/// What watches are to be told once it is on the disk.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Counts the states that were prepared.
    pub(super) number: u64,
    /// It is the state at this position.
    pub(super) through: u64,
    pub(super) tellings: Vec<Telling>,
}

/// What is remembered, and those who watch.
#[derive(Debug)]
pub(super) struct Watching {
    history_max: u64,
    bytes_max: usize,
    /// What is remembered weighs so much, about.
    bytes: usize,
    /// The position before the first that is remembered.
    floor: u64,
    /// The last position.
    last: u64,
    steps: VecDeque<Step>,
    /// Appends that are not on the disk yet, and the last position of each.
    appends: VecDeque<(u64, u64)>,
    /// The last position that is on the disk.
    kept: u64,
    /// It takes nothing any more: nobody watches.
    is_disk_gone: bool,
    /// States that are not on the disk yet, oldest first.
    pub(super) prepared: VecDeque<Prepared>,
    /// The number of the next.
    next: u64,
    pub(super) watchers: BTreeMap<Ticket, Watcher>,
}

impl Watching {
    /// Positions begin behind `start`.
    pub(super) fn new(history_max: usize, bytes_max: usize, start: u64) -> Self {
        Self {
            history_max: history_max as u64,
            bytes_max,
            bytes: 0,
            floor: start,
            last: start,
            steps: VecDeque::new(),
            appends: VecDeque::new(),
            kept: start,
            is_disk_gone: false,
            prepared: VecDeque::new(),
            next: 1,
            watchers: BTreeMap::new(),
        }
    }

    /// A batch has been applied, beyond the `before` writes of its origin that were.
    pub(super) fn batch(&mut self, batch: &Arc<Batch>, before: u64) {
        let count = batch.last() - before.min(batch.last());
        self.step(Applied::Batch(Arc::clone(batch)), count, before);
    }

    /// Another replica's state has changed these keys.
    pub(super) fn adopted(&mut self, adopted: Adopted) {
        let count = adopted.keys.len() as u64;
        self.step(Applied::Adopted(Arc::new(adopted)), count, 0);
    }

    fn step(&mut self, what: Applied, count: u64, before: u64) {
        let first = self.last + 1;
        self.last += count;
        self.bytes += what.weight();
        self.steps.push_back(Step {
            first,
            count,
            what,
            before,
        });
        // Who watches has been told of what is on the disk; what is not is kept for them beyond the bound, as long as it
        // can still come there.
        while let Some(oldest) = self.steps.front() {
            let end = oldest.first + oldest.count - 1;
            let is_short = self.last - end < self.history_max && self.bytes <= self.bytes_max;
            if is_short || (end > self.kept && !self.is_disk_gone) {
                break;
            }
            self.floor = end;
            self.bytes -= oldest.what.weight();
            self.steps.pop_front();
        }
    }

    /// What has been applied so far goes to the disk with this append.
    pub(super) fn appending(&mut self, number: u64) {
        self.appends.push_back((number, self.last));
    }

    /// The disk takes nothing any more, and those who watch were told so.
    pub(super) fn disk_gone(&mut self) {
        self.is_disk_gone = true;
        self.appends.clear();
        self.prepared.clear();
    }

    /// Appends up to this number are on the disk. Says whether there is anything new to tell.
    pub(super) fn appended(&mut self, through: u64) -> bool {
        let before = self.kept;
        while let Some((number, last)) = self.appends.front().copied()
            && number <= through
        {
            self.kept = last;
            self.appends.pop_front();
        }
        self.kept > before && !self.watchers.is_empty()
    }

    /// What is remembered weighs so many bytes, about.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where a watch from now on begins.
    pub(super) fn now(&self) -> u64 {
        self.last
    }

    /// Whether what is behind a position is remembered.
    pub(super) fn remembers(&self, position: u64) -> bool {
        (self.floor..=self.last).contains(&position)
    }

    /// What one who was told everything up to a position has to be told.
    pub(super) fn behind(&self, told: u64) -> impl Iterator<Item = &Step> {
        let start = self
            .steps
            .partition_point(|step| step.first + step.count - 1 <= told);
        self.steps.range(start..)
    }

    /// Whether there is room for one more. What came by the desk has bounds of its own.
    pub(super) fn has_room(&self, ticket: Ticket, config: &Config) -> bool {
        let of_seat = |seat| self.watchers.range(Ticket::all_of(seat)).count();
        let (all, seat) = (self.watchers.len(), ticket.seat());
        seat == Ticket::DESK
            || all - of_seat(Ticket::DESK) < config.waiting_max && of_seat(seat) < config.waiting_seat_max
    }

    /// One who watches, from behind a position.
    pub(super) fn begin(&mut self, ticket: Ticket, prefix: Box<[u8]>, told: u64, token: Token) {
        let watcher = Watcher {
            prefix,
            told,
            prepared: told,
            since: self.next,
            token,
        };
        self.watchers.insert(ticket, watcher);
    }

    /// What all who watch are to be told of the present state.
    pub(super) fn prepare(&mut self, tellings: Vec<Telling>) {
        let through = self.last;
        for watcher in self.watchers.values_mut() {
            watcher.prepared = through;
        }
        self.prepared.push_back(Prepared {
            number: self.next,
            through,
            tellings,
        });
        self.next += 1;
    }

    /// The next that is on the disk by now.
    pub(super) fn next_kept(&mut self) -> Option<Prepared> {
        let is_kept = self
            .prepared
            .front()
            .is_some_and(|prepared| prepared.through <= self.kept);
        is_kept.then(|| self.prepared.pop_front()).flatten()
    }

    /// Takes out those for whom something was forgotten before it was read.
    pub(super) fn take_forgotten(&mut self) -> Vec<(Ticket, Watcher)> {
        let forgotten = self
            .watchers
            .iter()
            .filter(|(_, watcher)| watcher.prepared < self.floor);
        let forgotten: Vec<Ticket> = forgotten.map(|(ticket, _)| *ticket).collect();
        let taken = forgotten
            .into_iter()
            .map(|ticket| (ticket, self.watchers.remove(&ticket)));
        taken
            .filter_map(|(ticket, watcher)| Some((ticket, watcher?)))
            .collect()
    }
}
