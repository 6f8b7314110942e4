//! What a replica knows of one peer: its link, what it has said that it has, and what is under way to it.

use std::collections::VecDeque;

use crate::{
    clock::{Origin, VersionVector},
    kv::{
        message::{Readiness, Report, Wants},
        suspicion::Suspicion,
    },
    units::{MachineId, Time},
};

/// Most bytes of new writes that are under way to one peer without a word that they have come. Beyond it nothing is
/// pushed until it says so; it is sent what it lacks from the log then.
pub(super) const FLIGHT_BYTES_MAX: usize = 8 << 20;

/// Writes that came from a peer are acknowledged after so many bytes at the latest, whether or not it asked.
pub(super) const OWED_BYTES_MAX: usize = 512 << 10;

/// How the link to a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// There is none.
    Down,
    /// It is up; the peer has not introduced itself yet.
    Up,
    /// It is up, and the peer has said who it is.
    Met,
}

/// A message of new writes that is under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    /// The clock of its send event.
    clock: u64,
    bytes: usize,
    since: Time,
}

/// What a peer lacked at a moment, some of which it lacks still.
#[derive(Debug)]
pub(super) struct Behind {
    /// The moment.
    pub(super) since: Time,
    /// What was here then.
    here: VersionVector,
}

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: MachineId,
    pub(super) link: Link,
    /// When the link came up last.
    pub(super) up_since: Time,
    /// The life that the link leads to, or led to last; 0 if there was none.
    pub(super) life: u32,
    /// Of which age its data are, as it said in that life ([`members`](crate::kv::members)).
    pub(super) age: u64,
    /// What it said that it has, in that life.
    pub(super) report: Report,
    pub(super) suspicion: Suspicion,
    /// Silent for so long that it is taken to be gone.
    pub(super) is_suspected: bool,
    /// At the first contact since this replica started, or since it or the peer became a member: what the peer had
    /// then and is still missing here. It is pulled at once.
    pub(super) target: Option<VersionVector>,
    /// Whether there was that first contact.
    pub(super) is_known: bool,
    /// The peer ended in order.
    pub(super) has_left: bool,
    /// Of this replica's own writes, it was sent those up to this number, or will pull them.
    pub(super) cursor: u64,
    /// New writes under way, oldest first.
    flight: VecDeque<Flight>,
    flight_bytes: usize,
    /// Heartbeats in a row that spoke of no progress, though writes are under way.
    idle_beats: u32,
    /// The clock of the last writes that came from it over this link.
    pub(super) heard: u64,
    /// Which acknowledgement it is owed.
    pub(super) owes: Wants,
    /// It wants to know when its own writes up to this number are on the disk here.
    pub(super) asked: u64,
    /// Up to which of its own writes it was told so.
    pub(super) told_kept: u64,
    /// Bytes of writes that came since the last one.
    pub(super) owed_bytes: usize,
    /// The last of its pulls that was taken, in its present life.
    pulled: u64,
    /// What it lacks, as far as it has not said that it has it; looked at with every heartbeat.
    pub(super) behind: Option<Behind>,
    /// A report of its present life that this replica waits to cover: what it had, and what of it was on its disk.
    settling: Option<(VersionVector, VersionVector)>,
    /// What was on its disk when it made a report that this replica has covered since.
    pub(super) settled: VersionVector,
}

impl Peer {
    pub(super) fn new(id: MachineId, now: Time, heartbeat_us: u64) -> Self {
        Self {
            id,
            link: Link::Down,
            up_since: now,
            life: 0,
            age: 0,
            report: Report::default(),
            suspicion: Suspicion::new(now, heartbeat_us),
            is_suspected: false,
            target: None,
            is_known: false,
            has_left: false,
            cursor: 0,
            flight: VecDeque::new(),
            flight_bytes: 0,
            idle_beats: 0,
            heard: 0,
            owes: Wants::Nothing,
            asked: 0,
            told_kept: 0,
            owed_bytes: 0,
            pulled: 0,
            behind: None,
            settling: None,
            settled: VersionVector::new(),
        }
    }

    /// It is told what is on the disk here: `kept` of what it wrote in its present life. Who waits for more is told
    /// again.
    pub(super) fn acknowledged(&mut self, kept: u64) {
        if self.owes != Wants::Kept || kept >= self.asked {
            self.owes = Wants::Nothing;
        }
        self.told_kept = kept;
        self.owed_bytes = 0;
    }

