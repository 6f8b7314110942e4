//! A disk in virtual time: what is durable, what is under way, and what a kill leaves of that.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    dice::Stream,
    service::{Row, TABLES_MAX},
};

/// A table's number and a key of it, and the value.
type Table = BTreeMap<(u8, Box<[u8]>), Box<[u8]>>;

/// The disk of one machine. It outlives its processes.
#[derive(Debug, Default)]
pub(super) struct Disk {
    rows: Table,
    /// The number of the last life, which is durable before the life begins.
    pub(super) incarnation: Option<u32>,
    /// Given and not durable: numbers and rows.
    waiting: VecDeque<(u64, Vec<Row>)>,
    /// How many of them the sync that is under way takes.
    syncing: usize,
    /// Counts syncs that were begun, so that the end of one that a kill has cut off is not taken for another's.
    syncs: u64,
    /// The last number given in this life.
    last: u64,
    /// Takes nothing any more, for as long as so many faults say.
    full: u32,
    /// The process has been told: in its life nothing more becomes durable.
    is_told: bool,
    /// Syncs take so many times as long.
    slow: u64,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            slow: 1,
            ..Self::default()
        }
    }

    /// Takes a group. Says what is wrong with it, if something is.
    pub(super) fn append(&mut self, number: u64, rows: Vec<Row>) -> Result<(), String> {
        if number != self.last + 1 {
            return Err(format!("append {number} follows upon append {}", self.last));
        }
        self.last = number;
        let mut keys: Vec<(u8, &[u8])> = rows.iter().map(|row| (row.table, &*row.key)).collect();
        keys.sort_unstable();
        let twice = keys
            .iter()
            .zip(keys.iter().skip(1))
            .find(|(one, other)| one == other);
        if let Some((twice, _)) = twice {
            return Err(format!("append {number} has a key twice: {twice:?}"));
        }
        if let Some(row) = rows
            .iter()
            .find(|row| row.table >= TABLES_MAX || row.key.is_empty())
        {
            return Err(format!(
                "append {number} has a row that no disk takes: {} {:?}",
                row.table, row.key
            ));
        }
        self.waiting.push_back((number, rows));
        Ok(())
    }

    /// How many groups wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Begins a sync, if there is something to sync and none is under way. Returns its number and how many times as long
    /// it takes.
    pub(super) fn sync(&mut self) -> Option<(u64, u64)> {
        if self.syncing > 0 || self.waiting.is_empty() || self.full > 0 || self.is_told {
            return None;
        }
        self.syncing = self.waiting.len();
        self.syncs += 1;
        Some((self.syncs, self.slow))
    }

    /// A sync has ended. Returns through which number all is durable; `None` for one that was cut off, or failed. `kept`
    /// is told each group, here and below.
    pub(super) fn synced(&mut self, sync: u64, kept: &mut impl FnMut(&[Row])) -> Option<u64> {
        if sync != self.syncs || self.syncing == 0 || self.full > 0 {
            return None;
        }
        let count = std::mem::take(&mut self.syncing);
        self.keep(count, kept)
    }

    /// Everything is durable at once: there is no disk to wait for.
    pub(super) fn keep_all(&mut self, kept: &mut impl FnMut(&[Row])) -> Option<u64> {
        self.keep(self.waiting.len(), kept)
    }

    fn keep(&mut self, count: usize, kept: &mut impl FnMut(&[Row])) -> Option<u64> {
        let mut through = None;
        for (number, rows) in self.waiting.drain(..count) {
            through = Some(number);
            kept(&rows);
            for row in rows {
                match row.value {
                    Some(value) => self.rows.insert((row.table, row.key), value),
                    None => self.rows.remove(&(row.table, row.key)),
                };
            }
        }
        through
    }

    /// The process was killed: a beginning of what was under way is there. Returns how many groups are, and how many not.
    pub(super) fn tear(&mut self, dice: &mut Stream, kept: &mut impl FnMut(&[Row])) -> (u64, u64) {
        let waiting = self.waiting.len();
        let count = match self.full == 0 && !self.is_told {
            true => usize::try_from(dice.below(waiting as u64 + 1)).unwrap_or(0),
            false => 0,
        };
        self.keep(count, kept);
        self.forget();
        (count as u64, (waiting - count) as u64)
    }

    /// The process is gone, and with it what was given and is not durable.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        (self.syncing, self.last, self.is_told) = (0, 0, false);
    }

    /// All that was there is gone.
    pub(super) fn lose(&mut self) {
        self.rows.clear();
        self.incarnation = None;
        self.forget();
    }

    /// It takes nothing any more, or one reason less why it does not.
    pub(super) fn fill(&mut self, begins: Turn) {
        match begins {
            Turn::Begins => self.full += 1,
            Turn::Ends => self.full = self.full.saturating_sub(1),
        }
        self.syncing = 0;
    }

    /// Whether the process has to be told now that the disk takes nothing: once a life.
    pub(super) fn tell(&mut self) -> bool {
        let tells = self.full > 0 && !self.waiting.is_empty() && !self.is_told;
        self.is_told |= tells;
        tells
    }

    /// Syncs take so many times as long from now on.
    pub(super) fn slow(&mut self, times: u64) {
        self.slow = times.max(1);
    }

    /// All rows, table by table, key by key.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.rows.len());
        for ((table, key), value) in &self.rows {
            rows.push(Row {
                table: *table,
                key: key.clone(),
                value: Some(value.clone()),
            });
        }
        rows
    }
}

/// Whether something begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Begins,
    Ends,
}
