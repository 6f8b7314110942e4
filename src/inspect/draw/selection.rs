//! Which part of a run is shown: a stretch of each chosen process, and in words what was left out.
//!
//! What a person chose ([`Choice`]) is resolved once against a history and the limits of a picture
//! ([`Limits`]). A stretch is a range of indices, so a log whose times go back is still shown whole between the
//! first and the last event that the window names. Nothing is left out in silence: [`Selection::told`] says it.

use std::ops::Range;

use thiserror::Error;

use super::{plan::Axis, positions::Positions};
use crate::{
    inspect::{
        history::{EventId, History, NoSuchEvent},
        window::{NothingInWindow, Window, end_of, start_of},
        words::thousands,
    },
    trace::WallTime,
};

/// What to show, as a person chooses it; by default everything that the limits allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only this stretch of time.
    pub window: Option<Window>,
    /// Only these processes, by name; empty: all.
    pub processes: Vec<String>,
    /// Of all this, only the last events.
    pub last: Option<usize>,
    /// By which axis events are first or last; logs without times know the logical one only.
    pub axis: Axis,
}

/// A choice that does not fit the run.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ChoiceError {
    /// A process that is not there.
    #[error("--machines: {0}")]
    Process(#[from] NoSuchEvent),
    /// A window that chooses nothing.
    #[error(transparent)]
    Window(#[from] NothingInWindow),
}

/// How much a picture can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most processes.
    pub processes: usize,
    /// Most events.
    pub events: usize,
    /// Most events where nothing was chosen: what a reader can take in at once.
    pub stretch: usize,
    /// Who sets the limits, for the words that say so.
    pub picture: &'static str,
}

impl Limits {
    /// A static picture: lines of readable height, marks that can be told apart in a wide picture.
    pub const SVG: Self = Self {
        processes: 64,
        events: 5_000,
        stretch: 150,
        picture: "a static picture",
    };
    /// The viewer: what a browser lays out in half a second and keeps in some hundred megabytes.
    pub const HTML: Self = Self {
        processes: 1_000,
        events: 400_000,
        stretch: 400_000,
        picture: "the page",
    };
}

/// The shown stretch of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The process.
    pub process: u32,
    /// Its first event that is shown.
    pub first: u32,
    /// Behind its last event that is shown.
    pub end: u32,
}

/// The part of a history that a picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The shown processes, in the order of the history.
    pub shown: Vec<Shown>,
    /// The stretch of time, where one was chosen or had to be: its first moment and the one behind its last.
    pub window: Option<(WallTime, WallTime)>,
    /// What was left out, and how to see it; empty if nothing was.
    pub told: Vec<String>,
}

impl Selection {
    /// How many events are shown.
    #[must_use]
    pub fn events(&self) -> usize {
        self.shown
            .iter()
            .map(|shown| (shown.end - shown.first) as usize)
            .sum()
    }

    /// The place of a process among those shown.
    #[must_use]
    pub fn row_of(&self, process: u32) -> Option<usize> {
        self.shown
            .binary_search_by_key(&process, |shown| shown.process)
            .ok()
    }

    /// Whether an event is shown.
    #[must_use]
    pub fn has(&self, id: EventId) -> bool {
        let shown = self.row_of(id.process).and_then(|row| self.shown.get(row));
        shown.is_some_and(|shown| (shown.first..shown.end).contains(&id.index))
    }

    /// The shown events, process by process.
    pub fn ids(&self) -> impl Iterator<Item = EventId> + '_ {
        self.shown.iter().flat_map(|shown| {
            let process = shown.process;
            (shown.first..shown.end).map(move |index| EventId { process, index })
        })
    }
}

/// What to say of messages that are left out because a process at their other end is not shown.
pub(super) fn elsewhere(history: &History, selection: &Selection) -> Option<String> {
    let seen = |id: EventId| selection.has(id);
    let is_shown = |process: u32| selection.row_of(process).is_some();
    let count = history
        .messages()
        .iter()
        .filter(|message| seen(message.send) || message.receive().is_some_and(seen))
        .filter(|message| !is_shown(message.send.process) || !is_shown(message.to))
        .count();
    let text = "messages from or to machines that are not shown are not drawn.";
    (count > 0).then(|| format!("{} {text}", thousands(count)))
}

impl Choice {
    /// What this choice shows of a history within limits.
    ///
    /// # Errors
    /// [`ChoiceError`] if it names what is not there.
    pub fn of(
        &self,
        history: &History,
        positions: &Positions,
        limits: &Limits,
    ) -> Result<Selection, ChoiceError> {
        let mut making = Making {
            history,
            positions,
            limits,
            axis: if history.has_times() {
                self.axis
            } else {
                Axis::Clock
            },
            selection: Selection {
                shown: Vec::new(),
                window: None,
                told: Vec::new(),
            },
        };
        making.processes(self)?;
        making.window(self.window)?;
        let chosen = making.selection.events();
        let most = if self.window.is_none() && self.last.is_none() {
            limits.stretch
        } else {
            limits.events
        };
        match self.last.map(|last| last.min(limits.events)) {
            Some(last) if last < chosen => making.keep_last(last, chosen),
            None if chosen > most => making.keep_first(most, chosen),
            Some(_) | None => {}
        }
        Ok(making.selection)
    }
}

/// What events are put in order by: their place on the axis, on their process, and their process.
type Key = (i64, u32, u32);

/// A selection being made.
struct Making<'a> {
    history: &'a History,
    positions: &'a Positions,
    limits: &'a Limits,
    axis: Axis,
    selection: Selection,
}

