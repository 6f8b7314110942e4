//! The quantities that every layer speaks of: which machine, when, and how fast.
//!
//! No arithmetic beyond what schedules need, and no way to read a clock: drivers do that.

use std::{fmt, str::FromStr, time::Duration};

/// A machine's number in its run: 0 to machines − 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(pub u16);

/// The most machines that one run may have.
///
/// Ports are the reason: `BASE_PORT + id` has to stay a port.
pub const MACHINES_MAX: u16 = 10_000;

/// Fastest machine, in ticks a second: beyond it a tick is shorter than a thread's wake-up.
pub const RATE_MAX: u32 = 1000;

/// A moment in microseconds since the driver started. Monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// How fast a machine's time passes beside real time, in thousandths: 100 is slow motion at a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speed(u32);

/// The exact time between ticks: a rate times a speed, as a fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// So many ticks …
    ticks: u64,
    /// … take so many microseconds.
    us: u64,
}

/// A set of machines: one bit a machine, so that thousands of machines can each keep one of thousands.
#[derive(Clone, Debug, Default)]
pub struct MachineSet {
    /// Bit `id % 64` of word `id / 64`; words behind the greatest member seen are not there.
    words: Vec<u64>,
    len: usize,
}

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

impl Speed {
    /// Real time.
    pub const NORMAL: Speed = Speed(1000);

    /// Fastest, in thousandths.
    const MAX: u32 = 1_000_000;

    /// Thousandths of real time: 1 to 1,000,000.
    #[must_use]
    pub fn permille(self) -> u32 {
        self.0
    }

    /// As a factor of real time.
    #[must_use]
    pub fn factor(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl Period {
    /// Of `rate` ticks a second at this speed. A rate of 0 is taken for 1.
    #[must_use]
    pub fn new(rate: u32, speed: Speed) -> Self {
        // A thousand seconds have rate × thousandths ticks.
        let (ticks, us) = (u64::from(rate.max(1)) * u64::from(speed.0), 1_000_000_000);
        let (mut divisor, mut rest) = (ticks, us);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self {
            ticks: ticks / divisor,
            us: us / divisor,
        }
    }

    /// How long `ticks` ticks take, in microseconds, rounded down.
    #[inline]
    #[must_use]
    pub fn of(self, ticks: u64) -> u64 {
        // Ten times as fast where the product fits, which it does for a million years of ticks.
        match ticks.checked_mul(self.us) {
            Some(us) => us / self.ticks,
            None => clamp(u128::from(ticks) * u128::from(self.us) / u128::from(self.ticks)),
        }
    }

    /// The first tick, counted from 0, that lies more than `passed_us` behind the first.
    #[must_use]
    pub fn first_behind(self, passed_us: u64) -> u64 {
        // Tick n comes after `of(n)`, rounded down: the first behind has n periods of a microsecond more.
        let ticks = (u128::from(passed_us) + 1) * u128::from(self.ticks);
        clamp(ticks.div_ceil(u128::from(self.us)))
    }

    /// A part of this period as the same part of another, in microseconds, rounded down.
    #[must_use]
    pub fn scaled(self, part_us: u64, other: Period) -> u64 {
        let part = u128::from(part_us) * u128::from(self.ticks) * u128::from(other.us);
        clamp(part / (u128::from(self.us) * u128::from(other.ticks)))
    }

    /// Ticks a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "both are at most 10^9 and exact")]
    pub fn per_second(self) -> f64 {
        self.ticks as f64 * 1e6 / self.us as f64
    }
}

fn clamp(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Default for Speed {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.factor().fmt(f)
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("`{text}` is no speed: 0.001 to 1000 with at most three decimals, such as 0.1");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let thousandths: u32 = format!("{decimals:0<3}").parse().map_err(|_| wrong())?;
        let permille = whole
            .checked_mul(1000)
            .and_then(|whole| whole.checked_add(thousandths));
        permille
            .filter(|permille| (1..=Self::MAX).contains(permille))
            .map(Speed)
            .ok_or_else(wrong)
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

impl MachineSet {
    /// Adds a machine; says whether it is new.
    #[inline]
    pub fn insert(&mut self, machine: MachineId) -> bool {
        let (word, bit) = Self::place(machine);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words.get(word).is_some_and(|bits| bits & bit == 0);
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= bit;
        }
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a machine out; says whether it was in.
    #[inline]
    pub fn remove(&mut self, machine: MachineId) -> bool {
        let (word, bit) = Self::place(machine);
        let Some(bits) = self.words.get_mut(word).filter(|bits| **bits & bit != 0) else {
            return false;
        };
        *bits &= !bit;
        self.len -= 1;
        true
    }

    /// Whether a machine is in.
    #[inline]
    #[must_use]
    pub fn contains(&self, machine: MachineId) -> bool {
        let (word, bit) = Self::place(machine);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// How many machines are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The machines in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = MachineId> + '_ {
        let ids = (0..=u16::MAX).map(MachineId);
        ids.take(self.words.len() * 64).filter(|id| self.contains(*id))
    }

    fn place(machine: MachineId) -> (usize, u64) {
        (machine.index() / 64, 1 << (machine.0 % 64))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn periods_are_exact_fractions() {
        let period = |rate, speed: &str| Period::new(rate, speed.parse().unwrap());
        assert_eq!(
            period(4, "1"),
            Period {
                ticks: 1,
                us: 250_000
            }
        );
        assert_eq!(period(3, "1").of(3_000_000), 1_000_000_000_000);
        assert_eq!(period(3, "1").of(1), 333_333, "rounded down");
        assert_eq!(period(4, "0.1").of(1), 2_500_000);
        assert_eq!(period(7, "0.001").of(7), 1_000_000_000);
        assert_eq!(period(1, "1000").of(3), 3000);
        assert_eq!(period(3, "1").of(u64::MAX / 2), u64::MAX, "the end of time");
        for (rate, speed) in [(1, "1"), (3, "0.7"), (999, "1"), (7, "33.333")] {
            let period = period(rate, speed);
            for passed in (0..5_000_000).step_by(9973) {
                let next = period.first_behind(passed);
                assert!(
                    period.of(next) > passed && period.of(next - 1) <= passed,
                    "{rate} {speed} {passed}"
                );
            }
        }
        assert_eq!(period(4, "1").scaled(125_000, period(8, "1")), 62_500);
        assert!((period(6, "0.25").per_second() - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_set_of_machines_is_what_a_tree_of_them_is() {
        let (mut set, mut tree) = (MachineSet::default(), BTreeSet::new());
        let mut number = 1_u32;
        for _ in 0..20_000 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let machine = MachineId(u16::try_from(number >> 16).unwrap() % 300 * 33);
            if number & 0x8000 == 0 {
                assert_eq!(set.insert(machine), tree.insert(machine));
            } else {
                assert_eq!(set.remove(machine), tree.remove(&machine));
            }
            assert_eq!(set.contains(machine), tree.contains(&machine));
            assert_eq!((set.len(), set.is_empty()), (tree.len(), tree.is_empty()));
        }
        assert!(set.iter().eq(tree.iter().copied()));
        assert!(set.insert(MachineId(u16::MAX)) && set.iter().last() == Some(MachineId(u16::MAX)));
    }
}
