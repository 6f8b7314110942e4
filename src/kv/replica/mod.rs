//! The replica: the store's state machine, without I/O.
//!
//! ```text
//!   Request --requests--> served at once, or `waiting` for writes that the session has seen
//!             '--writes--> applied here, in the round's batch ----.      RoundEnd: one message to each peer,
//!   Message --delivery--> applied, or `buffer`ed -----------------+----> one event, one append of dirty rows
//!             '--repair, transfer--> what was missed              |
//!   Appended ------------> `held` answers leave, watches are told <------'
//!   Timeout -------------> heartbeat: suspicion, gaps, readiness, what can be let go
//! ```
//!
//! | file | what it decides |
//! |---|---|
//! | `requests`, `answers` | what a client is answered, and whether it has to wait |
//! | `writes` | a client's write: its name, its dependencies; the batch of the round |
//! | `delivery`, `buffer` | when a peer's write is applied |
//! | `held` | when an answer may leave |
//! | `rows`, `gathering` | what the disk gets, and when; what an earlier life left there |
//! | `kept_rows` | what the rows of a disk say, to one who judges it |
//! | `links`, `peer` | what is heard of peers; who is suspected |
//! | `membership`, `ready` | who the members are; when a new one serves |
//! | `repair`, `log`, `transfer`, `adopt` | how a gap is closed |
//! | `snapshot`, `backup` | the state of one moment, read while it changes; a copy of it for a client |
//! | `letting_go` | tombstones, logs, writes that nobody has any more |
//! | `watching`, `telling` | watches |
//! | `tokens` | what a session's token has to hold |
//! | `wall` | the wall clock, by which values end |

mod adopt;
mod answers;
mod backup;
mod buffer;
mod copies;
mod delivery;
mod gathering;
mod held;
mod kept_rows;
mod letting_go;
mod links;
mod log;
mod membership;
mod peer;
mod ready;
mod repair;
mod requests;
mod rows;
mod snapshot;
mod telling;
mod tokens;
mod transfer;
mod waiting;
mod wall;
mod watching;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use adopt::Incoming;
use buffer::Buffer;
use held::Held;
pub(crate) use kept_rows::Kept;
use letting_go::LettingGo;
use log::Log;
use peer::Peer;
pub use ready::JOIN_US_MAX;
use ready::Phase;
use repair::Repair;
use rows::Keeping;
pub use rows::member_of;
use transfer::Transfers;
use waiting::Waiting;
use wall::Wall;
use watching::Watching;
use writes::{Pace, Round};

use super::{
    config::{Config, DiskRule},
    members::Members,
    message::Message,
    request::{Deny, Reply, Request},
    store::Store,
};
use crate::{
    clock::{Origin, VersionVector},
    service::{Effect, Effects, Input, Service, Ticket},
    trace::{DataNote, Event, Footer, Kind, Record, StoreChange, WallTime},
    units::{MachineId, Time},
    wire::Reason,
};

/// A life's stamps begin at its incarnation, which counts seconds, times 2 to this: a million writes a second.
const STAMPS_A_LIFE_BITS: u32 = 20;

/// Without a change for so long, what is held is noted in the log.
const QUIET_US: u64 = 1_000_000;

/// With more keys it is not: the digest looks at all of them.
const NOTED_KEYS_MAX: u64 = 100_000;

/// A replica of the causal store.
#[derive(Debug)]
pub struct Replica {
    config: Config,
    /// Its present life: whose writes it accepts. Before the start incarnation 0.
    origin: Origin,
    now: Time,
    /// Since when it has been running; before the start none.
    began: Option<Time>,
    wall: Wall,
    store: Store,
    /// What has been applied.
    known: VersionVector,
    /// What of it is on the disk: at most `known`.
    kept: VersionVector,
    /// What every member is known to have on its disk.
    stable: VersionVector,
    journal: Journal,
    members: Members,
    phase: Phase,
    peers: BTreeMap<MachineId, Peer>,
    round: Round,
    pace: Pace,
    log: Log,
    buffer: Buffer,
    waiting: Waiting,
    held: Held,
    watching: Watching,
    keeping: Keeping,
    repair: Repair,
    transfers: Transfers,
    letting_go: LettingGo,
    counts: Counts,
    /// When the next heartbeat is due.
    beat: Time,
    quiet: Quiet,
    stopped: Option<Reason>,
}

/// Since when nothing has changed.
#[derive(Debug, Default)]
struct Quiet {
    known: VersionVector,
    since: Time,
    is_noted: bool,
}

/// The numbers of the event log.
#[derive(Clone, Copy, Debug, Default)]
struct Journal {
    ticks: u64,
    clock: u64,
}

/// What has happened since the start, for metrics.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    reads: u64,
    writes: u64,
    operations: u64,
    denied: u64,
    waited: u64,
    applied: u64,
    buffered: u64,
    duplicates: u64,
    dropped: u64,
    forgotten: u64,
    pulls: u64,
    transfers: u64,
    served: u64,
    resets: u64,
    released: u64,
    collected: u64,
    refused: u64,
}

