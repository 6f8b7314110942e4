//! The causal buffer: batches of writes that came before something that they depend on.
//!
//! Each origin has a queue in the order of its numbers, and of each queue only the head can be the next to be applied. So
//! applying a batch costs a look at the heads, of which there are as many as origins that write, however many batches
//! wait behind them. Its bytes are bounded: what finds no room is dropped, and pulled when its time has come. What was
//! pulled comes in causal order and needs no room.

use std::{collections::BTreeMap, sync::Arc};

use super::log::weight;
use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        mutant::{self, Mutant},
        sealed::Batch,
    },
    units::{MachineId, Time},
};

/// A batch that waits, and since when.
#[derive(Debug)]
pub(super) struct Buffered {
    pub(super) batch: Arc<Batch>,
    pub(super) since: Time,
}

/// Batches that wait.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes_max: usize,
    bytes: usize,
    writes: u64,
    /// By origin and first number.
    queues: BTreeMap<Origin, BTreeMap<u64, Buffered>>,
}

/// Whether a batch found room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It waits, or waited already.
    Found,
    /// It was dropped.
    None,
}

/// What a batch waits for: the write of its own origin before it, else the first of its dependencies that is missing.
pub(super) fn missing(batch: &Batch, known: &VersionVector) -> Option<Dot> {
    let before = batch.first().saturating_sub(1);
    if known.get(batch.origin()) < before {
        return Some(Dot::new(batch.origin(), before));
    }
    if mutant::is(Mutant::NoCausalBuffer) {
        return None;
    }
    known.missing(batch.dependencies()).next()
}

impl Buffer {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            writes: 0,
            queues: BTreeMap::new(),
        }
    }

    /// How many writes wait.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Lets a batch wait.
    pub(super) fn add(&mut self, buffered: Buffered) -> Room {
        let batch = &buffered.batch;
        let (bytes, count) = (weight(batch), batch.count());
        let waits = self
            .queues
            .get(&batch.origin())
            .is_some_and(|queue| queue.contains_key(&batch.first()));
        if waits {
            return Room::Found;
        }
        if self.bytes + bytes > self.bytes_max {
            return Room::None;
        }
        self.bytes += bytes;
        self.writes += count;
        let queue = self.queues.entry(batch.origin()).or_default();
        queue.insert(batch.first(), buffered);
        Room::Found
    }

    /// The next batch that can be applied; those that have been applied in other ways are let go.
    pub(super) fn take_ready(&mut self, known: &VersionVector) -> Option<Buffered> {
        let mut found = None;
        for (origin, queue) in &self.queues {
            let Some((first, head)) = queue.first_key_value() else {
                continue;
            };
            if missing(&head.batch, known).is_none() {
                found = Some((*origin, *first));
                break;
            }
        }
        let (origin, first) = found?;
        self.take(origin, first)
    }

    fn take(&mut self, origin: Origin, first: u64) -> Option<Buffered> {
        let queue = self.queues.get_mut(&origin)?;
        let buffered = queue.remove(&first)?;
        if queue.is_empty() {
            self.queues.remove(&origin);
        }
        self.bytes -= weight(&buffered.batch);
        self.writes -= buffered.batch.count();
        Some(buffered)
    }

    /// The first of each queue.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Buffered> {
        let queues = self.queues.values();
        queues.filter_map(|queue| queue.first_key_value().map(|(_, head)| head))
    }

    /// All that wait.
    pub(super) fn all(&self) -> impl Iterator<Item = &Buffered> {
        self.queues.values().flat_map(BTreeMap::values)
    }

    /// Lets go of all that wait of a machine's lives before this one. Says how many writes.
    pub(super) fn forget_lives(&mut self, machine: MachineId, life: u32) -> u64 {
        let first = Origin {
            machine,
            incarnation: 0,
        };
        let end = Origin {
            machine,
            incarnation: life,
        };
        let ended: Vec<Origin> = self.queues.range(first..end).map(|(origin, _)| *origin).collect();
        ended.into_iter().map(|origin| self.forget(origin)).sum()
    }

    /// Lets go of all that wait of an origin. Says how many writes.
    pub(super) fn forget(&mut self, origin: Origin) -> u64 {
        let before = self.writes;
        while let Some(first) = self
            .queues
            .get(&origin)
            .and_then(|queue| queue.keys().next().copied())
        {
            self.take(origin, first);
        }
        before - self.writes
    }
}
