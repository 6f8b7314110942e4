//! Hybrid logical clocks: S. Kulkarni, M. Demirbas, D. Madeppa, B. Avva, M. Leone, "Logical Physical Clocks", OPODIS
//! 2014, the algorithm of figure 5.
//!
//! ```text
//!   own event        l' = max(l, pt)           c' = c + 1 if l' = l, else 0
//!   receive          l' = max(l, m.l, pt)      c' = max(c, m.c) + 1 if l' = l = m.l
//!                                                   c + 1           if l' = l
//!                                                   m.c + 1         if l' = m.l
//!                                                   0               else
//! ```
//!
//! So `l >= pt` always, l is the physical time of some event in the past (theorem 2), and `l - pt` is at most as much as
//! the machines' physical clocks differ (corollary 1). What the physical time is, the caller says.

use std::fmt;

/// The greatest physical time that an event knows of, and a count of the events that share it.
///
/// Ordered by physical time first: `e happened before f` implies `HLC(e) < HLC(f)` (theorem 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime {
    /// The paper's l, in microseconds since 1970-01-01T00:00:00Z.
    pub physical_us: u64,
    /// The paper's c.
    pub logical: u32,
}

/// A hybrid clock: the time of its machine's last event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HybridClock(HybridTime);

impl HybridClock {
    /// A clock whose last event had this time.
    #[must_use]
    pub fn at(last: HybridTime) -> Self {
        Self(last)
    }

    /// The time of the last event, zero before the first.
    #[must_use]
    pub fn value(self) -> HybridTime {
        self.0
    }

    /// An event of our own at the physical time `now_us`, in microseconds since 1970. Returns its time.
    pub fn tick(&mut self, now_us: u64) -> HybridTime {
        let last = self.0;
        let physical_us = last.physical_us.max(now_us);
        self.0 = HybridTime {
            physical_us,
            logical: match physical_us == last.physical_us {
                true => last.logical.saturating_add(1),
                false => 0,
            },
        };
        self.0
    }

    /// The receipt, at the physical time `now_us`, of a message stamped `sent`. Returns the event's time.
    ///
    /// Neither number can wrap: at its end, which only a hostile stamp reaches, it stays, and `check` reports the run.
    pub fn merge(&mut self, now_us: u64, sent: HybridTime) -> HybridTime {
        let last = self.0;
        let physical_us = last.physical_us.max(sent.physical_us).max(now_us);
        let own = (physical_us == last.physical_us).then_some(last.logical);
        let theirs = (physical_us == sent.physical_us).then_some(sent.logical);
        self.0 = HybridTime {
            physical_us,
            logical: own.max(theirs).map_or(0, |count| count.saturating_add(1)),
        };
        self.0
    }
}

/// As logs have it: `1795389361373456.0`.
impl fmt::Display for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.physical_us, self.logical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(physical_us: u64, logical: u32) -> HybridTime {
        HybridTime { physical_us, logical }
    }

    #[test]
    fn own_events_follow_physical_time_and_count_while_it_stands() {
        let mut clock = HybridClock::default();
        let times = [10, 10, 9, 12, 12].map(|now| clock.tick(now));
        assert_eq!(
            times,
            [time(10, 0), time(10, 1), time(10, 2), time(12, 0), time(12, 1)]
        );
    }

    #[test]
    fn a_receipt_takes_the_latest_of_three_and_counts_on_from_those_that_share_it() {
        for (last, now, sent, after) in [
            (time(10, 3), 20, time(15, 9), time(20, 0)),
            (time(10, 3), 5, time(10, 9), time(10, 10)),
            (time(10, 3), 10, time(10, 1), time(10, 4)),
            (time(10, 3), 10, time(9, 7), time(10, 4)),
            (time(10, 3), 12, time(30, 7), time(30, 8)),
            (time(10, 3), 30, time(30, 7), time(30, 8)),
            (time(0, 0), 1, time(u64::MAX, u32::MAX), time(u64::MAX, u32::MAX)),
        ] {
            let mut clock = HybridClock::at(last);
            assert_eq!(clock.merge(now, sent), after, "{last:?} at {now} takes {sent:?}");
            assert_eq!(clock.value(), after);
        }
    }

    #[test]
    fn the_example_of_the_paper_comes_out_as_printed() {
        // Figure 6: three nodes whose clocks differ by ten at most; node 0 is far ahead.
        let [mut one, mut two, mut three] = [0, 1, 2].map(|start| HybridClock::at(time(start, 0)));
        let mut zero = HybridClock::at(time(9, 0));
        assert_eq!(zero.tick(10), time(10, 0));
        assert_eq!(one.merge(1, zero.value()), time(10, 1));
        assert_eq!(one.tick(2), time(10, 2));
        assert_eq!(two.merge(2, one.value()), time(10, 3));
        assert_eq!(two.tick(3), time(10, 4));
        assert_eq!(three.merge(3, two.value()), time(10, 5));
        assert_eq!(three.tick(13), time(13, 0));
    }
}
