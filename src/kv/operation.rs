//! What a write is made of: operations on keys.

use smallvec::SmallVec;

use crate::{
    clock::{Dot, Origin, VersionVector},
    wire::FRAME_LENGTH_MAX,
};

/// A key: 1 to [`KEY_BYTES_MAX`] bytes, any of them.
pub type Key = Box<[u8]>;

/// Longest key, in bytes. (The assignment's interface has a limit of its own: 50 characters.)
pub const KEY_BYTES_MAX: usize = 1024;

/// Longest value, in bytes: three quarters of a frame, so that a write fits one.
pub const VALUE_BYTES_MAX: usize = 768 << 10;

/// Most operations in one write. All together have to fit a frame, too.
pub const BATCH_OPERATIONS_MAX: usize = 1024;

/// Most bytes of one write as replicas pass it on: a frame, less what stands around it.
pub const WRITE_BYTES_MAX: usize = FRAME_LENGTH_MAX - (64 << 10);

/// Most origins that a write may depend on, so that what a batch names is bounded. A token of 4 KiB has fewer.
pub const DEPENDENCIES_MAX: usize = 512;

const _: () = assert!(
    KEY_BYTES_MAX + VALUE_BYTES_MAX + DEPENDENCIES_MAX * 64 < WRITE_BYTES_MAX,
    "one value of the greatest length can be written whatever it depends on"
);

/// Most elements of one set, so that a set fits a frame.
pub const ELEMENTS_MAX: usize = 4096;

/// Most values beside each other under a key, counted where one more is written: then somebody has to read them and
/// write what replaces them.
pub const SIBLINGS_MAX: usize = 64;

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

/// Greatest stamp, and greatest number of a write, that a peer or a disk is believed: so far from the end of 64 bits
/// that there is always a next.
pub const STAMP_MAX: Stamp = 1 << 62;

/// What is seen elsewhere raises the own stamps no further than this, step by step excepted: however absurd a peer's
/// stamps are, what is written here has stamps that everybody takes.
pub const STAMP_BELIEVED_MAX: Stamp = STAMP_MAX / 2;

/// What to do to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Hold this value. It replaces every value that the accepting replica holds ("last writer").
    Put(Value),
    /// Hold this value beside those that the client has not seen: it replaces those alone which the client's token
    /// covers ("siblings"). A session's own write stands for everything that its replica had accepted before it, so
    /// a session that writes beside twice, without a read in between, takes away what others wrote there meanwhile.
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
    /// What of the key it supersedes. Of an addition: the addition of the same origin that it goes on from; if there is
    /// nothing of the origin's count any more, the write that took it away, as far as that is remembered: then the
    /// count begins anew.
    pub seen: VersionVector,
    /// What else than values it takes away: of Put and Delete only.
    pub cleared: Cleared,
    /// When a value ends, in microseconds since 1970 by the clock of the accepting replica.
    pub ends_us: Option<u64>,
}

/// What a Put or a Delete takes away beside values, as its accepting replica knew it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// The count of each origin that was there, and that is gone up to what was seen: ascending origins.
    pub sums: SmallVec<[(Origin, i64); 1]>,
    /// A set was there, or the memory of elements that were taken out of it.
    pub has_set: bool,
}

impl Cleared {
    /// Nothing but values: what a Put or a Delete of a plain key takes away.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty() && !self.has_set
    }
}
