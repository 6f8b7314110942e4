//! How a machine's run ends: in order, or why not; and the handle that asks for it.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use mio::Waker;
use thiserror::Error;

use super::event_log::LogError;
use crate::{
    trace::WallTime,
    units::MachineId,
    wire::{Reason, Refusal, RunId},
};

/// Stops a mesh from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) waker: Arc<Waker>,
    /// The code of the reason asked for; 0 if none was.
    pub(super) asked: Arc<AtomicU8>,
    /// Whether somebody watches the process, and starts it again where a fault says so.
    is_watched: Arc<AtomicBool>,
}

/// How a machine's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The run's id, as agreed.
    pub run: RunId,
    /// When the machine passed the start barrier.
    pub started: WallTime,
    /// Why it stopped.
    pub reason: Reason,
    /// The peer that was the cause, if one was.
    pub peer: Option<MachineId>,
}

/// A peer that a machine waits for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Who.
    pub peer: MachineId,
    /// Where it should be.
    pub address: SocketAddr,
    /// What was last seen of it.
    pub trouble: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "machine {} at {} ({})", self.peer, self.address, self.trouble)
    }
}

/// Why a machine could not run to an orderly end. Its log, if it was begun, is readable.
#[derive(Debug, Error)]
pub enum MeshError {
    /// The port cannot be listened on.
    #[error("machine {me} cannot listen on {address}: {error}; {}", listen_mend(error))]
    Listen {
        /// Who.
        me: MachineId,
        /// Where.
        address: SocketAddr,
        /// The system's words.
        error: io::Error,
    },
    /// Peers were not there in time.
    #[error("after {seconds} s still waiting for {}; start every machine, or give more --connect-timeout",
        missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    ConnectTimeout {
        /// The time-out.
        seconds: f64,
        /// Whom for.
        missing: Vec<Missing>,
    },
    /// A peer refuses us, and would again.
    #[error("machine {peer} at {address} refuses this machine: {refusal}")]
    Refused {
        /// Who refuses.
        peer: MachineId,
        /// Where.
        address: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
    /// A peer went away between its link coming up and the start.
    #[error("machine {peer} was lost before the start: {why}")]
    LostBeforeStart {
        /// Who.
        peer: MachineId,
        /// What was seen.
        why: String,
    },
    /// Stopped before there was anything to log.
    #[error("{} before the start: {reason}; start every machine again",
        peer.map_or_else(|| "stopped".to_owned(), |peer| format!("machine {peer} stopped")))]
    StoppedBeforeStart {
        /// Why.
        reason: Reason,
        /// The peer that was the cause, if one was.
        peer: Option<MachineId>,
    },
    /// The event log cannot be written.
    #[error(transparent)]
    Log(LogError),
    /// The disk failed, while the machine ran or when it was closed.
    #[error("machine {me} has ended, and its disk does not have everything that was written: {why}")]
    Disk {
        /// Who.
        me: MachineId,
        /// The disk's words.
        why: String,
    },
    /// The operating system refuses a part of the loop itself.
    #[error("the event loop failed: {0}")]
    Loop(#[from] io::Error),
}

/// What to do about a port that cannot be listened on.
#[must_use]
pub fn listen_mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "it is no address of this computer: start that machine on its own with `clocklab machine`, or give --bind"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are the system's: give a higher one",
        _ => "end what uses the port, or give another --base-port or hosts file",
    }
}

impl Handle {
    /// Of a loop that this wakes. Nobody watches its process yet.
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self {
            waker,
            asked: Arc::default(),
            is_watched: Arc::default(),
        }
    }

    /// Says that a launcher watches this process, and starts it again where a fault says so. Without one, a machine refuses
    /// to be killed for a while and to be started again: nobody would.
    pub fn watched(&self) {
        self.is_watched.store(true, Ordering::SeqCst);
    }

    /// Whether a launcher watches this process.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::SeqCst)
    }

    /// Asks the machine to stop in order. The first of several reasons counts.
    pub fn stop(&self, reason: Reason) {
        let _ = self
            .asked
            .compare_exchange(0, reason.code(), Ordering::SeqCst, Ordering::SeqCst);
        // It fails only when the loop is gone, and then there is nothing to stop.
        let _ = self.waker.wake();
    }
}
