//! A small real service: a counter that only grows, on every machine the same after a while (a G-counter: each machine's own
//! count, merged by maximum), with answers that wait for the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::Sender,
    time::Duration,
};

use clocklab::{
    node::DownCause,
    service::{Effect, Effects, Input, Last, Peer, Row, Service, Ticket},
    trace::{Event, Kind, Record},
    units::{MachineId, Time},
    wire::{FieldError, Fields, Message, Reason, write_varint},
};

/// How often a machine says what it has, whether or not somebody listens.
const BEAT: Duration = Duration::from_millis(50);

/// Bytes of each answer to [`Ask::Burst`].
pub(crate) const BURST_BYTES: usize = 900_000;

/// The counts of some machines.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Counts(pub(crate) BTreeMap<MachineId, u64>);

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Count so many more; answered when it is kept.
    Add(u64),
    /// Say the sum.
    Read,
    /// Say every sum from now on.
    Watch,
    /// Say nothing, ever.
    Never,
    /// Say so many bytes.
    Bytes(u64),
    /// Say so many bytes when all that is known is kept.
    Late(u64),
    /// Say so many times [`BURST_BYTES`], at once.
    Burst(u64),
}

/// What it is answered: the sum, and bytes if it asked for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) u64, pub(crate) Vec<u8>);

/// What a machine tells the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Started(u32),
    Restored(u64),
    Up(MachineId, u32),
    Down(MachineId, DownCause),
    Unreliable(MachineId),
    Heard(MachineId, Counts),
    Cancelled(Ticket),
    Failed(String),
    Stopped(Reason),
    Ended,
}

/// What a test wants of the service from outside.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    Peers(Vec<Peer>),
    Reset(MachineId),
}

/// The service.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) me: MachineId,
    pub(crate) counts: Counts,
    peers: Vec<Peer>,
    up: BTreeSet<MachineId>,
    tell: Sender<Told>,
    wants: std::sync::mpsc::Receiver<Want>,
    /// Answers that wait for an append, and what they say.
    waiting: Vec<(u64, Ticket, Vec<u8>)>,
    watching: BTreeSet<Ticket>,
    never: BTreeSet<Ticket>,
    appends: u64,
    dirty: bool,
    grown: bool,
    next_beat: Option<Time>,
    tick: u64,
}

impl Message for Counts {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF2
    }

    fn encode(&self, body: &mut Vec<u8>) {
        for (machine, count) in &self.0 {
            write_varint(u64::from(machine.0), body);
            write_varint(*count, body);
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != 0xF2 {
            return Err(FieldError::Kind { kind });
        }
        let (mut fields, mut counts) = (Fields::new(body), Counts::default());
        while !fields.rest().is_empty() {
            let machine = fields.varint("machine")?;
            let machine = u16::try_from(machine).map_err(|_| FieldError::Value {
                field: "machine",
                value: machine,
            })?;
            counts.0.insert(MachineId(machine), fields.varint("count")?);
        }
        Ok(counts)
    }
}

impl Message for Ask {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF3
    }

    fn encode(&self, body: &mut Vec<u8>) {
        let (what, number) = match self {
            Ask::Add(number) => (0, *number),
            Ask::Read => (1, 0),
            Ask::Watch => (2, 0),
            Ask::Never => (3, 0),
            Ask::Bytes(number) => (4, *number),
            Ask::Late(number) => (5, *number),
            Ask::Burst(number) => (6, *number),
        };
        body.push(what);
        write_varint(number, body);
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != 0xF3 {
            return Err(FieldError::Kind { kind });
        }
        let mut fields = Fields::new(body);
        let what = fields.u8("what")?;
        let number = fields.varint("number")?;
        fields.end()?;
        match what {
            0 => Ok(Ask::Add(number)),
            1 => Ok(Ask::Read),
            2 => Ok(Ask::Watch),
            3 => Ok(Ask::Never),
            4 => Ok(Ask::Bytes(number)),
            5 => Ok(Ask::Late(number)),
            6 => Ok(Ask::Burst(number)),
            value => Err(FieldError::Value {
                field: "what",
                value: u64::from(value),
            }),
        }
    }
}

impl Message for Sum {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF4
    }

    fn encode(&self, body: &mut Vec<u8>) {
        write_varint(self.0, body);
        body.extend_from_slice(&self.1);
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != 0xF4 {
            return Err(FieldError::Kind { kind });
        }
        let mut fields = Fields::new(body);
        let sum = fields.varint("sum")?;
        Ok(Sum(sum, fields.rest().to_vec()))
    }
}

impl Tally {
    pub(crate) fn new(
        me: MachineId,
        peers: Vec<Peer>,
        tell: Sender<Told>,
        wants: std::sync::mpsc::Receiver<Want>,
    ) -> Self {
        Self {
            me,
            counts: Counts::default(),
            peers,
            up: BTreeSet::new(),
            tell,
            wants,
            waiting: Vec::new(),
            watching: BTreeSet::new(),
            never: BTreeSet::new(),
            appends: 0,
            dirty: false,
            grown: false,
            next_beat: None,
            tick: 0,
        }
    }

    fn sum(&self) -> u64 {
        self.counts.0.values().sum()
    }

    fn tell(&self, told: Told) {
        // A test that has seen enough listens no more.
        let _ = self.tell.send(told);
    }

