//! The parts of a graph whose operations all precede each other (Tarjan 1972), without recursion.

use super::{Id, NONE, explain::Chain, table::Table};

/// The strongly connected parts with more than one operation, each in ascending order; and all operations, causes first
/// where there is no circle.
pub(super) fn cyclic_parts(chain: &Chain<'_>, ids: &[Id]) -> (Vec<Vec<Id>>, Vec<Id>) {
    let mut search = Search {
        chain,
        number: Table::new(NONE, chain.len()),
        low: Table::new(NONE, chain.len()),
        is_open: Table::new(false, chain.len()),
        open: Vec::new(),
        next: 0,
        parts: Vec::new(),
        closed: Vec::with_capacity(ids.len()),
    };
    for id in ids.iter().copied() {
        if search.number.get(id) == NONE {
            search.visit(id);
        }
    }
    search.parts.sort_unstable();
    (search.parts, search.closed)
}

struct Search<'a> {
    chain: &'a Chain<'a>,
    /// When it was visited.
    number: Table<u32>,
    /// The earliest that it leads to, among those whose part is open.
    low: Table<u32>,
    is_open: Table<bool>,
    open: Vec<Id>,
    next: u32,
    parts: Vec<Vec<Id>>,
    closed: Vec<Id>,
}

impl Search<'_> {
    fn visit(&mut self, start: Id) {
        // An operation, and how many of its edges were followed.
        let mut path = vec![(start, 0)];
        self.begin(start);
        while let Some((id, followed)) = path.last_mut() {
            let id = *id;
            if let Some(next) = self.chain.cause(id, *followed) {
                *followed += 1;
                if next == NONE {
                    continue;
                }
                if self.number.get(next) == NONE {
                    self.begin(next);
                    path.push((next, 0));
                } else if self.is_open.get(next) {
                    *self.low.at(id) = self.low.get(id).min(self.number.get(next));
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                *self.low.at(*parent) = self.low.get(*parent).min(self.low.get(id));
            }
            if self.low.get(id) == self.number.get(id) {
                self.close(id);
            }
        }
    }

    fn begin(&mut self, id: Id) {
        *self.number.at(id) = self.next;
        *self.low.at(id) = self.next;
        *self.is_open.at(id) = true;
        self.next += 1;
        self.open.push(id);
    }

    fn close(&mut self, id: Id) {
        let place = self.open.iter().rposition(|other| *other == id).unwrap_or(0);
        let mut part = self.open.split_off(place);
        for id in &part {
            *self.is_open.at(*id) = false;
        }
        self.closed.extend(&part);
        if part.len() > 1 {
            part.sort_unstable();
            self.parts.push(part);
        }
    }
}
