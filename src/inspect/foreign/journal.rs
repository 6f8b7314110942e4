//! The two ends of Maelstrom's messages, brought together and judged.
//!
//! | rule | holds when |
//! |---|---|
//! | `format` | each line about a message can be read |
//! | `sent once` | no two sends have the same id |
//! | `known send` | each receive has a send |
//! | `received once` | no message is received twice: Maelstrom's network loses and reorders, but never copies |
//! | `same message` | a receive names the sender and the recipient that its send names |
//! | `causes first` | no message is received before an event that led to its send |
//!
//! Messages that are never received are no violation: lost, cut off by a partition, or on their way at the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    maelstrom::{End, Entry, Journal, Key},
    text::Text,
    verdict::{FORMAT, Judged, Judgement, NO_HOST},
};

/// No two sends have the same id.
const SENT: &str = "sent once";
/// Each receive has a send.
const KNOWN: &str = "known send";
/// No message is received twice.
const ONCE: &str = "received once";
/// Both ends name the same nodes.
const SAME: &str = "same message";
/// No circle.
const CIRCLE: &str = "causes first";

const RULES: [&str; 6] = [FORMAT, SENT, KNOWN, ONCE, SAME, CIRCLE];

/// Circles that are looked for; a log with more of them is wrong enough.
const CIRCLES_MAX: u32 = 1000;

/// What matching found.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// By entry: for a receive the entry that sent its message, for a send the one that received it.
    pub(super) other: Vec<Option<usize>>,
    pub(super) judged: Judged,
}

/// The sends of one key.
#[derive(Debug, Default)]
struct Sends {
    /// Those not received yet.
    waiting: VecDeque<usize>,
    /// The last receive.
    received: Option<usize>,
}

/// Matching on its way.
struct Matching<'a> {
    text: &'a Text,
    journal: &'a Journal,
    judgement: Judgement,
    sends: BTreeMap<&'a Key, Sends>,
    other: Vec<Option<usize>>,
}

/// Finds the send of each receive, and judges both.
pub(super) fn match_up(text: &Text, journal: &Journal) -> Matched {
    let entries = &journal.entries;
    let mut matching = Matching {
        text,
        journal,
        judgement: Judgement::default(),
        sends: BTreeMap::new(),
        other: vec![None; entries.len()],
    };
    for problem in &journal.problems {
        let tell = || (vec![problem.place.clone()], problem.text.clone());
        matching.judgement.add(FORMAT, NO_HOST, tell);
    }
    matching
        .judgement
        .judge(FORMAT, journal.problems.len() + entries.len());
    // A receive may stand before its send: the lines of different nodes have no order.
    let of_end = |end| {
        entries
            .iter()
            .enumerate()
            .filter(move |(_, entry)| entry.end == end)
    };
    of_end(End::Send).for_each(|(index, entry)| matching.send(index, entry));
    of_end(End::Receive).for_each(|(index, entry)| matching.receive(index, entry));
    let Matching {
        mut judgement, other, ..
    } = matching;
    judge_circles(text, journal, &other, &mut judgement);
    let judged = judgement.finish(&RULES, |node| name(journal, node).to_owned());
    let judged = counted(journal, &other, judged);
    Matched { other, judged }
}

impl<'a> Matching<'a> {
    fn send(&mut self, index: usize, entry: &'a Entry) {
        let (text, journal) = (self.text, self.journal);
        self.judgement.judge(SENT, 1);
        let same = self.sends.entry(&entry.key).or_default();
        let first = same.waiting.front().and_then(|first| journal.entries.get(*first));
        if let (Key::Id(id), Some(first)) = (&entry.key, first) {
            self.judgement.add(SENT, entry.from, || {
                let first = text.place(first.line);
                let words =
                    format!("message {id} is sent a second time; the first is {first}: ids are given once");
                (vec![text.place(entry.line), first], words)
            });
            return;
        }
        same.waiting.push_back(index);
    }

    fn receive(&mut self, index: usize, entry: &'a Entry) {
        let (text, journal) = (self.text, self.journal);
        self.judgement.judge(KNOWN, 1);
        let Some(same) = self.sends.get_mut(&entry.key) else {
            self.judgement.add(KNOWN, entry.to, || {
                let words = format!("{} is received, but no line sends it", message(journal, entry));
                (vec![text.place(entry.line)], words)
            });
            return;
        };
        self.judgement.judge(ONCE, 1);
        let Some(send) = same.waiting.pop_front() else {
            let first = same.received.and_then(|first| journal.entries.get(first));
            self.judgement.add(ONCE, entry.to, || {
                let mut places = vec![text.place(entry.line)];
                places.extend(first.map(|first| text.place(first.line)));
                let first = places.get(1).map(ToString::to_string).unwrap_or_default();
                let words = format!(
                    "{} is received a second time; the first is {first}: the network never copies a message",
                    message(journal, entry)
                );
                (places, words)
            });
            return;
        };
        same.received = Some(index);
        for (one, two) in [(index, send), (send, index)] {
            if let Some(end) = self.other.get_mut(one) {
                *end = Some(two);
            }
        }
        self.judgement.judge(SAME, 1);
        let sent = journal.entries.get(send);
        let Some(sent) = sent.filter(|sent| (sent.from, sent.to) != (entry.from, entry.to)) else {
            return;
        };
        self.judgement.add(SAME, entry.to, || {
            let words = format!(
                "{} is received, but it was sent as {} ({})",
                message(journal, entry),
                message(journal, sent),
                text.place(sent.line)
            );
            (vec![text.place(entry.line), text.place(sent.line)], words)
        });
    }
}

