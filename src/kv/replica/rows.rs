//! What the disk gets and what it gave back: rows.
//!
//! | table | key | value |
//! |---|---|---|
//! | 0 | `known` | what has been applied, the greatest stamp, and what has been forgotten |
//! | 0 | `view` | whether the view is only what this replica is told (1) or spreads (0); one that is configured spreads, whatever is here |
//! | 0 | `lost` | the record by which what is here was given up, to be dropped when the replica is started again; else nothing |
//! | 0 | `ready` | whether this replica has the data of the beginning (1), or was still joining (0) |
//! | 1 | a key of the store | its entry |
//! | 2 | a member's id, u16 | its record |
//!
//! All that a round has changed is one append, so the disk always holds a state that was: the entries and `known` agree.
//!
//! Few appends are under way at once, so that no driver's queue fills up and holds the loop. While the disk is busy, what
//! changes is gathered, key by key, and becomes one append as soon as there is room: so appends grow, and not their
//! number. Clients' writes are refused beyond a bound; others' writes are applied all the same, and what has to be
//! remembered of them is bounded by the number of keys.

use std::collections::VecDeque;

use super::{
    Replica,
    held::{Kind as HeldKind, Unkept},
};
use crate::{
    clock::VersionVector,
    kv::{
        config::DiskRule,
        members::Record,
        message::{read_members, write_members},
        operation::Key,
        request::{Answer, Deny},
    },
    service::{Effect, Effects, Row},
    units::{MachineId, Time},
    wire::{FieldError, Fields, write_varint},
};

/// The table of what concerns the whole.
pub(super) const TABLE_WHOLE: u8 = 0;

/// The table of entries.
const TABLE_ENTRIES: u8 = 1;

/// The table of members.
pub(super) const TABLE_MEMBERS: u8 = 2;

/// Most appends that the disk has been given and has not kept yet; beyond it changes are gathered. The disk takes all
/// that waits at once, so more would not make it faster.
const APPENDS_MAX: usize = 4;

/// Most bytes of rows of which the disk has been given more than it has kept: beyond it changes are gathered.
const GIVEN_BYTES_MAX: usize = 16 << 20;

/// Most bytes that the disk has been given or that are gathered for it; beyond it writes are answered that it is busy.
const UNKEPT_BYTES_MAX: usize = 2 * GIVEN_BYTES_MAX;

/// What a row weighs beside its bytes.
const ROW_OVERHEAD_BYTES: usize = 64;

/// What is between this replica and its disk.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// The last append that was given.
    given: u64,
    /// Bytes of the writes that changed them.
    gathered_bytes: usize,
    /// Since when there has been something to append.
    since: Option<Time>,
    /// No rows are made: there is no disk.
    has_no_rows: bool,
    /// Members whose records changed.
    members: Vec<MachineId>,
    /// Whether `known` or another part of the whole changed.
    is_whole_new: bool,
    /// Appends under way: number, what was known, bytes.
    under_way: VecDeque<(u64, VersionVector, usize)>,
    unkept_bytes: usize,
    /// The process ends.
    is_last: bool,
    trouble: Option<String>,
    /// A row of the disk that cannot be read.
    damage: Option<String>,
    was_told: Option<bool>,
    /// Whether this replica has the data of the beginning.
    has_joined: bool,
    /// Whether the disk has to be told so.
    is_joining_new: bool,
    /// The record by which what this replica has was given up.
    given_up: Option<Record>,
    /// Whether the disk has to be told so, or that there is none any more.
    is_given_up_new: bool,
}

impl Keeping {
    /// A key changes: which, the store notes.
    #[inline]
    pub(super) fn changed(&mut self, key: &[u8]) {
        self.is_whole_new = true;
        if !self.has_no_rows {
            self.gathered_bytes += ROW_OVERHEAD_BYTES + key.len();
        }
    }

    /// What changes has so many bytes.
    pub(super) fn gathers(&mut self, bytes: usize) {
        if !self.has_no_rows {
            self.gathered_bytes += bytes;
        }
    }

