//! How the clients of a simulated run play: whose turn it is, when patience ends, and the last reads of all.

use super::{
    book::{Book, Pending},
    operator::CHANGE,
    recorded::Outcome,
    stable::SAMPLE,
    watches::{BASE, WATCH},
};
use crate::{
    kv::{self, Action, Answer, Token},
    service::{Peer, Row, Service, Ticket},
    sim::open::{DiskEvent, Heard, LifeEvent, Moment, Observer, Orders},
    trace::Record,
    units::{MachineId, Time},
};

/// How long a client waits for an answer, in microseconds: then it gives up, and goes elsewhere.
const PATIENCE_US: u64 = 4_000_000;

/// In the tag of a wake-up: that a request is out of patience; its ticket is the rest.
const OUT_OF_PATIENCE: u64 = 1 << 63;

/// The tag at which all has settled.
const SETTLED: u64 = 1 << 62;

impl<S> Observer<S> for Book
where
    S: Service<Request = kv::Request, Reply = kv::Reply>,
{
    fn record(&mut self, machine: MachineId, at: Moment, record: &Record) {
        if let Some(logs) = &mut self.logs {
            logs.record(machine, at, record);
        }
        if let Record::Data(data) = record {
            self.data.insert(machine, (data.known.clone(), data.digest));
            if self.restored.remove(&machine)
                && let Some(disks) = &self.disks
                && let Err(what) = disks.judge_restored(machine, &data.known)
            {
                self.breaks(what);
            }
        }
        if let (Record::LinkUp { peer, incarnation }, Some(disks)) = (record, &mut self.disks) {
            disks.met(machine, *peer, *incarnation);
        }
    }

    fn life(&mut self, machine: MachineId, at: Moment, event: LifeEvent) {
        match event {
            LifeEvent::Started { incarnation, .. } => {
                self.restored.insert(machine);
                if let Some(disks) = &mut self.disks {
                    disks.started(machine, incarnation);
                }
                if let Some(logs) = &mut self.logs {
                    logs.start(machine, at, incarnation);
                }
            }
            LifeEvent::Died => {
                let is_lost = self.memory_only.contains(&machine);
                if let Some(disks) = &mut self.disks {
                    disks.died(machine);
                    if is_lost {
                        disks.lost(machine);
                    }
                }
            }
            LifeEvent::Ended => {
                self.ended.insert(machine);
            }
        }
    }

    fn disk(&mut self, machine: MachineId, _: Moment, event: DiskEvent) {
        match event {
            DiskEvent::Lost => {
                if let Some(disks) = &mut self.disks {
                    disks.lost(machine);
                }
            }
            // What is there was told.
            DiskEvent::Durable { .. } | DiskEvent::Torn { .. } | DiskEvent::Failed => {}
        }
    }

    fn keeps(&mut self, machine: MachineId, at: Moment, rows: &[Row]) {
        if let Some(disks) = &mut self.disks {
            let wrong = disks.keeps(machine, at.at, rows);
            wrong.into_iter().for_each(|what| self.breaks(what));
        }
    }

    fn peers(&mut self, machine: MachineId, at: Moment, peers: &[Peer]) {
        if let Some(disks) = &mut self.disks {
            disks.views(machine, at.at, peers);
        }
    }

    fn heard(&mut self, at: Time, ticket: Ticket, heard: Heard<kv::Reply>, orders: &mut Orders<S>) {
        match self.pending.remove(&ticket) {
            Some(Pending::Session {
                place,
                ask,
                copies,
                begun,
            }) => {
                self.session_heard(place, &ask, copies, (begun, at), heard);
                self.plan_turn(place, at, orders);
            }
            Some(Pending::Status(machine) | Pending::Scan(machine)) => {
                self.final_heard(machine, None, at, heard);
            }
            Some(Pending::Token(machine, session)) => self.final_heard(machine, Some(session), at, heard),
            Some(Pending::Sample(machine)) => self.sample_heard(machine, at, &heard),
            Some(Pending::Memory(machine, key)) => self.memory_heard(machine, key, heard),
            Some(Pending::Watch(number)) => self.watch_heard(at, ticket, number, heard, orders),
            Some(Pending::Change) => self.change_heard(at, &heard, orders),
            Some(Pending::Base(number, watch)) => self.base_heard(number, watch, heard),
            None => {}
        }
    }

    fn wake(&mut self, at: Time, tag: u64, orders: &mut Orders<S>) {
        if tag & OUT_OF_PATIENCE > 0 {
            let ticket = Ticket(tag & !OUT_OF_PATIENCE);
            if let Some(Pending::Session {
                place, ask, begun, ..
            }) = self.pending.remove(&ticket)
            {
                orders.cancel(ticket);
                self.counts.unknown += 1;
                self.settle(place, &ask, Outcome::Unknown, begun);
                let replicas = self.terms.replicas;
                if let Some(session) = self.sessions.get_mut(place) {
                    session.move_on(replicas);
                }
                self.plan_turn(place, at, orders);
            }
        } else if tag & CHANGE > 0 {
            self.wake_operator(at, orders);
        } else if tag & (WATCH | BASE) > 0 {
            self.wake_watch(at, tag, orders);
        } else if tag == SAMPLE {
            self.sample(at, orders);
        } else if tag == SETTLED {
            self.read_all(orders);
        } else if tag == 0 {
            for place in 0..self.sessions.len() {
                self.plan_turn(place, at, orders);
            }
            for number in 0..self.watchers.len() {
                orders.wake(at, WATCH | number as u64);
            }
            if let Some(first) = self.operator.next_at() {
                orders.wake(first, CHANGE);
            }
            orders.wake(at, SAMPLE);
            orders.wake(self.terms.settled, SETTLED);
        } else {
            let place = usize::try_from(tag - 1).unwrap_or(usize::MAX);
            self.turn(place, at, orders);
        }
    }
}

