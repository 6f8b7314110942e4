//! One version of a register: a value that a write put under a key, or the memory that a write took everything away.
//!
//! A key that nobody writes concurrently has one version, and a store has millions of those: so its fields lie side by
//! side without a gap, and it allocates nothing but the value's bytes.

use std::num::NonZeroU64;

use crate::{
    clock::{Dot, Origin},
    kv::operation::{Format, Stamp, Value},
    units::MachineId,
};

/// Up to this length a value is copied into the room of the one that it replaces, if that is as long. The room was not
/// touched for long, and its new bytes are not waited for; to free it would be to wait for what the allocator knows of it.
const COPIED_BYTES_MAX: usize = 512;

/// A value or a tombstone, and which write left it.
///
/// Invariant: `bytes` is empty and `ends_us` is none if it holds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kv) struct Version {
    number: u64,
    pub(super) stamp: Stamp,
    pub(super) ends_us: Option<NonZeroU64>,
    pub(super) bytes: Box<[u8]>,
    incarnation: u32,
    machine: MachineId,
    pub(super) holds: Holds,
}

/// What a version holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A value of this format.
    Value(Format),
    /// Nothing: it is a tombstone.
    Nothing,
}

const _: () = assert!(size_of::<Version>() == 48, "a million keys depend on it");

impl Version {
    /// The value that a write put; from `ends_us` on (not 0) it counts as taken away.
    pub(super) fn value(dot: Dot, stamp: Stamp, value: Value, ends_us: Option<u64>) -> Self {
        Self {
            number: dot.number,
            stamp,
            ends_us: ends_us.and_then(NonZeroU64::new),
            bytes: value.bytes,
            incarnation: dot.origin.incarnation,
            machine: dot.origin.machine,
            holds: Holds::Value(value.format),
        }
    }

    /// The memory that a write took everything away.
    pub(super) fn tombstone(dot: Dot, stamp: Stamp) -> Self {
        Self {
            number: dot.number,
            stamp,
            ends_us: None,
            bytes: Box::default(),
            incarnation: dot.origin.incarnation,
            machine: dot.origin.machine,
            holds: Holds::Nothing,
        }
    }

    /// Becomes a later version.
    pub(super) fn become_later(&mut self, later: Self) {
        let length = later.bytes.len();
        if length != self.bytes.len() || length > COPIED_BYTES_MAX {
            *self = later;
            return;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.copy_from_slice(&later.bytes);
        *self = Self { bytes, ..later };
    }

    pub(super) fn origin(&self) -> Origin {
        Origin {
            machine: self.machine,
            incarnation: self.incarnation,
        }
    }

    pub(super) fn dot(&self) -> Dot {
        Dot::new(self.origin(), self.number)
    }

    /// What decides between concurrent versions: the greatest is shown. The number only makes the order total.
    pub(super) fn rank(&self) -> (Stamp, Origin, u64) {
        (self.stamp, self.origin(), self.number)
    }

    pub(super) fn is_tombstone(&self) -> bool {
        self.holds == Holds::Nothing
    }

    /// Whether it shows nothing: a tombstone, or a value that has ended.
    pub(super) fn is_gone(&self, wall_us: u64) -> bool {
        self.is_tombstone() || self.ends_us.is_some_and(|ends| ends.get() <= wall_us)
    }

    /// Whether it is forgotten one day: a tombstone, or a value that ends.
    pub(super) fn fades(&self) -> bool {
        self.is_tombstone() || self.ends_us.is_some()
    }

    /// A copy of the value; `None` of a tombstone.
    pub(super) fn to_value(&self) -> Option<Value> {
        match self.holds {
            Holds::Value(format) => Some(Value {
                format,
                bytes: self.bytes.clone(),
            }),
            Holds::Nothing => None,
        }
    }
}
