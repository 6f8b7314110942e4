//! The files without which fjall would begin a tree anew, or lose sight of some of its rows, without a word.
//!
//! ```text
//!   rows/version                which format
//!   rows/N.jnl                  its journal: empty, but without one no row's number is taken up again
//!   rows/keyspaces/0/current    the list of trees: those that are not in it are taken away
//!   rows/keyspaces/1/current    the one tree: without it what lies beside it is taken away
//! ```
//!
//! Only whether they are there: what is in them, and in the others, fjall compares with checksums of its own.

use std::{fs, io, path::Path};

use super::{
    error::{DiskError, MEND_DATA},
    folder::io_error,
};

/// Needed, beside a journal.
const FILES: [&str; 3] = ["version", "keyspaces/0/current", "keyspaces/1/current"];

/// What a journal's name ends with.
const JOURNAL: &str = "jnl";

/// Looks for what a tree at `rows` needs, and changes nothing.
///
/// # Errors
/// [`DiskError::Damaged`] if one of them is missing.
pub(super) fn require(rows: &Path) -> Result<(), DiskError> {
    let mut has_journal = false;
    for entry in fs::read_dir(rows).map_err(|error| io_error(rows, error))? {
        let entry = entry.map_err(|error| io_error(rows, error))?;
        has_journal |= Path::new(&entry.file_name())
            .extension()
            .is_some_and(|extension| extension == JOURNAL);
    }
    if !has_journal {
        return Err(missing(rows, "its journal is missing, a file *.jnl"));
    }
    for file in FILES {
        let path = rows.join(file);
        match fs::metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing(&path, "it is missing, and was made with the rows"));
            }
            Err(error) => return Err(io_error(&path, error)),
        }
    }
    Ok(())
}

fn missing(path: &Path, what: &str) -> DiskError {
    DiskError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
        mend: MEND_DATA,
    }
}
