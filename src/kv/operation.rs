//! What a write is made of: operations on keys.

use crate::clock::{Dot, VersionVector};

/// A key: 1 to [`KEY_BYTES_MAX`] bytes, any of them.
pub type Key = Box<[u8]>;

/// Longest key, in bytes. (The assignment's interface has a limit of its own: 50 characters.)
pub const KEY_BYTES_MAX: usize = 1024;

/// Longest value, in bytes: three quarters of a frame, so that a write fits one.
pub const VALUE_BYTES_MAX: usize = 768 << 10;

/// Most operations in one write. All together have to fit a frame, too.
pub const BATCH_OPERATIONS_MAX: usize = 1024;

/// Most elements of one set, so that a set fits a frame.
pub const ELEMENTS_MAX: usize = 4096;

/// How a value is to be understood by those who read it; the store itself does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One JSON text in UTF-8.
    Json,
    /// Any bytes.
    Bytes,
}

/// A value: at most [`VALUE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    /// What the bytes are.
    pub format: Format,
    /// The bytes.
    pub bytes: Box<[u8]>,
}

/// When a write was made, in the store's own logical time (Lamport 1978): above every stamp that its replica had seen.
/// Concurrent writes are decided by (stamp, origin): the greater wins.
pub type Stamp = u64;

/// What to do to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Hold this value. It replaces every value that the accepting replica holds ("last writer").
    Put(Value),
    /// Hold this value beside those that the client has not seen: it replaces those alone which the client's token
    /// covers ("siblings").
    PutBeside(Value),
    /// Hold nothing. It takes away every value, count and element that the accepting replica holds.
    Delete,
    /// Add to the counter: one that is not there is 0. The sum wraps at 64 bits.
    Add(i64),
    /// Put elements into the set. An element that is added and removed concurrently stays.
    Insert(Vec<Value>),
    /// Take elements out of the set, as far as the accepting replica has them.
    Remove(Vec<Value>),
}

/// What must hold of a key for an operation to be done, judged by what the accepting replica knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// There is nothing under the key.
    Absent,
    /// There is something under the key.
    Present,
    /// What is under the key has this mark ([`Item::mark`](super::Item)): nothing was written to it since.
    Unchanged(VersionVector),
}

/// One operation of a client's write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which key.
    pub key: Key,
    /// What to do to it.
    pub change: Change,
    /// If what holds.
    pub condition: Condition,
    /// How long it lasts, in microseconds from now, of values only; `None` for ever.
    pub lasts_us: Option<u64>,
}

/// A write as replicas pass it on: one name, one or several operations, applied all at once.
///
/// `dependencies` are what has to be applied before: the client's token, and for each operation the dots that it
/// supersedes. `seen` is a part of that, an operation's own: whatever the key has of each origin up to the number is
/// superseded. It is exact, since writes of an origin arrive in order, and small, since a key has few origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its name.
    pub dot: Dot,
    /// When it was made.
    pub stamp: Stamp,
    /// What it depends on beside the writes of its own origin before it; of other origins only.
    pub dependencies: VersionVector,
    /// Its operations: at least one, at most [`BATCH_OPERATIONS_MAX`], no key twice.
    pub operations: Vec<Applied>,
}

/// One operation of a [`Write`], decided: conditions are no longer of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which key.
    pub key: Key,
    /// What to do to it.
    pub change: Change,
    /// What of the key it supersedes.
    pub seen: VersionVector,
    /// When a value ends, in microseconds since 1970 by the clock of the accepting replica.
    pub ends_us: Option<u64>,
}
