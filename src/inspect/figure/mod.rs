//! Figures of a run as SVG, one line or colour a machine.
//!
//! Fonts are left to the viewer; the background is the theme's. A figure shows at most
//! [`MACHINES_SHOWN_MAX`] machines, and says so beneath where there are more.

mod bars;
mod frame;
mod lines;
mod matrix;

use plotters::{
    coord::Shift,
    prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, RGBColor, SVGBackend, Text},
    style::{IntoFont, TextStyle},
};

use super::{
    markup::escape,
    matrix::Matrix,
    palette::{self, COLOURS, Palette, Rgb, Theme},
    series::{MachineSeries, POINTS_MAX, RunSeries},
    summary::RunSummary,
};

/// Machines that a figure shows: as many as there are colours.
pub const MACHINES_SHOWN_MAX: usize = COLOURS;

/// Size of one panel of a figure, in pixels.
const WIDTH: u32 = 960;
const HEIGHT: u32 = 340;

/// Height of the line beneath the panels.
const CAPTION_HEIGHT: u32 = 34;

/// Width of a line, in pixels: no other line of a figure has it.
const LINE_WIDTH: u32 = 2;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Drawing into a text cannot fail; plotters only says it could.
type DrawError = DrawingAreaErrorKind<std::io::Error>;
type Drawn = Result<(), DrawError>;

/// What a panel draws from.
struct Canvas<'r> {
    run: &'r RunSeries,
    palette: &'static Palette,
    /// The machines that are shown, in the order of their ids.
    shown: Vec<&'r MachineSeries>,
}

/// A panel of a figure.
type Panel = for<'a> fn(&Canvas<'_>, &Area<'a>) -> Drawn;

/// The files that [`all`] makes.
pub const FILES: [&str; 8] = [
    "clocks.svg",
    "drift.svg",
    "queues.svg",
    "jumps.svg",
    "tick-error.svg",
    "ages.svg",
    "matrix.svg",
    "overview.svg",
];

/// Every figure of a run with the name of its file, in the order of [`FILES`].
#[must_use]
pub fn all(run: &RunSeries, summary: &RunSummary, theme: Theme) -> Vec<(&'static str, String)> {
    let figures = [
        clocks(run, theme),
        drift(run, theme),
        queues(run, theme),
        jumps(run, theme),
        tick_error(run, theme),
        ages(run, theme),
        matrix(summary, theme),
        overview(run, theme),
    ];
    FILES.into_iter().zip(figures).collect()
}

/// The logical clock of each machine against seconds.
#[must_use]
pub fn clocks(run: &RunSeries, theme: Theme) -> String {
    figure(run, theme, "logical clocks", &[lines::clocks])
}

/// How far each machine's clock is behind the foremost one.
#[must_use]
pub fn drift(run: &RunSeries, theme: Theme) -> String {
    figure(run, theme, "drift of the clocks", &[lines::drift])
}

/// The queue of each machine over time.
#[must_use]
pub fn queues(run: &RunSeries, theme: Theme) -> String {
    figure(run, theme, "network queues", &[lines::queues])
}

/// How often each machine's clock jumped by how much.
#[must_use]
pub fn jumps(run: &RunSeries, theme: Theme) -> String {
    figure(run, theme, "jumps of the clocks", &[bars::jumps])
}

/// How late ticks came: over time, and how often how late.
#[must_use]
pub fn tick_error(run: &RunSeries, theme: Theme) -> String {
    figure(
        run,
        theme,
        "lateness of ticks",
        &[lines::tick_error, bars::lateness],
    )
}

/// How old messages were when they were taken: since they were sent, and since they arrived.
#[must_use]
pub fn ages(run: &RunSeries, theme: Theme) -> String {
    figure(run, theme, "ages of messages", &[lines::ages, lines::waits])
}

/// The messages between each two machines.
#[must_use]
pub fn matrix(summary: &RunSummary, theme: Theme) -> String {
    let mut output = String::new();
    let matrix = Matrix::of(summary);
    let backend = SVGBackend::with_string(&mut output, matrix::size(&matrix));
    let drawn = matrix::draw(&matrix, summary, theme.palette(), backend);
    assert!(drawn.is_ok(), "drawing into a text cannot fail: {drawn:?}");
    named(&output, &format!("Run {}: messages sent", summary.run))
}

