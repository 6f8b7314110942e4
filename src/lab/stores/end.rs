//! The judgement when all has settled: what has to be there is there, and everybody agrees.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ask::{Own, counter_key, set_key},
    book::{Book, Fate},
    seen::{text, values_of},
    session::SETS,
};
use crate::{
    clock::VersionVector,
    kv::{Content, Item, Key},
    units::MachineId,
};

/// What all replicas show, by key.
type Shown = BTreeMap<String, Item>;

impl Book {
    /// Judges the last reads, and what the machines said when they ended.
    pub(super) fn judge_end(&mut self) {
        self.judge_ended();
        self.judge_watches();
        self.judge_members();
        self.judge_finals();
    }

    /// Judges the last reads.
    pub(super) fn judge_finals(&mut self) {
        let finals = std::mem::take(&mut self.finals);
        for machine in self.members.clone() {
            let held = finals.get(&machine);
            if held.is_none_or(|held| held.status.is_none() || held.items.is_none()) {
                self.breaks(format!("when all has settled, machine {machine} does not answer"));
            }
            let met = held.map(|held| held.met.clone()).unwrap_or_default();
            let unmet: Vec<usize> = (0..self.terms.clients)
                .filter(|place| !met.contains(place))
                .collect();
            if !unmet.is_empty() {
                self.breaks(format!(
                    "when all has settled, machine {machine} does not meet the tokens of sessions {unmet:?}"
                ));
            }
        }
        let known = self.judge_standing(&finals);
        let mut items = finals
            .into_iter()
            .filter_map(|(machine, held)| Some((machine, held.items?)));
        let Some((first, shown)) = items.next() else {
            return;
        };
        for (machine, other) in items {
            if shape(&other) != shape(&shown) {
                let differ: Vec<String> = differences(&shown, &other);
                self.breaks(format!(
                    "machines {first} and {machine} show different things: {differ:?}"
                ));
            }
        }
        self.judge_shown(&shown, &known);
        self.record_finals(&shown);
    }

    /// Everybody knows the same, and nothing is left to do. Returns what is known.
    fn judge_standing(&mut self, finals: &BTreeMap<MachineId, super::book::Final>) -> VersionVector {
        let mut all = VersionVector::new();
        let standing: Vec<_> = finals
            .iter()
            .filter_map(|(machine, held)| Some((*machine, held.status.clone()?)))
            .collect();
        for (_, status) in &standing {
            all.merge(&status.known);
        }
        for (machine, status) in standing {
            if status.known != all {
                self.breaks(format!("machine {machine} knows {}, of {all}", status.known));
            }
            let left = (status.buffered, status.waiting);
            if left != (0, 0) {
                self.breaks(format!(
                    "machine {machine} is left with (buffered, waiting) = {left:?}"
                ));
            }
            if !status.is_ready {
                self.breaks(format!("machine {machine} is not ready when all has settled"));
            }
            if let Some(held) = finals.get(&machine) {
                self.judge_forgetting(machine, held, &status);
            }
        }
        all
    }

    /// Who ended said the same as the others: what it knows, and the digest of what it holds.
    fn judge_ended(&mut self) {
        let said: Vec<(MachineId, VersionVector, u64)> = self
            .data
            .iter()
            .filter(|(machine, _)| self.ended.contains(machine))
            .map(|(machine, (known, digest))| (*machine, known.clone(), *digest))
            .collect();
        let Some((first, known, digest)) = said.first() else {
            return self.breaks("no machine ended in order".to_owned());
        };
        for (machine, other, others) in &said {
            if other == known && others != digest {
                self.breaks(format!(
                    "machines {first} and {machine} end with {known}, and with different data"
                ));
            }
        }
    }

    fn judge_shown(&mut self, items: &[(Key, Item)], known: &VersionVector) {
        let shown: Shown = items
            .iter()
            .map(|(key, item)| (text(key), item.clone()))
            .collect();
        let mut destroyed = 0;
        let mut lost = Vec::new();
        for write in &self.acknowledged {
            if !known.contains(write.dot) {
                match self.judge_gone(write) {
                    Ok(()) => destroyed += 1,
                    Err(why) => lost.push(format!("{} ({:?}): {why}", write.dot, write.copies)),
                }
            }
        }
        self.counts.destroyed = destroyed;
        if !lost.is_empty() {
            let most = lost.len().min(5);
            let some = lost.get(..most).unwrap_or_default().join(", ");
            self.breaks(format!("{} acknowledged writes are gone: {some}", lost.len()));
        }
        self.judge_registers(&shown, known);
        self.judge_counters(&shown, known);
        self.judge_sets(&shown, known);
        let is_batch = |(key, _): &&(Key, Item)| key.first() == Some(&b'b');
        let batch: Vec<(Key, Item)> = items.iter().filter(is_batch).cloned().collect();
        self.check_batch(&batch);
        if let Some(item) = shown.get(super::ask::ENDING_KEY) {
            self.breaks(format!("a value that has ended is still shown: {item:?}"));
        }
    }

