//! Who watches the sessions' own registers, and what it may be told: of each register every number at most once and going
//! up, never anything before what it depends on, and when all has settled all that is there.

use std::collections::BTreeMap;

use super::{
    ask::Own,
    book::{Book, Pending},
    seen::{text, values_of},
};
use crate::{
    dice::{Purpose, Stream},
    kv::{self, Action, Answer, Deny, Item, Key, Token, Watched},
    service::{Service, Ticket},
    sim::open::{Heard, Orders},
    units::{MachineId, Time},
};

/// From the end of a watch to its next begin, in microseconds.
const PAUSE_US: u64 = 300_000;

/// From a watch to the scan that says what was there when it began, in microseconds: the watch has arrived by then.
const BASE_US: u64 = 200_000;

/// In the tag of a wake-up: that a watch is to begin, or its scan; the number of the watch is the rest.
pub(super) const WATCH: u64 = 1 << 61;
pub(super) const BASE: u64 = 1 << 60;

/// What watches begin with.
const PREFIX: &[u8] = b"p";

/// One watch, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Watching {
    /// What was there when it began, and has been told since.
    shown: BTreeMap<Own, u64>,
    /// What it was told.
    told: BTreeMap<Own, u64>,
}

/// One who watches in a simulated run.
#[derive(Debug)]
pub(super) struct Watcher {
    dice: Stream,
    /// Where it is, if it watches.
    at: Option<(MachineId, Ticket)>,
    watching: Watching,
    is_based: bool,
    /// What it was told before it knew what was there.
    early: Vec<Watched>,
}

impl Watcher {
    pub(super) fn new(number: u16, seed: u64) -> Self {
        Self {
            dice: Stream::new(seed, MachineId(u16::MAX - 1 - number), Purpose::Clients),
            at: None,
            watching: Watching::default(),
            is_based: false,
            early: Vec::new(),
        }
    }
}

impl Book {
    /// It is time for a watch to begin, or for its scan.
    pub(super) fn wake_watch<S>(&mut self, at: Time, tag: u64, orders: &mut Orders<S>)
    where
        S: Service<Request = kv::Request, Reply = kv::Reply>,
    {
        let number = usize::try_from(tag & !(WATCH | BASE)).unwrap_or(usize::MAX);
        let (replicas, settled) = (self.terms.replicas, self.terms.settled);
        let Some(watcher) = self.watchers.get_mut(number) else {
            return;
        };
        let request = |action| kv::Request {
            token: Token::new(),
            wait_us: 0,
            action,
        };
        let prefix = PREFIX.into();
        match watcher.at {
            None if tag & WATCH > 0 && at < settled => {
                let drawn = watcher.dice.below(u64::from(replicas));
                let machine = MachineId(u16::try_from(drawn).unwrap_or(0));
                let ticket = orders.request(machine, request(Action::Watch { prefix, after: None }));
                watcher.at = Some((machine, ticket));
                watcher.watching = Watching::default();
                watcher.is_based = false;
                watcher.early.clear();
                self.pending.insert(ticket, Pending::Watch(number));
                orders.wake(Time(at.0 + BASE_US), BASE | number as u64);
            }
            Some((machine, watch)) if tag & BASE > 0 => {
                let scan = Action::Scan {
                    prefix,
                    after: None,
                    limit: 10_000,
                };
                let ticket = orders.request(machine, request(scan));
                self.pending.insert(ticket, Pending::Base(number, watch));
            }
            Some(_) | None => {}
        }
    }

