//! `cut`: is it consistent, what crosses it, and what its channels hold.

use std::fmt;

use serde::Serialize;

use super::{
    EventView, MessageView, ROWS_SHOWN_MAX, RunView, Scene,
    text::{Columns, counted, sentence},
};
use crate::{
    inspect::{
        causality::{Causality, Channel, Cut, NoTimes, Place},
        history::EventId,
    },
    trace::WallTime,
};

/// Messages that cross a cut backwards and are told.
const CROSSING_SHOWN_MAX: usize = 20;

/// Send events of a channel's messages that are named.
const SENDS_SHOWN_MAX: usize = 5;

/// Which cut is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All events.
    End,
    /// Up to these events; machines without one contribute nothing.
    Events(Vec<EventId>),
    /// Before this moment.
    At(WallTime),
}

/// A cut and its state.
#[derive(Clone, Debug, Serialize)]
pub struct CutReport {
    /// What was asked.
    pub run: RunView,
    /// `end`, `events` or `time`.
    pub asked: &'static str,
    /// With `time`: the moment.
    pub at: Option<String>,
    /// With `time`: the same, after the run's start.
    pub after_start_us: Option<i64>,
    /// Whether the cut is consistent.
    pub consistent: bool,
    /// How many messages are received in the cut and sent outside of it.
    pub crossing: u64,
    /// The first of them.
    pub crossing_first: Vec<MessageView>,
    /// How many events are in the cut.
    pub events: u64,
    /// How many are in the largest consistent cut inside it.
    pub consistent_events: u64,
    /// Each machine's part.
    pub machines: Vec<CutMachine>,
    /// The channels that are not empty at the largest consistent cut. Where that is smaller than what was asked
    /// for, each machine stands at its last event in it, also if a moment was asked for.
    pub channels: Vec<ChannelView>,
}

/// One machine's part of a cut.
#[derive(Clone, Debug, Serialize)]
pub struct CutMachine {
    /// The machine.
    pub machine: String,
    /// How many events it has.
    pub events: u32,
    /// How many of them are in the cut.
    pub asked: u32,
    /// How many of them are in the largest consistent cut inside it.
    pub consistent: u32,
    /// The last of these.
    pub last: Option<EventView>,
}

/// What a channel holds: messages sent in the cut and not received in it.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// The sender.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// On their way.
    pub in_flight: u64,
    /// In the recipient's queue.
    pub waiting: u64,
    /// On their way or in the queue: the logs do not say when they arrived.
    pub unsaid: u64,
    /// On their way or lost: no log says that they ever arrived.
    pub never_seen: u64,
    /// The first of their send events.
    pub sends: Vec<SendView>,
}

/// The send event of a message in a channel.
#[derive(Clone, Debug, Serialize)]
pub struct SendView {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// `in_flight`, `waiting`, `unsaid` or `never_seen`.
    pub place: &'static str,
}

impl CutReport {
    /// Asks for a cut.
    ///
    /// # Errors
    /// [`NoTimes`] if a moment is asked for and an event has no time.
    pub fn new(causality: &Causality<'_>, asked: &Asked) -> Result<Self, NoTimes> {
        let scene = Scene::new(causality);
        let (cut, kind, at) = match asked {
            Asked::End => (causality.cut_at_end(), "end", None),
            Asked::Events(last) => (causality.cut_after(last), "events", None),
            Asked::At(at) => (causality.cut_at(*at)?, "time", Some(*at)),
        };
        let crossing = causality.crossing(&cut, CROSSING_SHOWN_MAX);
        let largest = causality.largest_consistent(&cut);
        // A machine whose part became smaller is at its last event, not at the moment asked for.
        let moment = at.filter(|_| largest == cut);
        let channels = causality.channels(&largest, moment, SENDS_SHOWN_MAX);
        let messages = crossing.first.iter().map(|message| scene.message(message));
        Ok(Self {
            run: scene.run(),
            asked: kind,
            at: at.map(|at| at.to_string()),
            after_start_us: at.zip(scene.start).map(|(at, start)| at.us_since(start)),
            consistent: crossing.count == 0,
            crossing: crossing.count,
            crossing_first: messages.collect(),
            events: cut.len(),
            consistent_events: largest.len(),
            machines: scene.cut_machines(&cut, &largest),
            channels: channels.iter().map(|channel| scene.channel(channel)).collect(),
        })
    }

    fn total(&self, count: fn(&ChannelView) -> u64) -> u64 {
        self.channels.iter().map(count).sum()
    }

    fn machine_rows(&self) -> String {
        let heading = [
            "machine",
            "in it",
            "asked for",
            "of its events",
            "last event",
            "seconds",
            "log line",
        ];
        let mut columns = Columns::new(heading, [1, 1, 1, 1, 0, 1, 0]);
        for part in self.machines.iter().take(ROWS_SHOWN_MAX) {
            let dash = || "-".to_owned();
            columns.push([
                part.machine.clone(),
                part.consistent.to_string(),
                part.asked.to_string(),
                part.events.to_string(),
                part.last.as_ref().map_or_else(dash, |last| last.event.clone()),
                part.last.as_ref().map_or_else(dash, EventView::seconds),
                part.last.as_ref().map_or_else(dash, EventView::place),
            ]);
        }
        columns.render() + &more(self.machines.len(), "machines")
    }

