//! The whole picture: header, lanes, what is under way, the last lines, footer, and what lies over them.

use std::path::Path;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    axis::{Axis, AxisKind},
    header,
    lanes::{Lanes, strip_start},
    layers,
    look::{Letters, Look, Role},
    pane,
    pen::Pen,
    plan::{HEIGHT_MIN, LaneForm, Plan, WIDTH_MIN},
    view::{Layer, Tone, View},
};
use crate::{
    trace::WallTime,
    watch::{
        eyes::{Eyes, Lag},
        scene::{Scene, UnderWay},
        words::{clock_face, grouped},
    },
};

/// Columns between two labels of the axis, at least.
const LABEL_ROOM: i64 = 12;

/// Times between labels, in microseconds.
const LABEL_STEPS_US: [i64; 14] = [
    1_000,
    10_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    3_600_000_000,
];

/// From this width on the footer also names the keys that zoom.
const ROOM_FOR_ZOOM: u16 = 100;

/// What is painted.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) scene: &'a Scene,
    pub(super) lag: Lag,
    pub(super) folder: &'a Path,
    /// A newer run has begun where the link led that was named.
    pub(super) has_newer: bool,
    pub(super) now: WallTime,
}

/// Paints everything, and tells the view what was in view.
pub(super) fn paint(subject: &Subject<'_>, view: &mut View, look: Look, cells: &mut Buffer) {
    let area = cells.area;
    let mut pen = Pen { cells, look };
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        return too_small(area, &mut pen);
    }
    let scene = subject.scene;
    let plan = Plan::new(area.height, scene.machines().len());
    keep_selected_in_view(view, scene, &plan);
    let start = strip_start(plan.form, scene);
    let edge = view.edge(scene, subject.now);
    let shown = (view.top, plan.lanes);
    let axis = Axis::new(view, scene, edge, area.width.saturating_sub(start), shown);
    view.span = Some(axis.span());
    header::paint(subject, view, edge, &mut pen);
    if scene.machines().is_empty() {
        waiting(subject, &mut pen);
    } else {
        axis_row(&axis, &plan, scene, (start, plan.lanes_y - 1), &mut pen);
        let messages = scene.under_way(edge);
        let lanes = Lanes {
            scene,
            view,
            axis: &axis,
            now: subject.now,
            under_way: &messages,
        };
        lanes.paint(&plan, &mut pen);
        under_way(scene, view, &messages, plan.under_way_y, &mut pen);
        pane::paint(scene, view, edge, &plan, &mut pen);
    }
    footer(subject, view, plan.footer_y, &mut pen);
    match view.layer {
        Layer::None | Layer::Filter => {}
        Layer::Help => layers::help(&mut pen),
        Layer::Faults => layers::faults(view, scene, &mut pen),
    }
}

fn too_small(area: Rect, pen: &mut Pen<'_>) {
    let room = format!("This window has {} x {} characters.", area.width, area.height);
    let need = format!("The view needs {WIDTH_MIN} x {HEIGHT_MIN}: make it larger.");
    for (y, text) in (0..).zip([room.as_str(), need.as_str(), "q quits."]) {
        pen.text(area.x, area.y + y, area.right(), text, Role::Plain);
    }
}

/// The selection stays in view, and no row is left empty.
fn keep_selected_in_view(view: &mut View, scene: &Scene, plan: &Plan) {
    let machines = scene.machines().len();
    view.selected = view.selected.min(machines.saturating_sub(1));
    view.top = view
        .top
        .min(view.selected)
        .max((view.selected + 1).saturating_sub(plan.lanes))
        .min(machines.saturating_sub(plan.lanes));
}

fn waiting(subject: &Subject<'_>, pen: &mut Pen<'_>) {
    let width = pen.area().width;
    let text = format!("There is no log in {} yet.", subject.folder.display());
    let more = "This view begins when a run does: clocklab run, in another terminal.";
    pen.text(2, 4, width, &text, Role::Strong);
    pen.text(2, 5, width, more, Role::Plain);
    let hint = "A run is a folder below logs, such as logs/latest.";
    pen.text(2, 6, width, hint, Role::Faint);
}

/// Names of figures where they stand in one row with strips, and times.
fn axis_row(axis: &Axis, plan: &Plan, scene: &Scene, (start, y): (u16, u16), pen: &mut Pen<'_>) {
    let look = pen.look;
    if plan.form == LaneForm::Line {
        let digits = super::axis::digits(scene.ids());
        let mut x = 1 + digits;
        for (name, width) in [("rate", 7), ("clock", 8), ("drift", 7), ("queue", 6)] {
            pen.text_right(x, y, x + width, name, Role::Faint);
            x += width;
        }
    }
    let Axis::Time { column_us, .. } = axis else {
        pen.text(
            start,
            y,
            pen.area().right(),
            "one event after the other (x: by time)",
            Role::Faint,
        );
        return;
    };
    let (first, last) = axis.span();
    let Some(origin) = scene.started() else { return };
    let step = LABEL_STEPS_US
        .into_iter()
        .find(|step| *step >= column_us.saturating_mul(LABEL_ROOM));
    let Some(step) = step else { return };
    let mut at = first.us_since(origin).max(0).div_euclid(step) * step;
    while at <= last.us_since(origin) {
        if let Some(column) = axis.column_at(WallTime(origin.0 + at)) {
            let text = format!("{}{}", look.tick_mark(), label(at, step));
            let end = pen.area().right();
            // A label that does not fit would be read as another number.
            if start + column + u16::try_from(text.chars().count()).unwrap_or(0) <= end {
                pen.text(start + column, y, end, &text, Role::Faint);
            }
        }
        at += step;
    }
}

