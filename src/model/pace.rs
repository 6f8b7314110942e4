//! The schedule of ticks: absolute deadlines, and how late they were met.
//!
//! ```text
//!   start   phase        1/r          1/r
//!     |-------|-----------|------------|-----> n-th tick due at start + phase + n / rate
//!             n = 0       n = 1        n = 2
//! ```
//!
//! A deadline never depends on when the tick before it was done, so lateness does not add up.

use crate::units::Time;

/// Lateness from which ticks are skipped instead of made up for: one second.
pub(super) const STALL_US: u64 = 1_000_000;

/// The ticks of one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rate: u64,
    first: Time,
    /// The index of the next tick.
    next: u64,
    /// When that is due: asked for far more often than it changes.
    due: Time,
    done: u64,
    late_us_sum: u64,
    late_us_max: u64,
    stalls: u64,
}

/// What the deadline that has come asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Do one tick.
    Tick,
    /// Do nothing: so much time was lost that the ticks in it are skipped.
    Stall { late_us: u64, skipped: u64 },
    /// It is not time yet.
    Later,
}

impl Pace {
    /// `rate` ticks a second, the first `phase_us` after `start`.
    pub(super) fn new(rate: u32, start: Time, phase_us: u64) -> Self {
        let first = Time(start.0.saturating_add(phase_us));
        Self {
            rate: u64::from(rate.max(1)),
            first,
            next: 0,
            due: first,
            done: 0,
            late_us_sum: 0,
            late_us_max: 0,
            stalls: 0,
        }
    }

    /// When the next tick is due.
    #[inline]
    pub(super) fn due(&self) -> Time {
        self.due
    }

    /// Takes the tick that is due at `now`, or the stall that `now` reveals; ticks due at `until` or later are
    /// never taken nor skipped.
    #[inline]
    pub(super) fn take(&mut self, now: Time, until: Time) -> Due {
        let due = self.due();
        if now < due || until <= due {
            return Due::Later;
        }
        let late_us = now.0 - due.0;
        if late_us > STALL_US {
            // Tick n is due n / rate behind the first, rounded down: the first tick that lies behind what has
            // passed is the first with n / rate of a microsecond more. The tick due now never is that one.
            let passed = now.0.min(until.0 - 1) - self.first.0;
            let ticks = (u128::from(passed) + 1) * u128::from(self.rate);
            let next = u64::try_from(ticks.div_ceil(1_000_000)).unwrap_or(u64::MAX);
            let skipped = next - self.next;
            self.go_to(next);
            self.stalls += 1;
            return Due::Stall { late_us, skipped };
        }
        self.go_to(self.next + 1);
        self.done += 1;
        self.late_us_sum += late_us;
        self.late_us_max = self.late_us_max.max(late_us);
        Due::Tick
    }

    /// Mean and largest lateness of the ticks done, in microseconds.
    pub(super) fn error_us(&self) -> (u64, u64) {
        (
            self.late_us_sum.checked_div(self.done).unwrap_or(0),
            self.late_us_max,
        )
    }

    /// How often ticks were skipped.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }

    fn go_to(&mut self, next: u64) {
        self.next = next;
        self.due = self.at(next);
    }

    fn at(&self, n: u64) -> Time {
        // Ten times as fast where the product fits, which it does for 18 million million ticks.
        if let Some(us) = n.checked_mul(1_000_000) {
            return Time(self.first.0.saturating_add(us / self.rate));
        }
        let later = u128::from(n) * 1_000_000 / u128::from(self.rate);
        Time(
            self.first
                .0
                .saturating_add(u64::try_from(later).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Time = Time(u64::MAX);

    #[test]
    fn ticks_at_the_end_or_behind_it_are_neither_done_nor_skipped() {
        let mut pace = Pace::new(4, Time(0), 0);
        assert_eq!(pace.take(Time(600_000), Time(500_000)), Due::Tick);
        assert_eq!(pace.take(Time(600_000), Time(500_000)), Due::Tick);
        assert_eq!(
            pace.take(Time(600_000), Time(500_000)),
            Due::Later,
            "due at the end"
        );
        let mut pace = Pace::new(4, Time(0), 0);
        let stall = Due::Stall {
            late_us: 9_000_000,
            skipped: 20,
        };
        assert_eq!(
            pace.take(Time(9_000_000), Time(5_000_000)),
            stall,
            "of 36 deadlines 20 lie before the end"
        );
        assert_eq!(pace.take(Time(9_000_000), Time(5_000_000)), Due::Later);
    }

    #[test]
    fn a_stall_skips_every_tick_due_before_the_end_wherever_the_end_lies() {
        for rate in [1, 3, 7, 999] {
            for end in 0..3_000 {
                let until = Time(300_000 + end);
                let mut pace = Pace::new(rate, Time(0), 0);
                let mut ticks = 0;
                while let Due::Stall { skipped, .. } = pace.take(Time(9_000_000), until) {
                    ticks += skipped;
                    assert!(skipped > 0, "a stall that skips nothing would come again");
                }
                let due = |n: &u64| n * 1_000_000 / u64::from(rate) < until.0;
                assert_eq!(ticks, (0..).take_while(due).count() as u64, "{rate} {end}");
            }
        }
    }

    #[test]
    fn deadlines_are_exact_after_a_million_ticks() {
        let mut pace = Pace::new(3, Time(5), 7);
        pace.go_to(3_000_000);
        assert_eq!(pace.due(), Time(5 + 7 + 1_000_000 * 1_000_000));
    }

    #[test]
    fn a_late_tick_is_made_up_for_and_shifts_no_other() {
        let mut pace = Pace::new(4, Time(0), 0);
        assert_eq!(pace.take(Time(0), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Later);
        assert_eq!(pace.due(), Time(1_000_000));
        assert_eq!(pace.error_us(), ((650_000 + 400_000 + 150_000) / 4, 650_000));
    }

    #[test]
    fn more_than_a_second_late_is_a_stall_that_skips() {
        let mut pace = Pace::new(4, Time(0), 100_000);
        assert_eq!(
            pace.take(Time(1_100_000), NEVER),
            Due::Tick,
            "exactly one second late is made up for"
        );
        let mut pace = Pace::new(4, Time(0), 100_000);
        assert_eq!(
            pace.take(Time(10_200_000), NEVER),
            Due::Stall {
                late_us: 10_100_000,
                skipped: 41
            }
        );
        assert_eq!(pace.due(), Time(10_350_000));
        assert_eq!((pace.stalls(), pace.error_us()), (1, (0, 0)));
    }
}
