//! A panel: its title, its axes, and its legend in a column of its own, where it hides nothing.

use plotters::{
    coord::types::RangedCoordf64,
    prelude::{Cartesian2d, ChartBuilder, ChartContext, PathElement, Rectangle, SVGBackend, Text},
    style::{Color, ShapeStyle},
};

use super::{Area, Canvas, DrawError, Drawn, LINE_WIDTH, WIDTH, colour, label, text};

pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Width of the legend, in pixels: room for `machine 9999, 1000/s`.
const LEGEND_WIDTH: u32 = 170;

/// Pixels left of the plot: labels of six digits, and the unit.
const Y_LABELS_WIDTH: u32 = 76;

const TITLE_HEIGHT: u32 = 34;

/// How a machine looks in the legend.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Line,
    Bar,
}

/// What stands around a plot.
pub(super) struct Frame<'t> {
    pub(super) title: &'t str,
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) x_unit: &'t str,
    pub(super) y_unit: &'t str,
    /// Most labels of the x axis, and what each says.
    pub(super) x_labels: (usize, &'t dyn Fn(&f64) -> String),
    pub(super) y_label: &'t dyn Fn(&f64) -> String,
    pub(super) key: Key,
}

/// Draws the frame and gives the chart to draw into.
pub(super) fn begin<'a>(
    canvas: &Canvas<'_>,
    area: &Area<'a>,
    frame: &Frame<'_>,
) -> Result<Chart<'a>, DrawError> {
    let palette = canvas.palette;
    let (ink, grid, background) = (
        colour(palette.ink),
        colour(palette.grid),
        colour(palette.background),
    );
    title(canvas, area, frame.title)?;
    let (plot, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
    draw_legend(canvas, &legend, frame.key)?;
    let mut chart = ChartBuilder::on(&plot)
        .margin_top(TITLE_HEIGHT)
        .margin_bottom(8)
        .margin_right(14)
        .margin_left(10)
        .x_label_area_size(44)
        .y_label_area_size(Y_LABELS_WIDTH)
        .build_cartesian_2d(frame.x.0..frame.x.1, frame.y.0..frame.y.1)?;
    let (x_labels_max, x_label) = frame.x_labels;
    chart
        .configure_mesh()
        .x_desc(frame.x_unit)
        .y_desc(frame.y_unit)
        .x_labels(x_labels_max)
        .y_labels(6)
        .x_label_formatter(x_label)
        .y_label_formatter(frame.y_label)
        .axis_desc_style(text(14.0, palette.ink))
        .label_style(text(13.0, palette.ink))
        .bold_line_style(grid)
        .light_line_style(background)
        .axis_style(ink)
        .draw()?;
    Ok(chart)
}

/// A panel that has nothing to show says why.
pub(super) fn nothing(canvas: &Canvas<'_>, area: &Area<'_>, heading: &str, why: &str) -> Drawn {
    title(canvas, area, heading)?;
    let place = (i32::try_from(Y_LABELS_WIDTH).unwrap_or(0) + 10, 64);
    area.draw(&Text::new(
        why.to_owned(),
        place,
        text(14.0, canvas.palette.faint),
    ))
}

fn title(canvas: &Canvas<'_>, area: &Area<'_>, title: &str) -> Drawn {
    let place = (i32::try_from(Y_LABELS_WIDTH).unwrap_or(0) + 10, 10);
    area.draw(&Text::new(
        title.to_owned(),
        place,
        text(18.0, canvas.palette.ink),
    ))
}

fn draw_legend(canvas: &Canvas<'_>, area: &Area<'_>, key: Key) -> Drawn {
    for (place, machine) in canvas.shown.iter().enumerate() {
        let line = colour(canvas.palette.line(place));
        let y = i32::try_from(TITLE_HEIGHT).unwrap_or(0) + 10 + 22 * i32::try_from(place).unwrap_or(0);
        match key {
            Key::Line => {
                let style = ShapeStyle::from(line).stroke_width(LINE_WIDTH);
                area.draw(&PathElement::new(vec![(2, y), (32, y)], style))?;
            }
            Key::Bar => area.draw(&Rectangle::new([(10, y - 6), (24, y + 6)], line.filled()))?,
        }
        let name = Text::new(label(machine), (38, y - 6), text(13.0, canvas.palette.ink));
        area.draw(&name)?;
    }
    Ok(())
}

/// A number with as many decimals as it has, at most two.
pub(super) fn short(value: &f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}
