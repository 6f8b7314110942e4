//! The logs of simulated machines of the scale model, written by the code that machines write theirs with. So a
//! check finds a valid run, and has every rule to judge.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clocklab::{
    clock::ClockKind,
    lab::{RunFile, Simulated},
    model::{Phase, RATE_MAX},
    sim::Latency,
};

/// Three machines as fast as they can be.
pub const FASTEST: [u32; 3] = [RATE_MAX; 3];

/// Writes the logs of a run with these rates and about `events` events below `logs`; returns its folder and its
/// logs' bytes.
pub fn write_run(logs: &Path, rates: &[u32], events: u64) -> (PathBuf, u64) {
    let run = Simulated {
        rates: rates.to_vec(),
        speed: clocklab::units::Speed::NORMAL,
        draw: 10,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        duration_us: events * 1_000_000 / rates.iter().copied().map(u64::from).sum::<u64>(),
        latency: Latency::Constant { us: 0 },
        faults: None,
        seed: 7,
        run: "bench".parse().expect("a run id"),
    };
    let file = RunFile::simulated(&run, Vec::new());
    let (folder, _) = run.write(logs, &file).expect("written");
    let files = fs::read_dir(&folder).expect("a folder");
    let bytes = files.map(|file| file.and_then(|file| file.metadata()).expect("a file").len());
    let bytes = bytes.sum();
    (folder, bytes)
}
