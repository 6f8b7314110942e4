//! The file with the tokens' hashes.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::PREFIX;
use crate::disk::{TOKENS, TOKENS_BYTES_MAX};

/// The file's name in the data folder.
pub const FILE: &str = TOKENS;

/// Most tokens of one store.
pub const TOKENS_MAX: usize = 1000;

/// Most bytes of the file, of a prefix, of a name.
const FILE_BYTES_MAX: u64 = TOKENS_BYTES_MAX as u64;
const PREFIX_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 64;

/// What a token lets its holder do. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at keys and at the store.
    Read,
    /// Change keys.
    Write,
    /// Change who is a member.
    Admin,
}

/// One token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// What people call it.
    pub name: String,
    /// What it lets do.
    pub scope: Scope,
    /// What keys have to begin with; empty for all.
    pub prefix: String,
    /// SHA-256 of its text, in hexadecimal digits.
    pub sha256: String,
    /// When it was made, for people.
    pub made: String,
}

/// A token's text: shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

/// Held by who reads the tokens, changes them and writes them back, so that nobody else does meanwhile. It ends with its
/// process, however that ends.
#[derive(Debug)]
pub struct TokenLock {
    _file: File,
}

/// The tokens of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFile {
    entries: Vec<TokenEntry>,
}

/// The file, as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    tokens: Vec<TokenEntry>,
}

/// Why a file of tokens is of no use.
#[derive(Debug, Error)]
pub enum TokenFileError {
    /// The system refuses it.
    #[error("{}: {error}", path.display())]
    System {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is none.
    #[error(
        "{}: {why}; it is written by `clocklab kv token` alone: mend it, or remove it and make new tokens",
        path.display()
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The name is taken.
    #[error("there is a token `{0}` already: revoke it first, or choose another name")]
    Taken(String),
    /// There is none of that name.
    #[error("there is no token `{0}`: `clocklab kv token list` shows those that are there")]
    Unknown(String),
    /// A name or a prefix that cannot be.
    #[error("{0}")]
    Unfit(String),
    /// There are too many.
    #[error("there are {TOKENS_MAX} tokens already: revoke one first")]
    Full,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

impl TokenFile {
    /// Reads a file; one that is not there has no tokens.
    ///
    /// # Errors
    /// [`TokenFileError`]: the system refuses it, or it is none.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(system(path, error)),
        }
        let wrong = |why: String| TokenFileError::Format {
            path: path.to_owned(),
            why,
        };
        let written: Written = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if written.version != 1 {
            return Err(wrong(format!(
                "it is of version {}, and 1 is known",
                written.version
            )));
        }
        let is_hash = |entry: &TokenEntry| {
            entry.sha256.len() == 64 && entry.sha256.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if let Some(entry) = written.tokens.iter().find(|entry| !is_hash(entry)) {
            return Err(wrong(format!("the hash of `{}` is no SHA-256", entry.name)));
        }
        let entries = written.tokens;
        Ok(Self { entries })
    }

    /// Waits until nobody else changes the file at `path`. The lock is a file beside it, which stays: the tokens' own is
    /// replaced by each change. Readers need none.
    ///
    /// # Errors
    /// [`TokenFileError::System`].
    pub fn lock(path: &Path) -> Result<TokenLock, TokenFileError> {
        let beside = path.with_extension("lock");
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let locked = options.open(&beside).and_then(|file| {
            file.lock()?;
            Ok(TokenLock { _file: file })
        });
        locked.map_err(|error| system(&beside, error))
    }

    /// The tokens, in the order in which they were made.
    #[must_use]
    pub fn entries(&self) -> &[TokenEntry] {
        &self.entries
    }

    /// Adds a token with fresh random bits; its text is in no other place from now on.
    ///
    /// # Errors
    /// [`TokenFileError`]: the name is taken or unfit, there are too many, or there are no random numbers.
    pub fn create(
        &mut self,
        name: &str,
        scope: Scope,
        prefix: &str,
        made: String,
    ) -> Result<TokenText, TokenFileError> {
        if self.entries.iter().any(|entry| entry.name == name) {
            return Err(TokenFileError::Taken(name.to_owned()));
        }
        if self.entries.len() >= TOKENS_MAX {
            return Err(TokenFileError::Full);
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
            let what = format!(
                "`{name}` is no name for a token: 1 to {NAME_BYTES_MAX} letters, digits, or any of - _ . @"
            );
            return Err(TokenFileError::Unfit(what));
        }
        if prefix.len() > PREFIX_BYTES_MAX {
            let what = format!(
                "the prefix has {} bytes, and at most {PREFIX_BYTES_MAX}",
                prefix.len()
            );
            return Err(TokenFileError::Unfit(what));
        }
        let text = TokenText::random()?;
        self.entries.push(TokenEntry {
            name: name.to_owned(),
            scope,
            prefix: prefix.to_owned(),
            sha256: hash(&text.0),
            made,
        });
        Ok(text)
    }

    /// Takes a token away.
    ///
    /// # Errors
    /// [`TokenFileError::Unknown`].
    pub fn revoke(&mut self, name: &str) -> Result<(), TokenFileError> {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.name != name);
        if self.entries.len() == before {
            return Err(TokenFileError::Unknown(name.to_owned()));
        }
        Ok(())
    }

    /// Writes the file, which only its owner may read: beside its place, then moved, so that a reader never sees half.
    ///
    /// # Errors
    /// [`TokenFileError::System`]; the file that was there stays.
    pub fn write(&self, path: &Path) -> Result<(), TokenFileError> {
        let written = Written {
            version: 1,
            tokens: self.entries.clone(),
        };
        let mut text =
            serde_json::to_vec_pretty(&written).map_err(|error| system(path, io::Error::other(error)))?;
        text.push(b'\n');
        let beside = path.with_extension("json.new");
        let write = || {
            // One that a crash left would keep its mode.
            if beside.exists() {
                fs::remove_file(&beside)?;
            }
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&beside, path)
        };
        write().map_err(|error| system(path, error))
    }
}

impl TokenText {
    /// 256 random bits of the system.
    fn random() -> Result<Self, TokenFileError> {
        let mut text = PREFIX.to_owned();
        for _ in 0..4 {
            let drawn = SysRng
                .try_next_u64()
                .map_err(|error| TokenFileError::Random(error.to_string()))?;
            text += &format!("{drawn:016x}");
        }
        Ok(Self(text))
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does not show it.
impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// The token whose text this is. Takes the same time wherever a wrong one differs, and looks at all of them.
pub(super) fn find<'a>(entries: &'a [TokenEntry], given: &str) -> Option<&'a TokenEntry> {
    let given = hash(given);
    let mut found = None;
    for entry in entries {
        if is_same(entry.sha256.as_bytes(), given.as_bytes()) {
            found = Some(entry);
        }
    }
    found
}

/// When a file was changed, and its length; `None` if it is not there.
pub(super) fn version(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// SHA-256, in hexadecimal digits.
fn hash(text: &str) -> String {
    use fmt::Write as _;

    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Compares without an early end.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |all, (one, other)| all | (one ^ other));
    std::hint::black_box(difference) == 0 && one.len() == other.len()
}

fn system(path: &Path, error: io::Error) -> TokenFileError {
    TokenFileError::System {
        path: path.to_owned(),
        error,
    }
}
