//! The event and the remarks around it.

use smallvec::SmallVec;

use super::wall_time::WallTime;
use crate::{
    clock::ClockKind,
    units::MachineId,
    wire::{Reason, RunId},
};

/// Machines in ascending order; up to eight without an allocation.
pub type Recipients = SmallVec<[MachineId; 8]>;

/// A vector clock: one entry a machine.
pub type Vector = Box<[u64]>;

/// What the second line of a log says about its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose log this is.
    pub machine: MachineId,
    /// How many machines the run has.
    pub machines: u16,
    /// Ticks a second, if the system has them.
    pub rate: Option<u32>,
    /// Sides of the die, if the system has one.
    pub draw: Option<u32>,
    /// When the first tick is due after the start, in microseconds.
    pub phase_us: Option<u64>,
    /// The logical clock in use.
    pub clock: ClockKind,
    /// The seed of the run.
    pub seed: u64,
    /// The run's id.
    pub run: RunId,
    /// When the machine passed the start barrier.
    pub started: WallTime,
}

/// One event of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's number on its machine, from 1 without a gap.
    pub tick: u64,
    /// The machine's clock after the event.
    pub clock: u64,
    /// The vector clock after the event, in vector runs.
    pub vector: Option<Vector>,
    /// What happened.
    pub kind: Kind,
}

/// What kinds of events there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but a step of the clock.
    Internal,
    /// One event, one message to each recipient.
    Send {
        /// Whom it was sent to.
        to: Recipients,
        /// Those of them whose link was down, so that nothing went out.
        dropped: Recipients,
    },
    /// One message was taken from the queue.
    Receive {
        /// Who sent it.
        from: MachineId,
        /// The sender's clock at the send event.
        sent: u64,
        /// Messages still waiting after this one.
        queue: u64,
        /// How long it waited since it arrived, in microseconds; `None` in logs that do not say.
        waited_us: Option<u64>,
    },
    /// A kind that this version does not know; readers skip it.
    Other,
}

/// The last line of a complete log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// When the machine ended; set by the driver, which knows the wall clock.
    pub ended: WallTime,
    /// Why.
    pub reason: Option<Reason>,
    /// The peer that was the cause, with `peer-stopped` and `peer-lost`.
    pub peer: Option<MachineId>,
    /// Events of this machine.
    pub ticks: u64,
    /// Messages still waiting.
    pub queued: u64,
    /// The same by sender: one count a machine, or empty where it is not known.
    pub waiting: Vec<u64>,
    /// Peers whose stream was read to its end.
    pub goodbye: Vec<MachineId>,
    /// From the start to the stop, in microseconds: the wait for the peers' goodbyes is none of it.
    pub ticking_us: Option<u64>,
    /// Mean lateness of ticks, in microseconds.
    pub tick_error_us_mean: Option<u64>,
    /// Largest lateness of a tick that was not skipped, in microseconds.
    pub tick_error_us_max: Option<u64>,
    /// How often ticks were skipped.
    pub stalls: Option<u64>,
    /// Wall time that passed while the monotonic clock stood still, in microseconds.
    pub suspended_us: Option<u64>,
}

/// What a system asks the driver to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An event line.
    Event(Event),
    /// A link came up again.
    LinkUp {
        /// To whom.
        peer: MachineId,
    },
    /// A link went down without goodbye.
    LinkLost {
        /// To whom.
        peer: MachineId,
    },
    /// Ticks were skipped.
    Stall {
        /// How late the machine woke, in microseconds.
        late_us: u64,
        /// How many ticks were skipped.
        skipped: u64,
    },
    /// The footer. In a box: it comes once, and events, which come by the million, stay small.
    Ended(Box<Footer>),
}
