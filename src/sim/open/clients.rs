//! Clients' requests and what they hear; and the disks behind the answers.

use super::{
    GROUPS_MAX, OpenError,
    machine::{Came, Machine, Phase, What},
    observer::{DiskEvent, Heard, Observer},
    run::Simulation,
};
use crate::{
    service::{Last, Row, Service, Ticket},
    units::{MachineId, Time},
};

impl<S: Service> Simulation<S> {
    /// Does what clients want.
    pub(super) fn carry_out(&mut self, now: Time) {
        let requests = std::mem::take(&mut self.orders.requests);
        for (ticket, machine, request) in requests {
            let at = Time(now.0 + self.config.latency.draw(&mut self.clients));
            self.requests.insert(ticket, (machine, request));
            self.agenda.insert(at, What::Request(ticket));
        }
        for ticket in std::mem::take(&mut self.orders.cancelled) {
            self.cancelled.insert(ticket, ());
            let has = |(_, machine): &(usize, &Machine<S>)| {
                machine.tickets.contains_key(&ticket) && machine.is_there()
            };
            let who = self.machines.iter().enumerate().find(has).map(|(place, _)| place);
            if let Some(me) = who.and_then(|place| u16::try_from(place).ok()) {
                // A full inbox is reported by what comes next.
                let _ = self.came(MachineId(me), Came::Cancelled(ticket), now);
            }
        }
        for (at, tag) in std::mem::take(&mut self.orders.wakes) {
            self.agenda.insert(at.max(now), What::Wake(tag));
        }
    }

    pub(super) fn on_request(&mut self, ticket: Ticket, now: Time) -> Result<(), OpenError> {
        let Some((me, request)) = self.requests.remove(&ticket) else {
            return Ok(());
        };
        let takes = |machine: &&mut Machine<S>| matches!(machine.phase, Phase::Running | Phase::Draining);
        match self.machine(me).filter(takes) {
            Some(machine) => {
                machine.tickets.insert(ticket, ());
                self.came(me, Came::Request { ticket, request }, now)
            }
            None => {
                self.tell_client(ticket, Heard::Refused, now);
                Ok(())
            }
        }
    }

    /// An answer, or the end of the connection, is on its way to a client. None overtakes an earlier one to the same request.
    pub(super) fn tell_client(&mut self, ticket: Ticket, heard: Heard<S::Reply>, now: Time) {
        let drawn = Time(now.0 + self.config.latency.draw(&mut self.clients));
        let goes_on = matches!(heard, Heard::Reply { last: Last::No, .. });
        let before = match goes_on {
            true => self.told.get(&ticket).copied(),
            false => self.told.remove(&ticket),
        };
        let at = drawn.max(before.unwrap_or_default());
        if goes_on {
            self.told.insert(ticket, at);
        }
        self.serials += 1;
        self.replies.insert(self.serials, (ticket, heard));
        self.agenda.insert(at, What::Reply(self.serials));
    }

    /// A service answers.
    pub(super) fn reply(
        &mut self,
        me: MachineId,
        ticket: Ticket,
        reply: S::Reply,
        last: Last,
        now: Time,
    ) -> Result<(), OpenError> {
        let Some(machine) = self.machine(me) else {
            return Ok(());
        };
        let was_asked = match last {
            Last::Yes => machine.tickets.remove(&ticket).is_some(),
            Last::No => machine.tickets.contains_key(&ticket),
        };
        if !was_asked && !self.cancelled.contains_key(&ticket) {
            return Err(OpenError::Contract {
                machine: me,
                at: now,
                what: format!("it answers {ticket:?}, which it was not asked or has answered: {reply:?}"),
            });
        }
        self.tell_client(ticket, Heard::Reply { reply, last }, now);
        Ok(())
    }

    /// Begins a sync, if there is something to sync.
    pub(super) fn sync(
        &mut self,
        me: MachineId,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        let latency = self.config.sync;
        let has_disk = self
            .config
            .machines
            .get(me.index())
            .is_some_and(|place| place.has_disk);
        let moment = self.moment(me, now);
        let Some(machine) = self.machines.get_mut(me.index()) else {
            return Ok(());
        };
        if machine.disk.waiting() > GROUPS_MAX {
            return Err(OpenError::TooMuch {
                what: "groups of rows that wait for one disk",
                most: GROUPS_MAX,
                at: now,
            });
        }
        if !has_disk {
            let mut kept = |rows: &[Row]| observer.keeps(me, moment, rows);
            if let Some(through) = machine.disk.keep_all(&mut kept) {
                return self.came(me, Came::Appended(through), now);
            }
            return Ok(());
        }
        if machine.disk.tell() {
            observer.disk(me, moment, DiskEvent::Failed);
            return self.came(me, Came::AppendFailed, now);
        }
        if let Some((sync, times)) = machine.disk.sync() {
            let takes = latency.draw(&mut machine.dice.disk).saturating_mul(times);
            self.agenda
                .insert(Time(now.0.saturating_add(takes)), What::Synced { me, sync });
        }
        Ok(())
    }

    pub(super) fn synced(
        &mut self,
        me: MachineId,
        sync: u64,
        now: Time,
        observer: &mut impl Observer<S>,
    ) -> Result<(), OpenError> {
        let moment = self.moment(me, now);
        let mut kept = |rows: &[Row]| observer.keeps(me, moment, rows);
        let machine = self.machine(me);
        let through = machine.and_then(|machine| machine.disk.synced(sync, &mut kept));
        if let Some(through) = through {
            observer.disk(me, moment, DiskEvent::Durable { through });
            self.came(me, Came::Appended(through), now)?;
        }
        self.sync(me, now, observer)
    }
}
