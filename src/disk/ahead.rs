//! What is written ahead of the tree: two files in turn, each written from its front, again and again.
//!
//! ```text
//!   rows-0.log   | 7 | 8 | 9 | 10 |  …older records, zeros…        full: folded into the tree by another thread
//!   rows-1.log   | 11 | 12 |  …older records, zeros…               meanwhile this one grows
//!
//!   record   XXH3 of the seed u64, number u64, body length u64, XXH3 of seed, number, length and body u64      32 bytes
//!   row      table u8, key length varint, value length + 1 varint (0: the key is taken away), key, value
//! ```
//!
//! A record is one or several groups of rows, and is there whole or not at all. Records are numbered without a gap, for
//! ever, and the tree says up to which number it has them: so what lies behind the last record of a file, left from its
//! last turn, is told apart by its number. Files are not made anew, since writing where something was written before
//! needs no change of the file system's own: such an fsync is several times faster.
//!
//! Before the next record is written the last one was synced. So a loss of power can tear the last one alone, which was
//! acknowledged to nobody: it is left out. A wrong record with a whole one behind it was synced once: that is damage, and
//! nothing is touched. A life that synced now and then, or never, may have left several wrong ones: all from the first of
//! them on is left out, which is what such a life may lose. But each life syncs a file before the other one gets its
//! first record: a wrong one in the earlier file is damage, always. Every folder has a random seed, so that no value that a
//! client writes looks like a record, or like the beginning of one. Numbers are big-endian.
//!
//! A file is written over only when all of it is in the tree: from the first number of its turn to the last, or it is
//! damaged. Both files are made with the tree and are there ever since, and never shorter than the tree says (`lengths`):
//! one that is gone, emptied or cut is damage, too.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    error::{DiskError, MEND_DATA},
    folder::{io_error, sync_folder},
    queue::Group,
};
use crate::wire::{FieldError, Fields, write_varint};

mod pages;
mod places;

pub(super) use pages::{Pages, find};
pub(super) use places::Places;

/// A file that is longer is full. (In unit tests it soon is.)
pub(super) const FULL_BYTES: u64 = if cfg!(test) { 16 << 10 } else { 32 << 20 };

/// Files grow by so much at once, with zeros.
const GROWTH_BYTES: u64 = 1 << 20;

/// From the beginning each file has so many bytes, zeros: one that is shorter was cut.
const BYTES_MIN: u64 = 4096;

/// A long record is written in parts of so many bytes, and each is a sign of life.
const PART_BYTES: usize = 1 << 20;

/// Of a long record so many bytes are synced at once: a sync of all of it could take a minute, without a sign of life.
const UNSYNCED_BYTES_MAX: u64 = 64 << 20;

/// Bytes before a record's body.
const HEAD_BYTES: usize = 32;

/// Where the length stands in a record.
const LENGTH_AT: usize = 16;

/// Bytes of a record that are kept as room for the next.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

const _: () = assert!(LENGTH_AT + 16 == HEAD_BYTES && GROWTH_BYTES >= PART_BYTES as u64);

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// `rows-0.log`
    First,
    /// `rows-1.log`
    Second,
}

impl Turn {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The file's place, where `rows` is that of the tree.
    pub(super) fn path(self, rows: &Path) -> PathBuf {
        rows.with_file_name(match self {
            Self::First => "rows-0.log",
            Self::Second => "rows-1.log",
        })
    }
}

/// A file that is full: the records of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) turn: Turn,
    /// The number of the record at its front.
    pub(super) first: u64,
    /// The number of its last record.
    pub(super) last: u64,
}

/// A file, and how far it is written.
#[derive(Debug)]
struct Sheet {
    file: File,
    path: PathBuf,
    /// Behind the last record of this turn.
    end: u64,
    /// The file's length: what lies before it can be written without a change of the file system's own.
    length: u64,
}

/// The two files, as they are written.
#[derive(Debug)]
pub(super) struct Ahead {
    sheets: [Sheet; 2],
    turn: Turn,
    seed: u64,
    /// The number of the first record of this turn.
    first: u64,
    /// The last record's number.
    last: u64,
    /// What was appended is synced.
    is_synced: bool,
    buffer: Vec<u8>,
}

impl Ahead {
    /// Begins to write, behind everything up to the number `last`, which is in the tree. The files are there.
    pub(super) fn open(rows: &Path, seed: u64, last: u64) -> Result<Self, DiskError> {
        let sheets = [Sheet::open(rows, Turn::First)?, Sheet::open(rows, Turn::Second)?];
        Ok(Self {
            sheets,
            turn: Turn::First,
            seed,
            first: last + 1,
            last,
            is_synced: true,
            buffer: Vec::new(),
        })
    }

