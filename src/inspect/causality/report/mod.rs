//! Answers as people and scripts read them: each report is one value, which is written as text of at most
//! 100 columns by `Display`, and as JSON by serde.
//!
//! In JSON, times are RFC 3339 in UTC, durations whole microseconds (`_us`), events named `machine:clock`, and
//! what the logs do not say is null. `run` is the same in every report. Counts of pairs may exceed 64 bits.

mod concurrency;
mod cone;
mod cut;
mod order;
mod text;

use serde::Serialize;

pub use concurrency::{ConcurrencyReport, OVERTAKEN_SHOWN_MAX};
pub use cone::{ConeReport, EVENTS_LISTED_MAX, Listing};
pub use cut::{Asked, CutReport};
pub use order::OrderReport;

use super::{Causality, Chain, EventId, Step};
use crate::{
    inspect::history::{EventKind, Fate, Message},
    trace::WallTime,
};

/// Recipients of one event that are listed.
const RECIPIENTS_SHOWN_MAX: usize = 4;

/// Characters that are shown of what another program's log says of an event.
const SAYING_CHARACTERS_MAX: usize = 60;

/// Rows of a table of machines, channels or hops in text; JSON has all of them.
const ROWS_SHOWN_MAX: usize = 40;

/// What was asked.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    /// The run's id, or the log's name.
    pub name: String,
    /// The folder or file.
    pub source: String,
    /// When it started: that of its first machine, or else its first event.
    pub started: Option<String>,
    /// How many machines have a log.
    pub machines: usize,
    /// How many events.
    pub events: u64,
    /// How many messages were received.
    pub received: u64,
    /// How many receives match no message in these logs, so that what they brought is not known.
    pub stray: usize,
    /// What could not be used or known.
    pub notes: Vec<String>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// Its name.
    pub event: String,
    /// When.
    pub at: Option<String>,
    /// The same, after the run's start.
    pub after_start_us: Option<i64>,
    /// Its log.
    pub file: String,
    /// The line there, from 1.
    pub line: u32,
    /// What it is, in words.
    pub what: String,
}

/// A message that was received.
#[derive(Clone, Debug, Serialize)]
pub struct MessageView {
    /// The event that sent it.
    pub send: EventView,
    /// The event that took it.
    pub receive: Option<EventView>,
    /// From its send until it was taken.
    pub message_us: Option<i64>,
    /// From its send to its arrival.
    pub transit_us: Option<i64>,
    /// From its arrival until it was taken.
    pub waited_us: Option<u64>,
}

/// A chain of events and messages.
#[derive(Clone, Debug, Serialize)]
pub struct ChainView {
    /// How many messages it has.
    pub messages: usize,
    /// Its events, the first one first.
    pub steps: Vec<StepView>,
}

/// An event of a chain, and how the chain came to it.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// `start`; `machine`: from an earlier event there; `message`: sent by the event before it in the chain.
    pub by: &'static str,
    /// With `machine`: how many events later.
    pub events_later: Option<u32>,
    /// With `message`: from its send until it was taken.
    pub message_us: Option<i64>,
    /// With `message`: from its send to its arrival.
    pub transit_us: Option<i64>,
    /// With `message`: from its arrival until it was taken.
    pub waited_us: Option<u64>,
}

/// Names, times and places of one run's events.
#[derive(Clone, Copy, Debug)]
struct Scene<'a> {
    causality: &'a Causality<'a>,
    start: Option<WallTime>,
}

/// The moment that times of a run are counted from: the start of its first machine, or else its first event.
#[must_use]
pub fn start_of(causality: &Causality<'_>) -> Option<WallTime> {
    let history = causality.history();
    let started = history.processes.iter().filter_map(|process| process.started);
    started.min().or_else(|| Some(history.span()?.0))
}

impl<'a> Scene<'a> {
    fn new(causality: &'a Causality<'a>) -> Self {
        Self {
            causality,
            start: start_of(causality),
        }
    }

    fn run(&self) -> RunView {
        let history = self.causality.history();
        let mut notes = history.notes.clone();
        if self.causality.has_circle() {
            notes.push(
                "messages form a circle, each sent after it was needed: these logs cannot be right; \
                 `clocklab check` says more"
                    .to_owned(),
            );
        }
        RunView {
            name: history.name.clone(),
            source: history.source.clone(),
            started: self.start.map(|start| start.to_string()),
            machines: history.processes.len(),
            events: history.len() as u64,
            received: history.received().count() as u64,
            stray: history.stray_count(),
            notes,
        }
    }

    fn machine(&self, process: u32) -> String {
        let process = self.causality.history().processes.get(process as usize);
        process.map_or_else(|| "?".to_owned(), |process| process.name.clone())
    }

