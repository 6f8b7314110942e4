//! The event log: events a second to disk, through the same interface that the driver uses, and that nothing is lost.
//!
//! `cargo bench --bench event_log`. Options behind `--`: `--events`, `--rounds`.
//!
//! The time runs from the first record to the end of `fsync`, so the disk has everything. Then the log is read back
//! and compared. The peak of resident memory stands beside: the queue to the worker is bounded, so it must not grow
//! with the number of events.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::{
    env,
    fs::{self, File},
    io::BufReader,
    path::Path,
    time::{Duration, Instant},
};

use clocklab::{
    clock::ClockKind,
    mesh::{EventLog, LogFile},
    trace::{Event, Footer, Header, Kind, Line, LogReader, Recipients, Record, Traffic, WallTime},
    units::MachineId,
    wire::Reason,
};
use support::{Options, Spread, proc};

/// Events in one round of the driver, after which it hands over the batch: a quiet mesh, and a flooded one, which
/// fills whole batches.
const EVENTS_A_ROUND: [u64; 2] = [64, 4096];

/// Machines of the run that the log tells of.
const MACHINES: u16 = 3;

/// The most memory of this process, however many events are written: the queue's 4 MiB, a batch on each side, what
/// the allocator keeps, and the program itself.
const PEAK_KIB_MAX: u64 = 16 << 10;

/// When the logs begin.
const STARTED: WallTime = WallTime(1_700_000_000_000_000);

fn main() {
    let options = Options::read();
    let events: u64 = options.number("--events", 10_000_000, 50_000);
    let rounds = options.number("--rounds", 5, 1);
    support::print_machine();
    // Beside the program, on the disk that builds are on; the system's folder for temporary files may be in memory.
    let program = env::current_exe().expect("this program's own path");
    let beside = program.parent().expect("a folder");
    let mut rates = Vec::new();
    for _ in 0..rounds {
        for events_a_round in EVENTS_A_ROUND {
            let folder = tempfile::tempdir_in(beside).expect("a folder on disk");
            let (path, took) = write(folder.path(), events, events_a_round);
            let bytes = fs::metadata(&path).expect("the log").len();
            let rate = events as f64 / took.as_secs_f64();
            println!(
                "{events_a_round} events a round: {} MB in {:.2} s, {:.2} million events/s",
                bytes / 1_000_000,
                took.as_secs_f64(),
                rate / 1e6,
            );
            read_back(&path, events);
            rates.push(rate);
        }
    }
    let rate = Spread::of(&rates);
    println!("\nnothing lost: each log of {events} events was read back and compared\n");
    let text = format!(
        "{:.2} million events/s ({:.2}-{:.2})",
        rate.median / 1e6,
        rate.min / 1e6,
        rate.max / 1e6
    );
    support::print_figure(
        "event log to disk",
        text,
        "at least 1 million",
        rate.median >= 1e6,
    );
    let peak_kib = proc::status_kib(std::process::id(), "VmHWM");
    let text = format!("{:.1} MiB resident at most", peak_kib as f64 / 1024.0);
    let folder = tempfile::tempdir_in(beside).expect("a folder on disk");
    let [handed, ahead] = write_ahead(folder.path(), events / 20);
    println!("a round of one event: {handed:.1} µs handed to the worker, {ahead:.1} µs written ahead\n");
    support::print_figure("its memory", text, "bounded: 16 MiB", peak_kib <= PEAK_KIB_MAX);
}

/// What it costs a round that the line of its one event is with the operating system before the round's messages go,
/// beside handing it to the worker: in microseconds a round.
fn write_ahead(folder: &Path, rounds: u64) -> [f64; 2] {
    [false, true].map(|is_ahead| {
        let mut log = LogFile::new(folder, header());
        let run = if is_ahead { "ahead" } else { "handed" };
        log.open(&run.parse().expect("a run id"), STARTED)
            .expect("a new log");
        let began = Instant::now();
        for tick in 1..=rounds {
            log.record(at(STARTED, tick), &Record::Event(event(tick)));
            if is_ahead {
                log.settle().expect("written");
            }
            log.commit().expect("written");
        }
        let took = began.elapsed();
        log.close().expect("written");
        took.as_secs_f64() * 1e6 / rounds as f64
    })
}

fn header() -> Header {
    Header {
        speed: clocklab::units::Speed::NORMAL,
        machine: MachineId(0),
        machines: MACHINES,
        rate: Some(1000),
        draw: Some(10),
        traffic: Traffic::Assignment,
        phase_us: Some(0),
        clock: ClockKind::Lamport,
        incarnation: None,
        seed: 7,
        run: "unknown".parse().expect("a run id"),
        started: STARTED,
    }
}

fn write(folder: &Path, events: u64, events_a_round: u64) -> (std::path::PathBuf, Duration) {
    let started = STARTED;
    let mut log = LogFile::new(folder, header());
    let began = Instant::now();
    log.open(&"bench".parse().expect("a run id"), started)
        .expect("a new log");
    for tick in 1..=events {
        log.record(at(started, tick), &Record::Event(event(tick)));
        if tick.is_multiple_of(events_a_round) {
            log.commit().expect("written");
        }
    }
    let footer = Footer {
        reason: Some(Reason::Duration),
        ticks: events,
        ..Footer::default()
    };
    log.record(at(started, events), &Record::Ended(Box::new(footer)));
    log.commit().expect("written");
    log.close().expect("written");
    let path = log.path().to_owned();
    File::open(&path)
        .and_then(|file| file.sync_all())
        .expect("on disk");
    (path, began.elapsed())
}

fn at(started: WallTime, tick: u64) -> WallTime {
    WallTime(started.0 + i64::try_from(tick).expect("small"))
}

/// Of ten events five receive, three are internal, one sends to one peer and one to both: a machine that is not the
/// fastest.
fn event(tick: u64) -> Event {
    let clock = 3 * tick;
    let kind = match tick % 10 {
        0..5 => Kind::Receive {
            from: MachineId(if tick.is_multiple_of(2) { 1 } else { 2 }),
            sent: clock - 2,
            queue: tick % 17,
            waited_us: Some(93_411),
        },
        5..8 => Kind::Internal,
        8 => Kind::Send {
            to: Recipients::from_slice(&[MachineId(1)]),
            mishaps: None,
        },
        _ => Kind::Send {
            to: Recipients::from_slice(&[MachineId(1), MachineId(2)]),
            mishaps: None,
        },
    };
    Event {
        tick,
        clock,
        vector: None,
        hybrid: None,
        store: None,
        kind,
    }
}

fn read_back(path: &Path, events: u64) {
    let file = BufReader::with_capacity(1 << 20, File::open(path).expect("the log"));
    let mut log = LogReader::new("bench", file).expect("a log");
    let mut ticks = 0;
    let mut ended = false;
    while let Some(entry) = log.next_entry().expect("every line can be read") {
        match entry.what {
            Line::Record {
                record: Record::Event(found),
                ..
            } => {
                ticks += 1;
                assert_eq!(found, event(ticks), "line {}", entry.line);
            }
            Line::Record {
                record: Record::Ended(_),
                ..
            } => ended = true,
            what => panic!("line {}: {what:?}", entry.line),
        }
    }
    assert_eq!(
        (ticks, ended),
        (events, true),
        "the log has an end, and all events"
    );
}
