//! The two ends of a message, as the logs tell of them.

use std::sync::Arc;

use super::hybrid::HybridReceive;
use crate::{
    clock::HybridTime,
    trace::{Vector, WallTime},
};

/// One message of a send event, on its way to one recipient.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) line: u64,
    pub(super) clock: u64,
    pub(super) at: WallTime,
    /// The clock beside Lamport's, shared by the messages of one event.
    pub(super) other: Option<Arc<SentOther>>,
}

/// The clock of a send event beside Lamport's.
#[derive(Clone, Debug)]
pub(super) enum SentOther {
    Vector(Vector),
    /// And the time of the event's line.
    Hybrid(HybridTime, WallTime),
}

/// A receive event.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) line: u64,
    /// The clock that the message carried.
    pub(super) sent: u64,
    /// When it arrived, or was taken if the log does not say.
    pub(super) arrived: WallTime,
    /// The receiver's clock before the event.
    pub(super) before: u64,
    /// The receiver's clock after the event.
    pub(super) clock: u64,
    /// The clock beside Lamport's.
    pub(super) other: Option<Box<ReceivedOther>>,
}

/// The clock of a receive event beside Lamport's.
#[derive(Clone, Debug)]
pub(super) enum ReceivedOther {
    /// Before, where it is known, and after.
    Vector(Option<Vector>, Vector),
    Hybrid(HybridReceive),
}
