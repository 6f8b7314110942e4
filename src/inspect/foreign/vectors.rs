//! The events of one execution with their vector clocks, as a log of another program gives them.
//!
//! Vectors are kept as they are written: entries by host, absent ones are zero. Nothing is believed yet:
//! [`verify`](super::verify) judges them, and [`arrows`](super::arrows) finds out who sent to whom.

use std::{collections::BTreeMap, sync::Arc};

use super::{error::ForeignError, text::shown};
use crate::trace::{Place, WallTime};

/// Most hosts of a log, those that are only named in clocks included: as many as a run may have machines.
pub const HOSTS_MAX: usize = 10_000;

/// What a log says that an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Internal,
    Send,
    Receive,
}

/// An event as it was read.
#[derive(Clone, Debug)]
pub(super) struct Clocked {
    pub(super) line: u32,
    /// Which of the files.
    pub(super) file: u32,
    pub(super) at: Option<WallTime>,
    pub(super) said: Option<Said>,
    pub(super) text: Box<str>,
    /// By host; zeros are left out.
    pub(super) clock: Vec<(u32, u64)>,
}

/// One execution.
#[derive(Clone, Debug)]
pub(super) struct VectorLog {
    /// Its name among the executions of the file; empty if it has none.
    pub(super) label: String,
    /// Hosts with events first, in the order of processes, then those that only clocks name.
    pub(super) names: Vec<String>,
    /// By host: its events, in the order of their own entries.
    pub(super) events: Vec<Vec<Clocked>>,
    pub(super) files: Vec<Arc<str>>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
    /// By host, where own entries are not 1, 2, 3, …: the event of each own entry.
    odd: Vec<Option<BTreeMap<u64, u32>>>,
}

/// What cannot be read as an event.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) place: Place,
    pub(super) text: String,
}

/// An execution being read.
#[derive(Debug, Default)]
pub(super) struct VectorLogBuilder {
    pub(super) label: String,
    pub(super) files: Vec<Arc<str>>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
    names: Vec<String>,
    ids: BTreeMap<String, u32>,
    /// By host name's number.
    events: Vec<Vec<Clocked>>,
    /// In the order of their first events.
    hosts: Vec<u32>,
}

/// What a match of an expression holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) line: u32,
    pub(super) host: &'a str,
    pub(super) clock: &'a str,
    pub(super) text: &'a str,
    pub(super) at: Option<WallTime>,
    pub(super) said: Option<Said>,
}

impl VectorLogBuilder {
    /// Adds an event of the newest file.
    pub(super) fn add(&mut self, found: &Found<'_>) -> Result<(), ForeignError> {
        let file = self.files.len().saturating_sub(1);
        let place = Place {
            file: self.files.get(file).cloned().unwrap_or_default(),
            line: u64::from(found.line),
        };
        if found.host.is_empty() {
            let text = "an event without a host is left out".to_owned();
            self.problems.push(Problem { place, text });
            return Ok(());
        }
        let entries = match entries(found.clock) {
            Ok(entries) => entries,
            Err(text) => {
                self.problems.push(Problem { place, text });
                return Ok(());
            }
        };
        let host = self.id(found.host, &place)?;
        let mut clock = Vec::with_capacity(entries.len());
        for (name, entry) in entries.into_iter().filter(|(_, entry)| *entry > 0) {
            clock.push((self.id(&name, &place)?, entry));
        }
        if let Some(events) = self.events.get_mut(host as usize) {
            if events.is_empty() {
                self.hosts.push(host);
            }
            events.push(Clocked {
                line: found.line,
                file: u32::try_from(file).unwrap_or(u32::MAX),
                at: found.at,
                said: found.said,
                text: found.text.trim().into(),
                clock,
            });
        }
        Ok(())
    }

