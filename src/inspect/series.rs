//! The data of the figures: lines over time, thinned while they are read, and jumps counted by size.

use std::{collections::BTreeMap, path::Path};

use super::run::{InspectError, Item, RunReader};
use crate::{
    trace::{Kind, Record},
    units::MachineId,
};

/// Points a line may have; beyond it, only the extremes of equal stretches of time are kept.
pub const POINTS_MAX: usize = 2000;

/// Each stretch of time keeps its lowest and its highest point.
const STRETCHES_MAX: usize = POINTS_MAX / 2;

/// Jumps of this size and above are counted together.
pub const JUMP_MAX: u64 = 20;

/// What the figures of a run show.
#[derive(Clone, Debug)]
pub struct RunSeries {
    /// The run's id.
    pub run: String,
    /// Machines of the run.
    pub machine_count: u16,
    /// From the earliest start to the latest event, in seconds.
    pub seconds: f64,
    /// The machines whose log is there.
    pub machines: Vec<MachineSeries>,
}

/// What the figures show of one machine.
#[derive(Clone, Debug)]
pub struct MachineSeries {
    /// Who.
    pub machine: MachineId,
    /// Ticks a second, if the system has them.
    pub rate: Option<u32>,
    /// The logical clock against seconds.
    pub clock: Thinned,
    /// How far the clock is behind the foremost one of that moment, against seconds.
    pub drift: Thinned,
    /// Messages waiting behind each receive, against seconds.
    pub queue: Thinned,
    /// How many events jumped by how much, in steps of the clock; [`JUMP_MAX`] holds all greater ones.
    pub jumps: BTreeMap<u64, u64>,
    last_clock: u64,
}

/// A line of at most [`POINTS_MAX`] points, however many are added.
#[derive(Clone, Debug, Default)]
pub struct Thinned {
    /// All points, until they are too many.
    whole: Vec<(f64, f64)>,
    /// The extremes of each stretch of `stretch` seconds, from then on.
    extremes: Vec<Extremes>,
    stretch: f64,
}

#[derive(Clone, Copy, Debug)]
struct Extremes {
    index: f64,
    low: (f64, f64),
    high: (f64, f64),
}

impl RunSeries {
    /// Reads a run's logs, as many points as there may be.
    ///
    /// # Errors
    /// [`InspectError`] if the folder holds no run that can be read.
    pub fn read(dir: &Path) -> Result<Self, InspectError> {
        let mut reader = RunReader::open(dir)?;
        let mut places = vec![None; usize::from(reader.machines())];
        let mut series = Self {
            run: String::new(),
            machine_count: reader.machines(),
            seconds: 0.0,
            machines: Vec::new(),
        };
        for (index, header) in reader.headers().enumerate() {
            header.run.as_str().clone_into(&mut series.run);
            if let Some(place) = places.get_mut(header.machine.index()) {
                *place = Some(index);
            }
            series.machines.push(MachineSeries {
                machine: header.machine,
                rate: header.rate,
                clock: Thinned::default(),
                drift: Thinned::default(),
                queue: Thinned::default(),
                jumps: BTreeMap::new(),
                last_clock: 0,
            });
        }
        let started = reader.headers().map(|header| header.started).min();
        let started = started.unwrap_or_default();
        let mut foremost = 0;
        while let Some(item) = reader.next_item()? {
            let Item::Record {
                machine, at, record, ..
            } = item
            else {
                continue;
            };
            let Record::Event(event) = record else { continue };
            let seconds = at.seconds_since(started);
            series.seconds = series.seconds.max(seconds);
            let place = places.get(machine.index()).copied().flatten();
            if let Some(machine) = place.and_then(|place| series.machines.get_mut(place)) {
                let before = foremost;
                foremost = foremost.max(event.clock);
                machine.take(seconds, event.clock, before, foremost);
                if let Kind::Receive { queue, .. } = event.kind {
                    machine.queue.push(seconds, queue);
                }
            }
        }
        Ok(series)
    }

    /// Whether a line was too long to be drawn point by point.
    #[must_use]
    pub fn is_thinned(&self) -> bool {
        let mut machines = self.machines.iter();
        machines.any(|machine| machine.clock.is_thinned() || machine.drift.is_thinned())
    }
}

impl MachineSeries {
    /// An event; the foremost clock of the run was `before` and is `foremost`.
    fn take(&mut self, seconds: f64, clock: u64, before: u64, foremost: u64) {
        let jump = clock.saturating_sub(self.last_clock).min(JUMP_MAX);
        *self.jumps.entry(jump).or_insert(0) += 1;
        // Just before the event the machine was furthest behind.
        self.drift.push(seconds, before.saturating_sub(self.last_clock));
        self.drift.push(seconds, foremost.saturating_sub(clock));
        self.clock.push(seconds, clock);
        self.last_clock = clock;
    }
}

impl Thinned {
    #[expect(clippy::cast_precision_loss, reason = "a figure has a thousand pixels")]
    fn push(&mut self, seconds: f64, value: u64) {
        let point = (seconds, value as f64);
        if self.extremes.is_empty() {
            self.whole.push(point);
            if self.whole.len() > POINTS_MAX {
                let span = seconds.max(1e-6);
                self.stretch = 2.0 * span / STRETCHES_MAX as f64;
                for point in std::mem::take(&mut self.whole) {
                    self.stretch_of(point);
                }
            }
            return;
        }
        self.stretch_of(point);
        if self.extremes.len() > STRETCHES_MAX {
            self.stretch *= 2.0;
            for extremes in std::mem::take(&mut self.extremes) {
                self.stretch_of(extremes.low);
                self.stretch_of(extremes.high);
            }
        }
    }

    fn stretch_of(&mut self, point: (f64, f64)) {
        let index = (point.0 / self.stretch).floor();
        match self.extremes.last_mut() {
            // A skewed or broken log may step back in time: its point then joins the last stretch.
            Some(last) if last.index >= index => {
                if point.1 < last.low.1 {
                    last.low = point;
                }
                if point.1 >= last.high.1 {
                    last.high = point;
                }
            }
            _ => self.extremes.push(Extremes {
                index,
                low: point,
                high: point,
            }),
        }
    }

    /// The points in the order of their times.
    #[must_use]
    pub fn points(&self) -> Vec<(f64, f64)> {
        let mut points = self.whole.clone();
        for Extremes { low, high, .. } in &self.extremes {
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            points.push(*first);
            if first != second {
                points.push(*second);
            }
        }
        points
    }

    /// Whether points were left out.
    #[must_use]
    pub fn is_thinned(&self) -> bool {
        !self.extremes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_extremes_and_its_limit() {
        let mut line = Thinned::default();
        for n in 0..1_000_000_u32 {
            let value = if n == 123_456 { 5000 } else { u64::from(n % 10) };
            line.push(f64::from(n) / 100.0, value);
        }
        let points = line.points();
        assert!(points.len() <= POINTS_MAX + 2, "{}", points.len());
        assert!(points.contains(&(1234.56, 5000.0)));
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
        assert!(line.is_thinned());
    }

    #[test]
    fn a_short_line_is_left_as_it_is() {
        let mut line = Thinned::default();
        line.push(0.5, 1);
        line.push(0.7, 9);
        assert_eq!(line.points(), [(0.5, 1.0), (0.7, 9.0)]);
        assert!(!line.is_thinned());
    }
}
