//! A run folder as one stream of records, in the order of their times.
//!
//! Each `machine-<id>.log` is read once from front to back; whatever else the folder holds is ignored. Memory
//! grows with the number of logs, never with their length. Times of different hosts may be skewed: the order
//! says when things were logged, not what caused what.
//!
//! ```text
//!   machine-0.log ──┐
//!   machine-1.log ──┼── earliest first ──▶ Item
//!   machine-2.log ──┘
//! ```

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use crate::{
    trace::{Entry, Header, Line, LogReader, ReadError, Record, WallTime},
    units::{MACHINES_MAX, MachineId},
    wire::RunId,
};

/// Bytes read from a log at once: large enough that system calls do not count.
const BUFFER_BYTES: usize = 64 * 1024;

/// Bytes of all logs' buffers together, so that thousands of logs do not fill the memory.
const BUFFERS_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(
    BUFFERS_BYTES_MAX / (MACHINES_MAX as usize) >= 4096,
    "a buffer holds some lines"
);

/// Why a run folder cannot be inspected.
#[derive(Debug, Error)]
pub enum InspectError {
    /// The folder cannot be listed.
    #[error("{dir}: {error}; name a run folder, or make one with `clocklab run`")]
    Folder {
        /// The folder as it was named.
        dir: String,
        /// The system's words.
        error: io::Error,
    },
    /// The folder holds no log.
    #[error(
        "{dir}: no log here: a run folder holds machine-0.log and so on; name one, or make one with `clocklab run`"
    )]
    NoLogs {
        /// The folder as it was named.
        dir: String,
    },
    /// A log cannot be opened.
    #[error("{file}: {error}")]
    Open {
        /// The file.
        file: String,
        /// The system's words.
        error: io::Error,
    },
    /// A log cannot be read, or is none.
    #[error("a log cannot be read; remove the file from the folder if it does not belong there")]
    Log(#[from] ReadError),
    /// A log of another program cannot be read.
    #[error(transparent)]
    Foreign(#[from] crate::inspect::foreign::ForeignError),
    /// Two logs say that they are of the same machine.
    #[error("{second}, line 2: this is the log of machine {machine}, as {first} is; remove one of them")]
    Twice {
        /// The machine.
        machine: MachineId,
        /// One log.
        first: String,
        /// The other.
        second: String,
    },
    /// Two logs are of different runs.
    #[error(
        "{file}, line 2: run {run} of {machines} machines, but {first} is of run {first_run} of {first_machines}; a folder holds one run"
    )]
    OtherRun {
        /// The log that differs.
        file: String,
        /// Its run.
        run: RunId,
        /// Its number of machines.
        machines: u16,
        /// The log it differs from.
        first: String,
        /// That one's run.
        first_run: RunId,
        /// That one's number of machines.
        first_machines: u16,
    },
}

/// A run folder being read.
#[derive(Debug)]
pub struct RunReader {
    dir: String,
    /// In the order of their machines.
    logs: Vec<Log>,
    /// Machines whose log was cut off before its header was complete.
    headless: Vec<MachineId>,
    /// The logs but the current one, by the time of the record that each has ready.
    ready: BinaryHeap<Reverse<(WallTime, usize)>>,
    /// The log with the earliest record, until all are at their end.
    current: Option<usize>,
    /// Whether the current log's record has been given out.
    taken: bool,
}

/// One log of the run.
#[derive(Debug)]
struct Log {
    file: Arc<str>,
    reader: LogReader<BufReader<File>>,
    entry: Entry,
}

/// What comes out of a run.
#[derive(Debug)]
pub enum Item<'a> {
    /// A line that says something.
    Record {
        /// Whose log.
        machine: MachineId,
        /// The line, from 1.
        line: u64,
        /// When.
        at: WallTime,
        /// What.
        record: &'a Record,
    },
    /// A line that cannot be read; those behind it are read all the same.
    Problem {
        /// Whose log.
        machine: MachineId,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        text: String,
    },
}

/// What a log gives when it is read on.
enum Step {
    Record(WallTime),
    Problem { line: u64, text: String },
    End,
}

