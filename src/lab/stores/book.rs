//! The clients of a simulated run, and the book that they keep: what was asked, what came of it, and what may be seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ask::{Ask, Own},
    counts::Counts,
    disks::Disks,
    logs::Logs,
    operator::Operator,
    recorded::{Outcome, Recorded},
    session::{Floors, Session, Shared},
    watches::Watcher,
};
use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{self, Answer, Copies, Deny, Item, Key, Status},
    service::Ticket,
    sim::open::Heard,
    units::{MachineId, Time},
};

/// Violations of one run that are kept; further ones are counted.
const BROKEN_KEPT_MAX: usize = 20;

/// What a run is, as far as clients are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Clients ask machines below this.
    pub(super) replicas: u16,
    pub(super) clients: usize,
    /// Fewest members at one time.
    pub(super) members_min: usize,
    /// How many watch the sessions' own registers, in simulation.
    pub(super) watches: u16,
    /// Time between a client's requests, on average.
    pub(super) think_us: u64,
    /// When clients stop.
    pub(super) heals: Time,
    /// When all is read for the last time.
    pub(super) settled: Time,
    pub(super) seed: u64,
}

/// A request on its way.
#[derive(Debug)]
pub(super) enum Pending {
    Session {
        place: usize,
        ask: Ask,
        copies: Copies,
        begun: Time,
    },
    /// The last reads.
    Status(MachineId),
    Scan(MachineId),
    Token(MachineId, usize),
    /// A watch, and the scan that says what was there when it began.
    Watch(usize),
    Base(usize, Ticket),
    /// A change of the members.
    Change,
    /// How a replica is, in between.
    Sample(MachineId),
    /// What a replica remembers under a key.
    Memory(MachineId, String),
}

/// What came of a value that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody knows, or not yet.
    Unknown,
    Done(Dot),
    Denied,
}

/// A write that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    pub(super) dot: Dot,
    pub(super) copies: Copies,
}

/// What a replica shows when all has settled.
#[derive(Debug, Default)]
pub(super) struct Final {
    pub(super) status: Option<Box<Status>>,
    pub(super) items: Option<Vec<(Key, Item)>>,
    /// Sessions whose tokens it met.
    pub(super) met: BTreeSet<usize>,
    /// The dots that it has under each key, as far as it was asked.
    pub(super) memories: BTreeMap<String, VersionVector>,
}

/// The book.
pub(super) struct Book {
    pub(super) terms: Terms,
    pub(super) sessions: Vec<Session>,
    pub(super) shared: Shared,
    pub(super) pending: BTreeMap<Ticket, Pending>,
    pub(super) broken: Vec<String>,
    pub(super) broken_more: u64,
    pub(super) counts: Counts,
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Their names.
    pub(super) dots: BTreeSet<Dot>,
    /// By value: the key, and what came of it.
    pub(super) values: BTreeMap<String, (String, Fate)>,
    /// Values that a write has superseded that had seen them.
    pub(super) superseded: BTreeMap<String, Dot>,
    /// What a session had seen when it wrote a number into its register; and those that were denied.
    pub(super) floors_at: BTreeMap<(Own, u64), Floors>,
    pub(super) denied_numbers: BTreeSet<(Own, u64)>,
    /// Increments: what came of each.
    pub(super) increments: BTreeMap<(usize, u32), Fate>,
    /// Removals of elements that were asked for.
    pub(super) removals: BTreeMap<(usize, String), Fate>,
    swaps: BTreeSet<(Origin, String, String)>,
    /// What the disks keep; `None` where they are not seen, and none is ever lost.
    pub(super) disks: Option<Disks>,
    pub(super) memory_only: BTreeSet<MachineId>,
    /// Who is a member when all has settled.
    pub(super) members: BTreeSet<MachineId>,
    /// Machines whose next remark says what they were restored with.
    pub(super) restored: BTreeSet<MachineId>,
    /// What each machine said last that it holds.
    pub(super) data: BTreeMap<MachineId, (VersionVector, u64)>,
    pub(super) ended: BTreeSet<MachineId>,
    pub(super) finals: BTreeMap<MachineId, Final>,
    pub(super) watchers: Vec<Watcher>,
    /// What watches were told and should not have been, unless something was let go.
    pub(super) told_wrongly: Vec<String>,
    pub(super) operator: Operator,
    pub(super) recorded: Recorded,
    pub(super) logs: Option<Logs>,
}