fn label(us: i64, step_us: i64) -> String {
    match step_us {
        ..100_000 => format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000),
        100_000..1_000_000 => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
        _ => {
            clock_face(u64::try_from(us).unwrap_or(0))
                .trim_end_matches(".0 s")
                .to_owned()
                + " s"
        }
    }
    .replace(" s s", " s")
}

/// Messages that were sent and not taken.
fn under_way(scene: &Scene, view: &View, listed: &[UnderWay], y: u16, pen: &mut Pen<'_>) {
    let (look, width) = (pen.look, pen.area().width);
    if scene.has_ended() && view.frozen.is_none() {
        let text = format!("{} still queued at the end", messages(scene.all_waiting()));
        pen.text(1, y, width, &text, Role::Faint);
        return;
    }
    let all = match view.frozen {
        None => scene.all_waiting(),
        Some(_) => u64::try_from(listed.len()).unwrap_or(u64::MAX),
    };
    let mut x = pen.text(
        1,
        y,
        width,
        &format!("{} under way or waiting", messages(all)),
        Role::Faint,
    );
    for message in listed {
        let text = format!("{}{}{} ({})", message.from, look.to(), message.to, message.clock);
        let needed = u16::try_from(text.chars().count() + 2).unwrap_or(u16::MAX);
        if x.saturating_add(needed + 2) > width {
            pen.text(x + 1, y, width, look.ellipsis(), Role::Faint);
            break;
        }
        x = pen.text(x + 2, y, width, &text, Role::UnderWay);
    }
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".to_owned(),
        count => format!("{} messages", grouped(count)),
    }
}

fn footer(subject: &Subject<'_>, view: &View, y: u16, pen: &mut Pen<'_>) {
    let width = pen.area().width;
    if view.layer == Layer::Filter {
        let text = format!("filter: {}_", view.filter_text);
        let x = pen.text(1, y, width, &text, Role::Strong);
        let help = "  0,2  0:17  receive  queue>5 ...: all must hold; Enter keeps, Esc clears";
        pen.text(x, y, width, help, Role::Faint);
        return;
    }
    if let Some((text, tone)) = view.said(subject.now) {
        let role = match tone {
            Tone::Good => Role::Good,
            Tone::Bad => Role::Bad,
        };
        said(text, role, y, pen);
        return;
    }
    if subject.has_newer {
        pen.text(
            1,
            y,
            width,
            "A newer run has begun: n goes to it, q quits.",
            Role::Note,
        );
        return;
    }
    let freeze = match view.frozen {
        Some(_) => "p go on",
        None => "p freeze",
    };
    let axis = match view.axis {
        AxisKind::Time => "x by event",
        AxisKind::Events => "x by time",
    };
    let arrows = match pen.look.letters {
        Letters::Unicode => "←→ back  ↑↓ machine",
        Letters::Ascii => "arrows: back, machine",
    };
    let zoom = if width >= ROOM_FOR_ZOOM { "  + - zoom" } else { "" };
    let text = format!("q quit  {freeze}  {arrows}  / filter  {axis}{zoom}  f fault  ? help");
    pen.text(1, y, width, &text, Role::Faint);
}

/// An answer, in two rows if it needs them: the mend stands at its end.
fn said(text: &str, role: Role, y: u16, pen: &mut Pen<'_>) {
    let width = pen.area().width;
    let room = usize::from(width.saturating_sub(1));
    if text.chars().count() <= room {
        pen.text(1, y, width, text, role);
        return;
    }
    // Between words, unless one word is longer than the row.
    let fits = text
        .char_indices()
        .nth(room)
        .map_or(text.len(), |(place, _)| place);
    let cut = text
        .get(..fits)
        .and_then(|first| first.rfind(' '))
        .unwrap_or(fits);
    let (first, second) = text.split_at_checked(cut).unwrap_or((text, ""));
    let blank = " ".repeat(usize::from(width));
    pen.text(0, y - 1, width, &blank, Role::Plain);
    pen.text(1, y - 1, width, first, role);
    pen.text(1, y, width, second.trim_start(), role);
}

/// The picture of a run at `now` as lines of plain text, without a terminal: the whole run if `height` is `None`.
#[must_use]
pub fn picture(eyes: &Eyes, now: WallTime, look: Look, width: u16, height: Option<u16>) -> String {
    /// Rows beside the lanes: the fixed ones and some lines of the log.
    const REST: u16 = 22;
    let machines = u16::try_from(eyes.scene().machines().len()).unwrap_or(u16::MAX);
    let height = height.unwrap_or_else(|| machines.saturating_mul(2).saturating_add(REST));
    let mut cells = Buffer::empty(Rect::new(0, 0, width.max(WIDTH_MIN), height.max(HEIGHT_MIN)));
    let subject = Subject {
        scene: eyes.scene(),
        lag: eyes.lag(),
        folder: eyes.folder(),
        has_newer: false,
        now,
    };
    paint(&subject, &mut View::default(), look, &mut cells);
    let last = cells.area.height - 1;
    // The footer names keys, of which there are none here.
    let rows = (0..last).map(|y| {
        let row: String = (0..cells.area.width)
            .filter_map(|x| cells.cell((x, y)).map(ratatui::buffer::Cell::symbol))
            .collect();
        row.trim_end().to_owned() + "\n"
    });
    rows.collect()
}