    /// A watch is told something, or ends.
    pub(super) fn watch_heard<S>(
        &mut self,
        at: Time,
        ticket: Ticket,
        number: usize,
        heard: Heard<kv::Reply>,
        orders: &mut Orders<S>,
    ) where
        S: Service<Request = kv::Request, Reply = kv::Reply>,
    {
        if let Heard::Reply { reply, .. } = heard {
            match reply.answer {
                Answer::Changed(watched) => {
                    // More follows.
                    self.pending.insert(ticket, Pending::Watch(number));
                    return self.watch_told(number, watched);
                }
                // What its disk does not take a replica does not tell.
                Answer::Denied(Deny::Leaving | Deny::Joining | Deny::NoMember | Deny::Disk { .. }) => {}
                other => self.breaks(format!("a watch is told {other:?}")),
            }
        }
        if let Some(watcher) = self.watchers.get_mut(number) {
            watcher.at = None;
        }
        orders.wake(Time(at.0 + PAUSE_US), WATCH | number as u64);
    }

    /// What was there when a watch began.
    pub(super) fn base_heard(&mut self, number: usize, watch: Ticket, heard: Heard<kv::Reply>) {
        let Heard::Reply { reply, .. } = heard else {
            return;
        };
        let Some(watcher) = self.watchers.get_mut(number) else {
            return;
        };
        if watcher.at.is_none_or(|(_, ticket)| ticket != watch) {
            return;
        }
        if let Answer::Scanned { items, next: None } = reply.answer {
            watcher.watching.begin(&numbers(&items));
            watcher.is_based = true;
            for watched in std::mem::take(&mut watcher.early) {
                self.watch_told(number, watched);
            }
        }
    }

    fn watch_told(&mut self, number: usize, watched: Watched) {
        self.counts.told += watched.changes.len() as u64;
        let Some(watcher) = self.watchers.get_mut(number) else {
            return;
        };
        if !watcher.is_based {
            return watcher.early.push(watched);
        }
        let machine = watcher.at.map_or(MachineId(0), |(machine, _)| machine);
        let broken = watcher.watching.take(&watched, &self.floors_at);
        let broken = broken
            .into_iter()
            .map(|what| format!("a watch at machine {machine}: {what}"));
        self.told_wrongly.extend(broken);
    }

    /// When all has settled, watches have been told all that is there.
    pub(super) fn judge_watches(&mut self) {
        // A write does not depend on what was let go, which a watch may be told before its session is.
        let mut broken = match self.counts.released {
            0 => std::mem::take(&mut self.told_wrongly),
            _ => Vec::new(),
        };
        for watcher in self.watchers.iter().filter(|watcher| watcher.is_based) {
            let Some((machine, _)) = watcher.at else {
                continue;
            };
            match self.finals.get(&machine).and_then(|last| last.items.as_ref()) {
                Some(items) => {
                    let missing = watcher.watching.missing(&numbers(items));
                    broken.extend(
                        missing.map(|what| format!("a watch at machine {machine} is never told of {what}")),
                    );
                }
                None if self.members.contains(&machine) => {}
                None => broken.push(format!(
                    "a watch goes on at machine {machine}, which is no member any more"
                )),
            }
        }
        broken.into_iter().for_each(|what| self.breaks(what));
    }
}

/// What is there, by register.
pub(super) fn numbers(items: &[(Key, Item)]) -> BTreeMap<Own, u64> {
    let number = |(key, item): &(Key, Item)| {
        let number = values_of(Some(&item.content)).first()?.parse().ok()?;
        Some((Own::parse(&text(key))?, number))
    };
    items.iter().filter_map(number).collect()
}

impl Watching {
    /// This was there when it began.
    pub(super) fn begin(&mut self, there: &BTreeMap<Own, u64>) {
        for (own, number) in there {
            let shown = self.shown.entry(*own).or_default();
            *shown = (*shown).max(*number);
        }
    }

