//! Logs of replicas, made by a small honest store: writes with what they need, pushed over links in order, applied in causal
//! order, state taken over by late joiners, restarts with the disk and without. And by stores that are not honest.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    path::Path,
};

use clocklab::{
    clock::{ClockKind, Dot, Origin, VersionVector},
    dice::{Purpose, Stream},
    trace::{
        DataNote, Event, Footer, Header, Kind, LineWriter, Record, StoreChange, Stretch, Traffic, WallTime,
    },
    units::{MachineId, Speed},
    wire::Reason,
};

const REPLICAS: usize = 3;
const STEPS: u64 = 120;
const STARTED: WallTime = WallTime(1_795_216_561_000_000);

/// Which ids the replicas have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Dense,
    Sparse,
}

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Writes are applied as they arrive.
    IgnoresNeeds,
    /// Now and then a write is passed over.
    SkipsOne,
    /// A life begins to count where the one before did, under its name.
    ReusesDots,
    WrongDigest,
    /// State is taken over without what it needs.
    OpenTransfer,
}

/// What a run was.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    pub(crate) ids: [u16; REPLICAS],
    /// Stretches that were applied.
    pub(crate) applied: u64,
    /// A message's send and receive, as `machine:clock`.
    pub(crate) message: (String, String),
}

/// A write on its way.
#[derive(Clone)]
struct Pushed {
    clock: u64,
    dot: Dot,
    needs: VersionVector,
}

struct Node {
    me: MachineId,
    incarnation: u32,
    written: u64,
    known: VersionVector,
    tick: u64,
    clock: u64,
    /// By sender, in the order sent.
    inbox: BTreeMap<usize, VecDeque<Pushed>>,
    /// When this replica joins: its log begins there.
    joins: u64,
    writer: LineWriter,
    log: Vec<u8>,
}

struct Run {
    dice: Stream,
    fault: Fault,
    nodes: Vec<Node>,
    needs: BTreeMap<Dot, VersionVector>,
    applied: u64,
    message: Option<(String, String)>,
    at: WallTime,
}

pub(crate) fn write(dir: &Path, seed: u64, shape: Shape, fault: Fault) -> Totals {
    let ids = match shape {
        Shape::Dense => [0, 1, 2],
        Shape::Sparse => [40_001, 7, 64_999],
    };
    let mut run = Run {
        dice: Stream::new(seed, MachineId(0), Purpose::Die),
        fault,
        nodes: ids.iter().map(|id| Node::new(MachineId(*id))).collect(),
        needs: BTreeMap::new(),
        applied: 0,
        message: None,
        at: STARTED,
    };
    run.nodes[2].joins = run.roll(STEPS / 2);
    for step in 0..STEPS {
        run.step(step);
    }
    run.settle();
    for (node, id) in run.nodes.iter().zip(ids) {
        fs::write(dir.join(format!("machine-{id}.log")), &node.log).unwrap();
    }
    Totals {
        ids,
        applied: run.applied,
        message: run.message.expect("some message was received"),
    }
}

impl Node {
    fn new(me: MachineId) -> Self {
        Self {
            me,
            incarnation: 1_795_216_561,
            written: 0,
            known: VersionVector::new(),
            tick: 0,
            clock: 0,
            inbox: BTreeMap::new(),
            joins: 0,
            writer: LineWriter::default(),
            log: Vec::new(),
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            machine: self.me,
            incarnation: self.incarnation,
        }
    }

    fn record(&mut self, at: WallTime, record: &Record) {
        self.writer.write(at, record, &mut self.log);
    }

    /// An event; `heard` is the clock of the message that it takes.
    fn event(&mut self, at: WallTime, kind: Kind, heard: u64, change: StoreChange) {
        self.tick += 1;
        self.clock = self.clock.max(heard) + 1;
        let event = Event {
            tick: self.tick,
            clock: self.clock,
            vector: None,
            hybrid: None,
            store: Some(Box::new(change)),
            kind,
        };
        self.record(at, &Record::Event(event));
    }

