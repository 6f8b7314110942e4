//! Byte streams in flight: real frames, cut at random places, delivered in order.
//!
//! ```text
//!   frames        [  first  ][     second     ]
//!   segments      [  first  | se]  [cond  ]  [ x ]      each arrives at its own time, never before the one ahead
//!                             ^ rides with what is under way already
//! ```
//!
//! A message arrives with its last byte. Its latency is drawn when it is sent; a link delivers in order, so it
//! arrives at the later of that and what the link delivers before it. State is kept only for links with bytes under
//! way: ten thousand machines have a hundred million links, of which few are in use at once.

use smallvec::SmallVec;

use super::{
    Latency, SEGMENTS_MAX, SimError,
    agenda::{Agenda, What},
};
use crate::{
    dice::{Purpose, Stream},
    units::{MachineId, Time},
    wire::{Decoder, FRAME_LENGTH_MAX},
};

/// One frame in this many is cut, and one in as many of what is left of it again.
const CUT_ONE_IN: u64 = 8;

/// Segments under way from which no further frame is cut: one that waits for its rest costs a decoder's buffer of
/// 4 KiB, and a hundred thousand of them prove no more than a few.
const CUT_SEGMENTS_MAX: usize = 1 << 15;

/// Bytes of a segment that need no allocation: a frame of the scale model has 14.
const INLINE_BYTES: usize = 24;

/// Idle links to one machine that are kept, at least.
const IDLE_LINKS_MAX: usize = 16;

/// Decoders that are kept for the next cut frame.
const SPARE_DECODERS_MAX: usize = 64;

/// The addressee of a segment that was lost on its way.
const NOBODY: u16 = u16::MAX;

/// A piece of a byte stream.
#[derive(Debug, Default)]
pub(super) struct Segment {
    from: u16,
    to: u16,
    bytes: SmallVec<[u8; INLINE_BYTES]>,
}

/// One direction of a link with bytes under way, or one that had some a moment ago.
#[derive(Debug)]
struct Link {
    from: MachineId,
    /// Under way; none on an idle link.
    segments: u32,
    /// The place in the slab of the segment that arrives last.
    newest: u32,
    /// When that arrives.
    last: Time,
    /// Holds the part of a frame that has arrived; `None` between two frames.
    partial: Option<Box<Decoder>>,
}

/// The links to one machine.
#[derive(Debug, Default)]
struct Inbound {
    /// In the order of senders.
    links: Vec<Link>,
    /// How many of them are idle: they go together, because each removal moves those behind it.
    idle: usize,
}

/// What a machine's sends are rolled with.
#[derive(Debug)]
struct Dice {
    latency: Stream,
    cut: Stream,
}

/// All links of a run.
#[derive(Debug)]
pub(super) struct Network {
    latency: Latency,
    /// By sender.
    dice: Vec<Dice>,
    /// By receiver.
    inbound: Vec<Inbound>,
    segments: Vec<Segment>,
    free: Vec<u32>,
    #[expect(clippy::vec_box, reason = "links hold boxes, because most hold none")]
    spare: Vec<Box<Decoder>>,
    pub(super) delivered: u64,
}

/// A segment that has arrived: whose it is, and the decoder that holds it.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) from: MachineId,
    pub(super) to: MachineId,
    pub(super) decoder: Box<Decoder>,
}

impl Network {
    pub(super) fn new(machines: u16, seed: u64, latency: Latency) -> Self {
        let dice = MachineId::all(machines).map(|machine| Dice {
            latency: Stream::new(seed, machine, Purpose::Latency),
            cut: Stream::new(seed, machine, Purpose::Cut),
        });
        Self {
            latency,
            dice: dice.collect(),
            inbound: (0..machines).map(|_| Inbound::default()).collect(),
            segments: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
            delivered: 0,
        }
    }

    /// When something that `from` sends at `now` would arrive, if nothing were ahead of it: draws its latency. What
    /// faults do to messages is decided before they come here, by [`Gate`](crate::faults::Gate).
    #[inline]
    fn draw_arrival(&mut self, from: MachineId, now: Time) -> Time {
        let drawn = self
            .dice
            .get_mut(from.index())
            .map_or(0, |dice| self.latency.draw(&mut dice.latency));
        Time(now.0.saturating_add(drawn))
    }

