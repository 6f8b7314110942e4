//! Faults that are injected on purpose: what there is, how it is written, and what it does to messages.
//!
//! A fault is text, the same in a fault file, on the command line, on a control connection and in a log:
//!
//! ```text
//!   delay 0 / 1,2 uniform:5ms-50ms            both ways between machine 0 and machines 1 and 2
//!   delay all exponential:20ms reorder        every link; messages overtake each other
//!   loss 0 to 1 30%                           one way
//!   duplicate all 10%
//!   bandwidth 0 / 2 1000                      bytes a second
//!   partition 0,1 / 2                         what is sent across is lost
//!   partition 0 to 1 hold                     what is sent across waits until it is over
//!   kill 1        pause 1        restart 1    the process: SIGKILL, SIGSTOP, SIGKILL and started again
//!   rate 1 3                                  ticks a second
//!   jump 1 250ms  jump 1 -2s   jump 1 100     the physical clock, either way; the logical clock, ahead
//! ```
//!
//! Faults of links work on whole message frames at their sender, in front of the link: control frames pass, and an
//! end in order stays one. Nothing here knows a socket or a clock, so the mesh and the simulator break in the very same
//! way.

mod active;
mod gate;
mod held;
mod plan;
mod random;
mod random_lives;
mod text;

use std::time::Duration;

use thiserror::Error;

use crate::{
    latency::Latency,
    trace::Recipients,
    units::{MachineId, Time},
};

pub use active::{Refused, detail_in_words, lasts_in};
pub use gate::{Change, Fate, Gate};
pub use held::HELD_BYTES_MAX;
pub use plan::{Plan, PlanError};

/// Parts of a million: a probability without floating point.
pub const CERTAIN: u32 = 1_000_000;

/// Latest moment of a plan, and longest fault: 365 days.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of the messages on some links.
    Link {
        /// Which.
        links: Links,
        /// What happens to them.
        effect: LinkEffect,
    },
    /// Of a machine.
    Machine {
        /// Which.
        machine: MachineId,
        /// What happens to it.
        effect: MachineEffect,
    },
}

/// Links by their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// Every link of the run, both ways.
    All,
    /// From each of some machines to each of others.
    Between {
        /// The senders, smallest id first.
        from: Recipients,
        /// The receivers, smallest id first; no sender is among them.
        to: Recipients,
        /// Also from the receivers to the senders.
        both_ways: bool,
    },
}

/// What happens to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEffect {
    /// They are under way longer.
    Delay {
        /// By how much.
        latency: Latency,
        /// They may overtake each other.
        reorder: bool,
    },
    /// Some are lost.
    Loss {
        /// With this probability, in parts of [`CERTAIN`].
        probability: u32,
    },
    /// Some are sent twice.
    Duplicate {
        /// With this probability, in parts of [`CERTAIN`].
        probability: u32,
    },
    /// Nothing gets through.
    Partition {
        /// What is sent waits until it is over, instead of being lost.
        hold: bool,
    },
    /// Bytes take their time.
    Bandwidth {
        /// Bytes a second, at least 1.
        bytes_per_second: u64,
    },
}

/// What happens to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineEffect {
    /// Its process dies at once (SIGKILL). With an end, it is started again then.
    Kill,
    /// Its process stands still (SIGSTOP) until the end.
    Pause,
    /// Its process dies and is started again at once.
    Restart,
    /// It has another rate until the end.
    Rate {
        /// Ticks a second.
        per_second: u32,
    },
    /// Its clocks are moved, once.
    Jump {
        /// The logical clock, ahead.
        ticks: u64,
        /// The physical clock, either way, in microseconds.
        physical_us: i64,
    },
}

/// A fault, for how long, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The number by which the log and a person name it.
    pub id: u32,
    /// When it begins, after the start of the run.
    pub at: Time,
    /// How long it lasts; `None` until it is mended.
    pub lasts: Option<Duration>,
    /// What it is.
    pub fault: Fault,
}

/// A text that says no fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is no fault: {what}")]
pub struct FaultError {
    /// What was given.
    pub text: String,
    /// What is wrong with it, and the mend.
    pub what: String,
}

/// How long a fault is to last does not go with it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EndError {
    /// It can only end by itself.
    #[error(
        "a pause needs its end, because a process that stands still cannot wake itself: add `for`, such as 5s"
    )]
    Missing,
    /// It does not last.
    #[error("a {kind} is over at once: leave `for` out")]
    Instant {
        /// Its kind.
        kind: &'static str,
    },
    /// It would be over as soon as it is there.
    #[error("a fault lasts longer than 0s: leave `for` out if it is to last")]
    Nothing,
    /// Nobody waits for that.
    #[error("a fault lasts at most 365 days: leave `for` out if it is to last")]
    TooLong,
}

