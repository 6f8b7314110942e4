//! What goes wrong in a simulation of services, and when: faults of links and processes as everywhere
//! ([`faults`](crate::faults)), and those of disks, one line of text each.
//!
//! ```text
//!   @3.200000 +1.500000 partition 0 to 1 hold       begins 3.2 s after the start, lasts 1.5 s
//!   @4.000000 +0.700000 kill 2                      the process dies, and is started again 0.7 s later
//!   @5.000000 +2.000000 lose 1                      the same, and its disk is empty
//!   @6.000000 +1.000000 full 0                      the disk takes nothing any more
//!   @7.000000 +3.000000 slow 0 20                   syncs take 20 times as long
//! ```
//!
//! Everything ends by itself: what has no end lasts to the end of the run, and a machine that is killed without one is not
//! started again. Rates and jumps of clocks are not among them: each machine's clocks are wrong from the beginning.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{
    faults::{Fault, MachineEffect, Plan, Timed},
    units::{MachineId, Time},
};

/// Most troubles of one schedule.
pub const TROUBLES_MAX: usize = 10_000;

/// Most times that a slow disk takes as long.
const SLOW_MAX: u64 = 100_000;

/// What happens to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskEffect {
    /// Its process is killed, and all that was on it is gone. With an end, the process is started again then.
    Lose,
    /// It takes nothing any more.
    Full,
    /// Its syncs take so many times as long.
    Slow {
        /// How many: 1 to 100,000.
        times: u64,
    },
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// With links or a process.
    Fault(Fault),
    /// With a disk.
    Disk {
        /// Whose.
        machine: MachineId,
        /// What.
        effect: DiskEffect,
    },
}

/// Something that goes wrong, since when and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedTrouble {
    /// When it begins.
    pub at: Time,
    /// How long it lasts; `None` to the end.
    pub lasts: Option<Duration>,
    /// What it is.
    pub trouble: Trouble,
}

/// All that goes wrong, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The seed of what chance decides about messages.
    pub seed: u64,
    /// At most [`TROUBLES_MAX`].
    pub troubles: Vec<TimedTrouble>,
}

/// A text that is no schedule.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: `{text}`: {what}; write such as `@3.2 +1.5 partition 0 / 1`")]
pub struct ScheduleError {
    /// The line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// What is wrong.
    pub what: String,
}

impl Schedule {
    /// The part that gates carry out: faults of links and of processes.
    pub(super) fn plan(&self) -> Plan {
        let faults = (1..)
            .zip(&self.troubles)
            .filter_map(|(id, timed)| match &timed.trouble {
                Trouble::Fault(fault) => Some(Timed {
                    id,
                    at: timed.at,
                    lasts: timed.lasts,
                    fault: fault.clone(),
                }),
                Trouble::Disk { .. } => None,
            });
        Plan {
            seed: Some(self.seed),
            faults: faults.collect(),
        }
    }

    /// The part that concerns disks: numbers, begins, and how long each lasts.
    pub(super) fn disks(&self) -> impl Iterator<Item = (u32, Time, Option<Duration>)> {
        let numbered = (1..).zip(&self.troubles);
        numbered.filter_map(|(id, timed)| match &timed.trouble {
            Trouble::Disk { .. } => Some((id, timed.at, timed.lasts)),
            Trouble::Fault(_) => None,
        })
    }

    /// Whose disk a trouble concerns, what it does, and for how long.
    pub(super) fn disk(&self, id: u32) -> Option<(MachineId, DiskEffect, Option<Duration>)> {
        let timed = self.troubles.get((id as usize).checked_sub(1)?)?;
        match &timed.trouble {
            Trouble::Disk { machine, effect } => Some((*machine, *effect, timed.lasts)),
            Trouble::Fault(_) => None,
        }
    }

    /// Checks it against a run's number of machines.
    ///
    /// # Errors
    /// In words, for what cannot be done.
    pub fn validate(&self, machines: u16) -> Result<(), String> {
        if self.troubles.len() > TROUBLES_MAX {
            return Err(format!(
                "{} troubles, of at most {TROUBLES_MAX}",
                self.troubles.len()
            ));
        }
        for timed in &self.troubles {
            timed.trouble.validate(machines, timed.lasts)?;
        }
        Ok(())
    }

