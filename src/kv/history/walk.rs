//! A walk over all operations in causal order, with vectors: of each session how far it is known.

use super::{
    History, HistoryError, Id, NONE, VECTOR_BYTES_MAX,
    graph::Graph,
    sources::Source,
    table::{Table, small},
};

/// Rows of equal width in one piece of memory; given back ones are used again.
#[derive(Debug)]
struct Rows {
    width: usize,
    cells: Vec<u32>,
    free: Vec<u32>,
}

/// The walk.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    history: &'a History,
    graph: &'a Graph,
    /// Rows of sessions that have begun and go on: how far each is; and of writes that are still to be read.
    rows: Rows,
    /// Per session its row.
    place: Table<u32>,
    /// Per session how many operations are still to come.
    coming: Table<u32>,
    /// Whether the rows of sessions are kept when they end.
    keeps_ends: bool,
    /// Per write its row, if it is held.
    slot: Table<u32>,
    /// Per write how often it is still to be read.
    left: Table<u32>,
}

impl Rows {
    fn new(width: usize) -> Self {
        Self {
            width,
            cells: Vec::new(),
            free: Vec::new(),
        }
    }

    fn row(&self, row: u32) -> &[u32] {
        let start = row as usize * self.width;
        self.cells.get(start..start + self.width).unwrap_or_default()
    }

    fn row_mut(&mut self, row: u32) -> &mut [u32] {
        let start = row as usize * self.width;
        self.cells.get_mut(start..start + self.width).unwrap_or_default()
    }

    /// A row of zeros; `None` at the limit.
    fn zeroed(&mut self) -> Option<u32> {
        if let Some(row) = self.free.pop() {
            self.row_mut(row).fill(0);
            return Some(row);
        }
        if (self.cells.len() + self.width) * size_of::<u32>() > VECTOR_BYTES_MAX {
            return None;
        }
        let row = self.cells.len().checked_div(self.width).unwrap_or(0);
        self.cells.resize(self.cells.len() + self.width, 0);
        Some(small(row))
    }

    /// Raises the cells of one row to those of another.
    fn join(&mut self, row: u32, other: u32) {
        let (start, from) = (row as usize * self.width, other as usize * self.width);
        let (first, second) = self
            .cells
            .split_at_mut_checked(start.max(from))
            .unwrap_or_default();
        let (low, high) = (first.get_mut(start.min(from)..), second);
        let (into, from) = match (low, start < from) {
            (Some(low), true) => (low, high),
            (Some(low), false) => (high, low),
            (None, _) => return,
        };
        for (cell, other) in into.iter_mut().zip(from.iter()).take(self.width) {
            *cell = (*cell).max(*other);
        }
    }
}

impl<'a> Walk<'a> {
    /// `pinned` says whose rows are kept to the end, by key.
    pub(super) fn new(history: &'a History, graph: &'a Graph, pinned: &Table<bool>) -> Self {
        let mut left = Table::new(0, history.operations.len());
        for (id, operation) in history.operations.iter() {
            *left.at(id) = small(graph.readers.get(id).len());
            if operation.is_write() && pinned.get(operation.key) {
                *left.at(id) += 1;
            }
        }
        let mut coming = Table::new(0, history.sessions.len());
        for session in coming.ids() {
            *coming.at(session) = small(graph.members.get(session).len());
        }
        Self {
            history,
            graph,
            rows: Rows::new(history.sessions.len()),
            place: Table::new(NONE, history.sessions.len()),
            coming,
            keeps_ends: false,
            slot: Table::new(NONE, history.operations.len()),
            left,
        }
    }

    /// The same, and the rows of sessions are kept when they end.
    pub(super) fn to_the_ends(history: &'a History, graph: &'a Graph) -> Self {
        let mut walk = Self::new(history, graph, &Table::new(false, history.keys.len()));
        walk.keeps_ends = true;
        walk
    }

    /// Takes the next operation of the order.
    pub(super) fn enter(&mut self, id: Id) -> Result<(), HistoryError> {
        let operation = self.history.operations.get(id);
        let too_large = HistoryError::TooLarge {
            sessions: self.history.sessions.len(),
        };
        if self.place.get(operation.session) == NONE {
            let Some(row) = self.rows.zeroed() else {
                return Err(too_large);
            };
            *self.place.at(operation.session) = row;
        }
        let row = self.place.get(operation.session);
        if let Source::Write(write) = self.graph.sources.get(id)
            && self.slot.get(write) != NONE
        {
            self.rows.join(row, self.slot.get(write));
        }
        let place = self.graph.position.get(id);
        if place > 0
            && let Some(own) = self.rows.row_mut(row).get_mut(operation.session as usize)
        {
            *own = place;
        }
        if operation.is_write() && self.left.get(id) > 0 {
            let Some(kept) = self.rows.zeroed() else {
                return Err(too_large);
            };
            self.rows.join(kept, row);
            *self.slot.at(id) = kept;
        }
        Ok(())
    }

    /// The operation that was entered last is judged.
    pub(super) fn leave(&mut self, id: Id) {
        let session = self.history.operations.get(id).session;
        let coming = self.coming.at(session);
        *coming = coming.saturating_sub(1);
        if *coming == 0 && !self.keeps_ends && self.place.get(session) != NONE {
            self.rows
                .free
                .push(std::mem::replace(self.place.at(session), NONE));
        }
        let Source::Write(write) = self.graph.sources.get(id) else {
            return;
        };
        let left = self.left.at(write);
        *left = left.saturating_sub(1);
        if *left == 0 && self.slot.get(write) != NONE {
            self.rows.free.push(std::mem::replace(self.slot.at(write), NONE));
        }
    }

    /// How far a session is, while it goes on.
    pub(super) fn now(&self, session: u32) -> &[u32] {
        match self.place.get(session) {
            NONE => &[],
            row => self.rows.row(row),
        }
    }

    /// How far a write's session was when it was made; of a write that is still to be read, or is pinned.
    pub(super) fn held(&self, write: Id) -> &[u32] {
        match self.slot.get(write) {
            NONE => &[],
            row => self.rows.row(row),
        }
    }
}
