//! Frames that a fault holds back: each with the moment at which it goes on to its link.
//!
//! ```text
//!   sent ── ready ────── release          ready: the bandwidth lets it pass; release: its delay is over
//!            |              |
//!            +-- delay -----+            behind a partition that holds: parked until it is over
//! ```

use std::collections::BTreeMap;

use crate::units::{MachineId, Time};

/// Held-back bytes of one link at which the peer is too far behind: the link breaks, as at the limit of unsent bytes.
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// What keeping a frame costs beside its bytes.
const FRAME_COST: usize = 64;

/// A frame that is held back.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) to: MachineId,
    pub(super) bytes: Box<[u8]>,
    /// When the link's bandwidth lets it pass.
    pub(super) ready: Time,
    /// How long it is delayed then.
    pub(super) delay_us: u64,
    /// It stays behind what was sent to its peer before it.
    pub(super) is_ordered: bool,
}

/// Where a frame stands among all: its release, then the order in which frames were sent.
pub(super) type Key = (Time, u64);

/// The frames that a machine holds back.
#[derive(Debug, Default)]
pub(super) struct Held {
    frames: BTreeMap<Key, Frame>,
    sent: u64,
}

impl Frame {
    /// What it counts for against [`HELD_BYTES_MAX`].
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + FRAME_COST
    }
}

impl Held {
    /// Keeps a frame until `release`, behind all that are released at the same moment.
    pub(super) fn push(&mut self, release: Time, frame: Frame) {
        self.sent += 1;
        self.frames.insert((release, self.sent), frame);
    }

    /// Keeps a frame again that was taken out.
    pub(super) fn put_back(&mut self, key: Key, frame: Frame) {
        self.frames.insert(key, frame);
    }

    /// When the next frame is due.
    pub(super) fn first(&self) -> Option<Time> {
        self.frames.first_key_value().map(|((release, _), _)| *release)
    }

    /// Takes the next frame that is due by `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<(Key, Frame)> {
        let entry = self.frames.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove_entry())
    }

    /// Takes out all frames to a peer, in the order of their release.
    pub(super) fn take(&mut self, peer: MachineId) -> Vec<(Key, Frame)> {
        let keys: Vec<Key> = self
            .frames
            .iter()
            .filter_map(|(key, frame)| (frame.to == peer).then_some(*key))
            .collect();
        keys.into_iter()
            .filter_map(|key| self.frames.remove_entry(&key))
            .collect()
    }
}
