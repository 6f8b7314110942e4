//! How the machines stand, from their logs: for the lines beneath each step.

use std::{collections::BTreeMap, io, path::Path};

use super::{EventWord, Goal};
use crate::{
    trace::{Event, FaultNote, Kind, Record, WallTime, copies},
    units::MachineId,
    watch::{
        Follower, News, Standing, What,
        scene::{Channels, Sent, UnderWay, is_over},
    },
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
    channels: Channels,
    /// By sender and recipient.
    delayed: BTreeMap<(MachineId, MachineId), Delayed>,
}

/// Of the messages from one machine to another that were not taken: which a fault keeps from their recipient. At most
/// all: what was counted and is lost or taken counts no more.
#[derive(Clone, Copy, Debug, Default)]
struct Delayed {
    /// Copies that wait for a partition to be over; the newest.
    held: u64,
    /// Copies that may still be under way, since a fault made them slow, or those before them.
    slow: u64,
    /// The same of lives of the sender that are over: they are there, or lost.
    left: u64,
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
            channels: Channels::default(),
            delayed: BTreeMap::new(),
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
                        self.event(me, at, &event);
                    }
                    Record::Mended { .. } | Record::Ended(_) => self.release(me),
                    Record::Restarted { .. } => {
                        self.channels.void(me, at);
                        self.died(me, at);
                    }
                    Record::Fault(note) if note.kills() => self.died(me, at),
                    Record::Fault(_)
                    | Record::LinkUp { .. }
                    | Record::LinkLost { .. }
                    | Record::Stall { .. }
                    | Record::Paused
                    | Record::Stepped { .. }
                    | Record::Pace { .. }
                    | Record::Jumped { .. }
                    | Record::Data(_) => {}
                }
            }
        }
    }

    fn event(&mut self, me: MachineId, at: WallTime, event: &Event) {
        match &event.kind {
            Kind::Send { to, mishaps } => {
                for peer in to {
                    self.send(&Sent {
                        message: UnderWay {
                            from: me,
                            to: *peer,
                            clock: event.clock,
                            at,
                        },
                        copies: copies(mishaps.as_deref(), *peer),
                        unordered: mishaps
                            .as_ref()
                            .is_some_and(|mishaps| mishaps.unordered.contains(peer)),
                    });
                }
            }
            Kind::Receive { from, sent, .. } => self.channels.taken(*from, me, *sent),
            Kind::Internal | Kind::Other => {}
        }
        if event.kind.queue() == 0 {
            self.channels.empty(me, at);
        }
    }

    fn send(&mut self, sent: &Sent) {
        let UnderWay { from, to, .. } = sent.message;
        let (holds, slows) = (
            self.delays(from, to, Delaying::Holds),
            self.delays(from, to, Delaying::Slows),
        );
        let mut delayed = self.delayed(from, to);
        let copies = self.channels.sent(sent);
        if holds {
            delayed.held += copies;
        } else if slows || delayed.slow > 0 {
            // Messages of a channel keep their order, so one behind a slow one is slow.
            delayed.slow += copies;
        }
        self.delayed.insert((from, to), delayed);
    }

    /// What of the messages from one machine to another a fault keeps from it.
    fn delayed(&self, from: MachineId, to: MachineId) -> Delayed {
        let counted = self.delayed.get(&(from, to)).copied().unwrap_or_default();
        let old = self.channels.left_between(from, to);
        let new = self.channels.between(from, to) - old;
        let held = counted.held.min(new);
        Delayed {
            held,
            slow: counted.slow.min(new - held),
            left: counted.left.min(old),
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
        for to in self.recipients(me) {
            if self.delays(me, to, Delaying::Holds) {
                continue;
            }
            let mut delayed = self.delayed(me, to);
            let released = std::mem::take(&mut delayed.held);
            if delayed.slow > 0 || self.delays(me, to, Delaying::Slows) {
                delayed.slow += released;
            }
            self.delayed.insert((me, to), delayed);
        }
    }

    /// To whom a machine sent; their logs may not have been read yet.
    fn recipients(&self, me: MachineId) -> Vec<MachineId> {
        let sent = self.delayed.range((me, MachineId(0))..=(me, MachineId(u16::MAX)));
        sent.map(|((_, to), _)| *to).collect()
    }

    /// `me` is dead: what it held back is lost. Which of the slow messages were there by then shows later.
    fn died(&mut self, me: MachineId, at: WallTime) {
        for to in self.recipients(me) {
            let Delayed { held, slow, left } = self.delayed(me, to);
            self.channels.lose_newest(me, to, held);
            let left = left + slow;
            self.delayed.insert(
                (me, to),
                Delayed {
                    left,
                    ..Delayed::default()
                },
            );
        }
        self.channels.died(me, at);
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
        let (mut all, mut slow, mut held) = (self.channels.waiting(to), 0, 0);
        for from in self.machines.keys() {
            let delayed = self.delayed(*from, to);
            slow += delayed.slow + delayed.left;
            held += delayed.held;
        }
        all = all.saturating_sub(slow + held);
        let kinds = [
            (all, "to take"),
            (slow, "to take or under way"),
            (held, "held back"),
        ];
        let kinds = kinds.iter().filter(|(count, _)| *count > 0);
        kinds.map(|(count, what)| format!(", {count} {what}")).collect()
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
