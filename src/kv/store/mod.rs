//! The data of one replica: keys, each with its entry, in memory.
//!
//! A plain value: it opens no file, reads no clock, and does not know which writes it has (that is the replica's
//! `known`). It applies what it is given; whether a write may be applied yet is the replica's to say.
//!
//! # Transfers of state
//!
//! A replica that lacks writes which no log has any more is sent entries. Let the receiver know K, the sender S. The
//! receiver keeps of its own entry what the sender has too or has not heard of (S does not cover its dot), and takes
//! what it has not heard of itself (not in K): [`Store::adopt`]. For that, which entries have to be sent?
//!
//! Every write leaves a dot in its key's entry. It goes only when a later write supersedes it, which depends on it and
//! leaves its own; or when it is forgotten ([`Store::collect`]). So if a write outside K touched a key, the sender's
//! entry has a dot outside K, since K is closed under causality; or that dot was forgotten. The sender remembers of
//! each origin the greatest dot that it forgot, [`Store::forgotten`], and therefore:
//!
//! - *Beyond*: if K covers what the sender forgot, entries with a dot outside K are all that differs. To a key that is
//!   not sent nothing was done that the receiver does not know: it stays as it is.
//! - *Whole*: else all entries are sent, and what the receiver has of keys that are not sent is dropped, as far as S
//!   covers it: it was taken away, and the memory of that was forgotten.
//!
//! Things are forgotten only once every member has them, so a member that keeps what it said it had is sent what lies
//! beyond. A whole transfer is for those who came later, or lost their disk, or were restored from a backup. The
//! receiver takes over what the sender forgot: it cannot send that to others either.

mod entries;
mod index;
mod key;
mod transfer;
mod write;

use std::{collections::BTreeSet, iter, ops::Bound};

use super::{
    entry::{Class, Entry},
    operation::{Key, STAMP_BELIEVED_MAX, STAMP_MAX, Stamp, Write},
    request::Item,
};
use crate::{
    clock::{Dot, VersionVector},
    wire::FieldError,
};
use entries::Entries;
use index::Place;
use key::TreeKey;
pub use transfer::{Incoming, Scope, Slice};
pub use write::{Decided, Denied};

/// Most entries that one scan looks at, shown or not: behind them its answer ends, and says where to go on.
const SCANNED_MAX: usize = 20_000;

/// The keys of so many writes are looked for together: what was found is still near when they are applied.
const FOUND_TOGETHER: usize = 64;

/// Keys and what is under them.
#[derive(Debug, Default)]
pub struct Store {
    entries: Entries,
    /// The keys of entries that have something to forget one day.
    fading: BTreeSet<TreeKey>,
    /// Entries that show something.
    keys: u64,
    /// The greatest stamp that was seen.
    stamp: Stamp,
    forgotten: VersionVector,
}

/// What was forgotten in a stretch of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Keys whose entries are others now, or gone.
    pub changed: Vec<Key>,
    /// Where to go on: behind this key; `None` behind the last.
    pub next: Option<Key>,
}

impl Store {
    /// With nothing in it.
    #[cfg(test)]
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With nothing in it. The hash by which keys are found has a secret, which clients must not know; nothing that the
    /// store does depends on it.
    #[must_use]
    pub fn with_secret(secret: [u64; 2]) -> Self {
        Self {
            entries: Entries::new(secret),
            ..Self::default()
        }
    }

    /// Applies one write.
    #[cfg(test)]
    pub(super) fn apply(&mut self, write: &mut Write) {
        self.apply_all(std::slice::from_mut(write));
    }

