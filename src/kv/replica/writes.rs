//! A client's write: checked, named, applied here, and put into the round's batch, which goes to every peer.

use std::sync::Arc;

use super::{
    Replica,
    held::{HELD_MAX, Kind as HeldKind, Unkept, Wish},
    peer::Peer,
};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        config::DiskRule,
        message::{BATCHES_BYTES_MAX, Message, Wants, Writes},
        operation::{Applied, Change, Operation, Write},
        request::{Answer, Copies, Deny, Done, Reply, Token},
        sealed::{Batch, Unsealed},
        store::Denied,
    },
    service::{Effect, Effects, Ticket},
    trace::{Kind, Recipients, StoreChange, Stretch},
    units::{MachineId, Time},
};

/// Between two pushes lies so much time while nobody waits for copies: a message costs its sender and each receiver as
/// much processor time as some dozens of writes. After a quiet moment a write leaves at once.
pub(super) const PUSH_EVERY_US: u64 = 2_000;

/// So many bytes of batches are not kept back any longer.
const KEPT_BACK_BYTES_MAX: usize = 64 << 10;

/// When own writes leave.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The last push.
    last: Time,
    /// Batches of later rounds are kept back: they wait for the next one.
    is_keeping_back: bool,
    bytes: usize,
}

/// What a round has accepted and not sent yet.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The batch that writes are put into.
    batch: Option<Unsealed>,
    /// Batches of the round that are full.
    full: Vec<Arc<Batch>>,
    /// The first of the round's writes, if there is one.
    first: Option<u64>,
    /// What of them depends on others' writes.
    needs: Vec<(u64, VersionVector)>,
    /// The most that a client of the round waits for.
    wants: Wants,
}

/// Who writes: a session whose token is covered.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) token: Token,
    /// What was taken from its token, because nobody has it any more.
    pub(super) released: Vec<Dot>,
    /// How long it waits.
    pub(super) until: Time,
}

/// What came of a client's write.
enum Accepted {
    /// It is applied.
    Written { dot: Dot, done: Vec<Done> },
    /// There was nothing to take away.
    Nothing {
        done: Vec<Done>,
        /// What says so: the session has read it.
        read: VersionVector,
    },
}

impl Round {
    /// This replica's own writes before those of the round, of `own` in all.
    pub(super) fn before(&self, own: u64) -> u64 {
        self.first.map_or(own, |first| first - 1)
    }
}

impl Pace {
    /// When what is kept back leaves.
    pub(super) fn deadline(&self) -> Option<Time> {
        let due = Time(self.last.0.saturating_add(PUSH_EVERY_US));
        self.is_keeping_back.then_some(due)
    }

    /// Whether writes may be kept back at this time.
    fn may_wait(&self, now: Time) -> bool {
        now.0.saturating_sub(self.last.0) < PUSH_EVERY_US && self.bytes < KEPT_BACK_BYTES_MAX
    }
}

impl Replica {
    /// A client's write, by a session whose token is covered.
    pub(super) fn write(
        &mut self,
        asked: Asked,
        operations: Vec<Operation>,
        copies: Copies,
        effects: &mut Effects<Self>,
    ) {
        let Asked {
            ticket,
            token,
            released,
            until,
        } = asked;
        match self.accept(&token, operations) {
            Err(denied) => {
                let Denied { deny, read } = *denied;
                if read.is_empty() {
                    return self.deny(ticket, token, released, deny, effects);
                }
                // It is told of what is there, as by a read.
                self.counts.denied += 1;
                let mut token = token;
                token.merge(&read);
                self.trim(&mut token);
                self.answer_read(ticket, token, released, Answer::Denied(deny), effects);
            }
            Ok(Accepted::Nothing { done, read }) => {
                let mut token = token;
                token.merge(&read);
                self.trim(&mut token);
                let answer = Answer::Written { dot: None, done };
                self.answer_read(ticket, token, released, answer, effects);
            }
            Ok(Accepted::Written { dot, done }) => {
                self.counts.writes += 1;
                self.counts.operations += done.len() as u64;
                let reply = Reply {
                    token: dot.into(),
                    released,
                    answer: Answer::Written { dot: Some(dot), done },
                };
                let wants = match copies {
                    Copies::One => Wants::Nothing,
                    Copies::Pushed => Wants::Known,
                    Copies::Two | Copies::Majority => Wants::Kept,
                };
                self.round.wants = self.round.wants.max(wants);
                let least = Time(self.now.0.saturating_add(self.config.push_us_max));
                let wish = Wish {
                    copies,
                    dot,
                    until: match copies {
                        Copies::One | Copies::Pushed => least,
                        Copies::Two | Copies::Majority => least.max(until),
                    },
                };
                self.held.until_kept(Unkept {
                    number: self.keeping.next(),
                    ticket,
                    kind: HeldKind::Write,
                    reply,
                    then: (copies != Copies::One).then_some(wish),
                });
            }
        }
    }