    /// Takes what it is told. Says what is wrong with it. `floors_at` says of each number what it depends on.
    pub(super) fn take(
        &mut self,
        watched: &Watched,
        floors_at: &BTreeMap<(Own, u64), BTreeMap<Own, u64>>,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        let mut new = Vec::new();
        for (key, item) in &watched.changes {
            let key = text(key);
            let value = item
                .as_ref()
                .and_then(|item| values_of(Some(&item.content)).into_iter().next());
            let number: Option<u64> = value.as_ref().and_then(|value| value.parse().ok());
            let Some((own, number)) = Own::parse(&key).zip(number) else {
                broken.push(format!("{key} is told to be {value:?}"));
                continue;
            };
            let told = self.told.entry(own).or_default();
            if number <= *told {
                broken.push(format!("{key} is told to be {number}, behind {told}"));
            }
            *told = (*told).max(number);
            let shown = self.shown.entry(own).or_default();
            *shown = (*shown).max(number);
            new.push((own, number));
        }
        for (own, number) in new {
            let Some(floors) = floors_at.get(&(own, number)) else {
                broken.push(format!(
                    "{} is told to be {number}, which nobody wrote",
                    own.key()
                ));
                continue;
            };
            for (other, floor) in floors {
                let shown = self.shown.get(other).copied().unwrap_or(0);
                if shown < *floor {
                    broken.push(format!(
                        "{number} under {} is told before {floor} under {}, which it depends on; {shown} was told there",
                        own.key(),
                        other.key()
                    ));
                }
            }
        }
        broken
    }

    /// A register of which less was shown than is there.
    pub(super) fn missing(&self, there: &BTreeMap<Own, u64>) -> Option<String> {
        let shown = |own: &Own| self.shown.get(own).copied().unwrap_or(0);
        let missing = there.iter().find(|(own, number)| shown(own) < **number);
        missing.map(|(own, number)| format!("{number} under {}, only of {}", own.key(), shown(own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Dot, Origin, VersionVector},
        kv::{Content, Format, Value},
    };

    fn own(session: usize) -> Own {
        Own {
            session,
            generation: 0,
        }
    }

    fn watched(changes: &[(usize, u64)]) -> Watched {
        let origin = Origin {
            machine: MachineId(0),
            incarnation: 1,
        };
        let change = |(session, number): &(usize, u64)| {
            let value = Value {
                format: Format::Json,
                bytes: number.to_string().into_bytes().into(),
            };
            let item = Item {
                mark: VersionVector::new(),
                content: Content::Values(vec![value]),
                ends_us: None,
            };
            (own(*session).key().into_bytes().into(), Some(item))
        };
        Watched {
            position: 1,
            dot: Dot::new(origin, 1),
            changes: changes.iter().map(change).collect(),
        }
    }

    #[test]
    fn a_watch_is_told_in_causal_order_and_each_once() {
        // The second number of session 1 depends on the first of session 0.
        let floors = BTreeMap::from([
            ((own(0), 1), BTreeMap::new()),
            ((own(0), 2), BTreeMap::from([(own(0), 1)])),
            ((own(1), 1), BTreeMap::new()),
            ((own(1), 2), BTreeMap::from([(own(0), 1), (own(1), 1)])),
        ]);
        let mut good = Watching::default();
        good.begin(&BTreeMap::from([(own(1), 1)]));
        assert_eq!(
            good.take(&watched(&[(0, 1), (1, 2)]), &floors),
            Vec::<String>::new()
        );
        assert_eq!(good.take(&watched(&[(0, 2)]), &floors), Vec::<String>::new());
        assert_eq!(good.missing(&BTreeMap::from([(own(0), 2)])), None);
        assert!(good.missing(&BTreeMap::from([(own(0), 3)])).is_some());

        let mut early = Watching::default();
        early.begin(&BTreeMap::from([(own(1), 1)]));
        let broken = early.take(&watched(&[(1, 2)]), &floors).join(" ");
        assert!(
            broken.contains("2 under p1.0 is told before 1 under p0.0"),
            "{broken}"
        );
        let twice = early.take(&watched(&[(1, 2)]), &floors).join(" ");
        assert!(twice.contains("is told to be 2, behind 2"), "{twice}");
        let unknown = early.take(&watched(&[(0, 9)]), &floors).join(" ");
        assert!(unknown.contains("which nobody wrote"), "{unknown}");
    }
}