    fn ask(&mut self, ticket: Ticket, request: &Ask, effects: &mut Effects<Self>) {
        let (bytes, last) = match request {
            Ask::Add(number) => {
                *self.counts.0.entry(self.me).or_default() += number;
                self.dirty = true;
                self.waiting.push((self.appends + 1, ticket, Vec::new()));
                return;
            }
            Ask::Late(bytes) => {
                self.dirty = true;
                let bytes = vec![7; usize::try_from(*bytes).unwrap()];
                self.waiting.push((self.appends + 1, ticket, bytes));
                return;
            }
            Ask::Burst(times) => {
                for time in 1..=*times {
                    effects.push(Effect::Reply {
                        ticket,
                        reply: Sum(time, vec![7; BURST_BYTES]),
                        last: if time == *times { Last::Yes } else { Last::No },
                    });
                }
                return;
            }
            Ask::Never => {
                self.never.insert(ticket);
                return;
            }
            Ask::Read => (0, Last::Yes),
            Ask::Watch => {
                self.watching.insert(ticket);
                (0, Last::No)
            }
            Ask::Bytes(bytes) => (usize::try_from(*bytes).unwrap(), Last::Yes),
        };
        let reply = Sum(self.sum(), vec![7; bytes]);
        effects.push(Effect::Reply { ticket, reply, last });
    }

    fn end_round(&mut self, effects: &mut Effects<Self>) {
        if self.dirty {
            self.appends += 1;
            let own = self.counts.0.get(&self.me).copied().unwrap_or_default();
            effects.push(Effect::Append {
                number: self.appends,
                rows: vec![Row {
                    table: 0,
                    key: Box::new([1]),
                    value: Some(Box::new(own.to_be_bytes())),
                }],
            });
            for to in &self.up {
                effects.push(Effect::Send {
                    to: *to,
                    message: self.counts.clone(),
                });
            }
            self.tick += 1;
            let kind = match self.up.is_empty() {
                true => Kind::Internal,
                false => Kind::Send {
                    to: self.up.iter().copied().collect(),
                    mishaps: None,
                },
            };
            effects.push(Effect::Record(Record::Event(Event {
                tick: self.tick,
                clock: self.tick,
                vector: None,
                hybrid: None,
                store: None,
                kind,
            })));
        }
        if self.dirty || self.grown {
            let sum = self.sum();
            for ticket in &self.watching {
                effects.push(Effect::Reply {
                    ticket: *ticket,
                    reply: Sum(sum, Vec::new()),
                    last: Last::No,
                });
            }
        }
        (self.dirty, self.grown) = (false, false);
    }

    fn beat(&mut self, now: Time, effects: &mut Effects<Self>) {
        self.next_beat = Some(now.after(BEAT));
        for to in &self.up {
            effects.push(Effect::Signal {
                to: *to,
                message: self.counts.clone(),
            });
        }
        for want in self.wants.try_iter() {
            match want {
                Want::Peers(peers) => {
                    self.peers.clone_from(&peers);
                    effects.push(Effect::Peers(peers));
                }
                Want::Reset(peer) => effects.push(Effect::Reset { peer }),
            }
        }
    }
}

impl Service for Tally {
    type Message = Counts;
    type Request = Ask;
    type Reply = Sum;

    fn handle(&mut self, now: Time, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Restored { row } => {
                let value: [u8; 8] = row.value.unwrap()[..].try_into().unwrap();
                let own = u64::from_be_bytes(value);
                self.counts.0.insert(self.me, own);
                self.tell(Told::Restored(own));
            }
            Input::Start { incarnation, .. } => {
                self.next_beat = Some(now);
                effects.push(Effect::Peers(self.peers.clone()));
                self.tell(Told::Started(incarnation));
            }
            Input::LinkUp { peer, incarnation } => {
                self.up.insert(peer);
                effects.push(Effect::Signal {
                    to: peer,
                    message: self.counts.clone(),
                });
                self.tell(Told::Up(peer, incarnation));
            }
            Input::Unreliable { peer } => self.tell(Told::Unreliable(peer)),
            Input::LinkDown { peer, cause } => {
                assert!(self.up.remove(&peer), "down without up");
                self.tell(Told::Down(peer, cause));
            }
            Input::Message { from, message } => {
                assert!(self.up.contains(&from), "a message without a link");
                for (machine, count) in &message.0 {
                    let known = self.counts.0.entry(*machine).or_default();
                    self.grown |= count > known;
                    *known = (*known).max(*count);
                }
                self.tell(Told::Heard(from, message));
            }
            Input::Request { ticket, request } => self.ask(ticket, &request, effects),
            Input::Cancelled { ticket } => {
                self.watching.remove(&ticket);
                self.never.remove(&ticket);
                self.waiting.retain(|(_, waiting, _)| *waiting != ticket);
                self.tell(Told::Cancelled(ticket));
            }
            Input::Appended { through } => {
                let sum = self.sum();
                self.waiting.retain_mut(|(number, ticket, bytes)| {
                    if *number <= through {
                        effects.push(Effect::Reply {
                            ticket: *ticket,
                            reply: Sum(sum, std::mem::take(bytes)),
                            last: Last::Yes,
                        });
                    }
                    *number > through
                });
            }
            Input::AppendFailed { why } => self.tell(Told::Failed(why)),
            Input::RoundEnd => self.end_round(effects),
            Input::Timeout => self.beat(now, effects),
            Input::Stop { reason } => self.tell(Told::Stopped(reason)),
            Input::WallClock { .. } => {}
            Input::End => self.tell(Told::Ended),
        }
    }

    fn held_bytes(&self) -> usize {
        self.waiting.iter().map(|(.., bytes)| bytes.len()).sum()
    }

    fn open_requests(&self, name: &mut dyn FnMut(Ticket, &Ask)) {
        self.watching.iter().for_each(|ticket| name(*ticket, &Ask::Watch));
        self.never.iter().for_each(|ticket| name(*ticket, &Ask::Never));
    }

    fn deadline(&self) -> Option<Time> {
        self.next_beat
    }
}
