//! Receives that wait on a channel until the log of their sender is read so far.
//!
//! They are judged in order. Where faults let messages overtake each other, a send looks for its receives by name.

use std::collections::{BTreeSet, VecDeque};

use super::message::Received;

/// Receives in the order of their log.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// The first is never one that was taken out.
    queue: VecDeque<Received>,
    /// The number of the first: they are counted as they come.
    first: u64,
    /// From the first search on.
    names: Option<Box<Names>>,
}

/// Receives by name, and those that were found by it.
#[derive(Clone, Debug, Default)]
struct Names {
    /// The clock that the message carried, and the receive's number.
    all: BTreeSet<(u64, u64)>,
    /// Those that have no place in the queue any more, though they are still in it.
    taken: BTreeSet<u64>,
}

impl Waiting {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    #[inline]
    pub(super) fn push_back(&mut self, receive: Received) {
        if let Some(names) = &mut self.names {
            let number = self.first + self.queue.len() as u64;
            names.all.insert((receive.sent, number));
        }
        self.queue.push_back(receive);
    }

    /// Takes the next in order.
    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Received> {
        let receive = self.queue.pop_front()?;
        self.first += 1;
        if let Some(names) = &mut self.names {
            names.all.remove(&(receive.sent, self.first - 1));
            while names.taken.remove(&self.first) {
                self.queue.pop_front();
                self.first += 1;
            }
        }
        Some(receive)
    }

    /// Puts back what was taken last.
    #[inline]
    pub(super) fn put_back(&mut self, receive: Received) {
        self.first -= 1;
        if let Some(names) = &mut self.names {
            names.all.insert((receive.sent, self.first));
        }
        self.queue.push_front(receive);
    }

    /// Takes the first of this name, wherever it stands.
    pub(super) fn take(&mut self, sent: u64) -> Option<Received> {
        let Self { queue, first, names } = self;
        let names = names.get_or_insert_with(|| {
            let all = queue.iter().zip(*first..);
            let all = all.map(|(receive, number)| (receive.sent, number)).collect();
            let taken = BTreeSet::new();
            Box::new(Names { all, taken })
        });
        let (_, number) = *names.all.range((sent, 0)..=(sent, u64::MAX)).next()?;
        if number == *first {
            return self.pop_front();
        }
        names.all.remove(&(sent, number));
        names.taken.insert(number);
        let place = usize::try_from(number - *first).ok()?;
        queue.get(place).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::WallTime;

    fn waiting(sent: &[u64]) -> Waiting {
        let mut waiting = Waiting::default();
        for (line, sent) in (3..).zip(sent) {
            waiting.push_back(Received {
                line,
                sent: *sent,
                arrived: WallTime(0),
                before: 0,
                clock: 0,
                other: None,
            });
        }
        waiting
    }

    fn rest(mut waiting: Waiting) -> Vec<u64> {
        std::iter::from_fn(|| waiting.pop_front())
            .map(|it| it.line)
            .collect()
    }

    #[test]
    fn receives_leave_in_order_but_for_those_found_by_name() {
        let mut waiting = waiting(&[5, 6, 7, 6, 8]);
        let mut take = |sent| waiting.take(sent).map(|receive| receive.line);
        assert_eq!(
            [take(6), take(6), take(6), take(9)],
            [Some(4), Some(6), None, None]
        );
        let first = waiting.pop_front().unwrap();
        waiting.put_back(first);
        waiting.push_back(Received {
            line: 8,
            sent: 6,
            ..waiting.queue.front().unwrap().clone()
        });
        assert_eq!(waiting.take(5).map(|receive| receive.line), Some(3));
        assert_eq!(waiting.take(6).map(|receive| receive.line), Some(8));
        assert_eq!(rest(waiting), [5, 7]);
    }

    #[test]
    fn what_was_found_is_gone() {
        let mut waiting = waiting(&[1, 2, 3]);
        for sent in [3, 2, 1] {
            assert!(waiting.take(sent).is_some() && waiting.take(sent).is_none());
        }
        assert!(waiting.is_empty());
    }
}
