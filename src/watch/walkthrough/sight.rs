//! How the machines stand, from their logs: for the lines beneath each step.

use std::{collections::BTreeMap, io, path::Path};

use super::{EventWord, Goal};
use crate::{
    trace::{Event, FaultNote, Kind, Record, copies},
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
    /// By sender and recipient.
    channels: BTreeMap<(MachineId, MachineId), Channel>,
}

/// What is known of the messages from one machine to another. When one arrived, no log says before it is taken.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    /// Copies that were sent.
    sent: u64,
    /// Copies that were taken.
    received: u64,
    /// Of these not taken: how many wait for a partition to be over.
    held: u64,
    /// And how many may still be under way, since a fault made them slow, or those before them.
    slow: u64,
}

/// What a fault does to messages that it does not lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delaying {
    /// They wait until it is over.
    Holds,
    /// They are under way longer.
    Slows,
}

/// What is known of one machine.
#[derive(Debug, Default)]
struct Seen {
    tick: u64,
    clock: u64,
    last: Option<Kind>,
    standing: Standing,
}

impl Sight {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            follower: Follower::new(folder),
            news: Vec::new(),
            expected: 0,
            machines: BTreeMap::new(),
            channels: BTreeMap::new(),
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
        let me = news.machine;
        let seen = self.machines.entry(me).or_default();
        match news.what {
            What::Header(header) => self.expected = header.machines,
            What::Record { at, record, .. } => {
                seen.standing.take(at, &record);
                match record {
                    Record::Event(event) => {
                        seen.event(&event);
                        self.event(me, &event.kind);
                    }
                    Record::Mended { .. } | Record::Ended(_) => self.release(me),
                    Record::Restarted { .. } => self.restart(me),
                    Record::Fault(_)
                    | Record::LinkUp { .. }
                    | Record::LinkLost { .. }
                    | Record::Stall { .. }
                    | Record::Paused
                    | Record::Stepped { .. }
                    | Record::Pace { .. }
                    | Record::Jumped { .. } => {}
                }
            }
        }
    }

    fn event(&mut self, me: MachineId, kind: &Kind) {
        match kind {
            Kind::Send { to, mishaps } => {
                for peer in to {
                    self.send(me, *peer, copies(mishaps.as_deref(), *peer));
                }
            }
            Kind::Receive { from, .. } => self.channels.entry((*from, me)).or_default().received += 1,
            Kind::Internal | Kind::Other => {}
        }
    }

    fn send(&mut self, from: MachineId, to: MachineId, copies: u64) {
        let (holds, slows) = (
            self.delays(from, to, Delaying::Holds),
            self.delays(from, to, Delaying::Slows),
        );
        let channel = self.channels.entry((from, to)).or_default();
        // Messages of a channel keep their order, so one behind a slow one is slow.
        let is_behind = channel.waiting().slow > 0;
        channel.slow = channel.waiting().slow;
        channel.sent += copies;
        if holds {
            channel.held += copies;
        } else if slows || is_behind {
            channel.slow += copies;
        }
    }

    /// Whether a fault does so to what one machine sends to another.
    fn delays(&self, from: MachineId, to: MachineId, how: Delaying) -> bool {
        let seen = self.machines.get(&from);
        let mut faults = seen.into_iter().flat_map(|seen| seen.standing.faults.values());
        faults.any(|note| Delaying::of(note) == Some(how) && note.to.contains(&to))
    }

    /// A fault of `me` is over, or all are: what is held back no more goes on its way.
    fn release(&mut self, me: MachineId) {
        for to in self.machines.keys().copied().collect::<Vec<_>>() {
            if self.delays(me, to, Delaying::Holds) {
                continue;
            }
            let slows = self.delays(me, to, Delaying::Slows);
            if let Some(channel) = self.channels.get_mut(&(me, to)) {
                let released = std::mem::take(&mut channel.held);
                if slows || channel.waiting().slow > 0 {
                    channel.slow += released;
                }
            }
        }
    }

    /// `me` began a further life: what waited at it, or was held back at it, is lost.
    fn restart(&mut self, me: MachineId) {
        for ((from, to), channel) in &mut self.channels {
            if *to == me {
                channel.received = channel.sent;
            } else if *from == me {
                channel.sent = channel.sent.saturating_sub(channel.held);
            } else {
                continue;
            }
            (channel.held, channel.slow) = (0, 0);
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

    /// Every machine in a few words: `0: tick 3, clock 7, sent to 1`.
    pub(super) fn words(&self) -> Vec<String> {
        let named = self.machines.iter().take(NAMED_MAX);
        let mut words: Vec<String> = named
            .map(|(machine, seen)| format!("{machine}: {}{}", seen.words(), self.coming(*machine)))
            .collect();
        if self.machines.len() > NAMED_MAX {
            words.push("…".to_owned());
        }
        words
    }

    /// What was sent to a machine and that it has not taken.
    fn coming(&self, to: MachineId) -> String {
        let mut all = Waiting::default();
        for (_, channel) in self.channels.iter().filter(|((_, other), _)| *other == to) {
            let waiting = channel.waiting();
            all.there += waiting.there;
            all.slow += waiting.slow;
            all.held += waiting.held;
        }
        let kinds = [
            (all.there, "to take"),
            (all.slow, "to take or under way"),
            (all.held, "held back"),
        ];
        let kinds = kinds.iter().filter(|(count, _)| *count > 0);
        kinds.map(|(count, what)| format!(", {count} {what}")).collect()
    }
}

/// Copies that were not taken, by where they are.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    /// In the queue.
    there: u64,
    slow: u64,
    held: u64,
}

impl Channel {
    fn waiting(&self) -> Waiting {
        let all = self.sent.saturating_sub(self.received);
        let held = self.held.min(all);
        let slow = self.slow.min(all - held);
        Waiting {
            there: all - held - slow,
            slow,
            held,
        }
    }
}

impl Delaying {
    /// What the fault of a log line does; `None` if it makes nothing late.
    fn of(note: &FaultNote) -> Option<Self> {
        match (note.kind.as_str(), note.detail.as_str()) {
            ("partition", "hold") => Some(Self::Holds),
            ("delay" | "bandwidth", _) => Some(Self::Slows),
            _ => None,
        }
    }
}

impl Seen {
    fn event(&mut self, event: &Event) {
        (self.tick, self.clock) = (event.tick, event.clock);
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
