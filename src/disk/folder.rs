//! A replica's data folder: whose it is, which life uses it, and that nobody else does.
//!
//! ```text
//!   DIR/lock        held by the process that uses the folder, as long as it lives
//!   DIR/life.json   {"format":3,"cluster":"store","machine":3,"incarnation":1795216562,"sync":"always"}
//!   DIR/rows-0.log  the latest rows, and rows-1.log
//!   DIR/rows/       the rows
//! ```
//!
//! `life.json` is replaced whole, and synced, before a life may number a write. Other files of the replica, such as
//! its access tokens, may lie beside these.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    error::{DiskError, MEND_DATA},
    incarnation::{choose, now},
    rows::Rows,
    sync::Sync,
    writer::FolderDisk,
};
use crate::{service::Row, units::MachineId};

/// The format of a folder that is known here. (In format 1 nothing was written ahead of the tree, in 2 records looked
/// otherwise. A backup is the same of all.)
pub const FORMAT: u64 = 3;

/// Longest `life.json`, in bytes: whatever is longer is another file.
const LIFE_BYTES_MAX: u64 = 4096;

/// A folder that is held is tried again for half a second: its process may just be ending, or have started another one
/// that has not let go of what it inherited.
const LOCK_TRIES: u32 = 25;

/// Time between two tries.
const LOCK_TRY_EVERY: Duration = Duration::from_millis(20);

const LOCK: &str = "lock";
const LIFE: &str = "life.json";
const ROWS: &str = "rows";

/// Whose a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The replica's id.
    pub machine: MachineId,
    /// The name of its cluster.
    pub cluster: String,
}

/// A folder that this process alone uses.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    life: Life,
    rows: Rows,
    lock: Lock,
}

/// Reads the rows of a folder, once. The folder's files are open as long as it is there.
#[derive(Debug)]
pub struct RowReader {
    rows: Rows,
}

/// Lets go of the folder when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// What `life.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Life {
    pub(super) format: u64,
    pub(super) cluster: String,
    pub(super) machine: u16,
    pub(super) incarnation: u32,
    /// How it syncs, or the one before as long as it has not written: one of [`Sync`]'s words. Once it is said there are
    /// rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sync: Option<String>,
}

impl Life {
    /// How it synced, if it has written: by another word than the three, the strictest.
    pub(super) fn sync(&self) -> Option<Sync> {
        let word = self.sync.as_deref()?;
        Some(word.parse().unwrap_or_default())
    }
}

