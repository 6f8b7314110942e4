//! The names of the rules that hold for every log, whatever the system.

/// Every line can be read, and names machines of the run.
pub(super) const FORMAT: &str = "format";
/// Every machine's log is there.
pub(super) const COMPLETE: &str = "complete";
/// Time never goes back, and begins at `started`.
pub(super) const TIME: &str = "time";
/// `tick` counts from 1 without a gap.
pub(super) const TICK: &str = "tick";
/// An event that is no receive steps by 1; a receive sets `C := max(C, T) + 1`.
pub(super) const CLOCK: &str = "clock rule";
/// A message carries the clock of its send event.
pub(super) const STAMP: &str = "stamp";
/// `C(send) < C(receive)`.
pub(super) const CONDITION: &str = "clock condition";
/// Along a channel messages arrive once, in the order sent, none from nowhere; but for what the send line says that an
/// injected fault did: lost, sent twice, taken out of the order.
pub(super) const ORDER: &str = "channel order";
/// Sent − lost + duplicated = received + waiting, from the last time on that the link came up.
pub(super) const CONSERVATION: &str = "conservation";
/// The footer is the last line, or of a replica's log the last of a life, and counts what the log holds.
pub(super) const FOOTER: &str = "footer";
/// Lives of a machine count 2, 3, …, nobody's link leads back to an earlier one, or to one that never was, and what is sent
/// to one life is received by no other.
pub(super) const INCARNATION: &str = "incarnation";
/// Links go down when they are up, and up when they are down; messages are dropped where they are down, and only there;
/// goodbye is heard where they are up.
pub(super) const LINKS: &str = "links";
/// Faults begin once in a life, those end that began, a killed process says nothing more, and what befalls a message is the
/// work of one that is on its link.
pub(super) const FAULTS: &str = "faults";
/// Own entry by 1, receives by entrywise maximum, nobody ahead of the owner.
pub(super) const VECTOR: &str = "vector clock";
/// Figure 5 of the paper, with equality.
pub(super) const HYBRID: &str = "hybrid rule";
/// `(l, c)` of a send is less than that of its receive.
pub(super) const HYBRID_ORDER: &str = "hybrid order";
/// l is not behind the physical clock, nor further ahead than clocks differ.
pub(super) const HYBRID_BOUND: &str = "hybrid bound";

/// All of them, in the order of reports.
pub(super) const RULES: [&str; 17] = [
    FORMAT,
    COMPLETE,
    TIME,
    TICK,
    CLOCK,
    STAMP,
    CONDITION,
    ORDER,
    CONSERVATION,
    FOOTER,
    INCARNATION,
    LINKS,
    FAULTS,
    VECTOR,
    HYBRID,
    HYBRID_ORDER,
    HYBRID_BOUND,
];
