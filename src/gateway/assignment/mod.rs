//! The course assignment's interface, in both of its forms, with exact codes and texts: CSE138 no. 3 as of 2024 (`/kvs`,
//! `/view`) and as of 2025 (`/data`, `/view`, `/ping`). Both are served by every replica, over one store.
//!
//! | | `/kvs` | `/data` |
//! |---|---|---|
//! | causal metadata | a string | an object |
//! | what a replica does not have yet | 503 at once | waits for [`WAIT_US`], then 503 |
//! | keys | at most 50 characters | at most 1024 bytes |
//!
//! What one form answers as metadata, the other takes. null, `{}`, `""` and none at all are the beginning. JSON bodies are
//! read whatever content type they say, on GET too, and no body is `{}`. The order of judgement where several things are
//! wrong: body, value, key, metadata, dependencies. DELETE `/data/KEY` is ours: the assignment of 2025 has none.

mod data;
mod keys;
mod said;
mod view;

pub(super) use data::list;
pub(super) use keys::{Form, delete, get, put};
pub(super) use view::{change_view, ping, remove_member, show_view};

/// How long `/data` waits for what is missing: clients give up at 10 s.
pub(super) const WAIT_US: u64 = 8_000_000;
