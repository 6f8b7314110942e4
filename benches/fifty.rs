//! Fifty machines on this computer in a full mesh: how soon all are connected, whether all keep their rates, and what
//! it costs.
//!
//! `cargo bench --bench fifty`. Options behind `--`: `--machines`, `--seconds`.
//!
//! "Connected" is the start barrier: the latest `started=` of all logs, which a machine writes when all links of the
//! whole mesh are up.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, reads the clock, waits and may panic"
)]

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use chrono::Utc;
use clocklab::trace::{Footer, Header};
use support::{
    Options,
    fleet::{self, Fleet, Order},
    proc,
};

/// How far the ticks of a minute may be from rate × seconds.
const TICKS_OFF_MAX: f64 = 2.0;

const CONNECTED_SECONDS_MAX: f64 = 5.0;

/// How long the machines may look for each other before this measurement gives up.
const START_WAIT: Duration = Duration::from_secs(60);

fn main() {
    let options = Options::read();
    let machines: u16 = options.number("--machines", 50, 5);
    let seconds: u64 = options.number("--seconds", 60, 2);
    support::print_machine();
    let logs = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    let fleet = Fleet::start(&Order {
        machines,
        rates: "1-6",
        duration: Duration::from_secs(seconds),
        logs: logs.path(),
    });
    let last_start_us = Utc::now().timestamp_micros();
    println!(
        "{machines} processes started in {:.2} s",
        began.elapsed().as_secs_f64()
    );
    while fleet::started(logs.path()) < usize::from(machines) {
        assert!(
            began.elapsed() < START_WAIT,
            "the machines do not find each other"
        );
        thread::sleep(Duration::from_millis(50));
    }
    print_cost(&fleet, Duration::from_secs(seconds) / 2);
    fleet.join();
    let ends: Vec<_> = (0..machines)
        .map(|machine| fleet::log_ends(logs.path(), machine))
        .collect();
    print_start(&ends, last_start_us);
    print_ticks(&ends, seconds);
}

/// Processor time and memory, over `span` of the run.
fn print_cost(fleet: &Fleet, span: Duration) {
    let processes = fleet.processes();
    let cpu = || {
        processes
            .iter()
            .map(|process| proc::cpu_time(*process))
            .sum::<Duration>()
    };
    let (began, before) = (Instant::now(), cpu());
    println!("processor time to connect: {:.2} s in all", before.as_secs_f64());
    thread::sleep(span);
    let percent = 100.0 * (cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    let rss_kib = processes
        .iter()
        .map(|process| proc::status_kib(*process, "VmRSS"))
        .max();
    println!("while they run: {percent:.2} % of a core for all together");
    println!(
        "resident: {:.1} MiB for the largest",
        rss_kib.unwrap_or_default() as f64 / 1024.0
    );
}

fn print_start(ends: &[(Header, Footer)], last_start_us: i64) {
    let mut started_us: Vec<i64> = ends.iter().map(|(header, _)| header.started.0).collect();
    started_us.sort_unstable();
    let (Some(first_us), Some(last_us)) = (started_us.first(), started_us.last()) else {
        panic!("no log");
    };
    println!(
        "between the first and the last machine's start: {:.1} ms",
        (last_us - first_us) as f64 / 1e3
    );
    let seconds = (last_us - last_start_us) as f64 / 1e6;
    let text = format!("{seconds:.2} s after the last process was started");
    support::print_figure(
        "all connected",
        text,
        "within 5 s",
        seconds <= CONNECTED_SECONDS_MAX,
    );
}

fn print_ticks(ends: &[(Header, Footer)], seconds: u64) {
    let off = |(header, footer): &(Header, Footer)| {
        let due = f64::from(header.rate.unwrap_or_default()) * seconds as f64;
        footer.ticks as f64 - due
    };
    let worst = ends
        .iter()
        .map(off)
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .unwrap_or_default();
    let stalls: u64 = ends.iter().filter_map(|(_, footer)| footer.stalls).sum();
    let late_us = ends
        .iter()
        .filter_map(|(_, footer)| footer.tick_error_us_max)
        .max();
    println!(
        "latest tick: {:.1} ms late; {stalls} stalls",
        late_us.unwrap_or_default() as f64 / 1e3
    );
    let text = format!("{worst:+.0} at worst in {seconds} s");
    let reached = worst.abs() <= TICKS_OFF_MAX;
    support::print_figure("ticks beside rate x seconds", text, "within 2", reached);
}
