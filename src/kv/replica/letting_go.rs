//! What can be let go: memories that every member has, logs, and writes that nobody has any more.
//!
//! # What is stable
//!
//! A member's report says what it has (`known`) and what of it is on its disk (`kept`). Once this replica has all of
//! that `known`, every write of that member which is still to come was accepted after the report, by one who had
//! `kept`. So what is in the `kept` of all such reports, and in this replica's own, is stable.
//!
//! That holds for the lives that go on. A write of a life that ended may still be under way to somebody, and its
//! machine's next life may know nothing of it. So reports count only if all of them, and this replica, speak of the same
//! lives of the same members (`lives_digest`): who has a link to a later life takes nothing any more from an earlier
//! one, and has forgotten what of it was waiting (`Buffer::forget_lives`). What is then in nobody's `known` is gone.
//!
//! Who was removed by decision may come back with its disk, and with writes that nobody else has. So it counts as if it
//! were a member that has not spoken since, until it is one again: also one that nobody is known to have heard of. Its record
//! does not tell that (of two decisions made at once the one counts that may not have known of its life), and it may have
//! served alone. Who left in order has handed over everything, and has taken nothing of others since it began to (`delivery`);
//! it does not count. What one that was given up as lost has comes back with nobody ([`members`](crate::kv::members)); but what
//! some took from it before they heard of that is still to come to others. So it counts like one that was removed, until every
//! member knows of it and all have the same of its writes on their disks (`is_lost_and_spread`).
//!
//! # What is gone
//!
//! A life that ended may have answered clients with writes that nobody else got, and that its disk did not keep, or
//! whose disk is lost. What their sessions have seen can never be met. Such a write is *gone* when its life has ended,
//! or was removed by decision (one that was never a member here may well live), and every member is there, in its
//! present life, and none has it, without a break for longer than any repair takes, in which this replica did not stand still
//! itself: it would go by old reports. Requests that name it are then
//! served, and told so (`released`); writes that wait for it, which nobody has applied either, are forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::{Replica, peer::Peer};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        members::{Record, Status},
        message::Report,
        mutant::{self, Mutant},
        request::Token,
    },
    service::Effects,
    units::{MachineId, Time},
};

/// Most entries that are looked at in one heartbeat for what can be forgotten.
const COLLECT_ENTRIES_MAX: usize = 5000;

/// How many times the delay of repair has to pass before a write is taken to be gone.
const REPAIRS_BEFORE_GONE: u64 = 2;

/// So many heartbeats late, and a replica counts as having stood still: who is there and has what is looked at anew.
const BEATS_LATE_MAX: u64 = 3;

/// How far letting go has come.
#[derive(Debug, Default)]
pub(super) struct LettingGo {
    /// A digest of the member records.
    pub(super) members_digest: u64,
    /// A digest of the members and of the lives that the links lead to.
    pub(super) lives_digest: u64,
    /// What was stable at any time: what once was stays so.
    pub(super) once_stable: VersionVector,
    /// Those who were removed and may come back: what they are known to have on their disks, and will build upon. Of those who are
    /// lost, until nothing of theirs is under way.
    absent: BTreeMap<MachineId, VersionVector>,
    /// Since when every member has been there.
    complete_since: Option<Time>,
    /// When that was looked at last.
    looked: Time,
    /// Where collecting goes on.
    after: Option<Box<[u8]>>,
    /// What a replica that drains had when it began to: what it has to hand over.
    pub(super) handing_over: VersionVector,
}

impl LettingGo {
    /// The members are others now, or one of them is in another life.
    pub(super) fn interrupted(&mut self) {
        self.complete_since = None;
    }
}

impl Replica {
    /// Looks, with each heartbeat, what can be let go.
    pub(super) fn let_go(&mut self, effects: &mut Effects<Self>) {
        let known = &self.known;
        let lives_digest = self.letting_go.lives_digest;
        for peer in self.peers.values_mut() {
            peer.settle(known, lives_digest);
        }
        self.look_what_is_stable();
        self.letting_go.once_stable.merge(&self.stable);
        self.log.trim(&self.stable);
        self.collect();
        self.look_whether_complete();
        if self.is_complete_for_long() {
            self.forget_orphans();
            let awaited = self.waiting.awaited();
            let gone: Vec<Dot> = awaited.into_iter().filter(|dot| self.is_gone(*dot)).collect();
            for dot in gone {
                self.waiting.applied(dot.origin, dot.number);
            }
            self.serve_woken(effects);
        }
    }

