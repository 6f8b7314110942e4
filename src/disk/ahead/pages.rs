//! What was written ahead, read back: the records of a turn, and what of them is not in the tree.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Full, PART_BYTES, RowView, Turn, magic, rows_of, whole};
use crate::disk::{
    error::{DiskError, MEND_DATA},
    folder::io_error,
    sync::Sync,
};

/// Hardly a row is shorter.
const ROW_BYTES_MIN: usize = 64;

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

    /// The records of its turn, from its front on, each numbered behind the one before.
    fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let (mut rest, mut last) = (self.bytes.as_slice(), None);
        std::iter::from_fn(move || {
            let (number, body, behind) = whole(self.seed, rest)?;
            if last.is_some_and(|last: u64| last.checked_add(1) != Some(number)) {
                return None;
            }
            (rest, last) = (behind, Some(number));
            Some((number, body))
        })
    }

    /// Room for its rows. For more than there are: memory that is not touched costs nothing, and a list that grows is
    /// copied again and again.
    fn room(&self) -> Vec<RowView<'_>> {
        Vec::with_capacity(self.bytes.len() / ROW_BYTES_MIN)
    }

    /// The rows behind a number, in the order in which they were written.
    pub(in crate::disk) fn rows_behind(&self, through: u64) -> Result<Vec<RowView<'_>>, DiskError> {
        let mut rows = self.room();
        for (_, body) in self.records().filter(|(number, _)| *number > through) {
            rows_of(body, &mut rows).map_err(|error| self.damaged(format!("a record's {error}")))?;
        }
        Ok(rows)
    }

    /// The rows of a file that is full, in the order in which they were written.
    ///
    /// # Errors
    /// [`DiskError::Damaged`] if one of its records is not there.
    pub(in crate::disk) fn rows_of_turn(&self, full: Full) -> Result<Vec<RowView<'_>>, DiskError> {
        let (mut rows, mut next) = (self.room(), full.first);
        let of_turn = self.records().take_while(|(number, _)| *number <= full.last);
        for (number, body) in of_turn {
            if number != next {
                break;
            }
            rows_of(body, &mut rows).map_err(|error| self.damaged(format!("a record's {error}")))?;
            next += 1;
        }
        if next <= full.last {
            let last = full.last;
            return Err(self.damaged(format!(
                "record {next} is not whole, and record {last} was written"
            )));
        }
        Ok(rows)
    }

    /// The greatest number of any whole record, wherever it lies.
    fn greatest(&self) -> u64 {
        let magic = magic(self.seed);
        let places = memchr::memmem::find_iter(&self.bytes, &magic);
        let found = places.filter_map(|place| whole(self.seed, self.bytes.get(place..).unwrap_or_default()));
        found.map(|(number, ..)| number).max().unwrap_or(0)
    }

    fn damaged(&self, what: String) -> DiskError {
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
    let begin = |pages: &Pages| pages.records().next().map_or(u64::MAX, |(number, _)| number);
    let mut files = if begin(&second) < begin(&first) {
        [second, first]
    } else {
        [first, second]
    };
    let mut last = through;
    let used = files.iter().map(Pages::greatest).max().unwrap_or(0).max(last);
    let mut is_reached = [true; 2];
    for (pages, is_reached) in files.iter().zip(&mut is_reached) {
        let behind = pages.records().map(|(number, _)| number);
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
