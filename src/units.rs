//! The two quantities that every layer speaks of: which machine, and when.
//!
//! No arithmetic beyond what schedules need, and no way to read a clock: drivers do that.

use std::{fmt, str::FromStr, time::Duration};

/// A machine's number in its run: 0 to machines − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(pub u16);

/// The most machines that one run may have.
///
/// Ports are the reason: `BASE_PORT + id` has to stay a port.
pub const MACHINES_MAX: u16 = 10_000;

/// A moment in microseconds since the driver started. Monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl MachineId {
    /// The id as an index into arrays that hold one entry a machine.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All ids of a run of `machines` machines, in order.
    pub fn all(machines: u16) -> impl DoubleEndedIterator<Item = MachineId> + Clone {
        (0..machines).map(MachineId)
    }

    /// All ids of the run but this one, in order.
    pub fn peers(self, machines: u16) -> impl DoubleEndedIterator<Item = MachineId> + Clone {
        Self::all(machines).filter(move |peer| *peer != self)
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MachineId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(MachineId)
    }
}

impl Time {
    /// This moment, `later` afterwards; the end of time if that is beyond it.
    #[must_use]
    pub fn after(self, later: Duration) -> Time {
        Time(
            self.0
                .saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}
