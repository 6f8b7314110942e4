//! The selected part of a history, and the same part as a history of its own.
//!
//! A consumer of vector clocks knows only what is in its file. So for it the part becomes a run of its own:
//! its events, their order on each process, and the messages of which both ends are in it. Vectors of that
//! run are right by construction. A receive whose send event is not in it becomes an event without a message,
//! and what happened before only through events that are not in it does not show.
//!
//! ```text
//!   process 0   x ──│── e1 ── e2          the part begins at the bar
//!                \  │     \
//!   process 1   ──\─│── e1 ── e2          e1 has lost its message, e2 has not
//! ```

use std::ops::Range;

use super::{
    Count, ExportError, Format, Selection,
    selection::{last, of_machines},
};
use crate::inspect::{
    history::{EventId, EventKind, Fate, History, HistoryBuilder, Message},
    words::thousands,
};

/// The selected events of a history.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) history: &'a History,
    /// By process: the places of its selected events.
    ranges: Vec<Range<u32>>,
}

/// A part as a run of its own.
#[derive(Debug)]
pub(super) struct Excerpt<'a> {
    /// The run; its processes are those of the whole that have an event in the part.
    pub(super) history: History,
    /// Where it comes from.
    pub(super) whole: &'a History,
    /// By process of the excerpt: its process in the whole, and the place of its first event there.
    origins: Vec<(u32, u32)>,
}

impl<'a> Part<'a> {
    /// Selects events, and notes what the consumer's limit leaves out.
    pub(super) fn select(
        history: &'a History,
        selection: &Selection,
        format: Format,
        notes: &mut Vec<String>,
    ) -> Result<Self, ExportError> {
        let mut ranges = of_machines(history, &selection.machines)?;
        if let Some(window) = selection.window {
            window.narrow(history, (0..).zip(&mut ranges))?;
        }
        let part = Part { history, ranges };
        let there = part.len();
        let mut ranges = part.ranges;
        let limit = format.limit();
        match (selection.count, limit) {
            (Count::Last(count), _) => last(history, count, &mut ranges),
            (Count::Fitting, Some(limit)) if there > limit.events => {
                last(history, limit.events, &mut ranges);
                notes.push(format!(
                    "only the last {} of {} events, for {}: {}; choose with --window or --last; --all exports everything",
                    thousands(limit.events),
                    thousands(there),
                    format.consumer(),
                    limit.why,
                ));
            }
            (Count::Fitting | Count::All, _) => {}
        }
        let part = Part { history, ranges };
        if let Some(limit) = limit
            && part.len() > limit.events
        {
            notes.push(format!(
                "{} events are much for {}, more than {}: {}",
                thousands(part.len()),
                format.consumer(),
                thousands(limit.events),
                limit.why,
            ));
        }
        Ok(part)
    }

    /// How many events are selected.
    pub(super) fn len(&self) -> u64 {
        let lengths = self.ranges.iter();
        lengths
            .map(|range| u64::from(range.end.saturating_sub(range.start)))
            .sum()
    }

    pub(super) fn holds(&self, id: EventId) -> bool {
        let range = self.ranges.get(id.process as usize);
        range.is_some_and(|range| range.contains(&id.index))
    }

