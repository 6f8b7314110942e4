//! Which faults are to come, which are on, and when that changes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use thiserror::Error;

use super::{Fault, MachineEffect, Plan, Timed};
use crate::{
    trace::{FaultNote, Recipients},
    units::{MachineId, Time},
};

/// A fault that cannot begin.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// Its number names another one.
    #[error("number {id} names another fault, which is planned or has begun: give another number")]
    NumberTaken {
        /// The number.
        id: u32,
    },
}

/// The faults of one machine: of its outgoing links, and of itself.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Not begun, earliest first.
    planned: VecDeque<(Time, Timed)>,
    on: BTreeMap<u32, On>,
    /// The numbers of all that began: none names two.
    begun: BTreeSet<u32>,
    /// When those that are on and have an end are over.
    ends: BTreeSet<(Time, u32)>,
}

/// A fault that is on.
#[derive(Clone, Debug)]
pub(super) struct On {
    pub(super) fault: Fault,
    /// The peers whose links it is on; none if it is on the machine.
    pub(super) to: Recipients,
    lasts: Option<Duration>,
}

/// What is due next.
#[derive(Debug)]
pub(super) enum Due {
    Begin(Timed),
    End(u32),
}

/// The peers to whose links a fault of `me` applies; `None` if it is none of this machine's.
fn concerned(fault: &Fault, me: MachineId, peers: impl Iterator<Item = MachineId>) -> Option<Recipients> {
    match fault {
        Fault::Link { links, .. } => {
            let to: Recipients = peers.filter(|peer| links.has(me, *peer)).collect();
            (!to.is_empty()).then_some(to)
        }
        Fault::Machine { machine, .. } => (*machine == me).then(Recipients::new),
    }
}

impl Faults {
    /// The part of a plan that is this machine's, which starts at `started`. A further life starts when the run is as
    /// old as `again`: faults that were over by then stay away, and those that were on go on. What is done at once was
    /// done by the life before, even at this very moment, or a restart would follow upon itself for ever.
    pub(super) fn new(
        plan: &Plan,
        me: MachineId,
        machines: u16,
        started: Time,
        again: Option<Duration>,
    ) -> Self {
        let age = Time(0).after(again.unwrap_or_default());
        let mine = plan
            .faults
            .iter()
            .filter(|timed| concerned(&timed.fault, me, me.peers(machines)).is_some());
        let mut planned: Vec<(Time, Timed)> = mine
            .filter_map(|timed| {
                let mut timed = timed.clone();
                if again.is_some() && timed.at <= age && is_instant(&timed.fault) {
                    return None;
                }
                if timed.at < age {
                    let gone = age.since(timed.at);
                    timed.lasts = match timed.lasts {
                        None => None,
                        Some(lasts) => Some(lasts.checked_sub(gone).filter(|left| !left.is_zero())?),
                    };
                }
                Some((started.after(timed.at.since(age)), timed))
            })
            .collect();
        // Stable: what begins at one moment begins in the order of the plan.
        planned.sort_by_key(|(at, _)| *at);
        Self {
            planned: planned.into(),
            ..Self::default()
        }
    }

    /// When something begins or ends next.
    pub(super) fn next(&self) -> Option<Time> {
        let begin = self.planned.front().map(|(at, _)| *at);
        let end = self.ends.first().map(|(at, _)| *at);
        begin.into_iter().chain(end).min()
    }

    /// Takes what is due by `now`, earliest first; at one moment ends come before begins.
    pub(super) fn take(&mut self, now: Time) -> Option<(Time, Due)> {
        let at = self.next().filter(|at| *at <= now)?;
        if let Some((end, id)) = self.ends.first().copied()
            && end == at
        {
            return Some((at, Due::End(id)));
        }
        self.planned
            .pop_front()
            .map(|(at, timed)| (at, Due::Begin(timed)))
    }

    /// Whether a fault may have this number.
    pub(super) fn admit(&self, id: u32) -> Result<(), Refused> {
        let is_planned = self.planned.iter().any(|(_, timed)| timed.id == id);
        match is_planned || self.begun.contains(&id) {
            true => Err(Refused::NumberTaken { id }),
            false => Ok(()),
        }
    }

