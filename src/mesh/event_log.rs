//! Where the driver writes records: the interface, and the log that keeps nothing.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    trace::{Record, WallTime},
    wire::RunId,
};

/// The event log cannot be written. The machine stops: a log with a gap is a wrong log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The log of a machine that is to be started again is not there, cannot be opened, or is still written.
    #[error("cannot go on with the event log {}: {error}{}", path.display(), resume_mend(error))]
    Resume {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The folder that logs are kept in cannot be made or written in.
    #[error("cannot keep event logs in {}: {error}{}", folder.display(), mend(error))]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot create the event log {}: {error}{}", path.display(), mend(error))]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A write failed; the log ends with its last whole line.
    #[error("cannot write the event log {}: {error}{}; it ends with its last whole line", path.display(), mend(error))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotADirectory => ": give a folder with --logs",
        io::ErrorKind::AlreadyExists => {
            ": a log is never overwritten; give another --run, or move the folder away"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": make the folder writable, or give another with --logs"
        }
        io::ErrorKind::StorageFull => ": make room, or give a folder on another disk with --logs",
        _ => "",
    }
}

fn resume_mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            ": a machine is started again in a run that it was in; name the run with --run and its folder's place with --logs"
        }
        io::ErrorKind::WouldBlock => ": the machine still runs; end that process first",
        io::ErrorKind::InvalidData => ": a process wrote on just now; start the machine again",
        _ => mend(error),
    }
}

/// A machine's event log. Once something failed, everything that is asked of it later fails.
pub trait EventLog {
    /// Begins the log when the run's id is settled and the start barrier is passed.
    ///
    /// # Errors
    /// [`LogError`] if there is nowhere to write.
    fn open(&mut self, run: &RunId, started: WallTime) -> Result<(), LogError>;

    /// Adds a record that happened at `at`.
    fn record(&mut self, at: WallTime, record: &Record);

    /// Hands over what was recorded since the last call; once a round.
    ///
    /// # Errors
    /// [`LogError`] if anything handed over before could not be written.
    fn commit(&mut self) -> Result<(), LogError>;

    /// Waits until everything recorded is with the operating system, so that it outlives this process. The driver
    /// asks for it before it lets messages go whose events were just recorded: nobody ever holds a message of an
    /// event that a killed machine's log does not know.
    ///
    /// # Errors
    /// [`LogError`] if that failed.
    fn settle(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    /// Waits until everything is with the operating system, and ends.
    ///
    /// # Errors
    /// [`LogError`] if that failed.
    fn close(&mut self) -> Result<(), LogError>;
}

/// Keeps nothing: for measurements of the wire alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLog;

impl EventLog for NoLog {
    fn open(&mut self, _run: &RunId, _started: WallTime) -> Result<(), LogError> {
        Ok(())
    }

    fn record(&mut self, _at: WallTime, _record: &Record) {}

    fn commit(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}
