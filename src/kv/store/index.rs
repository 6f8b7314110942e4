//! Where the entry of a key is: a table from the hash of a key to a place.
//!
//! A tree of a hundred thousand keys is four or five nodes deep, each of them elsewhere in memory, and every write looks
//! for its key at every replica. This table is one look at one line of memory. It is never walked through, so its order
//! shows nowhere: that is why the house's rule against hash maps does not hold here.
//!
//! ```text
//!   cells, a power of two of them      | 0 | hash 32, place + 1 32 | hash 32, place + 1 32 | 0 | 0 | …
//!                                            ^ hash mod cells: there, or in the cells behind it up to an empty one
//! ```
//!
//! The hash is SipHash-1-3 (Aumasson and Bernstein, SipHash: a fast short-input PRF, 2012) under a key that clients do
//! not know: nobody can choose keys that meet in one cell. A cell holds enough of the hash to find its place in a larger
//! table, so growing touches no key. The table grows when five of eight cells are taken, all at once (some milliseconds at a
//! million keys); it does not shrink, since a store that has been large mostly will be again.

/// Where an entry is.
pub(super) type Place = u32;

/// Cells of the smallest table.
const CELLS_MIN: usize = 64;

/// A cell that holds nothing.
const EMPTY: u64 = 0;

/// From the hash of a key to the place of its entry.
#[derive(Debug)]
pub(super) struct Index {
    /// The key of the hash.
    secret: [u64; 2],
    /// A power of two of them, or none.
    cells: Vec<u64>,
    /// How many hold something: at most five in eight.
    len: usize,
}

impl Index {
    /// With nothing in it.
    pub(super) fn new(secret: [u64; 2]) -> Self {
        Self {
            secret,
            cells: Vec::new(),
            len: 0,
        }
    }

    /// What the functions below want to know of a key.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u32 {
        let [low, high, ..] = split(sip_hash(self.secret, key));
        low ^ high
    }

    /// The place of a key of this hash of which `is` says that it is the one.
    #[inline]
    pub(super) fn find(&self, hash: u32, is: impl Fn(Place) -> bool) -> Option<Place> {
        let mut at = hash as usize;
        loop {
            // An empty table has no cell at all.
            let cell = *self.cells.get(at & self.mask())?;
            if cell == EMPTY {
                return None;
            }
            let [place, other] = split(cell);
            if other == hash && is(place - 1) {
                return Some(place - 1);
            }
            at += 1;
        }
    }

    /// Whether anything is in the cell where a key of this hash is looked for first.
    #[inline]
    pub(super) fn is_full(&self, hash: u32) -> bool {
        self.cell(hash as usize & self.mask()) != EMPTY
    }

    /// Notes the place of a key that is not there yet.
    ///
    /// # Panics
    /// If it is the last place that 32 bits can name: memory ends long before.
    pub(super) fn insert(&mut self, hash: u32, place: Place) {
        assert!(place < Place::MAX, "place {place} of at most {}", Place::MAX - 1);
        if (self.len + 1) * 8 > self.cells.len() * 5 {
            self.grow();
        }
        self.len += 1;
        self.put(u64::from(hash) << 32 | u64::from(place + 1));
    }

    /// Forgets the place of a key that is there. The cells behind it move up, as far as they are allowed to be there.
    ///
    /// # Panics
    /// If it is not there.
    pub(super) fn remove(&mut self, hash: u32, place: Place) {
        let mask = self.mask();
        let gone = u64::from(hash) << 32 | u64::from(place + 1);
        let mut hole = hash as usize & mask;
        while self.cell(hole) != gone {
            assert!(self.cell(hole) != EMPTY, "{place} is not in the index");
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let cell = self.cell(at);
            if cell == EMPTY {
                break;
            }
            let [_, home] = split(cell);
            // How far it is from where it wants to be, and how far the hole is from here.
            let (far, hole_far) = (
                at.wrapping_sub(home as usize) & mask,
                at.wrapping_sub(hole) & mask,
            );
            if far >= hole_far {
                self.set(hole, cell);
                hole = at;
            }
        }
        self.set(hole, EMPTY);
        self.len -= 1;
    }

    /// How many places it knows.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn mask(&self) -> usize {
        self.cells.len().wrapping_sub(1)
    }

    #[inline]
    fn cell(&self, at: usize) -> u64 {
        self.cells.get(at).copied().unwrap_or(EMPTY)
    }

    fn set(&mut self, at: usize, cell: u64) {
        if let Some(place) = self.cells.get_mut(at) {
            *place = cell;
        }
    }

    fn put(&mut self, cell: u64) {
        let mask = self.mask();
        let [_, hash] = split(cell);
        let mut at = hash as usize & mask;
        while self.cell(at) != EMPTY {
            at = (at + 1) & mask;
        }
        self.set(at, cell);
    }

    fn grow(&mut self) {
        let cells = vec![EMPTY; (2 * self.cells.len()).max(CELLS_MIN)];
        for cell in std::mem::replace(&mut self.cells, cells) {
            if cell != EMPTY {
                self.put(cell);
            }
        }
    }
}

