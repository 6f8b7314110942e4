//! The one idea: a system is a value. Inputs go in, effects come out.
//!
//! A [`Node`] opens no socket, reads no clock, starts no thread and rolls only dice it owns, so two drivers
//! can run the very same code: `mesh` on real TCP in real time, a simulator in virtual time. What a node
//! needs of the world becomes a further variant here, never a handle into it.

use crate::{
    trace::{Record, WallTime},
    units::{MachineId, Time},
    wire::{self, Reason},
};

/// What can happen to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<M> {
    /// The start barrier is passed; once. Messages of peers that passed it a moment earlier may come before.
    Start {
        /// What the machine's physical clock shows at this moment.
        wall: WallTime,
    },
    /// The link to a peer is up: messages sent from now on arrive whole, once and in order, until it goes down.
    LinkUp {
        /// Who is at the other end.
        peer: MachineId,
        /// Which life of the peer, from 1: greater than before if it was started again.
        incarnation: u32,
    },
    /// From now on until the link is down, what is sent to a peer may be lost, doubled or overtaken: a fault was
    /// injected. What was sent before is not touched.
    Unreliable {
        /// Who is at the other end.
        peer: MachineId,
    },
    /// A person, a script or a fault wants something of the machine's time.
    Order(Order),
    /// The link to a peer is down.
    LinkDown {
        /// Who was at the other end.
        peer: MachineId,
        /// How it ended.
        cause: DownCause,
    },
    /// A message has arrived.
    Message {
        /// Who sent it.
        from: MachineId,
        /// What it says.
        message: M,
    },
    /// The time that [`Node::deadline`] named has come.
    Timeout,
    /// Begin nothing new; messages may still arrive.
    Stop {
        /// Why.
        reason: Reason,
        /// The peer that was the cause, if one was.
        peer: Option<MachineId>,
        /// What was due before this moment is still to be done: the end of the time asked for, or now.
        until: Time,
    },
    /// Nothing will arrive any more: say the last words. The last input.
    End,
}

/// What can be done to a machine's time while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// No ticks come by time any more; messages still arrive.
    Pause,
    /// While paused: do so many ticks now. Has no effect on a machine that runs.
    Step {
        /// How many.
        ticks: u64,
    },
    /// Ticks come by time again: the next after as much time as was left of it at the pause.
    Resume,
    /// From the next tick on, this many ticks a second.
    Rate {
        /// Ticks a second, before the run's speed.
        per_second: u32,
    },
    /// From the next tick on, the rate that it began with.
    OwnRate,
    /// Move the machine's clocks.
    Jump {
        /// The logical clock, ahead.
        ticks: u64,
        /// The physical clock, either way, in microseconds.
        physical_us: i64,
    },
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownCause {
    /// The peer said goodbye: nothing it sent is missing.
    Goodbye,
    /// The connection broke: an unknown tail is lost in both directions.
    Lost,
}

/// What a node wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<M> {
    /// Send a message. Dropped if the link is down.
    Send {
        /// To whom.
        to: MachineId,
        /// What.
        message: M,
    },
    /// Write a record to the event log, at the time of the input. The sends of an event come before its record,
    /// so that the driver can say in the record what became of them.
    Record(Record),
    /// Stop this machine in order.
    Stop {
        /// Why.
        reason: Reason,
    },
}

/// The effects of one or several inputs, in order. Kept and reused by the driver.
pub type Effects<M> = Vec<Effect<M>>;

/// A system's state machine on one machine.
pub trait Node {
    /// What it says to its peers.
    type Message: wire::Message;

    /// Takes one input at the time `now`, which never goes back, and appends what has to be done to `effects`.
    fn handle(&mut self, now: Time, input: Input<Self::Message>, effects: &mut Effects<Self::Message>);

    /// When to call with [`Input::Timeout`], if at all. A time that has passed means: now.
    fn deadline(&self) -> Option<Time>;
}
