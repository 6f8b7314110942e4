//! Rows in fjall: one tree, whose keys are the table's number and then the row's key.
//!
//! One tree and not one a table: a read in the order of its keys then gives table by table, and one journal, one table
//! in memory and one queue of compactions serve them all.

use std::{
    fmt, fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, config::BlockSizePolicy,
};

use super::{
    error::{DiskError, MEND_DATA, of_rows},
    folder::{io_error, sync_folder},
    journal::Cut,
    sync::Sync,
};
use crate::service::Row;

/// Longest key of a row, in bytes: fjall's longest, less the table's number.
pub const ROW_KEY_BYTES_MAX: usize = 65_534;

/// The tree's name.
const TREE: &str = "rows";

/// Blocks that are kept in memory: rows are read once, at the start, and in order.
const CACHE_BYTES: u64 = 4 << 20;

/// Rows in memory before they are sorted into a file; up to four more of these wait to be written.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// Journals that are kept until their rows are in files: what a restart has to read again.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;

/// Large blocks: reading is in order.
const BLOCK_BYTES: u32 = 16 << 10;

/// One thread writes files, another merges them, so that a long merge does not hold up the first.
const WORKERS: usize = 2;

/// Files that are kept open.
const FILES_MAX: usize = 64;

/// The rows of a folder.
#[derive(Clone)]
pub(super) struct Rows {
    path: PathBuf,
    database: Database,
    tree: Keyspace,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens the rows at `path`, or makes them: whole or not at all. `sync` is how the last life synced them.
    pub(super) fn open(path: &Path, sync: Sync) -> Result<Self, DiskError> {
        let is_there = path.try_exists().map_err(|error| io_error(path, error))?;
        if !is_there {
            make(path)?;
        }
        open_tree(path, sync)
    }

    /// Gives every row, in ascending order of table and key, until `give` fails. Says how many.
    pub(super) fn each(&self, mut give: impl FnMut(Row) -> Result<(), DiskError>) -> Result<u64, DiskError> {
        let mut count = 0;
        let mut rows = self.tree.iter();
        while let Some(next) = guarded(&self.path, || rows.next())? {
            let (key, value) = guarded(&self.path, || next.into_inner())?
                .map_err(|error| of_rows(self.path.clone(), error))?;
            let (table, key) = key.split_first().ok_or_else(|| DiskError::Damaged {
                path: self.path.clone(),
                what: "a row without a table".to_owned(),
                mend: MEND_DATA,
            })?;
            give(Row {
                table: *table,
                key: key.into(),
                value: Some(value.as_ref().into()),
            })?;
            count += 1;
        }
        Ok(count)
    }

    /// An empty batch: what is put into it is written all or not at all.
    pub(super) fn batch(&self, capacity: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.database.clone(), capacity)
    }

    /// Puts a row into a batch; of two with one key the later counts.
    ///
    /// # Panics
    /// If the key is empty or too long: a service's broken promise.
    pub(super) fn put(&self, batch: &mut OwnedWriteBatch, row: &Row) {
        let bytes = row.key.len();
        assert!(
            (1..=ROW_KEY_BYTES_MAX).contains(&bytes),
            "a row's key of {bytes} bytes, where 1 to {ROW_KEY_BYTES_MAX} are allowed"
        );
        let key = fjall::Slice::from_iter(std::iter::once(row.table).chain(row.key.iter().copied()));
        match &row.value {
            Some(value) => batch.insert(&self.tree, key, value.as_ref()),
            None => batch.remove(&self.tree, key),
        }
    }

    /// Writes a batch into the journal, as far as the process's own buffer.
    pub(super) fn commit(&self, batch: OwnedWriteBatch) -> Result<(), DiskError> {
        guarded(&self.path, || batch.commit())?.map_err(|error| self.write_error(error))
    }

    /// Hands the journal to the operating system, and makes it sync it, as `mode` says.
    pub(super) fn persist(&self, mode: PersistMode) -> Result<(), DiskError> {
        guarded(&self.path, || self.database.persist(mode))?.map_err(|error| self.write_error(error))
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

/// Makes an empty tree beside `path` and then gives it its name, so that one that was begun is never found there.
fn make(path: &Path) -> Result<(), DiskError> {
    let new = path.with_extension("new");
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&new, error)),
        _ => {}
    }
    drop(open_tree(&new, Sync::Always)?);
    let named = fs::rename(&new, path).and_then(|()| path.parent().map_or(Ok(()), sync_folder));
    named.map_err(|error| io_error(path, error))
}

/// Opens a tree. Where the journal's checksum is wrong, once more without its last batch, which a loss of power may have
/// torn; if batches were not synced one by one, without all from the first wrong one on. If that is not it, the journal
/// stays as it was.
fn open_tree(path: &Path, sync: Sync) -> Result<Rows, DiskError> {
    let torn = match guarded(path, || open_files(path))? {
        Ok((database, tree)) => return Ok(rows(path, database, tree)),
        Err(error @ fjall::Error::JournalRecovery(_)) => error,
        Err(error) => return Err(of_rows(path.to_owned(), error)),
    };
    let failed = |error| io_error(path, error);
    let cut = match sync {
        Sync::Always => Cut::last_batch(path),
        Sync::Interval | Sync::Never => Cut::first_wrong(path),
    };
    let Some(cut) = cut.map_err(failed)? else {
        return Err(of_rows(path.to_owned(), torn));
    };
    match guarded(path, || open_files(path))? {
        Ok((database, tree)) => {
            let (file, bytes) = (cut.path().display(), cut.len());
            match sync {
                Sync::Always => tracing::warn!(
                    "{file}: the last batch, {bytes} bytes, was torn by a loss of power before it was synced, and is cut off"
                ),
                Sync::Interval | Sync::Never => tracing::warn!(
                    "{file}: the last {bytes} bytes were torn by a loss of power before they were synced, and are cut off: with \
                     --sync {sync} what was acknowledged last may be lost"
                ),
            }
            Ok(rows(path, database, tree))
        }
        Err(_) => {
            cut.undo().map_err(failed)?;
            Err(of_rows(path.to_owned(), torn))
        }
    }
}

fn rows(path: &Path, database: Database, tree: Keyspace) -> Rows {
    let path = path.to_owned();
    Rows { path, database, tree }
}

fn open_files(path: &Path) -> fjall::Result<(Database, Keyspace)> {
    let database = Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_cached_files(Some(FILES_MAX))
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .worker_threads(WORKERS)
        // When the journal is flushed is said by `persist`.
        .manual_journal_persist(true)
        .open()?;
    let tree = database.keyspace(TREE, || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(MEMTABLE_BYTES)
            .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
    })?;
    database.persist(PersistMode::SyncAll)?;
    Ok((database, tree))
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
