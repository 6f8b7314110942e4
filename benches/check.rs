//! Checking and summarising a run from its logs: events a second on one core, and memory.
//!
//! `cargo bench --bench check`. Options behind `--`: `--events`, `--rounds`.
//!
//! The logs are those of three real nodes of the scale model at 1000 ticks a second, run in virtual time and written
//! by the same code that machines write theirs with; so the check finds a valid run, and has every rule to judge.
//! Logs come from the page cache: this measures the check, not the disk.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::time::Instant;

use clocklab::inspect;
use support::{
    Options, Spread,
    virtual_run::{FASTEST, write_run},
};

const RATE_AIM: f64 = 5e6;

/// Largest resident memory of this program, which writes the logs as well, in KiB.
const RESIDENT_KIB_AIM: u64 = 500 * 1000 * 1000 / 1024;

/// Longest check of ten million events, in seconds.
const SECONDS_AIM: f64 = 3.0;

fn main() {
    let options = Options::read();
    let events: u64 = options.number("--events", 10_000_000, 30_000);
    let rounds = options.number("--rounds", 5, 1);
    support::print_machine();
    let logs = tempfile::tempdir().expect("a folder");
    let (folder, bytes) = write_run(logs.path(), &FASTEST, events);
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let (verdict, _) = inspect::check(&folder).expect("a run");
        let took = began.elapsed();
        assert!(
            verdict.violations.is_empty(),
            "the run is valid: {:?}",
            verdict.violations
        );
        let rate = verdict.events as f64 / took.as_secs_f64();
        println!(
            "{} events, {} MB in {:.2} s: {:.2} million events/s",
            verdict.events,
            bytes / 1_000_000,
            took.as_secs_f64(),
            rate / 1e6
        );
        rates.push(rate);
    }
    let rate = Spread::of(&rates);
    let text = format!(
        "{:.2} million events/s ({:.2}-{:.2})",
        rate.median / 1e6,
        rate.min / 1e6,
        rate.max / 1e6
    );
    println!();
    support::print_figure(
        "check of a log",
        text,
        "at least 5 million",
        rate.median >= RATE_AIM,
    );
    let seconds = 1e7 / rate.median;
    let text = format!("{seconds:.2} s");
    support::print_figure(
        "ten million events checked",
        text,
        "under 3 s",
        seconds < SECONDS_AIM,
    );
    let resident_kib = support::proc::status_kib(std::process::id(), "VmHWM");
    let text = format!("{:.1} MB", resident_kib as f64 * 1024.0 / 1e6);
    support::print_figure(
        "resident at most",
        text,
        "under 500 MB",
        resident_kib < RESIDENT_KIB_AIM,
    );
}