    fn sheet(&mut self) -> &mut Sheet {
        let [first, second] = &mut self.sheets;
        match self.turn {
            Turn::First => first,
            Turn::Second => second,
        }
    }

    /// Writes groups of rows as one record, as far as the operating system. `move_on` is called now and then.
    pub(super) fn append(&mut self, groups: &[Group], move_on: impl Fn()) -> Result<(), DiskError> {
        self.last += 1;
        self.is_synced = false;
        let mut buffer = std::mem::take(&mut self.buffer);
        record(self.seed, self.last, groups, &mut buffer);
        let sheet = self.sheet();
        let written = sheet
            .append(&buffer, move_on)
            .map_err(|error| io_error(&sheet.path, error));
        buffer.clear();
        buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.buffer = buffer;
        written
    }

    /// Syncs what was appended and is not synced yet.
    pub(super) fn sync(&mut self) -> Result<(), DiskError> {
        if self.is_synced {
            return Ok(());
        }
        let sheet = self.sheet();
        let synced = sheet.file.sync_data();
        synced.map_err(|error| io_error(&sheet.path, error))?;
        self.is_synced = true;
        Ok(())
    }

    /// Whether all that was appended is synced.
    pub(super) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Whether it is the other file's turn.
    pub(super) fn is_full(&mut self) -> bool {
        self.sheet().end >= FULL_BYTES
    }

    /// The other file's turn, all of whose records are in the tree. Says which one is full now, and synced.
    pub(super) fn turn(&mut self) -> Result<Full, DiskError> {
        self.sync()?;
        let full = Full {
            turn: self.turn,
            first: self.first,
            last: self.last,
        };
        self.turn = self.turn.other();
        self.first = self.last + 1;
        let sheet = self.sheet();
        sheet.end = 0;
        if sheet.length > FULL_BYTES + GROWTH_BYTES {
            // One group was large: its room is given back.
            let cut = sheet.file.set_len(FULL_BYTES);
            cut.map_err(|error| io_error(&sheet.path, error))?;
            sheet.length = FULL_BYTES;
        }
        Ok(full)
    }
}

impl Sheet {
    fn open(rows: &Path, turn: Turn) -> Result<Self, DiskError> {
        Self::open_with(rows, turn, OpenOptions::new().write(true))
    }

    fn open_with(rows: &Path, turn: Turn, options: &mut OpenOptions) -> Result<Self, DiskError> {
        let path = turn.path(rows);
        let opened = options
            .mode(0o600)
            .open(&path)
            .and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(|error| io_error(&path, error))?;
        Ok(Self {
            file,
            path,
            end: 0,
            length,
        })
    }

    fn append(&mut self, record: &[u8], move_on: impl Fn()) -> io::Result<()> {
        let mut synced = self.end;
        for (place, part) in record.chunks(PART_BYTES).enumerate() {
            if place > 0 {
                move_on();
            }
            self.file.write_all_at(part, self.end)?;
            self.end += part.len() as u64;
            if self.end - synced >= UNSYNCED_BYTES_MAX {
                self.file.sync_data()?;
                synced = self.end;
            }
        }
        if self.end > self.length {
            self.length = self.end.next_multiple_of(GROWTH_BYTES);
            let zeros = usize::try_from(self.length - self.end).unwrap_or(0);
            self.file.write_all_at(&vec![0; zeros], self.end)?;
        }
        Ok(())
    }
}

/// Whether nothing was ever written ahead: the files are not there yet, or have nothing but zeros.
pub(super) fn is_blank(rows: &Path) -> Result<bool, DiskError> {
    for turn in [Turn::First, Turn::Second] {
        let path = turn.path(rows);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(|error| io_error(&path, error))?,
        };
        let mut part = vec![0; PART_BYTES];
        loop {
            let read = file.read(&mut part).map_err(|error| io_error(&path, error))?;
            if read == 0 {
                break;
            }
            if part.iter().take(read).any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Makes the two files, where they are not there yet, with the zeros that they have at least.
pub(super) fn make(rows: &Path) -> Result<(), DiskError> {
    for turn in [Turn::First, Turn::Second] {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let sheet = Sheet::open_with(rows, turn, &mut options)?;
        let zeros = usize::try_from(BYTES_MIN.saturating_sub(sheet.length)).unwrap_or(0);
        let made = sheet.file.write_all_at(&vec![0; zeros], sheet.length);
        let made = made.and_then(|()| sheet.file.sync_all());
        made.map_err(|error| io_error(&sheet.path, error))?;
    }
    let synced = rows.parent().map_or(Ok(()), sync_folder);
    synced.map_err(|error| io_error(rows, error))
}

/// How long each file is and will stay, also if the power goes now: each is synced as it is. What is beyond a full one may
/// be given back.
pub(super) fn lengths(rows: &Path) -> Result<[u64; 2], DiskError> {
    let mut lengths = [0; 2];
    for (turn, length) in [Turn::First, Turn::Second].into_iter().zip(&mut lengths) {
        *length = synced_length(&turn.path(rows))?.min(FULL_BYTES);
    }
    Ok(lengths)
}

/// How long a file is, and is after a loss of power: it may have grown without a sync.
fn synced_length(path: &Path) -> Result<u64, DiskError> {
    let file = open_made(path)?;
    let length = file.metadata().map_err(|error| io_error(path, error))?.len();
    file.sync_all().map_err(|error| io_error(path, error))?;
    Ok(length)
}

fn open_made(path: &Path) -> Result<File, DiskError> {
    match File::open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged(
            path.to_owned(),
            "it is missing, and was made with the rows",
        )),
        Err(error) => Err(io_error(path, error)),
    }
}