    /// When something sent at `now` arrives behind all that the link carries already, without sending it.
    #[inline]
    pub(super) fn arrival(&mut self, from: MachineId, to: MachineId, now: Time) -> Time {
        let at = self.draw_arrival(from, now);
        // Most machines hear nothing at the moment: their links need not be looked at.
        let busy = self.inbound.get(to.index()).filter(|inbound| !inbound.is_quiet());
        let link = busy.and_then(|inbound| {
            let place = inbound.place(from).ok()?;
            inbound.links.get(place)
        });
        link.map_or(at, |link| at.max(link.last))
    }

    /// Sends one whole frame.
    ///
    /// # Errors
    /// [`SimError::InFlight`] if too much is under way.
    #[inline]
    pub(super) fn send(
        &mut self,
        from: MachineId,
        to: MachineId,
        now: Time,
        frame: &[u8],
        agenda: &mut Agenda,
    ) -> Result<(), SimError> {
        let at = self.draw_arrival(from, now);
        let Self {
            dice,
            inbound,
            segments,
            free,
            ..
        } = self;
        let link = inbound
            .get_mut(to.index())
            .and_then(|inbound| inbound.link(from, now));
        let (Some(dice), Some(link)) = (dice.get_mut(from.index()), link) else {
            return Ok(());
        };
        let is_busy = link.segments > 0;
        let at = at.max(link.last);
        let (mut rest, mut is_busy) = (frame, is_busy);
        let may_cut = segments.len() - free.len() < CUT_SEGMENTS_MAX;
        while may_cut && rest.len() > 1 && dice.cut.below(CUT_ONE_IN) == 0 {
            let length = 1 + usize::try_from(dice.cut.below(rest.len() as u64 - 1)).unwrap_or(0);
            let (head, tail) = rest.split_at(length);
            rest = tail;
            match segments.get_mut(link.newest as usize) {
                Some(newest) if is_busy => newest.bytes.extend_from_slice(head),
                _ => {
                    let wait = dice.cut.below(at.0 - link.last.0 + 1);
                    link.last = Time(link.last.0 + wait);
                    link.push(to, head, segments, free, agenda)?;
                }
            }
            is_busy = false;
        }
        link.last = at;
        link.push(to, rest, segments, free, agenda)
    }

    /// Who a segment under way is for.
    pub(super) fn addressee(&self, slot: u32) -> Option<MachineId> {
        self.segments
            .get(slot as usize)
            .map(|segment| MachineId(segment.to))
    }

    /// Loses everything that is under way to a machine. The segments still have their places on the agenda, at which
    /// nothing arrives.
    pub(super) fn lose_all_to(&mut self, to: MachineId) {
        for segment in &mut self.segments {
            if segment.to == to.0 && !segment.bytes.is_empty() {
                segment.to = NOBODY;
                segment.bytes.clear();
            }
        }
        if let Some(inbound) = self.inbound.get_mut(to.index()) {
            *inbound = Inbound::default();
        }
    }

    /// Takes a segment that arrives off its link. Take the frames out of the decoder, then give it back.
    #[inline]
    pub(super) fn arrive(&mut self, slot: u32) -> Option<Arrived> {
        let segment = self.segments.get_mut(slot as usize)?;
        let (from, to) = (MachineId(segment.from), MachineId(segment.to));
        if segment.to == NOBODY {
            self.free.push(slot);
            return None;
        }
        let inbound = self.inbound.get_mut(to.index())?;
        let place = inbound.place(from).ok()?;
        let link = inbound.links.get_mut(place)?;
        let spare = &mut self.spare;
        let mut decoder = link
            .partial
            .take()
            .or_else(|| spare.pop())
            .unwrap_or_else(|| Box::new(Decoder::new(FRAME_LENGTH_MAX)));
        decoder.extend(&segment.bytes);
        segment.bytes.clear();
        segment.bytes.shrink_to_fit();
        self.free.push(slot);
        self.delivered += 1;
        link.segments -= 1;
        if link.segments == 0 {
            inbound.idle += 1;
            inbound.tidy();
        }
        Some(Arrived { from, to, decoder })
    }

