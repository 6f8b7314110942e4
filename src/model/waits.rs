//! The rule *queue counted*: arrivals, waits and queue lengths of one log agree.
//!
//! A receive line says when its message arrived (its time less `waited_us`) and how many messages still waited
//! behind it. The queue is first in, first out, so the n-th receive with a queue of q counted exactly the
//! messages that the receives n + 1 to n + q take later:
//!
//! ```text
//!   receive n at t, queue=q        n+1 … n+q arrived at t or before        n+q+1 arrived at t or later
//! ```
//!
//! At t itself both are right: times are whole microseconds. Logs that do not say how long a message waited
//! are not judged.

use std::collections::VecDeque;

use super::QUEUE_MESSAGES_MAX;
use crate::trace::WallTime;

/// What one log says of its queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    /// Receives so far.
    taken: u64,
    /// When the last message taken arrived, and the line that takes it.
    last: Option<(WallTime, u64)>,
    /// Counts whose last message was not taken yet, by the number of that message: at most
    /// [`QUEUE_MESSAGES_MAX`] and one.
    open: VecDeque<Count>,
    pub(super) judged: u64,
}

/// Receives that counted up to the same message.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// The number of the last message counted.
    last: u64,
    /// Time and line of the first receive that counted so: its messages had arrived by then.
    first_at: (WallTime, u64),
    /// Time and line of the last one: the message behind had not arrived by then.
    last_at: (WallTime, u64),
}

/// What is wrong, and the line that it contradicts.
pub(super) type Contradiction = (String, u64);

impl Waits {
    /// The queue was lost: nothing that was counted will be taken.
    pub(super) fn forget(&mut self) {
        *self = Self {
            judged: self.judged,
            ..Self::default()
        };
    }

    /// A receive: when, in which line, the queue behind it and how long its message waited.
    #[inline]
    pub(super) fn take(
        &mut self,
        at: WallTime,
        line: u64,
        queue: u64,
        waited_us: Option<u64>,
    ) -> Option<Contradiction> {
        self.taken += 1;
        let Some(waited_us) = waited_us else {
            self.last = None;
            self.open.clear();
            return None;
        };
        self.judged += 1;
        let waited_us = i64::try_from(waited_us).unwrap_or(i64::MAX);
        let arrived = WallTime(at.0.saturating_sub(waited_us));
        let found = self.contradiction(arrived);
        self.last = Some((arrived, line));
        // A queue longer than any machine's says nothing, and would be remembered for ever.
        if queue > QUEUE_MESSAGES_MAX as u64 {
            return found;
        }
        let last = self.taken.saturating_add(queue);
        // A count that falls short of an earlier one contradicts it, which is for `queue first` to say.
        while self.open.back().is_some_and(|count| count.last > last) {
            self.open.pop_back();
        }
        match self.open.back_mut() {
            Some(count) if count.last == last => count.last_at = (at, line),
            _ => self.open.push_back(Count {
                last,
                first_at: (at, line),
                last_at: (at, line),
            }),
        }
        found
    }

    /// What the arrival of the message taken now contradicts.
    #[inline]
    fn contradiction(&mut self, arrived: WallTime) -> Option<Contradiction> {
        if let Some((before, line)) = self.last
            && arrived < before
        {
            let text = format!(
                "its message arrived at {arrived}, before the one that was taken before it ({before})"
            );
            return Some((text, line));
        }
        let mut passed = None;
        while let Some(count) = self.open.front()
            && count.last < self.taken
        {
            passed = Some(count.last_at);
            self.open.pop_front();
        }
        if let Some((at, line)) = passed
            && arrived < at
        {
            let text = format!("its message arrived at {arrived}, but was not counted in the queue at {at}");
            return Some((text, line));
        }
        let (at, line) = self.open.front()?.first_at;
        (arrived > at).then(|| {
            let text = format!("its message arrived at {arrived}, but was counted in the queue at {at}");
            (text, line)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contradicted line of each receive: (time, queue, wait), at line = place in the list.
    fn judge(receives: &[(i64, u64, u64)]) -> Vec<Option<u64>> {
        let mut waits = Waits::default();
        (0..)
            .zip(receives)
            .map(|(line, (at, queue, waited))| {
                let found = waits.take(WallTime(*at), line, *queue, Some(*waited));
                found.map(|(_, line)| line)
            })
            .collect()
    }

    #[test]
    fn a_queue_that_counts_what_arrived_is_right() {
        // Arrivals at 5, 7, 10 (the time of the second receive), 22.
        assert_eq!(
            judge(&[(10, 1, 5), (10, 1, 3), (20, 0, 10), (30, 0, 8)]),
            [None; 4]
        );
        assert_eq!(
            judge(&[(10, 2, 5), (10, 1, 3), (20, 0, 10), (30, 0, 8)]),
            [None; 4],
            "a tie counts either way"
        );
    }

    #[test]
    fn a_message_counted_before_it_arrived_is_found() {
        assert_eq!(judge(&[(10, 1, 5), (20, 0, 5)]), [None, Some(0)]);
    }

    #[test]
    fn a_message_left_out_of_the_queue_is_found() {
        assert_eq!(judge(&[(10, 0, 5), (20, 0, 15)]), [None, Some(0)]);
    }

    #[test]
    fn messages_taken_out_of_order_are_found() {
        assert_eq!(judge(&[(10, 1, 1), (20, 0, 18)]), [None, Some(0)]);
    }

    #[test]
    fn a_count_that_is_taken_back_is_forgotten_and_a_senseless_one_never_kept() {
        // Five waited, then none: that is for another rule. The third message arrived after both.
        assert_eq!(judge(&[(10, 5, 1), (20, 0, 10), (40, 0, 5)]), [None; 3]);
        let mut waits = Waits::default();
        for line in 0..1000 {
            let queue = u64::MAX - line;
            assert_eq!(waits.take(WallTime(10), line, queue, Some(0)), None);
        }
        assert!(waits.open.is_empty());
    }

    #[test]
    fn logs_that_do_not_say_are_not_judged() {
        let mut waits = Waits::default();
        assert_eq!(waits.take(WallTime(10), 1, 9, None), None);
        assert_eq!(waits.take(WallTime(20), 2, 0, None), None);
        assert_eq!(waits.judged, 0);
    }
}
