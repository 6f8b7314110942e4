//! How each machine is, from everything that its log says; and where a new browser may begin to read.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, io,
    path::Path,
};

use serde::Serialize;

use crate::{
    trace::{Event, FaultNote, Header, Kind, Record, WallTime, copies},
    units::{MachineId, Speed},
    watch::{Follower, News, Position, Positions, What},
};

/// Bytes of each log that one look reads.
const LOOK_BYTES: u64 = 256 << 10;

/// Lines between two places of a log where a new browser may begin.
const MARK_LINES: u64 = 64;

/// Most events that a new browser is given to begin with.
pub(super) const FRESH_EVENTS_MAX: u64 = 50_000;

/// Most remarks that are kept for new browsers, of all machines together.
const REMARKS_MAX: usize = 500;

/// Most moments that are kept of messages sent to one machine; earlier ones count as waiting.
const SENT_KEPT_MAX: usize = 10_000;

/// Most entries of a vector clock that are shown.
const VECTOR_SHOWN_MAX: usize = 12;

/// What is known of a run: bounded by the number of its machines, however long it goes on.
#[derive(Debug)]
pub(super) struct Known {
    follower: Follower,
    /// Whether the folder's name was resolved: `latest` may soon point to another run.
    is_resolved: bool,
    news: Vec<News>,
    /// The run's id, once a log says it.
    pub(super) run: Option<String>,
    /// How many machines it has; 0 until a log says.
    pub(super) machines: u16,
    /// The earliest start of a machine.
    pub(super) start: Option<WallTime>,
    /// Event lines so far.
    pub(super) events: u64,
    /// Whether there is more to read than was read so far.
    pub(super) more: bool,
    /// Messages that those sent: a recipient counts as one.
    pub(super) messages: u64,
    known: BTreeMap<MachineId, Machine>,
    remarks: VecDeque<Remark>,
}

/// A machine.
#[derive(Debug)]
struct Machine {
    now: State,
    /// Messages waiting behind its last event, as its log says.
    queue: u64,
    /// When messages were sent to it since then, which no fault holds up: on their way or waiting.
    sent: VecDeque<i64>,
    at: Position,
    events: u64,
    marks: VecDeque<Mark>,
}

/// A place where a new browser may begin.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: WallTime,
    position: Position,
    events: u64,
}

/// How a machine is, as the page reads it. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct State {
    id: u16,
    /// The name of its log.
    file: String,
    started: i64,
    /// Ticks a second before the speed; `None` where the system has none.
    rate: Option<u32>,
    /// How fast its time passes: 1 is real time.
    speed: f64,
    tick: u64,
    clock: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hybrid: Option<String>,
    /// Messages waiting behind its last event, and those that were sent to it since then.
    queue: u64,
    /// Of its last event.
    at: i64,
    paused: bool,
    incarnation: u32,
    /// Faults that are on.
    faults: Vec<FaultState>,
    /// Peers to which the link is down.
    lost: BTreeSet<u16>,
    /// A fault that ended its process or made it stand still, until it says something again.
    down: Option<&'static str>,
    /// Why it ended.
    ended: Option<String>,
    /// When.
    ended_at: Option<i64>,
}

/// A fault that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct FaultState {
    id: u32,
    kind: String,
    to: Vec<u16>,
    text: String,
}

/// Something that a log says between its events, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    pub(super) machine: u16,
    pub(super) line: u64,
    pub(super) at: i64,
    /// The word of the log: fault, mended, paused, …
    what: &'static str,
    text: String,
    /// Of a fault that begins or is over: its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<u32>,
}

/// Where a new browser begins.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    pub(super) positions: Positions,
    /// Events before that.
    pub(super) left_out: u64,
    /// Remarks before that, as far as they are kept.
    pub(super) remarks: Vec<Remark>,
}

