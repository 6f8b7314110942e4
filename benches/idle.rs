//! What three machines cost while they run at the assignment's rates: resident memory and processor time.
//!
//! `cargo bench --bench idle`. Options behind `--`: `--seconds`, the time over which processor time is counted.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, reads the clock, waits and may panic"
)]

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use support::{
    Options,
    fleet::{self, Fleet, Order},
    proc,
};

const MACHINES: u16 = 3;

/// From the start until it is measured.
const SETTLE: Duration = Duration::from_secs(1);

const RSS_MB_MAX: f64 = 8.0;
const PERCENT_MAX: f64 = 1.0;

fn main() {
    let options = Options::read();
    let seconds: u64 = options.number("--seconds", 10, 1);
    support::print_machine();
    let logs = tempfile::tempdir().expect("a folder");
    let span = Duration::from_secs(seconds);
    let fleet = Fleet::start(&Order {
        machines: MACHINES,
        rates: "1-6",
        duration: span + 2 * SETTLE,
        logs: logs.path(),
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while fleet::started(logs.path()) < usize::from(MACHINES) {
        assert!(Instant::now() < deadline, "the machines do not start");
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(SETTLE / 2);
    let processes = fleet.processes();
    let (began, before) = (Instant::now(), cpu_times(&processes));
    thread::sleep(span);
    let (took, after) = (began.elapsed(), cpu_times(&processes));
    let rss_mb: Vec<f64> = processes
        .iter()
        .map(|process| proc::status_kib(*process, "VmRSS") as f64 * 1.024e-3)
        .collect();
    fleet.join();
    let percent: Vec<f64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| 100.0 * (*after - *before).as_secs_f64() / took.as_secs_f64())
        .collect();
    println!("\n| machine | rate | resident, MB | % of a core over {seconds} s |\n|---|---|---|---|");
    for (machine, (rss, percent)) in (0..MACHINES).zip(rss_mb.iter().zip(&percent)) {
        let (header, _) = fleet::log_ends(logs.path(), machine);
        println!(
            "| {machine} | {} | {rss:.1} | {percent:.3} |",
            header.rate.unwrap_or_default()
        );
    }
    println!();
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (rss, percent) = (most(&rss_mb), most(&percent));
    support::print_figure(
        "resident memory",
        format!("{rss:.1} MB"),
        "at most 8 MB",
        rss <= RSS_MB_MAX,
    );
    let text = format!("{percent:.3} % of a core");
    support::print_figure("processor", text, "under 1 %", percent < PERCENT_MAX);
}

fn cpu_times(processes: &[u32]) -> Vec<Duration> {
    processes.iter().map(|process| proc::cpu_time(*process)).collect()
}