    /// No rows of entries are wanted: there is no disk.
    pub(super) fn without_rows(&mut self) {
        self.has_no_rows = true;
    }

    /// Since when there has been something to append: from now on, if that is new.
    pub(super) fn gather_since(&mut self, now: Time) -> Time {
        *self.since.get_or_insert(now)
    }

    /// Since when something gathers that could be appended.
    pub(super) fn gathering_since(&self) -> Option<Time> {
        self.since.filter(|_| self.has_room())
    }

    /// How many bytes have gathered.
    pub(super) fn gathered_bytes(&self) -> usize {
        self.gathered_bytes
    }

    /// The last append that was given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Whether the next append cannot be put off: the last one, or more than data.
    pub(super) fn is_urgent(&self) -> bool {
        self.is_last || self.is_joining_new || self.is_given_up_new || !self.members.is_empty()
    }

    /// The next append is the last: it has room.
    pub(super) fn end(&mut self) {
        self.is_last = true;
    }

    /// Whether the disk can be given a further append.
    fn has_room(&self) -> bool {
        self.is_last || (self.under_way.len() < APPENDS_MAX && self.unkept_bytes < GIVEN_BYTES_MAX)
    }

    /// A member's record has changed.
    pub(super) fn changed_member(&mut self, id: MachineId) {
        self.members.push(id);
    }

    /// What concerns the whole has changed.
    pub(super) fn changed_whole(&mut self) {
        self.is_whole_new = true;
    }

    /// The append that will hold what has changed by now; the last one, if nothing has.
    pub(super) fn next(&self) -> u64 {
        if self.is_new() { self.given + 1 } else { self.given }
    }

    /// Whether anything has changed that the disk has not kept yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.is_new() || !self.under_way.is_empty()
    }

    fn is_new(&self) -> bool {
        self.is_whole_new || !self.members.is_empty()
    }

    /// Why the disk takes nothing any more.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether the disk has too much to do.
    pub(super) fn is_full(&self) -> bool {
        self.unkept_bytes.saturating_add(self.gathered_bytes) > UNKEPT_BYTES_MAX
    }

    /// Whether the view was told to an earlier life.
    pub(super) fn was_told(&self) -> Option<bool> {
        self.was_told
    }

    /// Whether this replica has, or an earlier life had, the data of the beginning.
    pub(super) fn has_joined(&self) -> bool {
        self.has_joined
    }

    /// It has the data of the beginning now, or begins anew.
    pub(super) fn joined(&mut self, has_joined: bool) {
        if self.has_joined != has_joined {
            self.has_joined = has_joined;
            self.is_joining_new = true;
            self.is_whole_new = true;
        }
    }

    /// What this replica has was given up by this record: the life that begins next drops it.
    /// Says whether that is news.
    pub(super) fn give_up(&mut self, record: &Record) -> bool {
        let rank = |record: &Record| (record.version, record.incarnation);
        let is_new = self
            .given_up
            .as_ref()
            .is_none_or(|given_up| rank(given_up) < rank(record));
        if is_new {
            self.given_up = Some(record.clone());
            self.is_given_up_new = true;
            self.is_whole_new = true;
        }
        is_new
    }

    /// Whether what this replica has was given up.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// The record by which what an earlier life left was given up.
    pub(super) fn given_up(&self) -> Option<Record> {
        self.given_up.clone()
    }

    /// What was given up is dropped.
    pub(super) fn dropped(&mut self) {
        self.members.extend(self.given_up.take().map(|record| record.id));
        self.is_given_up_new = true;
        self.is_whole_new = true;
        self.joined(false);
    }

    /// What is wrong with what an earlier life left.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.clone()
    }

    /// The disk takes nothing any more.
    pub(super) fn fail(&mut self, why: String) {
        self.trouble.get_or_insert(why);
        self.under_way.clear();
        self.unkept_bytes = 0;
    }
}

impl Replica {
    /// A row of an earlier life.
    pub(super) fn restore(&mut self, row: Row) {
        let table = row.table;
        if let Err(error) = self.take_row(row) {
            self.keeping.damage.get_or_insert_with(|| {
                format!("a row of table {table} on the disk cannot be read: {error}; restore a backup, or begin with an empty folder")
            });
        }
    }

