//! The last lines of all logs, as far as the filter lets them through.

use super::{axis::newest, look::Role, pen::Pen, plan::Plan, view::View};
use crate::{
    trace::{Kind, Record, WallTime},
    units::MachineId,
    watch::{
        scene::{Kept, Scene},
        words::describe,
    },
};

/// Lines looked through for those that a filter lets through.
const SCANNED_MAX: usize = 20_000;

/// Columns of a line's time.
const TIME_WIDTH: u16 = 12;

/// Paints the title and the lines, the newest at the bottom.
pub(super) fn paint(scene: &Scene, view: &View, edge: WallTime, plan: &Plan, pen: &mut Pen<'_>) {
    let (width, look) = (pen.area().width, pen.look);
    for x in 0..width {
        pen.cell(x, plan.pane_y, look.rule(), Role::Faint);
    }
    let title = match view.filter_text.as_str() {
        "" => " last events ".to_owned(),
        filter => format!(" last events with \"{filter}\" "),
    };
    pen.text(2, plan.pane_y, width, &title, Role::Plain);
    let machines = scene.machines().len();
    if plan.lanes < machines {
        let (first, last) = (view.top + 1, view.top + plan.lanes);
        let text = format!(" machines {first} to {last} of {machines} ");
        pen.text_right(0, plan.pane_y, width.saturating_sub(2), &text, Role::Plain);
    }
    let lines = newest(scene, edge)
        .take(SCANNED_MAX)
        .filter(|(id, _)| view.filter.takes(*id))
        .map(|(id, kept)| (id, kept, describe(id, kept)))
        .filter(|(_, kept, text)| view.filter.passes(kept, scene.started(), text))
        .take(usize::from(plan.pane_rows));
    let selected = view.machine(scene);
    let mut is_empty = true;
    for (row, (id, kept, text)) in (1..).zip(lines) {
        let y = plan.footer_y - row;
        is_empty = false;
        line(scene, id, kept, &text, y, selected == Some(id), pen);
    }
    if is_empty && !view.filter_text.is_empty() {
        let text = format!(
            "no line passes \"{}\"; ? says what a filter takes",
            view.filter_text
        );
        pen.text(2, plan.footer_y - 1, width, &text, Role::Note);
    }
}

fn line(scene: &Scene, id: MachineId, kept: &Kept, text: &str, y: u16, is_selected: bool, pen: &mut Pen<'_>) {
    let (width, look) = (pen.area().width, pen.look);
    let since = scene.started().map_or(0, |started| kept.at.us_since(started));
    let (sign, us) = if since < 0 { ("-", -since) } else { ("", since) };
    let at = format!("{sign}{}.{:03}", us / 1_000_000, us / 1_000 % 1_000);
    pen.text_right(0, y, TIME_WIDTH, &at, Role::Faint);
    if is_selected {
        pen.cell(TIME_WIDTH + 1, y, look.selected(), Role::Strong);
    }
    // Lines of one machine stand below each other where there is room for a column each.
    let machines = scene.ids();
    let indent = if machines <= 10 && width >= 100 {
        id.0 * 2
    } else {
        0
    };
    let role = match &kept.record {
        Record::Event(event) => match &event.kind {
            Kind::Internal | Kind::Other => Role::Internal,
            Kind::Receive { .. } => Role::Receive,
            Kind::Send { mishaps: Some(_), .. } => Role::Bad,
            Kind::Send { mishaps: None, .. } => Role::Send,
        },
        _ => Role::Note,
    };
    pen.text(TIME_WIDTH + 3 + indent, y, width, text, role);
}
