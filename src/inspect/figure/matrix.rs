//! The messages between each two machines as a table of coloured cells.

use plotters::{
    prelude::{IntoDrawingArea, Rectangle, SVGBackend, Text},
    style::{
        Color, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{CAPTION_HEIGHT, Drawn, WIDTH, colour, text};
use crate::inspect::{
    matrix::{MATRIX_MACHINES_MAX, Matrix},
    palette::Palette,
    summary::RunSummary,
};

/// Pixels above the cells: the title, and the columns' names.
const TOP: i32 = 84;

/// Pixels left of the cells: the rows' names.
const LEFT: i32 = 150;

/// Height of a cell.
const CELL_HEIGHT: i32 = 34;

/// Width of a cell where there is room.
const CELL_WIDTH_MAX: i32 = 96;

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Width and height of the picture, in pixels.
pub(super) fn size(matrix: &Matrix) -> (u32, u32) {
    let rows = u32::try_from(TOP + CELL_HEIGHT * count(matrix.from.len())).unwrap_or(0);
    (WIDTH, rows + 16 + CAPTION_HEIGHT)
}

pub(super) fn draw(
    matrix: &Matrix,
    summary: &RunSummary,
    palette: &Palette,
    backend: SVGBackend<'_>,
) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&colour(palette.background))?;
    let middle = |style: TextStyle<'static>| style.pos(Pos::new(HPos::Center, VPos::Center));
    let end = |style: TextStyle<'static>| style.pos(Pos::new(HPos::Right, VPos::Center));
    root.draw(&Text::new(
        "Messages sent, from row to column",
        (14, 12),
        text(18.0, palette.ink),
    ))?;
    let width = ((count(WIDTH as usize) - LEFT - 20) / count(matrix.to.len().max(1))).min(CELL_WIDTH_MAX);
    let most = matrix.most();
    let corner = Text::new(
        "from \\ to",
        (LEFT - 10, TOP - 14),
        end(text(13.0, palette.faint)),
    );
    root.draw(&corner)?;
    for (column, name) in matrix.to.iter().enumerate() {
        let place = (LEFT + width * count(column) + width / 2, TOP - 14);
        root.draw(&Text::new(name.clone(), place, middle(text(13.0, palette.ink))))?;
    }
    for (row, (name, cells)) in matrix.from.iter().zip(&matrix.cells).enumerate() {
        let top = TOP + CELL_HEIGHT * count(row);
        let place = (LEFT - 10, top + CELL_HEIGHT / 2);
        root.draw(&Text::new(name.clone(), place, end(text(13.0, palette.ink))))?;
        for (column, cell) in cells.iter().enumerate() {
            let Some(messages) = cell else { continue };
            let left = LEFT + width * count(column);
            let (fill, ink) = palette.heat_of(*messages, most);
            let corners = [(left, top), (left + width - 2, top + CELL_HEIGHT - 2)];
            root.draw(&Rectangle::new(corners, colour(fill).filled()))?;
            // A number of n digits is about 8 n pixels wide.
            let number = messages.to_string();
            let size = if count(number.len()) * 8 < width - 4 {
                13.0
            } else {
                9.0
            };
            let place = (left + width / 2 - 1, top + CELL_HEIGHT / 2 - 1);
            root.draw(&Text::new(number, place, middle(text(size, ink))))?;
        }
    }
    let mut caption = format!("Run {}: {} machines.", summary.run, summary.machine_count);
    if matrix.is_grouped {
        caption += &format!(
            " More than {MATRIX_MACHINES_MAX}: they are grouped by ticks a second × how many they are."
        );
    }
    let place = (14, TOP + CELL_HEIGHT * count(matrix.from.len()) + 22);
    root.draw(&Text::new(caption, place, text(13.0, palette.faint)))?;
    root.present()
}
