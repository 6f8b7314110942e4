//! Who the members are, as this replica is told and tells others.
//!
//! A view is *shared* or *told*. A replica that begins with a view shares it: decisions made at one spread to all, and
//! who introduces itself is added. One that begins without a view takes it only from those who tell it which members
//! there are (the 2025 form of the assignment, in which each replica is told by the client): nobody's records change
//! it, so that clusters which were told apart stay apart.

use super::{Peer, Replica, ready::Phase};
use crate::{
    clock::VersionVector,
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
        self.members.are_told = self.is_told();
        self.members.leave_out_phantoms();
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
        self.may_change(change)?;
        self.members.are_told = self.is_told();
        let is_new = self.members.change(change).map_err(|refused| match refused {
            Refused::NoSuchMember => Deny::NoSuchMember,
            Refused::Last => Deny::Malformed {
                what: "it is the only member that does not leave: nobody could take over what it has; add another one first"
                    .to_owned(),
            },
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

    /// Whether this replica can make such a change: what one says that is no member itself reaches nobody, and one that is
    /// told its view hears of no ages.
    fn may_change(&self, change: &MemberChange) -> Result<(), Deny> {
        let me = self.me();
        let is_here = self.members.has_me() && !self.keeping.is_given_up();
        match change {
            MemberChange::Set { members } => {
                let address = &self.config.address;
                let named = members.iter().find(|(_, at)| at == address);
                match named.filter(|(id, _)| *id != me && members.iter().all(|(id, _)| *id != me)) {
                    Some((id, _)) => Err(Deny::Malformed {
                        what: format!("the replica at {address} is {me}, not {id}"),
                    }),
                    None => Ok(()),
                }
            }
            MemberChange::Add { id, .. } if *id == me && !self.keeping.is_given_up() => Ok(()),
            MemberChange::Lose { .. } if self.is_told() => Err(Deny::Malformed {
                what: "this replica only knows the members that it is told, so nobody could be told that one is lost: remove it"
                    .to_owned(),
            }),
            MemberChange::Add { .. }
            | MemberChange::Remove { .. }
            | MemberChange::Lose { .. }
            | MemberChange::Drain { .. }
            | MemberChange::Replace { .. } => match is_here {
                true => Ok(()),
                false => Err(Deny::NoMember),
            },
        }
    }

    /// Whether what a machine has is of an earlier age than its record here: it was given up since. It is
    /// told so, and nothing else is taken from it.
    pub(super) fn is_lost(
        &mut self,
        from: MachineId,
        introduce: &Introduce,
        effects: &mut Effects<Self>,
    ) -> bool {
        let records = &introduce.members;
        if self.is_told() || mutant::is(Mutant::LostTakenBack) {
            return false;
        }
        let age = age_of(from, records);
        let here = self.members.get(from).map_or(0, Record::age);
        if age >= here {
            return false;
        }
        // What those have seen who asked it is gone.
        let lives = introduce.report.known.iter().map(|(origin, _)| origin);
        let lives = lives.filter(|origin| origin.machine == from);
        let last = lives.map(|origin| origin.incarnation).max();
        if last.is_some_and(|life| self.members.lives_of_lost(from, life)) {
            self.spread_members(effects);
        }
        self.tell_members(from, effects);
        effects.push(Effect::Peers(self.peers_to_have()));
        true
    }

    /// Whom links are kept to. One that was given up introduces itself until somebody has noted up to which life it wrote
    /// something: what its sessions have seen is gone then.
    pub(super) fn peers_to_have(&self) -> Vec<crate::service::Peer> {
        let me = self.me();
        let lives = self.known.iter().map(|(origin, _)| origin);
        let last = lives
            .filter(|origin| origin.machine == me)
            .map(|origin| origin.incarnation);
        let last = last.max().unwrap_or(0);
        match self.keeping.given_up() {
            Some(record) if record.incarnation >= last => Vec::new(),
            Some(_) | None => self.members.peers(),
        }
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
        let mut own = introduce.members.iter().filter(|record| record.id == from);
        let is_lost = own.any(|record| record.status == Status::Lost);
        if self.members.has_me() && !self.keeping.is_given_up() && !is_lost {
            is_new |= self.members.greet(from, &introduce.address, life);
        }
        if is_new {
            self.spread_members(effects);
        } else if !self.members.has(from) {
            // It was removed, and is told so; then the link ends.
            self.tell_members(from, effects);
            effects.push(Effect::Peers(self.peers_to_have()));
        }
    }

    /// A peer's records have come.
    pub(super) fn told_members(&mut self, from: MachineId, records: &[Record], effects: &mut Effects<Self>) {
        if self.is_told() {
            return;
        }
        let age = age_of(from, records);
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.age = peer.age.max(age);
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
        if self.is_given_up_by(record) {
            return self.keeping.give_up(record);
        }
        let is_new = self.members.merge(record);
        // What was decided of an earlier life of this replica does not hold for this one: it was started with a view, to
        // be a member again.
        let (me, life) = (self.me(), self.origin.incarnation);
        if is_new && record.id == me && record.incarnation < life && self.config.members.is_some() {
            self.members.greet(me, &self.config.address, life);
        }
        is_new
    }

    /// A record of this replica, of a later age than its data: they were given up. It says so to its disk, and serves nobody
    /// any more; the life that begins next drops them.
    fn is_given_up_by(&self, record: &Record) -> bool {
        let age = self.members.get(record.id).map_or(0, Record::age);
        let is_later = record.age() > age && !self.known.is_empty();
        record.id == self.me() && is_later && !mutant::is(Mutant::LostTakenBack)
    }

    /// At the start of a life whose data were given up: they are dropped, and the disk is told so.
    pub(super) fn drop_given_up(&mut self) {
        let Some(record) = self.keeping.given_up() else {
            return;
        };
        for key in self.store.drop_all(&self.known) {
            self.keeping.changed(&key);
        }
        self.known = VersionVector::new();
        self.members.restore(record);
        self.keeping.dropped();
    }

    /// The records have changed here: the disk, the peers and the links follow.
    fn spread_members(&mut self, effects: &mut Effects<Self>) {
        self.members.leave_out_phantoms();
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

    /// All records, for others. What this replica has may have been given up by a decision that nobody else has heard of
    /// and kept: then it tells that, in the place of its own record.
    pub(super) fn records_to_tell(&self) -> Vec<Record> {
        let given_up = self.keeping.given_up();
        let lost = given_up.filter(|record| record.status == Status::Lost);
        let records = self.members.records();
        records
            .map(|record| {
                lost.clone()
                    .filter(|lost| lost.id == record.id)
                    .unwrap_or(record.clone())
            })
            .collect()
    }

    /// Tells a peer all records; one whose view is told keeps it to itself.
    pub(super) fn tell_members(&mut self, to: MachineId, effects: &mut Effects<Self>) {
        if !self.is_told() {
            let records = self.records_to_tell();
            let message = Message::Members(records);
            effects.push(Effect::Signal { to, message });
        }
    }

    /// Links, peers and phase follow the records.
    fn follow_members(&mut self, effects: &mut Effects<Self>) {
        self.letting_go.members_digest = self.members.digest();
        let before = self.phase;
        self.follow_status();
        if self.phase == Phase::Alone && before != Phase::Alone {
            effects.push(Effect::Say(self.why_alone()));
        }
        if self.phase != Phase::Ready {
            self.waiting.ready();
        }
        let peers = self.peers_to_have();
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

    /// Why it serves nobody any more.
    fn why_alone(&self) -> &'static str {
        if self.keeping.is_given_up() {
            return "removed by decision, as lost: what this replica has was given up, and it serves nobody; started again, it drops \
                    that and takes everything from the others";
        }
        match self.members.get(self.me()).map(|record| record.status) {
            Some(Status::Left) => "drained: what this replica had is handed over, and it may be ended",
            Some(Status::Removed | Status::Lost | Status::Present | Status::Draining) | None => {
                "removed by decision: this replica serves nobody, and may be ended; started again, it is a member again"
            }
        }
    }

    /// What its own record says of it.
    fn follow_status(&mut self) {
        let me = self.me();
        let status = self.members.get(me).map(|record| record.status);
        let status = status.filter(|_| !self.keeping.is_given_up());
        match status {
            None | Some(Status::Removed | Status::Lost) => self.phase = Phase::Alone,
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

/// Of which age a machine's data are, by the records that it tells. That it was given up is no word of what it has.
pub(super) fn age_of(machine: MachineId, told: &[Record]) -> u64 {
    let mut own = told
        .iter()
        .filter(|record| record.id == machine && record.status != Status::Lost);
    own.next().map_or(0, Record::age)
}
