//! What `check` says about a run, as values and as text.

use std::fmt;

use super::rules::COMPLETE;
use crate::{inspect::skew::Skew, trace::Violation, units::MachineId};

/// How often a rule was judged, and broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule.
    pub rule: &'static str,
    /// Events, messages, channels or logs that it was applied to.
    pub judged: u64,
    /// How many of them broke it.
    pub broken: u64,
}

/// What `check` says about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The run's folder, as it was named.
    pub dir: String,
    /// Machines of the run.
    pub machines: u16,
    /// Events in all logs.
    pub events: u64,
    /// Messages whose send and receive were both found.
    pub matched: u64,
    /// From the earliest start to the latest record.
    pub seconds: f64,
    /// Every rule that had something to judge.
    pub rules: Vec<RuleCount>,
    /// The first violations of each rule and machine; the rest is counted in `rules`.
    pub violations: Vec<Violation>,
    /// Machines whose log is there but has no end.
    pub endless: Vec<MachineId>,
    /// What limits the judgement, such as a log without a footer.
    pub notes: Vec<String>,
    /// How far the machines' wall clocks are apart, as messages say; `None` without messages, and for logs of other
    /// programs.
    pub skew: Option<Skew>,
}

impl Verdict {
    /// Whether every rule held.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.violations.is_empty()
    }

    /// What a word of praise has to be limited by: nothing, or that logs have no end.
    #[must_use]
    pub fn reservation(&self) -> String {
        match self.endless.as_slice() {
            [] => String::new(),
            [one] => format!(" as far as the logs go (that of machine {one} has no end)"),
            several => format!(" as far as the logs go ({} have no end)", several.len()),
        }
    }

    /// The same in words.
    #[must_use]
    pub fn violations_counted(&self) -> String {
        match self.broken() {
            1 => "1 violation".to_owned(),
            broken => format!("{broken} violations"),
        }
    }

    /// How many logs are missing.
    #[must_use]
    pub fn incomplete(&self) -> u64 {
        let mut rules = self.rules.iter();
        let rule = rules.find(|count| count.rule == COMPLETE);
        rule.map_or(0, |count| count.broken)
    }

    /// How often rules were broken, those that are only counted included.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.rules.iter().map(|count| count.broken).sum()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict {
            dir,
            machines,
            events,
            matched,
            ..
        } = self;
        if self.is_valid() {
            writeln!(
                f,
                "{dir}: valid{}: {machines} machines, {events} events, {matched} messages matched, every rule held",
                self.reservation()
            )?;
        } else {
            writeln!(
                f,
                "{dir}: VIOLATED: {machines} machines, {events} events, {matched} messages matched, {}",
                self.violations_counted()
            )?;
            for violation in &self.violations {
                writeln!(f, "  {violation}")?;
            }
        }
        writeln!(f, "  rule                     judged   broken")?;
        for RuleCount { rule, judged, broken } in &self.rules {
            writeln!(f, "  {rule:<20} {judged:>10} {broken:>8}")?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}
