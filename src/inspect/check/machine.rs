//! The rules of one log by itself: its time, its ticks, its clocks, its footer.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    channel::Channels,
    faults::{FaultsOn, Wrong},
    hybrid::{self, Fastest, HybridReceive, HybridTrack},
    judge::{Context, Files},
    links::Links,
    message::{Received, ReceivedOther, Sent, SentOther},
    rules::{CLOCK, FOOTER, FORMAT, HYBRID, TICK, TIME, VECTOR},
    vector::{self, Claims, VectorTrack},
    wrong_rule::Fits,
};
use crate::{
    clock::ClockKind,
    trace::{Event, Footer, Header, Kind, Record, Violations, WallTime},
    units::MachineId,
};

/// One machine's log, followed from line to line.
#[derive(Debug)]
pub(super) struct MachineCheck {
    me: MachineId,
    machines: u16,
    /// Whether it is a replica: its peers may be any, and come and go.
    is_open: bool,
    last_at: WallTime,
    last_line: u64,
    /// The tick of the last event.
    tick: u64,
    /// The clock after the last event.
    pub(super) clock: u64,
    pub(super) events: u64,
    pub(super) records: u64,
    pub(super) fits: Fits,
    kind: ClockKind,
    pub(super) vector: VectorTrack,
    pub(super) hybrid: HybridTrack,
    pub(super) faults: FaultsOn,
    /// Frames of messages that were given to links in this life.
    pub(super) frames: u64,
    /// A link was lost behind them, and with it some that it was not given yet.
    pub(super) is_lossy: bool,
    pub(super) footer: Option<(u64, Footer)>,
}

/// What the logs share while they are read.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) files: Files,
    pub(super) channels: Channels,
    pub(super) claims: Claims,
    pub(super) fastest: Fastest,
    pub(super) links: Links,
    /// Of the store's runs, whoever was sent something or sent something.
    pub(super) mentioned: BTreeSet<MachineId>,
    pub(super) violations: Violations,
}

