//! Where everything of a static picture goes: the horizontal scale, and a lane for each process.
//!
//! ```text
//!   lane   |          _____
//!          |   ______/     \___      queue band, growing upwards from the line
//!          |  --o----x-----o---o--   the process's line
//!          |    17         19        clocks, where there is room
//! ```

use super::{
    positions::Positions,
    queue::{self, Step},
    selection::{Selection, Shown},
};
use crate::inspect::{
    history::{EventId, EventKind, History, Message},
    window::{end_of, start_of},
};

/// What the horizontal axis shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Seconds since the run's start.
    #[default]
    Time,
    /// Logical time.
    Clock,
}

/// Size of the picture and of its parts, in pixels.
pub(super) const WIDTH: f64 = 1200.0;
pub(super) const LEFT: f64 = 164.0;
pub(super) const RIGHT: f64 = WIDTH - 28.0;
const LANES_HEIGHT: f64 = 400.0;
const LANE_HEIGHT_MAX: f64 = 132.0;
const LANE_HEIGHT_MIN: f64 = 30.0;

/// Parts of a lane's height: down to the line, and what the highest band takes.
const LINE_PART: f64 = 0.72;
const BAND_PART: f64 = 0.56;

/// Parts of a lane's height that the shade of a fault takes above and beneath the line.
pub(super) const FAULT_ABOVE: f64 = 0.6;
pub(super) const FAULT_BENEATH: f64 = 0.24;

/// Most pixels that one waiting message is high.
const MESSAGE_HEIGHT_MAX: f64 = 9.0;

/// The shortest axis of time, in microseconds: where all happens at one moment, its ticks must still differ.
const SPAN_US_MIN: f64 = 20.0;

/// The horizontal scale: from values (microseconds since 1970, or logical time) to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) from: f64,
    pub(super) until: f64,
}

/// The lane of a process.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) shown: Shown,
    pub(super) line_y: f64,
    /// The queue over the axis: from where on, and how many wait.
    pub(super) band: Vec<(f64, u32)>,
    /// Most messages waiting in the picture.
    pub(super) waiting_max: u32,
    /// From where to where the process ran.
    pub(super) ran: (f64, f64),
    /// Whether its log says that it ended.
    pub(super) ended: bool,
    steps: Vec<Step>,
}

/// The whole arrangement.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) history: &'a History,
    pub(super) positions: &'a Positions,
    pub(super) selection: &'a Selection,
    pub(super) axis: Axis,
    pub(super) scale: Scale,
    pub(super) lanes: Vec<Lane>,
    pub(super) lane_height: f64,
    /// Beneath the lanes.
    pub(super) bottom: f64,
    /// Pixels that one waiting message is high, the same in all lanes.
    pub(super) message_height: f64,
    /// Radius of a mark.
    pub(super) radius: f64,
}

/// The three moments of a message on the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) sent: (f64, f64),
    pub(super) arrived: Option<(f64, f64)>,
    pub(super) taken: Option<(f64, f64)>,
    /// Messages waiting when it had arrived, itself included.
    pub(super) place: u32,
}

impl Scale {
    pub(super) fn x(self, value: f64) -> f64 {
        LEFT + (value - self.from) / (self.until - self.from) * (RIGHT - LEFT)
    }
}

#[expect(clippy::cast_precision_loss, reason = "pixels: the exact value is in the log")]
pub(super) fn approximate(value: i64) -> f64 {
    value as f64
}

