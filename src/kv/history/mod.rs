//! Histories: what clients saw of a store, and whether a causally consistent store can have shown it to them.
//!
//! A history is recorded by clients (protocol.md, section 10): each session's operations in order, each write with a value
//! of its own, so that a read says which write it read from. Nothing is known of the replicas. What is judged are the bad
//! patterns of Bouajjani, Enea, Guerraoui and Hamza, On Verifying Causal Consistency (POPL 2017): a history is consistent
//! exactly if it has none of them. `co`, the causal order, is what follows from the order of each session and from who
//! read whose write.
//!
//! ```text
//!   lines -> History -> match reads to writes -> walk in causal order, a vector a session -> edges of arbitration -> cycle?
//!              (read)      (sources)                (order, walk)                (judge)       (components, explain)
//! ```
//!
//! | level | patterns | time, n operations of k sessions |
//! |---|---|---|
//! | causal (CC) | ThinAirRead, CyclicCO, WriteCOInitRead, WriteCORead | n · k |
//! | convergent (CCv, causal+; the usual one) | and CyclicCF: no order of all writes explains what was read | n · k |
//! | memory (CM) | CC's, WriteHBInitRead, CyclicHB: no session can order all writes for itself | n · k² · rounds of a fixpoint |
//!
//! The times of the first two come from two ideas of Møldrup and Pavlogiannis, AWDIT (PLDI 2025). A read of w in session s
//! that knows further writes of its key makes each of them precede w; of each session only the latest one matters, since
//! the others precede it; it is found by bisection among the writes of its key and session that the vector of the read
//! covers. And one search for a cycle at the end replaces a closure. Writes without an answer are in no session's chain: each
//! of them that was read costs a look more at every read of its key.
//!
//! Beside the patterns: PhantomRead (the value of a write that surely failed), and of reads that are marked as final, one
//! round on each replica when everything has settled: Divergence (replicas differ), LostWrite (an acknowledged write is gone
//! that nothing superseded), LostCount (a counter is not what was added to it).
//!
//! # What is never reported, and so may be missed
//!
//! - A write that may or may not have happened (`unknown`) counts only if its value was read. Then it comes after what its
//!   session did before it; what the session did later does not come after it, since it may have been done late.
//! - A read of nothing, of a key that is deleted somewhere, may have read from any delete or from the beginning, unless it
//!   carries the delete's mark. It is reported only if none of them is possible by what is certain; it orders nothing.
//! - Counters (`add`) are compared with their sum in the final reads, and no further. That several writes happen at once
//!   (batch) or that values end by themselves is not judged.
//!
//! Memory: about 150 bytes an operation and the text of its value; and 4 · k bytes for each session that goes on, and each
//! write that is still to be read, at one time: at most [`VECTOR_BYTES_MAX`] together; beyond it the history is refused.

mod components;
mod explain;
mod finals;
mod findings;
mod graph;
mod judge;
mod memory;
mod order;
mod read;
mod sources;
mod table;
mod verdict;
mod walk;

use std::{fmt, str::FromStr};

pub use findings::{FINDINGS_KEPT_MAX, Finding, Guarantee, Pattern, STEPS_SHOWN_MAX, Step};
pub use read::{HistoryError, LINE_BYTES_MAX, OPERATIONS_MAX};
pub use verdict::{PatternCount, Verdict};

use table::Table;

/// Most memory for the vectors of writes that are to be read again, in bytes.
pub const VECTOR_BYTES_MAX: usize = 4 << 30;

/// What is asked of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Causal consistency (CC).
    Causal,
    /// Causal convergence (CCv), which causal+ is: CC, and all agree on one order of all writes.
    #[default]
    Convergent,
    /// Causal memory (CM): CC, and each session has one order of all writes.
    Memory,
}

/// What clients recorded.
#[derive(Debug, Default)]
pub struct History {
    files: Vec<String>,
    sessions: Vec<String>,
    keys: Vec<String>,
    replicas: Vec<String>,
    operations: Table<Operation>,
    /// The texts of all values, one behind the other.
    texts: String,
    reading: read::Reading,
    notes: Vec<String>,
}

/// Which operation: its place among all lines that were read.
type Id = u32;

/// No operation.
const NONE: Id = Id::MAX;

/// One line.
#[derive(Clone, Copy, Debug)]
struct Operation {
    file: u16,
    line: u32,
    session: u32,
    key: u32,
    action: Action,
    outcome: Outcome,
    /// The replica that a final read was done at.
    replica: Option<u16>,
    text: Text,
    /// When it began, in microseconds by the client's clock; for display alone.
    begin_us: Option<u64>,
}

/// A stretch of [`History::texts`].
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    start: usize,
    bytes: u32,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Put,
    Get,
    Delete,
    Add,
}

/// Whether it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// It was.
    #[default]
    Ok,
    /// Surely not, and never will be.
    Fail,
    /// Nobody knows: no answer came.
    Unknown,
}

impl History {
    /// Judges what was read.
    ///
    /// # Errors
    /// [`HistoryError`] if two writes have one value, so that nobody can tell what was read, or if the vectors would take
    /// more than [`VECTOR_BYTES_MAX`].
    pub fn judge(&self, level: Level) -> Result<Verdict, HistoryError> {
        judge::judge(self, level)
    }

    /// How many operations were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.len() == 0
    }

    /// The text of an operation's value; empty where there is none.
    fn text(&self, text: Text) -> &str {
        self.texts
            .get(text.start..text.start + text.bytes as usize)
            .unwrap_or_default()
    }

    /// `file:line`.
    fn place(&self, id: Id) -> String {
        let Operation { file, line, .. } = self.operations.get(id);
        let name = self.files.get(usize::from(file)).map_or("", String::as_str);
        format!("{name}:{line}")
    }

    fn session(&self, id: Id) -> &str {
        let place = self.operations.get(id).session as usize;
        self.sessions.get(place).map_or("", String::as_str)
    }

    fn key(&self, key: u32) -> &str {
        self.keys.get(key as usize).map_or("", String::as_str)
    }
}

impl Operation {
    fn is_write(&self) -> bool {
        matches!(self.action, Action::Put | Action::Delete)
    }

    fn is_read(&self) -> bool {
        self.action == Action::Get
    }
}

impl Level {
    /// The name in options and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Causal => "causal",
            Self::Convergent => "convergent",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "causal" => Ok(Self::Causal),
            "convergent" => Ok(Self::Convergent),
            "memory" => Ok(Self::Memory),
            _ => Err(format!("`{text}` is no level: causal, convergent or memory")),
        }
    }
}

#[cfg(test)]
mod tests;
