//! Who the members are, as this replica is told and tells others.
//!
//! A view is *shared* or *told*. A replica that begins with a view shares it: decisions made at one spread to all, and
//! who introduces itself is added. One that begins without a view takes it only from those who tell it which members
//! there are (the 2025 form of the assignment, in which each replica is told by the client): nobody's records change
//! it, so that clusters which were told apart stay apart.

use super::{Peer, Replica, ready::Phase};
use crate::{
    kv::{
        members::{RECORDS_MAX, Record, Refused, Status},
        message::{Introduce, Message},
        mutant::{self, Mutant},
        request::{Deny, MemberChange},
    },
    service::{Effect, Effects},
    units::MachineId,
};

impl Replica {
    /// Whether the view is only what this replica was told. One that is started with a view shares it, whatever an
    /// earlier life was told.
    pub(super) fn is_told(&self) -> bool {
        self.config.members.is_none() && self.keeping.was_told().unwrap_or(true)
    }

    /// At the start: the members of the disk, and those of the configuration that it does not know of.
    pub(super) fn begin_membership(&mut self, effects: &mut Effects<Self>) {
        let before: Vec<Record> = self.members.records().cloned().collect();
        let me = self.me();
        if let Some(view) = self.config.members.clone() {
            for member in &view {
                self.members.begin_with(member.id, &member.address);
            }
            self.members.begin_with(me, &self.config.address);
        }
        if self.members.get(me).is_some() && !self.is_told() {
            self.members
                .begin_myself(&self.config.address, self.origin.incarnation);
        }
        for record in self.members.records() {
            if !before.contains(record) {
                self.keeping.changed_member(record.id);
            }
        }
        if self.members.has_me() {
            if self.keeping.has_joined() && !self.known.is_empty() {
                self.phase = Phase::Ready;
            } else {
                self.join();
            }
        }
        self.keeping.changed_whole();
        // What an earlier life forgot was stable.
        self.letting_go.once_stable = self.store.forgotten().clone();
        self.follow_members(effects);
        self.look_whether_ready(effects);
    }

    /// A client changes who is a member. Says whether it was so already.
    pub(super) fn change_members(
        &mut self,
        change: &MemberChange,
        effects: &mut Effects<Self>,
    ) -> Result<bool, Deny> {
        if self.stopped.is_some() {
            return Err(Deny::Leaving);
        }
        if let Some(deny) = self.disk_trouble() {
            // After a restart it would not be so any more.
            return Err(deny);
        }
        let is_new = self.members.change(change).map_err(|refused| match refused {
            Refused::NoSuchMember => Deny::NoSuchMember,
            Refused::TooMany => Deny::TooLarge {
                what: format!(
                    "there are {RECORDS_MAX} members, with those that were removed: no more are allowed"
                ),
            },
            Refused::AddressTaken(id) => Deny::Malformed {
                what: format!("machine {id} is a member at that address: remove, drain or replace it"),
            },
            Refused::Twice(id) => Deny::Malformed {
                what: format!(
                    "the id or the address of machine {id} is that of another of these members, too"
                ),
            },
        })?;
        if is_new {
            self.spread_members(effects);
        }
        Ok(!is_new)
    }

    /// Somebody has introduced itself.
    pub(super) fn met(
        &mut self,
        from: MachineId,
        introduce: &Introduce,
        life: u32,
        effects: &mut Effects<Self>,
    ) {
        if self.is_told() {
            return;
        }
        let mut is_new = false;
        for record in &introduce.members {
            is_new |= self.take_record(record);
        }
        if self.members.has_me() {
            is_new |= self.members.greet(from, &introduce.address, life);
        }
        if is_new {
            self.spread_members(effects);
        } else if !self.members.has(from) {
            // It was removed, and is told so; then the link ends.
            self.tell_members(from, effects);
            effects.push(Effect::Peers(self.members.peers()));
        }
    }

    /// A peer's records have come.
    pub(super) fn told_members(&mut self, records: &[Record], effects: &mut Effects<Self>) {
        if self.is_told() {
            return;
        }
        let mut is_new = false;
        for record in records {
            is_new |= self.take_record(record);
        }
        if is_new {
            self.spread_members(effects);
        }
    }

    fn take_record(&mut self, record: &Record) -> bool {
        let is_new = self.members.merge(record);
        // What was decided of an earlier life of this replica does not hold for this one: it was started with a view, to
        // be a member again.
        let (me, life) = (self.me(), self.origin.incarnation);
        if is_new && record.id == me && record.incarnation < life && self.config.members.is_some() {
            self.members.greet(me, &self.config.address, life);
        }
        is_new
    }

