//! The gate in front of a machine's links: what faults do to its messages, decided by a value without clock or socket.
//!
//! ```text
//!   node ── message ──> Gate::send ── Fate.now copies ──────────────> link
//!                          |                                            ^
//!                          +── held back until its release ── due ──────+
//!   driver: at(now) when deadline() has come, due(now) behind it, flush at the end
//! ```
//!
//! Whole frames pass, each at its release; without reordering the frames of a link leave in the order they came. All
//! that chance decides comes from one stream a link and purpose, all arithmetic is in integers: the same calls give
//! the same fates. Held-back bytes are bounded by [`HELD_BYTES_MAX`](super::HELD_BYTES_MAX): the driver asks for
//! [`held_bytes`](Gate::held_bytes) and breaks the link.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Fault, LinkEffect, MachineEffect, Plan, Refused, Timed,
    active::{Due, Faults, On},
    held::{Frame, Held, Key},
};
use crate::{
    node::Order,
    trace::{Kind, Mishaps, Record},
    units::{MachineId, Time},
};

mod link;

use link::{Link, Places};

/// What the driver has to do because a fault begins or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write this to the log.
    Record(Record),
    /// Tell the node, before it sends anything more.
    Unreliable(MachineId),
    /// Give the node this order.
    Order(Order),
    /// Do this to the process, once its log is with the operating system.
    Process {
        /// What.
        effect: MachineEffect,
        /// For how long.
        lasts: Option<Duration>,
    },
}

impl Change {
    /// Whether it is the line of a fault that kills the process.
    #[must_use]
    pub fn kills(&self) -> bool {
        match self {
            Change::Record(Record::Fault(note)) => note.kills(),
            Change::Record(_) | Change::Unreliable(_) | Change::Order(_) | Change::Process { .. } => false,
        }
    }

    fn is_about_links(&self) -> bool {
        match self {
            Change::Record(Record::Fault(note)) => !note.to.is_empty(),
            Change::Unreliable(_) => true,
            Change::Record(_) | Change::Order(_) | Change::Process { .. } => false,
        }
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Copies that go on to the link at once: 0, 1 or 2. The others are held back.
    pub now: u8,
    /// It is lost: no copy ever leaves.
    pub lost: bool,
    /// Two copies leave.
    pub duplicated: bool,
    /// It may overtake and be overtaken.
    pub unordered: bool,
}

/// The faults of one machine, and the frames that they hold back.
#[derive(Debug)]
pub struct Gate {
    me: MachineId,
    seed: u64,
    started: Time,
    places: Places,
    faults: Faults,
    held: Held,
    links: Vec<Link>,
    /// What became of the messages since the last record: those of the event whose record comes next.
    mishaps: Mishaps,
}

impl Gate {
    /// The gate of a machine that starts at `started`; a further life does when the run is as old as `again`.
    #[must_use]
    pub fn new(plan: &Plan, me: MachineId, machines: u16, started: Time, again: Option<Duration>) -> Self {
        let seed = plan.seed.unwrap_or(0);
        let links = MachineId::all(machines).map(|peer| Link::new(seed, me, peer, started));
        Self {
            me,
            seed,
            started,
            places: Places::Run { machines },
            faults: Faults::new(plan, me, machines, started, again),
            held: Held::default(),
            links: links.collect(),
            mishaps: Mishaps::default(),
        }
    }

    /// The gate of a machine of an open mesh, whose peers it has yet to [`meet`](Self::meet). Nothing is planned.
    #[must_use]
    pub fn open(seed: u64, me: MachineId, started: Time) -> Self {
        Self {
            me,
            seed,
            started,
            places: Places::Open(BTreeMap::new()),
            faults: Faults::default(),
            held: Held::default(),
            links: Vec::new(),
            mishaps: Mishaps::default(),
        }
    }

    /// A peer is there, to whom a link is or will be: a fault of all links that begins from now on is on its too. One
    /// that was met before changes nothing.
    pub fn meet(&mut self, peer: MachineId) {
        if let Places::Open(places) = &mut self.places
            && !places.contains_key(&peer)
        {
            places.insert(peer, self.links.len());
            self.links.push(Link::new(self.seed, self.me, peer, self.started));
        }
    }

    /// When to call [`at`](Self::at) and [`due`](Self::due) next.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.faults.next().into_iter().chain(self.held.first()).min()
    }

    /// Begins and ends what the plan says by `now`. Messages sent before must have passed
    /// [`send`](Self::send) already. All of it is on when this returns, so first come the log lines of what is on links,
    /// and what the node cannot rely on: an order makes it do what it is late with, and send.
    pub fn at(&mut self, now: Time, changes: &mut Vec<Change>) {
        while let Some((at, due)) = self.faults.take(now) {
            match due {
                Due::Begin(timed) => self.start(&timed, at, changes),
                Due::End(id) => self.end(id, now, changes),
            }
        }
        // Stable: the others keep their order.
        changes.sort_by_key(|change| !change.is_about_links());
    }

