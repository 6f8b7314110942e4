//! Vector clocks: C. Fidge, "Timestamps in Message-Passing Systems That Preserve the Partial Ordering", 1988; F. Mattern,
//! "Virtual Time and Global States of Distributed Systems", 1989. And how little of one a message has to carry: M.
//! Singhal, A. Kshemkalyani, "An Efficient Implementation of Vector Clocks", 1992.
//!
//! Entry k of an event's vector is how many events of machine k lie in its past, itself included. So a happened before
//! b exactly if b's vector knows a's own entry; vectors that know less of each other are of concurrent events.
//!
//! # What a message carries
//!
//! A [`VectorLinks`] keeps two numbers a machine, both counted in own events: when an entry was *last updated*, and when
//! the last message to a peer was *last sent*. A message to that peer lists the entries updated since:
//!
//! ```text
//!   entry           0   1   2   3        to peer 1, last sent at 7: entries 2 and 3
//!   value           4   9  12   6        to peer 3, last sent at 11: entry 2 alone
//!   last updated    2   5  12   8        to a peer never sent to: all of them
//! ```
//!
//! The receiver merges what is listed and nothing else, and has the same vector as from the whole one. An entry that is
//! not listed has the value that it had in an earlier message to the same receiver. That message arrived, because the
//! link loses none; before this one, because the link keeps their order; and was merged before this one, because the
//! receiver takes its queue in order. Entries never fall, so the receiver's is that great already.
//!
//! Where one of the three does not hold, whole vectors are sent: first on every link that comes up (what was sent before
//! may be lost), and always on one that injected faults have made unreliable.

use std::cmp::Ordering;

use super::vector_stamp::VectorStamp;
use crate::units::{MachineId, MachineSet};

/// How the events of two vectors stand to each other: `None` if they are concurrent.
///
/// Both have one entry a machine; entries that one of them lacks count as 0.
#[must_use]
pub fn causal_order(a: &[u64], b: &[u64]) -> Option<Ordering> {
    let entry = |vector: &[u64], place| vector.get(place).copied().unwrap_or(0);
    let mut order = Ordering::Equal;
    for place in 0..a.len().max(b.len()) {
        match (order, entry(a, place).cmp(&entry(b, place))) {
            (_, Ordering::Equal) => {}
            (Ordering::Equal, found) => order = found,
            (order, found) if order == found => {}
            _ => return None,
        }
    }
    Some(order)
}

/// A machine's vector clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorClock {
    me: MachineId,
    /// By machine: how many of its events are known of. The own entry counts the machine's events.
    entries: Box<[u64]>,
}

impl VectorClock {
    /// The clock of machine `me` of `machines` before its first event.
    ///
    /// # Panics
    /// If `me` is none of them.
    #[must_use]
    pub fn new(me: MachineId, machines: u16) -> Self {
        Self::at(me, vec![0; usize::from(machines)].into())
    }

    /// The clock of machine `me` after an event with this vector.
    ///
    /// # Panics
    /// If the vector has no entry for `me`.
    #[must_use]
    pub fn at(me: MachineId, entries: Box<[u64]>) -> Self {
        assert!(
            me.index() < entries.len(),
            "machine {me} has no entry in a vector of {}",
            entries.len()
        );
        Self { me, entries }
    }

    /// One entry a machine, machine 0 first.
    #[must_use]
    pub fn entries(&self) -> &[u64] {
        &self.entries
    }

    /// How many events this machine has had.
    #[must_use]
    pub fn own(&self) -> u64 {
        self.entries.get(self.me.index()).copied().unwrap_or_default()
    }

    /// An event of our own: its entry rises by 1. Returns it.
    pub fn tick(&mut self) -> u64 {
        if let Some(own) = self.entries.get_mut(self.me.index()) {
            *own = own.saturating_add(1);
        }
        self.own()
    }

    /// The receipt of a message: every entry becomes the greater of both, then the event counts. `risen` is told the
    /// machines whose entries rise by the message. Returns the own entry.
    pub fn merge(&mut self, stamp: &VectorStamp, mut risen: impl FnMut(MachineId)) -> u64 {
        for (machine, theirs) in stamp.entries() {
            match self.entries.get_mut(machine.index()) {
                Some(mine) if *mine < theirs => {
                    *mine = theirs;
                    risen(machine);
                }
                Some(_) | None => {}
            }
        }
        self.tick()
    }
}

