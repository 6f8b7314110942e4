//! A system that serves clients, keeps things on a disk, and whose members come and go: still a value.
//!
//! [`node`](crate::node) is the interface of systems whose machines are all known before the start, and who speak to
//! nobody but each other. A [`Service`] starts alone, learns of its peers on the way, answers requests of clients, and
//! survives its process. Like a node it opens no socket and no file, reads no clock and starts no thread; two drivers
//! run it: `mesh::open` on real TCP, `sim::open` in virtual time. What it needs of the world is a further variant here.
//!
//! ```text
//!   Restored*  Start  ( LinkUp | LinkDown | Message | Request | Cancelled | Appended | WallClock | Timeout )*  Stop …  End
//!                       '----------------- a round: any number of these, then RoundEnd ---------------------'
//! ```
//!
//! Of the event log a service writes its events, what it holds and the footer; its driver the rest: `restarted`, `link-up`
//! at every link up, `link-lost`, faults, and of a send what became of it (dropped because the link was down, lost by a
//! fault). What the log of earlier lives ends with (tick, clock) a service is told where it is made.
//!
//! A driver gives everything that came in together and then [`Input::RoundEnd`]: what is cheaper for many at once (a
//! message to each peer, one append) the service does there.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use thiserror::Error;

use crate::{
    node::DownCause,
    trace::{Record, WallTime},
    units::{MachineId, Time},
    wire::{self, FieldError, Reason},
};

/// Where a machine is reached: `host:port`, as it is advertised to others.
///
/// The text is what identifies a place: two spellings of one socket are two addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// Longest address, in bytes: a host name has at most 253, a port 5.
pub const ADDRESS_BYTES_MAX: usize = 259;

/// A text that is no address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is no address: write HOST:PORT, such as 127.0.0.1:8090 or store-1:8090")]
pub struct AddressError {
    /// What was given.
    pub text: String,
}

/// Somebody whom a link is to be kept to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub id: MachineId,
    /// Where to dial it.
    pub address: Address,
}

/// A request's number, given by the driver: what the answers are marked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Where a ticket's number says by which connection it came.
const SEAT_SHIFT: u32 = 48;

impl Ticket {
    /// The seat of what came by no connection of a client: other threads of the process ask, and bound themselves.
    pub const DESK: u64 = 0xFFFF;

    /// The ticket of a number, below 2⁴⁸, of a seat.
    #[must_use]
    #[inline]
    pub fn of(seat: u64, number: u64) -> Self {
        Self(seat << SEAT_SHIFT | number)
    }

    /// The first and the last ticket that one seat can have.
    #[must_use]
    pub fn all_of(seat: u64) -> RangeInclusive<Self> {
        Self::of(seat, 0)..=Self::of(seat, (1 << SEAT_SHIFT) - 1)
    }

    /// By which client's connection it came, or [`DESK`](Self::DESK): tickets of one have one seat.
    #[must_use]
    #[inline]
    pub fn seat(self) -> u64 {
        self.0 >> SEAT_SHIFT
    }
}

/// Whether more answers follow to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// This was the last; the ticket is forgotten.
    Yes,
    /// The request goes on: a watch.
    No,
}

/// One thing kept on disk: a key of a table and its value. Keys of a table are in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which table: the service's own numbers, below [`TABLES_MAX`].
    pub table: u8,
    /// The key: 1 to 65,534 bytes.
    pub key: Box<[u8]>,
    /// The value; `None` takes the key away.
    pub value: Option<Box<[u8]>>,
}

/// How many tables a disk has for its service.
pub const TABLES_MAX: u8 = 8;

