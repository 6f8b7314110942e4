//! Bytes of a vector timestamp on the wire, beside a whole vector of 8 bytes an entry: what sending only what changed on
//! a link saves.
//!
//! `cargo bench --bench vectors`. Options behind `--`: `--machines` (of the figures), `--largest` (of the other
//! runs), `--seconds` (virtual, of all).
//!
//! Simulated machines with rates 1 to 6 and the assignment's die; counted is all that stands in a frame behind its kind,
//! Lamport's clock and the form included, on the links of real frames (footers' `bytes_sent`). Every rule is judged, and
//! every logged vector has to be the one that the messages give.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement prints, and may panic"
)]

mod support;

use clocklab::{
    clock::ClockKind,
    inspect::{
        Style,
        clocks::{ClockComparison, LAMPORT_BYTES},
        history::History,
    },
    lab::{RunFile, Simulated},
    model::{Phase, Rates},
    sim::Latency,
    trace::Traffic,
};
use support::Options;

/// Of the bytes of whole vectors, in the assignment's traffic and in a ring.
const AIMS: [(Traffic, f64); 2] = [(Traffic::Assignment, 0.4), (Traffic::Ring, 0.05)];

/// Machines of the other figures.
const OTHERS: [u16; 2] = [10, 1000];

fn main() {
    let options = Options::read();
    let machines: u16 = options.number("--machines", 100, 12);
    let seconds: u64 = options.number("--seconds", 60, 5);
    support::print_machine();
    for (traffic, aim) in AIMS {
        let (text, share) = measure(machines, seconds, traffic);
        let name = format!("{machines} machines, {seconds} s, {traffic}");
        let aimed = format!("under {:.0} %", aim * 100.0);
        support::print_figure(&name, text, &aimed, share < aim);
        for machines in OTHERS.map(|machines| machines.min(options.number("--largest", 1000, 20))) {
            let (text, _) = measure(machines, seconds, traffic);
            println!("{machines} machines, {seconds} s, {traffic}: {text}");
        }
    }
}

/// The bytes of a timestamp in words, and as a part of the whole vector's.
fn measure(machines: u16, seconds: u64, traffic: Traffic) -> (String, f64) {
    let rates = Rates::Range { from: 1, to: 6 };
    let run = Simulated {
        speed: clocklab::units::Speed::NORMAL,
        faults: None,
        rates: rates.resolve(machines, 1).expect("rates"),
        draw: 10,
        traffic,
        phase: Phase::Random,
        clock: ClockKind::Vector,
        duration_us: seconds * 1_000_000,
        latency: Latency::Uniform {
            from_us: 50,
            to_us: 150,
        },
        seed: 1,
        run: "bench".parse().expect("a run id"),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = RunFile::simulated(&run, Vec::new());
    let (dir, end) = run.write(folder.path(), &file).expect("a run");
    let verdict = end.verdict.expect("small enough to be judged");
    assert!(verdict.is_valid(), "{verdict}");
    let history = History::read(&dir).expect("its logs");
    let comparison = ClockComparison::read(&dir, &history).expect("its logs");
    let vectors = comparison.vectors.expect("a vector run");
    assert!(
        vectors.different == 0 && vectors.logged > 0,
        "{}",
        comparison.render(Style::Text)
    );
    let bytes = comparison.timestamp_bytes().expect("messages");
    let share = bytes / comparison.full_vector_bytes();
    let text = format!(
        "{bytes:.1} of {:.0} bytes = {:.1} % (Lamport's alone: {LAMPORT_BYTES}), {} messages, {} events",
        comparison.full_vector_bytes(),
        share * 100.0,
        end.totals.messages,
        end.summary.events(),
    );
    (text, share)
}
