//! What is under one key: versions of a value, a counter, a set, as writes of any replica left it.
//!
//! Every write is applied by the same rules wherever it was accepted, and concurrent writes give the same in whatever
//! causal order they come. It is a plain value: no time but what is passed in, and no key (that is `store`'s).
//!
//! # What is shown
//!
//! Versions rank by (stamp, origin): the greatest is shown, the others beside it are concurrent values ("siblings"). A
//! Delete takes away more than what it has seen: whatever ranks below it, now or when it arrives, for good. So the last
//! writer wins over a deletion, and a deletion over earlier writers. Its tombstone is the entry's *floor*: there is one
//! at most, the greatest, and it stays when a later write supersedes it. A value that has ended by itself is as if it
//! were not there, and what is beside it is shown.
//!
//! ```text
//!   versions, descending      9 "x"   7 "y"   5 (tombstone)
//!                             shown   beside  floor: what has a stamp below 5 is no more
//! ```
//!
//! Through concurrent creation a key may hold several types at once. Shown is one: values if there are any, else the
//! counter if anything is left of it, else the set if it has elements. So an operation of another type than the one
//! that is shown is refused at its accepting replica, while a Put or a Delete there takes away all of them.
//!
//! # What is remembered, and when it is forgotten
//!
//! Floors, removals from sets and the emptied parts of counters are remembered: a read that finds nothing depends on
//! them, a merge of states needs them, and a floor is for what is still to come. They are forgotten by
//! [`Entry::collect`] once they are *stable*:
//!
//! > every write that this replica has yet to apply was accepted by a replica that had applied them before.
//!
//! Such a write is stamped above them, and nothing that is still to come is concurrent to them. So what is shown never
//! changes by forgetting, and replicas may forget at different times.

mod codec;
mod counter;
mod decide;
mod set;
mod show;
mod version;

use super::operation::{Applied, Change, Stamp};
use crate::clock::{Dot, VersionVector};
use counter::Counter;
pub(super) use decide::{Asked, decide};
use set::Set;
use version::Version;

/// What is under a key; never nothing at all.
///
/// Invariant: one version and no more is always [`One`](Entry::One).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A single version.
    One(Version),
    /// Several versions, a counter, a set.
    Many(Box<Many>),
}

const _: () = assert!(size_of::<Entry>() == 48, "a million keys depend on it");

/// What is under a key that is not a single version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Many {
    /// Descending ranks; none but the last is a tombstone.
    versions: Vec<Version>,
    counter: Counter,
    set: Set,
}

/// What an entry counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// Whether it shows anything, values that have ended by now included: else it is a tombstone.
    pub(super) is_there: bool,
    /// Whether there is anything that can be forgotten one day: a tombstone, a value that ends.
    pub(super) has_memory: bool,
}

/// What came of forgetting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether anything was forgotten.
    pub(super) has_changed: bool,
    /// Whether nothing is left of the entry: then it has to go.
    pub(super) is_empty: bool,
}

impl Entry {
    /// What the first write of a key makes of it. The value is taken out of the operation.
    pub(super) fn new(dot: Dot, stamp: Stamp, operation: &mut Applied) -> Self {
        match single(dot, stamp, operation) {
            Some(version) => Self::One(version),
            None => {
                let mut many = Many::default();
                many.apply(dot, stamp, operation);
                Self::Many(Box::new(many)).in_shape().unwrap_or_else(|| {
                    // A write always leaves its dot.
                    Self::One(Version::tombstone(dot, stamp))
                })
            }
        }
    }

    /// Applies an operation of a write. Its value is taken out of it, its key stays.
    pub(super) fn apply(&mut self, dot: Dot, stamp: Stamp, operation: &mut Applied) {
        match self {
            Self::One(version) if !version.is_tombstone() && operation.seen.contains(version.dot()) => {
                if let Some(later) = single(dot, stamp, operation) {
                    version.become_later(later);
                    return;
                }
            }
            Self::One(_) | Self::Many(_) => {}
        }
        let shape = std::mem::replace(self, Self::One(Version::tombstone(dot, stamp)));
        let mut many = shape.into_many();
        many.apply(dot, stamp, operation);
        if let Some(entry) = Self::Many(many).in_shape() {
            *self = entry;
        }
    }

    /// Reads what lies furthest off in memory of a plain entry, so that it is near when it is needed.
    #[inline]
    pub(super) fn touch(&self) -> u8 {
        match self {
            Self::One(version) => version.bytes.first().copied().unwrap_or_default(),
            Self::Many(_) => 0,
        }
    }

