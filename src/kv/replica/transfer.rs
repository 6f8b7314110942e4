//! The state itself for a replica that the log does not reach: an exact snapshot at a moment, sent in parts.
//!
//! What changes while it is under way is kept as it was (`snapshot`). Parts are sent only as far ahead of what the
//! receiver has taken as [`PARTS_AHEAD_MAX`].

use std::collections::{BTreeMap, VecDeque};

use super::{Replica, backup::Backups, snapshot::Snapshot};
use crate::{
    clock::VersionVector,
    kv::{
        message::Message,
        store::{Scope, Store},
    },
    service::{Effect, Effects},
    units::{MachineId, Time},
    wire::write_varint,
};

/// Bytes of a part, but for the last of a slice.
pub(super) const PART_BYTES: usize = 256 << 10;

/// Parts under way that the receiver has not taken yet.
const PARTS_AHEAD_MAX: u64 = 16;

/// Most transfers at once; who asks beyond it hears nothing, and asks the next.
const TRANSFERS_MAX: usize = 4;

/// A receiver that has taken nothing for so long has given up.
const SILENT_US_MAX: u64 = 10_000_000;

/// What is sent to one peer.
#[derive(Debug)]
struct Outgoing {
    number: u64,
    /// Of what the receiver lacks; of everything, if all is sent. One that is given up is asked for anew.
    snapshot: Snapshot,
    /// Parts that are ready.
    ready: VecDeque<Box<[u8]>>,
    sent: u64,
    taken: u64,
    heard: Time,
}

/// All transfers to others, and copies for clients.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    outgoing: BTreeMap<MachineId, Outgoing>,
    pub(super) backups: Backups,
}

impl Transfers {
    /// Whether there is none: then what is stable may be forgotten.
    pub(super) fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.backups.is_empty()
    }

    /// A key is about to change.
    #[inline]
    pub(super) fn preserve(&mut self, store: &Store, key: &[u8]) {
        if !self.is_empty() {
            self.preserve_preimage(store, key);
        }
    }

    #[cold]
    fn preserve_preimage(&mut self, store: &Store, key: &[u8]) {
        self.outgoing
            .retain(|_, outgoing| outgoing.snapshot.preserve(store, key));
        self.backups.preserve(store, key);
    }

    /// A peer is served no more.
    pub(super) fn forget(&mut self, to: MachineId) {
        self.outgoing.remove(&to);
    }

    /// None goes on: the state has become another.
    pub(super) fn forget_all(&mut self) {
        self.outgoing.clear();
        self.backups.forget_all();
    }

    /// A receiver has taken parts.
    pub(super) fn credit(&mut self, from: MachineId, number: u64, parts: u64, now: Time) {
        if let Some(outgoing) = self.outgoing.get_mut(&from)
            && outgoing.number == number
        {
            outgoing.taken = outgoing.taken.max(parts.min(outgoing.sent));
            outgoing.heard = now;
        }
    }
}

impl Outgoing {
    /// Reads the next stretch of keys into parts.
    fn read(&mut self, store: &Store) {
        let mut part = Vec::with_capacity(PART_BYTES);
        for (key, entry) in self.snapshot.read(store, PART_BYTES) {
            for bytes in [&key, &entry] {
                write_varint(bytes.len() as u64, &mut part);
                part.extend_from_slice(bytes);
            }
            while part.len() > PART_BYTES {
                let rest = part.split_off(PART_BYTES);
                self.ready.push_back(std::mem::replace(&mut part, rest).into());
            }
        }
        if !part.is_empty() {
            self.ready.push_back(part.into());
        }
    }
}

impl Replica {
    /// A peer lacks what the log does not have any more.
    pub(super) fn begin_transfer(
        &mut self,
        to: MachineId,
        number: u64,
        known: &VersionVector,
        effects: &mut Effects<Self>,
    ) {
        if self.transfers.outgoing.len() >= TRANSFERS_MAX {
            return;
        }
        self.counts.transfers += 1;
        let scope = self.store.scope(known);
        let outgoing = Outgoing {
            number,
            snapshot: Snapshot::new(match scope {
                Scope::Beyond => known.clone(),
                Scope::Whole => VersionVector::new(),
            }),
            ready: VecDeque::new(),
            sent: 0,
            taken: 0,
            heard: self.now,
        };
        self.transfers.outgoing.insert(to, outgoing);
        let message = Message::TransferBegin {
            number,
            known: self.known.clone(),
            scope,
            forgotten: self.store.forgotten().clone(),
            stamp: self.store.stamp(),
        };
        effects.push(Effect::Signal { to, message });
    }

    /// Sends further parts, one slice a round to each receiver that has room for it.
    pub(super) fn continue_transfers(&mut self, effects: &mut Effects<Self>) {
        let (store, now) = (&self.store, self.now);
        self.transfers.backups.forget_silent(now);
        self.transfers.outgoing.retain(|to, outgoing| {
            let has_room = |outgoing: &Outgoing| outgoing.sent - outgoing.taken < PARTS_AHEAD_MAX;
            if now.0.saturating_sub(outgoing.heard.0) > SILENT_US_MAX {
                return false;
            }
            if has_room(outgoing) && outgoing.ready.is_empty() && !outgoing.snapshot.is_read() {
                outgoing.read(store);
            }
            while has_room(outgoing)
                && let Some(bytes) = outgoing.ready.pop_front()
            {
                let message = Message::TransferPart {
                    number: outgoing.number,
                    part: outgoing.sent,
                    bytes,
                };
                outgoing.sent += 1;
                effects.push(Effect::Signal { to: *to, message });
            }
            let is_done = outgoing.snapshot.is_read() && outgoing.ready.is_empty();
            if is_done {
                let message = Message::TransferEnd {
                    number: outgoing.number,
                    parts: outgoing.sent,
                };
                effects.push(Effect::Signal { to: *to, message });
            }
            !is_done
        });
    }

    /// Whether a transfer can go on at once: then the next round should come soon.
    pub(super) fn has_more_to_send(&self) -> bool {
        let mut outgoing = self.transfers.outgoing.values();
        outgoing.any(|outgoing| outgoing.sent - outgoing.taken < PARTS_AHEAD_MAX)
    }
}
