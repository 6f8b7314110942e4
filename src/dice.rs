//! Seeded random numbers: one stream a machine and purpose, the same on every platform and in every release.
//!
//! Systems and the simulator roll these and no others, so a seed says everything that chance decides. Not for
//! secrets.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::units::MachineId;

/// What a stream is for, so that a further roll of one does not shift another.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The machine's rate.
    Rate = 1,
    /// The place of its first tick.
    Phase = 2,
    /// The die on idle ticks, and the peers drawn.
    Die = 3,
    /// How long what the machine sends is under way, in simulation.
    Latency = 4,
    /// Where its bytes are cut on the way, in simulation.
    Cut = 5,
    /// Which messages of a link an injected fault loses.
    Loss = 6,
    /// Which messages of a link an injected fault sends twice.
    Duplicate = 7,
    /// How long an injected fault delays the messages of a link.
    Delay = 8,
    /// The faults of a plan that is drawn.
    Faults = 9,
    /// When a simulated machine takes what has come.
    Round = 10,
    /// What a simulated disk does.
    Disk = 11,
    /// What simulated clients ask.
    Clients = 12,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64Mcg);

impl Stream {
    /// The stream of one machine of one run for one purpose.
    #[must_use]
    pub fn new(seed: u64, machine: MachineId, purpose: Purpose) -> Self {
        let place = (u64::from(machine.0) << 8) | purpose as u64;
        Self(Pcg64Mcg::seed_from_u64(mix(seed ^ mix(place))))
    }

    /// The stream of what one machine sends to another, for one purpose.
    #[must_use]
    pub fn of_link(seed: u64, from: MachineId, to: MachineId, purpose: Purpose) -> Self {
        let ends = ((u64::from(to.0) + 1) << 32) | (u64::from(from.0) << 8);
        Self(Pcg64Mcg::seed_from_u64(mix(seed ^ mix(ends | purpose as u64))))
    }

    /// A number from 0 to `limit` − 1, each equally likely; 0 if `limit` is 0.
    #[inline]
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit < 2 {
            0
        } else {
            self.0.random_range(0..limit)
        }
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): neighbouring seeds become unrelated ones.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