/// What can happen to a service.
#[derive(Debug)]
pub enum Input<S: Service + ?Sized> {
    /// A row that an earlier life left on the disk. All of them come before the start, table by table, key by key.
    Restored {
        /// What was kept; its value is there.
        row: Row,
    },
    /// Begin; once.
    Start {
        /// What the machine's physical clock shows at this moment.
        wall: WallTime,
        /// Which life this is: greater than that of every life before, whether or not the disk survived.
        incarnation: u32,
    },
    /// The link to a peer is up: messages sent from now on arrive whole, once and in order, until it goes down.
    LinkUp {
        /// Who is at the other end.
        peer: MachineId,
        /// Which life of the peer.
        incarnation: u32,
    },
    /// From now on until the link is down, what is sent to a peer may be lost, doubled or overtaken: a fault was
    /// injected.
    Unreliable {
        /// Who is at the other end.
        peer: MachineId,
    },
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
        message: S::Message,
    },
    /// A client asks for something.
    Request {
        /// What to mark the answers with.
        ticket: Ticket,
        /// What it asks.
        request: S::Request,
    },
    /// The client of this request has gone: no answer is of use any more. What it asked for may still be done.
    Cancelled {
        /// Its number.
        ticket: Ticket,
    },
    /// All that was given with [`Effect::Append`] up to this number outlives the process.
    Appended {
        /// The number of the append.
        through: u64,
    },
    /// The disk takes nothing any more: no append above the last [`Input::Appended`] is known to be kept.
    AppendFailed {
        /// Why, in words for a person.
        why: String,
    },
    /// Everything that came in together has been given.
    RoundEnd,
    /// What the machine's physical clock shows by now: it may have been set, or the computer was suspended. Comes before
    /// the timeouts of a round.
    WallClock {
        /// Its time.
        wall: WallTime,
    },
    /// The time that [`Service::deadline`] named has come.
    Timeout,
    /// Begin nothing new; messages may still arrive.
    Stop {
        /// Why.
        reason: Reason,
    },
    /// Nothing will arrive any more: say the last words. The last input.
    End,
}

/// What a service wants done.
#[derive(Debug)]
pub enum Effect<S: Service + ?Sized> {
    /// Send a message that is part of an event of the log: the event's record follows. Dropped if the link is down.
    Send {
        /// To whom.
        to: MachineId,
        /// What.
        message: S::Message,
    },
    /// Send a message that is no event of the log, such as a heartbeat. Dropped if the link is down.
    Signal {
        /// To whom.
        to: MachineId,
        /// What.
        message: S::Message,
    },
    /// Write a record to the event log, at the time of the input. The sends of an event come before its record.
    Record(Record),
    /// A peer's message has no meaning here, and was not taken: break the link off.
    Refuse {
        /// Who sent it.
        peer: MachineId,
        /// What is wrong with it.
        error: FieldError,
    },
    /// End the link to a peer as lost: what is unsent must not arrive. It is dialled again.
    Reset {
        /// Whose.
        peer: MachineId,
    },
    /// From now on keep links to these peers, and to no others: in ascending order of ids, this machine left out.
    Peers(Vec<Peer>),
    /// Answer a request.
    Reply {
        /// Whose.
        ticket: Ticket,
        /// What.
        reply: S::Reply,
        /// Whether more follows.
        last: Last,
    },
    /// Put these rows on the disk, all or none, after all that was given before.
    Append {
        /// Counts up from 1.
        number: u64,
        /// What to keep; a key occurs once.
        rows: Vec<Row>,
    },
    /// Tell whoever runs this machine, in a sentence, what has become of it. Where nobody runs it, nobody is told.
    Say(&'static str),
    /// Stop this machine in order.
    Stop {
        /// Why.
        reason: Reason,
    },
}

/// Is told the answers to a request, on the driver's thread: it must not block.
pub type Answered<S> = Box<dyn FnMut(<S as Service>::Reply, Last) + Send>;

/// Where other threads of the process hand requests in; a driver's.
pub trait Desk<S: Service>: Send + Sync {
    /// Hands a request in. Once the driver has ended, `answered` is dropped without a call.
    fn submit(&self, request: S::Request, answered: Answered<S>) -> Ticket;

    /// The client has gone: `answered` is dropped.
    fn cancel(&self, ticket: Ticket);
}

/// What a client's connection has shown of who it is. Its guard's own.
#[derive(Clone, Default)]
pub struct Shown {
    /// What it has shown: a secret.
    pub text: String,
    /// What the guard found by it: in which turn of its knowledge, and where.
    pub found: Option<(u64, usize)>,
}

/// Judges what clients by the wire ask: before the service is given it, and again as long as it waits or goes on.
pub trait Guard<S: Service>: fmt::Debug + Send + Sync {
    /// The answer, if the service is not to be asked, or is not to go on. Does not block.
    fn judge(&self, shown: &mut Shown, request: &S::Request) -> Option<S::Reply>;

    /// Another number than before whenever [`judge`](Self::judge) may say something else. Does not block: it is looked at in
    /// every round.
    fn turn(&self) -> u64;
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(…)")
    }
}

