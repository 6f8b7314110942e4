//! A plan of an experiment: groups of runs, in a small TOML file.
//!
//! ```toml
//! name = "spread"
//!
//! [[group]]
//! name = "narrow"
//! runs = 5
//! duration = "60s"     # 60s if left out
//! machines = 3         # 3
//! rates = "4-6"        # 1-6; or a list such as "6,4,1"
//! draw = 10            # 10; or internal = 0.7, which says the same
//! phase = "random"     # random
//! seed = 100           # the first run's seed; each further run has one more
//! ```

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

use crate::{
    model::{ConfigError, DRAW_DEFAULT, Phase, Rates, draw_from_internal},
    wire::RunId,
};

/// Most runs of one group, so that a slip of the keyboard does not take a week.
const RUNS_MAX: u32 = 1000;

/// An experiment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Names the folder of its results.
    #[serde(deserialize_with = "parsed")]
    pub name: RunId,
    /// Its groups, in the order of the report.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
}

/// Runs that differ only in their seed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Names its runs: `<name>-1`, `<name>-2`, …
    #[serde(deserialize_with = "parsed")]
    pub name: RunId,
    /// How many: 1 to 1000.
    pub runs: u32,
    /// How long each is.
    #[serde(default = "minute", deserialize_with = "duration")]
    pub duration: Duration,
    /// How many machines.
    #[serde(default = "three")]
    pub machines: u16,
    /// How fast they are.
    #[serde(default = "one_to_six", deserialize_with = "parsed")]
    pub rates: Rates,
    /// Sides of the die.
    draw: Option<u32>,
    /// The same, as the probability of an internal event.
    internal: Option<f64>,
    /// Where first ticks fall.
    #[serde(default = "random", deserialize_with = "parsed")]
    pub phase: Phase,
    /// The first run's seed.
    pub seed: u64,
}

/// A plan that cannot be carried out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}: {what}")]
pub struct PlanError {
    /// The plan's file.
    pub file: String,
    /// What is wrong, where, and what was expected.
    pub what: String,
}

impl Group {
    /// Sides of the die: as `draw` or `internal` says, else the assignment's ten.
    ///
    /// # Errors
    /// [`ConfigError`] if both are given, or a probability that no die has.
    pub fn draw(&self) -> Result<u32, ConfigError> {
        match (self.draw, self.internal) {
            (Some(_), Some(internal)) => Err(ConfigError::new(
                "internal",
                internal,
                "draw says the same: give one of the two",
            )),
            (None, Some(internal)) => draw_from_internal(internal),
            (draw, None) => Ok(draw.unwrap_or(DRAW_DEFAULT)),
        }
    }
}

impl Plan {
    /// The file of the built-in plan.
    pub const ASSIGNMENT: &'static str = include_str!("assignment.toml");

    /// The assignment's plan: five one-minute runs with random rates, five with a smaller spread of rates,
    /// five with a smaller probability of internal events. The last group has the seeds, hence the rates, of
    /// the first, so that the two differ in the die alone.
    ///
    /// # Panics
    /// Never: the plan is part of the program and parsed in its tests.
    #[must_use]
    pub fn assignment() -> Self {
        let plan = Self::parse("the built-in plan", Self::ASSIGNMENT);
        match plan {
            Ok(plan) => plan,
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads a plan; `file` is its name in messages.
    ///
    /// # Errors
    /// [`PlanError`] with the line and what is allowed.
    pub fn parse(file: &str, text: &str) -> Result<Self, PlanError> {
        let fail = |what: String| PlanError {
            file: file.to_owned(),
            what,
        };
        let plan: Self =
            toml::from_str(text).map_err(|error| fail(error.to_string().trim_end().to_owned()))?;
        if plan.groups.is_empty() {
            return Err(fail("a plan needs at least one [[group]]".to_owned()));
        }
        for (place, group) in plan.groups.iter().enumerate() {
            if !(1..=RUNS_MAX).contains(&group.runs) {
                return Err(fail(format!(
                    "group {}: runs = {}: give 1 to {RUNS_MAX}",
                    group.name, group.runs
                )));
            }
            if plan
                .groups
                .iter()
                .take(place)
                .any(|other| other.name == group.name)
            {
                return Err(fail(format!("two groups are called {}", group.name)));
            }
        }
        Ok(plan)
    }
}

fn parsed<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    humantime::parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

fn three() -> u16 {
    3
}

fn one_to_six() -> Rates {
    Rates::Range { from: 1, to: 6 }
}

fn random() -> Phase {
    Phase::Random
}
