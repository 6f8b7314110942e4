//! What the logs say of the clock beside Lamport's, read once from front to back.
//!
//! Of each vector 8 bytes are kept: its digest. That of the vector which the messages give has to be the same.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use super::{Sent, Vectors};
use crate::{
    clock::{ClockKind, HybridTime},
    inspect::{
        history::History,
        run::{InspectError, Item, RunReader},
    },
    trace::{Event, Kind, Record, WallTime},
    units::MachineId,
};

/// Upper bounds of the classes of a distance, in microseconds; what is beyond them has a class of its own.
pub const DISTANCE_BOUNDS_US: [u64; 6] = [1, 100, 1_000, 10_000, 100_000, 1_000_000];

/// How far a hybrid clock is ahead of physical time, over all events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    /// Events.
    pub events: u64,
    /// The mean of l − pt, in microseconds.
    pub mean_us: f64,
    /// The greatest, in microseconds.
    pub max_us: u64,
    /// How many events lie below each of [`DISTANCE_BOUNDS_US`] and not below the one before, and beyond the last.
    pub counts: [u64; DISTANCE_BOUNDS_US.len() + 1],
    /// The greatest c.
    pub logical_max: u32,
}

/// What the logs say.
pub(super) struct Logged {
    pub(super) kind: Option<ClockKind>,
    pub(super) machines: u16,
    pub(super) sent: Sent,
    pub(super) vectors: LoggedVectors,
    /// By process of a history: of each event, if it has one.
    pub(super) hybrids: Vec<Vec<HybridTime>>,
    pub(super) distance: Option<Distance>,
}

/// The digests of vectors, by process of a history; `None` for an event without one.
#[derive(Default)]
pub(super) struct LoggedVectors(Vec<Vec<Option<u64>>>);

impl Logged {
    pub(super) fn read(dir: &Path) -> Result<Self, InspectError> {
        let mut run = RunReader::open(dir)?;
        // By machine: its process, those with a log counted in their order, as a history does.
        let mut places: Vec<Option<usize>> = vec![None; usize::from(run.machines())];
        let mut kinds = Vec::new();
        for (process, header) in run.headers().enumerate() {
            kinds.push(header.clock);
            if let Some(place) = places.get_mut(header.machine.index()) {
                *place = Some(process);
            }
        }
        let common = kinds
            .first()
            .copied()
            .filter(|first| kinds.iter().all(|kind| kind == first));
        let mut logged = Self {
            kind: common,
            machines: run.machine_count(),
            sent: Sent::default(),
            vectors: LoggedVectors(vec![Vec::new(); kinds.len()]),
            hybrids: vec![Vec::new(); kinds.len()],
            distance: None,
        };
        let mut offsets_us = vec![0_i64; kinds.len()];
        let mut sum_us = 0_u128;
        while let Some(item) = run.next_item()? {
            let Item::Record {
                machine, at, record, ..
            } = item
            else {
                continue;
            };
            let place = |machine: MachineId| places.get(machine.index()).copied().flatten();
            let Some(process) = place(machine) else { continue };
            let Some(offset_us) = offsets_us.get_mut(process) else {
                continue;
            };
            match record {
                // As in a history: without a tick it is no event of the machine.
                Record::Event(event) if event.tick == 0 && matches!(event.kind, Kind::Other) => {}
                Record::Event(event) => logged.event(process, at, *offset_us, event, &mut sum_us),
                Record::Jumped { physical_us, .. } => *offset_us = offset_us.saturating_add(*physical_us),
                // What orders added to the clock stays: it is the computer's, not the process's.
                Record::Restarted { .. } => logged.sent.restarts += 1,
                Record::Ended(footer) => {
                    let Sent { frames, bytes, .. } = &mut logged.sent;
                    if let (Some(more_frames), Some(more_bytes)) = (footer.frames_sent, footer.bytes_sent) {
                        *frames = frames.saturating_add(more_frames);
                        *bytes = bytes.saturating_add(more_bytes);
                    }
                }
                Record::LinkUp { .. }
                | Record::Data(_)
                | Record::LinkLost { .. }
                | Record::Stall { .. }
                | Record::Fault(_)
                | Record::Mended { .. }
                | Record::Paused
                | Record::Stepped { .. }
                | Record::Pace { .. } => {}
            }
        }
        if let Some(distance) = &mut logged.distance {
            distance.mean_us = mean(sum_us, distance.events);
        }
        Ok(logged)
    }

    fn event(&mut self, process: usize, at: WallTime, offset_us: i64, event: &Event, sum_us: &mut u128) {
        if let Some(digests) = self.vectors.0.get_mut(process) {
            digests.push(
                event
                    .vector
                    .as_deref()
                    .map(|vector| digest(vector.iter().copied())),
            );
        }
        let (Some(hybrid), Some(hybrids)) = (event.hybrid, self.hybrids.get_mut(process)) else {
            return;
        };
        hybrids.push(hybrid);
        let physical_us = u64::try_from(at.0.saturating_add(offset_us)).unwrap_or(0);
        let ahead_us = hybrid.physical_us.saturating_sub(physical_us);
        *sum_us += u128::from(ahead_us);
        let distance = self.distance.get_or_insert_default();
        distance.events += 1;
        distance.max_us = distance.max_us.max(ahead_us);
        distance.logical_max = distance.logical_max.max(hybrid.logical);
        let class = DISTANCE_BOUNDS_US.iter().position(|bound| ahead_us < *bound);
        if let Some(count) = distance.counts.get_mut(class.unwrap_or(DISTANCE_BOUNDS_US.len())) {
            *count += 1;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean is shown with one decimal")]
fn mean(sum: u128, count: u64) -> f64 {
    sum as f64 / count.max(1) as f64
}

fn digest(entries: impl Iterator<Item = u64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    entries.for_each(|entry| entry.hash(&mut hasher));
    hasher.finish()
}

impl LoggedVectors {
    /// Whether an event has a vector.
    pub(super) fn is_known(&self) -> bool {
        self.0.iter().flatten().any(Option::is_some)
    }

    /// Compares them with the vectors that the messages give. Where logs are missing, those lack entries.
    pub(super) fn compare(&self, history: &History) -> Vectors {
        let mut vectors = Vectors::default();
        history.each_in_causal_order(|id, entries| {
            let process = self.0.get(id.process as usize);
            let logged = process.and_then(|digests| digests.get(id.index as usize).copied().flatten());
            if let Some(logged) = logged {
                let computed = digest(entries.iter().map(|entry| u64::from(*entry)));
                vectors.logged += 1;
                vectors.different += u64::from(logged != computed);
            }
        });
        vectors
    }
}
