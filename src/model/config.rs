//! The parameters of one machine of the scale model, with units and bounds.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{
    clock::ClockKind,
    dice::{Purpose, Stream},
    trace::Traffic,
    units::{MACHINES_MAX, MachineId, Period, RATE_MAX, Speed},
};

/// Fewest sides of the die: the three that send.
pub const DRAW_MIN: u32 = 3;

/// Sides of the assignment's die.
pub const DRAW_DEFAULT: u32 = 10;

/// Most sides of the die.
pub const DRAW_MAX: u32 = 10_000;

/// Where in its first period a machine's first tick falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Drawn from the seed.
    Random,
    /// At the start, so that equal rates tick together.
    Aligned,
}

/// How fast the machines of a run are, in ticks a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rates {
    /// One rate a machine, machine 0 first.
    List(Vec<u32>),
    /// Each drawn from the seed, both ends included.
    Range {
        /// Slowest.
        from: u32,
        /// Fastest.
        to: u32,
    },
}

/// One machine's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who it is: below `machines`.
    pub me: MachineId,
    /// How many machines: 2 to 10,000.
    pub machines: u16,
    /// Ticks a second: 1 to [`RATE_MAX`].
    pub rate: u32,
    /// How fast its time passes: rate × speed is at most [`RATE_MAX`].
    pub speed: Speed,
    /// Sides of the die: [`DRAW_MIN`] to [`DRAW_MAX`].
    pub draw: u32,
    /// Whom its sends go to.
    pub traffic: Traffic,
    /// The first tick's place in its period.
    pub phase: Phase,
    /// The logical clock.
    pub clock: ClockKind,
    /// The run's seed.
    pub seed: u64,
}

/// A parameter outside its bounds. The sentence names the option, the value and what is allowed.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("--{option} {value}: {allowed}")]
pub struct ConfigError {
    /// The option's name on the command line.
    pub option: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed, and the mend.
    pub allowed: String,
}

impl ConfigError {
    /// An error about one option.
    pub fn new(option: &'static str, value: impl fmt::Display, allowed: impl Into<String>) -> Self {
        Self {
            option,
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}

impl Config {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`ConfigError`] for the first parameter that is outside.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(2..=MACHINES_MAX).contains(&self.machines) {
            let allowed = format!("a run has 2 to {MACHINES_MAX} machines");
            return Err(ConfigError::new("machines", self.machines, allowed));
        }
        if self.me.0 >= self.machines {
            let allowed = format!(
                "with {} machines the ids are 0 to {}",
                self.machines,
                self.machines - 1
            );
            return Err(ConfigError::new("id", self.me, allowed));
        }
        if !(1..=RATE_MAX).contains(&self.rate) {
            return Err(ConfigError::new(
                "rates",
                self.rate,
                format!("a rate is 1 to {RATE_MAX} ticks a second"),
            ));
        }
        if self.rate > rate_max(self.speed) {
            let allowed = format!(
                "with a rate of {} that is more than {RATE_MAX} ticks a second: give a smaller speed, or smaller rates",
                self.rate
            );
            return Err(ConfigError::new("speed", self.speed, allowed));
        }
        if !(DRAW_MIN..=DRAW_MAX).contains(&self.draw) {
            let allowed = format!("the die has {DRAW_MIN} to {DRAW_MAX} sides, of which three send");
            return Err(ConfigError::new("draw", self.draw, allowed));
        }
        Ok(())
    }

    /// The machine behind this one in the ring of all.
    #[must_use]
    pub fn next_in_ring(&self) -> MachineId {
        next_in_ring(self.me, self.machines)
    }

    /// The first tick's place, in microseconds after the start: 0 to one period − 1.
    #[must_use]
    pub fn phase_us(&self) -> u64 {
        match self.phase {
            Phase::Aligned => 0,
            Phase::Random => Stream::new(self.seed, self.me, Purpose::Phase).below(self.period().of(1)),
        }
    }

    /// The time between two ticks.
    #[must_use]
    pub fn period(&self) -> Period {
        Period::new(self.rate, self.speed)
    }
}

/// The fastest rate at this speed: as if it were [`RATE_MAX`] in real time, and at least 1.
pub(super) fn rate_max(speed: Speed) -> u32 {
    let rate = u64::from(RATE_MAX) * 1000 / u64::from(speed.permille().max(1));
    u32::try_from(rate).unwrap_or(u32::MAX).clamp(1, RATE_MAX)
}

