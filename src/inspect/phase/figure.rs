//! The phase diagram as SVG: a panel for each number of machines, measured growth as colour, the theory's border
//! on top.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::{
        Cartesian2d, ChartBuilder, ChartContext, Circle, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea,
        LineSeries, PathElement, RGBColor, Rectangle, SVGBackend, Text,
    },
    style::{Color, IntoFont, ShapeStyle, TextStyle, WHITE},
};

use super::{Cell, State};
use crate::{
    inspect::palette::{Palette, Rgb, Theme},
    model::{internal_probability, theory},
};

/// On white, as on a slide.
const PALETTE: &Palette = Theme::Light.palette();
const INK: RGBColor = paint(PALETTE.ink);
const BORDER: RGBColor = paint(PALETTE.heat);

/// From no growth to the largest: C. Brewer's YlOrBr, which gets darker all the way, for colour-blind eyes and for
/// print.
const SCALE: [Rgb; 6] = [
    Rgb(255, 250, 235),
    Rgb(254, 227, 145),
    Rgb(254, 196, 79),
    Rgb(236, 112, 20),
    Rgb(204, 76, 2),
    Rgb(102, 37, 6),
];

/// Size of a panel, in pixels.
const WIDTH: u32 = 560;
const HEIGHT: u32 = 430;

/// Height of the legend beneath.
const LEGEND_HEIGHT: u32 = 96;

/// Points of the border's line.
const LINE_POINTS: u32 = 60;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
/// Drawing into a text cannot fail; plotters only says it could.
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The diagram of all cells, two panels a row.
///
/// # Panics
/// If there is no cell.
#[must_use]
pub fn figure(cells: &[Cell]) -> String {
    assert!(!cells.is_empty(), "a phase diagram needs a cell");
    let panels: Vec<&[Cell]> = cells.chunk_by(|a, b| a.machines == b.machines).collect();
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns);
    let pixels = |count: usize, each: u32| u32::try_from(count).unwrap_or(1) * each;
    let size = (
        pixels(columns, WIDTH).max(760),
        pixels(rows, HEIGHT) + LEGEND_HEIGHT,
    );
    let mut output = String::new();
    let drawn = draw(
        &panels,
        (rows, columns),
        SVGBackend::with_string(&mut output, size),
    );
    assert!(drawn.is_ok(), "drawing into a text cannot fail: {drawn:?}");
    output
}

fn draw(panels: &[&[Cell]], (rows, columns): (usize, usize), backend: SVGBackend<'_>) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let height = i32::try_from(HEIGHT * u32::try_from(rows).unwrap_or(1)).unwrap_or(i32::MAX);
    let (above, beneath) = root.split_vertically(height);
    let most = panels
        .iter()
        .copied()
        .flatten()
        .map(Cell::growth)
        .fold(0.0, f64::max);
    for (cells, area) in panels.iter().zip(above.split_evenly((rows, columns))) {
        panel(cells, most, &area)?;
    }
    legend(panels, most, &beneath)?;
    root.present()
}

const fn paint(rgb: Rgb) -> RGBColor {
    RGBColor(rgb.0, rgb.1, rgb.2)
}

fn text(size: f64) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn panel<'a>(cells: &[Cell], most: f64, area: &Area<'a>) -> Drawn {
    let Some(first) = cells.first() else { return Ok(()) };
    let bounds = |pick: fn(&Cell) -> u32| {
        let values = || cells.iter().map(pick);
        let (low, high) = (values().min().unwrap_or(1), values().max().unwrap_or(1));
        (f64::from(low) - 0.5)..(f64::from(high) + 0.5)
    };
    let (x, y) = (bounds(|cell| cell.draw), bounds(|cell| cell.slow));
    let title = format!(
        "{} machines, {} of them at {} ticks/s",
        first.machines,
        first.machines - 1,
        first.fast
    );
    let mut chart: Chart<'a> = ChartBuilder::on(area)
        .caption(title, text(17.0))
        .margin(12)
        .margin_right(20)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(x.clone(), y.clone())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the die of a label, within the axis"
    )]
    let die = |draw: &f64| {
        let draw = draw.round().max(1.0) as u32;
        format!("{draw} ({:.2})", internal_probability(draw).max(0.0))
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("sides of the die (probability of an internal event)")
        .y_desc("ticks/s of the slow machine")
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&die)
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .axis_desc_style(text(14.0))
        .label_style(text(12.0))
        .axis_style(INK)
        .draw()?;
    chart.draw_series(cells.iter().map(|cell| {
        let (x, y) = (f64::from(cell.draw), f64::from(cell.slow));
        let colour = colour(cell.growth(), most);
        Rectangle::new([(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)], colour.filled())
    }))?;
    // The border, and the band around it in which nothing statistical is asserted.
    for (factor, style) in [
        (1.0, ShapeStyle::from(WHITE).stroke_width(6)),
        (1.0, ShapeStyle::from(BORDER).stroke_width(3)),
        (1.0 + theory::MARGIN_MIN, ShapeStyle::from(BORDER).stroke_width(1)),
        (
            1.0 / (1.0 + theory::MARGIN_MIN),
            ShapeStyle::from(BORDER).stroke_width(1),
        ),
    ] {
        let line = border(first, x.start, x.end, factor);
        let inside = line.into_iter().filter(|(_, rate)| y.contains(rate));
        chart.draw_series(LineSeries::new(inside, style))?;
    }
    let critical = cells.iter().filter(|cell| cell.measured() == State::Critical);
    chart.draw_series(critical.map(|cell| {
        let at = (f64::from(cell.draw), f64::from(cell.slow));
        Circle::new(at, 2.5, INK.filled())
    }))?;
    Ok(())
}

