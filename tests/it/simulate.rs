//! Simulated runs: the same bytes for the same seed, every rule kept for every seed, statistics as the theory says.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use clocklab::{
    clock::ClockKind,
    inspect::{self, JUDGED_MACHINES_MAX, RunSummary, SENT_TO_MACHINES_MAX},
    lab::{RunFile, Simulated},
    model::Phase,
    sim::CONTROL_MACHINES_MAX,
    wire::Reason,
};
use expect_test::expect_file;

use crate::support::free_base_port;

const LATENCIES: [&str; 6] = [
    "constant:0",
    "constant:1ms",
    "uniform:50us-150us",
    "uniform:1ms-400ms",
    "exponential:2ms",
    "exponential:300ms",
];

fn simulate(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .arg("simulate")
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Every file below a folder, by its name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    fs::read_dir(folder).unwrap().map(entry).collect()
}

fn run(rates: &[u32], seconds: f64, latency: &str, seed: u64) -> Simulated {
    Simulated {
        rates: rates.to_vec(),
        speed: clocklab::units::Speed::NORMAL,
        draw: 10,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        duration_us: std::time::Duration::from_secs_f64(seconds)
            .as_micros()
            .try_into()
            .unwrap(),
        latency: latency.parse().unwrap(),
        faults: None,
        seed,
        run: format!("sim-{seed}").parse().unwrap(),
    }
}

/// What a run did, which must have kept every rule.
#[track_caller]
fn valid(run: &Simulated) -> RunSummary {
    let end = run.count().unwrap();
    let verdict = end.verdict.expect("small enough to be judged");
    assert!(verdict.is_valid(), "{run:?}: {verdict}");
    assert_eq!(verdict.notes, Vec::<String>::new(), "{run:?}");
    end.summary
}

#[test]
fn two_processes_write_the_same_bytes_for_the_same_seed_and_others_for_another() {
    let words = "--rates 6,4,1 --duration 20s --latency exponential:2ms --logs logs";
    let folders: Vec<tempfile::TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    for (folder, seed) in folders.iter().zip([5, 5, 6]) {
        let (code, output, errors) = said(&simulate(folder.path(), &format!("{words} --seed {seed}")));
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
        assert!(
            output.contains("run folder: logs/sim-") && output.contains("every rule held"),
            "{output}"
        );
    }
    let [first, second, other] =
        [0, 1, 2].map(|place: usize| files(&folders[place].path().join("logs/latest")));
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["machine-0.log", "machine-1.log", "machine-2.log", "run.json"]
    );
    assert_eq!(first, second);
    for (name, text) in &first {
        assert_ne!(*text, other[name], "{name}");
    }
    assert!(first["run.json"].contains("\"simulated\": {\n    \"latency\": \"exponential:2ms\"\n  }"));
    assert!(!first["run.json"].contains("addresses"), "{}", first["run.json"]);
}

#[test]
fn a_run_that_is_there_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let words = "--duration 1s --seed 5 --logs .";
    for name in ["sim-5", "sim-5-2", "sim-5-3"] {
        let (code, output, _) = said(&simulate(folder.path(), words));
        assert!(
            code == Some(0) && output.ends_with(&format!("run folder: ./{name}\n")),
            "{output}"
        );
    }
    let before = files(&folder.path().join("sim-5"));
    let (code, _, errors) = said(&simulate(folder.path(), &format!("{words} --run sim-5")));
    assert!(
        code == Some(3) && errors.contains("a log is never overwritten"),
        "{errors}"
    );
    assert_eq!(before, files(&folder.path().join("sim-5")));
}

#[test]
fn seed_seven_writes_these_bytes_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(&[3, 2, 1], 2.0, "uniform:1ms-9ms", 7);
    run.draw = 4;
    run.write(folder.path(), &RunFile::simulated(&run, Vec::new()))
        .unwrap();
    let logs: Vec<String> = files(&folder.path().join("sim-7"))
        .into_iter()
        .filter(|(name, _)| name.ends_with(".log"))
        .map(|(_, text)| text)
        .collect();
    expect_file!["simulate/seed-7.log"].assert_eq(&logs.concat());
}