    /// A fault begins: remembers it if it lasts, and says what it is on. `None` if it is none of this machine's.
    pub(super) fn begin(
        &mut self,
        timed: &Timed,
        at: Time,
        me: MachineId,
        peers: impl Iterator<Item = MachineId>,
    ) -> Option<On> {
        let to = concerned(&timed.fault, me, peers)?;
        let on = On {
            fault: timed.fault.clone(),
            to,
            lasts: timed.lasts,
        };
        self.begun.insert(timed.id);
        if !is_instant(&timed.fault) {
            self.on.insert(timed.id, on.clone());
            if let Some(lasts) = timed.lasts {
                self.ends.insert((at.after(lasts), timed.id));
            }
        }
        Some(on)
    }

    /// A fault is over.
    pub(super) fn end(&mut self, id: u32) -> Option<On> {
        self.ends.retain(|(_, other)| *other != id);
        self.on.remove(&id)
    }

    /// The numbers of those that are on.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.on.keys().copied().collect()
    }

    /// Those that are on, with their text.
    pub(super) fn texts(&self) -> Vec<(u32, String)> {
        let on = self.on.iter();
        on.map(|(id, on)| (*id, on.fault.to_string())).collect()
    }

    /// The rate that the latest fault of rates gives, if one is on.
    pub(super) fn rate(&self) -> Option<u32> {
        self.on.values().rev().find_map(|on| match &on.fault {
            Fault::Machine {
                effect: MachineEffect::Rate { per_second },
                ..
            } => Some(*per_second),
            Fault::Machine { .. } | Fault::Link { .. } => None,
        })
    }
}

impl On {
    /// Its line in the log.
    pub(super) fn note(&self, id: u32) -> Box<FaultNote> {
        Box::new(FaultNote {
            id,
            kind: self.fault.kind().to_owned(),
            to: self.to.clone(),
            detail: match (&self.fault, self.lasts) {
                // Whoever starts or wakes the process has nothing but its log to go by.
                (Fault::Machine { effect, .. }, Some(lasts)) if effect.is_of_process() => {
                    format!("{FOR}{}{MICROSECONDS}", lasts.as_micros())
                }
                _ => self.fault.detail(),
            },
        })
    }
}

/// How long a fault of a process lasts, as the detail of its line in the log.
const FOR: &str = "for:";
const MICROSECONDS: &str = "us";

/// How long a fault of a process lasts, by its line in the log: of one that kills it, until it is started again. `None` if
/// it has no end.
#[must_use]
pub fn lasts_in(note: &FaultNote) -> Option<Duration> {
    if note.kind == "restart" {
        return Some(Duration::ZERO);
    }
    let number = note.detail.strip_prefix(FOR)?.strip_suffix(MICROSECONDS)?;
    number.parse().ok().map(Duration::from_micros)
}

/// The parameters of a fault as a person reads them, by its line in the log: `uniform:5ms-50ms reorder`, `for 3s`; may be
/// empty.
#[must_use]
pub fn detail_in_words(note: &FaultNote) -> String {
    match lasts_in(note) {
        Some(lasts) => format!("for {}", humantime::format_duration(lasts)),
        None => note.detail.replace(',', " "),
    }
}

fn is_instant(fault: &Fault) -> bool {
    match fault {
        Fault::Machine { effect, .. } => effect.is_instant(),
        Fault::Link { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_fault_are_told_in_words() {
        let told = |kind: &str, detail: &str| {
            detail_in_words(&FaultNote {
                id: 1,
                kind: kind.to_owned(),
                to: Recipients::new(),
                detail: detail.to_owned(),
            })
        };
        assert_eq!(told("kill", "for:3000000us"), "for 3s");
        assert_eq!(told("pause", "for:61500000us"), "for 1m 1s 500ms");
        assert_eq!(told("delay", "constant:200ms,reorder"), "constant:200ms reorder");
        assert_eq!(told("kill", ""), "");
    }
}
