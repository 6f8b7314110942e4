//! The data of the figures: lines over time, thinned while they are read, and counts by size.
//!
//! Holds lines of a few machines, so that memory does not grow with the run: of a run with more of them, some
//! are chosen that show all speeds. What is drawn of them is the figures' business.

mod lateness;
mod sends;
mod thinned;

use std::{collections::BTreeMap, path::Path};

pub use lateness::{LATENESS_BOUNDS_US, LatenessCounts};
pub use thinned::{POINTS_MAX, Thinned};

use self::{lateness::Deadlines, sends::SendTimes};
use super::run::{InspectError, Item, RunReader};
use crate::{
    trace::{Event, Header, Kind, Record, WallTime, copies},
    units::MachineId,
};

/// Jumps of this size and above are counted together.
pub const JUMP_MAX: u64 = 20;

/// Machines that have lines; of a run with more, as many are chosen, from the fastest to the slowest.
pub const SERIES_MACHINES_MAX: usize = 24;

/// What the figures of a run show.
#[derive(Clone, Debug)]
pub struct RunSeries {
    /// The run's id.
    pub run: String,
    /// Machines of the run.
    pub machine_count: u16,
    /// The earliest start of a machine: second 0.
    pub started: WallTime,
    /// From the earliest start to the latest event, in seconds.
    pub seconds: f64,
    /// The machines that have lines, in the order of their ids: those whose log is there, or
    /// [`SERIES_MACHINES_MAX`] of them.
    pub machines: Vec<MachineSeries>,
}

/// What the figures show of one machine. Times are seconds since the run's start.
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
    /// Messages waiting: none at the start, then behind each receive, then at the end.
    pub queue: Thinned,
    /// How late each tick was, in microseconds; empty for logs without a rate or a phase.
    pub tick_error: Thinned,
    /// Ticks by their lateness, in the classes of [`LATENESS_BOUNDS_US`].
    pub lateness: LatenessCounts,
    /// Of each message when it was taken, the seconds since it was sent, by the wall clocks of both machines.
    pub age: Thinned,
    /// Of each message when it was taken, the seconds since it arrived; empty for logs that do not say.
    pub waited: Thinned,
    /// How many events jumped by how much, in steps of the clock; [`JUMP_MAX`] holds all greater ones.
    pub jumps: BTreeMap<u64, u64>,
    last_clock: u64,
    /// When its last line was written, in seconds.
    last: f64,
    deadlines: Option<Deadlines>,
}

/// What is known while the logs are read.
#[derive(Debug)]
struct Reading {
    /// Where each machine of the run stands among those that have lines.
    places: Vec<Option<usize>>,
    sends: SendTimes,
    /// The foremost clock so far.
    foremost: u64,
}

impl RunSeries {
    /// Reads a run's logs, as many points as there may be.
    ///
    /// # Errors
    /// [`InspectError`] if the folder holds no run that can be read.
    pub fn read(dir: &Path) -> Result<Self, InspectError> {
        let mut reader = RunReader::open(dir)?;
        let headers: Vec<&Header> = reader.headers().collect();
        let chosen = choose(&headers, |header| header.rate, SERIES_MACHINES_MAX);
        let started = headers
            .iter()
            .map(|header| header.started)
            .min()
            .unwrap_or_default();
        let mut reading = Reading {
            places: vec![None; usize::from(reader.machines())],
            sends: SendTimes::default(),
            foremost: 0,
        };
        let mut series = Self {
            run: headers
                .first()
                .map_or_else(String::new, |header| header.run.to_string()),
            machine_count: reader.machine_count(),
            started,
            seconds: 0.0,
            machines: chosen
                .iter()
                .map(|header| MachineSeries::new(header, started))
                .collect(),
        };
        for (index, machine) in series.machines.iter().enumerate() {
            if let Some(place) = reading.places.get_mut(machine.machine.index()) {
                *place = Some(index);
            }
        }
        while let Some(item) = reader.next_item()? {
            if let Item::Record {
                machine, at, record, ..
            } = item
            {
                series.take(machine, at, record, &mut reading);
            }
        }
        Ok(series)
    }

