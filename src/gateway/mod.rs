//! The store's HTTP face: the course assignment's interface in both of its forms, and `/v1` for people of today.
//!
//! ```text
//!   driver's listener --first byte is a letter--> Server::take
//!                                                     |
//!     thread of its own (tokio, one thread): connection (hyper, HTTP/1.1) -> front: guard, access, route
//!                                                     |                              |
//!                        desk (service::Desk)  <--  ask  <--  assignment | v1  <-----'
//!                              |                     ^
//!     driver's thread: kv::Replica ---- reply -------'
//! ```
//!
//! Every limit has a name in [`Options`], or stands as a constant beside what it bounds; at the limit a client is told so:
//! 408 (too slow), 413 (body), 414 (address), 429 (requests), 431 (headers), 503 (connections). Those who wait for what their
//! session has seen have fewer places than requests have, so that they shut nobody out who waits for nothing.
//!
//! Requests go from hyper to a handler without a router or layers in between: which resource a path names is a prefix or
//! a word, and keys have to be taken from the raw path, since every key is a key. A router of pages can be given, and gets
//! what is none of ours; another one answers `/v1/events`, since whoever reads event logs is not known here.
//!
//! Not here: HTTP/2, TLS and compression (a proxy in front does those), and the meaning of any request: that is [`kv`]'s.
//!
//! Sources: RFC 9110 and 9112 (HTTP), RFC 9457 (problems), RFC 6750 (bearer tokens), the WHATWG's server-sent events.
//!
//! [`kv`]: crate::kv

mod access;
mod answer;
mod ask;
mod assignment;
mod body;
mod call;
mod front;
mod guard;
mod json;
mod path;
mod problem;
mod revoked;
mod server;
mod socket;
#[cfg(test)]
mod tests;
mod v1;

pub use access::{
    Access, FILE, Scope, TOKENS_MAX, TokenEntry, TokenFile, TokenFileError, TokenLock, TokenText,
};
pub use server::{Options, Server, ServerError};
