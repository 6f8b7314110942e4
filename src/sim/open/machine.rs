//! One machine of a simulation: what outlives its processes, its process, and what can happen to it.

use std::collections::{BTreeMap, VecDeque};

use super::{
    clock::LocalClock,
    disk::{Disk, Turn},
    pipe::Side,
};
use crate::{
    dice::{Purpose, Stream},
    faults::Gate,
    node::DownCause,
    service::{Peer, Service, Ticket},
    sim::agenda::Place as Slot,
    trace::Recipients,
    units::MachineId,
    wire::Reason,
};

/// What a service is made from when its process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Whose.
    pub machine: MachineId,
    /// The life's number, greater than that of every life before.
    pub incarnation: u32,
    /// The tick of the last event in the machine's log; 0 if there is none.
    pub ticks: u64,
    /// The logical clock of that event.
    pub clock: u64,
}

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A process is started.
    Boot(MachineId),
    /// The second of its incarnation has begun.
    Begin { me: MachineId, life: u32 },
    /// A machine's next round, if it is still the one that this entry was made for.
    Round(MachineId),
    /// A process that stood still goes on.
    Thaw { me: MachineId, life: u32 },
    /// Time to dial, unless it was thought better of.
    Dial {
        me: MachineId,
        peer: MachineId,
        serial: u64,
    },
    /// A dial arrives at who is dialled.
    Knock(u32),
    /// The answer arrives at who dialled.
    Answer(u32),
    /// A piece of what this side has sent arrives at the other.
    Segment { connection: u32, side: Side },
    /// That a connection has ended arrives at this side.
    Gone {
        connection: u32,
        side: Side,
        cause: DownCause,
    },
    /// A sync ends.
    Synced { me: MachineId, sync: u64 },
    /// Something begins or ends for a disk.
    Disk { id: u32, turn: Turn },
    /// A request arrives.
    Request(Ticket),
    /// An answer arrives at its client.
    Reply(u64),
    /// What an observer asked for.
    Wake(u64),
    /// All machines stop.
    Stop,
    /// A machine that has stopped ends.
    End { me: MachineId, life: u32 },
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    Off,
    /// It waits for the second of its incarnation.
    Booting,
    /// The service works.
    Running,
    /// It was told to stop, and takes what still comes.
    Draining,
    /// It ended in order, for good.
    Ended,
}

/// Something that waits for a machine's next round.
#[derive(Debug)]
pub(super) enum Came<S: Service> {
    Knock(u32),
    Answer(u32),
    Bytes {
        connection: u32,
        side: Side,
        bytes: Box<[u8]>,
    },
    Gone {
        connection: u32,
        side: Side,
        cause: DownCause,
    },
    Request {
        ticket: Ticket,
        request: S::Request,
    },
    Cancelled(Ticket),
    Appended(u64),
    AppendFailed,
    Stop(Reason),
    End,
}

/// One machine: what outlives its processes, and its process.
pub(super) struct Machine<S: Service> {
    pub(super) phase: Phase,
    pub(super) service: Option<S>,
    /// Counts processes.
    pub(super) life: u32,
    pub(super) incarnation: u32,
    pub(super) inbox: VecDeque<Came<S>>,
    /// The round that is planned.
    pub(super) round: Option<Slot>,
    /// It stands still.
    pub(super) is_frozen: bool,
    pub(super) clock: LocalClock,
    pub(super) gate: Option<Box<Gate>>,
    /// Whom it wants links to.
    pub(super) peers: Vec<Peer>,
    /// The connections that are links for it.
    pub(super) links: BTreeMap<MachineId, u32>,
    pub(super) dials: BTreeMap<MachineId, Dial>,
    pub(super) disk: Disk,
    /// Requests that it has and may still answer.
    pub(super) tickets: BTreeMap<Ticket, ()>,
    /// Its log has its header, and perhaps more.
    pub(super) has_log: bool,
    /// Messages given to links by this process, and their bytes.
    pub(super) sent: (u64, u64),
    /// What its log says of its last event.
    pub(super) last_event: (u64, u64),
    /// Peers that sends were dropped to, of the event whose record comes next.
    pub(super) dropped: Recipients,
    pub(super) dice: Dice,
}

/// A dial that is planned or under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dial {
    /// Which entry of the agenda is meant.
    pub(super) serial: u64,
    pub(super) failures: u32,
    /// The connection that was tried last.
    pub(super) tried: Option<u32>,
}

/// What chance decides about a machine.
#[derive(Debug)]
pub(super) struct Dice {
    pub(super) latency: Stream,
    pub(super) cut: Stream,
    pub(super) round: Stream,
    pub(super) disk: Stream,
}

impl<S: Service> Machine<S> {
    pub(super) fn new(me: MachineId, clock: LocalClock, seed: u64) -> Self {
        let stream = |purpose| Stream::new(seed, me, purpose);
        Self {
            phase: Phase::Off,
            service: None,
            life: 0,
            incarnation: 0,
            inbox: VecDeque::new(),
            round: None,
            is_frozen: false,
            clock,
            gate: None,
            peers: Vec::new(),
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            disk: Disk::new(),
            tickets: BTreeMap::new(),
            has_log: false,
            sent: (0, 0),
            last_event: (0, 0),
            dropped: Recipients::new(),
            dice: Dice {
                latency: stream(Purpose::Latency),
                cut: stream(Purpose::Cut),
                round: stream(Purpose::Round),
                disk: stream(Purpose::Disk),
            },
        }
    }

    /// Whether there is a service that takes inputs.
    pub(super) fn is_there(&self) -> bool {
        match self.phase {
            Phase::Running | Phase::Draining => true,
            Phase::Off | Phase::Booting | Phase::Ended => false,
        }
    }
}
