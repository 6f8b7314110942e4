//! How a [`History`] is made: processes, events and messages are added in any order that a log has them in,
//! and put in order at the end.

use std::collections::BTreeMap;

use super::{
    Break, EVENTS_MAX, Event, EventId, Fate, Fronts, History, Message, NO_TIME, NONE, Process, Row, Sender,
    Stray,
};
use crate::trace::WallTime;

/// Notes of one kind that are spelled out.
const NOTES_MAX: u64 = 5;

/// A history being made.
#[derive(Debug, Default)]
pub struct HistoryBuilder {
    processes: Vec<Process>,
    rows: Vec<Vec<Row>>,
    texts: Vec<Vec<Box<str>>>,
    messages: Vec<Message>,
    receipts: Vec<Receipt>,
    strays: Vec<Stray>,
    /// By sender and recipient: messages that waited at the end.
    waiting: BTreeMap<(u32, u32), u64>,
    /// By sender and recipient: links that came up again.
    links: BTreeMap<(u32, u32), Link>,
    pub(super) breaks: Vec<Break>,
    pub(super) deaths: Vec<(u32, WallTime)>,
    notes: Notes,
}

/// A receive event whose send event is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The receive event.
    pub receive: EventId,
    /// The sender.
    pub from: u32,
    /// The sender's clock at the send event.
    pub sent: u64,
    /// How long the message waited in the queue, in microseconds.
    pub waited_us: Option<u64>,
}

/// A link that came up again, by the sender's log.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// To which life of the recipient it leads.
    incarnation: u32,
    /// The sender's first event on a link to that life.
    life_from: u32,
    /// Its first event on the last link.
    link_from: u32,
}

