//! What simulated clients ask, and how it is put to a replica.

use crate::{
    clock::VersionVector,
    kv::{Action, Change, Condition, Copies, Format, Key, Operation, Value},
};

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Of a register that everybody writes.
    Get {
        key: String,
    },
    Put {
        key: String,
        value: String,
    },
    Delete {
        key: String,
    },
    /// Only if the key is as it was read.
    Swap {
        key: String,
        value: String,
        mark: VersionVector,
    },
    /// Of a register that one session alone writes, with numbers that go up.
    Mine {
        place: Own,
        number: u64,
    },
    Theirs {
        place: Own,
    },
    /// Of a counter: each increment is a power of two that no other one is.
    Add {
        counter: usize,
        bit: u32,
    },
    Count {
        counter: usize,
    },
    /// Of a set: each element is inserted once.
    Insert {
        set: usize,
        element: String,
    },
    Remove {
        set: usize,
        element: String,
    },
    Elements {
        set: usize,
    },
    /// All keys of the batch, to one value.
    Batch {
        value: String,
    },
    BatchScan,
    OwnScan,
    /// Of a register that keeps concurrent values.
    Beside {
        key: String,
        value: String,
    },
    Siblings {
        key: String,
    },
    /// A value that ends.
    Ending {
        value: String,
    },
}

/// Which register of one session: whose, and the how many-th of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Own {
    pub(super) session: usize,
    pub(super) generation: u32,
}

/// Keys of a batch.
pub(super) const BATCH_KEYS: [&str; 3] = ["b0", "b1", "b2"];

/// The key whose values end by themselves.
pub(super) const ENDING_KEY: &str = "t0";

/// How long those last.
const ENDING_US: u64 = 700_000;

impl Own {
    pub(super) fn key(self) -> String {
        format!("p{}.{}", self.session, self.generation)
    }

    pub(super) fn parse(key: &str) -> Option<Self> {
        let (session, generation) = key.strip_prefix('p')?.split_once('.')?;
        Some(Self {
            session: session.parse().ok()?,
            generation: generation.parse().ok()?,
        })
    }
}

pub(super) fn counter_key(counter: usize) -> String {
    format!("n{counter}")
}

pub(super) fn set_key(set: usize) -> String {
    format!("s{set}")
}

pub(super) fn bytes(key: &str) -> Key {
    key.as_bytes().into()
}

pub(super) fn value(text: &str) -> Value {
    Value {
        format: Format::Json,
        bytes: text.as_bytes().into(),
    }
}

impl Ask {
    /// The request, for so many copies if it writes.
    pub(super) fn action(&self, copies: Copies) -> Action {
        let get = |key: &str| Action::Get { key: bytes(key) };
        let scan = |prefix: &str| Action::Scan {
            prefix: bytes(prefix),
            after: None,
            limit: 1000,
        };
        let operation = |key: &str, change| Operation {
            key: bytes(key),
            change,
            condition: Condition::Always,
            lasts_us: None,
        };
        let one = |key: &str, change| vec![operation(key, change)];
        let operations = match self {
            Ask::Get { key } | Ask::Siblings { key } => return get(key),
            Ask::Theirs { place } => return get(&place.key()),
            Ask::Count { counter } => return get(&counter_key(*counter)),
            Ask::Elements { set } => return get(&set_key(*set)),
            Ask::BatchScan => return scan("b"),
            Ask::OwnScan => return scan("p"),
            Ask::Put { key, value: text } => one(key, Change::Put(value(text))),
            Ask::Delete { key } => one(key, Change::Delete),
            Ask::Swap {
                key,
                value: text,
                mark,
            } => vec![Operation {
                condition: Condition::Unchanged(mark.clone()),
                ..operation(key, Change::Put(value(text)))
            }],
            Ask::Mine { place, number } => one(&place.key(), Change::Put(value(&number.to_string()))),
            Ask::Add { counter, bit } => one(&counter_key(*counter), Change::Add(1 << bit)),
            Ask::Insert { set, element } => one(&set_key(*set), Change::Insert(vec![value(element)])),
            Ask::Remove { set, element } => one(&set_key(*set), Change::Remove(vec![value(element)])),
            Ask::Batch { value: text } => BATCH_KEYS
                .iter()
                .map(|key| operation(key, Change::Put(value(text))))
                .collect(),
            Ask::Beside { key, value: text } => one(key, Change::PutBeside(value(text))),
            Ask::Ending { value: text } => vec![Operation {
                lasts_us: Some(ENDING_US),
                ..operation(ENDING_KEY, Change::Put(value(text)))
            }],
        };
        Action::Write { operations, copies }
    }

    /// Whether it writes.
    pub(super) fn is_write(&self) -> bool {
        match self {
            Ask::Put { .. }
            | Ask::Delete { .. }
            | Ask::Swap { .. }
            | Ask::Mine { .. }
            | Ask::Add { .. }
            | Ask::Insert { .. }
            | Ask::Remove { .. }
            | Ask::Batch { .. }
            | Ask::Beside { .. }
            | Ask::Ending { .. } => true,
            Ask::Get { .. }
            | Ask::Theirs { .. }
            | Ask::Count { .. }
            | Ask::Elements { .. }
            | Ask::BatchScan
            | Ask::OwnScan
            | Ask::Siblings { .. } => false,
        }
    }
}
