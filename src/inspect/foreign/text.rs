//! A log file as text, within limits, and the lines of it.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use super::error::ForeignError;
use crate::trace::Place;

/// Largest log that is read, in bytes, files of a folder together: expressions match over several lines, so a log is
/// held as a whole.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// Longest line, in bytes: the vector clock of ten thousand hosts takes a fifth of it.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes of a line that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// A log file in memory.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The file as it was named.
    pub(super) file: Arc<str>,
    /// Its text; line ends are `\n`.
    pub(super) text: String,
    /// Whether bytes that are no UTF-8 were replaced.
    pub(super) is_mended: bool,
}

/// Counts lines along a text, from front to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
}

impl Text {
    pub(super) fn read(path: &Path) -> Result<Self, ForeignError> {
        let name = path.display().to_string();
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(FILE_BYTES_MAX + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| ForeignError::Read {
            file: name.clone(),
            error,
        })?;
        Self::new(name, bytes)
    }

    /// The bytes of a file as a text.
    pub(super) fn new(file: String, bytes: Vec<u8>) -> Result<Self, ForeignError> {
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ForeignError::TooLarge {
                file,
                bytes_max: FILE_BYTES_MAX,
            });
        }
        if let Some(offset) = memchr::memchr(0, &bytes) {
            return Err(ForeignError::Binary { file, offset });
        }
        let (mut text, is_mended) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        if text.starts_with('\u{FEFF}') {
            text.remove(0);
        }
        if text.contains('\r') {
            text = text.replace("\r\n", "\n");
        }
        if text.trim().is_empty() {
            return Err(ForeignError::Empty { file });
        }
        for (line, content) in (1..).zip(text.lines()) {
            if content.len() > LINE_BYTES_MAX {
                return Err(ForeignError::LongLine {
                    file,
                    line,
                    bytes: content.len(),
                    bytes_max: LINE_BYTES_MAX,
                });
            }
        }
        let file = file.into();
        Ok(Self {
            file,
            text,
            is_mended,
        })
    }

    /// A line of it.
    pub(super) fn place(&self, line: u32) -> Place {
        Place {
            file: self.file.clone(),
            line: u64::from(line),
        }
    }
}

impl<'a> Lines<'a> {
    /// Counts along `text`, whose first line is number `first`.
    pub(super) fn new(text: &'a str, first: u32) -> Self {
        Self {
            text,
            offset: 0,
            line: first,
        }
    }

    /// The line of a byte that is not before the last one asked for.
    pub(super) fn line_at(&mut self, offset: usize) -> u32 {
        if let Some(passed) = self.text.as_bytes().get(self.offset..offset) {
            let count = memchr::memchr_iter(b'\n', passed).count();
            self.line = self.line.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            self.offset = offset;
        }
        self.line
    }
}

/// The beginning of a text, for a message.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.trim().chars();
    let mut start: String = characters
        .by_ref()
        .take(SHOWN_CHARACTERS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if characters.next().is_some() {
        start.push('…');
    }
    start
}
