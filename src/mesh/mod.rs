//! The mio driver: one node on real TCP and in real time.
//!
//! ```text
//!            clock thread                 log thread (tracing-appender)
//!      alarm |        ^ next deadline          ^ batches of lines
//!            v        |                        |
//!   poll -> read the clock once -> drain sockets -> timers -> flush links -> hand over the log -> poll
//!                                     |                ^
//!                              inputs v                | effects
//!                                    Node::handle (no I/O)
//! ```
//!
//! Implements the link contract, the start barrier and the shutdown of protocol.md, sections 2 to 5. Knows no
//! system: anything that is a [`Node`](crate::node::Node) runs on it. One thread does all the work; nothing
//! in it blocks but the poll and a full log queue.

mod accept;
mod breaking;
mod clock_thread;
mod command;
mod config;
mod connection;
mod dial;
mod event_log;
mod link;
mod log_file;
mod mesh_clock;
pub mod open;
mod outcome;
mod phases;
mod process;
mod reading;
mod rejoin;
mod round;
mod speaking;
mod stranger;
mod trust;

pub use config::{Config, LogEnd, OnPeerLoss};
pub use connection::{Connection, Filled, Flushed};
pub use event_log::{EventLog, LogError, NoLog};
pub use log_file::LogFile;
pub use outcome::{Handle, MeshError, Missing, Outcome, listen_mend};
pub use round::Mesh;
pub use trust::offer;

use std::time::Duration;

/// Unsent bytes on one link at which the peer is too slow: error `overflow`, link down.
pub const UNSENT_BYTES_MAX: usize = 64 << 20;

/// Connections in handshake at once; the next one gets error `busy`.
pub const STRANGERS_MAX: usize = 128;

/// Time for a complete hello, in milliseconds.
pub const HANDSHAKE_MS_MAX: u64 = 3000;

/// Time that a stopping machine waits for its peers' goodbyes, in milliseconds.
pub const DRAIN_MS_MAX: u64 = 2000;

/// Control connections at once; the next one gets error `busy`.
pub const COMMANDERS_MAX: usize = 16;

/// Time without a command after which a control connection is closed, in milliseconds.
pub const COMMAND_IDLE_MS_MAX: u64 = 60_000;

/// Bytes read from one link in one round, so that one peer cannot starve the rest.
const READ_BYTES_MAX: usize = 1 << 20;

/// First and longest pause between two dials.
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_millis(250);

const _: () = assert!(
    UNSENT_BYTES_MAX == crate::faults::HELD_BYTES_MAX,
    "a link that a fault holds back has the limit of one that its peer does"
);

const _: () = assert!(BACK_OFF_MIN.as_millis() < BACK_OFF_MAX.as_millis());

#[cfg(test)]
mod tests;
