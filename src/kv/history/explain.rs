//! Why a pattern is one: the shortest way from operation to operation, in words.

use std::collections::VecDeque;

use super::{
    History, Id, NONE,
    findings::{Finding, Guarantee, Step},
    graph::Graph,
    judge::Edge,
    read::shown,
    sources::Source,
    table::{Lists, Table},
};

/// The causal order together with edges of arbitration.
pub(super) struct Chain<'a> {
    graph: &'a Graph,
    length: usize,
    /// Per write those that have to precede it, and who says so.
    edges: Lists<(Id, Id)>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(history: &History, graph: &'a Graph, edges: &[Edge]) -> Self {
        let pairs = edges.iter().map(|edge| (edge.to, (edge.from, edge.reader)));
        let length = history.operations.len();
        Self {
            graph,
            length,
            edges: Lists::new(length, pairs, (NONE, NONE)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// What precedes an operation, by one edge.
    pub(super) fn causes(&self, id: Id) -> impl Iterator<Item = Id> {
        let edges = self.edges.get(id).iter().map(|(from, _)| *from);
        self.graph.causes(id).chain(edges)
    }

    /// The same one by one: [`NONE`] where there is none of its sort, `None` behind the last.
    pub(super) fn cause(&self, id: Id, place: usize) -> Option<Id> {
        match (place, self.graph.sources.get(id)) {
            (0, _) => Some(self.graph.before.get(id)),
            (1, Source::Write(write)) => Some(write),
            (1, Source::Unjudged | Source::Initial | Source::Nothing) => Some(NONE),
            _ => self.edges.get(id).get(place - 2).map(|(from, _)| *from),
        }
    }

    /// The read that makes `from` precede `to`, if that is not the causal order.
    fn reader(&self, from: Id, to: Id) -> Option<Id> {
        if self.graph.causes(to).any(|cause| cause == from) {
            return None;
        }
        let mut edges = self.edges.get(to).iter();
        edges.find(|(other, _)| *other == from).map(|(_, reader)| *reader)
    }

    /// The way from `from` to `to` with the fewest steps between sessions; within `part` alone, if there is one.
    fn way(&self, from: Id, to: Id, part: Option<&[Id]>) -> Vec<Id> {
        let mut next: Table<Id> = Table::new(NONE, self.length);
        let mut cost: Table<u32> = Table::new(u32::MAX, self.length);
        *cost.at(to) = 0;
        let mut front = VecDeque::from([(to, 0)]);
        while let Some((id, so_far)) = front.pop_front() {
            if id == from {
                break;
            }
            if cost.get(id) < so_far {
                continue;
            }
            for cause in self.causes(id) {
                if part.is_some_and(|part| part.binary_search(&cause).is_err()) {
                    continue;
                }
                let is_session = self.graph.before.get(id) == cause;
                let sum = so_far + u32::from(!is_session);
                if cost.get(cause) > sum {
                    *cost.at(cause) = sum;
                    *next.at(cause) = id;
                    if is_session {
                        front.push_front((cause, sum));
                    } else {
                        front.push_back((cause, sum));
                    }
                }
            }
        }
        let (mut way, mut id) = (vec![from], from);
        while id != to && next.get(id) != NONE && way.len() <= self.length {
            id = next.get(id);
            way.push(id);
        }
        way
    }

    /// Leaves out what a session did between two operations that matter.
    fn short(&self, way: &[Id]) -> Vec<Id> {
        let mut short: Vec<Id> = Vec::new();
        for (place, id) in way.iter().enumerate() {
            let is_session = |from: Option<&Id>, to: Option<&Id>| match (from, to) {
                (Some(from), Some(to)) => self.graph.before.get(*to) == *from,
                _ => false,
            };
            let last = place.checked_sub(1).and_then(|last| way.get(last));
            if !(is_session(last, Some(id)) && is_session(Some(id), way.get(place + 1))) {
                short.push(*id);
            }
        }
        short
    }

    fn steps(&self, history: &History, way: &[Id], last: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        for (place, id) in way.iter().enumerate() {
            let Some(next) = way.get(place + 1) else {
                steps.push(history.step(*id, last));
                continue;
            };
            let meaning = match (self.graph.sources.get(*next), self.reader(*id, *next)) {
                (Source::Write(write), _) if write == *id => "is read by".to_owned(),
                (_, Some(reader)) => format!(
                    "must come before the next, since {} ({}) knew of it and read the next",
                    history.session_of(reader),
                    history.place(reader)
                ),
                _ => "and then, in the same session,".to_owned(),
            };
            steps.push(history.step(*id, &meaning));
        }
        steps
    }
}

/// A circle of the causal order.
pub(super) fn circle(history: &History, ids: &[Id]) -> Finding {
    let first = ids.first().copied().unwrap_or_default();
    let read = ids.last().copied().unwrap_or_default();
    // The read's source was taken from the graph to go on; the way around is known all the same.
    let mut steps = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let meaning = match place {
            _ if *id == read => "comes before the first of these in its session: a circle",
            _ if place % 2 == 0 => "is read by",
            _ => "and then, in the same session,",
        };
        steps.push(history.step(*id, meaning));
    }
    let text = format!(
        "{} read what depends on the read itself: the write at {} comes after it",
        history.session_of(read),
        history.place(first)
    );
    Finding::new(history.place(read), text, steps)
}

/// `read` found nothing, although it knew of `write`.
pub(super) fn nothing_read(history: &History, chain: &Chain<'_>, write: Id, read: Id) -> Finding {
    let way = chain.way(write, read, None);
    let short = chain.short(&way);
    let text = format!(
        "{} found nothing, although it knew of the write at {}, and no delete comes after that",
        history.session_of(read),
        history.place(write)
    );
    let steps = chain.steps(history, &short, "finds nothing all the same");
    Finding::new(history.place(read), text, steps).with(guarantee(history, chain.graph, &short))
}

/// The edge's reader read `to`, although it knew of `from`, which comes after that.
pub(super) fn overwritten_read(history: &History, graph: &Graph, edge: Edge) -> Finding {
    let chain = Chain::new(history, graph, &[]);
    let first = chain.short(&chain.way(edge.to, edge.from, None));
    let (old, new) = (history.place(edge.to), history.place(edge.from));
    if history.operations.get(edge.reader).replica.is_some() {
        let text = format!(
            "the acknowledged write at {new} is gone: the value of {old}, which it superseded, is there"
        );
        let mut steps = chain.steps(
            history,
            &first,
            "was acknowledged, and supersedes the first of these",
        );
        steps.push(history.step(edge.reader, "has the old value all the same"));
        return Finding::new(history.place(edge.reader), text, steps);
    }
    let second = chain.short(&chain.way(edge.from, edge.reader, None));
    let text = format!(
        "{} read what {old} wrote, although it knew of {new}, which supersedes that",
        history.session_of(edge.reader),
    );
    let mut steps = chain.steps(history, &first, "");
    steps.pop();
    steps.extend(chain.steps(history, &second, "reads the old value all the same"));
    Finding::new(history.place(edge.reader), text, steps).with(guarantee(history, graph, &second))
}

/// The reads of a part ask for an order of the writes that is a circle.
pub(super) fn arbitration_circle(history: &History, chain: &Chain<'_>, part: &[Id]) -> Finding {
    let text =
        "no order of all writes explains what was read: by these reads they precede each other in a circle";
    part_circle(history, chain, part, text.to_owned())
}

/// The same, by the reads of one session alone.
pub(super) fn memory_circle(history: &History, chain: &Chain<'_>, part: &[Id], session: u32) -> Finding {
    let name = history.sessions.get(session as usize).map_or("", String::as_str);
    let text = format!(
        "no order of the writes explains what session {} read: by its reads they precede each other in a circle",
        shown(name)
    );
    part_circle(history, chain, part, text)
}

fn part_circle(history: &History, chain: &Chain<'_>, part: &[Id], text: String) -> Finding {
    let edges = part.iter().flat_map(|to| {
        let edges = chain.edges.get(*to).iter();
        edges.map(move |(from, reader)| (*from, *to, *reader))
    });
    let within = edges.filter(|(from, _, _)| part.binary_search(from).is_ok());
    // There is one: the causal order alone has no circle any more.
    let (from, to, reader) = within.min_by_key(|(_, _, reader)| *reader).unwrap_or_default();
    let mut way = vec![from];
    way.extend(chain.way(to, from, Some(part)));
    let steps = chain.steps(history, &chain.short(&way), "which is the first again");
    Finding::new(history.place(reader), text, steps)
}

/// What a client expects of its session that this way from a write to a read that did not heed it breaks.
fn guarantee(history: &History, graph: &Graph, way: &[Id]) -> Option<Guarantee> {
    let session = |id: &Id| history.operations.get(*id).session;
    let reads: Vec<usize> = (1..way.len())
        .filter(|place| match (way.get(place - 1), way.get(*place)) {
            (Some(from), Some(to)) => {
                graph.sources.get(*to) == Source::Write(*from) && graph.before.get(*to) != *from
            }
            _ => false,
        })
        .collect();
    let last = way.last().map(session);
    match reads.as_slice() {
        [] if way.first().map(session) == last => Some(Guarantee::ReadYourWrites),
        [1] => Some(Guarantee::MonotonicReads),
        [2] => Some(Guarantee::MonotonicWrites),
        [1, 3] => Some(Guarantee::WritesFollowReads),
        _ => None,
    }
}
