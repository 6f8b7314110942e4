//! What simulated clients did, in numbers.

use std::fmt;

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub asked: u64,
    /// Answered as asked.
    pub answered: u64,
    /// Denied for what the replica does not have yet.
    pub unmet: u64,
    /// Denied otherwise, or nobody listened.
    pub denied: u64,
    /// Nobody knows what became of them.
    pub unknown: u64,
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Of those the ones that were on lost disks alone.
    pub destroyed: u64,
    /// Dots that were let go because nobody has them.
    pub released: u64,
    /// Changes that watches were told.
    pub told: u64,
    /// Changes of the members that were made.
    pub changes: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Counts) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.unmet += other.unmet;
        self.denied += other.denied;
        self.unknown += other.unknown;
        self.writes += other.writes;
        self.destroyed += other.destroyed;
        self.released += other.released;
        self.told += other.told;
        self.changes += other.changes;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests, {} answered ({} writes), {} had to go elsewhere for what was missing, {} denied, {} without an answer; \
             {} writes were destroyed with their disks, {} let go; {} changes told to watches; {} of the members",
            self.asked,
            self.answered,
            self.writes,
            self.unmet,
            self.denied,
            self.unknown,
            self.destroyed,
            self.released,
            self.told,
            self.changes
        )
    }
}
