//! The access tokens that lie beside the rows, as a backup carries them. What is in the file is `gateway`'s business:
//! here it is bytes, hashes of tokens and no token's text.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{error::DiskError, folder::io_error};

/// The file's name in the data folder.
pub const TOKENS: &str = "tokens.json";

/// Longest file, in bytes.
pub const TOKENS_BYTES_MAX: usize = 4 << 20;

/// What a backup says of the access tokens that the replica had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Nothing: it is of a running replica, or of an earlier version.
    NotKnown,
    /// There were none.
    None,
    /// The file.
    File(Box<[u8]>),
}

impl Tokens {
    /// Those of a data folder.
    pub(super) fn read(folder: &Path) -> Result<Self, DiskError> {
        let path = folder.join(TOKENS);
        let mut bytes = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(TOKENS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::None),
            Err(error) => Err(io_error(&path, error)),
            Ok(_) if bytes.len() > TOKENS_BYTES_MAX => Err(DiskError::Damaged {
                path,
                what: format!("it has more than {TOKENS_BYTES_MAX} bytes"),
                mend: "Make new tokens with `clocklab kv token`",
            }),
            Ok(_) => Ok(Self::File(bytes.into())),
        }
    }

    /// Lays them down in a new folder, where only its owner may read them.
    pub(super) fn write(&self, folder: &Path) -> Result<(), DiskError> {
        let Self::File(bytes) = self else {
            return Ok(());
        };
        let path = folder.join(TOKENS);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|error| io_error(&path, error))
    }

    /// What stands before the file in a backup: its length + 2; 1 that there is none, 0 that it is not known. An empty file
    /// is none of ours, but it lets nobody in.
    pub(super) fn length(&self) -> u32 {
        match self {
            Self::NotKnown => 0,
            Self::None => 1,
            Self::File(bytes) => u32::try_from(bytes.len() + 2).unwrap_or(u32::MAX),
        }
    }

    /// The file's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::NotKnown | Self::None => &[],
            Self::File(bytes) => bytes,
        }
    }
}
