//! Goodbye and drain, in virtual time (protocol.md, section 4).
//!
//! A machine ends when every peer has said goodbye. In runs of up to
//! [`CONTROL_MACHINES_MAX`](super::CONTROL_MACHINES_MAX) machines goodbyes are frames and nothing else; in larger ones
//! only the moments at which they arrive are computed, the node hears of the links' ends at its own end, and the
//! agenda holds what a goodbye changes: a machine that stops too, a machine that ends.

use super::{CONTROL_MACHINES_MAX, Observer, SimError, Simulation, agenda::What, run::Phase};
use crate::{
    node::{DownCause, Input, Node},
    units::{MachineId, MachineSet, Time},
    wire::{Control, Reason},
};

/// A peer whose time is over does not stop a machine whose own end is at most this far away.
const ENDS_TOGETHER_US: u64 = 1_000_000;

/// The goodbyes that a machine has heard, where they are frames.
#[derive(Debug, Default)]
pub(super) struct Heard {
    from: MachineSet,
    /// Heard before its own start, to be taken then.
    held: Vec<(MachineId, Reason, MachineId)>,
}

/// The goodbyes of a large run, as far as they are on their way: by receiver.
#[derive(Debug)]
pub(super) struct Goodbyes(Vec<Sum>);

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u16,
    last: Time,
    /// The earliest goodbye that makes the receiver stop too, and with which machine it began.
    stops: Option<(Time, MachineId)>,
}

impl Goodbyes {
    pub(super) fn new(machines: u16) -> Self {
        let large = machines > CONTROL_MACHINES_MAX;
        Self(vec![
            Sum::default();
            if large { usize::from(machines) } else { 0 }
        ])
    }
}

impl<N: Node> Simulation<N> {
    /// A machine's time is over, if it has not stopped before.
    pub(super) fn time_is_over(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        self.stop(me, Reason::Duration, None, now, observer)
    }

    /// Begins the shutdown in order. Has no effect on a machine that stops already.
    pub(super) fn stop(
        &mut self,
        me: MachineId,
        reason: Reason,
        peer: Option<MachineId>,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let end = self.end_of(me);
        let Some(machine) = self.machine(me) else {
            return Ok(());
        };
        match machine.phase {
            Phase::Barrier => return Err(SimError::StoppedBeforeStart { machine: me, reason }),
            Phase::Rejoining => {
                // It has a log already, which is to have its last words.
                self.rise(me, now, observer)?;
                return self.stop(me, reason, peer, now, observer);
            }
            Phase::Draining | Phase::Done | Phase::Dead => return Ok(()),
            Phase::Running => machine.phase = Phase::Draining,
        }
        let until = end.min(now);
        self.input(me, now, Input::Stop { reason, peer, until });
        self.apply(me, now, observer)?;
        if self.config.faults.is_some() {
            // Nothing follows goodbye: what faults hold back goes before it.
            for peer in me.peers(self.config.machines) {
                self.let_go(me, Some(peer), now)?;
            }
        }
        if let Some(machine) = self.machine(me) {
            machine.goodbye_said = true;
        }
        let origin = peer.unwrap_or(me);
        if self.config.machines <= CONTROL_MACHINES_MAX {
            for peer in me.peers(self.config.machines) {
                self.say(me, peer, now, &Control::Goodbye { reason, origin })?;
            }
            for peer in me.peers(self.config.machines) {
                if self
                    .machine(me)
                    .is_some_and(|machine| machine.heard.from.contains(peer))
                {
                    self.link_down(me, peer, now);
                }
            }
            self.apply(me, now, observer)?;
            self.try_end(me, now, observer)
        } else {
            for peer in me.peers(self.config.machines) {
                self.count_goodbye(me, peer, reason, origin, now);
            }
            self.plan_end(me, now);
            Ok(())
        }
    }

    /// When a machine's time is over.
    pub(super) fn end_of(&self, me: MachineId) -> Time {
        let started = self.barrier.started.get(me.index()).copied().unwrap_or_default();
        Time(started.0.saturating_add(self.config.duration_us))
    }

    fn link_down(&mut self, me: MachineId, peer: MachineId, now: Time) {
        let cause = DownCause::Goodbye;
        self.input(me, now, Input::LinkDown { peer, cause });
    }