impl RunReader {
    /// Opens all logs of a folder, or of the folder that a link such as `logs/latest` points to.
    ///
    /// # Errors
    /// [`InspectError`] if there is no log, or the logs are not those of one run. A machine whose log is
    /// missing is no error.
    pub fn open(dir: &Path) -> Result<Self, InspectError> {
        let name = dir.display().to_string();
        let folder = |error| InspectError::Folder {
            dir: name.clone(),
            error,
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(dir).map_err(folder)? {
            let path = entry.map_err(folder)?.path();
            if is_log(&path) {
                files.push(path);
            }
        }
        files.sort();
        let buffer_bytes = BUFFER_BYTES.min(BUFFERS_BYTES_MAX / files.len().max(1));
        let (mut logs, mut headless) = (Vec::new(), Vec::new());
        let mut cut_off = None;
        for path in &files {
            match Log::open(path, buffer_bytes) {
                Ok(log) => logs.push(log),
                // It says nothing of its run, but its name says whose it is.
                Err(InspectError::Log(error @ ReadError::Headless { .. })) => {
                    headless.extend(machine_of(path));
                    cut_off = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        logs.sort_by_key(|log| log.reader.header().machine);
        let Some(first) = logs.first() else {
            return Err(cut_off.map_or(InspectError::NoLogs { dir: name }, InspectError::Log));
        };
        for log in &logs {
            first.same_run(log)?;
        }
        for (log, next) in logs.iter().zip(logs.iter().skip(1)) {
            log.other_machine(next)?;
        }
        // Nothing is ready yet: before all times, so that each log is read on before anything is given out.
        let ready = (1..logs.len()).map(|index| Reverse((NOT_READ, index))).collect();
        Ok(Self {
            dir: name,
            logs,
            headless,
            ready,
            current: Some(0),
            taken: true,
        })
    }

    /// The folder as it was named.
    #[must_use]
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// How many machines the run has; there may be fewer logs. Of a store's run, one more than the greatest id of all
    /// headers.
    #[must_use]
    pub fn machines(&self) -> u16 {
        self.headers().map(|header| header.machines).max().unwrap_or(0)
    }

    /// How many machines the run has as far as anybody can count them: of a store's run, those that have a log.
    #[must_use]
    pub fn machine_count(&self) -> u16 {
        if self.is_open() {
            u16::try_from(self.logs.len()).unwrap_or(u16::MAX)
        } else {
            self.machines()
        }
    }

    /// Whether the run is one of the store: its machines come and go, and their ids are any numbers.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.headers().any(|header| header.incarnation.is_some())
    }

    /// The header of each log that is there, in the order of machines.
    pub fn headers(&self) -> impl Iterator<Item = &Header> {
        self.logs.iter().map(|log| log.reader.header())
    }

    /// The file of each machine's log; for one that is missing, where it should be.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<str>> {
        let mut files: Vec<Arc<str>> = MachineId::all(self.machines())
            .map(|machine| {
                let file = Path::new(&self.dir).join(format!("machine-{machine}.log"));
                file.display().to_string().into()
            })
            .collect();
        for log in &self.logs {
            if let Some(file) = files.get_mut(log.reader.header().machine.index()) {
                file.clone_from(&log.file);
            }
        }
        files
    }

    /// Machines whose log was cut off before its header was complete: it is there, but says nothing.
    #[must_use]
    pub fn headless(&self) -> &[MachineId] {
        &self.headless
    }

    /// Machines whose log ended within a line, and how many bytes of that line are there; known at the end of
    /// the run.
    pub fn cut(&self) -> impl Iterator<Item = (MachineId, usize)> {
        self.logs
            .iter()
            .map(|log| (log.reader.header().machine, log.reader.cut_bytes()))
            .filter(|(_, bytes)| *bytes > 0)
    }

    /// The next record of the run, or `None` at the end of all logs.
    ///
    /// # Errors
    /// [`InspectError::Log`] if the operating system fails to read on.
    #[inline]
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, InspectError> {
        while self.taken {
            let Some(index) = self.current else {
                return Ok(None);
            };
            let Some(log) = self.logs.get_mut(index) else {
                return Ok(None);
            };
            match log.step()? {
                Step::Record(at) => self.choose(at, index),
                Step::End => self.leave(),
                Step::Problem { line, text } => {
                    let machine = log.reader.header().machine;
                    return Ok(Some(Item::Problem { machine, line, text }));
                }
            }
        }
        self.taken = true;
        let log = self.current.and_then(|index| self.logs.get(index));
        Ok(log.and_then(Log::item))
    }

    /// The log `index` has a record of the time `at`: whose is the earliest?
    #[inline]
    fn choose(&mut self, at: WallTime, index: usize) {
        self.taken = false;
        if let Some(mut earliest) = self.ready.peek_mut() {
            let Reverse((time, other)) = *earliest;
            if (time, other) < (at, index) {
                *earliest = Reverse((at, index));
                self.current = Some(other);
                self.taken = time == NOT_READ;
            }
        }
    }

    /// The current log is at its end.
    fn leave(&mut self) {
        let next = self.ready.pop();
        self.taken = next.is_none_or(|Reverse((time, _))| time == NOT_READ);
        self.current = next.map(|Reverse((_, index))| index);
    }
}

/// The time of a log of which nothing was read yet.
const NOT_READ: WallTime = WallTime(i64::MIN);

impl Log {
    fn open(path: &Path, buffer_bytes: usize) -> Result<Self, InspectError> {
        let file = path.display().to_string();
        let source = File::open(path).map_err(|error| InspectError::Open {
            file: file.clone(),
            error,
        })?;
        let source = BufReader::with_capacity(buffer_bytes, source);
        Ok(Self {
            reader: LogReader::new(file.as_str(), source)?,
            file: file.into(),
            entry: Entry {
                line: 0,
                what: Line::Unknown,
            },
        })
    }

    fn same_run(&self, other: &Log) -> Result<(), InspectError> {
        let (mine, others) = (self.reader.header(), other.reader.header());
        // Replicas come and go: each header counts those that its replica knew then.
        let is_open = mine.incarnation.is_some() && others.incarnation.is_some();
        if mine.run == others.run && (mine.machines == others.machines || is_open) {
            return Ok(());
        }
        Err(InspectError::OtherRun {
            file: other.file.to_string(),
            run: others.run.clone(),
            machines: others.machines,
            first: self.file.to_string(),
            first_run: mine.run.clone(),
            first_machines: mine.machines,
        })
    }

    fn other_machine(&self, other: &Log) -> Result<(), InspectError> {
        let machine = self.reader.header().machine;
        if machine != other.reader.header().machine {
            return Ok(());
        }
        Err(InspectError::Twice {
            machine,
            first: self.file.to_string(),
            second: other.file.to_string(),
        })
    }

    /// Reads on to the next record. Remarks that this version does not know are passed over, as the protocol asks.
    #[inline]
    fn step(&mut self) -> Result<Step, ReadError> {
        loop {
            match self.reader.next_into(&mut self.entry) {
                Ok(false) => return Ok(Step::End),
                Ok(true) => match self.entry.what {
                    Line::Record { at, .. } => return Ok(Step::Record(at)),
                    Line::Unknown => {}
                },
                Err(ReadError::Line { line, what, .. }) => return Ok(Step::Problem { line, text: what }),
                Err(error) => return Err(error),
            }
        }
    }

    #[inline]
    fn item(&self) -> Option<Item<'_>> {
        match &self.entry.what {
            Line::Record { at, record } => Some(Item::Record {
                machine: self.reader.header().machine,
                line: self.entry.line,
                at: *at,
                record,
            }),
            Line::Unknown => None,
        }
    }
}

/// Whether a file has the name of a log: `machine-<id>.log`.
fn is_log(path: &Path) -> bool {
    machine_of(path).is_some()
}

/// The machine that a log's name says, as in `machine-7.log`.
fn machine_of(path: &Path) -> Option<MachineId> {
    let name = path.file_name()?.to_str()?;
    let id = name.strip_prefix("machine-")?.strip_suffix(".log")?;
    id.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| id.parse().ok())?
}
