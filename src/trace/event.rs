//! The event and the remarks around it.

use std::{fmt, str::FromStr};

use smallvec::SmallVec;

use super::{
    store::{DataNote, StoreChange},
    wall_time::WallTime,
};
use crate::{
    clock::{ClockKind, HybridTime},
    units::{MachineId, Speed},
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
    /// Whom its sends go to, if the system is the scale model.
    pub traffic: Traffic,
    /// When the first tick is due after the start, in microseconds.
    pub phase_us: Option<u64>,
    /// How fast its time passes beside real time; 1 unless told otherwise.
    pub speed: Speed,
    /// The logical clock in use.
    pub clock: ClockKind,
    /// The life of the replica that began this log, if the system is a store; further lives say so in their remarks.
    pub incarnation: Option<u32>,
    /// The seed of the run.
    pub seed: u64,
    /// The run's id.
    pub run: RunId,
    /// When the machine passed the start barrier.
    pub started: WallTime,
}

/// Whom the machines of the scale model send to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traffic {
    /// As the assignment says: rolls 1 and 2 to one peer, roll 3 to all.
    #[default]
    Assignment,
    /// Rolls 1 to 3 to the next machine, the last machine's to the first.
    Ring,
}

/// One event of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's number on its machine, from 1 without a gap.
    pub tick: u64,
    /// The machine's Lamport clock after the event, which every run has: (machine, clock) names the event.
    pub clock: u64,
    /// The vector clock after the event, in vector runs.
    pub vector: Option<Vector>,
    /// The hybrid logical clock after the event, in hybrid runs.
    pub hybrid: Option<HybridTime>,
    /// What it did to the data, if the system is a store. In a box: most events are none of a store.
    pub store: Option<Box<StoreChange>>,
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
        /// What is not ordinary about the messages; `None` if all is.
        mishaps: Option<Box<Mishaps>>,
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

impl Kind {
    /// Messages that wait behind the event: a machine does something else only while none does.
    #[must_use]
    pub fn queue(&self) -> u64 {
        match self {
            Self::Receive { queue, .. } => *queue,
            Self::Internal | Self::Send { .. } | Self::Other => 0,
        }
    }
}

/// What did not go the ordinary way with a send's messages: recipients, smallest id first, each list a part of `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mishaps {
    /// Their link was down: nothing went out.
    pub dropped: Recipients,
    /// An injected fault lost the message.
    pub lost: Recipients,
    /// An injected fault sent the message twice.
    pub duplicated: Recipients,
    /// An injected fault took the message out of its channel's order: it may overtake and be overtaken.
    pub unordered: Recipients,
}

impl Traffic {
    /// The name in options and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Assignment => "assignment",
            Self::Ring => "ring",
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Traffic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "assignment" => Ok(Self::Assignment),
            "ring" => Ok(Self::Ring),
            _ => Err(format!("`{text}` is no traffic: assignment or ring")),
        }
    }
}

impl Mishaps {
    /// As an event holds it: `None` if nothing happened.
    #[must_use]
    pub fn into_event(self) -> Option<Box<Self>> {
        let Self {
            dropped,
            lost,
            duplicated,
            unordered,
        } = &self;
        let lists = [dropped, lost, duplicated, unordered];
        (!lists.iter().all(|list| list.is_empty())).then(|| Box::new(self))
    }

    /// How many copies reach a recipient's link: 0, 1 or 2.
    #[must_use]
    pub fn copies(&self, to: MachineId) -> u64 {
        if self.dropped.contains(&to) || self.lost.contains(&to) {
            0
        } else {
            1 + u64::from(self.duplicated.contains(&to))
        }
    }
}

/// How many copies of a send's message reach a recipient's link: 1, unless something happened to it.
#[inline]
#[must_use]
pub fn copies(mishaps: Option<&Mishaps>, to: MachineId) -> u64 {
    mishaps.map_or(1, |mishaps| mishaps.copies(to))
}

/// An injected fault that begins, as far as it is this machine's: on its outgoing links, or on itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultNote {
    /// Its number, which [`Record::Mended`] names.
    pub id: u32,
    /// What kind: a word such as `loss` or `partition`.
    pub kind: String,
    /// The peers whose links it is on; none if it is on the machine.
    pub to: Recipients,
    /// Its parameters, without spaces; may be empty.
    pub detail: String,
}

impl FaultNote {
    /// Whether it is over as soon as it is done: no line says that it is mended. What a kill does to the process is said
    /// by the life that follows, if one does.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        self.kills() || self.kind == "jump"
    }

    /// Whether it kills the process: nothing follows in this life.
    #[must_use]
    pub fn kills(&self) -> bool {
        matches!(self.kind.as_str(), "kill" | "restart")
    }
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
    /// Frames with messages that were given to links, copies included and lost ones left out; set by the driver.
    pub frames_sent: Option<u64>,
    /// Their bytes, headers included; set by the driver.
    pub bytes_sent: Option<u64>,
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
        /// Which life of the peer, from 1: every restart is a further one.
        incarnation: u32,
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
    /// A fault begins.
    Fault(Box<FaultNote>),
    /// A fault is over.
    Mended {
        /// The number that it began with.
        id: u32,
    },
    /// Ticks come no more by time, only as steps.
    Paused,
    /// While paused: so many of the next ticks are done on command.
    Stepped {
        /// How many.
        ticks: u64,
    },
    /// From now on the schedule of ticks is this one: the start of every schedule but the first.
    Pace {
        /// Ticks a second, before the speed.
        rate: u32,
        /// Until the next tick is due, in microseconds.
        next_us: u64,
    },
    /// The machine's clocks were moved.
    Jumped {
        /// So far was its logical clock moved ahead.
        ticks: u64,
        /// So far was its physical clock moved from where it stood, in microseconds.
        physical_us: i64,
    },
    /// The process was started again, and goes on from what this log says.
    Restarted {
        /// Which life of the machine begins, from 2.
        incarnation: u32,
    },
    /// What a replica holds at this moment.
    Data(Box<DataNote>),
    /// The footer. In a box: it comes once, and events, which come by the million, stay small.
    Ended(Box<Footer>),
}
