//! The driver: takes what comes next from the agenda, gives it to a node, and does what the node asks for.

use super::{
    CONTROL_MACHINES_MAX, Config, Observer, SimError, TIMEOUTS_MAX, Totals,
    agenda::{Agenda, Place, What},
    breaking::Breaking,
    lives::{Lives, Revive},
    network::{Arrived, Network},
    parting::{Goodbyes, Heard},
    setup::{self, Barrier},
};
use crate::{
    node::{Effect, Effects, Input, Node},
    trace::Record,
    units::{MachineId, Time},
    wire::{Control, Frame, Hello, Message, encode_frame, kind},
};

/// Where a machine stands; the same phases as on real sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not every peer is ready.
    Barrier,
    /// It was started again; its links come up one by one.
    Rejoining,
    /// The node works.
    Running,
    /// Goodbye was said; what peers still send is taken.
    Draining,
    /// The last words are written.
    Done,
    /// A fault killed it.
    Dead,
}

/// One machine of the run.
#[derive(Debug)]
pub(super) struct Machine<N> {
    pub(super) node: N,
    pub(super) phase: Phase,
    /// Nothing is sent behind goodbye.
    pub(super) goodbye_said: bool,
    /// The entry on the agenda for its node's deadline.
    wake: Option<Place>,
    pub(super) heard: Heard,
    /// Injected faults; `None` in a run without them, and before the start.
    pub(super) breaking: Option<Box<Breaking>>,
    /// Message frames given to links, and their bytes.
    pub(super) sent: (u64, u64),
}

/// A whole run in virtual time.
#[derive(Debug)]
pub struct Simulation<N: Node> {
    pub(super) config: Config,
    pub(super) machines: Vec<Machine<N>>,
    pub(super) agenda: Agenda,
    pub(super) network: Network,
    pub(super) goodbyes: Goodbyes,
    pub(super) barrier: Barrier,
    /// Of runs whose plan has faults of processes.
    pub(super) lives: Option<Box<Lives<N>>>,
    pub(super) effects: Effects<N::Message>,
    pub(super) frame: Vec<u8>,
    totals: Totals,
}

impl<N: Node> Simulation<N> {
    /// A run of the nodes that `node` makes, all links connected and every start known.
    ///
    /// # Errors
    /// [`SimError`] if machines refuse each other.
    pub fn new(config: Config, node: impl FnMut(MachineId) -> N) -> Result<Self, SimError> {
        Self::with(config, node, None)
    }

    /// The same of a run in which processes die: `revive` makes the node of a further life, from what the records of the
    /// machine say by then.
    ///
    /// # Errors
    /// [`SimError`] if machines refuse each other.
    pub fn with_lives(
        config: Config,
        node: impl FnMut(MachineId) -> N,
        revive: impl FnMut(MachineId) -> N + 'static,
    ) -> Result<Self, SimError> {
        let lives = Lives::new(config.machines, Revive(Box::new(revive)));
        Self::with(config, node, Some(Box::new(lives)))
    }

    fn with(
        config: Config,
        node: impl FnMut(MachineId) -> N,
        lives: Option<Box<Lives<N>>>,
    ) -> Result<Self, SimError> {
        if let Some(plan) = &config.faults {
            if config.machines > CONTROL_MACHINES_MAX {
                let machines = config.machines;
                return Err(SimError::TooManyForFaults { machines });
            }
            if plan.has_process_faults() && lives.is_none() {
                return Err(SimError::ProcessFaults);
            }
        }
        let mut network = Network::new(config.machines, config.seed, config.latency);
        let barrier = setup::connect(&config, N::Message::SYSTEM, &mut network)?;
        let machines = MachineId::all(config.machines).map(node).map(|node| Machine {
            node,
            phase: Phase::Barrier,
            goodbye_said: false,
            wake: None,
            heard: Heard::default(),
            breaking: None,
            sent: (0, 0),
        });
        let mut agenda = Agenda::default();
        for (machine, at) in MachineId::all(config.machines).zip(&barrier.entered) {
            agenda.insert(*at, What::Enter(machine));
        }
        for (machine, at) in MachineId::all(config.machines).zip(&barrier.started) {
            agenda.insert(*at, What::Start(machine));
        }
        Ok(Self {
            machines: machines.collect(),
            goodbyes: Goodbyes::new(config.machines),
            agenda,
            network,
            barrier,
            lives,
            effects: Vec::new(),
            frame: Vec::new(),
            totals: Totals::default(),
            config,
        })
    }

    /// When each machine starts, machine 0 first, counted from the first dial.
    #[must_use]
    pub fn starts(&self) -> &[Time] {
        &self.barrier.started
    }

