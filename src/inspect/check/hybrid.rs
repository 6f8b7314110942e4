//! The rules of hybrid logical clocks, where a log has them.
//!
//! Source: S. Kulkarni et al., "Logical Physical Clocks", OPODIS 2014. The physical clock of an event is its line's time
//! and what `# jump` remarks have added to it so far.
//!
//! - *hybrid rule*: figure 5, with equality: own events where the one before is known, receives where the send is.
//! - *hybrid order*: (l, c) of a send is less than that of its receive.
//! - *hybrid bound*: l is never behind the physical clock, and ahead of it by no more than the clocks differ; c is less
//!   than the number of events.
//!
//! How much clocks differ is known of what was added to them, and for the rest from the messages: one that was under way
//! for `d` by the clocks of both hosts, from i to j, shows that j's is at most `d` ahead of i's. The least such sum along
//! any way from i to j is the bound.

use std::collections::BTreeMap;

use super::{
    judge::{Context, Files, Pair},
    message::{Received, Sent},
    rules::{HYBRID, HYBRID_BOUND, HYBRID_ORDER},
};
use crate::{
    clock::HybridTime,
    trace::{Violations, WallTime},
    units::MachineId,
};

/// Machines up to which messages by way of others bound how clocks differ; of more, only the direct ones do.
const DETOURS_MACHINES_MAX: usize = 100;

/// Clocks are read in whole microseconds, here and there.
const ROUNDING_US: i64 = 4;

/// A wall clock may have been set between two lives of a machine by so much.
const RESTART_US: i64 = 1_000_000;

/// The hybrid clock of one machine, followed through its log.
#[derive(Clone, Debug, Default)]
pub(super) struct HybridTrack {
    /// After the last event, if that had one.
    last: Option<HybridTime>,
    /// What was added to the physical clock.
    offset_us: i64,
    offset_us_max: i64,
    is_restarted: bool,
    /// How far l was ahead of the line's time at most, and where.
    lead: Option<(i64, u64)>,
    /// The greatest c, and where.
    count: (u32, u64),
    /// Events with a hybrid clock.
    pub(super) judged: u64,
}

/// One event with a hybrid clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) line: u64,
    pub(super) at: WallTime,
    pub(super) tick: u64,
    pub(super) hybrid: HybridTime,
    /// A receive, whose rule is judged when its send is known.
    pub(super) merges: bool,
}

/// A receive with a hybrid clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct HybridReceive {
    /// The clock before, where it is known.
    pub(super) before: Option<HybridTime>,
    pub(super) after: HybridTime,
    pub(super) physical_us: u64,
    /// When the message arrived, by the receiver's clock.
    pub(super) arrived: WallTime,
}

/// By sender and receiver: the least time that a message was under way, by the clocks of both.
pub(super) type Fastest = BTreeMap<(MachineId, MachineId), i64>;

impl HybridTrack {
    /// The physical clock was moved.
    pub(super) fn jump(&mut self, us: i64) {
        self.offset_us = self.offset_us.saturating_add(us);
        self.offset_us_max = self.offset_us_max.max(self.offset_us);
    }

    /// The process was started again, and has read its computer's clock anew.
    pub(super) fn restart(&mut self) {
        self.is_restarted = true;
    }

    /// Follows one event. Returns the clock before, and what the physical clock showed.
    pub(super) fn take(
        &mut self,
        me: MachineId,
        step: Step,
        files: &Files,
        violations: &mut Violations,
    ) -> (Option<HybridTime>, u64) {
        self.judged += 1;
        let Step { line, at, hybrid, .. } = step;
        let shown = at.0.saturating_add(self.offset_us);
        let physical_us = u64::try_from(shown).unwrap_or(0);
        let before = self.last.replace(hybrid);
        let before = before.or_else(|| (step.tick == 1).then(HybridTime::default));
        let l = i64::try_from(hybrid.physical_us).unwrap_or(i64::MAX);
        let lead = l.saturating_sub(at.0);
        if self.lead.is_none_or(|(most, _)| lead > most) {
            self.lead = Some((lead, line));
        }
        if self.count.1 == 0 || hybrid.logical > self.count.0 {
            self.count = (hybrid.logical, line);
        }
        let mut wrong = |rule, text: String| violations.add(rule, me, || (vec![files.place(me, line)], text));
        if hybrid.physical_us < physical_us {
            let text = format!(
                "l = {} is behind the physical clock, {physical_us}",
                hybrid.physical_us
            );
            wrong(HYBRID_BOUND, text);
        }
        if let Some(before) = before
            && !step.merges
            && hybrid != own_event(before, physical_us)
        {
            let text = format!(
                "no receive: the hybrid clock was {before} and the physical clock {physical_us}, so it must become {}; \
                 the log says {hybrid}",
                own_event(before, physical_us),
            );
            wrong(HYBRID, text);
        }
        (before, physical_us)
    }
}

/// Figure 5, "send or local event".
fn own_event(before: HybridTime, physical_us: u64) -> HybridTime {
    if physical_us > before.physical_us {
        return HybridTime {
            physical_us,
            logical: 0,
        };
    }
    HybridTime {
        logical: before.logical.saturating_add(1),
        ..before
    }
}

