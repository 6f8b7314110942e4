//! A selection as the JSON text that the viewer reads.
//!
//! Columns, one entry an event or a message; those named `…_steps` hold the difference to the entry before
//! (of the first: to 0). Times are microseconds since `start`. Events are numbered through, row by row; behind
//! them come the events `beyond` the selection that shown messages begin or end at. `via` are hops from event to
//! event that go through what is not shown, so that past and future stay exact.
//!
//! The text is safe inside `<script type="application/json">`: it holds no `<`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    positions::Positions,
    queue,
    selection::{Selection, elsewhere},
};
use crate::{
    inspect::{
        history::{EventId, EventKind, Fate, History, Message},
        window::{end_of, start_of},
        words::thousands,
    },
    trace::WallTime,
};

/// What the first field says; a viewer refuses another.
pub const FORMAT: &str = "clocklab-diagram 1";

/// Most characters of another program's text for an event; a longer one ends in `…`.
pub const TEXT_CHARACTERS_MAX: usize = 300;

/// The greatest whole number up to which a browser's numbers are exact.
const EXACT_MAX: u64 = 1 << 53;

/// Most hops through what is not shown; beyond them the text says that relations may lack some.
pub const VIA_MAX: usize = 1_000_000;

#[derive(Serialize)]
struct Data<'a> {
    format: &'static str,
    run: &'a str,
    source: &'a str,
    /// Whether every event has a time.
    times: bool,
    /// Whether logical positions are the logs' clocks.
    clocks: bool,
    /// The zero of times, for people.
    start: Option<String>,
    end: Option<i64>,
    window: Option<[i64; 2]>,
    told: Vec<String>,
    notes: &'a [String],
    /// Of the whole run.
    events: usize,
    messages_of_run: usize,
    processes: Vec<Row<'a>>,
    messages: Messages,
    beyond: Beyond,
    via: Via,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    rate: Option<u32>,
    file: &'a str,
    /// Events in the log, and the place there of the first that is shown.
    events: u32,
    first: u32,
    started: Option<i64>,
    ended: Option<i64>,
    /// Messages waiting at the end, if the log says.
    waiting: Option<u64>,
    /// Messages waiting before the first shown event; `None` if the logs do not say.
    queue: Option<u32>,
    /// The queue as steps: when, and how many then wait.
    queue_at_steps: Vec<i64>,
    queue_waiting: Vec<u32>,
    at_steps: Vec<i64>,
    clock_steps: Vec<i64>,
    /// Logical positions where they are not the clocks.
    position_steps: Vec<i64>,
    line_steps: Vec<i64>,
    /// A letter an event: internal, send, receive, exchange (x), other.
    kinds: String,
    /// For each receive and exchange: messages waiting behind it, -1 if the log does not say.
    queues: Vec<i64>,
    texts: Vec<String>,
    /// Injected faults on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<FaultShown<'a>>,
}

#[derive(Serialize)]
struct FaultShown<'a> {
    id: u32,
    from: i64,
    until: Option<i64>,
    text: &'a str,
}

#[derive(Default, Serialize)]
struct Messages {
    /// The send event's number.
    send_steps: Vec<i64>,
    /// The row of the recipient.
    to: Vec<usize>,
    /// A letter a message: received, waiting, dropped, lost, unknown.
    fates: String,
    /// For each received one, the receive event's number.
    receive_steps: Vec<i64>,
    /// For each received one, microseconds in the queue; -1 if the log does not say.
    waited: Vec<i64>,
}

#[derive(Default, Serialize)]
struct Beyond {
    row: Vec<usize>,
    index: Vec<u32>,
    at: Vec<i64>,
    clock: Vec<u64>,
    position: Vec<u64>,
    line: Vec<u32>,
}

#[derive(Default, Serialize)]
struct Via {
    from: Vec<i64>,
    to: Vec<i64>,
}

/// The JSON text of a selection.
#[must_use]
pub fn data(history: &History, positions: &Positions, selection: &Selection) -> String {
    let start = start_of(history).filter(|_| history.has_times());
    let since = |at: WallTime| at.us_since(start.unwrap_or(at));
    let mut told = selection.told.clone();
    let mut making = Making::new(history, positions, selection, start);
    let rows: Vec<Row<'_>> = (0..selection.shown.len())
        .filter_map(|row| making.row(row))
        .collect();
    for message in history.messages() {
        making.message(message);
    }
    told.extend(elsewhere(history, selection));
    told.extend(rounded(history, selection));
    let via = making.via(&mut told);
    let data = Data {
        format: FORMAT,
        run: &history.name,
        source: &history.source,
        times: history.has_times(),
        clocks: positions.are_clocks(),
        start: start.map(|start| start.to_string()),
        end: start.and_then(|_| end_of(history)).map(since),
        window: selection.window.map(|(from, until)| [since(from), since(until)]),
        told,
        notes: &history.notes,
        events: history.len(),
        messages_of_run: history.messages().len(),
        processes: rows,
        messages: making.messages,
        beyond: making.beyond,
        via,
    };
    let text = serde_json::to_string(&data);
    assert!(
        text.is_ok(),
        "columns of numbers and texts are JSON: {:?}",
        text.err()
    );
    // Inside JSON, `<` occurs in texts only, where an escape means the same.
    text.unwrap_or_default().replace('<', "\\u003c")
}

