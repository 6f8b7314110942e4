//! The link to one peer of an open mesh, and the dial to it.
//!
//! ```text
//!             wanted, no link        name found        connected, hello sent      hello (and proof) acceptable
//!   Idle ---------------> Pausing ------> Resolving ------> UnderWay ---------------------------------> up
//!    ^                      ^                |                 |                                        |
//!    |                      +---- failed ----+-----------------+                                        |
//!    +---------------------------------- lost, reset, goodbye (then Pausing if still wanted) -----------+
//!
//!   A stranger whose hello (and proof) is acceptable brings it up as well; a dial under way is then given up.
//! ```

use std::time::Duration;

use mio::{Token, net::TcpStream};

use super::{AGAIN_MS, SMALLER_DIALS_AFTER_MS};
use crate::{
    mesh::{BACK_OFF_MIN, connection::Connection, link::Dial},
    service::Address,
    units::{MachineId, Time},
    wire::{Control, Reason},
};

/// The link to one peer.
#[derive(Debug)]
pub(super) struct Link {
    /// Where to dial it; `None` if the service wants no link to it.
    pub(super) wanted: Option<Address>,
    pub(super) up: Option<Up>,
    pub(super) dial: Dialling,
    /// The last life known; 0 before any. Kept when the link is gone: nobody hears of an earlier life again.
    pub(super) incarnation: u32,
    /// How many dials there were: which of a name's addresses is next.
    pub(super) dials: usize,
    /// Why the last dial failed.
    pub(super) trouble: String,
}

/// A connection that is the link.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) token: Token,
    pub(super) connection: Connection<TcpStream>,
    /// When something came in last.
    pub(super) heard: Time,
    /// The peer said goodbye: it sends nothing more.
    pub(super) goodbye: Option<Reason>,
    /// We said goodbye: we send nothing more, and the connection ends at this time at the latest.
    pub(super) ends: Option<Time>,
    /// The service was told that it is up, and not yet that it is down.
    pub(super) told: bool,
}

/// How the dial to a peer stands.
#[derive(Debug)]
pub(super) enum Dialling {
    /// None is needed.
    Idle,
    /// The next one is at `until`.
    Pausing { until: Time, pause: Duration },
    /// Its name is being looked up.
    Resolving { pause: Duration },
    /// A connection is under way, or waits for the answer to our hello, or for the proof behind it.
    UnderWay {
        dial: Box<Dial>,
        pause: Duration,
        /// When a connect that has not succeeded is given up.
        connected_by: Time,
    },
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            wanted: None,
            up: None,
            dial: Dialling::Idle,
            incarnation: 0,
            dials: 0,
            trouble: String::new(),
        }
    }

    /// Plans the first dial to a peer that is wanted and has no link: at once if we have the greater id, else only if
    /// the peer does not.
    pub(super) fn look(&mut self, me: MachineId, peer: MachineId, now: Time) {
        let wait = match me > peer {
            true => Duration::ZERO,
            false => Duration::from_millis(SMALLER_DIALS_AFTER_MS),
        };
        self.look_after(wait, now);
    }

    /// Plans a dial after an end that will come again at once.
    pub(super) fn look_later(&mut self, now: Time) {
        self.look_after(Duration::from_millis(AGAIN_MS), now);
    }

    fn look_after(&mut self, wait: Duration, now: Time) {
        self.dial = match self.wanted {
            Some(_) => Dialling::Pausing {
                until: now.after(wait),
                pause: BACK_OFF_MIN,
            },
            None => Dialling::Idle,
        };
    }

    /// When the dial has something to do next.
    pub(super) fn deadline(&self) -> Option<Time> {
        let ends = self.up.as_ref().and_then(|up| up.ends);
        let dial = match &self.dial {
            Dialling::Idle | Dialling::Resolving { .. } => None,
            Dialling::Pausing { until, .. } => Some(*until),
            Dialling::UnderWay {
                dial, connected_by, ..
            } if !dial.hello_sent => Some(*connected_by),
            Dialling::UnderWay { dial, .. } => Some(dial.until),
        };
        ends.into_iter().chain(dial).min()
    }

    /// Whether our hello is on its way to the peer.
    pub(super) fn has_said_hello(&self) -> bool {
        matches!(&self.dial, Dialling::UnderWay { dial, .. } if dial.hello_sent)
    }

    /// Whether the service believes that it is up.
    pub(super) fn is_told(&self) -> bool {
        self.up.as_ref().is_some_and(|up| up.told)
    }

    /// Where messages go, if the link is up and goodbye is not said.
    #[inline]
    pub(super) fn output(&mut self) -> Option<&mut Vec<u8>> {
        let up = self.up.as_mut()?;
        up.ends.is_none().then(|| up.connection.output())
    }

    /// Appends a control frame, if the link is up and goodbye is not said.
    pub(super) fn say(&mut self, control: &Control) {
        if let Some(output) = self.output() {
            control.encode(output);
        }
    }

    /// Whether nothing keeps the entry but the memory of a life.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_none() && self.up.is_none() && matches!(self.dial, Dialling::Idle)
    }
}