    /// Forgets tombstones and the like, as far as they are stable.
    fn collect(&mut self) {
        if self.stable.is_empty() || !self.transfers.is_empty() || self.keeping.trouble().is_some() {
            return;
        }
        let after = self.letting_go.after.take();
        let wall_us = self.wall_us();
        let collected = self
            .store
            .collect(&self.stable, wall_us, after.as_deref(), COLLECT_ENTRIES_MAX);
        self.counts.collected += collected.changed.len() as u64;
        for key in &collected.changed {
            self.keeping.changed(key);
        }
        self.letting_go.after = collected.next;
    }

    /// The members are others: who was removed keeps what it had said.
    pub(super) fn note_absent(&mut self) {
        let is_absent = |record: &&Record| {
            matches!(record.status, Status::Removed | Status::Lost) && record.id != self.config.id
        };
        let removed: BTreeSet<MachineId> = self
            .members
            .records()
            .filter(is_absent)
            .map(|record| record.id)
            .collect();
        for id in &removed {
            if self
                .members
                .get(*id)
                .is_some_and(|record| record.status == Status::Lost)
            {
                // It was taken from the lost one itself, perhaps; what others have comes again.
                self.counts.forgotten += self.buffer.forget_lives(*id, u32::MAX);
            }
        }
        let absent = &mut self.letting_go.absent;
        absent.retain(|id, _| removed.contains(id));
        for id in removed {
            absent.entry(id).or_insert_with(|| {
                let mut settled = self.letting_go.once_stable.clone();
                settled.merge(
                    self.peers
                        .get(&id)
                        .map_or(&VersionVector::new(), |peer| &peer.settled),
                );
                settled
            });
        }
    }

    /// The members are others, or one of them is in another life: reports that were made before settle nothing.
    pub(super) fn note_lives(&mut self) {
        let me = self.me();
        let life = |id: MachineId| {
            let peer = self.peers.get(&id).map_or(0, |peer| peer.life);
            if id == me { self.origin.incarnation } else { peer }
        };
        let lives = self.members.present().map(|record| (record.id, life(record.id)));
        let lives_digest = digest_of(lives);
        if self.letting_go.lives_digest != lives_digest {
            self.letting_go.lives_digest = lives_digest;
            self.peers.values_mut().for_each(Peer::unsettle);
        }
    }

    fn look_whether_complete(&mut self) {
        if self.has_stood_still() {
            self.letting_go.complete_since = None;
        }
        self.letting_go.looked = self.now;
        let me = self.me();
        let mut others = self.members.present().filter(|record| record.id != me);
        let is_complete = others.all(|record| {
            let peer = self.peers.get(&record.id);
            peer.is_some_and(|peer| peer.is_there() && peer.report.gap_us < self.config.repair_after_us)
        });
        if !is_complete || !self.members.has_me() {
            self.letting_go.complete_since = None;
        } else {
            self.letting_go.complete_since.get_or_insert(self.now);
        }
    }

    /// Whether this replica itself has not looked for so long that what it was told is old: its process was stopped, or the
    /// computer slept.
    fn has_stood_still(&self) -> bool {
        let passed = self.now.0.saturating_sub(self.letting_go.looked.0);
        passed > self.config.heartbeat_us.saturating_mul(BEATS_LATE_MAX)
    }

    fn is_complete_for_long(&self) -> bool {
        if self.has_stood_still() {
            return false;
        }
        let enough = self.config.repair_after_us.saturating_mul(REPAIRS_BEFORE_GONE);
        let since = self.letting_go.complete_since;
        since.is_some_and(|since| self.now.0.saturating_sub(since.0) > enough)
    }

    /// Whether no member has a write, nor will have.
    fn is_gone(&self, dot: Dot) -> bool {
        self.has_ended(dot.origin)
            && !self.known.contains(dot)
            && self.peers.values().all(|peer| !peer.report.known.contains(dot))
    }

