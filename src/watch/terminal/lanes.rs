//! The lanes: a machine's figures, and its last events as a strip that moves from right to left.

use super::{
    arrows::{Arrows, Hop, Way},
    axis::{Axis, digits},
    look::Role,
    pen::Pen,
    plan::{LaneForm, Plan},
    strip,
    view::View,
};
use crate::{
    trace::{Kind, Record, WallTime},
    units::MachineId,
    watch::scene::{Machine, Scene, UnderWay},
};

/// Columns left of a strip below its figures.
pub(super) const STRIP_MARGIN: u16 = 4;

/// Columns of figures left of a strip beside them, for ids of one digit.
const FIGURES: u16 = 42;

/// Width of a screen on which bars are as short as they get.
const NARROW: u16 = 80;

/// From this width on there is room for a machine's drift from its own rate.
const WIDE: u16 = 118;

/// Columns of a strip for each message that is drawn as a line: with fewer there would only be a hatching.
const COLUMNS_A_HOP: usize = 2;

/// How long a machine may say nothing, in microseconds, before that is said.
const SILENT_US: i64 = 2_000_000;

/// Microseconds by ticks a thousand seconds that make one tick.
const MILLI_US: u128 = 1_000_000_000;

/// What lanes are painted from.
#[derive(Debug)]
pub(super) struct Lanes<'a> {
    pub(super) scene: &'a Scene,
    pub(super) view: &'a View,
    pub(super) axis: &'a Axis,
    pub(super) now: WallTime,
    /// The messages under way at the edge.
    pub(super) under_way: &'a [UnderWay],
}

/// Where strips begin.
pub(super) fn strip_start(form: LaneForm, scene: &Scene) -> u16 {
    match form {
        LaneForm::Roomy { .. } | LaneForm::Pair => STRIP_MARGIN,
        LaneForm::Line => FIGURES + digits(scene.ids()),
    }
}

/// Figures of a machine at the moment that is shown.
struct Figures {
    clock: u64,
    behind: u64,
    /// How far the clock is from what its rate alone would make of the time.
    beside_rate: Option<i64>,
    queue: u64,
    /// Sent to it and neither taken nor known to wait.
    on_the_way: u64,
}

