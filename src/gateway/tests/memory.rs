//! A store of one replica in memory: what the gateway's own tests ask. It keeps what it is told, judges tokens and
//! conditions, waits, watches and changes members as the real one does; it has no peers and no disk. Writes of others are
//! given to it as messages, so that a token can name one that is not here yet.
#![allow(clippy::disallowed_methods, reason = "its driver is a thread with a clock")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        Action, Answer, Change, Condition, Content, Copies, Deny, Done, Item, Key, Member, MemberChange,
        Missing, Operation, Reply, Request, Standing, Status, Token, VALUE_BYTES_MAX, Value, Watched, Why,
    },
    service::{Answered, Desk, Effect, Effects, Input, Last, Service, Ticket},
    units::{MachineId, Time},
    wire::{FieldError, Fields, Message, write_varint},
};

/// This replica's life.
pub(super) const ORIGIN: Origin = Origin {
    machine: MachineId(1),
    incarnation: 7,
};

#[derive(Clone, Debug)]
enum Held {
    Values(Vec<(Dot, Value)>),
    Counter(i64, Dot),
    Set(BTreeMap<Value, Dot>),
}

pub(super) struct Memory {
    keys: BTreeMap<Key, Held>,
    known: VersionVector,
    waiting: Vec<(Time, Ticket, Request)>,
    watches: Vec<(Ticket, Key)>,
    told: Vec<Watched>,
    members: Vec<Member>,
}

/// A write of another replica has arrived.
#[derive(Debug)]
pub(super) struct Learn(pub(super) Dot);

impl Message for Learn {
    const SYSTEM: u8 = 9;

    fn kind(&self) -> u8 {
        0x7f
    }

    fn encode(&self, body: &mut Vec<u8>) {
        VersionVector::from_iter([(self.0.origin, self.0.number)]).encode(body);
        write_varint(0, body);
    }

    fn decode(_: u8, body: &[u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(body);
        let vector = VersionVector::decode(&mut fields)?;
        let (origin, number) = vector.iter().next().ok_or(FieldError::Kind { kind: 0 })?;
        Ok(Self(Dot::new(origin, number)))
    }
}

impl Memory {
    pub(super) fn new() -> Self {
        let myself = Member {
            id: MachineId(1),
            address: "127.0.0.1:8090".parse().expect("an address"),
            standing: Standing::Myself,
            incarnation: 7,
        };
        Self {
            keys: BTreeMap::new(),
            known: VersionVector::new(),
            waiting: Vec::new(),
            watches: Vec::new(),
            told: Vec::new(),
            members: vec![myself],
        }
    }

    fn answer(&mut self, ticket: Ticket, request: &Request, effects: &mut Effects<Self>) {
        let mut token = request.token.clone();
        let answer = match &request.action {
            Action::Get { key } => match self.item(key) {
                Some(item) => {
                    token.merge(&item.mark);
                    Answer::Found(item)
                }
                None => Answer::NotFound,
            },
            Action::Scan { prefix, after, limit } => {
                token.merge(&self.known);
                self.scan(prefix, after.as_ref(), *limit)
            }
            Action::Write { operations, copies } => match self.write(&token, operations, *copies, effects) {
                Ok((dot, done)) => {
                    if let Some(dot) = dot {
                        token = VersionVector::from_iter([(dot.origin, dot.number)]);
                    }
                    Answer::Written { dot, done }
                }
                Err(deny) => Answer::Denied(deny),
            },
            Action::Watch { prefix, after } => {
                if after.is_some_and(|after| after > self.told.len() as u64) {
                    let what = "the position is not remembered".to_owned();
                    return self.deny(ticket, token, Deny::Malformed { what }, effects);
                }
                self.watches.push((ticket, prefix.clone()));
                let told = self.told.clone();
                for watched in told
                    .iter()
                    .filter(|told| after.is_some_and(|after| told.position > after))
                {
                    self.tell(ticket, prefix, watched, effects);
                }
                return;
            }
            Action::Members => Answer::Members(self.members.clone()),
            Action::Change(change) => self.change(change),
            Action::Status => Answer::Status(Box::new(self.status())),
            Action::Backup { .. } => Answer::Denied(Deny::Busy),
            Action::Present { .. } => Answer::Admitted,
            Action::Why { .. } => Answer::Why(Box::new(Why {
                present: Vec::new(),
                buffered: Vec::new(),
                unmet: self.missing(&request.token),
            })),
        };
        effects.push(Effect::Reply {
            ticket,
            reply: Reply {
                token,
                released: Vec::new(),
                answer,
            },
            last: Last::Yes,
        });
    }