    /// Names and applies a write, if there is anything to do.
    fn accept(&mut self, token: &Token, operations: Vec<Operation>) -> Result<Accepted, Box<Denied>> {
        if let Some(deny) = self.disk_trouble() {
            return Err(deny.into());
        }
        if self.held.len() >= HELD_MAX || self.keeping.is_full() {
            return Err(Deny::Busy.into());
        }
        let mut decided = self
            .store
            .decide(self.origin, operations, token, self.wall_us())?;
        if decided.operations.is_empty() {
            let (done, read) = (decided.done, decided.depends);
            return Ok(Accepted::Nothing { done, read });
        }
        let number = self.known.get(self.origin) + 1;
        let stamp = self.store.stamp() + 1;
        let places = std::mem::take(&mut decided.places);
        let (mut write, done) = decided.into_write(Dot::new(self.origin, number), stamp, token);
        self.enter(&write);
        self.keeping.gathers(bytes_of(&write));
        self.known.raise(self.origin, number);
        self.touch(&write.operations);
        self.store.apply_at(&mut write, &places);
        if !write.dependencies.is_empty() {
            self.round.needs.push((number, write.dependencies));
        }
        let dot = write.dot;
        Ok(Accepted::Written { dot, done })
    }

    /// Puts a write into the round's batch, or into the next if that is full.
    fn enter(&mut self, write: &Write) {
        let dot = write.dot;
        let new = || Unsealed::new(dot.origin, dot.number);
        let batch = self.round.batch.get_or_insert_with(new);
        if !batch.push(write) {
            let full = std::mem::replace(batch, new());
            batch.push(write);
            self.round.full.extend(full.seal().map(Arc::new));
        }
        self.round.first.get_or_insert(dot.number);
    }

    /// The round's writes are one event. They leave, in one message to each peer that keeps up, or shortly after in one
    /// with those of further rounds.
    pub(super) fn flush(&mut self, effects: &mut Effects<Self>) {
        let Round {
            batch,
            full: mut batches,
            first,
            needs,
            wants,
        } = std::mem::take(&mut self.round);
        batches.extend(batch.and_then(Unsealed::seal).map(Arc::new));
        let Some(first) = first.filter(|_| !batches.is_empty()) else {
            if !self.pace.is_keeping_back || !self.may_wait(Wants::Nothing) {
                self.push(None, Wants::Nothing, effects);
            }
            return;
        };
        let last = self.known.get(self.origin);
        for batch in &batches {
            self.log.push(batch);
            self.watching.batch(batch, batch.first() - 1);
            self.pace.bytes += batch.bytes().len();
        }
        let change = StoreChange {
            wrote: Some(Stretch {
                origin: self.origin,
                first,
                last,
            }),
            needs,
            ..StoreChange::default()
        };
        if self.may_wait(wants) {
            self.pace.is_keeping_back = true;
            self.record_internal(change, effects);
        } else {
            self.push(Some(Box::new(change)), wants, effects);
        }
    }

