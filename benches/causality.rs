//! The order of two events of a large run, microseconds a question; and all its pairs, counted.
//!
//! `cargo bench --bench causality`. Options behind `--`: `--events`, `--pairs`, `--run` (1, 2 or 3: only that one).
//!
//! Three runs of real nodes of the scale model, written by the code that machines write their logs with: three equal
//! machines; three of which one cannot keep up, so that it lives in the past; and a hundred. Each is loaded once and
//! asked for random pairs of events, and for pairs whose clocks are close, most of which are concurrent. Logs come
//! from the page cache. All pairs are asked three times in turn and the best time of each counts, so that what other
//! programs do on the same cores does not count; thousands of other questions lie between, so caches are no warmer.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::time::Instant;

use clocklab::inspect::{
    causality::{Causality, Order},
    history::{EventId, History},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use support::Options;

/// Milliseconds that no question may take.
const MS_AIM: f64 = 10.0;

/// How often each pair is asked for.
const ROUNDS: usize = 3;

fn main() {
    let options = Options::read();
    let events: u64 = options.number("--events", 10_000_000, 20_000);
    let pairs: usize = options.number("--pairs", 5_000, 50);
    let only: usize = options.number("--run", 0, 0);
    support::print_machine();
    let mut worst: f64 = 0.0;
    let runs = [
        ("3 equal machines", vec![1000; 3]),
        ("3 machines, one saturated", vec![1000, 1000, 100]),
        ("100 machines", vec![100; 100]),
    ];
    for (_, (name, rates)) in (1..).zip(runs).filter(|(number, _)| only == 0 || only == *number) {
        worst = worst.max(measure(name, &rates, events, pairs));
    }
    println!();
    support::print_figure(
        "order of two events, the slowest question",
        format!("{worst:.3} ms"),
        "under 10 ms",
        worst < MS_AIM,
    );
}

/// Writes, loads and asks one run; the slowest answer in milliseconds.
fn measure(name: &str, rates: &[u32], events: u64, pairs: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, bytes) = support::virtual_run::write_run(folder.path(), rates, events);
    let before = support::proc::status_kib(std::process::id(), "VmRSS");
    let began = Instant::now();
    let history = History::read(&run).expect("a run");
    let read = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let causality = Causality::new(&history);
    let prepared = began.elapsed().as_secs_f64();
    let resident = support::proc::status_kib(std::process::id(), "VmRSS").saturating_sub(before);
    println!(
        "{name}: {} events, {} messages, {} MB of logs: loaded in {:.2} s ({:.2} million events/s), made ready in \
         {prepared:.2} s; {} MiB resident",
        history.len(),
        history.messages().len(),
        bytes / 1_000_000,
        read,
        history.len() as f64 / read / 1e6,
        resident / 1024
    );
    assert!(causality.clocks_are_lamport(), "logs of the scale model");
    let mut random = Pcg64Mcg::seed_from_u64(7);
    let far: Vec<_> = (0..pairs)
        .map(|_| (any(&history, &mut random), any(&history, &mut random)))
        .collect();
    let near: Vec<_> = (0..pairs)
        .map(|_| {
            let a = any(&history, &mut random);
            (a, close_to(&history, a, &mut random))
        })
        .collect();
    let slowest =
        ask(&causality, "random pairs", &far).max(ask(&causality, "pairs with close clocks", &near));
    let began = Instant::now();
    let counted = causality.concurrency(0).expect("within the limit");
    println!(
        "  all {} pairs counted in {:.2} s: {} concurrent; the longest chain has {} events",
        counted.pairs,
        began.elapsed().as_secs_f64(),
        counted.concurrent(),
        counted.longest.map_or(0, |longest| longest.events)
    );
    slowest
}

fn any(history: &History, random: &mut impl Rng) -> EventId {
    let process = random.random_range(0..u32::try_from(history.processes.len()).expect("few"));
    let index = random.random_range(0..history.events_of(process));
    EventId { process, index }
}

/// An event of any process whose clock is at most some steps from that of `a`.
fn close_to(history: &History, a: EventId, random: &mut impl Rng) -> EventId {
    let clock = |id: EventId| history.event(id).expect("there").clock;
    let aim = clock(a).saturating_add_signed(random.random_range(-20..=20));
    let process = any(history, random).process;
    let (mut low, mut high) = (0, history.events_of(process) - 1);
    while low < high {
        let index = low.midpoint(high);
        if clock(EventId { process, index }) < aim {
            low = index + 1;
        } else {
            high = index;
        }
    }
    EventId { process, index: low }
}

/// Asks for each pair; prints the spread and returns the slowest answer in milliseconds.
fn ask(causality: &Causality<'_>, what: &str, pairs: &[(EventId, EventId)]) -> f64 {
    let mut us = vec![f64::INFINITY; pairs.len()];
    let (mut concurrent, mut messages, mut slowest) = (0, 0, 0.0_f64);
    for round in 0..ROUNDS {
        for ((a, b), best) in pairs.iter().zip(&mut us) {
            let began = Instant::now();
            let order = causality.order(*a, *b);
            let took = began.elapsed().as_secs_f64() * 1e6;
            *best = best.min(took);
            slowest = slowest.max(took);
            match order {
                Order::Same => {}
                Order::Before(chain) | Order::After(chain) => messages = messages.max(chain.messages()),
                Order::Concurrent { .. } => concurrent += usize::from(round == 0),
            }
        }
    }
    us.sort_by(f64::total_cmp);
    println!(
        "  {what}: median {:.1} us, 99th percentile {:.1} us, slowest {:.1} us (of all rounds {slowest:.1} us); \
         {concurrent} of {} concurrent, chains of up to {messages} messages",
        us[us.len() / 2],
        us[us.len() * 99 / 100],
        us[us.len() - 1],
        us.len()
    );
    us[us.len() - 1] / 1e3
}