    fn deny(&self, ticket: Ticket, token: Token, deny: Deny, effects: &mut Effects<Self>) {
        effects.push(Effect::Reply {
            ticket,
            reply: Reply {
                token,
                released: Vec::new(),
                answer: Answer::Denied(deny),
            },
            last: Last::Yes,
        });
    }

    fn item(&self, key: &[u8]) -> Option<Item> {
        let held = self.keys.get(key)?;
        let (mark, content) = match held {
            Held::Values(values) => (
                values.iter().map(|(dot, _)| (dot.origin, dot.number)).collect(),
                Content::Values(values.iter().rev().map(|(_, value)| value.clone()).collect()),
            ),
            Held::Counter(sum, dot) => (
                VersionVector::from_iter([(dot.origin, dot.number)]),
                Content::Counter(*sum),
            ),
            Held::Set(elements) => (
                elements.values().map(|dot| (dot.origin, dot.number)).collect(),
                Content::Set(elements.keys().cloned().collect()),
            ),
        };
        Some(Item {
            mark,
            content,
            ends_us: None,
        })
    }

    fn scan(&self, prefix: &[u8], after: Option<&Key>, limit: u32) -> Answer {
        let keys = self.keys.keys().filter(|key| key.starts_with(prefix));
        let mut keys = keys.filter(|key| after.is_none_or(|after| *key > after));
        let page = keys.by_ref().take(limit as usize);
        let items: Vec<_> = page
            .map(|key| (key.clone(), self.item(key).expect("it is there")))
            .collect();
        let next = keys.next().and_then(|_| items.last().map(|(key, _)| key.clone()));
        Answer::Scanned { items, next }
    }

    fn write(
        &mut self,
        token: &Token,
        operations: &[Operation],
        copies: Copies,
        effects: &mut Effects<Self>,
    ) -> Result<(Option<Dot>, Vec<Done>), Deny> {
        let dot = Dot::new(ORIGIN, self.known.get(ORIGIN) + 1);
        let mut after = self.keys.clone();
        let mut done = Vec::new();
        for (place, operation) in operations.iter().enumerate() {
            done.push(self.operate(
                &mut after,
                u32::try_from(place).expect("few"),
                operation,
                token,
                dot,
            )?);
        }
        if copies == Copies::Two {
            return Err(Deny::TooFewCopies {
                dot,
                have: 1,
                want: 2,
            });
        }
        self.keys = after;
        if done.iter().all(|done| *done == Done::Nothing) {
            return Ok((None, done));
        }
        self.known.raise(ORIGIN, dot.number);
        let keys = operations.iter().map(|operation| &operation.key);
        let watched = Watched {
            position: dot.number,
            dot,
            changes: keys.map(|key| (key.clone(), self.item(key))).collect(),
        };
        for (ticket, prefix) in self.watches.clone() {
            self.tell(ticket, &prefix, &watched, effects);
        }
        self.told.push(watched);
        Ok((Some(dot), done))
    }

