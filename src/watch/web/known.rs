//! How each machine is, from everything that its log says; and where a new browser may begin to read.

use std::{
    collections::{BTreeMap, VecDeque},
    fs, io,
    path::Path,
};

use super::{near_end::Near, remark::Remark, state::State};
use crate::{
    trace::{Event, Header, Kind, Record, WallTime, copies},
    units::MachineId,
    watch::{Follower, News, Position, Positions, Standing, What, scene::is_over},
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
    /// Of logs that were not read from their start: where, and how many events stand before that.
    first: BTreeMap<MachineId, Mark>,
    /// Whether it is a run of a store, whose ids are any numbers.
    is_open: bool,
}

/// A machine.
#[derive(Debug)]
struct Machine {
    now: State,
    standing: Standing,
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
            follower: Follower::from(folder, Positions::new(), 0, LOOK_BYTES),
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
            first: BTreeMap::new(),
            is_open: false,
        }
    }

    /// The run in `folder`, whose name is resolved, with logs that are read from near their ends on.
    pub(super) fn near_the_end(folder: &Path, near: BTreeMap<MachineId, Near>) -> Self {
        let positions = near.iter().map(|(machine, near)| (*machine, near.position));
        let mut known = Self::new(folder);
        known.follower = Follower::from(folder, positions.collect(), 0, LOOK_BYTES);
        known.is_resolved = true;
        for (id, near) in near {
            known.header(id, &near.header);
            known.events += near.events;
            let mark = Mark {
                at: near.header.started,
                position: near.position,
                events: near.events,
            };
            known.first.insert(id, mark);
            if let Some(machine) = known.known.get_mut(&id) {
                (machine.at, machine.events) = (near.position, near.events);
                machine.marks.push_back(mark);
            }
        }
        known
    }

    /// Reads on; at most 256 KiB of each log.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn look(&mut self) -> io::Result<()> {
        if !self.is_resolved
            && let Ok(folder) = fs::canonicalize(self.follower.folder())
        {
            self.follower = Follower::from(&folder, Positions::new(), 0, LOOK_BYTES);
            self.is_resolved = true;
        }
        let mut news = std::mem::take(&mut self.news);
        self.more = self.follower.look(&mut news)?;
        // A machine is known before what others sent to it is read.
        for News { machine, what } in &news {
            if let What::Header(header) = what {
                self.header(*machine, header);
            }
        }
        for News { machine, what } in news.drain(..) {
            if let What::Record { line, at, record } = what {
                self.record(machine, line, at, &record);
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

    /// The ids of the run's machines, in order; of a run that is not a store's also those that are still to come.
    pub(super) fn ids(&self) -> Vec<MachineId> {
        if self.is_open {
            return self.known.keys().copied().collect();
        }
        MachineId::all(self.machines).collect()
    }

    /// How each machine is.
    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.known.values().map(|machine| &machine.now)
    }

    /// Whether no machine of the run is to do anything more.
    pub(super) fn has_ended(&self) -> bool {
        let standings = self.known.iter().map(|(id, machine)| (*id, &machine.standing));
        is_over(self.machines, standings)
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
        let left_out = self.first.values().map(|mark| mark.events).sum();
        if self.events.saturating_sub(left_out) <= FRESH_EVENTS_MAX {
            let positions = self.first.iter().map(|(machine, mark)| (*machine, mark.position));
            return Beginning {
                positions: positions.collect(),
                left_out,
                remarks: Vec::new(),
            };
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
        let now = State::new(machine, header);
        let machine = self.known.entry(machine).or_insert_with(|| Machine {
            now: State::default(),
            standing: Standing::default(),
            queue: 0,
            sent: VecDeque::new(),
            at: Position::default(),
            events: 0,
            marks: VecDeque::new(),
        });
        machine.now = now;
        if header.incarnation.is_some() {
            // Of a store's run nobody knows how many there will be, and ids are any numbers.
            self.machines = u16::try_from(self.known.len()).unwrap_or(u16::MAX);
            self.is_open = true;
        }
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
        known.remark(at, record);
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
        self.queue = event.kind.queue();
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

    fn remark(&mut self, at: WallTime, record: &Record) {
        self.standing.take(at, record);
        self.now.remark(record, &self.standing);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_to_a_machine_waits_there_though_its_log_is_read_later() {
        let folder = tempfile::tempdir().unwrap();
        for (id, lines) in [
            (
                0,
                "2026-11-20T23:16:01.200000Z send tick=1 clock=1 to=1\n2026-11-20T23:16:01.900000Z send tick=2 clock=2 to=1\n",
            ),
            (
                1,
                "2026-11-20T23:16:01.500000Z receive tick=1 clock=2 from=0 sent=1 queue=0\n",
            ),
        ] {
            let header = format!(
                "# clocklab-log 1\n# machine={id} machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n"
            );
            fs::write(folder.path().join(format!("machine-{id}.log")), header + lines).unwrap();
        }
        let mut known = Known::new(folder.path());
        known.look().unwrap();
        let queues: Vec<u64> = known.states().map(|state| state.queue).collect();
        assert_eq!(queues, [0, 1]);
    }
}
