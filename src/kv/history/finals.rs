//! What the final reads must show: the same at every replica, nothing acknowledged lost, counters that add up.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, History, Id, Outcome,
    findings::{Finding, Pattern},
    judge::{Judgement, is_delete},
    read::shown,
    sources::Source,
    table::Table,
    verdict::Verdict,
    walk::Walk,
};

/// Final reads know every acknowledged write: those of their key precede what they read, or it is lost.
pub(super) fn judge_lost(judgement: &mut Judgement<'_>, walk: &Walk<'_>, unknown_deletes: &Table<bool>) {
    let (history, graph) = (judgement.history, judgement.graph);
    for read in graph.finals.iter().copied() {
        let key = history.operations.get(read).key;
        let latest: Vec<Id> = graph
            .groups(key)
            .iter()
            .filter_map(|group| graph.latest(*group, u32::MAX).map(|(_, write)| write))
            .collect();
        match graph.sources.get(read) {
            Source::Unjudged => {}
            Source::Write(write) => {
                for other in latest.iter().filter(|other| **other != write) {
                    judgement.final_edge(*other, write, read);
                }
            }
            Source::Nothing if unknown_deletes.get(key) => {}
            Source::Initial | Source::Nothing => {
                let is_possible = latest.is_empty()
                    || latest
                        .iter()
                        .any(|write| judgement.is_open(*write, &latest, walk));
                let put = latest.iter().find(|write| !is_delete(history, **write));
                if let Some(write) = put.or(latest.first()).filter(|_| !is_possible) {
                    judgement
                        .findings
                        .add(Pattern::LostWrite, || gone(history, *write, read));
                }
            }
        }
    }
}

fn gone(history: &History, write: Id, read: Id) -> Finding {
    let text = format!(
        "the acknowledged write at {} is gone: nothing is there, and no delete comes after it",
        history.place(write)
    );
    let steps = vec![
        history.step(write, "was acknowledged"),
        history.step(read, "finds nothing all the same"),
    ];
    Finding::new(history.place(read), text, steps)
}

/// Equal values at all replicas; counters.
pub(super) fn judge_values(judgement: &mut Judgement<'_>, verdict: &mut Verdict) {
    let (history, graph) = (judgement.history, judgement.graph);
    // Of two final reads of one key at one replica the later counts.
    let mut reads: BTreeMap<(u32, u16), Id> = BTreeMap::new();
    for read in graph.finals.iter().copied() {
        let operation = history.operations.get(read);
        if let Some(replica) = operation.replica {
            reads.insert((operation.key, replica), read);
        }
    }
    let mut by_key: BTreeMap<u32, Vec<Id>> = BTreeMap::new();
    for ((key, _), read) in reads {
        by_key.entry(key).or_default().push(read);
    }
    for reads in by_key.values() {
        let mut values: BTreeMap<&str, Id> = BTreeMap::new();
        for read in reads {
            values.entry(visible(history, *read)).or_insert(*read);
        }
        if values.len() > 1 {
            judgement
                .findings
                .add(Pattern::Divergence, || divergence(history, &values));
        }
    }
    judge_counters(judgement, &by_key);
    let replicas = history.replicas.len();
    let partial = by_key.values().filter(|reads| reads.len() < replicas).count();
    if partial > 0 {
        verdict.notes.push(format!(
            "{partial} keys were not read at the end at all {replicas} replicas: those that were are compared"
        ));
    }
    let read: BTreeSet<u32> = by_key.keys().copied().collect();
    verdict.count_final(graph.finals.len() as u64, read.len() as u64);
}

/// What a client sees: the value, or nothing, whatever mark nothing has.
fn visible(history: &History, read: Id) -> &str {
    let text = history.text(history.operations.get(read).text);
    if text.starts_with(super::read::MARK) {
        ""
    } else {
        text
    }
}

fn divergence(history: &History, values: &BTreeMap<&str, Id>) -> Finding {
    let reads: BTreeSet<Id> = values.values().copied().collect();
    let steps: Vec<_> = reads
        .iter()
        .map(|read| history.step(*read, "differs from the others"))
        .collect();
    let last = reads.last().copied().unwrap_or_default();
    let text = format!(
        "replicas that have settled hold {} different values of key {}",
        values.len(),
        shown(history.key(history.operations.get(last).key))
    );
    Finding::new(history.place(last), text, steps)
}

/// A counter is the sum of what was surely added, and of any of what may have been.
fn judge_counters(judgement: &mut Judgement<'_>, by_key: &BTreeMap<u32, Vec<Id>>) {
    let history = judgement.history;
    let mut sums: BTreeMap<u32, (i128, i128)> = BTreeMap::new();
    let mut written = BTreeSet::new();
    for (_, operation) in history.operations.iter() {
        if operation.is_write() && operation.outcome != Outcome::Fail {
            written.insert(operation.key);
        }
        if operation.action != Action::Add || operation.outcome == Outcome::Fail {
            continue;
        }
        let amount: i128 = history.text(operation.text).parse().unwrap_or(0);
        let (least, most) = sums.entry(operation.key).or_default();
        let is_sure = operation.outcome == Outcome::Ok;
        *least += if is_sure { amount } else { amount.min(0) };
        *most += if is_sure { amount } else { amount.max(0) };
    }
    // Who is also put or deleted is not judged: that takes counts away.
    sums.retain(|key, _| !written.contains(key));
    for (key, (least, most)) in sums {
        for read in by_key.get(&key).map(Vec::as_slice).unwrap_or_default() {
            let text = visible(history, *read);
            let value: Option<i128> = if text.is_empty() {
                Some(0)
            } else {
                text.parse().ok()
            };
            if value.is_some_and(|value| (least..=most).contains(&value)) {
                continue;
            }
            let expected = if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            judgement.findings.add(Pattern::LostCount, || {
                let text = format!(
                    "the counter {} is not the sum of what was added: {expected}",
                    shown(history.key(key))
                );
                let steps = vec![history.step(*read, "is not that sum")];
                Finding::new(history.place(*read), text, steps)
            });
        }
    }
}