    fn operate(
        &self,
        keys: &mut BTreeMap<Key, Held>,
        place: u32,
        operation: &Operation,
        token: &Token,
        dot: Dot,
    ) -> Result<Done, Deny> {
        let before = self.item(&operation.key);
        let holds = match &operation.condition {
            Condition::Always => true,
            Condition::Absent => before.is_none(),
            Condition::Present => before.is_some(),
            Condition::Unchanged(mark) => before.as_ref().is_some_and(|item| item.mark == *mark),
        };
        if !holds {
            let mark = before.map(|item| item.mark).unwrap_or_default();
            return Err(Deny::Condition {
                operation: place,
                mark,
            });
        }
        let wrong = Err(Deny::WrongType { operation: place });
        let key = operation.key.clone();
        let held = keys.remove(&key);
        let was_there = held.is_some();
        let after = match (&operation.change, held) {
            (Change::Put(value), _) => {
                if value.bytes.len() > VALUE_BYTES_MAX {
                    return Err(Deny::TooLarge {
                        what: "the value".to_owned(),
                    });
                }
                Held::Values(vec![(dot, value.clone())])
            }
            (Change::PutBeside(value), Some(Held::Values(mut values))) => {
                values.retain(|(dot, _)| !token.contains(*dot));
                values.push((dot, value.clone()));
                Held::Values(values)
            }
            (Change::PutBeside(value), None) => Held::Values(vec![(dot, value.clone())]),
            (Change::Delete, None) => return Ok(Done::Nothing),
            (Change::Delete, Some(_)) => return Ok(Done::Deleted),
            (Change::Add(by), None) => Held::Counter(*by, dot),
            (Change::Add(by), Some(Held::Counter(sum, _))) => Held::Counter(sum.wrapping_add(*by), dot),
            (Change::Insert(values), None) => {
                Held::Set(values.iter().map(|value| (value.clone(), dot)).collect())
            }
            (Change::Insert(values), Some(Held::Set(mut elements))) => {
                elements.extend(values.iter().map(|value| (value.clone(), dot)));
                Held::Set(elements)
            }
            (Change::Remove(_), None) => return Ok(Done::Nothing),
            (Change::Remove(values), Some(Held::Set(mut elements))) => {
                elements.retain(|value, _| !values.contains(value));
                Held::Set(elements)
            }
            (Change::PutBeside(_) | Change::Add(_) | Change::Insert(_) | Change::Remove(_), Some(_)) => {
                return wrong;
            }
        };
        keys.insert(key, after);
        Ok(if was_there { Done::Updated } else { Done::Created })
    }

    fn tell(&self, ticket: Ticket, prefix: &[u8], watched: &Watched, effects: &mut Effects<Self>) {
        let mut watched = watched.clone();
        watched.changes.retain(|(key, _)| key.starts_with(prefix));
        if watched.changes.is_empty() {
            return;
        }
        effects.push(Effect::Reply {
            ticket,
            reply: Reply {
                token: self.known.clone(),
                released: Vec::new(),
                answer: Answer::Changed(watched),
            },
            last: Last::No,
        });
    }

    fn change(&mut self, change: &MemberChange) -> Answer {
        let was_so = match change {
            MemberChange::Add { id, address } => {
                let was_so = self
                    .members
                    .iter()
                    .any(|member| member.id == *id && member.address == *address);
                self.members.retain(|member| member.id != *id);
                self.members.push(Member {
                    id: *id,
                    address: address.clone(),
                    standing: Standing::Alive,
                    incarnation: 0,
                });
                was_so
            }
            MemberChange::Remove { id }
            | MemberChange::Lose { id }
            | MemberChange::Drain { id }
            | MemberChange::Replace { old: id, .. } => {
                let before = self.members.len();
                self.members.retain(|member| member.id != *id);
                if self.members.len() == before {
                    return Answer::Denied(Deny::NoSuchMember);
                }
                false
            }
            MemberChange::Set { members } => {
                let one = |(id, address): &(MachineId, _)| Member {
                    id: *id,
                    address: Clone::clone(address),
                    standing: Standing::Alive,
                    incarnation: 0,
                };
                self.members = members.iter().map(one).collect();
                false
            }
        };
        Answer::MembersChanged { was_so }
    }

    fn status(&self) -> Status {
        Status {
            origin: ORIGIN,
            address: "127.0.0.1:8090".parse().expect("an address"),
            is_ready: true,
            known: self.known.clone(),
            kept: self.known.clone(),
            stable: VersionVector::new(),
            members: self.members.clone(),
            lags: Vec::new(),
            keys: self.keys.len() as u64,
            tombstones: 0,
            buffered: 0,
            waiting: self.waiting.len() as u64,
            logged: (0, 0),
            counts: vec![("writes_accepted".into(), self.known.get(ORIGIN))],
            disk_trouble: None,
        }
    }

    fn missing(&self, token: &Token) -> Vec<Missing> {
        let one = |dot: Dot| Missing {
            dot,
            have: self.known.get(dot.origin),
            seen_by: vec![MachineId(2)],
        };
        self.known.missing(token).map(one).collect()
    }