#[test]
fn every_rule_holds_for_every_seed_latency_and_phase() {
    let rates: [&[u32]; 8] = [
        &[6, 4, 1],
        &[3, 3, 3],
        &[6, 1],
        &[2, 2],
        &[5, 4, 3, 2, 1],
        &[6, 6, 2],
        &[1000, 900, 10],
        &[4; 20],
    ];
    let mut runs = 0;
    for seed in 0..480_u64 {
        let latency = LATENCIES[usize::try_from(seed % 6).unwrap()];
        let rates = rates[usize::try_from(seed / 6 % 8).unwrap()];
        let seconds = if rates[0] == 1000 { 1.0 } else { 10.0 };
        let mut run = run(rates, seconds, latency, seed);
        run.phase = [Phase::Random, Phase::Aligned][usize::try_from(seed / 48 % 2).unwrap()];
        run.draw = [10, 4, 3][usize::try_from(seed / 96 % 3).unwrap()];
        let summary = valid(&run);
        for machine in &summary.machines {
            assert_eq!(
                machine.ticks,
                machine.receives + machine.sends + machine.internals
            );
            assert_eq!(machine.tick_error_us_max, Some(0), "deadlines are met exactly");
        }
        runs += 1;
    }
    assert_eq!(runs, 480);
}

#[test]
fn every_rule_holds_where_latencies_are_longer_than_the_run() {
    for seed in 0..120 {
        for latency in ["constant:5s", "uniform:0-5s", "exponential:3s"] {
            let summary = valid(&run(&[6, 4, 1, 6], 0.5, latency, seed));
            assert_eq!(summary.machines.len(), 4);
            assert!(
                summary.machines.iter().all(|machine| machine.receives == 0)
                    || !latency.starts_with("constant"),
                "nothing that was sent can have arrived before the stop"
            );
        }
    }
}

#[test]
fn every_rule_holds_where_machines_start_and_end_seconds_apart() {
    let mut reasons = Vec::new();
    for seed in 0..60 {
        let summary = valid(&run(&[6, 4, 1], 20.0, "exponential:3s", seed));
        reasons.extend(summary.machines.into_iter().filter_map(|machine| machine.reason));
    }
    assert!(reasons.contains(&Reason::Duration) && reasons.contains(&Reason::PeerStopped));
}

#[test]
fn logs_say_what_was_said_as_it_happened() {
    for (seed, latency) in (0..12).zip(LATENCIES.iter().cycle()) {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&[6, 3, 1, 5], 20.0, latency, seed);
        let (path, end) = run
            .write(folder.path(), &RunFile::simulated(&run, Vec::new()))
            .unwrap();
        let (verdict, summary) = inspect::check(&path).unwrap();
        assert_eq!(end.summary, summary);
        let direct = end.verdict.unwrap();
        assert!(verdict.is_valid(), "{verdict}");
        assert_eq!(direct.rules, verdict.rules);
        assert_eq!((direct.matched, direct.events), (verdict.matched, verdict.events));
    }
}

