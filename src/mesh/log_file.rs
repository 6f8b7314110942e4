//! The event log as a file, written by tracing-appender's non-blocking worker.
//!
//! Lines are formatted by the loop into a batch, and a batch a round goes to the worker: `lossy(false)`, so a
//! disk that cannot keep up slows the machine down instead of losing lines. The worker's writer is ours: the
//! crate ignores write errors, a lab must not.
//!
//! Before messages leave, what is recorded has to be with the operating system. Then the loop writes the batch itself,
//! unless the worker still has some: a write into the page cache is cheaper than waking the worker and waiting for it.
//!
//! A log has one writer: it is locked as long as that lives, so that a machine which still runs is not started again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::event_log::{EventLog, LogError};
use crate::{
    trace::{Header, LineWriter, Record, WallTime},
    wire::RunId,
};

/// A batch this long is handed over within a round.
const BATCH_BYTES: usize = 64 << 10;

/// Batches that may wait for the worker: with [`BATCH_BYTES`] it bounds memory to 4 MiB. At the limit the
/// machine waits.
const BATCHES_MAX: usize = 64;

/// How long a close waits for the disk.
const CLOSE_WAIT: Duration = Duration::from_secs(60);

/// A machine's log in `<logs>/<run>/machine-<id>.log`.
#[derive(Debug)]
pub struct LogFile {
    logs: PathBuf,
    /// The header, but for run and start, which the handshake settles.
    header: Header,
    /// Of a further life: what the earlier ones have written, and how long it is.
    before: Option<(File, u64)>,
    path: PathBuf,
    lines: LineWriter,
    batch: Vec<u8>,
    worker: Option<(NonBlocking, WorkerGuard)>,
    sink: Option<SharedSink>,
    handed_bytes: u64,
    progress: Arc<Progress>,
}

/// What the worker has done, for the loop to see.
#[derive(Debug, Default)]
struct Progress {
    done: Mutex<Done>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Done {
    bytes: u64,
    /// The loop waits to hear of it: else to wake it would be a call of the system for each batch.
    is_awaited: bool,
    /// The first failure; there is nothing to be done about it.
    error: Option<io::Error>,
}

impl LogFile {
    /// A log below `logs`, begun when the driver opens it. `header` holds what is known before: its `run` and
    /// `started` are replaced.
    #[must_use]
    pub fn new(logs: &Path, header: Header) -> Self {
        Self {
            logs: logs.to_owned(),
            header,
            before: None,
            path: PathBuf::new(),
            lines: LineWriter::default(),
            batch: Vec::new(),
            worker: None,
            sink: None,
            handed_bytes: 0,
            progress: Arc::default(),
        }
    }

    /// The log of a machine that is started again: it goes on behind the last whole line of the file that is there, of
    /// the run that `header` names. `bytes` is how long the file was when it was read.
    ///
    /// # Errors
    /// [`LogError::Resume`] if it cannot be opened, or another process writes it, or has since it was read.
    pub fn resumed(logs: &Path, header: Header, bytes: u64) -> Result<Self, LogError> {
        let path = logs
            .join(header.run.as_str())
            .join(format!("machine-{}.log", header.machine));
        let before = open_behind(&path, bytes).map_err(|error| LogError::Resume { path, error })?;
        Ok(Self {
            before: Some(before),
            ..Self::new(logs, header)
        })
    }

    /// The file, once it is open.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn hand_over(&mut self) -> Result<(), LogError> {
        if let Some((writer, _)) = &mut self.worker
            && !self.batch.is_empty()
        {
            self.handed_bytes += self.batch.len() as u64;
            let handed = writer.write_all(&self.batch);
            self.batch.clear();
            handed.map_err(|error| LogError::Write {
                path: self.path.clone(),
                error,
            })?;
        }
        Ok(())
    }

    /// Waits until the worker has written what it was handed.
    fn wait_for_worker(&self) -> Result<(), LogError> {
        let waiting = |done: &mut Done| done.error.is_none() && done.bytes < self.handed_bytes;
        let mut done = self.progress.lock();
        done.is_awaited = true;
        let waited = self
            .progress
            .changed
            .wait_timeout_while(done, CLOSE_WAIT, waiting);
        let (mut done, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        done.is_awaited = false;
        if timeout.timed_out() {
            done.error = Some(io::ErrorKind::TimedOut.into());
        }
        self.failure(&done)
    }

    /// What failed, every time it is asked for: nothing is written after it.
    fn failure(&self, done: &Done) -> Result<(), LogError> {
        match &done.error {
            Some(error) => Err(LogError::Write {
                path: self.path.clone(),
                error: copy_of(error),
            }),
            None => Ok(()),
        }
    }
}

impl EventLog for LogFile {
    fn open(&mut self, run: &RunId, started: WallTime) -> Result<(), LogError> {
        let folder = self.logs.join(run.as_str());
        fs::create_dir_all(&folder).map_err(|error| LogError::Folder {
            folder: folder.clone(),
            error,
        })?;
        self.path = folder.join(format!("machine-{}.log", self.header.machine));
        let before = self.before.take();
        let is_new = before.is_none();
        let (file, whole_bytes) = match before {
            Some(before) => before,
            None => create(&self.path).map_err(|error| LogError::Create {
                path: self.path.clone(),
                error,
            })?,
        };
        let sink = SharedSink(Arc::new(Mutex::new(Sink {
            file,
            whole_bytes,
            progress: Arc::clone(&self.progress),
            failed: false,
        })));
        self.sink = Some(sink.clone());
        let builder = NonBlockingBuilder::default()
            .lossy(false)
            .buffered_lines_limit(BATCHES_MAX);
        self.worker = Some(builder.thread_name("log").finish(sink));
        self.header.run = run.clone();
        self.header.started = started;
        if is_new {
            self.lines.write_header(&self.header, &mut self.batch);
        }
        self.hand_over()
    }

