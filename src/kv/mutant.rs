//! Wrong replicas, for tests alone: what finds no fault with them would find none with a replica that has one.
//!
//! Outside of tests [`is`] is a constant, and what it guards is not there.

/// What a mutant does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// It applies writes as they come, whatever they depend on.
    NoCausalBuffer,
    /// It forgets what was deleted at once, whether or not the others have heard of it.
    NoTombstones,
    /// The write that arrives last wins, whatever its stamp.
    LastArrivalWins,
}

#[cfg(test)]
thread_local! {
    static MUTANT: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// From now on the replicas of this thread are such mutants, or none.
#[cfg(test)]
pub(crate) fn make(mutant: Option<Mutant>) {
    MUTANT.set(mutant);
}

/// Whether the replica is such a mutant.
#[cfg(test)]
pub(super) fn is(mutant: Mutant) -> bool {
    MUTANT.get() == Some(mutant)
}

/// Whether the replica is such a mutant: no.
#[cfg(not(test))]
#[inline]
pub(super) const fn is(_: Mutant) -> bool {
    false
}
