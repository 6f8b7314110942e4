//! Where rows lie in what was written ahead: put in the order of their keys, the last of each key alone.
//!
//! A place is 24 bytes. It has so much of a key that most keys are told apart, and equal ones known to be equal, without
//! a look at the file: which would be a look at memory that is in no cache, for each comparison.

use super::{Pages, RowView};

/// What the last byte of a start says of a key of which there is more.
const LONGER: u8 = 15;

/// Bytes of a key that its place has.
const START_BYTES: usize = LONGER as usize - 1;

/// How far the file's place stands from the right of a row's: no file is as long.
const FILE_SHIFT: u32 = 62;

/// So many rows are touched before they are read.
const READ_TOGETHER: usize = 16;

const _: () = assert!(START_BYTES + 2 == 16, "table, key, length");

/// One row's place.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The table, the key's first bytes, and how many they are: in the order of tables and keys.
    start: [u64; 2],
    /// Which file, and where in it; so in the order in which rows were written.
    at: u64,
}

/// The places of many rows. Kept and reused: memory that is taken from the system again and again costs more than all
/// else here.
#[derive(Debug, Default)]
pub(in crate::disk) struct Places {
    places: Vec<Place>,
}

impl Place {
    /// Whether its start is not all of its key.
    fn is_longer(&self) -> bool {
        let [.., length] = self.start[1].to_be_bytes();
        length == LONGER
    }

    fn row<'a>(&self, files: &[&'a Pages]) -> Option<RowView<'a>> {
        let (pages, at) = self.lies(files)?;
        pages.row_at(at)
    }

    /// The row's first byte.
    fn byte(&self, files: &[&Pages]) -> Option<u8> {
        let (pages, at) = self.lies(files)?;
        pages.byte_at(at)
    }

    /// In which file, and where in it.
    fn lies<'a>(&self, files: &[&'a Pages]) -> Option<(&'a Pages, usize)> {
        let file = usize::try_from(self.at >> FILE_SHIFT).ok()?;
        let at = usize::try_from(self.at & ((1 << FILE_SHIFT) - 1)).ok()?;
        Some((files.get(file)?, at))
    }
}

impl Places {
    /// Forgets all of them.
    pub(in crate::disk) fn clear(&mut self) {
        self.places.clear();
    }

    /// Notes where a row lies: in which file, and where in that.
    pub(in crate::disk) fn add(&mut self, file: usize, at: usize, row: &RowView<'_>) {
        self.places.push(Place {
            start: start_of(row),
            at: (file as u64) << FILE_SHIFT | at as u64,
        });
    }

    /// Puts the rows in the order of their keys, and leaves of each key the last that was written alone.
    pub(in crate::disk) fn sort(&mut self, files: &[&Pages]) {
        let key = |place: &Place| place.row(files).map(|row| row.key);
        // Of equal keys the last that was written is the first.
        self.places.sort_unstable_by(|one, other| {
            let starts = one.start.cmp(&other.start);
            let keys = starts.then_with(|| match one.is_longer() {
                true => key(one).cmp(&key(other)),
                false => std::cmp::Ordering::Equal,
            });
            keys.then_with(|| other.at.cmp(&one.at))
        });
        self.places.dedup_by(|later, kept| {
            later.start == kept.start && (!later.is_longer() || key(later) == key(kept))
        });
    }

    /// The rows, in their order; `None` for one that is not there. In that order each lies elsewhere, so a few are touched
    /// together before they are read: the memory is waited for once for all of them.
    pub(in crate::disk) fn rows<'a>(&self, files: &[&'a Pages]) -> impl Iterator<Item = Option<RowView<'a>>> {
        self.places.chunks(READ_TOGETHER).flat_map(move |places| {
            let touched = places.iter().filter_map(|place| place.byte(files));
            std::hint::black_box(touched.fold(0, u8::wrapping_add));
            places.iter().map(|place| place.row(files))
        })
    }
}

/// The beginning of a key, as numbers that are in the order of tables and keys.
fn start_of(row: &RowView<'_>) -> [u64; 2] {
    let mut bytes = [0; 16];
    let [table, start @ .., length] = &mut bytes;
    *table = row.table;
    *length = u8::try_from(row.key.len()).map_or(LONGER, |bytes| bytes.min(LONGER));
    let known = row.key.len().min(START_BYTES);
    if let (Some(start), Some(key)) = (start.get_mut(..known), row.key.get(..known)) {
        start.copy_from_slice(key);
    }
    let number = u128::from_be_bytes(bytes);
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
    [half(number >> 64), half(number)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        disk::{
            ahead::{Ahead, Turn, make},
            sync::Sync,
        },
        service::Row,
    };

    /// Keys that are hard to tell apart: prefixes of each other, with zeros behind, around the length of a start.
    fn keys() -> Vec<Vec<u8>> {
        let mut keys = vec![vec![0], vec![0, 0], vec![255; 20]];
        for length in 11..=17 {
            keys.push(vec![b'k'; length]);
            keys.push([vec![b'k'; length], vec![0]].concat());
            keys.push([vec![b'k'; length], vec![b'x']].concat());
            keys.push([vec![b'k'; length], vec![0, 0, 1]].concat());
        }
        keys
    }

    #[test]
    fn rows_are_in_order_and_of_each_key_the_last_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows");
        make(&rows).unwrap();
        let mut ahead = Ahead::open(&rows, 7, 0).unwrap();
        let mut latest = BTreeMap::new();
        let keys = keys();
        for number in 1..=40_usize {
            let mut group = BTreeMap::new();
            for turn in 0..9 {
                let key = keys[(number * 7 + turn * 11) % keys.len()].clone();
                let table = u8::from((number + turn) % 3 == 0);
                let value = (number % 5 > 0).then(|| number.to_string().into_bytes().into_boxed_slice());
                group.insert((table, key), value);
            }
            latest.extend(group.clone());
            let rows = group.into_iter().map(|((table, key), value)| Row {
                table,
                key: key.into(),
                value,
            });
            ahead.append(&[(number as u64, rows.collect())], || {}).unwrap();
            if number == 20 {
                ahead.turn().unwrap();
            }
        }
        ahead.sync().unwrap();
        let read = |turn| Pages::read(&rows, turn, 7).unwrap();
        let files = [read(Turn::First), read(Turn::Second)];
        let mut places = Places::default();
        for (file, pages) in files.iter().enumerate() {
            pages.rows_behind(0, file, &mut places).unwrap();
        }
        let files = files.each_ref();
        places.sort(&files);
        let found = places.rows(&files).map(Option::unwrap);
        let found: Vec<_> = found.map(|row| ((row.table, row.key), row.value)).collect();
        let expected = latest
            .iter()
            .map(|((table, key), value)| ((*table, key.as_slice()), value.as_deref()));
        assert_eq!(found, expected.collect::<Vec<_>>());
        assert!(found.len() > keys.len());
        places.clear();
        assert_eq!(places.rows(&files).count(), 0);
        assert_eq!(
            crate::disk::ahead::find(&rows, 7, 0, Sync::Always).unwrap().used,
            40
        );
    }
}
