//! Checking a run from its logs: events a second on one core.
//!
//! `cargo bench --bench check`. Options behind `--`: `--events`, `--rounds`.
//!
//! The logs are those of three real nodes of the scale model at 1000 ticks a second, run in virtual time and written
//! by the same code that machines write theirs with; so the check finds a valid run, and has every rule to judge.
//! Logs come from the page cache: this measures the check, not the disk.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::time::Instant;

use clocklab::inspect;
use support::{Options, Spread, virtual_run::write_run};

const RATE_AIM: f64 = 3e6;

fn main() {
    let options = Options::read();
    let events: u64 = options.number("--events", 6_000_000, 30_000);
    let rounds = options.number("--rounds", 5, 1);
    support::print_machine();
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = write_run(folder.path(), events);
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let (verdict, _) = inspect::check(folder.path()).expect("a run");
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
        "at least 3 million",
        rate.median >= RATE_AIM,
    );
}