    /// Keeps what has arrived of a frame whose rest is still under way.
    #[inline]
    pub(super) fn give_back(&mut self, arrived: Arrived) {
        let Arrived { from, to, decoder } = arrived;
        if decoder.waiting() == 0 {
            if self.spare.len() < SPARE_DECODERS_MAX {
                self.spare.push(decoder);
            }
            return;
        }
        let link = self.inbound.get_mut(to.index()).and_then(|inbound| {
            let place = inbound.place(from).ok()?;
            inbound.links.get_mut(place)
        });
        assert!(
            link.as_ref().is_some_and(|link| link.segments > 0),
            "{} bytes of a frame from {from} to {to} wait, and nothing is under way",
            decoder.waiting()
        );
        if let Some(link) = link {
            link.partial = Some(decoder);
        }
    }

    /// Gives the bytes of `frame` to `decoder` in random pieces, as a link would, at once.
    pub(super) fn carry(&mut self, from: MachineId, mut frame: &[u8], decoder: &mut Decoder) {
        let Some(dice) = self.dice.get_mut(from.index()) else {
            return;
        };
        while frame.len() > 1 && dice.cut.below(CUT_ONE_IN) == 0 {
            let length = 1 + usize::try_from(dice.cut.below(frame.len() as u64 - 1)).unwrap_or(0);
            let (head, tail) = frame.split_at(length);
            decoder.extend(head);
            frame = tail;
        }
        decoder.extend(frame);
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.inbound.iter().all(Inbound::is_quiet)
    }
}

impl Inbound {
    /// Where the link from a machine stands, or would.
    #[inline]
    fn place(&self, from: MachineId) -> Result<usize, usize> {
        self.links.binary_search_by_key(&from, |link| link.from)
    }

    /// Whether nothing is under way to this machine.
    #[inline]
    fn is_quiet(&self) -> bool {
        self.idle == self.links.len()
    }

    /// The link from a machine, about to carry something from `now` on.
    #[inline]
    fn link(&mut self, from: MachineId, now: Time) -> Option<&mut Link> {
        match self.place(from) {
            Ok(place) => {
                let link = self.links.get_mut(place)?;
                if link.segments == 0 {
                    link.last = now;
                    self.idle -= 1;
                }
                Some(link)
            }
            Err(place) => {
                self.links.insert(place, Link::idle(from, now));
                self.links.get_mut(place)
            }
        }
    }

    /// Forgets idle links when they are many, and most.
    #[inline]
    fn tidy(&mut self) {
        if self.idle > IDLE_LINKS_MAX && self.idle * 2 > self.links.len() {
            self.links.retain(|link| link.segments > 0);
            self.idle = 0;
        }
    }
}

impl Link {
    fn idle(from: MachineId, now: Time) -> Self {
        Self {
            from,
            segments: 0,
            newest: u32::MAX,
            last: now,
            partial: None,
        }
    }

    /// Puts bytes under way that arrive at `self.last`.
    #[inline]
    fn push(
        &mut self,
        to: MachineId,
        bytes: &[u8],
        segments: &mut Vec<Segment>,
        free: &mut Vec<u32>,
        agenda: &mut Agenda,
    ) -> Result<(), SimError> {
        let slot = match free.pop() {
            Some(slot) => slot,
            None => {
                if segments.len() == SEGMENTS_MAX {
                    return Err(SimError::InFlight { at: self.last });
                }
                segments.push(Segment::default());
                u32::try_from(segments.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(segment) = segments.get_mut(slot as usize) {
            (segment.from, segment.to) = (self.from.0, to.0);
            segment.bytes.extend_from_slice(bytes);
        }
        self.segments += 1;
        self.newest = slot;
        agenda.insert(self.last, What::Segment(slot));
        Ok(())
    }
}
