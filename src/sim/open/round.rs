//! A machine's round: what has come, what faults begin or end, what is due, and what the service wants done.

use super::{
    OpenError, TIMEOUTS_MAX,
    machine::{Came, Machine, Phase},
    observer::Observer,
    pipe::{End, Side},
    run::Simulation,
    traffic::Sent,
};
use crate::{
    faults::{Change, MachineEffect},
    node::DownCause,
    service::{Effect, Input, Service},
    trace::{Kind, Record},
    units::{MachineId, Time},
    wire::Message,
};

impl<S: Service> Simulation<S> {
    /// Gives a service an input. Its effects wait for [`apply`](Self::apply).
    pub(super) fn input(&mut self, me: MachineId, input: Input<S>, now: Time) {
        if let Some(machine) = self.machines.get_mut(me.index())
            && let Some(service) = &mut machine.service
        {
            service.handle(machine.clock.local(now), input, &mut self.effects);
        }
    }

    /// A round, if the machine is there and does not stand still.
    pub(super) fn round(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        let is_awake = |machine: &&mut Machine<S>| machine.is_there() && !machine.is_frozen;
        let Some(machine) = self.machine(me).filter(is_awake) else {
            return Ok(());
        };
        let life = machine.life;
        // What comes by what is done here waits for the next round.
        let came = std::mem::take(&mut machine.inbox);
        self.totals.rounds += 1;
        for came in came {
            self.take_in(me, came, now, observer)?;
            self.apply(me, now, observer)?;
            if !self.is_in_life(me, life) {
                return Ok(());
            }
        }
        self.faults(me, now, observer)?;
        if !self.is_in_life(me, life) {
            return Ok(());
        }
        if self.is_due(me, now)
            && let Some(wall) = self
                .machines
                .get(me.index())
                .map(|machine| machine.clock.wall(now))
        {
            self.input(me, Input::WallClock { wall }, now);
        }
        let mut timeouts = 0;
        while self.is_due(me, now) {
            timeouts += 1;
            if timeouts > TIMEOUTS_MAX {
                return Err(OpenError::Stuck { machine: me, at: now });
            }
            self.input(me, Input::Timeout, now);
            self.apply(me, now, observer)?;
        }
        self.input(me, Input::RoundEnd, now);
        self.apply(me, now, observer)?;
        self.give_due(me, now)?;
        self.sync(me, now, observer)?;
        self.plan_next(me, now);
        Ok(())
    }

    fn is_due(&self, me: MachineId, now: Time) -> bool {
        self.machines.get(me.index()).is_some_and(|machine| {
            let deadline = machine.service.as_ref().and_then(Service::deadline);
            deadline.is_some_and(|deadline| deadline <= machine.clock.local(now))
        })
    }

    /// Plans the round in which something is due next.
    fn plan_next(&mut self, me: MachineId, now: Time) {
        let Some(machine) = self.machine(me) else {
            return;
        };
        let service = machine.service.as_ref().and_then(Service::deadline);
        let service = service.map(|local| machine.clock.global(local));
        let gate = machine.gate.as_ref().and_then(|gate| gate.deadline());
        if let Some(at) = service.into_iter().chain(gate).min() {
            self.plan_round(me, at.max(now));
        }
    }

    fn take_in(
        &mut self,
        me: MachineId,
        came: Came<S>,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        match came {
            Came::Knock(connection) => self.judge_knock(connection, me, now)?,
            Came::Answer(connection) => self.judge_answer(connection, me, now),
            Came::Bytes {
                connection,
                side,
                bytes,
            } => self.messages(me, connection, side, &bytes, now, observer)?,
            Came::Gone {
                connection,
                side,
                cause,
            } => self.hear_gone(me, connection, side, cause, now),
            Came::Request { ticket, request } => {
                self.input(me, Input::Request { ticket, request }, now);
            }
            Came::Cancelled(ticket) => {
                let asked = self
                    .machine(me)
                    .and_then(|machine| machine.tickets.remove(&ticket));
                if asked.is_some() {
                    self.input(me, Input::Cancelled { ticket }, now);
                }
            }
            Came::Appended(through) => self.input(me, Input::Appended { through }, now),
            Came::AppendFailed => {
                let why = "no space left on device".to_owned();
                self.input(me, Input::AppendFailed { why }, now);
            }
            Came::Stop(reason) => {
                if self
                    .machine(me)
                    .is_some_and(|machine| machine.phase == Phase::Running)
                {
                    self.input(me, Input::Stop { reason }, now);
                    self.apply(me, now, observer)?;
                    self.stopped(me, now);
                }
            }
            Came::End => {
                self.input(me, Input::End, now);
                self.apply(me, now, observer)?;
                self.ended(me, now, observer);
            }
        }
        Ok(())
    }

    /// A link has ended at the other end.
    fn hear_gone(&mut self, me: MachineId, number: u32, side: Side, cause: DownCause, now: Time) {
        let Some(connection) = self.connections.get_mut(number as usize) else {
            return;
        };
        if connection.end(side) == End::Closed {
            return;
        }
        let peer = connection.machine(side.other());
        let is_link = self
            .machines
            .get(me.index())
            .is_some_and(|machine| machine.links.get(&peer) == Some(&number));
        match is_link {
            true => self.end_link(me, peer, number, cause, now),
            false => self.let_go(me, number, cause, now),
        }
    }

