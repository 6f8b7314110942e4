//! Processes that die, come back and stand still, in virtual time (protocol.md, sections 2 to 4).
//!
//! ```text
//!   kill:    what is under way to the machine is lost; what it sent arrives, then its peers see the link lost
//!   restart: hello, with the next incarnation, to every peer that lives -> link up there, hello back -> link up here;
//!            it starts when all links are up, or after a grace with those that are
//!   pause:   whatever comes is kept in its order, and taken at the moment at which the machine wakes
//! ```
//!
//! Between the death of a machine and the moment at which a peer knows of it, what that peer sends goes nowhere: nothing
//! that was sent to one life ever reaches a further one. Runs whose plan leaves processes alone have none of this.

use std::{collections::VecDeque, fmt, time::Duration};

use super::{
    Observer, SimError, Simulation,
    agenda::{Place, What},
    parting::Heard,
    run::Phase,
};
use crate::{
    faults::MachineEffect,
    node::{DownCause, Input, Node},
    units::{MachineId, Time},
    wire::{Hello, Message, Standing, Trust},
};

/// How long a machine that was started again waits for the links to all its peers: as on real ones.
const REJOIN_GRACE: Duration = Duration::from_secs(2);

/// Makes the node of a further life, from what its log says.
pub(super) struct Revive<N>(pub(super) Box<dyn FnMut(MachineId) -> N>);

/// The lives of all machines of a run.
#[derive(Debug)]
pub(super) struct Lives<N> {
    revive: Revive<N>,
    machines: Vec<One>,
    /// By machine, then peer.
    links: Vec<Vec<Link>>,
}

/// One machine.
#[derive(Debug)]
struct One {
    /// Which life, from 1.
    life: u32,
    is_alive: bool,
    /// While it stands still: what has come meanwhile.
    kept: Option<VecDeque<(Place, What)>>,
    /// Hellos that came before its start, to be taken then.
    hellos: Vec<(MachineId, u32)>,
}

/// What a machine knows of a peer.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Which life of the peer its link leads to, or led to last.
    life: u32,
    is_up: bool,
    /// To which life it has said hello.
    greeted: u32,
}

impl<N> fmt::Debug for Revive<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revive")
    }
}

impl<N> Lives<N> {
    pub(super) fn new(machines: u16, revive: Revive<N>) -> Self {
        let link = Link {
            life: 1,
            is_up: true,
            greeted: 1,
        };
        let one = |_| One {
            life: 1,
            is_alive: true,
            kept: None,
            hellos: Vec::new(),
        };
        Self {
            revive,
            machines: (0..machines).map(one).collect(),
            links: vec![vec![link; usize::from(machines)]; usize::from(machines)],
        }
    }

    fn life(&self, machine: MachineId) -> u32 {
        self.machines.get(machine.index()).map_or(0, |one| one.life)
    }

    fn is_alive(&self, machine: MachineId) -> bool {
        self.machines.get(machine.index()).is_some_and(|one| one.is_alive)
    }

    fn link(&mut self, me: MachineId, peer: MachineId) -> Option<&mut Link> {
        self.links.get_mut(me.index())?.get_mut(peer.index())
    }

    fn is_up(&self, me: MachineId, peer: MachineId) -> bool {
        let link = self
            .links
            .get(me.index())
            .and_then(|links| links.get(peer.index()));
        link.is_some_and(|link| link.is_up)
    }

    /// Whether what `from` sends reaches `to`: its link leads to the life that is there.
    pub(super) fn reaches(&self, from: MachineId, to: MachineId) -> bool {
        let link = self
            .links
            .get(from.index())
            .and_then(|links| links.get(to.index()));
        self.is_alive(to) && link.is_some_and(|link| link.is_up && link.life == self.life(to))
    }

    /// Keeps what comes to a machine that stands still. Returns whether it does.
    pub(super) fn keep(&mut self, me: MachineId, place: Place, what: What) -> bool {
        let one = self.machines.get_mut(me.index());
        match one.and_then(|one| one.kept.as_mut()) {
            Some(kept) => {
                kept.push_back((place, what));
                true
            }
            None => false,
        }
    }
}

