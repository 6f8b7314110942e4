//! What is told of the replica itself: members, status, and why something waits.

use std::borrow::Cow;

use super::{
    Counts, Replica,
    buffer::{Buffered, missing},
};
use crate::{
    clock::Dot,
    kv::{
        Batch,
        members::Status as Decided,
        request::{Lag, Member, Missing, Standing, Status, Token, Why},
    },
    units::MachineId,
};

/// Most buffered batches that are looked through for a key.
const LOOK_BATCHES_MAX: usize = 1000;

/// Most buffered writes of a key that are told of.
const BUFFERED_TOLD_MAX: usize = 16;

impl Replica {
    /// All records, as this replica sees them.
    pub(super) fn member_list(&self) -> Vec<Member> {
        let members = self.members.records();
        members
            .map(|record| Member {
                id: record.id,
                address: record.address.clone(),
                standing: self.standing(record.id, record.status),
                incarnation: self.life_of(record.id).max(record.incarnation),
            })
            .collect()
    }

    /// The life of a member that this replica has met itself; 0 if it has not. Who was told its members knows nothing else.
    fn life_of(&self, id: MachineId) -> u32 {
        match id == self.me() {
            true => self.origin.incarnation,
            false => self.peers.get(&id).map_or(0, |peer| peer.life),
        }
    }

    fn standing(&self, id: MachineId, status: Decided) -> Standing {
        match status {
            _ if id == self.me() && self.keeping.is_given_up() => Standing::Lost,
            Decided::Removed => Standing::Removed,
            Decided::Left => Standing::Left,
            Decided::Lost => Standing::Lost,
            Decided::Draining => Standing::Draining,
            Decided::Present if id == self.me() => Standing::Myself,
            Decided::Present => match self.peers.get(&id) {
                Some(peer) if peer.is_suspected => Standing::Suspected,
                _ => Standing::Alive,
            },
        }
    }

    /// How this replica is.
    pub(super) fn status(&self) -> Status {
        let now = self.now;
        let lags = self.peers.values().map(|peer| {
            let known = peer.report.known.clone();
            Lag {
                peer: peer.id,
                writes: self
                    .known
                    .iter()
                    .map(|(origin, number)| number.saturating_sub(known.get(origin)))
                    .sum(),
                known,
                behind_us: peer
                    .behind
                    .as_ref()
                    .map_or(0, |behind| now.0.saturating_sub(behind.since.0)),
                silent_us: peer.suspicion.silent_us(now),
                phi_permille: peer.suspicion.phi_permille(now),
            }
        });
        let address = self.members.get(self.me()).map(|record| record.address.clone());
        Status {
            origin: self.origin,
            address: address.unwrap_or_else(|| self.config.address.clone()),
            is_ready: self.is_ready(),
            known: self.known.clone(),
            kept: self.kept.clone(),
            stable: self.stable.clone(),
            members: self.member_list(),
            lags: lags.collect(),
            keys: self.store.keys(),
            tombstones: self.store.tombstones(),
            buffered: self.buffer.writes(),
            waiting: self.waiting.len() as u64,
            logged: self.log.size(),
            counts: self.counts.named(),
            disk_trouble: self.keeping.trouble().map(str::to_owned),
        }
    }

    /// What this replica waits for, as far as a key is concerned; of the empty key, which is none, all that wait first.
    pub(super) fn why(&self, key: &[u8], token: &Token) -> Why {
        let mut buffered = Vec::new();
        if key.is_empty() {
            let heads = self.buffer.heads().take(BUFFERED_TOLD_MAX);
            let first = |head: &Buffered| {
                let batch = &head.batch;
                let dot = Dot::new(batch.origin(), batch.first());
                (dot, self.lacks(batch))
            };
            return Why {
                present: Vec::new(),
                buffered: heads.map(first).collect(),
                unmet: self.missing(token),
            };
        }
        for waiting in self.buffer.all().take(LOOK_BATCHES_MAX) {
            let batch = &waiting.batch;
            let Ok(writes) = batch.writes() else {
                continue;
            };
            let of_key = |operations: &[crate::kv::Applied]| operations.iter().any(|one| *one.key == *key);
            for write in writes.iter().filter(|write| of_key(&write.operations)) {
                if buffered.len() < BUFFERED_TOLD_MAX {
                    buffered.push((write.dot, self.lacks(batch)));
                }
            }
        }
        Why {
            present: self.store.present(key),
            buffered,
            unmet: self.missing(token),
        }
    }

    /// What a batch waits for: a head for others; who stands behind it for the one before.
    fn lacks(&self, batch: &Batch) -> Vec<Missing> {
        let Some(first) = missing(batch, &self.known) else {
            return Vec::new();
        };
        let others = self.known.missing(batch.dependencies());
        let others = others.filter(|dot| *dot != first);
        std::iter::once(first)
            .chain(others)
            .map(|dot| self.missing_dot(dot))
            .collect()
    }
}

impl Counts {
    fn named(&self) -> Vec<(Cow<'static, str>, u64)> {
        let named = [
            ("reads", self.reads),
            ("writes", self.writes),
            ("operations", self.operations),
            ("denied", self.denied),
            ("waited", self.waited),
            ("applied", self.applied),
            ("buffered", self.buffered),
            ("duplicates", self.duplicates),
            ("dropped", self.dropped),
            ("forgotten", self.forgotten),
            ("pulls", self.pulls),
            ("transfers", self.transfers),
            ("served", self.served),
            ("resets", self.resets),
            ("released", self.released),
            ("collected", self.collected),
            ("refused", self.refused),
        ];
        named.map(|(name, count)| (Cow::Borrowed(name), count)).into()
    }
}