fn position(value: u64) -> f64 {
    approximate(i64::try_from(value).unwrap_or(i64::MAX))
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        history: &'a History,
        positions: &'a Positions,
        selection: &'a Selection,
        axis: Axis,
        top: f64,
    ) -> Self {
        let lanes = u32::try_from(selection.shown.len().max(1)).unwrap_or(u32::MAX);
        let lane_height = (LANES_HEIGHT / f64::from(lanes)).clamp(LANE_HEIGHT_MIN, LANE_HEIGHT_MAX);
        let most = selection.shown.iter().map(|shown| shown.end - shown.first).max();
        let spacing = (RIGHT - LEFT) / f64::from(most.unwrap_or(1).max(1));
        let mut plan = Self {
            history,
            positions,
            selection,
            axis,
            scale: Scale {
                from: 0.0,
                until: 1.0,
            },
            lanes: Vec::new(),
            lane_height,
            bottom: top,
            message_height: MESSAGE_HEIGHT_MAX,
            radius: (spacing * 0.4).clamp(1.4, 5.0).min(lane_height / 9.0),
        };
        plan.scale = plan.scale();
        for shown in &selection.shown {
            let lane = plan.lane(*shown);
            plan.lanes.push(lane);
        }
        let most = plan.lanes.iter().map(|lane| lane.waiting_max).max().unwrap_or(0);
        plan.message_height = (lane_height * BAND_PART / f64::from(most.max(1))).min(MESSAGE_HEIGHT_MAX);
        // The first lane needs no more room above its line than its band takes.
        let first = plan.lanes.first().map_or(0, |lane| lane.waiting_max);
        let band = f64::from(first) * plan.message_height + plan.radius + 16.0;
        let broken = plan
            .lanes
            .first()
            .is_some_and(|lane| !plan.breaks(lane).is_empty());
        let shade = if broken { lane_height * FAULT_ABOVE } else { 0.0 };
        let mut line_y = top + band.max(shade);
        for lane in &mut plan.lanes {
            lane.line_y = line_y;
            line_y += lane_height;
        }
        plan.bottom = line_y - lane_height * LINE_PART;
        plan
    }

    fn scale(&self) -> Scale {
        if self.axis == Axis::Time {
            let whole = start_of(self.history).zip(end_of(self.history));
            if let Some((from, until)) = self.selection.window.or(whole) {
                let (from, until) = (approximate(from.0), approximate(until.0));
                return Scale {
                    from,
                    until: until.max(from + SPAN_US_MIN),
                };
            }
        }
        let values = || self.selection.ids().filter_map(|id| self.value(id));
        let (first, last) = (
            values().fold(f64::INFINITY, f64::min),
            values().fold(0.0, f64::max),
        );
        let first = if first.is_finite() { first } else { 0.0 };
        Scale {
            from: (first - 1.0).max(0.0),
            until: last.max(first) + 1.0,
        }
    }

    /// An event's place on the axis.
    pub(super) fn value(&self, id: EventId) -> Option<f64> {
        match self.axis {
            Axis::Time => self.history.event(id)?.at.map(|at| approximate(at.0)),
            Axis::Clock => Some(position(self.positions.logical(self.history, id))),
        }
    }

    fn lane(&self, shown: Shown) -> Lane {
        let process = self.history.processes.get(shown.process as usize);
        let steps = match self.axis {
            Axis::Time => queue::steps_of(self.history, shown.process),
            Axis::Clock => Vec::new(),
        };
        let mut band: Vec<(f64, u32)> = match self.axis {
            Axis::Time => steps
                .iter()
                .map(|step| (approximate(step.at), step.waiting))
                .collect(),
            Axis::Clock => self.counted(shown),
        };
        let before = band
            .partition_point(|(value, _)| *value <= self.scale.from)
            .saturating_sub(1);
        band.drain(..before);
        band.retain(|(value, _)| *value < self.scale.until);
        let waiting_max = band.iter().map(|(_, waiting)| *waiting).max().unwrap_or(0);
        let id = |index| EventId {
            process: shown.process,
            index,
        };
        let events = self.history.events_of(shown.process);
        let (first, last) = (
            self.value(id(0)),
            events.checked_sub(1).and_then(|last| self.value(id(last))),
        );
        let of_log = |at: Option<crate::trace::WallTime>| {
            at.filter(|_| self.axis == Axis::Time).map(|at| approximate(at.0))
        };
        let started = of_log(process.and_then(|process| process.started)).or(first);
        let ended = of_log(process.and_then(|process| process.ended)).or(last);
        Lane {
            shown,
            line_y: 0.0,
            band,
            waiting_max,
            ran: (
                started.unwrap_or(self.scale.from).max(self.scale.from),
                ended.unwrap_or(self.scale.from).min(self.scale.until),
            ),
            ended: self.axis == Axis::Time && process.is_some_and(|process| process.ended.is_some()),
            steps,
        }
    }

    /// The queue against logical time: what the log says behind each receive, and nothing at other events of a
    /// machine.
    fn counted(&self, shown: Shown) -> Vec<(f64, u32)> {
        let ids = (shown.first..shown.end).map(|index| EventId {
            process: shown.process,
            index,
        });
        let mut band: Vec<(f64, u32)> = Vec::new();
        for id in ids {
            let (Some(event), Some(value)) = (self.history.event(id), self.value(id)) else {
                continue;
            };
            let waiting = match event.kind {
                EventKind::Receive | EventKind::Exchange => event.queue,
                EventKind::Internal | EventKind::Send | EventKind::Other => {
                    band.last().map(|_| 0).filter(|_| self.history.text(id).is_none())
                }
            };
            if let Some(waiting) = waiting {
                band.push((value, waiting));
            }
        }
        band
    }

    pub(super) fn lane_of(&self, process: u32) -> Option<&Lane> {
        self.lanes.get(self.selection.row_of(process)?)
    }

    /// Where an event's mark is.
    pub(super) fn point(&self, id: EventId) -> Option<(f64, f64)> {
        Some((self.scale.x(self.value(id)?), self.lane_of(id.process)?.line_y))
    }

    /// Where the moments of a message are; `None` if one of its processes is not shown.
    pub(super) fn moments(&self, message: &Message) -> Option<Moments> {
        let sent = self.point(message.send)?;
        let to = self.lane_of(message.to)?;
        let taken = message.receive().and_then(|receive| self.point(receive));
        let arrived = self.history.arrived(message).filter(|_| self.axis == Axis::Time);
        Some(Moments {
            sent,
            arrived: match arrived {
                Some(at) => Some((self.scale.x(approximate(at.0)), to.line_y)),
                None => taken,
            },
            taken,
            place: arrived.map_or(0, |at| queue::waiting_at(&to.steps, at.0)),
        })
    }

    /// The messages of the picture: those with an end in it whose two processes are shown.
    pub(super) fn messages(&self) -> impl Iterator<Item = &'a Message> + '_ {
        self.history.messages().iter().filter(|message| {
            let receive = message
                .receive()
                .is_some_and(|receive| self.selection.has(receive));
            let seen = receive || self.selection.has(message.send);
            seen && [message.send.process, message.to]
                .iter()
                .all(|process| self.selection.row_of(*process).is_some())
        })
    }
}
