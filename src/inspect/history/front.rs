//! Which messages of a channel matter for reachability: those that no other one overtakes.
//!
//! From an event of process p one reaches process q directly by any message sent there later, and the one
//! that is taken first is the one that counts. So of each channel it is enough to keep the messages
//! (send s, receive r) for which no other has s' ≥ s and r' ≤ r: a staircase that rises in both, on which
//! both directions are a binary search.
//!
//! ```text
//!   receive |        x            forward from s: the first step at s or behind it
//!           |     x               backward from r: the last step at r or before it
//!           |  x     o            o: overtaken, as only a channel without order has it
//!           +----------- send
//! ```

use super::Message;

/// Steps that the search first moves away from where it began: about a line of memory.
const STRIDE_FIRST: usize = 8;

/// A message of a channel, as indices into the events of its two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The send event's index.
    pub send: u32,
    /// The receive event's index.
    pub receive: u32,
}

/// The staircase of each channel that has one.
#[derive(Clone, Debug, Default)]
pub struct Fronts {
    /// By sender: recipient, and the range of its hops; in the order of recipients.
    out: Vec<Vec<(u32, usize, usize)>>,
    /// By recipient: senders, and the range of their hops; in the order of senders.
    into: Vec<Vec<(u32, usize, usize)>>,
    hops: Vec<Hop>,
}

impl Fronts {
    /// From messages in the order of their sends.
    pub(super) fn new(processes: usize, messages: &[Message]) -> Self {
        let mut fronts = Self {
            out: vec![Vec::new(); processes],
            into: vec![Vec::new(); processes],
            hops: Vec::new(),
        };
        // One sender at a time: its messages stand together, and a stable sort by recipient keeps their order.
        let mut rest = messages;
        while let Some(first) = rest.first() {
            let from = first.send.process;
            let (mine, behind) = rest.split_at(rest.partition_point(|message| message.send.process <= from));
            rest = behind;
            let mut steps: Vec<(u32, Hop)> = mine
                .iter()
                .filter_map(|message| {
                    let (send, receive) = (message.send.index, message.receive()?.index);
                    Some((message.to, Hop { send, receive }))
                })
                .collect();
            steps.sort_by_key(|(to, _)| *to);
            for channel in steps.chunk_by(|a, b| a.0 == b.0) {
                fronts.add(from, channel);
            }
        }
        fronts
    }

    /// The hops of one channel, all with the same recipient, in the order of their sends.
    fn add(&mut self, from: u32, channel: &[(u32, Hop)]) {
        let Some((to, _)) = channel.first() else { return };
        let start = self.hops.len();
        for (_, hop) in channel {
            while self.hops.len() > start && self.hops.last().is_some_and(|last| last.receive >= hop.receive)
            {
                self.hops.pop();
            }
            let is_step =
                self.hops.len() == start || self.hops.last().is_some_and(|last| last.send < hop.send);
            if is_step {
                self.hops.push(*hop);
            }
        }
        let range = (start, self.hops.len());
        if let Some(out) = self.out.get_mut(from as usize) {
            out.push((*to, range.0, range.1));
        }
        if let Some(into) = self.into.get_mut(*to as usize) {
            into.push((from, range.0, range.1));
        }
    }

