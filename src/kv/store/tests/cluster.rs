//! Replicas that hand each other writes and state by hand, in any order that causality allows.

use std::{collections::BTreeMap, ops::Bound};

use super::super::{Incoming, Scope, Store};
use super::spec;
use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        batch::{BatchReader, BatchWriter},
        operation::{Key, Operation, Write},
        request::{Content, Deny, Done},
    },
    units::MachineId,
};

pub(super) const KEYS: [&[u8]; 2] = [b"a key in place", b"a key that is too long to be in place"];

/// What replica there is, and what it has heard.
pub(super) struct Replica {
    pub(super) origin: Origin,
    pub(super) store: Store,
    pub(super) known: VersionVector,
    /// What each member said last that it has, once this replica has all of that.
    said: Vec<VersionVector>,
    /// Whether it may accept writes: not before it has taken over what was forgotten.
    pub(super) is_ready: bool,
}

/// The state of a replica as its disk has it.
#[derive(Clone)]
pub(super) struct Disk {
    rows: Vec<(Key, Box<[u8]>)>,
    forgotten: VersionVector,
    known: VersionVector,
    stamp: u64,
}

pub(super) struct Cluster {
    pub(super) replicas: Vec<Replica>,
    /// All writes that anybody alive has.
    pub(super) writes: BTreeMap<Dot, Write>,
    pub(super) wall_us: u64,
    /// Each mark that was seen, and what was under the key then.
    marks: BTreeMap<(Key, String), String>,
    /// How often something was forgotten, and how often state was taken over whole.
    pub(super) forgot: usize,
    pub(super) whole: usize,
}

fn life(machine: usize, incarnation: u32) -> Origin {
    Origin {
        machine: MachineId(u16::try_from(machine).unwrap()),
        incarnation,
    }
}

impl Cluster {
    pub(super) fn new(replicas: usize) -> Self {
        let replica = |machine| Replica {
            origin: life(machine, 1),
            store: Store::new(),
            known: VersionVector::new(),
            said: vec![VersionVector::new(); replicas],
            is_ready: true,
        };
        Self {
            replicas: (0..replicas).map(replica).collect(),
            writes: BTreeMap::new(),
            wall_us: 1,
            marks: BTreeMap::new(),
            forgot: 0,
            whole: 0,
        }
    }

    /// A client with this token writes at a replica; the token has to be covered.
    pub(super) fn write(
        &mut self,
        at: usize,
        operations: Vec<Operation>,
        token: &VersionVector,
    ) -> Result<(Option<Dot>, Vec<Done>), Deny> {
        let replica = &mut self.replicas[at];
        assert!(replica.is_ready && replica.known.covers(token));
        let decided = replica
            .store
            .decide(replica.origin, operations, token, self.wall_us)
            .map_err(|denied| denied.deny)?;
        if decided.operations.is_empty() {
            return Ok((None, decided.done));
        }
        let dot = Dot::new(replica.origin, replica.known.get(replica.origin) + 1);
        let (write, done) = decided.into_write(dot, replica.store.stamp() + 1, token);
        assert!(replica.known.covers(&write.dependencies), "{write:?}");
        self.writes.insert(dot, write);
        self.deliver(at, dot);
        Ok((Some(dot), done))
    }

    /// The writes that a replica could be handed now.
    pub(super) fn deliverable(&self, to: usize) -> Vec<Dot> {
        let known = &self.replicas[to].known;
        let next = |write: &&Write| write.dot.number == known.get(write.dot.origin) + 1;
        let can = self
            .writes
            .values()
            .filter(next)
            .filter(|write| known.covers(&write.dependencies));
        can.map(|write| write.dot).collect()
    }

    /// Hands a replica a write, as bytes.
    pub(super) fn deliver(&mut self, to: usize, dot: Dot) {
        let mut writer = BatchWriter::new(dot.origin, dot.number);
        assert!(writer.push(&self.writes[&dot]));
        let bytes = writer.finish();
        let mut reader = BatchReader::new(&bytes).unwrap();
        let mut write = reader.next_write().unwrap().unwrap();
        assert_eq!(write, self.writes[&dot]);
        let replica = &mut self.replicas[to];
        replica.store.apply(&mut write);
        replica.known.raise(dot.origin, dot.number);
        self.look(to);
    }

    /// Sends the state of one replica to another, in slices.
    pub(super) fn transfer(&mut self, from: usize, to: usize, entries_max: usize) {
        let have = self.replicas[to].known.clone();
        let sender = &self.replicas[from];
        let scope = sender.store.scope(&have);
        let have_sent = if scope == Scope::Whole {
            VersionVector::new()
        } else {
            have
        };
        let mut incoming = Incoming::default();
        let mut after: Option<Key> = None;
        loop {
            let slice = sender
                .store
                .slice_beyond(&have_sent, after.as_deref(), entries_max, 10);
            for (key, bytes) in &slice.entries {
                incoming.push(key, bytes).unwrap();
            }
            after = slice.next;
            if after.is_none() {
                break;
            }
        }
        let (their_known, forgotten) = (sender.known.clone(), sender.store.forgotten().clone());
        let (stamp, sender_is_ready) = (sender.store.stamp(), sender.is_ready);
        let receiver = &mut self.replicas[to];
        receiver
            .store
            .adopt(incoming, scope, &receiver.known, &their_known);
        receiver.store.restore_forgotten(&forgotten);
        receiver.store.raise_stamp(stamp);
        receiver.known.merge(&their_known);
        receiver.is_ready |= sender_is_ready;
        self.whole += usize::from(scope == Scope::Whole);
        self.look(to);
    }

