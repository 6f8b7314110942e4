//! The driver: takes what comes next from the agenda, until all machines have stopped.

use std::{collections::BTreeMap, fmt};

use super::{
    Config, INBOX_MAX, MACHINES_MAX, OpenError, Totals,
    clock::LocalClock,
    disk::Turn,
    machine::{Came, Machine, Made, What},
    observer::{Heard, Moment, Observer, Orders},
    pipe::Connection,
};
use crate::{
    dice::{Purpose, Stream},
    faults::Plan,
    node::DownCause,
    service::{Effects, Service, Ticket},
    sim::agenda::{Agenda, Place as Slot},
    units::{MachineId, Time},
};

/// Makes the service of a process.
pub(super) type Maker<S> = Box<dyn FnMut(Made) -> S>;

/// A whole run of services in virtual time.
pub struct Simulation<S: Service> {
    pub(super) config: Config,
    pub(super) plan: Plan,
    pub(super) make: Maker<S>,
    pub(super) agenda: Agenda<What>,
    pub(super) machines: Vec<Machine<S>>,
    pub(super) connections: Vec<Connection>,
    pub(super) effects: Effects<S>,
    /// Links that the machine whose round it is has lost, before it is told.
    pub(super) downs: Vec<(MachineId, DownCause)>,
    pub(super) frame: Vec<u8>,
    /// Pieces of messages under way.
    pub(super) segments: usize,
    pub(super) serials: u64,
    /// On their way to a machine.
    pub(super) requests: BTreeMap<Ticket, (MachineId, S::Request)>,
    /// On their way to a client.
    pub(super) replies: BTreeMap<u64, (Ticket, Heard<S::Reply>)>,
    /// Of requests that go on when the last answer arrives.
    pub(super) told: BTreeMap<Ticket, Time>,
    pub(super) cancelled: BTreeMap<Ticket, ()>,
    pub(super) orders: Orders<S>,
    pub(super) clients: Stream,
    pub(super) totals: Totals,
}

impl<S: Service> fmt::Debug for Simulation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<S: Service> Simulation<S> {
    /// A run of the services that `make` makes, one for each process.
    ///
    /// # Errors
    /// [`OpenError::Machines`] if there are too many, or one is described wrongly.
    pub fn new(config: Config, make: impl FnMut(Made) -> S + 'static) -> Result<Self, OpenError> {
        let wrong = |what| Err(OpenError::Machines { what });
        let count = config.machines.len();
        if count == 0 || count > MACHINES_MAX {
            return wrong(format!("{count} machines: give 1 to {MACHINES_MAX}"));
        }
        if config
            .machines
            .iter()
            .any(|place| !(900_000..=1_100_000).contains(&place.rate_ppm))
        {
            return wrong("a clock has 900,000 to 1,100,000 microseconds a second".to_owned());
        }
        let machines = u16::try_from(count).unwrap_or(u16::MAX);
        if let Err(what) = config.schedule.validate(machines) {
            return wrong(what);
        }
        let machine = |(me, place)| Machine::new(me, LocalClock::new(place, config.epoch), config.seed);
        let all = MachineId::all(machines).zip(&config.machines).map(machine);
        let mut simulation = Self {
            machines: all.collect(),
            plan: config.schedule.plan(),
            make: Box::new(make),
            agenda: Agenda::default(),
            connections: Vec::new(),
            effects: Vec::new(),
            downs: Vec::new(),
            frame: Vec::new(),
            segments: 0,
            serials: 0,
            requests: BTreeMap::new(),
            replies: BTreeMap::new(),
            told: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            orders: Orders::new(),
            clients: Stream::new(config.seed, MachineId(u16::MAX), Purpose::Latency),
            totals: Totals::default(),
            config,
        };
        simulation.plan_all();
        Ok(simulation)
    }

    /// What is known from the beginning.
    fn plan_all(&mut self) {
        self.agenda.insert(Time(0), What::Wake(0));
        for (me, place) in (0..).map(MachineId).zip(&self.config.machines) {
            if let Some(starts) = place.starts {
                self.agenda.insert(starts, What::Boot(me));
            }
        }
        for (id, at, lasts) in self.config.schedule.disks() {
            let turn = Turn::Begins;
            self.agenda.insert(at, What::Disk { id, turn });
            if let Some(lasts) = lasts {
                let turn = Turn::Ends;
                self.agenda.insert(at.after(lasts), What::Disk { id, turn });
            }
        }
        self.agenda.insert(Time(self.config.duration_us), What::Stop);
    }

