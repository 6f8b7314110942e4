//! A small honest service: everybody counts what clients gave it, keeps that on its disk, and tells the others; and an
//! observer that plays its clients and judges what they hear.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::super::{DiskEvent, Heard, LifeEvent, Made, Moment, Observer, Orders, Place};
use crate::{
    clock::{Origin, VersionVector},
    service::{Effect, Effects, Input, Last, Peer, Row, Service, Ticket},
    trace::Record,
    units::{MachineId, Time},
    wire::{self, FieldError, Fields},
};

/// How many of each life of each machine: also the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) counts: VersionVector,
    /// Of its link, from 1: for the contract of links.
    number: u64,
}

impl wire::Message for Counts {
    const SYSTEM: u8 = 200;

    fn kind(&self) -> u8 {
        0x7f
    }

    fn encode(&self, body: &mut Vec<u8>) {
        wire::write_varint(self.number, body);
        self.counts.encode(body);
    }

    fn decode(_: u8, body: &[u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(body);
        let number = fields.varint("number")?;
        let counts = VersionVector::decode(&mut fields)?;
        fields.end()?;
        Ok(Self { counts, number })
    }
}

/// How dishonest it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Honesty {
    Honest,
    /// Answers before its disk has it.
    Hasty,
    /// Tells others of a change once, and never again.
    Careless,
}

/// What each machine knew when it ended.
pub(super) type Ends = Rc<RefCell<BTreeMap<MachineId, VersionVector>>>;

pub(super) struct Tally {
    me: MachineId,
    ends: Ends,
    honesty: Honesty,
    origin: Origin,
    others: Vec<Peer>,
    counts: VersionVector,
    is_new: bool,
    appends: u64,
    /// Answers that wait for a number of an append.
    waiting: Vec<(u64, Ticket, u64)>,
    /// Of each peer: what was sent and received on the link, and whether that can be relied on.
    links: BTreeMap<MachineId, (u64, u64, bool)>,
    next: Time,
}

const HEARTBEAT_US: u64 = 200_000;

impl Tally {
    pub(super) fn new(made: Made, places: &[Place], honesty: Honesty, ends: Ends) -> Self {
        let all = (0..).map(MachineId).zip(places);
        let others = all.filter(|(id, _)| *id != made.machine).map(|(id, place)| Peer {
            id,
            address: place.address.clone(),
        });
        Self {
            me: made.machine,
            ends,
            honesty,
            origin: Origin {
                machine: made.machine,
                incarnation: made.incarnation,
            },
            others: others.collect(),
            counts: VersionVector::new(),
            is_new: false,
            appends: 0,
            waiting: Vec::new(),
            links: BTreeMap::new(),
            next: Time(0),
        }
    }

    fn tell(&mut self, effects: &mut Effects<Self>) {
        for (peer, link) in &mut self.links {
            link.0 += 1;
            let message = Counts {
                counts: self.counts.clone(),
                number: link.0,
            };
            effects.push(Effect::Signal { to: *peer, message });
        }
    }
}

impl Tally {
    fn answer(&mut self, through: u64, effects: &mut Effects<Self>) {
        let origin = self.origin;
        self.waiting.retain(|(number, ticket, count)| {
            let is_kept = *number <= through;
            if is_kept {
                effects.push(Effect::Reply {
                    ticket: *ticket,
                    reply: (origin, *count),
                    last: Last::Yes,
                });
            }
            !is_kept
        });
    }

    fn keep(&mut self, effects: &mut Effects<Self>) {
        if std::mem::take(&mut self.is_new) {
            self.appends += 1;
            let mut value = Vec::new();
            self.counts.encode(&mut value);
            let row = Row {
                table: 1,
                key: b"counts"[..].into(),
                value: Some(value.into()),
            };
            effects.push(Effect::Append {
                number: self.appends,
                rows: vec![row],
            });
            self.tell(effects);
        }
    }
}

impl Service for Tally {
    type Message = Counts;
    type Request = u64;
    type Reply = (Origin, u64);