impl Replica {
    /// A replica before its start.
    ///
    /// # Errors
    /// [`ConfigError`](super::ConfigError) if the parameters do not fit.
    pub fn new(config: Config) -> Result<Self, super::ConfigError> {
        config.validate()?;
        let origin = Origin {
            machine: config.id,
            incarnation: 0,
        };
        Ok(Self {
            origin,
            now: Time::default(),
            began: None,
            wall: Wall::default(),
            store: Store::with_secret(config.hash_secret),
            known: VersionVector::new(),
            kept: VersionVector::new(),
            stable: VersionVector::new(),
            journal: Journal {
                ticks: config.ticks,
                clock: config.clock,
            },
            members: Members::new(config.id),
            phase: Phase::Alone,
            peers: BTreeMap::new(),
            round: Round::default(),
            pace: Pace::default(),
            log: Log::new(config.log_bytes_max, VersionVector::new()),
            buffer: Buffer::new(config.buffer_bytes_max),
            waiting: Waiting::default(),
            held: Held::default(),
            watching: Watching::new(config.history_max, config.history_bytes_max, 0),
            keeping: Keeping::default(),
            repair: Repair::default(),
            transfers: Transfers::default(),
            letting_go: LettingGo::default(),
            counts: Counts::default(),
            beat: Time::default(),
            quiet: Quiet::default(),
            stopped: None,
            config,
        })
    }

    /// This replica's id.
    fn me(&self) -> MachineId {
        self.config.id
    }

    /// What the wall clock shows, in microseconds since 1970.
    fn wall_us(&self) -> u64 {
        self.wall.shows_us(self.now)
    }

    fn start(&mut self, wall: WallTime, incarnation: u32, effects: &mut Effects<Self>) {
        self.began = Some(self.now);
        self.wall.read(self.now, wall);
        self.origin.incarnation = incarnation;
        // What this life writes is above what was written before it, also if its disk is lost.
        self.store
            .raise_stamp(u64::from(incarnation) << STAMPS_A_LIFE_BITS);
        self.beat = self.now;
        if self.config.disk == DiskRule::Nowhere {
            self.keeping.without_rows();
            self.store.without_changes();
        }
        let (history_max, bytes_max) = (self.config.history_max, self.config.history_bytes_max);
        self.watching = Watching::new(history_max, bytes_max, self.wall_us());
        self.drop_given_up();
        self.kept = self.known.clone();
        self.log = Log::new(self.config.log_bytes_max, self.known.clone());
        if let Some(why) = self.keeping.damage() {
            self.keeping.fail(why);
            effects.push(Effect::Stop {
                reason: Reason::Limit,
            });
        }
        self.begin_membership(effects);
        self.record_data(effects);
    }

    /// When nothing has changed for a second, the log says what is held.
    fn note_quiet(&mut self, effects: &mut Effects<Self>) {
        if self.quiet.known != self.known {
            self.quiet.known = self.known.clone();
            self.quiet.since = self.now;
            self.quiet.is_noted = false;
        }
        let is_quiet = self.now.0.saturating_sub(self.quiet.since.0) >= QUIET_US;
        if is_quiet && !self.quiet.is_noted && self.store.keys() <= NOTED_KEYS_MAX {
            self.record_data(effects);
        }
    }

    /// What is held at this moment, for the log.
    fn record_data(&mut self, effects: &mut Effects<Self>) {
        self.quiet.known = self.known.clone();
        self.quiet.is_noted = true;
        effects.push(Effect::Record(Record::Data(Box::new(DataNote {
            known: self.known.clone(),
            digest: self.store.digest(),
        }))));
    }

    /// A round is over: what was accepted leaves, who asked is served, the disk gets what changed.
    fn round_end(&mut self, effects: &mut Effects<Self>) {
        if self.began.is_none() {
            return;
        }
        self.serve_woken(effects);
        self.flush(effects);
        self.keep_at_once(effects);
        self.serve_pulls(effects);
        self.acknowledge(effects);
        self.append(effects);
        self.prepare_telling(effects);
        self.answer_copied(effects);
    }

    fn timeout(&mut self, effects: &mut Effects<Self>) {
        if self.began.is_none() {
            return;
        }
        self.serve_late(effects);
        self.answer_late(effects);
        if self.append_deadline().is_some_and(|due| due <= self.now) {
            self.append(effects);
        }
        if self.pace.deadline().is_some_and(|due| due <= self.now) {
            self.flush(effects);
        }
        if self.now >= self.beat {
            // Beats that a late wake-up has left out are not made up for.
            self.beat = Time(self.now.0 + self.config.heartbeat_us);
            self.judge_peers(effects);
            self.let_go(effects);
            self.look_for_gaps(effects);
            self.look_whether_ready(effects);
            self.hand_over(effects);
            self.heartbeat(effects);
            self.note_quiet(effects);
        }
    }

    fn cancel(&mut self, ticket: Ticket) {
        let waited = self.waiting.take(ticket).is_some();
        let watched = self.watching.watchers.remove(&ticket).is_some();
        if !waited && !watched {
            self.held.cancel(ticket);
        }
    }

