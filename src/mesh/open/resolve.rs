//! Names of hosts: looked up by threads of their own, since a resolver may take its time.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use mio::Waker;

use super::RESOLVERS_MAX;
use crate::{service::Address, units::MachineId};

/// What became of a name.
pub(super) struct Resolved {
    pub(super) peer: MachineId,
    pub(super) address: Address,
    pub(super) places: io::Result<Vec<SocketAddr>>,
}

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    waker: Arc<Waker>,
    found: Arc<Mutex<Vec<Resolved>>>,
    /// Names that threads are busy with.
    busy: usize,
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of machine {}: {:?}", self.address, self.peer, self.places)
    }
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self {
            waker,
            found: Arc::default(),
            busy: 0,
        }
    }

    /// Begins to look a name up; [`take`](Self::take) has what comes of it.
    ///
    /// # Errors
    /// If as many threads as there may be are busy already, or the system gives none.
    pub(super) fn begin(&mut self, peer: MachineId, address: &Address) -> io::Result<()> {
        if self.busy >= RESOLVERS_MAX {
            let text = format!("{RESOLVERS_MAX} other names are being looked up");
            return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
        }
        let (waker, found, address) = (Arc::clone(&self.waker), Arc::clone(&self.found), address.clone());
        thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || {
                let places = address.as_str().to_socket_addrs().map(Iterator::collect);
                let resolved = Resolved {
                    peer,
                    address,
                    places,
                };
                found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(resolved);
                // It fails only when the loop is gone, and then nobody wants the answer.
                let _ = waker.wake();
            })?;
        self.busy += 1;
        Ok(())
    }

    /// What has been found since the last call.
    pub(super) fn take(&mut self) -> Vec<Resolved> {
        if self.busy == 0 {
            return Vec::new();
        }
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        self.busy -= found.len();
        found
    }
}
