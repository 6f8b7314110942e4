//! What a machine's log says of its earlier lives: all that a machine which is started again goes on from.
//!
//! Its queue is lost, as a process's memory is; its ticks, its clocks and whether it was paused are not, because they
//! stand in the log. Its rate is its own again: a fault that changed it begins anew if it is still on.

use crate::{
    clock::HybridTime,
    trace::{Header, Record, Vector, WallTime},
};

/// The earlier lives of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Which life begins now, from 2.
    pub incarnation: u32,
    /// The last event's tick; 0 if there was none.
    pub ticks: u64,
    /// Lamport's clock, jumps included.
    pub clock: u64,
    /// The vector clock after the last event, in vector runs.
    pub vector: Option<Vector>,
    /// The hybrid clock after the last event, in hybrid runs.
    pub hybrid: Option<HybridTime>,
    /// How far its physical clock was moved, in microseconds.
    pub physical_offset_us: i64,
    /// Whether ticks came only as steps.
    pub is_paused: bool,
    /// How long ticks came by time, as far as the log goes, in microseconds.
    pub ticked_us: u64,
    /// The last time in the log; what is written behind it must not be earlier.
    pub last_at: WallTime,
    /// The log has its footer: this machine ended in order, and has nothing to come back to.
    pub has_ended: bool,
    /// Since when ticks come by time, while they do.
    since: Option<WallTime>,
}

impl Memory {
    /// Of a log that has only its header.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        Self {
            incarnation: 2,
            ticks: 0,
            clock: 0,
            vector: None,
            hybrid: None,
            physical_offset_us: 0,
            is_paused: false,
            ticked_us: 0,
            last_at: header.started,
            has_ended: false,
            since: Some(header.started),
        }
    }

    /// Takes the log's next record.
    pub fn take(&mut self, at: WallTime, record: &Record) {
        let before = self.last_at;
        self.last_at = self.last_at.max(at);
        match record {
            Record::Event(event) => {
                (self.ticks, self.clock) = (event.tick, event.clock);
                self.vector.clone_from(&event.vector);
                self.hybrid.clone_from(&event.hybrid);
            }
            Record::Jumped { ticks, physical_us } => {
                self.clock = self.clock.saturating_add(*ticks);
                self.physical_offset_us = self.physical_offset_us.saturating_add(*physical_us);
            }
            Record::Paused => {
                self.is_paused = true;
                self.halt(at);
            }
            Record::Pace { .. } => {
                self.is_paused = false;
                if self.since.is_none() {
                    self.since = Some(at);
                }
            }
            Record::Restarted { incarnation } => {
                // When the life before ended is not known: behind its last line.
                self.halt(before);
                self.incarnation = incarnation.saturating_add(1);
            }
            Record::Ended(_) => self.has_ended = true,
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Fault(_)
            | Record::Mended { .. }
            | Record::Stepped { .. }
            | Record::Data(_) => {}
        }
    }

    /// The same at the death of the machine.
    #[must_use]
    pub fn at_death(mut self) -> Self {
        self.halt(self.last_at);
        self
    }

    /// Ticks come by time no more.
    fn halt(&mut self, at: WallTime) {
        if let Some(since) = self.since.take() {
            let ticked = u64::try_from(at.us_since(since)).unwrap_or(0);
            self.ticked_us = self.ticked_us.saturating_add(ticked);
        }
    }
}
