//! Processes: how they start, stand still, die, return and end.

use std::time::Duration;

use super::{
    DRAIN_US, OpenError,
    disk::Turn,
    machine::{Came, Machine, Made, Phase, What},
    observer::{DiskEvent, Heard, LifeEvent, Observer},
    pipe::End,
    run::Simulation,
    schedule::DiskEffect,
};
use crate::{
    faults::{Gate, MachineEffect},
    node::DownCause,
    service::{Input, Row, Service, Ticket},
    trace::{FaultNote, Recipients, Record, WallTime},
    units::{MachineId, Time},
    wire::Reason,
};

/// Microseconds of a second, in which incarnations count.
const SECOND_US: i64 = 1_000_000;

/// One kill in so many happens before what the process has sent is on its way: the peers get a beginning of it.
const TRUNCATED_ONE_IN: u64 = 2;

impl<S: Service> Simulation<S> {
    /// A process is started: it chooses the number of its life, and waits until that second has begun.
    pub(super) fn boot(&mut self, me: MachineId, now: Time) -> Result<(), OpenError> {
        if now.0 >= self.config.duration_us {
            return Ok(());
        }
        let Some(machine) = self.machine(me).filter(|machine| machine.phase == Phase::Off) else {
            return Ok(());
        };
        let second = u32::try_from(machine.clock.wall(now).0.div_euclid(SECOND_US)).unwrap_or(u32::MAX - 1);
        let incarnation = match machine.disk.incarnation {
            Some(before) => second.max(before.saturating_add(1)),
            None => second + 1,
        };
        machine.disk.incarnation = Some(incarnation);
        machine.phase = Phase::Booting;
        machine.life += 1;
        machine.incarnation = incarnation;
        let begins = WallTime(i64::from(incarnation) * SECOND_US);
        let at = machine.clock.when(begins, now);
        let life = machine.life;
        self.agenda.insert(at, What::Begin { me, life });
        Ok(())
    }

    /// The life begins.
    pub(super) fn begin(
        &mut self,
        me: MachineId,
        life: u32,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        let moment = self.moment(me, now);
        let machines = u16::try_from(self.machines.len()).unwrap_or(u16::MAX);
        let is_mine = |machine: &&mut Machine<S>| machine.life == life && machine.phase == Phase::Booting;
        let Some(machine) = self.machines.get_mut(me.index()).filter(is_mine) else {
            return Ok(());
        };
        let (ticks, clock) = machine.last_event;
        let mut service = (self.make)(Made {
            machine: me,
            incarnation: machine.incarnation,
            ticks,
            clock,
        });
        machine.phase = Phase::Running;
        machine.clock.bear(now);
        let again = (now.0 > 0).then(|| Duration::from_micros(now.0));
        let mut gate = Gate::new(&self.plan, me, machines, now, again);
        for peer in me.peers(machines) {
            gate.forget(peer);
        }
        machine.gate = Some(Box::new(gate));
        let rows = machine.disk.rows();
        let count = rows.len() as u64;
        for row in rows {
            service.handle(Time(0), Input::Restored { row }, &mut self.effects);
        }
        let incarnation = machine.incarnation;
        observer.life(
            me,
            moment,
            LifeEvent::Started {
                incarnation,
                rows: count,
            },
        );
        if std::mem::replace(&mut machine.has_log, true) {
            let restarted = Record::Restarted { incarnation };
            observer.record(me, moment, &restarted);
        }
        machine.sent = (0, 0);
        let wall = moment.wall;
        service.handle(Time(0), Input::Start { wall, incarnation }, &mut self.effects);
        machine.service = Some(service);
        self.apply(me, now, observer)?;
        self.round(me, now, observer)
    }

    /// A fault of a process.
    pub(super) fn strike(
        &mut self,
        me: MachineId,
        effect: MachineEffect,
        lasts: Option<Duration>,
        now: Time,
        observer: &mut impl Observer<S>,
    ) {
        match effect {
            MachineEffect::Kill => self.kill(me, lasts, now, observer),
            MachineEffect::Restart => self.kill(me, Some(Duration::ZERO), now, observer),
            MachineEffect::Pause => {
                let Some(machine) = self.machine(me) else {
                    return;
                };
                machine.is_frozen = true;
                machine.round = None;
                let life = machine.life;
                self.totals.pauses += 1;
                let until = now.after(lasts.unwrap_or_default());
                self.agenda.insert(until, What::Thaw { me, life });
            }
            // Not in a schedule.
            MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => {}
        }
    }

    /// A process that stood still goes on with what has come meanwhile.
    pub(super) fn thaw(&mut self, me: MachineId, life: u32, now: Time) {
        if let Some(machine) = self.machine(me).filter(|machine| machine.life == life) {
            machine.is_frozen = false;
            self.plan_round(me, now);
        }
    }