    /// Registers hold what was written, and nothing that was overwritten or deleted by someone who had seen it.
    fn judge_registers(&mut self, shown: &Shown, known: &VersionVector) {
        for (key, item) in shown {
            let values = values_of(Some(&item.content));
            match key.chars().next() {
                Some('r' | 'q') => {
                    for value in values {
                        self.check_value(usize::MAX, key, &value);
                        if let Some(dot) = self.superseded.get(&value).filter(|dot| known.contains(**dot)) {
                            self.breaks(format!("{value} is back under {key}, which {dot} has superseded"));
                        }
                    }
                }
                Some('p') => self.judge_own(key, &values),
                Some('b' | 'n' | 's' | 't') => {}
                _ => self.breaks(format!("{key} is shown, which nobody wrote")),
            }
        }
        // The last number that was acknowledged under each session's own key.
        let mut least: BTreeMap<Own, u64> = BTreeMap::new();
        let floors = self.sessions.iter().flat_map(|session| &session.floors);
        for (own, number) in floors {
            let floor = least.entry(*own).or_default();
            *floor = (*floor).max(*number);
        }
        if self.counts.destroyed > 0 || self.counts.released > 0 {
            return;
        }
        for (own, number) in least {
            let there = shown.get(&own.key());
            let there = there.and_then(|item| values_of(Some(&item.content)).first()?.parse().ok());
            if there.unwrap_or(0) < number {
                self.breaks(format!(
                    "{} ends with {there:?}, and {number} was seen",
                    own.key()
                ));
            }
        }
    }

    fn judge_own(&mut self, key: &str, values: &[String]) {
        let number = values.first().and_then(|value| value.parse().ok());
        let is_known = |(own, number): &(Own, u64)| {
            self.floors_at.contains_key(&(*own, *number)) && !self.denied_numbers.contains(&(*own, *number))
        };
        if Own::parse(key).zip(number).is_none_or(|pair| !is_known(&pair)) {
            self.breaks(format!(
                "{key} ends with {values:?}, which was denied or never written"
            ));
        }
    }

    /// Sums are exactly what was added.
    fn judge_counters(&mut self, shown: &Shown, known: &VersionVector) {
        for counter in 0..self.shared.counters() {
            let sum = match shown.get(&counter_key(counter)).map(|item| &item.content) {
                Some(Content::Counter(sum)) => *sum,
                None => 0,
                Some(other) => {
                    self.breaks(format!("counter {counter} holds {other:?}"));
                    continue;
                }
            };
            let bits = u64::from_ne_bytes(sum.to_ne_bytes());
            for bit in 0..64 {
                let is_there = bits & (1 << bit) > 0;
                let broken = match self.increments.get(&(counter, bit)) {
                    Some(Fate::Done(dot)) => known.contains(*dot) != is_there,
                    Some(Fate::Unknown) => false,
                    Some(Fate::Denied) | None => is_there,
                };
                if broken {
                    let fate = self.increments.get(&(counter, bit)).copied();
                    self.breaks(format!("counter {counter} ends with {sum}: 2^{bit} was {fate:?}"));
                }
            }
        }
    }

    /// Sets hold what was inserted and not removed.
    fn judge_sets(&mut self, shown: &Shown, known: &VersionVector) {
        for set in 0..SETS {
            let key = set_key(set);
            let held: BTreeSet<String> = match shown.get(&key).map(|item| &item.content) {
                Some(Content::Set(elements)) => elements.iter().map(|value| text(&value.bytes)).collect(),
                None => BTreeSet::new(),
                Some(other) => {
                    self.breaks(format!("set {set} holds {other:?}"));
                    continue;
                }
            };
            let mut broken = Vec::new();
            for element in &held {
                if self
                    .values
                    .get(element)
                    .is_none_or(|(other, fate)| *other != key || *fate == Fate::Denied)
                {
                    broken.push(format!(
                        "{key} holds {element}, which was denied or never inserted"
                    ));
                }
                if let Some(Fate::Done(dot)) = self.removals.get(&(set, element.clone()))
                    && known.contains(*dot)
                {
                    broken.push(format!("{key} holds {element}, which {dot} has removed"));
                }
            }
            for (element, (of, fate)) in &self.values {
                let was_removed = self.removals.contains_key(&(set, element.clone()));
                if let Fate::Done(dot) = fate
                    && *of == key
                    && known.contains(*dot)
                    && !was_removed
                    && !held.contains(element)
                {
                    broken.push(format!("{key} misses {element}, which {dot} has inserted"));
                }
            }
            broken.into_iter().for_each(|what| self.breaks(what));
        }
    }

    /// What all show goes into the history, for every replica that answered.
    fn record_finals(&mut self, items: &[(Key, Item)]) {
        let shown: BTreeMap<String, Vec<String>> = items
            .iter()
            .map(|(key, item)| (text(key), values_of(Some(&item.content))))
            .collect();
        let mut keys: BTreeSet<String> = self.values.values().map(|(key, _)| key.clone()).collect();
        keys.retain(|key| key.starts_with('r'));
        for machine in self.members.clone() {
            for key in &keys {
                let value = shown.get(key).and_then(|values| values.first());
                let value = value.map_or("null", String::as_str);
                self.recorded.last(machine, key, value);
            }
        }
    }
}

/// A key, what it holds, when that ends, and its mark.
type Shape<'a> = (&'a Key, &'a Content, Option<u64>, Option<&'a VersionVector>);

/// What has to be the same everywhere. The mark of a set also tells of removals, which one replica may have let go while
/// the set was empty, and another not.
fn shape(items: &[(Key, Item)]) -> Vec<Shape<'_>> {
    let mut shape = Vec::with_capacity(items.len());
    for (key, item) in items {
        let is_set = matches!(item.content, Content::Set(_));
        let mark = (!is_set).then_some(&item.mark);
        shape.push((key, &item.content, item.ends_us, mark));
    }
    shape
}

/// The first keys that two replicas show differently.
fn differences(one: &[(Key, Item)], other: &[(Key, Item)]) -> Vec<String> {
    let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) = (
        one.iter().map(|(key, item)| (key, item)).collect(),
        other.iter().map(|(key, item)| (key, item)).collect(),
    );
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differ = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    differ
        .take(3)
        .map(|key| format!("{}: {:?} and {:?}", text(key), one.get(key), other.get(key)))
        .collect()
}
