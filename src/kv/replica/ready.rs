//! When a replica serves clients.
//!
//! ```text
//!   Alone --told that it is a member--> Joining --has the data of the beginning--> Ready --drained--> Draining
//!     ^------------------------------------- removed ---------------------------------------'
//! ```
//!
//! One that has its disk is ready at once: it is behind at most, which tokens tell. One that begins with nothing would
//! answer that nothing is there, and so would one that ended before it had the data, whatever new writes it has (the
//! disk says whether it ever had); so it is `Joining` until one of these holds:
//!
//! - it is the only member;
//! - of the members that are there some are ready, and it has everything that each of them had when they met;
//! - all other members are there and none of them is ready: a cold start, nobody has anything;
//! - nobody who is there is ready, and [`JOIN_US_MAX`] has passed: whoever may have something cannot be reached, and a
//!   replica serves those that can reach it.
//!
//! In the last case others may have deleted, and forgotten, what it has never heard of, and may not have counted it as one
//! who had to know. So its stamps leap ahead ([`ALONE_STAMPS`]): what it accepts alone ranks above all that was written
//! before they meet, whether or not a replica still remembers that. Only above what is stamped without such a leap: of two
//! sides that both began alone neither ranks above the other. So one that was in the view of the others and is removed is
//! counted, though nobody has met it (`letting_go`); and one that was added by a decision, and removed unmet, is lost: what
//! it has is dropped. One case is left open: a newcomer that is in nobody's view, and begins alone in the same second as
//! others who do.

use super::Replica;
use crate::{service::Effects, units::Time};

/// How long a new replica waits for a member that is ready, if not all members can be reached.
pub const JOIN_US_MAX: u64 = 1_500_000;

/// How far the stamps of one that serves without having met anybody who is ready leap ahead: as if it had been started
/// 2 to this, less 20, seconds (12 days) later.
const ALONE_STAMPS: u64 = 1 << 40;

/// Whether clients are served, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is no member of anything.
    Alone,
    /// It is new.
    Joining {
        /// If nobody who is ready has been met by then, it is alone.
        until: Time,
    },
    /// It serves.
    Ready,
    /// It hands over and leaves.
    Draining,
}

impl Replica {
    /// Whether clients are served.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// It has become a member: it serves once it has the data.
    pub(super) fn join(&mut self) {
        self.keeping.joined(false);
        self.phase = Phase::Joining {
            until: Time(self.now.0.saturating_add(JOIN_US_MAX)),
        };
        for peer in self.peers.values_mut() {
            peer.is_known = false;
        }
    }

    /// It is a newcomer in what it has, though it served: no more, until it has the data.
    pub(super) fn join_again(&mut self) {
        if self.phase == Phase::Ready {
            self.keeping.joined(false);
            self.phase = Phase::Joining {
                until: Time(self.now.0.saturating_add(JOIN_US_MAX)),
            };
        }
    }

    /// Whether it has the data by now.
    pub(super) fn look_whether_ready(&mut self, effects: &mut Effects<Self>) {
        let Phase::Joining { until } = self.phase else {
            return;
        };
        let me = self.me();
        let others = self.members.present().filter(|record| record.id != me);
        let mut are_all_there = true;
        let mut is_one_ready = false;
        let mut is_missing = false;
        for record in others {
            match self.peers.get(&record.id) {
                Some(peer) if peer.is_ready() => {
                    is_one_ready = true;
                    is_missing |= peer
                        .target
                        .as_ref()
                        .is_some_and(|target| !self.known.covers(target));
                }
                Some(peer) if peer.is_there() => {}
                _ => are_all_there = false,
            }
        }
        let is_ready = match is_one_ready {
            true => !is_missing,
            false => are_all_there || self.now >= until,
        };
        if is_ready {
            if !is_one_ready && !are_all_there {
                let stamp = self.store.stamp().saturating_add(ALONE_STAMPS);
                self.store.raise_stamp(stamp);
            }
            self.phase = Phase::Ready;
            self.keeping.joined(true);
            self.waiting.ready();
            // Others may wait for one that is ready.
            self.heartbeat(effects);
        }
    }
}
