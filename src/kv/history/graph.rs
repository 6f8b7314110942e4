//! The operations that are judged, and the causal order between them: sessions and who read whose write.

use super::{
    History, Id, NONE, Outcome,
    sources::Source,
    table::{Lists, Table, small},
};

/// The causal order, by its edges.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) sources: Table<Source>,
    pub(super) sessions: u32,
    /// Per session its operations in order, the loose ones included.
    pub(super) members: Lists<Id>,
    /// Per operation its place in the chain of its session, from 1; 0 for those that are in none.
    pub(super) position: Table<u32>,
    /// Per operation the one of its session that precedes it.
    pub(super) before: Table<Id>,
    /// Per write, who read it; final reads left out.
    pub(super) readers: Lists<Id>,
    /// Per key its groups: one for each session that wrote to it.
    groups: Lists<Group>,
    /// The writes of chains, group by group, in the order of their chain.
    writes: Vec<(u32, Id)>,
    /// Per key the writes that may have been done late.
    pub(super) loose: Lists<Id>,
    /// Per loose write, the first place in each session that read it.
    seen: Vec<(Id, u32, u32)>,
    pub(super) finals: Vec<Id>,
}

/// The writes that one session made to one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) session: u32,
    start: u32,
    end: u32,
}

impl Graph {
    pub(super) fn new(history: &History, sources: Table<Source>) -> Self {
        let count = history.operations.len();
        let sessions = history.sessions.len();
        let mut is_read = Table::new(false, count);
        for (_, source) in sources.iter() {
            if let Source::Write(write) = source {
                *is_read.at(write) = true;
            }
        }
        let mut position = Table::new(0, count);
        let mut before = Table::new(NONE, count);
        let mut last: Table<(Id, u32)> = Table::new((NONE, 0), sessions);
        let (mut members, mut loose, mut finals, mut writes) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (id, operation) in history.operations.iter() {
            let (previous, length) = last.get(operation.session);
            let is_done = operation.outcome == Outcome::Ok;
            if operation.replica.is_some() {
                if is_done {
                    finals.push(id);
                }
            } else if is_done && (operation.is_write() || operation.is_read()) {
                *before.at(id) = previous;
                *position.at(id) = length + 1;
                *last.at(operation.session) = (id, length + 1);
                members.push((operation.session, id));
                if operation.is_write() {
                    writes.push((operation.key, operation.session, length + 1, id));
                }
            } else if operation.outcome == Outcome::Unknown && operation.is_write() && is_read.get(id) {
                *before.at(id) = previous;
                members.push((operation.session, id));
                loose.push((operation.key, id));
            }
        }
        writes.sort_unstable();
        let groups = grouped(&writes);
        let readers = || {
            let reads = sources.iter().filter(|(read, _)| position.get(*read) > 0);
            reads.filter_map(|(read, source)| match source {
                Source::Write(write) => Some((write, read)),
                Source::Unjudged | Source::Initial | Source::Nothing => None,
            })
        };
        let readers = Lists::new(count, readers().collect::<Vec<_>>().into_iter(), NONE);
        let mut graph = Self {
            sessions: small(sessions),
            members: Lists::new(sessions, members.into_iter(), NONE),
            readers,
            groups: Lists::new(
                history.keys.len(),
                groups.into_iter(),
                Group {
                    session: 0,
                    start: 0,
                    end: 0,
                },
            ),
            writes: writes.iter().map(|(_, _, place, id)| (*place, *id)).collect(),
            loose: Lists::new(history.keys.len(), loose.iter().copied(), NONE),
            seen: Vec::new(),
            finals,
            sources,
            position,
            before,
        };
        graph.seen = graph.first_reads(history, loose.into_iter().map(|(_, write)| write));
        graph
    }

    /// (loose write, session, first place there that read it), sorted.
    fn first_reads(&self, history: &History, loose: impl Iterator<Item = Id>) -> Vec<(Id, u32, u32)> {
        let reads = loose.flat_map(|write| self.readers.get(write).iter().map(move |read| (write, *read)));
        let mut seen: Vec<(Id, u32, u32)> = reads
            .map(|(write, read)| {
                (
                    write,
                    history.operations.get(read).session,
                    self.position.get(read),
                )
            })
            .collect();
        seen.sort_unstable();
        seen.dedup_by_key(|(write, session, _)| (*write, *session));
        seen
    }

    /// The groups of writes of a key.
    pub(super) fn groups(&self, key: u32) -> &[Group] {
        self.groups.get(key)
    }

    /// The last write of a group up to this place of its chain: its place and the write.
    #[inline]
    pub(super) fn latest(&self, group: Group, through: u32) -> Option<(u32, Id)> {
        let writes = self.writes.get(group.start as usize..group.end as usize)?;
        let count = writes.partition_point(|(place, _)| *place <= through);
        writes.get(count.checked_sub(1)?).copied()
    }

    /// The writes to a key that a vector covers: of each session the latest.
    pub(super) fn known<'a>(&'a self, key: u32, row: &'a [u32]) -> impl Iterator<Item = Id> + 'a {
        self.groups(key).iter().filter_map(|group| {
            let through = row.get(group.session as usize).copied().unwrap_or(0);
            self.latest(*group, through).map(|(_, write)| write)
        })
    }

    /// The writes of a group behind this place of its chain.
    pub(super) fn behind(&self, group: Group, place: u32) -> &[(u32, Id)] {
        let writes = self.writes.get(group.start as usize..group.end as usize);
        let writes = writes.unwrap_or_default();
        let count = writes.partition_point(|(other, _)| *other <= place);
        writes.get(count..).unwrap_or_default()
    }

    /// Whether a vector covers an operation: a loose one from the first read of it on.
    pub(super) fn covers(&self, row: &[u32], session: u32, operation: Id) -> bool {
        let known = |session: u32| row.get(session as usize).copied().unwrap_or(0);
        let place = self.position.get(operation);
        if place > 0 {
            return known(session) >= place;
        }
        let start = self.seen.partition_point(|(write, _, _)| *write < operation);
        let mut first = self.seen.iter().skip(start);
        first
            .by_ref()
            .take_while(|(write, _, _)| *write == operation)
            .any(|(_, session, place)| known(*session) >= *place)
    }

    /// The edges of the causal order into an operation: the session's one and the write's.
    pub(super) fn causes(&self, id: Id) -> impl Iterator<Item = Id> {
        let write = match self.sources.get(id) {
            Source::Write(write) => write,
            Source::Unjudged | Source::Initial | Source::Nothing => NONE,
        };
        [self.before.get(id), write].into_iter().filter(|id| *id != NONE)
    }
}

/// Per key the stretches of one session's writes, of (key, session, place, write) in this order.
fn grouped(writes: &[(u32, u32, u32, Id)]) -> Vec<(u32, Group)> {
    let mut groups: Vec<(u32, Group)> = Vec::new();
    for (place, (key, session, _, _)) in (0..).zip(writes) {
        match groups.last_mut() {
            Some((last, group)) if last == key && group.session == *session => group.end = place + 1,
            _ => groups.push((
                *key,
                Group {
                    session: *session,
                    start: place,
                    end: place + 1,
                },
            )),
        }
    }
    groups
}
