//! The schedule of ticks: absolute deadlines, how late they were met, and what a person may do to it.
//!
//! ```text
//!   begin   phase        period       period
//!     |-------|-----------|------------|-----> n-th tick due at begin + phase + n × period
//!             n = 0       n = 1        n = 2
//! ```
//!
//! A deadline never depends on when the tick before it was done, so lateness does not add up. A pause keeps what is
//! left to the next tick; going on begins a new schedule with that. Another rate keeps the part of the period that is
//! left, so that who was half-way to a tick still is.

use crate::units::{Period, Time};

/// Lateness from which ticks are skipped instead of made up for: one second.
pub(super) const STALL_US: u64 = 1_000_000;

/// The ticks of one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    period: Period,
    first: Time,
    /// The index of the next tick.
    next: u64,
    /// When that is due: asked for far more often than it changes.
    due: Time,
    /// While paused: what was left to the next tick, in microseconds.
    left_us: Option<u64>,
    /// Since when ticks have come by time without a pause.
    since: Time,
    /// How long they did before that, in microseconds.
    ticked_us: u64,
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
    /// A tick every `period`, the first `phase_us` after `start`.
    pub(super) fn new(period: Period, start: Time, phase_us: u64) -> Self {
        let first = Time(start.0.saturating_add(phase_us));
        Self {
            period,
            first,
            next: 0,
            due: first,
            left_us: None,
            since: start,
            ticked_us: 0,
            done: 0,
            late_us_sum: 0,
            late_us_max: 0,
            stalls: 0,
        }
    }

    /// When the next tick is due; `None` while paused.
    #[inline]
    pub(super) fn due(&self) -> Option<Time> {
        match self.left_us {
            None => Some(self.due),
            Some(_) => None,
        }
    }

    /// Takes the tick that is due at `now`, or the stall that `now` reveals; ticks due at `until` or later are
    /// never taken nor skipped.
    #[inline]
    pub(super) fn take(&mut self, now: Time, until: Time) -> Due {
        let due = self.due;
        if now < due || until <= due || self.left_us.is_some() {
            return Due::Later;
        }
        let late_us = now.0 - due.0;
        if late_us > STALL_US {
            // The tick due now never is the first behind what has passed.
            let next = self.period.first_behind(now.0.min(until.0 - 1) - self.first.0);
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

    pub(super) fn is_paused(&self) -> bool {
        self.left_us.is_some()
    }

    /// No ticks by time from `now` on. What was due before was taken.
    pub(super) fn pause(&mut self, now: Time) {
        if self.left_us.is_none() {
            self.ticked_us = self.ticked_us(now);
            self.left_us = Some(self.due.0.saturating_sub(now.0));
        }
    }

    /// Ticks by time again; the first in so many microseconds. `None` if they never ceased to.
    pub(super) fn resume(&mut self, now: Time) -> Option<u64> {
        let left_us = self.left_us.take()?;
        self.since = now;
        self.begin(now, left_us);
        Some(left_us)
    }

    /// Another period from `now` on; the next tick in so many microseconds, `None` while paused.
    pub(super) fn change(&mut self, now: Time, period: Period) -> Option<u64> {
        let old = std::mem::replace(&mut self.period, period);
        if let Some(left_us) = &mut self.left_us {
            *left_us = old.scaled(*left_us, period);
            return None;
        }
        let left_us = old.scaled(self.due.0.saturating_sub(now.0), period);
        self.begin(now, left_us);
        Some(left_us)
    }

    /// How long ticks have come by time up to `now`, pauses left out, in microseconds.
    pub(super) fn ticked_us(&self, now: Time) -> u64 {
        match self.left_us {
            None => self.ticked_us.saturating_add(now.0.saturating_sub(self.since.0)),
            Some(_) => self.ticked_us,
        }
    }

    /// Mean and largest lateness of the ticks done by time, in microseconds.
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

    /// A new schedule, its first tick `left_us` behind `now`.
    fn begin(&mut self, now: Time, left_us: u64) {
        self.first = Time(now.0.saturating_add(left_us));
        self.go_to(0);
    }

    fn go_to(&mut self, next: u64) {
        self.next = next;
        self.due = Time(self.first.0.saturating_add(self.period.of(next)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Speed;

    const NEVER: Time = Time(u64::MAX);

    fn paced(rate: u32, start: Time, phase_us: u64) -> Pace {
        Pace::new(Period::new(rate, Speed::NORMAL), start, phase_us)
    }

    #[test]
    fn ticks_at_the_end_or_behind_it_are_neither_done_nor_skipped() {
        let mut pace = paced(4, Time(0), 0);
        assert_eq!(pace.take(Time(600_000), Time(500_000)), Due::Tick);
        assert_eq!(pace.take(Time(600_000), Time(500_000)), Due::Tick);
        assert_eq!(
            pace.take(Time(600_000), Time(500_000)),
            Due::Later,
            "due at the end"
        );
        let mut pace = paced(4, Time(0), 0);
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
                let mut pace = paced(rate, Time(0), 0);
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
        let mut pace = paced(3, Time(5), 7);
        pace.go_to(3_000_000);
        assert_eq!(pace.due, Time(5 + 7 + 1_000_000 * 1_000_000));
    }

    #[test]
    fn a_late_tick_is_made_up_for_and_shifts_no_other() {
        let mut pace = paced(4, Time(0), 0);
        assert_eq!(pace.take(Time(0), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Tick);
        assert_eq!(pace.take(Time(900_000), NEVER), Due::Later);
        assert_eq!(pace.due, Time(1_000_000));
        assert_eq!(pace.error_us(), ((650_000 + 400_000 + 150_000) / 4, 650_000));
    }

    #[test]
    fn more_than_a_second_late_is_a_stall_that_skips() {
        let mut pace = paced(4, Time(0), 100_000);
        assert_eq!(
            pace.take(Time(1_100_000), NEVER),
            Due::Tick,
            "exactly one second late is made up for"
        );
        let mut pace = paced(4, Time(0), 100_000);
        assert_eq!(
            pace.take(Time(10_200_000), NEVER),
            Due::Stall {
                late_us: 10_100_000,
                skipped: 41
            }
        );
        assert_eq!(pace.due, Time(10_350_000));
        assert_eq!((pace.stalls(), pace.error_us()), (1, (0, 0)));
    }

    #[test]
    fn a_pause_keeps_what_is_left_and_counts_no_time() {
        let mut pace = paced(4, Time(0), 0);
        assert_eq!(pace.take(Time(0), NEVER), Due::Tick);
        pace.pause(Time(100_000));
        assert_eq!(pace.due(), None);
        assert_eq!(pace.take(Time(9_000_000), NEVER), Due::Later, "paused");
        assert_eq!(pace.ticked_us(Time(9_000_000)), 100_000);
        assert_eq!(pace.resume(Time(9_000_000)), Some(150_000));
        assert_eq!(pace.resume(Time(9_000_000)), None, "it runs");
        assert_eq!(pace.due(), Some(Time(9_150_000)));
        assert_eq!(pace.ticked_us(Time(9_150_000)), 250_000);
    }

    #[test]
    fn another_rate_keeps_the_part_of_the_period_that_is_left() {
        let mut pace = paced(4, Time(0), 250_000);
        let faster = Period::new(8, Speed::NORMAL);
        assert_eq!(pace.change(Time(150_000), faster), Some(50_000));
        assert_eq!(pace.due(), Some(Time(200_000)));
        assert_eq!(pace.take(Time(200_000), NEVER), Due::Tick);
        assert_eq!(pace.due(), Some(Time(325_000)));
        pace.pause(Time(300_000));
        assert_eq!(pace.change(Time(400_000), Period::new(1, Speed::NORMAL)), None);
        assert_eq!(pace.resume(Time(500_000)), Some(200_000), "a fifth of a period");
    }

    #[test]
    fn slow_motion_and_haste_are_exact() {
        for (speed, ticks) in [("0.1", 40), ("1", 400), ("2.5", 1000), ("100", 40_000)] {
            let mut pace = Pace::new(Period::new(4, speed.parse().unwrap()), Time(0), 0);
            let mut done = 0;
            while pace.take(pace.due, Time(100_000_000)) == Due::Tick {
                done += 1;
            }
            assert_eq!(done, ticks, "{speed}");
        }
    }
}
