//! What replicas of a simulated run take for stable, and what they remember of what was taken away.
//!
//! Every replica is asked again and again how it is. What it takes for stable it may forget the deletions of, so
//!
//! - all who are members to it have had it on their disks, and so has everybody who was removed and has the data of
//!   the beginning: it may come back with its disk, and with writes that a deletion hides ([`Disks::judge_stable`]);
//! - when all has settled it is everything that is known; or, while somebody is removed, at least what was so before
//!   that one went ([`Disks::settled`]). Who is away says no more than it has said, and a replica that has been started again
//!   remembers of that what it had forgotten by it; so later writes of those who are there need not be stable.
//!
//! And of what is stable nothing is remembered: a key that shows nothing has no dots that are stable. So the only
//! tombstones that stay are those that somebody who is removed is not known to have.

use std::collections::BTreeSet;

use super::{
    ask::{bytes, counter_key, set_key},
    book::{Book, Final, Pending},
    disks::{Disks, LATELY_US},
    seen::text,
    session::SETS,
};
use crate::{
    clock::VersionVector,
    kv::{self, Action, Answer, Request, Standing, Status, Token},
    service::Service,
    sim::open::{Heard, Orders},
    units::{MachineId, Time},
};

/// In the tag of a wake-up: that replicas are to be asked how they are.
pub(super) const SAMPLE: u64 = 1 << 58;

/// From one time to the next, in microseconds.
const BETWEEN_US: u64 = 500_000;

impl Disks {
    /// A replica says what it takes for stable. Says what is wrong with that.
    pub(super) fn judge_stable(&mut self, id: MachineId, at: Time, status: &Status) -> Vec<String> {
        let Some(machine) = self.machines.get(&id) else {
            return Vec::new();
        };
        let is_present_life = machine
            .lives
            .last()
            .is_some_and(|(incarnation, _)| *incarnation == status.origin.incarnation);
        if !is_present_life {
            return Vec::new();
        }
        let members = machine.view.iter();
        let members = members.filter(|(_, since)| since.0 + LATELY_US <= at.0);
        let removed = removed(status).into_iter().filter(|id| {
            let machine = self.machines.get(id);
            machine.is_some_and(|machine| machine.has_joined)
        });
        let mut wrong = Vec::new();
        for other in members.map(|(id, _)| *id).chain(removed) {
            let nothing = VersionVector::new();
            let ever = self
                .machines
                .get(&other)
                .map_or(&nothing, |machine| &machine.ever);
            if !ever.covers(&status.stable) {
                wrong.push(format!(
                    "machine {id} takes {} for stable, and the disks of machine {other} never had more than {ever}",
                    status.stable
                ));
            }
        }
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.stable.push((at, status.stable.clone()));
        }
        wrong
    }

    /// What a replica has to take for stable though somebody is removed: what was so before the first of them went.
    fn settled(&self, id: MachineId, status: &Status) -> VersionVector {
        let Some(machine) = self.machines.get(&id) else {
            return VersionVector::new();
        };
        let removed = removed(status);
        let went = removed
            .iter()
            .map(|id| machine.dropped.get(id).copied().unwrap_or_default());
        let first = went.min().unwrap_or(Time(u64::MAX));
        let mut settled = machine.begun_with.clone();
        let before = machine.stable.iter().filter(|(at, _)| *at < first);
        before.for_each(|(_, stable)| settled.merge(stable));
        settled
    }
}

/// Who was removed, and may come back.
fn removed(status: &Status) -> BTreeSet<MachineId> {
    let members = status.members.iter();
    let removed = members.filter(|member| member.standing == Standing::Removed);
    removed.map(|member| member.id).collect()
}