impl<N: Node> Simulation<N> {
    /// Whether what `from` sends gets as far as `to`.
    #[inline]
    pub(super) fn reaches(&self, from: MachineId, to: MachineId) -> bool {
        self.lives.as_ref().is_none_or(|lives| lives.reaches(from, to))
    }

    /// Whether a machine hears of a peer's end by goodbye, or has heard of it otherwise.
    pub(super) fn is_linked(&self, me: MachineId, peer: MachineId) -> bool {
        self.lives.as_ref().is_none_or(|lives| lives.is_up(me, peer))
    }

    /// A fault of a process.
    pub(super) fn strike(
        &mut self,
        me: MachineId,
        effect: MachineEffect,
        lasts: Option<Duration>,
        now: Time,
    ) -> Result<(), SimError> {
        match effect {
            MachineEffect::Kill => self.kill(me, lasts.map(|lasts| now.after(lasts)), now),
            MachineEffect::Restart => self.kill(me, Some(now), now),
            MachineEffect::Pause => {
                let until = now.after(lasts.unwrap_or_default());
                let lives = self.lives.as_mut().ok_or(SimError::ProcessFaults)?;
                if let Some(one) = lives.machines.get_mut(me.index()) {
                    one.kept = Some(VecDeque::new());
                }
                self.agenda.insert(until, What::Thaw(me));
                Ok(())
            }
            // Orders to the node.
            MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => Ok(()),
        }
    }

    fn kill(&mut self, me: MachineId, rises: Option<Time>, now: Time) -> Result<(), SimError> {
        let lives = self.lives.as_mut().ok_or(SimError::ProcessFaults)?;
        let Some(one) = lives.machines.get_mut(me.index()) else {
            return Ok(());
        };
        one.is_alive = false;
        one.hellos.clear();
        let life = one.life;
        self.effects.clear();
        if let Some(machine) = self.machines.get_mut(me.index()) {
            machine.die();
        }
        self.network.lose_all_to(me);
        for peer in me.peers(self.config.machines) {
            // Behind everything that it sent.
            let at = self.network.arrival(me, peer, now);
            self.agenda.insert(
                at,
                What::Lost {
                    me: peer,
                    peer: me,
                    life,
                },
            );
        }
        if let Some(rises) = rises {
            self.agenda.insert(rises, What::Revive(me));
        }
        Ok(())
    }

    /// A peer of `me` has died, and its last words have arrived.
    pub(super) fn peer_lost(
        &mut self,
        me: MachineId,
        peer: MachineId,
        life: u32,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let Some(lives) = &mut self.lives else {
            return Ok(());
        };
        if !lives.is_alive(me) {
            return Ok(());
        }
        let Some(machine) = self.machines.get(me.index()) else {
            return Ok(());
        };
        if machine.phase == Phase::Barrier {
            // Nothing can be logged before the start: it is heard of then.
            let at = self.barrier.started.get(me.index()).copied();
            let at = at.unwrap_or_default().max(now);
            self.agenda.insert(at, What::Lost { me, peer, life });
            return Ok(());
        }
        match lives.link(me, peer) {
            Some(link) if link.is_up && link.life == life => link.is_up = false,
            _ => return Ok(()),
        }
        self.link_lost(me, peer, now);
        self.apply(me, now, observer)?;
        self.try_end(me, now, observer)
    }

    fn link_lost(&mut self, me: MachineId, peer: MachineId, now: Time) {
        if let Some(breaking) = self.machine(me).and_then(|machine| machine.breaking.as_mut()) {
            breaking.gate.forget(peer);
        }
        let cause = DownCause::Lost;
        self.input(me, now, Input::LinkDown { peer, cause });
    }

