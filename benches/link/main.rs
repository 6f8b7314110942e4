//! One link between two processes: messages a second, beside ZeroMQ and tokio in the same run.
//!
//! `cargo bench --features peers --bench link`; without the feature it measures only ours. Options behind `--`:
//! `--rounds`, `--messages`.
//!
//! The program starts itself again as the sender, and measures as the receiver: the clock runs from the end of the
//! warm-up to the last message, so neither start nor connecting counts. Every program sends 27 bytes that begin with
//! a Lamport clock; the sender ticks its clock for each message, the receiver merges each. The receiver's clock at
//! the end proves that every message arrived, once and in order.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod ours;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "peers")]
mod tokio_codec;
#[cfg(feature = "peers")]
mod zeromq;

use std::time::{Duration, Instant};

use clocklab::clock::Lamport;
use support::{Options, Spread};

/// One program that can receive in this process and send in a child.
struct Contestant {
    name: &'static str,
    /// Receives the plan's messages from a child that it starts.
    receive: fn(Plan) -> Duration,
    /// The child: sends them to where the parent said.
    send: fn(Plan, &str),
}

const CONTESTANTS: &[Contestant] = &[
    Contestant {
        name: "clocklab",
        receive: ours::receive,
        send: ours::send,
    },
    #[cfg(feature = "peers")]
    Contestant {
        name: "ZeroMQ PUSH/PULL",
        receive: zeromq::receive,
        send: zeromq::send,
    },
    #[cfg(feature = "peers")]
    Contestant {
        name: "tokio LengthDelimitedCodec",
        receive: tokio_codec::receive,
        send: tokio_codec::send,
    },
];

/// How many messages flow.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Which contestant.
    contestant: usize,
    warm_up: u64,
    measured: u64,
}

impl Plan {
    fn total(self) -> u64 {
        self.warm_up + self.measured
    }

    /// Starts the sender, which is told `place`.
    fn start_sender(self, place: &str) -> support::Partner {
        let numbers = [self.contestant as u64, self.warm_up, self.measured];
        let mut words: Vec<String> = numbers.iter().map(u64::to_string).collect();
        words.push(place.to_owned());
        support::start_child(&words)
    }
}

/// The receiver's side of the measurement: the clock rule, and when which message came.
#[derive(Debug)]
struct Receipt {
    plan: Plan,
    clock: Lamport,
    count: u64,
    began: Option<Instant>,
    took: Option<Duration>,
}

impl Receipt {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            clock: Lamport::default(),
            count: 0,
            began: None,
            took: None,
        }
    }

    /// Takes one message; says whether it was the last.
    #[inline]
    fn take(&mut self, sent: u64) -> bool {
        self.clock.merge(sent);
        self.count += 1;
        if self.count == self.plan.warm_up {
            self.began = Some(Instant::now());
        }
        let last = self.count == self.plan.total();
        if last {
            self.took = self.began.map(|began| began.elapsed());
        }
        last
    }

    fn finish(&self) -> Duration {
        // The sender's clocks are 1 to total, so the last receipt has total + 1 exactly if none is missing before it.
        assert_eq!(
            self.clock.value(),
            self.plan.total() + 1,
            "messages are missing or out of order"
        );
        self.took.expect("every message came")
    }
}

fn main() {
    let options = Options::read();
    if let Some(words) = options.child() {
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        let contestant = usize::try_from(number(0)).expect("small");
        let plan = Plan {
            contestant,
            warm_up: number(1),
            measured: number(2),
        };
        return (CONTESTANTS[contestant].send)(plan, &words[3]);
    }
    let rounds = options.number("--rounds", 7, 1);
    let measured = options.number("--messages", 8_000_000, 100_000);
    support::print_machine();
    println!("{measured} messages of 27 bytes a round, {rounds} rounds in turn\n");
    let mut rates = vec![Vec::new(); CONTESTANTS.len()];
    for _ in 0..rounds {
        for (place, contestant) in CONTESTANTS.iter().enumerate() {
            let plan = Plan {
                contestant: place,
                warm_up: measured / 8,
                measured,
            };
            rates[place].push(measured as f64 / (contestant.receive)(plan).as_secs_f64());
        }
    }
    print_table(&rates);
}

fn print_table(rates: &[Vec<f64>]) {
    println!("| program | million messages/s, median (min-max) | clocklab is faster by, median (min-max) |");
    println!("|---|---|---|");
    for (contestant, theirs) in CONTESTANTS.iter().zip(rates) {
        let rate = Spread::of(theirs);
        let ratio = Spread::of(&ratios(&rates[0], theirs));
        println!(
            "| {} | {:.2} ({:.2}-{:.2}) | {:.2} ({:.2}-{:.2}) |",
            contestant.name,
            rate.median / 1e6,
            rate.min / 1e6,
            rate.max / 1e6,
            ratio.median,
            ratio.min,
            ratio.max
        );
    }
    println!();
    for (contestant, theirs) in CONTESTANTS.iter().zip(rates).skip(1) {
        let ratio = Spread::of(&ratios(&rates[0], theirs)).median;
        let name = format!("one link beside {}", contestant.name);
        support::print_figure(&name, format!("{ratio:.2} times"), "at least 3", ratio >= 3.0);
    }
    if rates.len() == 1 {
        println!("only clocklab was measured: `--features peers` measures the others beside it");
    }
}

/// Round by round, so that what disturbs the machine for a while disturbs both sides.
fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect()
}