    fn take_row(&mut self, row: Row) -> Result<(), FieldError> {
        let value = row.value.unwrap_or_default();
        match (row.table, &*row.key) {
            (TABLE_WHOLE, b"known") => {
                let mut fields = Fields::new(&value);
                self.known = VersionVector::decode(&mut fields)?;
                self.store.restore_stamp(fields.varint("stamp")?);
                self.store.restore_forgotten(&VersionVector::decode(&mut fields)?);
                fields.end()
            }
            (TABLE_WHOLE, b"view") => {
                self.keeping.was_told = Some(value.first() == Some(&1));
                Ok(())
            }
            (TABLE_WHOLE, b"ready") => {
                self.keeping.has_joined = value.first() == Some(&1);
                Ok(())
            }
            (TABLE_WHOLE, b"lost") => {
                let mut fields = Fields::new(&value);
                self.keeping.given_up = read_members(&mut fields)?.pop();
                fields.end()
            }
            (TABLE_ENTRIES, _) => self.store.restore(&row.key, &value),
            (TABLE_MEMBERS, _) => {
                let mut fields = Fields::new(&value);
                for record in read_members(&mut fields)? {
                    self.members.restore(record);
                }
                fields.end()
            }
            // Of a later version that came and went.
            _ => Ok(()),
        }
    }

    /// Gives the disk what has changed since the last append, unless it has enough to do.
    pub(super) fn append(&mut self, effects: &mut Effects<Self>) {
        if !self.keeping.is_new() || !self.keeping.has_room() || !self.is_append_due() {
            return;
        }
        self.keeping.since = None;
        let mut members = std::mem::take(&mut self.keeping.members);
        self.keeping.is_whole_new = false;
        self.keeping.gathered_bytes = 0;
        if self.keeping.trouble.is_some() {
            // Nothing outlives the process any more.
            self.store.without_changes();
            return;
        }
        members.sort_unstable();
        members.dedup();
        let mut rows = Vec::with_capacity(self.store.changes() + members.len() + 3);
        rows.extend(self.whole_rows());
        if std::mem::take(&mut self.keeping.is_joining_new) {
            rows.push(whole_row(b"ready", vec![u8::from(self.keeping.has_joined)]));
        }
        if std::mem::take(&mut self.keeping.is_given_up_new) {
            rows.push(self.lost_row());
        }
        let mut bytes = 0;
        self.store.take_changes(|key, value| {
            bytes += ROW_OVERHEAD_BYTES + key.len() + value.as_ref().map_or(0, |value| value.len());
            rows.push(Row {
                table: TABLE_ENTRIES,
                key: key.into(),
                value,
            });
        });
        rows.extend(
            members
                .iter()
                .filter_map(|id| self.members.get(*id))
                .map(member_row),
        );
        self.keeping.given += 1;
        let number = self.keeping.given;
        self.keeping.unkept_bytes += bytes;
        let known = self.known.clone();
        self.keeping.under_way.push_back((number, known, bytes));
        self.watching.appending(number);
        effects.push(Effect::Append { number, rows });
    }

    /// The row of a key.
    pub(super) fn entry_row((key, entry): (Key, Box<[u8]>)) -> Row {
        Row {
            table: TABLE_ENTRIES,
            key,
            value: Some(entry),
        }
    }

    /// All rows before those of the entries, in their order.
    pub(super) fn rows_of_the_whole(&self) -> [Row; 3] {
        let [known, view] = self.whole_rows();
        let ready = whole_row(b"ready", vec![u8::from(self.keeping.has_joined)]);
        [known, ready, view]
    }

    fn lost_row(&self) -> Row {
        let mut value = Vec::new();
        write_members(self.keeping.given_up.as_slice(), &mut value);
        whole_row(b"lost", value)
    }

    /// All rows behind those of the entries, in their order.
    pub(super) fn member_rows(&self) -> Vec<Row> {
        self.members.records().map(member_row).collect()
    }