    /// A control frame has come in.
    pub(super) fn on_control(
        &mut self,
        from: MachineId,
        me: MachineId,
        control: &Control,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let Control::Goodbye { reason, origin } = *control else {
            panic!("machine {from} said {control:?} to {me} behind the start");
        };
        let Some(machine) = self.machine(me) else {
            return Ok(());
        };
        machine.heard.from.insert(from);
        match machine.phase {
            Phase::Barrier => {
                machine.heard.held.push((from, reason, origin));
                Ok(())
            }
            Phase::Running => self.on_goodbye(me, reason, origin, now, observer),
            Phase::Draining => {
                self.link_down(me, from, now);
                self.apply(me, now, observer)?;
                self.try_end(me, now, observer)
            }
            // Its own end is near, too, and it says so then.
            Phase::Rejoining => Ok(()),
            Phase::Done | Phase::Dead => panic!("a goodbye of {from} reached {me} behind its end"),
        }
    }

    /// What was heard before the start is taken at it.
    pub(super) fn take_held(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let held = self
            .machine(me)
            .map(|machine| std::mem::take(&mut machine.heard.held));
        for (_, reason, origin) in held.unwrap_or_default() {
            self.on_goodbye(me, reason, origin, now, observer)?;
        }
        Ok(())
    }

    /// A goodbye reaches a running machine, which stops too, or comes to its own end soon.
    fn on_goodbye(
        &mut self,
        me: MachineId,
        reason: Reason,
        origin: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        if ends_together(reason, self.end_of(me), now) {
            return Ok(());
        }
        self.stop(me, Reason::PeerStopped, Some(origin), now, observer)
    }

    /// Ends a draining machine that has heard every peer.
    pub(super) fn try_end(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let Some(machine) = self.machines.get(me.index()) else {
            return Ok(());
        };
        let mut peers = me.peers(self.config.machines);
        let has_heard = machine.heard.from.len() == usize::from(self.config.machines) - 1
            || (self.lives.is_some()
                && peers.all(|peer| machine.heard.from.contains(peer) || !self.is_linked(me, peer)));
        match self.machine(me) {
            Some(machine) if machine.phase == Phase::Draining && has_heard => machine.phase = Phase::Done,
            _ => return Ok(()),
        }
        self.input(me, now, Input::End);
        self.apply(me, now, observer)
    }

    /// A large run: when does this goodbye arrive, and what does it change?
    #[inline]
    fn count_goodbye(
        &mut self,
        me: MachineId,
        peer: MachineId,
        reason: Reason,
        origin: MachineId,
        now: Time,
    ) {
        let arrives = self.network.arrival(me, peer, now);
        let Some(started) = self.barrier.started.get(peer.index()).copied() else {
            return;
        };
        let Some(sum) = self.goodbyes.0.get_mut(peer.index()) else {
            return;
        };
        sum.count += 1;
        sum.last = sum.last.max(arrives);
        let taken = arrives.max(started);
        let end = Time(started.0.saturating_add(self.config.duration_us));
        if !ends_together(reason, end, taken) && sum.stops.is_none_or(|(at, _)| taken < at) && taken < end {
            sum.stops = Some((taken, origin));
            self.agenda.insert(taken, What::StopToo(peer));
        }
        self.plan_end(peer, now);
    }

    /// A large run: the goodbye that stops a machine has arrived, unless an earlier one has.
    pub(super) fn stop_too(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        match self.goodbyes.0.get(me.index()).and_then(|sum| sum.stops) {
            Some((at, origin)) if at == now => {
                self.stop(me, Reason::PeerStopped, Some(origin), now, observer)
            }
            _ => Ok(()),
        }
    }

    /// A large run: a machine that drains, and to which every goodbye is on its way, ends with the last of them.
    fn plan_end(&mut self, me: MachineId, now: Time) {
        let peers = self.config.machines - 1;
        let Some(sum) = self.goodbyes.0.get(me.index()).copied() else {
            return;
        };
        if sum.count == peers
            && self
                .machine(me)
                .is_some_and(|machine| machine.phase == Phase::Draining)
        {
            self.agenda.insert(sum.last.max(now), What::End(me));
        }
    }

    /// A large run: every goodbye has arrived.
    pub(super) fn end_at_once(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        for peer in me.peers(self.config.machines) {
            self.link_down(me, peer, now);
        }
        if let Some(machine) = self.machine(me) {
            machine.phase = Phase::Done;
        }
        self.input(me, now, Input::End);
        self.apply(me, now, observer)
    }
}

fn ends_together(reason: Reason, end: Time, now: Time) -> bool {
    reason == Reason::Duration && end.0 <= now.0.saturating_add(ENDS_TOGETHER_US)
}
