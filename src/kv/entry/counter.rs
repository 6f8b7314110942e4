//! A counter: what each origin added, and how much of it was taken away.
//!
//! An origin's additions to a key are a sequence, so their sum up to a number is the same for everybody. A part keeps
//! the sum of all of them, and its base: up to which number they were taken away, and their sum up to there.
//!
//! ```text
//!   additions of one origin    +2   +3   +1   +4          part: number 9, sum 10
//!   their numbers               2    5    6    9          base: number 5, sum 5      counts 10 - 5 = 5
//!                               '-----'
//!                    taken away by a write that had seen 5 and not 6
//! ```
//!
//! So an addition that is concurrent to a deletion survives it with exactly its own amount, in whatever order the two
//! arrive, and an amount that was taken away never returns. Once an origin sees its whole part taken away it begins
//! anew, from 0 (`start`): a part that is gone can be forgotten, when nobody can hear of its deletion any more.

use crate::clock::{Dot, Origin, VersionVector};

/// What the origins added: ascending origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) parts: Vec<Part>,
}

/// What one origin added. Invariants: `1 ≤ start ≤ number`; a base is not below the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) origin: Origin,
    /// The first addition that `sum` counts; everything before it is gone.
    pub(super) start: u64,
    /// The last addition that is known.
    pub(super) number: u64,
    /// The sum of additions from `start` to `number`. It wraps.
    pub(super) sum: i64,
    /// What of it was taken away, if anything.
    pub(super) base: Option<Base>,
}

/// How much of a part was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// Additions up to this number are gone.
    pub(super) number: u64,
    /// Their sum, from the part's start.
    pub(super) sum: i64,
    /// The write that took them away; the greatest, if several took just these.
    pub(super) by: Dot,
}

impl Part {
    /// Whether anything of it is left, be it an amount of 0.
    pub(super) fn is_there(&self) -> bool {
        self.base.is_none_or(|base| base.number < self.number)
    }

    pub(super) fn dot(&self) -> Dot {
        Dot::new(self.origin, self.number)
    }

    /// What is left of it.
    pub(super) fn amount(&self) -> i64 {
        self.sum.wrapping_sub(self.base.map_or(0, |base| base.sum))
    }

    /// Takes away what a write had seen: the additions up to `base.number`.
    fn take_away(&mut self, base: Base) {
        let is_later = self
            .base
            .is_none_or(|mine| (base.number, base.by) > (mine.number, mine.by));
        if base.number >= self.start && is_later {
            self.base = Some(base);
        }
    }

    /// Knows what either knows.
    fn merge(&mut self, other: Part) {
        if other.start > self.start {
            *self = other;
        } else if other.start == self.start {
            if other.number > self.number {
                (self.number, self.sum) = (other.number, other.sum);
            }
            if let Some(base) = other.base {
                self.take_away(base);
            }
        }
    }
}

impl Counter {
    pub(super) fn get(&self, origin: Origin) -> Option<&Part> {
        let place = self.place(origin).ok()?;
        self.parts.get(place)
    }

    /// Whether anything was added that is not gone.
    pub(super) fn is_there(&self) -> bool {
        self.parts.iter().any(Part::is_there)
    }

    /// The sum of what is left. It wraps.
    pub(super) fn sum(&self) -> i64 {
        let amounts = self.parts.iter().map(Part::amount);
        amounts.fold(0, i64::wrapping_add)
    }

    /// An addition; it goes on from the last one of its origin if that is what it has seen, else it begins anew.
    pub(super) fn add(&mut self, dot: Dot, amount: i64, seen: &VersionVector) {
        let anew = Part {
            origin: dot.origin,
            start: dot.number,
            number: dot.number,
            sum: amount,
            base: None,
        };
        let place = self.place(dot.origin);
        match place.map(|place| self.parts.get_mut(place)) {
            Ok(Some(part)) if seen.get(dot.origin) == part.number => {
                part.number = part.number.max(dot.number);
                part.sum = part.sum.wrapping_add(amount);
            }
            Ok(Some(part)) => *part = anew,
            Ok(None) => {}
            Err(place) => self.parts.insert(place, anew),
        }
    }

    /// A write takes away what it has seen of each origin: `sums` are the sums up to there.
    pub(super) fn take_away(&mut self, by: Dot, seen: &VersionVector, sums: &[(Origin, i64)]) {
        for (origin, sum) in sums {
            let part = self
                .place(*origin)
                .ok()
                .and_then(|place| self.parts.get_mut(place));
            if let Some(part) = part {
                part.take_away(Base {
                    number: seen.get(*origin),
                    sum: *sum,
                    by,
                });
            }
        }
    }

    /// Keeps a part that both have (merged), and one of either that the other has not heard of.
    pub(super) fn merge(&mut self, my_known: &VersionVector, theirs: Counter, their_known: &VersionVector) {
        let mut merged = Counter::default();
        for part in std::mem::take(&mut self.parts) {
            if theirs.get(part.origin).is_some() || !their_known.contains(part.dot()) {
                merged.parts.push(part);
            }
        }
        for part in theirs.parts {
            match merged.place(part.origin) {
                Ok(place) => {
                    if let Some(mine) = merged.parts.get_mut(place) {
                        mine.merge(part);
                    }
                }
                Err(place) => {
                    if !my_known.contains(part.dot()) {
                        merged.parts.insert(place, part);
                    }
                }
            }
        }
        *self = merged;
    }

    /// Forgets parts of which nothing is left, once everybody has what took them away.
    pub(super) fn collect(&mut self, stable: &VersionVector, forgotten: &mut VersionVector) {
        self.parts.retain(|part| match part.base {
            Some(base) if !part.is_there() && stable.contains(base.by) => {
                forgotten.raise(part.origin, part.number);
                forgotten.raise(base.by.origin, base.by.number);
                false
            }
            _ => true,
        });
    }

    fn place(&self, origin: Origin) -> Result<usize, usize> {
        self.parts.binary_search_by_key(&origin, |part| part.origin)
    }
}
