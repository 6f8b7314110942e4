//! A replica's HTTP with its page.

use std::{net::SocketAddr, path::Path};

use crate::{
    gateway::{Access, Options},
    service::Address,
    watch::web::{replica_events, replica_page},
};

/// How a replica that listens at `listen` and is reached at `address` is served: with its page, and the events of the run in
/// `run_folder`, if it writes a log. Warns if `access` lets nobody in.
pub(super) fn options(
    address: &Address,
    listen: SocketAddr,
    run_folder: Option<&Path>,
    access: &Access,
) -> Options {
    if access.lets_nobody_in() {
        tracing::warn!(
            "--memory: by HTTP nobody is let in, since other computers can reach {listen}, so that every request needs a token, \
             and tokens are kept in the folder of the data. Replicas and the commands of `clocklab kv` come in with the secret; \
             for HTTP use --data, or say --insecure"
        );
    }
    tracing::info!("its page: http://{address}/");
    Options {
        only_loopback: listen.ip().is_loopback().then(|| address.clone()),
        pages: Some(replica_page()),
        events: run_folder.map(replica_events),
        ..Options::default()
    }
}
