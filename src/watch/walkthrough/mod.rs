//! A scripted walkthrough: a demonstration that plays by itself on a running run, from a small TOML file.
//!
//! ```toml
//! title = "Lamport's clock"       # may be left out
//! machines = 3                    # the run must have at least so many; may be left out
//!
//! [[step]]                        # one thing a step, and a text with it if you like
//! say = "All machines stand still."
//! pause = true                    # also `resume = true`; of one machine with `machine = 1`
//!
//! [[step]]
//! step = 3                        # so many ticks of all machines, or of `machine = 1`
//!
//! [[step]]
//! machine = 0
//! step = "send to 1"              # ticks until it does that: send, send to 1, receive, receive from 0, internal
//!
//! [[step]]
//! inject = "partition 0,1 / 2"    # a fault, as in `clocklab fault`
//! for = "5s"                      # until it is mended if left out
//!
//! [[step]]
//! mend = true                     # all faults; a number means the fault that this step began
//!
//! [[step]]
//! until = { machine = 0, tick = 20 }   # or clock = 20; at most a minute, or `within = "10s"`
//!
//! [[step]]
//! wait = "2s"
//!
//! [[step]]
//! say = "Look at the clocks."
//! ask = true                      # once it is done, also beside another: waits for Enter where there is a terminal
//! ```
//!
//! A file is validated whole before anything is done. Faults name machines, and so do steps: all are checked
//! against the run; and what is stepped must have been paused before. Lines of a text are joined and broken at the
//! width of the terminal; an empty line begins a paragraph, and a line that begins with a blank stays one.

mod caption;
mod file;
mod order;
mod player;
mod sight;

use std::time::Duration;

use thiserror::Error;

use crate::{faults::Fault, units::MachineId};

pub use player::{PlayError, Player, Scene};

/// Steps of a file: more than anybody watches.
pub const STEPS_MAX: usize = 1_000;

/// How long a condition is waited for, unless a step says otherwise.
const WITHIN: Duration = Duration::from_secs(60);

/// A walkthrough, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walkthrough {
    /// What it is called.
    pub title: Option<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A step: what is said, and what is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// A text for those who watch, said before it is done.
    pub say: Option<String>,
    /// What is done.
    pub action: Action,
    /// Whether Enter is waited for when it is done, where there is a terminal.
    pub ask: bool,
}

/// What a step can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Only what is said.
    Nothing,
    /// Let time pass.
    Wait(Duration),
    /// Stop ticks, of one machine or all.
    Pause(Option<MachineId>),
    /// Ticks by time again, of one machine or all.
    Resume(Option<MachineId>),
    /// So many ticks, of one machine or all.
    Step {
        /// Whose.
        machine: Option<MachineId>,
        /// How many.
        ticks: u64,
    },
    /// Ticks of one machine, until one is of a kind.
    StepUntil {
        /// Whose.
        machine: MachineId,
        /// Until what.
        event: EventWord,
    },
    /// Begin a fault.
    Inject {
        /// What.
        fault: Fault,
        /// For how long; `None` until it is mended.
        lasts: Option<Duration>,
    },
    /// End the fault that a step began (its place, from 0), or all.
    Mend(Option<usize>),
    /// Wait until a machine has come so far.
    Until {
        /// Which.
        machine: MachineId,
        /// How far.
        goal: Goal,
        /// How long at most.
        within: Duration,
    },
}

/// An event of a kind, as a step names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventWord {
    /// No message.
    Internal,
    /// A message is sent, to this machine if one is named.
    Send(Option<MachineId>),
    /// A message is taken, of this machine if one is named.
    Receive(Option<MachineId>),
}

/// How far a machine is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// At least so many events.
    Tick(u64),
    /// At least this clock.
    Clock(u64),
}

/// A file that is no walkthrough, or none for this run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}: {what}")]
pub struct WalkthroughError {
    /// The file, as it was named.
    pub file: String,
    /// What is wrong, in which step, and what was expected.
    pub what: String,
}

impl Walkthrough {
    /// Reads a walkthrough of a run of `machines` machines; `file` is its name in messages.
    ///
    /// # Errors
    /// [`WalkthroughError`] with the number of the step that is wrong.
    pub fn parse(file: &str, text: &str, machines: u16) -> Result<Self, WalkthroughError> {
        file::parse(text, machines).map_err(|what| WalkthroughError {
            file: file.to_owned(),
            what,
        })
    }

    /// Whether a step waits for Enter.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.steps.iter().any(|step| step.ask)
    }

    /// How long it takes at least: what its waits sum up to.
    #[must_use]
    pub fn least(&self) -> Duration {
        let waits = self.steps.iter().map(|step| match &step.action {
            Action::Wait(time) => *time,
            Action::Nothing
            | Action::Pause(_)
            | Action::Resume(_)
            | Action::Step { .. }
            | Action::StepUntil { .. }
            | Action::Inject { .. }
            | Action::Mend(_)
            | Action::Until { .. } => Duration::ZERO,
        });
        waits.fold(Duration::ZERO, Duration::saturating_add)
    }
}

#[cfg(test)]
mod tests;
