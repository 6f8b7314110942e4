//! What the signs of a static picture mean: only those that occur in it.

use super::{
    breaks::flash,
    element::{Pixels, Writer, width_of},
    marks::shape,
    plan::{Axis, LEFT, RIGHT},
    strokes::Pen,
};
use crate::inspect::{
    history::{EventKind, Fate},
    palette::Rgb,
};

/// Size of the legend's text, in pixels.
pub(super) const LEGEND_SIZE: f64 = 12.0;

/// What a legend's item shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    Mark(EventKind),
    Arrow,
    Wait,
    Band,
    Lost(Fate),
    Fault,
    Past,
    Future,
    Concurrent,
}

pub(super) type Item = (Sample, &'static str);

/// Pixels from an item's sample to its text.
pub(super) const SAMPLE_WIDTH: f64 = 30.0;

/// Items in lines that fit the picture.
pub(super) fn legend_rows(items: &[Item]) -> Vec<Vec<(f64, Item)>> {
    let mut rows: Vec<Vec<(f64, Item)>> = vec![Vec::new()];
    let mut x = LEFT;
    for item in items {
        let width = SAMPLE_WIDTH + width_of(item.1, LEGEND_SIZE) + 16.0;
        if x + width > RIGHT && x > LEFT {
            rows.push(Vec::new());
            x = LEFT;
        }
        if let Some(row) = rows.last_mut() {
            row.push((x, *item));
        }
        x += width;
    }
    rows
}

impl Pen<'_> {
    /// What occurs in the picture, and what it means.
    pub(super) fn legend_items(&self) -> Vec<Item> {
        let plan = self.plan;
        let kind_of = |id| plan.history.event(id).map(|event| event.kind);
        let has_kind = |kind| plan.selection.ids().any(|id| kind_of(id) == Some(kind));
        let has_fate = |fate| plan.messages().any(|message| message.fate == fate);
        let mut items = Vec::new();
        for (kind, text) in [
            (EventKind::Send, "send"),
            (EventKind::Receive, "receive: taken from the queue"),
            (EventKind::Internal, "internal event"),
            (EventKind::Exchange, "takes and sends"),
            (EventKind::Other, "other kind"),
        ] {
            if has_kind(kind) {
                items.push((Sample::Mark(kind), text));
            }
        }
        let has_waits = plan.axis == Axis::Time && plan.messages().any(|message| message.waited_us.is_some());
        if plan.messages().any(|message| message.receive().is_some()) {
            let text = if has_waits {
                "message: sent, arrived"
            } else {
                "message: sent, received"
            };
            items.push((Sample::Arrow, text));
        }
        if has_waits {
            items.push((Sample::Wait, "in the queue until taken"));
        }
        if plan.lanes.iter().any(|lane| lane.waiting_max > 0) {
            items.push((Sample::Band, "messages waiting"));
        }
        for (fate, text) in [
            (Fate::Waiting, "still waits at the end (arrival not logged)"),
            (Fate::Dropped, "dropped: the link was down"),
            (Fate::Lost, "lost by an injected fault"),
            (Fate::Unknown, "unknown: the logs do not say"),
        ] {
            if has_fate(fate) {
                items.push((Sample::Lost(fate), text));
            }
        }
        if plan.lanes.iter().any(|lane| !plan.breaks(lane).is_empty()) {
            items.push((Sample::Fault, "injected fault, on the sender"));
        }
        if self.highlight.is_some() {
            items.extend([
                (Sample::Past, "causal past"),
                (Sample::Future, "causal future"),
                (Sample::Concurrent, "concurrent"),
            ]);
        }
        items
    }

    /// A small picture of what an item means.
    #[expect(clippy::too_many_lines, reason = "one flat match: a few strokes a sample")]
    pub(super) fn sample(&self, writer: &mut Writer, x: f64, y: f64, sample: Sample) {
        let colours = self.colours;
        let (ink, ground) = (colours.faint, colours.background);
        let middle = x + 13.0;
        let group = |writer: &mut Writer, colour: Rgb, fill: Option<Rgb>, width: f64, class: &str| {
            let attributes = [
                ("class", &format!("sample {class}") as &dyn std::fmt::Display),
                ("fill", &paint(fill)),
                ("stroke", &colour),
                ("stroke-width", &width),
            ];
            writer.open("g", &attributes);
        };
        let line = |dash: &'static str, path: String, writer: &mut Writer| {
            writer.empty(
                "path",
                &[("d", &path), ("stroke-dasharray", &dash), ("fill", &"none")],
            );
        };
        let across = format!("M{} {}H{}", Pixels(x + 2.0), Pixels(y), Pixels(x + 24.0));
        match sample {
            Sample::Mark(kind) => {
                let is_internal = kind == EventKind::Internal;
                group(
                    writer,
                    ink,
                    Some(if is_internal { ground } else { ink }),
                    1.2,
                    kind.word(),
                );
                shape(writer, kind, x + 19.0, y, if is_internal { 3.4 } else { 4.5 });
            }
            Sample::Arrow => {
                group(writer, ink, Some(ink), 1.2, "arrow");
                line("none", across, writer);
                let (tip, base) = (Pixels(x + 26.0), Pixels(x + 19.0));
                let path = format!(
                    "M{tip} {}L{base} {}L{base} {}Z",
                    Pixels(y),
                    Pixels(y - 3.4),
                    Pixels(y + 3.4)
                );
                writer.empty("path", &[("d", &path), ("stroke", &"none")]);
            }
            Sample::Wait => {
                group(writer, ink, None, 1.4, "wait");
                line("1.5 2", across, writer);
            }
            Sample::Band => {
                group(writer, ink, Some(ink), 0.8, "band");
                let (start, low, high) = (Pixels(x + 2.0), Pixels(y + 5.0), Pixels(y - 5.0));
                let (up, half, end) = (Pixels(x + 9.0), Pixels(y), Pixels(x + 24.0));
                let path = format!(
                    "M{start} {low}V{half}H{up}V{high}H{}V{half}H{end}V{low}Z",
                    Pixels(x + 17.0)
                );
                writer.empty("path", &[("d", &path), ("fill-opacity", &0.25)]);
            }
            Sample::Lost(fate) => {
                group(writer, ink, Some(ground), 1.2, "lost");
                let dash = if fate == Fate::Unknown { "1.2 3" } else { "4 2.5" };
                line(dash, across, writer);
                let end = x + 23.0;
                let (low, high) = (Pixels(y - 3.5), Pixels(y + 3.5));
                let (left, right) = (Pixels(end - 3.5), Pixels(end + 3.5));
                let path = match fate {
                    Fate::Waiting | Fate::Received(_) => {
                        shape(writer, EventKind::Internal, end, y, 3.5);
                        String::new()
                    }
                    Fate::Lost => {
                        let bad = colours.bad;
                        let path = flash(end, y, 3.5);
                        writer.empty("path", &[("d", &path), ("fill", &bad), ("stroke", &"none")]);
                        String::new()
                    }
                    Fate::Dropped => {
                        format!("M{left} {low}L{right} {high}M{left} {high}L{right} {low}")
                    }
                    Fate::Unknown => format!("M{right} {}L{left} {low}L{left} {high}Z", Pixels(y)),
                };
                if !path.is_empty() {
                    let fill = paint((fate == Fate::Unknown).then_some(ink));
                    writer.empty("path", &[("d", &path), ("fill", &fill), ("stroke-width", &1.5)]);
                }
            }
            Sample::Fault => {
                group(writer, colours.bad, Some(colours.bad), 1.0, "fault");
                let attributes = [
                    ("x", &Pixels(x + 3.0) as &dyn std::fmt::Display),
                    ("y", &Pixels(y - 6.0)),
                    ("width", &20),
                    ("height", &12),
                    ("fill-opacity", &0.12),
                    ("stroke", &"none"),
                ];
                writer.empty("rect", &attributes);
                let path = format!("M{} {}V{}", Pixels(x + 3.0), Pixels(y - 6.0), Pixels(y + 6.0));
                line("none", path, writer);
            }
            Sample::Past => {
                group(writer, colours.past, Some(colours.past), 4.0, "past");
                line("none", across, writer);
                shape(writer, EventKind::Internal, middle, y, 2.8);
            }
            Sample::Future => {
                group(writer, colours.future, Some(ground), 4.0, "future");
                line("7 3", across, writer);
                writer.empty(
                    "circle",
                    &[
                        ("cx", &Pixels(middle)),
                        ("cy", &Pixels(y)),
                        ("r", &4.2),
                        ("stroke-width", &2.2),
                    ],
                );
            }
            Sample::Concurrent => {
                group(writer, colours.concurrent, Some(ground), 1.2, "concurrent");
                line("none", across, writer);
                shape(writer, EventKind::Internal, middle, y, 3.0);
            }
        }
        writer.close("g");
    }
}

/// A colour, or none.
fn paint(colour: Option<Rgb>) -> String {
    colour.map_or_else(|| "none".to_owned(), Rgb::hex)
}