impl DataFolder {
    /// Opens the folder for a further life of `owner`, or makes it. The life's number is on the disk when this returns;
    /// before the service starts, [`wait_for_incarnation`](super::wait_for_incarnation).
    ///
    /// What an earlier life did not finish writing, because it was killed, is taken away.
    ///
    /// # Errors
    /// [`DiskError`]: the folder is in use, another's, of another format or damaged, or the system refuses something.
    /// What was in it is unchanged then.
    pub fn open(path: &Path, owner: &Owner) -> Result<Self, DiskError> {
        make_folder(path)?;
        let lock = Lock::acquire(path)?;
        let before = read_life(path)?;
        let last = match &before {
            Some(life) => Some(of_owner(path, life, owner)?),
            None => {
                refuse_foreign(path)?;
                None
            }
        };
        let incarnation = choose(last, now());
        let life = Life {
            format: FORMAT,
            cluster: owner.cluster.clone(),
            machine: owner.machine.0,
            incarnation,
            sync: last.and(before.and_then(|before| before.sync)),
        };
        if last.is_none() {
            // Before there are rows: without a life they would be somebody's, but not known whose.
            write_life(path, &life)?;
        }
        let rows = Rows::open(&path.join(ROWS), life.sync())?;
        if last.is_some() {
            // After it is known that they can be read.
            write_life(path, &life)?;
        }
        Ok(Self {
            rows,
            path: path.to_owned(),
            life,
            lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which life this is.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.life.incarnation
    }

    /// Gives every row, table by table, key by key. Says how many.
    ///
    /// # Errors
    /// As [`RowReader::each_row`].
    pub fn each_row(&self, give: impl FnMut(Row)) -> Result<u64, DiskError> {
        self.reader().each_row(give)
    }

    /// For who needs the disk before the rows: reads them once it has been started, too, and before anything is appended.
    #[must_use]
    pub fn reader(&self) -> RowReader {
        RowReader {
            rows: self.rows.clone(),
        }
    }

    /// Begins to write: starts the disk's thread. The folder says before how it syncs: after a loss of power that tells
    /// what may be missing.
    ///
    /// # Errors
    /// [`DiskError::Io`] if the system gives no thread, or refuses to write.
    pub fn into_disk(mut self, sync: Sync) -> Result<FolderDisk, DiskError> {
        let word = Some(sync.to_string());
        if self.life.sync != word {
            self.life.sync = word;
            write_life(&self.path, &self.life)?;
        }
        FolderDisk::start(self.rows, self.lock, &self.path, sync)
    }
}

impl RowReader {
    /// Gives every row, table by table, key by key. Says how many.
    ///
    /// # Errors
    /// [`DiskError`] if a file cannot be read or is damaged; rows may have been given by then.
    pub fn each_row(self, mut give: impl FnMut(Row)) -> Result<u64, DiskError> {
        self.rows.each(|row| {
            give(row);
            Ok(())
        })
    }
}

impl Lock {
    /// The lock of a folder that is there.
    pub(super) fn acquire(folder: &Path) -> Result<Self, DiskError> {
        let path = folder.join(LOCK);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let file = options.open(&path).map_err(|error| io_error(&path, error))?;
        for turn in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if turn < LOCK_TRIES => wait_for_lock(),
                Err(TryLockError::WouldBlock) => {
                    return Err(DiskError::Locked {
                        path: folder.to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(io_error(&path, error)),
            }
        }
        Ok(Self { _file: file })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "who holds the lock tells nobody when it ends"
)]
fn wait_for_lock() {
    thread::sleep(LOCK_TRY_EVERY);
}

/// Whether a folder is a replica's own: a life of one has been in it.
#[must_use]
pub fn is_data_folder(folder: &Path) -> bool {
    folder.join(LIFE).is_file()
}

/// Where a folder's rows are.
pub(super) fn rows_of(folder: &Path) -> PathBuf {
    folder.join(ROWS)
}

/// Makes a folder, and those that it lies in, where they are not there. After a loss of power they are there, too.
pub(super) fn make_folder(path: &Path) -> Result<(), DiskError> {
    let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let new: Vec<&Path> = path.ancestors().take_while(is_new).collect();
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| io_error(path, error))?;
    for folder in new {
        let parent = parent_of(folder);
        sync_folder(parent).map_err(|error| io_error(parent, error))?;
    }
    Ok(())
}

/// The folder that a path lies in.
pub(super) fn parent_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Restoring begins with an empty folder; the lock of who restores may be in it.
pub(super) fn refuse_occupied(folder: &Path, lock: Option<&Lock>) -> Result<(), DiskError> {
    for entry in fs::read_dir(folder).map_err(|error| io_error(folder, error))? {
        let entry = entry.map_err(|error| io_error(folder, error))?;
        if lock.is_none() || entry.file_name() != LOCK {
            return Err(DiskError::Occupied {
                path: folder.to_owned(),
            });
        }
    }
    Ok(())
}

pub(super) fn io_error(path: &Path, error: io::Error) -> DiskError {
    DiskError::Io {
        path: path.to_owned(),
        error,
    }
}

/// What the folder says of its last life; `None` if it was never used.
pub(super) fn read_life(folder: &Path) -> Result<Option<Life>, DiskError> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    let path = folder.join(LIFE);
    let text = match fs::metadata(&path) {
        Ok(about) if about.len() > LIFE_BYTES_MAX => String::new(),
        _ => match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(io_error(&path, error)),
        },
    };
    let damaged = |error: serde_json::Error| DiskError::Damaged {
        path: path.clone(),
        what: error.to_string(),
        mend: MEND_DATA,
    };
    // The format first: the other fields are those of a format that is known.
    let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
    let (found, known) = (format, FORMAT);
    if found > known {
        return Err(DiskError::Newer { path, found, known });
    }
    if found < known {
        return Err(DiskError::Older { path, found, known });
    }
    serde_json::from_str(&text).map(Some).map_err(damaged)
}

/// Replaces what the folder says of its life: whole or not at all, and synced.
pub(super) fn write_life(folder: &Path, life: &Life) -> Result<(), DiskError> {
    let path = folder.join(LIFE);
    let new = folder.join(format!("{LIFE}.new"));
    let write = || {
        let mut text = serde_json::to_vec(life)?;
        text.push(b'\n');
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        sync_folder(folder)
    };
    write().map_err(|error| io_error(&path, error))
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The last life of a folder, if it is this owner's.
fn of_owner(path: &Path, life: &Life, owner: &Owner) -> Result<u32, DiskError> {
    if life.machine == owner.machine.0 && life.cluster == owner.cluster {
        return Ok(life.incarnation);
    }
    Err(DiskError::Another {
        path: path.to_owned(),
        found: MachineId(life.machine),
        found_cluster: life.cluster.clone(),
        expected: owner.machine,
        expected_cluster: owner.cluster.clone(),
    })
}

/// A folder without a life holds nothing that is not ours. Single files beside it are left alone, such as access
/// tokens that were made before the first start.
fn refuse_foreign(folder: &Path) -> Result<(), DiskError> {
    if folder.join(ROWS).is_dir() {
        return Err(DiskError::Damaged {
            path: folder.to_owned(),
            what: format!(
                "it has {ROWS}, but no {LIFE} that says whose they are; a restore was broken off, or a file is gone"
            ),
            mend: "Empty the folder, and restore again",
        });
    }
    for entry in fs::read_dir(folder).map_err(|error| io_error(folder, error))? {
        let entry = entry.map_err(|error| io_error(folder, error))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            return Err(DiskError::Foreign {
                path: folder.to_owned(),
                found: entry.file_name().to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}