    fn crossing_rows(&self) -> String {
        let heading = ["sent outside by", "log line", "received inside by", "log line"];
        let mut columns = Columns::new(heading, [0; 4]);
        for message in &self.crossing_first {
            let receive = message.receive.as_ref();
            columns.push([
                message.send.event.clone(),
                message.send.place(),
                receive.map_or_else(String::new, |receive| receive.event.clone()),
                receive.map_or_else(String::new, EventView::place),
            ]);
        }
        let left_out = self.crossing.saturating_sub(self.crossing_first.len() as u64);
        let left_out = match left_out {
            0 => String::new(),
            more => format!("  and {more} more\n"),
        };
        columns.render() + &left_out
    }

    fn channel_rows(&self) -> String {
        let heading = [
            "from",
            "to",
            "in flight",
            "waiting",
            "unsaid",
            "never seen",
            "sent by",
        ];
        let mut columns = Columns::new(heading, [1, 1, 1, 1, 1, 1, 0]);
        for channel in self.channels.iter().take(ROWS_SHOWN_MAX) {
            let sends: Vec<&str> = channel
                .sends
                .iter()
                .map(|send| send.event.event.as_str())
                .collect();
            let left_out = channel.len().saturating_sub(sends.len() as u64);
            let left_out = match left_out {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            columns.push([
                channel.from.clone(),
                channel.to.clone(),
                channel.in_flight.to_string(),
                channel.waiting.to_string(),
                channel.unsaid.to_string(),
                channel.never_seen.to_string(),
                sends.join(", ") + &left_out,
            ]);
        }
        columns.render() + &more(self.channels.len(), "channels")
    }
}

/// What is said below a table that leaves rows out.
fn more(rows: usize, what: &str) -> String {
    match rows.saturating_sub(ROWS_SHOWN_MAX) {
        0 => String::new(),
        more => format!("  and {more} more {what}; --json has them\n"),
    }
}

impl ChannelView {
    /// How many messages the channel holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.in_flight + self.waiting + self.unsaid + self.never_seen
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Scene<'_> {
    fn cut_machines(&self, cut: &Cut, largest: &Cut) -> Vec<CutMachine> {
        let counts = (0..).zip(cut.counts.iter().zip(&largest.counts));
        counts
            .map(|(process, (asked, consistent))| CutMachine {
                machine: self.machine(process),
                events: self.causality.history().events_of(process),
                asked: *asked,
                consistent: *consistent,
                last: largest.last(process).map(|last| self.event(last)),
            })
            .collect()
    }

    fn channel(&self, channel: &Channel) -> ChannelView {
        let sends = channel.first.iter().map(|(message, place)| SendView {
            event: self.event(message.send),
            place: match place {
                Place::InFlight => "in_flight",
                Place::Waiting => "waiting",
                Place::Unsaid => "unsaid",
                Place::NeverSeen => "never_seen",
            },
        });
        ChannelView {
            from: self.machine(channel.from),
            to: self.machine(channel.to),
            in_flight: channel.count(Place::InFlight),
            waiting: channel.count(Place::Waiting),
            unsaid: channel.count(Place::Unsaid),
            never_seen: channel.count(Place::NeverSeen),
            sends: sends.collect(),
        }
    }
}

impl fmt::Display for CutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.run.heading())?;
        let which = match (self.asked, &self.at) {
            ("time", Some(at)) => {
                format!("at {at} ({} s)", super::text::seconds(self.after_start_us))
            }
            ("events", _) => "after the events named".to_owned(),
            _ => "at the end of the logs".to_owned(),
        };
        let (count, all) = (self.events, counted(self.run.events, "event"));
        // A moment can lie outside of the run; the cut then says nothing of it.
        let outside = match (self.asked, count) {
            ("time", 0) => Some("before the first event"),
            ("time", count) if count == self.run.events => Some("after the last event"),
            _ => None,
        };
        if let Some(outside) = outside {
            let text = format!("The moment asked for lies {outside} of these logs.");
            f.write_str(&sentence(&text, 0))?;
        }
        if self.consistent {
            let mut text = format!("The cut {which} is consistent: {count} of {all}.");
            if self.run.stray > 0 {
                let receives = counted(self.run.stray as u64, "receive");
                text += &format!(
                    " That is as far as these logs tell: {receives} in them match no message here, and what is \
                     missing may cross the cut."
                );
            }
            f.write_str(&sentence(&text, 0))?;
        } else {
            let crossing = counted(self.crossing, "message");
            let verb = if self.crossing == 1 { "crosses" } else { "cross" };
            let text = format!(
                "The cut {which}, {count} of {all}, is not consistent: {crossing} {verb} it backwards, received \
                 inside and sent outside."
            );
            f.write_str(&sentence(&text, 0))?;
            write!(f, "\n{}", self.crossing_rows())?;
            let text = format!(
                "The largest consistent cut inside it has {}.",
                counted(self.consistent_events, "event")
            );
            write!(f, "\n{}", sentence(&text, 0))?;
        }
        write!(f, "\n{}\n", self.machine_rows())?;
        let text = format!(
            "Sent in the cut and not received in it: {}: {} in flight, {} waiting in a queue, {} of which the logs \
             do not say whether they had arrived (unsaid), {} that no log ever saw arrive (never seen).",
            counted(self.total(ChannelView::len), "message"),
            self.total(|channel| channel.in_flight),
            self.total(|channel| channel.waiting),
            self.total(|channel| channel.unsaid),
            self.total(|channel| channel.never_seen),
        );
        if self.channels.is_empty() {
            writeln!(f, "No message is sent in the cut and not received in it.")?;
        } else {
            f.write_str(&sentence(&text, 0))?;
            write!(f, "\n{}", self.channel_rows())?;
        }
        f.write_str(&self.run.notes())
    }
}
