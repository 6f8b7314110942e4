//! Lamport's logical clock: L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System",
//! 1978, IR1 and IR2.

/// One number that rises with every event: `e happened before f` implies `C(e) < C(f)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lamport(u64);

impl Lamport {
    /// A clock that goes on from `value`: that of a machine that is started again.
    #[must_use]
    pub fn resumed(value: u64) -> Self {
        Self(value)
    }

    /// Moves it ahead by `ticks`, without an event; it stays at the end of the number range.
    pub fn advance(&mut self, ticks: u64) {
        self.0 = self.0.saturating_add(ticks);
    }

    /// The clock's value: that of the last event, 0 before the first.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }

    /// An event of our own (IR1): `C := C + 1`. Returns the event's clock.
    #[inline]
    pub fn tick(&mut self) -> u64 {
        self.merge(0)
    }

    /// The receipt of a message stamped `sent` (IR2): `C := max(C, T) + 1`. Returns the event's clock.
    ///
    /// The end of the number range is not reached by counting (at 10⁹ events a second it takes 584 years),
    /// only by a hostile stamp; the clock then stays there instead of wrapping to zero, and `check` reports
    /// the run.
    #[inline]
    pub fn merge(&mut self, sent: u64) -> u64 {
        self.0 = self.0.max(sent).saturating_add(1);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_events_step_by_one() {
        let mut clock = Lamport::default();
        assert_eq!([clock.tick(), clock.tick(), clock.tick()], [1, 2, 3]);
    }

    #[test]
    fn a_receipt_is_later_than_both_pasts() {
        for (own, sent, after) in [
            (0, 0, 1),
            (3, 8, 9),
            (8, 3, 9),
            (8, 8, 9),
            (0, u64::MAX, u64::MAX),
        ] {
            assert_eq!(Lamport(own).merge(sent), after, "own {own}, sent {sent}");
        }
    }
}