    fn whole_rows(&self) -> [Row; 2] {
        let mut value = Vec::new();
        self.known.encode(&mut value);
        write_varint(self.store.stamp(), &mut value);
        self.store.forgotten().encode(&mut value);
        let view = vec![u8::from(self.is_told())];
        [whole_row(b"known", value), whole_row(b"view", view)]
    }

    /// The disk has kept the appends up to a number.
    pub(super) fn appended(&mut self, through: u64, effects: &mut Effects<Self>) {
        if self.keeping.trouble.is_some() {
            return;
        }
        let mut is_new = false;
        while let Some((number, ..)) = self.keeping.under_way.front()
            && *number <= through
        {
            if let Some((_, known, bytes)) = self.keeping.under_way.pop_front() {
                self.keeping.unkept_bytes -= bytes;
                if self.config.disk == DiskRule::Waits {
                    self.kept = known;
                }
                is_new = true;
            }
        }
        if !is_new {
            return;
        }
        while let Some(kept) = self.held.next_kept(through) {
            self.kept_on_disk(kept, effects);
        }
        if self.watching.appended(through) {
            self.tell(effects);
        }
    }

    /// An answer may leave, as far as the disk is concerned.
    pub(super) fn kept_on_disk(&mut self, kept: Unkept, effects: &mut Effects<Self>) {
        match kept.then {
            Some(wish) => self.held.until_copied(kept.ticket, kept.reply, wish),
            None => self.reply(kept.ticket, kept.reply, effects),
        }
    }

    /// The disk has failed: writes that it had not kept are indefinite, and reads go on as far as they name what some
    /// disk has.
    pub(super) fn append_failed(&mut self, why: &str, effects: &mut Effects<Self>) {
        self.keeping.fail(why.to_owned());
        let kept = self.kept_somewhere();
        for mut unkept in self.held.take_unkept() {
            if unkept.kind == HeldKind::Write || !kept.covers(&unkept.reply.token) {
                let why = why.to_owned();
                unkept.reply.answer = Answer::Denied(Deny::Disk { why });
                self.counts.denied += 1;
            }
            self.reply(unkept.ticket, unkept.reply, effects);
        }
        if let Some(deny) = self.disk_trouble() {
            self.end_watches(&deny, effects);
        }
        self.watching.disk_gone();
    }

    /// Why an answer that names these writes cannot be given: this replica's disk has failed, and no other disk is known
    /// to have all of them. They may be gone with this process, and nobody could ever meet what was seen.
    pub(super) fn unkept(&self, named: impl FnOnce(&Self) -> VersionVector) -> Option<Deny> {
        let deny = self.disk_trouble()?;
        let is_kept = self.kept_somewhere().covers(&named(self));
        (!is_kept).then_some(deny)
    }

    /// What is told of a disk that has failed.
    pub(super) fn disk_trouble(&self) -> Option<Deny> {
        let why = self.keeping.trouble()?.to_owned();
        Some(Deny::Disk { why })
    }

    /// What is on this replica's disk or, as they have said, on a peer's.
    fn kept_somewhere(&self) -> VersionVector {
        let mut kept = self.kept.clone();
        for peer in self.peers.values() {
            kept.merge(&peer.report.kept);
        }
        kept
    }
}

fn whole_row(key: &[u8], value: Vec<u8>) -> Row {
    Row {
        table: TABLE_WHOLE,
        key: key.into(),
        value: Some(value.into()),
    }
}

/// Whose record as a member a row of the disk has, if it is such a row.
#[must_use]
pub fn member_of(row: &Row) -> Option<MachineId> {
    let id: [u8; 2] = row.key.as_ref().try_into().ok()?;
    (row.table == TABLE_MEMBERS).then(|| MachineId(u16::from_be_bytes(id)))
}

fn member_row(record: &Record) -> Row {
    let mut value = Vec::new();
    write_members(std::slice::from_ref(record), &mut value);
    Row {
        table: TABLE_MEMBERS,
        key: record.id.0.to_be_bytes().into(),
        value: Some(value.into()),
    }
}
