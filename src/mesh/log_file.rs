//! The event log as a file, written by tracing-appender's non-blocking worker.
//!
//! Lines are formatted by the loop into a batch, and a batch a round goes to the worker: `lossy(false)`, so a
//! disk that cannot keep up slows the machine down instead of losing lines. The worker's writer is ours: the
//! crate ignores write errors, a lab must not.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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
    path: PathBuf,
    lines: LineWriter,
    batch: Vec<u8>,
    worker: Option<(NonBlocking, WorkerGuard)>,
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
            path: PathBuf::new(),
            lines: LineWriter::default(),
            batch: Vec::new(),
            worker: None,
            handed_bytes: 0,
            progress: Arc::default(),
        }
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

    fn failure(&self, done: &mut Done) -> Result<(), LogError> {
        match done.error.take() {
            Some(error) => Err(LogError::Write {
                path: self.path.clone(),
                error,
            }),
            None => Ok(()),
        }
    }
}

impl EventLog for LogFile {
    fn open(&mut self, run: &RunId, started: WallTime) -> Result<(), LogError> {
        let folder = self.logs.join(run.as_str());
        fs::create_dir_all(&folder).map_err(|error| LogError::Create {
            path: folder.clone(),
            error,
        })?;
        self.path = folder.join(format!("machine-{}.log", self.header.machine));
        let file = OpenOptions::new().write(true).create_new(true).open(&self.path);
        let file = file.map_err(|error| LogError::Create {
            path: self.path.clone(),
            error,
        })?;
        let sink = Sink {
            file,
            whole_bytes: 0,
            progress: Arc::clone(&self.progress),
            failed: false,
        };
        let builder = NonBlockingBuilder::default()
            .lossy(false)
            .buffered_lines_limit(BATCHES_MAX);
        self.worker = Some(builder.thread_name("log").finish(sink));
        self.header.run = run.clone();
        self.header.started = started;
        self.lines.write_header(&self.header, &mut self.batch);
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
            self.failure(&mut self.progress.lock())
        } else {
            Ok(())
        }
    }

    fn close(&mut self) -> Result<(), LogError> {
        self.hand_over()?;
        let waiting = |done: &mut Done| done.error.is_none() && done.bytes < self.handed_bytes;
        let done = self.progress.lock();
        let waited = self
            .progress
            .changed
            .wait_timeout_while(done, CLOSE_WAIT, waiting);
        let (mut done, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            done.error = Some(io::ErrorKind::TimedOut.into());
        }
        self.failure(&mut done)?;
        drop(done);
        self.worker = None;
        Ok(())
    }
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
        done.error = failure;
        self.progress.changed.notify_all();
        Ok(batch.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for a number of bytes, which takes at most seven at a time.
    #[derive(Debug)]
    struct Disk {
        held: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(7).min(self.room - self.held.len());
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.held.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Cut for Disk {
        fn cut(&mut self, bytes: u64) {
            self.held.truncate(usize::try_from(bytes).unwrap());
        }
    }

    #[test]
    fn a_full_disk_keeps_whole_lines_and_nothing_after_the_gap() {
        let batches: [&[u8]; 3] = [b"one\ntwo\n", b"three\nfour\n", b"five\n"];
        let all = batches.concat();
        for room in 0..all.len() {
            let disk = Disk {
                held: Vec::new(),
                room,
            };
            let mut sink = Sink {
                file: disk,
                whole_bytes: 0,
                progress: Arc::default(),
                failed: false,
            };
            for batch in batches {
                sink.write_all(batch).unwrap();
            }
            assert!(all.starts_with(&sink.file.held), "room {room}");
            assert!(
                sink.file.held.is_empty() || sink.file.held.ends_with(b"\n"),
                "room {room}"
            );
            assert!(
                sink.file.held.len() + b"three\n".len() > room,
                "room {room}: a line that fitted is missing"
            );
        }
    }

    #[test]
    fn a_failed_write_is_told_once_and_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(folder.path(), header());
        log.open(&"first".parse().unwrap(), WallTime(0)).unwrap();
        log.progress.lock().error = Some(io::ErrorKind::StorageFull.into());
        let error = log.commit().unwrap_err().to_string();
        assert!(
            error.contains("first/machine-1.log") && error.contains("--logs"),
            "{error}"
        );
    }

    #[test]
    fn a_log_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let run: RunId = "again".parse().unwrap();
        let mut log = LogFile::new(folder.path(), header());
        log.open(&run, WallTime(0)).unwrap();
        log.close().unwrap();
        let before = fs::read(log.path()).unwrap();
        let error = LogFile::new(folder.path(), header())
            .open(&run, WallTime(9))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("never overwritten") && error.contains("--run"),
            "{error}"
        );
        assert_eq!(fs::read(log.path()).unwrap(), before);
    }

    #[test]
    fn an_unusable_folder_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let error = LogFile::new(&file, header())
            .open(&"run".parse().unwrap(), WallTime(0))
            .unwrap_err();
        assert!(error.to_string().contains("file/run"), "{error}");
    }

    fn header() -> Header {
        Header {
            machine: crate::units::MachineId(1),
            machines: 2,
            rate: None,
            draw: None,
            traffic: crate::trace::Traffic::Assignment,
            phase_us: None,
            speed: crate::units::Speed::NORMAL,
            clock: crate::clock::ClockKind::Lamport,
            seed: 1,
            run: "unknown".parse().unwrap(),
            started: WallTime(0),
        }
    }
}
