//! State that is sent to a replica which lacks writes, and how it takes it over (argument on the page of `store`).

use std::ops::Bound;

use super::{Store, TreeKey};
use crate::{
    clock::VersionVector,
    kv::{entry::Entry, operation::Key},
    wire::FieldError,
};

/// Which entries a transfer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those with a dot outside what the receiver knows; what is not sent is as it was.
    Beyond,
    /// All; what is not sent is gone, as far as the sender knows of it.
    Whole,
}

/// A stretch of entries to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Keys and the bytes of their entries, in ascending order.
    pub entries: Vec<(Key, Box<[u8]>)>,
    /// Where to go on: behind this key; `None` behind the last.
    pub next: Option<Key>,
}

/// Entries that have arrived, until all are there.
#[derive(Debug, Default)]
pub struct Incoming {
    entries: Vec<(TreeKey, Entry)>,
}

impl Incoming {
    /// Takes the next entry of the transfer.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that are no entry, and for a key that is not behind the last one.
    pub fn push(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), FieldError> {
        if self
            .entries
            .last()
            .is_some_and(|(last, _)| last.as_bytes() >= key)
        {
            return Err(FieldError::Text { field: "key" });
        }
        self.entries.push((TreeKey::new(key), Entry::decode(bytes)?));
        Ok(())
    }

    /// How many entries have arrived.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Store {
    /// Which entries have to be sent to somebody who has these writes.
    #[must_use]
    pub fn scope(&self, have: &VersionVector) -> Scope {
        if have.covers(&self.forgotten) {
            Scope::Beyond
        } else {
            Scope::Whole
        }
    }

    /// The entries behind `after` that have a dot outside `have` (outside nothing, for all of them): it looks at no more
    /// than `entries_max`, and ends once their bytes are at least `bytes_max`. Whoever changes keys between two slices
    /// of one transfer sees to it that the entries of before are sent ([`entry_bytes`](Self::entry_bytes)).
    #[must_use]
    pub fn slice_beyond(
        &self,
        have: &VersionVector,
        after: Option<&[u8]>,
        entries_max: usize,
        bytes_max: usize,
    ) -> Slice {
        let mut slice = Slice::default();
        let mut bytes = 0;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (looked, (key, entry)) in self.entries.range(from).enumerate() {
            if looked == entries_max || bytes >= bytes_max {
                return slice;
            }
            if entry.is_beyond(have) {
                let mut encoded = Vec::with_capacity(entry.encoded_bytes());
                entry.encode(&mut encoded);
                bytes += key.as_bytes().len() + encoded.len();
                slice.entries.push((key.as_bytes().into(), encoded.into()));
            }
            slice.next = Some(key.as_bytes().into());
        }
        slice.next = None;
        slice
    }

    /// Takes over a transfer, all at once, and says which keys have changed. `my_known` is what this replica has applied
    /// by now, `their_known` what the sender had; behind it this replica knows both. `forgotten` and `stamp` are the
    /// sender's ([`forgotten`](Self::forgotten), [`stamp`](Self::stamp)).
    pub fn adopt(
        &mut self,
        incoming: Incoming,
        scope: Scope,
        my_known: &VersionVector,
        their_known: &VersionVector,
    ) -> Vec<Key> {
        let mut changed = Vec::new();
        if scope == Scope::Whole {
            let is_sent = |key: &TreeKey| {
                incoming
                    .entries
                    .binary_search_by(|(sent, _)| sent.cmp(key))
                    .is_ok()
            };
            let unsent = self.entries.keys().filter(|key| !is_sent(key));
            for key in unsent.cloned().collect::<Vec<_>>() {
                self.merge_key(&key, None, my_known, their_known, &mut changed);
            }
        }
        for (key, entry) in incoming.entries {
            self.merge_key(&key, Some(entry), my_known, their_known, &mut changed);
        }
        changed
    }

    /// Drops everything, and says which keys that changes. `known` is what was applied.
    pub fn drop_all(&mut self, known: &VersionVector) -> Vec<Key> {
        self.forgotten = VersionVector::new();
        self.adopt(Incoming::default(), Scope::Whole, known, known)
    }

    fn merge_key(
        &mut self,
        key: &TreeKey,
        theirs: Option<Entry>,
        my_known: &VersionVector,
        their_known: &VersionVector,
        changed: &mut Vec<Key>,
    ) {
        if let Some(theirs) = &theirs {
            self.raise_stamp(theirs.stamp());
        }
        let mine = self.entries.get(key.as_bytes()).cloned();
        let merged = Entry::merged(mine.clone(), my_known, theirs, their_known);
        if merged != mine {
            changed.push(key.as_bytes().into());
            if let Some(place) = self.put_back(key, merged) {
                self.entries.changed(place);
            }
        }
    }
}
