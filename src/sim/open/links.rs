//! Links: who dials whom, how two dials become one link, how one ends, and what travels on it.
//!
//! ```text
//!   dialler                                   accepter
//!      | -- knock ----------------------------> |   no link to that life, and no dial of its own that counts:
//!      |                                        |   LinkUp
//!      | <---------------------------- answer - |
//!      |  LinkUp; or gone, if another came up   |
//! ```
//!
//! Who gets no answer dials again, later each time. An end that is let go tells the other, behind all that was sent, unless
//! a partition is between them: then the other end learns of it when it sends and gets no thanks, or is dialled anew.

use super::{
    CONNECTIONS_MAX, OpenError,
    machine::{Came, Dial, Phase, What},
    pipe::{Connection, End, Side},
    run::Simulation,
};
use crate::{
    node::DownCause,
    service::{Effect, Input, Peer, Service},
    trace::Record,
    units::{MachineId, Time},
};

/// How long the smaller id of a pair waits for the other's dial, in microseconds: it may not know of us.
const PATIENCE_US: u64 = 300_000;

/// Before a dial is tried again: this, doubled each time, in microseconds.
const BACK_OFF_US: u64 = 50_000;

/// How often the time is doubled, at most.
const DOUBLED_MAX: u32 = 5;

impl<S: Service> Simulation<S> {
    /// From now on links are kept to these.
    pub(super) fn peers(&mut self, me: MachineId, peers: Vec<Peer>, now: Time) -> Result<(), OpenError> {
        let machines = self.machines.len();
        if let Some(peer) = peers
            .iter()
            .find(|peer| peer.id == me || peer.id.index() >= machines)
        {
            return Err(OpenError::Contract {
                machine: me,
                at: now,
                what: format!("it wants a link to {peer:?}"),
            });
        }
        let Some(machine) = self.machine(me) else {
            return Ok(());
        };
        machine.peers = peers;
        let wanted = |id: &MachineId| machine.peers.iter().any(|peer| peer.id == *id);
        let dropped: Vec<(MachineId, u32)> = machine
            .links
            .iter()
            .filter(|(id, _)| !wanted(id))
            .map(|(id, connection)| (*id, *connection))
            .collect();
        machine
            .dials
            .retain(|id, _| machine.peers.iter().any(|peer| peer.id == *id));
        let missing: Vec<MachineId> = machine
            .peers
            .iter()
            .map(|peer| peer.id)
            .filter(|id| !machine.links.contains_key(id) && !machine.dials.contains_key(id))
            .collect();
        for (peer, connection) in dropped {
            self.flush(me, peer, now);
            self.end_link(me, peer, connection, DownCause::Goodbye, now);
        }
        for peer in missing {
            self.plan_first_dial(me, peer, now);
        }
        Ok(())
    }

    fn plan_first_dial(&mut self, me: MachineId, peer: MachineId, now: Time) {
        let patience = if me > peer { 0 } else { PATIENCE_US };
        self.plan_dial(me, peer, Time(now.0 + patience), 0, None);
    }

    fn plan_dial(&mut self, me: MachineId, peer: MachineId, at: Time, failures: u32, tried: Option<u32>) {
        self.serials += 1;
        let serial = self.serials;
        if let Some(machine) = self.machine(me) {
            let dial = Dial {
                serial,
                failures,
                tried,
            };
            machine.dials.insert(peer, dial);
            self.agenda.insert(at, What::Dial { me, peer, serial });
        }
    }

    /// Dials, if it is still wanted, and plans the next try.
    pub(super) fn dial(
        &mut self,
        me: MachineId,
        peer: MachineId,
        serial: u64,
        now: Time,
    ) -> Result<(), OpenError> {
        let Some(machine) = self.machine(me) else {
            return Ok(());
        };
        let planned = machine.dials.get(&peer).copied();
        let Some(dial) = planned.filter(|dial| dial.serial == serial) else {
            return Ok(());
        };
        if machine.phase != Phase::Running || machine.links.contains_key(&peer) {
            machine.dials.remove(&peer);
            return Ok(());
        }
        let address = machine.peers.iter().find(|known| known.id == peer);
        let address = address.map(|known| known.address.clone());
        let back_off = BACK_OFF_US << dial.failures.min(DOUBLED_MAX);
        let again = Time(now.0 + back_off + machine.dice.round.below(back_off));
        if machine.is_frozen {
            self.plan_dial(me, peer, again, dial.failures, dial.tried);
            return Ok(());
        }
        let life = machine.incarnation;
        if let Some(tried) = dial.tried {
            self.set_end(tried, Side::Dialler, End::Closed);
        }
        let there = self
            .config
            .machines
            .get(peer.index())
            .is_some_and(|place| Some(&place.address) == address.as_ref());
        let mut tried = None;
        if there && !self.is_cut(me, peer) {
            if self.connections.len() >= CONNECTIONS_MAX {
                return Err(OpenError::TooMuch {
                    what: "connections",
                    most: CONNECTIONS_MAX,
                    at: now,
                });
            }
            let number = u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
            self.connections.push(Connection::new((me, life), (peer, 0), now));
            let at = self.arrival(me, now);
            self.agenda.insert(at, What::Knock(number));
            tried = Some(number);
        }
        self.plan_dial(me, peer, again, dial.failures + 1, tried);
        Ok(())
    }

