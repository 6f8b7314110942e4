//! A history's lines (protocol.md, section 10).

use std::{borrow::Cow, collections::BTreeMap, io, io::BufRead};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use thiserror::Error;

use super::{Action, History, Operation, Outcome, Text, table::small};

/// Longest line, in bytes: the longest value, as text with every byte escaped, fits.
pub const LINE_BYTES_MAX: usize = 8 << 20;

/// Most operations of a history.
pub const OPERATIONS_MAX: usize = 100_000_000;

/// Stands before a delete's mark where values stand: no JSON text begins so.
pub(super) const MARK: &str = "mark ";

/// A history that cannot be judged.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// A line is none of a history.
    #[error(
        "{file}:{line}: {why}; a line is a JSON object such as \
         {{\"session\":\"a\",\"op\":\"put\",\"key\":\"x\",\"value\":1}} (protocol.md, section 10)"
    )]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u32,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// Two writes have one name, so nobody can tell which of them was read.
    #[error(
        "{second} writes {what} to key {key}, as {first} does: give each write of a key a value of its own, \
         so that a read says which it read"
    )]
    Twice {
        /// The first line.
        first: String,
        /// The second line.
        second: String,
        /// The value, or the mark.
        what: String,
        /// The key.
        key: String,
    },
    /// Too many sessions for so many operations.
    #[error(
        "the vectors of {sessions} sessions would take more than {} MiB: judge fewer sessions at once",
        super::VECTOR_BYTES_MAX >> 20
    )]
    TooLarge {
        /// How many there are.
        sessions: usize,
    },
}

/// What is known by name while lines are read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// With the file that a session's lines stand in.
    sessions: BTreeMap<String, (u32, u16)>,
    keys: BTreeMap<String, u32>,
    replicas: BTreeMap<String, u16>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    session: &'a RawValue,
    op: Word,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    mark: Option<&'a RawValue>,
    #[serde(default)]
    outcome: Outcome,
    begin_us: Option<u64>,
    #[serde(rename = "final", default)]
    is_final: bool,
    #[serde(borrow)]
    replica: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Put,
    Get,
    Delete,
    Add,
}