    /// Begins a fault now, whatever its `at` says. Nothing changes if it is none of this machine's.
    ///
    /// # Errors
    /// [`Refused`] if its number is taken.
    pub fn begin(&mut self, timed: &Timed, now: Time, changes: &mut Vec<Change>) -> Result<(), Refused> {
        self.faults.admit(timed.id)?;
        self.start(timed, now, changes);
        Ok(())
    }

    /// Ends the fault of that number, or every one that is on. Returns how many there were.
    pub fn mend(&mut self, id: Option<u32>, now: Time, changes: &mut Vec<Change>) -> usize {
        let mut ids = self.faults.ids();
        ids.retain(|on| id.is_none_or(|id| id == *on));
        for id in &ids {
            self.end(*id, now, changes);
        }
        ids.len()
    }

    /// The faults that are on: number and text.
    #[must_use]
    pub fn on(&self) -> Vec<(u32, String)> {
        self.faults.texts()
    }

    /// Decides what becomes of a message, and keeps the copies that do not go on to their link at once. What is not
    /// ordinary about it is for [`annotate`](Self::annotate).
    pub fn send(&mut self, to: MachineId, now: Time, frame: &[u8]) -> Fate {
        let fate = self.decide(to, now, frame);
        for (happened, machines) in [
            (fate.lost, &mut self.mishaps.lost),
            (fate.duplicated, &mut self.mishaps.duplicated),
            (fate.unordered, &mut self.mishaps.unordered),
        ] {
            if happened {
                machines.push(to);
            }
        }
        fate
    }

    /// The same for a message that is no event of the log: no record says what became of it.
    pub fn signal(&mut self, to: MachineId, now: Time, frame: &[u8]) -> Fate {
        self.decide(to, now, frame)
    }

    /// Says in the record of a send event, which comes behind its messages, what became of them.
    #[inline]
    pub fn annotate(&mut self, record: &mut Record) {
        if let Record::Event(event) = record
            && let Kind::Send { mishaps, .. } = &mut event.kind
        {
            let happened = std::mem::take(&mut self.mishaps);
            let dropped = mishaps.take().map(|mishaps| mishaps.dropped);
            let dropped = dropped.unwrap_or_default();
            *mishaps = Mishaps { dropped, ..happened }.into_event();
        }
    }

    fn decide(&mut self, to: MachineId, now: Time, frame: &[u8]) -> Fate {
        let Some(link) = self.links.get_mut(self.places.of(to)) else {
            return Fate::default();
        };
        if link.effects.is_empty() && link.frames == 0 {
            return Fate {
                now: 1,
                ..Fate::default()
            };
        }
        if link.loses() {
            return Fate {
                lost: true,
                ..Fate::default()
            };
        }
        let duplicated = link.duplicates();
        let unordered = link.reorders();
        let mut fate = Fate {
            now: 0,
            lost: false,
            duplicated,
            unordered,
        };
        for _ in 0..1 + u8::from(duplicated) {
            let ready = link.ready(now, frame.len());
            let delay_us = link.delay_us();
            let release = link.release(ready, delay_us, !unordered);
            if release <= now && link.frames == 0 && !link.holds() {
                fate.now += 1;
                continue;
            }
            let frame = Frame {
                to,
                bytes: frame.into(),
                ready,
                delay_us,
                is_ordered: !unordered,
            };
            link.frames += 1;
            link.bytes += frame.cost();
            self.held.push(release, frame);
        }
        fate
    }

    /// Gives the frames whose time has come, in order.
    pub fn due(&mut self, now: Time, mut give: impl FnMut(MachineId, &[u8])) {
        while let Some((key, frame)) = self.held.pop(now) {
            let Some(link) = self.links.get_mut(self.places.of(frame.to)) else {
                continue;
            };
            if link.holds() {
                link.parked.push((key, frame));
                continue;
            }
            link.frames -= 1;
            link.bytes -= frame.cost();
            give(frame.to, &frame.bytes);
        }
    }

    /// Gives every frame that is held back from a peer, in order: before goodbye.
    pub fn flush(&mut self, peer: MachineId, mut give: impl FnMut(&[u8])) {
        for (_, frame) in self.take(peer) {
            give(&frame.bytes);
        }
    }

    /// The link to a peer is down: what was held back dies with it, like bytes in a socket.
    pub fn forget(&mut self, peer: MachineId) {
        self.take(peer);
        if let Some(link) = self.links.get_mut(self.places.of(peer)) {
            (link.is_down, link.is_told) = (true, false);
            (link.busy_until, link.last) = (Time(0), Time(0));
        }
    }

    /// The link to a peer is up again. Returns whether the node has to be told that it is unreliable.
    pub fn link_up(&mut self, peer: MachineId) -> bool {
        let Some(link) = self.links.get_mut(self.places.of(peer)) else {
            return false;
        };
        link.is_down = false;
        link.is_told = link.effects.iter().any(|(_, effect)| effect.is_unreliable());
        link.is_told
    }

