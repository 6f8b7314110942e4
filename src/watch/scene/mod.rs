//! What is known of a run that is watched: a value that takes news and answers questions.
//!
//! Reads no log and no clock. Its memory is bounded: the last lines of each machine, the first messages of each
//! channel; counts are exact.

mod channel;
mod machine;
mod pulse;
mod standing;

use std::collections::BTreeMap;

pub use channel::UnderWay;
pub(super) use channel::{Channels, Sent};
pub use machine::{Kept, Machine};
use pulse::Pulse;
pub(super) use standing::is_over;
pub use standing::{Killed, Standing};

use super::follow::{News, What};
use crate::{
    trace::{Kind, Mishaps, Record, WallTime, copies},
    units::MachineId,
    wire::RunId,
};

/// Lines that are kept of all machines together: some 20 MiB.
const HISTORY_MAX: usize = 120_000;

/// Lines that are kept of a machine, however many there are.
const HISTORY_MACHINE_MIN: usize = 300;

/// Lines of all machines looked through for messages that were under way at an earlier moment.
const LATER_MAX: usize = 20_000;

/// How long a run may say nothing, in microseconds, before its picture stands still.
const SILENCE_US: i64 = 1_000_000;

/// A run, as far as its logs were read.
#[derive(Debug, Default)]
pub struct Scene {
    run: Option<RunId>,
    /// How many machines the run has; as many as logs are there, if that is more.
    machines_expected: u16,
    machines: BTreeMap<MachineId, Machine>,
    channels: Channels,
    events: u64,
    started: Option<WallTime>,
    newest: Option<WallTime>,
    pulse: Pulse,
}

impl Scene {
    /// Takes one piece of news.
    pub fn take(&mut self, news: News) {
        let me = news.machine;
        let (line, at, record) = match news.what {
            What::Header(header) => {
                self.run.get_or_insert_with(|| header.run.clone());
                // Of a store's run nobody knows how many there will be.
                if header.incarnation.is_none() {
                    self.machines_expected = self.machines_expected.max(header.machines);
                }
                let started = header.started;
                self.started = Some(self.started.map_or(started, |first| first.min(started)));
                self.newest = self.newest.max(Some(started));
                self.machines.insert(me, Machine::new(header));
                return;
            }
            What::Record { line, at, record } => (line, at, record),
        };
        self.newest = self.newest.max(Some(at));
        match &record {
            Record::Event(event) => {
                self.events += 1;
                self.pulse.count(at);
                match &event.kind {
                    Kind::Send { to, mishaps } => {
                        self.send(me, at, event.clock, to, mishaps.as_deref());
                    }
                    Kind::Receive { from, sent, .. } => self.channels.taken(*from, me, *sent),
                    Kind::Internal | Kind::Other => {}
                }
                if event.kind.queue() == 0 {
                    self.channels.empty(me, at);
                }
            }
            Record::Restarted { .. } => {
                self.channels.void(me, at);
                self.channels.died(me, at);
            }
            Record::Fault(note) if note.kills() => self.channels.died(me, at),
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Fault(_)
            | Record::Mended { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Pace { .. }
            | Record::Jumped { .. }
            | Record::Data(_)
            | Record::Ended(_) => {}
        }
        let machines = usize::from(self.machines_expected()).max(1);
        let history_max = (HISTORY_MAX / machines).max(HISTORY_MACHINE_MIN);
        if let Some(machine) = self.machines.get_mut(&me) {
            machine.take(line, at, record, history_max);
        }
    }

    fn send(
        &mut self,
        from: MachineId,
        at: WallTime,
        clock: u64,
        to: &[MachineId],
        mishaps: Option<&Mishaps>,
    ) {
        for to in to {
            self.channels.sent(&Sent {
                message: UnderWay {
                    from,
                    to: *to,
                    clock,
                    at,
                },
                copies: copies(mishaps, *to),
                unordered: mishaps.is_some_and(|mishaps| mishaps.unordered.contains(to)),
            });
        }
    }

    /// The run's id, once a log was found.
    #[must_use]
    pub fn run(&self) -> Option<&RunId> {
        self.run.as_ref()
    }

    /// The machines whose logs were found.
    #[must_use]
    pub fn machines(&self) -> &BTreeMap<MachineId, Machine> {
        &self.machines
    }

    /// How many machines the run has; 0 before the first log was found.
    #[must_use]
    pub fn machines_expected(&self) -> u16 {
        let found = self.machines.len().try_into().unwrap_or(u16::MAX);
        self.machines_expected.max(found)
    }

    /// One more than the greatest id that a machine of the run has.
    #[must_use]
    pub fn ids(&self) -> u16 {
        let greatest = self.machines.keys().next_back();
        let ids = greatest.map_or(0, |id| id.0.saturating_add(1));
        self.machines_expected.max(ids)
    }

    /// Event lines that were read.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Events in about the last second.
    #[must_use]
    pub fn events_per_second(&self, now: WallTime) -> u64 {
        self.pulse.per_second(now)
    }

    /// When the first machine started.
    #[must_use]
    pub fn started(&self) -> Option<WallTime> {
        self.started
    }

    /// When the newest line of all was written.
    #[must_use]
    pub fn newest(&self) -> Option<WallTime> {
        self.newest
    }

    /// Whether no machine of the run is to do anything more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let standings = self.machines.iter().map(|(id, machine)| (*id, &machine.standing));
        is_over(self.machines_expected, standings)
    }

