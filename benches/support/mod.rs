//! What the measurements share: options, medians, the machine's description, child processes and what /proc says of
//! them.
//!
//! Each measurement uses a part of it.
#![allow(dead_code, reason = "each measurement uses a part")]
#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measurement prints and may panic"
)]
#![allow(unreachable_pub, reason = "a module of several programs")]

pub mod fleet;
pub mod mesh;
pub mod proc;
pub mod run_folder;

use std::{
    env,
    fmt::Display,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
    str::FromStr,
};

/// The first argument of a process that a measurement starts from its own program.
const CHILD: &str = "child";

/// Whether this is a measurement (`cargo bench`) or only a look at whether it works (`cargo test --benches`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Full,
    Tiny,
}

/// What stands on the command line behind `--`.
#[derive(Debug)]
pub struct Options {
    words: Vec<String>,
    pub size: Size,
}

impl Options {
    /// Reads the command line; cargo itself adds `--bench` to a measurement.
    pub fn read() -> Self {
        let mut words: Vec<String> = env::args().skip(1).collect();
        let before = words.len();
        words.retain(|word| word != "--bench");
        let size = if words.len() < before {
            Size::Full
        } else {
            Size::Tiny
        };
        Self { words, size }
    }

    /// The words after `child`, if this process was started by [`start_child`].
    pub fn child(&self) -> Option<&[String]> {
        match self.words.split_first() {
            Some((first, rest)) if first == CHILD => Some(rest),
            _ => None,
        }
    }

    /// The value of `--name`, or the default for the size.
    pub fn number<T: FromStr + Copy>(&self, name: &str, full: T, tiny: T) -> T {
        let place = self.words.iter().position(|word| word == name);
        match place.and_then(|place| self.words.get(place + 1)) {
            Some(word) => word
                .parse()
                .unwrap_or_else(|_| panic!("{name} {word}: give a number")),
            None => match self.size {
                Size::Full => full,
                Size::Tiny => tiny,
            },
        }
    }
}

/// Median and ends of some rounds.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// # Panics
    /// Without a value.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Self {
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }
}

/// The machine that the numbers belong to, in one line.
pub fn print_machine() {
    let first = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key));
        line.map(|line| {
            line.trim_start_matches(key)
                .trim_matches([' ', '\t', ':'])
                .to_owned()
        })
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "machine: {}, {cores} cores, Linux {}, load {}",
        first("/proc/cpuinfo", "model name").unwrap_or_default(),
        first("/proc/sys/kernel/osrelease", "").unwrap_or_default(),
        first("/proc/loadavg", "").unwrap_or_default(),
    );
}

/// Prints one figure beside the one to reach; a run with tiny sizes is not judged.
pub fn print_figure(name: &str, value: impl Display, aim: &str, reached: bool) {
    let verdict = match (Options::read().size, reached) {
        (Size::Tiny, _) => "too small to judge",
        (Size::Full, true) => "reached",
        (Size::Full, false) => "MISSED",
    };
    println!("figure: {name}: {value} (aim: {aim}): {verdict}");
}

/// A process that runs this program again with other words. Killed if it is dropped before it ends.
#[derive(Debug)]
pub struct Partner {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// Starts this program again with `child` and `words`.
pub fn start_child(words: &[String]) -> Partner {
    let program = env::current_exe().expect("this program's own path");
    let mut child = Command::new(program)
        .arg(CHILD)
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts again");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    Partner { child, output }
}

impl Partner {
    /// The next line that the process prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line from the child");
        line.trim().to_owned()
    }

    /// Waits for its end, which must be a good one.
    pub fn join(mut self) {
        let status = self.child.wait().expect("the child's end");
        assert!(status.success(), "the child failed: {status}");
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        // Both fail on a child that has ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first of `count` ports on loopback that are all free, below the range that connections draw theirs from.
pub fn free_base_port(count: u16) -> u16 {
    const FIRST: u16 = 17_100;
    const LAST: u16 = 32_000;
    let salt = u16::try_from(std::process::id() % 97).unwrap_or(0) * 100;
    let mut bases = (FIRST + salt..LAST - count).step_by(usize::from(count));
    bases
        .find(|base| (*base..base + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .expect("free ports on loopback")
}