    /// One replica tells another what it has; it counts if the other has all of that.
    pub(super) fn say(&mut self, from: usize, to: usize) {
        let said = self.replicas[from].known.clone();
        if self.replicas[to].known.covers(&said) {
            self.replicas[to].said[from].merge(&said);
        }
    }

    /// What every member has said that it has.
    pub(super) fn stable(&self, at: usize) -> VersionVector {
        let replica = &self.replicas[at];
        let mut stable = replica.known.clone();
        for (member, said) in replica.said.iter().enumerate() {
            if member != at {
                stable = stable
                    .iter()
                    .map(|(origin, number)| (origin, number.min(said.get(origin))))
                    .collect();
            }
        }
        stable
    }

    pub(super) fn collect(&mut self, at: usize) {
        let stable = self.stable(at);
        let replica = &mut self.replicas[at];
        let digest = replica.store.digest();
        let mut after: Option<Key> = None;
        loop {
            let collected = replica.store.collect(&stable, self.wall_us, after.as_deref(), 1);
            self.forgot += collected.changed.len();
            after = collected.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(replica.store.digest(), digest, "forgetting shows");
        self.look(at);
    }

    pub(super) fn disk(&self, at: usize) -> Disk {
        let replica = &self.replicas[at];
        let rows = replica
            .store
            .slice_beyond(&VersionVector::new(), None, usize::MAX, usize::MAX)
            .entries;
        Disk {
            rows,
            forgotten: replica.store.forgotten().clone(),
            known: replica.known.clone(),
            stamp: replica.store.stamp(),
        }
    }

    /// A replica starts again with what a disk had, in a further life. What only the life before had is lost.
    pub(super) fn restart(&mut self, at: usize, disk: &Disk) {
        let has_all = disk.known == self.replicas[at].known;
        let mut store = Store::new();
        for (key, bytes) in &disk.rows {
            store.restore(key, bytes).unwrap();
        }
        store.restore_forgotten(&disk.forgotten);
        store.restore_stamp(disk.stamp);
        let replicas = self.replicas.len();
        let replica = &mut self.replicas[at];
        if has_all && disk.forgotten == *replica.store.forgotten() {
            assert_eq!(
                store
                    .entries
                    .range(Bound::Unbounded)
                    .map(|(_, entry)| entry)
                    .collect::<Vec<_>>(),
                replica
                    .store
                    .entries
                    .range(Bound::Unbounded)
                    .map(|(_, entry)| entry)
                    .collect::<Vec<_>>()
            );
            assert_eq!(
                (store.keys(), store.tombstones()),
                (replica.store.keys(), replica.store.tombstones())
            );
            assert_eq!(store.fading, replica.store.fading);
        }
        *replica = Replica {
            origin: life(at, replica.origin.incarnation + 1),
            store,
            known: disk.known.clone(),
            said: vec![VersionVector::new(); replicas],
            is_ready: has_all,
        };
        let replicas = &self.replicas;
        self.writes
            .retain(|dot, _| replicas.iter().any(|replica| replica.known.contains(*dot)));
        if has_all {
            self.look(at);
        }
    }

    /// Compares what a replica shows with what the writes that it knows mean.
    pub(super) fn look(&mut self, at: usize) {
        let replica = &self.replicas[at];
        if !replica.is_ready {
            return;
        }
        for key in KEYS {
            let item = replica.store.get(key, self.wall_us);
            let content = item.as_ref().map(|item| item.content.clone());
            let expected = spec::content(&self.writes, &replica.known, key, self.wall_us);
            assert_eq!(content, expected, "at {at}, which knows {}", replica.known);
            if let Some(item) = item {
                assert!(replica.store.dots(key).covers(&item.mark));
                let chosen = match item.content {
                    Content::Values(values) => Content::Values(values.into_iter().take(1).collect()),
                    other => other,
                };
                let chosen = format!("{chosen:?}");
                let seen = self
                    .marks
                    .entry((key.into(), item.mark.to_string()))
                    .or_insert(chosen.clone());
                assert_eq!(*seen, chosen, "two contents have the mark {}", item.mark);
            }
        }
        let store = &replica.store;
        let classes = || {
            store
                .entries
                .range(Bound::Unbounded)
                .map(|(_, entry)| entry)
                .map(crate::kv::entry::Entry::class)
        };
        assert_eq!(
            store.keys(),
            classes().filter(|class| class.is_there).count() as u64
        );
        assert_eq!(
            store.fading.len(),
            classes().filter(|class| class.has_memory).count()
        );
        let others = self
            .replicas
            .iter()
            .filter(|other| other.known == replica.known && other.is_ready);
        for other in others {
            assert_eq!(other.store.digest(), store.digest(), "known {}", replica.known);
        }
    }
}