impl Book {
    fn plan_turn<S>(&mut self, place: usize, now: Time, orders: &mut Orders<S>)
    where
        S: Service<Request = kv::Request, Reply = kv::Reply>,
    {
        let think_us = self.terms.think_us;
        if let Some(session) = self.sessions.get_mut(place) {
            orders.wake(session.next_at(now, think_us), place as u64 + 1);
        }
    }

    /// A session's turn.
    fn turn<S>(&mut self, place: usize, now: Time, orders: &mut Orders<S>)
    where
        S: Service<Request = kv::Request, Reply = kv::Reply>,
    {
        let replicas = self.terms.replicas;
        if now >= self.terms.heals {
            return;
        }
        let sessions = self.sessions.len();
        let Some(session) = self.sessions.get_mut(place) else {
            return;
        };
        if session.dice.below(4) == 0 {
            session.move_on(replicas);
        }
        let ask = session.ask(sessions, &mut self.shared);
        let (copies, wait_us) = session.manner();
        let token = match session.carries {
            true => session.token.clone(),
            false => Token::new(),
        };
        let at = session.at;
        self.note_ask(place, &ask);
        let request = kv::Request {
            token,
            wait_us,
            action: ask.action(copies),
        };
        let ticket = orders.request(at, request);
        self.counts.asked += 1;
        let pending = Pending::Session {
            place,
            ask,
            copies,
            begun: now,
        };
        self.pending.insert(ticket, pending);
        orders.wake(Time(now.0 + PATIENCE_US), OUT_OF_PATIENCE | ticket.0);
    }

    /// The last reads of all.
    fn read_all<S>(&mut self, orders: &mut Orders<S>)
    where
        S: Service<Request = kv::Request, Reply = kv::Reply>,
    {
        for machine in self.members.clone() {
            self.finals.entry(machine).or_default();
            let mut ask = |token: Token, action, pending| {
                let wait_us = 0;
                let request = kv::Request {
                    token,
                    wait_us,
                    action,
                };
                let ticket = orders.request(machine, request);
                self.pending.insert(ticket, pending);
            };
            ask(Token::new(), Action::Status, Pending::Status(machine));
            let scan = Action::Scan {
                prefix: Box::default(),
                after: None,
                limit: 10_000,
            };
            ask(Token::new(), scan, Pending::Scan(machine));
            for session in &self.sessions {
                let key = super::ask::bytes("r0");
                let pending = Pending::Token(machine, session.place);
                ask(session.token.clone(), Action::Get { key }, pending);
            }
            self.ask_memories(machine, orders);
        }
    }

    fn final_heard(&mut self, machine: MachineId, session: Option<usize>, at: Time, heard: Heard<kv::Reply>) {
        let Heard::Reply { reply, .. } = heard else {
            return;
        };
        // What a session has seen may have been on a lost disk alone, though nobody was told that it is kept.
        if let Some(session) = session {
            self.on_released(session, machine, at, &reply.released);
        }
        let held = self.finals.entry(machine).or_default();
        match (reply.answer, session) {
            (Answer::Status(status), _) => held.status = Some(status),
            (Answer::Scanned { items, next: None }, _) => held.items = Some(items),
            (Answer::Found(_) | Answer::NotFound, Some(session)) => {
                held.met.insert(session);
            }
            (other, _) => self.breaks(format!(
                "when all has settled, machine {machine} answers {other:?} to the last reads"
            )),
        }
    }
}