/// The slow machine's rate on the border, for dice with any number of sides.
fn border(cell: &Cell, from: f64, to: f64, factor: f64) -> Vec<(f64, f64)> {
    let step = (to - from) / f64::from(LINE_POINTS);
    let points = (0..=LINE_POINTS).map(|n| from + step * f64::from(n));
    // A die with 10.5 sides cannot be rolled; the line between two dice is drawn as if it could.
    let at = |draw: f64| {
        let q = theory::send_probability(cell.machines, 1) / draw;
        theory::critical_ratio(cell.machines, q)
    };
    points
        .map(|draw| (draw, at(draw) * f64::from(cell.fast) * factor))
        .collect()
}

fn colour(growth: f64, most: f64) -> RGBColor {
    let steps = SCALE.len() - 1;
    #[expect(clippy::cast_precision_loss, reason = "a scale has six colours")]
    let place = (growth / most.max(1e-9)).clamp(0.0, 1.0).sqrt() * steps as f64;
    let mut lower = 0.0;
    for pair in SCALE.windows(2) {
        if let [a, b] = pair
            && place <= lower + 1.0
        {
            return paint(b.mixed(*a, place - lower));
        }
        lower += 1.0;
    }
    SCALE.last().map_or(INK, |last| paint(*last))
}

/// The colour scale, and what lines and dots mean.
fn legend(panels: &[&[Cell]], most: f64, area: &Area<'_>) -> Drawn {
    const LEFT: i32 = 24;
    const BAR: i32 = 240;
    for x in 0..BAR {
        let part = f64::from(x) / f64::from(BAR);
        let colour = colour(part * most, most);
        area.draw(&Rectangle::new(
            [(LEFT + x, 10), (LEFT + x + 1, 26)],
            colour.filled(),
        ))?;
    }
    area.draw(&Rectangle::new(
        [(LEFT, 10), (LEFT + BAR, 26)],
        ShapeStyle::from(INK).stroke_width(1),
    ))?;
    area.draw(&Text::new("0", (LEFT, 32), text(13.0)))?;
    area.draw(&Text::new(
        format!("{most:.1}"),
        (LEFT + BAR - 24, 32),
        text(13.0),
    ))?;
    area.draw(&Text::new(
        "measured growth of its queue, messages/s",
        (LEFT, 50),
        text(13.0),
    ))?;
    let right = LEFT + BAR + 60;
    let line = |y: i32, width: u32| {
        PathElement::new(
            vec![(right, y), (right + 34, y)],
            ShapeStyle::from(BORDER).stroke_width(width),
        )
    };
    area.draw(&line(16, 3))?;
    area.draw(&Text::new(
        "theory: below this line it cannot keep up",
        (right + 44, 9),
        text(13.0),
    ))?;
    area.draw(&line(37, 1))?;
    area.draw(&Text::new(
        "10 % around it: nothing is asserted",
        (right + 44, 30),
        text(13.0),
    ))?;
    area.draw(&Circle::new((right + 17, 58), 3, INK.filled()))?;
    let dot = "measured critical: the queue grows like a power of time near one half";
    area.draw(&Text::new(dot, (right + 44, 51), text(13.0)))?;
    let Some(cell) = panels.first().and_then(|cells| cells.first()) else {
        return Ok(());
    };
    let runs = format!(
        "Simulated: {} runs of {:.0} s a cell, and of a quarter of that.",
        cell.trials, cell.seconds
    );
    area.draw(&Text::new(runs, (LEFT, 74), text(13.0)))
}