impl Links {
    /// Whether they hold the direction `from` → `to`.
    #[must_use]
    pub fn has(&self, from: MachineId, to: MachineId) -> bool {
        match self {
            Links::All => from != to,
            Links::Between {
                from: senders,
                to: receivers,
                both_ways,
            } => {
                (senders.contains(&from) && receivers.contains(&to))
                    || (*both_ways && senders.contains(&to) && receivers.contains(&from))
            }
        }
    }

    /// The machines that they name.
    fn named(&self) -> impl Iterator<Item = MachineId> {
        let (from, to): (&[MachineId], &[MachineId]) = match self {
            Links::All => (&[], &[]),
            Links::Between { from, to, .. } => (from, to),
        };
        from.iter().chain(to).copied()
    }
}

impl LinkEffect {
    /// Whether messages may be lost, doubled or overtaken.
    #[must_use]
    pub fn is_unreliable(self) -> bool {
        match self {
            LinkEffect::Delay { reorder, .. } => reorder,
            LinkEffect::Loss { .. } | LinkEffect::Duplicate { .. } => true,
            LinkEffect::Partition { hold } => !hold,
            LinkEffect::Bandwidth { .. } => false,
        }
    }
}

impl MachineEffect {
    /// Whether it is over as soon as it is done, whatever follows from it.
    #[must_use]
    pub fn is_instant(self) -> bool {
        match self {
            MachineEffect::Kill | MachineEffect::Restart | MachineEffect::Jump { .. } => true,
            MachineEffect::Pause | MachineEffect::Rate { .. } => false,
        }
    }

    /// Whether it is done to the process itself, by signals.
    #[must_use]
    pub fn is_of_process(self) -> bool {
        match self {
            MachineEffect::Kill | MachineEffect::Pause | MachineEffect::Restart => true,
            MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => false,
        }
    }
}

impl Fault {
    /// The word that its log line has for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Link { effect, .. } => match effect {
                LinkEffect::Delay { .. } => "delay",
                LinkEffect::Loss { .. } => "loss",
                LinkEffect::Duplicate { .. } => "duplicate",
                LinkEffect::Partition { .. } => "partition",
                LinkEffect::Bandwidth { .. } => "bandwidth",
            },
            Fault::Machine { effect, .. } => match effect {
                MachineEffect::Kill => "kill",
                MachineEffect::Pause => "pause",
                MachineEffect::Restart => "restart",
                MachineEffect::Rate { .. } => "rate",
                MachineEffect::Jump { .. } => "jump",
            },
        }
    }

    /// Its parameters as one word, as its log line has them; empty if it has none.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Fault::Link { effect, .. } => effect.to_string().replace(' ', ","),
            // What stands behind the kind and the machine.
            Fault::Machine { .. } => {
                let text = self.to_string();
                text.split(' ').skip(2).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// Whether a machine has something to do for it: faults of links act at their senders.
    #[must_use]
    pub fn concerns(&self, machine: MachineId) -> bool {
        match self {
            Fault::Machine { machine: only, .. } => *only == machine,
            Fault::Link {
                links: Links::All, ..
            } => true,
            Fault::Link {
                links: Links::Between { from, to, both_ways },
                ..
            } => from.contains(&machine) || (*both_ways && to.contains(&machine)),
        }
    }

    /// Checks it against a run's number of machines.
    ///
    /// # Errors
    /// [`FaultError`] if it names a machine that is none of the run.
    pub fn validate(&self, machines: u16) -> Result<(), FaultError> {
        let greatest = match self {
            Fault::Link { links, .. } => links.named().max(),
            Fault::Machine { machine, .. } => Some(*machine),
        };
        match greatest.filter(|greatest| greatest.0 >= machines) {
            Some(machine) => Err(FaultError {
                text: self.to_string(),
                what: format!("there is no machine {machine}; the run has 0 to {}", machines - 1),
            }),
            None => Ok(()),
        }
    }

    /// Checks how long it is to last, `None` being until it is mended: a pause needs its end, what is over at once has
    /// none, and a kill, which may have one, is then started again.
    ///
    /// # Errors
    /// [`EndError`] says what does not go with it, and the mend.
    pub fn validate_end(&self, lasts: Option<Duration>) -> Result<(), EndError> {
        let effect = match self {
            Fault::Link { .. } => None,
            Fault::Machine { effect, .. } => Some(effect),
        };
        match (effect, lasts) {
            (Some(MachineEffect::Pause), None) => Err(EndError::Missing),
            (Some(MachineEffect::Jump { .. } | MachineEffect::Restart), Some(_)) => {
                Err(EndError::Instant { kind: self.kind() })
            }
            (_, Some(Duration::ZERO)) => Err(EndError::Nothing),
            (_, Some(lasts)) if lasts > TIME_MAX => Err(EndError::TooLong),
            (_, _) => Ok(()),
        }
    }
}