    /// What comes of two replicas' entries for one key, of which either may be missing, as if each had applied what the
    /// other has: what both have stays, and what one has that the other has not heard of. `None` if nothing is left.
    pub(super) fn merged(
        mine: Option<Self>,
        my_known: &VersionVector,
        theirs: Option<Self>,
        their_known: &VersionVector,
    ) -> Option<Self> {
        let mut merged = mine.map(Self::into_many).unwrap_or_default();
        let theirs = theirs.map(Self::into_many).unwrap_or_default();
        merged.versions = merge_versions(merged.versions, my_known, theirs.versions, their_known);
        merged.counter.merge(my_known, theirs.counter, their_known);
        merged.set.merge(my_known, theirs.set, their_known);
        Self::Many(merged).in_shape()
    }

    /// Forgets what can be forgotten (module page) and adds its dots to `forgotten`. Says whether anything was, and
    /// whether nothing is left: then the entry has to go.
    pub(super) fn collect(
        &mut self,
        stable: &VersionVector,
        wall_us: u64,
        forgotten: &mut VersionVector,
    ) -> Outcome {
        let many = match self {
            Self::One(version) => {
                let dot = version.dot();
                let is_gone = version.is_gone(wall_us) && stable.contains(dot);
                if is_gone {
                    forgotten.raise(dot.origin, dot.number);
                }
                return Outcome {
                    has_changed: is_gone,
                    is_empty: is_gone,
                };
            }
            Self::Many(many) => many,
        };
        let sizes = |many: &Many| {
            (
                many.versions.len(),
                many.counter.parts.len(),
                many.set.removals.len(),
            )
        };
        let before = sizes(many);
        many.collect_versions(stable, wall_us, forgotten);
        many.counter.collect(stable, forgotten);
        many.set.collect(stable, forgotten);
        let has_changed = before != sizes(many);
        let shape = Self::Many(std::mem::take(many)).in_shape();
        let is_empty = shape.is_none();
        if let Some(entry) = shape {
            *self = entry;
        }
        Outcome {
            has_changed,
            is_empty,
        }
    }

    /// All dots that it has, each handed to `take`; of a counter's part that of the last addition.
    pub(super) fn each_dot(&self, mut take: impl FnMut(Dot)) {
        match self {
            Self::One(version) => take(version.dot()),
            Self::Many(many) => {
                many.versions.iter().for_each(|version| take(version.dot()));
                for part in &many.counter.parts {
                    take(part.dot());
                    if let Some(base) = part.base {
                        take(base.by);
                    }
                }
                many.set.each_dot(take);
            }
        }
    }

    /// Of each origin the greatest dot that it has, tombstones included: what a read of it depends on.
    pub(super) fn dots(&self) -> VersionVector {
        let mut dots = VersionVector::new();
        self.each_dot(|dot| {
            dots.raise(dot.origin, dot.number);
        });
        dots
    }

    /// Whether it has a dot that `have` does not cover.
    pub(super) fn is_beyond(&self, have: &VersionVector) -> bool {
        let mut is_beyond = false;
        self.each_dot(|dot| is_beyond |= !have.contains(dot));
        is_beyond
    }

    /// The greatest stamp in it; 0 of a counter or a set, which have none.
    pub(super) fn stamp(&self) -> Stamp {
        let first = self.versions().first();
        first.map_or(0, |version| version.stamp)
    }

    /// What it counts as.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::One(version) => Class {
                is_there: !version.is_tombstone(),
                has_memory: version.fades(),
            },
            Self::Many(many) => {
                let is_value = many
                    .versions
                    .first()
                    .is_some_and(|version| !version.is_tombstone());
                let is_there = is_value || many.counter.is_there() || !many.set.elements.is_empty();
                let has_memory = many.versions.iter().any(Version::fades)
                    || many.counter.parts.iter().any(|part| !part.is_there())
                    || (many.set.elements.is_empty() && !many.set.is_empty());
                Class { is_there, has_memory }
            }
        }
    }

    /// Its versions, in descending rank.
    fn versions(&self) -> &[Version] {
        match self {
            Self::One(version) => std::slice::from_ref(version),
            Self::Many(many) => &many.versions,
        }
    }

    fn counter(&self) -> Option<&Counter> {
        match self {
            Self::One(_) => None,
            Self::Many(many) => Some(&many.counter),
        }
    }

    fn set(&self) -> Option<&Set> {
        match self {
            Self::One(_) => None,
            Self::Many(many) => Some(&many.set),
        }
    }

    fn into_many(self) -> Box<Many> {
        match self {
            Self::One(version) => Box::new(Many {
                versions: vec![version],
                ..Many::default()
            }),
            Self::Many(many) => many,
        }
    }

    /// As [`One`](Self::One) if that is all; `None` if nothing is there.
    fn in_shape(self) -> Option<Self> {
        match self {
            Self::Many(mut many) if many.counter.parts.is_empty() && many.set.is_empty() => {
                if many.versions.len() > 1 {
                    return Some(Self::Many(many));
                }
                many.versions.pop().map(Self::One)
            }
            other => Some(other),
        }
    }
}

