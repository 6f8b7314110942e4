//! What goes out on links beside messages, and the writing of it all.

use tracing::debug;

use super::{UNSENT_BYTES_MAX, breaking, event_log::EventLog, link::Link, outcome::MeshError, round::Mesh};
use crate::{
    node::Node,
    units::{MachineId, Time},
    wire::{Control, ErrorCode, Reason, Refusal},
};

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Appends a control frame to a link that is up.
    pub(super) fn say(&mut self, peer: MachineId, control: &Control) {
        if let Some(link) = self.links.get_mut(peer.index())
            && !link.goodbye_sent
        {
            let is_goodbye = matches!(control, Control::Goodbye { .. });
            // Nothing follows goodbye: what faults hold back goes before it.
            if is_goodbye
                && let Some(gate) = &mut self.gate
                && let Some(connection) = link.connection()
            {
                self.frames_sent += breaking::flush(gate, peer, connection.output());
            }
            link.goodbye_sent = is_goodbye && link.is_up();
            link.say(control);
        }
    }

    pub(super) fn say_to_all(&mut self, control: &Control) {
        for peer in self.config.me.peers(self.config.machines()) {
            self.say(peer, control);
        }
    }

    /// Says goodbye on every link: because of `peer`, or of this machine itself.
    pub(super) fn say_goodbye(&mut self, reason: Reason, peer: Option<MachineId>) {
        let origin = peer.unwrap_or(self.config.me);
        self.say_to_all(&Control::Goodbye { reason, origin });
    }

    pub(super) fn is_up(&self, peer: MachineId) -> bool {
        self.links.get(peer.index()).is_some_and(Link::is_up)
    }

    /// The log has failed, and this machine ends for it: the last words on every link. Messages whose events could not
    /// be written, held back by a fault or not, never leave.
    pub(super) fn say_log_failed(&mut self) {
        self.gate = None;
        for link in &mut self.links {
            link.retract();
        }
        self.say_goodbye(Reason::LogFailed, None);
        self.write_links();
    }

    /// Settles the log and writes each link's output once; nothing if the log fails.
    pub(super) fn flush_links(&mut self) {
        let mut links = self.links.iter_mut();
        let has_output = |link: &mut Link| {
            link.connection()
                .is_some_and(|connection| connection.unsent() > 0)
        };
        let must_settle = self.is_unsettled && links.any(has_output);
        let may_go = if must_settle {
            self.settle()
        } else {
            self.log_trouble.is_none()
        };
        if may_go {
            self.write_links();
        }
    }

    /// What fails shows as the end of the stream in the next round.
    fn write_links(&mut self) {
        for link in &mut self.links {
            if let Some(connection) = link.connection()
                && connection.unsent() > 0
                && let Err(error) = connection.flush()
            {
                debug!("a write failed: {error}");
                connection.discard_output();
                connection.set_ready(true, true, false);
            }
        }
    }

    /// Breaks off the links whose peers read too slowly; says whether there were any.
    pub(super) fn drop_overflowing(&mut self, now: Time) -> Result<bool, MeshError> {
        let mut dropped = false;
        for peer in MachineId::all(self.config.machines()) {
            let unsent = self
                .links
                .get_mut(peer.index())
                .and_then(Link::connection)
                .map_or(0, |connection| connection.unsent());
            let held = self.gate.as_ref().map_or(0, |gate| gate.held_bytes(peer));
            let unsent = unsent.max(held);
            if unsent > UNSENT_BYTES_MAX {
                let text = format!(
                    "{unsent} bytes wait to go to machine {peer}, over the {UNSENT_BYTES_MAX} allowed"
                );
                self.break_off(peer, &Refusal::new(ErrorCode::Overflow, text), now)?;
                dropped = true;
            }
        }
        Ok(dropped)
    }

    /// Tells a peer why, and treats its link as lost.
    pub(super) fn break_off(
        &mut self,
        peer: MachineId,
        refusal: &Refusal,
        now: Time,
    ) -> Result<(), MeshError> {
        let may_go = self.settle();
        if let Some(link) = self.links.get_mut(peer.index()) {
            if !may_go {
                link.retract();
            }
            link.say(&refusal.to_control());
        }
        if let Some(connection) = self.links.get_mut(peer.index()).and_then(Link::connection) {
            let flushed = connection.flush();
            debug!("link to machine {peer} broken off, {flushed:?}: {refusal}");
        }
        self.lost(peer, refusal.to_string(), now)
    }
}
