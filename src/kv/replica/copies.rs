//! How far the peers are with what this replica accepted, and the answers that wait for it.

use super::{Replica, held::Progress};
use crate::{
    kv::{members::Status, request::Copies},
    service::Effects,
    units::MachineId,
};

/// A peer that has been lacking something for so long will not have a new write soon: it has to be repaired first, and
/// nobody waits for that.
const GAP_US_AWAITED: u64 = 250_000;

impl Replica {
    /// Answers whose wish has come true.
    pub(super) fn answer_copied(&mut self, effects: &mut Effects<Self>) {
        if self.held.has_no_wishes() {
            return;
        }
        let progress = self.progress();
        for (ticket, reply) in self.held.take_copied(progress) {
            self.reply(ticket, reply, effects);
        }
    }

    /// Answers whose time is over.
    pub(super) fn answer_late(&mut self, effects: &mut Effects<Self>) {
        if self.held.deadline().is_none_or(|deadline| deadline > self.now) {
            return;
        }
        // What has come in the same round counts.
        self.answer_copied(effects);
        let kept = self.peers_kept();
        let majority = self.majority();
        let have = |copies: Copies, number: u64| {
            let peers = kept.iter().filter(|kept| **kept >= number).count();
            let want = match copies {
                Copies::One | Copies::Pushed => 1,
                Copies::Two => 2,
                Copies::Majority => majority,
            };
            (
                u32::try_from(peers + 1).unwrap_or(u32::MAX),
                u32::try_from(want).unwrap_or(u32::MAX),
            )
        };
        for (ticket, reply) in self.held.take_late(self.now, have) {
            self.reply(ticket, reply, effects);
        }
    }

    /// How many members are more than half of them.
    fn majority(&self) -> usize {
        self.members.present().count() / 2 + 1
    }

    /// How many of this replica's own writes each other member has on its disk, the most first.
    fn peers_kept(&self) -> Vec<u64> {
        let peers = self.peers.values().filter(|peer| self.members.has(peer.id));
        let mut kept: Vec<u64> = peers.map(|peer| peer.report.kept.get(self.origin)).collect();
        kept.sort_unstable_by(|a, b| b.cmp(a));
        kept
    }

    fn progress(&self) -> Progress {
        let kept = self.peers_kept();
        let me: MachineId = self.me();
        // One that drains serves nobody, and takes nothing more.
        let others = self.members.present();
        let others = others.filter(|record| record.id != me && record.status == Status::Present);
        let awaited = others
            .filter_map(|record| self.peers.get(&record.id))
            .filter(|peer| {
                let is_behind = peer.is_there() && peer.report.gap_us > GAP_US_AWAITED;
                !peer.is_suspected && !is_behind
            });
        let pushed = awaited.map(|peer| peer.report.known.get(self.origin)).min();
        let majority = match self.majority() {
            0 | 1 => Some(u64::MAX),
            count => kept.get(count - 2).copied(),
        };
        Progress {
            pushed: pushed.unwrap_or(u64::MAX),
            two: kept.first().copied().unwrap_or(0),
            majority: majority.unwrap_or(0),
        }
    }
}
