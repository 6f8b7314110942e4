//! The least delays of one channel: the very least, and one that a few wrong moments do not change.

/// Delays that are kept.
const KEPT: usize = 4;

/// Messages for each further delay that is passed over.
const MESSAGES_EACH: u64 = 16;

/// The least apparent delays of the messages seen so far, in microseconds.
///
/// A driver reads its clock once a round, and may be made to wait before it reads its sockets: a message that came
/// meanwhile seems to have arrived before it was sent. So besides the least delay there is a firm one, as many
/// places behind it as there are 16 messages, at most three. Both are true bounds where clocks run alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Least {
    /// Smallest first; the first `count` of them, if there are fewer.
    delays_us: [i64; KEPT],
    count: u64,
}

impl Least {
    /// Takes the delay of a message.
    #[inline]
    pub fn take(&mut self, us: i64) {
        let kept = usize::try_from(self.count).unwrap_or(KEPT).min(KEPT);
        self.count += 1;
        if kept < KEPT || self.delays_us.last().is_some_and(|last| us < *last) {
            self.insert(kept, us);
        }
    }

    /// Rare: a channel's least delays are soon found.
    fn insert(&mut self, kept: usize, us: i64) {
        let place = self
            .delays_us
            .iter()
            .take(kept)
            .filter(|kept| **kept <= us)
            .count();
        if let Some(behind) = self.delays_us.get_mut(place..KEPT.min(kept + 1)) {
            behind.rotate_right(1);
            if let Some(first) = behind.first_mut() {
                *first = us;
            }
        }
    }

    /// The least delay and the firm one, if there was a message.
    #[must_use]
    pub fn get(&self) -> Option<(i64, i64)> {
        let rank = (self.count / MESSAGES_EACH).min(KEPT as u64 - 1);
        let firm = self.delays_us.get(usize::try_from(rank).unwrap_or(0))?;
        let least = self.delays_us.first().filter(|_| self.count > 0)?;
        Some((*least, *firm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_delays_are_kept_in_order() {
        let mut number = 1_u32;
        for count in (0..40).chain([100, 255, 256, 1000, 5000]) {
            let (mut least, mut all) = (Least::default(), Vec::new());
            for _ in 0..count {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let us = i64::from(number >> 20) - 2000;
                least.take(us);
                all.push(us);
            }
            all.sort_unstable();
            let rank = (all.len() / 16).min(3);
            assert_eq!(
                least.get(),
                all.first().map(|first| (*first, all[rank])),
                "{count}"
            );
        }
    }
}
