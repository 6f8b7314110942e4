//! Injected faults in virtual time: the same gate in front of a machine's links as on real ones.

use std::time::Duration;

use super::{
    Observer, SimError, Simulation,
    agenda::{Place, What},
    run::Phase,
};
use crate::{
    faults::{Change, Gate, HELD_BYTES_MAX, MachineEffect},
    node::{Input, Node},
    units::{MachineId, Time},
};

/// The faults of a machine.
#[derive(Debug)]
pub(super) struct Breaking {
    pub(super) gate: Gate,
    /// The entry on the agenda for the gate's deadline.
    wake: Option<Place>,
}

impl Breaking {
    /// Decides about a message. Returns how many copies go at once.
    ///
    /// # Errors
    /// [`SimError::Held`] if too much is held back from one peer.
    pub(super) fn send(
        &mut self,
        from: MachineId,
        to: MachineId,
        now: Time,
        frame: &[u8],
    ) -> Result<u8, SimError> {
        let fate = self.gate.send(to, now, frame);
        match self.gate.held_bytes(to) > HELD_BYTES_MAX {
            true => Err(SimError::Held { from, to, at: now }),
            false => Ok(fate.now),
        }
    }
}

impl<N: Node> Simulation<N> {
    /// A machine starts, and with it the time of its plan; a further life does when the run is as old as `again`.
    pub(super) fn plan_faults(&mut self, me: MachineId, now: Time, again: Option<Duration>) {
        let Some(plan) = self.config.faults.as_ref() else {
            return;
        };
        let gate = Gate::new(plan, me, self.config.machines, now, again);
        if let Some(machine) = self.machines.get_mut(me.index()) {
            machine.breaking = Some(Box::new(Breaking { gate, wake: None }));
        }
    }

    /// Puts a gate's deadline on the agenda, if it is a new one.
    #[inline]
    pub(super) fn plan_break(&mut self, me: MachineId, now: Time) {
        if self.config.faults.is_none() {
            return;
        }
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        let Some(breaking) = &mut machine.breaking else {
            return;
        };
        let deadline = match machine.phase {
            Phase::Running => breaking.gate.deadline(),
            Phase::Barrier | Phase::Rejoining | Phase::Draining | Phase::Done | Phase::Dead => None,
        };
        let at = deadline.map(|deadline| deadline.max(now));
        if at != breaking.wake.map(|place| place.at) {
            breaking.wake = at.map(|at| self.agenda.insert(at, What::Break(me)));
        }
    }

    /// A gate's deadline has come, if this entry was made for it.
    pub(super) fn break_links(
        &mut self,
        me: MachineId,
        place: Place,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let machine = self.machines.get_mut(me.index());
        let breaking = machine.and_then(|machine| machine.breaking.as_mut());
        let Some(breaking) = breaking.filter(|breaking| breaking.wake == Some(place)) else {
            return Ok(());
        };
        breaking.wake = None;
        self.break_now(me, now, observer)?;
        self.let_go(me, None, now)?;
        self.plan_break(me, now);
        Ok(())
    }

    /// Begins and ends the faults that are due.
    pub(super) fn break_now(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let mut changes = Vec::new();
        let machine = self.machines.get_mut(me.index());
        if let Some(breaking) = machine.and_then(|machine| machine.breaking.as_mut()) {
            breaking.gate.at(now, &mut changes);
        }
        for change in changes {
            if change.kills() {
                // Nothing follows its line.
                self.apply(me, now, observer)?;
            }
            match change {
                Change::Record(record) => observer.record(me, now, &record),
                Change::Unreliable(peer) => self.input(me, now, Input::Unreliable { peer }),
                Change::Order(order) => self.input(me, now, Input::Order(order)),
                Change::Process { effect, lasts } => {
                    self.apply(me, now, observer)?;
                    self.strike(me, effect, lasts, now)?;
                    if effect != MachineEffect::Pause {
                        // Nothing else happens to the dead.
                        return Ok(());
                    }
                }
            }
        }
        self.apply(me, now, observer)
    }

    /// Gives links the frames that are due; all that are held back from a peer, if one is named.
    pub(super) fn let_go(
        &mut self,
        me: MachineId,
        peer: Option<MachineId>,
        now: Time,
    ) -> Result<(), SimError> {
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return Ok(());
        };
        let Some(breaking) = &mut machine.breaking else {
            return Ok(());
        };
        let (network, agenda, sent) = (&mut self.network, &mut self.agenda, &mut machine.sent);
        let lives = self.lives.as_ref();
        let mut gone = Ok(());
        let mut give = |to: MachineId, frame: &[u8]| {
            sent.0 += 1;
            sent.1 += frame.len() as u64;
            if gone.is_ok() && lives.is_none_or(|lives| lives.reaches(me, to)) {
                gone = network.send(me, to, now, frame, agenda);
            }
        };
        match peer {
            Some(peer) => breaking.gate.flush(peer, |frame| give(peer, frame)),
            None => breaking.gate.due(now, give),
        }
        gone
    }
}
