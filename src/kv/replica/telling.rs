//! What watches are told.

use super::{
    Replica,
    watching::{Applied, Step},
};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        operation::Key,
        request::{Answer, Deny, Item, Reply, Watched},
    },
    service::{Effect, Effects, Last, Ticket},
};

/// One thing that was applied: its position, its name, its keys.
struct Told {
    position: u64,
    dot: Dot,
    keys: Vec<Key>,
    /// What else is seen by who is told, where a key has left nothing that names it.
    seen: VersionVector,
}

impl Replica {
    /// Tells all watches what has come to the disk since they were told last.
    pub(super) fn tell(&mut self, effects: &mut Effects<Self>) {
        let kept = self.watching.kept();
        let lagging: Vec<(Ticket, u64)> = self
            .watching
            .watchers
            .iter()
            .filter(|(_, watcher)| watcher.told < kept)
            .map(|(ticket, watcher)| (*ticket, watcher.told))
            .collect();
        // Most have been told the same: what is decoded for the one serves the others.
        let Some(earliest) = lagging.iter().map(|(_, told)| *told).min() else {
            return;
        };
        let steps: Vec<Step> = self.watching.behind(earliest).cloned().collect();
        for step in &steps {
            for told in self.decode(step) {
                for (ticket, before) in &lagging {
                    if told.position > *before {
                        self.tell_one(*ticket, &told, effects);
                    }
                }
            }
        }
        for (ticket, _) in lagging {
            if let Some(watcher) = self.watching.watchers.get_mut(&ticket) {
                watcher.told = kept;
            }
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
                        dot,
                        keys,
                        seen,
                    }
                })
                .collect(),
        }
    }

    fn tell_one(&mut self, ticket: Ticket, told: &Told, effects: &mut Effects<Self>) {
        let wall_us = self.wall_us();
        let Some(watcher) = self.watching.watchers.get(&ticket) else {
            return;
        };
        let keys = told.keys.iter().filter(|key| key.starts_with(&watcher.prefix));
        let changes: Vec<(Key, Option<Item>)> = keys
            .map(|key| (key.clone(), self.store.get(key, wall_us)))
            .collect();
        if changes.is_empty() {
            return;
        }
        let mut token = watcher.token.clone();
        token.raise(told.dot.origin, told.dot.number);
        token.merge(&told.seen);
        for (key, _) in &changes {
            token.merge(&self.store.dots(key));
        }
        self.trim(&mut token);
        if let Some(watcher) = self.watching.watchers.get_mut(&ticket) {
            watcher.token.clone_from(&token);
        }
        let reply = Reply {
            token,
            released: Vec::new(),
            answer: Answer::Changed(Watched {
                position: told.position,
                dot: told.dot,
                changes,
            }),
        };
        effects.push(Effect::Reply {
            ticket,
            reply,
            last: Last::No,
        });
    }

    /// This replica stops: watches go on elsewhere.
    pub(super) fn end_watches(&mut self, effects: &mut Effects<Self>) {
        for (ticket, watcher) in std::mem::take(&mut self.watching.watchers) {
            let reply = Reply {
                token: watcher.token,
                released: Vec::new(),
                answer: Answer::Denied(Deny::Leaving),
            };
            let last = Last::Yes;
            effects.push(Effect::Reply { ticket, reply, last });
        }
    }
}
