//! What is new in the logs, as columns: one message to a browser.
//!
//! Columns hold one entry an event; those named `…_steps` hold the difference to the entry before (of the first: to
//! 0). Times are microseconds since 1970.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{remark::Remark, state::State};
use crate::{
    trace::{Event, Kind, Mishaps, Recipients, Record, WallTime},
    units::MachineId,
    watch::{News, What},
};

/// A message to a browser.
#[derive(Debug, Default, Serialize)]
pub(super) struct Batch {
    /// The run's id; `None` while no log says it.
    pub(super) run: Option<String>,
    /// The folder that is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) folder: Option<String>,
    /// The browser begins anew: what it had is not continued.
    pub(super) fresh: bool,
    /// Events of the run before those that a browser that begins anew is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out: Option<u64>,
    /// How many machines the run has; 0 while no log says.
    pub(super) machines: u16,
    /// The start of the run.
    pub(super) start: Option<i64>,
    /// When this was read from the logs, by the server's clock.
    pub(super) now: i64,
    /// Event lines in the logs by then.
    pub(super) events: u64,
    /// Messages that those sent.
    pub(super) messages: u64,
    /// Whether the next message follows at once, because there is more in the logs.
    pub(super) more: bool,
    /// Whether no machine is to do anything more.
    pub(super) ended: bool,
    /// Why no command can be given; `None` if one can.
    pub(super) no_control: Option<String>,
    /// Events.
    pub(super) columns: Vec<Columns>,
    /// What else the logs say.
    pub(super) remarks: Vec<Remark>,
    /// How machines are, as far as it changed.
    pub(super) states: Vec<State>,
}

/// Events of one machine, their ticks without a gap.
#[derive(Debug, Default, Serialize)]
pub(super) struct Columns {
    machine: u16,
    /// Of the first.
    tick: u64,
    /// A letter an event: internal, send, receive, other.
    kinds: String,
    at_steps: Vec<i64>,
    clock_steps: Vec<i64>,
    line_steps: Vec<i64>,
    /// For each send, its recipients.
    to: Vec<Vec<u16>>,
    /// For each receive: who sent the message, the clock of its send event, what waits behind it, and how long it
    /// waited in microseconds, -1 if the log does not say.
    from: Vec<u16>,
    sent: Vec<u64>,
    queues: Vec<u64>,
    waited: Vec<i64>,
    /// What events did to a store's data: the place of the event in these columns, and words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    texts: Vec<(usize, String)>,
    /// What was not ordinary: the place of the event in these columns, and recipients.
    odd: Vec<Odd>,
    #[serde(skip)]
    last: Last,
}

/// What did not go the ordinary way with a send's messages.
#[derive(Debug, Serialize)]
struct Odd {
    place: usize,
    dropped: Vec<u16>,
    lost: Vec<u16>,
    duplicated: Vec<u16>,
}

/// The event before, for differences.
#[derive(Debug, Default)]
struct Last {
    tick: u64,
    at: i64,
    clock: i64,
    line: i64,
}

impl Batch {
    /// Adds what the logs say.
    pub(super) fn add(&mut self, news: &[News]) {
        // By machine the place of the columns that its next event belongs to.
        let mut open: BTreeMap<MachineId, usize> = BTreeMap::new();
        for News { machine, what } in news {
            let What::Record { line, at, record } = what else {
                continue;
            };
            let Record::Event(event) = record else {
                self.remarks.extend(Remark::new(*machine, *line, *at, record));
                continue;
            };
            let place = open.get(machine).copied().filter(|place| {
                let columns = self.columns.get(*place);
                columns.is_some_and(|columns| columns.last.tick.checked_add(1) == Some(event.tick))
            });
            let place = place.unwrap_or(self.columns.len());
            if place == self.columns.len() {
                self.columns.push(Columns {
                    machine: machine.0,
                    tick: event.tick,
                    ..Columns::default()
                });
                open.insert(*machine, place);
            }
            if let Some(columns) = self.columns.get_mut(place) {
                columns.push(*line, *at, event);
            }
        }
    }

    /// Whether it says nothing that a browser does not know.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.remarks.is_empty() && self.states.is_empty() && !self.fresh
    }
}

impl Columns {
    fn push(&mut self, line: u64, at: WallTime, event: &Event) {
        let (clock, line) = (signed(event.clock), signed(line));
        self.at_steps.push(at.0.wrapping_sub(self.last.at));
        self.clock_steps.push(clock.wrapping_sub(self.last.clock));
        self.line_steps.push(line.wrapping_sub(self.last.line));
        self.last = Last {
            tick: event.tick,
            at: at.0,
            clock,
            line,
        };
        let place = self.kinds.len();
        if let Some(change) = &event.store {
            self.texts.push((place, change.to_string()));
        }
        match &event.kind {
            Kind::Internal => self.kinds.push('i'),
            Kind::Other => self.kinds.push('o'),
            Kind::Send { to, mishaps } => {
                self.kinds.push('s');
                self.to.push(ids(to));
                let odd = mishaps.as_deref().map(|mishaps| Odd::new(place, mishaps));
                self.odd.extend(odd.filter(Odd::is_any));
            }
            Kind::Receive {
                from,
                sent,
                queue,
                waited_us,
            } => {
                self.kinds.push('r');
                self.from.push(from.0);
                self.sent.push(*sent);
                self.queues.push(*queue);
                self.waited.push(waited_us.map_or(-1, signed));
            }
        }
    }
}

impl Odd {
    fn new(place: usize, mishaps: &Mishaps) -> Self {
        Self {
            place,
            dropped: ids(&mishaps.dropped),
            lost: ids(&mishaps.lost),
            duplicated: ids(&mishaps.duplicated),
        }
    }

    fn is_any(&self) -> bool {
        !(self.dropped.is_empty() && self.lost.is_empty() && self.duplicated.is_empty())
    }
}

fn ids(machines: &Recipients) -> Vec<u16> {
    machines.iter().map(|machine| machine.0).collect()
}

/// A browser's whole numbers are exact up to 2^53; clocks beyond it are shown rounded.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
