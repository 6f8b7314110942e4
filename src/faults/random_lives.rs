//! Plans of what happens to machines, drawn from one seed: deaths, further lives, pauses, other rates, moved clocks.

use std::time::Duration;

use super::{Fault, MachineEffect, Plan, Timed, plan::FAULTS_MAX as PLAN_FAULTS_MAX};
use crate::{
    dice::{Purpose, Stream},
    units::{MachineId, Time},
};

/// Most faults for each [`SPAN_US`] of a run, begun or whole.
const FAULTS_MAX: u64 = 8;

/// So long is a run whose faults may last a third of it, and whose kills may have no end; in a longer one each has an
/// end, at most a third of this away.
const SPAN_US: u64 = 30_000_000;

/// Longest pause that is drawn: beyond a second ticks are skipped.
const PAUSE_US_MAX: u64 = 4_000_000;

/// Furthest jumps that are drawn.
const JUMP_TICKS_MAX: u64 = 1000;
const JUMP_US_MAX: i64 = 1_000_000;

impl Plan {
    /// A plan of faults of machines in a run of so many machines and microseconds: 1 to 8 for each thirty seconds, kinds,
    /// machines, begins and ends drawn uniformly; in a run of up to thirty seconds one kill in eight has no end.
    #[must_use]
    pub fn random_lives(seed: u64, machines: u16, duration_us: u64) -> Self {
        let mut stream = Stream::new(seed, MachineId(1), Purpose::Faults);
        let spans = duration_us
            .div_ceil(SPAN_US)
            .clamp(1, PLAN_FAULTS_MAX / FAULTS_MAX / 2);
        let count = 1 + stream.below(FAULTS_MAX * spans);
        let faults = (1..).take(usize::try_from(count).unwrap_or(1)).map(|id| {
            let at = Time(stream.below(duration_us));
            let machine = MachineId(u16::try_from(stream.below(u64::from(machines))).unwrap_or(0));
            let (effect, lasts) = effect(&mut stream, duration_us.min(SPAN_US), spans > 1);
            Timed {
                id,
                at,
                lasts: lasts.map(Duration::from_micros),
                fault: Fault::Machine { machine, effect },
            }
        });
        Self {
            faults: faults.collect(),
            seed: Some(seed),
        }
    }

    /// Both plans at once; the faults of the second are numbered behind those of the first.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        let last = self.faults.iter().map(|timed| timed.id).max().unwrap_or(0);
        self.faults.extend(other.faults.into_iter().map(|timed| Timed {
            id: timed.id.saturating_add(last),
            ..timed
        }));
        self.seed = self.seed.or(other.seed);
        self
    }
}

/// What happens, and for how long.
fn effect(stream: &mut Stream, span_us: u64, has_end: bool) -> (MachineEffect, Option<u64>) {
    let long_us = 1 + stream.below(span_us / 3 + 1);
    match stream.below(6) {
        0 => (
            MachineEffect::Kill,
            (stream.below(8) > 0 || has_end).then_some(long_us),
        ),
        1 => (MachineEffect::Restart, None),
        2 => (MachineEffect::Pause, Some(1 + stream.below(PAUSE_US_MAX))),
        3 => {
            let per_second = 1 + u32::try_from(stream.below(50)).unwrap_or(0);
            (MachineEffect::Rate { per_second }, Some(long_us))
        }
        4 => {
            let ticks = stream.below(JUMP_TICKS_MAX);
            (
                MachineEffect::Jump {
                    ticks,
                    physical_us: 0,
                },
                None,
            )
        }
        _ => {
            let physical_us = i64::try_from(stream.below(JUMP_US_MAX.unsigned_abs())).unwrap_or(0);
            let physical_us = physical_us - JUMP_US_MAX / 2;
            (
                MachineEffect::Jump {
                    ticks: 0,
                    physical_us,
                },
                None,
            )
        }
    }
}
