//! How long a message is under way: constant, uniform, or exponential; whole microseconds from a seeded stream.
//!
//! No floating point, so every machine draws the same. The exponential distribution comes from comparisons of
//! uniform numbers alone (von Neumann, "Various techniques used in connection with random digits", 1951): a
//! logarithm would differ between platforms in its last bit, and a log's bytes with it.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

use crate::dice::Stream;

/// Longest latency that can be asked for, and longest mean, in microseconds: one hour.
pub const LATENCY_US_MAX: u64 = 3_600_000_000;

/// How long messages are under way, in microseconds. Drawn for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Constant {
        /// At most [`LATENCY_US_MAX`].
        us: u64,
    },
    /// Each between two ends equally likely, both included.
    Uniform {
        /// Shortest.
        from_us: u64,
        /// Longest: at least `from_us`, at most [`LATENCY_US_MAX`].
        to_us: u64,
    },
    /// Exponential; a long one is rare, but has no bound.
    Exponential {
        /// At most [`LATENCY_US_MAX`].
        mean_us: u64,
    },
}

/// A text that says no latency.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is no latency: {what}; write constant:0, uniform:1ms-5ms or exponential:2ms")]
pub struct LatencyError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub what: String,
}

impl Latency {
    /// The next message's latency, in microseconds.
    #[inline]
    pub fn draw(self, stream: &mut Stream) -> u64 {
        match self {
            Latency::Constant { us } => us,
            Latency::Uniform { from_us, to_us } => from_us + stream.below(to_us - from_us + 1),
            Latency::Exponential { mean_us } => exponential(mean_us, stream),
        }
    }
}

/// Exponential with the given mean, rounded down to whole microseconds.
///
/// A descending run of uniform numbers that begins with u has an odd length with probability e^(−u), so such a u is
/// exponential within its unit; each run of even length before it is one unit further. Two equal numbers (once in
/// 2^64 comparisons) end a run.
fn exponential(mean_us: u64, stream: &mut Stream) -> u64 {
    let mut units: u64 = 0;
    loop {
        let first = stream.bits();
        let (mut last, mut is_odd) = (first, true);
        loop {
            let next = stream.bits();
            if next >= last {
                break;
            }
            (last, is_odd) = (next, !is_odd);
        }
        if is_odd {
            let part = (u128::from(mean_us) * u128::from(first)) >> 64;
            return units * mean_us + u64::try_from(part).unwrap_or(mean_us);
        }
        units += 1;
    }
}

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |what: String| LatencyError {
            text: text.to_owned(),
            what,
        };
        let us = |time: &str| match time.trim() {
            "0" => Ok(0),
            time => match humantime::parse_duration(time).map(|time| time.as_nanos()) {
                Ok(nanos) if nanos % 1000 != 0 => {
                    Err(fail(format!("{time} is no whole number of microseconds")))
                }
                Ok(nanos) if nanos / 1000 > u128::from(LATENCY_US_MAX) => {
                    Err(fail(format!("{time} is longer than the hour allowed")))
                }
                Ok(nanos) => Ok(u64::try_from(nanos / 1000).unwrap_or(LATENCY_US_MAX)),
                Err(_) => Err(fail(format!("`{time}` is no time such as 150us, 5ms or 2s"))),
            },
        };
        match text.split_once(':') {
            Some(("constant", time)) => Ok(Latency::Constant { us: us(time)? }),
            Some(("exponential", mean)) => Ok(Latency::Exponential { mean_us: us(mean)? }),
            Some(("uniform", ends)) => {
                let (from, to) = ends
                    .split_once('-')
                    .ok_or_else(|| fail("uniform has two ends".to_owned()))?;
                let (from_us, to_us) = (us(from)?, us(to)?);
                if from_us > to_us {
                    return Err(fail("the shorter end stands first".to_owned()));
                }
                Ok(Latency::Uniform { from_us, to_us })
            }
            Some((name, _)) => Err(fail(format!("there is no distribution `{name}`"))),
            None => Err(fail(
                "a distribution and its times are parted by a colon".to_owned(),
            )),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Latency::Constant { us } => write!(f, "constant:{}", Shown(us)),
            Latency::Uniform { from_us, to_us } => write!(f, "uniform:{}-{}", Shown(from_us), Shown(to_us)),
            Latency::Exponential { mean_us } => write!(f, "exponential:{}", Shown(mean_us)),
        }
    }
}

/// Microseconds in the largest unit that leaves a whole number.
struct Shown(u64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::from_micros(self.0);
        match self.0 {
            0 => f.write_str("0"),
            us if us % 1_000_000 == 0 => write!(f, "{}s", time.as_secs()),
            us if us % 1000 == 0 => write!(f, "{}ms", time.as_millis()),
            us => write!(f, "{us}us"),
        }
    }
}