impl Known {
    /// Nothing yet of the run in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            follower: Follower::from(folder, Positions::new(), LOOK_BYTES),
            is_resolved: false,
            news: Vec::new(),
            run: None,
            machines: 0,
            start: None,
            events: 0,
            more: true,
            messages: 0,
            known: BTreeMap::new(),
            remarks: VecDeque::new(),
        }
    }

    /// Reads on; at most 256 KiB of each log.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn look(&mut self) -> io::Result<()> {
        if !self.is_resolved
            && let Ok(folder) = fs::canonicalize(self.follower.folder())
        {
            self.follower = Follower::from(&folder, Positions::new(), LOOK_BYTES);
            self.is_resolved = true;
        }
        let mut news = std::mem::take(&mut self.news);
        self.more = self.follower.look(&mut news)?;
        for News { machine, what } in news.drain(..) {
            match what {
                What::Header(header) => self.header(machine, &header),
                What::Record { line, at, record } => self.record(machine, line, at, &record),
            }
        }
        self.news = news;
        for (machine, at) in self.follower.positions() {
            let Some(known) = self.known.get_mut(&machine) else {
                continue;
            };
            known.at = at;
            let last = known.marks.back().map_or(0, |mark| mark.position.line);
            if at.line >= last + MARK_LINES {
                known.marks.push_back(Mark {
                    at: WallTime(known.now.at.max(known.now.started)),
                    position: at,
                    events: known.events,
                });
            }
        }
        let most = marks_max(self.machines);
        for known in self.known.values_mut() {
            let beyond = known.marks.len().saturating_sub(most);
            known.marks.drain(..beyond);
        }
        Ok(())
    }

    /// The folder of the run.
    pub(super) fn folder(&self) -> &Path {
        self.follower.folder()
    }

    /// How each machine is.
    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.known.values().map(|machine| &machine.now)
    }

    /// Whether every machine of the run has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.machines > 0
            && self.known.len() == usize::from(self.machines)
            && self.states().all(|state| state.ended.is_some())
    }

    /// The machine that a question is put to: one that should be able to answer.
    pub(super) fn anyone(&self) -> Option<MachineId> {
        let alive = self
            .states()
            .find(|state| state.ended.is_none() && state.down.is_none());
        alive.map(|state| MachineId(state.id))
    }

    /// Lines that stand behind `positions`.
    pub(super) fn lines_behind(&self, positions: &Positions) -> u64 {
        let behind = |(machine, known): (&MachineId, &Machine)| {
            let read = positions.get(machine).map_or(0, |position| position.line);
            known.at.line.saturating_sub(read)
        };
        self.known.iter().map(behind).sum()
    }

    /// Where a new browser begins: at one moment on all machines, with at most [`FRESH_EVENTS_MAX`] events behind it.
    pub(super) fn beginning(&self) -> Beginning {
        if self.events <= FRESH_EVENTS_MAX {
            return Beginning::default();
        }
        let mut marks: Vec<(MachineId, Mark)> = Vec::new();
        for (machine, known) in &self.known {
            marks.extend(known.marks.iter().map(|mark| (*machine, *mark)));
        }
        marks.sort_unstable_by_key(|(_, mark)| std::cmp::Reverse(mark.at));
        // From the latest mark back, until there are enough events behind them.
        let mut behind: BTreeMap<MachineId, u64> = BTreeMap::new();
        let mut moment = marks.first().map(|(_, mark)| mark.at);
        for (machine, mark) in marks {
            let events = self.known.get(&machine).map_or(0, |known| known.events);
            behind.insert(machine, events.saturating_sub(mark.events));
            if behind.values().sum::<u64>() > FRESH_EVENTS_MAX {
                break;
            }
            moment = Some(mark.at);
        }
        let mut beginning = Beginning::default();
        for (machine, known) in &self.known {
            let mark = known.marks.iter().rfind(|mark| Some(mark.at) <= moment);
            // Where the marks do not reach back that far: the oldest of them.
            let most = marks_max(self.machines);
            let mark = mark.or_else(|| known.marks.front().filter(|_| known.marks.len() >= most));
            if let Some(mark) = mark {
                beginning.positions.insert(*machine, mark.position);
                beginning.left_out += mark.events;
            }
        }
        let before = |remark: &&Remark| {
            let from = beginning.positions.get(&MachineId(remark.machine));
            from.is_some_and(|from| remark.line <= from.line)
        };
        beginning.remarks = self.remarks.iter().filter(before).cloned().collect();
        beginning
    }

    fn header(&mut self, machine: MachineId, header: &Header) {
        self.run.get_or_insert_with(|| header.run.to_string());
        self.machines = header.machines;
        self.start = Some(
            self.start
                .map_or(header.started, |start| start.min(header.started)),
        );
        let now = State {
            id: machine.0,
            file: format!("machine-{machine}.log"),
            started: header.started.0,
            rate: header.rate,
            speed: Speed::factor(header.speed),
            incarnation: 1,
            ..State::default()
        };
        let machine = self.known.entry(machine).or_insert_with(|| Machine {
            now: State::default(),
            queue: 0,
            sent: VecDeque::new(),
            at: Position::default(),
            events: 0,
            marks: VecDeque::new(),
        });
        machine.now = now;
    }

    fn record(&mut self, machine: MachineId, line: u64, at: WallTime, record: &Record) {
        let Some(known) = self.known.get_mut(&machine) else {
            return;
        };
        if let Record::Event(event) = record {
            known.events += 1;
            self.events += 1;
            known.event(at, event);
            if let Kind::Send { to, mishaps } = &event.kind {
                self.messages += to.len() as u64;
                for peer in to {
                    let slow = self
                        .known
                        .get(&machine)
                        .is_some_and(|known| known.now.delays(*peer));
                    let copies = if slow {
                        0
                    } else {
                        copies(mishaps.as_deref(), *peer)
                    };
                    if let Some(peer) = self.known.get_mut(peer) {
                        peer.sent_to(at, copies);
                    }
                }
            }
            return;
        }
        known.remark(record);
        if let Some(remark) = Remark::new(machine, line, at, record) {
            self.remarks.push_back(remark);
            if self.remarks.len() > REMARKS_MAX {
                self.remarks.pop_front();
            }
        }
    }
}

