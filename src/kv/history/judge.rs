//! The verdict on a history: the passes over it, one behind the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, History, HistoryError, Id, Level, NONE, Outcome,
    components::cyclic_parts,
    explain::{Chain, arbitration_circle, circle, nothing_read, overwritten_read},
    finals,
    findings::{Findings, Pattern},
    graph::Graph,
    memory,
    order::ordered,
    sources::{self, Source},
    table::Table,
    verdict::Verdict,
    walk::Walk,
};

/// `from` has to come before `to` in the order of all writes: `reader` knew of `from`, and read `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: Id,
    pub(super) to: Id,
    pub(super) reader: Id,
}

/// What the passes share.
pub(super) struct Judgement<'a> {
    pub(super) history: &'a History,
    pub(super) graph: &'a Graph,
    pub(super) findings: Findings,
    pub(super) edges: Vec<Edge>,
    /// The edges that were found already: (to, session of from) and the place there; loose ones and those of final reads by
    /// their ends.
    reached: BTreeMap<(Id, u32), u32>,
    pairs: BTreeSet<(Id, Id)>,
}

pub(super) fn judge(history: &History, level: Level) -> Result<Verdict, HistoryError> {
    let mut findings = Findings::default();
    let sources = sources::matched(history, &mut findings)?;
    let mut verdict = Verdict::begin(history, level);
    let mut graph = Graph::new(history, sources);
    let (order, circles) = ordered(history, &mut graph);
    for ids in &circles {
        findings.add(Pattern::CyclicCO, || circle(history, ids));
    }
    let mut judgement = Judgement {
        history,
        graph: &graph,
        findings,
        edges: Vec::new(),
        reached: BTreeMap::new(),
        pairs: BTreeSet::new(),
    };
    judgement.reads(&order)?;
    let rest = judgement.overwritten(&order)?;
    match level {
        Level::Causal => {}
        Level::Convergent => judgement.arbitration(&order, &rest),
        Level::Memory => memory::judge(&mut judgement, &order)?,
    }
    finals::judge_values(&mut judgement, &mut verdict);
    verdict.finish(judgement.findings);
    Ok(verdict)
}