impl Many {
    fn apply(&mut self, dot: Dot, stamp: Stamp, operation: &mut Applied) {
        let seen = &operation.seen;
        match &mut operation.change {
            Change::Put(_) | Change::Delete => {
                self.counter.take_away(dot, seen, &operation.cleared.sums);
                self.set.clear(seen);
                if operation.cleared.has_set {
                    self.set.removals.raise(dot.origin, dot.number);
                }
            }
            Change::PutBeside(_) => {}
            Change::Add(amount) => return self.counter.add(dot, *amount, seen),
            Change::Insert(elements) => {
                for element in std::mem::take(elements) {
                    self.set.insert(element, dot);
                }
                return;
            }
            Change::Remove(elements) => return self.set.remove(elements, seen, dot),
        }
        self.versions
            .retain(|version| version.is_tombstone() || !seen.contains(version.dot()));
        if let Some(version) = left_by(dot, stamp, operation) {
            insert_version(&mut self.versions, version);
        }
        cut_below_floor(&mut self.versions);
    }

    fn collect_versions(&mut self, stable: &VersionVector, wall_us: u64, forgotten: &mut VersionVector) {
        self.versions.retain(|version| {
            let dot = version.dot();
            let goes = version.is_gone(wall_us) && stable.contains(dot);
            if goes {
                forgotten.raise(dot.origin, dot.number);
            }
            !goes
        });
    }
}

/// The version that a Put or a Delete leaves, if the operation does nothing but replace versions.
fn single(dot: Dot, stamp: Stamp, operation: &mut Applied) -> Option<Version> {
    if operation.cleared.is_empty() {
        left_by(dot, stamp, operation)
    } else {
        None
    }
}

/// The version that an operation leaves; `None` of counters and sets. The value is taken out of the operation.
fn left_by(dot: Dot, stamp: Stamp, operation: &mut Applied) -> Option<Version> {
    match &mut operation.change {
        Change::Put(value) | Change::PutBeside(value) => {
            let value = super::operation::Value {
                format: value.format,
                bytes: std::mem::take(&mut value.bytes),
            };
            Some(Version::value(dot, stamp, value, operation.ends_us))
        }
        Change::Delete => Some(Version::tombstone(dot, stamp)),
        Change::Add(_) | Change::Insert(_) | Change::Remove(_) => None,
    }
}

fn insert_version(versions: &mut Vec<Version>, version: Version) {
    let place = versions.partition_point(|other| other.rank() > version.rank());
    versions.insert(place, version);
}

/// Only the greatest floor stays, and what ranks above it.
fn cut_below_floor(versions: &mut Vec<Version>) {
    if let Some(floor) = versions.iter().position(Version::is_tombstone) {
        versions.truncate(floor + 1);
    }
}

/// Keeps a version that both have, and one of either that the other has not heard of. A floor has its effect in any
/// case: if the other has forgotten it, or has a greater one, nothing below it is still to come.
fn merge_versions(
    mut mine: Vec<Version>,
    my_known: &VersionVector,
    mut theirs: Vec<Version>,
    their_known: &VersionVector,
) -> Vec<Version> {
    let place = |versions: &[Version], dot| versions.iter().position(|version| version.dot() == dot);
    let mut dropped: Vec<Dot> = Vec::new();
    for version in &mine {
        match place(&theirs, version.dot()) {
            Some(place) => drop(theirs.swap_remove(place)),
            None if their_known.contains(version.dot()) => dropped.push(version.dot()),
            None => {}
        }
    }
    for version in theirs {
        if my_known.contains(version.dot()) {
            dropped.push(version.dot());
        }
        insert_version(&mut mine, version);
    }
    cut_below_floor(&mut mine);
    mine.retain(|version| !dropped.contains(&version.dot()));
    mine
}

#[cfg(test)]
mod tests;
