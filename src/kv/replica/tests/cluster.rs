//! A few replicas in one thread: links that can be cut, disks that can be lost, virtual time in milliseconds.
//!
//! A cut link is what a broken cable is: it stays up for both ends, and what is sent on it waits in the kernel, and comes
//! when it is mended, unless an end has reset it. Messages go as bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        Action, Answer, Change, Condition, Config, Content, Copies, Format, Message, Operation, Replica,
        Reply, Request, Status, Token, Value,
    },
    node::DownCause,
    service::{Address, Effect, Input, Last, Peer, Row, Service, Ticket},
    trace::{Record, StoreChange, WallTime},
    units::{MachineId, Time},
    wire::{Message as _, Reason},
};

/// 2026-11-21, in microseconds.
const WALL_US: i64 = 1_795_000_000_000_000;

/// When all replicas of a cluster begin.
pub(super) const BEGAN: Time = Time(1_000_000);

/// How long a message and an append take.
const STEP_US: u64 = 1000;

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// It keeps what it is given after a millisecond.
    Works,
    /// It keeps nothing for now.
    Stalls,
    /// It fails with the next append.
    Fails,
}

/// One replica and what is around it.
pub(super) struct Machine {
    pub(super) replica: Replica,
    incarnation: u32,
    peers: Vec<Peer>,
    pub(super) disk: Disk,
    pub(super) appends: VecDeque<(u64, Vec<Row>)>,
    is_paused: bool,
    inputs: Vec<Input<Replica>>,
    pub(super) records: Vec<Record>,
}

/// A link between two, the smaller first.
struct Line {
    number: u64,
    is_up: [bool; 2],
    lives: [u32; 2],
}

type Pair = (u16, u16);

/// What a disk has, by table and key.
type Rows = BTreeMap<(u8, Box<[u8]>), Box<[u8]>>;

pub(super) struct Cluster {
    pub(super) now: Time,
    configs: BTreeMap<u16, Config>,
    pub(super) machines: BTreeMap<u16, Machine>,
    pub(super) disks: BTreeMap<u16, Rows>,
    lines: BTreeMap<Pair, Line>,
    cut: BTreeSet<Pair>,
    flight: VecDeque<(Time, u16, u16, u64, u8, Vec<u8>)>,
    /// How often a peer was refused; `None`: it may not be.
    pub(super) refusals: Option<u64>,
    /// New writes that the first sends the second are lost.
    pub(super) deaf: Option<(u16, u16)>,
    /// How long a message takes beyond a step.
    pub(super) delay_us: u64,
    numbers: u64,
    tickets: u64,
    pub(super) replies: BTreeMap<Ticket, Vec<(Reply, Last)>>,
    incarnations: u32,
    /// Messages that were delivered, by kind.
    pub(super) kinds: BTreeMap<u8, u64>,
    /// What was needed by each write, from its origin's log.
    needs: BTreeMap<Dot, VersionVector>,
    /// What each machine's log says that it knows.
    logged: BTreeMap<u16, VersionVector>,
}

pub(super) fn address(id: u16) -> Address {
    format!("10.0.0.{id}:8090").parse().unwrap()
}

pub(super) fn value(text: &str) -> Value {
    Value {
        format: Format::Json,
        bytes: text.as_bytes().into(),
    }
}

pub(super) fn put(key: &str, text: &str) -> Operation {
    Operation {
        key: key.as_bytes().into(),
        change: Change::Put(value(text)),
        condition: Condition::Always,
        lasts_us: None,
    }
}

pub(super) fn delete(key: &str) -> Operation {
    Operation {
        change: Change::Delete,
        ..put(key, "")
    }
}

fn pair(a: u16, b: u16) -> Pair {
    (a.min(b), a.max(b))
}

impl Cluster {
    /// So many replicas of one view, started and linked.
    pub(super) fn new(count: u16) -> Self {
        let mut cluster = Self::empty();
        let view: Vec<u16> = (1..=count).collect();
        for id in &view {
            cluster.configure(*id, Some(&view));
        }
        for id in view {
            cluster.start(id);
        }
        cluster.run(1000);
        cluster
    }