    fn take(&mut self, from: MachineId, at: WallTime, record: &Record, reading: &mut Reading) {
        let seconds = at.seconds_since(self.started);
        let place = |machine: MachineId| reading.places.get(machine.index()).copied().flatten();
        let mut machine = place(from).and_then(|place| self.machines.get_mut(place));
        let last = machine.as_mut().map(|machine| &mut machine.last);
        let before = last.map_or(seconds, |last| std::mem::replace(last, seconds));
        match record {
            Record::Event(event) => {
                self.seconds = self.seconds.max(seconds);
                if let Kind::Send { to, mishaps } = &event.kind {
                    // Nobody asks for the ages of messages to machines without lines.
                    for to in to
                        .iter()
                        .filter(|to| place(**to).is_some() && copies(mishaps.as_deref(), **to) > 0)
                    {
                        reading.sends.sent(from, *to, event.clock, at);
                    }
                }
                let before = reading.foremost;
                reading.foremost = before.max(event.clock);
                if let Some(machine) = machine {
                    machine.event(seconds, event, before);
                    machine.message(seconds, at, event, &mut reading.sends);
                    machine.tick(seconds, at, event.tick);
                }
            }
            Record::Stall { skipped, .. } => {
                if let Some(deadlines) = machine.and_then(|machine| machine.deadlines.as_mut()) {
                    deadlines.skip(*skipped);
                }
            }
            Record::Ended(footer) => {
                if let Some(machine) = machine {
                    // The wait for goodbyes, behind the last tick, is none of the run.
                    machine
                        .queue
                        .push(seconds.min(self.seconds), approximate(footer.queued));
                }
            }
            Record::Paused => {
                if let Some(deadlines) = machine.and_then(|machine| machine.deadlines.as_mut()) {
                    deadlines.halt();
                }
            }
            Record::Pace { rate, next_us } => {
                if let Some(deadlines) = machine.and_then(|machine| machine.deadlines.as_mut()) {
                    deadlines.begin(at, *rate, *next_us);
                }
            }
            // What waited died with the process.
            Record::Restarted { .. } => {
                if let Some(machine) = machine {
                    machine.queue.push(before, 0.0);
                }
            }
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Fault(_)
            | Record::Mended { .. }
            | Record::Stepped { .. }
            | Record::Data(_)
            | Record::Jumped { .. } => {}
        }
    }

    /// Whether a line was too long to be drawn point by point.
    #[must_use]
    pub fn is_thinned(&self) -> bool {
        let mut machines = self.machines.iter();
        machines.any(|machine| machine.clock.is_thinned() || machine.drift.is_thinned())
    }

    /// Which colour and dashes each of the machines that have lines is drawn with, counted from 0: those of
    /// [`shown`](Self::shown) come first, so that they look as different as can be, and the same everywhere.
    #[must_use]
    pub fn looks(&self, machines_max: usize) -> Vec<usize> {
        let shown: Vec<MachineId> = self.shown(machines_max).iter().map(|one| one.machine).collect();
        let mut others = shown.len()..;
        let machines = self.machines.iter();
        let look = |machine: &MachineSeries| {
            let among = shown.iter().position(|one| *one == machine.machine);
            among.or_else(|| others.next()).unwrap_or_default()
        };
        machines.map(look).collect()
    }

    /// At most `machines_max` of the machines that have lines, in the order of their ids: all, or a choice
    /// from the fastest to the slowest.
    #[must_use]
    pub fn shown(&self, machines_max: usize) -> Vec<&MachineSeries> {
        let machines: Vec<&MachineSeries> = self.machines.iter().collect();
        choose(&machines, |machine| machine.rate, machines_max)
    }
}