    fn stop(&mut self, reason: Reason, effects: &mut Effects<Self>) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(reason);
        self.waiting.wake_all();
        self.serve_woken(effects);
        self.end_watches(&Deny::Leaving, effects);
    }

    /// The last words.
    fn end(&mut self, effects: &mut Effects<Self>) {
        if self.began.is_some() {
            self.flush(effects);
            self.keeping.end();
            self.record_data(effects);
        }
        let left = self.peers.values().filter(|peer| peer.has_left);
        let goodbye: BTreeSet<MachineId> = left.map(|peer| peer.id).collect();
        let passed = self.now.0.saturating_sub(self.began.unwrap_or(self.now).0);
        effects.push(Effect::Record(Record::Ended(Box::new(Footer {
            reason: self.stopped,
            ticks: self.journal.ticks,
            goodbye: goodbye.into_iter().collect(),
            ticking_us: Some(passed),
            ..Footer::default()
        }))));
    }

    fn message(&mut self, from: MachineId, message: Message, effects: &mut Effects<Self>) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.suspicion.hear(self.now);
        }
        match message {
            Message::Introduce(introduce) => self.introduced(from, *introduce, effects),
            Message::Writes(writes) => self.arrived(from, writes, effects),
            Message::Acknowledge(report) => self.reported(from, *report, effects),
            Message::Heartbeat(report) => self.beaten(from, *report, effects),
            Message::Members(records) => self.told_members(from, &records, effects),
            Message::Pull { number, known } => self.asked(from, number, known),
            Message::Pulled { number, more } => self.pulled(from, number, more, effects),
            Message::TransferBegin {
                number,
                known,
                scope,
                forgotten,
                stamp,
            } => {
                let incoming = Incoming::new(known, scope, forgotten, stamp);
                self.transfer_begins(from, number, incoming, effects);
            }
            Message::TransferPart { number, part, bytes } => {
                self.transfer_part(from, number, part, &bytes, effects);
            }
            Message::TransferEnd { number, parts } => self.transfer_ends(from, number, parts, effects),
            Message::TransferCredit { number, parts } => {
                if let Some(peer) = self.peers.get_mut(&from) {
                    peer.progressed();
                }
                self.transfers.credit(from, number, parts, self.now);
            }
        }
    }
}

impl Journal {
    /// The next event.
    fn event(&mut self, kind: Kind, store: Option<Box<StoreChange>>) -> Record {
        self.ticks += 1;
        self.clock = self.clock.saturating_add(1);
        Record::Event(Event {
            tick: self.ticks,
            clock: self.clock,
            vector: None,
            hybrid: None,
            store,
            kind,
        })
    }

    /// The clock that the next event will have.
    fn next_clock(&self) -> u64 {
        self.clock.saturating_add(1)
    }

    /// A message with this clock has come: the next event lies behind it.
    fn merge(&mut self, sent: u64) {
        self.clock = self.clock.max(sent);
    }
}

impl Service for Replica {
    type Message = Message;
    type Request = Request;
    type Reply = Reply;

    fn handle(&mut self, now: Time, input: Input<Self>, effects: &mut Effects<Self>) {
        self.now = self.now.max(now);
        match input {
            Input::Restored { row } => self.restore(row),
            Input::Start { wall, incarnation } => self.start(wall, incarnation, effects),
            Input::LinkUp { peer, incarnation } => self.link_up(peer, incarnation, effects),
            // Nothing here relies on a link: what is lost is pulled, what comes twice is dropped.
            Input::Unreliable { .. } => {}
            Input::LinkDown { peer, cause } => self.link_down(peer, cause),
            Input::Message { from, message } => self.message(from, message, effects),
            Input::Request { ticket, request } => self.request(ticket, request, effects),
            Input::Cancelled { ticket } => self.cancel(ticket),
            Input::Appended { through } => self.appended(through, effects),
            Input::AppendFailed { why } => self.append_failed(&why, effects),
            Input::RoundEnd => self.round_end(effects),
            Input::WallClock { wall } => self.wall.read(self.now, wall),
            Input::Timeout => self.timeout(effects),
            Input::Stop { reason } => self.stop(reason, effects),
            Input::End => self.end(effects),
        }
    }

    fn foresee(&self, requests: &[(Ticket, Request)]) {
        let keys = requests.iter().flat_map(|(_, request)| request.action.keys());
        self.store.foresee(keys);
    }

    fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    fn open_requests(&self, name: &mut dyn FnMut(Ticket, &Request)) {
        self.name_open_requests(name);
    }

    fn deadline(&self) -> Option<Time> {
        self.began?;
        let others = [
            self.waiting.deadline(),
            self.held.deadline(),
            self.append_deadline(),
            self.pace.deadline(),
        ];
        let more = self.has_more_to_send().then_some(self.now);
        others.into_iter().chain([more, Some(self.beat)]).flatten().min()
    }
}

#[cfg(test)]
mod tests;
