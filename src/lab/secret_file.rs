//! Files that hold a run's secret: made, and read only where nobody else can.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rand::{TryRng, rngs::SysRng};
use thiserror::Error;

use crate::wire::{Secret, SecretError};

/// Random bytes of a secret that is made here; it is written as twice as many hexadecimal digits.
const MADE_BYTES: usize = 32;

/// Longest file that is read: whatever is longer is another file by mistake.
const FILE_BYTES_MAX: u64 = 4096;

/// Permissions of others than the owner: to read, to write, to execute.
const OTHERS: u32 = 0o077;

/// A run's secret, and the file that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// The file, as it was named.
    pub path: PathBuf,
    /// What it holds.
    pub secret: Secret,
}

/// A file that cannot be the run's secret.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("the secret file {}: {error}; make one with `clocklab secret --output {}`", path.display(), path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("the secret file {} is open to others (mode {mode:03o}): close it with `chmod 600 {}`", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is far too long, or no text.
    #[error("the secret file {} is no text of at most {FILE_BYTES_MAX} bytes: name the file that `clocklab secret` made", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
    },
    /// It is too short.
    #[error("the secret file {}: {error}", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// How short.
        error: SecretError,
    },
}

impl SecretFile {
    /// Reads a secret.
    ///
    /// # Errors
    /// [`SecretFileError`]: the file cannot be read, others may read it too, or it holds no secret.
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        let own = || path.to_owned();
        let unreadable = |error| SecretFileError::Read { path: own(), error };
        let file = File::open(path).map_err(unreadable)?;
        // Of the open file, not of the name: it cannot become another in between.
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(SecretFileError::Open { path: own(), mode });
        }
        let mut bytes = Vec::new();
        let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        let length = read.map_err(unreadable)? as u64;
        let text = String::from_utf8(bytes).ok();
        let text = text
            .filter(|_| length <= FILE_BYTES_MAX)
            .ok_or_else(|| SecretFileError::NoText { path: own() })?;
        let secret = Secret::new(&text).map_err(|error| SecretFileError::Short { path: own(), error })?;
        Ok(Self { path: own(), secret })
    }

    /// The file's name from the root on, so that it is found from another folder, too.
    #[must_use]
    pub fn absolute(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }
}

/// A new secret as text: 64 hexadecimal digits, from the operating system's random numbers.
///
/// # Errors
/// What the system says if it has none.
pub fn new_secret() -> io::Result<String> {
    let mut bytes = [0; MADE_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
