//! Judging histories that clients recorded: seconds for ten thousand, a hundred thousand and a million operations.
//!
//! `cargo bench --bench history`. Options behind `--`: `--operations` (the largest), `--sessions`, `--keys`, `--memory` (the
//! operations of the history that is judged for causal memory, which takes longer).
//!
//! The histories are those of a small store that is made here: replicas that apply writes in causal order, late and in
//! different orders, the last writer by stamp winning; sessions move between them, and half of the operations are reads.
//! So the checker finds a valid history in which concurrent writes abound. One with a wrong read is judged as well.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::{collections::VecDeque, fmt::Write, time::Instant};

use clocklab::{
    dice::{Purpose, Stream},
    kv::history::{History, Level},
    units::MachineId,
};
use support::Options;

const SECONDS_AIM: f64 = 10.0;

const REPLICAS: usize = 3;

/// How many writes a replica is behind at most.
const BEHIND_MAX: usize = 200;

fn main() {
    let options = Options::read();
    let largest: usize = options.number("--operations", 1_000_000, 3000);
    let sessions: usize = options.number("--sessions", 64, 8);
    let keys: usize = options.number("--keys", 10_000, 30);
    let memory: usize = options.number("--memory", 10_000, 300);
    support::print_machine();
    for operations in [largest / 100, largest / 10, largest] {
        measure(operations, sessions, keys, Level::Convergent);
    }
    for others in [8, 256] {
        measure(largest, others, keys, Level::Convergent);
    }
    measure(memory, 8, keys, Level::Memory);
    let resident_kib = support::proc::status_kib(std::process::id(), "VmHWM");
    println!("resident at most: {:.0} MB", resident_kib as f64 * 1024.0 / 1e6);
}

fn measure(operations: usize, sessions: usize, keys: usize, level: Level) {
    for is_wrong in [false, true] {
        let text = generate(operations, sessions, keys, is_wrong);
        let began = Instant::now();
        let mut history = History::default();
        history
            .read("generated", &mut text.as_bytes())
            .expect("a history");
        let read = began.elapsed().as_secs_f64();
        let verdict = history.judge(level).expect("unique values");
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(verdict.is_valid(), !is_wrong, "{verdict}");
        let wrong = if is_wrong { ", one read wrong" } else { "" };
        support::print_figure(
            &format!("{operations} operations, {sessions} sessions, {level}{wrong}"),
            format!("{seconds:.2} s, of which {read:.2} s reading"),
            "under 10 s",
            seconds < SECONDS_AIM,
        );
    }
}

/// A replica, as far as it matters here.
#[derive(Default)]
struct Replica {
    /// How many writes of each replica it has.
    known: [usize; REPLICAS],
    /// What it has not applied yet, by origin.
    late: [VecDeque<usize>; REPLICAS],
    /// Per key the write that it shows.
    values: Vec<Option<usize>>,
    stamp: usize,
}

struct Made {
    key: usize,
    /// The greater one wins.
    stamp: (usize, usize),
    needs: [usize; REPLICAS],
}

struct Store {
    dice: Stream,
    replicas: [Replica; REPLICAS],
    made: Vec<Made>,
}

impl Store {
    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.dice.below(sides as u64)).expect("below the sides")
    }

    /// Applies at most one late write of each origin, in causal order.
    fn deliver(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        for origin in 0..REPLICAS {
            let Some(name) = replica.late[origin].front().copied() else {
                continue;
            };
            let write = &self.made[name];
            if !covers(&replica.known, &write.needs) {
                continue;
            }
            replica.late[origin].pop_front();
            replica.known[origin] += 1;
            replica.stamp = replica.stamp.max(write.stamp.0);
            let shown = &mut replica.values[write.key];
            if shown.is_none_or(|other| self.made[other].stamp < write.stamp) {
                *shown = Some(name);
            }
        }
    }

    fn write(&mut self, at: usize, key: usize) -> usize {
        let name = self.made.len();
        let replica = &mut self.replicas[at];
        replica.stamp += 1;
        self.made.push(Made {
            key,
            stamp: (replica.stamp, at),
            needs: replica.known,
        });
        replica.known[at] += 1;
        replica.values[key] = Some(name);
        for other in (0..REPLICAS).filter(|other| *other != at) {
            self.replicas[other].late[at].push_back(name);
            while self.replicas[other].late[at].len() > BEHIND_MAX {
                self.deliver(other);
            }
        }
        name
    }
}

fn covers(known: &[usize; REPLICAS], needs: &[usize; REPLICAS]) -> bool {
    known.iter().zip(needs).all(|(known, need)| known >= need)
}

/// Operations as lines; with `is_wrong` the last reads what its session overwrote.
fn generate(operations: usize, sessions: usize, keys: usize, is_wrong: bool) -> String {
    let mut store = Store {
        dice: Stream::new(7, MachineId(0), Purpose::Die),
        replicas: Default::default(),
        made: Vec::new(),
    };
    for replica in &mut store.replicas {
        replica.values = vec![None; keys];
    }
    let mut tokens = vec![[0; REPLICAS]; sessions];
    let mut lines = String::with_capacity(operations * 64);
    let mut done = if is_wrong { 3 } else { 0 };
    while done < operations {
        let (at, session) = (store.roll(REPLICAS), store.roll(sessions));
        if store.roll(2) == 0 {
            store.deliver(at);
        }
        if !covers(&store.replicas[at].known, &tokens[session]) {
            continue;
        }
        done += 1;
        // The smaller keys are the more frequent ones.
        let key = store.roll(keys).min(store.roll(keys));
        write!(lines, r#"{{"session":"s{session}","key":"k{key}","#).expect("a string");
        if store.roll(2) == 0 {
            let name = store.write(at, key);
            writeln!(lines, r#""op":"put","value":{name}}}"#).expect("a string");
        } else {
            let value = store.replicas[at].values[key];
            let value = value.map_or("null".to_owned(), |name| name.to_string());
            writeln!(lines, r#""op":"get","value":{value}}}"#).expect("a string");
        }
        tokens[session] = store.replicas[at].known;
    }
    if is_wrong {
        for (op, value) in [("put", "-1"), ("put", "-2"), ("get", "-1")] {
            writeln!(
                lines,
                r#"{{"session":"s0","op":"{op}","key":"k0","value":{value}}}"#
            )
            .expect("a string");
        }
    }
    lines
}
