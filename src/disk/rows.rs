//! Rows in fjall: one tree, whose keys are the table's number and then the row's key.
//!
//! One tree and not one a table: a read in the order of its keys then gives table by table. What comes in comes sorted and
//! by the ten thousands, and becomes a file of the tree at once: fjall's own journal and its table in memory stay empty,
//! since what is written ahead (`ahead`) is both. A row behind all tables says how far the tree has that.

use std::{
    fmt, fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, PersistMode,
    config::{BlockSizePolicy, FilterPolicy},
};
use rand::{TryRng, rngs::SysRng};

use super::{
    ahead::{self, Full, Pages, Places, RowView},
    error::{DiskError, MEND_DATA, gone_or_cut, of_rows},
    folder::{io_error, sync_folder},
    parts,
    sync::Sync,
};
use crate::{
    service::{Row, TABLES_MAX},
    wire::Fields,
};

/// Longest key of a row, in bytes: fjall's longest, less the table's number.
pub const ROW_KEY_BYTES_MAX: usize = 65_534;

/// The tree's name.
const TREE: &str = "rows";

/// Blocks that are kept in memory: rows are read once, at the start, and in order.
const CACHE_BYTES: u64 = 4 << 20;

/// Large blocks: reading is in order.
const BLOCK_BYTES: u32 = 16 << 10;

/// Threads that merge files.
const WORKERS: usize = 1;

/// Files that are kept open.
const FILES_MAX: usize = 64;

/// The key of the [`Mark`]: behind all tables.
const MARK: [u8; 1] = [0xFF];

const _: () = assert!(TABLES_MAX < 0xFF, "no table has the mark's number");

/// The rows of a folder.
#[derive(Clone)]
pub(super) struct Rows {
    path: PathBuf,
    database: Database,
    tree: Keyspace,
    seed: u64,
    /// Numbers of records up to this one were used when the folder was opened.
    used: u64,
}

/// What folding needs of memory, for the next file.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: Vec<u8>,
    places: Places,
}