/// A vector clock that knows what each peer was told.
#[derive(Clone, Debug)]
pub struct VectorLinks {
    clock: VectorClock,
    /// By machine: our event in which its entry rose last.
    updated: Box<[u64]>,
    /// By peer: our event with the last message to it; 0 if it has to be told everything.
    sent: Box<[u64]>,
    /// Peers to which messages may get lost, or out of order.
    unreliable: MachineSet,
}

impl VectorLinks {
    /// Continues a clock, with peers that know nothing.
    #[must_use]
    pub fn new(clock: VectorClock) -> Self {
        let machines = clock.entries.len();
        Self {
            // Whatever is known already was learnt by now.
            updated: vec![clock.own(); machines].into(),
            sent: vec![0; machines].into(),
            unreliable: MachineSet::default(),
            clock,
        }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &VectorClock {
        &self.clock
    }

    /// An event of our own.
    pub fn tick(&mut self) {
        let own = self.clock.tick();
        self.update(own);
    }

    /// The receipt of a message.
    pub fn merge(&mut self, stamp: &VectorStamp) {
        let Self { clock, updated, .. } = self;
        let event = clock.own().saturating_add(1);
        let own = clock.merge(stamp, |machine| {
            if let Some(updated) = updated.get_mut(machine.index()) {
                *updated = event;
            }
        });
        self.update(own);
    }

    fn update(&mut self, own: u64) {
        if let Some(updated) = self.updated.get_mut(self.clock.me.index()) {
            *updated = own;
        }
    }

    /// What the last event's message to a peer has to say. The message must be sent.
    #[must_use]
    pub fn stamp(&mut self, to: MachineId) -> VectorStamp {
        let told = self.sent.get(to.index()).copied().unwrap_or(0);
        if told == 0 || self.unreliable.contains(to) {
            self.set_sent(to, self.clock.own());
            return VectorStamp::Full(self.clock.entries.clone());
        }
        let entries = (0..).map(MachineId).zip(&self.clock.entries);
        let changed = entries.zip(&self.updated);
        let changed = changed.filter(|(_, updated)| **updated > told);
        let stamp = VectorStamp::Changes(changed.map(|((machine, entry), _)| (machine, *entry)).collect());
        self.set_sent(to, self.clock.own());
        stamp.or_full_if_shorter(&self.clock.entries)
    }

    /// A link is up: what was sent before may be lost, so the peer is told everything once more.
    pub fn link_up(&mut self, peer: MachineId) {
        self.unreliable.remove(peer);
        self.set_sent(peer, 0);
    }

    /// From now on until the link comes up again, messages to a peer may get lost, doubled or overtaken.
    pub fn unreliable(&mut self, peer: MachineId) {
        self.unreliable.insert(peer);
    }

    fn set_sent(&mut self, peer: MachineId, event: u64) {
        if let Some(sent) = self.sent.get_mut(peer.index()) {
            *sent = event;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::dice::{Purpose, Stream};

    #[test]
    fn vectors_say_before_after_same_or_neither() {
        for (a, b, order) in [
            ([1, 0, 0], [1, 2, 0], Some(Ordering::Less)),
            ([1, 2, 5], [1, 2, 0], Some(Ordering::Greater)),
            ([1, 2, 3], [1, 2, 3], Some(Ordering::Equal)),
            ([2, 0, 0], [1, 2, 0], None),
            ([0, 1, 2], [0, 2, 1], None),
        ] {
            assert_eq!(causal_order(&a, &b), order, "{a:?} {b:?}");
            assert_eq!(causal_order(&b, &a), order.map(Ordering::reverse));
        }
        assert_eq!(causal_order(&[1, 0], &[1]), Some(Ordering::Equal));
        assert_eq!(causal_order(&[1, 2], &[1]), Some(Ordering::Greater));
    }

    /// One machine that sends changes, and the same one that sends whole vectors.
    struct Both {
        links: VectorLinks,
        plain: VectorClock,
    }

    /// Random sends, receives, own events, lost links and unreliable ones among `machines`: changes and whole vectors
    /// give the same clocks everywhere. Returns the bytes carried in both ways.
    fn compare(seed: u64, machines: u16) -> (usize, usize) {
        let mut dice = Stream::new(seed, MachineId(0), Purpose::Die);
        let mut below = |bound: u16| u16::try_from(dice.below(u64::from(bound))).unwrap();
        let mut all: Vec<Both> = MachineId::all(machines)
            .map(|me| Both {
                links: VectorLinks::new(VectorClock::new(me, machines)),
                plain: VectorClock::new(me, machines),
            })
            .collect();
        // By receiver: its queue of (sender, stamp, whole vector).
        let mut queues: Vec<VecDeque<(u16, VectorStamp, VectorStamp)>> =
            vec![VecDeque::new(); usize::from(machines)];
        let mut lossy = vec![vec![false; usize::from(machines)]; usize::from(machines)];
        let (mut changes, mut whole) = (0, 0);
        for _ in 0..600 {
            let (me, peer) = (below(machines), below(machines));
            let both = &mut all[usize::from(me)];
            match below(20) {
                0..8 => {
                    if let Some((_, stamp, full)) = queues[usize::from(me)].pop_front() {
                        both.links.merge(&stamp);
                        both.plain.merge(&full, |_| {});
                    }
                }
                8..16 if me != peer => {
                    both.links.tick();
                    both.plain.tick();
                    let stamp = both.links.stamp(MachineId(peer));
                    let full = VectorStamp::Full(both.plain.entries().into());
                    assert!(
                        stamp.encoded_bytes() <= full.encoded_bytes(),
                        "{stamp:?} {full:?}"
                    );
                    changes += stamp.encoded_bytes();
                    whole += full.encoded_bytes();
                    if !lossy[usize::from(me)][usize::from(peer)] || below(2) == 0 {
                        queues[usize::from(peer)].push_back((me, stamp, full));
                    }
                }
                // The link breaks: the tail of what was sent is lost.
                16 if me != peer => {
                    let queue = &mut queues[usize::from(peer)];
                    let keep = usize::from(below(4));
                    let mut seen = 0;
                    queue.retain(|(from, ..)| {
                        seen += usize::from(*from == me);
                        *from != me || seen <= keep
                    });
                    both.links.link_up(MachineId(peer));
                    lossy[usize::from(me)][usize::from(peer)] = false;
                }
                17 if me != peer => {
                    both.links.unreliable(MachineId(peer));
                    lossy[usize::from(me)][usize::from(peer)] = true;
                }
                _ => {
                    both.links.tick();
                    both.plain.tick();
                }
            }
            let both = &all[usize::from(me)];
            assert_eq!(*both.links.clock(), both.plain, "seed {seed}, machine {me}");
        }
        (changes, whole)
    }

    #[test]
    fn changes_alone_give_the_same_clocks_as_whole_vectors() {
        let (mut changes, mut whole) = (0, 0);
        for seed in 0..200 {
            let (few, all) = compare(seed, [2, 3, 7, 20][(seed % 4) as usize]);
            (changes, whole) = (changes + few, whole + all);
        }
        assert!(changes < whole, "{changes} of {whole} bytes");
    }

    #[test]
    fn a_peer_is_told_all_at_first_then_what_changed() {
        let me = MachineId(1);
        let mut links = VectorLinks::new(VectorClock::at(me, [3, 5, 900, 900, 900, 900].into()));
        let full = |zero, own| VectorStamp::Full([zero, own, 900, 900, 900, 900].into());
        let own = |entry| VectorStamp::Changes([(me, entry)].into());
        links.tick();
        assert_eq!(links.stamp(MachineId(0)), full(3, 6));
        links.tick();
        assert_eq!(links.stamp(MachineId(0)), own(7));
        assert_eq!(links.stamp(MachineId(2)), full(3, 7));
        // Of what a message says, only news is passed on.
        links.merge(&VectorStamp::Changes(
            [(MachineId(0), 4), (MachineId(2), 8)].into(),
        ));
        links.tick();
        let news = VectorStamp::Changes([(MachineId(0), 4), (me, 9)].into());
        assert_eq!(links.stamp(MachineId(2)), news);
        links.unreliable(MachineId(2));
        assert_eq!(links.stamp(MachineId(2)), full(4, 9));
        links.tick();
        assert_eq!(links.stamp(MachineId(2)), full(4, 10));
        links.link_up(MachineId(2));
        assert_eq!(links.stamp(MachineId(2)), full(4, 10));
        links.tick();
        assert_eq!(links.stamp(MachineId(2)), own(11));
    }
}
