//! The members of a store as a person or a container's environment names them.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::{
    cli::Usage,
    kv::derived_id,
    service::{Address, Peer},
    units::MachineId,
};

/// Members as `--view` and the environment's VIEW have them: `[ID=]HOST:PORT`, separated by commas. An id that is not
/// given is made from the address.
pub(super) fn parse(text: &str) -> Result<Vec<Peer>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let peers: Vec<Peer> = entries.map(member).collect::<Result<_, _>>()?;
    if peers.is_empty() {
        return Err("a view names at least one member, such as 127.0.0.1:8090".to_owned());
    }
    Ok(peers)
}

fn member(entry: &str) -> Result<Peer, String> {
    let (id, address) = match entry.split_once('=') {
        Some((id, address)) => (Some(id), address),
        None => (None, entry),
    };
    let address: Address = address.parse().map_err(|error| format!("{error}"))?;
    let id = match id {
        None => derived_id(&address),
        Some(id) => MachineId(id.trim().parse().map_err(|_| {
            format!("`{entry}`: `{id}` is no id: write a number from 0 to 64999, such as 0={address}")
        })?),
    };
    Ok(Peer { id, address })
}

/// What is odd about a view that lacks the replica's own address.
pub(super) fn left_out(view: &[Peer], id: MachineId, address: &Address) -> Option<String> {
    let is_there = view.iter().any(|member| member.address == *address);
    (!is_there).then(|| {
        format!(
            "the view does not have this replica's own address {address}: it asks those that it names to take it in as machine \
             {id}; write {id}={address} in the view of each, or give the address that it has there with --advertise"
        )
    })
}

/// Whether an address is reached from this computer alone.
pub(super) fn is_loopback(address: &Address) -> bool {
    let text = address.as_str();
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost",
    }
}

/// Where others reach a replica of this address, in words: one that listens everywhere and was told nothing else does not
/// know its host.
pub(super) fn reached(address: &Address) -> String {
    let place: Result<SocketAddr, _> = address.as_str().parse();
    match place.is_ok_and(|place| place.ip().is_unspecified()) {
        true => format!("HOST:{}", address.port()),
        false => address.to_string(),
    }
}

/// The socket to listen on.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Usage> {
    let found = text.to_socket_addrs().map_err(|error| {
        Usage(format!(
            "--listen {text}: {error}; write HOST:PORT, such as 0.0.0.0:8090"
        ))
    })?;
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|address| !address.is_ipv4());
    found
        .first()
        .copied()
        .ok_or_else(|| Usage(format!("--listen {text} is no address of this computer")))
}