/// Clocks, drift, queues and jumps, one above the other.
#[must_use]
pub fn overview(run: &RunSeries, theme: Theme) -> String {
    let panels: [Panel; 4] = [lines::clocks, lines::drift, lines::queues, bars::jumps];
    figure(run, theme, "clocks, drift, queues and jumps", &panels)
}

/// Panels above a caption.
fn figure(run: &RunSeries, theme: Theme, name: &str, panels: &[Panel]) -> String {
    let count = u32::try_from(panels.len()).unwrap_or(1);
    let mut output = String::new();
    let size = (WIDTH, count * HEIGHT + CAPTION_HEIGHT);
    let canvas = Canvas {
        run,
        palette: theme.palette(),
        shown: run.shown(MACHINES_SHOWN_MAX),
    };
    let drawn = draw(&canvas, panels, SVGBackend::with_string(&mut output, size));
    assert!(drawn.is_ok(), "drawing into a text cannot fail: {drawn:?}");
    named(&dashed(output, &canvas), &format!("Run {}: {name}", run.run))
}

fn draw(canvas: &Canvas<'_>, panels: &[Panel], backend: SVGBackend<'_>) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&colour(canvas.palette.background))?;
    let height = i32::try_from(HEIGHT * u32::try_from(panels.len()).unwrap_or(1)).unwrap_or(i32::MAX);
    let (figures, beneath) = root.split_vertically(height);
    for (panel, area) in panels.iter().zip(figures.split_evenly((panels.len(), 1))) {
        panel(canvas, &area)?;
    }
    let text = text(13.0, canvas.palette.faint);
    beneath.draw(&Text::new(caption(canvas), (14, 8), text))?;
    root.present()
}

/// What a reader has to know about the data.
fn caption(canvas: &Canvas<'_>) -> String {
    let run = canvas.run;
    let mut caption = format!(
        "Run {}: {} machines, {:.1} s.",
        run.run, run.machine_count, run.seconds
    );
    if canvas.shown.len() < usize::from(run.machine_count) {
        caption += &match canvas.shown.len() {
            MACHINES_SHOWN_MAX => {
                format!(" {MACHINES_SHOWN_MAX} of them are shown, from the fastest to the slowest.")
            }
            fewer => format!(" {fewer} logs are here."),
        };
    }
    if run.is_thinned() {
        caption += &format!(" Lines are thinned to {POINTS_MAX} points; extremes are kept.");
    }
    caption
}

fn colour(rgb: Rgb) -> RGBColor {
    RGBColor(rgb.0, rgb.1, rgb.2)
}

fn text(size: f64, ink: Rgb) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour(ink))
}

/// A machine in a legend.
fn label(machine: &MachineSeries) -> String {
    let rate = machine.rate.map(|rate| format!(", {rate}/s")).unwrap_or_default();
    format!("machine {}{rate}", machine.machine)
}

/// Gives each machine's lines its dashes, which plotters cannot: a line is known by its colour and width.
fn dashed(svg: String, canvas: &Canvas<'_>) -> String {
    let mut svg = svg;
    for place in 0..canvas.shown.len() {
        let dashes: Vec<String> = palette::dashes(place).iter().map(u32::to_string).collect();
        if !dashes.is_empty() {
            let stroke = format!(
                "stroke=\"{}\" stroke-width=\"{LINE_WIDTH}\"",
                canvas.palette.line(place).hex()
            );
            let with = format!("{stroke} stroke-dasharray=\"{}\"", dashes.join(","));
            svg = svg.replace(&stroke, &with);
        }
    }
    svg
}

/// Says what the picture is to those who cannot see it.
fn named(svg: &str, name: &str) -> String {
    let name = escape(name);
    svg.replacen("<svg ", "<svg role=\"img\" ", 1)
        .replacen(">\n", &format!(">\n<title>{name}</title>\n"), 1)
}
