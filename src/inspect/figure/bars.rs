//! Bars: how often how much, of each machine beside the others.

use plotters::{prelude::Rectangle, style::Color};

use super::{
    Area, Canvas, Drawn, colour,
    frame::{Frame, Key, begin, nothing, short},
};
use crate::inspect::series::{JUMP_MAX, LATENESS_BOUNDS_US, MachineSeries};

/// Of each class, the part of the machine's events in per cent.
type Shares = Vec<(u64, f64)>;

/// How far clocks step in one event.
pub(super) fn jumps<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    let of = |machine: &MachineSeries| {
        let counts = machine.jumps.iter().map(|(jump, count)| (*jump, *count));
        shares(counts.collect())
    };
    let all: Vec<Shares> = canvas.shown.iter().map(|machine| of(machine)).collect();
    let widest = classes(&all).max().unwrap_or(1).max(5);
    let first = classes(&all).min().unwrap_or(1).min(1);
    let mut unit = "clock steps".to_owned();
    if widest == JUMP_MAX {
        unit += &format!(" ({JUMP_MAX} stands for {JUMP_MAX} and more)");
    }
    let frame = Frame {
        title: "Jumps: how far a clock steps in one event",
        x: (approximate(first) - 0.5, approximate(widest) + 0.5),
        y: (0.0, highest(&all)),
        x_unit: &unit,
        y_unit: "% of the machine's events",
        // One label a bar: more of them would fall between the whole numbers.
        x_labels: (usize::try_from(widest).unwrap_or(1), &short),
        y_label: &short,
        key: Key::Bar,
    };
    draw(canvas, area, &frame, &all)
}

/// How late ticks came.
pub(super) fn lateness<'a>(canvas: &Canvas<'_>, area: &Area<'a>) -> Drawn {
    const TITLE: &str = "Lateness of ticks: how often how late";
    let of = |machine: &MachineSeries| shares((0..).zip(machine.lateness).collect());
    let all: Vec<Shares> = canvas.shown.iter().map(|machine| of(machine)).collect();
    let (Some(first), Some(last)) = (classes(&all).min(), classes(&all).max()) else {
        let why = "No tick has a deadline: these logs say no rate, or no phase.";
        return nothing(canvas, area, TITLE, why);
    };
    let frame = Frame {
        title: TITLE,
        x: (approximate(first) - 0.5, approximate(last) + 0.5),
        y: (0.0, highest(&all)),
        x_unit: "late, less than",
        y_unit: "% of the machine's ticks",
        x_labels: (usize::try_from(last - first).unwrap_or(0) + 1, &lateness_class),
        y_label: &short,
        key: Key::Bar,
    };
    draw(canvas, area, &frame, &all)
}

/// The upper bound of a class of lateness in words.
fn lateness_class(class: &f64) -> String {
    let place = (0_u32..).zip(LATENESS_BOUNDS_US);
    let mut bounds = place.filter(|(place, _)| (f64::from(*place) - class).abs() < 1e-6);
    match bounds.next() {
        Some((_, us)) if us < 1000 => format!("{us} µs"),
        Some((_, us)) if us < 1_000_000 => format!("{} ms", us / 1000),
        Some((_, us)) => format!("{} s", us / 1_000_000),
        None if *class > 15.5 => "∞".to_owned(),
        None => String::new(),
    }
}

fn shares(counts: Vec<(u64, u64)>) -> Shares {
    let all = counts.iter().map(|(_, count)| count).sum::<u64>().max(1);
    let counted = counts.into_iter().filter(|(_, count)| *count > 0);
    let share = |(class, count): (u64, u64)| (class, 100.0 * approximate(count) / approximate(all));
    counted.map(share).collect()
}

fn classes(all: &[Shares]) -> impl Iterator<Item = u64> {
    all.iter().flatten().map(|share| share.0)
}

/// The top of the axis.
fn highest(all: &[Shares]) -> f64 {
    let most = all.iter().flatten().map(|share| share.1).fold(1.0, f64::max);
    (most * 1.06).min(100.0)
}

fn draw<'a>(canvas: &Canvas<'_>, area: &Area<'a>, frame: &Frame<'_>, all: &[Shares]) -> Drawn {
    let mut chart = begin(canvas, area, frame)?;
    let width = 0.8 / approximate(all.len().max(1) as u64);
    for (place, shares) in all.iter().enumerate() {
        let line = colour(canvas.palette.line(place));
        let left = approximate(place as u64) * width - 0.4;
        let bars = shares.iter().map(|(class, share)| {
            let x = approximate(*class) + left;
            Rectangle::new([(x, 0.0), (x + width * 0.92, *share)], line.filled())
        });
        chart.draw_series(bars)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure has a thousand pixels")]
fn approximate(count: u64) -> f64 {
    count as f64
}