impl Book {
    pub(super) fn new(terms: Terms, memory_only: BTreeSet<MachineId>, logs: Option<Logs>) -> Self {
        let session = |place| Session::new(place, terms.seed, terms.replicas);
        Self {
            terms,
            sessions: (0..terms.clients).map(session).collect(),
            shared: Shared::default(),
            pending: BTreeMap::new(),
            broken: Vec::new(),
            broken_more: 0,
            counts: Counts::default(),
            acknowledged: Vec::new(),
            dots: BTreeSet::new(),
            values: BTreeMap::new(),
            superseded: BTreeMap::new(),
            floors_at: BTreeMap::new(),
            denied_numbers: BTreeSet::new(),
            increments: BTreeMap::new(),
            removals: BTreeMap::new(),
            swaps: BTreeSet::new(),
            disks: None,
            memory_only,
            members: MachineId::all(terms.replicas).collect(),
            restored: BTreeSet::new(),
            data: BTreeMap::new(),
            ended: BTreeSet::new(),
            finals: BTreeMap::new(),
            watchers: (0..terms.watches)
                .map(|number| Watcher::new(number, terms.seed))
                .collect(),
            told_wrongly: Vec::new(),
            operator: Operator::default(),
            recorded: Recorded::default(),
            logs,
        }
    }

    /// Something is wrong.
    pub(super) fn breaks(&mut self, what: String) {
        match self.broken.len() < BROKEN_KEPT_MAX {
            true => self.broken.push(what),
            false => self.broken_more += 1,
        }
    }

    /// What keeps an acknowledged write from being gone ([`disks`](super::disks)).
    pub(super) fn judge_gone(&self, write: &Acknowledged) -> Result<(), String> {
        match &self.disks {
            Some(disks) => disks.judge_gone(write.dot, |id| self.members.contains(&id)),
            None => Err("no disk was lost".to_owned()),
        }
    }

    /// From now on it may be seen.
    pub(super) fn note_ask(&mut self, place: usize, ask: &Ask) {
        let Some(session) = self.sessions.get_mut(place) else {
            return;
        };
        let mut value = |key: &str, text: &str| {
            self.values
                .insert(text.to_owned(), (key.to_owned(), Fate::Unknown));
        };
        match ask {
            Ask::Put { key, value: text } | Ask::Beside { key, value: text } => value(key, text),
            Ask::Swap { key, value: text, .. } => value(key, text),
            Ask::Batch { value: text } => value("b", text),
            Ask::Ending { value: text } => value("t", text),
            Ask::Insert { set, element } => value(&super::ask::set_key(*set), element),
            Ask::Mine { place, number } => {
                session.own.1 = *number;
                self.floors_at.insert((*place, *number), session.floors.clone());
            }
            Ask::Add { counter, bit } => {
                self.increments.insert((*counter, *bit), Fate::Unknown);
            }
            Ask::Remove { set, element } => {
                // Several may try to.
                let removal = self.removals.entry((*set, element.clone()));
                removal.or_insert(Fate::Unknown);
            }
            Ask::Get { .. }
            | Ask::Delete { .. }
            | Ask::Theirs { .. }
            | Ask::Count { .. }
            | Ask::Elements { .. }
            | Ask::BatchScan
            | Ask::OwnScan
            | Ask::Siblings { .. } => {}
        }
    }

    /// What came of a request of a session that wrote, or was to read.
    pub(super) fn settle(&mut self, place: usize, ask: &Ask, outcome: Outcome, begun: Time) {
        let fate = match outcome {
            Outcome::Not => Fate::Denied,
            Outcome::Done | Outcome::Unknown => Fate::Unknown,
        };
        self.decide(ask, fate);
        let Some(session) = self.sessions.get_mut(place) else {
            return;
        };
        let mut record = |what, key: &str, value: Option<&str>| {
            self.recorded.operation(session, what, key, value, outcome, begun);
        };
        match ask {
            Ask::Put { key, value } | Ask::Swap { key, value, .. } => record("put", key, Some(value)),
            Ask::Delete { key } => record("delete", key, None),
            Ask::Mine { place, number } => {
                record("put", &place.key(), Some(&number.to_string()));
                match outcome {
                    Outcome::Not => {
                        self.denied_numbers.insert((*place, *number));
                    }
                    Outcome::Done | Outcome::Unknown => session.new_own(),
                }
            }
            Ask::Get { .. }
            | Ask::Theirs { .. }
            | Ask::Add { .. }
            | Ask::Count { .. }
            | Ask::Insert { .. }
            | Ask::Remove { .. }
            | Ask::Elements { .. }
            | Ask::Batch { .. }
            | Ask::BatchScan
            | Ask::OwnScan
            | Ask::Beside { .. }
            | Ask::Siblings { .. }
            | Ask::Ending { .. } => {}
        }
        if outcome == Outcome::Unknown
            && let Ask::Put { key, .. } | Ask::Swap { key, .. } | Ask::Delete { key } = ask
        {
            session.seen.remove(key);
        }
    }

