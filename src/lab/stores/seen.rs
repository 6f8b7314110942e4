//! What clients are told, judged as they are told it.

use std::collections::BTreeMap;

use super::{
    ask::{Ask, Own},
    book::{Acknowledged, Book, Fate},
    recorded::Outcome,
};
use crate::{
    clock::Dot,
    kv::{Answer, Content, Copies, Item, Key, Token},
    units::Time,
};

/// Elements of sets that a session remembers, to remove them.
const ELEMENTS_MAX: usize = 8;

impl Book {
    /// A session is answered.
    pub(super) fn take(
        &mut self,
        place: usize,
        ask: &Ask,
        copies: Copies,
        answer: &Answer,
        token: &Token,
        begun: Time,
    ) {
        match answer {
            Answer::Written { dot, .. } if ask.is_write() => {
                self.written(place, ask, copies, *dot, token, begun)
            }
            Answer::Found(item) => self.read(place, ask, Some(item), begun),
            Answer::NotFound => self.read(place, ask, None, begun),
            Answer::Scanned { items, next: None } => self.scanned(place, ask, items),
            Answer::Scanned { .. } => {}
            other => self.breaks(format!("{ask:?} is answered {other:?}")),
        }
    }

    fn written(
        &mut self,
        place: usize,
        ask: &Ask,
        copies: Copies,
        dot: Option<Dot>,
        token: &Token,
        begun: Time,
    ) {
        let Some(dot) = dot else {
            match ask {
                // There was nothing to take away: that was read, and nothing written.
                Ask::Delete { key } => self.note_read(place, key, None, begun),
                Ask::Remove { .. } => {}
                other => self.breaks(format!("{other:?} is done, and nothing was written")),
            }
            return;
        };
        self.counts.writes += 1;
        if !token.contains(dot) {
            self.breaks(format!(
                "{ask:?} was written as {dot}, which the token {token} leaves out"
            ));
        }
        if !self.dots.insert(dot) {
            self.breaks(format!("{dot} names two writes, the second is {ask:?}"));
        }
        self.note_acknowledged(dot, copies);
        self.decide(ask, Fate::Done(dot));
        if let Ask::Swap { key, mark, .. } = ask {
            self.swapped(dot.origin, key, mark);
        }
        let Some(session) = self.sessions.get_mut(place) else {
            return;
        };
        let mut record = |what, key: &str, value: Option<&str>| {
            self.recorded
                .operation(session, what, key, value, Outcome::Done, begun);
        };
        match ask {
            Ask::Put { key, value } | Ask::Swap { key, value, .. } => {
                record("put", key, Some(value));
                if session.carries
                    && let Some(before) = session.seen.insert(key.clone(), value.clone())
                {
                    self.superseded.entry(before).or_insert(dot);
                }
            }
            Ask::Delete { key } => {
                record("delete", key, None);
                if let Some(before) = session.seen.remove(key) {
                    self.superseded.entry(before).or_insert(dot);
                }
            }
            Ask::Mine { place, number } => {
                record("put", &place.key(), Some(&number.to_string()));
                session.floors.insert(*place, *number);
            }
            Ask::Add { counter, bit } if session.carries => {
                *session.bits.entry(*counter).or_default() |= 1 << bit;
            }
            Ask::Insert { set, element } if session.carries => {
                session.elements.push((*set, element.clone()));
            }
            Ask::Get { .. }
            | Ask::Theirs { .. }
            | Ask::Add { .. }
            | Ask::Count { .. }
            | Ask::Insert { .. }
            | Ask::Remove { .. }
            | Ask::Elements { .. }
            | Ask::Batch { .. }
            | Ask::BatchScan
            | Ask::OwnScan
            | Ask::Beside { .. }
            | Ask::Siblings { .. }
            | Ask::Ending { .. } => {}
        }
    }

    fn note_acknowledged(&mut self, dot: Dot, copies: Copies) {
        let members_min = self.terms.members_min;
        if let Some(disks) = &self.disks
            && let Err(what) = disks.judge_acknowledged(dot, copies, members_min)
        {
            self.breaks(what);
        }
        self.acknowledged.push(Acknowledged { dot, copies });
    }

    fn note_read(&mut self, place: usize, key: &str, value: Option<&str>, begun: Time) {
        if let Some(session) = self.sessions.get_mut(place) {
            let value = Some(value.unwrap_or("null"));
            self.recorded
                .operation(session, "get", key, value, Outcome::Done, begun);
        }
    }

