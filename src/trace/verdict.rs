//! What a checker says about logs: broken rules, with the lines that break them.
//!
//! Every checker, generic or a system's own, reports into one [`Violations`]. It keeps the first few of each
//! rule and machine and counts the rest, so a log that breaks a rule a million times costs neither memory nor
//! a reader's patience.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::units::MachineId;

/// Violations kept of one rule on one machine; further ones are only counted.
pub const VIOLATIONS_KEPT_MAX: usize = 5;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1; 0 means the file as a whole.
    pub line: u64,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule's name.
    pub rule: &'static str,
    /// Where: the line that breaks the rule first, then those it contradicts.
    pub places: Vec<Place>,
    /// What happened, what the rule asks for, and the values, in words; the first place left out.
    pub text: String,
}

/// The violations found so far.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    found: BTreeMap<(&'static str, MachineId), Found>,
}

/// What was found of one rule on one machine.
#[derive(Clone, Debug, Default)]
struct Found {
    kept: Vec<Violation>,
    count: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}", self.file, self.line)
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.rule)?;
        if let Some(place) = self.places.first() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl Violations {
    /// Counts a violation on `machine`; `tell` is asked for places and words only while there is room.
    #[cold]
    pub fn add(
        &mut self,
        rule: &'static str,
        machine: MachineId,
        tell: impl FnOnce() -> (Vec<Place>, String),
    ) {
        let found = self.found.entry((rule, machine)).or_default();
        found.count += 1;
        if found.kept.len() < VIOLATIONS_KEPT_MAX {
            let (places, text) = tell();
            found.kept.push(Violation { rule, places, text });
        }
    }

    /// How often a rule was broken, on all machines.
    #[must_use]
    pub fn count(&self, rule: &str) -> u64 {
        let of_rule = self.found.iter().filter(|((name, _), _)| *name == rule);
        of_rule.map(|(_, found)| found.count).sum()
    }

    /// How often a rule was broken on one machine.
    #[must_use]
    pub fn count_on(&self, rule: &'static str, machine: MachineId) -> u64 {
        self.found.get(&(rule, machine)).map_or(0, |found| found.count)
    }

    /// The places of the first violation of a rule on one machine.
    #[must_use]
    pub fn first_places(&self, rule: &'static str, machine: MachineId) -> Vec<Place> {
        let first = self
            .found
            .get(&(rule, machine))
            .and_then(|found| found.kept.first());
        first
            .map(|violation| violation.places.clone())
            .unwrap_or_default()
    }

    /// Puts explanations in place of what was kept of a rule on one machine; the count stays.
    pub fn explain(&mut self, rule: &'static str, machine: MachineId, explanations: Vec<Violation>) {
        if let Some(found) = self.found.get_mut(&(rule, machine)) {
            found.kept = explanations;
        }
    }

    /// All violations that were kept, by the order of `rules`, then by machine; where some were only counted,
    /// the last one says so.
    #[must_use]
    pub fn into_kept(self, rules: &[&'static str]) -> Vec<Violation> {
        self.into_kept_of(rules, |machine| format!("machine {machine}"))
    }

    /// The same, where machines go by other names.
    #[must_use]
    pub fn into_kept_of(
        mut self,
        rules: &[&'static str],
        name: impl Fn(MachineId) -> String,
    ) -> Vec<Violation> {
        let mut all = Vec::new();
        for rule in rules {
            for ((_, machine), found) in self.found.iter_mut().filter(|((name, _), _)| name == rule) {
                let rest = found
                    .count
                    .saturating_sub(u64::try_from(found.kept.len()).unwrap_or(u64::MAX));
                if found.kept.len() == VIOLATIONS_KEPT_MAX
                    && rest > 0
                    && let Some(last) = found.kept.last_mut()
                {
                    last.text += &format!(" (and {rest} more of this rule on {})", name(*machine));
                }
                all.append(&mut found.kept);
            }
        }
        all
    }
}
