//! What travels on links: messages through the gate, frames in pieces, and what comes back from nobody.

use super::{
    OpenError, SEGMENTS_MAX,
    machine::{Came, Phase, What},
    pipe::{End, Side},
    run::Simulation,
};
use crate::{
    faults::HELD_BYTES_MAX,
    node::DownCause,
    service::Service,
    units::{MachineId, Time},
    wire::{Message, encode_frame},
};

/// Which kind of message: one whose fate an event's record tells, or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Event,
    Signal,
}

impl<S: Service> Simulation<S> {
    /// A piece of what `side` has sent arrives.
    pub(super) fn segment(&mut self, number: u32, side: Side, now: Time) -> Result<(), OpenError> {
        self.segments -= 1;
        let Some(connection) = self.connections.get_mut(number as usize) else {
            return Ok(());
        };
        let (me, is_open) = (
            connection.machine(side.other()),
            connection.end(side.other()) != End::Closed,
        );
        let Some(bytes) = connection.arrive(side).filter(|_| is_open) else {
            return Ok(());
        };
        self.came(
            me,
            Came::Bytes {
                connection: number,
                side,
                bytes,
            },
            now,
        )
    }

    /// A message of a service: through the gate, onto the link.
    pub(super) fn send(
        &mut self,
        me: MachineId,
        to: MachineId,
        message: &S::Message,
        sent: Sent,
        now: Time,
    ) -> Result<(), OpenError> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        encode_frame(&mut frame, message.kind(), |body| message.encode(body));
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return Ok(());
        };
        let is_up = machine.links.contains_key(&to) && machine.phase == Phase::Running;
        let mut copies = 1;
        if !is_up {
            copies = 0;
            if sent == Sent::Event && !machine.dropped.contains(&to) {
                machine.dropped.push(to);
            }
        } else if let Some(gate) = &mut machine.gate {
            let fate = match sent {
                Sent::Event => gate.send(to, now, &frame),
                Sent::Signal => gate.signal(to, now, &frame),
            };
            if fate.now != 1 {
                self.totals.mishaps += 1;
            }
            copies = fate.now;
            if gate.held_bytes(to) > HELD_BYTES_MAX {
                return Err(OpenError::Held {
                    from: me,
                    to,
                    at: now,
                });
            }
        }
        for _ in 0..copies {
            self.put_under_way(me, to, &frame, now)?;
        }
        self.frame = frame;
        Ok(())
    }

    /// Gives a frame to the link.
    pub(super) fn put_under_way(
        &mut self,
        me: MachineId,
        to: MachineId,
        frame: &[u8],
        now: Time,
    ) -> Result<(), OpenError> {
        let latency = self.config.latency;
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return Ok(());
        };
        let Some(number) = machine.links.get(&to).copied() else {
            return Ok(());
        };
        machine.sent.0 += 1;
        machine.sent.1 += frame.len() as u64;
        let at = Time(now.0.saturating_add(latency.draw(&mut machine.dice.latency)));
        let Some(connection) = self.connections.get_mut(number as usize) else {
            return Ok(());
        };
        let side = connection.side_of(me);
        if connection.end(side.other()) == End::Closed {
            // Nobody is there any more: that is what comes back, if anything does.
            if !self.is_cut(me, to) {
                let cause = DownCause::Lost;
                let back = self.arrival(to, at);
                self.agenda.insert(
                    back,
                    What::Gone {
                        connection: number,
                        side,
                        cause,
                    },
                );
            }
            return Ok(());
        }
        let (agenda, segments) = (&mut self.agenda, &mut self.segments);
        connection.send(side, frame, now, at, &mut machine.dice.cut, |at| {
            *segments += 1;
            agenda.insert(
                at,
                What::Segment {
                    connection: number,
                    side,
                },
            );
        });
        match self.segments > SEGMENTS_MAX {
            true => Err(OpenError::TooMuch {
                what: "pieces of messages under way",
                most: SEGMENTS_MAX,
                at: now,
            }),
            false => Ok(()),
        }
    }

    /// Gives the link what faults hold back from a peer, before goodbye.
    pub(super) fn flush(&mut self, me: MachineId, peer: MachineId, now: Time) {
        let mut frames: Vec<Vec<u8>> = Vec::new();
        if let Some(gate) = self.machine(me).and_then(|machine| machine.gate.as_mut()) {
            gate.flush(peer, |frame| frames.push(frame.to_vec()));
        }
        for frame in frames {
            // At the limit of what is under way the next message says so.
            let _ = self.put_under_way(me, peer, &frame, now);
        }
    }
}
