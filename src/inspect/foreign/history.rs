//! Foreign logs as a [`History`].

use std::sync::Arc;

use super::{
    arrows::Cause,
    journal::Matched,
    maelstrom::{End, Journal},
    text::Text,
    vectors::VectorLog,
    verdict::Judged,
};
use crate::inspect::{
    history::{Event, EventId, EventKind, Fate, History, HistoryBuilder, Message, Process},
    words::Names,
};

/// An execution of vector clocks: arrows become messages.
pub(super) fn of_vectors(log: &VectorLog, judged: &Judged, name: String, source: String) -> History {
    let mut builder = HistoryBuilder::default();
    let names = process_names((0..log.hosts()).map(|host| log.name(host)), &mut builder);
    for (host, name) in (0..).zip(names) {
        let file = log.of(host).first().map(|event| log.place(event).file);
        builder.process(process(name, file.unwrap_or_default()));
    }
    // By host and event: whether it sends, and its parents.
    let mut sends: Vec<Vec<bool>> = log
        .events
        .iter()
        .map(|events| vec![false; events.len()])
        .collect();
    let mut parents: Vec<Vec<Vec<Cause>>> = Vec::with_capacity(log.events.len());
    for host in 0..log.hosts() {
        let indices = (0_u32..).take(log.of(host).len());
        let of_host: Vec<Vec<Cause>> = indices
            .map(|index| log.parents(&log.causes(host, index)))
            .collect();
        for parent in of_host.iter().flatten() {
            let sent = sends.get_mut(parent.host as usize);
            if let Some(sent) = sent.and_then(|sent| sent.get_mut(parent.index as usize)) {
                *sent = true;
            }
        }
        parents.push(of_host);
    }
    for (host, (parents, sends)) in (0..).zip(parents.iter().zip(&sends)) {
        for ((index, event), (parents, sends)) in (0_u32..).zip(log.of(host)).zip(parents.iter().zip(sends)) {
            let kind = match (sends, parents.is_empty()) {
                (false, true) => EventKind::Internal,
                (true, true) => EventKind::Send,
                (false, false) => EventKind::Receive,
                (true, false) => EventKind::Exchange,
            };
            let added = builder.event(
                host,
                Event {
                    clock: u64::from(index) + 1,
                    at: event.at,
                    kind,
                    queue: None,
                    line: event.line,
                },
            );
            let Some(id) = added else { continue };
            builder.text(id, &event.text);
            for parent in parents {
                builder.message(Message {
                    send: EventId {
                        process: parent.host,
                        index: parent.index,
                    },
                    to: host,
                    fate: Fate::Received(id),
                    waited_us: None,
                });
            }
        }
    }
    for problem in &log.problems {
        builder.note("matches that are no events", || {
            format!("{}: {}", problem.place, problem.text)
        });
    }
    notes(judged, &mut builder);
    builder.finish(name, source)
}

/// Maelstrom's messages.
pub(super) fn of_journal(
    text: &Text,
    journal: &Journal,
    matched: &Matched,
    name: String,
    source: String,
) -> History {
    let mut builder = HistoryBuilder::default();
    for name in process_names(journal.nodes.iter().map(String::as_str), &mut builder) {
        builder.process(process(name, text.file.clone()));
    }
    let mut counts = vec![0_u64; journal.nodes.len()];
    let mut ids = Vec::with_capacity(journal.entries.len());
    for entry in &journal.entries {
        let node = entry.node();
        let Some(count) = counts.get_mut(node as usize) else {
            continue;
        };
        *count += 1;
        let kind = match entry.end {
            End::Send => EventKind::Send,
            End::Receive => EventKind::Receive,
        };
        let event = Event {
            clock: *count,
            at: entry.at,
            kind,
            queue: None,
            line: entry.line,
        };
        let id = builder.event(node, event);
        if let Some(id) = id {
            builder.text(id, &entry.text);
        }
        ids.push(id);
    }
    for (place, entry) in journal
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.end == End::Send)
    {
        let Some(Some(send)) = ids.get(place).copied() else {
            continue;
        };
        let receive = matched.other.get(place).copied().flatten();
        let receive = receive.and_then(|receive| ids.get(receive).copied().flatten());
        builder.message(Message {
            send,
            to: receive.map_or(entry.to, |receive| receive.process),
            fate: receive.map_or(Fate::Unknown, Fate::Received),
            waited_us: None,
        });
    }
    for problem in &journal.problems {
        builder.note("lines that cannot be read", || {
            format!("{}: {}; the line is left out", problem.place, problem.text)
        });
    }
    notes(&matched.judged, &mut builder);
    builder.finish(name, source)
}

fn process(name: String, file: Arc<str>) -> Process {
    Process {
        name,
        rate: None,
        started: None,
        ended: None,
        waiting: None,
        file,
    }
}

/// What was noted, and that rules are broken, if they are.
fn notes(judged: &Judged, builder: &mut HistoryBuilder) {
    for note in &judged.notes {
        builder.note("notes", || note.clone());
    }
    let broken: u64 = judged.rules.iter().map(|count| count.broken).sum();
    if broken > 0 {
        builder.note("violations", || {
            format!("this log breaks rules, {broken} times; `clocklab check` tells where")
        });
    }
}

/// Names without blanks and colons, each once: events are named `host:number`.
fn process_names<'a>(names: impl Iterator<Item = &'a str>, builder: &mut HistoryBuilder) -> Vec<String> {
    let mut given = Names::default();
    let mut all = Vec::new();
    for name in names {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == ':';
        let clean = given.take(name.replace(is_odd, "_"));
        if clean != name {
            builder.note("hosts with other names here", || {
                format!("the host `{name}` is called {clean} here, because events are named host:number")
            });
        }
        all.push(clean);
    }
    all
}
