//! A replica's HTTP with its page.

use std::path::Path;

use crate::{
    gateway::Options,
    service::Address,
    watch::web::{replica_events, replica_page},
};

/// How a replica is served: with its page, and the events of the run in `run_folder`, if it writes a log. `only_loopback` is
/// where it is reached, if that is this computer alone.
pub(super) fn options(only_loopback: Option<Address>, run_folder: Option<&Path>) -> Options {
    Options {
        only_loopback,
        pages: Some(replica_page()),
        events: run_folder.map(replica_events),
        ..Options::default()
    }
}
