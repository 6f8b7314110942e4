//! Commands to a running machine, as text (protocol.md, section 8).
//!
//! ```text
//!   status                          pause            step 3            resume
//!   fault 7 partition 0,1 / 2       fault 7 loss all 10% for 5s        mend 7        mend all
//! ```

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::faults::Fault;

/// Something to do, or to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say how the machine is: the answer is a [`Status`] as JSON.
    Status,
    /// No ticks by time any more; messages still arrive.
    Pause,
    /// While paused: so many ticks now.
    Step {
        /// How many: 1 to [`STEPS_MAX`].
        ticks: u64,
    },
    /// Ticks by time again.
    Resume,
    /// Begin a fault, as far as it is this machine's.
    Fault {
        /// The number by which logs and people name it.
        id: u32,
        /// What.
        fault: Fault,
        /// For how long; `None` until it is mended.
        lasts: Option<Duration>,
    },
    /// End a fault.
    Mend {
        /// Which; `None` means all.
        id: Option<u32>,
    },
}

/// How a machine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Who.
    pub machine: u16,
    /// How many machines the run has.
    pub machines: u16,
    /// The run's id.
    pub run: String,
    /// Which life of the machine, from 1.
    pub incarnation: u32,
    /// Its process.
    pub process: u32,
    /// Whether ticks come only as steps.
    pub paused: bool,
    /// Events so far.
    pub tick: u64,
    /// Its clock.
    pub clock: u64,
    /// Since the start, in microseconds.
    pub elapsed_us: u64,
    /// Faults that are on, as text, with their numbers.
    pub faults: Vec<(u32, String)>,
    /// The greatest number that a fault of this machine has, or has had, in any of its lives; 0 if none.
    pub fault_id_max: u32,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| {
            word.parse()
                .map_err(|_| format!("`{word}` is no number of a fault"))
        };
        match words.as_slice() {
            ["status"] => Ok(Command::Status),
            ["pause"] => Ok(Command::Pause),
            ["resume"] => Ok(Command::Resume),
            ["step"] => Ok(Command::Step { ticks: 1 }),
            ["step", ticks] => match ticks.parse() {
                Ok(ticks) if (1..=STEPS_MAX).contains(&ticks) => Ok(Command::Step { ticks }),
                _ => Err(format!("`{ticks}` is no number of steps: 1 to {STEPS_MAX}")),
            },
            ["mend", "all"] => Ok(Command::Mend { id: None }),
            ["mend", id] => Ok(Command::Mend {
                id: Some(number(id)?),
            }),
            ["fault", id, rest @ ..] => {
                let (fault, lasts) = fault_for(rest)?;
                Ok(Command::Fault {
                    id: number(id)?,
                    fault,
                    lasts,
                })
            }
            _ => Err(format!(
                "`{text}` is no command: status, pause, step [N], resume, fault NUMBER FAULT [for TIME], mend NUMBER or mend all"
            )),
        }
    }
}

/// Most ticks that one command may ask for.
pub const STEPS_MAX: u64 = 10_000;

/// A fault as words, and `for TIME` behind it if it has an end, as a pause must.
///
/// # Errors
/// What is wrong, and the mend.
pub fn fault_for(words: &[&str]) -> Result<(Fault, Option<Duration>), String> {
    let (words, lasts) = match words {
        [words @ .., "for", time] => {
            let lasts = humantime::parse_duration(time).map_err(|error| format!("`for {time}`: {error}"))?;
            (words, Some(lasts))
        }
        words => (words, None),
    };
    let fault = words
        .join(" ")
        .parse::<Fault>()
        .map_err(|error| error.to_string())?;
    fault.validate_end(lasts).map_err(|error| error.to_string())?;
    Ok((fault, lasts))
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Status => f.write_str("status"),
            Command::Pause => f.write_str("pause"),
            Command::Resume => f.write_str("resume"),
            Command::Step { ticks } => write!(f, "step {ticks}"),
            Command::Fault { id, fault, lasts } => {
                write!(f, "fault {id} {fault}")?;
                match lasts {
                    Some(lasts) => write!(f, " for {}us", lasts.as_micros()),
                    None => Ok(()),
                }
            }
            Command::Mend { id: Some(id) } => write!(f, "mend {id}"),
            Command::Mend { id: None } => f.write_str("mend all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for text in [
            "status",
            "pause",
            "step 3",
            "resume",
            "fault 7 partition 0,1 / 2",
            "fault 7 loss all 10% for 5000000us",
            "mend 7",
            "mend all",
        ] {
            let command: Command = text.parse().unwrap();
            assert_eq!(command.to_string(), text);
        }
        assert_eq!("step".parse(), Ok(Command::Step { ticks: 1 }));
    }

    #[test]
    fn what_is_no_command_names_the_mend() {
        for (text, part) in [
            ("", "is no command"),
            ("halt", "is no command"),
            ("step 0", "no number of steps"),
            ("mend x", "no number of a fault"),
            ("fault 1 flood 0 / 1", "is no fault"),
            ("fault 1 kill 1 for ever", "`for ever`"),
            ("fault 1 pause 1", "add `for`"),
            ("fault 1 pause 1 for 0s", "longer than 0s"),
            ("fault 1 rate 1 5 for 0s", "longer than 0s"),
            ("fault 1 jump 1 5 for 5s", "leave `for` out"),
            ("fault 1 restart 1 for 5s", "leave `for` out"),
            ("fault 1 loss all 1% for 400days", "365 days"),
        ] {
            let error = text.parse::<Command>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
