//! When rows are made to outlive the computer, and not just the process.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// How long rows may lie in the operating system's memory with [`Sync::Interval`].
pub const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// When a group of rows counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Once fsync has said so; groups that wait share one. Nothing that was acknowledged is lost, whatever breaks off.
    #[default]
    Always,
    /// Once the operating system has it; fsync follows within [`SYNC_INTERVAL`]. A process that is killed loses
    /// nothing; a computer that loses its power loses what was acknowledged in the last tenth of a second.
    Interval,
    /// At once, unless the queue is crowded: then when there is room again, so that nobody has to wait for it. It is
    /// written behind, and synced at an orderly end. A process that is killed loses what it had not given to the disk, or
    /// what was in the queue: a moment's writes where the disk keeps up, and up to the queue's room where it does not. (Of a
    /// store, peers have all of that but the last 2 ms.) A computer that loses its power loses what the operating system had not written.
    Never,
}

/// A text that is none of the three.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` is no way to sync: write always (nothing acknowledged is lost), interval (a loss of power loses a tenth of a second) or never"
)]
pub struct SyncError {
    /// What was given.
    pub text: String,
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::Interval => "interval",
            Self::Never => "never",
        })
    }
}

impl FromStr for Sync {
    type Err = SyncError;

    fn from_str(text: &str) -> Result<Self, SyncError> {
        match text {
            "always" => Ok(Self::Always),
            "interval" => Ok(Self::Interval),
            "never" => Ok(Self::Never),
            _ => Err(SyncError {
                text: text.to_owned(),
            }),
        }
    }
}