#[test]
fn large_runs_are_counted_even_where_they_are_not_judged() {
    let rates = |machines: u16| (0..u32::from(machines)).map(|id| id % 6 + 1).collect::<Vec<_>>();
    // Goodbyes are frames up to one number of machines, and computed beyond it: the rules hold on both sides.
    for machines in [CONTROL_MACHINES_MAX, CONTROL_MACHINES_MAX + 1] {
        let summary = valid(&run(&rates(machines), 2.0, "uniform:1ms-9ms", 3));
        assert!(
            summary
                .machines
                .iter()
                .all(|machine| machine.reason == Some(Reason::Duration))
        );
        assert_eq!(summary.machines[0].sent_to.len(), usize::from(machines));
    }
    assert_eq!(JUDGED_MACHINES_MAX, SENT_TO_MACHINES_MAX);
    let end = run(&rates(JUDGED_MACHINES_MAX + 1), 1.0, "uniform:1ms-9ms", 3)
        .count()
        .unwrap();
    assert!(end.verdict.is_none() && end.summary.machines[0].sent_to.is_empty());
    let sent: u64 = end.summary.machines.iter().map(|machine| machine.sent()).sum();
    let arrived = |machine: &inspect::MachineSummary| machine.receives + machine.queue_last;
    assert_eq!(sent, end.summary.machines.iter().map(arrived).sum::<u64>());
    assert_eq!(sent, end.totals.messages);
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
fn mean(values: impl Iterator<Item = u64>) -> f64 {
    let values: Vec<u64> = values.collect();
    values.iter().sum::<u64>() as f64 / values.len() as f64
}

#[test]
fn the_reference_table_comes_out_within_its_spread() {
    // Slowest machine after a minute: queue and clock, each the mean of many runs and its spread over runs.
    for (rates, draw, queue, clock) in [
        ([6, 6, 1], 10, (61.0, 9.0), (192.0, 20.0)),
        ([6, 4, 1], 10, (41.0, 8.0), (216.0, 24.0)),
        ([6, 3, 1], 10, (32.0, 7.0), (234.0, 25.0)),
        ([4, 3, 2], 10, (0.4, 0.8), (241.0, 3.0)),
        ([6, 5, 4], 10, (0.2, 0.5), (370.0, 4.0)),
        ([6, 6, 1], 4, (180.0, 12.0), (103.0, 10.0)),
    ] {
        let seeds = 200;
        let slowest = (0..seeds).map(|seed| {
            let mut run = run(&rates, 60.0, "uniform:50us-150us", seed);
            run.draw = draw;
            valid(&run).machines.remove(2)
        });
        let slowest: Vec<_> = slowest.collect();
        // Two means of 200 runs each differ by their standard error times the root of two; four of those are allowed.
        let near = |seen: f64, (expected, spread): (f64, f64)| {
            (seen - expected).abs() <= 4.0 * spread * (2.0_f64 / 200.0).sqrt() + 0.5
        };
        let (queues, clocks) = (
            mean(slowest.iter().map(|machine| machine.queue_last)),
            mean(slowest.iter().map(|machine| machine.clock)),
        );
        assert!(
            near(queues, queue),
            "{rates:?} ({draw}): queue {queues}, expected {queue:?}"
        );
        assert!(
            near(clocks, clock),
            "{rates:?} ({draw}): clock {clocks}, expected {clock:?}"
        );
        let inside = slowest.iter().filter(|machine| {
            let expected = machine.expected.unwrap();
            (machine.jump_mean() / expected.jump - 1.0).abs() <= expected.jump_tolerance
        });
        assert!(inside.count() * 100 >= 99 * slowest.len(), "{rates:?} ({draw})");
    }
}

#[test]
fn equal_rates_in_phase_give_exactly_rate_times_seconds() {
    // All start at one moment and tick together, so a message is always behind its receiver's clock.
    for latency in ["constant:0", "constant:1ms", "constant:400ms", "constant:2500ms"] {
        for rates in [&[3, 3, 3][..], &[6, 6, 6, 6, 6], &[1000, 1000, 1000]] {
            let mut run = run(rates, 10.0, latency, 1);
            run.phase = Phase::Aligned;
            for machine in valid(&run).machines {
                assert_eq!(machine.clock, u64::from(rates[0]) * 10, "{rates:?}, {latency}");
                assert_eq!((machine.drift, machine.jump_max), (0, 1), "{rates:?}, {latency}");
            }
        }
    }
}

#[test]
fn equal_rates_out_of_phase_give_about_an_eighth_more() {
    let clocks = (0..200).map(|seed| valid(&run(&[3, 3, 3], 60.0, "constant:100us", seed)).machines[0].clock);
    let ratio = mean(clocks) / 180.0;
    assert!((1.11..1.14).contains(&ratio), "{ratio}");
}

/// The events of a log: its lines without their times, and without how long messages waited.
fn events(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| {
        line.split(' ')
            .skip(1)
            .filter(|word| !word.starts_with("waited_us="))
    });
    fields
        .map(|fields| fields.collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn real_machines_with_the_same_seed_do_the_same_event_by_event() {
    // The first ticks of this seed lie 0.3 s apart, so that real machines may be that late.
    let words = "--rates 1,1,1 --draw 4 --duration 4s --seed 95 --logs .";
    let folder = tempfile::tempdir().unwrap();
    let (code, output, _) = said(&simulate(folder.path(), &format!("{words} --run simulated")));
    assert_eq!(code, Some(0), "{output}");
    let real = Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args([
            "run",
            "--run",
            "real",
            "--base-port",
            &free_base_port(3).to_string(),
        ])
        .args(words.split_whitespace())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (code, output, errors) = said(&real);
    assert_eq!(code, Some(0), "{output}{errors}");
    let [real, simulated] = ["real", "simulated"].map(|run| files(&folder.path().join(run)));
    let mut receives = 0;
    for (name, log) in simulated.iter().filter(|(name, _)| name.ends_with(".log")) {
        assert_eq!(events(log), events(&real[name]), "{name}");
        receives += log.matches(" receive ").count();
    }
    assert!(receives > 4, "{receives}");
}

#[test]
fn trials_show_the_spread_and_write_a_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let words = "--rates 6,4,1 --duration 20s --seed 3 --trials 40 --csv all.csv --logs runs --run t";
    let (code, output, errors) = said(&simulate(folder.path(), words));
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    for line in [
        "40 trials of 3 machines, rates 6, 4, 1 a second, die of 10, seeds 3 to 42, 20s, latency uniform:50us-150us",
        " machine 2, rate 1 40    clock ",
        "ticks: within 2 of rate x seconds in 120 of 120 machines",
        "run folders: t-3 to t-42 in runs",
        "rules: every one held in 40 of 40 trials",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
    let widest = output.lines().skip(1).map(|line| line.chars().count()).max();
    assert!(widest.unwrap() <= 100, "{output}");
    let csv = fs::read_to_string(folder.path().join("all.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 40 * 3);
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert!(columns.iter().all(|count| *count == columns[0]), "{columns:?}");
    let (code, _, errors) = said(&simulate(
        folder.path(),
        "--duration 1s --seed 3 --csv all.csv --force",
    ));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let replaced = fs::read_to_string(folder.path().join("all.csv")).unwrap();
    assert_eq!(replaced.lines().count(), 1 + 3);
    // A trial is the run of its seed: the same numbers from its folder.
    let (_, summary) = inspect::check(&folder.path().join("runs/t-17")).unwrap();
    let row: Vec<&str> = csv
        .lines()
        .find(|line| line.starts_with("17,2,"))
        .unwrap()
        .split(',')
        .collect();
    assert_eq!(row[8], summary.machines[2].clock.to_string());
    // Threads do not show.
    let again = said(&simulate(
        folder.path(),
        &words.replace("--logs runs --run t", "--force"),
    ))
    .1;
    let table = |text: &str| text.split("\n\n").nth(1).unwrap().to_owned();
    assert_eq!(table(&output), table(&again));
}

#[test]
fn trials_that_draw_rates_are_grouped_by_what_becomes_of_machines() {
    let folder = tempfile::tempdir().unwrap();
    let (code, output, _) = said(&simulate(folder.path(), "--duration 20s --seed 3 --trials 100"));
    assert_eq!(code, Some(0));
    for word in [
        "rates 1-6 a second, drawn anew in each",
        "keeps up",
        "critical",
        "saturated",
        "cannot keep up: ",
    ] {
        assert!(output.contains(word), "{word}: {output}");
    }
}

#[test]
fn what_is_not_allowed_is_named_with_its_option() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (words, code, expected) in [
        (
            "--latency fast",
            2,
            "write constant:0, uniform:1ms-5ms or exponential:2ms",
        ),
        ("--latency uniform:5ms-1ms", 2, "the shorter end stands first"),
        ("--trials 0", 2, "--trials 0: with 3 machines give 1 to 333333"),
        (
            "--trials 400 --machines 10000",
            2,
            "--trials 400: with 10000 machines give 1 to 100",
        ),
        (
            "--seed 18446744073709551615 --trials 2",
            2,
            "2 seeds from here are beyond the last",
        ),
        ("--machines 1", 2, "--machines 1: a run has 2 to 10000 machines"),
        ("--rates 6,4 --machines 3", 2, "give one rate a machine"),
        ("--duration 0s", 2, "more than nothing"),
        ("--run latest --logs .", 2, "the link to the newest run"),
        ("--base-port 17100", 2, "unexpected argument"),
        ("--logs file", 3, "give a folder with --logs"),
        (
            "--csv nowhere/x.csv --duration 1s",
            2,
            "nowhere/x.csv: there is no folder nowhere",
        ),
        ("--csv file --duration 1s", 2, "file exists: name another file"),
        ("--force", 2, "--csv"),
    ] {
        let (found, _, errors) = said(&simulate(folder.path(), words));
        assert!(
            found == Some(code) && errors.contains(expected),
            "{words}: {found:?} {errors}"
        );
    }
}
