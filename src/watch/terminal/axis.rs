//! Which column of a strip an event stands in: by time, or one event after the other.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::view::View;
use crate::{
    trace::{Record, WallTime},
    units::MachineId,
    watch::scene::{Kept, Machine, Scene},
};

/// Columns a tick of the fastest machine: a send and its recipient's digit.
const COLUMNS_A_TICK: u64 = 2;

/// Shortest time across a strip, in microseconds: what moves faster cannot be read.
const SPAN_US_MIN: u64 = 3_000_000;

/// The same where no rate is known.
const SPAN_US_DEFAULT: u64 = 5_000_000;

/// Zoom steps in both directions.
pub(super) const ZOOM_MAX: i8 = 12;

/// What the columns mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AxisKind {
    /// Equal times have equal widths.
    #[default]
    Time,
    /// Each event has a place of its own: causes stand left of effects, however fast all goes.
    Events,
}

/// Columns of strips of one width, up to an edge in time.
#[derive(Debug)]
pub(super) enum Axis {
    Time {
        /// The column at the right edge, counted since 1970.
        last: i64,
        column_us: i64,
        width: u16,
        edge: WallTime,
    },
    Events {
        columns: BTreeMap<(MachineId, u64), u16>,
        first: WallTime,
        edge: WallTime,
    },
}

impl Axis {
    /// Columns for the lanes of the machines from `shown.0` on, `shown.1` of them: an axis of events leaves the others out.
    pub(super) fn new(view: &View, scene: &Scene, edge: WallTime, width: u16, shown: (usize, usize)) -> Self {
        match view.axis {
            AxisKind::Time => {
                let column_us = column_us(scene, width, view.zoom);
                Axis::Time {
                    last: edge.0.div_euclid(column_us),
                    column_us,
                    width,
                    edge,
                }
            }
            AxisKind::Events => {
                let digits = digits(scene.ids());
                let step = digits + 1;
                let places = usize::from(width / step);
                let mut columns = BTreeMap::new();
                let mut first = edge;
                // The newest stands at the right edge.
                let right = width.saturating_sub(step);
                let lanes = scene.machines().keys().skip(shown.0).take(shown.1);
                let lanes: BTreeSet<MachineId> = lanes.copied().collect();
                let drawn = newest(scene, edge)
                    .filter(|(machine, kept)| lanes.contains(machine) && is_drawn(&kept.record));
                for (place, (machine, kept)) in (0_u16..).zip(drawn.take(places)) {
                    columns.insert((machine, kept.line), right - place * step);
                    first = kept.at;
                }
                Axis::Events { columns, first, edge }
            }
        }
    }

    /// The column of a line of a machine, if it is in view.
    pub(super) fn column(&self, machine: MachineId, kept: &Kept) -> Option<u16> {
        match self {
            Axis::Time { .. } => self.column_at(kept.at),
            Axis::Events { columns, .. } => columns.get(&(machine, kept.line)).copied(),
        }
    }

    /// The column of a moment, on an axis of time.
    pub(super) fn column_at(&self, at: WallTime) -> Option<u16> {
        match self {
            Axis::Time {
                last,
                column_us,
                width,
                edge,
            } => {
                let back = u16::try_from(last - at.0.div_euclid(*column_us)).ok()?;
                (at <= *edge).then(|| (*width).checked_sub(back + 1)).flatten()
            }
            Axis::Events { .. } => None,
        }
    }

    /// The first and the last moment in view.
    pub(super) fn span(&self) -> (WallTime, WallTime) {
        match self {
            Axis::Time {
                last,
                column_us,
                width,
                edge,
            } => (WallTime((last - i64::from(*width) + 1) * column_us), *edge),
            Axis::Events { first, edge, .. } => (*first, *edge),
        }
    }

    /// The lines of a machine that are in view, oldest first.
    pub(super) fn lines<'a>(&self, machine: &'a Machine) -> impl Iterator<Item = &'a Kept> + 'a {
        let (first, edge) = self.span();
        let start = machine.behind(WallTime(first.0 - 1));
        machine.history().range(start..machine.behind(edge).max(start))
    }
}

/// Whether a line has a sign in a strip: a step stands there as the event that it made.
pub(super) fn is_drawn(record: &Record) -> bool {
    !matches!(record, Record::Stepped { .. })
}

/// Digits of the greatest id of so many machines.
pub(super) fn digits(machines: u16) -> u16 {
    match machines {
        0..=10 => 1,
        11..=100 => 2,
        101..=1000 => 3,
        1001..=10_000 => 4,
        _ => 5,
    }
}

/// How much time a column holds, in microseconds, at least 1.
fn column_us(scene: &Scene, width: u16, zoom: i8) -> i64 {
    let millirates = scene.machines().values().filter_map(Machine::millirate);
    let width = u64::from(width.max(1));
    let natural = match millirates.max() {
        Some(millirate) => (1_000_000_000 / (COLUMNS_A_TICK * millirate.max(1))).max(SPAN_US_MIN / width),
        None => SPAN_US_DEFAULT / width,
    };
    let zoomed = match u32::try_from(zoom) {
        Ok(closer) => natural >> closer,
        Err(_) => natural << u32::from(zoom.unsigned_abs()),
    };
    i64::try_from(zoomed).unwrap_or(i64::MAX).max(1)
}

/// All kept lines at or before `edge`, newest first.
pub(super) fn newest(scene: &Scene, edge: WallTime) -> impl Iterator<Item = (MachineId, &Kept)> {
    let mut heap: BinaryHeap<(WallTime, MachineId, usize)> = scene
        .machines()
        .iter()
        .filter_map(|(id, machine)| {
            let place = machine.behind(edge).checked_sub(1)?;
            Some((machine.history().get(place)?.at, *id, place))
        })
        .collect();
    std::iter::from_fn(move || {
        let (_, id, place) = heap.pop()?;
        let history = scene.machines().get(&id)?.history();
        if let Some(before) = place.checked_sub(1)
            && let Some(kept) = history.get(before)
        {
            heap.push((kept.at, id, before));
        }
        Some((id, history.get(place)?))
    })
}