    /// Whether nothing gets through between two machines, in one direction or the other.
    pub(super) fn is_cut(&self, one: MachineId, other: MachineId) -> bool {
        self.cuts(one, other) || self.cuts(other, one)
    }

    fn cuts(&self, from: MachineId, to: MachineId) -> bool {
        let machine = self.machines.get(from.index());
        let gate = machine.and_then(|machine| machine.gate.as_ref());
        gate.is_some_and(|gate| gate.cuts(to))
    }

    pub(super) fn arrival(&mut self, from: MachineId, now: Time) -> Time {
        let latency = self.config.latency;
        let drawn = self
            .machine(from)
            .map_or(0, |machine| latency.draw(&mut machine.dice.latency));
        Time(now.0.saturating_add(drawn))
    }

    fn set_end(&mut self, connection: u32, side: Side, end: End) {
        if let Some(connection) = self.connections.get_mut(connection as usize) {
            connection.set(side, end);
        }
    }

    /// A dial has arrived.
    pub(super) fn knock(&mut self, number: u32, now: Time) -> Result<(), OpenError> {
        let Some(connection) = self.connections.get(number as usize) else {
            return Ok(());
        };
        let (from, me) = (connection.dialler, connection.accepter);
        match self.is_cut(from, me) {
            true => Ok(()),
            false => self.came(me, Came::Knock(number), now),
        }
    }

    /// A machine judges who dialled it.
    pub(super) fn judge_knock(&mut self, number: u32, me: MachineId, now: Time) -> Result<(), OpenError> {
        let Some(connection) = self.connections.get(number as usize) else {
            return Ok(());
        };
        let (peer, life) = (connection.dialler, connection.life(Side::Dialler));
        let is_given_up = connection.end(Side::Dialler) == End::Closed;
        let Some(machine) = self.machines.get(me.index()) else {
            return Ok(());
        };
        if is_given_up || machine.phase != Phase::Running {
            return Ok(());
        }
        let mine = machine.incarnation;
        if let Some(old) = machine.links.get(&peer).copied() {
            let is_alive = self.connections.get(old as usize).is_some_and(|old| {
                let there = old.side_of(peer);
                old.life(there) == life && old.end(there) != End::Closed
            });
            if is_alive {
                return Ok(());
            }
            self.end_link(me, peer, old, DownCause::Lost, now);
            self.give_downs(me, now);
        } else if me > peer && self.has_dialled(me, peer) {
            // The greater id's connection stays.
            return Ok(());
        }
        if let Some(connection) = self.connections.get_mut(number as usize) {
            connection.meet(mine);
            connection.set(Side::Accepter, End::Up);
        }
        self.link_up(me, peer, number, life, now);
        if !self.is_cut(me, peer) {
            let at = self.arrival(me, now);
            if let Some(connection) = self.connections.get_mut(number as usize) {
                let at = connection.behind(Side::Accepter, at);
                self.agenda.insert(at, What::Answer(number));
            }
        }
        Ok(())
    }

    /// Whether a dial of this machine is on its way to a process that will take it.
    fn has_dialled(&self, me: MachineId, peer: MachineId) -> bool {
        let machine = self.machines.get(me.index());
        let dial = machine.and_then(|machine| machine.dials.get(&peer));
        let tried = dial.and_then(|dial| dial.tried);
        tried
            .and_then(|tried| self.connections.get(tried as usize))
            .is_some_and(|connection| connection.end(Side::Accepter) == End::Up)
    }

    /// The answer to a dial has arrived.
    pub(super) fn answer(&mut self, number: u32, now: Time) -> Result<(), OpenError> {
        let Some(connection) = self.connections.get(number as usize) else {
            return Ok(());
        };
        let me = connection.dialler;
        self.came(me, Came::Answer(number), now)
    }

