//! The disk behind [`Append`](crate::service::Effect::Append) and [`Restored`](crate::service::Input::Restored): rows in
//! a folder, written by a thread of its own, many groups with one fsync.
//!
//! ```text
//!   the driver's loop                        the disk's thread                     DIR/
//!   append(n, rows) --> queue, bounded --->  all that waits: one batch  ------->   rows/   fjall's journal and tables
//!   progress()  <------ through n, or why it failed  <------ fsync                 life.json, lock
//! ```
//!
//! The rows themselves are kept by fjall, a log-structured merge tree. A write appends to its journal and to a table in
//! memory; a thread of its own sorts tables into files later. A copy-on-write B-tree (redb, LMDB) would write a page of
//! 4 KiB, and the pages above it, for each row of a hundred bytes that lies elsewhere. Nothing is ever read back while
//! the process runs, so caches are small.
//!
//! Knows no service: what rows mean is the service's. It does not send, compress or encrypt anything.

mod backup;
mod error;
mod folder;
mod incarnation;
mod journal;
mod queue;
mod rows;
mod sync;
mod writer;

pub use backup::{BACKUP_FORMAT, Copied, back_up, restore};
pub use error::DiskError;
pub use folder::{DataFolder, FORMAT, Owner, RowReader};
pub use incarnation::{incarnation_without_disk, wait_for_incarnation};
pub use queue::{QUEUE_BYTES_MAX, QUEUE_GROUPS_MAX, STALL_SECONDS_MAX};
pub use rows::ROW_KEY_BYTES_MAX;
pub use sync::{SYNC_INTERVAL, Sync, SyncError};
pub use writer::FolderDisk;

#[cfg(test)]
mod tests;
