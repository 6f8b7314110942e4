//! An order of all operations in which causes come first, or the circles that forbid one.
//!
//! Operations are taken by their lines, which follow real time nearly, so that few writes are open at a time. A session
//! whose read waits for a write that has not been taken stands still until it is. Sessions that stand still for ever wait
//! for each other in a circle; one read of it is reported and then taken as it is, so that the others can be judged.

use super::{History, Id, NONE, graph::Graph, sources::Source, table::Table};

struct Scheduler<'a> {
    graph: &'a mut Graph,
    order: Vec<Id>,
    is_taken: Table<bool>,
    /// Per session how many of its members were taken.
    next: Table<u32>,
    /// Per write the session that waits for it, and per session the next one that waits for the same.
    waits_for: Table<u32>,
    waits_beside: Table<u32>,
}

/// The order, and for each circle its operations, each a cause of the next and the last of the first. The reads that end
/// them have lost their source in `graph`.
pub(super) fn ordered(history: &History, graph: &mut Graph) -> (Vec<Id>, Vec<Vec<Id>>) {
    let mut scheduler = Scheduler {
        graph,
        order: Vec::with_capacity(history.operations.len()),
        is_taken: Table::new(false, history.operations.len()),
        next: Table::new(0, history.sessions.len()),
        waits_for: Table::new(NONE, history.operations.len()),
        waits_beside: Table::new(NONE, history.sessions.len()),
    };
    for (id, operation) in history.operations.iter() {
        scheduler.advance(history, operation.session, id);
    }
    let mut circles = Vec::new();
    loop {
        let found = scheduler.circles(history);
        if found.is_empty() {
            return (scheduler.order, circles);
        }
        for circle in &found {
            // The last of a circle is a read.
            if let Some(read) = circle.last() {
                scheduler.release(*read, history.operations.get(*read).session);
                scheduler.advance(history, history.operations.get(*read).session, NONE);
            }
        }
        circles.extend(found);
    }
}

impl Scheduler<'_> {
    /// Takes what can be taken of a session, and of those that waited for it, up to the line of `through`.
    fn advance(&mut self, history: &History, session: u32, through: Id) {
        let mut sessions = vec![session];
        while let Some(session) = sessions.pop() {
            while let Some(id) = self.head(session).filter(|id| *id <= through) {
                if let Some(write) = self.blocked(id) {
                    // It waits for one write at a time, and is in one list.
                    let first = self.waits_for.get(write);
                    if !self.is_waiting(write, session) {
                        *self.waits_beside.at(session) = first;
                        *self.waits_for.at(write) = session;
                    }
                    break;
                }
                *self.is_taken.at(id) = true;
                *self.next.at(session) += 1;
                self.order.push(id);
                if history.operations.get(id).is_write() {
                    let mut waiting = std::mem::replace(self.waits_for.at(id), NONE);
                    while waiting != NONE {
                        sessions.push(waiting);
                        waiting = std::mem::replace(self.waits_beside.at(waiting), NONE);
                    }
                }
            }
        }
    }

    fn head(&self, session: u32) -> Option<Id> {
        let members = self.graph.members.get(session);
        members.get(self.next.get(session) as usize).copied()
    }

    /// The write that an operation waits for.
    fn blocked(&self, id: Id) -> Option<Id> {
        match self.graph.sources.get(id) {
            Source::Write(write) if self.graph.position.get(id) > 0 && !self.is_taken.get(write) => {
                Some(write)
            }
            Source::Write(_) | Source::Unjudged | Source::Initial | Source::Nothing => None,
        }
    }

    /// Takes the source of a read away, so that its session waits no more.
    fn release(&mut self, read: Id, session: u32) {
        let Source::Write(write) = self.graph.sources.get(read) else {
            return;
        };
        *self.graph.sources.at(read) = Source::Unjudged;
        let next = std::mem::replace(self.waits_beside.at(session), NONE);
        if self.waits_for.get(write) == session {
            *self.waits_for.at(write) = next;
            return;
        }
        let mut other = self.waits_for.get(write);
        while other != NONE {
            let beside = self.waits_beside.at(other);
            if *beside == session {
                *beside = next;
                return;
            }
            other = *beside;
        }
    }

    fn is_waiting(&self, write: Id, session: u32) -> bool {
        let mut waiting = self.waits_for.get(write);
        while waiting != NONE && waiting != session {
            waiting = self.waits_beside.get(waiting);
        }
        waiting == session
    }

    /// The circles in which sessions wait for each other.
    fn circles(&self, history: &History) -> Vec<Vec<Id>> {
        // 0: not visited; otherwise the number of the search that did.
        let mut visited = Table::new(0_u32, history.sessions.len());
        let mut circles = Vec::new();
        for start in visited.ids() {
            let (mut session, mut path) = (start, Vec::new());
            while let Some((read, write)) = self
                .head(session)
                .and_then(|read| Some((read, self.blocked(read)?)))
            {
                if visited.get(session) == start + 1 {
                    circles.push(circle(&path, session));
                    break;
                }
                if visited.get(session) > 0 {
                    break;
                }
                *visited.at(session) = start + 1;
                path.push((session, read, write));
                session = history.operations.get(write).session;
            }
        }
        circles
    }
}

/// The circle of a path that has come back to `session`: each read precedes the write of its session that the one before in
/// the path waits for.
fn circle(path: &[(u32, Id, Id)], session: u32) -> Vec<Id> {
    let start = path.iter().position(|(other, _, _)| *other == session);
    let circle = path.get(start.unwrap_or(0)..).unwrap_or_default();
    // The path leads from each read back to its cause; causes come first.
    circle
        .iter()
        .rev()
        .flat_map(|(_, read, write)| [*write, *read])
        .collect()
}
