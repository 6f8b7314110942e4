//! A hybrid logical clock's time: S. Kulkarni, M. Demirbas, D. Madeppa, B. Avva, M. Leone, "Logical Physical
//! Clocks", OPODIS 2014.

/// The greatest physical time that an event knows of, and a count of the events that share it.
///
/// Ordered by physical time first: `e happened before f` implies `HLC(e) < HLC(f)` (theorem 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime {
    /// The paper's l, in microseconds since 1970-01-01T00:00:00Z.
    pub physical_us: u64,
    /// The paper's c.
    pub logical: u32,
}
