//! Injected faults on a static picture: a shade over the lane of the machine whose links, or whose own time, they are on,
//! with a line and its words where each begins.

use super::{
    element::{Pixels, Writer, width_of},
    plan::{Axis, FAULT_ABOVE, FAULT_BENEATH, LEFT, Lane, Plan, RIGHT, approximate},
    strokes::Pen,
};
use crate::inspect::history::Break;

/// Size of the words, in pixels, and the height of their line.
const WORDS_SIZE: f64 = 10.0;
const WORDS_HEIGHT: f64 = 11.0;

/// Faults of one lane that are drawn; what is beyond would be one dark stripe.
const BREAKS_MAX: usize = 200;

impl Plan<'_> {
    /// The faults that are to be seen on a lane, with the pixels where each begins and ends: only against time.
    pub(super) fn breaks(&self, lane: &Lane) -> Vec<(&Break, f64, f64)> {
        if self.axis != Axis::Time {
            return Vec::new();
        }
        let end = lane.ran.1;
        let breaks = self.history.breaks_of(lane.shown.process).filter_map(|found| {
            let from = approximate(found.from.0);
            let until = found.until.map_or(end, |until| approximate(until.0));
            let seen = from <= self.scale.until && until >= self.scale.from;
            seen.then(|| {
                let x = |value| self.scale.x(value).clamp(LEFT, RIGHT);
                (found, x(from), x(until))
            })
        });
        breaks.take(BREAKS_MAX).collect()
    }
}

impl Pen<'_> {
    /// The faults of a lane, beneath everything else on it.
    pub(super) fn breaks(&self, writer: &mut Writer, lane: &Lane) {
        let height = self.plan.lane_height;
        let (top, bottom) = (
            lane.line_y - height * FAULT_ABOVE,
            lane.line_y + height * FAULT_BENEATH,
        );
        let colour = self.colours.bad;
        // By line of words: where the last one ends.
        let mut ends: Vec<f64> = Vec::new();
        for (found, from, until) in self.plan.breaks(lane) {
            writer.open(
                "g",
                &[("class", &"fault"), ("fill", &colour), ("stroke", &"none")],
            );
            writer.leaf("title", &[], &format!("fault {}: {}", found.id, found.text));
            let shade = [
                ("x", &Pixels(from) as &dyn std::fmt::Display),
                ("y", &Pixels(top)),
                ("width", &Pixels(until - from)),
                ("height", &Pixels(bottom - top)),
                ("fill-opacity", &0.06),
            ];
            writer.empty("rect", &shade);
            let path = format!("M{} {}V{}", Pixels(from), Pixels(top), Pixels(bottom));
            writer.empty(
                "path",
                &[
                    ("d", &path),
                    ("stroke", &colour),
                    ("stroke-width", &1),
                    ("stroke-opacity", &0.8),
                ],
            );
            let (x, width) = (from + 3.0, width_of(&found.text, WORDS_SIZE));
            let place = ends.iter().position(|end| *end < x).unwrap_or(ends.len());
            let y = top + WORDS_HEIGHT * (f64::from(u32::try_from(place).unwrap_or(u32::MAX)) + 1.0);
            // The rest of the words is in the title.
            if x + width <= RIGHT && y < lane.line_y - self.plan.radius {
                match ends.get_mut(place) {
                    Some(end) => *end = x + width + 6.0,
                    None => ends.push(x + width + 6.0),
                }
                let attributes = [
                    ("x", &Pixels(x) as &dyn std::fmt::Display),
                    ("y", &Pixels(y - 2.0)),
                    ("font-size", &WORDS_SIZE),
                ];
                writer.leaf("text", &attributes, &found.text);
            }
            writer.close("g");
        }
    }
}

/// A flash of lightning around a point, as a path: what a fault lost.
pub(super) fn flash(x: f64, y: f64, r: f64) -> String {
    let corners = [
        (0.5, -1.5),
        (-0.9, 0.25),
        (-0.1, 0.25),
        (-0.5, 1.5),
        (0.9, -0.25),
        (0.1, -0.25),
    ];
    let mut path = String::new();
    for (place, (dx, dy)) in corners.into_iter().enumerate() {
        let letter = if place == 0 { 'M' } else { 'L' };
        path += &format!("{letter}{} {}", Pixels(x + dx * r), Pixels(y + dy * r));
    }
    path + "Z"
}
