//! The end of fjall's journal, where a loss of power tore it.
//!
//! fjall itself takes away a batch that does not end. But a loss of power can keep a later block of the file and lose an
//! earlier one, which then reads as zeros: a batch that ends and whose checksum is wrong. Only one batch is ever written
//! and not synced, so that is the last; it was acknowledged to nobody, and is cut off. A wrong batch before it was synced
//! once: that is damage, and nothing is touched.
//!
//! That is so where each batch is synced before the next is written. A life that synced now and then, or never, may have
//! left several wrong ones, anywhere in the newest journal: all from the first of them on is cut off, which is what such
//! a life may lose.
//!
//! ```text
//!   start   1, items u32, number u64          one batch, little-endian
//!   item    2, type u8, 0, tree u64, key length u16, value length u32, stored length u32, key, value
//!   clear   4, tree u64
//!   end     3, checksum u64, "FJL" 3               XXH3 of the bytes between start and end
//! ```

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::wire::{FieldError, Fields};

/// Bytes of a start.
const START_BYTES: usize = 13;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// What the end of a batch ends with.
const TRAILER: &[u8] = b"FJL\x03";

/// What was cut off, and where: it can be put back.
#[derive(Debug)]
pub(super) struct Cut {
    path: PathBuf,
    at: u64,
    bytes: Vec<u8>,
}

impl Cut {
    /// Cuts the last whole batch, and what follows it, off the newest journal in `folder`; `None` if there is none.
    pub(super) fn last_batch(folder: &Path) -> io::Result<Option<Self>> {
        Self::from(folder, last_start)
    }

    /// Cuts the first wrong batch, and all that follows it, off the newest journal in `folder`; `None` if there is none.
    pub(super) fn first_wrong(folder: &Path) -> io::Result<Option<Self>> {
        Self::from(folder, first_wrong)
    }

    fn from(folder: &Path, find: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Option<Self>> {
        let Some(path) = newest(folder)? else {
            return Ok(None);
        };
        let mut bytes = fs::read(&path)?;
        let Some(start) = find(&bytes) else {
            return Ok(None);
        };
        let bytes = bytes.split_off(start);
        let at = start as u64;
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(at)?;
        file.sync_all()?;
        Ok(Some(Self { path, at, bytes }))
    }

    /// Puts back what was cut off: it was not the last batch that was wrong.
    pub(super) fn undo(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(self.at)?;
        file.write_all(&self.bytes)?;
        file.sync_all()
    }

    /// How many bytes were cut off, zeros behind the last batch left out.
    pub(super) fn len(&self) -> usize {
        let zeros = self.bytes.iter().rev().take_while(|byte| **byte == 0).count();
        self.bytes.len() - zeros
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The journal with the greatest number.
fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_journal = path.extension().is_some_and(|extension| extension == "jnl");
        let name = path.file_stem().and_then(|name| name.to_str());
        if let (true, Some(number)) = (is_journal, name.and_then(|name| name.parse().ok()))
            && newest.as_ref().is_none_or(|(other, _)| *other < number)
        {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the last batch that has an end begins.
fn last_start(bytes: &[u8]) -> Option<usize> {
    let mut fields = Fields::new(bytes);
    let (mut begun, mut last) = (None, None);
    loop {
        let place = bytes.len() - fields.rest().len();
        match entry(&mut fields) {
            Ok(START) => begun = Some(place),
            Ok(END) => last = begun.take().or(last),
            Ok(_) => {}
            Err(_) => return last,
        }
    }
}

/// Where the first batch begins that has no end, or whose items or checksum are not those that it says.
fn first_wrong(bytes: &[u8]) -> Option<usize> {
    let mut fields = Fields::new(bytes);
    // Where the batch begins, and how many items it has had.
    let mut begun: Option<(usize, u32)> = None;
    while !fields.rest().is_empty() {
        let place = bytes.len() - fields.rest().len();
        let entry = entry(&mut fields);
        begun = match (entry, begun) {
            (Ok(START), None) => Some((place, 0)),
            (Ok(ITEM | CLEAR), Some((start, items))) => Some((start, items + 1)),
            (Ok(END), Some((start, items))) if is_whole(bytes, start, place, items) => None,
            (_, begun) => return Some(begun.map_or(place, |(start, _)| start)),
        };
    }
    begun.map(|(start, _)| start)
}

/// Whether the batch from `start` to its end at `end` has so many items, and its checksum.
fn is_whole(bytes: &[u8], start: usize, end: usize, items: u32) -> bool {
    let count = bytes.get(start + 1..start + 5);
    let body = bytes.get(start + START_BYTES..end);
    let checksum = bytes.get(end + 1..end + 9);
    let sum = body.map(|body| xxh3_64(body).to_le_bytes());
    count == Some(items.to_le_bytes().as_slice()) && checksum == sum.as_ref().map(<[u8; 8]>::as_slice)
}

/// Reads one entry; says which.
fn entry(fields: &mut Fields<'_>) -> Result<u8, FieldError> {
    let tag = fields.u8("tag")?;
    match tag {
        START => fields.bytes("start", 12).map(drop)?,
        CLEAR => fields.bytes("clear", 8).map(drop)?,
        END => {
            fields.bytes("checksum", 8)?;
            if fields.bytes("trailer", TRAILER.len())? != TRAILER {
                return Err(FieldError::Text { field: "trailer" });
            }
        }
        ITEM => {
            fields.bytes("type, compression, tree", 10)?;
            let key_bytes = u16::from_le_bytes(array(fields)?);
            let _: [u8; 4] = array(fields)?;
            let value_bytes = u32::from_le_bytes(array(fields)?);
            fields.bytes("key", usize::from(key_bytes))?;
            fields.bytes("value", usize::try_from(value_bytes).unwrap_or(usize::MAX))?;
        }
        kind => return Err(FieldError::Kind { kind }),
    }
    Ok(tag)
}

fn array<const N: usize>(fields: &mut Fields<'_>) -> Result<[u8; N], FieldError> {
    let field = "length";
    let bytes = fields.bytes(field, N)?;
    bytes.try_into().map_err(|_| FieldError::Truncated { field })
}
