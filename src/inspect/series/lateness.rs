//! How late ticks came: the deadline of each tick, and counts by lateness.

use crate::{
    trace::{Header, WallTime},
    units::{Period, Speed},
};

/// Upper bounds of the classes of lateness, in microseconds; one class more holds everything above.
pub const LATENESS_BOUNDS_US: [u32; 16] = [
    10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
];

/// Ticks by class of lateness: below 10 µs, below 20 µs, …, a second and more.
pub type LatenessCounts = [u64; LATENESS_BOUNDS_US.len() + 1];

/// The deadlines of a machine's ticks: begin + phase + n × period, n = 0, 1, … with the ticks skipped, by schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// Of the first tick of the schedule; `None` while there is none.
    first: Option<WallTime>,
    period: Period,
    speed: Speed,
    /// Ticks before this schedule.
    before: u64,
    skipped: u64,
    /// Ticks so far.
    ticks: u64,
}

impl Deadlines {
    /// `None` for a log that does not say its rate or its phase.
    pub(super) fn new(header: &Header) -> Option<Self> {
        let phase_us = i64::try_from(header.phase_us?).ok()?;
        Some(Self {
            first: Some(WallTime(header.started.0.saturating_add(phase_us))),
            period: Period::new(header.rate?, header.speed),
            speed: header.speed,
            before: 0,
            skipped: 0,
            ticks: 0,
        })
    }

    /// A schedule ends, and the next one has not begun.
    pub(super) fn halt(&mut self) {
        self.first = None;
    }

    /// A schedule begins at `at`.
    pub(super) fn begin(&mut self, at: WallTime, rate: u32, next_us: u64) {
        let next_us = i64::try_from(next_us).unwrap_or(i64::MAX);
        self.first = Some(WallTime(at.0.saturating_add(next_us)));
        self.period = Period::new(rate, self.speed);
        (self.before, self.skipped) = (self.ticks, 0);
    }

    /// Ticks were left out.
    pub(super) fn skip(&mut self, ticks: u64) {
        self.skipped = self.skipped.saturating_add(ticks);
    }

    /// How late `tick` (from 1) was done, in microseconds; below 0 only in a log that broke the rules. `None` for one
    /// that was not due by time.
    pub(super) fn late_us(&mut self, tick: u64, at: WallTime) -> Option<i64> {
        self.ticks = tick;
        let first = self.first?;
        let index = tick.saturating_sub(self.before).saturating_sub(1);
        let later = self.period.of(index.saturating_add(self.skipped));
        let later = i64::try_from(later).unwrap_or(i64::MAX);
        Some(at.us_since(WallTime(first.0.saturating_add(later))))
    }
}

/// The class of a lateness, as an index into [`LatenessCounts`].
pub(super) fn class(late_us: i64) -> usize {
    LATENESS_BOUNDS_US.partition_point(|bound| i64::from(*bound) <= late_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_measured_from_the_deadline_behind_skipped_ticks() {
        let mut deadlines = Deadlines {
            first: Some(WallTime(1_000_000)),
            period: Period::new(3, Speed::NORMAL),
            speed: Speed::NORMAL,
            before: 0,
            skipped: 0,
            ticks: 0,
        };
        assert_eq!(deadlines.late_us(1, WallTime(1_000_050)), Some(50));
        assert_eq!(
            deadlines.late_us(2, WallTime(1_333_333)),
            Some(0),
            "rounded as ticks are"
        );
        deadlines.skip(3);
        assert_eq!(deadlines.late_us(3, WallTime(2_666_700)), Some(34));
        assert_eq!(deadlines.late_us(3, WallTime(2_666_600)), Some(-66));
        deadlines.halt();
        assert_eq!(deadlines.late_us(4, WallTime(2_700_000)), None, "a step");
        deadlines.begin(WallTime(5_000_000), 10, 50_000);
        assert_eq!(deadlines.late_us(5, WallTime(5_050_000)), Some(0));
        assert_eq!(deadlines.late_us(6, WallTime(5_150_007)), Some(7));
    }

    #[test]
    fn classes_begin_at_their_bounds() {
        for (late_us, expected) in [(-5, 0), (0, 0), (9, 0), (10, 1), (19, 1), (20, 2)] {
            assert_eq!(class(late_us), expected, "{late_us}");
        }
        assert_eq!(class(999_999), 15);
        assert_eq!(class(1_000_000), 16);
        assert_eq!(class(i64::MAX), 16);
    }
}
