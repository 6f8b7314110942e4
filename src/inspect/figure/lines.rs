//! Lines over the seconds of the run.

use plotters::{prelude::LineSeries, style::ShapeStyle};

use super::{
    Area, Canvas, Drawn, LINE_WIDTH, colour,
    frame::{Frame, Key, begin, nothing, short},
};
use crate::inspect::series::{MachineSeries, Thinned};

type Points = Vec<(f64, f64)>;

/// What a panel of lines shows.
struct Lines<'t> {
    title: &'t str,
    unit: &'t str,
    /// Said instead of an empty plot.
    nothing: &'t str,
    points: fn(&MachineSeries) -> Points,
}

pub(super) fn clocks<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    let lines = Lines {
        title: "Logical clocks",
        unit: "clock",
        nothing: "No machine has an event.",
        points: |machine| machine.clock.points(),
    };
    draw(canvas, area, &lines)
}

pub(super) fn drift<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    let lines = Lines {
        title: "Drift: how far each clock is behind the foremost",
        unit: "clock steps",
        nothing: "No machine has an event.",
        points: |machine| machine.drift.points(),
    };
    draw(canvas, area, &lines)
}

pub(super) fn queues<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    let lines = Lines {
        title: "Network queues",
        unit: "messages waiting",
        nothing: "No machine has an event.",
        points: |machine| steps(&machine.queue),
    };
    draw(canvas, area, &lines)
}

pub(super) fn ages<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    let lines = Lines {
        title: "Age of messages when they are taken: since they were sent",
        unit: "seconds",
        nothing: "No message was taken whose send is in these logs.",
        points: |machine| machine.age.points(),
    };
    draw(canvas, area, &lines)
}

pub(super) fn waits<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    let lines = Lines {
        title: "Time in the queue: since they arrived",
        unit: "seconds",
        nothing: "These logs do not say when messages arrived (no waited_us), or none was taken.",
        points: |machine| machine.waited.points(),
    };
    draw(canvas, area, &lines)
}

/// A value that holds until the next one.
fn steps(line: &Thinned) -> Points {
    let mut steps: Points = Vec::new();
    for (x, y) in line.points() {
        if let Some((_, before)) = steps.last().copied() {
            steps.push((x, before));
        }
        steps.push((x, y));
    }
    steps
}

fn draw<'a>(canvas: &Canvas<'_>, area: &Area<'a>, lines: &Lines<'_>) -> Drawn {
    let all: Vec<Points> = canvas
        .shown
        .iter()
        .map(|machine| (lines.points)(machine))
        .collect();
    let values = || all.iter().flatten().map(|point| point.1);
    if values().next().is_none() {
        return nothing(canvas, area, lines.title, lines.nothing);
    }
    // Skewed clocks of several hosts can make an age negative.
    let least = values().fold(0.0, f64::min);
    let most = values().fold(0.0, f64::max);
    let span = if most > least { most - least } else { 1.0 };
    let frame = Frame {
        title: lines.title,
        x: (0.0, canvas.run.seconds.max(0.1)),
        y: (least, least + span * 1.06),
        x_unit: "seconds since the start",
        y_unit: lines.unit,
        x_labels: (10, &short),
        y_label: &short,
        key: Key::Line,
    };
    draw_into(canvas, area, &frame, all)
}

/// Lateness on a logarithmic axis: most ticks are some 0.1 ms late, and a few a hundred times that.
pub(super) fn tick_error<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    const TITLE: &str = "Lateness of each tick: from its deadline to when it was done";
    let logarithm = |(x, late_us): (f64, f64)| (x, late_us.max(1.0).log10());
    let all: Vec<Points> = canvas
        .shown
        .iter()
        .map(|machine| machine.tick_error.points().into_iter().map(logarithm).collect())
        .collect();
    let values = || all.iter().flatten().map(|point| point.1);
    if values().next().is_none() {
        let why = "No tick has a deadline: these logs say no rate, or no phase.";
        return nothing(canvas, area, TITLE, why);
    }
    let frame = Frame {
        title: TITLE,
        x: (0.0, canvas.run.seconds.max(0.1)),
        y: (
            values().fold(f64::INFINITY, f64::min).floor(),
            values().fold(1.0, f64::max).ceil() + 0.01,
        ),
        x_unit: "seconds since the start",
        y_unit: "late, logarithmic",
        x_labels: (10, &short),
        y_label: &decade,
        key: Key::Line,
    };
    draw_into(canvas, area, &frame, all)
}

/// A power of ten of microseconds in words; nothing between two.
fn decade(exponent: &f64) -> String {
    const NAMES: [&str; 8] = [
        "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s",
    ];
    let mut named = (0_u32..).zip(NAMES);
    let name = named.find(|(power, _)| (f64::from(*power) - exponent).abs() < 1e-6);
    name.map_or(String::new(), |(_, name)| name.to_owned())
}

fn draw_into<'a>(canvas: &Canvas<'_>, area: &Area<'a>, frame: &Frame<'_>, all: Vec<Points>) -> Drawn {
    let mut chart = begin(canvas, area, frame)?;
    // The first machine's line, most often the one looked for, lies on top.
    for (place, points) in all.into_iter().enumerate().rev() {
        let line = colour(canvas.palette.line(place));
        let style = ShapeStyle::from(line).stroke_width(LINE_WIDTH);
        chart.draw_series(LineSeries::new(points, style))?;
    }
    Ok(())
}
