//! One link: the state of the single connection to one peer.
//!
//! ```text
//!                    back-off is over          connected, hello sent        hello (and proof) acceptable
//!   we dial:  Pausing ----------------> Dialling ------------------------------------------> Up --> Ended
//!                ^                         |                                                  |  goodbye
//!                +------ failed -----------+--------------------- lost -----------------------+
//!
//!   we are dialled:  Waiting -------- a stranger's hello (and proof) is acceptable --------> Up --> Ended
//! ```

use std::time::Duration;

use mio::{Token, net::TcpStream};

use super::{BACK_OFF_MIN, connection::Connection};
use crate::{
    units::{MachineId, Time},
    wire::{Control, Hello, Reason, RunId, Standing},
};

/// The link to one peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    /// The run id that the peer brought.
    pub(super) run: Option<(Standing, RunId)>,
    /// Which life of the peer the link is, or was last, to.
    pub(super) incarnation: u32,
    /// The peer's links are all up.
    pub(super) ready: bool,
    /// The peer said goodbye: it sends nothing more.
    pub(super) goodbye: Option<Reason>,
    /// We said goodbye: we send nothing more.
    pub(super) goodbye_sent: bool,
    /// The node was told that the link is up, and not yet that it is down.
    pub(super) told_up: bool,
    /// Why the last attempt failed, for the person who waits.
    pub(super) trouble: String,
    /// Bytes of messages that were given to the link's former connections.
    past_bytes: u64,
    /// Bytes that were given to the present one and are no messages: the handshake and control frames.
    control_bytes: u64,
}

#[derive(Debug)]
pub(super) enum State {
    /// The peer has the greater id and dials us.
    Waiting,
    /// The next dial is at `until`.
    Pausing { until: Time, pause: Duration },
    /// A connection is under way, or waits for the answer to our hello, or for the proof behind it.
    Dialling { dial: Box<Dial>, pause: Duration },
    /// Frames flow.
    Up {
        token: Token,
        connection: Box<Connection<TcpStream>>,
    },
    /// Not looked for any more: goodbye was said, or the peer refused us for good. One that dials again by itself is
    /// welcome.
    Ended,
}

/// A connection that we dialled and that is not a link yet.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) token: Token,
    pub(super) connection: Connection<TcpStream>,
    /// When to give this attempt up.
    pub(super) until: Time,
    /// Our hello: one for each dial, since its nonce is.
    pub(super) mine: Hello,
    pub(super) hello_sent: bool,
    /// The answer to it, while its proof is awaited.
    pub(super) theirs: Option<Hello>,
}

impl Link {
    /// The link from `me` to `peer` before anything was tried.
    pub(super) fn new(me: MachineId, peer: MachineId) -> Self {
        let mut link = Self {
            state: State::Ended,
            run: None,
            incarnation: 1,
            ready: false,
            goodbye: None,
            goodbye_sent: false,
            told_up: false,
            trouble: String::new(),
            past_bytes: 0,
            control_bytes: 0,
        };
        link.begin(me, peer, Time(0));
        link
    }

    /// Looks for the peer again: dials it, or waits to be dialled.
    pub(super) fn begin(&mut self, me: MachineId, peer: MachineId, now: Time) {
        self.past_bytes = self.message_bytes();
        self.ready = false;
        self.goodbye = None;
        self.goodbye_sent = false;
        self.state = match peer {
            _ if peer == me => State::Ended,
            _ if peer < me => State::Pausing {
                until: now,
                pause: BACK_OFF_MIN,
            },
            _ => State::Waiting,
        };
        "not heard of yet".clone_into(&mut self.trouble);
    }

    /// The handshake is done: frames flow.
    pub(super) fn raise(&mut self, token: Token, mut connection: Connection<TcpStream>) {
        connection.keep();
        self.control_bytes = connection.appended();
        self.state = State::Up {
            token,
            connection: Box::new(connection),
        };
    }

    /// Appends a control frame, if the link is up.
    pub(super) fn say(&mut self, control: &Control) {
        if let State::Up { connection, .. } = &mut self.state {
            let before = connection.appended();
            control.encode(connection.output());
            self.control_bytes += connection.appended() - before;
        }
    }

    /// Takes back what was said since the last flush; of the handshake nothing.
    pub(super) fn retract(&mut self) {
        if self
            .connection()
            .is_some_and(|connection| connection.retract() > 0)
        {
            // Nothing follows goodbye: if it was said, it is among what was taken back.
            self.goodbye_sent = false;
        }
    }

    /// Bytes of messages that were ever given to this link, headers included. Counted by difference, so that a message
    /// costs nothing.
    pub(super) fn message_bytes(&self) -> u64 {
        let present = match &self.state {
            State::Up { connection, .. } => connection.appended() - self.control_bytes,
            State::Waiting | State::Pausing { .. } | State::Dialling { .. } | State::Ended => 0,
        };
        self.past_bytes + present
    }

    /// The connection, if the link is up.
    pub(super) fn connection(&mut self) -> Option<&mut Connection<TcpStream>> {
        match &mut self.state {
            State::Up { connection, .. } => Some(connection),
            State::Waiting | State::Pausing { .. } | State::Dialling { .. } | State::Ended => None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }
}
