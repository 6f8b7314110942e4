//! Is a run valid? Judged from its logs alone, in one pass over them, for any number of machines.
//!
//! Further checkers are fed by the same pass: beside the rules that hold for every log (here), the scale model's own
//! ([`model::check`](crate::model::check)) for logs that have a rate and a die, and the store's ([`kv::check`](crate::kv::check))
//! for logs that have an incarnation. A log cut off by kill -9 is
//! valid as far as it goes; that is a note, not a violation. Statistics are not judged here: they may
//! deviate, rules may not.

mod channel;
mod end;
mod epoch;
mod faults;
mod hybrid;
mod judge;
mod links;
mod loose;
mod machine;
mod message;
mod rules;
mod skipped;
mod stamp;
mod vector;
mod verdict;
mod waiting;
mod wrong_rule;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::{
    channel::Channels,
    judge::Files,
    links::Links,
    machine::{MachineCheck, Shared},
    rules::{
        CLOCK, COMPLETE, CONDITION, CONSERVATION, FAULTS, FOOTER, FORMAT, HYBRID, HYBRID_BOUND, HYBRID_ORDER,
        INCARNATION, LINKS, ORDER, RULES, STAMP, TICK, TIME, VECTOR,
    },
};
use super::{run::Item, skew::Skew};
use crate::{
    kv::check::{self as store_check, StoreCheck},
    model::check::{self as model_check, ModelCheck},
    trace::{Header, Record, Violations, WallTime},
    units::MachineId,
};

pub use verdict::{RuleCount, Verdict};

/// Machines of one run start together; only clocks that differ set their logs apart. By more than a day hardly any
/// do, so a note then says what it may be.
const STARTS_APART_SECONDS_MAX: f64 = 86_400.0;

/// A run being judged.
#[derive(Debug)]
pub(super) struct Check {
    /// By id; `None` where the log is missing.
    machines: Vec<Option<MachineCheck>>,
    /// By id; `None` for logs of other systems.
    model: Vec<Option<ModelCheck>>,
    /// `None` for runs of other systems.
    store: Option<StoreCheck>,
    shared: Shared,
    first: WallTime,
    /// The latest start of a machine.
    last_start: WallTime,
    last: WallTime,
    problems: u64,
}

