//! The entries of a store: found by their key at once, walked through in the order of their keys.
//!
//! ```text
//!   key --index--> place --> slot: key, entry          a write of a key that is there touches no more than this
//!   order: keys, each with its place                   touched where a key comes or goes, and by scans
//!   changes: places of what the disk does not have     a bit and a number each; what went, by its key
//! ```
//!
//! Slots lie in chunks, so that none ever moves; those of keys that went are used again.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::{
    index::{Index, Place},
    key::TreeKey,
};
use crate::kv::entry::Entry;

/// Slots of a chunk.
const CHUNK_SLOTS: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// So many changes are looked at before they are taken.
const TAKEN_TOGETHER: usize = 16;

/// Keys and what is under them.
#[derive(Debug)]
pub(super) struct Entries {
    index: Index,
    chunks: Vec<Vec<Slot>>,
    /// Places whose slots are empty.
    free: Vec<Place>,
    order: BTreeMap<TreeKey, Place>,
    changes: Changes,
}

/// A key and its entry.
#[derive(Debug)]
struct Slot {
    key: TreeKey,
    /// `None`: the key has gone, the slot waits for another.
    entry: Option<Entry>,
}

const _: () = assert!(size_of::<Slot>() == 72, "a million keys depend on it");

/// What has changed since it was taken last.
#[derive(Debug, Default)]
struct Changes {
    /// Nobody wants to know.
    are_unwanted: bool,
    /// Of each place a bit: whether it is among `places`.
    bits: Vec<u64>,
    /// In the order in which they changed first.
    places: Vec<Place>,
    /// Keys that went, some of which are there again.
    gone: BTreeSet<TreeKey>,
}

impl Default for Entries {
    fn default() -> Self {
        Self::new([0, 0])
    }
}

impl Entries {
    /// With nothing in it. The hash of keys has this secret.
    pub(super) fn new(secret: [u64; 2]) -> Self {
        Self {
            index: Index::new(secret),
            chunks: Vec::new(),
            free: Vec::new(),
            order: BTreeMap::new(),
            changes: Changes::default(),
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Where a key is.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<Place> {
        self.find_hashed(self.index.hash(key), key)
    }

    #[inline]
    fn find_hashed(&self, hash: u32, key: &[u8]) -> Option<Place> {
        self.index.find(hash, |place| self.holds(place, key))
    }

    /// Where keys are, all of them: looked for in steps, each of which reads what lies at many places. So the memory is
    /// waited for once a step, and not once a key.
    pub(super) fn find_all<'a>(&self, keys: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<Option<Place>> {
        let hashes: Vec<u32> = keys.clone().map(|key| self.index.hash(key)).collect();
        let full = hashes.iter().filter(|hash| self.index.is_full(**hash)).count();
        if full == 0 {
            return vec![None; hashes.len()];
        }
        let places = keys.zip(&hashes).map(|(key, hash)| {
            let place = self.find_hashed(*hash, key)?;
            // The end of the slot lies in another line of memory than the key.
            self.at(place).map(|_| place)
        });
        places.collect()
    }

    /// Whether a key is at a place.
    #[inline]
    pub(super) fn holds(&self, place: Place, key: &[u8]) -> bool {
        self.slot(place).is_some_and(|slot| slot.key.as_bytes() == key)
    }

    /// What is at a place.
    #[inline]
    pub(super) fn at(&self, place: Place) -> Option<&Entry> {
        self.slot(place)?.entry.as_ref()
    }

    /// What is at a place, to be changed.
    #[inline]
    pub(super) fn at_mut(&mut self, place: Place) -> Option<&mut Entry> {
        self.slot_mut(place)?.entry.as_mut()
    }

    /// What is under a key.
    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.at(self.find(key)?)
    }

    /// Puts an entry under a key, in the place of what is there. Returns where.
    pub(super) fn insert(&mut self, key: &TreeKey, entry: Entry) -> Place {
        let hash = self.index.hash(key.as_bytes());
        let found = self.find_hashed(hash, key.as_bytes());
        let place = found.unwrap_or_else(|| self.take_place());
        if let Some(slot) = self.slot_mut(place) {
            slot.entry = Some(entry);
            if found.is_none() {
                slot.key = key.clone();
                self.index.insert(hash, place);
                self.order.insert(key.clone(), place);
            }
        }
        place
    }

