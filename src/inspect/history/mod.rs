//! A run in memory: every event, every message with both its ends, and what can be reached from where.
//!
//! What `order`, `past`, `cut`, `draw` and `export` ask is asked of a [`History`]. Messages are matched by
//! identity, (sender, clock of the send event), never inferred from times. It holds what the logs say,
//! valid or not: what does not fit is left out and said in [`History::notes`]; a receive that matches no
//! message stays an event, with what it says of its message as a [`Stray`]. Whether a run is right is
//! `check`'s business, which needs no memory for it.
//!
//! ```text
//!   process 0   e0 ── e1 ── e2 ──          rows, in the order of the log
//!                 \                        message: send e1 of 0, receive e2 of 1
//!   process 1   e0 ── e1 ── e2 ──
//! ```
//!
//! | memory | bytes |
//! |---|---|
//! | an event | 32 |
//! | a message | 40 |
//! | a message on its channel's front | 8 |

mod breaks;
mod build;
mod front;
mod name;
mod run;
mod vectors;

use std::{path::Path, sync::Arc};

pub use breaks::Break;
pub use build::{HistoryBuilder, Receipt};
pub use front::{Fronts, Hop};
pub use name::{EventName, NameError, NoSuchEvent};

use super::{foreign, run::InspectError};
use crate::{trace::WallTime, units::MachineId};

/// One event: its process and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Which process: an index into [`History::processes`].
    pub process: u32,
    /// Its place among the events of its process, from 0.
    pub index: u32,
}

/// A sequence of events: a machine, or a host of another program's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// A machine's id, or the host's name. Unique, without blanks or colons.
    pub name: String,
    /// Ticks a second, if it has them.
    pub rate: Option<u32>,
    /// When it started, if the log says.
    pub started: Option<WallTime>,
    /// When it ended, if the log says.
    pub ended: Option<WallTime>,
    /// Messages that wait at its end, if the log says.
    pub waiting: Option<u64>,
    /// The log that it was read from.
    pub file: Arc<str>,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// No message.
    Internal,
    /// It sends.
    Send,
    /// It takes a message.
    Receive,
    /// It takes and sends: only in logs of other programs.
    Exchange,
    /// A kind that this version does not know.
    Other,
}

/// What is known of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The clock after the event; in logs of other programs its number on its process, from 1.
    pub clock: u64,
    /// When, if the log says.
    pub at: Option<WallTime>,
    /// What it is.
    pub kind: EventKind,
    /// Messages waiting behind a receive.
    pub queue: Option<u32>,
    /// The line of the log, from 1.
    pub line: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was taken, at this event.
    Received(EventId),
    /// It waited in the receiver's queue at the end.
    Waiting,
    /// The link was down: it was never on its way.
    Dropped,
    /// An injected fault lost it.
    Lost,
    /// The logs do not say: on its way when they ended, or lost with a link.
    Unknown,
}

/// One message: one send event, one recipient. Of a message that an injected fault sent twice there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event that sent it.
    pub send: EventId,
    /// The process it was sent to.
    pub to: u32,
    /// What became of it.
    pub fate: Fate,
    /// How long it waited in the receiver's queue, in microseconds, if the log says.
    pub waited_us: Option<u64>,
}

/// A receive that matches no message here: its send event is in no log, or its message was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The receive event.
    pub receive: EventId,
    /// Who sent the message, as the receive says.
    pub from: Sender,
    /// The sender's clock at the send event, as the receive says.
    pub sent: u64,
    /// How long the message waited in the queue, in microseconds, if the log says.
    pub waited_us: Option<u64>,
}

/// The sender of a stray message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A process of the history.
    Process(u32),
    /// A machine without a log.
    Missing(MachineId),
}

/// An event as it is stored.
#[derive(Clone, Copy, Debug)]
struct Row {
    clock: u64,
    /// Microseconds since 1970; [`NO_TIME`] if the log does not say.
    at: i64,
    line: u32,
    /// Messages waiting; [`NONE`] where nothing is said.
    queue: u32,
    /// The first of its messages in `messages` if it sends; else [`NONE`].
    sent: u32,
    kind: EventKind,
}

const NO_TIME: i64 = i64::MIN;
const NONE: u32 = u32::MAX;

/// Most events of one process, and most messages of a history: four thousand million. What is beyond is left
/// out and noted.
pub const EVENTS_MAX: usize = NONE as usize - 1;