/// Compares the files' lengths with what they were.
///
/// # Errors
/// [`DiskError::Damaged`] if one is shorter, or gone.
pub(super) fn refuse_cut(rows: &Path, were: [u64; 2]) -> Result<(), DiskError> {
    for (turn, was) in [Turn::First, Turn::Second].into_iter().zip(were) {
        let (path, was) = (turn.path(rows), was.min(FULL_BYTES));
        let about = open_made(&path)?.metadata();
        let length = about.map_err(|error| io_error(&path, error))?.len();
        if length < was {
            let what = format!("it has {length} bytes, and had {was} or more");
            return Err(damaged(path, &what));
        }
    }
    Ok(())
}

fn damaged(path: PathBuf, what: &str) -> DiskError {
    DiskError::Damaged {
        path,
        what: what.to_owned(),
        mend: MEND_DATA,
    }
}

/// What each record of a folder begins with: no value that a client writes has it, since nobody is told the seed.
fn magic(seed: u64) -> [u8; 8] {
    xxh3_64(&seed.to_be_bytes()).to_be_bytes()
}

/// Makes a record of groups.
fn record(seed: u64, number: u64, groups: &[Group], buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&magic(seed));
    buffer.extend_from_slice(&number.to_be_bytes());
    buffer.resize(HEAD_BYTES, 0);
    for row in groups.iter().flat_map(|(_, rows)| rows) {
        buffer.push(row.table);
        write_varint(row.key.len() as u64, buffer);
        write_varint(
            row.value.as_ref().map_or(0, |value| value.len() as u64 + 1),
            buffer,
        );
        buffer.extend_from_slice(&row.key);
        buffer.extend_from_slice(row.value.as_deref().unwrap_or_default());
    }
    let length = (buffer.len() - HEAD_BYTES) as u64;
    let sum = sum(seed, number, buffer.get(HEAD_BYTES..).unwrap_or_default());
    let head = length.to_be_bytes().into_iter().chain(sum.to_be_bytes());
    for (place, byte) in buffer.iter_mut().skip(LENGTH_AT).zip(head) {
        *place = byte;
    }
}

/// The checksum of a record.
fn sum(seed: u64, number: u64, body: &[u8]) -> u64 {
    let mut head = [0; 32];
    let parts = [seed, number, body.len() as u64, xxh3_64(body)];
    for (place, byte) in head.iter_mut().zip(parts.into_iter().flat_map(u64::to_be_bytes)) {
        *place = byte;
    }
    xxh3_64(&head)
}

/// The record at the front of these bytes, if it is whole: its number, its body, and what follows.
fn whole(seed: u64, bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let mut fields = Fields::new(bytes.strip_prefix(&magic(seed))?);
    let number = fields.u64("number").ok()?;
    let length = usize::try_from(fields.u64("length").ok()?).ok()?;
    let said = fields.u64("sum").ok()?;
    let body = fields.bytes("body", length).ok()?;
    (said == sum(seed, number, body)).then_some((number, body, fields.rest()))
}

/// A row as it is in a record; a value of `None` takes the key away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowView<'a> {
    pub(super) table: u8,
    pub(super) key: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
}

/// The next row of a record.
fn read_row<'a>(fields: &mut Fields<'a>) -> Result<RowView<'a>, FieldError> {
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let table = fields.u8("table")?;
    let key_bytes = size(fields.varint("key")?);
    let value_bytes = fields.varint("value")?;
    let key = fields.bytes("key", key_bytes)?;
    let value = match value_bytes.checked_sub(1) {
        None => None,
        Some(bytes) => Some(fields.bytes("value", size(bytes))?),
    };
    Ok(RowView { table, key, value })
}

#[cfg(test)]
mod tests;