impl MachineCheck {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            me: header.machine,
            machines: header.machines,
            is_open: header.incarnation.is_some(),
            last_at: header.started,
            last_line: 2,
            tick: 0,
            clock: 0,
            events: 0,
            records: 0,
            fits: Fits::default(),
            kind: header.clock,
            vector: VectorTrack::default(),
            hybrid: HybridTrack::default(),
            faults: FaultsOn::default(),
            frames: 0,
            is_lossy: false,
            footer: None,
        }
    }

    #[inline]
    pub(super) fn take(&mut self, line: u64, at: WallTime, record: &Record, shared: &mut Shared) {
        self.records += 1;
        if at < self.last_at {
            self.time_goes_back(line, at, shared);
        }
        if self.is_open && matches!(record, Record::Restarted { .. }) {
            // A replica that ended in order may go on in a further life, as one does that was killed.
            self.footer = None;
        }
        if let Some((end, _)) = &self.footer {
            let places = [line, *end].map(|line| shared.files.place(self.me, line));
            shared.violations.add(FOOTER, self.me, || {
                let text = format!(
                    "a record behind the footer ({}), which is the last line",
                    places[1]
                );
                (places.to_vec(), text)
            });
        }
        if self.faults.is_killed && !matches!(record, Record::Restarted { .. }) {
            let wrong = self.faults.behind_kill();
            self.report(line, [wrong], shared);
        }
        match record {
            Record::Event(event) => self.event(line, at, event, shared),
            Record::LinkLost { peer } | Record::LinkUp { peer, .. } if !self.is_peer(*peer) => {
                self.no_peer(line, *peer, shared);
            }
            Record::LinkLost { peer } => {
                self.is_lossy |= self.frames > 0;
                let (links, files, violations) = (&mut shared.links, &shared.files, &mut shared.violations);
                links.lost((self.me, *peer), line, files, violations);
            }
            Record::LinkUp { peer, incarnation } => {
                let (links, files, violations) = (&mut shared.links, &shared.files, &mut shared.violations);
                let is_other = links.up((self.me, *peer), line, *incarnation, files, violations);
                shared.channels.link_up(self.me, *peer, line, is_other);
            }
            Record::Fault(note) => {
                if let Some(other) = note.to.iter().find(|peer| !self.is_peer(**peer)) {
                    self.no_peer(line, *other, shared);
                }
                let wrong = self.faults.begin(note);
                self.report(line, wrong, shared);
            }
            Record::Mended { id } => {
                let wrong = self.faults.end(*id);
                self.report(line, wrong, shared);
            }
            Record::Restarted { incarnation } => self.restarted(line, *incarnation, shared),
            // No event, but the clock is what the next one goes on from.
            Record::Jumped { ticks, physical_us } => {
                self.clock = self.clock.saturating_add(*ticks);
                self.hybrid.jump(*physical_us);
            }
            Record::Stall { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Pace { .. }
            | Record::Data(_) => {}
            Record::Ended(footer) => self.end(line, footer, shared),
        }
        (self.last_at, self.last_line) = (at, line);
    }

    /// A further life begins: every link of the one before was lost with it, in both directions.
    #[cold]
    fn restarted(&mut self, line: u64, incarnation: u32, shared: &mut Shared) {
        self.hybrid.restart();
        (self.frames, self.is_lossy) = (0, false);
        let life = (incarnation, self.faults.restart());
        let Shared {
            links,
            files,
            violations,
            channels,
            ..
        } = shared;
        links.restarted(self.me, line, life, files, violations);
        channels.restarted(self.me);
    }

    #[inline]
    fn event(&mut self, line: u64, at: WallTime, event: &Event, shared: &mut Shared) {
        let before = self.clock;
        if matches!(event.kind, Kind::Other) && event.tick == 0 {
            // A kind of a later version, which is no event of this clock.
            return;
        }
        if event.tick != self.tick.saturating_add(1) {
            self.wrong_tick(line, event, shared);
        }
        self.events += 1;
        (self.tick, self.clock) = (event.tick, event.clock);
        let other = self.other_clock(line, at, event, shared);
        match &event.kind {
            Kind::Internal => self.judge_step(line, before, shared),
            Kind::Send { .. } => {
                self.judge_step(line, before, shared);
                self.send(line, at, event, shared);
            }
            Kind::Receive {
                from,
                sent,
                waited_us,
                ..
            } => {
                self.fits.take(before, *sent, event.clock);
                if !self.is_peer(*from) {
                    self.no_peer(line, *from, shared);
                    return;
                }
                self.mention(*from, shared);
                let receive = Received {
                    line,
                    sent: *sent,
                    arrived: at.before_us(waited_us.unwrap_or(0)),
                    before,
                    clock: event.clock,
                    other,
                };
                let (channels, mut context) = shared.split();
                channels.lacks_arrivals |= waited_us.is_none();
                channels.receive(*from, self.me, receive, &mut context);
            }
            Kind::Other => {}
        }
    }

    /// Follows the clock beside Lamport's, if there is one. Of a receive, returns what its send is to be compared with.
    #[inline]
    fn other_clock(
        &mut self,
        line: u64,
        at: WallTime,
        event: &Event,
        shared: &mut Shared,
    ) -> Option<Box<ReceivedOther>> {
        if self.kind == ClockKind::Lamport && event.vector.is_none() && event.hybrid.is_none() {
            return None;
        }
        self.follow_other(line, at, event, shared)
    }

    #[cold]
    fn follow_other(
        &mut self,
        line: u64,
        at: WallTime,
        event: &Event,
        shared: &mut Shared,
    ) -> Option<Box<ReceivedOther>> {
        let Shared {
            files,
            claims,
            violations,
            ..
        } = shared;
        let merges = !matches!(event.kind, Kind::Internal | Kind::Send { .. });
        let tick = event.tick;
        let is_receive = matches!(event.kind, Kind::Receive { .. });
        let mut taken = None;
        if let Some(vector) = &event.vector {
            let step = vector::Step {
                line,
                tick,
                vector,
                merges,
            };
            let before = self.vector.take(self.me, step, claims, files, violations);
            taken = is_receive.then(|| ReceivedOther::Vector(before, vector.clone()));
        }
        if let Some(after) = event.hybrid {
            let step = hybrid::Step {
                line,
                at,
                tick,
                hybrid: after,
                merges,
            };
            let (before, physical_us) = self.hybrid.take(self.me, step, files, violations);
            let waited_us = match event.kind {
                Kind::Receive { waited_us, .. } => waited_us.and_then(|us| i64::try_from(us).ok()),
                Kind::Internal | Kind::Send { .. } | Kind::Other => None,
            };
            taken = is_receive.then_some(ReceivedOther::Hybrid(HybridReceive {
                before,
                after,
                physical_us,
                arrived: WallTime(at.0.saturating_sub(waited_us.unwrap_or(0))),
            }));
        }
        let missing = match self.kind {
            ClockKind::Vector if event.vector.is_none() => Some((VECTOR, "vector")),
            ClockKind::Hybrid if event.hybrid.is_none() => Some((HYBRID, "hybrid")),
            ClockKind::Lamport | ClockKind::Vector | ClockKind::Hybrid => None,
        };
        if let Some((rule, key)) = missing.filter(|_| !matches!(event.kind, Kind::Other)) {
            violations.add(rule, self.me, || {
                let text = format!("the event has no `{key}`, but the header says clock={key}");
                (vec![files.place(self.me, line)], text)
            });
        }
        taken.map(Box::new)
    }

    #[inline]
    fn send(&mut self, line: u64, at: WallTime, event: &Event, shared: &mut Shared) {
        let Kind::Send { to, mishaps } = &event.kind else {
            return;
        };
        let mishaps = mishaps.as_deref();
        for peer in to {
            if !self.is_peer(*peer) {
                self.no_peer(line, *peer, shared);
                return;
            }
            self.mention(*peer, shared);
        }
        if let Some(mishaps) = mishaps {
            let wrong = self.faults.judge(to, mishaps);
            self.report(line, wrong, shared);
        }
        if mishaps.is_some() || shared.links.has_stories() {
            let (links, files, violations) = (&mut shared.links, &shared.files, &mut shared.violations);
            links.judge_send(self.me, line, to, mishaps, files, violations);
        }
        self.frames += match mishaps {
            None => to.len() as u64,
            Some(mishaps) => to.iter().map(|peer| mishaps.copies(*peer)).sum(),
        };
        let vector = event.vector.clone().map(SentOther::Vector);
        let hybrid = || event.hybrid.map(|hybrid| SentOther::Hybrid(hybrid, at));
        let other = vector.or_else(hybrid).map(Arc::new);
        let (channels, mut context) = shared.split();
        for peer in to {
            let send = Sent {
                line,
                clock: event.clock,
                at,
                other: other.clone(),
            };
            match mishaps {
                None => channels.send(self.me, *peer, send, &mut context),
                Some(mishaps) => {
                    channels.send_with_mishaps(self.me, *peer, send, mishaps, &mut context);
                }
            }
        }
    }

    #[cold]
    fn report(&self, line: u64, wrong: impl IntoIterator<Item = Wrong>, shared: &mut Shared) {
        for (rule, text) in wrong {
            let place = shared.files.place(self.me, line);
            shared.violations.add(rule, self.me, || (vec![place], text));
        }
    }

    fn is_peer(&self, machine: MachineId) -> bool {
        machine != self.me && (self.is_open || machine.0 < self.machines)
    }

    #[inline]
    fn mention(&self, peer: MachineId, shared: &mut Shared) {
        if self.is_open {
            shared.mentioned.insert(peer);
        }
    }

    /// An event that is no receive steps by 1.
    #[inline]
    fn judge_step(&self, line: u64, before: u64, shared: &mut Shared) {
        if self.clock != before.saturating_add(1) {
            let place = shared.files.place(self.me, line);
            shared.violations.add(CLOCK, self.me, || {
                let text = format!(
                    "no receive: the clock was {before}, so it must become {before} + 1 = {}; the log says {}",
                    before.saturating_add(1),
                    self.clock,
                );
                (vec![place], text)
            });
        }
    }

    #[cold]
    fn no_peer(&self, line: u64, machine: MachineId, shared: &mut Shared) {
        let place = shared.files.place(self.me, line);
        shared.violations.add(FORMAT, self.me, || {
            let text = format!(
                "machine {machine} is no peer of machine {} in a run of {} machines",
                self.me, self.machines
            );
            (vec![place], text)
        });
    }

    #[cold]
    fn wrong_tick(&self, line: u64, event: &Event, shared: &mut Shared) {
        let places = [line, self.last_line].map(|line| shared.files.place(self.me, line));
        shared.violations.add(TICK, self.me, || {
            let text = format!(
                "tick {} behind tick {} ({}): ticks count from 1 without a gap",
                event.tick, self.tick, places[1]
            );
            (places.to_vec(), text)
        });
    }

    #[cold]
    fn time_goes_back(&self, line: u64, at: WallTime, shared: &mut Shared) {
        let places = [line, self.last_line].map(|line| shared.files.place(self.me, line));
        shared.violations.add(TIME, self.me, || {
            let before = if self.last_line == 2 {
                "the start"
            } else {
                "the line before"
            };
            let text = format!(
                "the time is {at}, {} µs earlier than {before} ({}): time never goes back",
                self.last_at.us_since(at),
                places[1]
            );
            (places.to_vec(), text)
        });
    }

    fn end(&mut self, line: u64, footer: &Footer, shared: &mut Shared) {
        let place = shared.files.place(self.me, line);
        let mut wrong = |text: String| {
            shared
                .violations
                .add(FOOTER, self.me, || (vec![place.clone()], text));
        };
        if footer.ticks != self.events {
            wrong(format!(
                "ticks={}, but the log holds {} events",
                footer.ticks, self.events
            ));
        }
        let waiting: u64 = footer
            .waiting
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count));
        if !footer.waiting.is_empty() && waiting != footer.queued {
            wrong(format!(
                "queued={}, but waiting= adds up to {waiting}",
                footer.queued
            ));
        }
        if !footer.waiting.is_empty() && footer.waiting.len() != usize::from(self.machines) {
            wrong(format!(
                "waiting= has {} counts for {} machines",
                footer.waiting.len(),
                self.machines
            ));
        }
        if let Some(other) = footer.goodbye.iter().find(|peer| !self.is_peer(**peer)) {
            wrong(format!("goodbye= names machine {other}, which is no peer"));
        }
        let (links, files, violations) = (&shared.links, &shared.files, &mut shared.violations);
        links.end(self.me, (line, footer), files, violations);
        self.footer = Some((line, footer.clone()));
    }
}

impl Shared {
    /// The channels, and what judging their messages needs.
    #[inline]
    fn split(&mut self) -> (&mut Channels, Context<'_>) {
        let context = Context {
            files: &self.files,
            links: &mut self.links,
            fastest: &mut self.fastest,
            violations: &mut self.violations,
        };
        (&mut self.channels, context)
    }

    /// [`Channels::finish`] with its context.
    pub(super) fn finish_channels(
        &mut self,
        open_behind: impl Fn(MachineId) -> Option<u64>,
    ) -> std::collections::BTreeMap<MachineId, u64> {
        let (channels, mut context) = self.split();
        channels.finish(open_behind, &mut context)
    }
}