    /// The records have changed here: the disk, the peers and the links follow.
    fn spread_members(&mut self, effects: &mut Effects<Self>) {
        let ids: Vec<MachineId> = self.members.records().map(|record| record.id).collect();
        for id in ids {
            self.keeping.changed_member(id);
        }
        self.letting_go.members_digest = self.members.digest();
        let up: Vec<MachineId> = self
            .peers
            .values()
            .filter(|peer| peer.is_up())
            .map(|peer| peer.id)
            .collect();
        for to in up {
            self.tell_members(to, effects);
        }
        self.follow_members(effects);
        self.look_whether_ready(effects);
    }

    /// Tells a peer all records; one whose view is told keeps it to itself.
    pub(super) fn tell_members(&mut self, to: MachineId, effects: &mut Effects<Self>) {
        if !self.is_told() {
            let records = self.members.records().cloned().collect();
            let message = Message::Members(records);
            effects.push(Effect::Signal { to, message });
        }
    }

    /// Links, peers and phase follow the records.
    fn follow_members(&mut self, effects: &mut Effects<Self>) {
        self.letting_go.members_digest = self.members.digest();
        self.follow_status();
        if self.phase != Phase::Ready {
            self.waiting.ready();
        }
        let peers = self.members.peers();
        let (now, heartbeat_us) = (self.now, self.config.heartbeat_us);
        let is_member = |id: &MachineId| peers.iter().any(|peer| peer.id == *id);
        self.note_absent();
        if mutant::is(Mutant::EndedLivesDropped) {
            self.drop_ended_lives();
        }
        self.peers.retain(|id, peer| is_member(id) || peer.is_up());
        for (id, peer) in &mut self.peers {
            // When it comes back it is met anew.
            peer.is_known &= is_member(id);
        }
        for peer in &peers {
            let is_here = self.peers.contains_key(&peer.id);
            if !is_here {
                let new = Peer::new(peer.id, now, heartbeat_us);
                self.peers.insert(peer.id, new);
            }
        }
        self.letting_go.interrupted();
        self.note_lives();
        // What a new member may lack is stable no more, from this moment on.
        self.look_what_is_stable();
        effects.push(Effect::Peers(peers));
        // One that was up already is met now.
        let mut is_met = false;
        for peer in self.peers.values_mut() {
            if peer.is_there() && !peer.is_known && self.members.has(peer.id) {
                peer.is_known = true;
                is_met = true;
                let is_missing = !self.known.covers(&peer.report.known);
                peer.target = is_missing.then(|| peer.report.known.clone());
            }
        }
        if is_met {
            self.look_for_gaps(effects);
        }
    }

    /// What its own record says of it.
    fn follow_status(&mut self) {
        let me = self.me();
        let status = self.members.get(me).map(|record| record.status);
        match status {
            None | Some(Status::Removed) => self.phase = Phase::Alone,
            Some(Status::Left) => {
                self.phase = Phase::Alone;
                // The others do not wait for it to forget: it is a newcomer, when it comes back.
                self.keeping.joined(false);
            }
            Some(Status::Draining) if self.phase != Phase::Draining => {
                self.phase = Phase::Draining;
                // It accepts no further writes; what others accept is theirs to spread, and it takes none of it any more.
                self.letting_go.handing_over = self.known.clone();
                self.repair.cease();
            }
            Some(Status::Draining) => {}
            Some(Status::Present) => match self.phase {
                Phase::Draining if self.keeping.has_joined() => self.phase = Phase::Ready,
                Phase::Alone | Phase::Draining => self.join(),
                Phase::Joining { .. } | Phase::Ready => {}
            },
        }
    }

    /// What a mutant does, once a known peer is no member any more.
    fn drop_ended_lives(&mut self) {
        let is_gone = |peer: &Peer| peer.is_known && !self.members.has(peer.id);
        if self.peers.values().any(is_gone) {
            let origins = self.known.iter().map(|(origin, _)| origin);
            let ended: Vec<_> = origins.filter(|origin| self.has_ended(*origin)).collect();
            self.known.retain(|origin, _| !ended.contains(&origin));
        }
    }

    /// A replica that is to leave goes when those who stay have everything that it had when it began to, on their disks:
    /// more than half of them, so that a write with w=2 is still on two, and all of them that are not suspected.
    pub(super) fn hand_over(&mut self, effects: &mut Effects<Self>) {
        if self.phase != Phase::Draining {
            return;
        }
        let me = self.me();
        let (mut staying, mut have, mut are_behind) = (0, 0, false);
        for record in self.members.present() {
            if record.status != Status::Present {
                continue;
            }
            staying += 1;
            let peer = self.peers.get(&record.id);
            if peer.is_some_and(|peer| peer.report.kept.covers(&self.letting_go.handing_over)) {
                have += 1;
            } else {
                are_behind |= peer.is_none_or(|peer| !peer.is_suspected);
            }
        }
        let is_alone = self.members.present().all(|record| record.id == me);
        let is_done = is_alone || mutant::is(Mutant::LeavesAtOnce) || (!are_behind && have > staying / 2);
        if is_done && self.members.decide(me, Status::Left).is_ok() {
            self.spread_members(effects);
        }
    }
}
