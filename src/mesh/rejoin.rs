//! Lives of machines: a machine that is started again in a run that goes on, and peers that were (protocol.md, sections
//! 2 and 4).
//!
//! It does not wait for a start barrier, which the run has passed: it starts as soon as every link is up and every peer
//! ready, or after a grace with those that are, so that two that were killed do not wait for each other. Whoever comes
//! later just comes up.

use std::time::Duration;

use super::{event_log::EventLog, outcome::MeshError, phases::Phase, round::Mesh};
use crate::{
    node::Node,
    units::{MachineId, Time},
    wire::{ErrorCode, Hello, Refusal},
};

/// How long a machine that was started again waits for the links to all its peers.
pub(super) const REJOIN_GRACE: Duration = Duration::from_secs(2);

/// Whether a peer that says hello may have the link, whose last life known is `known`.
pub(super) fn judge_life(known: u32, is_up: bool, hello: &Hello) -> Result<(), Refusal> {
    let (machine, life) = (hello.sender, hello.incarnation);
    if life < known {
        let text = format!(
            "life {known} of machine {machine} was here already, and yours is {life}: start it again with --rejoin"
        );
        return Err(Refusal::new(ErrorCode::StaleIncarnation, text));
    }
    if life == known && is_up {
        let text = format!("machine {machine} is here already");
        return Err(Refusal::new(ErrorCode::DuplicateMachine, text));
    }
    Ok(())
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Whether this machine was started again, and has not started yet.
    pub(super) fn is_rejoining(&self) -> bool {
        self.phase == Phase::Connecting && self.config.incarnation > 1
    }

    /// At the start: what faults would do to links that are not up yet is not theirs.
    pub(super) fn leave_the_missing(&mut self) {
        if self.config.incarnation > 1 {
            for peer in self.config.me.peers(self.config.machines()) {
                if !self.is_up(peer) {
                    self.faults_leave(peer);
                }
            }
        }
    }

    /// A further life of a peer is at the door while the link to the one before still looks up: that one is lost.
    pub(super) fn make_way(&mut self, peer: MachineId, now: Time) -> Result<(), MeshError> {
        if !self.is_up(peer) {
            return Ok(());
        }
        self.lost(peer, "it was started again".to_owned(), now)
    }
}
