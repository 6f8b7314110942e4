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
    /// One that drains leaves before those who stay have what it had.
    LeavesAtOnce,
    /// When a member goes it drops what it knows of lives that have ended, as if that were nobody's any more.
    EndedLivesDropped,
    /// It forgets what was deleted though one that was removed may come back without having heard of it.
    AbsentOverlooked,
    /// It forgets nothing as long as somebody is removed.
    AbsentHoldsAll,
    /// It takes one back that was given up as lost, with all that it has, and goes on as one that was not.
    LostTakenBack,
    /// It lets a write go as soon as it has not got it and its life has ended.
    LetsGoAtOnce,
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
