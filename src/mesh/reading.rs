//! What comes in on links that are up: messages go to the node, control frames to the phases.

use super::{
    READ_BYTES_MAX, connection::Filled, event_log::EventLog, link::Link, outcome::MeshError, round::Mesh,
};
use crate::{
    node::{Input, Node},
    units::{MachineId, Time},
    wire::{Control, ErrorCode, FieldError, FrameError, Message, Refusal, kind},
};

/// What stopped the flow of messages on a link.
enum Found {
    Control(Control),
    Broken(Refusal),
}

fn unexpected_hello() -> Refusal {
    Refusal::new(ErrorCode::UnexpectedFrame, "a second hello on one connection")
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Reads every link that may have something.
    pub(super) fn read_links(&mut self, now: Time) -> Result<(), MeshError> {
        for peer in MachineId::all(self.config.machines()) {
            if self
                .links
                .get_mut(peer.index())
                .and_then(Link::connection)
                .is_some_and(|connection| connection.is_readable())
            {
                self.read_link(peer, now)?;
                self.apply_effects(now)?;
            }
        }
        Ok(())
    }

    /// Takes what a link has, up to the round's budget.
    fn read_link(&mut self, peer: MachineId, now: Time) -> Result<(), MeshError> {
        let mut bytes_left = READ_BYTES_MAX;
        loop {
            match self.decode_link(peer, now) {
                Some(Found::Control(control)) => {
                    self.on_control(peer, &control, now)?;
                    continue;
                }
                Some(Found::Broken(refusal)) => return self.break_off(peer, &refusal, now),
                None => {}
            }
            let Some(connection) = self.links.get_mut(peer.index()).and_then(Link::connection) else {
                return Ok(());
            };
            if bytes_left == 0 {
                return Ok(());
            }
            match connection.fill() {
                Ok(Filled::Bytes(bytes)) => bytes_left = bytes_left.saturating_sub(bytes),
                Ok(Filled::Blocked) => return Ok(()),
                Ok(Filled::Closed) => return self.lost(peer, "it closed the connection".to_owned(), now),
                Err(error) => return self.lost(peer, error.to_string(), now),
            }
        }
    }

    /// Gives the node every whole message that waits on a link, up to the next frame that is not one.
    fn decode_link(&mut self, peer: MachineId, now: Time) -> Option<Found> {
        let machines = self.config.machines();
        let link = self.links.get_mut(peer.index())?;
        let goodbye = link.goodbye.is_some();
        let connection = link.connection()?;
        loop {
            let frame = match connection.decoder.next_frame() {
                Ok(frame) => frame?,
                Err(error @ (FrameError::Empty | FrameError::TooLong { .. })) => {
                    return Some(Found::Broken(Refusal::new(
                        ErrorCode::FrameTooLong,
                        error.to_string(),
                    )));
                }
            };
            if goodbye {
                let text = format!("a frame of kind {:#04x} came after goodbye", frame.kind);
                return Some(Found::Broken(Refusal::new(ErrorCode::UnexpectedFrame, text)));
            }
            if frame.kind <= kind::CONTROL_LAST {
                return Some(match (frame.kind, Control::decode(frame.kind, frame.body)) {
                    (kind::HELLO, _) => Found::Broken(unexpected_hello()),
                    (_, Ok(Control::Goodbye { origin, .. })) if origin.0 >= machines => {
                        let value = u64::from(origin.0);
                        Found::Broken(Refusal::malformed(FieldError::Value {
                            field: "origin",
                            value,
                        }))
                    }
                    (_, Ok(control)) => Found::Control(control),
                    (_, Err(error)) => Found::Broken(Refusal::malformed(error)),
                });
            }
            match N::Message::decode(frame.kind, frame.body) {
                Ok(message) => {
                    self.node
                        .handle(now, Input::Message { from: peer, message }, &mut self.effects)
                }
                Err(error) => return Some(Found::Broken(Refusal::malformed(error))),
            }
        }
    }
}
