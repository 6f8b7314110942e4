//! `concurrency`: how much of a run is concurrent, what was overtaken, and its critical path.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    ChainView, EventView, MessageView, ROWS_SHOWN_MAX, RunView, Scene,
    text::{Columns, counted, duration, seconds, sentence, share},
};
use crate::inspect::{
    causality::{Causality, Chain, Longest, Overtaken, Step, TooLarge},
    history::EventId,
};

/// Overtaken messages that are told.
pub const OVERTAKEN_SHOWN_MAX: usize = 5;

/// Concurrency of a run.
#[derive(Clone, Debug, Serialize)]
pub struct ConcurrencyReport {
    /// What was asked.
    pub run: RunView,
    /// Pairs of different events.
    pub pairs: u128,
    /// Pairs of which one happened before the other.
    pub ordered: u128,
    /// Pairs of which neither did.
    pub concurrent: u128,
    /// Pairs with equal Lamport clocks.
    pub equal_clocks: u128,
    /// Pairs with different Lamport clocks.
    pub ranked: u128,
    /// Those of them that are concurrent.
    pub ranked_concurrent: u128,
    /// Whether the logs' clocks rise along every process and message. If not, the clocks meant are the ones
    /// that Lamport's rules would have given.
    pub clocks_are_lamport: bool,
    /// Events whose clock is not the length of the longest chain that ends in them.
    pub clocks_differ: u64,
    /// The first of them.
    pub clocks_differ_first: Option<EventView>,
    /// The length of its longest chain.
    pub clocks_differ_length: Option<u32>,
    /// How many messages were taken after their news had come by another path.
    pub overtaken: u64,
    /// The first of them.
    pub overtaken_first: Vec<OvertakenView>,
    /// The longest chain: the critical path of the run.
    pub longest: Option<LongestView>,
}

/// An overtaken message.
#[derive(Clone, Debug, Serialize)]
pub struct OvertakenView {
    /// The message.
    pub message: MessageView,
    /// The path that was faster.
    pub path: Option<ChainView>,
}

/// The longest chain of a run.
#[derive(Clone, Debug, Serialize)]
pub struct LongestView {
    /// How many events it has, all of those between its hops counted.
    pub events: u32,
    /// How many messages it has.
    pub messages: usize,
    /// From its first event to its last.
    pub lasts_us: Option<i64>,
    /// What its messages took from send to receive.
    pub message_us: Option<i64>,
    /// What its messages spent on their way.
    pub transit_us: Option<i64>,
    /// What its messages spent in queues.
    pub waited_us: Option<i64>,
    /// Each machine's part.
    pub machines: Vec<LongestMachine>,
    /// Its stretches on machines, the first one first; a message leads from each to the next.
    pub hops: Vec<HopView>,
}

/// One machine's part of the longest chain.
#[derive(Clone, Debug, Serialize)]
pub struct LongestMachine {
    /// The machine.
    pub machine: String,
    /// How many events of the chain are its.
    pub events: u32,
    /// How long the chain stays there.
    pub lasts_us: Option<i64>,
}

/// A stretch of the longest chain on one machine, and the message that leads on.
#[derive(Clone, Debug, Serialize)]
pub struct HopView {
    /// The machine.
    pub machine: String,
    /// Its first event there.
    pub from: EventView,
    /// Its last event there: it sends the message that leads on.
    pub to: EventView,
    /// How many events.
    pub events: u32,
    /// From the first to the last.
    pub lasts_us: Option<i64>,
    /// From the send of the message that leads on until it was taken.
    pub message_us: Option<i64>,
    /// How long it was on its way.
    pub transit_us: Option<i64>,
    /// How long it waited.
    pub waited_us: Option<u64>,
}

impl ConcurrencyReport {
    /// Counts a run.
    ///
    /// # Errors
    /// [`TooLarge`] if it has too many events for the number of its machines.
    pub fn new(causality: &Causality<'_>) -> Result<Self, TooLarge> {
        let scene = Scene::new(causality);
        let found = causality.concurrency(OVERTAKEN_SHOWN_MAX)?;
        let differ = found.difference.first;
        Ok(Self {
            run: scene.run(),
            pairs: found.pairs,
            ordered: found.ordered,
            concurrent: found.concurrent(),
            equal_clocks: found.equal,
            ranked: found.ranked(),
            ranked_concurrent: found.ranked_concurrent(),
            clocks_are_lamport: causality.clocks_are_lamport(),
            clocks_differ: found.difference.count,
            clocks_differ_first: differ.map(|(event, _)| scene.event(event)),
            clocks_differ_length: differ.map(|(_, length)| length),
            overtaken: found.overtaken.count,
            overtaken_first: scene.overtaken(&found.overtaken),
            longest: found.longest.as_ref().map(|longest| scene.longest(longest)),
        })
    }
}

