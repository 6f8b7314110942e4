//! How late ticks came: the deadline of each tick, and counts by lateness.

use crate::trace::{Header, WallTime};

/// Upper bounds of the classes of lateness, in microseconds; one class more holds everything above.
pub const LATENESS_BOUNDS_US: [u32; 16] = [
    10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
];

/// Ticks by class of lateness: below 10 µs, below 20 µs, …, a second and more.
pub type LatenessCounts = [u64; LATENESS_BOUNDS_US.len() + 1];

/// The deadlines of a machine's ticks: start + phase + (tick − 1 + ticks skipped) / rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// Of the first tick.
    first: WallTime,
    rate: u64,
    skipped: u64,
}

impl Deadlines {
    /// `None` for a log that does not say its rate or its phase.
    pub(super) fn new(header: &Header) -> Option<Self> {
        let phase_us = i64::try_from(header.phase_us?).ok()?;
        Some(Self {
            first: WallTime(header.started.0.saturating_add(phase_us)),
            rate: u64::from(header.rate?.max(1)),
            skipped: 0,
        })
    }

    /// Ticks were left out.
    pub(super) fn skip(&mut self, ticks: u64) {
        self.skipped = self.skipped.saturating_add(ticks);
    }

    /// How late `tick` (from 1) was done, in microseconds; below 0 only in a log that broke the rules.
    pub(super) fn late_us(&self, tick: u64, at: WallTime) -> i64 {
        let index = tick.saturating_sub(1).saturating_add(self.skipped);
        let later = u128::from(index) * 1_000_000 / u128::from(self.rate);
        let later = i64::try_from(later).unwrap_or(i64::MAX);
        at.us_since(WallTime(self.first.0.saturating_add(later)))
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
            first: WallTime(1_000_000),
            rate: 3,
            skipped: 0,
        };
        assert_eq!(deadlines.late_us(1, WallTime(1_000_050)), 50);
        assert_eq!(
            deadlines.late_us(2, WallTime(1_333_333)),
            0,
            "rounded as ticks are"
        );
        deadlines.skip(3);
        assert_eq!(deadlines.late_us(3, WallTime(2_666_700)), 34);
        assert_eq!(deadlines.late_us(3, WallTime(2_666_600)), -66);
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
