//! What a session's token has to hold: everything that it has seen.
//!
//! An entry of a life that goes on is never left out, whoever has it by now: who supersedes what a session has seen,
//! and who is served, is told by the token alone, and one that every member has today is lacked tomorrow by a member
//! that lost its disk. Lives that have ended gather over the years, though, and a token has to stay small:
//!
//! - with more than [`TOKEN_ENTRIES_MAX`] entries, those of ended lives that are stable are left out, oldest first;
//! - if its bytes are still too many for a token's text, so are those of ended lives that are here. A token that is
//!   refused would be worth nothing. What is given up: a replica that lacks such a write serves the session
//!   all the same, and a value of such a life is not superseded by what the session puts beside it.

use super::Replica;
use crate::{
    clock::{Origin, VersionVector},
    kv::{members::Status, request::Token, token::TOKEN_BYTES_MAX},
};

/// A token with so many entries is left as it is: it has 1,280 bytes at most.
const TOKEN_ENTRIES_MAX: usize = 64;

/// Bytes of an entry of a token, at most: a machine (3), its incarnation (5), a number (10), and what a longer count
/// of entries takes.
const ENTRY_BYTES_MAX: usize = 20;

impl Replica {
    /// Leaves out of a token what it need not hold, if it has grown large.
    pub(super) fn trim(&self, token: &mut Token) {
        let excess = token.len().saturating_sub(TOKEN_ENTRIES_MAX);
        if excess == 0 {
            return;
        }
        self.leave_out(token, &self.stable, excess);
        if token.len() * ENTRY_BYTES_MAX <= TOKEN_BYTES_MAX {
            return;
        }
        let mut body = Vec::new();
        token.encode(&mut body);
        if body.len() > TOKEN_BYTES_MAX {
            let excess = token.len() - TOKEN_BYTES_MAX / ENTRY_BYTES_MAX;
            self.leave_out(token, &self.known, excess);
        }
    }

    /// Leaves out so many entries of ended lives, oldest first, as far as they are covered.
    fn leave_out(&self, token: &mut Token, covered: &VersionVector, most: usize) {
        let ended = token
            .iter()
            .filter(|(origin, number)| *number <= covered.get(*origin) && self.has_ended(*origin));
        let mut ended: Vec<Origin> = ended.map(|(origin, _)| origin).collect();
        ended.sort_unstable_by_key(|origin| (origin.incarnation, origin.machine));
        ended.truncate(most);
        ended.sort_unstable();
        token.retain(|origin, _| ended.binary_search(&origin).is_err());
    }

    /// Whether a life is known to have ended: it was removed by decision, or its machine is in a later one.
    pub(super) fn has_ended(&self, origin: Origin) -> bool {
        let Origin { machine, incarnation } = origin;
        if machine == self.me() {
            return incarnation < self.origin.incarnation;
        }
        let Some(record) = self.members.get(machine) else {
            return false;
        };
        match record.status {
            // Of members that are told no life is noted: who is told that one is none any more means all of them.
            Status::Removed | Status::Left | Status::Lost => {
                self.is_told() || incarnation <= record.incarnation
            }
            Status::Present | Status::Draining => {
                let life = self.peers.get(&machine).map_or(0, |peer| peer.life);
                incarnation < life.max(record.incarnation)
            }
        }
    }
}

/// What the entries of a token take in memory, in bytes: those of a thousand lives are some kilobytes.
pub(super) fn weight(token: &Token) -> usize {
    token.len() * size_of::<(Origin, u64)>()
}