/// Marks of a log that are kept: together they reach back as far as a new browser may.
fn marks_max(machines: u16) -> usize {
    let of_one = FRESH_EVENTS_MAX / MARK_LINES / u64::from(machines.max(1));
    usize::try_from(of_one).unwrap_or(usize::MAX) * 4 + 4
}

impl Machine {
    fn event(&mut self, at: WallTime, event: &Event) {
        self.queue = match event.kind {
            Kind::Receive { queue, .. } => queue,
            // Machines do something else only while nothing waits.
            Kind::Internal | Kind::Send { .. } | Kind::Other => 0,
        };
        // The logs of senders may be read earlier or later than this one.
        self.sent.retain(|sent| *sent > at.0);
        self.now.event(at, event);
        self.count();
    }

    /// Copies of a message are sent to it.
    fn sent_to(&mut self, at: WallTime, copies: u64) {
        if at.0 <= self.now.at || self.now.ended.is_some() {
            return;
        }
        for _ in 0..copies {
            self.sent.push_back(at.0);
        }
        while self.sent.len() > SENT_KEPT_MAX {
            self.sent.pop_front();
            self.queue += 1;
        }
        self.count();
    }

    fn remark(&mut self, record: &Record) {
        self.now.remark(record);
        match record {
            // The queue is lost with the process.
            Record::Restarted { .. } => {
                self.queue = 0;
                self.sent.clear();
            }
            Record::Ended(footer) => {
                self.queue = footer.queued;
                self.sent.clear();
            }
            _ => return,
        }
        self.count();
    }

    fn count(&mut self) {
        self.now.queue = self.queue + self.sent.len() as u64;
    }
}

impl State {
    /// Whether a fault holds messages to a peer up.
    fn delays(&self, peer: MachineId) -> bool {
        let delays = |fault: &FaultState| {
            matches!(fault.kind.as_str(), "delay" | "bandwidth" | "partition") && fault.to.contains(&peer.0)
        };
        self.faults.iter().any(delays)
    }

