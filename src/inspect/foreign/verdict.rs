//! How the rules of foreign logs are counted, and put into the same verdict as those of runs.

use std::collections::BTreeMap;

use crate::{
    inspect::{RuleCount, Verdict},
    trace::{Place, Violation, Violations},
    units::MachineId,
};

/// Lines can be read as events.
pub(super) const FORMAT: &str = "format";

/// What stands for the host of a line that cannot be read.
pub(super) const NO_HOST: u32 = u32::MAX;

/// Rules judged and broken in one log.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    violations: Violations,
    judged: BTreeMap<&'static str, u64>,
}

/// What was judged, beside the rules.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) hosts: u32,
    pub(super) events: u64,
    /// Messages whose two ends were found.
    pub(super) matched: u64,
    pub(super) rules: Vec<RuleCount>,
    pub(super) violations: Vec<Violation>,
    pub(super) notes: Vec<String>,
}

impl Judgement {
    /// A rule was applied so often.
    pub(super) fn judge(&mut self, rule: &'static str, count: usize) {
        *self.judged.entry(rule).or_default() += count as u64;
    }

    /// A rule was broken at a host, or by a line of [`NO_HOST`].
    pub(super) fn add(&mut self, rule: &'static str, host: u32, tell: impl FnOnce() -> (Vec<Place>, String)) {
        let host = MachineId(u16::try_from(host).unwrap_or(u16::MAX));
        self.violations.add(rule, host, tell);
    }

    /// All of it, rules in the order given; `name` tells a host's.
    pub(super) fn finish(self, rules: &[&'static str], name: impl Fn(u32) -> String) -> Judged {
        let count = |rule: &&'static str| RuleCount {
            rule,
            judged: self.judged.get(rule).copied().unwrap_or_default(),
            broken: self.violations.count(rule),
        };
        let counts: Vec<RuleCount> = rules.iter().map(count).collect();
        let name = |host: MachineId| match host.0 {
            u16::MAX => "the log".to_owned(),
            host => format!("host {}", name(u32::from(host))),
        };
        Judged {
            rules: counts,
            violations: self.violations.into_kept_of(rules, name),
            ..Judged::default()
        }
    }
}

/// One verdict on all executions of a log. Its `seconds` are zero: these logs need not have times.
pub(super) fn verdict(source: String, parts: Vec<Judged>) -> Verdict {
    let mut verdict = Verdict {
        dir: source,
        machines: 0,
        events: 0,
        matched: 0,
        seconds: 0.0,
        rules: Vec::new(),
        violations: Vec::new(),
        endless: Vec::new(),
        notes: Vec::new(),
        skew: None,
    };
    for part in parts {
        let hosts = u16::try_from(part.hosts).unwrap_or(u16::MAX);
        verdict.machines = verdict.machines.max(hosts);
        verdict.events += part.events;
        verdict.matched += part.matched;
        for count in part.rules {
            match verdict.rules.iter_mut().find(|sum| sum.rule == count.rule) {
                Some(sum) => {
                    sum.judged += count.judged;
                    sum.broken += count.broken;
                }
                None => verdict.rules.push(count),
            }
        }
        verdict.violations.extend(part.violations);
        verdict.notes.extend(part.notes);
    }
    verdict.rules.retain(|count| count.judged > 0 || count.broken > 0);
    verdict
}
