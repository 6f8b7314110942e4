//! A copy of everything for a client, while the replica goes on serving: the rows that its disk would have at one moment,
//! part by part, each asked for when the one before has come.
//!
//! The moment is that of the first request; its answer leaves once all that is in the copy is on this replica's disk.
//! What changes later is kept as it was until its turn has come (`snapshot`). Whoever asks for no further part for
//! [`SILENT_US_MAX`] has given up; and a copy is given up when too much changes meanwhile, or when the state becomes
//! another by a transfer.

use std::collections::{BTreeMap, VecDeque};

use super::{Replica, snapshot::Snapshot};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        request::{Answer, BackupPart, Deny, Reply, Token},
        store::Store,
    },
    service::{Effects, Row, Ticket},
    units::Time,
};

/// Bytes of a part, but for the last and, where the rows of few keys follow, some others.
pub(super) const PART_BYTES: usize = 256 << 10;

/// Most copies at once.
const BACKUPS_MAX: usize = 2;

/// Who has asked for nothing for so long has given up.
const SILENT_US_MAX: u64 = 30_000_000;

/// One that is under way.
#[derive(Debug)]
struct Backup {
    /// Whose it is: by which connection it was begun.
    seat: u64,
    snapshot: Snapshot,
    /// Rows behind the entries.
    tail: Vec<Row>,
    /// Parts that are ready.
    ready: VecDeque<BackupPart>,
    heard: Time,
}

/// All that are under way.
#[derive(Debug, Default)]
pub(super) struct Backups {
    /// By the number of the ticket with which it was begun. That is never 0, and another's on a connection that has the same
    /// seat later: nobody takes parts out of a copy that is not its own.
    under_way: BTreeMap<u64, Backup>,
}

impl Backups {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// A key is about to change.
    pub(super) fn preserve(&mut self, store: &Store, key: &[u8]) {
        self.under_way
            .retain(|_, backup| backup.snapshot.preserve(store, key));
    }

    /// None goes on: the state has become another.
    pub(super) fn forget_all(&mut self) {
        self.under_way.clear();
    }

    /// Forgets those that nobody asks for any more.
    pub(super) fn forget_silent(&mut self, now: Time) {
        self.under_way
            .retain(|_, backup| now.0.saturating_sub(backup.heard.0) <= SILENT_US_MAX);
    }
}

impl Backup {
    /// The next part; reads on where none is ready.
    fn next(&mut self, store: &Store) -> BackupPart {
        if self.ready.is_empty() && !self.snapshot.is_read() {
            let entries = self.snapshot.read(store, PART_BYTES);
            let mut rows: Vec<Row> = entries.into_iter().map(Replica::entry_row).collect();
            if self.snapshot.is_read() {
                rows.append(&mut self.tail);
            }
            self.ready.extend(lay_out(&rows));
        }
        let part = self.ready.pop_front().unwrap_or_default();
        BackupPart {
            is_last: self.snapshot.is_read() && self.ready.is_empty(),
            ..part
        }
    }
}

/// Makes parts of rows: each full, but for the last.
pub(super) fn lay_out(rows: &[Row]) -> VecDeque<BackupPart> {
    let (mut parts, mut part, mut bytes) = (VecDeque::new(), BackupPart::default(), Vec::new());
    for row in rows {
        row.lay_out(&mut bytes);
        part.rows += 1;
        // A row may be longer than a frame: parts are cut anywhere. What begins at the cut begins in the next part.
        while bytes.len() >= PART_BYTES {
            let rest = bytes.split_off(PART_BYTES);
            part.bytes = std::mem::replace(&mut bytes, rest).into();
            parts.push_back(std::mem::take(&mut part));
        }
    }
    if !bytes.is_empty() {
        part.bytes = bytes.into();
        parts.push_back(part);
    }
    parts
}

impl Replica {
    /// Begins a copy, and answers with its first part.
    pub(super) fn begin_backup(
        &mut self,
        ticket: Ticket,
        mut token: Token,
        released: Vec<Dot>,
        effects: &mut Effects<Self>,
    ) {
        if self.transfers.backups.under_way.len() >= BACKUPS_MAX {
            return self.deny(ticket, token, released, Deny::Busy, effects);
        }
        let mut backup = Backup {
            seat: ticket.seat(),
            snapshot: Snapshot::new(VersionVector::new()),
            tail: self.member_rows(),
            ready: lay_out(&self.rows_of_the_whole()),
            heard: self.now,
        };
        let part = backup.next(&self.store);
        let number = ticket.0;
        self.transfers.backups.under_way.insert(number, backup);
        token.merge(&self.known);
        self.trim(&mut token);
        let answer = Answer::Backup(BackupPart { number, ..part });
        self.answer_read(ticket, token, released, answer, effects);
    }

    /// Answers with the next part of a copy.
    pub(super) fn continue_backup(
        &mut self,
        ticket: Ticket,
        token: Token,
        number: u64,
        effects: &mut Effects<Self>,
    ) {
        let backups = &mut self.transfers.backups;
        let backup = backups.under_way.get_mut(&number);
        let Some(backup) = backup.filter(|backup| backup.seat == ticket.seat()) else {
            let what = format!(
                "this connection has no backup {number} under way here: it was given up, because nobody asked for the next part for \
                 long, too much was written meanwhile, or the replica took over another's state; begin a new one"
            );
            return self.deny(ticket, token, Vec::new(), Deny::Malformed { what }, effects);
        };
        backup.heard = self.now;
        let part = backup.next(&self.store);
        if part.is_last {
            backups.under_way.remove(&number);
        }
        let reply = Reply {
            token,
            released: Vec::new(),
            answer: Answer::Backup(BackupPart { number, ..part }),
        };
        self.reply(ticket, reply, effects);
    }
}