/// What comes into the tree with all rows: four u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// Up to which record the tree has what was written ahead.
    through: u64,
    /// The folder's.
    seed: u64,
    /// How long the two files were; nothing from versions that did not say.
    lengths: Option<[u64; 2]>,
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.through, self.seed].into_iter();
        let numbers = numbers.chain(self.lengths.into_iter().flatten());
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let (through, seed) = (fields.u64("through").ok()?, fields.u64("seed").ok()?);
        let lengths = match fields.rest() {
            [] => None,
            _ => Some([fields.u64("length").ok()?, fields.u64("length").ok()?]),
        };
        Some(Self {
            through,
            seed,
            lengths,
        })
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens the rows at `path`, or makes them: whole or not at all. What was written ahead comes into the tree. `last` is
    /// how the last life that wrote synced.
    ///
    /// # Errors
    /// [`DiskError::Damaged`] if something is wrong with them, or there are none and a life has written.
    pub(super) fn open(path: &Path, last: Option<Sync>) -> Result<Self, DiskError> {
        let is_there = path.try_exists().map_err(|error| io_error(path, error))?;
        if is_there {
            parts::require(path)?;
        } else {
            refuse_lost(path, last, "it is missing")?;
            make(path)?;
        }
        let (database, tree) = open_files(path).map_err(gone_or_cut)?;
        let mut rows = Self {
            path: path.to_owned(),
            database,
            tree,
            seed: 0,
            used: 0,
        };
        match rows.mark()? {
            Some(mark) => rows.take_up(&mark, last.unwrap_or_default())?,
            None => {
                refuse_lost(path, last, "it is empty")?;
                // From the mark on they are there.
                ahead::make(path)?;
                rows.seed = SysRng
                    .try_next_u64()
                    .map_err(|error| io_error(path, io::Error::other(error)))?;
                rows.take_in(&[], &mut Places::default(), 0, || {})?;
            }
        }
        Ok(rows)
    }

    /// Takes in what was written ahead and is not in the tree.
    fn take_up(&mut self, mark: &Mark, sync: Sync) -> Result<(), DiskError> {
        if let Some(lengths) = mark.lengths {
            ahead::refuse_cut(&self.path, lengths)?;
        }
        self.seed = mark.seed;
        let found = ahead::find(&self.path, mark.seed, mark.through, sync)?;
        self.used = found.used;
        if mark.lengths.is_none() {
            // A version that noted no lengths left them: from here on they are noted.
            ahead::make(&self.path)?;
        }
        if found.used > mark.through || mark.lengths.is_none() {
            let mut places = Places::default();
            for (file, pages) in found.files.iter().enumerate() {
                pages.rows_behind(mark.through, file, &mut places)?;
            }
            self.take_in(&found.files.each_ref(), &mut places, found.used, || {})?;
        }
        Ok(())
    }

    /// The seed of what is written ahead, and the last number that was used when the folder was opened.
    pub(super) fn ahead(&self) -> (u64, u64) {
        (self.seed, self.used)
    }

    /// The folder of the tree.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The mark; `None` in a new tree.
    ///
    /// # Errors
    /// [`DiskError::Damaged`] if [`Rows::each`] would not see it: then other rows would be missing, too.
    fn mark(&self) -> Result<Option<Mark>, DiskError> {
        let found = guarded(&self.path, || self.tree.get(MARK))?;
        let found = found.map_err(|error| self.read_error(error))?;
        // It comes in with every row, and is the last.
        let last = guarded(&self.path, || {
            self.tree.iter().next_back().map(fjall::Guard::into_inner)
        })?;
        let last = last.transpose().map_err(|error| self.read_error(error))?;
        let visible = last.and_then(|(key, value)| (*key == MARK).then_some(value));
        if visible != found {
            return Err(self.damaged("some of its files are not seen as its newest"));
        }
        let Some(value) = found else {
            return Ok(None);
        };
        let mark = Mark::decode(&value).ok_or_else(|| self.damaged("its mark is none"))?;
        Ok(Some(mark))
    }

    fn damaged(&self, what: &str) -> DiskError {
        DiskError::Damaged {
            path: self.path.clone(),
            what: what.to_owned(),
            mend: MEND_DATA,
        }
    }

    /// Takes a full file of what was written ahead into the tree: afterwards it may be written anew.
    /// `room` is reused: memory that is taken from the system again and again costs more than all else here. `move_on` is
    /// called now and then.
    ///
    /// # Errors
    /// [`DiskError::Damaged`] if a record of it is missing. Then the tree is as it was.
    pub(super) fn fold(&self, full: Full, room: &mut Room, move_on: impl Fn()) -> Result<(), DiskError> {
        let bytes = std::mem::take(&mut room.bytes);
        let pages = Pages::read_into(bytes, &self.path, full.turn, self.seed, &move_on)?;
        room.places.clear();
        pages.rows_of_turn(full, &mut room.places)?;
        self.take_in(&[&pages], &mut room.places, full.last, move_on)?;
        room.bytes = pages.into_room();
        Ok(())
    }

    /// Takes rows in, of each key the last alone, and with them the mark that says so.
    fn take_in(
        &self,
        files: &[&Pages],
        places: &mut Places,
        through: u64,
        move_on: impl Fn(),
    ) -> Result<(), DiskError> {
        places.sort(files);
        move_on();
        self.take_sorted(through, |take| {
            places.rows(files).try_for_each(|row| {
                move_on();
                take(row.ok_or_else(|| self.damaged("a row is not where it was"))?)
            })
        })
    }

    /// Takes the rows in that `give` gives, in ascending order and each key once: all or none, and synced. Afterwards the
    /// tree has what was written ahead up to the number `through`.
    ///
    /// # Errors
    /// [`DiskError`] if a key is empty or too long, or something cannot be written.
    pub(super) fn take_sorted<T>(
        &self,
        through: u64,
        give: impl FnOnce(&mut dyn FnMut(RowView<'_>) -> Result<(), DiskError>) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let failed = |error| self.write_error(error);
        let mut ingestion = guarded(&self.path, || self.tree.start_ingestion())?.map_err(failed)?;
        let mut key = Vec::new();
        let mut take = |row: RowView<'_>| {
            judge_key(row.key).map_err(|what| self.damaged(&what))?;
            key.clear();
            key.push(row.table);
            key.extend_from_slice(row.key);
            let key = key.as_slice();
            let written = guarded(&self.path, || match row.value {
                Some(value) => ingestion.write(key, value),
                None => ingestion.write_tombstone(key),
            })?;
            written.map_err(failed)
        };
        let given = give(&mut take)?;
        let mark = Mark {
            through,
            seed: self.seed,
            lengths: Some(ahead::lengths(&self.path)?),
        };
        let finish = || {
            ingestion.write(MARK, mark.encode())?;
            ingestion.finish()?;
            // Says whether its own thread has failed.
            self.database.persist(PersistMode::Buffer)
        };
        guarded(&self.path, finish)?.map_err(failed)?;
        Ok(given)
    }

    /// Gives every row, in ascending order of table and key, until `give` fails. Says how many.
    pub(super) fn each(&self, mut give: impl FnMut(Row) -> Result<(), DiskError>) -> Result<u64, DiskError> {
        let mut count = 0;
        let mut rows = self.tree.iter();
        while let Some(next) = guarded(&self.path, || rows.next())? {
            let (key, value) =
                guarded(&self.path, || next.into_inner())?.map_err(|error| self.read_error(error))?;
            let (table, key) = key
                .split_first()
                .ok_or_else(|| self.damaged("a row without a table"))?;
            if *table == MARK[0] {
                continue;
            }
            give(Row {
                table: *table,
                key: key.into(),
                value: Some(value.as_ref().into()),
            })?;
            count += 1;
        }
        Ok(count)
    }

    /// Why a read failed.
    fn read_error(&self, error: fjall::Error) -> DiskError {
        gone_or_cut(of_rows(self.path.clone(), error))
    }

    /// Why a write failed. Of a failure in one of its own threads fjall only knows that there was one: then a file
    /// that is written here finds the reason again.
    fn write_error(&self, error: fjall::Error) -> DiskError {
        match error {
            fjall::Error::Poisoned => match probe(&self.path) {
                Err(error) => io_error(&self.path, error),
                Ok(()) => io_error(
                    &self.path,
                    io::Error::other(
                        "a file could not be written a moment ago: look at the disk's health and room",
                    ),
                ),
            },
            other => of_rows(self.path.clone(), other),
        }
    }
}

