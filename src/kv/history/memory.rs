//! Causal memory: whether each session, for itself, can order all writes that it knows of.
//!
//! For each session its own happened-before is the least order that holds the causal order and, for each of its reads, lets
//! every write of the key that precedes the read precede the write that was read. New edges may bring about others, so the
//! vectors are computed again until none is new. Memory: 4 · n · k bytes for one session at a time.

use std::collections::BTreeSet;

use super::{
    HistoryError, Id, NONE, VECTOR_BYTES_MAX,
    components::cyclic_parts,
    explain::{Chain, memory_circle, nothing_read},
    findings::Pattern,
    judge::{Edge, Judgement},
    sources::Source,
    table::{Table, small},
    walk::Walk,
};

pub(super) fn judge(judgement: &mut Judgement<'_>, order: &[Id]) -> Result<(), HistoryError> {
    let (history, graph) = (judgement.history, judgement.graph);
    let sessions = history.sessions.len();
    if order.len() * sessions * size_of::<u32>() > VECTOR_BYTES_MAX {
        return Err(HistoryError::TooLarge { sessions });
    }
    let mut walk = Walk::to_the_ends(history, graph);
    for id in order.iter().copied() {
        walk.enter(id)?;
        walk.leave(id);
    }
    for session in 0..graph.sessions {
        let end = walk.now(session);
        let past = order.iter().copied().filter(|id| {
            let operation = history.operations.get(*id);
            graph.covers(end, operation.session, *id)
        });
        Own {
            session,
            past: past.collect(),
            edges: Vec::new(),
            pairs: BTreeSet::new(),
        }
        .judge(judgement);
    }
    Ok(())
}

/// One session's own order.
struct Own {
    session: u32,
    past: Vec<Id>,
    edges: Vec<Edge>,
    pairs: BTreeSet<(Id, Id)>,
}

/// The vector of each operation of a session's past.
struct Vectors {
    width: usize,
    place: Table<u32>,
    cells: Vec<u32>,
}

impl Own {
    fn judge(&mut self, judgement: &mut Judgement<'_>) {
        let (history, graph) = (judgement.history, judgement.graph);
        loop {
            let chain = Chain::new(history, graph, &self.edges);
            let (parts, order) = cyclic_parts(&chain, &self.past);
            if let Some(part) = parts.first() {
                judgement.findings.add(Pattern::CyclicHB, || {
                    memory_circle(history, &chain, part, self.session)
                });
                return;
            }
            let vectors = Vectors::new(judgement, &chain, &order);
            let is_first = self.edges.is_empty();
            let mut is_new = false;
            for read in graph.members.get(self.session).iter().copied() {
                let key = history.operations.get(read).key;
                let (write, before): (Id, &[u32]) = match graph.sources.get(read) {
                    Source::Write(write) => (write, vectors.row(write)),
                    Source::Initial => (NONE, &[]),
                    Source::Unjudged | Source::Nothing => continue,
                };
                for group in graph.groups(key) {
                    let cell = |row: &[u32]| row.get(group.session as usize).copied().unwrap_or(0);
                    let latest = graph.latest(*group, cell(vectors.row(read)));
                    let Some((place, other)) = latest.filter(|(_, other)| *other != write) else {
                        continue;
                    };
                    if write == NONE {
                        // What precedes by the causal order alone was found before.
                        if !is_first {
                            judgement.findings.add(Pattern::WriteHBInitRead, || {
                                nothing_read(history, &chain, other, read)
                            });
                            return;
                        }
                        continue;
                    }
                    let writer = history.operations.get(write).session;
                    let is_found = is_first && graph.covers(vectors.row(other), writer, write);
                    if cell(before) < place && !is_found && self.pairs.insert((other, write)) {
                        self.edges.push(Edge {
                            from: other,
                            to: write,
                            reader: read,
                        });
                        is_new = true;
                    }
                }
            }
            if !is_new {
                return;
            }
        }
    }
}

impl Vectors {
    fn new(judgement: &Judgement<'_>, chain: &Chain<'_>, order: &[Id]) -> Self {
        let (history, graph) = (judgement.history, judgement.graph);
        let width = history.sessions.len();
        let mut vectors = Self {
            width,
            place: Table::new(NONE, history.operations.len()),
            cells: Vec::with_capacity(width * order.len()),
        };
        let mut row = vec![0; width];
        for id in order.iter().copied() {
            row.fill(0);
            for cause in chain.causes(id) {
                for (cell, other) in row.iter_mut().zip(vectors.row(cause)) {
                    *cell = (*cell).max(*other);
                }
            }
            let session = history.operations.get(id).session as usize;
            if graph.position.get(id) > 0
                && let Some(own) = row.get_mut(session)
            {
                *own = graph.position.get(id);
            }
            *vectors.place.at(id) = small(vectors.cells.len().checked_div(width).unwrap_or(0));
            vectors.cells.extend_from_slice(&row);
        }
        vectors
    }

    fn row(&self, id: Id) -> &[u32] {
        let start = self.place.get(id) as usize * self.width;
        self.cells.get(start..start + self.width).unwrap_or_default()
    }
}
