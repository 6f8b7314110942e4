//! What is said of a history, as values, as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{
    History, Level, Outcome,
    findings::{Finding, Findings, Pattern, Step},
};

/// How often a pattern was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternCount {
    /// Which.
    pub pattern: Pattern,
    /// How often.
    pub found: u64,
    /// The first of them.
    pub kept: Vec<Finding>,
}

/// What is said of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The files, as they were named.
    pub files: Vec<String>,
    /// What was asked.
    pub level: Level,
    /// Lines.
    pub operations: u64,
    /// Sessions.
    pub sessions: u64,
    /// Keys.
    pub keys: u64,
    /// Reads that were answered, final ones left out.
    pub reads: u64,
    /// Puts and deletes that were done, or may have been.
    pub writes: u64,
    /// Final reads, and the keys that they read.
    pub finals: (u64, u64),
    /// Every pattern that was looked for.
    pub patterns: Vec<PatternCount>,
    /// What limits the judgement.
    pub notes: Vec<String>,
}

impl Verdict {
    pub(super) fn begin(history: &History, level: Level) -> Self {
        let mut verdict = Self {
            files: history.files.clone(),
            level,
            operations: history.operations.len() as u64,
            sessions: history.sessions.len() as u64,
            keys: history.keys.len() as u64,
            reads: 0,
            writes: 0,
            finals: (0, 0),
            patterns: Vec::new(),
            notes: history.notes.clone(),
        };
        let (mut unknown, mut unread) = (0, 0);
        for (_, operation) in history.operations.iter() {
            if operation.is_write() {
                verdict.writes += u64::from(operation.outcome != Outcome::Fail);
                unknown += u64::from(operation.outcome == Outcome::Unknown);
            } else if operation.is_read() && operation.replica.is_none() {
                verdict.reads += u64::from(operation.outcome == Outcome::Ok);
                unread += u64::from(operation.outcome != Outcome::Ok);
            }
        }
        if unknown > 0 {
            verdict.notes.push(format!(
                "{unknown} writes had no answer: each counts only if its value was read"
            ));
        }
        if unread > 0 {
            verdict
                .notes
                .push(format!("{unread} reads had no answer, and say nothing"));
        }
        verdict
    }

    pub(super) fn count_final(&mut self, reads: u64, keys: u64) {
        self.finals = (reads, keys);
        if reads == 0 {
            self.notes.push(
                "no final reads: that replicas converge and that nothing is lost was not judged".to_owned(),
            );
        }
    }

    pub(super) fn finish(&mut self, mut findings: Findings) {
        for pattern in Pattern::ALL {
            let (found, kept) = findings.take(pattern);
            let is_asked = match pattern {
                Pattern::CyclicCF => self.level == Level::Convergent,
                Pattern::WriteHBInitRead | Pattern::CyclicHB => self.level == Level::Memory,
                Pattern::Divergence | Pattern::LostWrite | Pattern::LostCount => self.finals.0 > 0,
                Pattern::ThinAirRead
                | Pattern::PhantomRead
                | Pattern::CyclicCO
                | Pattern::WriteCOInitRead
                | Pattern::WriteCORead => true,
            };
            if is_asked {
                self.patterns.push(PatternCount { pattern, found, kept });
            }
        }
    }

    /// Whether no pattern was found.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.patterns.iter().all(|count| count.found == 0)
    }

    /// How often a pattern was found.
    #[must_use]
    pub fn found(&self, pattern: Pattern) -> u64 {
        let mut counts = self.patterns.iter();
        let count = counts.find(|count| count.pattern == pattern);
        count.map_or(0, |count| count.found)
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "place": finding.place,
                "text": finding.text,
                "guarantee": finding.guarantee.map(|guarantee| guarantee.to_string()),
                "steps": finding.steps.iter().map(step).collect::<Vec<_>>(),
            })
        };
        let pattern = |count: &PatternCount| {
            json!({
                "pattern": count.pattern.name(),
                "found": count.found,
                "kept": count.kept.iter().map(finding).collect::<Vec<_>>(),
            })
        };
        json!({
            "files": self.files,
            "level": self.level.name(),
            "valid": self.is_valid(),
            "operations": self.operations,
            "sessions": self.sessions,
            "keys": self.keys,
            "reads": self.reads,
            "writes": self.writes,
            "final_reads": self.finals.0,
            "patterns": self.patterns.iter().map(pattern).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

fn step(step: &Step) -> Value {
    json!({
        "place": step.place,
        "session": step.session,
        "operation": step.operation,
        "meaning": step.meaning,
        "begin_us": step.begin_us,
    })
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.files.as_slice() {
            [one] => one.clone(),
            several => format!("{} files", several.len()),
        };
        let Verdict {
            operations,
            sessions,
            keys,
            ..
        } = self;
        let size = format!("{operations} operations of {sessions} sessions on {keys} keys");
        if self.is_valid() {
            writeln!(f, "{name}: valid ({}): {size}, no bad pattern", self.level)?;
        } else {
            let found: u64 = self.patterns.iter().map(|count| count.found).sum();
            let what = if found == 1 {
                "1 bad pattern".to_owned()
            } else {
                format!("{found} bad patterns")
            };
            writeln!(f, "{name}: VIOLATED ({}): {size}, {what}", self.level)?;
        }
        for count in &self.patterns {
            for finding in &count.kept {
                write_finding(f, count.pattern, finding)?;
            }
            let more = count.found - count.kept.len() as u64;
            if more > 0 {
                writeln!(f, "  and {more} more of {}", count.pattern)?;
            }
        }
        writeln!(f, "  pattern                 found")?;
        for count in &self.patterns {
            writeln!(f, "  {:<20} {:>8}", count.pattern.name(), count.found)?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

fn write_finding(f: &mut fmt::Formatter<'_>, pattern: Pattern, finding: &Finding) -> fmt::Result {
    write!(f, "  {pattern}: {}: ", finding.place)?;
    if let Some(guarantee) = finding.guarantee {
        write!(f, "breaks \"{guarantee}\": ")?;
    }
    writeln!(f, "{}", finding.text)?;
    for step in &finding.steps {
        let Step {
            place,
            session,
            operation,
            meaning,
            begin_us,
        } = step;
        let at = begin_us.map_or(String::new(), |us| format!(" at {us} µs"));
        writeln!(f, "    {place}: session {session}: {operation}{at}; {meaning}")?;
    }
    Ok(())
}
