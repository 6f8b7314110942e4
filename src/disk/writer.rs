//! The disk's thread: takes all groups that wait, writes them as one record, syncs once, says how far it has come.
//!
//! A record is written all or not at all, so groups that share one are as atomic as alone. At any moment at most one
//! is written and not synced: what a loss of power may tear is the last one. A file that is full another thread takes into
//! the tree meanwhile; if that is not done when the other file is full, too, writing waits for it.

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    ahead::{Ahead, Turn},
    error::DiskError,
    folder::{Lock, io_error},
    queue::{Group, Queue, Work, now},
    rows::Rows,
    sync::{SYNC_INTERVAL, Sync},
};
use crate::service::{Disk, Progress, Row};

/// The room for a file that is taken into the tree is given back when none has come for so long.
const KEEP_ROOM: Duration = Duration::from_secs(10);

/// A data folder that is written to.
#[derive(Debug)]
pub struct FolderDisk {
    queue: Arc<Queue>,
    sync: Sync,
    /// With [`Sync::Never`] what was given last: it counts as kept, unless too much waits.
    given: u64,
    /// What counted as kept last.
    told: u64,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Writer {
    ahead: Ahead,
    fold: Fold,
    sync: Sync,
    queue: Arc<Queue>,
    /// When what the operating system has must be synced; `None` if it all is.
    sync_due: Option<Instant>,
    /// Let go of last.
    _lock: Lock,
}

/// The thread that takes full files into the tree.
struct Fold {
    jobs: Option<mpsc::SyncSender<(Turn, u64)>>,
    done: mpsc::Receiver<Result<(), DiskError>>,
    /// A file is being taken in.
    is_busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl FolderDisk {
    pub(super) fn start(rows: Rows, lock: Lock, path: &Path, sync: Sync) -> Result<Self, DiskError> {
        let queue = Arc::<Queue>::default();
        let (seed, last) = rows.ahead();
        let mut writer = Writer {
            ahead: Ahead::open(rows.path(), seed, last)?,
            fold: Fold::start(rows).map_err(|error| io_error(path, error))?,
            sync,
            queue: Arc::clone(&queue),
            sync_due: None,
            _lock: lock,
        };
        let thread = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || {
                let queue = Arc::clone(&writer.queue);
                if let Err(error) = writer.run() {
                    queue.fail(format!("the disk takes no more writes: {error}"));
                }
                // Files are closed and the folder unlocked before the end is told.
                drop(writer);
                queue.end();
            })
            .map_err(|error| io_error(path, error))?;
        Ok(Self {
            queue,
            sync,
            given: 0,
            told: 0,
            thread: Some(thread),
        })
    }
}

impl Disk for FolderDisk {
    fn append(&mut self, number: u64, rows: Vec<Row>) {
        self.given = number;
        self.queue.put((number, rows));
    }

    fn progress(&mut self) -> Progress {
        let mut progress = self.queue.progress();
        if self.sync == Sync::Never && progress.failed.is_none() {
            if !self.queue.is_crowded() {
                self.told = self.given;
            }
            progress.through = progress.through.max(self.told);
        }
        progress
    }

    fn on_progress(&mut self, wake: Box<dyn Fn() + Send + core::marker::Sync>) {
        self.queue.set_wake(wake);
    }

    fn close(&mut self) {
        let has_ended = self.queue.close();
        if let Some(thread) = self.thread.take()
            && has_ended
        {
            // It has said its last word; a thread that hangs in the system is left to the end of the process.
            let _ = thread.join();
        }
    }
}

impl Drop for FolderDisk {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.close();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes until the end, or until something fails.
    fn run(&mut self) -> Result<(), DiskError> {
        loop {
            match self.queue.take(self.sync_due) {
                Work::Write(groups) => self.write(&groups)?,
                Work::Idle => self.sync_now()?,
                Work::End => {
                    self.ahead.sync()?;
                    return self.fold.wait();
                }
            }
        }
    }

    fn write(&mut self, groups: &[Group]) -> Result<(), DiskError> {
        let through = groups.last().map_or(0, |(number, _)| *number);
        self.ahead.append(groups)?;
        if self.sync == Sync::Always {
            self.ahead.sync()?;
        }
        self.queue.reach(through);
        if self.ahead.is_full() {
            // The other file is free once it is in the tree.
            self.fold.wait()?;
            let full = self.ahead.turn()?;
            self.fold.begin(full, self.ahead.last());
        }
        if self.sync == Sync::Interval {
            let due = *self.sync_due.get_or_insert_with(|| now() + SYNC_INTERVAL);
            if due <= now() {
                self.sync_now()?;
            }
        }
        Ok(())
    }

    fn sync_now(&mut self) -> Result<(), DiskError> {
        self.sync_due = None;
        self.ahead.sync()
    }
}

impl Fold {
    fn start(rows: Rows) -> io::Result<Self> {
        let (jobs, taken) = mpsc::sync_channel::<(Turn, u64)>(1);
        let (told, done) = mpsc::sync_channel(1);
        let work = move || {
            let mut room = Vec::new();
            loop {
                match taken.recv_timeout(KEEP_ROOM) {
                    Ok((full, last)) => {
                        if told.send(rows.fold(full, last, &mut room)).is_err() {
                            return;
                        }
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => room = Vec::new(),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("fold".to_owned()).spawn(work)?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            is_busy: false,
            thread: Some(thread),
        })
    }

    /// Takes a full file, whose last record has this number, into the tree.
    fn begin(&mut self, full: Turn, last: u64) {
        if let Some(jobs) = &self.jobs {
            // The thread lives as long as this.
            self.is_busy = jobs.send((full, last)).is_ok();
        }
    }

    /// Waits until the last one is in.
    fn wait(&mut self) -> Result<(), DiskError> {
        if std::mem::take(&mut self.is_busy) {
            return self.done.recv().unwrap_or(Ok(()));
        }
        Ok(())
    }
}

impl Drop for Fold {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It closes the tree. Why it failed was told.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::QUEUE_GROUPS_MAX;

    #[test]
    fn what_is_never_synced_counts_as_kept_while_there_is_room() {
        let mut disk = FolderDisk {
            queue: Arc::default(),
            sync: Sync::Never,
            given: 0,
            told: 0,
            thread: None,
        };
        let mut given = 0;
        while disk.progress().through == given {
            given += 1;
            disk.append(given, Vec::new());
        }
        assert_eq!(usize::try_from(given), Ok(QUEUE_GROUPS_MAX / 2));
        assert_eq!(disk.progress().through, given - 1);
        assert!(matches!(disk.queue.take(None), Work::Write(_)));
        assert_eq!(disk.progress().through, given, "there is room again");
    }
}
