//! Did the same thing happen in two runs, event for event, whatever the moment?
//!
//! A real run and a simulated one of the same seed have the same dice, so they differ only where two things were
//! closer together in time than a real computer is punctual. Times and waits are therefore left out, and the clocks
//! that a run has beside Lamport's: a vector follows from the rest, and a hybrid clock holds times. Everything else of
//! an event has to be the same. Keeps 16 bytes an event of both runs.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::Arc,
};

use super::run::{InspectError, Item, RunReader};
use crate::{
    trace::{Event, Kind, Place, Record},
    units::MachineId,
};

/// How far two runs are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sameness {
    /// Events of the first run.
    pub events: u64,
    /// Machines whose events are all the same.
    pub machines_same: usize,
    /// Machines compared.
    pub machines: usize,
    /// Where the runs part first, by the event's number on its machine: the machine, and the line in each run. A
    /// place without a line is the end of a log.
    pub parting: Option<(MachineId, [Place; 2])>,
}

impl Sameness {
    /// Whether every event of every machine is the same.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.machines_same == self.machines
    }
}

impl fmt::Display for Sameness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return write!(
                f,
                "Event for event the runs are the same: all {} events, in kind, clock, partner and queue.",
                self.events
            );
        }
        write!(
            f,
            "Event for event {} of {} machines did the same.",
            self.machines_same, self.machines
        )?;
        if let Some((machine, [first, second])) = &self.parting {
            write!(f, " They part first on machine {machine}:\n  {first}\n  {second}")?;
        }
        Ok(())
    }
}

/// An event without its time, and its line.
type Digest = (u64, u64);

/// Compares the events of two runs, machine by machine.
///
/// # Errors
/// [`InspectError`] if a folder holds no run that can be read.
pub fn same_events(first: &Path, second: &Path) -> Result<Sameness, InspectError> {
    let (files, mine) = digests(first)?;
    let (other_files, theirs) = digests(second)?;
    let mut sameness = Sameness {
        events: mine.iter().map(|events| events.len() as u64).sum(),
        machines_same: 0,
        machines: mine.len().max(theirs.len()),
        parting: None,
    };
    let mut earliest = usize::MAX;
    for ((machine, mine), theirs) in (0..).map(MachineId).zip(&mine).zip(&theirs) {
        let pairs = mine.iter().zip(theirs);
        let common = pairs.take_while(|(mine, theirs)| mine.0 == theirs.0).count();
        if common == mine.len() && common == theirs.len() {
            sameness.machines_same += 1;
        } else if common < earliest {
            earliest = common;
            let place = |files: &[Arc<str>], events: &[Digest]| Place {
                file: files.get(machine.index()).cloned().unwrap_or_else(|| "".into()),
                line: events.get(common).map_or(0, |event| event.1),
            };
            sameness.parting = Some((machine, [place(&files, mine), place(&other_files, theirs)]));
        }
    }
    Ok(sameness)
}

/// The log of each machine, and its events.
type Digests = (Vec<Arc<str>>, Vec<Vec<Digest>>);

/// Reads a run.
fn digests(dir: &Path) -> Result<Digests, InspectError> {
    let mut run = RunReader::open(dir)?;
    let mut all = vec![Vec::new(); usize::from(run.machines())];
    while let Some(item) = run.next_item()? {
        if let Item::Record {
            machine,
            line,
            record: Record::Event(event),
            ..
        } = item
            && let Some(events) = all.get_mut(machine.index())
        {
            events.push((digest(event), line));
        }
    }
    Ok((run.files(), all))
}

fn digest(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    (event.tick, event.clock).hash(&mut hasher);
    match &event.kind {
        Kind::Internal => 0.hash(&mut hasher),
        Kind::Send { to, mishaps } => (1, to, mishaps).hash(&mut hasher),
        Kind::Receive {
            from, sent, queue, ..
        } => (2, from, sent, queue).hash(&mut hasher),
        Kind::Other => 3.hash(&mut hasher),
    }
    hasher.finish()
}