/// Whether a row may have this key.
pub(super) fn judge_key(key: &[u8]) -> Result<(), String> {
    match key.len() {
        1..=ROW_KEY_BYTES_MAX => Ok(()),
        bytes => Err(format!(
            "a row's key has {bytes} bytes, and 1 to {ROW_KEY_BYTES_MAX} are allowed"
        )),
    }
}

/// Where there are no rows, nothing may have been written.
fn refuse_lost(path: &Path, last: Option<Sync>, what: &str) -> Result<(), DiskError> {
    let written = match last {
        Some(_) => "a life of this folder has written ahead of it",
        None if !ahead::is_blank(path)? => "something was written ahead of it",
        None => return Ok(()),
    };
    Err(DiskError::Damaged {
        path: path.to_owned(),
        what: format!("{what}, but {written}"),
        mend: MEND_DATA,
    })
}

/// Makes an empty tree beside `path` and then gives it its name, so that one that was begun is never found there.
fn make(path: &Path) -> Result<(), DiskError> {
    let new = path.with_extension("new");
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&new, error)),
        _ => {}
    }
    drop(open_files(&new)?);
    let named = fs::rename(&new, path).and_then(|()| path.parent().map_or(Ok(()), sync_folder));
    named.map_err(|error| io_error(path, error))
}

fn open_files(path: &Path) -> Result<(Database, Keyspace), DiskError> {
    let open = || {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(FILES_MAX))
            .worker_threads(WORKERS)
            .open()?;
        let tree = database.keyspace(TREE, || {
            KeyspaceCreateOptions::default()
                .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                // Filters tell what is not there; nobody asks for single keys.
                .filter_policy(FilterPolicy::disabled())
        })?;
        database.persist(PersistMode::SyncAll)?;
        Ok((database, tree))
    };
    guarded(path, open)?.map_err(|error| of_rows(path.to_owned(), error))
}

/// Calls into fjall; where that panics, as it does over some files that were changed by hand, it is an error.
fn guarded<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, DiskError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        DiskError::Damaged {
            path: path.to_owned(),
            what: text.unwrap_or_else(|| "its files do not fit each other".to_owned()),
            mend: MEND_DATA,
        }
    })
}

/// Writes and syncs a small file, to learn what the system says.
fn probe(path: &Path) -> io::Result<()> {
    let file = path.join("probe");
    let written = fs::write(&file, [0; 4096]).and_then(|()| fs::File::open(&file)?.sync_all());
    let _ = fs::remove_file(&file);
    written
}

#[cfg(test)]
mod tests;