/// What could not be used, counted by kind; the first few in words.
#[derive(Debug, Default)]
struct Notes {
    told: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl HistoryBuilder {
    /// Adds a process and gives its index: 0, 1, 2, …
    pub fn process(&mut self, process: Process) -> u32 {
        self.processes.push(process);
        self.rows.push(Vec::new());
        u32::try_from(self.processes.len() - 1).unwrap_or(NONE)
    }

    /// The process of an index, to add what is only known at its end.
    pub fn process_mut(&mut self, process: u32) -> Option<&mut Process> {
        self.processes.get_mut(process as usize)
    }

    /// Adds the next event of a process; `None`, and a note, if it has no room for more.
    pub fn event(&mut self, process: u32, event: Event) -> Option<EventId> {
        let rows = self.rows.get_mut(process as usize)?;
        if rows.len() >= EVENTS_MAX {
            self.note("events beyond the limit", || {
                format!("only {EVENTS_MAX} events of a process are kept")
            });
            return None;
        }
        let index = u32::try_from(rows.len()).ok()?;
        rows.push(Row {
            clock: event.clock,
            at: event.at.map_or(NO_TIME, |at| at.0),
            line: event.line,
            queue: event.queue.unwrap_or(NONE),
            sent: NONE,
            kind: event.kind,
        });
        Some(EventId { process, index })
    }

    /// Adds what a log says of an event.
    pub fn text(&mut self, event: EventId, text: &str) {
        if self.texts.len() < self.rows.len() {
            self.texts.resize(self.rows.len(), Vec::new());
        }
        if let Some(texts) = self.texts.get_mut(event.process as usize) {
            texts.resize((event.index as usize).max(texts.len()), "".into());
            texts.push(text.into());
        }
    }

    /// Adds a message; one with fate `Unknown` may be received by a later [`receipt`](Self::receipt).
    pub fn message(&mut self, message: Message) {
        if self.messages.len() >= EVENTS_MAX {
            self.note("messages beyond the limit", || {
                format!("only {EVENTS_MAX} messages are kept")
            });
            return;
        }
        self.messages.push(message);
    }

    /// Says that an event receives the message of a send event that may not have been added yet.
    pub fn receipt(&mut self, receipt: Receipt) {
        self.receipts.push(receipt);
    }

    /// Says that an event receives a message whose sender has no log.
    pub fn stray(&mut self, stray: Stray) {
        self.strays.push(stray);
    }

    /// Says how many messages of a sender waited in the queue of a recipient at its end.
    pub fn waiting(&mut self, from: u32, to: u32, count: u64) {
        if count > 0 {
            self.waiting.insert((from, to), count);
        }
    }

    /// Says that the link of a process to another one came up again behind the events added so far, and to which life.
    pub fn linked(&mut self, from: u32, to: u32, incarnation: u32) {
        let events = self.rows.get(from as usize).map_or(0, Vec::len);
        let link_from = u32::try_from(events).unwrap_or(NONE);
        let link = self.links.entry((from, to)).or_insert(Link {
            incarnation: 1,
            life_from: 0,
            link_from,
        });
        if incarnation > link.incarnation {
            link.life_from = link_from;
        }
        (link.incarnation, link.link_from) = (incarnation, link_from);
    }

    /// Notes what had to be left out; of each `kind` the first few are spelled out and the rest counted.
    pub fn note(&mut self, kind: &'static str, text: impl FnOnce() -> String) {
        let count = self.notes.counts.entry(kind).or_default();
        *count += 1;
        if *count <= NOTES_MAX {
            self.notes.told.push(text());
        }
    }

    /// Puts everything in order.
    #[must_use]
    pub fn finish(mut self, name: String, source: String) -> History {
        let order = |message: &Message| (message.send, message.to);
        if !self.messages.is_sorted_by_key(order) {
            self.messages.sort_by_key(order);
        }
        self.point_at_messages();
        self.match_receipts();
        self.mark_waiting();
        // With the keys beside them: looking each up in a large run costs more than the sort.
        let mut received: Vec<(EventId, u32)> = (0..)
            .zip(&self.messages)
            .filter_map(|(place, message)| Some((message.receive()?, place)))
            .collect();
        received.sort_unstable();
        let received = received.into_iter().map(|(_, place)| place).collect();
        self.strays.sort_unstable_by_key(|stray| stray.receive);
        let fronts = Fronts::new(self.processes.len(), &self.messages);
        let mut notes = self.notes.told;
        for (kind, count) in self.notes.counts {
            if let Some(more @ 1..) = count.checked_sub(NOTES_MAX) {
                notes.push(format!("and {more} more {kind}"));
            }
        }
        History {
            name,
            source,
            processes: self.processes,
            notes,
            rows: self.rows,
            messages: self.messages,
            received,
            strays: self.strays,
            texts: self.texts,
            fronts,
            breaks: self.breaks,
            deaths: self.deaths,
        }
    }

    /// Lets each send event know its first message.
    fn point_at_messages(&mut self) {
        for (place, message) in (0..).zip(&self.messages) {
            let rows = self.rows.get_mut(message.send.process as usize);
            let row = rows.and_then(|rows| rows.get_mut(message.send.index as usize));
            if let Some(row) = row
                && row.sent == NONE
            {
                row.sent = place;
            }
        }
    }

    /// Finds the message of each receipt.
    fn match_receipts(&mut self) {
        let falling = self.falling();
        for receipt in std::mem::take(&mut self.receipts) {
            let found = self.message_of(&receipt, &falling);
            let message = found.and_then(|place| self.messages.get_mut(place));
            let (kind, what) = match message {
                Some(message) if message.receive().is_none() => {
                    message.fate = Fate::Received(receipt.receive);
                    message.waited_us = receipt.waited_us;
                    continue;
                }
                Some(_) => ("messages taken twice", "takes a message that was taken before"),
                None => ("receives without a send event", "has no send event in these logs"),
            };
            let text = self.tell(&receipt, what);
            self.note(kind, || text);
            self.strays.push(Stray {
                receive: receipt.receive,
                from: Sender::Process(receipt.from),
                sent: receipt.sent,
                waited_us: receipt.waited_us,
            });
        }
    }

    /// Of each process whose clocks do not rise, as only a wrong log has them: its events by their clocks.
    fn falling(&self) -> BTreeMap<u32, BTreeMap<u64, Vec<usize>>> {
        let mut falling = BTreeMap::new();
        for (process, rows) in (0..).zip(&self.rows) {
            if rows.is_sorted_by(|a, b| a.clock < b.clock) {
                continue;
            }
            let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
            for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.sent != NONE) {
                places.entry(row.clock).or_default().push(place);
            }
            falling.insert(process, places);
        }
        falling
    }