    /// The selected events, process by process.
    pub(super) fn ids(&self) -> impl Iterator<Item = EventId> + '_ {
        (0..)
            .zip(&self.ranges)
            .flat_map(|(process, range)| range.clone().map(move |index| EventId { process, index }))
    }

    /// Messages of which both ends are selected.
    pub(super) fn messages(&self) -> u64 {
        let both = |message: &&Message| {
            self.holds(message.send) && message.receive().is_some_and(|receive| self.holds(receive))
        };
        self.history.messages().iter().filter(both).count() as u64
    }

    /// The part as a run of its own.
    pub(super) fn excerpt(&self) -> Excerpt<'a> {
        let mut builder = HistoryBuilder::default();
        let mut origins = Vec::new();
        // By process of the whole: its process in the excerpt.
        let mut places: Vec<Option<u32>> = vec![None; self.ranges.len()];
        for ((process, range), place) in (0..).zip(&self.ranges).zip(&mut places) {
            if let Some(whole) = self.history.processes.get(process as usize)
                && !range.is_empty()
            {
                *place = Some(builder.process(whole.clone()));
                origins.push((process, range.start));
            }
        }
        let place_of = |process: u32| places.get(process as usize).copied().flatten();
        let inside = |id: EventId| {
            let range = self.ranges.get(id.process as usize).filter(|_| self.holds(id))?;
            let index = id.index.checked_sub(range.start)?;
            Some(EventId {
                process: place_of(id.process)?,
                index,
            })
        };
        for id in self.ids() {
            if let (Some(process), Some(event)) = (place_of(id.process), self.history.event(id)) {
                builder.event(process, event);
            }
        }
        for message in self.history.messages() {
            let (Some(send), Some(to)) = (inside(message.send), place_of(message.to)) else {
                continue;
            };
            let fate = match message.fate {
                Fate::Received(receive) => inside(receive).map_or(Fate::Unknown, Fate::Received),
                Fate::Waiting | Fate::Dropped | Fate::Lost | Fate::Unknown => message.fate,
            };
            builder.message(Message {
                send,
                to,
                fate,
                ..*message
            });
        }
        Excerpt {
            history: builder.finish(self.history.name.clone(), self.history.source.clone()),
            whole: self.history,
            origins,
        }
    }
}

impl Excerpt<'_> {
    /// An event's place in the whole.
    pub(super) fn original(&self, id: EventId) -> EventId {
        let origin = self.origins.get(id.process as usize).copied();
        let (process, start) = origin.unwrap_or_default();
        EventId {
            process,
            index: start.saturating_add(id.index),
        }
    }

    /// Messages of which both ends are in it.
    pub(super) fn messages(&self) -> u64 {
        self.history.received().count() as u64
    }

    /// A note about the receives whose messages are not in it, if there are any.
    pub(super) fn note_of_loose_receives(&self) -> Option<String> {
        let is_receive = |id: &EventId| {
            let event = self.history.event(*id);
            event.is_some_and(|event| event.kind == EventKind::Receive)
        };
        let receives = self.history.ids().filter(is_receive);
        let loose = receives
            .filter(|id| self.history.received_by(*id).next().is_none())
            .count();
        (loose > 0).then(|| {
            let (are, their) = if loose == 1 {
                ("receive is", "its send event is")
            } else {
                ("receives are", "their send events are")
            };
            format!(
                "{} {are} written without a message: {their} not in the export",
                thousands(loose as u64)
            )
        })
    }

    /// What an event is, in words: what another program's log says, or kind and partners.
    pub(super) fn describe(&self, id: EventId) -> String {
        describe(self.whole, self.original(id))
    }
}

/// Partners that a description names.
const PARTNERS_SHOWN_MAX: usize = 12;

/// What an event is, in words, on one line.
fn describe(history: &History, id: EventId) -> String {
    if let Some(text) = history.text(id).filter(|text| !text.trim().is_empty()) {
        return text.replace(char::is_control, " ");
    }
    let kind = history.event(id).map_or(EventKind::Other, |event| event.kind);
    let from: Vec<String> = history
        .received_by(id)
        .map(|message| history.name_of(message.send))
        .collect();
    let recipient = |to: u32| {
        let process = history.processes.get(to as usize);
        process.map_or_else(String::new, |process| process.name.clone())
    };
    let to: Vec<String> = history.recipients_of(id).map(recipient).collect();
    let mut text = kind.word().to_owned();
    for (word, names) in [(" from ", from), (" to ", to)] {
        if let Some((last, _)) = names.split_at_checked(PARTNERS_SHOWN_MAX)
            && names.len() > PARTNERS_SHOWN_MAX
        {
            text += &format!(
                "{word}{} and {} more",
                last.join(", "),
                names.len() - PARTNERS_SHOWN_MAX
            );
        } else if !names.is_empty() {
            text += &format!("{word}{}", names.join(", "));
        }
    }
    text
}
