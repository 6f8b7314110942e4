//! Schedules that are drawn from one seed: ten thousand of them can be tried, and one of them repeated.

use std::time::Duration;

use super::{DiskEffect, Schedule, TimedTrouble, Trouble};
use crate::{
    dice::{Purpose, Stream},
    faults::{Fault, LinkEffect, Links, MachineEffect, Plan},
    trace::Recipients,
    units::{MachineId, Time},
};

/// Parts of a second, so that a run of twenty has some ten troubles.
const SPAN_US: u64 = 3_000_000;

/// A link that is narrower than this would carry nothing but heartbeats.
const BANDWIDTH_MIN: u64 = 20_000;

/// Longest pause that is drawn.
const PAUSE_US_MAX: u64 = 4_000_000;

impl Schedule {
    /// Troubles of every kind in a run of so many machines, all over before `heals_us`: faults of links as
    /// [`Plan::random_links`] draws them, clean partitions both ways and one way, kills, pauses, and disks that are lost,
    /// full or slow.
    #[must_use]
    pub fn random(seed: u64, machines: u16, heals_us: u64) -> Self {
        let mut schedule = Self {
            seed,
            troubles: Vec::new(),
        };
        if heals_us < SPAN_US || machines == 0 {
            return schedule;
        }
        let mut dice = Stream::new(seed, MachineId(2), Purpose::Faults);
        // One run of five has no faults of single messages, so that repair has to do with clean breaks alone as well.
        let density = dice.below(5);
        if machines > 1 {
            let drawn = Plan::random_links(seed, machines, heals_us).faults;
            for timed in drawn.into_iter().filter(|_| dice.below(8) < density) {
                let fault = widened(timed.fault);
                schedule.add(timed.at, timed.lasts, Trouble::Fault(fault), heals_us);
            }
        }
        let count = 1 + dice.below(2 * (heals_us / SPAN_US));
        for _ in 0..count {
            let at = Time(dice.below(heals_us * 9 / 10));
            let lasts = Duration::from_micros(1 + dice.below(heals_us / 3));
            let machine = MachineId(u16::try_from(dice.below(u64::from(machines))).unwrap_or(0));
            let (trouble, lasts) = trouble(&mut dice, machine, machines, lasts);
            let is_full = matches!(
                trouble,
                Trouble::Disk {
                    effect: DiskEffect::Full,
                    ..
                }
            );
            schedule.add(at, lasts, trouble, heals_us);
            if is_full {
                // A process that was told of it goes on without its disk until somebody starts it again.
                let ends = schedule.troubles.last().and_then(|full| full.lasts);
                let at = at.after(ends.unwrap_or_default());
                let effect = MachineEffect::Restart;
                let restart = Trouble::Fault(Fault::Machine { machine, effect });
                schedule.add(at, None, restart, heals_us);
            }
        }
        // As they are shown, so that the numbers in the logs are the same if it is read again.
        schedule.troubles.sort_by_key(|timed| timed.at);
        schedule
    }

    /// Adds a trouble, cut off where all has to be over.
    fn add(&mut self, at: Time, lasts: Option<Duration>, trouble: Trouble, heals_us: u64) {
        let is_instant = match &trouble {
            Trouble::Fault(Fault::Machine {
                effect: MachineEffect::Restart,
                ..
            }) => true,
            Trouble::Fault(_) | Trouble::Disk { .. } => false,
        };
        let left = Duration::from_micros(heals_us.saturating_sub(at.0).max(1));
        let lasts = (!is_instant).then(|| lasts.unwrap_or(left).min(left));
        self.troubles.push(TimedTrouble { at, lasts, trouble });
    }
}

/// The same with a bandwidth that lets a store work, if slowly.
fn widened(fault: Fault) -> Fault {
    match fault {
        Fault::Link {
            links,
            effect: LinkEffect::Bandwidth { bytes_per_second },
        } => Fault::Link {
            links,
            effect: LinkEffect::Bandwidth {
                bytes_per_second: BANDWIDTH_MIN + bytes_per_second * 10,
            },
        },
        Fault::Link { .. } | Fault::Machine { .. } => fault,
    }
}

fn trouble(
    dice: &mut Stream,
    machine: MachineId,
    machines: u16,
    lasts: Duration,
) -> (Trouble, Option<Duration>) {
    let process = |effect| Trouble::Fault(Fault::Machine { machine, effect });
    let disk = |effect| Trouble::Disk { machine, effect };
    match dice.below(16) {
        0..=2 => (process(MachineEffect::Kill), Some(lasts)),
        3 => (process(MachineEffect::Restart), None),
        4 | 5 => {
            let lasts = lasts.min(Duration::from_micros(PAUSE_US_MAX));
            (process(MachineEffect::Pause), Some(lasts))
        }
        6 | 7 => (disk(DiskEffect::Lose), Some(lasts)),
        8 => (disk(DiskEffect::Full), Some(lasts)),
        9 => {
            let times = 10 + dice.below(1000);
            (disk(DiskEffect::Slow { times }), Some(lasts))
        }
        _ if machines < 2 => (process(MachineEffect::Restart), None),
        kind => {
            let effect = LinkEffect::Partition { hold: kind < 13 };
            let links = split(dice, machine, machines);
            (Trouble::Fault(Fault::Link { links, effect }), Some(lasts))
        }
    }
}

/// A machine alone, or two groups that hold all; one way, once in three.
fn split(dice: &mut Stream, alone: MachineId, machines: u16) -> Links {
    let (mut from, mut to) = (Recipients::new(), Recipients::new());
    let is_alone = dice.below(2) == 0;
    for machine in MachineId::all(machines) {
        let is_there = match is_alone {
            true => machine == alone,
            false => dice.below(2) == 0,
        };
        match is_there {
            true => from.push(machine),
            false => to.push(machine),
        }
    }
    if from.is_empty() || to.is_empty() {
        return Links::All;
    }
    if dice.below(2) == 0 {
        std::mem::swap(&mut from, &mut to);
    }
    let both_ways = dice.below(3) > 0;
    Links::Between { from, to, both_ways }
}