/// The machine behind `me` in the ring of all.
pub(super) fn next_in_ring(me: MachineId, machines: u16) -> MachineId {
    match me.0.checked_add(1) {
        Some(next) if next < machines => MachineId(next),
        _ => MachineId(0),
    }
}

impl Rates {
    /// The rate of each machine: the same seed gives the same rates, machine by machine.
    ///
    /// # Errors
    /// [`ConfigError`] if a list has another length than `machines`, or a rate is outside 1 to [`RATE_MAX`].
    pub fn resolve(&self, machines: u16, seed: u64) -> Result<Vec<u32>, ConfigError> {
        let rates: Vec<u32> = match self {
            Rates::List(list) if list.len() == usize::from(machines) => list.clone(),
            Rates::List(list) => {
                let allowed = format!(
                    "{} rates for {machines} machines: give one rate a machine, or a range such as 1-6",
                    list.len()
                );
                return Err(ConfigError::new("rates", self, allowed));
            }
            Rates::Range { from, to } => MachineId::all(machines)
                .map(|machine| {
                    let width = u64::from(to.saturating_sub(*from)) + 1;
                    let drawn = Stream::new(seed, machine, Purpose::Rate).below(width);
                    from.saturating_add(u32::try_from(drawn).unwrap_or(u32::MAX))
                })
                .collect(),
        };
        match rates.iter().find(|rate| !(1..=RATE_MAX).contains(*rate)) {
            Some(rate) => Err(ConfigError::new(
                "rates",
                self,
                format!("{rate} is no rate: 1 to {RATE_MAX} ticks a second"),
            )),
            None => Ok(rates),
        }
    }
}

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            part.trim()
                .parse::<u32>()
                .ok()
                .filter(|rate| (1..=RATE_MAX).contains(rate))
                .ok_or_else(|| {
                    format!("`{part}` is no rate: 1 to {RATE_MAX} ticks a second, as in 6,4,1 or 1-6")
                })
        };
        if let Some((from, to)) = text.split_once('-') {
            let (from, to) = (number(from)?, number(to)?);
            if from > to {
                return Err(format!("the range {text} is empty: write the smaller rate first"));
            }
            return Ok(Rates::Range { from, to });
        }
        text.split(',')
            .map(number)
            .collect::<Result<_, _>>()
            .map(Rates::List)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rates::List(list) => f.write_str(&list.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
            Rates::Range { from, to } => write!(f, "{from}-{to}"),
        }
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "random" => Ok(Phase::Random),
            "aligned" => Ok(Phase::Aligned),
            _ => Err(format!("`{text}` is no phase: random or aligned")),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Random => "random",
            Phase::Aligned => "aligned",
        })
    }
}

/// The sides of the die for which an idle tick is an internal event with probability `internal`: `3 / (1 -
/// internal)`.
///
/// # Errors
/// [`ConfigError`] if that is no whole number of sides; the message names the nearest probabilities that work.
pub fn draw_from_internal(internal: f64) -> Result<u32, ConfigError> {
    let allowed = |rest: String| Err(ConfigError::new("internal", internal, rest));
    let largest = internal_probability(DRAW_MAX);
    if !(0.0..=largest).contains(&internal) {
        return allowed(format!(
            "a probability of 0 to {largest:.4}, such as 0.7 for the assignment's die of ten"
        ));
    }
    let sides = 3.0 / (1.0 - internal);
    let candidates = DRAW_MIN..=DRAW_MAX;
    let nearest = candidates
        .clone()
        .find(|draw| f64::from(*draw) >= sides - 0.5)
        .unwrap_or(DRAW_MAX);
    // Three decimals are how people write a probability: 0.571 has to mean a die of seven.
    if (internal_probability(nearest) - internal).abs() < 5e-4 {
        return Ok(nearest);
    }
    let below = candidates
        .rev()
        .find(|draw| f64::from(*draw) <= sides)
        .unwrap_or(DRAW_MIN);
    allowed(format!(
        "a die of {sides:.2} sides cannot be rolled; the nearest are --draw {below} (internal {:.3}) and --draw {} (internal {:.3})",
        internal_probability(below),
        below + 1,
        internal_probability(below + 1),
    ))
}

/// The probability that an idle tick is an internal event, for a die of `draw` sides.
#[must_use]
pub fn internal_probability(draw: u32) -> f64 {
    1.0 - 3.0 / f64::from(draw)
}
