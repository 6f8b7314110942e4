//! `/v1`: the store for people of today.
//!
//! What a session has seen travels in the header `Clocklab-Token`, both ways; a value's mark is its `ETag`, and `If-Match`
//! and `If-None-Match` make a write depend on it. Everything behind `/v1/keys/` is the key; what can be done to it is a
//! method, or a POST's body. Errors are problems (RFC 9457). The OpenAPI document is made from the handlers.

mod access;
mod batch;
mod conditions;
mod events;
mod keys;
mod members;
mod metrics;
mod openapi;
mod parameters;
mod scan;
mod status;
mod watch;

pub(super) use access::access;
pub(super) use batch::batch;
pub(super) use events::{no_events, too_many_events};
pub(super) use keys::{change, delete, get, put};
pub(super) use members::{
    add_member, drain_member, member, members, remove_member, replace_member, set_members,
};
pub(super) use metrics::metrics;
pub(super) use openapi::openapi;
pub(super) use scan::scan;
pub(super) use status::{health, ready, status, why, why_all};
pub(super) use watch::{ChangeStream, last_event, watch};

#[cfg(test)]
pub(super) use openapi::document;
