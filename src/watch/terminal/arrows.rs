//! The rows between two lanes: messages between the two machines, as lines.
//!
//! ```text
//!   0  ·   >1      ·
//!           ╰──╮            sent by 0, taken by 1
//!   1    ·     <0   >0
//!                    ╭──▸   sent by 1 to 0 and not taken yet
//! ```

use super::{
    look::{DOWN, LEFT, RIGHT, Role, UP},
    pen::Pen,
};

/// Which of the two lanes sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The upper one to the lower one.
    Down,
    /// The lower one to the upper one.
    Up,
}

/// A message between two lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) way: Way,
    /// The column of its send event; `None` if that is left of the view.
    pub(super) sent: Option<u16>,
    /// The column where it was taken; `None` if it was not yet.
    pub(super) taken: Option<u16>,
    /// The sender's clock: messages are spread over the rows by it.
    pub(super) clock: u64,
}

/// Lines between two lanes, while they are put together: a cell's sides, and how it looks.
#[derive(Debug)]
pub(super) struct Arrows {
    width: u16,
    rows: u16,
    cells: Vec<(u8, Role)>,
    /// Rows of messages that lead to the right edge.
    heads: Vec<u16>,
}

impl Arrows {
    pub(super) fn new(width: u16, rows: u16) -> Self {
        Self {
            width,
            rows,
            cells: vec![(0, Role::Faint); usize::from(width) * usize::from(rows)],
            heads: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, hop: &Hop) {
        if self.rows == 0 || self.width == 0 {
            return;
        }
        let row = u16::try_from(hop.clock % u64::from(self.rows)).unwrap_or(0);
        let role = if hop.taken.is_some() {
            Role::Faint
        } else {
            Role::UnderWay
        };
        let last = self.width - 1;
        let (left, right) = (hop.sent.unwrap_or(0), hop.taken.unwrap_or(last));
        if hop.sent == hop.taken && hop.sent.is_some() {
            for row in 0..self.rows {
                self.mark(left, row, UP | DOWN, role);
            }
            return;
        }
        // Along the row, without the corners at its ends.
        for x in left..=right {
            let to_left = x > left || hop.sent.is_none();
            let to_right = x < right || hop.taken.is_none();
            let sides = if to_left { LEFT } else { 0 } | if to_right { RIGHT } else { 0 };
            self.mark(x, row, sides, role);
        }
        if let Some(x) = hop.sent {
            self.leg(x, row, hop.way, role);
        }
        match hop.taken {
            Some(x) => self.leg(x, row, opposite(hop.way), role),
            None => self.heads.push(row),
        }
    }

    /// From a lane to the row: from the upper lane where it goes down.
    fn leg(&mut self, x: u16, row: u16, way: Way, role: Role) {
        match way {
            Way::Down => {
                (0..row).for_each(|above| self.mark(x, above, UP | DOWN, role));
                self.mark(x, row, UP, role);
            }
            Way::Up => {
                (row + 1..self.rows).for_each(|below| self.mark(x, below, UP | DOWN, role));
                self.mark(x, row, DOWN, role);
            }
        }
    }

    fn mark(&mut self, x: u16, row: u16, sides: u8, role: Role) {
        let place = usize::from(row) * usize::from(self.width) + usize::from(x);
        if x < self.width
            && let Some(cell) = self.cells.get_mut(place)
        {
            *cell = (cell.0 | sides, cell.1.max(role));
        }
    }

    /// Draws the lines with their upper left corner at `(x, y)`.
    pub(super) fn paint(&self, (x, y): (u16, u16), pen: &mut Pen<'_>) {
        let look = pen.look;
        for (row, cells) in (0_u16..).zip(self.cells.chunks(usize::from(self.width.max(1)))) {
            for (column, (sides, role)) in (0_u16..).zip(cells) {
                if *sides != 0 {
                    pen.cell(x + column, y + row, look.line(*sides), *role);
                }
            }
        }
        for row in &self.heads {
            pen.cell(x + self.width - 1, y + row, look.arrow_head(), Role::UnderWay);
        }
    }
}

/// The end of a message that was sent the one way leaves its row the other way: down into the lower lane.
fn opposite(way: Way) -> Way {
    match way {
        Way::Down => Way::Up,
        Way::Up => Way::Down,
    }
}