    /// From the event `index` of `from` on: for each process that a message reaches, the first one to arrive.
    pub fn onward(&self, from: u32, index: u32) -> impl Iterator<Item = (u32, Hop)> + '_ {
        self.onward_where(from, index, |_| true)
    }

    /// The same, but only for the recipients that are `wanted`: the others cost no search.
    pub fn onward_where<'a>(
        &'a self,
        from: u32,
        index: u32,
        wanted: impl Fn(u32) -> bool + 'a,
    ) -> impl Iterator<Item = (u32, Hop)> + 'a {
        let out = self.out.get(from as usize).map(Vec::as_slice).unwrap_or_default();
        let wanted = out.iter().filter(move |(to, ..)| wanted(*to));
        wanted.filter_map(move |(to, start, end)| {
            let hops = self.hops.get(*start..*end)?;
            let hop = hops.get(steps_before(hops, index, |hop| hop.send))?;
            Some((*to, *hop))
        })
    }

    /// From the event `index` of `from` on: the first message to arrive at `to`.
    pub fn onward_to(&self, from: u32, index: u32, to: u32) -> Option<Hop> {
        let out = self.out.get(from as usize)?;
        let place = out.binary_search_by_key(&to, |(to, ..)| *to).ok()?;
        let (_, start, end) = out.get(place)?;
        let hops = self.hops.get(*start..*end)?;
        hops.get(steps_before(hops, index, |hop| hop.send)).copied()
    }

    /// Up to the event `index` of `to`: for each process that a message came from, the last one sent.
    pub fn backward(&self, to: u32, index: u32) -> impl Iterator<Item = (u32, Hop)> + '_ {
        self.backward_where(to, index, |_| true)
    }

    /// The same, but only for the senders that are `wanted`: the others cost no search.
    pub fn backward_where<'a>(
        &'a self,
        to: u32,
        index: u32,
        wanted: impl Fn(u32) -> bool + 'a,
    ) -> impl Iterator<Item = (u32, Hop)> + 'a {
        let into = self.into.get(to as usize).map(Vec::as_slice).unwrap_or_default();
        let wanted = into.iter().filter(move |(from, ..)| wanted(*from));
        wanted.filter_map(move |(from, start, end)| {
            let hops = self.hops.get(*start..*end)?;
            let place = steps_before(hops, index.saturating_add(1), |hop| hop.receive).checked_sub(1)?;
            Some((*from, *hops.get(place)?))
        })
    }
}

/// How many steps of a staircase have a `key` below `bound`. Messages are spread about evenly, so the search
/// begins where a straight line would have it, and goes on in doubled strides: fewer lines of memory are read
/// than by halving the whole.
fn steps_before(hops: &[Hop], bound: u32, key: impl Fn(&Hop) -> u32) -> usize {
    let (Some(first), Some(last)) = (hops.first().map(&key), hops.last().map(&key)) else {
        return 0;
    };
    if bound <= first {
        return 0;
    }
    if last < bound {
        return hops.len();
    }
    // From here on the answer lies in 1..hops.len().
    let guess = u64::from(bound - first) * (hops.len() as u64 - 1) / u64::from(last - first).max(1);
    let guess = usize::try_from(guess).unwrap_or(usize::MAX).min(hops.len() - 1);
    let is_before = |place: usize| hops.get(place).is_some_and(|hop| key(hop) < bound);
    let (mut low, mut high) = (0, hops.len());
    let mut stride = STRIDE_FIRST;
    if is_before(guess) {
        low = guess + 1;
        while let Some(place) = guess.checked_add(stride).filter(|place| *place < high) {
            if !is_before(place) {
                high = place;
                break;
            }
            low = place + 1;
            stride *= 2;
        }
    } else {
        high = guess;
        while let Some(place) = guess.checked_sub(stride) {
            if is_before(place) {
                low = place + 1;
                break;
            }
            high = place;
            stride *= 2;
        }
    }
    let between = hops.get(low..high).unwrap_or_default();
    low + between.partition_point(|hop| key(hop) < bound)
}

#[cfg(test)]
mod tests {
    //! The search from a guess is the search by halving.

    use proptest::prelude::*;

    use super::{Hop, steps_before};

    proptest! {
        #[test]
        fn steps_are_found_wherever_they_lie(
            gaps in prop::collection::vec(prop_oneof![1_u32..4, 1_u32..1000, 1_u32..2_000_000], 0..300),
            bound in prop_oneof![0_u32..2000, any::<u32>()],
            at in any::<prop::sample::Index>(),
        ) {
            let mut send = 0;
            let hops: Vec<Hop> = gaps
                .iter()
                .map(|gap| {
                    send += gap;
                    Hop { send, receive: send }
                })
                .collect();
            let near = if hops.is_empty() { 0 } else { hops[at.index(hops.len())].send };
            for bound in [bound, near, near.saturating_sub(1), near + 1] {
                let expected = hops.partition_point(|hop| hop.send < bound);
                prop_assert_eq!(steps_before(&hops, bound, |hop| hop.send), expected);
            }
        }
    }
}