    #[inline]
    fn record(&mut self, at: WallTime, record: &Record) {
        self.lines.write(at, record, &mut self.batch);
        if self.batch.len() >= BATCH_BYTES {
            // A failure shows in the commit that ends the round.
            let _ = self.hand_over();
        }
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.hand_over()?;
        if self.worker.is_some() {
            self.failure(&self.progress.lock())
        } else {
            Ok(())
        }
    }

    fn settle(&mut self) -> Result<(), LogError> {
        let is_idle = self.progress.lock().bytes == self.handed_bytes;
        match &mut self.sink {
            Some(sink) if is_idle => {
                if !self.batch.is_empty() {
                    self.handed_bytes += self.batch.len() as u64;
                    let written = sink.write_all(&self.batch);
                    self.batch.clear();
                    written.map_err(|error| LogError::Write {
                        path: self.path.clone(),
                        error,
                    })?;
                }
                self.failure(&self.progress.lock())
            }
            Some(_) => {
                self.hand_over()?;
                self.wait_for_worker()
            }
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), LogError> {
        self.hand_over()?;
        self.wait_for_worker()?;
        if let Some(sink) = &self.sink {
            // The worker holds the file a moment longer. Where this fails, the lock goes with the file.
            let sink = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = flock(&sink.file, FlockOperation::Unlock);
        }
        (self.worker, self.sink) = (None, None);
        Ok(())
    }
}

/// Makes a log, which is empty.
fn create(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok((file, 0))
}

/// Opens a log that is there and `bytes` long, cut back to its last whole line, to be written on at its end; and how
/// long it is then. Nobody else opens it as long as it is held.
fn open_behind(path: &Path, bytes: u64) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let mut end = file.metadata()?.len();
    if end != bytes {
        let text = format!("it had {bytes} bytes when it was read, and has {end} now");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut chunk = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(BATCH_BYTES as u64);
        file.seek(SeekFrom::Start(begin))?;
        chunk.clear();
        (&mut file).take(end - begin).read_to_end(&mut chunk)?;
        match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(place) => {
                end = begin + place as u64 + 1;
                break;
            }
            None => end = begin,
        }
    }
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok((file, end))
}

/// The same error again: the system's number or, where there is none, its kind.
fn copy_of(error: &io::Error) -> io::Error {
    let number = error.raw_os_error();
    number.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Done> {
        // Two plain values: no panic can leave them half written.
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that can be cut back after a failed write.
trait Cut: Write {
    fn cut(&mut self, bytes: u64);
}

impl Cut for File {
    fn cut(&mut self, bytes: u64) {
        // A best effort on a disk that fails already; a reader leaves out a line that is cut off in any case.
        let _ = self.set_len(bytes);
    }
}

/// The worker's end: writes whole batches, remembers the first error, and writes nothing after it.
#[derive(Debug)]
struct Sink<F> {
    file: F,
    /// Bytes in the file, all of them whole lines.
    whole_bytes: u64,
    progress: Arc<Progress>,
    failed: bool,
}

/// The one sink of the worker and of the loop, which never write at the same time: the loop only when the worker has
/// nothing left.
#[derive(Clone, Debug)]
struct SharedSink(Arc<Mutex<Sink<File>>>);

impl Write for SharedSink {
    fn write(&mut self, batch: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(batch)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl<F: Cut> Write for Sink<F> {
    fn write(&mut self, batch: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(batch.len());
        }
        let mut rest = batch;
        let failure = loop {
            if rest.is_empty() {
                break None;
            }
            match self.file.write(rest) {
                Ok(0) => break Some(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => rest = rest.get(bytes..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        let written = batch.get(..batch.len() - rest.len()).unwrap_or_default();
        let whole = written
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |place| place + 1);
        self.whole_bytes += whole as u64;
        if failure.is_some() {
            self.failed = true;
            self.file.cut(self.whole_bytes);
        }
        let mut done = self.progress.lock();
        done.bytes += batch.len() as u64;
        done.error = done.error.take().or(failure);
        if done.is_awaited {
            self.progress.changed.notify_all();
        }
        Ok(batch.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
