//! Why a log of another program cannot be read at all. What is wrong inside a log is no error: `check` says it.

use std::io;

use thiserror::Error;

/// Why a log of another program cannot be read.
#[derive(Debug, Error)]
pub enum ForeignError {
    /// The file cannot be opened or read.
    #[error("{file}: {error}")]
    Read {
        /// The file as it was named.
        file: String,
        /// The system's words.
        error: io::Error,
    },
    /// The log is larger than what is read into memory.
    #[error(
        "{file}: more than {bytes_max} bytes, the most that is read of a log; cut out the part that matters"
    )]
    TooLarge {
        /// The file as it was named; of a folder's files the one that is too much.
        file: String,
        /// The largest size in bytes, of a folder's files together.
        bytes_max: u64,
    },
    /// A line is too long to be one of a log.
    #[error("{file}:{line}: a line of {bytes} bytes, {bytes_max} are allowed; is this a log?")]
    LongLine {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length in bytes.
        bytes_max: usize,
    },
    /// The file holds nothing.
    #[error("{file}: the file is empty")]
    Empty {
        /// The file as it was named.
        file: String,
    },
    /// The file is no text.
    #[error(
        "{file}: this is no text, byte {offset} is zero; of Maelstrom, name jepsen.log: \
         its net-journal.fressian is binary and is not read"
    )]
    Binary {
        /// The file as it was named.
        file: String,
        /// Where the first zero byte is, from 0.
        offset: usize,
    },
    /// The file is one log of a run.
    #[error("{file}: this is the log of one machine of a run; name its folder: {folder}")]
    OwnLog {
        /// The file as it was named.
        file: String,
        /// Its folder.
        folder: String,
    },
    /// No format fits.
    #[error("{file}: no log that is known; its first line is `{first}`. These were tried:\n{tried}")]
    Unknown {
        /// The file as it was named.
        file: String,
        /// The file's first line that is not blank.
        first: String,
        /// Each format, and what its first line looks like.
        tried: &'static str,
    },
    /// The expression in the first lines cannot be used.
    #[error("{file}:{line}: the expression `{expression}` cannot be used: at character {position}, {text}")]
    Expression {
        /// The file as it was named.
        file: String,
        /// The line that holds it.
        line: u64,
        /// The expression.
        expression: String,
        /// The character at fault, from 1.
        position: usize,
        /// What is there.
        text: String,
    },
    /// The expression in the first line lacks a group.
    #[error(
        "{file}:1: the expression `{expression}` has no group `(?<{group}>…)`; `event`, `host` and `clock` must be there"
    )]
    NoGroup {
        /// The file as it was named.
        file: String,
        /// The expression.
        expression: String,
        /// The missing group.
        group: &'static str,
    },
    /// The expression finds no event.
    #[error("{file}: the expression `{expression}` finds no event in it")]
    NoEvents {
        /// The file as it was named.
        file: String,
        /// The expression.
        expression: String,
    },
    /// A Maelstrom log without messages, or with one side of them only.
    #[error(
        "{file}: a Maelstrom log that says nothing of messages {missing}; \
         make it with `maelstrom test --log-net-send true --log-net-recv true`"
    )]
    NoMessages {
        /// The file as it was named.
        file: String,
        /// `sent`, or `sent or received`.
        missing: &'static str,
    },
    /// More hosts than are followed.
    #[error("{file}:{line}: more than {hosts_max} host names; is the expression's group `host` right?")]
    ManyHosts {
        /// The file as it was named.
        file: String,
        /// The line of the host that is one too many.
        line: u64,
        /// The most that are followed.
        hosts_max: usize,
    },
    /// A command that is for runs was given a log of another program.
    #[error(
        "{file}: {what} is for runs, and this is none; name a run folder such as logs/latest; \
         `clocklab check` also judges logs of other programs"
    )]
    NotARun {
        /// The file or folder as it was named.
        file: String,
        /// The command.
        what: &'static str,
    },
}

impl ForeignError {
    /// Whether the wrong file was named, so that nothing is wrong with a log.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::OwnLog { .. } | Self::NotARun { .. } | Self::Unknown { .. } | Self::NoMessages { .. }
        )
    }
}