impl Judgement<'_> {
    /// The first pass: reads of nothing, and the edges that the others ask for.
    fn reads(&mut self, order: &[Id]) -> Result<(), HistoryError> {
        let graph = self.graph;
        let mut pinned = Table::new(false, self.history.keys.len());
        for (id, source) in graph.sources.iter() {
            if source == Source::Nothing {
                *pinned.at(self.history.operations.get(id).key) = true;
            }
        }
        let unknown_deletes = unknown_deletes(self.history);
        let mut walk = Walk::new(self.history, graph, &pinned);
        for id in order.iter().copied() {
            walk.enter(id)?;
            let operation = self.history.operations.get(id);
            let row = walk.now(operation.session);
            match graph.sources.get(id) {
                Source::Unjudged => {}
                Source::Write(write) => self.read(id, write, row, walk.held(write)),
                Source::Initial => {
                    if let Some(write) = graph.known(operation.key, row).next() {
                        self.findings.add(Pattern::WriteCOInitRead, || {
                            nothing_read(self.history, &Chain::new(self.history, graph, &[]), write, id)
                        });
                    }
                }
                Source::Nothing if unknown_deletes.get(operation.key) => {}
                Source::Nothing => self.nothing(id, &walk),
            }
            walk.leave(id);
        }
        finals::judge_lost(self, &walk, &unknown_deletes);
        Ok(())
    }

    /// A read of `write`: of each session the latest write that it knows precedes that.
    fn read(&mut self, read: Id, write: Id, row: &[u32], before: &[u32]) {
        let graph = self.graph;
        let key = self.history.operations.get(write).key;
        for group in graph.groups(key) {
            let cell = |row: &[u32]| row.get(group.session as usize).copied().unwrap_or(0);
            let Some((place, other)) = graph.latest(*group, cell(row)) else {
                continue;
            };
            if other == write || cell(before) >= place {
                continue;
            }
            let reached = self.reached.entry((write, group.session)).or_insert(0);
            if *reached < place {
                *reached = place;
                self.edges.push(Edge {
                    from: other,
                    to: write,
                    reader: read,
                });
            }
        }
        for other in graph
            .loose
            .get(key)
            .iter()
            .copied()
            .filter(|other| *other != write)
        {
            let session_of = self.history.operations.get(other).session;
            if graph.covers(row, session_of, other)
                && !graph.covers(before, session_of, other)
                && self.pairs.insert((other, write))
            {
                self.edges.push(Edge {
                    from: other,
                    to: write,
                    reader: read,
                });
            }
        }
    }

    /// An edge that a final read asks for.
    pub(super) fn final_edge(&mut self, from: Id, to: Id, reader: Id) {
        if self.pairs.insert((from, to)) {
            self.edges.push(Edge { from, to, reader });
        }
    }

    /// A read of nothing, of a key with deletes: one of them has to be possible.
    fn nothing(&mut self, read: Id, walk: &Walk<'_>) {
        let (history, graph) = (self.history, self.graph);
        let operation = history.operations.get(read);
        let row = walk.now(operation.session);
        let latest: Vec<Id> = graph.known(operation.key, row).collect();
        let Some(first) = latest.first() else {
            return;
        };
        let is_possible = graph.groups(operation.key).iter().any(|group| {
            let through = row.get(group.session as usize).copied().unwrap_or(0);
            let is_unseen = group.session != operation.session
                && graph
                    .behind(*group, through)
                    .iter()
                    .any(|(_, write)| is_delete(history, *write));
            let last = graph.latest(*group, through).map(|(_, write)| write);
            is_unseen || last.is_some_and(|write| self.is_open(write, &latest, walk))
        });
        if !is_possible {
            let put = latest.iter().find(|write| !is_delete(history, **write));
            let write = *put.unwrap_or(first);
            self.findings.add(Pattern::WriteCOInitRead, || {
                nothing_read(history, &Chain::new(history, graph, &[]), write, read)
            });
        }
    }

    /// Whether this is a delete that no one of `others` comes after for sure.
    pub(super) fn is_open(&self, write: Id, others: &[Id], walk: &Walk<'_>) -> bool {
        let session = self.history.operations.get(write).session;
        is_delete(self.history, write)
            && others
                .iter()
                .all(|other| *other == write || !self.graph.covers(walk.held(*other), session, write))
    }

    /// The second pass, if there is a suspicion: edges from a write to one that precedes it. Returns the others.
    fn overwritten(&mut self, order: &[Id]) -> Result<Vec<Edge>, HistoryError> {
        let rank = ranks(self.history, order);
        let is_backward = |edge: &Edge| rank.get(edge.from) > rank.get(edge.to);
        if !self.edges.iter().any(is_backward) {
            return Ok(Vec::new());
        }
        let mut edges = std::mem::take(&mut self.edges);
        edges.sort_unstable_by_key(|edge| (rank.get(edge.from), edge.to));
        let pinned = Table::new(false, self.history.keys.len());
        let mut walk = Walk::new(self.history, self.graph, &pinned);
        let (mut next, mut rest, mut broken) = (edges.into_iter().peekable(), Vec::new(), Vec::new());
        for id in order.iter().copied() {
            walk.enter(id)?;
            while let Some(edge) = next.next_if(|edge| edge.from == id) {
                let row = walk.now(self.history.operations.get(id).session);
                let session = self.history.operations.get(edge.to).session;
                if is_backward(&edge) && self.graph.covers(row, session, edge.to) {
                    broken.push(edge);
                } else {
                    rest.push(edge);
                }
            }
            walk.leave(id);
        }
        broken.sort_unstable_by_key(|edge| edge.reader);
        for edge in broken {
            let is_final = self.history.operations.get(edge.reader).replica.is_some();
            let pattern = if is_final {
                Pattern::LostWrite
            } else {
                Pattern::WriteCORead
            };
            let tell = || overwritten_read(self.history, self.graph, edge);
            self.findings.add(pattern, tell);
        }
        Ok(rest)
    }

    /// Whether one order of all writes has all these edges.
    fn arbitration(&mut self, order: &[Id], edges: &[Edge]) {
        let rank = ranks(self.history, order);
        if !edges.iter().any(|edge| rank.get(edge.from) > rank.get(edge.to)) {
            return;
        }
        let chain = Chain::new(self.history, self.graph, edges);
        for part in cyclic_parts(&chain, order).0 {
            self.findings.add(Pattern::CyclicCF, || {
                arbitration_circle(self.history, &chain, &part)
            });
        }
    }
}

/// Whether a write is a delete.
pub(super) fn is_delete(history: &History, write: Id) -> bool {
    history.operations.get(write).action == Action::Delete
}

/// Per operation when it is taken in the order.
pub(super) fn ranks(history: &History, order: &[Id]) -> Table<u32> {
    let mut rank = Table::new(NONE, history.operations.len());
    for (place, id) in (0..).zip(order) {
        *rank.at(*id) = place;
    }
    rank
}

/// Per key whether there is a delete of which nobody knows whether it happened.
fn unknown_deletes(history: &History) -> Table<bool> {
    let mut unknown = Table::new(false, history.keys.len());
    for (_, operation) in history.operations.iter() {
        let is_unknown = operation.outcome == Outcome::Unknown;
        *unknown.at(operation.key) |= is_unknown && operation.action == Action::Delete;
    }
    unknown
}
