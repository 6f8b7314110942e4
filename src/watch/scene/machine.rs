//! What is known of one machine.

use std::collections::VecDeque;

use super::standing::Standing;
use crate::trace::{Header, Record, WallTime};

/// A machine, as its log shows it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What its log begins with.
    pub header: Box<Header>,
    /// Ticks a second before the speed; a fault or a command may have changed it.
    pub rate: Option<u32>,
    /// Events so far; the last one's tick.
    pub tick: u64,
    /// Its clock.
    pub clock: u64,
    /// Messages waiting at its last event.
    pub queue: u64,
    /// Event lines that were read.
    pub events: u64,
    /// When its newest line was written.
    pub newest: WallTime,
    /// Whether it lives, ticks, and reaches its peers.
    pub standing: Standing,
    /// The last lines, oldest first.
    history: VecDeque<Kept>,
}

/// A line of a log, kept for looking back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When.
    pub at: WallTime,
    /// The line's number in the file, from 1.
    pub line: u64,
    /// The machine's clock after it.
    pub clock: u64,
    /// The machine's events up to here.
    pub tick: u64,
    /// Messages waiting after it.
    pub queue: u64,
    /// What; the vector clock is left out.
    pub record: Record,
}

impl Machine {
    pub(super) fn new(header: Box<Header>) -> Self {
        Self {
            rate: header.rate,
            newest: header.started,
            header,
            tick: 0,
            clock: 0,
            queue: 0,
            events: 0,
            standing: Standing::default(),
            history: VecDeque::new(),
        }
    }

    /// Takes a line; keeps the last `history_max` of them.
    pub(super) fn take(&mut self, line: u64, at: WallTime, mut record: Record, history_max: usize) {
        self.newest = self.newest.max(at);
        match &mut record {
            Record::Event(event) => {
                (self.tick, self.clock) = (event.tick, event.clock);
                self.events += 1;
                event.vector = None;
                self.queue = event.kind.queue();
            }
            Record::Pace { rate, .. } => self.rate = Some(*rate),
            Record::Jumped { ticks, .. } => self.clock = self.clock.saturating_add(*ticks),
            Record::Restarted { .. } => self.queue = 0,
            Record::Ended(footer) => self.queue = footer.queued,
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Fault(_)
            | Record::Mended { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Data(_) => {}
        }
        self.standing.take(at, &record);
        if self.history.len() >= history_max {
            self.history.pop_front();
        }
        self.history.push_back(Kept {
            at,
            line,
            clock: self.clock,
            tick: self.tick,
            queue: self.queue,
            record,
        });
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn history(&self) -> &VecDeque<Kept> {
        &self.history
    }

    /// The last line at or before `at` that is still kept.
    #[must_use]
    pub fn at(&self, at: WallTime) -> Option<&Kept> {
        self.history.get(self.behind(at).checked_sub(1)?)
    }

    /// How many of the kept lines are at or before `at`: the place of the first one behind it.
    #[must_use]
    pub fn behind(&self, at: WallTime) -> usize {
        self.history.partition_point(|kept| kept.at <= at)
    }

    /// What the kept lines say of the machine at `at`.
    #[must_use]
    pub fn standing_at(&self, at: WallTime) -> Standing {
        let mut standing = Standing::default();
        for kept in self.history.range(..self.behind(at)) {
            standing.take(kept.at, &kept.record);
        }
        standing
    }

    /// The kept event of this clock.
    #[must_use]
    pub fn event(&self, clock: u64) -> Option<&Kept> {
        let place = self.history.partition_point(|kept| kept.clock < clock);
        self.history
            .range(place..)
            .take_while(|kept| kept.clock == clock)
            .find(|kept| matches!(kept.record, Record::Event(_)))
    }

    /// Ticks a thousand seconds, with the speed; `None` if the log names no rate.
    #[must_use]
    pub fn millirate(&self) -> Option<u64> {
        self.rate
            .map(|rate| u64::from(rate) * u64::from(self.header.speed.permille()))
    }
}