fn counted(journal: &Journal, other: &[Option<usize>], judged: Judged) -> Judged {
    let matched = other.iter().flatten().count() / 2;
    let sends = journal.entries.iter().filter(|entry| entry.end == End::Send);
    let lost = sends.count() - matched;
    let mut notes = journal.notes.clone();
    if lost > 0 {
        notes.push(format!(
            "sent and never received: {lost} messages, lost or on their way at the end"
        ));
    }
    Judged {
        hosts: u32::try_from(journal.nodes.len()).unwrap_or(u32::MAX),
        events: journal.entries.len() as u64,
        matched: matched as u64,
        notes,
        ..judged
    }
}

/// Lets each node do its events in their order, a receive only behind its send; who cannot go on waits in a
/// circle.
fn judge_circles(text: &Text, journal: &Journal, other: &[Option<usize>], judgement: &mut Judgement) {
    let entries = &journal.entries;
    let mut queues: Vec<VecDeque<usize>> = vec![VecDeque::new(); journal.nodes.len()];
    for (index, entry) in entries.iter().enumerate() {
        if let Some(queue) = queues.get_mut(entry.node() as usize) {
            queue.push_back(index);
        }
    }
    let send_of = |index: usize| {
        let entry = entries.get(index).filter(|entry| entry.end == End::Receive)?;
        let send = other.get(index).copied().flatten()?;
        Some((entry, send))
    };
    let mut done = vec![false; entries.len()];
    let mut runnable: Vec<u32> = (0..).take(queues.len()).collect();
    let mut waiters: BTreeMap<usize, u32> = BTreeMap::new();
    let mut circles = 0;
    judgement.judge(CIRCLE, other.iter().flatten().count() / 2);
    loop {
        while let Some(node) = runnable.pop() {
            let Some(queue) = queues.get_mut(node as usize) else {
                continue;
            };
            while let Some(index) = queue.front().copied() {
                if let Some((_, send)) = send_of(index)
                    && !done.get(send).copied().unwrap_or(true)
                {
                    waiters.insert(send, node);
                    break;
                }
                queue.pop_front();
                if let Some(done) = done.get_mut(index) {
                    *done = true;
                }
                runnable.extend(waiters.remove(&index));
            }
        }
        // A receive of a circle is told, and done all the same.
        circles += 1;
        let stuck = on_a_circle(entries, &queues, send_of);
        let Some((entry, send)) = stuck.filter(|_| circles <= CIRCLES_MAX) else {
            return;
        };
        if let Some(sent) = entries.get(send) {
            judgement.add(CIRCLE, entry.to, || {
                let text_of = format!(
                    "{} is received here, but its send ({}) is behind events that came of this one: \
                     no event is its own cause",
                    message(journal, entry),
                    text.place(sent.line)
                );
                (vec![text.place(entry.line), text.place(sent.line)], text_of)
            });
        }
        waiters.remove(&send);
        if let Some(done) = done.get_mut(send) {
            *done = true;
        }
        runnable.push(entry.node());
    }
}

/// Where nodes wait for each other: from the earliest line that waits, to the send it waits for, to what that
/// node itself waits for, until a node comes round again.
fn on_a_circle<'a>(
    entries: &'a [Entry],
    queues: &[VecDeque<usize>],
    send_of: impl Fn(usize) -> Option<(&'a Entry, usize)>,
) -> Option<(&'a Entry, usize)> {
    let mut index = queues.iter().filter_map(|queue| queue.front().copied()).min()?;
    let mut seen = BTreeSet::new();
    loop {
        let (entry, send) = send_of(index)?;
        if !seen.insert(entry.node()) {
            return Some((entry, send));
        }
        index = queues.get(entries.get(send)?.node() as usize)?.front().copied()?;
    }
}

fn name(journal: &Journal, node: u32) -> &str {
    journal.nodes.get(node as usize).map_or("?", String::as_str)
}

/// A message in words.
fn message(journal: &Journal, entry: &Entry) -> String {
    let (from, to) = (name(journal, entry.from), name(journal, entry.to));
    match entry.key {
        Key::Id(id) => format!("message {id} from {from} to {to}"),
        Key::Fields(..) => format!("the message `{}` from {from} to {to}", entry.text),
    }
}