    /// What of a token is gone.
    pub(super) fn released(&self, token: &Token) -> Vec<Dot> {
        if mutant::is(Mutant::LetsGoAtOnce) {
            let missing = self.known.missing(token);
            return missing.filter(|dot| self.has_ended(dot.origin)).collect();
        }
        if !self.is_complete_for_long() {
            return Vec::new();
        }
        self.known
            .missing(token)
            .filter(|dot| self.is_gone(*dot))
            .collect()
    }

    /// Forgets writes that wait for one that is gone.
    fn forget_orphans(&mut self) {
        let long_ago = Time(self.now.0.saturating_sub(self.config.repair_after_us));
        let orphans: Vec<_> = self
            .buffer
            .heads()
            .filter(|head| head.since <= long_ago)
            .filter(|head| {
                let before = head.batch.first().saturating_sub(1);
                let own = (before > 0).then(|| Dot::new(head.batch.origin(), before));
                let needs = self.known.missing(head.batch.dependencies());
                let own = own.filter(|dot| !self.known.contains(*dot));
                own.into_iter().chain(needs).any(|dot| self.is_gone(dot))
            })
            .map(|head| head.batch.origin())
            .collect();
        for origin in orphans {
            self.counts.forgotten += self.buffer.forget(origin);
        }
    }

    /// What is stable among those who are members now.
    pub(super) fn look_what_is_stable(&mut self) {
        self.stable = self.compute_stable();
    }

    /// What every member is known to have on its disk, and will build upon.
    fn compute_stable(&self) -> VersionVector {
        if mutant::is(Mutant::NoTombstones) {
            return self.kept.clone();
        }
        let mut stable = self.kept.clone();
        let me = self.me();
        for record in self.members.present().filter(|record| record.id != me) {
            let Some(peer) = self.peers.get(&record.id) else {
                return VersionVector::new();
            };
            stable = least(&stable, &peer.settled);
        }
        let absent = self.letting_go.absent.iter();
        let absent = absent.filter(|(id, _)| !self.is_lost_and_spread(**id));
        let absent: Vec<&VersionVector> = absent.map(|(_, settled)| settled).collect();
        if mutant::is(Mutant::AbsentOverlooked) {
            return stable;
        }
        if mutant::is(Mutant::AbsentHoldsAll) && !absent.is_empty() {
            return VersionVector::new();
        }
        let absent = absent.into_iter();
        absent.fold(stable, |stable, settled| least(&stable, settled))
    }

    /// Whether one is given up, and nothing of it is under way any more: every member knows that it is, so it takes nothing
    /// from it, and has the same of its writes on its disk. Until then one of them could come behind a tombstone that it was
    /// made without, and that some have forgotten.
    fn is_lost_and_spread(&self, id: MachineId) -> bool {
        if self.members.get(id).map(|record| record.status) != Some(Status::Lost) {
            return false;
        }
        let of_it = |vector: &VersionVector| -> VersionVector {
            vector.iter().filter(|(origin, _)| origin.machine == id).collect()
        };
        let all = of_it(&self.known);
        let me = self.me();
        let mut others = self.members.present().filter(|record| record.id != me);
        of_it(&self.kept) == all
            && others.all(|record| {
                self.peers.get(&record.id).is_some_and(|peer| {
                    let Report {
                        known,
                        kept,
                        members_digest,
                        ..
                    } = &peer.report;
                    *members_digest == self.letting_go.members_digest
                        && of_it(known) == all
                        && of_it(kept) == all
                })
            })
    }
}

/// What both have.
pub(super) fn least(one: &VersionVector, other: &VersionVector) -> VersionVector {
    let both = one
        .iter()
        .map(|(origin, number)| (origin, number.min(other.get(origin))));
    both.filter(|(_, number)| *number > 0).collect()
}

/// A digest of members and their lives: FNV-1a, 64 bits (Fowler, Noll and Vo).
fn digest_of(lives: impl Iterator<Item = (MachineId, u32)>) -> u64 {
    let bytes = lives.flat_map(|(id, life)| id.0.to_be_bytes().into_iter().chain(life.to_be_bytes()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