    /// A machine's process is started again, unless its run is over.
    pub(super) fn revive(&mut self, me: MachineId, now: Time) -> Result<(), SimError> {
        if now >= self.end_of(me) {
            return Ok(());
        }
        let machines = self.config.machines;
        let Some(lives) = &mut self.lives else {
            return Ok(());
        };
        let node = (lives.revive.0)(me);
        let alive: Vec<(MachineId, u32)> = me
            .peers(machines)
            .filter(|peer| lives.is_alive(*peer))
            .map(|peer| (peer, lives.life(peer)))
            .collect();
        let Some(one) = lives.machines.get_mut(me.index()) else {
            return Ok(());
        };
        (one.is_alive, one.life) = (true, one.life.saturating_add(1));
        let life = one.life;
        if let Some(links) = lives.links.get_mut(me.index()) {
            links.fill(Link {
                life: 0,
                is_up: false,
                greeted: 0,
            });
        }
        if let Some(machine) = self.machines.get_mut(me.index()) {
            machine.begin_again(node, Heard::default());
        }
        for (peer, life) in alive {
            self.greet(me, peer, life, now)?;
        }
        self.agenda
            .insert(now.after(REJOIN_GRACE), What::Rise { me, life });
        Ok(())
    }

    /// Says hello to the life of a peer that is there.
    fn greet(&mut self, me: MachineId, peer: MachineId, life: u32, now: Time) -> Result<(), SimError> {
        let Some(lives) = &mut self.lives else {
            return Ok(());
        };
        let incarnation = lives.life(me);
        match lives.link(me, peer) {
            Some(link) if link.greeted != life => link.greeted = life,
            _ => return Ok(()),
        }
        let hello = Hello {
            system: N::Message::SYSTEM,
            machines: self.config.machines,
            sender: me,
            receiver: peer,
            incarnation,
            trust: Trust::Open,
            standing: Standing::Given,
            run: self.config.run.clone(),
        };
        self.frame.clear();
        hello.encode(&mut self.frame);
        self.network.send(me, peer, now, &self.frame, &mut self.agenda)
    }

    /// A hello has come in, of a peer that was started again, or in answer to one of ours.
    pub(super) fn on_hello(
        &mut self,
        me: MachineId,
        hello: &Hello,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let (peer, life) = (hello.sender, hello.incarnation);
        let phase = self.machines.get(me.index()).map(|machine| machine.phase);
        let Some(lives) = &mut self.lives else {
            return Ok(());
        };
        match phase {
            Some(Phase::Running | Phase::Rejoining) => {}
            Some(Phase::Barrier) => {
                if let Some(one) = lives.machines.get_mut(me.index()) {
                    one.hellos.push((peer, life));
                }
                return Ok(());
            }
            Some(Phase::Draining | Phase::Done) => {
                // Error busy, and the end of the connection, should the peer have taken it for a link.
                let mine = lives.life(me);
                let at = self.network.arrival(me, peer, now);
                let lost = What::Lost {
                    me: peer,
                    peer: me,
                    life: mine,
                };
                self.agenda.insert(at, lost);
                return Ok(());
            }
            Some(Phase::Dead) | None => return Ok(()),
        }
        self.link_to(me, peer, life, now)?;
        self.apply(me, now, observer)?;
        self.try_rise(me, now, observer)
    }

    /// The hellos that came before the start.
    pub(super) fn take_hellos(&mut self, me: MachineId, now: Time) -> Result<(), SimError> {
        let one = self
            .lives
            .as_mut()
            .and_then(|lives| lives.machines.get_mut(me.index()));
        let hellos = one.map(|one| std::mem::take(&mut one.hellos)).unwrap_or_default();
        for (peer, life) in hellos {
            self.link_to(me, peer, life, now)?;
        }
        Ok(())
    }

