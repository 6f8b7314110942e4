//! Figures of a run as SVG: clocks, drift, queues and jumps, one line or colour a machine.
//!
//! Colours are those of M. Okabe and K. Ito (2002), which colour-blind readers tell apart. Fonts are left to
//! the viewer.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::{
        Cartesian2d, ChartBuilder, ChartContext, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea,
        LineSeries, PathElement, RGBColor, Rectangle, SVGBackend, SeriesLabelPosition, Text,
    },
    style::{Color, IntoFont, ShapeStyle, TextStyle, WHITE},
};

use super::series::{JUMP_MAX, MachineSeries, POINTS_MAX, RunSeries};

/// Machines that a figure shows: as many as there are colours.
pub const MACHINES_SHOWN_MAX: usize = COLOURS.len();

const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(200, 190, 40),
];

const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// Size of one figure, in pixels.
const WIDTH: u32 = 960;
const HEIGHT: u32 = 340;

/// Height of the line beneath the figures.
const CAPTION_HEIGHT: u32 = 34;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
/// Drawing into a text cannot fail; plotters only says it could.
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A panel of a figure.
type Panel = for<'a> fn(&RunSeries, &Area<'a>) -> Drawn;

/// The logical clock of each machine against seconds.
#[must_use]
pub fn clocks(run: &RunSeries) -> String {
    figure(run, &[draw_clocks])
}

/// How far each machine's clock is behind the foremost one.
#[must_use]
pub fn drift(run: &RunSeries) -> String {
    figure(run, &[draw_drift])
}

/// The queue of each machine over time.
#[must_use]
pub fn queues(run: &RunSeries) -> String {
    figure(run, &[draw_queues])
}

/// How often each machine's clock jumped by how much.
#[must_use]
pub fn jumps(run: &RunSeries) -> String {
    figure(run, &[draw_jumps])
}

/// All four, one above the other.
#[must_use]
pub fn overview(run: &RunSeries) -> String {
    figure(run, &[draw_clocks, draw_drift, draw_queues, draw_jumps])
}

/// Panels above a caption.
fn figure(run: &RunSeries, panels: &[Panel]) -> String {
    let count = u32::try_from(panels.len()).unwrap_or(1);
    let mut output = String::new();
    let size = (WIDTH, count * HEIGHT + CAPTION_HEIGHT);
    let drawn = draw(run, panels, SVGBackend::with_string(&mut output, size));
    assert!(drawn.is_ok(), "drawing into a text cannot fail: {drawn:?}");
    output
}

fn draw(run: &RunSeries, panels: &[Panel], backend: SVGBackend<'_>) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let height = i32::try_from(HEIGHT * u32::try_from(panels.len()).unwrap_or(1)).unwrap_or(i32::MAX);
    let (figures, beneath) = root.split_vertically(height);
    for (panel, area) in panels.iter().zip(figures.split_evenly((panels.len(), 1))) {
        panel(run, &area)?;
    }
    beneath.draw(&Text::new(caption(run), (14, 8), text(13.0)))?;
    root.present()
}

/// What a reader has to know about the data.
fn caption(run: &RunSeries) -> String {
    let mut caption = format!(
        "Run {}: {} machines, {:.1} s.",
        run.run, run.machine_count, run.seconds
    );
    if run.machines.len() > MACHINES_SHOWN_MAX {
        caption += &format!(" The first {MACHINES_SHOWN_MAX} machines are shown.");
    }
    if run.is_thinned() {
        caption += &format!(" Lines are thinned to {POINTS_MAX} points; extremes are kept.");
    }
    caption
}

fn text(size: f64) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// The machines that are shown, and their colours.
fn shown(run: &RunSeries) -> impl Iterator<Item = (&MachineSeries, RGBColor)> {
    run.machines.iter().zip(COLOURS)
}

fn label(machine: &MachineSeries) -> String {
    let ticks = |rate: u32| format!(", {rate} tick{}/s", if rate == 1 { "" } else { "s" });
    format!(
        "machine {}{}",
        machine.machine,
        machine.rate.map(ticks).unwrap_or_default()
    )
}

fn draw_clocks<'a>(run: &RunSeries, area: &Area<'a>) -> Drawn {
    let lines = shown(run).map(|(machine, colour)| (label(machine), colour, machine.clock.points()));
    draw_lines(
        run,
        area,
        "Logical clocks",
        "clock",
        Legend::BesideTheLines,
        lines.collect(),
    )
}

fn draw_drift<'a>(run: &RunSeries, area: &Area<'a>) -> Drawn {
    let lines = shown(run).map(|(machine, colour)| (label(machine), colour, machine.drift.points()));
    draw_lines(
        run,
        area,
        "Drift: how far each clock is behind the foremost",
        "clock steps",
        Legend::AboveTheLines,
        lines.collect(),
    )
}