impl History {
    /// Reads a file of lines, behind those that were read before. Blank lines are skipped; a last line without its line
    /// feed that is no whole object was cut off with its client, and is left out with a note.
    ///
    /// # Errors
    /// [`HistoryError::Line`] names the first line that is none, [`HistoryError::Read`] a file that cannot be read.
    pub fn read(&mut self, name: &str, input: &mut impl BufRead) -> Result<(), HistoryError> {
        let file = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push(name.to_owned());
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let mut limited = io::Read::take(&mut *input, LINE_BYTES_MAX as u64 + 1);
            limited
                .read_until(b'\n', &mut bytes)
                .map_err(|error| HistoryError::Read {
                    file: name.to_owned(),
                    error,
                })?;
            let is_whole = bytes.ends_with(b"\n");
            let wrong = |why: String| HistoryError::Line {
                file: name.to_owned(),
                line,
                why,
            };
            if bytes.is_empty() {
                break;
            }
            if !is_whole && bytes.len() > LINE_BYTES_MAX {
                return Err(wrong(format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            if self.operations.len() >= OPERATIONS_MAX || file == u16::MAX {
                return Err(wrong(format!(
                    "a history has at most {OPERATIONS_MAX} operations in {} files",
                    u16::MAX
                )));
            }
            match parse(&bytes) {
                Ok(read) => self.take((file, line), &read).map_err(wrong)?,
                Err(_) if !is_whole => self.notes.push(format!(
                    "{name}:{line}: the last line was cut off, and is left out"
                )),
                Err(why) => return Err(wrong(why)),
            }
        }
        Ok(())
    }

    fn take(&mut self, (file, line): (u16, u32), read: &Line<'_>) -> Result<(), String> {
        let action = match read.op {
            Word::Put => Action::Put,
            Word::Get => Action::Get,
            Word::Delete => Action::Delete,
            Word::Add => Action::Add,
        };
        match (action, read.value) {
            (Action::Put, None) => {
                return Err("a put without a value; nothing is what `delete` writes".to_owned());
            }
            (Action::Add, None) => return Err("an add without a value: how much is added".to_owned()),
            (Action::Add, Some(value)) if value.get().parse::<i64>().is_err() => {
                return Err(format!("`{}` is no whole number to add", shown(value.get())));
            }
            (Action::Delete, Some(_)) => {
                return Err("a delete has no value; its name is its `mark`".to_owned());
            }
            (Action::Put | Action::Get | Action::Delete | Action::Add, _) => {}
        }
        let replica = match (read.is_final, action, read.replica) {
            (false, _, _) => None,
            (true, Action::Get, Some(replica)) => Some(self.replica(&plain(replica))?),
            (true, Action::Get, None) => return Err("a final get has to say its `replica`".to_owned()),
            (true, Action::Put | Action::Delete | Action::Add, _) => {
                return Err("only a get can be final".to_owned());
            }
        };
        let text = match (action, read.value, read.mark) {
            (Action::Put | Action::Get | Action::Add, Some(value), _) => self.keep("", &canonical(value)),
            (Action::Get | Action::Delete, None, Some(mark)) => self.keep(MARK, &canonical(mark)),
            (Action::Put | Action::Get | Action::Delete | Action::Add, _, _) => Text::default(),
        };
        let operation = Operation {
            file,
            line,
            session: self.named(&plain(read.session), file)?,
            key: self.keyed(&read.key),
            action,
            outcome: read.outcome,
            replica,
            text,
            begin_us: read.begin_us,
        };
        self.operations.push(operation);
        Ok(())
    }

    fn named(&mut self, name: &str, file: u16) -> Result<u32, String> {
        if let Some((session, first)) = self.reading.sessions.get(name) {
            if *first == file {
                return Ok(*session);
            }
            let other = self.files.get(usize::from(*first)).map_or("", String::as_str);
            return Err(format!(
                "session {} stands in {other} as well: a session's operations are in one file, in order; \
                 give each session a name of its own",
                shown(name)
            ));
        }
        let session = small(self.sessions.len());
        self.sessions.push(name.to_owned());
        self.reading.sessions.insert(name.to_owned(), (session, file));
        Ok(session)
    }

    fn keyed(&mut self, key: &str) -> u32 {
        if let Some(key) = self.reading.keys.get(key) {
            return *key;
        }
        let number = small(self.keys.len());
        self.keys.push(key.to_owned());
        self.reading.keys.insert(key.to_owned(), number);
        number
    }

    fn replica(&mut self, name: &str) -> Result<u16, String> {
        if let Some(replica) = self.reading.replicas.get(name) {
            return Ok(*replica);
        }
        let number = u16::try_from(self.replicas.len()).map_err(|_| "too many replicas".to_owned())?;
        self.replicas.push(name.to_owned());
        self.reading.replicas.insert(name.to_owned(), number);
        Ok(number)
    }

    fn keep(&mut self, before: &str, text: &str) -> Text {
        let start = self.texts.len();
        self.texts.push_str(before);
        self.texts.push_str(text);
        Text {
            start,
            bytes: small(before.len() + text.len()),
        }
    }
}

fn parse(line: &[u8]) -> Result<Line<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    serde_json::from_str(text).map_err(|error| {
        // The place within the line is of use, "line 1" is not.
        let why = error.to_string().replace(" at line 1 column ", " at byte ");
        match error.is_data() {
            true => why,
            false => format!("this is no JSON ({why})"),
        }
    })
}

/// One text for all spellings of a JSON value.
fn canonical(value: &RawValue) -> Cow<'_, str> {
    let text = value.get();
    let is_plain_text = text.starts_with('"') && !text.contains('\\');
    let is_whole_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain_text || is_whole_number {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => Cow::Owned(value.to_string()),
        Err(_) => Cow::Borrowed(text),
    }
}

/// A name, with or without quotation marks around it.
fn plain(value: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<Cow<'_, str>>(value.get()) {
        Ok(text) => text,
        Err(_) => Cow::Borrowed(value.get()),
    }
}

/// At most 40 characters of what a file holds, safe to print.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown.replace("\\\"", "\"")
}