    fn event(&self, id: EventId) -> EventView {
        let history = self.causality.history();
        let event = history.event(id);
        let at = event.and_then(|event| event.at);
        EventView {
            event: history.name_of(id),
            at: at.map(|at| at.to_string()),
            after_start_us: at.zip(self.start).map(|(at, start)| at.us_since(start)),
            file: history
                .process(id)
                .map_or_else(String::new, |process| process.file.to_string()),
            line: event.map_or(0, |event| event.line),
            what: self.what(id),
        }
    }

    /// What an event is, in words.
    fn what(&self, id: EventId) -> String {
        let history = self.causality.history();
        if let Some(said) = history.text(id).filter(|said| !said.is_empty()) {
            return text::shortened(said, SAYING_CHARACTERS_MAX);
        }
        match history.event(id).map(|event| event.kind) {
            Some(EventKind::Internal) => "internal event".to_owned(),
            Some(EventKind::Send) => self.sends(id),
            Some(EventKind::Receive) => self.takes(id),
            Some(EventKind::Exchange) => format!("{}, {}", self.takes(id), self.sends(id)),
            Some(EventKind::Other) | None => "event".to_owned(),
        }
    }

    fn sends(&self, id: EventId) -> String {
        let messages = self.causality.history().sent_by(id);
        let recipients: Vec<String> = messages
            .chunk_by(|a, b| a.to == b.to)
            .take(RECIPIENTS_SHOWN_MAX)
            .filter_map(|copies| Some((copies.first()?, copies.len())))
            .map(|(message, copies)| match message.fate {
                Fate::Dropped => format!("{} (link down)", self.machine(message.to)),
                Fate::Lost => format!("{} (lost by a fault)", self.machine(message.to)),
                Fate::Received(_) | Fate::Waiting | Fate::Unknown if copies > 1 => {
                    format!("{} (twice, by a fault)", self.machine(message.to))
                }
                Fate::Received(_) | Fate::Waiting | Fate::Unknown => self.machine(message.to),
            })
            .collect();
        if recipients.is_empty() {
            return "sends".to_owned();
        }
        let all = self.causality.history().recipients_of(id).count();
        let more = match all.saturating_sub(RECIPIENTS_SHOWN_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("sends to {}{more}", recipients.join(", "))
    }

    fn takes(&self, id: EventId) -> String {
        let history = self.causality.history();
        let mut senders = history
            .received_by(id)
            .map(|message| history.name_of(message.send));
        match (senders.next(), senders.count()) {
            (None, _) => match history.stray(id) {
                Some(stray) => format!(
                    "takes {}'s message; no send here matches",
                    history.name_of_send(stray)
                ),
                None => "takes a message that no log here sent".to_owned(),
            },
            (Some(one), 0) => format!("takes {one}'s message"),
            (Some(one), more) => format!("takes {one}'s message and {more} more"),
        }
    }

    fn message(&self, message: &Message) -> MessageView {
        MessageView {
            send: self.event(message.send),
            receive: message.receive().map(|receive| self.event(receive)),
            message_us: self.message_us(message),
            transit_us: self.transit_us(message),
            waited_us: message.waited_us,
        }
    }

    /// From a message's send until it was taken; hosts whose clocks differ may make it negative.
    fn message_us(&self, message: &Message) -> Option<i64> {
        let history = self.causality.history();
        let sent = history.event(message.send)?.at?;
        Some(history.event(message.receive()?)?.at?.us_since(sent))
    }

    /// From a message's send to its arrival, with the same reserve.
    fn transit_us(&self, message: &Message) -> Option<i64> {
        let history = self.causality.history();
        let sent = history.event(message.send)?.at?;
        Some(history.arrived(message)?.us_since(sent))
    }

    fn chain(&self, chain: &Chain) -> ChainView {
        let mut steps = vec![StepView {
            event: self.event(chain.from),
            by: "start",
            events_later: None,
            message_us: None,
            transit_us: None,
            waited_us: None,
        }];
        let mut here = chain.from;
        for step in &chain.steps {
            let Some(end) = step.end() else { continue };
            let event = self.event(end);
            steps.push(match step {
                Step::Along(_) => StepView {
                    event,
                    by: "machine",
                    events_later: Some(end.index.saturating_sub(here.index)),
                    message_us: None,
                    transit_us: None,
                    waited_us: None,
                },
                Step::Message(message) => StepView {
                    event,
                    by: "message",
                    events_later: None,
                    message_us: self.message_us(message),
                    transit_us: self.transit_us(message),
                    waited_us: message.waited_us,
                },
            });
            here = end;
        }
        ChainView {
            messages: chain.messages(),
            steps,
        }
    }
}

#[cfg(test)]
mod tests;