/// A run in memory.
#[derive(Clone, Debug)]
pub struct History {
    /// The run's id, or the log's file name.
    pub name: String,
    /// The folder or file that it was read from, as it was named.
    pub source: String,
    /// Its processes; machines in the order of their ids.
    pub processes: Vec<Process>,
    /// What had to be left out or could not be known, in words.
    pub notes: Vec<String>,
    /// By process.
    rows: Vec<Vec<Row>>,
    /// In the order of their send events, then of recipients.
    messages: Vec<Message>,
    /// Received messages as indices into `messages`, in the order of their receive events.
    received: Vec<u32>,
    /// In the order of their receive events.
    strays: Vec<Stray>,
    /// The texts of events, by process; empty for clocklab's own logs.
    texts: Vec<Vec<Box<str>>>,
    fronts: Fronts,
    /// Injected faults.
    breaks: Vec<Break>,
    /// Ends of lives behind which a process was started again.
    deaths: Vec<(u32, WallTime)>,
}

impl History {
    /// Reads a run folder, or a link to it such as `logs/latest`, or a log of another program
    /// ([`foreign`]).
    ///
    /// # Errors
    /// [`InspectError`] if there is nothing that can be read. Lines that do not fit are [`notes`](Self::notes).
    pub fn read(source: &Path) -> Result<Self, InspectError> {
        match foreign::source(source) {
            Some(log) => Ok(foreign::read(source, &log)?),
            None => run::read(source),
        }
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(Vec::is_empty)
    }

    /// How many events a process has.
    #[must_use]
    pub fn events_of(&self, process: u32) -> u32 {
        let rows = self.rows.get(process as usize);
        rows.map_or(0, |rows| u32::try_from(rows.len()).unwrap_or(NONE))
    }

    /// All processes' indices.
    pub fn process_ids(&self) -> impl DoubleEndedIterator<Item = u32> + Clone + use<> {
        0..u32::try_from(self.processes.len()).unwrap_or(NONE)
    }

    /// Every event of a process, in its order.
    pub fn ids_of(&self, process: u32) -> impl DoubleEndedIterator<Item = EventId> + use<> {
        (0..self.events_of(process)).map(move |index| EventId { process, index })
    }