    /// Runs to the end of all machines.
    ///
    /// # Errors
    /// [`SimError`] if a limit is reached, or a node does not get on.
    pub fn run(mut self, observer: &mut impl Observer) -> Result<Totals, SimError> {
        let (mut now, mut timeouts) = (Time(0), 0);
        while let Some((place, what)) = self.agenda.next() {
            if place.at > now {
                (now, timeouts) = (place.at, 0);
            }
            if let What::Wake(me) = what {
                timeouts += 1;
                if timeouts == TIMEOUTS_MAX {
                    return Err(SimError::Stuck { machine: me });
                }
            }
            if self.lives.is_some()
                && let Some(me) = self.addressee(what)
                && self
                    .lives
                    .as_mut()
                    .is_some_and(|lives| lives.keep(me, place, what))
            {
                continue;
            }
            self.take(place, what, now, observer)?;
        }
        let has_ended = |machine: &Machine<N>| matches!(machine.phase, Phase::Done | Phase::Dead);
        assert!(
            self.network.is_quiet() && self.machines.iter().all(has_ended),
            "at {now:?} nothing is left to do, but not every machine has ended"
        );
        self.totals.segments = self.network.delivered;
        self.totals.ended = now;
        Ok(self.totals)
    }

    /// Does what is on the agenda: now, for a machine that stood still when it should have been done.
    #[inline]
    pub(super) fn take(
        &mut self,
        place: Place,
        what: What,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        match what {
            What::Enter(me) => {
                for peer in me.peers(self.config.machines) {
                    self.input(me, now, Input::LinkUp { peer, incarnation: 1 });
                }
                self.apply(me, now, observer)
            }
            What::Start(me) => self.start(me, now, observer),
            What::Wake(me) => {
                let machine = self.machines.get_mut(me.index());
                let is_mine = |machine: &&mut Machine<N>| machine.wake == Some(place);
                let Some(machine) = machine.filter(is_mine) else {
                    return Ok(());
                };
                machine.wake = None;
                self.input(me, now, Input::Timeout);
                self.apply(me, now, observer)
            }
            What::Break(me) => self.break_links(me, place, now, observer),
            What::Segment(slot) => self.segment(slot, now, observer),
            What::Stop(me) => self.time_is_over(me, now, observer),
            What::StopToo(me) => self.stop_too(me, now, observer),
            What::End(me) => self.end_at_once(me, now, observer),
            What::Lost { me, peer, life } => self.peer_lost(me, peer, life, now, observer),
            What::Revive(me) => self.revive(me, now),
            What::Rise { me, life } => self.rise_late(me, life, now, observer),
            What::Thaw(me) => self.thaw(me, now, observer),
        }
    }

    pub(super) fn machine(&mut self, me: MachineId) -> Option<&mut Machine<N>> {
        self.machines.get_mut(me.index())
    }

    /// Gives a node an input. Its effects wait for [`apply`](Self::apply).
    #[inline]
    pub(super) fn input(&mut self, me: MachineId, now: Time, input: Input<N::Message>) {
        if let Some(machine) = self.machines.get_mut(me.index()) {
            machine.node.handle(now, input, &mut self.effects);
        }
    }