    /// Takes a key away, with what is under it.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let hash = self.index.hash(key);
        let Some(place) = self.find_hashed(hash, key) else {
            return;
        };
        self.index.remove(hash, place);
        self.order.remove(key);
        self.free.push(place);
        if let Some(slot) = self.slot_mut(place) {
            slot.entry = None;
            let key = std::mem::replace(&mut slot.key, TreeKey::EMPTY);
            self.changes.went(key);
        }
    }

    /// Keys and entries in order, between bounds.
    pub(super) fn range<'a>(
        &'a self,
        from: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&'a TreeKey, &'a Entry)> {
        let range = self.order.range::<[u8], _>((from, Bound::Unbounded));
        range.filter_map(|(key, place)| Some((key, self.at(*place)?)))
    }

    /// All keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &TreeKey> {
        self.order.keys()
    }

    /// All keys and entries, in whatever order is fastest: nothing but sums may come of it.
    pub(super) fn unordered(&self) -> impl Iterator<Item = (&TreeKey, &Entry)> {
        let slots = self.chunks.iter().flatten();
        slots.filter_map(|slot| Some((&slot.key, slot.entry.as_ref()?)))
    }

    /// Nobody will take the changes: none are noted.
    pub(super) fn without_changes(&mut self) {
        self.changes = Changes {
            are_unwanted: true,
            ..Changes::default()
        };
    }

    /// What is at a place changes.
    #[inline]
    pub(super) fn changed(&mut self, place: Place) {
        self.changes.note(place);
    }

    /// Hands over each key that has changed since the last time, once, with its entry; `None` of one that has gone.
    pub(super) fn take_changes(&mut self, mut take: impl FnMut(&TreeKey, Option<&Entry>)) {
        let mut changes = std::mem::take(&mut self.changes);
        for (number, place) in changes.places.iter().copied().enumerate() {
            if number.is_multiple_of(TAKEN_TOGETHER) {
                let next = changes.places.iter().skip(number).take(TAKEN_TOGETHER);
                let touched = next.filter_map(|place| self.at(*place)).map(Entry::touch);
                std::hint::black_box(touched.fold(0, u8::wrapping_add));
            }
            if let Some(bits) = changes.bits.get_mut(place as usize / 64) {
                // All of them are taken.
                *bits = 0;
            }
            if let Some(Slot {
                key,
                entry: Some(entry),
            }) = self.slot(place)
            {
                take(key, Some(entry));
            }
        }
        changes.places.clear();
        for key in std::mem::take(&mut changes.gone) {
            if self.find(key.as_bytes()).is_none() {
                take(&key, None);
            }
        }
        self.changes = changes;
    }

    /// How many places changes are noted of.
    pub(super) fn changes(&self) -> usize {
        self.changes.places.len() + self.changes.gone.len()
    }

    #[inline]
    fn slot(&self, place: Place) -> Option<&Slot> {
        let [chunk, at] = split(place);
        self.chunks.get(chunk)?.get(at)
    }

    #[inline]
    fn slot_mut(&mut self, place: Place) -> Option<&mut Slot> {
        let [chunk, at] = split(place);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }

    /// An empty slot.
    fn take_place(&mut self) -> Place {
        if let Some(place) = self.free.pop() {
            return place;
        }
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK_SLOTS) {
            self.chunks.push(Vec::with_capacity(CHUNK_SLOTS));
        }
        let before = (self.chunks.len() - 1) << CHUNK_BITS;
        let Some(last) = self.chunks.last_mut() else {
            unreachable!("a chunk was made");
        };
        last.push(Slot {
            key: TreeKey::EMPTY,
            entry: None,
        });
        // More than 32 bits can name the index refuses.
        Place::try_from(before + last.len() - 1).unwrap_or(Place::MAX)
    }
}

impl Changes {
    #[inline]
    fn note(&mut self, place: Place) {
        if self.are_unwanted {
            return;
        }
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        if word >= self.bits.len() {
            self.bits.resize((word + 1).next_power_of_two(), 0);
        }
        if let Some(bits) = self.bits.get_mut(word)
            && *bits & bit == 0
        {
            *bits |= bit;
            self.places.push(place);
        }
    }