    /// Every event, process by process.
    pub fn ids(&self) -> impl Iterator<Item = EventId> + '_ {
        self.process_ids().flat_map(|process| self.ids_of(process))
    }

    /// What is known of an event; `None` for an id that this history does not have.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<Event> {
        let row = self.row(id)?;
        Some(Event {
            clock: row.clock,
            at: (row.at != NO_TIME).then_some(WallTime(row.at)),
            kind: row.kind,
            queue: (row.queue != NONE).then_some(row.queue),
            line: row.line,
        })
    }

    /// The process of an event.
    #[must_use]
    pub fn process(&self, id: EventId) -> Option<&Process> {
        self.processes.get(id.process as usize)
    }

    /// The event's name: `0:17`.
    #[must_use]
    pub fn name_of(&self, id: EventId) -> String {
        let process = self.process(id).map_or("?", |process| &process.name);
        let clock = self.row(id).map_or(0, |row| row.clock);
        format!("{process}:{clock}")
    }

    /// What another program's log says of an event, or what it did to a store's data; `None` in other logs of clocklab, which
    /// have kinds instead.
    #[must_use]
    pub fn text(&self, id: EventId) -> Option<&str> {
        let texts = self.texts.get(id.process as usize)?;
        texts.get(id.index as usize).map(AsRef::as_ref)
    }

    /// All messages, in the order of their send events, then of recipients.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The messages that an event sends; their place in [`messages`](Self::messages) is that of the first.
    #[must_use]
    pub fn sent_by(&self, id: EventId) -> &[Message] {
        let first = self.row(id).map_or(NONE, |row| row.sent);
        let behind = self.messages.get(first as usize..).unwrap_or_default();
        let count = behind.iter().take_while(|message| message.send == id).count();
        behind.get(..count).unwrap_or_default()
    }

    /// To whom an event sends, each once, whatever became of the message and of its copies.
    pub fn recipients_of(&self, id: EventId) -> impl Iterator<Item = u32> + '_ {
        let copies = self.sent_by(id).chunk_by(|a, b| a.to == b.to);
        copies.filter_map(|copies| Some(copies.first()?.to))
    }

    /// The messages that an event takes: none or one in clocklab's own logs.
    pub fn received_by(&self, id: EventId) -> impl Iterator<Item = &Message> {
        let start = self
            .received
            .partition_point(|message| self.receive_of(*message) < Some(id));
        let behind = self.received.get(start..).unwrap_or_default();
        behind
            .iter()
            .map_while(move |message| (self.receive_of(*message) == Some(id)).then_some(*message))
            .filter_map(|message| self.messages.get(message as usize))
    }

    /// Received messages in the order of their receive events.
    pub fn received(&self) -> impl Iterator<Item = &Message> {
        let messages = self.received.iter();
        messages.filter_map(|message| self.messages.get(*message as usize))
    }

    /// The received messages of one process, in the order of their receive events.
    pub fn received_at(&self, process: u32) -> impl Iterator<Item = &Message> + use<'_> {
        let first = EventId { process, index: 0 };
        let start = self
            .received
            .partition_point(|message| self.receive_of(*message) < Some(first));
        let behind = self.received.get(start..).unwrap_or_default();
        behind
            .iter()
            .filter_map(|message| self.messages.get(*message as usize))
            .take_while(move |message| message.to == process)
    }

    /// What a receive event that matches no message says of the one that it took.
    #[must_use]
    pub fn stray(&self, receive: EventId) -> Option<&Stray> {
        let place = self.strays.binary_search_by_key(&receive, |stray| stray.receive);
        self.strays.get(place.ok()?)
    }

    /// The name of the event that a stray message says it was sent by, which may be in no log: `0:17`.
    #[must_use]
    pub fn name_of_send(&self, stray: &Stray) -> String {
        let sent = stray.sent;
        match stray.from {
            Sender::Missing(machine) => format!("{machine}:{sent}"),
            Sender::Process(process) => {
                let process = self.processes.get(process as usize);
                format!("{}:{sent}", process.map_or("?", |process| &process.name))
            }
        }
    }

    /// When a message arrived at its receiver, if the log says.
    #[must_use]
    pub fn arrived(&self, message: &Message) -> Option<WallTime> {
        self.before(message.receive()?, message.waited_us)
    }

    /// When the message of a stray receive arrived, if the log says.
    #[must_use]
    pub fn stray_arrived(&self, stray: &Stray) -> Option<WallTime> {
        self.before(stray.receive, stray.waited_us)
    }

    /// The moment so many microseconds before an event.
    fn before(&self, event: EventId, us: Option<u64>) -> Option<WallTime> {
        let at = self.event(event)?.at?;
        Some(WallTime(at.0.saturating_sub(i64::try_from(us?).ok()?)))
    }

    /// Takes so many microseconds from the times of each process, as [`Skew::aligned_us`] has them.
    ///
    /// [`Skew::aligned_us`]: super::skew::Skew::aligned_us
    pub fn align(&mut self, offsets_us: &[i64]) {
        let earlier = |at: WallTime, us: i64| WallTime(at.0.saturating_sub(us));
        for ((process, rows), us) in self.processes.iter_mut().zip(&mut self.rows).zip(offsets_us) {
            for moment in [&mut process.started, &mut process.ended] {
                *moment = moment.map(|at| earlier(at, *us));
            }
            for row in rows.iter_mut().filter(|row| row.at != NO_TIME) {
                row.at = earlier(WallTime(row.at), *us).0;
            }
        }
        let us_of = |process: u32| offsets_us.get(process as usize).copied().unwrap_or(0);
        for found in &mut self.breaks {
            let us = us_of(found.process);
            found.from = earlier(found.from, us);
            found.until = found.until.map(|at| earlier(at, us));
        }
        for (process, at) in &mut self.deaths {
            *at = earlier(*at, us_of(*process));
        }
    }

    /// The messages of each channel that matter for reachability.
    #[must_use]
    pub fn fronts(&self) -> &Fronts {
        &self.fronts
    }

    /// How many receives match no message here: what they brought is not known.
    #[must_use]
    pub fn stray_count(&self) -> usize {
        self.strays.len()
    }

    /// Whether every event has a time.
    #[must_use]
    pub fn has_times(&self) -> bool {
        self.rows.iter().flatten().all(|row| row.at != NO_TIME)
    }

    /// The earliest and the latest time of an event.
    #[must_use]
    pub fn span(&self) -> Option<(WallTime, WallTime)> {
        let times = || {
            self.rows
                .iter()
                .flatten()
                .map(|row| row.at)
                .filter(|at| *at != NO_TIME)
        };
        Some((WallTime(times().min()?), WallTime(times().max()?)))
    }

    fn row(&self, id: EventId) -> Option<&Row> {
        self.rows.get(id.process as usize)?.get(id.index as usize)
    }

    fn receive_of(&self, message: u32) -> Option<EventId> {
        self.messages.get(message as usize)?.receive()
    }
}

impl EventKind {
    /// In a word, as logs have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Exchange => "exchange",
            Self::Other => "other",
        }
    }
}

impl Message {
    /// The event that took it, if one did.
    #[must_use]
    pub fn receive(&self) -> Option<EventId> {
        match self.fate {
            Fate::Received(event) => Some(event),
            Fate::Waiting | Fate::Dropped | Fate::Lost | Fate::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