impl Check {
    /// A run of as many machines as `files` has, of which those in `headers` have a log.
    pub(super) fn new<'a>(files: Vec<Arc<str>>, headers: impl Iterator<Item = &'a Header>) -> Self {
        let mut machines: Vec<Option<MachineCheck>> = files.iter().map(|_| None).collect();
        let mut model: Vec<Option<ModelCheck>> = files.iter().map(|_| None).collect();
        let headers: Vec<&Header> = headers.collect();
        let file = |machine: MachineId| files.get(machine.index()).cloned().unwrap_or_default();
        let store = StoreCheck::new(headers.iter().map(|header| (*header, file(header.machine))));
        let lives = headers
            .iter()
            .filter_map(|header| Some((header.machine, header.incarnation?)));
        let links = Links::new(files.len(), lives.collect());
        let (mut first, mut last_start): (Option<WallTime>, Option<WallTime>) = (None, None);
        for header in headers {
            first = Some(first.map_or(header.started, |first| first.min(header.started)));
            last_start = last_start.max(Some(header.started));
            let me = header.machine.index();
            if let (Some(machine), Some(model), Some(file)) =
                (machines.get_mut(me), model.get_mut(me), files.get(me))
            {
                *machine = Some(MachineCheck::new(header));
                *model = ModelCheck::new(header, file.clone());
            }
        }
        let first = first.unwrap_or_default();
        let last_start = last_start.unwrap_or_default();
        Self {
            shared: Shared {
                channels: Channels::new(u16::try_from(files.len()).unwrap_or(u16::MAX)),
                claims: vec![None; files.len()],
                fastest: BTreeMap::new(),
                links,
                mentioned: BTreeSet::new(),
                violations: Violations::default(),
                files: Files(files),
            },
            machines,
            model,
            store,
            first,
            last_start,
            last: first,
            problems: 0,
        }
    }

    #[inline]
    pub(super) fn take(&mut self, item: &Item<'_>) {
        match item {
            Item::Record {
                machine,
                line,
                at,
                record,
            } => self.record(*machine, *line, *at, record),
            Item::Problem { machine, line, text } => self.problem(*machine, *line, text),
        }
    }

    /// Takes a record, which stands or would stand in this line of its machine's log.
    #[inline]
    pub(super) fn record(&mut self, machine: MachineId, line: u64, at: WallTime, record: &Record) {
        if let Some(Some(check)) = self.machines.get_mut(machine.index()) {
            check.take(line, at, record, &mut self.shared);
        }
        if let Some(Some(check)) = self.model.get_mut(machine.index()) {
            check.take(line, at, record, &mut self.shared.violations);
        }
        if let Some(check) = &mut self.store {
            check.take(machine, line, record, &mut self.shared.violations);
        }
        self.last = self.last.max(at);
    }

    #[cold]
    fn problem(&mut self, machine: MachineId, line: u64, text: &str) {
        self.problems += 1;
        let place = self.shared.files.place(machine, line);
        self.shared
            .violations
            .add(FORMAT, machine, || (vec![place], text.to_owned()));
    }

    /// All logs are at their end: those that lack a header, and those that were cut within a line, with how many
    /// bytes of it are there.
    pub(super) fn finish(
        mut self,
        dir: &str,
        headless: &[MachineId],
        cut: impl Iterator<Item = (MachineId, usize)>,
    ) -> Verdict {
        let mut notes = end::finish(&self.machines, headless, &mut self.shared);
        let (skew, endless) = (self.skew(), self.endless(headless));
        notes.extend(skew.iter().flat_map(Skew::notes));
        let apart = self.last_start.seconds_since(self.first);
        if apart > STARTS_APART_SECONDS_MAX && self.store.is_none() {
            notes.push(format!(
                "the machines' starts lie {apart:.0} s apart: these may be logs of different runs, or of computers whose clocks differ"
            ));
        }
        for (machine, bytes) in cut {
            let file = self.shared.files.place(machine, 0);
            notes.push(format!(
                "{file}: the last line was cut after {bytes} bytes and is left out"
            ));
        }
        let events = self.sum(|machine| machine.events);
        let matched = self.shared.channels.matched;
        let mut counts: Vec<(&'static str, u64)> =
            RULES.iter().map(|rule| (*rule, self.judged(rule))).collect();
        let machines = self.machine_count();
        let mut model_counts = [0; model_check::RULES.len()];
        for check in self.model.into_iter().flatten() {
            let judged = check.finish(&mut notes);
            model_counts
                .iter_mut()
                .zip(judged)
                .for_each(|(sum, count)| *sum += count);
        }
        counts.extend(model_check::RULES.into_iter().zip(model_counts));
        if let Some(check) = self.store {
            let judged = check.finish(&mut notes, &mut self.shared.violations);
            counts.extend(store_check::RULES.into_iter().zip(judged));
        }
        let violations = self.shared.violations;
        let rules: Vec<RuleCount> = counts
            .into_iter()
            .map(|(rule, judged)| RuleCount {
                rule,
                judged,
                broken: violations.count(rule),
            })
            .filter(|count| count.judged > 0 || count.broken > 0)
            .collect();
        let order: Vec<&'static str> = rules.iter().map(|count| count.rule).collect();
        Verdict {
            endless,
            dir: dir.to_owned(),
            machines: u16::try_from(machines).unwrap_or(u16::MAX),
            events,
            matched,
            seconds: self.last.seconds_since(self.first),
            rules,
            violations: violations.into_kept(&order),
            notes,
            skew,
        }
    }

    fn sum(&self, count: impl Fn(&MachineCheck) -> u64) -> u64 {
        self.machines.iter().flatten().map(count).sum()
    }

    /// How many machines the run has: of the store's, whose ids may be any, those that have a log or are mentioned.
    fn machine_count(&self) -> usize {
        if self.store.is_none() {
            return self.machines.len();
        }
        let logs = (0..).map(MachineId).zip(&self.machines);
        let mut all = self.shared.mentioned.clone();
        all.extend(logs.filter(|(_, log)| log.is_some()).map(|(id, _)| id));
        all.len()
    }

    /// How often a rule was judged.
    fn judged(&self, rule: &str) -> u64 {
        let machines = self.machine_count() as u64;
        let hybrids = self.sum(|machine| machine.hybrid.judged);
        match rule {
            FORMAT => self.sum(|machine| machine.records) + self.problems,
            COMPLETE => machines,
            TIME => self.sum(|machine| machine.records),
            TICK | CLOCK => self.sum(|machine| machine.events),
            STAMP | CONDITION | ORDER => self.shared.channels.matched,
            CONSERVATION => machines * machines.saturating_sub(1),
            FOOTER => self.sum(|machine| u64::from(machine.footer.is_some())),
            INCARNATION => self.shared.links.lives_judged,
            LINKS => self.shared.links.links_judged,
            FAULTS => self.sum(|machine| machine.faults.judged),
            VECTOR => self.sum(|machine| machine.vector.judged),
            HYBRID | HYBRID_BOUND => hybrids,
            // Messages whose ends both have one.
            HYBRID_ORDER if hybrids > 0 => self.shared.channels.matched,
            _ => 0,
        }
    }

    /// Machines whose log is there but has no end.
    fn endless(&self, headless: &[MachineId]) -> Vec<MachineId> {
        let machines = (0..).map(MachineId).zip(&self.machines);
        let lacks_end =
            |machine: &Option<MachineCheck>| machine.as_ref().is_some_and(|it| it.footer.is_none());
        let endless = machines
            .filter(|(_, machine)| lacks_end(machine))
            .map(|(id, _)| id);
        endless.chain(headless.iter().copied()).collect()
    }

    /// The wall clocks beside that of the first machine that has a log.
    fn skew(&self) -> Option<Skew> {
        let names = (0..self.machines.len()).map(|machine| machine.to_string());
        let reference = self.machines.iter().position(Option::is_some)?;
        let channels = &self.shared.channels;
        Skew::new(
            names.collect(),
            u32::try_from(reference).ok()?,
            channels.delays(),
            channels.lacks_arrivals,
        )
    }
}