    /// Does what a node asked for, and asks it for its next deadline.
    #[inline]
    pub(super) fn apply(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<(), SimError> {
        let mut effects = std::mem::take(&mut self.effects);
        let mut stop = None;
        for effect in &mut effects {
            match effect {
                Effect::Send { to, message } => self.send(me, *to, now, message)?,
                Effect::Record(record) => {
                    self.complete(me, record);
                    observer.record(me, now, record);
                }
                Effect::Refuse { peer, error } => {
                    return Err(SimError::Field {
                        from: *peer,
                        to: me,
                        error: error.clone(),
                    });
                }
                Effect::Stop { reason } => stop = Some(*reason),
            }
        }
        effects.clear();
        self.effects = effects;
        self.plan_wake(me, now);
        self.plan_break(me, now);
        match stop {
            Some(reason) => self.stop(me, reason, None, now, observer),
            None => Ok(()),
        }
    }

    /// Puts a node's deadline on the agenda, if it is a new one.
    #[inline]
    fn plan_wake(&mut self, me: MachineId, now: Time) {
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        let deadline = match machine.phase {
            Phase::Done | Phase::Dead => None,
            Phase::Barrier | Phase::Rejoining | Phase::Running | Phase::Draining => machine.node.deadline(),
        };
        let at = deadline.map(|deadline| deadline.max(now));
        if at != machine.wake.map(|place| place.at) {
            machine.wake = at.map(|at| self.agenda.insert(at, What::Wake(me)));
        }
    }

    #[inline]
    fn send(
        &mut self,
        from: MachineId,
        to: MachineId,
        now: Time,
        message: &N::Message,
    ) -> Result<(), SimError> {
        let is_silent = self.machine(from).is_none_or(|machine| machine.goodbye_said);
        // What follows goodbye is dropped, as on real links.
        if is_silent || to == from || to.0 >= self.config.machines {
            return Ok(());
        }
        self.frame.clear();
        encode_frame(&mut self.frame, message.kind(), |body| message.encode(body));
        let Some(machine) = self.machines.get_mut(from.index()) else {
            return Ok(());
        };
        let copies = match &mut machine.breaking {
            None => 1,
            Some(breaking) => breaking.send(from, to, now, &self.frame)?,
        };
        machine.sent.0 += u64::from(copies);
        machine.sent.1 += u64::from(copies) * self.frame.len() as u64;
        let copies = if self.reaches(from, to) { copies } else { 0 };
        for _ in 0..copies {
            self.network.send(from, to, now, &self.frame, &mut self.agenda)?;
        }
        Ok(())
    }

    /// Adds to a record what only the driver knows.
    #[inline]
    fn complete(&mut self, me: MachineId, record: &mut Record) {
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        if let Some(breaking) = &mut machine.breaking {
            breaking.gate.annotate(record);
        }
        if let Record::Ended(footer) = record {
            // Virtual time never stands still.
            footer.suspended_us = Some(0);
            let (frames, bytes) = machine.sent;
            (footer.frames_sent, footer.bytes_sent) = (Some(frames), Some(bytes));
        }
    }

    /// Sends a control frame: one of those that are frames in runs of this size.
    pub(super) fn say(
        &mut self,
        from: MachineId,
        to: MachineId,
        now: Time,
        control: &Control,
    ) -> Result<(), SimError> {
        if !self.reaches(from, to) {
            return Ok(());
        }
        self.frame.clear();
        control.encode(&mut self.frame);
        self.network.send(from, to, now, &self.frame, &mut self.agenda)
    }

    /// A segment arrives: none, one or several frames end in it.
    #[inline]
    fn segment(&mut self, slot: u32, now: Time, observer: &mut impl Observer) -> Result<(), SimError> {
        let Some(mut arrived) = self.network.arrive(slot) else {
            return Ok(());
        };
        let (from, to) = (arrived.from, arrived.to);
        while let Some(frame) = next_frame(&mut arrived)? {
            if frame.kind == kind::HELLO && self.lives.is_some() {
                let hello = Hello::decode(frame.body);
                let hello = hello.map_err(|refusal| SimError::Refused { from, to, refusal })?;
                self.on_hello(to, &hello, now, observer)?;
                if self
                    .machine(to)
                    .is_none_or(|machine| machine.phase == Phase::Dead)
                {
                    // It started with that, and its first deed was to die: nothing more reaches it.
                    return Ok(());
                }
                continue;
            }
            if !self.is_linked(to, from) {
                // It refused this connection, which its peer does not know yet.
                continue;
            }
            if frame.kind <= kind::CONTROL_LAST {
                let control = Control::decode(frame.kind, frame.body);
                let control = control.map_err(|error| SimError::Field { from, to, error })?;
                self.on_control(from, to, &control, now, observer)?;
                continue;
            }
            let message = N::Message::decode(frame.kind, frame.body).map_err(|error| SimError::Field {
                from,
                to,
                error,
            })?;
            self.totals.messages += 1;
            self.input(to, now, Input::Message { from, message });
            self.apply(to, now, observer)?;
        }
        self.network.give_back(arrived);
        Ok(())
    }

    fn start(&mut self, me: MachineId, now: Time, observer: &mut impl Observer) -> Result<(), SimError> {
        let end = Time(now.0.saturating_add(self.config.duration_us));
        if let Some(machine) = self.machine(me) {
            machine.phase = Phase::Running;
        }
        // First on the agenda for its moment: a tick that is due at the end is none of this run.
        self.agenda.insert(end, What::Stop(me));
        self.input(
            me,
            now,
            Input::Start {
                wall: self.config.epoch.carried(Time(0), now),
            },
        );
        if self.config.faults.is_some() {
            self.plan_faults(me, now, None);
            self.break_now(me, now, observer)?;
            self.take_hellos(me, now)?;
        }
        self.apply(me, now, observer)?;
        self.take_held(me, now, observer)
    }
}

impl<N> Machine<N> {
    /// Its process is gone, and what it had planned.
    pub(super) fn die(&mut self) {
        self.phase = Phase::Dead;
        self.wake = None;
        self.breaking = None;
    }

    /// Its process is there again.
    pub(super) fn begin_again(&mut self, node: N, heard: Heard) {
        *self = Self {
            node,
            phase: Phase::Rejoining,
            goodbye_said: false,
            wake: None,
            heard,
            breaking: None,
            sent: (0, 0),
        };
    }
}

#[inline]
fn next_frame(arrived: &mut Arrived) -> Result<Option<Frame<'_>>, SimError> {
    let (from, to) = (arrived.from, arrived.to);
    arrived
        .decoder
        .next_frame()
        .map_err(|error| SimError::Frame { from, to, error })
}