    /// The place of a receipt's message: of several send events with one clock, the first whose message to this
    /// receiver was not taken yet.
    fn message_of(
        &self,
        receipt: &Receipt,
        falling: &BTreeMap<u32, BTreeMap<u64, Vec<usize>>>,
    ) -> Option<usize> {
        if let Some(places) = falling.get(&receipt.from) {
            let candidates = places.get(&receipt.sent)?;
            let found = || {
                candidates
                    .iter()
                    .filter_map(|place| self.message_at(*place, receipt))
            };
            let is_free = |place: &usize| {
                self.messages
                    .get(*place)
                    .is_some_and(|message| message.receive().is_none())
            };
            return found().find(is_free).or_else(|| found().next());
        }
        let rows = self.rows.get(receipt.from as usize)?;
        let place = rows.partition_point(|row| row.clock < receipt.sent);
        rows.get(place).filter(|row| row.clock == receipt.sent)?;
        self.message_at(place, receipt)
    }

    /// The message of the event at `place` of the sender to the receiver: of two copies, the first that was not taken
    /// yet.
    fn message_at(&self, place: usize, receipt: &Receipt) -> Option<usize> {
        let row = self.rows.get(receipt.from as usize)?.get(place)?;
        let send = EventId {
            process: receipt.from,
            index: u32::try_from(place).ok()?,
        };
        // Each process gets two copies of a send event's message at most, so no more need be searched.
        let behind = self.messages.get(row.sent as usize..)?;
        let messages = behind.get(..2 * self.processes.len()).unwrap_or(behind);
        let wanted = (send, receipt.receive.process);
        let first = messages.partition_point(|message| (message.send, message.to) < wanted);
        let is_copy = |message: &&Message| (message.send, message.to) == wanted;
        let copies = messages.get(first..)?.iter().take_while(is_copy);
        let taken = copies
            .clone()
            .take_while(|message| message.receive().is_some())
            .count();
        let last = copies.count().checked_sub(1)?;
        Some(row.sent as usize + first + taken.min(last))
    }

    fn tell(&self, receipt: &Receipt, what: &str) -> String {
        let process = self.processes.get(receipt.receive.process as usize);
        let file = process.map_or("", |process| &process.file);
        let rows = self.rows.get(receipt.receive.process as usize);
        let line = rows
            .and_then(|rows| rows.get(receipt.receive.index as usize))
            .map_or(0, |row| row.line);
        let from = self
            .processes
            .get(receipt.from as usize)
            .map_or("?", |process| &process.name);
        format!(
            "{file}:{line}: the receive of {from}:{} {what}; it is shown without its message",
            receipt.sent
        )
    }

    /// Of the messages of a channel that were not taken, those that waited: the first ones of its last link, since the
    /// tail of a link is what may be lost; if more waited, the first ones of the links to the same life before it. A
    /// queue dies with its process, and with it what was sent to a life before.
    fn mark_waiting(&mut self) {
        for first in [|link: &Link| link.link_from, |link: &Link| link.life_from] {
            for message in &mut self.messages {
                let channel = (message.send.process, message.to);
                if message.fate == Fate::Unknown
                    && let Some(count) = self.waiting.get_mut(&channel)
                    && *count > 0
                    && message.send.index >= self.links.get(&channel).map_or(0, first)
                {
                    *count -= 1;
                    message.fate = Fate::Waiting;
                }
            }
        }
    }
}