    fn went(&mut self, key: TreeKey) {
        if !self.are_unwanted {
            self.gone.insert(key);
        }
    }
}

/// The chunk of a place, and which slot of it.
#[inline]
fn split(place: Place) -> [usize; 2] {
    let place = place as usize;
    [place >> CHUNK_BITS, place & (CHUNK_SLOTS - 1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        clock::{Dot, Origin, VersionVector},
        kv::operation::{Applied, Change, Cleared, Format, Value},
        units::MachineId,
    };

    /// What a key holds after the n-th step.
    fn entry(step: u64) -> Entry {
        let origin = Origin {
            machine: MachineId(1),
            incarnation: 1,
        };
        let bytes = step.to_be_bytes().into();
        let format = Format::Bytes;
        let mut put = Applied {
            key: Box::from(*b"key"),
            change: Change::Put(Value { format, bytes }),
            seen: VersionVector::new(),
            cleared: Cleared::default(),
            ends_us: None,
        };
        Entry::new(Dot::new(origin, step), step, &mut put)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16),
        Change(u16),
        Remove(u16),
        Take,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || prop_oneof![0_u16..12, 0_u16..3000];
        prop_oneof![
            4 => key().prop_map(Step::Insert),
            2 => key().prop_map(Step::Change),
            3 => key().prop_map(Step::Remove),
            1 => Just(Step::Take),
        ]
    }

    /// Some short, some long, in the order of their numbers.
    fn key(number: u16) -> Vec<u8> {
        format!("{number:05}{}", "-".repeat(usize::from(number % 3) * 11)).into_bytes()
    }

    type Rows = BTreeMap<Vec<u8>, Entry>;

    fn take(entries: &mut Entries, rows: &mut Rows) -> Result<(), TestCaseError> {
        let mut taken = BTreeSet::new();
        entries.take_changes(|key, entry| {
            assert!(taken.insert(key.as_bytes().to_vec()), "{key:?} twice");
            match entry {
                Some(entry) => rows.insert(key.as_bytes().to_vec(), entry.clone()),
                None => rows.remove(key.as_bytes()),
            };
        });
        prop_assert_eq!(entries.changes(), 0);
        Ok(())
    }

    proptest! {
        /// As a map would, and whoever takes the changes has the same.
        #[test]
        fn entries_are_found_walked_and_kept(
            filled in 0_u16..2500,
            steps in prop::collection::vec(step(), 0..400),
        ) {
            let (mut entries, mut map, mut rows) = (Entries::new([3, 4]), Rows::new(), Rows::new());
            let filled = (0..filled).map(Step::Insert);
            for (step, number) in filled.chain(steps).zip(1..) {
                match step {
                    Step::Insert(at) => {
                        let place = entries.insert(&TreeKey::new(&key(at)), entry(number));
                        entries.changed(place);
                        map.insert(key(at), entry(number));
                    }
                    Step::Change(at) => {
                        let place = entries.find(&key(at));
                        prop_assert_eq!(place.is_some(), map.contains_key(&key(at)));
                        if let Some(place) = place {
                            *entries.at_mut(place).unwrap() = entry(number);
                            entries.changed(place);
                            map.insert(key(at), entry(number));
                        }
                    }
                    Step::Remove(at) => {
                        entries.remove(&key(at));
                        map.remove(&key(at));
                    }
                    Step::Take => {
                        take(&mut entries, &mut rows)?;
                        prop_assert!(rows == map);
                    }
                }
                prop_assert_eq!(entries.len(), map.len());
            }
            take(&mut entries, &mut rows)?;
            prop_assert!(rows == map);
            let walked: Vec<_> = entries.range(Bound::Unbounded).map(|(key, entry)| (key.as_bytes(), entry)).collect();
            let expected: Vec<_> = map.iter().map(|(key, entry)| (&key[..], entry)).collect();
            prop_assert_eq!(&walked, &expected);
            let mut unordered: Vec<_> = entries.unordered().map(|(key, entry)| (key.as_bytes(), entry)).collect();
            unordered.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&unordered, &expected);
            for at in 0..3000 {
                prop_assert_eq!(entries.get(&key(at)), map.get(&key(at)));
            }
        }
    }
}