    fn handle(&mut self, now: Time, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Restored { row } => {
                let value = row.value.expect("a row that was kept has a value");
                self.counts = VersionVector::decode(&mut Fields::new(&value)).expect("as written");
            }
            Input::Start { incarnation, .. } => {
                assert_eq!(incarnation, self.origin.incarnation);
                assert_eq!(self.counts.get(self.origin), 0, "this life has counted before");
                effects.push(Effect::Peers(self.others.clone()));
                self.next = Time(now.0 + HEARTBEAT_US);
            }
            Input::LinkUp { peer, incarnation } => {
                assert!(incarnation > 0 && peer != self.me);
                let before = self.links.insert(peer, (0, 0, true));
                assert_eq!(before, None, "{peer} was linked already");
                self.tell(effects);
            }
            Input::Unreliable { peer } => {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.2 = false;
                }
            }
            Input::LinkDown { peer, .. } => {
                assert!(self.links.remove(&peer).is_some(), "{peer} was not linked");
            }
            Input::Message { from, message } => {
                let link = self
                    .links
                    .get_mut(&from)
                    .expect("messages come over links that are up");
                // The sender says what is unreliable, so all that holds here is that numbers are of this link.
                link.1 = link.1.max(message.number);
                assert!(message.number > 0);
                for (origin, count) in message.counts.iter() {
                    self.is_new |= self.counts.raise(origin, count);
                }
            }
            Input::Request { ticket, request } => {
                let count = self.counts.get(self.origin) + request;
                self.counts.raise(self.origin, count);
                self.is_new = true;
                if self.honesty == Honesty::Hasty {
                    let reply = (self.origin, count);
                    let last = Last::Yes;
                    effects.push(Effect::Reply { ticket, reply, last });
                } else {
                    self.waiting.push((self.appends + 1, ticket, count));
                }
            }
            Input::Appended { through } => self.answer(through, effects),
            Input::RoundEnd => self.keep(effects),
            Input::Timeout => {
                self.next = Time(now.0 + HEARTBEAT_US);
                if self.honesty != Honesty::Careless {
                    self.tell(effects);
                }
            }
            Input::Cancelled { ticket } => self.waiting.retain(|(_, other, _)| *other != ticket),
            Input::End => {
                self.ends.borrow_mut().insert(self.me, self.counts.clone());
            }
            Input::WallClock { .. } | Input::AppendFailed { .. } | Input::Stop { .. } => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.next)
    }
}

/// Plays clients that count, and writes down everything that happens.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) machines: u16,
    pub(super) every_us: u64,
    pub(super) until_us: u64,
    /// All that happened, as text: two runs of one seed have the same.
    pub(super) story: Vec<String>,
    pub(super) asked: u64,
    /// By origin: what was acknowledged, and when last.
    pub(super) acknowledged: BTreeMap<Origin, u64>,
    /// Lives by machine, each with the origins that it ended in.
    pub(super) starts: u64,
    pub(super) refused: u64,
    pub(super) broken: u64,
    /// The lives of machines whose disk was lost in or after that life.
    pub(super) lost: Vec<(MachineId, u32)>,
    pub(super) lives: Vec<(MachineId, u32)>,
    pub(super) failed_disks: u64,
    /// What is on the disks.
    pub(super) kept: BTreeMap<MachineId, Tables>,
}

/// A table's number and a key of it, and the value.
pub(super) type Tables = BTreeMap<(u8, Box<[u8]>), Option<Box<[u8]>>>;

impl Observer<Tally> for Counting {
    fn record(&mut self, machine: MachineId, at: Moment, record: &Record) {
        self.story.push(format!("{machine} {at:?} {record:?}"));
    }

    fn life(&mut self, machine: MachineId, at: Moment, event: LifeEvent) {
        self.story.push(format!("{machine} {at:?} {event:?}"));
        if let LifeEvent::Started { incarnation, rows } = event {
            self.starts += 1;
            let kept = self.kept.entry(machine).or_default();
            let there = kept.values().filter(|value| value.is_some()).count();
            assert_eq!(
                there as u64, rows,
                "{machine} begins with what its disk was told to keep"
            );
            let is_new = |(other, before): &(MachineId, u32)| *other != machine || *before < incarnation;
            assert!(
                self.lives.iter().all(is_new),
                "life {incarnation} of {machine} begins again"
            );
            self.lives.push((machine, incarnation));
        }
    }

    fn disk(&mut self, machine: MachineId, at: Moment, event: DiskEvent) {
        self.story.push(format!("{machine} {at:?} {event:?}"));
        match event {
            DiskEvent::Lost => {
                self.kept.remove(&machine);
                let of_machine = self.lives.iter().filter(|(other, _)| *other == machine);
                self.lost.extend(of_machine.copied());
            }
            DiskEvent::Failed => self.failed_disks += 1,
            DiskEvent::Durable { .. } | DiskEvent::Torn { .. } => {}
        }
    }

    fn keeps(&mut self, machine: MachineId, _: Moment, rows: &[Row]) {
        let kept = self.kept.entry(machine).or_default();
        for row in rows {
            kept.insert((row.table, row.key.clone()), row.value.clone());
        }
    }

    fn peers(&mut self, machine: MachineId, _: Moment, peers: &[Peer]) {
        assert!(peers.iter().all(|peer| peer.id != machine), "{peers:?}");
    }

    fn heard(&mut self, at: Time, ticket: Ticket, heard: Heard<(Origin, u64)>, _: &mut Orders<Tally>) {
        self.story.push(format!("{at:?} {ticket:?} {heard:?}"));
        match heard {
            Heard::Reply { reply, .. } => {
                let count = self.acknowledged.entry(reply.0).or_default();
                *count = (*count).max(reply.1);
            }
            Heard::Refused => self.refused += 1,
            Heard::Broken => self.broken += 1,
        }
    }

    fn wake(&mut self, at: Time, _: u64, orders: &mut Orders<Tally>) {
        if at.0 >= self.until_us {
            return;
        }
        let machine = MachineId(u16::try_from(self.asked % u64::from(self.machines)).unwrap());
        let ticket = orders.request(machine, 1 + self.asked % 3);
        if self.asked.is_multiple_of(17) {
            orders.cancel(ticket);
        }
        self.asked += 1;
        orders.wake(Time(at.0 + self.every_us), 1);
    }
}