    pub(super) fn empty() -> Self {
        Self {
            now: BEGAN,
            configs: BTreeMap::new(),
            machines: BTreeMap::new(),
            disks: BTreeMap::new(),
            lines: BTreeMap::new(),
            cut: BTreeSet::new(),
            flight: VecDeque::new(),
            refusals: None,
            deaf: None,
            delay_us: 0,
            numbers: 0,
            tickets: 0,
            replies: BTreeMap::new(),
            incarnations: 10,
            kinds: BTreeMap::new(),
            needs: BTreeMap::new(),
            logged: BTreeMap::new(),
        }
    }

    /// Sets how a replica will start.
    pub(super) fn configure(&mut self, id: u16, view: Option<&[u16]>) -> &mut Config {
        let members = view.map(|view| {
            let peers = view.iter().map(|id| Peer {
                id: MachineId(*id),
                address: address(*id),
            });
            peers.collect()
        });
        let config = Config::new(MachineId(id), address(id), members);
        self.configs.insert(id, config);
        self.configs.get_mut(&id).unwrap()
    }

    pub(super) fn start(&mut self, id: u16) {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let replica = Replica::new(self.configs[&id].clone()).unwrap();
        let rows = self.disks.entry(id).or_default().clone();
        let machine = Machine {
            replica,
            incarnation,
            peers: Vec::new(),
            disk: Disk::Works,
            appends: VecDeque::new(),
            is_paused: false,
            inputs: Vec::new(),
            records: Vec::new(),
        };
        self.machines.insert(id, machine);
        self.logged.remove(&id);
        for ((table, key), value) in rows {
            let value = Some(value);
            let row = Row { table, key, value };
            self.give(id, Input::Restored { row });
        }
        let wall = self.wall();
        self.give(id, Input::Start { wall, incarnation });
        self.give(id, Input::RoundEnd);
    }

    /// What every wall clock shows.
    pub(super) fn wall(&self) -> WallTime {
        WallTime(WALL_US + i64::try_from(self.now.0).unwrap())
    }

    /// Kills a replica: what its disk has not kept is lost.
    pub(super) fn kill(&mut self, id: u16) {
        self.machines.remove(&id);
        let pairs: Vec<Pair> = self
            .lines
            .keys()
            .copied()
            .filter(|(a, b)| *a == id || *b == id)
            .collect();
        for pair in pairs {
            let line = self.lines.remove(&pair).unwrap();
            let (other, is_up) = if pair.0 == id {
                (pair.1, line.is_up[1])
            } else {
                (pair.0, line.is_up[0])
            };
            if is_up && !self.cut.contains(&pair) {
                let peer = MachineId(id);
                let cause = DownCause::Lost;
                self.give(other, Input::LinkDown { peer, cause });
            }
        }
    }

    pub(super) fn lose_disk(&mut self, id: u16) {
        self.disks.remove(&id);
    }

    /// Nothing goes between two any more.
    pub(super) fn cut(&mut self, a: u16, b: u16) {
        self.cut.insert(pair(a, b));
    }

    /// The link between two breaks, for so long.
    pub(super) fn break_off(&mut self, a: u16, b: u16, milliseconds: u64) {
        self.cut(a, b);
        self.end(pair(a, b), DownCause::Lost);
        self.run(milliseconds);
        self.mend(a, b);
    }

    pub(super) fn mend(&mut self, a: u16, b: u16) {
        self.cut.remove(&pair(a, b));
    }

    /// Cuts one off from all others.
    pub(super) fn isolate(&mut self, id: u16) {
        for other in self.configs.keys().copied().collect::<Vec<_>>() {
            if other != id {
                self.cut(id, other);
            }
        }
    }

    pub(super) fn mend_all(&mut self) {
        self.cut.clear();
    }

    pub(super) fn pause(&mut self, id: u16) {
        self.machines.get_mut(&id).unwrap().is_paused = true;
    }

