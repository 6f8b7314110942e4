//! One outgoing link before the gate: what is on it, and what chance decides about its messages.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::{
    dice::{Purpose, Stream},
    faults::{
        CERTAIN, LinkEffect,
        held::{Frame, Key},
    },
    units::{MachineId, Time},
};

/// Where a peer's link stands among the gate's.
#[derive(Debug)]
pub(super) enum Places {
    /// One a machine of the run, in their order; our own is never used.
    Run { machines: u16 },
    /// In the order in which peers were met.
    Open(BTreeMap<MachineId, usize>),
}

impl Places {
    #[inline]
    pub(super) fn of(&self, peer: MachineId) -> usize {
        match self {
            Places::Run { .. } => peer.index(),
            Places::Open(places) => places.get(&peer).copied().unwrap_or(usize::MAX),
        }
    }
}

/// What is on one outgoing link.
#[derive(Debug)]
pub(super) struct Link {
    /// By the numbers of their faults.
    pub(super) effects: SmallVec<[(u32, LinkEffect); 2]>,
    pub(super) loss: Stream,
    pub(super) duplicate: Stream,
    pub(super) delay: Stream,
    /// The bandwidth is used up to here.
    pub(super) busy_until: Time,
    /// The release of the last frame that keeps its order.
    pub(super) last: Time,
    /// Frames held back, and their cost.
    pub(super) frames: usize,
    pub(super) bytes: usize,
    /// Frames whose release came while a partition holds.
    pub(super) parked: Vec<(Key, Frame)>,
    pub(super) is_down: bool,
    /// The node knows that what it sends may be lost, doubled or overtaken.
    pub(super) is_told: bool,
}

impl Link {
    pub(super) fn new(seed: u64, me: MachineId, peer: MachineId, started: Time) -> Self {
        Self {
            effects: SmallVec::new(),
            loss: Stream::of_link(seed, me, peer, Purpose::Loss),
            duplicate: Stream::of_link(seed, me, peer, Purpose::Duplicate),
            delay: Stream::of_link(seed, me, peer, Purpose::Delay),
            busy_until: started,
            last: started,
            frames: 0,
            bytes: 0,
            parked: Vec::new(),
            is_down: false,
            is_told: false,
        }
    }

    /// Rolls for every loss; a partition loses without rolling.
    pub(super) fn loses(&mut self) -> bool {
        let mut lost = false;
        for (_, effect) in &self.effects {
            match effect {
                LinkEffect::Partition { hold: false } => lost = true,
                LinkEffect::Loss { probability } => {
                    lost |= self.loss.below(u64::from(CERTAIN)) < u64::from(*probability);
                }
                LinkEffect::Partition { hold: true }
                | LinkEffect::Delay { .. }
                | LinkEffect::Duplicate { .. }
                | LinkEffect::Bandwidth { .. } => {}
            }
        }
        lost
    }

    /// Rolls for every duplication; a message is sent twice at most.
    pub(super) fn duplicates(&mut self) -> bool {
        let mut twice = false;
        for (_, effect) in &self.effects {
            if let LinkEffect::Duplicate { probability } = effect {
                twice |= self.duplicate.below(u64::from(CERTAIN)) < u64::from(*probability);
            }
        }
        twice
    }

    /// Draws every delay.
    pub(super) fn delay_us(&mut self) -> u64 {
        let mut sum: u64 = 0;
        for (_, effect) in &self.effects {
            if let LinkEffect::Delay { latency, .. } = effect {
                sum = sum.saturating_add(latency.draw(&mut self.delay));
            }
        }
        sum
    }

    /// When the narrowest bandwidth lets so many bytes pass, behind those that it has still to let pass.
    pub(super) fn ready(&mut self, now: Time, bytes: usize) -> Time {
        let narrowest = self.effects.iter().filter_map(|(_, effect)| match effect {
            LinkEffect::Bandwidth { bytes_per_second } => Some(*bytes_per_second),
            LinkEffect::Delay { .. }
            | LinkEffect::Loss { .. }
            | LinkEffect::Duplicate { .. }
            | LinkEffect::Partition { .. } => None,
        });
        let Some(bytes_per_second) = narrowest.min() else {
            return now;
        };
        let us = (bytes as u64)
            .saturating_mul(1_000_000)
            .div_ceil(bytes_per_second.max(1));
        self.busy_until = Time(self.busy_until.max(now).0.saturating_add(us));
        self.busy_until
    }

    /// When a frame leaves: not before one that was sent before it, unless it may overtake.
    pub(super) fn release(&mut self, ready: Time, delay_us: u64, is_ordered: bool) -> Time {
        let release = Time(ready.0.saturating_add(delay_us));
        if !is_ordered {
            return release;
        }
        self.last = self.last.max(release);
        self.last
    }

    pub(super) fn reorders(&self) -> bool {
        let reorder = |effect: &LinkEffect| matches!(effect, LinkEffect::Delay { reorder: true, .. });
        self.effects.iter().any(|(_, effect)| reorder(effect))
    }

    pub(super) fn holds(&self) -> bool {
        let hold = |effect: &LinkEffect| matches!(effect, LinkEffect::Partition { hold: true });
        self.effects.iter().any(|(_, effect)| hold(effect))
    }

    pub(super) fn cuts(&self) -> bool {
        let cut = |effect: &LinkEffect| matches!(effect, LinkEffect::Partition { .. });
        self.effects.iter().any(|(_, effect)| cut(effect))
    }
}
