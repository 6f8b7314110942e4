//! What watches are told.

use std::collections::BTreeMap;

use super::{
    Replica,
    watching::{Applied, Step, Telling},
};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        operation::Key,
        request::{Answer, Deny, Item, Reply, Watched},
    },
    service::{Effect, Effects, Last, Ticket},
};

/// Most states that are prepared and not on the disk yet. Beyond that nothing is prepared until some were told: who
/// watches is told of the newest state then.
const PREPARED_MAX: usize = 16;

/// Bytes of what is told together beyond which it is told in pieces: only behind the last of them what was told is a
/// state that was.
const TOGETHER_BYTES_MAX: usize = 512 << 10;

/// One thing that was applied: its position, its name, its keys.
struct Told {
    position: u64,
    /// Up to this position all is to be told together.
    reach: u64,
    dot: Dot,
    keys: Vec<Key>,
    /// What else is seen by who is told, where a key has left nothing that names it.
    seen: VersionVector,
}

impl Replica {
    /// Reads, at the end of a round, what watches are to be told of it: the state that the append of this round holds.
    /// It is told once that is on the disk. A key that changed several times is told as it is behind the last of these
    /// writes, together with all that was written in between: that may depend on the earlier ones, and they on nothing
    /// that is told later. So are the keys of a state that was taken over.
    pub(super) fn prepare_telling(&mut self, effects: &mut Effects<Self>) {
        let last = self.watching.now();
        if self.watching.prepared.len() < PREPARED_MAX {
            self.end_forgotten_watches(effects);
            let lagging = self.watching.watchers.values();
            let lagging = lagging.filter(|watcher| watcher.prepared < last);
            if let Some(earliest) = lagging.map(|watcher| watcher.prepared).min() {
                let tellings = self.tellings(earliest);
                self.watching.prepare(tellings);
            }
        }
        self.tell(effects);
    }

    /// What lies behind a position, as it is now.
    fn tellings(&self, behind: u64) -> Vec<Telling> {
        let steps = self.watching.behind(behind);
        let told: Vec<Told> = steps.flat_map(|step| self.decode(step)).collect();
        let keys = told
            .iter()
            .flat_map(|told| told.keys.iter().map(|key| (key, told.position)));
        // Of a key's positions the last.
        let latest: BTreeMap<&Key, u64> = keys.collect();
        let wall_us = self.wall_us();
        let is_watched = |key: &Key| {
            let mut watchers = self.watching.watchers.values();
            watchers.any(|watcher| key.starts_with(&watcher.prefix))
        };
        let mut tellings: Vec<Telling> = Vec::new();
        // What is to be told together ends at this position; and so many bytes of it there are so far.
        let (mut reach, mut bytes) = (0, 0);
        for told in &told {
            let watched: Vec<&Key> = told.keys.iter().filter(|key| is_watched(key)).collect();
            if watched.is_empty() {
                continue;
            }
            let is_new = told.position > reach || bytes > TOGETHER_BYTES_MAX;
            reach = reach.max(told.reach);
            let mut changes = Vec::new();
            for key in watched {
                let last = latest.get(key).copied().unwrap_or(0);
                reach = reach.max(last);
                if last == told.position {
                    changes.push((key.clone(), self.store.get(key, wall_us), self.store.dots(key)));
                }
            }
            let size =
                |(key, item, _): &(Key, Option<Item>, _)| key.len() + item.as_ref().map_or(0, Item::bytes);
            let added: usize = changes.iter().map(size).sum();
            match tellings.last_mut() {
                Some(telling) if !is_new => {
                    bytes += added;
                    telling.add(told, changes);
                }
                _ => {
                    bytes = added;
                    tellings.push(Telling {
                        position: told.position,
                        dot: told.dot,
                        changes,
                        seen: told.seen.clone(),
                    });
                }
            }
        }
        tellings.retain(|telling| !telling.changes.is_empty());
        tellings
    }

