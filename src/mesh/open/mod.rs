//! The mio driver for a service on an open mesh: peers come and go, clients ask, a disk keeps (protocol.md, section 2).
//!
//! ```text
//!   other threads: Desk::submit        disk thread: wake            a resolver thread a name (bounded)
//!                     |                    |                               |
//!   poll -> links -> strangers -> commands, dials -> desk, clients -> disk's progress -> timers -> RoundEnd
//!     ^                                                                                              |
//!     '---- wait <- hand over the log <- flush links, clients, desk <- settle the log <- effects <---'
//! ```
//!
//! One listener for everything: the first byte of a connection is looked at and left where it is. A frame begins with a
//! zero (its length is below 2^24); anything else, such as a letter of HTTP, is handed to whoever serves that.
//!
//! One thread does all the work, and what came in together is one round: the service is told by [`Input::RoundEnd`], the log
//! is settled once before anything leaves, and every connection is written once. There is no clock thread as for the scale
//! model: a service's deadlines are met within the poll's millisecond, and a deadline that moves every round must cost
//! nothing.
//!
//! Shares connections, the handshake, control connections, the log and the gate of faults with [`Mesh`](super::Mesh).
//! Knows no system. Beats no heart: silence is the service's to notice, who says [`Effect::Reset`].
//!
//! [`Input::RoundEnd`]: crate::service::Input::RoundEnd
//! [`Effect::Reset`]: crate::service::Effect::Reset

mod accept;
mod breaking;
mod client;
mod clients;
mod command;
mod config;
mod desk;
mod dial;
mod effects;
mod hello;
mod judging;
mod link;
mod reading;
mod resolve;
mod round;
mod serving;
mod stopping;

pub use client::{Client, ClientError};
pub use config::{Handover, Place};
pub use desk::OpenDesk;
pub use round::OpenMesh;

use std::time::Duration;

/// Connections that have said nothing yet, at once; the next one is closed.
pub const QUIET_MAX: usize = 1024;

/// Links at once; a further peer gets error `busy`.
pub const LINKS_MAX: usize = 1024;

/// Clients by the wire at once; the next one gets error `busy`.
pub const CLIENTS_MAX: usize = 1024;

/// Requests of one client that wait for their last answer; at the limit nothing more is read of it.
pub const PIPELINE_MAX: usize = 4096;

/// Answers that a client has not read, in bytes, at which nothing more is read of it.
pub const UNREAD_PAUSE_BYTES_MAX: usize = 1 << 20;

/// Answers that a client has not read, in bytes, at which it gets error `overflow` and is closed. Nobody comes to it by
/// asking, who is paused before, but by watching.
pub const UNREAD_BYTES_MAX: usize = 256 << 20;

/// Answers that all clients together have not read, in bytes, at which the one that has the most of them is closed, and what it
/// has not read is thrown away: memory is what there is too little of.
pub const UNREAD_ALL_BYTES_MAX: usize = 1 << 30;

/// Answers that a service holds until its disk has what they name, in bytes, at which nothing more is read of any client.
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// How long answers may wait without the client reading anything, in milliseconds, before it is closed.
pub const UNREAD_MS_MAX: u64 = 30_000;

/// Requests of other threads that wait for their last answer; the next one is dropped without an answer.
pub const DESK_MAX: usize = 65_536;

/// A machine with the smaller id dials, too, when no link has come up for so long, in milliseconds.
pub const SMALLER_DIALS_AFTER_MS: u64 = 300;

/// How long a connect may take, in milliseconds: then it is tried anew, since a kernel waits ever longer with its own tries.
pub const CONNECT_MS_MAX: u64 = 1000;

/// A link that has been silent for so long, in milliseconds, gives way to a new connection of the same life.
pub const SILENT_MS: u64 = 1000;

/// How long after a goodbye, or a refusal that will come again, a peer is dialled again, in milliseconds.
pub const AGAIN_MS: u64 = 1000;

/// Names that are looked up at once, each by a thread; further dials wait.
const RESOLVERS_MAX: usize = 8;

/// Requests of one client in one round, so that nobody keeps the others waiting.
const REQUESTS_A_ROUND: usize = 1024;

/// Requests that a service is given before its answers are looked at: together they are below the limit of what may be
/// unread, however small the requests and large the answers.
const REQUESTS_AT_ONCE: usize = 16;

/// Requests of other threads in one round.
const DESK_A_ROUND: usize = 4096;

/// Time-outs of the service in one round.
const TIMEOUTS_MAX: usize = 64;

/// How often a disk's progress is looked at again in one round: what is kept at once is answered at once.
const PROGRESS_LOOKS_MAX: usize = 4;

const _: () = assert!(
    PIPELINE_MAX <= 1 << 16,
    "a request's place is 16 bits of its ticket"
);
const _: () = assert!(
    CLIENTS_MAX < 1 << 16,
    "a client's seat is 16 bits of a ticket, and one is the desk's"
);
const _: () = assert!(
    UNREAD_PAUSE_BYTES_MAX + HELD_BYTES_MAX + 2 * REQUESTS_AT_ONCE * crate::wire::FRAME_LENGTH_MAX
        < UNREAD_BYTES_MAX,
    "a client is paused before it is closed, even if all that is held is for it"
);
const _: () = assert!(
    UNREAD_BYTES_MAX < UNREAD_ALL_BYTES_MAX,
    "one client alone is closed for what it has itself"
);
const _: () =
    assert!(Duration::from_millis(SMALLER_DIALS_AFTER_MS).as_millis() > super::BACK_OFF_MAX.as_millis());
