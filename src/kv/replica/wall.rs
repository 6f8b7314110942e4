//! What the wall clock shows, as far as values end by it.
//!
//! It is read at the start and before timeouts, and carried on in between by the driver's time. A clock that was set ahead
//! is followed at once. One that was set back is not: a value that a session has seen end would be there again. What is
//! shown goes on at half the pace until the clock has caught up.

use crate::{trace::WallTime, units::Time};

/// A wall clock that never goes back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wall {
    /// When it was read last.
    at: Time,
    /// What was shown then, in microseconds since 1970.
    shown_us: u64,
    /// The clock is behind what was shown.
    is_ahead: bool,
}

impl Wall {
    /// The clock was read: it may have been set, or the computer slept.
    pub(super) fn read(&mut self, now: Time, wall: WallTime) {
        let (read_us, shown_us) = (u64::try_from(wall.0).unwrap_or(0), self.shows_us(now));
        *self = Self {
            at: now,
            shown_us: shown_us.max(read_us),
            is_ahead: shown_us > read_us,
        };
    }

    /// What is shown at a time, in microseconds since 1970.
    #[inline]
    pub(super) fn shows_us(&self, now: Time) -> u64 {
        let passed = now.0.saturating_sub(self.at.0);
        self.shown_us.saturating_add(passed >> u32::from(self.is_ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn what_is_shown_follows_the_clock_and_never_goes_back() {
        let mut wall = Wall::default();
        let mut read = |now: u64, clock: i64| {
            let before = wall.shows_us(Time(now));
            wall.read(Time(now), WallTime(clock * 1_000_000));
            assert!(wall.shows_us(Time(now)) >= before);
            wall
        };
        let wall = read(5 * SECOND, 1000);
        assert_eq!(wall.shows_us(Time(6 * SECOND)), 1001 * SECOND);
        // Ahead at once.
        let wall = read(6 * SECOND, 2000);
        assert_eq!(wall.shows_us(Time(8 * SECOND)), 2002 * SECOND);
        // Back by 4 s: at half the pace for 8 s, however often it is read.
        for passed in 0..8 {
            let wall = read((8 + passed) * SECOND, 1998 + i64::try_from(passed).unwrap());
            assert_eq!(
                wall.shows_us(Time((8 + passed) * SECOND)),
                2002 * SECOND + passed * SECOND / 2
            );
        }
        let wall = read(16 * SECOND, 2006);
        assert_eq!(wall.shows_us(Time(17 * SECOND)), 2007 * SECOND);
    }
}
