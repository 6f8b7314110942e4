//! Logs of GoVector: two lines an event, one file a process, or all files in one.
//!
//! ```text
//! client {"client":3, "server":3}              1700000000123456789 client {"client":3, "server":3}
//! INFO-Received the reply                      INFO-Received the reply
//! ```
//!
//! The second form has the option `UseTimestamps`: nanoseconds since 1970. `LogLocalEvent` puts the level
//! (`DEBUG-`, `INFO-`, `WARNING-`, `ERROR-`, `FATAL-`) before the text, sends and receives have none. A
//! process writes `<name>-Log.txt`; a file with the first line `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`
//! holds several of them, as GoVector's `shiviz.sh` makes it, and is read as [`shiviz`](super::shiviz) reads
//! any other. With `AppendLog` a line `=== Execution #… ===` begins each execution. Source:
//! DistributedClocks/GoVector, `govec/govec.go` (logThis, prepareLogFile).

use std::path::PathBuf;

use super::{
    error::ForeignError,
    shiviz::Grammar,
    text::{FILE_BYTES_MAX, Text},
    vectors::{VectorLog, VectorLogBuilder},
};

/// What the names of GoVector's files end with.
pub(super) const FILE_END: &str = "-Log.txt";

/// Files of a folder that are read at most: as many as there may be hosts. Of more the first by name are read, and
/// the rest noted.
const FILES_MAX: usize = super::vectors::HOSTS_MAX;

const PLAIN: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";
const WITH_TIME: &str = r"(?<timestamp>\d+) (?<host>\S+) (?<clock>{.*})\n(?<event>.*)";

/// Whether a line is the first of an event, and if so, by which expression.
pub(super) fn expression_of(line: &str) -> Option<&'static str> {
    let start = line.find(" {")?;
    if !line.trim_end().ends_with('}') {
        return None;
    }
    let mut words = line.get(..start)?.split(' ');
    let first = words.next().filter(|word| !word.is_empty())?;
    match (words.next(), words.next()) {
        (None, _) => Some(PLAIN),
        (Some(host), None) if !host.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(WITH_TIME)
        }
        _ => None,
    }
}

/// The expression of a log without a header: that of its first event, if an execution's line or blanks are all
/// that stands before.
pub(super) fn expression(text: &str) -> Option<&'static str> {
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("==="));
    expression_of(lines.next()?)
}

/// The logs of several processes as one execution.
pub(super) fn read_folder(files: &[PathBuf]) -> Result<VectorLog, ForeignError> {
    let mut builder = VectorLogBuilder::default();
    if let Some(more @ 1..) = files.len().checked_sub(FILES_MAX) {
        builder.notes.push(format!(
            "{more} files of GoVector are left out: the first {FILES_MAX} by name are read"
        ));
    }
    let mut bytes = 0;
    for path in files.iter().take(FILES_MAX) {
        let text = match Text::read(path) {
            // A process that has not written yet.
            Err(ForeignError::Empty { file }) => {
                builder.notes.push(format!("{file}: the file is empty"));
                continue;
            }
            other => other?,
        };
        bytes += text.text.len() as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(ForeignError::TooLarge {
                file: format!("{} with the files before it", text.file),
                bytes_max: FILE_BYTES_MAX,
            });
        }
        let Some(expression) = expression(&text.text) else {
            builder.notes.push(format!(
                "{}: no log of GoVector, skipped: its first line is no `host {{\"host\":1}}`",
                text.file
            ));
            continue;
        };
        Grammar::given(&text, expression)?.read_file(&text, &mut builder)?;
    }
    Ok(builder.finish())
}