impl Making<'_> {
    fn processes(&mut self, choice: &Choice) -> Result<(), ChoiceError> {
        let mut chosen = Vec::new();
        for name in &choice.processes {
            chosen.push(self.history.find_process(name)?);
        }
        chosen.sort_unstable();
        chosen.dedup();
        let all = self.history.processes.len();
        if chosen.is_empty() {
            chosen = self.history.process_ids().collect();
        } else if chosen.len() < all {
            self.tell(format!("{} of {all} machines, as chosen.", chosen.len()));
        }
        if chosen.len() > self.limits.processes {
            let (count, most) = (chosen.len(), self.limits.processes);
            chosen.truncate(most);
            self.tell(format!(
                "The first {most} of {count} machines: {} has room for no more; choose with --machines.",
                self.limits.picture
            ));
        }
        self.selection.shown = chosen
            .into_iter()
            .map(|process| Shown {
                process,
                first: 0,
                end: self.history.events_of(process),
            })
            .collect();
        Ok(())
    }

    fn window(&mut self, window: Option<Window>) -> Result<(), ChoiceError> {
        let Some(window) = window else { return Ok(()) };
        let before = self.selection.events();
        let shown = &mut self.selection.shown;
        let mut stretches: Vec<Range<u32>> = shown.iter().map(|shown| shown.first..shown.end).collect();
        let processes = shown.iter().map(|shown| shown.process);
        let (from, until) = window.narrow(self.history, processes.zip(&mut stretches))?;
        for (shown, stretch) in shown.iter_mut().zip(stretches) {
            (shown.first, shown.end) = (stretch.start, stretch.end);
        }
        let until = end_of(self.history).map_or(until, |end| until.min(end));
        self.selection.window = Some((from, until));
        let events = self.selection.events();
        if events < before {
            let stretch = self.stretch();
            self.tell(format!(
                "{}: {} of {} events, as chosen.",
                stretch.trim_start_matches(", "),
                thousands(events),
                thousands(before)
            ));
        }
        Ok(())
    }

    /// Where an event stands on the axis; of several at one place the earlier ones of their processes come first.
    fn key(&self, id: EventId) -> Key {
        let place = match self.axis {
            Axis::Time => self.at(id),
            Axis::Clock => i64::try_from(self.positions.logical(self.history, id)).unwrap_or(i64::MAX),
        };
        (place, id.index, id.process)
    }

    fn at(&self, id: EventId) -> i64 {
        let at = self.history.event(id).and_then(|event| event.at);
        at.map_or(0, |at| at.0)
    }

    /// Cuts each process down to the stretch from its first to its last event that is `wanted`.
    fn narrow(&mut self, wanted: impl Fn(&Self, EventId) -> bool) {
        let mut shown = std::mem::take(&mut self.selection.shown);
        for Shown { process, first, end } in &mut shown {
            let process = *process;
            let is_wanted = |index: &u32| {
                let index = *index;
                wanted(self, EventId { process, index })
            };
            let found = (*first..*end).find(is_wanted);
            match found {
                Some(index) => {
                    *end = (index..*end).rev().find(is_wanted).map_or(index, |last| last + 1);
                    *first = index;
                }
                // Where it would be: behind what comes before.
                None => *end = *first,
            }
        }
        self.selection.shown = shown;
    }

    /// The keys of all events that are still shown, in order.
    fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.selection.ids().map(|id| self.key(id)).collect();
        keys.sort_unstable();
        keys
    }

    fn keep_first(&mut self, count: usize, of: usize) {
        let keys = self.keys();
        let Some(limit) = keys.get(count).copied() else {
            return;
        };
        self.narrow(|making, id| making.key(id) < limit);
        self.close(limit.0, true);
        let (stretch, why) = (self.stretch(), self.why(count));
        self.tell(format!(
            "The first {} of {} events{stretch}{why}; choose with --window or --last.",
            thousands(self.selection.events()),
            thousands(of)
        ));
    }

    fn keep_last(&mut self, count: usize, of: usize) {
        let keys = self.keys();
        let limit = keys
            .len()
            .checked_sub(count)
            .and_then(|place| keys.get(place))
            .copied();
        let Some(limit) = limit else { return };
        self.narrow(|making, id| making.key(id) >= limit);
        self.close(limit.0, false);
        let (stretch, why) = (self.stretch(), self.why(count));
        self.tell(format!(
            "The last {} of {} events{stretch}{why}.",
            thousands(self.selection.events()),
            thousands(of)
        ));
    }

    /// Why it is so many events, if that is the picture's limit.
    fn why(&self, count: usize) -> String {
        match count == self.limits.events {
            true => format!(": {} holds no more", self.limits.picture),
            false => String::new(),
        }
    }

    /// Lets the window end (or begin) at a moment.
    fn close(&mut self, limit: i64, is_end: bool) {
        let (Some(start), Some(end)) = (start_of(self.history), end_of(self.history)) else {
            return;
        };
        if self.axis == Axis::Clock {
            return;
        }
        let (from, until) = self.selection.window.unwrap_or((start, end));
        self.selection.window = Some(if is_end {
            (from, WallTime(limit))
        } else {
            (WallTime(limit), until)
        });
    }

    /// The window in words, if there is one.
    fn stretch(&self) -> String {
        let (Some((from, until)), Some(start), Some(end)) = (
            self.selection.window,
            start_of(self.history),
            end_of(self.history),
        ) else {
            return String::new();
        };
        format!(
            ", {} s to {} s of {} s",
            seconds(from.seconds_since(start)),
            seconds(until.seconds_since(start)),
            seconds(end.seconds_since(start))
        )
    }

    fn tell(&mut self, text: String) {
        self.selection.told.push(text);
    }
}

/// Seconds with as many decimals as say something.
fn seconds(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
