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
    /// A row for each session: how far it is.
    now: Rows,
    /// Rows of writes that are still to be read.
    held: Rows,
    /// Per write its row, if it is held.
    slot: Table<u32>,
    /// Per write how often it is still to be read.
    left: Table<u32>,
}

impl Rows {
    fn new(width: usize, rows: usize) -> Self {
        Self {
            width,
            cells: vec![0; width * rows],
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

    /// A row with these cells; `None` at the limit.
    fn keep(&mut self, cells: &[u32]) -> Option<u32> {
        if let Some(row) = self.free.pop() {
            self.row_mut(row).copy_from_slice(cells);
            return Some(row);
        }
        if (self.cells.len() + self.width) * size_of::<u32>() > VECTOR_BYTES_MAX {
            return None;
        }
        let row = self.cells.len().checked_div(self.width).unwrap_or(0);
        self.cells.extend_from_slice(cells);
        Some(small(row))
    }
}

impl<'a> Walk<'a> {
    /// `pinned` says whose rows are kept to the end, by key.
    pub(super) fn new(history: &'a History, graph: &'a Graph, pinned: &Table<bool>) -> Self {
        let width = history.sessions.len();
        let mut left = Table::new(0, history.operations.len());
        for (id, operation) in history.operations.iter() {
            *left.at(id) = small(graph.readers.get(id).len());
            if operation.is_write() && pinned.get(operation.key) {
                *left.at(id) += 1;
            }
        }
        Self {
            history,
            graph,
            now: Rows::new(width, width),
            held: Rows::new(width, 0),
            slot: Table::new(NONE, history.operations.len()),
            left,
        }
    }

    /// Takes the next operation of the order.
    pub(super) fn enter(&mut self, id: Id) -> Result<(), HistoryError> {
        let operation = self.history.operations.get(id);
        let row = self.now.row_mut(operation.session);
        if let Source::Write(write) = self.graph.sources.get(id)
            && self.slot.get(write) != NONE
        {
            let other = self.held.row(self.slot.get(write));
            for (cell, other) in row.iter_mut().zip(other) {
                *cell = (*cell).max(*other);
            }
        }
        let place = self.graph.position.get(id);
        if place > 0
            && let Some(own) = row.get_mut(operation.session as usize)
        {
            *own = place;
        }
        if operation.is_write() && self.left.get(id) > 0 {
            let kept = self.held.keep(row).ok_or(HistoryError::TooLarge {
                sessions: self.history.sessions.len(),
            });
            *self.slot.at(id) = kept?;
        }
        Ok(())
    }

    /// The operation that was entered last is judged.
    pub(super) fn leave(&mut self, id: Id) {
        let Source::Write(write) = self.graph.sources.get(id) else {
            return;
        };
        let left = self.left.at(write);
        *left = left.saturating_sub(1);
        if *left == 0 && self.slot.get(write) != NONE {
            self.held.free.push(std::mem::replace(self.slot.at(write), NONE));
        }
    }

    /// How far a session is.
    pub(super) fn now(&self, session: u32) -> &[u32] {
        self.now.row(session)
    }

    /// How far a write's session was when it was made; of a write that is still to be read, or is pinned.
    pub(super) fn held(&self, write: Id) -> &[u32] {
        match self.slot.get(write) {
            NONE => &[],
            row => self.held.row(row),
        }
    }
}
