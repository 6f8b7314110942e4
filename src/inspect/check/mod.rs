//! Is a run valid? Judged from its logs alone, in one pass over them, for any number of machines.
//!
//! Two checkers are fed by the same pass: the rules that hold for every log (here), and the scale model's own
//! ([`model::check`](crate::model::check)) for logs that have a rate and a die. A log cut off by kill -9 is
//! valid as far as it goes; that is a note, not a violation. Statistics are not judged here: they may
//! deviate, rules may not.

mod channel;
mod end;
mod judge;
mod machine;
mod rules;
mod stamp;
mod vector;
mod verdict;
mod wrong_rule;

use std::collections::BTreeMap;

use self::{
    channel::Channels,
    judge::Files,
    machine::{MachineCheck, Shared},
    rules::{
        CLOCK, COMPLETE, CONDITION, CONSERVATION, FOOTER, FORMAT, ORDER, RULES, STAMP, TICK, TIME, VECTOR,
    },
};
use super::run::{Item, RunReader};
use crate::{
    model::check::{self as model_check, ModelCheck},
    trace::{Violations, WallTime},
    units::MachineId,
};

pub use verdict::{RuleCount, Verdict};

/// A run being judged.
#[derive(Debug)]
pub(super) struct Check {
    /// By id; `None` where the log is missing.
    machines: Vec<Option<MachineCheck>>,
    /// By id; `None` for logs of other systems.
    model: Vec<Option<ModelCheck>>,
    shared: Shared,
    first: WallTime,
    last: WallTime,
    problems: u64,
}

impl Check {
    pub(super) fn new(run: &RunReader) -> Self {
        let files = run.files();
        let mut machines: Vec<Option<MachineCheck>> = files.iter().map(|_| None).collect();
        let mut model: Vec<Option<ModelCheck>> = files.iter().map(|_| None).collect();
        for header in run.headers() {
            let me = header.machine.index();
            if let (Some(machine), Some(model), Some(file)) =
                (machines.get_mut(me), model.get_mut(me), files.get(me))
            {
                *machine = Some(MachineCheck::new(header));
                *model = ModelCheck::new(header, file.clone());
            }
        }
        let first = run
            .headers()
            .map(|header| header.started)
            .min()
            .unwrap_or_default();
        Self {
            shared: Shared {
                channels: Channels::new(run.machines()),
                losses: BTreeMap::new(),
                claims: vec![None; files.len()],
                violations: Violations::default(),
                files: Files(files),
            },
            machines,
            model,
            first,
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
            } => {
                if let Some(Some(check)) = self.machines.get_mut(machine.index()) {
                    check.take(*line, *at, record, &mut self.shared);
                }
                if let Some(Some(check)) = self.model.get_mut(machine.index()) {
                    check.take(*line, *at, record, &mut self.shared.violations);
                }
                self.last = self.last.max(*at);
            }
            Item::Problem { machine, line, text } => self.problem(*machine, *line, text),
        }
    }

    #[cold]
    fn problem(&mut self, machine: MachineId, line: u64, text: &str) {
        self.problems += 1;
        let place = self.shared.files.place(machine, line);
        self.shared
            .violations
            .add(FORMAT, machine, || (vec![place], text.to_owned()));
    }

    /// Messages sent from one machine to another, dropped ones left out.
    pub(super) fn messages_sent(&self, from: MachineId, to: MachineId) -> u64 {
        let channel = self.shared.channels.get(from, to);
        channel.map_or(0, |channel| channel.sent)
    }

    /// All logs are at their end.
    pub(super) fn finish(mut self, run: &RunReader) -> Verdict {
        let mut notes = end::finish(&self.machines, run.headless(), &mut self.shared);
        for (machine, bytes) in run.cut() {
            let file = self.shared.files.place(machine, 0);
            notes.push(format!(
                "{file}: the last line was cut after {bytes} bytes and is left out"
            ));
        }
        let machines = || self.machines.iter().flatten();
        let events = machines().map(|machine| machine.events).sum();
        let records: u64 = machines().map(|machine| machine.records).sum();
        let footers = machines().filter(|machine| machine.footer.is_some()).count() as u64;
        let matched = self.shared.channels.matched;
        let channels = self.machines.len() as u64 * (self.machines.len() as u64).saturating_sub(1);
        let vectors = machines().map(|machine| machine.vector.judged).sum();
        let judged = |rule| match rule {
            FORMAT => records + self.problems,
            COMPLETE => self.machines.len() as u64,
            TIME => records,
            TICK | CLOCK => events,
            STAMP | CONDITION | ORDER => matched,
            CONSERVATION => channels,
            FOOTER => footers,
            VECTOR => vectors,
            _ => 0,
        };
        let mut counts: Vec<(&'static str, u64)> = RULES.iter().map(|rule| (*rule, judged(*rule))).collect();
        let mut model_counts = [0; model_check::RULES.len()];
        for check in self.model.into_iter().flatten() {
            let judged = check.finish(&mut notes);
            model_counts
                .iter_mut()
                .zip(judged)
                .for_each(|(sum, count)| *sum += count);
        }
        counts.extend(model_check::RULES.into_iter().zip(model_counts));
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
        let endless = (0..).map(MachineId).zip(&self.machines);
        let endless =
            endless.filter(|(_, machine)| machine.as_ref().is_some_and(|machine| machine.footer.is_none()));
        let endless = endless
            .map(|(id, _)| id)
            .chain(run.headless().iter().copied())
            .collect();
        Verdict {
            endless,
            dir: run.dir().to_owned(),
            machines: run.machines(),
            events,
            matched,
            seconds: self.last.seconds_since(self.first),
            rules,
            violations: violations.into_kept(&order),
            notes,
        }
    }
}