    /// The process is gone, and everything in its memory.
    pub(super) fn kill(
        &mut self,
        me: MachineId,
        lasts: Option<Duration>,
        now: Time,
        observer: &mut impl Observer<S>,
    ) {
        let moment = self.moment(me, now);
        let has_disk = self
            .config
            .machines
            .get(me.index())
            .is_some_and(|place| place.has_disk);
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        if matches!(machine.phase, Phase::Off | Phase::Ended) {
            return;
        }
        self.totals.deaths += 1;
        machine.phase = Phase::Off;
        machine.service = None;
        machine.life += 1;
        machine.inbox.clear();
        machine.round = None;
        machine.is_frozen = false;
        machine.dials.clear();
        machine.peers.clear();
        machine.dropped.clear();
        observer.life(me, moment, LifeEvent::Died);
        if has_disk {
            let mut keeps = |rows: &[Row]| observer.keeps(me, moment, rows);
            let (kept, lost) = machine.disk.tear(&mut machine.dice.disk, &mut keeps);
            self.totals.groups_lost += lost;
            observer.disk(me, moment, DiskEvent::Torn { kept, lost });
        } else {
            machine.disk.lose();
        }
        let tickets: Vec<Ticket> = std::mem::take(&mut machine.tickets).into_keys().collect();
        let links = std::mem::take(&mut machine.links);
        let is_truncated = machine.dice.round.below(TRUNCATED_ONE_IN) == 0;
        for connection in links.into_values() {
            if is_truncated {
                self.truncate(me, connection);
            }
            self.let_go(me, connection, DownCause::Lost, now);
        }
        if let Some(machine) = self.machine(me) {
            machine.gate = None;
        }
        for ticket in tickets {
            self.tell_client(ticket, Heard::Broken, now);
        }
        if let Some(lasts) = lasts {
            self.agenda.insert(now.after(lasts), What::Boot(me));
        }
    }

    /// What a process has sent is lost from some place on.
    fn truncate(&mut self, me: MachineId, connection: u32) {
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(connection as usize) {
            let side = connection.side_of(me);
            if connection.end(side.other()) == End::Up {
                let under_way = connection.under_way(side);
                let keep = machine.dice.round.below(under_way as u64 + 1);
                connection.truncate(side, usize::try_from(keep).unwrap_or(0));
            }
        }
    }

    /// Something begins or ends for a disk.
    pub(super) fn disk_turn(
        &mut self,
        id: u32,
        turn: Turn,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        let Some((me, effect, lasts)) = self.config.schedule.disk(id) else {
            return Ok(());
        };
        let moment = self.moment(me, now);
        let Some(machine) = self.machine(me) else {
            return Ok(());
        };
        match (effect, turn) {
            (DiskEffect::Lose, Turn::Begins) => {
                if machine.is_there() {
                    observer.record(me, moment, &Record::Fault(Box::new(killed(id, lasts))));
                }
                self.kill(me, None, now, observer);
                if let Some(machine) = self.machine(me) {
                    machine.disk.lose();
                }
                observer.disk(me, moment, DiskEvent::Lost);
                Ok(())
            }
            (DiskEffect::Lose, Turn::Ends) => self.boot(me, now),
            (DiskEffect::Full, turn) => {
                machine.disk.fill(turn);
                self.sync(me, now, observer)
            }
            (DiskEffect::Slow { times }, Turn::Begins) => {
                machine.disk.slow(times);
                Ok(())
            }
            (DiskEffect::Slow { .. }, Turn::Ends) => {
                machine.disk.slow(1);
                Ok(())
            }
        }
    }

    /// The run is over: all that run stop.
    pub(super) fn stop_all(&mut self, now: Time) -> Result<(), OpenError> {
        for me in (0..).map(MachineId).take(self.machines.len()) {
            if let Some(machine) = self.machine(me)
                && machine.is_frozen
            {
                machine.is_frozen = false;
                self.plan_round(me, now);
            }
            self.came(me, Came::Stop(Reason::Duration), now)?;
        }
        Ok(())
    }

    /// A machine was told to stop: it says goodbye, and has a moment for what still comes.
    pub(super) fn stopped(&mut self, me: MachineId, now: Time) {
        let Some(machine) = self.machine(me) else {
            return;
        };
        if machine.phase != Phase::Running {
            return;
        }
        machine.phase = Phase::Draining;
        machine.dials.clear();
        let (life, links) = (machine.life, machine.links.clone());
        for (peer, connection) in links {
            self.flush(me, peer, now);
            self.say_goodbye(me, connection, now);
        }
        self.agenda.insert(Time(now.0 + DRAIN_US), What::End { me, life });
    }

    /// The last words were said.
    pub(super) fn ended(&mut self, me: MachineId, now: Time, observer: &mut impl Observer<S>) {
        let moment = self.moment(me, now);
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        machine.phase = Phase::Ended;
        machine.service = None;
        machine.gate = None;
        machine.inbox.clear();
        machine.round = None;
        machine
            .disk
            .keep_all(&mut |rows: &[Row]| observer.keeps(me, moment, rows));
        machine.disk.forget();
        let links = std::mem::take(&mut machine.links);
        let tickets: Vec<Ticket> = std::mem::take(&mut machine.tickets).into_keys().collect();
        for connection in links.into_values() {
            self.let_go(me, connection, DownCause::Goodbye, now);
        }
        for ticket in tickets {
            self.tell_client(ticket, Heard::Broken, now);
        }
        observer.life(me, moment, LifeEvent::Ended);
    }
}

/// The log's line of a process that dies with its disk.
fn killed(id: u32, lasts: Option<Duration>) -> FaultNote {
    let detail = lasts.map(|lasts| format!("for:{}us", lasts.as_micros()));
    FaultNote {
        id,
        kind: "kill".to_owned(),
        to: Recipients::new(),
        detail: detail.unwrap_or_default(),
    }
}