    /// A machine takes the answer to its dial.
    pub(super) fn judge_answer(&mut self, number: u32, me: MachineId, now: Time) {
        let Some(connection) = self.connections.get(number as usize) else {
            return;
        };
        let (peer, life) = (connection.accepter, connection.life(Side::Accepter));
        let is_waiting = connection.end(Side::Dialler) == End::Waiting;
        let Some(machine) = self.machines.get(me.index()) else {
            return;
        };
        let is_mine = connection.life(Side::Dialler) == machine.incarnation;
        if !is_waiting || !is_mine {
            return;
        }
        let is_wanted = machine.peers.iter().any(|known| known.id == peer);
        if machine.phase != Phase::Running || machine.links.contains_key(&peer) || !is_wanted {
            self.let_go(me, number, DownCause::Lost, now);
            return;
        }
        self.set_end(number, Side::Dialler, End::Up);
        self.link_up(me, peer, number, life, now);
    }

    fn link_up(&mut self, me: MachineId, peer: MachineId, number: u32, incarnation: u32, now: Time) {
        self.totals.links_up += 1;
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        machine.links.insert(peer, number);
        if let Some(dial) = machine.dials.remove(&peer)
            && let Some(tried) = dial.tried.filter(|tried| *tried != number)
        {
            self.let_go(me, tried, DownCause::Lost, now);
        }
        self.effects
            .push(Effect::Record(Record::LinkUp { peer, incarnation }));
        self.input(me, Input::LinkUp { peer, incarnation }, now);
        let gate = self.machine(me).and_then(|machine| machine.gate.as_mut());
        if gate.is_some_and(|gate| gate.link_up(peer)) {
            self.input(me, Input::Unreliable { peer }, now);
        }
    }

    /// Lets an end of a connection go, and lets the other know.
    pub(super) fn let_go(&mut self, me: MachineId, number: u32, cause: DownCause, now: Time) {
        let Some(connection) = self.connections.get_mut(number as usize) else {
            return;
        };
        let (side, was) = (connection.side_of(me), connection.end(connection.side_of(me)));
        let peer = connection.machine(side.other());
        connection.set(side, End::Closed);
        if was != End::Closed && connection.end(side.other()) == End::Up {
            self.tell_gone(me, peer, number, cause, now);
        }
    }

    /// That a connection is no more is on its way to the other end, unless nothing gets there.
    fn tell_gone(&mut self, me: MachineId, peer: MachineId, number: u32, cause: DownCause, now: Time) {
        if self.cuts(me, peer) {
            return;
        }
        let at = self.arrival(me, now);
        if let Some(connection) = self.connections.get_mut(number as usize) {
            let side = connection.side_of(me);
            let at = connection.behind(side, at);
            let side = side.other();
            self.agenda.insert(
                at,
                What::Gone {
                    connection: number,
                    side,
                    cause,
                },
            );
        }
    }

    /// A machine that stops says so behind all that it has sent; what the peer still sends is taken.
    pub(super) fn say_goodbye(&mut self, me: MachineId, number: u32, now: Time) {
        if let Some(connection) = self.connections.get(number as usize) {
            let peer = connection.machine(connection.side_of(me).other());
            self.tell_gone(me, peer, number, DownCause::Goodbye, now);
        }
    }

    /// A link ends at this end, and what faults held back with it. Dials anew if it is wanted.
    pub(super) fn end_link(
        &mut self,
        me: MachineId,
        peer: MachineId,
        number: u32,
        cause: DownCause,
        now: Time,
    ) {
        self.let_go(me, number, cause, now);
        self.totals.links_lost += 1;
        let Some(machine) = self.machine(me) else {
            return;
        };
        machine.links.remove(&peer);
        if let Some(gate) = &mut machine.gate {
            gate.forget(peer);
        }
        let is_wanted = machine.peers.iter().any(|known| known.id == peer);
        if machine.phase == Phase::Running && is_wanted {
            self.plan_first_dial(me, peer, now);
        }
        self.downs.push((peer, cause));
    }

    /// That a connection has ended has arrived.
    pub(super) fn gone(
        &mut self,
        number: u32,
        side: Side,
        cause: DownCause,
        now: Time,
    ) -> Result<(), OpenError> {
        let Some(connection) = self.connections.get(number as usize) else {
            return Ok(());
        };
        let (me, life) = (connection.machine(side), connection.life(side));
        let machine = self.machines.get(me.index());
        if connection.end(side) == End::Closed || machine.is_none_or(|machine| machine.incarnation != life) {
            return Ok(());
        }
        self.came(
            me,
            Came::Gone {
                connection: number,
                side,
                cause,
            },
            now,
        )
    }
}
