//! What a soak counts: requests by kind and what came of them, how long they took, faults, and what is wrong.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    time::Duration,
};

use crate::{
    kv::Copies,
    lab::stores::ask::Ask,
    units::{MachineId, Time},
};

/// Findings that are kept; further ones are counted.
const FINDINGS_KEPT_MAX: usize = 40;

/// Latencies of one class that are kept: beyond that every second is let go.
const LATENCIES_MAX: usize = 1 << 20;

/// How a request came out, for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Came {
    Answered,
    Unmet,
    Denied,
    Refused,
    Unknown,
}

/// Classes of requests whose latencies are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Read,
    Scan,
    WriteOne,
    WritePushed,
    WriteCopies,
    /// Reads, and writes for one copy, where links were broken.
    CutOff,
}

/// How long requests took, in microseconds.
#[derive(Debug, Default)]
struct Latencies {
    stride_bits: u32,
    count: u64,
    kept_us: Vec<u32>,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) findings: Vec<String>,
    pub(super) findings_more: u64,
    requests: BTreeMap<(&'static str, Came), u64>,
    channels: BTreeMap<&'static str, u64>,
    latencies: BTreeMap<Class, Latencies>,
    pub(super) troubles: BTreeMap<String, u64>,
    /// Troubles that could not be done, by why.
    pub(super) undone: BTreeMap<String, u64>,
    /// How often a watch was begun, and how much watches were told.
    pub(super) watches: (u64, u64),
    /// The longest time that a session was told 503 by one replica, where it stayed.
    longest_unmet: Option<(u64, MachineId)>,
    /// Of each chapter the time from the end of all faults until all knew the same.
    pub(super) converged: Vec<Duration>,
    pub(super) operations: u64,
    pub(super) writes: u64,
}

impl Came {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Answered, "answered"),
        (Self::Unmet, "503 unmet"),
        (Self::Denied, "other no"),
        (Self::Refused, "refused"),
        (Self::Unknown, "unknown"),
    ];
}

impl Class {
    pub(super) fn of(ask: &Ask, copies: Copies) -> Self {
        match (ask, copies) {
            (Ask::BatchScan | Ask::OwnScan, _) => Self::Scan,
            (ask, _) if !ask.is_write() => Self::Read,
            (_, Copies::One) => Self::WriteOne,
            (_, Copies::Pushed) => Self::WritePushed,
            (_, Copies::Two | Copies::Majority) => Self::WriteCopies,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Scan => "scans",
            Self::WriteOne => "writes, w=1",
            Self::WritePushed => "writes, pushed",
            Self::WriteCopies => "writes, w=2 and majority",
            Self::CutOff => "with broken links: reads, writes w=1",
        }
    }
}

/// What a request is, in a word.
pub(super) fn kind(ask: &Ask) -> &'static str {
    match ask {
        Ask::Get { .. } | Ask::Theirs { .. } => "get",
        Ask::Put { .. } | Ask::Mine { .. } => "put",
        Ask::Delete { .. } => "delete",
        Ask::Swap { .. } => "compare-and-set",
        Ask::Add { .. } => "add",
        Ask::Count { .. } => "get counter",
        Ask::Insert { .. } => "insert",
        Ask::Remove { .. } => "remove",
        Ask::Elements { .. } => "get set",
        Ask::Batch { .. } => "batch",
        Ask::BatchScan | Ask::OwnScan => "scan",
        Ask::Beside { .. } => "put beside",
        Ask::Siblings { .. } => "get siblings",
        Ask::Ending { .. } => "put with ttl",
    }
}

impl Latencies {
    fn note(&mut self, us: u64) {
        if self.count.trailing_zeros() >= self.stride_bits || self.count == 0 {
            if self.kept_us.len() >= LATENCIES_MAX {
                let mut place = 0;
                self.kept_us.retain(|_| {
                    place += 1;
                    place % 2 == 0
                });
                self.stride_bits += 1;
            }
            self.kept_us.push(u32::try_from(us).unwrap_or(u32::MAX));
        }
        self.count += 1;
    }
}

impl Tally {
    /// Something is wrong.
    pub(super) fn breaks(&mut self, at: Time, what: &str) {
        let seconds = at.0 / 1_000_000;
        match self.findings.len() < FINDINGS_KEPT_MAX {
            true => self.findings.push(format!("at {seconds} s: {what}")),
            false => self.findings_more += 1,
        }
    }

