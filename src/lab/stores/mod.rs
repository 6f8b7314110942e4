//! Simulated runs of the store: replicas in virtual time, clients with sessions that move between them, faults of every
//! kind, and the judgement of what clients were told.
//!
//! ```text
//!   0 ........................ heals ............ settled ... duration
//!   | troubles, and clients     | clients stop:    | final reads, on every
//!   | that ask                  | repair goes on   | replica; all is judged
//! ```
//!
//! What is judged, of every run:
//!
//! - while it goes on (`book`, `seen`): a session reads what it wrote and never anything older than it has seen, nor older than
//!   what that depends on; a scan shows a batch whole, and nothing without what it depends on; nothing that was denied or
//!   never written is seen; a compare-and-set succeeds once.
//! - of disks (`disks`), by what they really keep: a write that is acknowledged is on as many as were asked for; a restarted
//!   replica has what its disk has; who leaves has handed over; nothing is let go that a member has.
//! - at the end (`end`): everything that was acknowledged is there, unless all disks that kept it were lost or given up by
//!   decision (the argument is on the page of `disks`); counters and sets
//!   are exactly what was added; nothing that was overwritten or deleted is back; all replicas know and hold the same;
//!   nothing waits, no buffer is left; every session's token is met at once, everywhere.
//! - of forgetting (`stable`): what a replica takes for stable all members have on their disks; no tombstone is left but
//!   those that one who was removed is not known to have.
//! - of watches (`watches`): every number of a session's own register once and going up, nothing before what it depends on,
//!   and at the end all that is there.
//! - where members come and go (`operator`): at the end everybody sees the members that were decided.
//! - of all reads: the history is causally consistent and convergent ([`kv::history`](crate::kv::history)).

mod ask;
mod book;
mod counts;
mod disks;
mod end;
mod logs;
mod operator;
mod play;
mod recorded;
mod seen;
mod session;
mod soak;
mod stable;
mod trial;
mod trials;
mod watches;

pub use counts::Counts;
pub use soak::{CHAPTER, SESSIONS, SPARES, Soak, SoakEnd};
pub use trial::{CLIENTS_MAX, Keep, Membership, REPLICAS, SETTLE_US, StoreFaults, StoreTrial, Trialled};
pub use trials::simulate_stores;

#[cfg(test)]
mod tests;
