//! Writes of others: applied as soon as everything that they depend on has been.
//!
//! A batch is applied whole. It was closed at the end of a round, so it depends on whole batches that others had sent
//! before: a batch can only wait for earlier ones, never for one that waits for it.
//!
//! A replica that drains takes nothing more of others. What it took after the drain began it would not hand over, and would
//! come back with: with writes that nobody else may have, though nobody counts it as absent (`letting_go`).

use std::sync::Arc;

use super::{
    Replica,
    buffer::{Buffered, Room, missing},
    ready::Phase,
};
use crate::{
    kv::{
        message::{ORIGINS_KNOWN_MAX, Wants, Writes},
        mutant::{self, Mutant},
        operation::Applied,
        sealed::Batch,
    },
    service::{Effect, Effects},
    trace::{Kind, StoreChange, Stretch},
    units::MachineId,
    wire::FieldError,
};

impl Replica {
    /// Writes have come.
    pub(super) fn arrived(&mut self, from: MachineId, writes: Writes, effects: &mut Effects<Self>) {
        let mut applied = Vec::new();
        if self.takes_from(from) {
            if let Some(peer) = self.peers.get_mut(&from) {
                peer.heard = peer.heard.max(writes.clock);
                peer.owes = peer.owes.max(writes.wants);
                if writes.wants == Wants::Kept {
                    let origin = peer.origin();
                    let own = writes.batches.iter().filter(|batch| batch.origin() == origin);
                    peer.asked = own.map(|batch| batch.last()).fold(peer.asked, u64::max);
                }
                peer.owed_bytes += writes
                    .batches
                    .iter()
                    .map(|batch| batch.bytes().len())
                    .sum::<usize>();
            }
            self.repair.heard_writes(from, self.now);
            let batches = match self.phase {
                Phase::Draining => Vec::new(),
                Phase::Alone | Phase::Joining { .. } | Phase::Ready => writes.batches,
            };
            for batch in batches {
                if let Err(error) = self.offer(batch, &mut applied) {
                    self.refuse(from, error, effects);
                    break;
                }
            }
        }
        self.journal.merge(writes.clock);
        let kind = Kind::Receive {
            from,
            sent: writes.clock,
            queue: 0,
            waited_us: None,
        };
        let event = self.journal.event(kind, change_of(applied));
        effects.push(Effect::Record(event));
    }

    /// Whether data are exchanged with it: both are members.
    pub(super) fn takes_from(&self, from: MachineId) -> bool {
        self.members.has_me() && self.members.has(from)
    }

    /// What it sent makes no sense: the link is broken off.
    pub(super) fn refuse(&mut self, peer: MachineId, error: FieldError, effects: &mut Effects<Self>) {
        self.counts.refused += 1;
        effects.push(Effect::Refuse { peer, error });
    }

    /// A batch: applied, with those that waited for it; or it waits; or it is here already.
    fn offer(&mut self, batch: Arc<Batch>, applied: &mut Vec<Stretch>) -> Result<(), FieldError> {
        if batch.last() <= self.known.get(batch.origin()) {
            self.counts.duplicates += 1;
            return Ok(());
        }
        if batch.origin() == self.origin {
            // Nobody can have a write of this life that this life does not know.
            let value = batch.last();
            let field = "number";
            return Err(FieldError::Value { field, value });
        }
        if missing(&batch, &self.known).is_some() {
            self.counts.buffered += 1;
            let since = self.now;
            if self.buffer.add(Buffered { batch, since }) == Room::None {
                self.counts.dropped += 1;
            }
            return Ok(());
        }
        self.apply(&batch, applied)?;
        self.apply_ready(applied);
        Ok(())
    }

    /// What waits and has become ready.
    pub(super) fn apply_ready(&mut self, applied: &mut Vec<Stretch>) {
        if self.buffer.is_empty() {
            return;
        }
        while let Some(ready) = self.buffer.take_ready(&self.known) {
            if ready.batch.last() <= self.known.get(ready.batch.origin()) {
                continue;
            }
            // Its sender is not here to be refused any more: the batch is dropped, and pulled from another.
            if self.apply(&ready.batch, applied).is_err() {
                self.counts.dropped += 1;
            }
        }
    }

    /// Applies a batch, all of it or nothing.
    fn apply(&mut self, batch: &Arc<Batch>, applied: &mut Vec<Stretch>) -> Result<(), FieldError> {
        let origin = batch.origin();
        let before = self.known.get(origin);
        if before == 0 && self.known.len() >= ORIGINS_KNOWN_MAX {
            let value = self.known.len() as u64 + 1;
            let field = "origins";
            return Err(FieldError::Value { field, value });
        }
        let mut writes = batch.writes()?;
        self.keeping.gathers(batch.bytes().len());
        let first = writes.partition_point(|write| write.dot.number <= before);
        let new = writes.get_mut(first..).unwrap_or_default();
        for write in new.iter() {
            self.touch(&write.operations);
        }
        if mutant::is(Mutant::LastArrivalWins) {
            for (write, stamp) in new.iter_mut().zip(self.store.stamp() + 1..) {
                write.stamp = stamp;
            }
        }
        self.store.apply_all(new);
        self.known.raise(origin, batch.last());
        self.counts.applied += batch.last() - before;
        self.waiting.applied(origin, batch.last());
        self.log.push(batch);
        self.watching.batch(batch, before);
        match applied.last_mut() {
            Some(stretch) if stretch.origin == origin && stretch.last == before => {
                stretch.last = batch.last();
            }
            _ => applied.push(Stretch {
                origin,
                first: before + 1,
                last: batch.last(),
            }),
        }
        Ok(())
    }

    /// These keys are about to change.
    pub(super) fn touch(&mut self, operations: &[Applied]) {
        for operation in operations {
            self.transfers.preserve(&self.store, &operation.key);
            self.keeping.changed(&operation.key);
        }
    }

    /// What a timer or a disk brought about: an event of its own.
    pub(super) fn record_internal(&mut self, change: StoreChange, effects: &mut Effects<Self>) {
        let event = self.journal.event(Kind::Internal, Some(Box::new(change)));
        effects.push(Effect::Record(event));
    }
}

/// What writes of others did in an event.
pub(super) fn change_of(applied: Vec<Stretch>) -> Option<Box<StoreChange>> {
    (!applied.is_empty()).then(|| {
        Box::new(StoreChange {
            applied,
            ..StoreChange::default()
        })
    })
}