    pub(super) fn request(&mut self, ask: &Ask, channel: &'static str, came: Came) {
        self.operations += 1;
        self.writes += u64::from(came == Came::Answered && ask.is_write());
        *self.requests.entry((kind(ask), came)).or_default() += 1;
        *self.channels.entry(channel).or_default() += 1;
    }

    pub(super) fn took(&mut self, class: Class, us: u64) {
        self.latencies.entry(class).or_default().note(us);
    }

    pub(super) fn unmet_for(&mut self, us: u64, machine: MachineId) {
        if self.longest_unmet.is_none_or(|(longest, _)| longest < us) {
            self.longest_unmet = Some((us, machine));
        }
    }

    /// How many requests came out so.
    pub(super) fn came(&self, came: Came) -> u64 {
        let those = self.requests.iter().filter(|((_, other), _)| *other == came);
        those.map(|(_, count)| count).sum()
    }

    fn requests_table(&self) -> String {
        let mut text = format!("  {:<16}", "requests");
        for (_, name) in Came::ALL {
            let _ = write!(text, "{name:>11}");
        }
        let kinds: std::collections::BTreeSet<&str> = self.requests.keys().map(|(kind, _)| *kind).collect();
        for kind in kinds {
            let _ = write!(text, "\n  {kind:<16}");
            for (came, _) in Came::ALL {
                let count = self.requests.get(&(kind, came)).copied().unwrap_or(0);
                let _ = write!(text, "{count:>11}");
            }
        }
        let _ = write!(text, "\n  {:<16}", "all");
        for (came, _) in Came::ALL {
            let _ = write!(text, "{:>11}", self.came(came));
        }
        text
    }

    fn latencies_table(&self) -> String {
        let mut text = format!(
            "  {:<38}{:>9}{:>12}{:>12}{:>12}",
            "answers of replicas that served", "count", "p50 ms", "p99 ms", "max ms"
        );
        for (class, latencies) in &self.latencies {
            let mut sorted = latencies.kept_us.clone();
            sorted.sort_unstable();
            let at = |permille: usize| {
                let place = sorted.len().saturating_sub(1) * permille / 1000;
                f64::from(sorted.get(place).copied().unwrap_or(0)) / 1000.0
            };
            let (half, most, worst) = (at(500), at(990), at(1000));
            let _ = write!(
                text,
                "\n  {:<38}{:>9}{half:>12.1}{most:>12.1}{worst:>12.1}",
                class.name(),
                latencies.count
            );
        }
        text
    }
}

/// So many of each.
pub(super) fn list(counts: &BTreeMap<String, u64>) -> String {
    let each = counts.iter().map(|(what, count)| format!("{count} {what}"));
    each.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  faults: {}", list(&self.troubles))?;
        if !self.undone.is_empty() {
            writeln!(f, "  not done: {}", list(&self.undone))?;
        }
        writeln!(f, "\n{}", self.requests_table())?;
        let channels = self
            .channels
            .iter()
            .map(|(name, count)| format!("{count} by {name}"));
        writeln!(f, "  {}", channels.collect::<Vec<_>>().join(", "))?;
        writeln!(f, "\n{}\n", self.latencies_table())?;
        let (begun, told) = self.watches;
        writeln!(f, "  watches: {begun} begun, {told} changes told")?;
        if let Some((us, machine)) = self.longest_unmet {
            let seconds = Duration::from_micros(us).as_secs_f64();
            writeln!(
                f,
                "  longest 503 of a session that stayed: {seconds:.1} s, at replica {machine}"
            )?;
        }
        let most = self.converged.iter().max().copied().unwrap_or_default();
        let count = self.converged.len();
        write!(
            f,
            "  converged after the end of all faults: {count} times, at most {:.1} s later",
            most.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_thinned_and_the_greatest_findings_are_kept() {
        let mut latencies = Latencies::default();
        for us in 0..3_000_000 {
            latencies.note(us);
        }
        assert_eq!(latencies.count, 3_000_000);
        assert!(
            latencies.kept_us.len() <= LATENCIES_MAX,
            "{}",
            latencies.kept_us.len()
        );
        let mut tally = Tally::default();
        (0..100).for_each(|number| tally.breaks(Time(number), "wrong"));
        assert_eq!(
            (tally.findings.len(), tally.findings_more),
            (FINDINGS_KEPT_MAX, 60)
        );
    }
}