    fn read(&mut self, place: usize, ask: &Ask, item: Option<&Item>, begun: Time) {
        match (ask, item.map(|item| &item.content)) {
            (Ask::Get { key }, content) => {
                let values = values_of(content);
                let value = values.first().cloned();
                self.note_read(place, key, value.as_deref(), begun);
                for value in &values {
                    self.check_value(place, key, value);
                }
                if let Some(session) = self.sessions.get_mut(place).filter(|one| one.carries) {
                    session.seen.remove(key);
                    session.marks.remove(key);
                    if let (Some(value), Some(item)) = (value, item) {
                        session.seen.insert(key.clone(), value);
                        // The assignment's forms do not tell it.
                        if !item.mark.is_empty() {
                            session.marks.insert(key.clone(), item.mark.clone());
                        }
                    }
                }
            }
            (Ask::Siblings { key }, content) => {
                for value in values_of(content) {
                    self.check_value(place, key, &value);
                }
            }
            (Ask::Theirs { place: own }, content) => {
                let values = values_of(content);
                let number = values.first().map(|value| value.parse().unwrap_or(u64::MAX));
                self.note_read(place, &own.key(), values.first().map(String::as_str), begun);
                self.check_own(place, *own, number);
            }
            (Ask::Count { counter }, Some(Content::Counter(sum))) => self.check_sum(place, *counter, *sum),
            (Ask::Count { counter }, None) => self.check_sum(place, *counter, 0),
            (Ask::Elements { set }, Some(Content::Set(elements))) => {
                let elements: Vec<String> = elements.iter().map(|value| text(&value.bytes)).collect();
                self.check_elements(place, *set, &elements);
            }
            (Ask::Elements { set }, None) => self.check_elements(place, *set, &[]),
            (ask, content) => self.breaks(format!("{ask:?} finds {content:?}")),
        }
    }

    /// A value that is seen was to be written, to this key, and was not denied; and whoever knows what has superseded it
    /// does not see it.
    pub(super) fn check_value(&mut self, place: usize, key: &str, value: &str) {
        let broken = match self.values.get(value) {
            None => Some(format!("{key} holds {value}, which nobody wrote")),
            Some((_, Fate::Denied)) => Some(format!("{key} holds {value}, whose write was denied")),
            Some((other, _)) if other != key => {
                Some(format!("{key} holds {value}, which was written to {other}"))
            }
            Some(_) => None,
        };
        if let Some(broken) = broken {
            self.breaks(broken);
        }
        let session = self.sessions.get(place).filter(|session| session.carries);
        if let (Some(session), Some(dot)) = (session, self.superseded.get(value))
            && session.token.contains(*dot)
        {
            let what = format!(
                "session {} knows {dot}, which has superseded {value}, and is shown {value} under {key}",
                session.name()
            );
            self.breaks(what);
        }
    }

    /// A register that one session alone writes shows nothing older than was seen, and brings along what it depends on.
    fn check_own(&mut self, place: usize, own: Own, number: Option<u64>) {
        let seen = number.unwrap_or(0);
        let Some(session) = self.sessions.get(place) else {
            return;
        };
        let floor = session.floors.get(&own).copied().unwrap_or(0);
        let is_known = number.is_none() || self.floors_at.contains_key(&(own, seen));
        let is_denied = self.denied_numbers.contains(&(own, seen));
        let who = session.name();
        if session.carries && seen < floor {
            self.breaks(format!(
                "session {who} reads {seen} under {}, and has seen, or what it has seen depends on, {floor}",
                own.key()
            ));
        }
        if !is_known || is_denied {
            self.breaks(format!(
                "session {who} reads {seen} under {}, which was {}",
                own.key(),
                if is_denied { "denied" } else { "never written" }
            ));
        }
        let brings = self.floors_at.get(&(own, seen)).cloned().unwrap_or_default();
        if let Some(session) = self.sessions.get_mut(place).filter(|one| one.carries) {
            if number.is_some() {
                raise(&mut session.floors, own, seen);
            }
            for (own, number) in brings {
                raise(&mut session.floors, own, number);
            }
        }
    }

    /// A sum holds increments that were asked for and not denied, and those that the session knows.
    fn check_sum(&mut self, place: usize, counter: usize, sum: i64) {
        let bits = u64::from_ne_bytes(sum.to_ne_bytes());
        for bit in 0..64 {
            if bits & (1 << bit) > 0 {
                match self.increments.get(&(counter, bit)) {
                    Some(Fate::Done(_) | Fate::Unknown) => {}
                    Some(Fate::Denied) | None => {
                        self.breaks(format!(
                            "counter {counter} is {sum}: nobody added 2^{bit}, or it was denied"
                        ));
                        return;
                    }
                }
            }
        }
        let Some(session) = self.sessions.get_mut(place).filter(|one| one.carries) else {
            return;
        };
        let known = session.bits.entry(counter).or_default();
        let missing = *known & !bits;
        *known |= bits;
        if missing > 0 {
            let who = session.name();
            self.breaks(format!(
                "session {who} reads {sum} from counter {counter}, without {missing} that it has seen or added"
            ));
        }
    }

