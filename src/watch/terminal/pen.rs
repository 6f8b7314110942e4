//! Writes into the cells of a screen; what lies outside is left out.

use ratatui::{buffer::Buffer, layout::Rect};

use super::look::{Look, Role};

/// A pen on a screen.
#[derive(Debug)]
pub(super) struct Pen<'a> {
    pub(super) cells: &'a mut Buffer,
    pub(super) look: Look,
}

impl Pen<'_> {
    pub(super) fn area(&self) -> Rect {
        self.cells.area
    }

    /// Writes a text and returns the column behind it. A text that does not fit before column `end` is cut, visibly.
    pub(super) fn text(&mut self, x: u16, y: u16, end: u16, text: &str, role: Role) -> u16 {
        let area = self.area();
        let end = end.min(area.right());
        if y >= area.bottom() || x >= end {
            return x;
        }
        let style = self.look.style(role);
        let text = self.look.text(text);
        let room = usize::from(end - x);
        if text.chars().count() <= room {
            return self.cells.set_stringn(x, y, &text, room, style).0;
        }
        self.cells.set_stringn(x, y, &text, room - 1, style);
        let ellipsis = self.look.ellipsis();
        self.cell(end - 1, y, ellipsis, role);
        end
    }

    /// Writes a text so that it ends before column `end`.
    pub(super) fn text_right(&mut self, start: u16, y: u16, end: u16, text: &str, role: Role) {
        let width = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        self.text(end.saturating_sub(width).max(start), y, end, text, role);
    }

    /// One cell.
    pub(super) fn cell(&mut self, x: u16, y: u16, symbol: &str, role: Role) {
        let style = self.look.style(role);
        if let Some(cell) = self.cells.cell_mut((x, y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    /// A whole row in one role.
    pub(super) fn row(&mut self, y: u16, role: Role) {
        let area = self.area();
        let style = self.look.style(role);
        if y < area.bottom() {
            self.cells.set_style(Rect::new(area.x, y, area.width, 1), style);
        }
    }

    /// A bar of `width` cells, of which the first are `full` and further ones `half`.
    pub(super) fn bar(&mut self, (x, y): (u16, u16), width: u16, full: (u16, Role), half: (u16, Role)) {
        let look = self.look;
        for place in 0..width {
            let (symbol, role) = if place < full.0 {
                (look.waiting(), full.1)
            } else if place < full.0 + half.0 {
                (look.sent(), half.1)
            } else {
                (" ", Role::Plain)
            };
            self.cell(x + place, y, symbol, role);
        }
    }
}
