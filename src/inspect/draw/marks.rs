//! Events' marks of a static picture: a shape for each kind, and how a highlight changes them.
//!
//! Past marks are filled, future ones are thick rings, concurrent ones small thin rings: they can be told apart
//! without colours.

use super::{
    data::shortened,
    element::{Pixels, Writer},
    relation::Relation,
    strokes::Pen,
};
use crate::inspect::{
    history::{EventId, EventKind},
    palette::Rgb,
};

impl Pen<'_> {
    fn relation_colour(&self, relation: Relation) -> Rgb {
        match relation {
            Relation::Same => self.colours.ink,
            Relation::Past => self.colours.past,
            Relation::Future => self.colours.future,
            Relation::Concurrent => self.colours.concurrent,
        }
    }

    /// An event's mark: a disc for a send, a square for a receive, a ring for an internal event, a diamond for
    /// one that takes and sends, a cross for an unknown kind.
    pub(super) fn mark(&self, writer: &mut Writer, id: EventId) {
        let (Some((x, y)), Some(event)) = (self.plan.point(id), self.plan.history.event(id)) else {
            return;
        };
        let relation = self.relation(id);
        let colour = match relation {
            None => self.row_colour(id.process),
            Some(relation) => self.relation_colour(relation),
        };
        let ground = self.colours.background;
        let (mut radius, mut width, mut fill) = match event.kind {
            EventKind::Internal => (self.plan.radius * 0.68, self.plan.radius.min(3.2) * 0.38, ground),
            EventKind::Send | EventKind::Receive | EventKind::Exchange | EventKind::Other => {
                (self.plan.radius, 0.0, colour)
            }
        };
        match relation {
            Some(Relation::Same) => radius = self.plan.radius * 1.25,
            Some(Relation::Past) => fill = colour,
            Some(Relation::Future) => {
                (fill, width) = (ground, self.plan.radius.min(5.0) * 0.42);
                radius *= 0.9;
            }
            Some(Relation::Concurrent) => {
                (fill, width) = (ground, 0.8);
                radius *= 0.72;
            }
            None => {}
        }
        let kind = event.kind.word();
        writer.open(
            "g",
            &[
                ("class", &format!("event {kind}")),
                ("data-name", &self.plan.history.name_of(id)),
                ("data-relation", &relation.map_or("none", relation_word)),
                ("fill", &fill),
                ("stroke", &colour),
                ("stroke-width", &Pixels(width)),
            ],
        );
        writer.leaf("title", &[], &self.tell(id));
        if relation == Some(Relation::Same) {
            let ring = Pixels(radius + 4.0);
            let (x, y) = (Pixels(x), Pixels(y));
            writer.empty(
                "circle",
                &[
                    ("cx", &x),
                    ("cy", &y),
                    ("r", &ring),
                    ("fill", &ground),
                    ("stroke-width", &2.2),
                ],
            );
        }
        shape(writer, event.kind, x, y, radius);
        writer.close("g");
    }

    /// An event in words, which viewers show beside the pointer.
    fn tell(&self, id: EventId) -> String {
        let history = self.plan.history;
        let Some(event) = history.event(id) else {
            return String::new();
        };
        let at = event.at.map_or(String::new(), |at| format!(", {at}"));
        let queue = event
            .queue
            .map_or(String::new(), |queue| format!(", {queue} waiting"));
        let text = history
            .text(id)
            .filter(|text| !text.is_empty())
            .map_or(String::new(), |text| format!(": {}", shortened(text)));
        let name = history.name_of(id);
        format!(
            "{name} {}{at}{queue}, line {}{text}",
            event.kind.word(),
            event.line
        )
    }
}

/// The shape of a kind around a point.
pub(super) fn shape(writer: &mut Writer, kind: EventKind, x: f64, y: f64, radius: f64) {
    match kind {
        EventKind::Internal | EventKind::Send => {
            writer.empty(
                "circle",
                &[("cx", &Pixels(x)), ("cy", &Pixels(y)), ("r", &Pixels(radius))],
            );
        }
        EventKind::Receive => {
            let side = radius * 0.9;
            writer.empty(
                "rect",
                &[
                    ("x", &Pixels(x - side)),
                    ("y", &Pixels(y - side)),
                    ("width", &Pixels(2.0 * side)),
                    ("height", &Pixels(2.0 * side)),
                ],
            );
        }
        EventKind::Exchange => {
            let far = radius * 1.25;
            let path = format!(
                "M{} {}L{} {}L{} {}L{} {}Z",
                Pixels(x - far),
                Pixels(y),
                Pixels(x),
                Pixels(y - far),
                Pixels(x + far),
                Pixels(y),
                Pixels(x),
                Pixels(y + far)
            );
            writer.empty("path", &[("d", &path)]);
        }
        EventKind::Other => {
            let path = format!(
                "M{} {}L{} {}M{} {}L{} {}",
                Pixels(x - radius),
                Pixels(y),
                Pixels(x + radius),
                Pixels(y),
                Pixels(x),
                Pixels(y - radius),
                Pixels(x),
                Pixels(y + radius)
            );
            writer.empty("path", &[("d", &path), ("stroke-width", &1.6)]);
        }
    }
}

fn relation_word(relation: Relation) -> &'static str {
    match relation {
        Relation::Same => "same",
        Relation::Past => "past",
        Relation::Future => "future",
        Relation::Concurrent => "concurrent",
    }
}
