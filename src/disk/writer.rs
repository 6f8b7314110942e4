//! The disk's thread: takes all groups that wait, writes them as one record, syncs once, says how far it has come.
//!
//! A record is written all or not at all, so groups that share one are as atomic as alone. At any moment at most one
//! is written and not synced: what a loss of power may tear is the last one. A file that is full another thread takes into
//! the tree meanwhile; if that is not done when the other file is full, too, writing waits for it, as long as it gets on.
//! A file that cannot be taken in ends everything at once: it is not written over.

use std::{
    any::Any,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    ahead::{Ahead, Full},
    error::DiskError,
    folder::{Lock, io_error},
    queue::{Group, Queue, Work, now},
    rows::{Room, Rows, judge_key},
    sync::{SYNC_INTERVAL, Sync},
};
use crate::service::{Disk, Progress, Row};

/// The room for a file that is taken into the tree is given back when none has come for so long.
const KEEP_ROOM: Duration = Duration::from_secs(30);

/// Who waits for a file to be taken into the tree looks so often whether that gets on.
const LOOK_EVERY: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 1000 });

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
    jobs: Option<mpsc::SyncSender<Full>>,
    done: mpsc::Receiver<Result<(), DiskError>>,
    /// A file is being taken in.
    is_busy: bool,
    /// Counts up as long as the thread gets on.
    steps: Arc<AtomicU64>,
    /// The tree.
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl FolderDisk {
    pub(super) fn start(rows: Rows, lock: Lock, path: &Path, sync: Sync) -> Result<Self, DiskError> {
        let queue = Arc::<Queue>::default();
        let (seed, last) = rows.ahead();
        let mut writer = Writer {
            ahead: Ahead::open(rows.path(), seed, last)?,
            fold: Fold::start(rows, Arc::clone(&queue)).map_err(|error| io_error(path, error))?,
            sync,
            queue: Arc::clone(&queue),
            sync_due: None,
            _lock: lock,
        };
        let thread = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || {
                let queue = Arc::clone(&writer.queue);
                match catch_unwind(AssertUnwindSafe(|| writer.run())) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => queue.fail(takes_no_more(&error)),
                    Err(panic) => queue.fail(takes_no_more(&words(&*panic))),
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
        if let Err(what) = rows.iter().try_for_each(|row| judge_key(&row.key)) {
            // The tree would not take it later, when it had been acknowledged.
            return self.queue.fail(takes_no_more(&what));
        }
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

fn takes_no_more(why: &impl fmt::Display) -> String {
    format!("the disk takes no more writes: {why}")
}

/// What a thread said when it panicked.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("its thread has ended: {}", text.unwrap_or("nobody knows why"))
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
                    return self.wait_for_fold();
                }
            }
        }
    }

    fn write(&mut self, groups: &[Group]) -> Result<(), DiskError> {
        let through = groups.last().map_or(0, |(number, _)| *number);
        self.fold.look()?;
        self.ahead.append(groups, || self.queue.move_on())?;
        if self.sync == Sync::Always {
            self.ahead.sync()?;
        }
        self.queue.reach(through);
        if self.ahead.is_full() {
            self.turn()?;
        }
        if self.sync == Sync::Interval && !self.ahead.is_synced() {
            let due = *self.sync_due.get_or_insert_with(|| now() + SYNC_INTERVAL);
            if due <= now() {
                self.sync_now()?;
            }
        }
        Ok(())
    }

    /// The file is full: the other one is free once it is in the tree. That may take longer than what was told may be
    /// unsynced.
    fn turn(&mut self) -> Result<(), DiskError> {
        self.sync_now()?;
        self.wait_for_fold()?;
        let full = self.ahead.turn()?;
        self.fold.begin(full)
    }

    fn sync_now(&mut self) -> Result<(), DiskError> {
        self.sync_due = None;
        self.ahead.sync()
    }

    fn wait_for_fold(&mut self) -> Result<(), DiskError> {
        self.fold.wait(|| self.queue.move_on())
    }
}

impl Fold {
    /// The thread ends with the first file that it could not take in, and tells the queue so at once.
    fn start(rows: Rows, queue: Arc<Queue>) -> io::Result<Self> {
        let (jobs, taken) = mpsc::sync_channel(1);
        let (told, done) = mpsc::sync_channel(1);
        let steps = Arc::<AtomicU64>::default();
        let (path, counted) = (rows.path().to_owned(), Arc::clone(&steps));
        let work = move || {
            let mut room = Room::default();
            let step = || {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            let fold = |full, room: &mut Room| {
                let folded = catch_unwind(AssertUnwindSafe(|| rows.fold(full, room, step)));
                folded.unwrap_or_else(|panic| Err(io_error(rows.path(), io::Error::other(words(&*panic)))))
            };
            loop {
                match taken.recv_timeout(KEEP_ROOM) {
                    Ok(full) => {
                        let folded = fold(full, &mut room);
                        if let Err(error) = &folded {
                            queue.fail(takes_no_more(error));
                        }
                        let has_failed = folded.is_err();
                        if told.send(folded).is_err() || has_failed {
                            return;
                        }
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => room = Room::default(),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("fold".to_owned()).spawn(work)?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            is_busy: false,
            steps,
            path,
            thread: Some(thread),
        })
    }

    /// Takes a full file into the tree.
    fn begin(&mut self, full: Full) -> Result<(), DiskError> {
        let begun = self.jobs.as_ref().map(|jobs| jobs.send(full));
        match begun {
            Some(Ok(())) => {
                self.is_busy = true;
                Ok(())
            }
            Some(Err(_)) | None => Err(self.is_gone()),
        }
    }

    /// Whether the last one could be taken in, as far as that is known.
    fn look(&mut self) -> Result<(), DiskError> {
        if !self.is_busy {
            return Ok(());
        }
        match self.done.try_recv() {
            Ok(folded) => {
                self.is_busy = false;
                folded
            }
            Err(mpsc::TryRecvError::Empty) => Ok(()),
            Err(mpsc::TryRecvError::Disconnected) => Err(self.is_gone()),
        }
    }

    /// Waits until the last one is in. `move_on` is called now and then as long as the thread gets on.
    fn wait(&mut self, move_on: impl Fn()) -> Result<(), DiskError> {
        let mut seen = self.steps.load(Ordering::Relaxed);
        while self.is_busy {
            match self.done.recv_timeout(LOOK_EVERY) {
                Ok(folded) => {
                    self.is_busy = false;
                    return folded;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(self.is_gone()),
            }
            let steps = self.steps.load(Ordering::Relaxed);
            if steps != seen {
                move_on();
            }
            seen = steps;
        }
        Ok(())
    }

    fn is_gone(&self) -> DiskError {
        let what = "the thread that takes what was written into the tree has ended";
        io_error(&self.path, io::Error::other(what))
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
mod tests;