impl Lanes<'_> {
    /// Paints the lanes of `plan`, which begin at its row, and the lines between them.
    pub(super) fn paint(&self, plan: &Plan, pen: &mut Pen<'_>) {
        let start = strip_start(plan.form, self.scene);
        let machines = self.scene.machines().iter().enumerate();
        let shown: Vec<_> = machines.skip(self.view.top).take(plan.lanes).collect();
        let queue_max = shown
            .iter()
            .map(|(_, (id, machine))| {
                let figures = self.figures(**id, machine);
                figures.queue + figures.on_the_way
            })
            .max()
            .unwrap_or(0);
        let width = pen.area().width.saturating_sub(start);
        let mut strips = Vec::new();
        for (row, (place, (id, machine))) in (0_u16..).zip(&shown) {
            let y = plan.lanes_y + row * plan.form.height();
            let is_selected = *place == self.view.selected;
            match plan.form {
                LaneForm::Roomy { .. } | LaneForm::Pair => {
                    self.figures_wide(**id, machine, y, is_selected, queue_max, pen);
                    strips.push((y + 1, strip::columns(self.axis, **id, machine, width)));
                }
                LaneForm::Line => {
                    self.figures_short(**id, machine, y, is_selected, queue_max, pen);
                    strips.push((y, strip::columns(self.axis, **id, machine, width)));
                }
            }
        }
        let counts = strips.iter().flat_map(|(_, columns)| columns).flatten();
        let most = counts.map(|(count, _)| *count).max().unwrap_or(0);
        for (y, columns) in &strips {
            strip::paint(columns, most, (start, *y), pen);
        }
        if let LaneForm::Roomy { gap } = plan.form {
            let ids: Vec<MachineId> = shown.iter().map(|(_, (id, _))| **id).collect();
            for (row, pair) in (0_u16..).zip(ids.windows(2)) {
                let [upper, lower] = pair else { continue };
                let y = plan.lanes_y + row * plan.form.height() + 2;
                let mut arrows = Arrows::new(width, gap);
                let hops = self.hops(*upper, *lower);
                if hops.len() * COLUMNS_A_HOP <= usize::from(pen.area().width) {
                    hops.iter().for_each(|hop| arrows.add(hop));
                }
                arrows.paint((start, y), pen);
            }
        }
    }

    fn figures(&self, id: MachineId, machine: &Machine) -> Figures {
        let (clock, queue, foremost) = match self.view.frozen {
            None => (machine.clock, machine.queue, self.scene.foremost_clock()),
            Some(at) => {
                let clock = |machine: &Machine| machine.at(at).map_or(0, |kept| kept.clock);
                let foremost = self.scene.machines().values().map(clock).max();
                let queue = machine.at(at).map_or(0, |kept| kept.queue);
                (clock(machine), queue, foremost.unwrap_or(0))
            }
        };
        let waiting = match self.view.frozen {
            None => self.scene.waiting(id),
            Some(_) => queue,
        };
        let at = self.view.frozen.unwrap_or(machine.newest);
        let beside_rate = machine.millirate().and_then(|millirate| {
            let elapsed_us = u64::try_from(at.us_since(machine.header.started)).ok()?;
            let due = u128::from(elapsed_us) * u128::from(millirate) / MILLI_US;
            i64::try_from(i128::from(clock) - i128::try_from(due).ok()?).ok()
        });
        Figures {
            clock,
            behind: foremost.saturating_sub(clock),
            beside_rate,
            queue: queue.min(waiting),
            on_the_way: waiting.saturating_sub(queue),
        }
    }

    /// A row of figures with their names.
    fn figures_wide(
        &self,
        id: MachineId,
        machine: &Machine,
        y: u16,
        is_selected: bool,
        queue_max: u64,
        pen: &mut Pen<'_>,
    ) {
        let figures = self.figures(id, machine);
        let width = pen.area().width;
        let more = width.saturating_sub(NARROW);
        let (drift_bar, queue_bar) = (6 + (more / 6).min(14), 10 + (more / 4).min(30));
        let mut x = marker(id, is_selected, self.scene, y, pen);
        x = field(x, y, 7, &rate(machine), Role::Plain, pen);
        x = pen.text(x + 2, y, width, "clock", Role::Faint);
        x = field(x, y, 7, &figures.clock.to_string(), Role::Strong, pen);
        x = pen.text(x + 2, y, width, "drift", Role::Faint);
        x = field(x, y, 6, &figures.behind.to_string(), Role::Plain, pen);
        x = drift_bar_at(x + 1, y, drift_bar, &figures, pen);
        if width >= WIDE {
            let beside = figures
                .beside_rate
                .map_or("?".to_owned(), |off| format!("{off:+}"));
            x = pen.text(x + 2, y, width, "beside rate", Role::Faint);
            x = field(x, y, 6, &beside, Role::Plain, pen);
        }
        x = pen.text(x + 2, y, width, "queue", Role::Faint);
        let waiting = figures.queue + figures.on_the_way;
        x = field(x, y, 5, &waiting.to_string(), Role::Strong, pen);
        x = queue_bar_at(x + 1, y, queue_bar, &figures, queue_max, pen);
        let (text, role) = self.state(machine);
        pen.text(x + 1, y, width, &text, role);
    }

    /// The same in few columns; names stand above.
    fn figures_short(
        &self,
        id: MachineId,
        machine: &Machine,
        y: u16,
        is_selected: bool,
        queue_max: u64,
        pen: &mut Pen<'_>,
    ) {
        let figures = self.figures(id, machine);
        let mut x = marker(id, is_selected, self.scene, y, pen);
        x = field(x, y, 7, &rate(machine), Role::Plain, pen);
        x = field(x, y, 8, &figures.clock.to_string(), Role::Strong, pen);
        x = field(x, y, 7, &figures.behind.to_string(), Role::Plain, pen);
        let waiting = figures.queue + figures.on_the_way;
        x = field(x, y, 6, &waiting.to_string(), Role::Strong, pen);
        x = queue_bar_at(x + 1, y, 8, &figures, queue_max, pen);
        let (text, role) = self.state(machine);
        // One letter says that there is something; the selected machine's state stands in the header.
        let letter = text
            .chars()
            .next()
            .map(|letter| letter.to_uppercase().to_string());
        pen.cell(x + 1, y, letter.as_deref().unwrap_or(" "), role);
    }

    /// How a machine is, in a few words; empty if all is as usual.
    pub(super) fn state(&self, machine: &Machine) -> (String, Role) {
        let standing = self.view.standing(machine);
        if let Some(footer) = &standing.ended {
            let reason = footer.reason.map_or("", |reason| reason.name());
            return match reason {
                "duration" => ("ended".to_owned(), Role::Faint),
                reason => (format!("ended: {reason}"), Role::Note),
            };
        }
        let (mut words, mut role) = (Vec::new(), Role::Plain);
        if standing.killed.is_some() {
            words.push("killed".to_owned());
            role = Role::Bad;
        }
        if standing.paused {
            words.push("paused".to_owned());
            role = role.max(Role::Note);
        }
        if !standing.lost.is_empty() {
            let peers: Vec<String> = standing.lost.iter().map(MachineId::to_string).collect();
            words.push(format!("lost {}", peers.join(",")));
            role = role.max(Role::Bad);
        }
        for note in standing.faults.values() {
            words.push(note.kind.clone());
            role = role.max(Role::Note);
        }
        let silent_us = self.now.us_since(machine.newest);
        let period_us = 1_000_000_000 / machine.millirate().unwrap_or(1_000_000).max(1);
        let patience_us = SILENT_US.max(i64::try_from(3 * period_us).unwrap_or(SILENT_US));
        if self.view.frozen.is_none() && words.is_empty() && silent_us > patience_us {
            // Nothing else explains it.
            words.push(format!("silent {} s", silent_us / 1_000_000));
            role = role.max(Role::Note);
        }
        if standing.incarnation > 1 {
            words.push(format!("life {}", standing.incarnation));
        }
        (words.join(", "), role)
    }

    /// The messages between two machines, one way and the other.
    fn hops(&self, upper: MachineId, lower: MachineId) -> Vec<Hop> {
        let mut hops = Vec::new();
        for (from, to, way) in [(upper, lower, Way::Down), (lower, upper, Way::Up)] {
            let (Some(sender), Some(receiver)) =
                (self.scene.machines().get(&from), self.scene.machines().get(&to))
            else {
                continue;
            };
            for kept in self.axis.lines(receiver) {
                if let Record::Event(event) = &kept.record
                    && let Kind::Receive {
                        from: other, sent, ..
                    } = event.kind
                    && other == from
                    && let Some(taken) = self.axis.column(to, kept)
                {
                    hops.push(Hop {
                        way,
                        sent: sender.event(sent).and_then(|send| self.axis.column(from, send)),
                        taken: Some(taken),
                        clock: sent,
                    });
                }
            }
            let between = |message: &&UnderWay| message.from == from && message.to == to;
            for message in self.under_way.iter().filter(between) {
                let send = sender.event(message.clock);
                hops.push(Hop {
                    way,
                    sent: send.and_then(|send| self.axis.column(from, send)),
                    taken: None,
                    clock: message.clock,
                });
            }
        }
        hops
    }
}

