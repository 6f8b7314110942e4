//! Process lines, queue bands and messages of a static picture, and how a highlight changes them.
//!
//! A highlight tells past, future and concurrent apart by colour and by form, for print and for colour-blind
//! readers: the past is thick, the future thick and dashed, what is concurrent thin.

use super::{
    breaks::flash,
    element::{Pixels, Writer},
    plan::{LEFT, Lane, Plan, RIGHT},
    relation::{Borders, Relation},
};
use crate::inspect::{
    history::{EventId, Fate, Message},
    palette::{Palette, Rgb},
};

/// Length of the stub of a lost message, as a part of a lane's height, and how far aside it goes for each lane on
/// its way, in pixels: so it does not hide behind a message that arrived.
const STUB_PART: f64 = 0.36;
const STUB_ASIDE: f64 = 6.0;

/// Pixels that an arrow over other lanes is bent aside for each of them, so that it does not hide behind others.
const BEND: f64 = 7.0;

/// What is drawn with.
pub(super) struct Pen<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) colours: &'static Palette,
    pub(super) highlight: Option<&'a Borders>,
}

/// How a message looks.
struct Look {
    colour: Rgb,
    opacity: f64,
    width: f64,
}

impl Pen<'_> {
    pub(super) fn relation(&self, id: EventId) -> Option<Relation> {
        self.highlight.map(|borders| borders.relation(id))
    }

    pub(super) fn row_colour(&self, process: u32) -> Rgb {
        self.colours
            .line(self.plan.selection.row_of(process).unwrap_or(0))
    }

    /// The queue band of a lane.
    pub(super) fn band(&self, writer: &mut Writer, lane: &Lane) {
        let plan = self.plan;
        if lane.waiting_max == 0 {
            return;
        }
        let colour = match self.highlight {
            Some(_) => self.colours.concurrent,
            None => self.row_colour(lane.shown.process),
        };
        let end = plan.scale.x(lane.ran.1).min(RIGHT);
        let mut path = String::new();
        let mut level = 0.0;
        for (value, waiting) in &lane.band {
            let x = Pixels(plan.scale.x(*value).clamp(LEFT, RIGHT));
            let y = f64::from(*waiting) * plan.message_height;
            if path.is_empty() {
                path = format!("M{x} {}", Pixels(lane.line_y));
            }
            path += &format!("H{x}");
            if (y - level).abs() > 1e-9 {
                path += &format!("V{}", Pixels(lane.line_y - y));
                level = y;
            }
        }
        path += &format!("H{}V{}Z", Pixels(end.max(LEFT)), Pixels(lane.line_y));
        writer.empty(
            "path",
            &[
                ("class", &"queue"),
                ("d", &path),
                ("fill", &colour),
                ("fill-opacity", &0.2),
                ("stroke", &colour),
                ("stroke-opacity", &0.55),
                ("stroke-width", &0.8),
            ],
        );
    }

    /// The line of a lane: from its start to its end, with a bar where the log says that it ended.
    pub(super) fn line(&self, writer: &mut Writer, lane: &Lane) {
        let (from, until) = (self.plan.scale.x(lane.ran.0), self.plan.scale.x(lane.ran.1));
        let y = Pixels(lane.line_y);
        let guide = [
            ("x1", &Pixels(LEFT) as &dyn std::fmt::Display),
            ("x2", &Pixels(RIGHT)),
            ("y1", &y),
            ("y2", &y),
            ("stroke", &self.colours.grid),
        ];
        writer.empty("line", &guide);
        if until <= from {
            return;
        }
        for (from, until, relation) in self.stretches(lane, from, until) {
            let (colour, width, dash) = match relation {
                None => (self.row_colour(lane.shown.process), 2.0, "none"),
                Some(Relation::Past | Relation::Same) => (self.colours.past, 4.0, "none"),
                Some(Relation::Future) => (self.colours.future, 4.0, "7 3"),
                Some(Relation::Concurrent) => (self.colours.concurrent, 1.5, "none"),
            };
            writer.empty(
                "line",
                &[
                    ("class", &"process"),
                    ("x1", &Pixels(from)),
                    ("x2", &Pixels(until)),
                    ("y1", &y),
                    ("y2", &y),
                    ("stroke", &colour),
                    ("stroke-width", &width),
                    ("stroke-dasharray", &dash),
                ],
            );
        }
        if lane.ended && lane.ran.1 < self.plan.scale.until {
            let (top, bottom) = (Pixels(lane.line_y - 6.0), Pixels(lane.line_y + 6.0));
            let colour = self.row_colour(lane.shown.process);
            let end = Pixels(until);
            writer.empty(
                "line",
                &[
                    ("x1", &end),
                    ("x2", &end),
                    ("y1", &top),
                    ("y2", &bottom),
                    ("stroke", &colour),
                    ("stroke-width", &2.0),
                ],
            );
        }
    }

    /// The stretches of a lane's line by relation to the highlighted event.
    fn stretches(&self, lane: &Lane, from: f64, until: f64) -> Vec<(f64, f64, Option<Relation>)> {
        if self.highlight.is_none() {
            return vec![(from, until, None)];
        }
        let mut result: Vec<(f64, f64, Option<Relation>)> = Vec::new();
        let mut start = from;
        let mut current = None;
        for index in lane.shown.first..lane.shown.end {
            let id = EventId {
                process: lane.shown.process,
                index,
            };
            let Some((x, _)) = self.plan.point(id) else {
                continue;
            };
            let relation = self.relation(id).map(|relation| match relation {
                // The event ends its own past.
                Relation::Same => Relation::Past,
                other => other,
            });
            if relation == current {
                continue;
            }
            // The past reaches up to its last event, the future begins at its first; of the event's own line they
            // meet in the event.
            let before = index.checked_sub(1).map(|index| EventId { index, ..id });
            let is_own = before.is_some() && before == self.highlight.map(|borders| borders.event);
            let border = match current {
                Some(Relation::Past) => index
                    .checked_sub(1)
                    .and_then(|index| self.plan.point(EventId { index, ..id }))
                    .map_or(x, |(x, _)| x),
                _ if relation == Some(Relation::Future) => x,
                _ => x.min(start.max(from)),
            };
            result.push((start, border, current.or(Some(Relation::Concurrent))));
            if border < x && relation == Some(Relation::Future) && !is_own {
                result.push((border, x, Some(Relation::Concurrent)));
                start = x;
            } else {
                start = border;
            }
            current = relation;
        }
        result.push((start, until, current.or(Some(Relation::Concurrent))));
        result.retain(|(from, until, _)| until > from);
        result
    }

    fn look(&self, message: &Message) -> Look {
        let Some(borders) = self.highlight else {
            return Look {
                colour: self.row_colour(message.send.process),
                opacity: 0.85,
                width: 1.2,
            };
        };
        let receive = message.receive().map(|receive| borders.relation(receive));
        let (colour, width, opacity) = match (borders.relation(message.send), receive) {
            (_, Some(Relation::Past | Relation::Same)) => (self.colours.past, 1.9, 1.0),
            (Relation::Future | Relation::Same, _) => (self.colours.future, 1.9, 1.0),
            _ => (self.colours.concurrent, 0.9, 0.45),
        };
        Look {
            colour,
            opacity,
            width,
        }
    }

    /// A message: its arrow, its wait, or the stub of one that nobody took.
    pub(super) fn message(&self, writer: &mut Writer, message: &Message) {
        let Some(moments) = self.plan.moments(message) else {
            return;
        };
        let history = self.plan.history;
        let look = self.look(message);
        let to = history
            .processes
            .get(message.to as usize)
            .map_or("?", |process| &process.name);
        let (from, receive) = (history.name_of(message.send), message.receive());
        let (fate, end) = match message.fate {
            Fate::Received(receive) => ("received", history.name_of(receive)),
            Fate::Waiting => ("waiting", format!("machine {to}: waits at the end")),
            Fate::Dropped => ("dropped", format!("machine {to}: dropped, the link was down")),
            Fate::Lost => ("lost", format!("machine {to}: lost by an injected fault")),
            Fate::Unknown => (
                "unknown",
                format!("machine {to}: what became of it is not in the logs"),
            ),
        };
        writer.open(
            "g",
            &[
                ("class", &format!("message {fate}")),
                ("data-from", &from),
                (
                    "data-to",
                    &receive.map_or(to.to_owned(), |receive| history.name_of(receive)),
                ),
                ("stroke", &look.colour),
                ("fill", &"none"),
                ("stroke-width", &look.width),
                ("stroke-opacity", &look.opacity),
            ],
        );
        let waited = message.waited_us.map_or(String::new(), |waited| {
            format!(", {}.{:03} ms in the queue", waited / 1000, waited % 1000)
        });
        writer.leaf("title", &[], &format!("message {from} to {end}{waited}"));
        match (moments.arrived, moments.taken) {
            (Some(arrived), Some(taken)) => {
                self.arrow(writer, moments.sent, arrived, look.colour);
                let top = arrived.1 - f64::from(moments.place) * self.plan.message_height;
                self.wait(writer, (arrived.0, top), taken);
            }
            _ => self.stub(writer, message, moments.sent, look.colour),
        }
        writer.close("g");
    }

    fn arrow(&self, writer: &mut Writer, from: (f64, f64), to: (f64, f64), colour: Rgb) {
        let Some((start, end)) = clipped(from, to) else {
            return;
        };
        let lanes = ((to.1 - from.1).abs() / self.plan.lane_height).round();
        let is_whole = start == from && end == to;
        // Bent only where it passes other lanes and is nearly upright.
        let upright = (to.0 - from.0).abs() < 12.0;
        let bend = if is_whole && upright && lanes > 1.5 {
            (BEND * (lanes - 1.0))
                .min(28.0)
                .min(RIGHT + 14.0 - from.0.max(to.0))
        } else {
            0.0
        };
        let (x, y) = (
            f64::midpoint(start.0, end.0) + 2.0 * bend,
            f64::midpoint(start.1, end.1),
        );
        let path = if bend > 0.0 {
            format!(
                "M{} {}Q{} {} {} {}",
                Pixels(start.0),
                Pixels(start.1),
                Pixels(x),
                Pixels(y),
                Pixels(end.0),
                Pixels(end.1)
            )
        } else {
            format!(
                "M{} {}L{} {}",
                Pixels(start.0),
                Pixels(start.1),
                Pixels(end.0),
                Pixels(end.1)
            )
        };
        writer.empty("path", &[("d", &path)]);
        if end == to {
            let direction = if bend > 0.0 {
                (to.0 - x, to.1 - y)
            } else {
                (to.0 - from.0, to.1 - from.1)
            };
            self.head(writer, to, direction, colour);
        }
    }

    /// An arrow's head with its tip at a point.
    fn head(&self, writer: &mut Writer, tip: (f64, f64), direction: (f64, f64), colour: Rgb) {
        let length = direction.0.hypot(direction.1);
        if length < 1e-6 {
            return;
        }
        let (x, y) = (direction.0 / length, direction.1 / length);
        let (long, half) = (self.plan.radius * 1.5 + 1.0, self.plan.radius * 0.62 + 0.4);
        let base = (tip.0 - x * long, tip.1 - y * long);
        let path = format!(
            "M{} {}L{} {}L{} {}Z",
            Pixels(tip.0),
            Pixels(tip.1),
            Pixels(base.0 - y * half),
            Pixels(base.1 + x * half),
            Pixels(base.0 + y * half),
            Pixels(base.1 - x * half)
        );
        writer.empty("path", &[("d", &path), ("fill", &colour), ("stroke", &"none")]);
    }

    /// The way through the queue: from its place in the band at the arrival down to the line where it is taken.
    fn wait(&self, writer: &mut Writer, arrived: (f64, f64), taken: (f64, f64)) {
        if taken.0 - arrived.0 < 0.5 {
            return;
        }
        if let Some((start, end)) = clipped(arrived, taken) {
            let path = format!(
                "M{} {}L{} {}",
                Pixels(start.0),
                Pixels(start.1),
                Pixels(end.0),
                Pixels(end.1)
            );
            writer.empty(
                "path",
                &[("class", &"wait"), ("d", &path), ("stroke-dasharray", &"1.5 2")],
            );
        }
    }

    /// A message without a receive event: dashed to a ring (waits), to a cross (dropped), to a flash (lost by a fault),
    /// dotted (unknown).
    fn stub(&self, writer: &mut Writer, message: &Message, from: (f64, f64), colour: Rgb) {
        let Some(lane) = self.plan.lane_of(message.to) else {
            return;
        };
        if !(LEFT..=RIGHT).contains(&from.0) {
            return;
        }
        let radius = (self.plan.radius * 0.8).max(1.6);
        let way = lane.line_y - from.1;
        let lanes = (way.abs() / self.plan.lane_height).round().min(4.0);
        let lost = (
            (from.0 + lanes * STUB_ASIDE).min(RIGHT + 16.0),
            from.1 + way.signum() * self.plan.lane_height * STUB_PART,
        );
        let (end, dash) = match message.fate {
            // It did arrive: its ring sits on the line.
            Fate::Waiting | Fate::Received(_) => ((from.0, lane.line_y - way.signum() * radius), "4 2.5"),
            Fate::Dropped | Fate::Lost => (lost, "4 2.5"),
            Fate::Unknown => (lost, "1.2 3"),
        };
        let path = format!(
            "M{} {}L{} {}",
            Pixels(from.0),
            Pixels(from.1),
            Pixels(end.0),
            Pixels(end.1)
        );
        writer.empty("path", &[("d", &path), ("stroke-dasharray", &dash)]);
        let (x, y, r) = (end.0, end.1, radius);
        match message.fate {
            Fate::Waiting | Fate::Received(_) => {
                let (x, y) = (Pixels(x), Pixels(lane.line_y));
                let ground = self.colours.background;
                writer.empty(
                    "circle",
                    &[("cx", &x), ("cy", &y), ("r", &Pixels(r)), ("fill", &ground)],
                );
            }
            Fate::Lost => {
                let bad = self.colours.bad;
                let path = flash(x, y, r.max(2.4));
                writer.empty("path", &[("d", &path), ("fill", &bad), ("stroke", &"none")]);
            }
            Fate::Dropped => {
                let path = format!(
                    "M{} {}L{} {}M{} {}L{} {}",
                    Pixels(x - r),
                    Pixels(y - r),
                    Pixels(x + r),
                    Pixels(y + r),
                    Pixels(x - r),
                    Pixels(y + r),
                    Pixels(x + r),
                    Pixels(y - r)
                );
                writer.empty("path", &[("d", &path), ("stroke-width", &1.6)]);
            }
            Fate::Unknown => {
                let tip = (x, y + way.signum() * r);
                self.head(writer, tip, (x - from.0, y - from.1), colour);
            }
        }
    }
}

/// The part of a line between the left and the right edge of the lanes.
fn clipped(from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let (low, high) = (from.0.min(to.0), from.0.max(to.0));
    if high < LEFT || low > RIGHT {
        return None;
    }
    let at = |x: f64| (x, from.1 + (x - from.0) / (to.0 - from.0) * (to.1 - from.1));
    let cut = |point: (f64, f64)| {
        if point.0 < LEFT {
            at(LEFT)
        } else if point.0 > RIGHT {
            at(RIGHT)
        } else {
            point
        }
    };
    Some((cut(from), cut(to)))
}
