//! What is wrong with a history: patterns, each with the operations that form it.

use std::{collections::BTreeMap, fmt};

use super::{Action, History, Id, Outcome, read::shown};

/// Findings kept of one pattern; further ones are only counted.
pub const FINDINGS_KEPT_MAX: usize = 5;

/// Most operations shown of one finding; of longer ones the middle is left out.
pub const STEPS_SHOWN_MAX: usize = 14;

/// What a history of a causally consistent store never has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// A read of a value that nobody wrote.
    ThinAirRead,
    /// A read of a value whose write failed.
    PhantomRead,
    /// The causal order has a circle: somebody read what was written after it.
    CyclicCO,
    /// Nothing was read although a write of the key precedes the read.
    WriteCOInitRead,
    /// A value was read although a later one of the key precedes the read.
    WriteCORead,
    /// What was read asks for an order of the writes that no order is.
    CyclicCF,
    /// As `WriteCOInitRead`, by the order that the session's reads ask for.
    WriteHBInitRead,
    /// As `CyclicCF`, by the reads of one session alone.
    CyclicHB,
    /// Replicas that have everything hold different values.
    Divergence,
    /// An acknowledged write is gone, and no write superseded it.
    LostWrite,
    /// A counter is not the sum of what was added.
    LostCount,
}

/// What a client expects of its own session; why a pattern is wrong, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// A session sees what it wrote.
    ReadYourWrites,
    /// A session never sees less than before.
    MonotonicReads,
    /// Who sees a write of a session sees those that it made before.
    MonotonicWrites,
    /// Who sees a write sees what its session had read before.
    WritesFollowReads,
}

/// One operation of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `file:line`.
    pub place: String,
    /// Whose.
    pub session: String,
    /// What was done: `put x = 1`.
    pub operation: String,
    /// What that has to do with the next one.
    pub meaning: String,
    /// When it began, in microseconds by the client's clock, if the line says so.
    pub begin_us: Option<u64>,
}

/// A pattern that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The operation that shows it: `file:line`.
    pub place: String,
    /// What happened, in a sentence.
    pub text: String,
    /// The guarantee of sessions that it breaks, if one alone explains it.
    pub guarantee: Option<Guarantee>,
    /// The operations that form it, in order; at most [`STEPS_SHOWN_MAX`].
    pub steps: Vec<Step>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Pattern, (u64, Vec<Finding>)>);

impl Findings {
    /// Counts a finding; `tell` is asked for words only while there is room.
    pub(super) fn add(&mut self, pattern: Pattern, tell: impl FnOnce() -> Finding) {
        let (count, kept) = self.0.entry(pattern).or_default();
        *count += 1;
        if kept.len() < FINDINGS_KEPT_MAX {
            kept.push(tell());
        }
    }

    pub(super) fn take(&mut self, pattern: Pattern) -> (u64, Vec<Finding>) {
        self.0.remove(&pattern).unwrap_or_default()
    }
}

impl Finding {
    pub(super) fn new(place: String, text: String, mut steps: Vec<Step>) -> Self {
        if steps.len() > STEPS_SHOWN_MAX {
            let left_out = steps.len() - STEPS_SHOWN_MAX;
            let tail = steps.split_off(steps.len() - STEPS_SHOWN_MAX / 2);
            steps.truncate(STEPS_SHOWN_MAX - tail.len());
            if let Some(last) = steps.last_mut() {
                last.meaning += &format!(" … ({left_out} operations left out)");
            }
            steps.extend(tail);
        }
        Self {
            place,
            text,
            guarantee: None,
            steps,
        }
    }

    pub(super) fn with(mut self, guarantee: Option<Guarantee>) -> Self {
        self.guarantee = guarantee;
        self
    }
}

impl Pattern {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::ThinAirRead,
        Self::PhantomRead,
        Self::CyclicCO,
        Self::WriteCOInitRead,
        Self::WriteCORead,
        Self::CyclicCF,
        Self::WriteHBInitRead,
        Self::CyclicHB,
        Self::Divergence,
        Self::LostWrite,
        Self::LostCount,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ThinAirRead => "ThinAirRead",
            Self::PhantomRead => "PhantomRead",
            Self::CyclicCO => "CyclicCO",
            Self::WriteCOInitRead => "WriteCOInitRead",
            Self::WriteCORead => "WriteCORead",
            Self::CyclicCF => "CyclicCF",
            Self::WriteHBInitRead => "WriteHBInitRead",
            Self::CyclicHB => "CyclicHB",
            Self::Divergence => "Divergence",
            Self::LostWrite => "LostWrite",
            Self::LostCount => "LostCount",
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadYourWrites => "read your writes",
            Self::MonotonicReads => "monotonic reads",
            Self::MonotonicWrites => "monotonic writes",
            Self::WritesFollowReads => "writes follow reads",
        })
    }
}

impl History {
    /// `session a`.
    pub(super) fn session_of(&self, id: Id) -> String {
        format!("session {}", shown(self.session(id)))
    }

    /// An operation in words, with what it has to do with the next.
    pub(super) fn step(&self, id: Id, meaning: &str) -> Step {
        let operation = self.operations.get(id);
        let key = shown(self.key(operation.key));
        let value = shown(self.text(operation.text));
        let what = match operation.action {
            Action::Put => format!("put {key} = {value}"),
            Action::Get if value.is_empty() => format!("get {key}: nothing"),
            Action::Get => format!("get {key}: {value}"),
            Action::Delete if value.is_empty() => format!("delete {key}"),
            Action::Delete => format!("delete {key}, {value}"),
            Action::Add => format!("add {value} to {key}"),
        };
        let outcome = match operation.outcome {
            Outcome::Ok => "",
            Outcome::Fail => " (failed)",
            Outcome::Unknown => " (no answer)",
        };
        let replica = operation
            .replica
            .and_then(|it| self.replicas.get(usize::from(it)));
        let replica = replica.map_or(String::new(), |name| format!(" (final, at {})", shown(name)));
        Step {
            place: self.place(id),
            session: shown(self.session(id)),
            operation: format!("{what}{outcome}{replica}"),
            meaning: meaning.to_owned(),
            begin_us: operation.begin_us,
        }
    }
}
