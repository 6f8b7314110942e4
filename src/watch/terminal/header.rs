//! The first two rows: the run and how it goes; what is out of the ordinary.

use std::collections::BTreeMap;

use super::{
    look::{Look, Role},
    pen::Pen,
    screen::Subject,
    view::View,
};
use crate::{
    faults::detail_in_words,
    trace::WallTime,
    watch::{
        scene::Scene,
        words::{clock_face, grouped, time},
    },
};

/// How long a run may say nothing, in microseconds, before it is called silent.
const SILENT_US: i64 = 5_000_000;

/// Paints the first two rows.
pub(super) fn paint(subject: &Subject<'_>, view: &View, edge: WallTime, pen: &mut Pen<'_>) {
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
            text = format!("{text}  {per_second} events/s");
            if let Some(us) = subject.lag.us {
                text = format!("{text}  behind {}", time(us));
            }
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
        scene.edge(subject.now) < subject.now && subject.now.us_since(newest) > SILENT_US
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
                format!("{} {} {}", note.id, note.kind, detail_in_words(note))
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