impl Scene<'_> {
    fn overtaken(&self, overtaken: &Overtaken) -> Vec<OvertakenView> {
        let view = |(message, knew): &(_, EventId)| {
            let message: &crate::inspect::history::Message = message;
            let path = self.causality.chain(message.send, *knew);
            OvertakenView {
                message: self.message(message),
                path: path.map(|path| self.chain(&path)),
            }
        };
        overtaken.first.iter().map(view).collect()
    }

    fn longest(&self, longest: &Longest) -> LongestView {
        let hops = self.hops(&longest.chain);
        let mut machines: BTreeMap<&str, (u32, Option<i64>)> = BTreeMap::new();
        for hop in &hops {
            let (events, lasts) = machines.entry(&hop.machine).or_insert((0, Some(0)));
            *events = events.saturating_add(hop.events);
            *lasts = sum([*lasts, hop.lasts_us].into_iter());
        }
        let of_process = |process: u32| {
            let machine = self.machine(process);
            let (events, lasts_us) = machines.remove(machine.as_str())?;
            Some(LongestMachine {
                machine,
                events,
                lasts_us,
            })
        };
        let processes = self.causality.history().process_ids();
        let machines = processes.filter_map(of_process).collect();
        let messages = hops.len().saturating_sub(1);
        let sent = || hops.iter().take(messages);
        let waited = sent().map(|hop| hop.waited_us.and_then(|waited| i64::try_from(waited).ok()));
        let time = |id| self.causality.history().event(id)?.at;
        let ends = time(longest.chain.to()).zip(time(longest.chain.from));
        LongestView {
            events: longest.events,
            messages,
            lasts_us: ends.map(|(to, from)| to.us_since(from)),
            message_us: sum(sent().map(|hop| hop.message_us)),
            transit_us: sum(sent().map(|hop| hop.transit_us)),
            waited_us: sum(waited),
            machines,
            hops,
        }
    }

    /// The stretches of a chain between its messages.
    fn hops(&self, chain: &Chain) -> Vec<HopView> {
        let mut hops = Vec::new();
        let mut here = chain.from;
        let mut start = here;
        for step in &chain.steps {
            match step {
                Step::Along(to) => here = *to,
                Step::Message(message) => {
                    let mut hop = self.hop(start, here);
                    hop.message_us = self.message_us(message);
                    hop.transit_us = self.transit_us(message);
                    hop.waited_us = message.waited_us;
                    hops.push(hop);
                    here = message.receive().unwrap_or(here);
                    start = here;
                }
            }
        }
        hops.push(self.hop(start, here));
        hops
    }

    fn hop(&self, from: EventId, to: EventId) -> HopView {
        let (first, last) = (self.event(from), self.event(to));
        let times = last.after_start_us.zip(first.after_start_us);
        HopView {
            machine: self.machine(from.process),
            events: to.index.saturating_sub(from.index) + 1,
            lasts_us: times.map(|(last, first)| last - first),
            from: first,
            to: last,
            message_us: None,
            transit_us: None,
            waited_us: None,
        }
    }
}

/// The sum, if all are known. Times of a wrong log may lie farther apart than any run lasts: then the largest.
pub(super) fn sum(mut parts: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    parts.try_fold(0_i64, |sum, part| Some(sum.saturating_add(part?)))
}

impl fmt::Display for ConcurrencyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.run.heading())?;
        let mut columns = Columns::new(["pairs of events", "count", "share"], [0, 1, 1]);
        let mut row = |what: &str, part: u128, whole: u128| {
            columns.push([what.to_owned(), part.to_string(), share(part, whole)]);
        };
        row("all", self.pairs, self.pairs);
        row("one happened before the other", self.ordered, self.pairs);
        row("concurrent", self.concurrent, self.pairs);
        row(
            "  of these, with equal Lamport clocks",
            self.equal_clocks,
            self.concurrent,
        );
        row(
            "ranked by Lamport's clocks (different clocks)",
            self.ranked,
            self.pairs,
        );
        row(
            "  of these, concurrent in truth",
            self.ranked_concurrent,
            self.ranked,
        );
        writeln!(f, "{}", columns.render())?;
        f.write_str(&sentence(&self.about_clocks(), 0))?;
        let text = format!(
            "Overtaken by a causal path: {} of {}.",
            self.overtaken,
            counted(self.run.received, "received message")
        );
        write!(f, "\n{}", sentence(&text, 0))?;
        for overtaken in &self.overtaken_first {
            f.write_str(&overtaken.told())?;
        }
        if let Some(more @ 1..) = self.overtaken.checked_sub(self.overtaken_first.len() as u64) {
            writeln!(f, "  and {more} more")?;
        }
        if let Some(longest) = &self.longest {
            write!(f, "\n{longest}")?;
        }
        f.write_str(&self.run.notes())
    }
}

