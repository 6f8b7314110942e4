//! Reading a log from front to back: constant memory, and every line's number for messages.

use std::io::{self, BufRead};

use thiserror::Error;

use super::{
    canonical::parse_canonical,
    event::{Header, Record},
    line::{FORMAT_LINE, parse_event, parse_header},
    remark::parse_remark,
    wall_time::{TimeText, WallTime},
};

/// Longest line that is looked at, in bytes: a vector of ten thousand entries fits.
const LINE_BYTES_MAX: usize = 1 << 20;

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What it says.
    pub what: Line,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A record and its time.
    Record {
        /// When.
        at: WallTime,
        /// What.
        record: Record,
    },
    /// A remark that this version does not know.
    Unknown,
}

/// Why a log, or one line of it, cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The operating system says so.
    #[error("{file}: {error}")]
    Io {
        /// The file as it was named.
        file: String,
        /// The system's words.
        error: io::Error,
    },
    /// The file is not a clocklab log, or its header cannot be used. Nothing of it was read.
    #[error("{file}, line {line}: {what}")]
    NoLog {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// The log was cut off before its header was complete, as by kill -9 in the moment of the start.
    #[error("{file}, line {line}: the log ends before its header is complete")]
    Headless {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// One line is not what the format allows. The lines behind it can still be read.
    #[error("{file}, line {line}: {what}")]
    Line {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what was expected.
        what: String,
    },
}

/// A log being read.
#[derive(Debug)]
pub struct LogReader<R> {
    file: String,
    source: R,
    header: Header,
    line: u64,
    text: Vec<u8>,
    time: TimeText,
    cut_bytes: usize,
}

impl<R: BufRead> LogReader<R> {
    /// Reads the first two lines of `source`; `file` is its name in messages.
    ///
    /// # Errors
    /// [`ReadError::NoLog`] if they are not those of a log, [`ReadError::Headless`] if they are cut off,
    /// [`ReadError::Io`] if they cannot be read.
    pub fn new(file: impl Into<String>, source: R) -> Result<Self, ReadError> {
        let file = file.into();
        let mut source = source;
        let mut text = Vec::new();
        let no_log = |line, what: String| ReadError::NoLog {
            file: file.clone(),
            line,
            what,
        };
        let mut next = |text: &mut Vec<u8>| {
            read_line(&mut source, text).map_err(|error| ReadError::Io {
                file: file.clone(),
                error,
            })
        };
        match next(&mut text)? {
            Ending::LineFeed if text == FORMAT_LINE.as_bytes() => {}
            Ending::Nothing if FORMAT_LINE.as_bytes().starts_with(&text) => {
                return Err(ReadError::Headless {
                    file: file.clone(),
                    line: 1,
                });
            }
            Ending::LineFeed | Ending::Nothing => {
                return Err(no_log(
                    1,
                    format!("this is no clocklab log: it must begin with `{FORMAT_LINE}`"),
                ));
            }
        }
        let ending = next(&mut text)?;
        if matches!(ending, Ending::Nothing) {
            return Err(ReadError::Headless {
                file: file.clone(),
                line: 2,
            });
        }
        let header = parse_header(&text).map_err(|what| no_log(2, what))?;
        Ok(Self {
            file,
            source,
            header,
            line: 2,
            text,
            time: TimeText::default(),
            cut_bytes: 0,
        })
    }

    /// The second line.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Bytes of a last line without its line feed, which was left out; known at the end of the log.
    #[must_use]
    pub fn cut_bytes(&self) -> usize {
        self.cut_bytes
    }

    /// The next line that is not blank, or `None` at the end.
    ///
    /// # Errors
    /// [`ReadError::Line`] for a line that cannot be read; call again for the one behind it.
    /// [`ReadError::Io`] ends the log.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut entry = Entry {
            line: 0,
            what: Line::Unknown,
        };
        Ok(self.next_into(&mut entry)?.then_some(entry))
    }

    /// The same into an entry that is used again and again; `false` at the end of the log.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry); the entry is then to be disregarded.
    #[inline]
    pub fn next_into(&mut self, entry: &mut Entry) -> Result<bool, ReadError> {
        // Nearly every line lies whole in the source's buffer: it is read there, without a copy. The rest
        // goes the way of long lines, as does an error, which comes again and is judged there.
        while let Ok(available) = self.source.fill_buf() {
            let Some(end) = memchr::memchr(b'\n', available).filter(|end| *end <= LINE_BYTES_MAX) else {
                break;
            };
            let text = without_return(available.get(..end).unwrap_or_default());
            let (read, taken) = (parse_line(text, &mut self.time, entry), end + 1);
            self.source.consume(taken);
            self.line += 1;
            match read {
                Ok(false) => {}
                Ok(true) => {
                    entry.line = self.line;
                    return Ok(true);
                }
                Err(what) => return Err(self.line_error(what)),
            }
        }
        self.next_across_buffers(entry)
    }

    /// The next line, gathered from several buffers.
    #[cold]
    fn next_across_buffers(&mut self, entry: &mut Entry) -> Result<bool, ReadError> {
        loop {
            let ending = read_line(&mut self.source, &mut self.text).map_err(|error| ReadError::Io {
                file: self.file.clone(),
                error,
            })?;
            if matches!(ending, Ending::Nothing) {
                self.cut_bytes = self.text.len();
                return Ok(false);
            }
            self.line += 1;
            match parse_line(&self.text, &mut self.time, entry) {
                Ok(false) => {}
                Ok(true) => {
                    entry.line = self.line;
                    return Ok(true);
                }
                Err(what) => return Err(self.line_error(what)),
            }
        }
    }

    #[cold]
    fn line_error(&self, what: String) -> ReadError {
        ReadError::Line {
            file: self.file.clone(),
            line: self.line,
            what,
        }
    }
}

/// Reads a line without its line feed; `false` for a blank one.
#[inline]
fn parse_line(text: &[u8], time: &mut TimeText, entry: &mut Entry) -> Result<bool, String> {
    // An event behind an event, as nearly always: into the place of the last one.
    if let Line::Record {
        at,
        record: Record::Event(event),
    } = &mut entry.what
        && let Some(now) = parse_canonical(text, time, event)
    {
        *at = now;
        return Ok(true);
    }
    entry.what = match text.first() {
        None => return Ok(false),
        Some(b'#') => match parse_remark(text, time)? {
            Some((at, record)) => Line::Record { at, record },
            None => Line::Unknown,
        },
        Some(_) => {
            let (at, event) = parse_event(text, time)?;
            Line::Record {
                at,
                record: Record::Event(event),
            }
        }
    };
    Ok(true)
}

/// A line that another program ended with CR LF.
#[inline]
fn without_return(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// How a line ended.
enum Ending {
    LineFeed,
    /// The end of the file: the text is a line cut off, or nothing.
    Nothing,
}

/// Reads up to the next line feed, which is left out of `text`. A line over the limit is an error.
#[inline]
fn read_line(source: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Ending> {
    text.clear();
    loop {
        let available = match source.fill_buf() {
            Ok([]) => return Ok(Ending::Nothing),
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let place = memchr::memchr(b'\n', available);
        let taken = place.unwrap_or(available.len());
        text.extend_from_slice(available.get(..taken).unwrap_or_default());
        source.consume(taken + usize::from(place.is_some()));
        if text.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line is over {LINE_BYTES_MAX} bytes long"),
            ));
        }
        if place.is_some() {
            if text.last() == Some(&b'\r') {
                text.pop();
            }
            return Ok(Ending::LineFeed);
        }
    }
}
