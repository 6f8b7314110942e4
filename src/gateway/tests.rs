//! The gateway on real sockets of loopback, before a small store that answers as a replica does.

mod access;
mod arbitrary;
mod assignment;
mod client;
mod limits;
mod memory;
mod replicas;
mod v1;

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
};

use client::Client;
use memory::{Memory, MemoryDesk};

use super::{Access, Options, Server};

/// A server, and the listener that its connections come from.
struct Site {
    server: Server,
    listener: TcpListener,
    desk: Arc<MemoryDesk>,
}

impl Site {
    fn new() -> Self {
        Self::with(Access::open_to_all(), Options::default())
    }

    fn with(access: Access, options: Options) -> Self {
        let desk = Arc::new(MemoryDesk::start(Memory::new()));
        let server = Server::start(
            Arc::clone(&desk) as Arc<dyn crate::service::Desk<Memory>>,
            access,
            options,
        )
        .expect("a server");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Self {
            server,
            listener,
            desk,
        }
    }

    /// A connection that the server has.
    fn socket(&self) -> TcpStream {
        let address = self.listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).expect("a connection");
        let (taken, _) = self.listener.accept().expect("the other end");
        self.server.take(taken);
        stream
    }

    fn client(&self) -> Client {
        Client::new(self.socket())
    }
}