    /// Reads what [`Display`](fmt::Display) wrote. Lines that are empty or begin with `#` are none of it.
    ///
    /// # Errors
    /// [`ScheduleError`] names the line.
    pub fn parse(seed: u64, text: &str) -> Result<Self, ScheduleError> {
        let mut troubles = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let read = text.parse().map_err(|what| ScheduleError {
                line,
                text: text.to_owned(),
                what,
            });
            troubles.push(read?);
        }
        Ok(Self { seed, troubles })
    }
}

impl Trouble {
    fn validate(&self, machines: u16, lasts: Option<Duration>) -> Result<(), String> {
        match self {
            Trouble::Fault(fault) => {
                fault.validate(machines).map_err(|error| error.to_string())?;
                fault.validate_end(lasts).map_err(|error| error.to_string())?;
                match fault {
                    Fault::Machine {
                        effect: MachineEffect::Rate { .. } | MachineEffect::Jump { .. },
                        ..
                    } => Err(format!(
                        "`{fault}`: a store has no ticks, and its clocks are wrong from the beginning"
                    )),
                    Fault::Machine { .. } | Fault::Link { .. } => Ok(()),
                }
            }
            Trouble::Disk { machine, .. } if machine.0 >= machines => Err(format!(
                "there is no machine {machine}, only 0 to {}",
                machines - 1
            )),
            Trouble::Disk { .. } => Ok(()),
        }
    }
}

impl fmt::Display for Schedule {
    /// One line each, in the order of their begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut troubles: Vec<_> = self.troubles.iter().collect();
        troubles.sort_by_key(|timed| timed.at);
        for timed in troubles {
            writeln!(f, "{timed}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TimedTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", Seconds(self.at.0))?;
        if let Some(lasts) = self.lasts {
            write!(
                f,
                " +{}",
                Seconds(u64::try_from(lasts.as_micros()).unwrap_or(u64::MAX))
            )?;
        }
        write!(f, " {}", self.trouble)
    }
}

impl FromStr for TimedTrouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, mut rest) = text.split_once(' ').ok_or("behind the begin comes the trouble")?;
        let at = at.strip_prefix('@').ok_or("the begin stands behind an @")?;
        let mut lasts = None;
        if let Some(ends) = rest.strip_prefix('+') {
            let (length, trouble) = ends
                .split_once(' ')
                .ok_or("behind the length comes the trouble")?;
            lasts = Some(Duration::from_micros(microseconds(length)?));
            rest = trouble;
        }
        Ok(Self {
            at: Time(microseconds(at)?),
            lasts,
            trouble: rest.trim().parse()?,
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Fault(fault) => fault.fmt(f),
            Trouble::Disk { machine, effect } => match effect {
                DiskEffect::Lose => write!(f, "lose {machine}"),
                DiskEffect::Full => write!(f, "full {machine}"),
                DiskEffect::Slow { times } => write!(f, "slow {machine} {times}"),
            },
        }
    }
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let machine = |word: &str| {
            word.parse()
                .map_err(|_| format!("`{word}` is no machine: write its number"))
        };
        let effect = match words.as_slice() {
            ["lose", who] => (machine(who)?, DiskEffect::Lose),
            ["full", who] => (machine(who)?, DiskEffect::Full),
            ["slow", who, times] => {
                let times = times.parse().ok().filter(|times| (1..=SLOW_MAX).contains(times));
                let times = times.ok_or(format!("a disk is 1 to {SLOW_MAX} times as slow"))?;
                (machine(who)?, DiskEffect::Slow { times })
            }
            _ => {
                let fault = text.parse().map(Trouble::Fault);
                return fault.map_err(|error: crate::faults::FaultError| {
                    format!("{}; or `lose 1`, `full 1`, `slow 1 20`", error.what)
                });
            }
        };
        let (machine, effect) = effect;
        Ok(Trouble::Disk { machine, effect })
    }
}

/// Microseconds as seconds with six decimals.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Seconds with up to six decimals, below 2^40 of them.
fn microseconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of seconds with up to six decimals");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 12 || decimals.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let decimals: u64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
    Ok(whole * 1_000_000 + decimals)
}
