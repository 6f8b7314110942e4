//! How the machines stand, from their logs: for the line beneath each step.

use std::{collections::BTreeMap, io, path::Path};

use super::{EventWord, Goal};
use crate::{
    trace::{Event, Kind, Record, copies},
    units::MachineId,
    watch::{Follower, News, Standing, What, scene::is_over},
};

/// Machines that a line names.
const NAMED_MAX: usize = 8;

/// The machines of a run, as far as their logs say.
#[derive(Debug)]
pub(super) struct Sight {
    follower: Follower,
    news: Vec<News>,
    /// How many machines the run has; 0 until a log says.
    expected: u16,
    machines: BTreeMap<MachineId, Seen>,
    /// By recipient: copies that were sent to it.
    sent: BTreeMap<MachineId, u64>,
}

/// What is known of one machine.
#[derive(Debug, Default)]
struct Seen {
    tick: u64,
    clock: u64,
    last: Option<Kind>,
    received: u64,
    standing: Standing,
}

impl Sight {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            follower: Follower::new(folder),
            news: Vec::new(),
            expected: 0,
            machines: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    /// Reads on to the end of all logs.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn look(&mut self) -> io::Result<()> {
        loop {
            let more = self.follower.look(&mut self.news)?;
            for news in std::mem::take(&mut self.news) {
                self.take(news);
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn take(&mut self, news: News) {
        let seen = self.machines.entry(news.machine).or_default();
        match news.what {
            What::Header(header) => self.expected = header.machines,
            What::Record { at, record, .. } => {
                seen.standing.take(at, &record);
                if let Record::Event(event) = record {
                    seen.event(&event);
                    if let Kind::Send { to, mishaps } = &event.kind {
                        for peer in to {
                            *self.sent.entry(*peer).or_default() += copies(mishaps.as_deref(), *peer);
                        }
                    }
                }
            }
        }
    }

    /// How many machines have started.
    pub(super) fn started(&self) -> usize {
        self.machines.len()
    }

    /// Whether no machine of the run is to do anything more.
    pub(super) fn has_ended(&self) -> bool {
        let standings = self.machines.iter().map(|(id, seen)| (*id, &seen.standing));
        is_over(self.expected, standings)
    }

    /// Whether a machine has come so far.
    pub(super) fn has_reached(&self, machine: MachineId, goal: Goal) -> bool {
        let seen = self.machines.get(&machine);
        seen.is_some_and(|seen| match goal {
            Goal::Tick(tick) => seen.tick >= tick,
            Goal::Clock(clock) => seen.clock >= clock,
        })
    }

    /// Whether a machine's last event is of this kind.
    pub(super) fn has_done(&self, machine: MachineId, event: EventWord) -> bool {
        let last = self.machines.get(&machine).and_then(|seen| seen.last.as_ref());
        match (last, event) {
            (Some(Kind::Internal), EventWord::Internal) => true,
            (Some(Kind::Send { to, .. }), EventWord::Send(peer)) => {
                peer.is_none_or(|peer| to.contains(&peer))
            }
            (Some(Kind::Receive { from, .. }), EventWord::Receive(peer)) => {
                peer.is_none_or(|peer| *from == peer)
            }
            _ => false,
        }
    }

    /// Every machine in a few words: `0: tick 3, clock 7, sent to 1 | 1: …`.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<String> = self
            .machines
            .iter()
            .take(NAMED_MAX)
            .map(|(machine, seen)| {
                let sent = self.sent.get(machine).copied().unwrap_or(0);
                let coming = match sent.saturating_sub(seen.received) {
                    0 => String::new(),
                    coming => format!(", {coming} to take"),
                };
                format!("{machine}: {}{coming}", seen.words())
            })
            .collect();
        if self.machines.len() > NAMED_MAX {
            words.push("…".to_owned());
        }
        words.join(" | ")
    }
}

impl Seen {
    fn event(&mut self, event: &Event) {
        (self.tick, self.clock) = (event.tick, event.clock);
        self.received += u64::from(matches!(event.kind, Kind::Receive { .. }));
        self.last = Some(event.kind.clone());
    }

    fn words(&self) -> String {
        let last = match &self.last {
            None | Some(Kind::Other) => String::new(),
            Some(Kind::Internal) => ", internal".to_owned(),
            Some(Kind::Send { to, .. }) => {
                let to: Vec<String> = to.iter().map(ToString::to_string).collect();
                format!(", sent to {}", to.join(","))
            }
            Some(Kind::Receive { from, sent, .. }) => format!(", took {from}:{sent}"),
        };
        let ended = if self.standing.ended.is_some() {
            ", ended"
        } else {
            ""
        };
        format!("tick {}, clock {}{last}{ended}", self.tick, self.clock)
    }
}