    /// Runs to the end of all machines.
    ///
    /// # Errors
    /// [`OpenError`] if a limit is reached, or a service does not keep its contract.
    pub fn run(mut self, observer: &mut impl Observer<S>) -> Result<Totals, OpenError> {
        while let Some((place, what)) = self.agenda.next() {
            self.totals.ended = place.at;
            self.take(place, what, observer)?;
        }
        Ok(self.totals)
    }

    fn take(&mut self, place: Slot, what: What, observer: &mut impl Observer<S>) -> Result<(), OpenError> {
        let now = place.at;
        match what {
            What::Boot(me) => self.boot(me, now),
            What::Begin { me, life } => self.begin(me, life, now, observer),
            What::Round(me) => {
                let machine = self.machines.get_mut(me.index());
                match machine.filter(|machine| machine.round == Some(place)) {
                    Some(machine) => machine.round = None,
                    None => return Ok(()),
                }
                self.round(me, now, observer)
            }
            What::Thaw { me, life } => {
                self.thaw(me, life, now);
                Ok(())
            }
            What::Dial { me, peer, serial } => self.dial(me, peer, serial, now),
            What::Knock(connection) => self.knock(connection, now),
            What::Answer(connection) => self.answer(connection, now),
            What::Segment { connection, side } => self.segment(connection, side, now),
            What::Gone {
                connection,
                side,
                cause,
            } => self.gone(connection, side, cause, now),
            What::Synced { me, sync } => self.synced(me, sync, now, observer),
            What::Disk { id, turn } => self.disk_turn(id, turn, now, observer),
            What::Request(ticket) => self.on_request(ticket, now),
            What::Reply(serial) => {
                if let Some((ticket, heard)) = self.replies.remove(&serial)
                    && !self.cancelled.contains_key(&ticket)
                {
                    observer.heard(now, ticket, heard, &mut self.orders);
                    self.carry_out(now);
                }
                Ok(())
            }
            What::Wake(tag) => {
                observer.wake(now, tag, &mut self.orders);
                self.carry_out(now);
                Ok(())
            }
            What::Stop => self.stop_all(now),
            What::End { me, life } => match self.is_in_life(me, life) {
                true => self.came(me, Came::End, now),
                false => Ok(()),
            },
        }
    }

    pub(super) fn machine(&mut self, me: MachineId) -> Option<&mut Machine<S>> {
        self.machines.get_mut(me.index())
    }

    pub(super) fn is_in_life(&self, me: MachineId, life: u32) -> bool {
        self.machines
            .get(me.index())
            .is_some_and(|machine| machine.life == life && machine.is_there())
    }

    pub(super) fn moment(&self, me: MachineId, now: Time) -> Moment {
        let wall = self
            .machines
            .get(me.index())
            .map(|machine| machine.clock.wall(now));
        Moment {
            at: now,
            wall: wall.unwrap_or_default(),
        }
    }

    /// Puts something into a machine's inbox, and plans the round that takes it.
    pub(super) fn came(&mut self, me: MachineId, came: Came<S>, now: Time) -> Result<(), OpenError> {
        let round_us_max = self.config.round_us_max;
        let Some(machine) = self.machine(me).filter(|machine| machine.is_there()) else {
            return Ok(());
        };
        if machine.inbox.len() >= INBOX_MAX {
            return Err(OpenError::TooMuch {
                what: "inputs that wait for one machine",
                most: INBOX_MAX,
                at: now,
            });
        }
        let is_first = machine.inbox.is_empty();
        machine.inbox.push_back(came);
        if is_first {
            let at = Time(now.0 + machine.dice.round.below(round_us_max + 1));
            self.plan_round(me, at);
        }
        Ok(())
    }

    /// A round at `at`, unless one comes before.
    pub(super) fn plan_round(&mut self, me: MachineId, at: Time) {
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        if machine.is_frozen || machine.round.is_some_and(|round| round.at <= at) {
            return;
        }
        machine.round = Some(self.agenda.insert(at, What::Round(me)));
    }
}
