//! The log of writes: what has been applied lately, to be sent again to those who lack it.
//!
//! Batches stand in the order in which they were applied here, so in causal order; whatever part of it a peer is sent,
//! it can apply what it gets. It is bounded in bytes; what every member has on its disk is let go first.
//!
//! `floor`: of each origin, the writes above floor\[o\] and up to known\[o\] are all here.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    clock::{Origin, VersionVector},
    kv::sealed::Batch,
};

/// What a batch weighs beside its bytes, where it is kept.
pub(super) const BATCH_OVERHEAD_BYTES: usize = 256;

/// What a batch weighs in memory, about.
pub(super) fn weight(batch: &Batch) -> usize {
    BATCH_OVERHEAD_BYTES + batch.bytes().len()
}

/// Applied batches, oldest first.
#[derive(Debug)]
pub(super) struct Log {
    bytes_max: usize,
    batches: VecDeque<Arc<Batch>>,
    /// The same by origin, in the order of their numbers.
    by_origin: BTreeMap<Origin, VecDeque<Arc<Batch>>>,
    bytes: usize,
    writes: u64,
    floor: VersionVector,
}

impl Log {
    /// An empty log behind what is known already.
    pub(super) fn new(bytes_max: usize, known: VersionVector) -> Self {
        Self {
            bytes_max,
            batches: VecDeque::new(),
            by_origin: BTreeMap::new(),
            bytes: 0,
            writes: 0,
            floor: known,
        }
    }

    /// Takes a batch that has just been applied; the oldest make room for it.
    pub(super) fn push(&mut self, batch: &Arc<Batch>) {
        self.bytes += weight(batch);
        self.writes += batch.count();
        self.by_origin
            .entry(batch.origin())
            .or_default()
            .push_back(Arc::clone(batch));
        self.batches.push_back(Arc::clone(batch));
        while self.bytes > self.bytes_max && self.batches.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Lets go of the oldest, as far as every member has them on its disk.
    pub(super) fn trim(&mut self, stable: &VersionVector) {
        while let Some(oldest) = self.batches.front()
            && stable.get(oldest.origin()) >= oldest.last()
        {
            self.drop_oldest();
        }
    }

    /// Another replica's state was taken over: of the origins of which it had more, what is here does not lead up to
    /// what is known now.
    pub(super) fn adopted(&mut self, before: &VersionVector, known: &VersionVector) {
        for dot in before.missing(known) {
            self.floor.raise(dot.origin, dot.number);
            self.by_origin.remove(&dot.origin);
        }
        let floor = &self.floor;
        self.batches
            .retain(|batch| batch.last() > floor.get(batch.origin()));
        self.bytes = self.batches.iter().map(|batch| weight(batch)).sum();
        self.writes = self.batches.iter().map(|batch| batch.count()).sum();
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.batches.pop_front() else {
            return;
        };
        self.bytes -= weight(&oldest);
        self.writes -= oldest.count();
        self.floor.raise(oldest.origin(), oldest.last());
        if let Some(own) = self.by_origin.get_mut(&oldest.origin()) {
            // Writes of an origin are applied in order, so it is the first.
            own.pop_front();
            if own.is_empty() {
                self.by_origin.remove(&oldest.origin());
            }
        }
    }

    /// Whether all that one who has `known` lacks is here.
    pub(super) fn reaches(&self, known: &VersionVector) -> bool {
        known.covers(&self.floor)
    }

    /// The batches that one who has `known` lacks, in causal order.
    pub(super) fn beyond<'a>(&'a self, known: &'a VersionVector) -> impl Iterator<Item = &'a Arc<Batch>> {
        self.batches
            .iter()
            .filter(|batch| batch.last() > known.get(batch.origin()))
    }

    /// An origin's batches behind a number; `None` if they are not all here.
    pub(super) fn of_origin(&self, origin: Origin, behind: u64) -> Option<impl Iterator<Item = &Arc<Batch>>> {
        let own = self.by_origin.get(&origin);
        let start = own.map_or(0, |own| own.partition_point(|batch| batch.last() <= behind));
        (self.floor.get(origin) <= behind).then(|| own.into_iter().flat_map(move |own| own.range(start..)))
    }

    /// How many writes there are, and about how many bytes they take.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.writes, self.bytes as u64)
    }
}
