//! What happens next: by time, then by order of insertion, so that nothing depends on how a heap breaks ties.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::units::{MachineId, Time};

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All links of a machine are up: it enters the barrier.
    Enter(MachineId),
    /// Every peer is ready: it starts.
    Start(MachineId),
    /// A node's deadline, if it is still the one that this entry was made for.
    Wake(MachineId),
    /// A fault begins or ends, or a frame that one holds back may go, if it is still what this entry was made for.
    Break(MachineId),
    /// A peer that died is known to be lost. Only in runs whose plan has faults of processes, as what follows.
    Lost {
        /// Who hears of it.
        me: MachineId,
        /// Who died.
        peer: MachineId,
        /// In which life.
        life: u32,
    },
    /// A process is started again.
    Revive(MachineId),
    /// A machine that was started again has waited long enough for its links.
    Rise {
        /// Who.
        me: MachineId,
        /// In which life.
        life: u32,
    },
    /// A process that stood still goes on.
    Thaw(MachineId),
    /// A piece of a byte stream arrives.
    Segment(u32),
    /// A machine's time is over.
    Stop(MachineId),
    /// A goodbye arrives that makes a machine stop too. Only in runs whose goodbyes are not frames.
    StopToo(MachineId),
    /// The last goodbye has arrived. Only in runs whose goodbyes are not frames.
    End(MachineId),
}

/// A place on the agenda, which also names the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) at: Time,
    order: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry<W> {
    place: Place,
    what: W,
}

impl<W> PartialEq for Entry<W> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<W> Eq for Entry<W> {}

impl<W> Ord for Entry<W> {
    /// The earliest is the greatest, as a heap wants it.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.place.cmp(&self.place)
    }
}

impl<W> PartialOrd for Entry<W> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// All that will happen, as far as it is known.
#[derive(Debug)]
pub(super) struct Agenda<W = What> {
    heap: BinaryHeap<Entry<W>>,
    inserted: u64,
}

impl<W> Default for Agenda<W> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            inserted: 0,
        }
    }
}

impl<W> Agenda<W> {
    /// Puts something on the agenda, behind what is there for the same moment.
    #[inline]
    pub(super) fn insert(&mut self, at: Time, what: W) -> Place {
        self.inserted += 1;
        let place = Place {
            at,
            order: self.inserted,
        };
        self.heap.push(Entry { place, what });
        place
    }

    /// Takes what comes next.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Place, W)> {
        self.heap.pop().map(|entry| (entry.place, entry.what))
    }
}