    /// Whose it is.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    fn event(&mut self, at: WallTime, event: &Event) {
        (self.tick, self.clock, self.at) = (event.tick, event.clock, at.0);
        let vector = event.vector.as_deref();
        self.vector = vector
            .filter(|vector| vector.len() <= VECTOR_SHOWN_MAX)
            .map(<[u64]>::to_vec);
        self.hybrid = event
            .hybrid
            .map(|hybrid| format!("{}.{}", hybrid.physical_us, hybrid.logical));
        // Whoever does something stands no longer still.
        self.down = None;
    }

    fn remark(&mut self, record: &Record) {
        match record {
            Record::Event(_) | Record::Stall { .. } | Record::Stepped { .. } | Record::Jumped { .. } => {}
            Record::LinkUp { peer, .. } => {
                self.lost.remove(&peer.0);
            }
            Record::LinkLost { peer } => {
                self.lost.insert(peer.0);
            }
            Record::Fault(fault) => {
                self.down = match fault.kind.as_str() {
                    "kill" => Some("killed"),
                    "restart" => Some("starts again"),
                    "pause" => Some("stands still"),
                    _ => self.down,
                };
                self.faults.retain(|other| other.id != fault.id);
                // A jump happens once; it is never mended.
                if fault.kind != "jump" {
                    self.faults.push(FaultState {
                        id: fault.id,
                        kind: fault.kind.clone(),
                        to: fault.to.iter().map(|peer| peer.0).collect(),
                        text: words_of(fault),
                    });
                }
            }
            Record::Mended { id } => {
                self.faults.retain(|fault| fault.id != *id);
                self.down = None;
            }
            Record::Paused => self.paused = true,
            Record::Pace { rate, .. } => {
                self.rate = Some(*rate);
                self.paused = false;
            }
            Record::Restarted { incarnation } => {
                self.incarnation = *incarnation;
                // What was on the process before ended with it.
                (self.paused, self.down) = (false, None);
                (self.ended, self.ended_at) = (None, None);
                self.faults.clear();
            }
            Record::Ended(footer) => {
                self.faults.clear();
                self.down = None;
                self.ended_at = Some(footer.ended.0);
                self.ended = Some(footer.reason.map_or("ended", |reason| reason.name()).to_owned());
            }
        }
    }
}

/// A fault in words: `loss to 1 (30%)`.
fn words_of(fault: &FaultNote) -> String {
    let mut text = fault.kind.clone();
    if !fault.to.is_empty() {
        let to: Vec<String> = fault.to.iter().map(ToString::to_string).collect();
        text += &format!(" to {}", to.join(", "));
    }
    if !fault.detail.is_empty() {
        text += &format!(" ({})", fault.detail);
    }
    text
}

impl Remark {
    /// What a record says, in words; `None` for an event.
    pub(super) fn new(machine: MachineId, line: u64, at: WallTime, record: &Record) -> Option<Self> {
        let (what, text) = match record {
            Record::Event(_) => return None,
            Record::LinkUp { peer, incarnation } if *incarnation > 1 => (
                "link-up",
                format!("link to {peer} is up again, in its life {incarnation}"),
            ),
            Record::LinkUp { peer, .. } => ("link-up", format!("link to {peer} is up again")),
            Record::LinkLost { peer } => ("link-lost", format!("link to {peer} is lost")),
            Record::Stall { late_us, skipped } => (
                "stall",
                format!("woke {} ms late and skipped {skipped} ticks", late_us / 1000),
            ),
            Record::Fault(fault) => ("fault", format!("fault {} begins: {}", fault.id, words_of(fault))),
            Record::Mended { id } => ("mended", format!("fault {id} is over")),
            Record::Paused => ("paused", "paused: ticks come only as steps".to_owned()),
            Record::Stepped { ticks: 1 } => ("step", "does one tick".to_owned()),
            Record::Stepped { ticks } => ("step", format!("does {ticks} ticks")),
            Record::Pace { rate, .. } => ("pace", format!("ticks by time, {rate} a second")),
            Record::Jumped { ticks, physical_us } => (
                "jump",
                match ticks {
                    0 => format!("physical clock jumps by {physical_us} µs"),
                    _ => format!("logical clock jumps ahead by {ticks}"),
                },
            ),
            Record::Restarted { incarnation } => {
                ("restarted", format!("started again: life {incarnation} begins"))
            }
            Record::Ended(footer) => {
                let reason = footer.reason.map_or("unknown", |reason| reason.name());
                let ticks = footer.ticks;
                ("ended", format!("ended ({reason}) after {ticks} events"))
            }
        };
        Some(Self {
            machine: machine.0,
            line,
            at: at.0,
            what,
            text,
            fault: match record {
                Record::Fault(fault) => Some(fault.id),
                Record::Mended { id } => Some(*id),
                _ => None,
            },
        })
    }
}
