//! What is heard of peers: links, introductions, heartbeats, acknowledgements; and who is suspected.
//!
//! A link that takes messages but says nothing is worse than none: what was sent on it would arrive some time, long
//! after it was given up. So a link is reset when its peer falls silent, at once when new writes are under way that it
//! has not acknowledged in time. One that is only slow is not silent: it is reset if it speaks on and on without a word
//! of progress. What was missed is pulled.

use super::{
    Replica,
    letting_go::least,
    membership::age_of,
    peer::{Link, OWED_BYTES_MAX, Peer},
    ready::Phase,
};
use crate::{
    kv::{
        members::Record,
        message::{Introduce, Message, Readiness, Report, Wants},
        mutant::{self, Mutant},
    },
    node::DownCause,
    service::{Effect, Effects},
    units::MachineId,
};

/// So many heartbeats of a peer in a row, while new writes are under way to it, none of which says that more has come: it
/// hears nothing. With fewer the way to it and back may only be long.
const IDLE_BEATS_MAX: u32 = 15;

/// A link on which nothing at all has come is reset after so many times of repair; one that brings something, and no
/// introduction before it, after one.
const REPAIRS_UNMET: u64 = 3;

impl Replica {
    pub(super) fn link_up(&mut self, id: MachineId, incarnation: u32, effects: &mut Effects<Self>) {
        let own = self.known.get(self.origin);
        // What has been accepted in this round and is not sent yet goes over it.
        let own = self.round.before(own);
        let (now, heartbeat_us) = (self.now, self.config.heartbeat_us);
        let peer = self
            .peers
            .entry(id)
            .or_insert_with(|| Peer::new(id, now, heartbeat_us));
        let is_new_life = peer.life != incarnation;
        peer.link_up(incarnation, own);
        peer.up_since = now;
        if is_new_life {
            self.new_life(id);
        }
        let address = match self.members.get(self.me()) {
            Some(record) => record.address.clone(),
            None => self.config.address.clone(),
        };
        let introduce = Introduce {
            address,
            report: self.report(0, own),
            stable: self.letting_go.once_stable.clone(),
            members: self.records_to_tell(),
        };
        let message = Message::Introduce(Box::new(introduce));
        effects.push(Effect::Signal { to: id, message });
    }

    /// A peer is in another life: nothing is to come any more of what the one before it had under way.
    fn new_life(&mut self, id: MachineId) {
        self.transfers.forget(id);
        self.repair.link_down(id);
        let life = self.peers.get(&id).map_or(0, |peer| peer.life);
        self.counts.forgotten += self.buffer.forget_lives(id, life);
        // What it has it is about to say; until then nothing is gone.
        self.letting_go.interrupted();
        self.note_lives();
    }

