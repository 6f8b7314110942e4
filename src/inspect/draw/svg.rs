//! The static picture: title, lanes, axis and legend as one SVG text, for slides and notebooks.
//!
//! Self-contained; fonts are left to the viewer. Elements carry their events' names, so that a slide can be
//! searched and edited.

use super::{
    element::{Pixels, Writer, fitted, width_of, wrapped},
    legend::{Item, LEGEND_SIZE, SAMPLE_WIDTH, legend_rows},
    plan::{Axis, LEFT, Lane, Plan, RIGHT, WIDTH, approximate},
    positions::Positions,
    relation::Borders,
    selection::{Selection, elsewhere},
    strokes::Pen,
    ticks::{Tick, Whole, ticks},
};
use crate::inspect::{
    history::{EventId, History},
    palette::{Palette, Rgb, Theme},
    window::start_of,
    words::thousands,
};

/// How a static picture looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// What the horizontal axis shows.
    pub axis: Axis,
    /// Its colours.
    pub theme: Theme,
    /// The event whose past, future and concurrent events are told apart.
    pub highlight: Option<EventId>,
}

const MARGIN: f64 = 24.0;
const TITLE_SIZE: f64 = 20.0;
const TEXT_SIZE: f64 = 13.0;
const SMALL_SIZE: f64 = 11.0;
const LINE_HEIGHT: f64 = 18.0;

/// Lanes below this height have no room for clocks beneath the line, nor for a second line in the label.
const ROOMY_LANE: f64 = 46.0;

/// Ticks of the axis at most: one in 90 pixels.
const TICKS_MAX: usize = 11;

/// Height of the axis: ticks, labels and what they mean.
const AXIS_HEIGHT: f64 = 54.0;

/// The picture of a selection.
#[must_use]
pub fn svg(history: &History, positions: &Positions, selection: &Selection, style: &Style) -> String {
    let colours = style.theme.palette();
    let mut told: Vec<String> = Vec::new();
    for text in selection.told.iter().chain(&elsewhere(history, selection)) {
        told.extend(wrapped(text, TEXT_SIZE, WIDTH - 2.0 * MARGIN));
    }
    let top = MARGIN + TITLE_SIZE + LINE_HEIGHT * (approximate_count(told.len()) + 1.0) + 8.0;
    let plan = Plan::new(history, positions, selection, style.axis, top);
    let borders = style.highlight.map(|event| Borders::of(history, event));
    let bottom = plan.bottom;
    let mut page = Page {
        writer: Writer::default(),
        pen: Pen {
            plan: &plan,
            colours,
            highlight: borders.as_ref(),
        },
    };
    let items = page.pen.legend_items();
    let rows = legend_rows(&items);
    let height = bottom + AXIS_HEIGHT + LINE_HEIGHT * approximate_count(rows.len()) + MARGIN;
    page.begin(height);
    page.head(&told);
    page.axis(top, bottom);
    page.lanes();
    page.legend(&rows, bottom + AXIS_HEIGHT + LINE_HEIGHT * 0.5);
    page.writer.close("svg");
    page.writer.finish()
}

fn approximate_count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A picture being drawn.
struct Page<'a> {
    writer: Writer,
    pen: Pen<'a>,
}

