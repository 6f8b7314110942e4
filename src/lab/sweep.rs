//! A sweep: the grid of a phase diagram, cell by cell, by simulation.
//!
//! In each cell all machines but one have the same rate; the last one is slower. Its queue is measured twice, in
//! runs of a quarter of the time and of all of it with the same seeds, so that the first run is the beginning of the
//! second: from the two follow how fast the queue grows, and by which power of time.

use rayon::prelude::*;

use super::simulated::{Simulated, SimulatedError};
use crate::{clock::ClockKind, inspect::phase::Cell, model::Phase, sim::Latency, units::Speed, wire::RunId};

/// The shorter runs are one in this of the longer ones.
const PART: u64 = 4;

/// What a sweep covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Numbers of machines: a diagram each.
    pub machines: Vec<u16>,
    /// Ticks a second of all machines but one.
    pub fast: u32,
    /// Ticks a second of the slow machine: its rates.
    pub slow: Vec<u32>,
    /// Sides of the die.
    pub draws: Vec<u32>,
    /// Length of a run, in microseconds.
    pub duration_us: u64,
    /// Runs of each length and cell, with the seeds `seed`, `seed` + 1, …
    pub trials: u32,
    /// How long messages are under way.
    pub latency: Latency,
    /// Where first ticks fall.
    pub phase: Phase,
    /// The first seed of each cell.
    pub seed: u64,
    /// The id that the runs' hellos carry.
    pub run: RunId,
}

impl Sweep {
    /// How many cells it has.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.machines.len() * self.slow.len() * self.draws.len()
    }

    /// Simulates every cell, on all cores; `done` is told of each. Cells are in the order of machines, draws, slow
    /// rates.
    ///
    /// # Errors
    /// [`SimulatedError`] of a cell that failed, or whose run broke a rule.
    pub fn run(&self, done: impl Fn() + Sync) -> Result<Vec<Cell>, SimulatedError> {
        let mut places = Vec::with_capacity(self.cells());
        for machines in &self.machines {
            for draw in &self.draws {
                places.extend(self.slow.iter().map(|slow| (*machines, *draw, *slow)));
            }
        }
        let cells = places.into_par_iter().map(|(machines, draw, slow)| {
            let cell = self.cell(machines, draw, slow);
            done();
            cell
        });
        cells.collect()
    }

    fn cell(&self, machines: u16, draw: u32, slow: u32) -> Result<Cell, SimulatedError> {
        let mut cell = Cell::new(machines, self.fast, slow, draw);
        for trial in 0..self.trials {
            let seed = self.seed.saturating_add(u64::from(trial));
            let queues = [self.duration_us / PART, self.duration_us].map(|duration_us| {
                let mut rates = vec![self.fast; usize::from(machines)];
                if let Some(last) = rates.last_mut() {
                    *last = slow;
                }
                let end = Simulated {
                    rates,
                    speed: Speed::NORMAL,
                    draw,
                    phase: self.phase,
                    clock: ClockKind::Lamport,
                    duration_us,
                    latency: self.latency,
                    faults: None,
                    seed,
                    run: self.run.clone(),
                };
                let end = end.count()?;
                if let Some(verdict) = end.verdict.filter(|verdict| !verdict.is_valid()) {
                    return Err(SimulatedError::Broken {
                        seed,
                        verdict: Box::new(verdict),
                    });
                }
                let slow = end.summary.machines.last();
                Ok(slow.map_or(0, |machine| machine.queue_last))
            });
            let [part, whole] = queues;
            cell.add(part?, whole?, self.duration_us, PART);
        }
        Ok(cell)
    }
}
