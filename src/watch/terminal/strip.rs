//! A strip: the last events of a machine, a column each or several in one.

use super::{
    axis::{Axis, is_drawn},
    look::{Look, Role},
    pen::Pen,
};
use crate::{
    trace::{Kind, Record},
    units::MachineId,
    watch::scene::{Kept, Machine},
};

/// How many events stand in a column, and which of them is shown.
pub(super) type Column<'a> = Option<(u32, &'a Kept)>;

/// The last events of a machine: in each column how many there are, and which of them is shown.
pub(super) fn columns<'a>(axis: &Axis, id: MachineId, machine: &'a Machine, width: u16) -> Vec<Column<'a>> {
    let mut columns: Vec<Column<'_>> = vec![None; usize::from(width)];
    for kept in axis.lines(machine).filter(|kept| is_drawn(&kept.record)) {
        let column = axis.column(id, kept).map(usize::from);
        if let Some(place) = column.and_then(|column| columns.get_mut(column)) {
            *place = Some(match *place {
                None => (1, kept),
                Some((count, best)) if weight(best) > weight(kept) => (count + 1, best),
                Some((count, _)) => (count + 1, kept),
            });
        }
    }
    columns
}

/// Draws columns; `most` is how many events the fullest one of all lanes has.
pub(super) fn paint(columns: &[Column<'_>], most: u32, (x, y): (u16, u16), pen: &mut Pen<'_>) {
    for (column, content) in (0_u16..).zip(columns) {
        let Some((count, kept)) = content else { continue };
        if *count > 1 && weight(kept) < REMARK {
            let symbol = pen.look.dense(*count, most);
            pen.cell(x + column, y, symbol, glyph(kept, pen.look).2);
            continue;
        }
        let next = columns.iter().skip(usize::from(column) + 1);
        let free = next.take_while(|next| next.is_none()).count();
        let (symbol, behind, role) = glyph(kept, pen.look);
        pen.cell(x + column, y, symbol, role);
        if behind.len() <= free {
            let end = pen.area().right();
            pen.text(x + column + 1, y, end, &behind, role);
        }
    }
}

/// The weight of what is no event: it is never hidden by events.
const REMARK: u8 = 3;

/// Which of several lines in one column is shown.
fn weight(kept: &Kept) -> u8 {
    match &kept.record {
        Record::Event(event) => match event.kind {
            Kind::Internal | Kind::Other => 0,
            Kind::Receive { .. } => 1,
            Kind::Send { .. } => 2,
        },
        _ => REMARK,
    }
}

/// A line's glyph, what stands behind it where there is room, and how it looks.
fn glyph(kept: &Kept, look: Look) -> (&'static str, String, Role) {
    match &kept.record {
        Record::Event(event) => match &event.kind {
            Kind::Internal | Kind::Other => (look.internal(), String::new(), Role::Internal),
            Kind::Receive { from, .. } => ("<", from.to_string(), Role::Receive),
            Kind::Send { to, mishaps } => {
                let whom = match to.as_slice() {
                    [one] => one.to_string(),
                    _ => "*".to_owned(),
                };
                let lost = mishaps
                    .as_ref()
                    .is_some_and(|mishaps| to.iter().all(|to| mishaps.copies(*to) == 0));
                if lost {
                    (look.lost(), whom, Role::Bad)
                } else {
                    (">", whom, Role::Send)
                }
            }
        },
        remark => (remark_glyph(remark), String::new(), Role::Note),
    }
}

/// A letter for what is no event.
fn remark_glyph(record: &Record) -> &'static str {
    match record {
        Record::Event(_) => " ",
        Record::LinkUp { .. } => "U",
        Record::LinkLost { .. } => "L",
        Record::Stall { .. } => "T",
        Record::Fault(_) => "F",
        Record::Mended { .. } => "M",
        Record::Paused => "P",
        Record::Stepped { .. } => " ",
        Record::Pace { .. } => "r",
        Record::Jumped { .. } => "J",
        Record::Restarted { .. } => "R",
        Record::Data(_) => "D",
        Record::Ended(_) => "E",
    }
}