    /// What the frames held back from a peer cost, in bytes: above
    /// [`HELD_BYTES_MAX`](super::HELD_BYTES_MAX) the link is to be broken.
    #[must_use]
    pub fn held_bytes(&self, peer: MachineId) -> usize {
        self.links.get(self.places.of(peer)).map_or(0, |link| link.bytes)
    }

    /// Whether nothing at all gets through to a peer: a partition is on.
    #[must_use]
    pub fn cuts(&self, peer: MachineId) -> bool {
        self.links.get(self.places.of(peer)).is_some_and(Link::cuts)
    }

    fn start(&mut self, timed: &Timed, at: Time, changes: &mut Vec<Change>) {
        let Some(on) = self.put_on(timed, at) else {
            return;
        };
        changes.push(Change::Record(Record::Fault(on.note(timed.id))));
        let On { fault, to, .. } = on;
        match fault {
            Fault::Link { effect, .. } => {
                for peer in to {
                    let Some(link) = self.links.get_mut(self.places.of(peer)) else {
                        continue;
                    };
                    link.effects.push((timed.id, effect));
                    if effect.is_unreliable() && !link.is_told && !link.is_down {
                        link.is_told = true;
                        changes.push(Change::Unreliable(peer));
                    }
                }
            }
            Fault::Machine { effect, .. } => changes.push(match effect {
                MachineEffect::Rate { per_second } => Change::Order(Order::Rate { per_second }),
                MachineEffect::Jump { ticks, physical_us } => {
                    Change::Order(Order::Jump { ticks, physical_us })
                }
                MachineEffect::Kill | MachineEffect::Pause | MachineEffect::Restart => Change::Process {
                    effect,
                    lasts: timed.lasts,
                },
            }),
        }
    }

    /// The fault, and the peers whose links it is on; in an open mesh all that were met, and all that it names.
    fn put_on(&mut self, timed: &Timed, at: Time) -> Option<On> {
        if let Fault::Link { links, .. } = &timed.fault {
            let me = self.me;
            for named in links.named().filter(|named| *named != me) {
                self.meet(named);
            }
        }
        match &self.places {
            Places::Run { machines } => self.faults.begin(timed, at, self.me, self.me.peers(*machines)),
            Places::Open(places) => self.faults.begin(timed, at, self.me, places.keys().copied()),
        }
    }

    fn end(&mut self, id: u32, now: Time, changes: &mut Vec<Change>) {
        let Some(On { fault, to, .. }) = self.faults.end(id) else {
            return;
        };
        changes.push(Change::Record(Record::Mended { id }));
        match fault {
            Fault::Link { effect, .. } => {
                for peer in to {
                    self.lift(peer, id, effect, now);
                }
            }
            Fault::Machine {
                effect: MachineEffect::Rate { .. },
                ..
            } => {
                let rate = self.faults.rate();
                let order = rate.map_or(Order::OwnRate, |per_second| Order::Rate { per_second });
                changes.push(Change::Order(order));
            }
            Fault::Machine { .. } => {}
        }
    }

    /// Takes an effect off a link, and lets go what it alone held back: frames behind a partition, and frames that
    /// waited for a narrow bandwidth. Those that are delayed stay under way.
    fn lift(&mut self, peer: MachineId, id: u32, effect: LinkEffect, now: Time) {
        let Some(link) = self.links.get_mut(self.places.of(peer)) else {
            return;
        };
        link.effects.retain(|(other, _)| *other != id);
        match effect {
            LinkEffect::Partition { hold: true } if !link.holds() => {
                for (key, frame) in std::mem::take(&mut link.parked) {
                    self.held.put_back(key, frame);
                }
            }
            LinkEffect::Bandwidth { .. } => {
                link.busy_until = now;
                link.last = now;
                for (key, mut frame) in self.held.take(peer) {
                    if frame.ready > now {
                        frame.ready = link.ready(now, frame.bytes.len());
                    }
                    let release = link.release(frame.ready, frame.delay_us, frame.is_ordered);
                    self.held.put_back((release, key.1), frame);
                }
            }
            LinkEffect::Partition { .. }
            | LinkEffect::Delay { .. }
            | LinkEffect::Loss { .. }
            | LinkEffect::Duplicate { .. } => {}
        }
    }

    /// Takes out all frames that are held back from a peer, in the order of their release.
    fn take(&mut self, peer: MachineId) -> Vec<(Key, Frame)> {
        let Some(link) = self.links.get_mut(self.places.of(peer)) else {
            return Vec::new();
        };
        if link.frames == 0 {
            return Vec::new();
        }
        (link.frames, link.bytes) = (0, 0);
        let mut frames = std::mem::take(&mut link.parked);
        frames.extend(self.held.take(peer));
        frames.sort_by_key(|(key, _)| *key);
        frames
    }
}

#[cfg(test)]
mod tests;