    fn check_elements(&mut self, place: usize, set: usize, elements: &[String]) {
        let key = super::ask::set_key(set);
        for element in elements {
            self.check_value(place, &key, element);
            let removed = self.removals.get(&(set, element.clone()));
            let session = self.sessions.get(place).filter(|session| session.carries);
            if let (Some(Fate::Done(dot)), Some(session)) = (removed, session)
                && session.token.contains(*dot)
            {
                let what = format!(
                    "session {} knows {dot}, which removed {element}, and is shown it in {key}",
                    session.name()
                );
                self.breaks(what);
            }
        }
        if let Some(session) = self.sessions.get_mut(place).filter(|one| one.carries) {
            let known = elements.iter().map(|element| (set, element.clone()));
            session.elements.extend(known);
            let too_many = session.elements.len().saturating_sub(ELEMENTS_MAX);
            session.elements.drain(..too_many);
        }
    }

    fn scanned(&mut self, place: usize, ask: &Ask, items: &[(Key, Item)]) {
        match ask {
            Ask::BatchScan => self.check_batch(items),
            Ask::OwnScan => self.check_snapshot(place, items),
            other => self.breaks(format!("{other:?} is answered with a scan")),
        }
    }

    /// A batch is there whole or not at all.
    pub(super) fn check_batch(&mut self, items: &[(Key, Item)]) {
        let shown = |(_, item): &(Key, Item)| values_of(Some(&item.content)).into_iter().next();
        let values: Vec<Option<String>> = items.iter().map(shown).collect();
        let is_whole = values.is_empty() || values.len() == super::ask::BATCH_KEYS.len();
        if !is_whole || values.iter().any(|value| Some(value) != values.first()) {
            self.breaks(format!("a scan shows a part of a batch: {values:?}"));
        }
    }

    /// A scan shows nothing without what it depends on.
    fn check_snapshot(&mut self, place: usize, items: &[(Key, Item)]) {
        let mut shown: BTreeMap<Own, u64> = BTreeMap::new();
        for (key, item) in items {
            let number = values_of(Some(&item.content))
                .first()
                .and_then(|value| value.parse().ok());
            match (Own::parse(&text(key)), number) {
                (Some(own), Some(number)) => {
                    shown.insert(own, number);
                }
                (_, _) => self.breaks(format!("a scan shows {item:?} under {}", text(key))),
            }
        }
        let mut needed: BTreeMap<Own, (u64, String)> = BTreeMap::new();
        for (own, number) in &shown {
            for (other, floor) in self.floors_at.get(&(*own, *number)).into_iter().flatten() {
                let entry = needed.entry(*other).or_default();
                if entry.0 < *floor {
                    *entry = (*floor, format!("{number} under {}", own.key()));
                }
            }
        }
        for (own, (number, because)) in needed {
            let there = shown.get(&own).copied().unwrap_or(0);
            if there < number {
                self.breaks(format!(
                    "a scan shows {because} and only {there} under {}, which depends on {number} there",
                    own.key()
                ));
            }
        }
        for (own, number) in shown.clone() {
            self.check_own(place, own, Some(number));
        }
        let session = self.sessions.get(place).filter(|session| session.carries);
        let hidden = session.and_then(|session| {
            let is_hidden = |(own, _): &(&Own, &u64)| !shown.contains_key(own);
            session
                .floors
                .iter()
                .find(is_hidden)
                .map(|(own, number)| (*own, *number))
        });
        if let Some((own, number)) = hidden {
            self.breaks(format!(
                "a scan shows nothing under {}, of which {number} was seen",
                own.key()
            ));
        }
    }
}

fn raise(floors: &mut BTreeMap<Own, u64>, own: Own, number: u64) {
    let floor = floors.entry(own).or_default();
    *floor = (*floor).max(number);
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The values of a register, the chosen one first.
pub(super) fn values_of(content: Option<&Content>) -> Vec<String> {
    match content {
        Some(Content::Values(values)) => values.iter().map(|value| text(&value.bytes)).collect(),
        Some(Content::Counter(_) | Content::Set(_)) | None => Vec::new(),
    }
}
