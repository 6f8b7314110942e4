//! The live page: one page on loopback that shows a run as it happens, and breaks it on purpose.
//!
//! ```text
//!   logs --> Known (one reader: how each machine is)  ----+
//!     |                                                   v
//!     +----> Stream (a reader for each browser) --> server-sent events --> page: store.js --> diagram, table
//!                                                                           |
//!   machines <-- Hands (lab::Controllers) <-- POST /command <------ buttons --+
//! ```
//!
//! The server keeps no history. Each browser has its own place in the logs, which is the id of every batch that it
//! gets; so a browser that was gone, or was slow, goes on from its place in the logs, and none waits for another.
//! Who is too far behind, or new, begins near the end, and is told what it leaves out.
//!
//! The page of a store's replica ([`replica_page`]) is another one, of the same parts: the replica's own HTTP serves it, and the
//! logs are read while somebody looks, and not else.
//!
//! This one listens on loopback only, and serves whoever has its key. Requests without it, and those that name another host
//! (DNS rebinding) or come from another page, are refused.

mod batch;
mod commands;
mod guard;
mod hands;
mod known;
mod near_end;
mod page;
mod remark;
mod replica;
mod server;
mod source;
mod state;
mod stream;

pub use replica::{replica_events, replica_page};
pub use server::{Server, WebError};

#[cfg(test)]
mod tests;
