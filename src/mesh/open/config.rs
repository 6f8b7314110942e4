//! What the driver needs to know of one machine's place in an open mesh.

use std::{
    fmt,
    net::{SocketAddr, TcpStream},
};

use crate::{
    mesh::LogEnd,
    units::MachineId,
    wire::{Hello, NOT_COUNTED, RunId, Secret, Standing, Trust},
};

/// One machine's place in an open mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Who this is: below [`OPEN_IDS`](crate::wire::OPEN_IDS).
    pub me: MachineId,
    /// Which life: greater than that of every life before.
    pub incarnation: u32,
    /// Where to listen, which need not be what others dial. Port 0 asks the system for a free one.
    pub listen: SocketAddr,
    /// The name of the mesh, held by all its machines.
    pub run: RunId,
    /// The run of the event log, which need not have the mesh's name.
    pub log_run: RunId,
    /// What whoever joins, commands or asks by the wire has to know; `None` trusts everybody who reaches the port.
    pub secret: Option<Secret>,
    /// The seed of what chance decides about injected faults.
    pub seed: u64,
    /// What the log ends with that this life goes on from; `None` if it begins one. (The service is told the tick and the
    /// clock where it is made.)
    pub log_end: Option<LogEnd>,
}

impl Place {
    /// The hello to a peer, a controller or a client.
    pub(super) fn hello(&self, system: u8, receiver: MachineId, trust: Trust) -> Hello {
        Hello {
            system,
            machines: NOT_COUNTED,
            sender: self.me,
            receiver,
            incarnation: self.incarnation,
            trust,
            standing: Standing::Given,
            run: self.run.clone(),
        }
    }
}

/// Takes the connections whose first byte is none of a frame: on the loop's thread, so it must not block. Nothing was
/// read of them, and they do not block.
pub struct Handover(pub Box<dyn FnMut(TcpStream, SocketAddr) + Send>);

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover")
    }
}