/// The lower and the upper half.
#[inline]
fn split(number: u64) -> [u32; 2] {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = number.to_le_bytes();
    [
        u32::from_le_bytes([b0, b1, b2, b3]),
        u32::from_le_bytes([b4, b5, b6, b7]),
    ]
}

/// SipHash-1-3.
#[inline]
fn sip_hash([k0, k1]: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        take_in(&mut state, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    // The length, as far as it goes into a byte, stands above the rest.
    take_in(&mut state, u64::from_le_bytes(last) | (bytes.len() as u64) << 56);
    let [_, _, v2, _] = &mut state;
    *v2 ^= 0xFF;
    mix(&mut state);
    mix(&mut state);
    mix(&mut state);
    state.iter().fold(0, |hash, word| hash ^ word)
}

#[inline]
fn take_in(state: &mut [u64; 4], word: u64) {
    let [_, _, _, v3] = state;
    *v3 ^= word;
    mix(state);
    let [v0, ..] = state;
    *v0 ^= word;
}

/// A round of SipHash.
#[inline]
fn mix([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v2 = v2.wrapping_add(*v3);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v1);
    *v0 = v0.wrapping_add(*v3);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, hash_map::DefaultHasher},
        hash::Hasher,
    };

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few hashes, so that many keys meet in one cell, around the end of the table, too.
        #[test]
        fn the_index_finds_what_a_map_finds(
            steps in prop::collection::vec((0_u32..400, prop_oneof![Just(0_u32), Just(63), 0_u32..100, any::<u32>()]), 0..600),
        ) {
            let (mut index, mut map) = (Index::new([1, 2]), BTreeMap::new());
            for (place, hash) in steps {
                match map.remove(&place) {
                    Some(hash) => index.remove(hash, place),
                    None => {
                        index.insert(hash, place);
                        map.insert(place, hash);
                    }
                }
                prop_assert_eq!(index.len(), map.len());
            }
            for place in 0..400 {
                let found = |hash| index.find(hash, |found| found == place);
                match map.get(&place) {
                    Some(hash) => prop_assert_eq!(found(*hash), Some(place)),
                    None => prop_assert_eq!((0..64).find_map(found), None),
                }
            }
        }

        /// The standard library's is SipHash-1-3, too, if under a key of zeros.
        #[test]
        fn the_hash_is_sip_hash(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut theirs = DefaultHasher::new();
            theirs.write(&bytes);
            prop_assert_eq!(sip_hash([0, 0], &bytes), theirs.finish());
        }
    }

    #[test]
    fn another_secret_is_another_hash() {
        let index = [Index::new([1, 2]), Index::new([1, 3])];
        let hashes = index.each_ref().map(|index| index.hash(b"key"));
        assert_ne!(hashes[0], hashes[1]);
        assert_eq!(index[0].find(hashes[0], |_| true), None);
    }
}