    /// Whether own writes, of whose copies the most that is wanted is this, may leave later. Where there is no disk they
    /// may not: the peers' copies are all that there ever is. A disk that is written behind may lose what was answered
    /// in its last moments when the process is killed, and who chose it is told so: that these are on no peer either then
    /// adds nothing.
    fn may_wait(&self, wants: Wants) -> bool {
        let has_disk = match self.config.disk {
            DiskRule::Waits | DiskRule::Behind => true,
            DiskRule::Nowhere => false,
        };
        has_disk && wants == Wants::Nothing && self.stopped.is_none() && self.pace.may_wait(self.now)
    }

    /// Sends each peer the own writes that it was not sent yet. Peers that are sent the same are sent it in one event;
    /// the first event says what was written, and if there is none, one that is internal.
    fn push(&mut self, mut change: Option<Box<StoreChange>>, wants: Wants, effects: &mut Effects<Self>) {
        let own = self.known.get(self.origin);
        self.pace.is_keeping_back = false;
        self.pace.bytes = 0;
        let mut behind: Vec<(u64, MachineId)> = Vec::new();
        for peer in self.peers.values_mut() {
            if peer.cursor >= own || !peer.is_up() || peer.is_suspected || !self.members.has(peer.id) {
                continue;
            }
            if peer.room() > 0 {
                behind.push((peer.cursor, peer.id));
            }
        }
        behind.sort_unstable();
        while let Some((cursor, _)) = behind.first().copied() {
            let group: Vec<MachineId> = behind
                .iter()
                .take_while(|(other, _)| *other == cursor)
                .map(|(_, id)| *id)
                .collect();
            behind.drain(..group.len());
            let mut cursor = cursor;
            while cursor < own {
                let batches = self.batches_behind(cursor);
                let Some(last) = batches.last() else {
                    // The log does not reach back so far: they pull what they lack.
                    self.move_cursors(&group, own, 0, 0);
                    break;
                };
                cursor = last.last();
                self.pace.last = self.now;
                let bytes = batches.iter().map(|batch| batch.bytes().len()).sum();
                let clock = self.journal.next_clock();
                for to in &group {
                    let writes = Writes {
                        clock,
                        wants,
                        batches: batches.clone(),
                    };
                    let message = Message::Writes(writes);
                    effects.push(Effect::Send { to: *to, message });
                }
                let to: Recipients = group.iter().copied().collect();
                let event = self
                    .journal
                    .event(Kind::Send { to, mishaps: None }, change.take());
                effects.push(Effect::Record(event));
                let room = self.move_cursors(&group, cursor, clock, bytes);
                if room == 0 {
                    break;
                }
            }
        }
        if change.is_some() {
            let event = self.journal.event(Kind::Internal, change);
            effects.push(Effect::Record(event));
        }
    }

    /// Own batches behind a number, as many as one message holds.
    fn batches_behind(&self, cursor: u64) -> Vec<Arc<Batch>> {
        let mut bytes = 0;
        let batches = self.log.of_origin(self.origin, cursor).into_iter().flatten();
        batches
            .take_while(|batch| {
                bytes += batch.message_bytes();
                bytes <= BATCHES_BYTES_MAX
            })
            .cloned()
            .collect()
    }

    /// These peers were sent own writes up to a number. Returns the least room that any of them has left.
    fn move_cursors(&mut self, group: &[MachineId], cursor: u64, clock: u64, bytes: usize) -> usize {
        let now = self.now;
        let mut room = usize::MAX;
        for id in group {
            let Some(peer) = self.peers.get_mut(id) else {
                continue;
            };
            peer.cursor = cursor;
            if bytes > 0 {
                peer.pushed(now, clock, bytes);
            }
            room = room.min(Peer::room(peer));
        }
        room
    }
}

/// About how many bytes a write's values have.
fn bytes_of(write: &Write) -> usize {
    let bytes = |operation: &Applied| match &operation.change {
        Change::Put(value) | Change::PutBeside(value) => value.bytes.len(),
        Change::Insert(elements) | Change::Remove(elements) => {
            elements.iter().map(|element| element.bytes.len()).sum()
        }
        Change::Delete | Change::Add(_) => 0,
    };
    write.operations.iter().map(bytes).sum()
}