    /// Tells all watches what has come to the disk since they were told last.
    pub(super) fn tell(&mut self, effects: &mut Effects<Self>) {
        while let Some(prepared) = self.watching.next_kept() {
            let lagging: Vec<(Ticket, u64)> = self
                .watching
                .watchers
                .iter()
                .filter(|(_, watcher)| watcher.since <= prepared.number && watcher.told < prepared.through)
                .map(|(ticket, watcher)| (*ticket, watcher.told))
                .collect();
            for telling in &prepared.tellings {
                for (ticket, before) in &lagging {
                    if telling.position > *before {
                        self.tell_one(*ticket, telling, effects);
                    }
                }
            }
            for (ticket, _) in lagging {
                if let Some(watcher) = self.watching.watchers.get_mut(&ticket) {
                    watcher.told = prepared.through;
                }
            }
        }
    }

    /// Those whose position has been forgotten since they came.
    fn end_forgotten_watches(&mut self, effects: &mut Effects<Self>) {
        for (ticket, watcher) in self.watching.take_forgotten() {
            let deny = forgotten(watcher.told);
            self.deny(ticket, watcher.token, Vec::new(), deny, effects);
        }
    }

    /// The writes of a step, or the keys that were adopted.
    fn decode(&self, step: &Step) -> Vec<Told> {
        match &step.what {
            Applied::Batch(batch) => {
                // It was decoded when it was applied.
                let writes = batch.writes().unwrap_or_default();
                let new = writes.into_iter().filter(|write| write.dot.number > step.before);
                (step.first..)
                    .zip(new)
                    .map(|(position, write)| Told {
                        position,
                        reach: position,
                        dot: write.dot,
                        keys: write
                            .operations
                            .into_iter()
                            .map(|operation| operation.key)
                            .collect(),
                        seen: VersionVector::new(),
                    })
                    .collect()
            }
            Applied::Adopted(adopted) => (step.first..)
                .zip(&adopted.keys)
                .map(|(position, key)| {
                    let keys = vec![key.clone()];
                    // Named by the write that decides what is there now. What took away a key may have left nothing:
                    // all that is known is that it came with the state.
                    let (dot, seen) = match self.store.present(key).first() {
                        Some((dot, _)) => (*dot, VersionVector::new()),
                        None => (adopted.dot, adopted.known.clone()),
                    };
                    Told {
                        position,
                        reach: step.first + step.count - 1,
                        dot,
                        keys,
                        seen,
                    }
                })
                .collect(),
        }
    }

    fn tell_one(&mut self, ticket: Ticket, telling: &Telling, effects: &mut Effects<Self>) {
        let Some(watcher) = self.watching.watchers.get(&ticket) else {
            return;
        };
        let mut token = watcher.token.clone();
        let mut changes: Vec<(Key, Option<Item>)> = Vec::new();
        for (key, item, dots) in &telling.changes {
            if key.starts_with(&watcher.prefix) {
                token.merge(dots);
                changes.push((key.clone(), item.clone()));
            }
        }
        if changes.is_empty() {
            return;
        }
        token.raise(telling.dot.origin, telling.dot.number);
        token.merge(&telling.seen);
        self.trim(&mut token);
        if let Some(watcher) = self.watching.watchers.get_mut(&ticket) {
            watcher.token.clone_from(&token);
        }
        let reply = Reply {
            token,
            released: Vec::new(),
            answer: Answer::Changed(Watched {
                position: telling.position,
                dot: telling.dot,
                changes,
            }),
        };
        effects.push(Effect::Reply {
            ticket,
            reply,
            last: Last::No,
        });
    }

    /// This replica stops, or its disk has failed: watches go on elsewhere.
    pub(super) fn end_watches(&mut self, why: &Deny, effects: &mut Effects<Self>) {
        for (ticket, watcher) in std::mem::take(&mut self.watching.watchers) {
            let reply = Reply {
                token: watcher.token,
                released: Vec::new(),
                answer: Answer::Denied(why.clone()),
            };
            let last = Last::Yes;
            effects.push(Effect::Reply { ticket, reply, last });
        }
    }
}

impl Telling {
    /// Tells of something behind it, too.
    fn add(&mut self, told: &Told, changes: Vec<(Key, Option<Item>, VersionVector)>) {
        self.seen.raise(self.dot.origin, self.dot.number);
        self.seen.merge(&told.seen);
        self.position = told.position;
        self.dot = told.dot;
        self.changes.extend(changes);
    }
}

/// A watch cannot go on where it was.
pub(super) fn forgotten(position: u64) -> Deny {
    let what = format!(
        "position {position} is not remembered here: scan the keys, and watch from now on, without a position"
    );
    Deny::Malformed { what }
}