/// Figure 5, "receive event of message m".
fn receive_event(before: HybridTime, sent: HybridTime, physical_us: u64) -> HybridTime {
    let latest = before.physical_us.max(sent.physical_us).max(physical_us);
    let logical = if latest == before.physical_us && latest == sent.physical_us {
        before.logical.max(sent.logical).saturating_add(1)
    } else if latest == before.physical_us {
        before.logical.saturating_add(1)
    } else if latest == sent.physical_us {
        sent.logical.saturating_add(1)
    } else {
        0
    };
    HybridTime {
        physical_us: latest,
        logical,
    }
}

/// A receive beside its send.
pub(super) fn judge_receive(
    pair: Pair,
    send: &Sent,
    (sent, sent_at): (HybridTime, WallTime),
    receive: &Received,
    taken: &HybridReceive,
    context: &mut Context<'_>,
) {
    let under_way = taken.arrived.us_since(sent_at);
    let fastest = context.fastest.entry((pair.from, pair.to)).or_insert(i64::MAX);
    *fastest = under_way.min(*fastest);
    let files = context.files;
    let places = || {
        vec![
            files.place(pair.to, receive.line),
            files.place(pair.from, send.line),
        ]
    };
    let (after, there) = (taken.after, files.place(pair.from, send.line));
    if sent >= after {
        context.violations.add(HYBRID_ORDER, pair.to, || {
            let text = format!(
                "the receive has {after}, its send at machine {} has {sent} ({there}): (l, c) of a send is less than that of its receive",
                pair.from
            );
            (places(), text)
        });
    }
    let Some(before) = taken.before else { return };
    let expected = receive_event(before, sent, taken.physical_us);
    if after != expected {
        context.violations.add(HYBRID, pair.to, || {
            let text = format!(
                "receive of the message sent at {there} with {sent}: the hybrid clock was {before} and the physical clock \
                 {}, so it must become {expected}; the log says {after}",
                taken.physical_us
            );
            (places(), text)
        });
    }
}

/// A machine of which no bound is known, and one whose clock nothing compares with its.
pub(super) type Unbounded = (MachineId, MachineId);

/// At the end of all logs: is any l further ahead than clocks differ, or any c greater than it can be? The former is
/// judged if `fastest` knows all messages, where they bound it: returns the machines where they do not.
pub(super) fn judge_bounds<'a>(
    tracks: impl Iterator<Item = (MachineId, &'a HybridTrack)>,
    events: u64,
    fastest: Option<&Fastest>,
    files: &Files,
    violations: &mut Violations,
) -> Vec<Unbounded> {
    let mut unbounded = Vec::new();
    let tracks: Vec<(MachineId, &HybridTrack)> = tracks.filter(|(_, track)| track.judged > 0).collect();
    let slack_us = match tracks.iter().any(|(_, track)| track.is_restarted) {
        true => RESTART_US,
        false => ROUNDING_US,
    };
    for (me, track) in &tracks {
        let mut wrong = |line, text: String| {
            violations.add(HYBRID_BOUND, *me, || (vec![files.place(*me, line)], text));
        };
        let (count, line) = track.count;
        if u64::from(count) >= events {
            wrong(
                line,
                format!("c = {count}, but the run has no more than {events} events"),
            );
        }
        let (Some((lead, line)), Some(fastest)) = (track.lead, fastest) else {
            continue;
        };
        let ahead = ahead_of(*me, tracks.len(), fastest);
        let bounds = tracks.iter().map(|(machine, other)| {
            let ahead = match machine == me {
                true => 0,
                false => ahead.get(machine).copied().ok_or((*me, *machine))?,
            };
            Ok(ahead.saturating_add(other.offset_us_max))
        });
        let bounds = match bounds.collect::<Result<Vec<i64>, Unbounded>>() {
            Ok(bounds) => bounds,
            Err(nothing_known) => {
                unbounded.push(nothing_known);
                continue;
            }
        };
        let bound = bounds
            .into_iter()
            .max()
            .unwrap_or(0)
            .max(0)
            .saturating_add(slack_us);
        if lead > bound {
            let text = format!(
                "l is {lead} µs ahead of the line's time, but no clock is ahead of machine {me}'s by more than {bound} µs"
            );
            wrong(line, text);
        }
    }
    unbounded
}

/// By machine: how far its clock may at most be ahead of that of `me`, from messages that `me` sent and those that others
/// sent behind them.
fn ahead_of(me: MachineId, machines: usize, fastest: &Fastest) -> BTreeMap<MachineId, i64> {
    let mut ahead: BTreeMap<MachineId, i64> = BTreeMap::from([(me, 0)]);
    let (first, last) = if machines <= DETOURS_MACHINES_MAX {
        (MachineId(0), MachineId(u16::MAX))
    } else {
        (me, me)
    };
    for _ in 0..machines {
        let mut is_less = false;
        let known = (first, MachineId(0))..=(last, MachineId(u16::MAX));
        for ((from, to), under_way) in fastest.range(known) {
            let Some(start) = ahead.get(from).copied() else {
                continue;
            };
            let there = start.saturating_add(*under_way);
            if ahead.get(to).is_none_or(|known| there < *known) {
                ahead.insert(*to, there);
                is_less = true;
            }
        }
        if !is_less {
            break;
        }
    }
    ahead
}