impl ConcurrencyReport {
    fn about_clocks(&self) -> String {
        let mut text = String::new();
        if !self.clocks_are_lamport {
            text += "The clocks of these logs do not rise along every message, so they are no Lamport clocks; \
                     the table counts with those that Lamport's rules would have given. ";
        }
        text += &match (&self.clocks_differ_first, self.clocks_differ_length) {
            (Some(first), Some(length)) => format!(
                "The clock of {} is not the length of the longest chain that ends there, which it would be if \
                 clocks started at 0 and stepped by 1; the first is {} ({}): the chain has {length}.",
                counted(self.clocks_differ, "event"),
                first.event,
                first.place(),
            ),
            _ => {
                "Every event's clock is the length of the longest chain that ends in it, as it must be where \
                  clocks start at 0 and step by 1."
                    .to_owned()
            }
        };
        text
    }
}

impl OvertakenView {
    fn told(&self) -> String {
        let message = &self.message;
        let receive = message.receive.as_ref();
        let path = self.path.as_ref().map_or_else(String::new, ChainView::path);
        let text = format!(
            "{} -> {} ({}, {}): sooner by {path}",
            message.send.event,
            receive.map_or("?", |receive| receive.event.as_str()),
            message.send.place(),
            receive.map_or_else(String::new, EventView::place),
        );
        format!("  {}", sentence(&text, 4))
    }
}

impl fmt::Display for LongestView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasts = self
            .lasts_us
            .map_or_else(String::new, |lasts| format!(", over {}", duration(lasts)));
        let text = format!(
            "The longest causal chain has {} and {}{lasts}:",
            counted(u64::from(self.events), "event"),
            counted(self.messages as u64, "message")
        );
        writeln!(f, "{}", sentence(&text, 0))?;
        let lasts = self.lasts_us;
        let of_time = |us: Option<i64>| match us.zip(lasts) {
            // Hosts whose clocks differ may make a part negative; a share of that means nothing.
            Some((us @ 0.., lasts @ 1..)) => share(us.unsigned_abs().into(), lasts.unsigned_abs().into()),
            _ => "-".to_owned(),
        };
        let mut columns = Columns::new(
            ["where", "events", "share", "seconds", "of the time"],
            [0, 1, 1, 1, 1],
        );
        for part in self.machines.iter().take(ROWS_SHOWN_MAX) {
            columns.push([
                format!("machine {}", part.machine),
                part.events.to_string(),
                share(part.events.into(), self.events.into()),
                seconds(part.lasts_us),
                of_time(part.lasts_us),
            ]);
        }
        for (what, us) in [
            ("messages, send to receive", self.message_us),
            ("  on their way", self.transit_us),
            ("  in queues", self.waited_us),
        ] {
            let none = String::new;
            columns.push([what.to_owned(), none(), none(), seconds(us), of_time(us)]);
        }
        writeln!(f, "{}", columns.render())?;
        f.write_str(&self.hop_rows())
    }
}

impl LongestView {
    fn hop_rows(&self) -> String {
        let heading = [
            "machine",
            "from",
            "to",
            "log line",
            "events",
            "stays",
            "message",
            "on its way",
            "in queue",
        ];
        let mut columns = Columns::new(heading, [1, 0, 0, 0, 1, 1, 1, 1, 1]);
        let told = |us: Option<i64>| us.map_or_else(|| "-".to_owned(), duration);
        for hop in self.hops.iter().take(ROWS_SHOWN_MAX) {
            columns.push([
                hop.machine.clone(),
                hop.from.event.clone(),
                hop.to.event.clone(),
                hop.from.place(),
                hop.events.to_string(),
                told(hop.lasts_us),
                told(hop.message_us),
                told(hop.transit_us),
                told(hop.waited_us.and_then(|waited| i64::try_from(waited).ok())),
            ]);
        }
        let left_out = match self.hops.len().saturating_sub(ROWS_SHOWN_MAX) {
            0 => String::new(),
            more => format!("  and {more} more; --json has them\n"),
        };
        columns.render() + &left_out
    }
}
