//! What the driver needs to know of one machine's place in the mesh.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use crate::{
    faults::Plan,
    trace::WallTime,
    units::MachineId,
    wire::{Hello, RunId, Secret, Standing, Trust},
};

/// What a machine does when a peer goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPeerLoss {
    /// It stops too, in order.
    Stop,
    /// It goes on, and dials a lost peer again until its own end.
    Continue,
}

/// One machine's place in the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who this is: an index into `addresses`.
    pub me: MachineId,
    /// Which life of this machine, from 1.
    pub incarnation: u32,
    /// Where each machine can be dialled, machine 0 first.
    pub addresses: Vec<SocketAddr>,
    /// Where to listen. Port 0 asks the system for a free one, which only a test has a use for.
    pub listen: SocketAddr,
    /// The run's id, and how firmly it is held.
    pub run: RunId,
    /// Given by a person or a launcher, or proposed.
    pub standing: Standing,
    /// How long to look for peers before the start.
    pub connect_timeout: Duration,
    /// What to do when a peer goes away.
    pub on_peer_loss: OnPeerLoss,
    /// When to stop after the start; `None` means never by itself.
    pub duration: Option<Duration>,
    /// What whoever joins or commands has to know; `None` trusts everybody who reaches the port.
    pub secret: Option<Secret>,
    /// What is to be broken, counted from the start of the run, and the seed of what chance decides about it.
    pub faults: Plan,
    /// How old the run is when this machine starts: nothing, unless it was started again.
    pub run_age: Duration,
    /// Of a machine that was started again: what its log ends with, and its own goes on from.
    pub log_end: Option<LogEnd>,
}

/// What the earlier lives of a machine came to, by their log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The last time in it.
    pub at: WallTime,
    /// The last event's tick; 0 if there was none.
    pub tick: u64,
    /// Lamport's clock, jumps included.
    pub clock: u64,
    /// The greatest number of a fault; 0 if there was none.
    pub fault_id_max: u32,
}

impl Config {
    /// How many machines the run has.
    #[must_use]
    pub fn machines(&self) -> u16 {
        u16::try_from(self.addresses.len()).unwrap_or(u16::MAX)
    }

    /// The hello to a peer, or to a controller.
    pub(super) fn hello(&self, system: u8, receiver: MachineId, trust: Trust) -> Hello {
        Hello {
            system,
            machines: self.machines(),
            sender: self.me,
            receiver,
            incarnation: self.incarnation,
            trust,
            standing: self.standing,
            run: self.run.clone(),
        }
    }
}

impl FromStr for OnPeerLoss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stop" => Ok(OnPeerLoss::Stop),
            "continue" => Ok(OnPeerLoss::Continue),
            _ => Err(format!("`{text}` is no reaction: stop or continue")),
        }
    }
}

impl fmt::Display for OnPeerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnPeerLoss::Stop => "stop",
            OnPeerLoss::Continue => "continue",
        })
    }
}