    pub(super) fn resume(&mut self, id: u16) {
        let machine = self.machines.get_mut(&id).unwrap();
        machine.is_paused = false;
        for input in std::mem::take(&mut machine.inputs) {
            self.give(id, input);
        }
    }

    /// So many milliseconds pass.
    pub(super) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now.0 += STEP_US;
        self.link();
        let mut later = VecDeque::new();
        let mut touched: BTreeSet<u16> = BTreeSet::new();
        for (due, from, to, number, kind, body) in std::mem::take(&mut self.flight) {
            let between = pair(from, to);
            let line = self.lines.get(&between);
            if line.is_none_or(|line| line.number != number) {
                continue;
            }
            if self.deaf == Some((from, to)) && kind == crate::kv::kind::WRITES {
                continue;
            }
            if self.cut.contains(&between) || due > self.now {
                later.push_back((due, from, to, number, kind, body));
                continue;
            }
            *self.kinds.entry(kind).or_default() += 1;
            let message = Message::decode(kind, &body).unwrap();
            let mut again = Vec::new();
            message.encode(&mut again);
            assert_eq!(again, body, "{message:?}");
            let from = MachineId(from);
            self.give(to, Input::Message { from, message });
            touched.insert(to);
        }
        later.append(&mut self.flight);
        self.flight = later;
        for id in self.machines.keys().copied().collect::<Vec<_>>() {
            self.keep(id);
            let machine = &self.machines[&id];
            if machine
                .replica
                .deadline()
                .is_some_and(|deadline| deadline <= self.now)
            {
                self.give(id, Input::Timeout);
            }
            self.give(id, Input::RoundEnd);
        }
    }

    /// The disk keeps what it was given in the step before.
    fn keep(&mut self, id: u16) {
        let machine = self.machines.get_mut(&id).unwrap();
        match machine.disk {
            Disk::Stalls => {}
            Disk::Fails => {
                if machine.appends.pop_front().is_some() {
                    machine.appends.clear();
                    let why = "no space left".to_owned();
                    self.give(id, Input::AppendFailed { why });
                }
            }
            Disk::Works => {
                let appends = std::mem::take(&mut machine.appends);
                let Some((through, _)) = appends.back() else {
                    return;
                };
                let through = *through;
                let disk = self.disks.entry(id).or_default();
                for row in appends.into_iter().flat_map(|(_, rows)| rows) {
                    match row.value {
                        Some(value) => disk.insert((row.table, row.key), value),
                        None => disk.remove(&(row.table, row.key)),
                    };
                }
                self.give(id, Input::Appended { through });
            }
        }
    }

    /// Links come up between those that one of them wants, and go down where nobody does.
    fn link(&mut self) {
        let ids: Vec<u16> = self.machines.keys().copied().collect();
        for (place, a) in ids.iter().copied().enumerate() {
            for b in ids.iter().copied().skip(place + 1) {
                let wants =
                    |from: u16, to: u16| self.machines[&from].peers.iter().any(|peer| peer.id.0 == to);
                let both = (a, b);
                let is_wanted = wants(a, b) || wants(b, a);
                let is_paused = self.machines[&a].is_paused || self.machines[&b].is_paused;
                if self.cut.contains(&both) || is_paused {
                    continue;
                }
                match self.lines.get(&both) {
                    // An end that has reset it is heard of by the other now.
                    Some(line) if line.is_up != [true, true] => self.end(both, DownCause::Lost),
                    Some(_) if !is_wanted => self.end(both, DownCause::Goodbye),
                    None if is_wanted => self.begin(both),
                    _ => {}
                }
            }
        }
    }

    fn begin(&mut self, (a, b): Pair) {
        self.numbers += 1;
        let lives = [self.machines[&a].incarnation, self.machines[&b].incarnation];
        let line = Line {
            number: self.numbers,
            is_up: [true, true],
            lives,
        };
        let [first, second] = line.lives;
        self.lines.insert((a, b), line);
        let up = |peer, incarnation| Input::LinkUp {
            peer: MachineId(peer),
            incarnation,
        };
        self.give(a, up(b, second));
        self.give(b, up(a, first));
    }

    fn end(&mut self, (a, b): Pair, cause: DownCause) {
        let line = self.lines.remove(&(a, b)).unwrap();
        for (id, other, is_up) in [(a, b, line.is_up[0]), (b, a, line.is_up[1])] {
            if is_up {
                let peer = MachineId(other);
                self.give(id, Input::LinkDown { peer, cause });
            }
        }
    }

    /// Gives an input and does what comes of it.
    pub(super) fn give(&mut self, id: u16, input: Input<Replica>) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(&id) else {
            return;
        };
        if machine.is_paused {
            if !matches!(input, Input::Timeout | Input::RoundEnd) {
                machine.inputs.push(input);
            }
            return;
        }
        let mut effects = Vec::new();
        machine.replica.handle(now, input, &mut effects);
        for effect in effects {
            self.act(id, effect);
        }
    }

    fn act(&mut self, id: u16, effect: Effect<Replica>) {
        match effect {
            Effect::Send { to, message } | Effect::Signal { to, message } => {
                let both = pair(id, to.0);
                let side = usize::from(both.0 != id);
                if let Some(line) = self.lines.get(&both).filter(|line| line.is_up[side]) {
                    let mut body = Vec::new();
                    message.encode(&mut body);
                    assert!(body.len() < crate::wire::FRAME_LENGTH_MAX);
                    let kind = message.kind();
                    let due = Time(self.now.0 + self.delay_us);
                    self.flight.push_back((due, id, to.0, line.number, kind, body));
                }
            }
            Effect::Record(record) => {
                if let Record::Event(event) = &record
                    && let Some(change) = &event.store
                {
                    self.check(id, change);
                }
                if let Record::Data(data) = &record {
                    self.logged.insert(id, data.known.clone());
                }
                self.machines.get_mut(&id).unwrap().records.push(record);
            }
            Effect::Refuse { peer, error } => match &mut self.refusals {
                Some(refusals) => *refusals += 1,
                None => panic!("{id} refuses {peer}: {error}"),
            },
            Effect::Reset { peer } => {
                let both = pair(id, peer.0);
                let side = usize::from(both.0 != id);
                if let Some(line) = self.lines.get_mut(&both).filter(|line| line.is_up[side]) {
                    line.is_up[side] = false;
                    let cause = DownCause::Lost;
                    self.give(id, Input::LinkDown { peer, cause });
                }
            }
            Effect::Peers(peers) => self.machines.get_mut(&id).unwrap().peers = peers,
            Effect::Reply { ticket, reply, last } => {
                let replies = self.replies.entry(ticket).or_default();
                assert!(
                    replies.last().is_none_or(|(_, last)| *last == Last::No),
                    "{reply:?}"
                );
                replies.push((reply, last));
            }
            Effect::Append { number, rows } => {
                let machine = self.machines.get_mut(&id).unwrap();
                machine.appends.push_back((number, rows));
            }
            Effect::Stop { reason } => self.give(id, Input::Stop { reason }),
        }
    }

    /// The log alone says whether writes are applied in causal order.
    fn check(&mut self, id: u16, change: &StoreChange) {
        let known = self.logged.entry(id).or_default();
        if let Some(wrote) = &change.wrote {
            assert_eq!(known.get(wrote.origin) + 1, wrote.first, "{id}: {wrote:?}");
            let needs: BTreeMap<u64, &VersionVector> = change
                .needs
                .iter()
                .map(|(number, needs)| (*number, needs))
                .collect();
            for number in wrote.first..=wrote.last {
                let dot = Dot::new(wrote.origin, number);
                let needed = needs.get(&number).copied().cloned().unwrap_or_default();
                assert!(known.covers(&needed), "{id}: {dot} needs {needed}, known {known}");
                assert!(self.needs.insert(dot, needed).is_none(), "{dot} is given twice");
            }
            known.raise(wrote.origin, wrote.last);
        }
        for stretch in &change.applied {
            assert_eq!(known.get(stretch.origin) + 1, stretch.first, "{id}: {stretch:?}");
            for number in stretch.first..=stretch.last {
                let dot = Dot::new(stretch.origin, number);
                let needed = &self.needs[&dot];
                assert!(known.covers(needed), "{id}: {dot} needs {needed}, known {known}");
            }
            known.raise(stretch.origin, stretch.last);
        }
        if let Some(adopted) = &change.adopted {
            known.merge(adopted);
        }
    }

    pub(super) fn submit(&mut self, id: u16, token: &Token, wait_ms: u64, action: Action) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let request = Request {
            token: token.clone(),
            wait_us: wait_ms * 1000,
            action,
        };
        self.give(id, Input::Request { ticket, request });
        ticket
    }

    /// The answer so far, if there is one.
    pub(super) fn answer(&self, ticket: Ticket) -> Option<&Reply> {
        self.replies
            .get(&ticket)
            .and_then(|replies| replies.last())
            .map(|(reply, _)| reply)
    }

    /// Asks, and waits for the answer: at most twenty seconds.
    pub(super) fn ask(&mut self, id: u16, token: &Token, wait_ms: u64, action: Action) -> Reply {
        let ticket = self.submit(id, token, wait_ms, action);
        for _ in 0..20_000 {
            if let Some(reply) = self.answer(ticket) {
                return reply.clone();
            }
            self.step();
        }
        panic!("no answer from {id}");
    }

    pub(super) fn write_with(
        &mut self,
        id: u16,
        token: &Token,
        operation: Operation,
        copies: Copies,
    ) -> Reply {
        let operations = vec![operation];
        self.ask(id, token, 0, Action::Write { operations, copies })
    }

    /// Writes, without waiting for pushes; returns the session's token.
    pub(super) fn write(&mut self, id: u16, token: &Token, operation: Operation) -> Token {
        let reply = self.write_with(id, token, operation, Copies::One);
        assert!(matches!(reply.answer, Answer::Written { .. }), "{reply:?}");
        reply.token
    }

    pub(super) fn get(&mut self, id: u16, token: &Token, key: &str) -> Reply {
        let key = key.as_bytes().into();
        self.ask(id, token, 0, Action::Get { key })
    }

    /// The value that clients without a token see; `None` if there is none.
    pub(super) fn see(&mut self, id: u16, key: &str) -> Option<String> {
        let reply = self.get(id, &Token::new(), key);
        match reply.answer {
            Answer::NotFound => None,
            Answer::Found(item) => match item.content {
                Content::Values(values) => Some(String::from_utf8(values[0].bytes.to_vec()).unwrap()),
                other => Some(format!("{other:?}")),
            },
            other => panic!("{id} {key}: {other:?}"),
        }
    }

    pub(super) fn status(&mut self, id: u16) -> Status {
        match self.ask(id, &Token::new(), 0, Action::Status).answer {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn change(&mut self, id: u16, change: crate::kv::MemberChange) -> Answer {
        self.ask(id, &Token::new(), 0, Action::Change(change)).answer
    }

    pub(super) fn origin(&self, id: u16) -> Origin {
        self.machines[&id].replica.origin
    }

    pub(super) fn known(&self, id: u16) -> &VersionVector {
        &self.machines[&id].replica.known
    }

    /// All have the same, in known and in data, and nothing waits.
    pub(super) fn assert_converged(&mut self) {
        let ids: Vec<u16> = self.machines.keys().copied().collect();
        let first = &self.machines[&ids[0]].replica;
        let (known, digest) = (first.known.clone(), first.store.digest());
        for id in ids {
            let replica = &self.machines[&id].replica;
            assert_eq!(replica.known.to_string(), known.to_string(), "{id}");
            assert_eq!(replica.store.digest(), digest, "{id}");
            assert!(replica.buffer.is_empty(), "{id} {:?}", replica.buffer);
            assert_eq!(self.logged[&id].to_string(), known.to_string(), "{id}: its log");
        }
    }

    pub(super) fn stop(&mut self, id: u16) {
        let reason = Reason::Interrupted;
        self.give(id, Input::Stop { reason });
        self.give(id, Input::End);
    }
}