fn draw_queues<'a>(run: &RunSeries, area: &Area<'a>) -> Drawn {
    let lines = shown(run).map(|(machine, colour)| {
        let points = machine.queue.points();
        (label(machine), colour, steps(&points))
    });
    draw_lines(
        run,
        area,
        "Network queues",
        "messages waiting",
        Legend::AboveTheLines,
        lines.collect(),
    )
}

/// A value that holds until the next one.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut steps = Vec::with_capacity(2 * points.len());
    for (x, y) in points {
        if let Some((_, before)) = steps.last().copied() {
            steps.push((*x, before));
        }
        steps.push((*x, *y));
    }
    steps
}

/// A line: its name, its colour, its points.
type Line = (String, RGBColor, Vec<(f64, f64)>);

/// Where the legend in the upper left corner finds its room.
#[derive(Clone, Copy)]
enum Legend {
    /// The lines begin low.
    BesideTheLines,
    /// The lines may peak anywhere: the axis goes on above them.
    AboveTheLines,
}

fn draw_lines<'a>(
    run: &RunSeries,
    area: &Area<'a>,
    title: &str,
    unit: &str,
    legend: Legend,
    lines: Vec<Line>,
) -> Drawn {
    let most = lines
        .iter()
        .flat_map(|(_, _, points)| points)
        .map(|point| point.1)
        .fold(1.0, f64::max);
    let room = match legend {
        Legend::BesideTheLines => 1.08,
        Legend::AboveTheLines => 1.15 + 0.1 * approximate(lines.len() as u64),
    };
    let mut chart = begin(area, title, (0.0, run.seconds.max(1.0)), (0.0, most * room))?;
    mesh(&mut chart, "seconds since the start", unit, 10)?;
    for (name, colour, points) in lines {
        let style = ShapeStyle::from(colour).stroke_width(2);
        let drawn = chart.draw_series(LineSeries::new(points, style))?;
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    finish(&mut chart, SeriesLabelPosition::UpperLeft)
}

fn draw_jumps<'a>(run: &RunSeries, area: &Area<'a>) -> Drawn {
    let shares: Vec<_> = shown(run)
        .map(|(machine, colour)| (machine, colour, shares(machine)))
        .collect();
    let all = || shares.iter().flat_map(|(_, _, shares)| shares);
    let most = all().map(|share| share.1).fold(1.0, f64::max);
    let widest = all().map(|share| share.0).max().unwrap_or(1).max(5);
    let right = approximate(widest) + 0.5;
    let title = "Jumps: how far a clock steps in one event";
    let mut chart = begin(area, title, (0.5, right), (0.0, (most * 1.08).min(100.0)))?;
    let mut unit = "clock steps".to_owned();
    if widest == JUMP_MAX {
        unit += &format!(" ({JUMP_MAX} stands for {JUMP_MAX} and more)");
    }
    // One label a bar: more of them would fall between the whole numbers.
    let labels = usize::try_from(widest).unwrap_or(1);
    mesh(&mut chart, &unit, "% of the machine's events", labels)?;
    let width = 0.8 / approximate(shares.len().max(1) as u64);
    for (place, (machine, colour, shares)) in (0_u64..).zip(&shares) {
        let (colour, left) = (*colour, approximate(place) * width - 0.4);
        let bars = shares.iter().map(|(jump, share)| {
            let x = approximate(*jump) + left;
            Rectangle::new([(x, 0.0), (x + width * 0.92, *share)], colour.filled())
        });
        chart
            .draw_series(bars)?
            .label(label(machine))
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    finish(&mut chart, SeriesLabelPosition::UpperRight)
}

/// Of each size of jump, the part of the machine's events in per cent.
fn shares(machine: &MachineSeries) -> Vec<(u64, f64)> {
    let all = machine.jumps.values().sum::<u64>().max(1);
    let share = |(jump, count): (&u64, &u64)| (*jump, 100.0 * approximate(*count) / approximate(all));
    machine.jumps.iter().map(share).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a figure has a thousand pixels")]
fn approximate(count: u64) -> f64 {
    count as f64
}

fn begin<'a>(
    area: &Area<'a>,
    title: &str,
    x: (f64, f64),
    y: (f64, f64),
) -> Result<Chart<'a>, DrawingAreaErrorKind<std::io::Error>> {
    ChartBuilder::on(area)
        .caption(title, text(18.0))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)
}

fn mesh(chart: &mut Chart<'_>, x_unit: &str, y_unit: &str, x_labels: usize) -> Drawn {
    chart
        .configure_mesh()
        .x_desc(x_unit)
        .y_desc(y_unit)
        .x_labels(x_labels)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .axis_desc_style(text(14.0))
        .label_style(text(13.0))
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .axis_style(INK)
        .draw()
}

fn finish(chart: &mut Chart<'_>, legend: SeriesLabelPosition) -> Drawn {
    chart
        .configure_series_labels()
        .position(legend)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .label_font(text(13.0))
        .draw()
}
