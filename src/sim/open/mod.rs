//! The virtual-time driver of services: replicas that start, link, serve, die and return, all in one thread, everything
//! that chance decides from one seed. What `mesh::open` does on real TCP and real disks, this does in virtual time.
//!
//! ```text
//!   client's request -+      segment of a link -+      sync of a disk -+     fault -+
//!                     v                         v                      v            v
//!             a machine's inbox ... after some microseconds, unless it stands still: a round
//!                     |
//!                     v   handle(input)* , Timeout* , RoundEnd        on the machine's own clock
//!                  Service -> effects -> frame -> Gate -> cut -> link -> the other's inbox
//!                                    -> append -> disk: a group is there whole or not at all
//!                                    -> reply, record -> Observer
//! ```
//!
//! # What may happen
//!
//! - Links: between those that list each other in [`Effect::Peers`](crate::service::Effect::Peers), or one of the two.
//!   The greater id dials at once, the smaller one if no link has come up for a while; of two connections of a pair one
//!   stays. Between LinkUp and LinkDown messages arrive whole, once and in order, unless the machine was told that the
//!   link is unreliable; a partition keeps connections from being made, and the end of one from being noticed.
//! - Machines: a kill loses memory, everything under way to it, and what was not durable yet, of which a beginning may
//!   have reached the disk all the same. A pause lets everything wait. Each machine has a clock of its own that is a
//!   little fast or slow, and a wall clock that is wrong by up to what was asked for.
//! - Disks: a sync takes a time that is drawn, all groups given meanwhile go with the next; a disk is slow, takes nothing
//!   any more, or is lost with all that was on it ([`Trouble`]).
//! - Incarnations: the greater of the one before + 1 and the wall clock's second, the second behind it if the disk is
//!   empty; a life begins when that second has. So every life's number is at most the second it began in, and the next one
//!   on an empty disk is greater.
//!
//! Knows no system, opens no file, reads no clock. The same seed gives the same calls of the [`Observer`] in the same
//! order. The hello's bytes and their judgement are not simulated here: [`sim`](super) does that.

mod clients;
mod clock;
mod disk;
mod drawn;
mod links;
mod lives;
mod machine;
mod observer;
mod pipe;
mod round;
mod run;
mod schedule;
mod traffic;

use thiserror::Error;

pub use machine::Made;
pub use observer::{DiskEvent, Heard, LifeEvent, Moment, Observer, Orders};
pub use run::Simulation;
pub use schedule::{DiskEffect, Schedule, ScheduleError, TROUBLES_MAX, TimedTrouble, Trouble};

use super::Latency;
use crate::{
    faults::HELD_BYTES_MAX,
    service::Address,
    trace::WallTime,
    units::{MachineId, Time},
    wire::{FieldError, FrameError},
};

/// Most machines of one simulation: faults are named by small numbers, and every pair may be linked.
pub const MACHINES_MAX: usize = 64;

/// Pieces of messages under way at once, at which the simulation ends.
pub const SEGMENTS_MAX: usize = 4 << 20;

/// Connections of one simulation, made or tried, at which it ends: some dozen for each second of a bad run.
pub const CONNECTIONS_MAX: usize = 1 << 20;

/// Inputs that wait for one machine, at which the simulation ends: it stands still, or is told too much.
pub const INBOX_MAX: usize = 1 << 20;

/// Groups of rows that wait for one disk, at which the simulation ends: a service has a limit of its own below.
pub const GROUPS_MAX: usize = 1 << 16;

/// Time-outs of one machine in one round, at which its service is taken to be stuck.
const TIMEOUTS_MAX: u32 = 100_000;

/// From a machine's stop to its end, in microseconds: what peers still send is taken.
const DRAIN_US: u64 = 500_000;

/// A run to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The machines, machine 0 first: 1 to [`MACHINES_MAX`].
    pub machines: Vec<Place>,
    /// From virtual time 0 to the stop of all machines, in microseconds.
    pub duration_us: u64,
    /// How long messages, requests and replies are under way.
    pub latency: Latency,
    /// From the first thing that came to the round that takes it, in microseconds, at most.
    pub round_us_max: u64,
    /// How long a disk syncs.
    pub sync: Latency,
    /// What goes wrong.
    pub schedule: Schedule,
    /// The seed of all that chance decides here.
    pub seed: u64,
    /// What a wall clock that is right shows at virtual time 0.
    pub epoch: WallTime,
}

/// One machine of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where others reach it.
    pub address: Address,
    /// When its process is started first; `None` for never.
    pub starts: Option<Time>,
    /// Whether it has a disk. Without one all is kept at once, and lost with the process.
    pub has_disk: bool,
    /// How wrong its wall clock is, in microseconds.
    pub skew_us: i64,
    /// Microseconds of its clocks for each second: 900,000 to 1,100,000.
    pub rate_ppm: u32,
}

/// What a simulation comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that were taken.
    pub messages: u64,
    /// Rounds of all machines.
    pub rounds: u64,
    /// Links that came up, counted at both ends.
    pub links_up: u64,
    /// Links that were lost, counted at both ends.
    pub links_lost: u64,
    /// Processes that were killed.
    pub deaths: u64,
    /// Processes that stood still.
    pub pauses: u64,
    /// Groups of rows that were given to a disk and lost with their process.
    pub groups_lost: u64,
    /// Messages that faults lost, doubled, delayed or held back.
    pub mishaps: u64,
    /// When all was over.
    pub ended: Time,
}

/// Why a simulation cannot go on.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// There is too much of something.
    #[error(
        "more than {most} {what} at {at:?}: give a shorter run, fewer clients, or find out what does not end"
    )]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: usize,
        /// When.
        at: Time,
    },
    /// The machines asked for are none that can be simulated.
    #[error("{what}")]
    Machines {
        /// What is wrong, and the mend.
        what: String,
    },
    /// A service asks for time-outs without end.
    #[error(
        "machine {machine} asked for {TIMEOUTS_MAX} time-outs in one round at {at:?}: its service does not get on"
    )]
    Stuck {
        /// Who.
        machine: MachineId,
        /// When.
        at: Time,
    },
    /// Faults hold back too much.
    #[error(
        "faults hold back more than {HELD_BYTES_MAX} bytes from machine {from} to machine {to} at {at:?}: give shorter faults"
    )]
    Held {
        /// The sender.
        from: MachineId,
        /// The receiver.
        to: MachineId,
        /// When.
        at: Time,
    },
    /// A byte stream holds no frame.
    #[error("from machine {from} to machine {to}: {error}")]
    Frame {
        /// The sender.
        from: MachineId,
        /// The receiver.
        to: MachineId,
        /// What is wrong.
        error: FrameError,
    },
    /// A frame holds no message of the service, or one that it refused.
    #[error("from machine {from} to machine {to}: {error}")]
    Field {
        /// The sender.
        from: MachineId,
        /// The receiver.
        to: MachineId,
        /// What is wrong.
        error: FieldError,
    },
    /// A service broke the contract of its driver.
    #[error("machine {machine} at {at:?}: {what}")]
    Contract {
        /// Who.
        machine: MachineId,
        /// When.
        at: Time,
        /// How.
        what: String,
    },
}

#[cfg(test)]
mod tests;
