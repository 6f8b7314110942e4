//! `past` and `future`: the causal cone of an event.

use std::fmt;

use serde::Serialize;

use super::{
    EventView, ROWS_SHOWN_MAX, RunView, Scene,
    text::{Columns, counted, sentence},
};
use crate::inspect::{
    causality::{Causality, Side},
    history::EventId,
};

/// Events that a list shows unless all are asked for.
pub const EVENTS_LISTED_MAX: usize = 40;

/// Which events of the cone are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// None.
    None,
    /// The [`EVENTS_LISTED_MAX`] that are nearest to the event.
    Nearest,
    /// All.
    All,
}

/// One side of an event's cone.
#[derive(Clone, Debug, Serialize)]
pub struct ConeReport {
    /// What was asked.
    pub run: RunView,
    /// The event, which is not in the cone.
    pub event: EventView,
    /// `past` or `future`.
    pub side: &'static str,
    /// How many events the cone has.
    pub count: u64,
    /// How many events are concurrent with the event.
    pub concurrent: u64,
    /// Each machine's part.
    pub machines: Vec<ConeMachine>,
    /// The events of the cone that were asked for, causes before effects.
    pub listed: Option<Vec<EventView>>,
    /// How many more there are: in a past the earliest, in a future the latest.
    pub left_out: u64,
}

/// One machine's part of a cone.
#[derive(Clone, Debug, Serialize)]
pub struct ConeMachine {
    /// The machine.
    pub machine: String,
    /// How many of its events are in the cone.
    pub count: u32,
    /// How many it has.
    pub events: u32,
    /// Of a past its last event in it, of a future its first.
    pub edge: Option<EventView>,
}

impl ConeReport {
    /// Asks for one side of an event's cone.
    #[must_use]
    pub fn new(causality: &Causality<'_>, event: EventId, side: Side, listing: Listing) -> Self {
        let scene = Scene::new(causality);
        let cone = causality.cone(event, side);
        let limit = match listing {
            Listing::None => 0,
            Listing::Nearest => EVENTS_LISTED_MAX,
            Listing::All => usize::MAX,
        };
        let mut listed: Vec<EventView> = causality
            .nearest(&cone)
            .take(limit)
            .map(|id| scene.event(id))
            .collect();
        if side == Side::Past {
            listed.reverse();
        }
        let parts = (0..).zip(cone.counts.iter().zip(&cone.edge));
        let machines = parts.map(|(process, (count, edge))| ConeMachine {
            machine: scene.machine(process),
            count: *count,
            events: causality.history().events_of(process),
            edge: edge.map(|index| scene.event(EventId { process, index })),
        });
        Self {
            run: scene.run(),
            event: scene.event(event),
            side: match side {
                Side::Past => "past",
                Side::Future => "future",
            },
            count: cone.len(),
            concurrent: causality.concurrent_with(event),
            machines: machines.collect(),
            left_out: cone.len().saturating_sub(listed.len() as u64),
            listed: (listing != Listing::None).then_some(listed),
        }
    }
}

impl fmt::Display for ConeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.run.heading())?;
        let name = &self.event.event;
        let (relation, edge) = match self.side {
            "past" => (format!("happened before {name}"), "last one known"),
            _ => (
                format!("happened after {name} and could know of it"),
                "first to know",
            ),
        };
        let text = format!(
            "The {} of {name}: {} of {} {relation}; concurrent with it: {}.",
            self.side,
            self.count,
            counted(self.run.events, "event"),
            self.concurrent
        );
        f.write_str(&sentence(&text, 0))?;
        let in_cone = format!("in the {}", self.side);
        let heading = ["machine", &in_cone, "of its events", edge, "seconds", "log line"];
        let mut columns = Columns::new(heading, [1, 1, 1, 0, 1, 0]);
        for part in self.machines.iter().take(ROWS_SHOWN_MAX) {
            let dash = || "-".to_owned();
            columns.push([
                part.machine.clone(),
                part.count.to_string(),
                part.events.to_string(),
                part.edge.as_ref().map_or_else(dash, |edge| edge.event.clone()),
                part.edge.as_ref().map_or_else(dash, EventView::seconds),
                part.edge.as_ref().map_or_else(dash, EventView::place),
            ]);
        }
        write!(f, "\n{}", columns.render())?;
        if let Some(more @ 1..) = self.machines.len().checked_sub(ROWS_SHOWN_MAX) {
            writeln!(f, "  and {more} more machines; --json has them")?;
        }
        if let Some(listed) = &self.listed {
            writeln!(f)?;
            let mut columns = Columns::new(["event", "seconds", "log line", "what happens"], [0, 1, 0, 0]);
            for event in listed {
                let place = event.place();
                columns.push([event.event.clone(), event.seconds(), place, event.what.clone()]);
            }
            let left_out = match (self.left_out, self.side) {
                (0, _) => String::new(),
                (more, "past") => format!(
                    "  {} left out; --all lists them\n",
                    counted(more, "earlier event")
                ),
                (more, _) => format!("  {} left out; --all lists them\n", counted(more, "later event")),
            };
            if self.side == "past" {
                f.write_str(&left_out)?;
            }
            f.write_str(&columns.render())?;
            if self.side != "past" {
                f.write_str(&left_out)?;
            }
        }
        f.write_str(&self.run.notes())
    }
}