    fn begin(&mut self, at: WallTime) {
        let header = Header {
            machine: self.me,
            machines: self.me.0 + 1,
            rate: None,
            draw: None,
            traffic: Traffic::Assignment,
            phase_us: None,
            speed: Speed::NORMAL,
            clock: ClockKind::Lamport,
            incarnation: Some(self.incarnation),
            seed: 1,
            run: "store".parse().unwrap(),
            started: at,
        };
        let mut head = Vec::new();
        self.writer.write_header(&header, &mut head);
        self.log = head;
    }
}

impl Run {
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.below(sides)
    }

    fn is_here(&self, node: usize, step: u64) -> bool {
        self.nodes[node].joins <= step
    }

    fn step(&mut self, step: u64) {
        for node in 0..REPLICAS {
            if self.nodes[node].joins == step {
                self.join(node, step);
            }
        }
        self.at = WallTime(self.at.0 + 1000);
        let node = usize::try_from(self.roll(3)).unwrap();
        if !self.is_here(node, step) {
            return;
        }
        match self.roll(20) {
            0 => self.restart(node),
            1..8 => self.accept(node, step),
            _ => self.deliver(node),
        }
    }

    /// The log begins; whoever comes late takes over what another has.
    fn join(&mut self, node: usize, step: u64) {
        let at = self.at;
        self.nodes[node].begin(at);
        self.data(node);
        for peer in (0..REPLICAS).filter(|peer| *peer != node) {
            if !self.nodes[peer].log.is_empty() {
                self.link(node, peer);
                self.link(peer, node);
            }
        }
        if step > 0 {
            self.adopt(node, 0);
        }
    }

    fn link(&mut self, node: usize, peer: usize) {
        let (at, other) = (self.at, &self.nodes[peer]);
        let record = Record::LinkUp {
            peer: other.me,
            incarnation: other.incarnation,
        };
        self.nodes[node].record(at, &record);
    }

    fn adopt(&mut self, node: usize, from: usize) {
        let mut adopted = self.nodes[from].known.clone();
        if self.fault == Fault::OpenTransfer {
            let least = adopted.iter().next().map(|(origin, _)| origin);
            adopted.retain(|origin, _| Some(origin) != least);
        }
        let change = StoreChange {
            adopted: Some(adopted.clone()),
            ..StoreChange::default()
        };
        let at = self.at;
        self.nodes[node].known.merge(&adopted);
        self.nodes[node].event(at, Kind::Internal, 0, change);
    }

    fn accept(&mut self, node: usize, step: u64) {
        let count = 1 + self.roll(3);
        let peers: Vec<usize> = (0..REPLICAS)
            .filter(|peer| *peer != node && self.is_here(*peer, step))
            .collect();
        let mut to: Vec<MachineId> = peers.iter().map(|peer| self.nodes[*peer].me).collect();
        to.sort_unstable();
        let at = self.at;
        let me = &mut self.nodes[node];
        let (origin, first) = (me.origin(), me.written + 1);
        let mut needs = me.known.clone();
        needs.retain(|other, _| other != origin);
        me.written += count;
        me.known.raise(origin, me.written);
        let change = StoreChange {
            wrote: Some(Stretch {
                origin,
                first,
                last: me.written,
            }),
            needs: if needs.is_empty() {
                Vec::new()
            } else {
                vec![(first, needs.clone())]
            },
            ..StoreChange::default()
        };
        let kind = if to.is_empty() {
            Kind::Internal
        } else {
            Kind::Send {
                to: to.into_iter().collect(),
                mishaps: None,
            }
        };
        me.event(at, kind, 0, change);
        let (clock, last) = (me.clock, me.written);
        self.needs.insert(Dot::new(origin, first), needs.clone());
        for peer in peers {
            let pushed = Pushed {
                clock,
                dot: Dot::new(origin, last),
                needs: needs.clone(),
            };
            self.nodes[peer].inbox.entry(node).or_default().push_back(pushed);
        }
    }

    /// Takes the next message of one sender, if what it brings may be applied.
    fn deliver(&mut self, node: usize) {
        let skips = self.fault == Fault::SkipsOne && self.roll(8) == 0;
        let at = self.at;
        let from = usize::try_from(self.roll(3)).unwrap();
        let sender = self.nodes[from].me;
        let me = &mut self.nodes[node];
        let Some(pushed) = me.inbox.get(&from).and_then(|inbox| inbox.front()).cloned() else {
            return;
        };
        let before = me.known.get(pushed.dot.origin);
        if !me.known.covers(&pushed.needs) && self.fault != Fault::IgnoresNeeds {
            return;
        }
        me.inbox.get_mut(&from).unwrap().pop_front();
        let mut change = StoreChange::default();
        if pushed.dot.number > before {
            let first = if skips { before + 2 } else { before + 1 };
            change.applied.push(Stretch {
                origin: pushed.dot.origin,
                first: first.min(pushed.dot.number),
                last: pushed.dot.number,
            });
            me.known.raise(pushed.dot.origin, pushed.dot.number);
            self.applied += 1;
        }
        let kind = Kind::Receive {
            from: sender,
            sent: pushed.clock,
            queue: 0,
            waited_us: Some(0),
        };
        me.event(at, kind, pushed.clock, change);
        self.message = Some((
            format!("{sender}:{}", pushed.clock),
            format!("{}:{}", me.me, me.clock),
        ));
    }

    /// A further life: of what was on its way to the one before, nothing arrives.
    fn restart(&mut self, node: usize) {
        let (keeps, at) = (self.roll(2) == 0, self.at);
        let peers: Vec<usize> = (0..REPLICAS)
            .filter(|peer| *peer != node && !self.nodes[*peer].log.is_empty())
            .collect();
        for peer in &peers {
            let record = Record::LinkLost {
                peer: self.nodes[node].me,
            };
            // What was under way from the life before is lost, too.
            self.nodes[*peer].inbox.remove(&node);
            self.nodes[*peer].record(at, &record);
        }
        let me = &mut self.nodes[node];
        me.inbox.clear();
        if self.fault != Fault::ReusesDots {
            me.incarnation += 1;
        }
        me.written = 0;
        if !keeps {
            me.known = VersionVector::new();
        }
        let record = Record::Restarted {
            incarnation: me.incarnation,
        };
        me.record(at, &record);
        self.data(node);
        for peer in peers.iter().copied() {
            self.link(node, peer);
            self.link(peer, node);
        }
        // What it lacks it takes over, and others from it.
        if let Some(peer) = peers.first().copied() {
            self.adopt(node, peer);
            self.adopt(peer, node);
        }
        if let Some(peer) = peers.get(1).copied() {
            self.adopt(node, peer);
            self.adopt(peer, node);
        }
    }

    fn data(&mut self, node: usize) {
        let known = self.nodes[node].known.clone();
        let mut hasher = DefaultHasher::new();
        known.hash(&mut hasher);
        let wrong = u64::from(self.fault == Fault::WrongDigest) * self.roll(2);
        let note = DataNote {
            known,
            digest: hasher.finish() ^ wrong,
        };
        let at = self.at;
        self.nodes[node].record(at, &Record::Data(Box::new(note)));
    }

    /// Everything arrives, and all end.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let node = usize::try_from(self.roll(3)).unwrap();
            self.deliver(node);
        }
        let union = self.nodes.iter().fold(VersionVector::new(), |mut union, node| {
            union.merge(&node.known);
            union
        });
        for node in 0..REPLICAS {
            if self.nodes[node].known != union && self.fault != Fault::OpenTransfer {
                let change = StoreChange {
                    adopted: Some(union.clone()),
                    ..StoreChange::default()
                };
                let at = self.at;
                self.nodes[node].known.merge(&union);
                self.nodes[node].event(at, Kind::Internal, 0, change);
            }
            self.data(node);
            let at = self.at;
            let footer = Footer {
                reason: Some(Reason::Duration),
                ticks: self.nodes[node].tick,
                ..Footer::default()
            };
            self.nodes[node].record(at, &Record::Ended(Box::new(footer)));
        }
    }
}
