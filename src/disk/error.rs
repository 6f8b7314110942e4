//! What can be wrong with a folder of data, in words that say what to do.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::units::MachineId;

/// Why a folder cannot be used, or a copy not be made.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The system refuses something.
    #[error("{}: {error}{}", path.display(), advice(error))]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data folder {} is in use by another process: stop that replica first, or give this one a folder of its own \
         with --data",
        path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// It is another replica's.
    #[error(
        "the data folder {} is that of machine {found} of the cluster `{found_cluster}`, and this is machine {expected} \
         of `{expected_cluster}`: name its own folder with --data",
        path.display()
    )]
    Another {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: MachineId,
        /// Of which cluster.
        found_cluster: String,
        /// Who wants it.
        expected: MachineId,
        /// For which cluster.
        expected_cluster: String,
    },
    /// A newer version of clocklab wrote it.
    #[error("{} has format {found}, and this clocklab knows formats up to {known}: use the newer clocklab that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest that is known here.
        known: u64,
    },
    /// A version of clocklab wrote it that kept its data in another way.
    #[error(
        "{} has format {found}, which this clocklab no longer reads (it knows {known}): make a backup with the clocklab that wrote \
         it, `clocklab kv backup`, and restore that with this one into a new folder, `clocklab kv restore`",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The one that is known here.
        known: u64,
    },
    /// It is a folder of something else.
    #[error("the folder {} holds something, but no data of a replica ({found}): name an empty or a new folder with --data", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// There is no data in it.
    #[error("the folder {} holds no data of a replica: name the folder that a replica was given with --data", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Something is to be restored where there is something.
    #[error("the folder {} is not empty: restore into a new one, so that nothing is lost", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file's content makes no sense, or has changed by itself.
    #[error("{} is damaged: {what}. Nothing was changed. {mend}", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What can be done.
        mend: &'static str,
    },
    /// A file is no backup at all.
    #[error("{} is no backup of a replica: name a file that `clocklab kv backup` made", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
    },
}

/// What to do where the data itself is damaged.
pub(super) const MEND_DATA: &str = "Restore a backup with `clocklab kv restore`, or move the folder away and start the \
     replica without it: it then takes the data from the others. Copy tokens.json of the old folder, if it has one, into the \
     new one before the start: without it no access token is needed";

/// What to do about an error of the system, where there is something.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ": give the user that runs clocklab the right to write there",
        io::ErrorKind::ReadOnlyFilesystem => ": mount it writable, or name another folder",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ": make room, then start again; what was acknowledged is kept"
        }
        _ => "",
    }
}

/// fjall's error as one of ours.
pub(super) fn of_rows(path: PathBuf, error: fjall::Error) -> DiskError {
    use fjall::Error;
    let what = match error {
        Error::Io(error) | Error::Storage(fjall::LsmError::Io(error)) => {
            return DiskError::Io { path, error };
        }
        Error::Locked => return DiskError::Locked { path },
        Error::Poisoned => "an earlier write failed".to_owned(),
        Error::JournalRecovery(error) => format!("the journal, {error}"),
        other => other.to_string(),
    };
    DiskError::Damaged {
        path,
        what,
        mend: MEND_DATA,
    }
}

/// A file of a tree that is there, and cannot be found or ends too soon, is damaged; what else the system refuses is not.
pub(super) fn gone_or_cut(error: DiskError) -> DiskError {
    let (path, error) = match error {
        DiskError::Io { path, error } => (path, error),
        other => return other,
    };
    let what = match error.kind() {
        io::ErrorKind::NotFound => "one of its files is missing",
        io::ErrorKind::UnexpectedEof => "one of its files ends too soon",
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => "one of its files makes no sense",
        _ => return DiskError::Io { path, error },
    };
    DiskError::Damaged {
        path,
        what: format!("{what} ({error})"),
        mend: MEND_DATA,
    }
}
