//! How a member stands, to the replica that is asked.

/// How a member stands with the answering replica. A decision removes a member; silence only makes it suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The answering replica itself.
    Myself,
    /// Its heartbeats come.
    Alive,
    /// Its heartbeats are late: it gets no pushes and is not in the reported view.
    Suspected,
    /// It hands over and leaves.
    Draining,
    /// It was removed by decision; what only it has may come back with it.
    Removed,
    /// It handed over what it had, and left.
    Left,
    /// It was given up with all that it had.
    Lost,
}

impl Standing {
    /// Whether it takes part.
    #[must_use]
    pub fn is_member(self) -> bool {
        !matches!(self, Self::Removed | Self::Left | Self::Lost)
    }
}
