//! The logs of a run, followed: every line once, in the order of each log, as it is written.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    trace::{Header, LogReader, LogTail, Record, WallTime},
    units::MachineId,
};

/// Bytes read from one log in one look: a log of 64 MiB is caught up with in 16 looks.
const LOOK_BYTES: u64 = 4 << 20;

/// Bytes in which a header must stand.
const HEADER_BYTES_MAX: usize = 4096;

/// Follows the logs of one run folder, which need not be there yet. Logs that appear later are followed too.
#[derive(Debug)]
pub struct Follower {
    folder: PathBuf,
    logs: BTreeMap<MachineId, Followed>,
}

/// Something that a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whose log.
    pub machine: MachineId,
    /// What it says.
    pub what: What,
}

/// What a log can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The log is there; its first news.
    Header(Box<Header>),
    /// A line behind the header.
    Record {
        /// The line's number in the file, from 1.
        line: u64,
        /// When.
        at: WallTime,
        /// What.
        record: Record,
    },
}

#[derive(Debug)]
struct Followed {
    file: File,
    /// Bytes of the header while it is not whole.
    head: Vec<u8>,
    has_header: bool,
    tail: LogTail,
}

impl Follower {
    /// Follows the run in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            logs: BTreeMap::new(),
        }
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is new since the last look, machine by machine; at most 4 MiB of each log. Returns whether there was
    /// more than that, so that another look is worth it at once.
    ///
    /// # Errors
    /// What the system says of the folder or a log; a folder that is not there yet is no error.
    pub fn look(&mut self, news: &mut Vec<News>) -> io::Result<bool> {
        self.find_logs()?;
        let mut more = false;
        for (machine, log) in &mut self.logs {
            more |= log.look(*machine, news)?;
        }
        Ok(more)
    }

    fn find_logs(&mut self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let id = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix("machine-")?.strip_suffix(".log"))
                .and_then(|id| id.parse().ok());
            if let Some(id) = id
                && !self.logs.contains_key(&id)
            {
                let followed = Followed {
                    file: File::open(&path)?,
                    head: Vec::new(),
                    has_header: false,
                    tail: LogTail::default(),
                };
                self.logs.insert(id, followed);
            }
        }
        Ok(())
    }
}

impl Followed {
    fn look(&mut self, machine: MachineId, news: &mut Vec<News>) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(LOOK_BYTES).read_to_end(&mut bytes)?;
        let mut rest = bytes.as_slice();
        if !self.has_header {
            self.head.extend_from_slice(&bytes);
            let ends: Vec<usize> = (0_usize..)
                .zip(&self.head)
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(place, _)| place + 1)
                .take(2)
                .collect();
            let [_, end] = ends.as_slice() else {
                // No header: what is no log is not followed further.
                self.head.truncate(HEADER_BYTES_MAX);
                return Ok(false);
            };
            let header = self.head.get(..*end).unwrap_or_default();
            let Ok(reader) = LogReader::new("log", header) else {
                return Ok(false);
            };
            self.has_header = true;
            news.push(News {
                machine,
                what: What::Header(Box::new(reader.header().clone())),
            });
            rest = self.head.get(*end..).unwrap_or_default();
        }
        self.tail.take(rest, |line, at, record| {
            // The tail counts from the first line behind the header.
            let line = line + 2;
            let what = What::Record { line, at, record };
            news.push(News { machine, what });
        });
        if self.has_header {
            self.head = Vec::new();
        }
        Ok(read as u64 == LOOK_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_line_comes_once_however_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let text = "# clocklab-log 1\n\
            # machine=1 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n\
            2026-11-20T23:16:01.100000Z internal tick=1 clock=1\n\
            # stall=2026-11-20T23:16:04.000000Z late_us=2900000 skipped=3\n\
            2026-11-20T23:16:04.000001Z internal tick=2 clock=2\n";
        for step in [1, 7, 64, text.len()] {
            let path = folder.path().join("machine-1.log");
            let mut file = File::create(&path).unwrap();
            let mut follower = Follower::new(folder.path());
            let mut news = Vec::new();
            for piece in text.as_bytes().chunks(step) {
                file.write_all(piece).unwrap();
                follower.look(&mut news).unwrap();
            }
            let lines: Vec<Option<u64>> = news
                .iter()
                .map(|news| match &news.what {
                    What::Header(_) => None,
                    What::Record { line, .. } => Some(*line),
                })
                .collect();
            assert_eq!(lines, [None, Some(3), Some(4), Some(5)], "pieces of {step}");
            assert!(news.iter().all(|news| news.machine == MachineId(1)));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut news = Vec::new();
        let more = Follower::new(&folder.path().join("later")).look(&mut news);
        assert_eq!((more.unwrap(), news), (false, Vec::new()));
    }
}