    /// The link to this life of a peer is up; the one to a life before is lost with that.
    fn link_to(&mut self, me: MachineId, peer: MachineId, life: u32, now: Time) -> Result<(), SimError> {
        let known = self
            .lives
            .as_mut()
            .and_then(|lives| lives.link(me, peer).copied());
        let Some(known) = known.filter(|known| !known.is_up || known.life < life) else {
            return Ok(());
        };
        assert!(
            known.life <= life,
            "{me} was linked to life {} of {peer}, which says hello as {life}",
            known.life
        );
        if known.is_up {
            self.link_lost(me, peer, now);
        }
        if let Some(link) = self.lives.as_mut().and_then(|lives| lives.link(me, peer)) {
            (link.life, link.is_up) = (life, true);
        }
        let incarnation = life;
        self.input(me, now, Input::LinkUp { peer, incarnation });
        let breaking = self.machine(me).and_then(|machine| machine.breaking.as_mut());
        if breaking.is_some_and(|breaking| breaking.gate.link_up(peer)) {
            self.input(me, now, Input::Unreliable { peer });
        }
        match self.lives.as_ref().is_some_and(|lives| lives.reaches(me, peer)) {
            true => self.greet(me, peer, life, now),
            // It has died meanwhile, which is on its way to us.
            false => Ok(()),
        }
    }

    /// Starts a machine that was started again, if every link is up.
    fn try_rise(&mut self, me: MachineId, now: Time, observer: &mut impl Observer) -> Result<(), SimError> {
        let mut peers = me.peers(self.config.machines);
        match self
            .lives
            .as_ref()
            .is_some_and(|lives| peers.all(|peer| lives.is_up(me, peer)))
        {
            true => self.rise(me, now, observer),
            false => Ok(()),
        }
    }

    /// The grace of that life is over.
    pub(super) fn rise_late(
        &mut self,
        me: MachineId,
        life: u32,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        match self.lives.as_ref().is_some_and(|lives| lives.life(me) == life) {
            true => self.rise(me, now, observer),
            false => Ok(()),
        }
    }

    /// Starts a machine that was started again, if it has not started yet.
    pub(super) fn rise(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        match self.machine(me) {
            Some(machine) if machine.phase == Phase::Rejoining => machine.phase = Phase::Running,
            _ => return Ok(()),
        }
        let wall = self.config.epoch.carried(Time(0), now);
        self.input(me, now, Input::Start { wall });
        self.apply(me, now, observer)?;
        let started = self.barrier.started.get(me.index()).copied().unwrap_or_default();
        self.plan_faults(me, now, Some(now.since(started)));
        for peer in me.peers(self.config.machines) {
            if !self.is_linked(me, peer)
                && let Some(breaking) = self.machine(me).and_then(|machine| machine.breaking.as_mut())
            {
                breaking.gate.forget(peer);
            }
        }
        self.break_now(me, now, observer)
    }

    /// A machine wakes: as in a round on real sockets, it takes what has come in the order in which it came, then sees
    /// whether its end has passed, then does what was planned, then ticks.
    pub(super) fn thaw(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let one = self
            .lives
            .as_mut()
            .and_then(|lives| lives.machines.get_mut(me.index()));
        let mut kept = one.and_then(|one| one.kept.take()).unwrap_or_default();
        // Stable: within a rank by time.
        kept.make_contiguous().sort_by_key(|(_, what)| match what {
            What::Stop(_) => 1,
            What::Break(_) => 2,
            What::Wake(_) => 3,
            What::Enter(_) | What::Start(_) | What::Segment(_) | What::StopToo(_) | What::End(_) => 0,
            What::Lost { .. } | What::Revive(_) | What::Rise { .. } | What::Thaw(_) => 0,
        });
        while let Some((place, what)) = kept.pop_front() {
            self.take(place, what, now, observer)?;
            // It may have been struck again, by what it had planned for meanwhile.
            let one = self
                .lives
                .as_mut()
                .and_then(|lives| lives.machines.get_mut(me.index()));
            if let Some(again) = one.and_then(|one| one.kept.as_mut()) {
                again.append(&mut kept);
            }
        }
        Ok(())
    }

    /// Whom something on the agenda is for, as far as standing still makes a difference.
    pub(super) fn addressee(&self, what: What) -> Option<MachineId> {
        match what {
            What::Wake(me) | What::Break(me) | What::Stop(me) => Some(me),
            What::Lost { me, .. } | What::Rise { me, .. } => Some(me),
            What::Segment(slot) => self.network.addressee(slot),
            What::Enter(_)
            | What::Start(_)
            | What::StopToo(_)
            | What::End(_)
            | What::Thaw(_)
            | What::Revive(_) => None,
        }
    }
}
