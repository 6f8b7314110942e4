//! What comes in on links that are up, and how they end.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tracing::{debug, info, warn};

use super::{link::Dialling, round::OpenMesh};
use crate::{
    mesh::{DRAIN_MS_MAX, EventLog, READ_BYTES_MAX, connection::Filled},
    node::DownCause,
    service::{Input, Service},
    trace::Record,
    units::{MachineId, Time},
    wire::{Control, ErrorCode, FrameError, Message, Reason, Refusal, kind},
};

/// What stopped the flow of messages on a link.
enum Found {
    Control(Control),
    Broken(Refusal),
}

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Reads every link that may have something.
    pub(super) fn read_links(&mut self, now: Time) {
        let is_readable = |link: &super::link::Link| {
            let up = link.up.as_ref();
            up.is_some_and(|up| up.connection.is_readable())
        };
        self.readable.clear();
        let links = self.links.iter().filter(|(_, link)| is_readable(link));
        self.readable.extend(links.map(|(peer, _)| *peer));
        for next in 0..self.readable.len() {
            if let Some(peer) = self.readable.get(next).copied() {
                self.read_link(peer, now);
                self.apply_effects(now);
            }
        }
    }

    /// Takes what a link has, up to the round's budget.
    fn read_link(&mut self, peer: MachineId, now: Time) {
        let mut bytes_left = READ_BYTES_MAX;
        loop {
            match self.decode_link(peer, now) {
                Some(Found::Control(control)) => {
                    self.on_control(peer, &control, now);
                    continue;
                }
                Some(Found::Broken(refusal)) => return self.break_off(peer, &refusal, now),
                None => {}
            }
            let Some(up) = self.links.get_mut(&peer).and_then(|link| link.up.as_mut()) else {
                return;
            };
            if bytes_left == 0 {
                return;
            }
            match up.connection.fill() {
                Ok(Filled::Bytes(bytes)) => {
                    up.heard = now;
                    bytes_left = bytes_left.saturating_sub(bytes);
                }
                Ok(Filled::Blocked) => return,
                Ok(Filled::Closed) => return self.lost(peer, "it closed the connection", now),
                Err(error) => return self.lost(peer, &error.to_string(), now),
            }
        }
    }

    /// Gives the service every whole message that waits on a link, up to the next frame that is not one.
    fn decode_link(&mut self, peer: MachineId, now: Time) -> Option<Found> {
        let up = self.links.get_mut(&peer)?.up.as_mut()?;
        let goodbye = up.goodbye.is_some();
        loop {
            let frame = match up.connection.decoder.next_frame() {
                Ok(frame) => frame?,
                Err(error @ (FrameError::Empty | FrameError::TooLong { .. })) => {
                    let refusal = Refusal::new(ErrorCode::FrameTooLong, error.to_string());
                    return Some(Found::Broken(refusal));
                }
            };
            if goodbye {
                let text = format!("a frame of kind {:#04x} came after goodbye", frame.kind);
                return Some(Found::Broken(Refusal::new(ErrorCode::UnexpectedFrame, text)));
            }
            if frame.kind <= kind::CONTROL_LAST {
                return Some(match (frame.kind, Control::decode(frame.kind, frame.body)) {
                    (kind::HELLO, _) => {
                        let text = "a second hello on one connection";
                        Found::Broken(Refusal::new(ErrorCode::UnexpectedFrame, text))
                    }
                    (_, Ok(control)) => Found::Control(control),
                    (_, Err(error)) => Found::Broken(Refusal::malformed(error)),
                });
            }
            match S::Message::decode(frame.kind, frame.body) {
                Ok(message) => {
                    self.gave = true;
                    let input = Input::Message { from: peer, message };
                    self.service.handle(now, input, &mut self.effects);
                }
                Err(error) => return Some(Found::Broken(Refusal::malformed(error))),
            }
        }
    }

    fn on_control(&mut self, peer: MachineId, control: &Control, now: Time) {
        match control {
            Control::Goodbye { reason, .. } => {
                info!("machine {peer} says goodbye: {reason}");
                if let Some(up) = self.links.get_mut(&peer).and_then(|link| link.up.as_mut()) {
                    up.goodbye = Some(*reason);
                }
                self.say_goodbye(peer, Reason::PeerStopped, now);
                self.tell_down(peer, DownCause::Goodbye, now)
            }
            Control::Error { code, text } => self.lost(peer, &format!("it says {code}: {text}"), now),
            Control::Ready | Control::Proof(_) | Control::Command(_) | Control::Answer { .. } => {
                let text = "ready, proofs, commands and answers have no place on a link of an open mesh";
                self.break_off(peer, &Refusal::new(ErrorCode::UnexpectedFrame, text), now)
            }
        }
    }

    /// Tells the service that a link is up, and the log.
    pub(super) fn tell_up(&mut self, peer: MachineId, now: Time) {
        // What the service wanted before knows nothing of it.
        self.apply_effects(now);
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let incarnation = link.incarnation;
        if let Some(up) = &mut link.up {
            up.told = true;
        }
        info!("the link to machine {peer} is up");
        self.record(now, &mut Record::LinkUp { peer, incarnation });
        self.input(now, Input::LinkUp { peer, incarnation });
        if let Some(gate) = &mut self.gate {
            gate.meet(peer);
            if gate.link_up(peer) {
                self.input(now, Input::Unreliable { peer });
            }
        }
    }

    /// Tells the service that a link is down, once for each time that it was told that it is up.
    pub(super) fn tell_down(&mut self, peer: MachineId, cause: DownCause, now: Time) {
        let up = self.links.get_mut(&peer).and_then(|link| link.up.as_mut());
        if !up.is_some_and(|up| std::mem::take(&mut up.told)) {
            return;
        }
        if cause == DownCause::Lost {
            self.record(now, &mut Record::LinkLost { peer });
        }
        self.input(now, Input::LinkDown { peer, cause });
        if let Some(gate) = &mut self.gate {
            gate.forget(peer);
        }
    }

    /// Says goodbye on a link that is up: nothing more goes out on it. It ends when the peer has said so too, or soon.
    pub(super) fn say_goodbye(&mut self, peer: MachineId, reason: Reason, now: Time) {
        let origin = self.place.me;
        let (gate, frames) = (&mut self.gate, &mut self.frames_sent);
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if let (Some(gate), Some(output)) = (gate, link.output()) {
            // Nothing follows goodbye: what faults hold back goes before it.
            *frames += crate::mesh::breaking::flush(gate, peer, output);
        }
        link.say(&Control::Goodbye { reason, origin });
        if let Some(up) = &mut link.up
            && up.ends.is_none()
        {
            up.ends = Some(now.after(Duration::from_millis(DRAIN_MS_MAX)));
            self.dials_ready = true;
        }
    }

    /// A link on which both sides have said goodbye, or one of them long ago, is closed.
    pub(super) fn end_if_over(&mut self, peer: MachineId, now: Time) {
        let Some(up) = self.links.get(&peer).and_then(|link| link.up.as_ref()) else {
            return;
        };
        let is_said = up.goodbye.is_some() && up.ends.is_some() && up.connection.unsent() == 0;
        if is_said || up.ends.is_some_and(|ends| now >= ends) {
            self.lost(peer, "goodbye was said", now);
        }
    }

    /// A link's connection is over: it ended, or broke the protocol, or another one takes its place. Has no effect where
    /// no link is up.
    pub(super) fn lost(&mut self, peer: MachineId, why: &str, now: Time) {
        self.apply_effects(now);
        let me = self.place.me;
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Some(up) = &link.up else {
            return;
        };
        let said = up.goodbye.is_some();
        self.owners.remove(&up.token);
        let cause = match said {
            true => DownCause::Goodbye,
            false => DownCause::Lost,
        };
        if !said && up.ends.is_none() {
            warn!("machine {peer} is lost: {why}");
        }
        self.tell_down(peer, cause, now);
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        link.up = None;
        why.clone_into(&mut link.trouble);
        match self.stopping.is_on() {
            true => link.dial = Dialling::Idle,
            false if said => link.look_later(now),
            false => link.look(me, peer, now),
        }
        self.dials_ready = true;
    }

    /// Ends a link as lost so that nothing that is unsent arrives later: the kernel sends none of it again.
    pub(super) fn reset(&mut self, peer: MachineId, why: &str, now: Time) {
        if let Some(up) = self.links.get_mut(&peer).and_then(|link| link.up.as_mut()) {
            up.connection.discard_output();
            if let Err(error) = set_socket_linger(up.connection.stream_mut(), Some(Duration::ZERO)) {
                debug!("machine {peer}: {error}");
            }
        }
        self.lost(peer, why, now)
    }

    /// Tells a peer why, and treats its link as lost.
    pub(super) fn break_off(&mut self, peer: MachineId, refusal: &Refusal, now: Time) {
        let may_go = self.settle();
        if let Some(up) = self.links.get_mut(&peer).and_then(|link| link.up.as_mut()) {
            if !may_go {
                up.connection.retract();
            }
            refusal.to_control().encode(up.connection.output());
            let flushed = up.connection.flush();
            debug!("link to machine {peer} broken off, {flushed:?}: {refusal}");
        }
        self.lost(peer, &refusal.to_string(), now)
    }
}
