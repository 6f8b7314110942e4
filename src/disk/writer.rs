//! The disk's thread: takes all groups that wait, writes them as one batch, syncs once, says how far it has come.
//!
//! A batch is written all or not at all, so groups that share one are as atomic as alone. At any moment at most one
//! batch is written and not synced: what a loss of power may tear is the last one.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use fjall::PersistMode;

use super::{
    error::DiskError,
    folder::{Lock, io_error},
    queue::{Group, Queue, Work, now},
    rows::Rows,
    sync::{SYNC_INTERVAL, Sync},
};
use crate::service::{Disk, Progress, Row};

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
    rows: Rows,
    sync: Sync,
    queue: Arc<Queue>,
    /// When what the operating system has must be synced; `None` if it all is.
    sync_due: Option<Instant>,
    /// Let go of last.
    _lock: Lock,
}

impl FolderDisk {
    pub(super) fn start(rows: Rows, lock: Lock, path: &Path, sync: Sync) -> Result<Self, DiskError> {
        let queue = Arc::<Queue>::default();
        let mut writer = Writer {
            rows,
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
            .field("rows", &self.rows)
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
                Work::End => return self.rows.persist(PersistMode::SyncAll),
            }
        }
    }

    fn write(&mut self, groups: &[Group]) -> Result<(), DiskError> {
        let through = groups.last().map_or(0, |(number, _)| *number);
        let rows = last_of_each(groups);
        let mut batch = self.rows.batch(rows.len());
        for row in rows {
            self.rows.put(&mut batch, row);
        }
        self.rows.commit(batch)?;
        match self.sync {
            Sync::Always => self.rows.persist(PersistMode::SyncData)?,
            Sync::Interval | Sync::Never => self.rows.persist(PersistMode::Buffer)?,
        }
        self.queue.reach(through);
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
        self.rows.persist(PersistMode::SyncData)
    }
}

/// The rows in ascending order, of each key the last alone: neighbours are found faster in the table in memory, and
/// what is replaced at once need not be written.
fn last_of_each(groups: &[Group]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = groups.iter().flat_map(|(_, rows)| rows).collect();
    rows.reverse();
    // Stable: of equal keys the last that was given is now the first.
    rows.sort_by(|one, other| (one.table, &one.key).cmp(&(other.table, &other.key)));
    rows.dedup_by(|later, kept| (later.table, &later.key) == (kept.table, &kept.key));
    rows
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
