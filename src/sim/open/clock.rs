//! A machine's own clocks: a little fast or slow, and wrong by a constant. Integers only.

use super::Place;
use crate::{trace::WallTime, units::Time};

/// Microseconds of a clock that is right, for each second.
const RIGHT_PPM: u128 = 1_000_000;

/// The clocks of one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalClock {
    rate_ppm: u128,
    epoch: WallTime,
    /// The moment at which the life began, by [`scaled`](Self::scaled).
    born: u64,
}

impl LocalClock {
    pub(super) fn new(place: &Place, epoch: WallTime) -> Self {
        Self {
            rate_ppm: u128::from(place.rate_ppm),
            epoch: WallTime(epoch.0.saturating_add(place.skew_us)),
            born: 0,
        }
    }

    /// The driver's time of the present life is 0 now.
    pub(super) fn bear(&mut self, now: Time) {
        self.born = self.scaled(now);
    }

    fn scaled(&self, now: Time) -> u64 {
        clamp(u128::from(now.0) * self.rate_ppm / RIGHT_PPM)
    }

    /// The driver's time of the present life.
    pub(super) fn local(&self, now: Time) -> Time {
        Time(self.scaled(now).saturating_sub(self.born))
    }

    /// The first moment at which the driver's time of the present life is `local`.
    pub(super) fn global(&self, local: Time) -> Time {
        let scaled = u128::from(self.born) + u128::from(local.0);
        Time(clamp((scaled * RIGHT_PPM).div_ceil(self.rate_ppm)))
    }

    /// What the wall clock shows.
    pub(super) fn wall(&self, now: Time) -> WallTime {
        self.epoch.carried(Time(0), Time(self.scaled(now)))
    }

    /// The first moment, not before `now`, at which the wall clock shows `wall`.
    pub(super) fn when(&self, wall: WallTime, now: Time) -> Time {
        let scaled = u64::try_from(wall.us_since(self.epoch)).unwrap_or(0);
        Time(clamp((u128::from(scaled) * RIGHT_PPM).div_ceil(self.rate_ppm))).max(now)
    }
}

fn clamp(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_agree_at_any_rate() {
        for rate_ppm in [900_000, 999_983, 1_000_000, 1_000_017, 1_100_000] {
            let place = Place {
                address: "a:1".parse().unwrap(),
                starts: None,
                has_disk: false,
                skew_us: -1_500_000,
                rate_ppm,
            };
            let mut clock = LocalClock::new(&place, WallTime(1_000_000_000_000));
            clock.bear(Time(7_654_321));
            for local in [0, 1, 999, 1_000_000, 123_456_789] {
                let global = clock.global(Time(local));
                assert!(clock.local(global).0 >= local, "{rate_ppm} {local}");
                assert!(global.0 == 0 || clock.local(Time(global.0 - 1)).0 < local.max(1));
            }
            let now = Time(10_000_000);
            let second = WallTime((clock.wall(now).0 / 1_000_000 + 1) * 1_000_000);
            let when = clock.when(second, now);
            assert!(clock.wall(when) >= second && clock.wall(Time(when.0 - 1)) < second);
        }
    }
}