    /// Bytes that `side` of a connection has sent: the messages that are whole now.
    fn messages(
        &mut self,
        me: MachineId,
        number: u32,
        side: Side,
        bytes: &[u8],
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        let Some(connection) = self.connections.get_mut(number as usize) else {
            return Ok(());
        };
        let from = connection.machine(side);
        connection.decoder(side).extend(bytes);
        loop {
            // What a message brings about may end the link: the rest of the bytes is then of no use.
            let Some(connection) = self.connections.get_mut(number as usize) else {
                return Ok(());
            };
            if connection.end(side.other()) != End::Up {
                return Ok(());
            }
            let frame = connection.decoder(side).next_frame();
            let frame = frame.map_err(|error| OpenError::Frame { from, to: me, error })?;
            let Some(frame) = frame else {
                return Ok(());
            };
            let message = S::Message::decode(frame.kind, frame.body);
            let message = message.map_err(|error| OpenError::Field { from, to: me, error })?;
            self.totals.messages += 1;
            self.input(me, Input::Message { from, message }, now);
            self.apply(me, now, observer)?;
        }
    }

    /// Begins and ends the faults that are due.
    fn faults(&mut self, me: MachineId, now: Time, observer: &mut impl Observer<S>) -> Result<(), OpenError> {
        let mut changes = Vec::new();
        if let Some(gate) = self.machine(me).and_then(|machine| machine.gate.as_mut()) {
            gate.at(now, &mut changes);
        }
        let moment = self.moment(me, now);
        for change in changes {
            match change {
                Change::Record(record) => observer.record(me, moment, &record),
                Change::Unreliable(peer) => {
                    self.input(me, Input::Unreliable { peer }, now);
                    self.apply(me, now, observer)?;
                }
                // Services take no orders, and a schedule has none.
                Change::Order(_) => {}
                Change::Process { effect, lasts } => {
                    self.strike(me, effect, lasts, now, observer);
                    if effect != MachineEffect::Pause {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives links the frames that faults have held back long enough.
    fn give_due(&mut self, me: MachineId, now: Time) -> Result<(), OpenError> {
        let mut frames = Vec::new();
        if let Some(gate) = self.machine(me).and_then(|machine| machine.gate.as_mut()) {
            gate.due(now, |to, frame| frames.push((to, frame.to_vec())));
        }
        for (to, frame) in frames {
            self.put_under_way(me, to, &frame, now)?;
        }
        Ok(())
    }

    /// Does what a service wants done.
    pub(super) fn apply(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        while !self.effects.is_empty() || !self.downs.is_empty() {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.carry(me, effect, now, observer)?;
            }
            self.effects = effects;
            self.give_downs(me, now);
        }
        Ok(())
    }

    fn carry(
        &mut self,
        me: MachineId,
        effect: Effect<S>,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        match effect {
            Effect::Send { to, message } => self.send(me, to, &message, Sent::Event, now)?,
            Effect::Signal { to, message } => self.send(me, to, &message, Sent::Signal, now)?,
            Effect::Record(mut record) => {
                self.complete(me, &mut record);
                observer.record(me, self.moment(me, now), &record);
            }
            Effect::Refuse { peer, error } => {
                return Err(OpenError::Field {
                    from: peer,
                    to: me,
                    error,
                });
            }
            Effect::Reset { peer } => {
                let link = self
                    .machine(me)
                    .and_then(|machine| machine.links.get(&peer).copied());
                if let Some(number) = link {
                    self.reset(me, peer, number, now);
                }
            }
            // Nobody runs it.
            Effect::Say(_) => {}
            Effect::Peers(peers) => {
                observer.peers(me, self.moment(me, now), &peers);
                self.peers(me, peers, now)?;
            }
            Effect::Reply { ticket, reply, last } => self.reply(me, ticket, reply, last, now)?,
            Effect::Append { number, rows } => {
                let taken = self
                    .machine(me)
                    .map_or(Ok(()), |machine| machine.disk.append(number, rows));
                taken.map_err(|what| OpenError::Contract {
                    machine: me,
                    at: now,
                    what,
                })?;
            }
            Effect::Stop { reason } => self.came(me, Came::Stop(reason), now)?,
        }
        Ok(())
    }

    /// Tells a service of the links that it has lost since.
    pub(super) fn give_downs(&mut self, me: MachineId, now: Time) {
        for (peer, cause) in std::mem::take(&mut self.downs) {
            if cause == DownCause::Lost {
                self.effects.push(Effect::Record(Record::LinkLost { peer }));
            }
            self.input(me, Input::LinkDown { peer, cause }, now);
        }
    }

    /// What is unsent must not arrive.
    fn reset(&mut self, me: MachineId, peer: MachineId, number: u32, now: Time) {
        if let Some(connection) = self.connections.get_mut(number as usize) {
            let side = connection.side_of(me);
            connection.truncate(side, 0);
        }
        self.end_link(me, peer, number, DownCause::Lost, now);
    }

    /// Adds to a record what only the driver knows.
    fn complete(&mut self, me: MachineId, record: &mut Record) {
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return;
        };
        if let Record::Event(event) = record {
            machine.last_event = (event.tick, event.clock);
            if let Kind::Send { mishaps, .. } = &mut event.kind
                && !machine.dropped.is_empty()
            {
                let mut all = mishaps.take().map(|all| *all).unwrap_or_default();
                all.dropped.append(&mut machine.dropped);
                all.dropped.sort_unstable();
                all.dropped.dedup();
                *mishaps = all.into_event();
            }
        }
        if let Some(gate) = &mut machine.gate {
            gate.annotate(record);
        }
        if let Record::Ended(footer) = record {
            // Virtual time never stands still.
            footer.suspended_us = Some(0);
            let (frames, bytes) = machine.sent;
            (footer.frames_sent, footer.bytes_sent) = (Some(frames), Some(bytes));
        }
    }
}