    /// Whether no event was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.problems.is_empty()
    }

    fn id(&mut self, name: &str, place: &Place) -> Result<u32, ForeignError> {
        if let Some(id) = self.ids.get(name) {
            return Ok(*id);
        }
        if self.names.len() >= HOSTS_MAX {
            return Err(ForeignError::ManyHosts {
                file: place.file.to_string(),
                line: place.line,
                hosts_max: HOSTS_MAX,
            });
        }
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.events.push(Vec::new());
        self.ids.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Gives hosts and events their order.
    pub(super) fn finish(mut self) -> VectorLog {
        let number = |host: &u32| self.names.get(*host as usize)?.parse::<u64>().ok();
        if self.hosts.iter().all(|host| number(host).is_some()) {
            self.hosts.sort_by_key(number);
        }
        let others = (0..).take(self.names.len());
        let (with_events, mut order) = (self.hosts.len(), self.hosts);
        order.extend(others.filter(|id| self.events.get(*id as usize).is_some_and(Vec::is_empty)));
        let mut new_ids = vec![0; order.len()];
        for (new, old) in (0_u32..).zip(&order) {
            if let Some(id) = new_ids.get_mut(*old as usize) {
                *id = new;
            }
        }
        // A host is found by its exact name, and told in one line.
        let take = |old: &u32| {
            let name = self.names.get(*old as usize);
            name.map_or_else(String::new, |name| name.replace(char::is_control, " "))
        };
        let names: Vec<String> = order.iter().map(take).collect();
        let mut log = VectorLog {
            label: self.label,
            names,
            events: Vec::with_capacity(with_events),
            files: self.files,
            problems: self.problems,
            notes: self.notes,
            odd: Vec::with_capacity(with_events),
        };
        for (host, old) in (0_u32..).zip(order.iter().take(with_events)) {
            let mut events = self
                .events
                .get_mut(*old as usize)
                .map(std::mem::take)
                .unwrap_or_default();
            for event in &mut events {
                for (id, _) in &mut event.clock {
                    *id = new_ids.get(*id as usize).copied().unwrap_or_default();
                }
                event.clock.sort_unstable_by_key(|(id, _)| *id);
            }
            let name = log.names.get(host as usize).map_or("", String::as_str);
            log.notes.extend(put_in_order(name, host, &mut events));
            log.odd.push(odd_entries(host, &events));
            log.events.push(events);
        }
        log
    }
}

impl VectorLog {
    /// How many hosts have events.
    pub(super) fn hosts(&self) -> u32 {
        u32::try_from(self.events.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn name(&self, host: u32) -> &str {
        self.names.get(host as usize).map_or("?", String::as_str)
    }

    pub(super) fn of(&self, host: u32) -> &[Clocked] {
        self.events
            .get(host as usize)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    pub(super) fn event(&self, host: u32, index: u32) -> Option<&Clocked> {
        self.of(host).get(index as usize)
    }

    /// The event of a host whose own entry is `own`.
    pub(super) fn find(&self, host: u32, own: u64) -> Option<u32> {
        match self.odd.get(host as usize)? {
            Some(odd) => odd.get(&own).copied(),
            None => {
                let index = u32::try_from(own.checked_sub(1)?).ok()?;
                self.event(host, index).map(|_| index)
            }
        }
    }

    pub(super) fn place(&self, event: &Clocked) -> Place {
        Place {
            file: self.files.get(event.file as usize).cloned().unwrap_or_default(),
            line: u64::from(event.line),
        }
    }
}

impl Clocked {
    /// Its entry for a host; zero if there is none.
    pub(super) fn entry(&self, host: u32) -> u64 {
        // Where no entry is missing, each stands at its host's place.
        if let Some((id, entry)) = self.clock.get(host as usize)
            && *id == host
        {
            return *entry;
        }
        let found = self.clock.binary_search_by_key(&host, |(id, _)| *id);
        let entry = found.ok().and_then(|place| self.clock.get(place));
        entry.map_or(0, |(_, entry)| *entry)
    }
}

/// The entries of a clock, or what is wrong with it.
fn entries(clock: &str) -> Result<Vec<(String, u64)>, String> {
    let value: serde_json::Value = serde_json::from_str(clock).map_err(|error| {
        format!(
            "the clock `{}` is no JSON object: {error}; the event is left out",
            shown(clock)
        )
    })?;
    let serde_json::Value::Object(object) = value else {
        return Err(format!(
            "the clock `{}` is no JSON object such as {{\"host\":1}}; the event is left out",
            shown(clock)
        ));
    };
    let entry = |(host, value): (String, serde_json::Value)| match value.as_u64() {
        Some(entry) => Ok((host, entry)),
        None => Err(format!(
            "the clock's entry of {host} is {}, and must be a whole number from 0; the event is left out",
            shown(&value.to_string())
        )),
    };
    object.into_iter().map(entry).collect()
}

/// Lines of a host may stand in any order, as ShiViz has it: if its own entries are 1, 2, 3, … in some order,
/// that order counts. If not, the order of the lines tells best what is wrong.
fn put_in_order(name: &str, host: u32, events: &mut [Clocked]) -> Option<String> {
    if events.is_sorted_by_key(|event| event.entry(host)) {
        return None;
    }
    let mut own: Vec<u64> = events.iter().map(|event| event.entry(host)).collect();
    own.sort_unstable();
    if !own.iter().zip(1..).all(|(entry, number)| *entry == number) {
        return None;
    }
    events.sort_by_key(|event| event.entry(host));
    Some(format!(
        "the lines of {name} are not in the order of its own entries; the entries count"
    ))
}

fn odd_entries(host: u32, events: &[Clocked]) -> Option<BTreeMap<u64, u32>> {
    let is_regular = events
        .iter()
        .zip(1..)
        .all(|(event, number)| event.entry(host) == number);
    if is_regular {
        return None;
    }
    let mut odd = BTreeMap::new();
    for (index, event) in (0_u32..).zip(events) {
        odd.entry(event.entry(host)).or_insert(index);
    }
    Some(odd)
}
