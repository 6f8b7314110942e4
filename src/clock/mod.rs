//! Logical clocks as plain values: tick, merge, compare.
//!
//! No messages, no machines, no time of their own. A timestamp carries its kind, so that one wire format and one log
//! serve every clock. Every run has Lamport's clock, which names events; vector and hybrid clocks come beside it.

mod hybrid;
mod lamport;
mod timestamp;
mod vector;
mod vector_stamp;
mod version;

use std::{fmt, str::FromStr};

pub use hybrid::{HybridClock, HybridTime};
pub use lamport::Lamport;
pub use timestamp::Timestamp;
pub use vector::{VectorClock, VectorLinks, causal_order};
pub use vector_stamp::VectorStamp;
pub use version::{Dot, Origin, VersionError, VersionVector};

/// Which logical clock a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockKind {
    /// Lamport 1978: one number.
    Lamport,
    /// Fidge and Mattern, 1988 and 1989: a number a machine. Tells concurrent events apart from ordered ones.
    Vector,
    /// Kulkarni et al., 2014: physical time and a count. Close to the time of day, and never against causality.
    Hybrid,
}

impl ClockKind {
    /// Every kind, in the order of its code.
    pub const ALL: &'static [ClockKind] = &[ClockKind::Lamport, ClockKind::Vector, ClockKind::Hybrid];

    /// The code on the wire (protocol.md, section 6).
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            ClockKind::Lamport => 1,
            ClockKind::Vector => 2,
            ClockKind::Hybrid => 3,
        }
    }

    /// The name in options, logs and protocol.md.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ClockKind::Lamport => "lamport",
            ClockKind::Vector => "vector",
            ClockKind::Hybrid => "hybrid",
        }
    }
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ClockKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || {
            ClockKind::ALL
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
                .join(", ")
        };
        ClockKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("`{text}` is no clock; there are: {}", known()))
    }
}
