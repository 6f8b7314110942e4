//! The entries as they were at one moment, read stretch by stretch while the store goes on changing.
//!
//! ```text
//!   keys:     a ………………… m ………………………………… z        a write to c changes nothing: c was read
//!             '-- read --' '-- to come ---'        a write to t keeps t as it was (a pre-image), until its turn has come
//! ```

use std::collections::BTreeMap;

use crate::{
    clock::VersionVector,
    kv::{operation::Key, store::Store},
};

/// Most entries that are looked at for a stretch, so that no round takes long.
const STRETCH_ENTRIES_MAX: usize = 20_000;

/// Most bytes of pre-images of one snapshot; beyond it the snapshot is given up.
const PREIMAGE_BYTES_MAX: usize = 256 << 20;

/// A snapshot, as far as it has been read.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Only entries with a write beyond these; all of them, if it is empty.
    have: VersionVector,
    /// The last key that was looked at.
    after: Option<Key>,
    /// All keys have been looked at.
    is_read: bool,
    /// Entries of keys that have changed since the beginning and whose turn has not come: as they were then.
    preimages: BTreeMap<Key, Option<Box<[u8]>>>,
    preimage_bytes: usize,
}

impl Snapshot {
    /// Of this moment.
    pub(super) fn new(have: VersionVector) -> Self {
        Self {
            have,
            after: None,
            is_read: false,
            preimages: BTreeMap::new(),
            preimage_bytes: 0,
        }
    }

    /// Whether all of it has been read.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// A key is about to change. Says whether the snapshot can go on: not if too much has changed meanwhile.
    #[must_use]
    pub(super) fn preserve(&mut self, store: &Store, key: &[u8]) -> bool {
        let is_behind = self.after.as_deref().is_some_and(|after| key <= after);
        if self.is_read || is_behind || self.preimages.contains_key(key) {
            return true;
        }
        let before = store.entry_bytes(key);
        self.preimage_bytes += key.len() + before.as_ref().map_or(0, |bytes| bytes.len());
        self.preimages.insert(key.into(), before);
        self.preimage_bytes <= PREIMAGE_BYTES_MAX
    }

    /// Reads the next stretch: it ends with the entry that makes it so many bytes long.
    pub(super) fn read(&mut self, store: &Store, bytes: usize) -> BTreeMap<Key, Box<[u8]>> {
        let after = self.after.as_deref();
        let slice = store.slice_beyond(&self.have, after, STRETCH_ENTRIES_MAX, bytes);
        let mut entries: BTreeMap<Key, Box<[u8]>> = slice.entries.into_iter().collect();
        // What has changed in the stretch is given as it was.
        let later = match &slice.next {
            Some(next) => {
                let mut later = self.preimages.split_off(next);
                // The stretch ends with the key itself.
                if let Some((key, before)) = later.remove_entry(next) {
                    self.preimages.insert(key, before);
                }
                later
            }
            None => BTreeMap::new(),
        };
        for (key, before) in std::mem::replace(&mut self.preimages, later) {
            match before {
                Some(before) => entries.insert(key, before),
                None => entries.remove(&key),
            };
        }
        self.preimage_bytes = self
            .preimages
            .iter()
            .map(|(key, before)| key.len() + before.as_ref().map_or(0, |bytes| bytes.len()))
            .sum();
        self.is_read = slice.next.is_none();
        self.after = slice.next;
        entries
    }
}