impl Page<'_> {
    fn colours(&self) -> &'static Palette {
        self.pen.colours
    }

    fn text(&mut self, x: f64, y: f64, size: f64, colour: Rgb, anchor: &str, text: &str) {
        self.writer.leaf(
            "text",
            &[
                ("x", &Pixels(x)),
                ("y", &Pixels(y)),
                ("font-size", &size),
                ("fill", &colour),
                ("text-anchor", &anchor),
            ],
            text,
        );
    }

    fn begin(&mut self, height: f64) {
        let (name, ground) = (&self.pen.plan.history.name, self.colours().background);
        self.writer.open(
            "svg",
            &[
                ("xmlns", &"http://www.w3.org/2000/svg"),
                ("width", &WIDTH),
                ("height", &Pixels(height)),
                ("viewBox", &format!("0 0 {WIDTH} {}", Pixels(height))),
                (
                    "font-family",
                    &"system-ui, Segoe UI, Helvetica, Arial, sans-serif",
                ),
                ("role", &"img"),
            ],
        );
        self.writer
            .leaf("title", &[], &format!("Space-time diagram of run {name}"));
        let size = [
            ("width", &WIDTH as &dyn std::fmt::Display),
            ("height", &Pixels(height)),
            ("fill", &ground),
        ];
        self.writer.empty("rect", &size);
    }

    fn head(&mut self, told: &[String]) {
        let plan = self.pen.plan;
        let colours = self.colours();
        let name = fitted(
            &format!("Run {}", plan.history.name),
            TITLE_SIZE,
            WIDTH - 2.0 * MARGIN,
        );
        let mut y = MARGIN + TITLE_SIZE * 0.8;
        self.writer.leaf(
            "text",
            &[
                ("x", &Pixels(MARGIN)),
                ("y", &Pixels(y)),
                ("font-size", &TITLE_SIZE),
                ("font-weight", &600),
                ("fill", &colours.ink),
            ],
            &name,
        );
        let axis = match plan.axis {
            Axis::Time => "physical time",
            Axis::Clock => "logical time",
        };
        let mut line = format!(
            "Space-time diagram against {axis}: {} machines, {} events, {} messages",
            plan.lanes.len(),
            thousands(plan.selection.events()),
            thousands(plan.messages().count())
        );
        if let Some(event) = self.pen.highlight.map(|borders| borders.event) {
            line += &format!("; past and future of {}", plan.history.name_of(event));
        }
        y += LINE_HEIGHT + 4.0;
        self.text(MARGIN, y, TEXT_SIZE, colours.faint, "start", &format!("{line}."));
        for line in told {
            y += LINE_HEIGHT;
            self.text(MARGIN, y, TEXT_SIZE, colours.ink, "start", line);
        }
    }

    fn axis_ticks(&self) -> Vec<Tick> {
        let (plan, scale) = (self.pen.plan, self.pen.plan.scale);
        match plan.axis {
            Axis::Clock => ticks(scale.from, scale.until, TICKS_MAX, 1.0, Whole::Yes),
            Axis::Time => {
                let start = start_of(plan.history).map_or(0.0, |start| approximate(start.0));
                let mut result = ticks(scale.from - start, scale.until - start, TICKS_MAX, 1e6, Whole::No);
                for tick in &mut result {
                    tick.value += start;
                }
                result
            }
        }
    }

    fn axis(&mut self, top: f64, bottom: f64) {
        let colours = self.colours();
        let plan = self.pen.plan;
        for tick in self.axis_ticks() {
            let x = plan.scale.x(tick.value).clamp(LEFT, RIGHT);
            self.writer.empty(
                "line",
                &[
                    ("class", &"grid"),
                    ("x1", &Pixels(x)),
                    ("x2", &Pixels(x)),
                    ("y1", &Pixels(top)),
                    ("y2", &Pixels(bottom + 5.0)),
                    ("stroke", &colours.grid),
                ],
            );
            self.text(
                x,
                bottom + 19.0,
                SMALL_SIZE + 1.0,
                colours.faint,
                "middle",
                &tick.label,
            );
        }
        let (left, right, y) = (Pixels(LEFT), Pixels(RIGHT), Pixels(bottom));
        self.writer.empty(
            "line",
            &[
                ("x1", &left),
                ("x2", &right),
                ("y1", &y),
                ("y2", &y),
                ("stroke", &colours.faint),
            ],
        );
        let name = match (plan.axis, plan.positions.are_clocks()) {
            (Axis::Time, _) => {
                let start = start_of(plan.history).map_or(String::new(), |start| format!(" ({start})"));
                format!("seconds since the start{start}")
            }
            (Axis::Clock, true) => "logical clock".to_owned(),
            (Axis::Clock, false) => "Lamport's clock, computed from the messages".to_owned(),
        };
        self.text(
            f64::midpoint(LEFT, RIGHT),
            bottom + 38.0,
            TEXT_SIZE,
            colours.ink,
            "middle",
            &name,
        );
    }

    fn lanes(&mut self) {
        let plan = self.pen.plan;
        for (row, lane) in plan.lanes.iter().enumerate() {
            self.label(row, lane);
            self.pen.breaks(&mut self.writer, lane);
            self.pen.band(&mut self.writer, lane);
            self.pen.line(&mut self.writer, lane);
        }
        for message in plan.messages() {
            self.pen.message(&mut self.writer, message);
        }
        for id in plan.selection.ids() {
            self.pen.mark(&mut self.writer, id);
        }
        if plan.lane_height >= ROOMY_LANE && (plan.axis == Axis::Time || !plan.positions.are_clocks()) {
            for lane in &plan.lanes {
                self.clocks(lane);
            }
        }
    }

    /// Who it is, how fast, and how long its queue gets.
    fn label(&mut self, row: usize, lane: &Lane) {
        let plan = self.pen.plan;
        let colours = self.colours();
        let Some(process) = plan.history.processes.get(lane.shown.process as usize) else {
            return;
        };
        let is_number = process.name.bytes().all(|byte| byte.is_ascii_digit());
        let name = if is_number {
            format!("machine {}", process.name)
        } else {
            process.name.clone()
        };
        let rate = process.rate.map(|rate| format!("{rate}/s"));
        let queue =
            (lane.waiting_max > 0).then(|| format!("queue ≤ {}", thousands(lane.waiting_max as usize)));
        let empty = (plan.history.events_of(lane.shown.process) == 0).then(|| "no events".to_owned());
        let facts: Vec<String> = [rate, queue, empty].into_iter().flatten().collect();
        let facts = facts.join(", ");
        let room = LEFT - MARGIN - 26.0;
        let colour = colours.line(row);
        let chip = [
            ("x", &Pixels(MARGIN) as &dyn std::fmt::Display),
            ("y", &Pixels(lane.line_y - 6.0)),
            ("width", &6),
            ("height", &12),
            ("rx", &2),
            ("fill", &colour),
        ];
        self.writer.empty("rect", &chip);
        let x = MARGIN + 13.0;
        if plan.lane_height >= ROOMY_LANE {
            let name = fitted(&name, TEXT_SIZE, room);
            let up = if facts.is_empty() { 4.5 } else { -2.0 };
            self.text(x, lane.line_y + up, TEXT_SIZE, colours.ink, "start", &name);
            if !facts.is_empty() {
                let facts = fitted(&facts, SMALL_SIZE, room);
                self.text(x, lane.line_y + 13.0, SMALL_SIZE, colours.faint, "start", &facts);
            }
        } else {
            let rate = process.rate.map_or(String::new(), |rate| format!(", {rate}/s"));
            let whole = format!("{name}{rate}");
            let whole = fitted(&whole, SMALL_SIZE, room + 8.0);
            self.text(x, lane.line_y + 4.0, SMALL_SIZE, colours.ink, "start", &whole);
        }
    }

    /// Clocks beneath the line, where there is room from one to the next.
    fn clocks(&mut self, lane: &Lane) {
        let plan = self.pen.plan;
        let colours = self.colours();
        let size = SMALL_SIZE - 1.0;
        let mut free = LEFT;
        for index in lane.shown.first..lane.shown.end {
            let id = EventId {
                process: lane.shown.process,
                index,
            };
            let (Some(event), Some((x, y))) = (plan.history.event(id), plan.point(id)) else {
                continue;
            };
            let text = event.clock.to_string();
            let half = width_of(&text, size) / 2.0;
            if x - half < free || x + half > RIGHT + 14.0 {
                continue;
            }
            free = x + half + 4.0;
            let y = y + plan.radius + 11.0;
            self.writer.leaf(
                "text",
                &[
                    ("class", &"clock"),
                    ("x", &Pixels(x)),
                    ("y", &Pixels(y)),
                    ("font-size", &size),
                    ("fill", &colours.faint),
                    ("text-anchor", &"middle"),
                    ("stroke", &colours.background),
                    ("stroke-width", &3),
                    ("stroke-linejoin", &"round"),
                    ("paint-order", &"stroke"),
                ],
                &text,
            );
        }
    }

    fn legend(&mut self, rows: &[Vec<(f64, Item)>], top: f64) {
        let mut y = top;
        for row in rows {
            for (x, (sample, text)) in row {
                self.pen.sample(&mut self.writer, *x, y, *sample);
                let colour = self.colours().faint;
                self.text(x + SAMPLE_WIDTH, y + 4.0, LEGEND_SIZE, colour, "start", text);
            }
            y += LINE_HEIGHT;
        }
    }
}
