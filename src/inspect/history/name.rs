//! Names of events as people write them: `0:17`, the event of machine 0 with clock 17.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::{EventId, History};

/// An event's name: its process, and its clock there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// A machine's id, or a host's name.
    pub process: String,
    /// The clock after the event.
    pub clock: u64,
}

/// A text that names no event.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` names no event: write machine:clock, such as 0:17 for the event of machine 0 with clock 17"
)]
pub struct NameError {
    /// What was written.
    pub text: String,
}

/// An event that is not in the logs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoSuchEvent {
    /// There is no such process.
    #[error("{source_name}: there is no machine {process}; there are {known}")]
    Process {
        /// Where it was looked for.
        source_name: String,
        /// The process asked for.
        process: String,
        /// Those that are there.
        known: String,
    },
    /// The process has no event with this clock.
    #[error("{file}: machine {process} has no event with clock {clock}; {near}")]
    Clock {
        /// The process's log.
        file: String,
        /// The process.
        process: String,
        /// The clock asked for.
        clock: u64,
        /// The events nearest to it, with their lines.
        near: String,
    },
}

/// Names that a message about an unknown process lists.
const NAMES_SHOWN_MAX: usize = 12;

impl FromStr for EventName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || NameError {
            text: text.to_owned(),
        };
        let (process, clock) = text.rsplit_once(':').ok_or_else(error)?;
        let clock = clock.parse().map_err(|_| error())?;
        if process.is_empty() {
            return Err(error());
        }
        let process = process.to_owned();
        Ok(Self { process, clock })
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.process, self.clock)
    }
}

impl History {
    /// The process of a name.
    ///
    /// # Errors
    /// [`NoSuchEvent::Process`] if there is none.
    pub fn find_process(&self, name: &str) -> Result<u32, NoSuchEvent> {
        let found = self
            .process_ids()
            .zip(&self.processes)
            .find(|(_, process)| process.name == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            let mut known: Vec<&str> = self
                .processes
                .iter()
                .map(|process| process.name.as_str())
                .collect();
            let more = known.len().saturating_sub(NAMES_SHOWN_MAX);
            known.truncate(NAMES_SHOWN_MAX);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            NoSuchEvent::Process {
                source_name: self.source.clone(),
                process: name.to_owned(),
                known: known.join(", ") + &more,
            }
        })
    }

    /// The event of a name.
    ///
    /// # Errors
    /// [`NoSuchEvent`] if it is not in the logs; the message names its neighbours.
    pub fn find(&self, name: &EventName) -> Result<EventId, NoSuchEvent> {
        let process = self.find_process(&name.process)?;
        let rows = self
            .rows
            .get(process as usize)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let place = rows.partition_point(|row| row.clock < name.clock);
        // A log that breaks the clock rule may not rise: then look at each.
        let sure = rows
            .get(place)
            .filter(|row| row.clock == name.clock)
            .map(|_| place);
        let place = sure.or_else(|| rows.iter().position(|row| row.clock == name.clock));
        if let Some(index) = place.and_then(|place| u32::try_from(place).ok()) {
            return Ok(EventId { process, index });
        }
        let place = rows.partition_point(|row| row.clock < name.clock);
        let told = |row: &super::Row| format!("{}:{} (line {})", name.process, row.clock, row.line);
        let before = place.checked_sub(1).and_then(|place| rows.get(place)).map(told);
        let near = match (before, rows.get(place).map(told)) {
            (Some(before), Some(after)) => format!("its neighbours are {before} and {after}"),
            (Some(last), None) => format!("its last event is {last}"),
            (None, Some(first)) => format!("its first event is {first}"),
            (None, None) => "it has no event at all".to_owned(),
        };
        let file = self
            .processes
            .get(process as usize)
            .map_or("", |process| &process.file);
        Err(NoSuchEvent::Clock {
            file: file.to_owned(),
            process: name.process.clone(),
            clock: name.clock,
            near,
        })
    }
}
