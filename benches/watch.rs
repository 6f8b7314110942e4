//! A run of ten thousand events a second, and `clocklab watch` beside it in a terminal of 200 x 50: events seen beside
//! events in the logs, how late a line was seen at worst, and the processor time of the view.
//!
//! `cargo bench --bench watch`. Options behind `--`: `--machines`, each of 1000 ticks a second, and `--seconds`. The terminal
//! is a pseudo-terminal of `script` (util-linux); without it there is nothing to measure, and that is said.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, reads the clock, waits and may panic"
)]

mod support;

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{
    Options,
    fleet::{self, Fleet, Order},
    proc,
};

const RATE: &str = "1000";

const BEHIND_MS_MAX: u64 = 250;

/// Of one core.
const PERCENT_MAX: f64 = 50.0;

/// How long the machines may look for each other, and the view for the run's end.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let options = Options::read();
    let machines: u16 = options.number("--machines", 10, 3);
    let seconds: u64 = options.number("--seconds", 30, 2);
    support::print_machine();
    let logs = tempfile::tempdir().expect("a folder");
    let Some(mut terminal) = watch(logs.path()) else {
        println!("no `script` of util-linux here: nothing measured");
        return;
    };
    let fleet = Fleet::start(&Order {
        machines,
        rates: &vec![RATE; usize::from(machines)].join(","),
        duration: Duration::from_secs(seconds),
        logs: logs.path(),
    });
    let began = Instant::now();
    while fleet::started(logs.path()) < usize::from(machines) {
        assert!(began.elapsed() < PATIENCE, "the machines do not find each other");
        thread::sleep(Duration::from_millis(20));
    }
    let id = fs::read_to_string(logs.path().join("watch.id")).expect("the view's process");
    let process: u32 = id.trim().parse().expect("a process id");
    // From the first second to the last but one, so that neither start nor end is in it.
    let span = Duration::from_secs(seconds).mul_f64(0.8);
    thread::sleep(Duration::from_millis(200));
    let (from, before) = (Instant::now(), proc::cpu_time(process));
    thread::sleep(span);
    let percent = 100.0 * (proc::cpu_time(process) - before).as_secs_f64() / from.elapsed().as_secs_f64();
    let rss_kib = proc::status_kib(process, "VmHWM");
    fleet.join();
    let events: u64 = (0..machines)
        .map(|machine| fleet::log_ends(logs.path(), machine).1.ticks)
        .sum();
    end(&mut terminal);
    let (seen, behind_ms) = last_words(&logs.path().join("screen"));
    println!(
        "{machines} machines, {:.0} events/s",
        events as f64 / seconds as f64
    );
    println!("resident at most: {:.1} MiB", rss_kib as f64 / 1024.0);
    let all = format!("{seen} of {events}");
    support::print_figure("events seen", all, "all", seen == events);
    let text = format!("{behind_ms} ms at worst");
    let aim = format!("at most {BEHIND_MS_MAX} ms");
    support::print_figure("a line is seen after", text, &aim, behind_ms <= BEHIND_MS_MAX);
    let text = format!("{percent:.1} % of a core");
    support::print_figure(
        "processor time of the view",
        text,
        "under 50 %",
        percent < PERCENT_MAX,
    );
}

/// Starts the view in a pseudo-terminal; it waits for the run. `None` if there is no pseudo-terminal to be had.
fn watch(logs: &Path) -> Option<Child> {
    let place = logs.display();
    let command = format!(
        "stty rows 50 columns 200; echo $$ > {place}/watch.id; exec {} watch --until-end {place}/bench",
        env!("CARGO_BIN_EXE_clocklab")
    );
    let screen = File::create(logs.join("screen")).expect("a file for the screen");
    let started = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(screen)
        .stderr(Stdio::null())
        .spawn();
    let mut script = started.ok()?;
    let until = Instant::now() + PATIENCE;
    while !logs.join("watch.id").exists() {
        // A `script` with other options ends at once.
        if script.try_wait().expect("its state").is_some() || Instant::now() > until {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Some(script)
}

/// Waits for the end of the view, which comes with the run's.
fn end(script: &mut Child) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = script.try_wait().expect("its state") {
            assert!(status.success(), "the view: {status}");
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = script.kill();
    panic!("the view does not end with the run");
}

/// What the view said last: `watched …: 300000 events of 10 machines, at most 83 ms behind`.
fn last_words(screen: &Path) -> (u64, u64) {
    let text = fs::read(screen).expect("the screen");
    let text = String::from_utf8_lossy(&text);
    let words = text
        .lines()
        .rfind(|line| line.contains("watched "))
        .expect("last words");
    let numbers = |before: &str, after: &str| {
        let number = words
            .split(before)
            .nth(1)
            .and_then(|rest| rest.split(after).next());
        number
            .and_then(|number| number.trim().parse().ok())
            .expect("a number")
    };
    (numbers("/bench: ", " events"), numbers("at most ", " ms"))
}