    /// These keys will be looked for soon, each by itself: what lies far off in memory is waited for once for all of them.
    pub fn foresee<'a>(&self, keys: impl Iterator<Item = &'a [u8]> + Clone) {
        std::hint::black_box(self.entries.find_all(keys));
    }

    /// Applies writes, whoever accepted them, one after the other; each all at once. It has to be its turn: everything that it
    /// depends on has been applied before, and it has not.
    ///
    /// Their values are taken out of them; keys and all else stay.
    pub fn apply_all(&mut self, writes: &mut [Write]) {
        for writes in writes.chunks_mut(FOUND_TOGETHER) {
            let operations = writes.iter().flat_map(|write| &write.operations);
            let places = self.entries.find_all(operations.map(|operation| &*operation.key));
            let mut rest = places.as_slice();
            for write in writes {
                let (own, others) = rest.split_at_checked(write.operations.len()).unwrap_or_default();
                rest = others;
                self.apply_at(write, own);
            }
        }
    }

    /// Applies a write whose keys were looked for just now: they were found at these places. What was not is looked for
    /// again.
    pub(super) fn apply_at(&mut self, write: &mut Write, places: &[Option<Place>]) {
        let (dot, stamp) = (write.dot, write.stamp);
        self.raise_stamp(stamp);
        let known = places.iter().copied().chain(iter::repeat(None));
        for (operation, place) in write.operations.iter_mut().zip(known) {
            let place = place.filter(|place| self.entries.holds(*place, &operation.key));
            let place = place.or_else(|| self.entries.find(&operation.key));
            let found = place.and_then(|place| Some((place, self.entries.at_mut(place)?)));
            match found {
                Some((place, entry)) => {
                    let before = entry.class();
                    entry.apply(dot, stamp, operation);
                    let after = entry.class();
                    self.entries.changed(place);
                    self.count(&operation.key, Some(before), Some(after));
                }
                None => {
                    let entry = Entry::new(dot, stamp, operation);
                    self.count(&operation.key, None, Some(entry.class()));
                    let place = self.entries.insert(&TreeKey::new(&operation.key), entry);
                    self.entries.changed(place);
                }
            }
        }
    }

    /// What is under a key at a time; `None`: nothing.
    #[must_use]
    pub fn get(&self, key: &[u8], wall_us: u64) -> Option<Item> {
        self.entries.get(key)?.item(wall_us)
    }

    /// Of each origin the greatest dot of what is under a key, tombstones and other memories included: what a read of
    /// the key depends on, also one that finds nothing.
    #[must_use]
    pub fn dots(&self, key: &[u8]) -> VersionVector {
        self.entries.get(key).map(Entry::dots).unwrap_or_default()
    }

    /// The writes that left what is under a key, with their stamps, the chosen first; 0 for those of counters and sets,
    /// of which no stamp is kept. Tombstones are among them.
    #[must_use]
    pub fn present(&self, key: &[u8]) -> Vec<(Dot, Stamp)> {
        self.entries.get(key).map(Entry::present).unwrap_or_default()
    }

    /// What is under the keys that begin with `prefix`, behind `after`, in order: at most `limit`, and no more once
    /// they are longer than `bytes_max`, the first excepted. With it the key behind which there may be more.
    ///
    /// It looks at no more than 20,000 entries: so it may end early, even with nothing, where much was deleted.
    #[must_use]
    pub fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        bytes_max: usize,
        wall_us: u64,
    ) -> (Vec<(Key, Item)>, Option<Key>) {
        let mut items: Vec<(Key, Item)> = Vec::new();
        let mut bytes = 0;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut last: Option<&TreeKey> = None;
        for (looked, (key, entry)) in self.entries.range(from).enumerate() {
            if !key.as_bytes().starts_with(prefix) {
                return (items, None);
            }
            let next = || last.map(|last| last.as_bytes().into());
            if items.len() == limit || looked == SCANNED_MAX {
                return (items, next());
            }
            if let Some(item) = entry.item(wall_us) {
                bytes += key.as_bytes().len() + item.bytes();
                if bytes > bytes_max && !items.is_empty() {
                    return (items, next());
                }
                items.push((key.as_bytes().into(), item));
            }
            last = Some(key);
        }
        (items, None)
    }

    /// The bytes of a key's entry; `None`: there is none.
    #[must_use]
    pub fn entry_bytes(&self, key: &[u8]) -> Option<Box<[u8]>> {
        self.entries.get(key).map(bytes_of)
    }

    /// Nobody will ask for the changes.
    pub fn without_changes(&mut self) {
        self.entries.without_changes();
    }

    /// How many keys have changed since the changes were taken last, about.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.entries.changes()
    }

    /// Hands over each key that has changed since the last time, in the order in which they did first, and the bytes of
    /// its entry for a row of the disk; `None`: there is none any more, the row goes. What was taken back from the disk
    /// has not changed.
    pub fn take_changes(&mut self, mut take: impl FnMut(&[u8], Option<Box<[u8]>>)) {
        self.entries
            .take_changes(|key, entry| take(key.as_bytes(), entry.map(bytes_of)));
    }

    /// Takes back an entry that was kept on the disk.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that are no entry: the row is damaged, or a later version's.
    pub fn restore(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), FieldError> {
        let entry = Entry::decode(bytes)?;
        self.put_back(&TreeKey::new(key), Some(entry));
        Ok(())
    }

    /// Forgets what can be forgotten, in a stretch of at most `entries_max` entries that have anything to forget:
    /// tombstones, values that have ended by `wall_us`, removals, emptied counters.
    ///
    /// `stable` has to be so: every write that this replica has yet to apply was accepted by a replica that had applied
    /// all of `stable`. What every member has said that it has, at a moment at which this replica has all of what each
    /// of them had when it said so, is stable.
    pub fn collect(
        &mut self,
        stable: &VersionVector,
        wall_us: u64,
        after: Option<&[u8]>,
        entries_max: usize,
    ) -> Collected {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.fading.range::<[u8], _>((from, Bound::Unbounded));
        let keys: Vec<TreeKey> = range.take(entries_max).cloned().collect();
        let next = if keys.len() == entries_max {
            keys.last()
        } else {
            None
        };
        let next = next.map(|key| key.as_bytes().into());
        let mut changed = Vec::new();
        for key in keys {
            let Some(place) = self.entries.find(key.as_bytes()) else {
                continue;
            };
            let Some(entry) = self.entries.at_mut(place) else {
                continue;
            };
            let before = entry.class();
            let outcome = entry.collect(stable, wall_us, &mut self.forgotten);
            if !outcome.has_changed {
                continue;
            }
            changed.push(key.as_bytes().into());
            let after = if outcome.is_empty {
                None
            } else {
                Some(entry.class())
            };
            self.entries.changed(place);
            self.count(key.as_bytes(), Some(before), after);
            if outcome.is_empty {
                self.entries.remove(key.as_bytes());
            }
        }
        Collected { changed, next }
    }

    /// Of each origin the greatest dot that was forgotten. It has to outlive the process as the rows do, in the group
    /// of rows that [`collect`](Self::collect) changed.
    #[must_use]
    pub fn forgotten(&self) -> &VersionVector {
        &self.forgotten
    }

    /// Takes back what was kept of [`forgotten`](Self::forgotten).
    pub fn restore_forgotten(&mut self, forgotten: &VersionVector) {
        self.forgotten.merge(forgotten);
    }

    /// The greatest stamp that was seen: this replica's next write has to be stamped above. It, too, has to outlive the
    /// process: entries that were superseded or forgotten may have had the greatest.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Knows of a stamp that was seen, as far as it is believed: up to [`STAMP_BELIEVED_MAX`], or the very next.
    pub fn raise_stamp(&mut self, stamp: Stamp) {
        let is_next = stamp == self.stamp.saturating_add(1);
        let believed = if is_next {
            STAMP_MAX - 1
        } else {
            STAMP_BELIEVED_MAX
        };
        self.stamp = self.stamp.max(stamp.min(believed));
    }

    /// Takes back what was kept of [`stamp`](Self::stamp).
    pub fn restore_stamp(&mut self, stamp: Stamp) {
        self.stamp = self.stamp.max(stamp.min(STAMP_MAX - 1));
    }

    /// How many keys hold something, those included whose value has ended and is not forgotten yet.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// How many keys hold nothing but the memory that something was taken away.
    #[must_use]
    pub fn tombstones(&self) -> u64 {
        self.entries.len() as u64 - self.keys
    }

    /// A digest of what clients can see, values that end and what they hide left out: replicas that know the same
    /// writes have the same. Computed anew each time, in some tenths of a second a million keys.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let digests = self
            .entries
            .unordered()
            .map(|(key, entry)| entry.digest(key.as_bytes()));
        digests.fold(0, u64::wrapping_add)
    }

    /// Puts an entry in the place of what is under the key. Says where it is.
    fn put_back(&mut self, key: &TreeKey, entry: Option<Entry>) -> Option<Place> {
        let before = self.entries.get(key.as_bytes()).map(Entry::class);
        self.count(key.as_bytes(), before, entry.as_ref().map(Entry::class));
        match entry {
            Some(entry) => {
                self.raise_stamp(entry.stamp());
                Some(self.entries.insert(key, entry))
            }
            None => {
                self.entries.remove(key.as_bytes());
                None
            }
        }
    }

    /// Keeps the counts true for a key whose entry changes its class.
    fn count(&mut self, key: &[u8], before: Option<Class>, after: Option<Class>) {
        let is_there = |class: Option<Class>| class.is_some_and(|class| class.is_there);
        let has_memory = |class: Option<Class>| class.is_some_and(|class| class.has_memory);
        self.keys = self.keys + u64::from(is_there(after)) - u64::from(is_there(before));
        if has_memory(after) && !has_memory(before) {
            self.fading.insert(TreeKey::new(key));
        } else if has_memory(before) && !has_memory(after) {
            self.fading.remove(key);
        }
    }
}

/// An entry as bytes.
fn bytes_of(entry: &Entry) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(entry.encoded_bytes());
    entry.encode(&mut bytes);
    bytes.into()
}

#[cfg(test)]
mod tests;
