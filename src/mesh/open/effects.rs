//! What the service wants done, and the writing of it all.

use std::collections::BTreeMap;

use tracing::{debug, info, warn};

use super::{
    clients::Said,
    link::{Dialling, Link},
    round::OpenMesh,
};
use crate::{
    faults::{Fate, Gate},
    mesh::{EventLog, UNSENT_BYTES_MAX, breaking},
    service::{Address, Effect, Input, Peer, Service},
    trace::{Kind, Record},
    units::{MachineId, Time},
    wire::{ErrorCode, Message, Reason, Refusal, encode_frame},
};

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Gives the service an input. Its effects wait for [`apply_effects`](Self::apply_effects).
    pub(super) fn input(&mut self, now: Time, input: Input<S>) {
        self.gave = true;
        self.service.handle(now, input, &mut self.effects);
    }

    /// Does what the service asked for, and what it asks for because of that.
    pub(super) fn apply_effects(&mut self, now: Time) {
        while !self.effects.is_empty() {
            let spare = std::mem::take(&mut self.spare);
            let mut effects = std::mem::replace(&mut self.effects, spare);
            let is_record = |effect: &Effect<S>| matches!(effect, Effect::Record(_));
            let last_record = effects.iter().rposition(is_record);
            for (place, effect) in effects.drain(..).enumerate() {
                let Some(seat) = self.apply(effect, now) else {
                    continue;
                };
                // Nothing leaves before the records of its round, which come with the round's end.
                let may_leave = !self.gave && last_record.is_none_or(|last| last < place);
                if may_leave && self.settle() {
                    self.clients.relieve(seat, now);
                }
            }
            self.spare = effects;
        }
    }

    /// Does what one effect says. Says which client has much to read then.
    #[inline]
    fn apply(&mut self, effect: Effect<S>, now: Time) -> Option<usize> {
        match effect {
            Effect::Reply { ticket, reply, last } => match self.clients.reply(ticket, reply, last, now) {
                Said::Done => {}
                Said::Many(seat) => return Some(seat),
                Said::Desk(reply) => self.counter.keep(ticket, reply, last),
            },
            Effect::Send { to, message } => {
                if !self.send(to, &message, Gate::send, now) {
                    self.dropped.push(to);
                }
            }
            Effect::Signal { to, message } => {
                self.send(to, &message, Gate::signal, now);
            }
            Effect::Record(mut record) => {
                self.annotate(&mut record);
                self.record(now, &mut record);
            }
            Effect::Append { number, rows } => {
                self.append_last = number;
                self.disk.append(number, rows);
            }
            Effect::Peers(peers) => self.want(peers, now),
            Effect::Say(what) => info!("{what}"),
            Effect::Reset { peer } => self.reset_later.push(peer),
            Effect::Refuse { peer, error } => {
                // Of several messages that came together, the first has ended the link.
                if self.links.get(&peer).is_some_and(|link| link.up.is_some()) {
                    self.refused.push((peer, Refusal::malformed(error)));
                }
            }
            Effect::Stop { reason } => self.stop_wanted = self.stop_wanted.or(Some(reason)),
        }
        None
    }

    /// Ends the links that the service wants ended, behind everything that it sent before; and itself, if it wants that.
    pub(super) fn end_links(&mut self, now: Time) {
        for peer in std::mem::take(&mut self.reset_later) {
            self.reset(peer, "it was silent, or too slow, for too long", now);
        }
        for (peer, refusal) in std::mem::take(&mut self.refused) {
            self.break_off(peer, &refusal, now);
        }
        if let Some(reason) = self.stop_wanted.take() {
            self.stop(reason, now);
        }
    }

    /// Gives a link a message, whose fate under faults `decide` says; says whether the link took it.
    fn send(
        &mut self,
        to: MachineId,
        message: &S::Message,
        decide: fn(&mut Gate, MachineId, Time, &[u8]) -> Fate,
        now: Time,
    ) -> bool {
        let Some(output) = self.links.get_mut(&to).and_then(Link::output) else {
            return false;
        };
        let start = output.len();
        encode_frame(output, message.kind(), |body| message.encode(body));
        self.frames_sent += match &mut self.gate {
            None => 1,
            Some(gate) => {
                let fate = decide(gate, to, now, output.get(start..).unwrap_or_default());
                breaking::meet(fate, output, start)
            }
        };
        self.bytes_sent += (output.len() - start) as u64;
        true
    }

    /// Says in the record of a send event what became of its messages.
    fn annotate(&mut self, record: &mut Record) {
        if let Some(gate) = &mut self.gate {
            gate.annotate(record);
        }
        if self.dropped.is_empty() {
            return;
        }
        if let Record::Event(event) = record
            && let Kind::Send { mishaps, .. } = &mut event.kind
        {
            let mishaps = mishaps.get_or_insert_default();
            mishaps.dropped.extend(self.dropped.drain(..));
            mishaps.dropped.sort_unstable();
            mishaps.dropped.dedup();
        }
        self.dropped.clear();
    }

    pub(super) fn record(&mut self, now: Time, record: &mut Record) {
        let at = self.clock.wall(now);
        self.seen.note(record);
        if let Record::Ended(footer) = record {
            footer.ended = at;
            footer.suspended_us = Some(self.clock.suspended_us());
            footer.frames_sent = Some(self.frames_sent);
            footer.bytes_sent = Some(self.bytes_sent);
        }
        self.log.record(at, record);
        self.is_unsettled = true;
    }

    /// Before anything goes: what was recorded has to outlive this process. Says whether it may go.
    #[must_use]
    pub(super) fn settle(&mut self) -> bool {
        if self.is_unsettled {
            self.is_unsettled = false;
            let settled = self.log.settle();
            self.log_trouble = self.log_trouble.take().or(settled.err());
        }
        self.log_trouble.is_none()
    }

    /// Tells the service what the disk has kept, or that it keeps no more.
    pub(super) fn look_at_disk(&mut self, now: Time) {
        let is_woken = std::mem::take(&mut self.is_woken);
        let is_kept = self.append_through >= self.append_last;
        if self.append_failed || (is_kept && !is_woken) {
            return;
        }
        let progress = self.disk.progress();
        if progress.through > self.append_through {
            self.append_through = progress.through;
            let through = progress.through;
            self.input(now, Input::Appended { through });
        }
        if let Some(why) = progress.failed {
            self.append_failed = true;
            self.input(now, Input::AppendFailed { why });
        }
    }

    /// From now on links are kept to these, and to no others.
    fn want(&mut self, peers: Vec<Peer>, now: Time) {
        let me = self.place.me;
        let wanted: BTreeMap<MachineId, Address> = peers
            .into_iter()
            .filter(|peer| peer.id != me)
            .map(|peer| (peer.id, peer.address))
            .collect();
        for (peer, address) in &wanted {
            let link = self.links.entry(*peer).or_insert_with(Link::new);
            if link.wanted.as_ref() == Some(address) {
                continue;
            }
            if let Some((other, _)) = wanted.iter().find(|(other, at)| *other != peer && *at == address) {
                warn!(
                    "machines {other} and {peer} are both to be at {address}, where one is: remove the other"
                );
            }
            link.wanted = Some(address.clone());
            // Whatever is under way leads to the address before; a link that is up is up.
            self.give_up_dial(*peer);
            if let Some(link) = self.links.get_mut(peer)
                && link.up.is_none()
                && !self.stopping.is_on()
            {
                link.look(me, *peer, now);
            }
            if let Some(gate) = &mut self.gate {
                gate.meet(*peer);
            }
        }
        let unwanted: Vec<MachineId> = self
            .links
            .iter()
            .filter(|(peer, link)| !wanted.contains_key(peer) && !link.is_idle())
            .map(|(peer, _)| *peer)
            .collect();
        for peer in unwanted {
            self.give_up_dial(peer);
            if let Some(link) = self.links.get_mut(&peer) {
                link.wanted = None;
                link.dial = Dialling::Idle;
            }
            self.say_goodbye(peer, Reason::PeerStopped, now);
        }
        self.dials_ready = true;
    }

    /// Settles the log and writes each connection's output once; nothing if the log fails.
    pub(super) fn flush_all(&mut self, now: Time) {
        if !self.settle() {
            return;
        }
        for link in self.links.values_mut() {
            if let Some(up) = &mut link.up
                && up.connection.unsent() > 0
                && let Err(error) = up.connection.flush()
            {
                // It shows as the end of the stream in the next round.
                debug!("a write failed: {error}");
                up.connection.discard_output();
                up.connection.set_ready(true, true, false);
            }
        }
        self.clients.flush(now);
        self.counter.tell();
    }

    /// Breaks off the links whose peers read too slowly; says whether there were any.
    pub(super) fn drop_overflowing(&mut self, now: Time) -> bool {
        let held = |peer: MachineId| self.gate.as_ref().map_or(0, |gate| gate.held_bytes(peer));
        let too_slow = self.links.iter().find_map(|(peer, link)| {
            let unsent = link.up.as_ref()?.connection.unsent().max(held(*peer));
            (unsent > UNSENT_BYTES_MAX).then_some((*peer, unsent))
        });
        let Some((peer, unsent)) = too_slow else {
            return false;
        };
        let text =
            format!("{unsent} bytes wait to go to machine {peer}, over the {UNSENT_BYTES_MAX} allowed");
        let refusal = Refusal::new(ErrorCode::Overflow, text);
        self.break_off(peer, &refusal, now);
        true
    }
}