impl Book {
    /// It is time to ask how all are.
    pub(super) fn sample<S>(&mut self, at: Time, orders: &mut Orders<S>)
    where
        S: Service<Request = Request, Reply = kv::Reply>,
    {
        if at >= self.terms.settled {
            return;
        }
        for machine in MachineId::all(self.terms.replicas) {
            let request = Request {
                token: Token::new(),
                wait_us: 0,
                action: Action::Status,
            };
            let ticket = orders.request(machine, request);
            self.pending.insert(ticket, Pending::Sample(machine));
        }
        orders.wake(Time(at.0 + BETWEEN_US), SAMPLE);
    }

    /// One says how it is.
    pub(super) fn sample_heard(&mut self, machine: MachineId, at: Time, heard: &Heard<kv::Reply>) {
        if let Heard::Reply { reply, .. } = heard
            && let Answer::Status(status) = &reply.answer
            && let Some(disks) = &mut self.disks
        {
            let wrong = disks.judge_stable(machine, at, status);
            wrong.into_iter().for_each(|what| self.breaks(what));
        }
    }

    /// While somebody is removed: asks for what a replica remembers under all keys that were ever written.
    pub(super) fn ask_memories<S>(&mut self, machine: MachineId, orders: &mut Orders<S>)
    where
        S: Service<Request = Request, Reply = kv::Reply>,
    {
        if !self.disks.as_ref().is_some_and(Disks::is_one_removed) {
            return;
        }
        let mut keys: BTreeSet<String> = self.values.values().map(|(key, _)| key.clone()).collect();
        keys.extend(self.floors_at.keys().map(|(own, _)| own.key()));
        keys.extend((0..self.shared.counters()).map(counter_key));
        keys.extend((0..SETS).map(set_key));
        keys.extend(super::ask::BATCH_KEYS.map(str::to_owned));
        for key in keys {
            let request = Request {
                token: Token::new(),
                wait_us: 0,
                action: Action::Why { key: bytes(&key) },
            };
            let ticket = orders.request(machine, request);
            self.pending.insert(ticket, Pending::Memory(machine, key));
        }
    }

    /// What a replica remembers under a key.
    pub(super) fn memory_heard(&mut self, machine: MachineId, key: String, heard: Heard<kv::Reply>) {
        if let Heard::Reply { reply, .. } = heard
            && let Answer::Why(why) = reply.answer
        {
            let dots = why.present.iter().map(|(dot, _)| (dot.origin, dot.number));
            let held = self.finals.entry(machine).or_default();
            held.memories.insert(key, dots.collect());
        }
    }

    /// What is stable is what everybody has, and of that nothing is remembered that was taken away.
    pub(super) fn judge_forgetting(&mut self, machine: MachineId, held: &Final, status: &Status) {
        let Some(disks) = self.disks.as_ref().filter(|_| !removed(status).is_empty()) else {
            if status.tombstones > 0 || status.stable != status.known {
                self.breaks(format!(
                    "machine {machine} is left with {} tombstones, and takes {} for stable, of {}",
                    status.tombstones, status.stable, status.known
                ));
            }
            return;
        };
        let settled = disks.settled(machine, status);
        if !status.stable.covers(&settled) {
            self.breaks(format!(
                "machine {machine} is left with {} stable, and {settled} was so before somebody was removed",
                status.stable
            ));
        }
        let shown: BTreeSet<String> = held.items.iter().flatten().map(|(key, _)| text(key)).collect();
        let hidden = held
            .memories
            .iter()
            .filter(|(key, dots)| !shown.contains(*key) && !dots.is_empty());
        let mut broken = Vec::new();
        let mut tombstones = 0;
        for (key, dots) in hidden {
            tombstones += 1;
            if status.stable.covers(dots) {
                broken.push(format!(
                    "machine {machine} remembers {dots} under {key}, which shows nothing, and takes {} for stable",
                    status.stable
                ));
            }
        }
        if status.tombstones > tombstones {
            broken.push(format!(
                "machine {machine} is left with {} tombstones, and {tombstones} keys that were written show nothing",
                status.tombstones
            ));
        }
        broken.into_iter().for_each(|what| self.breaks(what));
    }
}