/// Keeps a service's rows: what a driver gives appends to. Another thread of it does the work.
///
/// ```text
///   loop:   append(1, rows) append(2, rows) …          progress() -> through: 2 -> Input::Appended
///                  '--- bounded queue ---> writes, syncs ---> wake() ---^
/// ```
pub trait Disk: Send {
    /// Takes a group of rows, to be kept all or none, after all groups before. Numbers count up. Blocks no longer than
    /// a bounded queue is full. After a failure it takes nothing any more.
    fn append(&mut self, number: u64, rows: Vec<Row>);

    /// How far it has come; never blocks.
    fn progress(&mut self) -> Progress;

    /// What to call whenever there is progress: from any thread, cheap, and harmless once the loop has ended. Before
    /// the first append.
    fn on_progress(&mut self, wake: Box<dyn Fn() + Send + Sync>);

    /// Writes out and syncs all that was given, and lets go of the files. The last call but for
    /// [`progress`](Self::progress), which then tells whether it worked.
    fn close(&mut self);
}

/// How far a disk has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The groups up to this number outlive the process; 0 if none does.
    pub through: u64,
    /// Why it takes nothing any more, in words for a person. Once it is there it stays, and `through` stands still.
    pub failed: Option<String>,
}

/// No disk: what a service keeps, it keeps in memory. Everything given counts as kept at once.
#[derive(Debug, Default)]
pub struct NoDisk {
    through: u64,
}

/// The effects of one or several inputs, in order. Kept and reused by the driver.
pub type Effects<S> = Vec<Effect<S>>;

/// A service's state machine on one machine.
pub trait Service {
    /// What it says to its peers.
    type Message: wire::Message + fmt::Debug;
    /// What clients ask.
    type Request: fmt::Debug;
    /// What they are answered.
    type Reply: fmt::Debug;

    /// Takes one input at the time `now`, which never goes back, and appends what has to be done to `effects`.
    fn handle(&mut self, now: Time, input: Input<Self>, effects: &mut Effects<Self>);

    /// These requests come next, one by one: what they will look for can be looked for together. Nothing is changed.
    fn foresee(&self, _requests: &[(Ticket, Self::Request)]) {}

    /// When to call with [`Input::Timeout`], if at all. A time that has passed means: now.
    fn deadline(&self) -> Option<Time>;

    /// How many bytes of answers are ready and wait for the disk, about. While there are many, the driver asks for no further
    /// requests of clients by the wire.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Names the requests that are not done, and may stay so for long: those that wait, and those that go on. When who may
    /// ask what has changed they are judged again; one that may not be asked any more is answered so, and cancelled.
    fn open_requests(&self, _name: &mut dyn FnMut(Ticket, &Self::Request)) {}
}

impl Row {
    /// Appends the row as a backup's file has it: table u8, key length u16, value length u32, key, value. One without a
    /// value is laid out as one with an empty one: no copy has such rows.
    pub fn lay_out(&self, bytes: &mut Vec<u8>) {
        let value = self.value.as_deref().unwrap_or_default();
        bytes.push(self.table);
        bytes.extend(u16::try_from(self.key.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(&*self.key);
        bytes.extend(value);
    }
}

impl Disk for NoDisk {
    fn append(&mut self, number: u64, _rows: Vec<Row>) {
        self.through = number;
    }

    fn progress(&mut self) -> Progress {
        Progress {
            through: self.through,
            failed: None,
        }
    }

    fn on_progress(&mut self, _wake: Box<dyn Fn() + Send + Sync>) {}

    fn close(&mut self) {}
}

impl Address {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        let port = self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Spaces around it are none of it. IPv6 stands in brackets: `[::1]:8090`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let wrong = || AddressError {
            text: text.to_owned(),
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_port = port.parse::<u16>().is_ok_and(|number| number > 0) && !port.starts_with('+');
        let is_ipv6 = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<core::net::Ipv6Addr>().is_ok());
        let is_name = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if is_port && (is_ipv6 || is_name) && text.len() <= ADDRESS_BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(wrong())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for text in [
            "127.0.0.1:8090",
            "store-1:8090",
            "[::1]:1",
            "10.10.0.2:65535",
            " a:1 ",
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.as_str(), text.trim());
        }
        assert_eq!(
            "a:8090".parse::<Address>().map(|address| address.port()),
            Ok(8090)
        );
        for text in [
            "",
            "8090",
            ":8090",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "::1:8090",
            "a b:1",
            "[a]:1",
            "http://a:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
