//! How a gap is closed: what others have and this replica does not is pulled from one who has it.
//!
//! A gap is what a peer has said that it has, and that is not here. Most gaps are writes that are under way; one that has
//! been seen for [`repair_after_us`](crate::kv::Config::repair_after_us) is pulled. What a peer had when it was met for
//! the first time is pulled at once: nobody else will send it.
//!
//! ```text
//!   pull(number, known) ->          <- writes, writes, … pulled(number, more)      as long as its log reaches back
//!                                   <- transfer-begin, parts …, transfer-end       else
//! ```
//!
//! There is one pull at a time. A peer that says nothing of it for two seconds is given up, and the next is asked.

use std::{collections::BTreeMap, sync::Arc};

use super::{Replica, adopt::Incoming, ready::Phase};
use crate::{
    clock::{Origin, VersionVector},
    kv::{
        message::{BATCHES_BYTES_MAX, Message, More, Wants, Writes},
        sealed::Batch,
    },
    service::{Effect, Effects},
    trace::{Kind, Recipients},
    units::{MachineId, Time},
};

/// How long a peer may be silent about a pull.
const PULL_SILENT_US_MAX: u64 = 2_000_000;

/// Most bytes of writes that one pull is answered with: then it has to be asked for more.
const PULL_BYTES_MAX: usize = 2 << 20;

/// What this replica lacks, and whom it has asked for it.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Of each origin: up to which number somebody had its writes when it was looked, and when that was. The time in
    /// which nobody who has them was there is not counted.
    gaps: BTreeMap<Origin, (u64, Time)>,
    /// When it was looked last.
    looked: Time,
    pull: Option<Pull>,
    /// Counts the pulls.
    number: u64,
    /// The last pull brought nothing: no further one before this.
    not_before: Time,
    /// What peers have asked for, until the end of the round.
    asked: BTreeMap<MachineId, (u64, VersionVector)>,
}

/// A pull under way.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) peer: MachineId,
    pub(super) number: u64,
    /// When it was last heard of.
    heard: Time,
    /// What was known when it was asked.
    known: VersionVector,
    /// The state that comes instead of writes.
    pub(super) incoming: Option<Incoming>,
}

impl Repair {
    /// How long the oldest gap has been seen.
    pub(super) fn gap_us(&self, now: Time) -> u64 {
        let oldest = self.gaps.values().map(|(_, since)| *since).min();
        oldest.map_or(0, |since| now.0.saturating_sub(since.0))
    }

    /// Writes have come from a peer: perhaps those that were asked for.
    pub(super) fn heard_writes(&mut self, from: MachineId, now: Time) {
        if let Some(pull) = &mut self.pull
            && pull.peer == from
        {
            pull.heard = now;
        }
    }

    /// A link is down: what was asked for over it does not come.
    pub(super) fn link_down(&mut self, peer: MachineId) {
        self.asked.remove(&peer);
        if self.pull.as_ref().is_some_and(|pull| pull.peer == peer) {
            self.pull = None;
        }
    }

    /// Nothing is to come any more.
    pub(super) fn cease(&mut self) {
        self.pull = None;
        self.gaps.clear();
    }

    /// The pull that a peer speaks of, if it is the one under way.
    pub(super) fn pull_of(&mut self, from: MachineId, number: u64, now: Time) -> Option<&mut Pull> {
        let pull = self.pull.as_mut();
        let pull = pull.filter(|pull| pull.peer == from && pull.number == number)?;
        pull.heard = now;
        Some(pull)
    }

    /// The pull is over. One that brought nothing is not followed by another at once.
    pub(super) fn end_pull(&mut self, known: &VersionVector, again: Time) {
        if self.pull.take().is_some_and(|pull| pull.known == *known) {
            self.not_before = again;
        }
    }
}

impl Replica {
    /// Looks for what is missing, and pulls it when it is time.
    pub(super) fn look_for_gaps(&mut self, effects: &mut Effects<Self>) {
        if !self.members.has_me() || self.stopped.is_some() || self.phase == Phase::Draining {
            return;
        }
        let (now, known) = (self.now, &self.known);
        // What those have that are there, and what all have who were ever met.
        let (mut wanted, mut claimed) = (VersionVector::new(), VersionVector::new());
        for peer in self.peers.values_mut() {
            if peer.target.as_ref().is_some_and(|target| known.covers(target)) {
                peer.target = None;
            }
            if self.members.has(peer.id) {
                claimed.merge(&peer.report.known);
                if peer.is_there() {
                    wanted.merge(&peer.report.known);
                }
            }
        }
        // Who had it may be in another life, without it.
        self.repair.gaps.retain(|origin, (target, _)| {
            *target = claimed.get(*origin).min(*target);
            known.get(*origin) < *target
        });
        // A link that comes and goes does not begin the time anew; while nobody can be asked it stands still.
        let passed = now.0.saturating_sub(self.repair.looked.0);
        self.repair.looked = now;
        for (origin, (target, since)) in &mut self.repair.gaps {
            if wanted.get(*origin) < *target {
                since.0 = since.0.saturating_add(passed).min(now.0);
            }
        }
        // Of this life nobody has more than it has itself, whatever is said.
        let me = self.origin;
        for dot in known.missing(&wanted).filter(|dot| dot.origin != me) {
            self.repair.gaps.entry(dot.origin).or_insert((dot.number, now));
        }
        if let Some(pull) = &self.repair.pull {
            if now.0.saturating_sub(pull.heard.0) < PULL_SILENT_US_MAX {
                return;
            }
            self.repair.pull = None;
        }
        if now >= self.repair.not_before
            && let Some(peer) = self.whom_to_pull()
        {
            self.pull(peer, effects);
        }
    }

