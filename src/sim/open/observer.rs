//! Who is told what happens in a simulation, and plays the clients.

use crate::{
    service::{Last, Peer, Row, Service, Ticket},
    trace::{Record, WallTime},
    units::{MachineId, Time},
};

/// A moment, in virtual time and by a machine's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Virtual time.
    pub at: Time,
    /// What the machine's log says of it.
    pub wall: WallTime,
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeEvent {
    /// It begins to work, with so many rows from its disk.
    Started {
        /// Which life.
        incarnation: u32,
        /// How many.
        rows: u64,
    },
    /// It was killed.
    Died,
    /// It ended in order.
    Ended,
}

/// What happened to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskEvent {
    /// All groups of this life up to this number are there whatever happens.
    Durable {
        /// The number.
        through: u64,
    },
    /// Its process was killed: of the groups that were under way so many are there, the others are not.
    Torn {
        /// There.
        kept: u64,
        /// Not there.
        lost: u64,
    },
    /// It takes nothing any more.
    Failed,
    /// All that was on it is gone.
    Lost,
}

/// What a client hears about its request.
#[derive(Debug)]
pub enum Heard<R> {
    /// An answer.
    Reply {
        /// What it says.
        reply: R,
        /// Whether more follows.
        last: Last,
    },
    /// Nobody listens there: surely nothing was done.
    Refused,
    /// The connection broke: it may have been done, or not, or be done yet.
    Broken,
}

/// Is told what happens, and says what clients do.
pub trait Observer<S: Service> {
    /// A machine has recorded something. Moments of one machine never go back.
    fn record(&mut self, machine: MachineId, at: Moment, record: &Record);

    /// A process began, died or ended.
    fn life(&mut self, machine: MachineId, at: Moment, event: LifeEvent);

    /// Something happened to a disk.
    fn disk(&mut self, machine: MachineId, at: Moment, event: DiskEvent);

    /// A group of rows has come to a disk, and is there whatever happens from now on; told before the event that says how.
    /// A machine without a disk keeps what it has been given until its process is gone.
    fn keeps(&mut self, machine: MachineId, at: Moment, rows: &[Row]);

    /// A process says whom it wants links to, as often as it says so.
    fn peers(&mut self, machine: MachineId, at: Moment, peers: &[Peer]);

    /// A client hears about its request.
    fn heard(&mut self, at: Time, ticket: Ticket, heard: Heard<S::Reply>, orders: &mut Orders<S>);

    /// The time has come that [`Orders::wake`] named; the first call is at time 0 with tag 0.
    fn wake(&mut self, at: Time, tag: u64, orders: &mut Orders<S>);
}

/// What clients want done.
#[derive(Debug)]
pub struct Orders<S: Service> {
    pub(super) requests: Vec<(Ticket, MachineId, S::Request)>,
    pub(super) cancelled: Vec<Ticket>,
    pub(super) wakes: Vec<(Time, u64)>,
    pub(super) tickets: u64,
}

impl<S: Service> Orders<S> {
    pub(super) fn new() -> Self {
        Self {
            requests: Vec::new(),
            cancelled: Vec::new(),
            wakes: Vec::new(),
            tickets: 0,
        }
    }

    /// Sends a request to a machine. It arrives after a latency.
    pub fn request(&mut self, machine: MachineId, request: S::Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.requests.push((ticket, machine, request));
        ticket
    }

    /// The client closes its connection: it hears nothing any more.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.cancelled.push(ticket);
    }

    /// Asks for a call of [`Observer::wake`] at a moment, at once if it has passed.
    pub fn wake(&mut self, at: Time, tag: u64) {
        self.wakes.push((at, tag));
    }
}
