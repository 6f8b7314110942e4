//! The logs of a simulated run of three machines of the scale model at 1000 ticks a second, written by the code that
//! machines write theirs with. So a check finds a valid run, and has every rule to judge.

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

/// Writes the logs of a run with about `events` events below `logs`; returns its folder and its logs' bytes.
pub fn write_run(logs: &Path, events: u64) -> (PathBuf, u64) {
    let run = Simulated {
        rates: vec![RATE_MAX; 3],
        draw: 10,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        duration_us: events * 1_000_000 / (3 * u64::from(RATE_MAX)),
        latency: Latency::Constant { us: 0 },
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