    pub(super) fn link_down(&mut self, id: MachineId, cause: DownCause) {
        self.transfers.forget(id);
        self.repair.link_down(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.link_down(self.now);
        if cause == DownCause::Goodbye {
            peer.has_left = true;
            // It said so itself: nothing to wait for.
            peer.is_suspected = true;
        }
        if !self.members.has(id) && self.stopped.is_none() {
            self.peers.remove(&id);
        }
    }

    /// What this replica has; own writes up to a number, since those of the round are not sent yet.
    fn report(&self, heard: u64, own: u64) -> Report {
        let mut known = self.known.clone();
        if known.get(self.origin) > own {
            known.retain(|origin, _| origin != self.origin);
            known.raise(self.origin, own);
        }
        let kept = match self.phase {
            // It is about to go: what it has not promised to hand over is no copy that counts.
            Phase::Draining => least(&self.kept, &self.letting_go.handing_over),
            Phase::Alone | Phase::Joining { .. } | Phase::Ready => self.kept.clone(),
        };
        Report {
            heard,
            gap_us: self.repair.gap_us(self.now),
            readiness: if self.is_ready() {
                Readiness::Ready
            } else {
                Readiness::Joining
            },
            known,
            kept,
            members_digest: self.letting_go.members_digest,
            lives_digest: self.letting_go.lives_digest,
        }
    }

    /// The first on each link: who it is, and what it has.
    pub(super) fn introduced(&mut self, from: MachineId, introduce: Introduce, effects: &mut Effects<Self>) {
        if self.is_lost(from, &introduce, effects) {
            // What it is told goes the other way: perhaps it is this replica that is lost.
            self.told_members(from, &introduce.members, effects);
            return;
        }
        let age = age_of(from, &introduce.members);
        let Some(life) = self.peers.get_mut(&from).map(|peer| {
            peer.link = Link::Met;
            peer.age = peer.age.max(age);
            // Before its members are looked at: by what it has it is met.
            peer.hear(introduce.report.clone());
            peer.life
        }) else {
            return;
        };
        self.met(from, &introduce, life, effects);
        self.reported(from, introduce.report, effects);
        if let Some(peer) = self.peers.get_mut(&from)
            && !peer.is_known
        {
            peer.is_known = true;
            let is_missing = !self.known.covers(&peer.report.known);
            peer.target = is_missing.then(|| peer.report.known.clone());
        }
        // A disk that was put back from a backup lacks what everybody had: it is a newcomer again.
        if self.takes_from(from) && !self.known.covers(&introduce.stable) {
            self.join_again();
        }
        self.look_for_gaps(effects);
        self.look_whether_ready(effects);
    }

    /// What it says that it has.
    pub(super) fn reported(&mut self, from: MachineId, report: Report, effects: &mut Effects<Self>) {
        let digest = report.members_digest;
        let own = self.round.before(self.known.get(self.origin));
        let is_told = self.is_told();
        let age = self.members.get(from).map_or(0, Record::age);
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        if age > peer.age && !is_told && !mutant::is(Mutant::LostTakenBack) {
            // What it has was given up.
            return;
        }
        peer.hear(report);
        if peer.link == Link::Met {
            if peer.is_suspected {
                peer.is_suspected = false;
                // What was accepted meanwhile it pulls.
                peer.cursor = peer.cursor.max(own);
            }
            if peer
                .target
                .as_ref()
                .is_some_and(|target| self.known.covers(target))
            {
                peer.target = None;
            }
        }
        if peer.report.known.covers(&self.known) {
            peer.behind = None;
        }
        if digest != self.letting_go.members_digest {
            self.tell_members(from, effects);
        }
        if !self.held.has_no_wishes() {
            self.answer_copied(effects);
        }
    }

    pub(super) fn beaten(&mut self, from: MachineId, report: Report, effects: &mut Effects<Self>) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.suspicion.beat(self.now);
            peer.beat(&report);
        }
        self.reported(from, report, effects);
    }

    /// Who is silent, and who does not say that new writes have come.
    pub(super) fn judge_peers(&mut self, effects: &mut Effects<Self>) {
        let mut resets = Vec::new();
        // What is not asked for is acknowledged with heartbeats.
        let stuck_us = self.config.push_us_max.max(3 * self.config.heartbeat_us);
        for peer in self.peers.values_mut() {
            peer.compare(&self.known, self.now);
            let phi = peer.suspicion.phi_permille(self.now);
            let is_silent = phi > self.config.phi_permille_max;
            let silent_us = peer.suspicion.silent_us(self.now);
            let is_deaf = silent_us > stuck_us || peer.idle_beats() >= IDLE_BEATS_MAX;
            let is_stuck = peer
                .waiting_since()
                .is_some_and(|since| is_deaf && self.now.0 - since.0 > stuck_us);
            let is_newly_silent = is_silent && !peer.is_suspected;
            // Its introduction was lost: a fault was on. Without it nothing else is of use. It comes before all else.
            let up_us = self.now.0.saturating_sub(peer.up_since.0);
            let repairs = if silent_us < up_us { 1 } else { REPAIRS_UNMET };
            let unmet_us = self.config.repair_after_us.saturating_mul(repairs);
            let is_unmet = peer.link == Link::Up && up_us > unmet_us;
            peer.is_suspected |= is_silent;
            if peer.is_up() && (is_newly_silent || is_stuck || is_unmet) {
                resets.push(peer.id);
            }
        }
        for id in resets {
            self.counts.resets += 1;
            effects.push(Effect::Reset { peer: id });
            self.link_down(id, DownCause::Lost);
        }
    }

    /// Tells every peer that this replica lives, and what it has.
    pub(super) fn heartbeat(&mut self, effects: &mut Effects<Self>) {
        let own = self.round.before(self.known.get(self.origin));
        let up: Vec<(MachineId, u64)> = self
            .peers
            .values_mut()
            .filter(|peer| peer.is_up())
            .map(|peer| {
                peer.acknowledged(self.kept.get(peer.origin()));
                (peer.id, peer.heard)
            })
            .collect();
        for (to, heard) in up {
            let message = Message::Heartbeat(Box::new(self.report(heard, own)));
            effects.push(Effect::Signal { to, message });
        }
    }

    /// Tells those who wait for it, or who sent much, what is here. Who waits for the disk is told as often as that has
    /// kept more of what it sent.
    pub(super) fn acknowledge(&mut self, effects: &mut Effects<Self>) {
        let own = self.known.get(self.origin);
        let mut owed: Vec<(MachineId, u64)> = Vec::new();
        for peer in self.peers.values_mut() {
            // Others' writes, that its own do not need, may be on the way to the disk all the time.
            let kept = self.kept.get(peer.origin());
            let is_due = match peer.owes {
                Wants::Nothing => peer.owed_bytes >= OWED_BYTES_MAX,
                Wants::Known => true,
                Wants::Kept => peer.owed_bytes > 0 || kept > peer.told_kept || kept >= peer.asked,
            };
            if peer.is_up() && is_due {
                peer.acknowledged(kept);
                owed.push((peer.id, peer.heard));
            }
        }
        for (to, heard) in owed {
            let message = Message::Acknowledge(Box::new(self.report(heard, own)));
            effects.push(Effect::Signal { to, message });
        }
    }
}
