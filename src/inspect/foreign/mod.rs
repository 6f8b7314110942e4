//! Logs of other programs, read into the same [`History`] as those of runs, and judged by rules of their own.
//!
//! | format | module | what is known of it |
//! |---|---|---|
//! | ShiViz, TSViz | `shiviz` | vector clocks; an expression says where |
//! | GoVector, one file, several in one, or a folder | `govector` | vector clocks |
//! | Maelstrom, as text | `maelstrom` | messages with ids |
//!
//! The format is found out from the content (`detect`). Vector clocks are verified, not
//! believed (`verify`), and turned into arrows (`arrows`); Maelstrom's messages are matched (`journal`).
//! Events are numbered on their hosts from 1, and named by that: `n1:17`. Nothing is guessed: a message that a
//! vector clock cannot show is not there, and Maelstrom's binary journal is not read. Of several executions in
//! a file, `check` judges all, the others read the first.

mod arrows;
mod detect;
mod edn;
mod error;
mod expression;
mod govector;
mod history;
mod journal;
mod maelstrom;
mod shiviz;
mod text;
mod times;
mod vectors;
mod verdict;
mod verify;

use std::path::{Path, PathBuf};

pub use error::ForeignError;
pub use text::{FILE_BYTES_MAX, LINE_BYTES_MAX};
pub use vectors::HOSTS_MAX;

use self::{
    detect::{Format, detect},
    shiviz::Grammar,
    text::Text,
    vectors::{VectorLog, VectorLogBuilder},
};
use super::{check::Verdict, history::History};

/// What `clocklab` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file, whatever it holds.
    File(PathBuf),
    /// A folder with files of GoVector, in the order of their names.
    GoVector(Vec<PathBuf>),
}

/// A log that was read.
#[derive(Debug)]
enum Log {
    /// Executions with vector clocks, one at least.
    Vectors(Vec<VectorLog>),
    Maelstrom(Text, maelstrom::Journal),
}

/// Is this a log of another program? Every file is taken for one, since a run is a folder; a folder is one if
/// it has no log of a run and files of GoVector.
pub(super) fn source(path: &Path) -> Option<Source> {
    if path.is_file() {
        return Some(Source::File(path.to_owned()));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).ok()?.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("machine-") && name.ends_with(".log") {
            return None;
        }
        if name.ends_with(govector::FILE_END) {
            files.push(entry.path());
        }
    }
    files.sort();
    (!files.is_empty()).then_some(Source::GoVector(files))
}

/// For what runs only can give, such as `what`.
///
/// # Errors
/// [`ForeignError::NotARun`] if `path` is a log of another program.
pub(super) fn refuse(path: &Path, what: &'static str) -> Result<(), ForeignError> {
    let file = || path.display().to_string();
    match source(path) {
        Some(_) => Err(ForeignError::NotARun { file: file(), what }),
        None => Ok(()),
    }
}

/// Reads a log into memory.
pub(super) fn read(path: &Path, source: &Source) -> Result<History, ForeignError> {
    open(source).map(|log| history_of(log, path))
}

/// Judges a log: all its executions.
pub(super) fn check(path: &Path, source: &Source) -> Result<Verdict, ForeignError> {
    open(source).map(|log| verdict_of(&log, path))
}

/// Reads and judges the bytes of a log that is in memory; `name` stands for the file's name.
///
/// # Errors
/// [`ForeignError`] if the bytes are no log.
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> Result<(Verdict, History), ForeignError> {
    let path = Path::new(name);
    let log = take(Text::new(name.to_owned(), bytes)?, path)?;
    Ok((verdict_of(&log, path), history_of(log, path)))
}

fn verdict_of(log: &Log, path: &Path) -> Verdict {
    let parts = match log {
        Log::Maelstrom(text, journal) => vec![journal::match_up(text, journal).judged],
        Log::Vectors(logs) => logs.iter().map(verify::verify).collect(),
    };
    let mut verdict = verdict::verdict(path.display().to_string(), parts);
    if let Log::Vectors(logs) = log
        && logs.len() > 1
    {
        let labels: Vec<String> = logs.iter().map(|log| label(&log.label)).collect();
        let note = format!(
            "{} executions, each judged by itself: {}",
            logs.len(),
            labels.join(", ")
        );
        verdict.notes.insert(0, note);
    }
    verdict
}

fn history_of(log: Log, path: &Path) -> History {
    let shown = path.display().to_string();
    let name = path
        .file_name()
        .map_or_else(|| shown.clone(), |name| name.display().to_string());
    match log {
        Log::Maelstrom(text, journal) => {
            let matched = journal::match_up(&text, &journal);
            history::of_journal(&text, &journal, &matched, name, shown)
        }
        Log::Vectors(logs) => {
            let others: Vec<String> = logs.iter().skip(1).map(|log| label(&log.label)).collect();
            // There is one at least.
            let mut first = logs
                .into_iter()
                .next()
                .unwrap_or_else(|| VectorLogBuilder::default().finish());
            if !others.is_empty() {
                first.notes.push(format!(
                    "{shown}: {} executions; this is the first, {}, the others are {}",
                    others.len() + 1,
                    label(&first.label),
                    others.join(", ")
                ));
            }
            first.label.clear();
            history::of_vectors(&first, &verify::verify(&first), name, shown)
        }
    }
}

fn label(label: &str) -> String {
    match label {
        "" => "one without a name".to_owned(),
        name => format!("`{name}`"),
    }
}

fn open(source: &Source) -> Result<Log, ForeignError> {
    match source {
        Source::GoVector(files) => Ok(Log::Vectors(vec![govector::read_folder(files)?])),
        Source::File(path) => take(Text::read(path)?, path),
    }
}

fn take(text: Text, path: &Path) -> Result<Log, ForeignError> {
    let grammar = match detect(&text, path)? {
        Format::Maelstrom => {
            let journal = maelstrom::read(&text)?;
            return Ok(Log::Maelstrom(text, journal));
        }
        Format::Header => Grammar::of_header(&text)?,
        Format::Given(expression) => Grammar::given(&text, expression)?,
    };
    Ok(Log::Vectors(grammar.read(&text)?))
}