    /// What came of a write.
    pub(super) fn decide(&mut self, ask: &Ask, fate: Fate) {
        match ask {
            Ask::Put { value, .. }
            | Ask::Swap { value, .. }
            | Ask::Beside { value, .. }
            | Ask::Batch { value }
            | Ask::Ending { value } => {
                if let Some(known) = self.values.get_mut(value) {
                    known.1 = fate;
                }
            }
            Ask::Insert { element, .. } => {
                if let Some(known) = self.values.get_mut(element) {
                    known.1 = fate;
                }
            }
            Ask::Add { counter, bit } => {
                self.increments.insert((*counter, *bit), fate);
            }
            Ask::Remove { set, element } => {
                if let Fate::Done(_) = fate {
                    self.removals.insert((*set, element.clone()), fate);
                }
            }
            Ask::Get { .. }
            | Ask::Delete { .. }
            | Ask::Mine { .. }
            | Ask::Theirs { .. }
            | Ask::Count { .. }
            | Ask::Elements { .. }
            | Ask::BatchScan
            | Ask::OwnScan
            | Ask::Siblings { .. } => {}
        }
    }

    /// A session hears no.
    fn denied(&mut self, place: usize, ask: &Ask, deny: &Deny, begun: Time) {
        let outcome = match deny {
            Deny::Unmet { .. } => {
                self.counts.unmet += 1;
                Outcome::Not
            }
            Deny::NoMember | Deny::Joining | Deny::Leaving | Deny::Condition { .. } | Deny::Busy => {
                self.counts.denied += 1;
                Outcome::Not
            }
            Deny::TooFewCopies { dot, have, want } => {
                self.counts.unknown += 1;
                if have >= want {
                    self.breaks(format!(
                        "{dot} has {have} copies of {want}, and is denied for too few"
                    ));
                }
                Outcome::Unknown
            }
            Deny::Disk { .. } => {
                self.counts.unknown += 1;
                Outcome::Unknown
            }
            Deny::WrongType { .. }
            | Deny::TooLarge { .. }
            | Deny::Malformed { .. }
            | Deny::NoSuchMember
            | Deny::Forbidden { .. } => {
                self.breaks(format!("{ask:?} is denied: {deny:?}"));
                Outcome::Not
            }
        };
        self.settle(place, ask, outcome, begun);
        let replicas = self.terms.replicas;
        if let Some(session) = self.sessions.get_mut(place) {
            session.move_on(replicas);
        }
    }

    pub(super) fn session_heard(
        &mut self,
        place: usize,
        ask: &Ask,
        copies: Copies,
        (begun, at): (Time, Time),
        heard: Heard<kv::Reply>,
    ) {
        let replicas = self.terms.replicas;
        match heard {
            Heard::Refused => {
                self.counts.denied += 1;
                self.settle(place, ask, Outcome::Not, begun);
            }
            Heard::Broken => {
                self.counts.unknown += 1;
                self.settle(place, ask, Outcome::Unknown, begun);
            }
            Heard::Reply { reply, .. } => {
                let by = self
                    .sessions
                    .get(place)
                    .map_or(MachineId(0), |session| session.at);
                self.on_released(place, by, at, &reply.released);
                if let Ask::Mine { place, number } = ask
                    && !reply.released.is_empty()
                {
                    // It does not depend on what was let go, and what else its session had seen is not told apart.
                    self.floors_at.insert((*place, *number), Floors::new());
                }
                match &reply.answer {
                    Answer::Denied(deny) => self.denied(place, ask, deny, begun),
                    answer => {
                        self.counts.answered += 1;
                        self.take(place, ask, copies, answer, &reply.token, begun);
                        if let Some(session) = self.sessions.get_mut(place).filter(|one| one.carries) {
                            session.token = reply.token;
                        }
                    }
                }
                return;
            }
        }
        if let Some(session) = self.sessions.get_mut(place) {
            session.move_on(replicas);
        }
    }

    /// Dots of a session's token were let go by a replica ([`disks`](super::disks)).
    pub(super) fn on_released(&mut self, place: usize, by: MachineId, at: Time, released: &[Dot]) {
        for dot in released {
            self.counts.released += 1;
            let judged = match &self.disks {
                Some(disks) => disks.judge_let_go(*dot, by, at),
                None => Err("no disk was lost".to_owned()),
            };
            if let Err(why) = judged {
                self.breaks(format!("{dot} was let go by machine {by}, though {why}"));
            }
        }
        if !released.is_empty()
            && let Some(session) = self.sessions.get_mut(place)
        {
            session.begin_anew();
        }
    }

    /// A compare-and-set was done: none before by this replica from the same mark.
    pub(super) fn swapped(&mut self, origin: Origin, key: &str, mark: &VersionVector) {
        if !self.swaps.insert((origin, key.to_owned(), mark.to_string())) {
            self.breaks(format!(
                "{origin} has done two compare-and-sets of {key} from one mark, {mark}"
            ));
        }
    }

    /// What a machine says that it holds, behind a restart with its disk: what it acknowledged is there.
    pub(super) fn check_restored(&mut self, machine: MachineId, known: &VersionVector) {
        let is_missing =
            |write: &&Acknowledged| write.dot.origin.machine == machine && !known.contains(write.dot);
        let missing = self.acknowledged.iter().find(is_missing);
        if let Some(write) = missing {
            let what = format!(
                "machine {machine} acknowledged {}, and is restarted with {known}",
                write.dot
            );
            self.breaks(what);
        }
    }
}