/// A JSON text being made.
struct Making<'a> {
    history: &'a History,
    positions: &'a Positions,
    selection: &'a Selection,
    start: Option<WallTime>,
    /// By row: the number of its first event.
    firsts: Vec<usize>,
    /// The number behind the last shown event.
    shown: usize,
    numbers_beyond: BTreeMap<EventId, usize>,
    beyond: Beyond,
    messages: Messages,
    send: Steps,
    receive: Steps,
}

impl<'a> Making<'a> {
    fn new(
        history: &'a History,
        positions: &'a Positions,
        selection: &'a Selection,
        start: Option<WallTime>,
    ) -> Self {
        let mut firsts = Vec::new();
        let mut next = 0;
        for shown in &selection.shown {
            firsts.push(next);
            next += (shown.end - shown.first) as usize;
        }
        Self {
            history,
            positions,
            selection,
            start,
            firsts,
            shown: next,
            numbers_beyond: BTreeMap::new(),
            beyond: Beyond::default(),
            messages: Messages::default(),
            send: Steps::default(),
            receive: Steps::default(),
        }
    }

    fn since(&self, at: WallTime) -> i64 {
        at.us_since(self.start.unwrap_or(at))
    }

    fn row(&self, row: usize) -> Option<Row<'a>> {
        let shown = *self.selection.shown.get(row)?;
        let process = self.history.processes.get(shown.process as usize)?;
        let has_times = self.start.is_some();
        let steps = queue::steps_of(self.history, shown.process);
        let at_of = |index| {
            let id = EventId {
                process: shown.process,
                index,
            };
            self.history.event(id).and_then(|event| event.at).map(|at| at.0)
        };
        // Before the first shown event, and up to behind the last: what the window shows.
        let window = self.selection.window.map(|(from, until)| (from.0, until.0));
        let (from, until) = window.unwrap_or((
            at_of(shown.first).filter(|_| shown.first > 0).unwrap_or(i64::MIN),
            i64::MAX,
        ));
        let inside = |step: &&queue::Step| (from..=until).contains(&step.at);
        let (mut queue_at, mut queue_waiting) = (Steps::default(), Vec::new());
        for step in steps.iter().filter(inside).filter(|_| has_times) {
            queue_at.push(self.since(WallTime(step.at)));
            queue_waiting.push(step.waiting);
        }
        let mut result = Row {
            name: &process.name,
            rate: process.rate,
            file: &process.file,
            events: self.history.events_of(shown.process),
            first: shown.first,
            started: process.started.filter(|_| has_times).map(|at| self.since(at)),
            ended: process.ended.filter(|_| has_times).map(|at| self.since(at)),
            waiting: process.waiting,
            queue: (!steps.is_empty()).then(|| queue::waiting_at(&steps, from.saturating_sub(1))),
            queue_at_steps: queue_at.steps,
            queue_waiting,
            at_steps: Vec::new(),
            clock_steps: Vec::new(),
            position_steps: Vec::new(),
            line_steps: Vec::new(),
            kinds: String::new(),
            queues: Vec::new(),
            texts: Vec::new(),
            faults: self.faults(shown.process),
        };
        self.columns(&mut result, shown.process, shown.first..shown.end);
        Some(result)
    }

    fn faults(&self, process: u32) -> Vec<FaultShown<'a>> {
        let breaks = self.history.breaks_of(process).filter(|_| self.start.is_some());
        let shown = breaks.map(|found| FaultShown {
            id: found.id,
            from: self.since(found.from),
            until: found.until.map(|until| self.since(until)),
            text: &found.text,
        });
        shown.collect()
    }

    fn columns(&self, row: &mut Row<'_>, process: u32, range: std::ops::Range<u32>) {
        let [mut at, mut clock, mut position, mut line] = [(); 4].map(|()| Steps::default());
        for index in range {
            let id = EventId { process, index };
            let Some(event) = self.history.event(id) else {
                continue;
            };
            if let Some(moment) = event.at.filter(|_| self.start.is_some()) {
                at.push(self.since(moment));
            }
            clock.push(signed(event.clock));
            if !self.positions.are_clocks() {
                position.push(signed(self.positions.logical(self.history, id)));
            }
            line.push(i64::from(event.line));
            row.kinds.push(match event.kind {
                EventKind::Internal => 'i',
                EventKind::Send => 's',
                EventKind::Receive => 'r',
                EventKind::Exchange => 'x',
                EventKind::Other => 'o',
            });
            if matches!(event.kind, EventKind::Receive | EventKind::Exchange) {
                row.queues.push(event.queue.map_or(-1, i64::from));
            }
            if let Some(text) = self.history.text(id) {
                row.texts.push(shortened(text));
            }
        }
        row.at_steps = at.steps;
        row.clock_steps = clock.steps;
        row.position_steps = position.steps;
        row.line_steps = line.steps;
    }

    /// A message one of whose ends is shown.
    fn message(&mut self, message: &Message) {
        let receive = message.receive();
        let seen = self.selection.has(message.send) || receive.is_some_and(|id| self.selection.has(id));
        let rows = (
            self.selection.row_of(message.send.process),
            self.selection.row_of(message.to),
        );
        let (true, (Some(_), Some(to))) = (seen, rows) else {
            return;
        };
        let send = self.number(message.send);
        self.send.push(send);
        self.messages.to.push(to);
        self.messages.fates.push(match message.fate {
            Fate::Received(_) => 'r',
            Fate::Waiting => 'w',
            Fate::Dropped => 'd',
            Fate::Lost => 'l',
            Fate::Unknown => 'u',
        });
        if let Some(receive) = receive {
            let receive = self.number(receive);
            self.receive.push(receive);
            self.messages.waited.push(message.waited_us.map_or(-1, signed));
        }
    }

    /// The number of an event; one that is not shown gets one behind all others.
    fn number(&mut self, id: EventId) -> i64 {
        let row = self.selection.row_of(id.process);
        let first = row.and_then(|row| Some((*self.firsts.get(row)?, self.selection.shown.get(row)?.first)));
        if let Some((start, first)) = first
            && self.selection.has(id)
        {
            return signed((start + (id.index - first) as usize) as u64);
        }
        let next = self.shown + self.numbers_beyond.len();
        let number = *self.numbers_beyond.entry(id).or_insert(next);
        if number == next
            && let (Some(row), Some(event)) = (row, self.history.event(id))
        {
            self.beyond.row.push(row);
            self.beyond.index.push(id.index);
            let at = event.at.filter(|_| self.start.is_some()).map(|at| self.since(at));
            self.beyond.at.extend(at);
            self.beyond.clock.push(event.clock);
            self.beyond
                .position
                .push(self.positions.logical(self.history, id));
            self.beyond.line.push(event.line);
        }
        signed(number as u64)
    }

    /// The hops through what is not shown, and the columns of messages, which are complete by now.
    fn via(&mut self, told: &mut Vec<String>) -> Via {
        self.messages.send_steps = std::mem::take(&mut self.send.steps);
        self.messages.receive_steps = std::mem::take(&mut self.receive.steps);
        let mut via = Via::default();
        if self.shown == self.history.len() {
            return via;
        }
        let (history, selection, firsts) = (self.history, self.selection, &self.firsts);
        let rows = selection.shown.len();
        // By row and row: how much the first is known to know of the second.
        let mut known = vec![0_u32; rows * rows];
        let mut left = 0_usize;
        history.each_in_causal_order(|id, vector| {
            let (true, Some(own)) = (selection.has(id), selection.row_of(id.process)) else {
                return;
            };
            let before = id.index.checked_sub(1).map(|index| EventId { index, ..id });
            let from_outside = before.is_some_and(|before| !selection.has(before))
                || history
                    .received_by(id)
                    .any(|message| !selection.has(message.send));
            if !from_outside {
                return;
            }
            for (row, shown) in selection.shown.iter().enumerate().filter(|(row, _)| *row != own) {
                let count = vector
                    .get(shown.process as usize)
                    .map_or(0, |count| (*count).min(shown.end));
                let known = known.get_mut(own * rows + row).filter(|known| **known < count);
                let (Some(known), true) = (known, count > shown.first) else {
                    continue;
                };
                *known = count;
                if via.from.len() >= VIA_MAX {
                    left += 1;
                    continue;
                }
                let number = |row: usize, index: u32| {
                    let (first, shown) = (firsts.get(row), selection.shown.get(row));
                    let inside = shown.map_or(0, |shown| index.saturating_sub(shown.first));
                    signed((first.copied().unwrap_or(0) + inside as usize) as u64)
                };
                via.from.push(number(row, count - 1));
                via.to.push(number(own, id.index));
            }
        });
        if left > 0 {
            told.push(format!(
                "Paths through what is not shown: {} are kept and {} are not; show more machines for exact relations.",
                thousands(VIA_MAX),
                thousands(left)
            ));
        }
        via
    }
}

/// What to say of clocks that the viewer cannot show exactly.
fn rounded(history: &History, selection: &Selection) -> Option<String> {
    let clocks = selection
        .ids()
        .filter_map(|id| history.event(id))
        .map(|event| event.clock);
    let count = clocks.filter(|clock| *clock > EXACT_MAX).count();
    (count > 0).then(|| {
        format!(
            "{} clocks over {} are shown rounded: a browser's numbers are not exact beyond.",
            thousands(count),
            thousands(EXACT_MAX)
        )
    })
}

/// A column of differences.
#[derive(Default)]
struct Steps {
    steps: Vec<i64>,
    last: i64,
}

impl Steps {
    fn push(&mut self, value: i64) {
        self.steps.push(value.wrapping_sub(self.last));
        self.last = value;
    }
}

/// JavaScript's whole numbers end long before: see [`rounded`].
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A text of another program within [`TEXT_CHARACTERS_MAX`].
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
