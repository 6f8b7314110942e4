//! A set in which additions win: an element is there as long as an addition of it is that no removal has seen
//! (observed-remove set; Shapiro and others 2011, without tombstones an element as in Bieniusa and others 2012).
//!
//! Beside the elements it remembers the removals, one an origin: what somebody who reads the set depends on, and what
//! tells the set before a removal from the set after it by its mark. So they stay as long as there are elements.

use std::collections::BTreeMap;

use crate::{
    clock::{Dot, VersionVector},
    kv::operation::Value,
};

/// Elements, and removals that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Of each element the last addition of each origin; never none.
    pub(super) elements: BTreeMap<Value, VersionVector>,
    /// The last removal of each origin.
    pub(super) removals: VersionVector,
}

impl Set {
    /// Whether it has neither elements nor a memory.
    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.removals.is_empty()
    }

    pub(super) fn insert(&mut self, element: Value, dot: Dot) {
        self.elements
            .entry(element)
            .or_default()
            .raise(dot.origin, dot.number);
    }

    /// Takes out the additions of these elements that were seen.
    pub(super) fn remove(&mut self, elements: &[Value], seen: &VersionVector, by: Dot) {
        for element in elements {
            if let Some(dots) = self.elements.get_mut(element) {
                retain_unseen(dots, seen);
                if dots.is_empty() {
                    self.elements.remove(element);
                }
            }
        }
        self.removals.raise(by.origin, by.number);
    }

    /// Takes out all additions that were seen, and the memory of removals that were.
    pub(super) fn clear(&mut self, seen: &VersionVector) {
        self.elements.retain(|_, dots| {
            retain_unseen(dots, seen);
            !dots.is_empty()
        });
        retain_unseen(&mut self.removals, seen);
    }

    /// Keeps a dot that both have, and one of either that the other has not heard of.
    pub(super) fn merge(&mut self, my_known: &VersionVector, mut theirs: Set, their_known: &VersionVector) {
        self.elements.retain(|element, dots| {
            let others = theirs.elements.remove(element).unwrap_or_default();
            merge_dots(dots, my_known, &others, their_known);
            !dots.is_empty()
        });
        for (element, mut dots) in theirs.elements {
            retain_unseen(&mut dots, my_known);
            if !dots.is_empty() {
                self.elements.insert(element, dots);
            }
        }
        merge_dots(&mut self.removals, my_known, &theirs.removals, their_known);
    }

    /// Forgets the removals of a set without elements, once everybody has them.
    pub(super) fn collect(&mut self, stable: &VersionVector, forgotten: &mut VersionVector) {
        if self.elements.is_empty() && stable.covers(&self.removals) {
            forgotten.merge(&std::mem::take(&mut self.removals));
        }
    }

    /// All dots that it has, each handed to `take`.
    pub(super) fn each_dot(&self, mut take: impl FnMut(Dot)) {
        for dots in self.elements.values().chain([&self.removals]) {
            for (origin, number) in dots.iter() {
                take(Dot::new(origin, number));
            }
        }
    }

    /// The dots of what is there, for each origin the greatest.
    pub(super) fn mark(&self) -> VersionVector {
        let mut mark = VersionVector::new();
        self.each_dot(|dot| {
            mark.raise(dot.origin, dot.number);
        });
        mark
    }
}

fn retain_unseen(dots: &mut VersionVector, seen: &VersionVector) {
    dots.retain(|origin, number| number > seen.get(origin));
}

fn merge_dots(
    mine: &mut VersionVector,
    my_known: &VersionVector,
    theirs: &VersionVector,
    their_known: &VersionVector,
) {
    mine.retain(|origin, number| number == theirs.get(origin) || number > their_known.get(origin));
    for (origin, number) in theirs.iter() {
        if number > my_known.get(origin) {
            mine.raise(origin, number);
        }
    }
}
