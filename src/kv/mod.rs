//! The causal store: a replicated key-value store, causally consistent and convergent (causal+).
//!
//! Source: the course assignment CSE138 no. 3 for what clients see; Lloyd and others, Don't Settle for Eventual (COPS,
//! SOSP 2011) for what is right; Preguiça and others, Dotted Version Vectors (2012) for concurrent values.
//!
//! ```text
//!   client's request -> accepted here: named (dot), stamped, applied, appended to the disk, sent to every peer
//!   peer's write     -> buffered until  n = known[origin] + 1  and  dependencies <= known;  then applied, appended
//!   heartbeats       -> who is alive, what everybody has; a gap that stays is pulled from any peer that has it
//! ```
//!
//! # Invariants, by name
//!
//! - *known*: `known` is a version vector; write (o, n) has been applied here exactly if n ≤ known\[o\].
//! - *causal*: when a write is applied, everything that it depends on has been applied before.
//! - *dots*: a dot names one write for ever, whatever restarts, loses its disk or leaves.
//! - *stamps*: a write's stamp is above that of every write that it depends on; so the last writer by (stamp, origin)
//!   respects causality, and everybody chooses the same.
//! - *convergence*: replicas with equal `known` hold equal data.
//! - *tokens*: a client's token is a lower bound of what its session has seen; whoever covers it may serve it. Since
//!   writes are applied in causal order, the dots that were seen stand for all that they depend on, and a session's own
//!   newest write stands for everything before it.
//! - *durable*: no answer names a write that is not on this replica's disk yet (unless `--sync` says otherwise).
//!
//! | message | says |
//! |---|---|
//! | introduce | who I am, where, what I know, and whom I take for members; first on each link |
//! | writes | new writes, or those that were asked for |
//! | heartbeat | I am alive; what I know, and what of it is on my disk |
//! | members | member records that changed |
//! | pull | send me what I do not know |
//! | transfer | the state itself, in parts, where the log of writes does not reach back far enough |
//!
//! It does no I/O: drivers run it on real TCP and in virtual time. HTTP is `gateway`'s, the disk is `disk`'s.

mod batch;
mod bytes;
pub mod check;
mod config;
mod derived;
mod digest;
mod entry;
pub mod history;
mod members;
mod message;
pub(crate) mod mutant;
mod operation;
mod replica;
mod request;
mod sealed;
mod store;
mod suspicion;
mod token;

pub use batch::{BATCH_BYTES_MAX, BatchReader, BatchWriter, ORIGINS_MAX};
pub use config::{Config, ConfigError, DiskRule};
pub use derived::{IDS, derived_id, id_for};
pub use members::{RECORDS_MAX, Record as MemberRecord, Status as MemberStatus};
pub use message::{BATCHES_BYTES_MAX, Introduce, Message, More, Readiness, Report, Wants, Writes, kind};
pub use operation::{
    Applied, BATCH_OPERATIONS_MAX, Change, Cleared, Condition, DEPENDENCIES_MAX, ELEMENTS_MAX, Format,
    KEY_BYTES_MAX, Key, Operation, SIBLINGS_MAX, STAMP_BELIEVED_MAX, STAMP_MAX, Stamp, VALUE_BYTES_MAX,
    Value, WRITE_BYTES_MAX, Write,
};
pub(crate) use replica::Kept;
pub use replica::{JOIN_US_MAX, Replica, member_of};
pub use request::{
    Action, Answer, BackupPart, Bearer, Content, Copies, Deny, Done, Item, Lag, MEMBERS_MAX, Member,
    MemberChange, Missing, REPLY, REPLY_BYTES_MAX, REQUEST, Reply, Request, SCAN_ITEMS_MAX, Standing, Status,
    TEXT_BYTES_MAX, Token, Watched, Why,
};
pub use sealed::{Batch, SEALED_BYTES};
pub use token::{TOKEN_BYTES_MAX, TOKEN_TEXT_BYTES_MAX, TokenError, parse_token, token_text};

pub use store::{Collected, Decided, Denied, Incoming, Scope, Slice, Store};

/// The store's number in the hello (protocol.md, section 1).
pub const SYSTEM: u8 = 2;
