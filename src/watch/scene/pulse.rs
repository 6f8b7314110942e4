//! How many events a second: counted by the times of their lines, in tenths of a second.

use std::collections::BTreeMap;

use crate::trace::WallTime;

const SLOT_US: i64 = 100_000;

/// Slots that make a second.
const SLOTS: i64 = 10;

/// Slots before now that may still lack lines.
const FRESH: i64 = 3;

/// Slots that are kept: two seconds, so that late lines find theirs.
const KEPT_MAX: usize = 20;

/// The events of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse {
    slots: BTreeMap<i64, u64>,
}

impl Pulse {
    pub(super) fn count(&mut self, at: WallTime) {
        let slot = at.0.div_euclid(SLOT_US);
        *self.slots.entry(slot).or_default() += 1;
        if self.slots.len() > KEPT_MAX {
            self.slots.pop_first();
        }
    }

    /// Events in the second that ended three tenths before `now`.
    pub(super) fn per_second(&self, now: WallTime) -> u64 {
        let end = now.0.div_euclid(SLOT_US) - FRESH;
        self.slots.range(end - SLOTS..end).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_counted_right_and_then_forgotten() {
        let mut pulse = Pulse::default();
        for event in 0..50_000 {
            pulse.count(WallTime(event * 100));
        }
        assert_eq!(pulse.per_second(WallTime(5_000_000)), 10_000);
        assert_eq!(pulse.per_second(WallTime(8_000_000)), 0);
        assert!(pulse.slots.len() <= KEPT_MAX);
    }
}
