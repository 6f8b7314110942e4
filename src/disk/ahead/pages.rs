//! What was written ahead, read back: the records of a turn, and what of them is not in the tree.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Full, HEAD_BYTES, PART_BYTES, Places, RowView, Turn, magic, read_row, whole};
use crate::disk::{
    error::{DiskError, MEND_DATA},
    folder::io_error,
    sync::Sync,
};
use crate::wire::Fields;

/// What a file holds, in memory.
#[derive(Debug)]
pub(in crate::disk) struct Pages {
    path: PathBuf,
    seed: u64,
    bytes: Vec<u8>,
}

impl Pages {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DiskError::Damaged`] if it is not there.
    pub(in crate::disk) fn read(rows: &Path, turn: Turn, seed: u64) -> Result<Self, DiskError> {
        Self::read_into(Vec::new(), rows, turn, seed, || {})
    }

    /// Reads a file into the room of an earlier one. `move_on` is called now and then.
    pub(in crate::disk) fn read_into(
        mut bytes: Vec<u8>,
        rows: &Path,
        turn: Turn,
        seed: u64,
        move_on: impl Fn(),
    ) -> Result<Self, DiskError> {
        let path = turn.path(rows);
        bytes.clear();
        let read = File::open(&path).and_then(|mut file| {
            // Room that grew would be copied as often.
            bytes.reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or(0));
            while Read::by_ref(&mut file)
                .take(PART_BYTES as u64)
                .read_to_end(&mut bytes)?
                > 0
            {
                move_on();
            }
            Ok(())
        });
        let pages = Self { path, seed, bytes };
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(pages.damaged("it is missing, and was made with the rows".to_owned()))
            }
            Err(error) => Err(io_error(&pages.path, error)),
            Ok(()) => Ok(pages),
        }
    }

    /// The room, for another one.
    pub(in crate::disk) fn into_room(self) -> Vec<u8> {
        self.bytes
    }

    /// The records of its turn, from its front on, each numbered behind the one before: number, where its body lies, body.
    fn records(&self) -> impl Iterator<Item = (u64, usize, &[u8])> {
        let (mut rest, mut last) = (self.bytes.as_slice(), None);
        std::iter::from_fn(move || {
            let at = self.bytes.len() - rest.len() + HEAD_BYTES;
            let (number, body, behind) = whole(self.seed, rest)?;
            if last.is_some_and(|last: u64| last.checked_add(1) != Some(number)) {
                return None;
            }
            (rest, last) = (behind, Some(number));
            Some((number, at, body))
        })
    }

    /// The byte at a place.
    pub(super) fn byte_at(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The row that lies at a place.
    pub(super) fn row_at(&self, at: usize) -> Option<RowView<'_>> {
        read_row(&mut Fields::new(self.bytes.get(at..)?)).ok()
    }

    /// Notes the places of the rows of a record, as those of the file of that number.
    fn add_rows(&self, file: usize, at: usize, body: &[u8], places: &mut Places) -> Result<(), DiskError> {
        let mut fields = Fields::new(body);
        while !fields.rest().is_empty() {
            let place = at + body.len() - fields.rest().len();
            let row = read_row(&mut fields).map_err(|error| self.damaged(format!("a record's {error}")))?;
            places.add(file, place, &row);
        }
        Ok(())
    }

    /// Notes the places of the rows behind a number, as those of the file of that number.
    pub(in crate::disk) fn rows_behind(
        &self,
        through: u64,
        file: usize,
        places: &mut Places,
    ) -> Result<(), DiskError> {
        for (_, at, body) in self.records().filter(|(number, ..)| *number > through) {
            self.add_rows(file, at, body, places)?;
        }
        Ok(())
    }

    /// Notes the places of the rows of a file that is full, as those of file 0.
    ///
    /// # Errors
    /// [`DiskError::Damaged`] if one of its records is not there.
    pub(in crate::disk) fn rows_of_turn(&self, full: Full, places: &mut Places) -> Result<(), DiskError> {
        let mut next = full.first;
        let of_turn = self.records().take_while(|(number, ..)| *number <= full.last);
        for (number, at, body) in of_turn {
            if number != next {
                break;
            }
            self.add_rows(0, at, body, places)?;
            next += 1;
        }
        if next <= full.last {
            let last = full.last;
            return Err(self.damaged(format!(
                "record {next} is not whole, and record {last} was written"
            )));
        }
        Ok(())
    }

    /// The greatest number of any whole record, wherever it lies.
    fn greatest(&self) -> u64 {
        let magic = magic(self.seed);
        let places = memchr::memmem::find_iter(&self.bytes, &magic);
        let found = places.filter_map(|place| whole(self.seed, self.bytes.get(place..).unwrap_or_default()));
        found.map(|(number, ..)| number).max().unwrap_or(0)
    }

    pub(in crate::disk) fn damaged(&self, what: String) -> DiskError {
        DiskError::Damaged {
            path: self.path.clone(),
            what,
            mend: MEND_DATA,
        }
    }
}

/// What was written ahead and is not in the tree.
#[derive(Debug)]
pub(in crate::disk) struct Found {
    /// The files, the one that was written first in front.
    pub(in crate::disk) files: [Pages; 2],
    /// Numbers up to this one are used up.
    pub(in crate::disk) used: u64,
}

/// Finds what was written behind the number `through`, which the tree has, by a life that synced like this.
///
/// # Errors
/// [`DiskError::Damaged`] if a record is missing that was synced once, or a file.
pub(in crate::disk) fn find(rows: &Path, seed: u64, through: u64, sync: Sync) -> Result<Found, DiskError> {
    let first = Pages::read(rows, Turn::First, seed)?;
    let second = Pages::read(rows, Turn::Second, seed)?;
    let begin = |pages: &Pages| pages.records().next().map_or(u64::MAX, |(number, ..)| number);
    let mut files = if begin(&second) < begin(&first) {
        [second, first]
    } else {
        [first, second]
    };
    let mut last = through;
    let used = files.iter().map(Pages::greatest).max().unwrap_or(0).max(last);
    let mut is_reached = [true; 2];
    for (pages, is_reached) in files.iter().zip(&mut is_reached) {
        let behind = pages.records().map(|(number, ..)| number);
        let mut behind = behind.skip_while(|number| *number <= through).peekable();
        *is_reached = behind.peek().is_none_or(|number| *number == last + 1);
        if *is_reached {
            last = behind.last().unwrap_or(last);
        }
    }
    if used > last {
        let what = format!("record {} is not whole, and record {used} is there", last + 1);
        if let Some(pages) = synced_and_wrong(&files, last) {
            return Err(pages.damaged(what));
        }
        match sync {
            Sync::Always => {
                let [pages, _] = &files;
                return Err(pages.damaged(what));
            }
            Sync::Interval | Sync::Never => tracing::warn!(
                "{}: {what}: a loss of power tore what was not synced. What follows is left out: with --sync {sync} what was \
                 acknowledged last may be lost",
                rows.display()
            ),
        }
    }
    for (pages, is_reached) in files.iter_mut().zip(is_reached) {
        if !is_reached {
            // Something is missing before it.
            pages.bytes.clear();
        }
    }
    Ok(Found { files, used })
}

/// The file that was synced, and still lacks the record behind `last`. However a life syncs, it syncs all of a file
/// before the other one gets its first record: so a file is whole if the other one begins behind its end, or if both
/// hold records behind its end.
fn synced_and_wrong(files: &[Pages; 2], last: u64) -> Option<&Pages> {
    let [one, other] = files;
    let begins_behind = |pages: &Pages| {
        let mut records = pages.records();
        records.next().is_some_and(|(number, ..)| number > last + 1)
    };
    if begins_behind(one) {
        return Some(other);
    }
    if begins_behind(other) {
        return Some(one);
    }
    let (of_one, of_other) = (one.greatest(), other.greatest());
    let earlier = if of_one < of_other { one } else { other };
    (of_one.min(of_other) > last).then_some(earlier)
}
