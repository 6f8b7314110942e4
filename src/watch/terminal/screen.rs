//! The whole picture: header, lanes, what is under way, the last lines, footer, and what lies over them.

use std::{collections::BTreeMap, path::Path};

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    axis::{Axis, AxisKind},
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
        words::time,
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
    let axis = Axis::new(
        view.axis,
        scene,
        edge,
        area.width.saturating_sub(start),
        view.zoom,
    );
    view.span = Some(axis.span());
    header(subject, view, edge, &mut pen);
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

fn header(subject: &Subject<'_>, view: &View, edge: WallTime, pen: &mut Pen<'_>) {
    let (scene, width) = (subject.scene, pen.area().width);
    let name = match scene.run() {
        Some(run) => run.to_string(),
        None => subject.folder.display().to_string(),
    };
    let mut text = format!(" {name}");
    if let Some(started) = scene.started() {
        let end = if view.frozen.is_some() {
            edge
        } else {
            scene.edge(subject.now)
        };
        let elapsed_us = u64::try_from(end.us_since(started)).unwrap_or(0);
        text = format!("{text}  {}  {}", condition(subject), clock_face(elapsed_us));
        if !scene.has_ended() {
            let per_second = grouped(scene.events_per_second(subject.now));
            text = format!("{text}  {per_second} events/s  behind {}", time(subject.lag.us));
        }
        let speeds = scene.machines().values().map(|machine| machine.header.speed);
        if let Some(speed) = speeds.min()
            && speed.permille() != 1000
        {
            text = format!("{text}  speed {speed}");
        }
        text = format!("{text}  {} events", grouped(scene.events()));
    }
    let plain = pen.text(0, 0, width, &text, Role::Bar);
    for x in plain..width {
        pen.cell(x, 0, " ", Role::Bar);
    }
    pen.row(0, Role::Bar);
    second_row(subject, view, edge, pen);
}

/// Whether the run goes on.
fn condition(subject: &Subject<'_>) -> &'static str {
    let scene = subject.scene;
    if scene.has_ended() {
        return "ended";
    }
    if !subject.lag.caught_up {
        return "catching up";
    }
    let mut going = scene
        .machines()
        .values()
        .filter(|machine| machine.standing.ended.is_none());
    if going.clone().next().is_some() && going.all(|machine| machine.standing.paused) {
        return "paused";
    }
    let is_silent = scene.newest().is_some_and(|newest| {
        scene.edge(subject.now) < subject.now && subject.now.us_since(newest) > 5_000_000
    });
    if is_silent { "silent" } else { "running" }
}

/// What is out of the ordinary: a view that stands still, faults, machines that are missing.
fn second_row(subject: &Subject<'_>, view: &View, edge: WallTime, pen: &mut Pen<'_>) {
    let (scene, width) = (subject.scene, pen.area().width);
    let mut x = 1;
    if view.frozen.is_some() {
        let behind_us = scene.edge(subject.now).us_since(edge);
        let back = time(u64::try_from(behind_us).unwrap_or(0));
        let text = format!("FROZEN, {back} back; End follows the run again.");
        x = pen.text(x, 1, width, &text, Role::Strong) + 1;
    }
    let missing = usize::from(scene.machines_expected()).saturating_sub(scene.machines().len());
    if missing > 0 {
        let text = format!(
            "{missing} of {} machines have no log yet.",
            scene.machines_expected()
        );
        x = pen.text(x, 1, width, &text, Role::Note) + 1;
    }
    let faults = faults(scene, view, pen.look);
    if !faults.is_empty() {
        x = pen.text(x, 1, width, &format!("faults: {}", faults.join("; ")), Role::Note) + 1;
    }
    if x == 1 {
        chosen(scene, view, pen);
    }
}

/// The faults that are on, each with the places where it acts: `7 loss 50% 0→1,2`.
fn faults(scene: &Scene, view: &View, look: Look) -> Vec<String> {
    let mut faults: BTreeMap<u32, String> = BTreeMap::new();
    for (id, machine) in scene.machines() {
        for note in view.standing(machine).faults.values() {
            let text = faults.entry(note.id).or_insert_with(|| {
                format!("{} {} {}", note.id, note.kind, note.detail)
                    .trim_end()
                    .to_owned()
            });
            let to: Vec<String> = note.to.iter().map(ToString::to_string).collect();
            text.push_str(&match to.is_empty() {
                true => format!(" on {id}"),
                false => format!(" {id}{}{}", look.to(), to.join(",")),
            });
        }
    }
    faults.into_values().collect()
}

/// A sentence on the machine that is selected.
fn chosen(scene: &Scene, view: &View, pen: &mut Pen<'_>) {
    let Some(id) = view.machine(scene) else { return };
    let Some(machine) = scene.machines().get(&id) else {
        return;
    };
    let (header, standing) = (&machine.header, view.standing(machine));
    let mut text = format!(
        "machine {id}: {} events, {} clock",
        grouped(machine.events),
        header.clock
    );
    if let Some(draw) = header.draw {
        text = format!("{text}, die of {draw}");
    }
    if standing.incarnation > 1 {
        text = format!("{text}, life {}", standing.incarnation);
    }
    if let Some(footer) = &standing.ended {
        let reason = footer.reason.map_or("?", |reason| reason.name());
        text = format!("{text}, ended: {reason}");
    }
    pen.text(1, 1, pen.area().width, &text, Role::Faint);
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
        let digits = super::axis::digits(scene.machines_expected());
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
        let help = "  machines (0,2), words (receive), names (0:17); Enter keeps, Esc clears";
        pen.text(x, y, width, help, Role::Faint);
        return;
    }
    if let Some((text, tone)) = view.said(subject.now) {
        let role = match tone {
            Tone::Good => Role::Good,
            Tone::Bad => Role::Bad,
        };
        pen.text(1, y, width, text, role);
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

/// A time since the start: `3.2 s`, `1:03.2`.
fn clock_face(us: u64) -> String {
    let (minutes, tenths) = (us / 60_000_000, us / 100_000 % 600);
    match minutes {
        0 => format!("{}.{} s", tenths / 10, tenths % 10),
        minutes => format!("{minutes}:{:02}.{} s", tenths / 10, tenths % 10),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
