//! Two machines of the real driver, one a process, with a message of 32 bytes a frame.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use clocklab::{
    faults::Plan,
    mesh::{Config, Mesh, NoLog, OnPeerLoss},
    node::Node,
    units::MachineId,
    wire::{FieldError, Message, Standing},
};

/// The kind of the message, in the range of measurements.
const KIND: u8 = 0xF0;

/// Bytes of the body: with length and kind a frame of 32.
pub const BODY_BYTES: usize = 27;

/// The machine that is dialled: the one that measures.
pub const PARENT: MachineId = MachineId(0);

/// The machine that dials.
pub const CHILD: MachineId = MachineId(1);

/// A clock, and zeros up to 27 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    pub clock: u64,
}

impl Message for Stamped {
    const SYSTEM: u8 = 255;

    #[inline]
    fn kind(&self) -> u8 {
        KIND
    }

    #[inline]
    fn encode(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&body_of(self.clock));
    }

    #[inline]
    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != KIND {
            return Err(FieldError::Kind { kind });
        }
        let clock = clock_in(body).ok_or(FieldError::Truncated { field: "padding" })?;
        Ok(Self { clock })
    }
}

/// The body with this clock: what every program of a measurement sends.
#[inline]
pub fn body_of(clock: u64) -> [u8; BODY_BYTES] {
    let mut body = [0; BODY_BYTES];
    body[..8].copy_from_slice(&clock.to_be_bytes());
    body
}

/// The clock in a body, if it has the right length.
#[inline]
pub fn clock_in(body: &[u8]) -> Option<u64> {
    let body: &[u8; BODY_BYTES] = body.try_into().ok()?;
    body.first_chunk().map(|clock| u64::from_be_bytes(*clock))
}

/// The parent's machine, and the port that the child has to dial.
pub fn parent<N: Node>(node: N) -> (Mesh<N, NoLog>, u16) {
    let mesh = Mesh::new(config(PARENT, 0), node, NoLog).expect("a port on loopback");
    let port = mesh.local_address().expect("a port").port();
    (mesh, port)
}

/// The child's machine.
pub fn child<N: Node>(node: N, parent_port: u16) -> Mesh<N, NoLog> {
    Mesh::new(config(CHILD, parent_port), node, NoLog).expect("a port on loopback")
}

fn config(me: MachineId, parent_port: u16) -> Config {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Config {
        me,
        incarnation: 1,
        addresses: vec![loopback(parent_port), loopback(0)],
        listen: loopback(0),
        run: "bench".parse().expect("a run id"),
        standing: Standing::Given,
        connect_timeout: Duration::from_secs(10),
        on_peer_loss: OnPeerLoss::Stop,
        duration: None,
        faults: Plan::default(),
        log_end: None,
        run_age: Duration::ZERO,
        secret: None,
    }
}