    /// Answers those that wait and can be answered, or have waited long enough.
    fn look(&mut self, now: Time, effects: &mut Effects<Self>) {
        for (until, ticket, request) in std::mem::take(&mut self.waiting) {
            if self.known.covers(&request.token) {
                self.answer(ticket, &request, effects);
            } else if now >= until {
                let missing = self.missing(&request.token);
                self.deny(ticket, request.token, Deny::Unmet { missing }, effects);
            } else {
                self.waiting.push((until, ticket, request));
            }
        }
    }
}

impl Service for Memory {
    type Message = Learn;
    type Request = Request;
    type Reply = Reply;

    fn handle(&mut self, now: Time, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Request { ticket, request } => {
                let until = Time(now.0 + request.wait_us);
                let reads_data = matches!(
                    request.action,
                    Action::Get { .. } | Action::Scan { .. } | Action::Write { .. } | Action::Watch { .. }
                );
                if reads_data {
                    self.waiting.push((until, ticket, request));
                    self.look(now, effects);
                } else {
                    self.answer(ticket, &request, effects);
                }
            }
            Input::Message { message, .. } => {
                self.known.raise(message.0.origin, message.0.number);
                self.look(now, effects);
            }
            Input::Cancelled { ticket } => {
                self.waiting.retain(|waiting| waiting.1 != ticket);
                self.watches.retain(|watch| watch.0 != ticket);
            }
            Input::Timeout => self.look(now, effects),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.waiting.iter().map(|waiting| waiting.0).min()
    }
}

enum Job {
    Request(Ticket, Request, Answered<Memory>),
    Cancel(Ticket),
    Learn(Dot),
    WhatIsOpen(mpsc::Sender<usize>),
}

/// A thread that drives a [`Memory`].
pub(super) struct MemoryDesk {
    jobs: Mutex<mpsc::Sender<Job>>,
    tickets: AtomicU64,
}

impl MemoryDesk {
    pub(super) fn start(memory: Memory) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || drive(memory, &receiver))
            .expect("a thread");
        Self {
            jobs: Mutex::new(sender),
            tickets: AtomicU64::new(1),
        }
    }

    /// Has it hear of a write of another replica.
    pub(super) fn learn(&self, dot: Dot) {
        self.send(Job::Learn(dot));
    }

    /// How many requests are neither answered nor cancelled.
    pub(super) fn open(&self) -> usize {
        let (sender, receiver) = mpsc::channel();
        self.send(Job::WhatIsOpen(sender));
        receiver.recv().expect("a number")
    }

    fn send(&self, job: Job) {
        let _ = self.jobs.lock().expect("not poisoned").send(job);
    }
}

impl Desk<Memory> for MemoryDesk {
    fn submit(&self, request: Request, answered: Answered<Memory>) -> Ticket {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.send(Job::Request(ticket, request, answered));
        ticket
    }

    fn cancel(&self, ticket: Ticket) {
        self.send(Job::Cancel(ticket));
    }
}

fn drive(mut memory: Memory, jobs: &mpsc::Receiver<Job>) {
    let start = Instant::now();
    let mut open: BTreeMap<Ticket, Answered<Memory>> = BTreeMap::new();
    let mut effects = Vec::new();
    loop {
        let now = Time(u64::try_from(start.elapsed().as_micros()).expect("not so long"));
        let wait = memory
            .deadline()
            .map_or(1_000_000, |deadline| deadline.0.saturating_sub(now.0));
        let job = jobs.recv_timeout(Duration::from_micros(wait));
        let now = Time(u64::try_from(start.elapsed().as_micros()).expect("not so long"));
        let input = match job {
            Ok(Job::Request(ticket, request, answered)) => {
                open.insert(ticket, answered);
                Input::Request { ticket, request }
            }
            Ok(Job::Cancel(ticket)) => {
                open.remove(&ticket);
                Input::Cancelled { ticket }
            }
            Ok(Job::Learn(dot)) => Input::Message {
                from: dot.origin.machine,
                message: Learn(dot),
            },
            Ok(Job::WhatIsOpen(sender)) => {
                let _ = sender.send(open.len());
                continue;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Input::Timeout,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        memory.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            let Effect::Reply { ticket, reply, last } = effect else {
                continue;
            };
            if last == Last::No {
                if let Some(answered) = open.get_mut(&ticket) {
                    answered(reply, last);
                }
            } else if let Some(mut answered) = open.remove(&ticket) {
                answered(reply, last);
            }
        }
    }
}
