//! The clocks of one machine: Lamport's, and beside it the one that the run asks for.
//!
//! The physical clock that a hybrid clock follows is the computer's at the start, carried on by the monotonic time
//! since, and moved by what orders add to it. The clock is the computer's, not the process's: what was added stays when
//! the machine is started again.

use super::memory::Memory;
use crate::{
    clock::{ClockKind, HybridClock, HybridTime, Lamport, Timestamp, VectorClock, VectorLinks},
    trace::{Vector, WallTime},
    units::{MachineId, Time},
};

/// What the clocks show after an event.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) lamport: u64,
    pub(super) vector: Option<Vector>,
    pub(super) hybrid: Option<HybridTime>,
}

/// All clocks of a machine.
#[derive(Debug)]
pub(super) struct Clocks {
    lamport: Lamport,
    other: Other,
    physical: Physical,
}

#[derive(Debug)]
enum Other {
    None,
    Vector(Box<VectorLinks>),
    Hybrid(HybridClock),
}

/// A physical clock.
#[derive(Clone, Copy, Debug, Default)]
struct Physical {
    /// What it showed at the start, and when that was.
    started: (WallTime, Time),
    /// What orders have added, in microseconds.
    offset_us: i64,
}

impl Clocks {
    /// Clocks before the first event.
    pub(super) fn new(kind: ClockKind, me: MachineId, machines: u16) -> Self {
        Self {
            lamport: Lamport::default(),
            other: match kind {
                ClockKind::Lamport => Other::None,
                ClockKind::Vector => {
                    Other::Vector(Box::new(VectorLinks::new(VectorClock::new(me, machines))))
                }
                ClockKind::Hybrid => Other::Hybrid(HybridClock::default()),
            },
            physical: Physical::default(),
        }
    }

    /// Clocks that go on from what a machine's log says. What it does not say, or not of this run, begins anew; `check`
    /// then says so.
    pub(super) fn resumed(kind: ClockKind, me: MachineId, machines: u16, memory: &Memory) -> Self {
        let mut clocks = Self::new(kind, me, machines);
        clocks.lamport = Lamport::resumed(memory.clock);
        clocks.physical.offset_us = memory.physical_offset_us;
        match (&mut clocks.other, &memory.vector, memory.hybrid) {
            (Other::Vector(links), Some(vector), _) if vector.len() == usize::from(machines) => {
                **links = VectorLinks::new(VectorClock::at(me, vector.clone()));
            }
            (Other::Hybrid(clock), _, Some(last)) => *clock = HybridClock::at(last),
            _ => {}
        }
        clocks
    }

    /// The machine starts, and its physical clock shows `wall`, to which orders will add.
    pub(super) fn start(&mut self, wall: WallTime, now: Time) {
        self.physical.started = (wall, now);
    }

    /// Moves Lamport's clock ahead, and the physical one either way.
    pub(super) fn jump(&mut self, ticks: u64, physical_us: i64) {
        self.lamport.advance(ticks);
        self.physical.offset_us = self.physical.offset_us.saturating_add(physical_us);
    }

    /// How far orders have moved the physical clock, in microseconds.
    pub(super) fn physical_offset_us(&self) -> i64 {
        self.physical.offset_us
    }

    /// An event that is no receive.
    #[inline]
    pub(super) fn tick(&mut self, now: Time) -> Reading {
        let lamport = self.lamport.tick();
        match &mut self.other {
            Other::None => Reading::of(lamport),
            Other::Vector(links) => {
                links.tick();
                Reading::with_vector(lamport, links)
            }
            Other::Hybrid(clock) => Reading {
                hybrid: Some(clock.tick(self.physical.us(now))),
                ..Reading::of(lamport)
            },
        }
    }

    /// A receive, of a message with this run's kind of clock.
    #[inline]
    pub(super) fn merge(&mut self, sent: &Timestamp, now: Time) -> Reading {
        let lamport = self.lamport.merge(sent.lamport());
        match (&mut self.other, sent) {
            (Other::Vector(links), Timestamp::Vector { vector, .. }) => {
                links.merge(vector);
                Reading::with_vector(lamport, links)
            }
            (Other::Hybrid(clock), Timestamp::Hybrid { hybrid, .. }) => Reading {
                hybrid: Some(clock.merge(self.physical.us(now), *hybrid)),
                ..Reading::of(lamport)
            },
            _ => Reading::of(lamport),
        }
    }

    /// What the last event's message to a peer says. It must be sent.
    #[inline]
    pub(super) fn stamp(&mut self, to: MachineId) -> Timestamp {
        let lamport = self.lamport.value();
        match &mut self.other {
            Other::None => Timestamp::Lamport(lamport),
            Other::Vector(links) => Timestamp::Vector {
                lamport,
                vector: Box::new(links.stamp(to)),
            },
            Other::Hybrid(clock) => Timestamp::Hybrid {
                lamport,
                hybrid: clock.value(),
            },
        }
    }

    pub(super) fn link_up(&mut self, peer: MachineId) {
        if let Other::Vector(links) = &mut self.other {
            links.link_up(peer);
        }
    }

    pub(super) fn unreliable(&mut self, peer: MachineId) {
        if let Other::Vector(links) = &mut self.other {
            links.unreliable(peer);
        }
    }
}

impl Reading {
    fn of(lamport: u64) -> Self {
        Self {
            lamport,
            vector: None,
            hybrid: None,
        }
    }

    fn with_vector(lamport: u64, links: &VectorLinks) -> Self {
        Self {
            vector: Some(links.clock().entries().into()),
            ..Self::of(lamport)
        }
    }
}

impl Physical {
    /// What it shows, in microseconds since 1970; nothing earlier than that.
    fn us(self, now: Time) -> u64 {
        let (wall, started) = self.started;
        let shown = wall.carried(started, now).0.saturating_add(self.offset_us);
        u64::try_from(shown).unwrap_or(0)
    }
}