    /// Its writes in its present life.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            machine: self.id,
            incarnation: self.life,
        }
    }

    /// Notes since when it has been lacking something that is here: also if it says nothing at all.
    pub(super) fn compare(&mut self, here: &VersionVector, now: Time) {
        if self.report.known.covers(here) {
            self.behind = None;
        } else if self
            .behind
            .as_ref()
            .is_none_or(|behind| self.report.known.covers(&behind.here))
        {
            self.behind = Some(Behind {
                since: now,
                here: here.clone(),
            });
        }
    }

    /// Takes a pull, if it is later than any before. One that comes twice, or after a later one, is not served: its answer
    /// would have the same number as another, and of two transfers parts of the one would be taken for the other's.
    pub(super) fn pulls(&mut self, number: u64) -> bool {
        let is_new = number > self.pulled;
        self.pulled = self.pulled.max(number);
        is_new
    }

    /// Whether messages to it go anywhere.
    pub(super) fn is_up(&self) -> bool {
        self.link != Link::Down
    }

    /// Whether it can be asked for something.
    pub(super) fn is_there(&self) -> bool {
        self.link == Link::Met && !self.is_suspected
    }

    /// Whether it serves clients, and is there.
    pub(super) fn is_ready(&self) -> bool {
        self.is_there() && self.report.readiness == Readiness::Ready
    }

    /// A link is up: what goes on it begins anew. Writes accepted before are not pushed: they are pulled.
    pub(super) fn link_up(&mut self, incarnation: u32, own: u64) {
        if self.life != incarnation {
            self.life = incarnation;
            self.age = 0;
            self.report = Report::default();
            self.pulled = 0;
            self.target = None;
            self.behind = None;
            self.settling = None;
            self.settled = VersionVector::new();
        }
        self.link = Link::Up;
        self.has_left = false;
        self.cursor = own;
        self.flight.clear();
        self.flight_bytes = 0;
        self.idle_beats = 0;
        self.heard = 0;
        self.owes = Wants::Nothing;
        (self.asked, self.told_kept) = (0, 0);
        self.owed_bytes = 0;
        self.suspicion.link_up();
    }

    /// The link is down.
    pub(super) fn link_down(&mut self, now: Time) {
        self.link = Link::Down;
        self.flight.clear();
        self.flight_bytes = 0;
        self.owes = Wants::Nothing;
        self.owed_bytes = 0;
        self.suspicion.link_down(now);
    }

    /// A heartbeat has come: with a word of progress, or without.
    pub(super) fn beat(&mut self, report: &Report) {
        if self.flight.is_empty() || report.heard > self.report.heard {
            self.idle_beats = 0;
        } else {
            self.idle_beats = self.idle_beats.saturating_add(1);
        }
    }

    /// It takes what it is sent.
    pub(super) fn progressed(&mut self) {
        self.idle_beats = 0;
    }

    /// So many heartbeats in a row spoke of no progress, though writes are under way.
    pub(super) fn idle_beats(&self) -> u32 {
        self.idle_beats
    }

    /// Takes what it says of itself. What it has only grows in a life, though words may overtake each other.
    pub(super) fn hear(&mut self, report: Report) {
        while let Some(flight) = self.flight.front()
            && flight.clock <= report.heard
        {
            self.flight_bytes -= flight.bytes;
            self.flight.pop_front();
        }
        let Report { known, kept, .. } = std::mem::take(&mut self.report);
        self.report = report;
        self.report.known.merge(&known);
        self.report.kept.merge(&kept);
    }

    /// Reports that it has made so far settle nothing.
    pub(super) fn unsettle(&mut self) {
        self.settling = None;
        self.settled = VersionVector::new();
    }

    /// Looks whether everything that it had when it made a report is here by now. Only reports count that speak of the
    /// lives that this replica sees, too.
    pub(super) fn settle(&mut self, known: &VersionVector, lives_digest: u64) {
        if self
            .settling
            .as_ref()
            .is_some_and(|(theirs, _)| known.covers(theirs))
            && let Some((_, kept)) = self.settling.take()
        {
            self.settled = kept;
        }
        let report = &self.report;
        if report.lives_digest == lives_digest {
            self.settling
                .get_or_insert_with(|| (report.known.clone(), report.kept.clone()));
        }
    }

    /// New writes have been sent.
    pub(super) fn pushed(&mut self, now: Time, clock: u64, bytes: usize) {
        self.flight_bytes += bytes;
        match self.flight.back_mut() {
            // One mark for what left in one moment: there are at most as many as moments before the link is reset.
            Some(last) if now.0 - last.since.0 < 10_000 => {
                last.clock = clock;
                last.bytes += bytes;
            }
            _ => self.flight.push_back(Flight {
                clock,
                bytes,
                since: now,
            }),
        }
    }

    /// Bytes of new writes that may be sent now.
    pub(super) fn room(&self) -> usize {
        FLIGHT_BYTES_MAX.saturating_sub(self.flight_bytes)
    }

    /// Since when it has not said that new writes have come.
    pub(super) fn waiting_since(&self) -> Option<Time> {
        self.flight.front().map(|flight| flight.since)
    }
}
