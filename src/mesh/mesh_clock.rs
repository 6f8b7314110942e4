//! The one place of the driver that reads clocks: monotonic time for everything, wall time once for all logs.
#![allow(
    clippy::disallowed_methods,
    reason = "this is where the driver reads the clock"
)]

use std::time::Instant;

use chrono::Utc;

use crate::{trace::WallTime, units::Time};

/// Monotonic time since the driver started, and the wall time that belongs to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeshClock {
    origin: Instant,
    wall: WallTime,
}

impl MeshClock {
    /// A clock that begins now, or a microsecond behind `last` if the computer's clock was set back meanwhile.
    pub(super) fn start(last: Option<WallTime>) -> Self {
        let behind = last.map(|last| WallTime(last.0.saturating_add(1)));
        Self {
            origin: Instant::now(),
            wall: wall_now().max(behind.unwrap_or_default()),
        }
    }

    #[inline]
    pub(super) fn now(&self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The wall time of `now` in logs: never goes back, whatever is done to the computer's clock.
    pub(super) fn wall(&self, now: Time) -> WallTime {
        self.wall.carried(Time(0), now)
    }

    /// What the computer's clock shows at this moment.
    pub(super) fn physical() -> WallTime {
        wall_now()
    }

    /// How far the computer's clock has run ahead of ours, in microseconds: a suspended computer, or a clock
    /// that was set.
    pub(super) fn suspended_us(&self) -> u64 {
        let ahead = wall_now().us_since(self.wall(self.now()));
        u64::try_from(ahead).unwrap_or(0)
    }
}

fn wall_now() -> WallTime {
    WallTime(Utc::now().timestamp_micros())
}