/// The marker of the selected machine, and its id.
fn marker(id: MachineId, is_selected: bool, scene: &Scene, y: u16, pen: &mut Pen<'_>) -> u16 {
    let look = pen.look;
    if is_selected {
        pen.cell(0, y, look.selected(), Role::Strong);
    }
    field(1, y, digits(scene.ids()), &id.to_string(), Role::Strong, pen)
}

/// A text at the right of a field; returns the column behind it.
fn field(x: u16, y: u16, width: u16, text: &str, role: Role, pen: &mut Pen<'_>) -> u16 {
    pen.text_right(x, y, x + width, text, role);
    x + width
}

/// Ticks a second, as fast as they come.
fn rate(machine: &Machine) -> String {
    match machine.millirate() {
        None => "?".to_owned(),
        Some(millirate) if millirate % 1000 == 0 => format!("{}/s", millirate / 1000),
        Some(millirate) if millirate % 100 == 0 => {
            format!("{}.{}/s", millirate / 1000, millirate % 1000 / 100)
        }
        Some(millirate) => format!("{}.{:03}/s", millirate / 1000, millirate % 1000),
    }
}

/// The clock beside the foremost one: full if it is that.
fn drift_bar_at(x: u16, y: u16, width: u16, figures: &Figures, pen: &mut Pen<'_>) -> u16 {
    let look = pen.look;
    let foremost = u128::from(figures.clock + figures.behind).max(1);
    let full = u128::from(width) * u128::from(figures.clock) / foremost;
    for place in 0..width {
        let is_full = u128::from(place) < full;
        let symbol = if is_full { look.full() } else { look.empty() };
        pen.cell(
            x + place,
            y,
            symbol,
            if is_full { Role::Good } else { Role::Faint },
        );
    }
    x + width
}

/// What waits and what may be on its way, a cell a message where there is room, else in proportion to the longest.
fn queue_bar_at(x: u16, y: u16, width: u16, figures: &Figures, queue_max: u64, pen: &mut Pen<'_>) -> u16 {
    let a_cell = queue_max.div_ceil(u64::from(width.max(1))).max(1);
    let cells = |messages: u64| u16::try_from(messages.div_ceil(a_cell)).unwrap_or(width);
    let full = cells(figures.queue).min(width);
    let all = cells(figures.queue + figures.on_the_way).min(width);
    pen.bar(
        (x, y),
        width,
        (full, Role::Receive),
        (all.saturating_sub(full), Role::UnderWay),
    );
    x + width
}
