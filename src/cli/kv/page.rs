//! A replica's HTTP with its page.

use std::{net::SocketAddr, path::Path};

use crate::{
    gateway::Options,
    service::Address,
    watch::web::{replica_events, replica_page},
};

/// How a replica that listens at `listen` and is reached at `address` is served: with its page, and the events of the run in
/// `run_folder`, if it writes a log.
pub(super) fn options(address: &Address, listen: SocketAddr, run_folder: Option<&Path>) -> Options {
    Options {
        only_loopback: listen.ip().is_loopback().then(|| address.clone()),
        pages: Some(replica_page()),
        events: run_folder.map(replica_events),
        ..Options::default()
    }
}
