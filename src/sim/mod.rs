//! The virtual-time driver: the nodes of a whole run in one thread, everything that chance decides from one seed.
//!
//! ```text
//!                    agenda: by time, then by order of insertion
//!          wake-up, segment, start, stop, end |        ^ segments, next deadlines
//!                                             v        |
//!   segment -> Decoder -> Message::decode -> Node::handle -> effects -> encode_frame -> cut -> link
//!                                             |
//!                                             v records, with their virtual time
//!                                          Observer
//! ```
//!
//! Implements the link contract, the start barrier and the shutdown of protocol.md, sections 2 to 4, and promises
//! no more than `mesh` does: messages of one link arrive whole, once and in order, each after a latency of its own,
//! unless an injected fault ([`faults`](crate::faults)) decides otherwise.
//! Frames are the real ones, cut at random places, through the real decoder. Knows no system, opens no file, reads
//! no clock; virtual time costs what is computed in it and nothing else.
//!
//! Where it differs from real machines, on purpose:
//!
//! - no wake-up is late and no computer is slow, so deadlines are met exactly;
//! - a machine waits for its peers' goodbyes as long as they take, not `DRAIN_MS_MAX`: none can be missing;
//! - a goodbye that reaches a machine before its own start, because latencies differ by more than the run is long,
//!   is taken at the start; a real machine would end without a log.
//!
//! The same seed gives the same records at the same times on every machine: all arithmetic is in integers.

mod agenda;
mod breaking;
mod lives;
mod network;
pub mod open;
mod parting;
mod run;
mod setup;

use thiserror::Error;

use crate::{
    faults::{HELD_BYTES_MAX, Plan},
    trace::{Record, WallTime},
    units::{MachineId, Time},
    wire::{FieldError, FrameError, Reason, Refusal, RunId},
};

pub use crate::latency::{LATENCY_US_MAX, Latency, LatencyError};
pub use run::Simulation;

/// Machines up to which set-up and goodbye are real frames on cut streams.
///
/// Every pair exchanges six of them; beyond this number they would cost more than the run, and only their times are
/// computed.
pub const CONTROL_MACHINES_MAX: u16 = 256;

/// Segments that may be under way at once: at the limit the simulation ends with [`SimError::InFlight`].
///
/// Some 70 bytes each, so about a gigabyte. Thousands of machines with latencies of many of their periods get there,
/// because every machine sends to all of them before it hears of any.
pub const SEGMENTS_MAX: usize = 16 << 20;

/// Time-outs of one node at one moment, at which it is taken to be stuck.
const TIMEOUTS_MAX: u32 = 1_000_000;

/// A run to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many machines: 2 to 10,000.
    pub machines: u16,
    /// From the start of a machine to its stop, in microseconds: at most 2^62.
    pub duration_us: u64,
    /// How long messages are under way.
    pub latency: Latency,
    /// What is broken, if anything: faults of links, rates and clocks, in runs of up to [`CONTROL_MACHINES_MAX`]
    /// machines. Times count from each machine's start.
    pub faults: Option<Plan>,
    /// The seed of latencies and cuts; the nodes' own dice are theirs.
    pub seed: u64,
    /// The run's id, which the hellos carry.
    pub run: RunId,
    /// What every machine's physical clock shows at virtual time 0.
    pub epoch: WallTime,
}

/// What a simulation comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that arrived: all that were sent.
    pub messages: u64,
    /// Pieces of the byte streams that arrived.
    pub segments: u64,
    /// When the last machine ended.
    pub ended: Time,
}

/// Is told what happens.
pub trait Observer {
    /// A machine has recorded something at a moment of virtual time. Moments of one machine never go back.
    fn record(&mut self, machine: MachineId, at: Time, record: &Record);
}

/// Why a simulation cannot go on.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SimError {
    /// Too much is under way at once.
    #[error(
        "{SEGMENTS_MAX} pieces of messages are under way at once, {:.3} s after the first dial: give a shorter latency, or fewer machines",
        seconds(*at)
    )]
    InFlight {
        /// When.
        at: Time,
    },
    /// Faults in a run too large for them.
    #[error("faults are simulated with up to {CONTROL_MACHINES_MAX} machines, not {machines}: give fewer")]
    TooManyForFaults {
        /// How many.
        machines: u16,
    },
    /// A plan with faults of processes, in a simulation that was not told how a machine comes back.
    #[error(
        "kill, pause and restart need nodes that can be made anew from their logs: leave them out of the plan"
    )]
    ProcessFaults,
    /// Faults hold back too much.
    #[error(
        "faults hold back more than {HELD_BYTES_MAX} bytes from machine {from} to machine {to}, {:.3} s after the first dial: \
         give shorter faults, or more bandwidth",
        seconds(*at)
    )]
    Held {
        /// The sender.
        from: MachineId,
        /// The receiver.
        to: MachineId,
        /// When.
        at: Time,
    },
    /// A node asks for time-outs without end.
    #[error("machine {machine} asked for {TIMEOUTS_MAX} time-outs at one moment: its node does not get on")]
    Stuck {
        /// Who.
        machine: MachineId,
    },
    /// A node stopped before its run began.
    #[error("machine {machine} stopped before the start: {reason}")]
    StoppedBeforeStart {
        /// Who.
        machine: MachineId,
        /// Why.
        reason: Reason,
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
    /// A frame holds no message of the system.
    #[error("from machine {from} to machine {to}: {error}")]
    Field {
        /// The sender.
        from: MachineId,
        /// The receiver.
        to: MachineId,
        /// What is wrong.
        error: FieldError,
    },
    /// A hello was refused.
    #[error("machine {to} refuses machine {from}: {refusal}")]
    Refused {
        /// The sender of the hello.
        from: MachineId,
        /// Who judged it.
        to: MachineId,
        /// Why.
        refusal: Refusal,
    },
}

#[expect(clippy::cast_precision_loss, reason = "shown with three decimals")]
fn seconds(at: Time) -> f64 {
    at.0 as f64 / 1e6
}

#[cfg(test)]
mod tests;
