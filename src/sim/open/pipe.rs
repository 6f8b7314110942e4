//! Connections: two byte streams with real frames, cut at random places, delivered in order.

use std::collections::VecDeque;

use crate::{
    dice::Stream,
    units::{MachineId, Time},
    wire::{Decoder, FRAME_LENGTH_MAX},
};

/// One frame in this many is cut, and one in as many of what is left of it again.
const CUT_ONE_IN: u64 = 8;

/// How one end of a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has dialled and waits for the answer, or has not been asked yet.
    Waiting,
    /// The link is up for this end.
    Up,
    /// This end has let go.
    Closed,
}

/// Which end of a connection: the one that dialled, or the one that was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialler,
    Accepter,
}

/// The bytes from one end to the other.
#[derive(Debug)]
struct Pipe {
    segments: VecDeque<Box<[u8]>>,
    /// When the last of them arrives.
    last: Time,
    decoder: Decoder,
}

/// A connection, made or tried.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) dialler: MachineId,
    pub(super) accepter: MachineId,
    /// The lives of both: a process that was started again does not have the connections of the one before.
    lives: [u32; 2],
    ends: [End; 2],
    /// What each end sends.
    pipes: [Pipe; 2],
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Dialler => Side::Accepter,
            Side::Accepter => Side::Dialler,
        }
    }
}

impl Pipe {
    fn new(now: Time) -> Self {
        Self {
            segments: VecDeque::new(),
            last: now,
            decoder: Decoder::new(FRAME_LENGTH_MAX),
        }
    }
}

impl Connection {
    pub(super) fn new(dialler: (MachineId, u32), accepter: (MachineId, u32), now: Time) -> Self {
        Self {
            dialler: dialler.0,
            accepter: accepter.0,
            lives: [dialler.1, accepter.1],
            ends: [End::Waiting, End::Waiting],
            pipes: [Pipe::new(now), Pipe::new(now)],
        }
    }

    pub(super) fn machine(&self, side: Side) -> MachineId {
        match side {
            Side::Dialler => self.dialler,
            Side::Accepter => self.accepter,
        }
    }

    pub(super) fn side_of(&self, machine: MachineId) -> Side {
        match machine == self.dialler {
            true => Side::Dialler,
            false => Side::Accepter,
        }
    }

    pub(super) fn life(&self, side: Side) -> u32 {
        let [dialler, accepter] = self.lives;
        match side {
            Side::Dialler => dialler,
            Side::Accepter => accepter,
        }
    }

    /// The life that was found at the other end.
    pub(super) fn meet(&mut self, life: u32) {
        let [_, accepter] = &mut self.lives;
        *accepter = life;
    }

    pub(super) fn end(&self, side: Side) -> End {
        let [dialler, accepter] = self.ends;
        match side {
            Side::Dialler => dialler,
            Side::Accepter => accepter,
        }
    }

    /// Sets how an end stands; one that has closed takes nothing any more.
    pub(super) fn set(&mut self, side: Side, end: End) {
        let [dialler, accepter] = &mut self.ends;
        match side {
            Side::Dialler => *dialler = end,
            Side::Accepter => *accepter = end,
        }
        if end == End::Closed {
            let pipe = self.pipe(side.other());
            pipe.segments.clear();
            pipe.decoder = Decoder::new(FRAME_LENGTH_MAX);
        }
    }

    fn pipe(&mut self, side: Side) -> &mut Pipe {
        let [dialler, accepter] = &mut self.pipes;
        match side {
            Side::Dialler => dialler,
            Side::Accepter => accepter,
        }
    }

    /// When something that `side` sends arrives that would be there at `at` if nothing were ahead of it.
    pub(super) fn behind(&mut self, side: Side, at: Time) -> Time {
        let pipe = self.pipe(side);
        pipe.last = pipe.last.max(at);
        pipe.last
    }

    /// Puts a frame under way that is whole at `at`, or when all ahead of it is. Gives the moments at which pieces arrive.
    pub(super) fn send(
        &mut self,
        side: Side,
        frame: &[u8],
        now: Time,
        at: Time,
        cut: &mut Stream,
        mut arrives: impl FnMut(Time),
    ) {
        let pipe = self.pipe(side);
        let at = at.max(pipe.last);
        let mut rest = frame;
        while rest.len() > 1 && cut.below(CUT_ONE_IN) == 0 {
            let length = 1 + usize::try_from(cut.below(rest.len() as u64 - 1)).unwrap_or(0);
            let (head, tail) = rest.split_at(length);
            rest = tail;
            let earliest = pipe.last.max(now);
            pipe.last = Time(earliest.0 + cut.below(at.0 - earliest.0 + 1));
            pipe.segments.push_back(head.into());
            arrives(pipe.last);
        }
        pipe.last = at;
        pipe.segments.push_back(rest.into());
        arrives(at);
    }

    /// Takes the piece that arrives next at the other end of `side`.
    pub(super) fn arrive(&mut self, side: Side) -> Option<Box<[u8]>> {
        self.pipe(side).segments.pop_front()
    }

    /// Holds what `side` has sent and the other end has taken.
    pub(super) fn decoder(&mut self, side: Side) -> &mut Decoder {
        &mut self.pipe(side).decoder
    }

    /// Loses what is under way from `side` behind the first `keep` pieces. Returns how many pieces are left.
    pub(super) fn truncate(&mut self, side: Side, keep: usize) -> usize {
        let pipe = self.pipe(side);
        pipe.segments.truncate(keep);
        pipe.segments.len()
    }

    /// Pieces under way from `side`.
    pub(super) fn under_way(&mut self, side: Side) -> usize {
        self.pipe(side).segments.len()
    }
}