    /// Who has what is missing for long enough, or was just met. Who was asked last comes last.
    fn whom_to_pull(&self) -> Option<MachineId> {
        let has_met = |id: &MachineId| self.peers.get(id).is_some_and(|peer| peer.target.is_some());
        let there = self.peers.values();
        let there = there.filter(|peer| peer.is_there() && self.members.has(peer.id));
        let due = Time(self.now.0.saturating_sub(self.config.repair_after_us));
        let late = |(_, (_, since)): &(&Origin, &(u64, Time))| *since <= due;
        let gaps: Vec<(Origin, u64)> = self
            .repair
            .gaps
            .iter()
            .filter(late)
            .map(|(origin, (target, _))| (*origin, *target))
            .collect();
        let candidates: Vec<MachineId> = there
            .filter(|peer| {
                let known = &peer.report.known;
                let has_gap = gaps
                    .iter()
                    .any(|(origin, _)| known.get(*origin) > self.known.get(*origin));
                has_met(&peer.id) || has_gap
            })
            .map(|peer| peer.id)
            .collect();
        let turn = usize::try_from(self.repair.number).unwrap_or(0);
        candidates.get(turn % candidates.len().max(1)).copied()
    }

    /// The pull is over.
    pub(super) fn end_pull(&mut self) {
        let again = Time(self.now.0.saturating_add(self.config.heartbeat_us));
        self.repair.end_pull(&self.known, again);
    }

    fn pull(&mut self, peer: MachineId, effects: &mut Effects<Self>) {
        self.counts.pulls += 1;
        self.repair.number += 1;
        let number = self.repair.number;
        let known = self.known.clone();
        self.repair.pull = Some(Pull {
            peer,
            number,
            heard: self.now,
            known: known.clone(),
            incoming: None,
        });
        let message = Message::Pull { number, known };
        effects.push(Effect::Signal { to: peer, message });
    }

    /// That was all that was asked for, or as much as goes at once.
    pub(super) fn pulled(&mut self, from: MachineId, number: u64, more: More, effects: &mut Effects<Self>) {
        if self.repair.pull_of(from, number, self.now).is_none() {
            return;
        }
        self.end_pull();
        match more {
            More::Yes => self.pull(from, effects),
            More::No => {
                self.look_for_gaps(effects);
                self.look_whether_ready(effects);
            }
        }
    }

    /// A peer lacks something. It is served at the end of the round, when what the round accepted has been sent.
    pub(super) fn asked(&mut self, from: MachineId, number: u64, known: VersionVector) {
        let is_new = self.peers.get_mut(&from).is_some_and(|peer| peer.pulls(number));
        if is_new && self.takes_from(from) {
            self.repair.asked.insert(from, (number, known));
        }
    }

    /// Serves those that asked: from the log, else with the state.
    pub(super) fn serve_pulls(&mut self, effects: &mut Effects<Self>) {
        for (to, (number, known)) in std::mem::take(&mut self.repair.asked) {
            self.counts.served += 1;
            self.transfers.forget(to);
            if self.log.reaches(&known) {
                self.serve_from_log(to, number, &known, effects);
            } else {
                self.begin_transfer(to, number, &known, effects);
            }
        }
        self.continue_transfers(effects);
    }

    fn serve_from_log(
        &mut self,
        to: MachineId,
        number: u64,
        known: &VersionVector,
        effects: &mut Effects<Self>,
    ) {
        let mut more = More::No;
        let (mut messages, mut batches): (Vec<Vec<Arc<Batch>>>, Vec<Arc<Batch>>) = (Vec::new(), Vec::new());
        let (mut total, mut bytes) = (0, 0);
        for batch in self.log.beyond(known) {
            let size = batch.message_bytes();
            if total > 0 && total + size > PULL_BYTES_MAX {
                more = More::Yes;
                break;
            }
            total += size;
            if bytes + size > BATCHES_BYTES_MAX {
                messages.push(std::mem::take(&mut batches));
                bytes = 0;
            }
            bytes += size;
            batches.push(Arc::clone(batch));
        }
        messages.extend((!batches.is_empty()).then_some(batches));
        for batches in messages {
            let writes = Writes {
                clock: self.journal.next_clock(),
                wants: Wants::Nothing,
                batches,
            };
            let message = Message::Writes(writes);
            effects.push(Effect::Send { to, message });
            let kind = Kind::Send {
                to: Recipients::from_slice(&[to]),
                mishaps: None,
            };
            let event = self.journal.event(kind, None);
            effects.push(Effect::Record(event));
        }
        let message = Message::Pulled { number, more };
        effects.push(Effect::Signal { to, message });
    }
}
