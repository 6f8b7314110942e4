//! The round trip of a 32-byte frame between two processes: the driver beside a bare epoll loop in the same run.
//!
//! `cargo bench --features peers --bench round_trip`; without the feature it measures only ours. Options behind `--`:
//! `--rounds`, `--trips`.
//!
//! A round trip is the time from one answer to the next: update the clock, send, and what two processes and the
//! kernel need until the answer is here.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, reads the clock and may panic"
)]

#[cfg(feature = "peers")]
mod bare;
mod ours;
#[path = "../support/mod.rs"]
mod support;

use std::time::Instant;

use support::{Options, Spread};

/// One program that can ask in this process and answer in a child.
struct Contestant {
    name: &'static str,
    ask: fn(Trips) -> Vec<u64>,
    answer: fn(&str),
}

const CONTESTANTS: &[Contestant] = &[
    Contestant {
        name: "clocklab",
        ask: ours::ask,
        answer: ours::answer,
    },
    #[cfg(feature = "peers")]
    Contestant {
        name: "bare epoll",
        ask: bare::ask,
        answer: bare::answer,
    },
];

/// The asking side: counts answers and keeps the times between them.
#[derive(Debug)]
struct Trips {
    contestant: usize,
    left: usize,
    last: Option<Instant>,
    ns: Vec<u64>,
}

impl Trips {
    /// An answer is here; says whether to ask again.
    #[inline]
    fn take(&mut self) -> bool {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.ns.push(now.duration_since(last).as_nanos() as u64);
        }
        self.left -= 1;
        self.left > 0
    }
}

fn start_answerer(contestant: usize, place: &str) -> support::Partner {
    support::start_child(&[contestant.to_string(), place.to_owned()])
}

fn main() {
    let options = Options::read();
    if let Some(words) = options.child() {
        let contestant: usize = words[0].parse().expect("a number");
        return (CONTESTANTS[contestant].answer)(&words[1]);
    }
    let rounds = options.number("--rounds", 11, 1);
    let trips = options.number("--trips", 20_000, 500);
    support::print_machine();
    println!(
        "{trips} round trips a round after {} to warm up, {rounds} rounds in turn\n",
        trips / 8
    );
    let mut medians = vec![Vec::new(); CONTESTANTS.len()];
    let mut tails = vec![Vec::new(); CONTESTANTS.len()];
    for _ in 0..rounds {
        for (contestant, program) in CONTESTANTS.iter().enumerate() {
            let mut ns = (program.ask)(Trips {
                contestant,
                left: trips + trips / 8 + 1,
                last: None,
                ns: Vec::with_capacity(2 * trips),
            });
            ns.drain(..trips / 8);
            ns.sort_unstable();
            medians[contestant].push(ns[ns.len() / 2] as f64 / 1e3);
            tails[contestant].push(ns[ns.len() * 99 / 100] as f64 / 1e3);
        }
    }
    println!("| program | median of a round, us: median (min-max) | 99th percentile, us: median (min-max) |");
    println!("|---|---|---|");
    for (place, contestant) in CONTESTANTS.iter().enumerate() {
        let (median, tail) = (Spread::of(&medians[place]), Spread::of(&tails[place]));
        println!(
            "| {} | {:.1} ({:.1}-{:.1}) | {:.1} ({:.1}-{:.1}) |",
            contestant.name, median.median, median.min, median.max, tail.median, tail.min, tail.max
        );
    }
    println!();
    match medians.as_slice() {
        [ours, bare, ..] => {
            let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| ours / bare).collect();
            let ratio = Spread::of(&ratios);
            let text = format!("{:.2} times ({:.2}-{:.2})", ratio.median, ratio.min, ratio.max);
            support::print_figure(
                "round trip beside bare epoll",
                text,
                "at most 1.3",
                ratio.median <= 1.3,
            );
        }
        _ => println!("only clocklab was measured: `--features peers` measures a bare epoll loop beside it"),
    }
}
