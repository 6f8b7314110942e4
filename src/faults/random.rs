//! Plans that are drawn: everything from one seed, so that ten thousand of them can be tried and one of them repeated.

use std::time::Duration;

use super::{CERTAIN, Fault, LinkEffect, Links, Plan, Timed, plan::FAULTS_MAX as PLAN_FAULTS_MAX};
use crate::{
    dice::{Purpose, Stream},
    latency::Latency,
    trace::Recipients,
    units::{MachineId, Time},
};

/// Most faults for each [`SPAN_US`] of a run, begun or whole.
const FAULTS_MAX: u64 = 8;

/// So long is a run that faults of a plan last to its end; in a longer one each has an end, at most so far away.
const SPAN_US: u64 = 10_000_000;

/// Longest mean delay that is drawn.
const DELAY_US_MAX: u64 = 500_000;

impl Plan {
    /// A plan of faults of every kind: those of links ([`random_links`](Self::random_links)) and those of machines
    /// ([`random_lives`](Self::random_lives)).
    #[must_use]
    pub fn random(seed: u64, machines: u16, duration_us: u64) -> Self {
        let lives = Self::random_lives(seed, machines, duration_us);
        Self::random_links(seed, machines, duration_us).joined(lives)
    }

    /// A plan of faults of links in a run of so many machines and microseconds: 1 to 8 for each ten seconds, kinds,
    /// links, begins and ends drawn uniformly; in a run of up to ten seconds one in four has no end. Messages are
    /// rolled for with the same seed.
    #[must_use]
    pub fn random_links(seed: u64, machines: u16, duration_us: u64) -> Self {
        let mut stream = Stream::new(seed, MachineId(0), Purpose::Faults);
        let spans = duration_us
            .div_ceil(SPAN_US)
            .clamp(1, PLAN_FAULTS_MAX / FAULTS_MAX / 2);
        let lasts_us = duration_us.min(SPAN_US);
        let count = 1 + stream.below(FAULTS_MAX * spans);
        let faults = (1..).take(usize::try_from(count).unwrap_or(1)).map(|id| {
            let at = Time(stream.below(duration_us - duration_us / 10));
            let has_end = stream.below(4) > 0 || spans > 1;
            let lasts =
                has_end.then(|| Duration::from_micros(1 + lasts_us / 50 + stream.below(lasts_us / 2)));
            let fault = Fault::Link {
                links: links(&mut stream, machines),
                effect: effect(&mut stream, lasts_us),
            };
            Timed { id, at, lasts, fault }
        });
        Self {
            faults: faults.collect(),
            seed: Some(seed),
        }
    }
}

/// All links in one plan of four; else those between two groups, each machine in one of them or in neither.
fn links(stream: &mut Stream, machines: u16) -> Links {
    if stream.below(4) == 0 {
        return Links::All;
    }
    let (mut from, mut to) = (Recipients::new(), Recipients::new());
    for machine in MachineId::all(machines) {
        match stream.below(3) {
            0 => from.push(machine),
            1 => to.push(machine),
            _ => {}
        }
    }
    if from.is_empty() || to.is_empty() {
        return Links::All;
    }
    let both_ways = stream.below(2) == 0;
    Links::Between { from, to, both_ways }
}

fn effect(stream: &mut Stream, lasts_us: u64) -> LinkEffect {
    let mean_us = 1 + stream.below((lasts_us / 10).clamp(1, DELAY_US_MAX));
    let probability = u32::try_from(stream.below(u64::from(CERTAIN) / 2)).unwrap_or(0);
    let is_other = stream.below(2) == 0;
    match stream.below(7) {
        0 => LinkEffect::Loss { probability },
        1 => LinkEffect::Duplicate { probability },
        2 => LinkEffect::Partition { hold: is_other },
        3 => LinkEffect::Bandwidth {
            bytes_per_second: 20 + stream.below(2000),
        },
        4 => LinkEffect::Delay {
            latency: Latency::Constant { us: mean_us },
            reorder: is_other,
        },
        5 => LinkEffect::Delay {
            latency: Latency::Uniform {
                from_us: mean_us / 2,
                to_us: mean_us + mean_us / 2,
            },
            reorder: is_other,
        },
        _ => LinkEffect::Delay {
            latency: Latency::Exponential { mean_us },
            reorder: is_other,
        },
    }
}
