//! Who a replica is, where, and with whom: what options and environment come to.

use std::net::SocketAddr;

use crate::{
    cli::kv::view,
    service::{Address, Peer},
    units::MachineId,
};

/// Who a replica is, where, and with whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    pub(super) listen: SocketAddr,
    pub(super) id: MachineId,
    pub(super) address: Address,
    pub(super) members: Option<Vec<Peer>>,
    /// What is odd about a view that was given.
    pub(super) left_out: Option<String>,
}

impl Whereabouts {
    /// What a replica that begins without others waits for.
    pub(super) fn alone(&self) -> Option<String> {
        let (id, reached) = (self.id, view::reached(&self.address));
        let mend = match reached == self.address.as_str() {
            true => String::new(),
            false => format!(
                "; HOST is where others reach this computer: {} is no such address, and --advertise {reached} tells it",
                self.address
            ),
        };
        let add =
            format!("`clocklab kv members add {id}={reached} --at HOST:PORT`, the address of a member,");
        match &self.members {
            None => Some(format!(
                "in no view yet: it serves once PUT /view, or {add} makes it a member{mend}"
            )),
            Some(members) if members.len() == 1 => Some(format!(
                "it is the only member of its view: others join it with --view {id}={reached},…; for it to join others give \
                 --view{mend}"
            )),
            Some(_) => None,
        }
    }
}