    /// The greatest clock.
    #[must_use]
    pub fn foremost_clock(&self) -> u64 {
        let clocks = self.machines.values().map(|machine| machine.clock);
        clocks.max().unwrap_or(0)
    }

    /// Messages sent to `to` and not yet taken, copies counted; once it has ended, what its footer says.
    #[must_use]
    pub fn waiting(&self, to: MachineId) -> u64 {
        let ended = self
            .machines
            .get(&to)
            .and_then(|machine| machine.standing.ended.as_deref());
        ended.map_or_else(|| self.channels.waiting(to), |footer| footer.queued)
    }

    /// Messages of the whole run that were sent and not yet taken.
    #[must_use]
    pub fn all_waiting(&self) -> u64 {
        self.machines.keys().map(|id| self.waiting(*id)).sum()
    }

    /// Messages that were sent at or before `at` and taken after it, or not yet, newest first; of each channel the
    /// oldest 256, and of an earlier moment as far as the kept lines say.
    #[must_use]
    pub fn under_way(&self, at: WallTime) -> Vec<UnderWay> {
        let mut messages: Vec<UnderWay> = self
            .channels
            .under_way()
            .filter(|message| message.at <= at)
            .collect();
        let later_max = LATER_MAX / self.machines.len().max(1) + 1;
        for (to, machine) in &self.machines {
            let later = machine.history().range(machine.behind(at)..).take(later_max);
            messages.extend(later.filter_map(|kept| {
                let Record::Event(event) = &kept.record else {
                    return None;
                };
                let Kind::Receive { from, sent, .. } = event.kind else {
                    return None;
                };
                let send = self.machines.get(&from)?.event(sent)?;
                (send.at <= at).then_some(UnderWay {
                    from,
                    to: *to,
                    clock: sent,
                    at: send.at,
                })
            }));
        }
        messages.sort_by_key(|message| (std::cmp::Reverse(message.at), message.from, message.to));
        messages
    }

    /// Where the picture of the run ends at `now`: there, but for a run that says nothing, whose picture stands still.
    #[must_use]
    pub fn edge(&self, now: WallTime) -> WallTime {
        let Some(newest) = self.newest else {
            return now;
        };
        if self.has_ended() {
            return newest;
        }
        let millirates = self.machines.values().filter_map(Machine::millirate);
        let two_periods_us = 2_000_000_000 / millirates.max().unwrap_or(1).max(1);
        let silence_us = SILENCE_US.max(i64::try_from(two_periods_us).unwrap_or(SILENCE_US));
        now.min(WallTime(newest.0.saturating_add(silence_us)))
    }
}

#[cfg(test)]
mod tests;