/// At most `count_max` of `all`, in their order: taken at equal distances from the fastest to the slowest, both
/// of which are among them.
fn choose<'a, T>(all: &[&'a T], rate: fn(&T) -> Option<u32>, count_max: usize) -> Vec<&'a T> {
    if all.len() <= count_max {
        return all.to_vec();
    }
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(all.get(*index).and_then(|one| rate(one))));
    let last = count_max.saturating_sub(1).max(1);
    let mut chosen: Vec<usize> = (0..count_max)
        .filter_map(|number| order.get(number * (all.len() - 1) / last).copied())
        .collect();
    chosen.sort_unstable();
    chosen
        .into_iter()
        .filter_map(|index| all.get(index).copied())
        .collect()
}

impl MachineSeries {
    fn new(header: &Header, started: WallTime) -> Self {
        let mut queue = Thinned::default();
        queue.push(header.started.seconds_since(started), 0.0);
        Self {
            machine: header.machine,
            rate: header.rate,
            clock: Thinned::default(),
            drift: Thinned::default(),
            queue,
            tick_error: Thinned::default(),
            lateness: LatenessCounts::default(),
            age: Thinned::default(),
            waited: Thinned::default(),
            jumps: BTreeMap::new(),
            last_clock: 0,
            last: header.started.seconds_since(started),
            deadlines: Deadlines::new(header),
        }
    }

    /// An event; the foremost clock of the run was `before`.
    fn event(&mut self, seconds: f64, event: &Event, before: u64) {
        let clock = event.clock;
        let jump = clock.saturating_sub(self.last_clock).min(JUMP_MAX);
        *self.jumps.entry(jump).or_insert(0) += 1;
        // Just before the event the machine was furthest behind.
        self.drift
            .push(seconds, approximate(before.saturating_sub(self.last_clock)));
        self.drift
            .push(seconds, approximate(before.saturating_sub(clock)));
        self.clock.push(seconds, approximate(clock));
        self.last_clock = clock;
    }

    /// How old the message is that the event takes, if it takes one.
    fn message(&mut self, seconds: f64, at: WallTime, event: &Event, sends: &mut SendTimes) {
        let Kind::Receive {
            from,
            sent,
            queue,
            waited_us,
        } = event.kind
        else {
            return;
        };
        self.queue.push(seconds, approximate(queue));
        if let Some(sent_at) = sends.taken(from, self.machine, sent) {
            self.age.push(seconds, at.seconds_since(sent_at));
        }
        if let Some(waited_us) = waited_us {
            self.waited.push(seconds, approximate(waited_us) / 1e6);
        }
    }

    /// How late the tick was.
    fn tick(&mut self, seconds: f64, at: WallTime, tick: u64) {
        let deadlines = self.deadlines.as_mut().filter(|_| tick > 0);
        let Some(late_us) = deadlines.and_then(|deadlines| deadlines.late_us(tick, at)) else {
            return;
        };
        if let Some(count) = self.lateness.get_mut(lateness::class(late_us)) {
            *count += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure has a thousand pixels")]
        self.tick_error.push(seconds, late_us as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure has a thousand pixels")]
fn approximate(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_holds_the_fastest_and_the_slowest_and_keeps_the_order() {
        let rates: Vec<Option<u32>> = (0..50).map(|n| Some(n % 6 + 1)).collect();
        let all: Vec<&Option<u32>> = rates.iter().collect();
        let chosen = choose(&all, |rate| *rate, 8);
        assert_eq!(chosen.len(), 8);
        let mut speeds: Vec<u32> = chosen.iter().map(|rate| rate.unwrap()).collect();
        assert!(speeds.contains(&1) && speeds.contains(&6));
        speeds.sort_unstable();
        speeds.dedup();
        assert_eq!(speeds, [1, 2, 3, 4, 5, 6], "every speed");
        assert_eq!(choose(&all, |rate| *rate, 50).len(), 50);
        assert_eq!(choose(&all, |rate| *rate, 1).len(), 1);
        assert_eq!(choose(&all, |rate| *rate, 0).len(), 0);
    }
}
