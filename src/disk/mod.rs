//! The disk behind [`Append`](crate::service::Effect::Append) and [`Restored`](crate::service::Input::Restored): rows in
//! a folder, written by a thread of its own, many groups with one fsync.
//!
//! ```text
//!   the driver's loop                        the disk's thread                     DIR/
//!   append(n, rows) --> queue, bounded --->  all that waits: one record  ------>   rows-0.log, rows-1.log: in turn
//!   progress()  <------ through n, or why it failed  <------ fsync                        | one that is full
//!                                            the fold's thread: sorts, the last <---------'
//!                                            row of each key alone  ----------->   rows/   fjall's tree
//!                                                                                 life.json, lock
//! ```
//!
//! A write appends to a file, and that is all (`ahead`). A file that is full, 32 MiB, is sorted and becomes a part of
//! the tree, which is fjall's: a log-structured merge tree, whose parts are merged by a thread of its own. So a key that
//! is written over and over costs the tree one row a file. A copy-on-write B-tree (redb, LMDB) would write a page of
//! 4 KiB, and the pages above it, for each row of a hundred bytes that lies elsewhere. Nothing is ever read back while
//! the process runs, so caches are small; at the start what was written ahead is taken into the tree first.
//!
//! Knows no service: what rows mean is the service's. It does not send, compress or encrypt anything.

mod ahead;
mod backup;
mod error;
mod folder;
mod incarnation;
mod parts;
mod queue;
mod rows;
mod sync;
mod tokens;
mod writer;

pub use backup::{BACKUP_FORMAT, BackupWriter, Copied, back_up, restore};
pub use error::DiskError;
pub use folder::{DataFolder, FORMAT, Owner, RowReader, is_data_folder};
pub use incarnation::{incarnation_without_disk, wait_for_incarnation};
pub use queue::{QUEUE_BYTES_MAX, QUEUE_GROUPS_MAX, STALL_SECONDS_MAX};
pub use rows::ROW_KEY_BYTES_MAX;
pub use sync::{SYNC_INTERVAL, Sync, SyncError};
pub use tokens::{TOKENS, TOKENS_BYTES_MAX, Tokens};
pub use writer::FolderDisk;

#[cfg(test)]
mod tests;
