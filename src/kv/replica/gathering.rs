//! When the disk is given what has changed: at once where somebody waits for it, else a little later.
//!
//! An append costs processor time and an fsync, however little it holds. Of others' writes mostly nobody waits to hear that
//! they are on this disk. So what changed gathers for some milliseconds, in which a key that is written again costs
//! nothing more. Who asks for what is not kept yet ends the gathering, and waits as long as it takes to append.
//!
//! A disk that is written behind, or none, keeps nobody waiting ([`DiskRule`]): what is applied counts as kept.

use super::Replica;
use crate::{
    kv::{config::DiskRule, message::Wants},
    service::Effects,
    units::Time,
};

/// How long changes gather that nobody waits for: long enough that the fsyncs of many replicas on one disk do not delay
/// those that somebody waits for.
const GATHER_US: u64 = 20_000;

/// How long changes gather where the disk is written behind: what killing the process may lose, beside what a disk that
/// cannot keep up has not taken.
const BEHIND_US: u64 = 100_000;

/// So many bytes of changes are not gathered further.
const GATHER_BYTES_MAX: usize = 4 << 20;

impl Replica {
    /// Whether what has changed goes to the disk now.
    pub(super) fn is_append_due(&mut self) -> bool {
        let since = self.keeping.gather_since(self.now);
        let is_awaited = match self.config.disk {
            DiskRule::Waits => {
                let mut peers = self.peers.values();
                self.held.waits_behind(self.keeping.given())
                    || peers.any(|peer| peer.is_up() && peer.owes == Wants::Kept)
            }
            DiskRule::Behind | DiskRule::Nowhere => false,
        };
        is_awaited
            || self.keeping.is_urgent()
            || self.keeping.gathered_bytes() >= GATHER_BYTES_MAX
            || !self.watching.watchers.is_empty()
            || self.now.0.saturating_sub(since.0) >= self.gather_us()
    }

    fn gather_us(&self) -> u64 {
        match self.config.disk {
            DiskRule::Waits => GATHER_US,
            DiskRule::Behind | DiskRule::Nowhere => BEHIND_US,
        }
    }

    /// When what has gathered goes to the disk at the latest.
    pub(super) fn append_deadline(&self) -> Option<Time> {
        let since = self.keeping.gathering_since()?;
        Some(Time(since.0.saturating_add(self.gather_us())))
    }

    /// Where nobody waits for the disk, what is applied counts as kept, and answers leave.
    pub(super) fn keep_at_once(&mut self, effects: &mut Effects<Self>) {
        match self.config.disk {
            DiskRule::Waits => return,
            DiskRule::Behind | DiskRule::Nowhere if self.keeping.trouble().is_some() => return,
            DiskRule::Behind | DiskRule::Nowhere => {}
        }
        if self.kept != self.known {
            self.kept.clone_from(&self.known);
        }
        let through = self.keeping.next();
        while let Some(kept) = self.held.next_kept(through) {
            self.kept_on_disk(kept, effects);
        }
    }
}
