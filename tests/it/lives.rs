//! Machines that die, come back, stand still and change their time: in virtual time by the thousand, as real processes a
//! few, and logs that lie about it.

mod pictures;

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use clocklab::{
    clock::{ClockKind, Timestamp},
    faults::Plan,
    inspect,
    lab::{RunFile, Simulated, SimulatedEnd},
    mesh::{LogFile, Mesh},
    model::{self, Machine, Phase, Stamp},
    trace::{Entry, Header, Kind, Line, LogReader, Record, WallTime},
    units::{MachineId, Speed},
    wire::{Control, Hello, Message, Reason, Standing},
};

use crate::support::{Peer, free_addresses, free_base_port, hello, place, program};

/// A run of some seconds in which the plan's faults happen.
fn simulated(seed: u64, rates: &[u32], duration_us: u64, latency: &str, plan: Plan) -> Simulated {
    Simulated {
        traffic: clocklab::trace::Traffic::Assignment,
        rates: rates.to_vec(),
        speed: Speed::NORMAL,
        draw: 4,
        phase: Phase::Random,
        // Each clock puts stamps of its own on what breaks.
        clock: ClockKind::ALL[usize::try_from(seed % 3).unwrap()],
        duration_us,
        latency: latency.parse().unwrap(),
        faults: Some(plan),
        seed,
        run: format!("lives-{seed}").parse().unwrap(),
    }
}

fn valid(run: &Simulated) -> SimulatedEnd {
    let end = run.count().unwrap();
    let verdict = end.verdict.as_ref().unwrap();
    assert!(
        verdict.is_valid(),
        "seed {}: {:?}\n{verdict}",
        run.seed,
        run.faults
    );
    end
}

#[test]
fn a_thousand_seeds_of_deaths_lives_pauses_rates_and_jumps_keep_every_rule() {
    let mut restarts = 0;
    for seed in 0..1000 {
        let machines = 2 + u16::try_from(seed % 4).unwrap();
        let rates: Vec<u32> = (0..machines).map(|id| 5 + 7 * u32::from(id)).collect();
        let latency =
            ["constant:1ms", "uniform:1ms-400ms", "exponential:30ms"][usize::try_from(seed / 3 % 3).unwrap()];
        let plan = Plan::random_lives(seed, machines, 8_000_000);
        let end = valid(&simulated(seed, &rates, 8_000_000, latency, plan));
        restarts += end
            .summary
            .machines
            .iter()
            .map(|machine| machine.restarts)
            .sum::<u64>();
    }
    assert!(restarts > 500, "{restarts} further lives in a thousand runs");
}

#[test]
fn links_and_machines_may_break_together() {
    for seed in 0..300 {
        let plan = Plan::random(seed, 4, 8_000_000);
        valid(&simulated(
            seed,
            &[20, 15, 10, 5],
            8_000_000,
            "uniform:1ms-50ms",
            plan,
        ));
    }
}

/// A machine stands still; at one moment before it wakes its rate changes, its clock jumps, and its links begin to
/// reorder what they had only delayed.
fn at_one_moment(seed: u64, machines: u64) -> Plan {
    let (machine, moment_ms) = (seed % machines, 1000 + seed * 37 % 900);
    let faults = [
        (900, "for = \"1s\"", "delay all uniform:100ms-2s".to_owned()),
        (1000, "for = \"950ms\"", format!("pause {machine}")),
        (moment_ms, "for = \"20ms\"", format!("rate {machine} 50")),
        (moment_ms, "", format!("jump {machine} 10")),
        (moment_ms, "", "delay all exponential:200ms reorder".to_owned()),
    ];
    let text = faults
        .map(|(at_ms, lasts, fault)| format!("[[fault]]\nat = \"{at_ms}ms\"\n{lasts}\ndo = \"{fault}\"\n"));
    Plan::parse("at one moment", &text.concat()).unwrap()
}

#[test]
fn what_begins_while_a_machine_stands_still_leaves_every_clock_right() {
    for seed in 0..300 {
        let plan = at_one_moment(seed, 4);
        let run = simulated(seed, &[100, 80, 60, 5], 4_000_000, "uniform:50us-150us", plan);
        valid(&run);
        let both = run
            .faults
            .clone()
            .unwrap()
            .joined(Plan::random(seed, 4, 4_000_000));
        valid(&Simulated {
            faults: Some(both),
            ..run
        });
    }
    let text = fs::read_to_string(file("late")).unwrap();
    for seed in 1..=60 {
        for clock in ClockKind::ALL.iter().copied() {
            let plan = Plan::parse("late", &text).unwrap();
            let run = simulated(seed, &[100, 200, 2], 6_000_000, "uniform:50us-150us", plan);
            valid(&Simulated { clock, ..run });
        }
    }
}

#[test]
fn what_is_done_to_a_machine_at_the_moment_of_its_death_is_logged_before() {
    for seed in 0..60 {
        let faults = [
            (1000, "for = \"950ms\"", "pause 1"),
            (1200, "", "jump 1 10"),
            (
                1300,
                "for = \"1s\"",
                if seed % 2 == 0 { "kill 1" } else { "restart 1" },
            ),
        ];
        let text = faults.map(|(at_ms, lasts, fault)| {
            let lasts = if fault.starts_with("restart") { "" } else { lasts };
            format!("[[fault]]\nat = \"{at_ms}ms\"\n{lasts}\ndo = \"{fault}\"\n")
        });
        let plan = Plan::parse("death", &text.concat()).unwrap();
        valid(&simulated(
            seed,
            &[100, 80],
            4_000_000,
            "uniform:50us-150us",
            plan,
        ));
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/faults/{name}.toml"))
}

/// The folder of a simulated run of three machines and six seconds, broken by a fault file.
fn broken_by(name: &str, logs: &Path) -> PathBuf {
    let text = fs::read_to_string(file(name)).unwrap();
    let plan = Plan::parse(name, &text).unwrap();
    let run = simulated(5, &[60, 50, 40], 6_000_000, "uniform:50us-150us", plan);
    let (folder, end) = run.write(logs, &RunFile::simulated(&run, Vec::new())).unwrap();
    let verdict = end.verdict.unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    folder
}

/// What a log says: milliseconds after its start, and the record.
fn records(folder: &Path, machine: u16) -> Vec<(i64, Record)> {
    let path = folder.join(format!("machine-{machine}.log"));
    let text = fs::read(&path).unwrap();
    let mut reader = LogReader::new(path.display().to_string(), text.as_slice()).unwrap();
    let started: WallTime = reader.header().started;
    let mut all = Vec::new();
    while let Some(Entry { what, .. }) = reader.next_entry().unwrap() {
        if let Line::Record { at, record } = what {
            all.push((at.us_since(started) / 1000, record));
        }
    }
    all
}

fn lives(folder: &Path, machine: u16) -> Vec<u32> {
    let records = records(folder, machine).into_iter();
    let lives = records.filter_map(|(_, record)| match record {
        Record::Restarted { incarnation } => Some(incarnation),
        _ => None,
    });
    lives.collect()
}

/// Events of a log between two moments, in milliseconds.
fn events(folder: &Path, machine: u16, from_ms: i64, to_ms: i64) -> usize {
    let records = records(folder, machine).into_iter();
    let events =
        records.filter(|(at, record)| matches!(record, Record::Event(_)) && (from_ms..to_ms).contains(at));
    events.count()
}

/// Messages of `from` that `to` took behind a moment.
fn taken(folder: &Path, from: u16, to: u16, behind_ms: i64) -> usize {
    let records = records(folder, to).into_iter();
    let taken = records.filter(|(at, record)| match record {
        Record::Event(event) => {
            *at > behind_ms && matches!(event.kind, Kind::Receive { from: peer, .. } if peer.0 == from)
        }
        _ => false,
    });
    taken.count()
}

/// When a log's first record of a kind was written, in milliseconds.
fn first(folder: &Path, machine: u16, is: impl Fn(&Record) -> bool) -> i64 {
    let records = records(folder, machine).into_iter();
    let mut found = records.filter(|(_, record)| is(record));
    found.next().expect("such a record").0
}

/// How far the starts of machines on one computer may lie apart, however busy it is.
const APART_MS: i64 = 200;

/// What the fault file expects, of a simulated run or a real one.
fn expect_kill(folder: &Path) {
    assert_eq!(lives(folder, 0), [0; 0]);
    assert_eq!(lives(folder, 1), [2]);
    assert_eq!(lives(folder, 2), [0; 0]);
    let killed = first(folder, 1, |record| matches!(record, Record::Fault(_)));
    let again = first(folder, 1, |record| matches!(record, Record::Restarted { .. }));
    assert!(killed >= 1000 && again >= killed + 999, "{killed} {again}");
    assert_eq!(events(folder, 1, killed + 1, again), 0, "the dead do nothing");
    let last = first(folder, 2, |record| matches!(record, Record::Fault(_)));
    assert_eq!(events(folder, 2, last + 1, 60_000), 0);
    assert!(
        taken(folder, 1, 0, again) > 3 && taken(folder, 0, 1, again) > 3,
        "messages flow again"
    );
    for peer in [0, 2] {
        let records = records(folder, peer);
        let place = |is: &dyn Fn(&Record) -> bool| records.iter().position(|(_, record)| is(record)).unwrap();
        let lost = place(&|record| matches!(record, Record::LinkLost { peer } if peer.0 == 1));
        let up = place(&|record| matches!(record, Record::LinkUp { peer, incarnation: 2 } if peer.0 == 1));
        let at = [lost, up].map(|place| records[place].0);
        // Each log counts from its own start, and real machines start a little apart.
        assert!(
            lost < up && at[0] >= 1000 - APART_MS && at[1] >= 2000 - APART_MS,
            "{at:?}"
        );
    }
    let (_, summary) = inspect::check(folder).unwrap();
    let dropped: u64 = summary.machines.iter().map(|machine| machine.dropped).sum();
    assert!(dropped > 0, "what was sent to the dead was dropped: {dropped}");
    let told = inspect::findings(&summary).join("\n");
    assert!(told.contains("machine 1 was started again once"), "{told}");
}

#[test]
fn a_killed_machine_comes_back_when_its_fault_says_so() {
    let logs = tempfile::tempdir().unwrap();
    expect_kill(&broken_by("kill", logs.path()));
}

#[test]
fn a_restarted_machine_has_a_life_more_each_time() {
    let logs = tempfile::tempdir().unwrap();
    let folder = broken_by("restart", logs.path());
    assert_eq!(lives(&folder, 0), [2, 3]);
    let ups = records(&folder, 1)
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::LinkUp { incarnation, .. } => Some(incarnation),
            _ => None,
        });
    assert_eq!(ups.collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_process_that_stands_still_skips_its_ticks_and_takes_what_came() {
    let logs = tempfile::tempdir().unwrap();
    let folder = broken_by("pause", logs.path());
    assert_eq!(events(&folder, 2, 1000, 3000), 0);
    let (_, summary) = inspect::check(&folder).unwrap();
    let paused = &summary.machines[2];
    assert_eq!((paused.stalls, paused.restarts, paused.links_lost), (1, 0, 0));
    assert!((78..=81).contains(&paused.skipped), "{}", paused.skipped);
    assert!(paused.queue_max > 10, "{}", paused.queue_max);
}

#[test]
fn the_same_seed_lives_and_dies_the_same_byte_for_byte() {
    let logs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let folders = logs.each_ref().map(|logs| broken_by("kill", logs.path()));
    for machine in 0..3 {
        let [first, second] = folders
            .each_ref()
            .map(|folder| fs::read(folder.join(format!("machine-{machine}.log"))).unwrap());
        assert_eq!(first, second);
    }
}

/// The rules that a run breaks once a log has been rewritten.
fn broken(folder: &Path, machine: u16, rewrite: impl Fn(&str) -> String) -> Vec<&'static str> {
    let path = folder.join(format!("machine-{machine}.log"));
    let whole = fs::read_to_string(&path).unwrap();
    let changed = rewrite(&whole);
    assert_ne!(whole, changed, "nothing was rewritten");
    fs::write(&path, changed).unwrap();
    let (verdict, _) = inspect::check(folder).unwrap();
    fs::write(&path, whole).unwrap();
    verdict
        .violations
        .iter()
        .map(|violation| violation.rule)
        .collect()
}

#[test]
fn logs_that_lie_about_lives_are_found() {
    let logs = tempfile::tempdir().unwrap();
    let folder = broken_by("restart", logs.path());
    let all = |machine, from: &str, to: &str| broken(&folder, machine, |text| text.replace(from, to));
    assert_eq!(
        all(0, "incarnation=3", "incarnation=2"),
        ["incarnation"; 3],
        "a life twice"
    );
    assert_eq!(
        all(0, "incarnation=3", "incarnation=4"),
        ["incarnation"],
        "a life left out"
    );
    // And every message over that link goes to another life than the one that takes it.
    for (other, what) in [
        ("", "back to an earlier life"),
        (" incarnation=9", "a life that never was"),
    ] {
        let rules = all(1, " incarnation=3", other);
        assert!(
            rules.len() > 2 && rules.iter().all(|rule| *rule == "incarnation"),
            "{what}: {rules:?}"
        );
    }
    // A life that is not told of leaves losses that nothing explains.
    let untold = broken(&folder, 0, |text| {
        let kept = text.lines().filter(|line| !line.starts_with("# restarted="));
        kept.fold(String::new(), |text, line| text + line + "\n")
    });
    assert!(untold.contains(&"incarnation"), "{untold:?}");
}

#[test]
fn logs_that_lie_about_links_are_found() {
    let logs = tempfile::tempdir().unwrap();
    let folder = broken_by("kill", logs.path());
    let lines = |text: &str, change: &dyn Fn(&str) -> Vec<String>| {
        let lines = text.lines().flat_map(change);
        lines.fold(String::new(), |text, line| text + &line + "\n")
    };
    for machine in [0, 2] {
        let at = |word: &'static str, times: usize| {
            broken(&folder, machine, |text| {
                lines(text, &|line| {
                    vec![line.to_owned(); if line.contains(word) { times } else { 1 }]
                })
            })
        };
        for (word, times) in [
            ("# link-up=", 0),
            ("# link-up=", 2),
            ("# link-lost=", 0),
            ("# link-lost=", 2),
        ] {
            let rules = at(word, times);
            assert!(
                rules.contains(&"links"),
                "{machine} {word} {times} times: {rules:?}"
            );
        }
        let undropped = broken(&folder, machine, |text| {
            lines(text, &|line| {
                let words = line.split(' ').filter(|word| !word.starts_with("dropped="));
                vec![words.collect::<Vec<_>>().join(" ")]
            })
        });
        assert!(undropped.contains(&"links"), "{machine}: {undropped:?}");
    }
}

#[test]
fn a_link_that_came_up_and_was_lost_before_a_further_life_began_is_told_of() {
    // Machine 1 waits for machine 2, which does not come back; meanwhile a life of machine 0 comes, speaks and goes.
    let text = ["1s kill 1 3s", "1s kill 2", "2s kill 0 500ms", "5s kill 0"].map(|line| {
        let mut words = line.splitn(2, ' ');
        let (at, rest) = (words.next().unwrap(), words.next().unwrap());
        let (fault, lasts) = rest.split_at(6);
        let lasts = lasts.trim();
        let lasts = if lasts.is_empty() {
            String::new()
        } else {
            format!("for = \"{lasts}\"\n")
        };
        format!("[[fault]]\nat = \"{at}\"\n{lasts}do = \"{fault}\"\n")
    });
    let plan = Plan::parse("plan", &text.concat()).unwrap();
    let logs = tempfile::tempdir().unwrap();
    let run = simulated(3, &[40, 40, 40], 8_000_000, "constant:1ms", plan);
    let (folder, end) = run
        .write(logs.path(), &RunFile::simulated(&run, Vec::new()))
        .unwrap();
    let verdict = end.verdict.unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    let told = records(&folder, 1)
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::LinkUp { peer, incarnation } => Some((peer.0, Some(incarnation))),
            Record::LinkLost { peer } => Some((peer.0, None)),
            _ => None,
        });
    assert_eq!(told.collect::<Vec<_>>(), [(0, Some(2)), (0, None), (2, None)]);
    let again = first(&folder, 1, |record| matches!(record, Record::Restarted { .. }));
    assert!(taken(&folder, 0, 1, again) > 3, "what waited was taken");
}

#[test]
fn a_clock_that_goes_back_in_a_further_life_is_found() {
    let logs = tempfile::tempdir().unwrap();
    let folder = broken_by("restart", logs.path());
    let rules = broken(&folder, 0, |text| {
        let (before, behind) = text.split_once("# restarted=").unwrap();
        let line = behind.lines().find(|line| line.contains(" clock=")).unwrap();
        let clock = line.split(" clock=").nth(1).unwrap().split(' ').next().unwrap();
        let earlier = line.replace(&format!(" clock={clock}"), " clock=1");
        format!("{before}# restarted={}", behind.replacen(line, &earlier, 1))
    });
    assert!(rules.contains(&"clock rule"), "{rules:?}");
    let rules = broken(&folder, 0, |text| {
        let (before, behind) = text.split_once("# restarted=").unwrap();
        let line = behind.lines().find(|line| line.contains(" tick=")).unwrap();
        let tick = line.split(" tick=").nth(1).unwrap().split(' ').next().unwrap();
        let first = line.replace(&format!(" tick={tick} "), " tick=1 ");
        format!("{before}# restarted={}", behind.replacen(line, &first, 1))
    });
    assert!(rules.contains(&"tick"), "{rules:?}");
}

fn said(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{stdout}{stderr}")
}

#[test]
fn the_launcher_brings_back_what_faults_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (base, faults) = (free_base_port(3), file("kill"));
    let words = format!(
        "run --rates 60,50,40 --draw 4 --duration 6s --seed 5 --base-port {base} --faults {}",
        faults.display()
    );
    let output = program(folder.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    expect_kill(&folder.path().join("logs/latest"));
}

#[test]
fn an_order_that_is_due_with_the_kill_behind_it_is_done_before() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "[[fault]]\nat = \"500ms\"\ndo = \"jump 1 1000\"\n\
                [[fault]]\nat = \"500ms\"\nfor = \"300ms\"\ndo = \"kill 1\"\n";
    fs::write(folder.path().join("f.toml"), plan).unwrap();
    let base = free_base_port(2);
    let words = format!("run --rates 9,8 --duration 2s --base-port {base} --faults f.toml");
    let ran = program(folder.path(), &words).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let log = fs::read_to_string(folder.path().join("logs/latest/machine-1.log")).unwrap();
    assert!(log.contains("# jump="), "{log}");
    assert!(log.contains("# restarted"), "{log}");
}

#[test]
fn a_run_whose_machines_lost_a_peer_did_not_end_in_order() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("f.toml"),
        "[[fault]]\nat = \"500ms\"\ndo = \"kill 1\"\n",
    )
    .unwrap();
    let base = free_base_port(3);
    let words =
        format!("run --rates 9,8,7 --duration 3s --base-port {base} --faults f.toml --on-peer-loss stop");
    let ran = program(folder.path(), &words).output().unwrap();
    let text = said(&ran);
    assert!(
        text.contains("ended with peer-lost, because of machine 1"),
        "{text}"
    );
    assert_eq!(ran.status.code(), Some(3), "{text}");
}

#[test]
fn a_process_that_is_stopped_and_continued_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let (base, faults) = (free_base_port(3), file("pause"));
    let words = format!(
        "run --rates 60,50,40 --duration 5s --base-port {base} --faults {}",
        faults.display()
    );
    let output = program(folder.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let run = folder.path().join("logs/latest");
    let stopped = first(&run, 2, |record| matches!(record, Record::Fault(_)));
    assert_eq!(events(&run, 2, stopped + 1, stopped + 1990), 0);
    let (_, summary) = inspect::check(&run).unwrap();
    assert_eq!(
        (summary.machines[2].stalls, summary.machines[2].links_lost),
        (1, 0)
    );
}

/// A process that does not outlive its test.
struct Process(Child);

impl Process {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    fn end(mut self) -> Option<i32> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the process does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_ends_a_run_in_which_a_machine_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "[[fault]]\nat = \"500ms\"\nfor = \"10m\"\ndo = \"pause 1\"\n";
    fs::write(folder.path().join("pause.toml"), plan).unwrap();
    let base = free_base_port(3);
    let words = format!("run --rates 60,50,40 --duration 30s --base-port {base} --faults pause.toml");
    // As at a terminal, Ctrl-C reaches every process of the group.
    let run = program(folder.path(), &words).process_group(0).spawn().unwrap();
    let run = Process(run);
    let log = folder.path().join("logs/latest/machine-1.log");
    eventually("the pause", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("# fault="))
    });
    let group = format!("-{}", run.0.id());
    let sent = Command::new("kill").args(["-s", "INT", "--", &group]).status();
    assert!(sent.unwrap().success());
    assert_eq!(run.end(), Some(0), "it is woken, and says its last words");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("# ended="), "{text}");
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < until, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_machine_killed_by_hand_rejoins_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let base = free_base_port(3);
    let start = |id: u16, more: &str| {
        let words = format!("machine --id {id} --base-port {base} --on-peer-loss continue {more}");
        Process(program(folder.path(), &words).spawn().unwrap())
    };
    let run = folder.path().join("logs/latest");
    let has = |machine: u16, word: &str, lines: usize| {
        let text = fs::read_to_string(run.join(format!("machine-{machine}.log"))).unwrap_or_default();
        text.lines().filter(|line| line.contains(word)).count() >= lines
    };
    let zero = start(0, "--rates 60,50,40 --draw 4");
    let one = start(1, "--rates 60,50,40 --draw 4");
    let two = start(2, "--rates 60,50,40 --draw 4");
    eventually("talk", || (0..3).all(|id| has(id, "receive", 10)));
    let again = || program(folder.path(), "machine --id 1 --rejoin");
    let early = again()
        .args(["--base-port", &free_base_port(3).to_string()])
        .output();
    let early = early.unwrap();
    assert_eq!(early.status.code(), Some(2), "it still runs");
    assert!(said(&early).contains("still runs"), "{}", said(&early));
    one.signal("KILL");
    assert_eq!(one.end(), None, "killed");
    eventually("the loss", || {
        has(0, "# link-lost", 1) && has(2, "# link-lost", 1)
    });
    // Where its peers are, the run's file says.
    let one = Process(again().spawn().unwrap());
    eventually("the return", || {
        has(0, "incarnation=2", 1) && has(2, "incarnation=2", 1)
    });
    let before = fs::read_to_string(run.join("machine-1.log")).unwrap();
    let received = before.lines().filter(|line| line.contains("receive")).count();
    eventually("talk again", || has(1, "receive", received + 10));
    for machine in [zero, one, two] {
        machine.signal("INT");
        assert_eq!(machine.end(), Some(0));
    }
    let (verdict, summary) = inspect::check(&run).unwrap();
    assert!(verdict.is_valid() && verdict.endless.is_empty(), "{verdict}");
    assert_eq!(summary.machines[1].restarts, 1);
    let late = again().output().unwrap();
    assert_eq!(late.status.code(), Some(2));
    assert!(said(&late).contains("ended in order"), "{}", said(&late));
}

#[test]
fn a_machine_that_rejoins_alone_is_in_its_run_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let base = free_base_port(2);
    let secret = program(folder.path(), "secret").output().unwrap();
    assert_eq!(secret.status.code(), Some(0));
    let both: Vec<Process> = (0..2)
        .map(|id| {
            let words = format!(
                "machine --id {id} --base-port {base} --on-peer-loss continue --rates 60,50 --duration 6s --secret-file clocklab.secret"
            );
            Process(program(folder.path(), &words).spawn().unwrap())
        })
        .collect();
    let run = folder.path().join("logs/latest");
    let text =
        |machine: u16| fs::read_to_string(run.join(format!("machine-{machine}.log"))).unwrap_or_default();
    eventually("talk", || {
        (0..2).all(|machine| text(machine).contains(" receive "))
    });
    for machine in both {
        machine.signal("KILL");
        assert_eq!(machine.end(), None, "killed");
    }
    let again = || {
        program(folder.path(), "machine --id 1 --rejoin")
            .output()
            .unwrap()
    };
    let described = run.join("run.json");
    let whole = fs::read_to_string(&described).unwrap();
    for (wrong, why) in [
        ("{}", "does not describe a run"),
        (&whole.replace("clocklab.secret", "lost.secret"), "lost.secret"),
        (
            &whole.replacen("\"127.0.0.1:", "\"127.0.0.1:1\", \"127.0.0.1:", 1),
            "3 machines",
        ),
    ] {
        fs::write(&described, wrong).unwrap();
        let refused = again();
        assert_eq!(refused.status.code(), Some(2), "{why}");
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    fs::remove_file(&described).unwrap();
    let refused = again();
    assert!(said(&refused).contains("has no run.json"), "{}", said(&refused));
    fs::write(&described, whole).unwrap();
    let begun = Instant::now();
    let alone = again();
    assert_eq!(alone.status.code(), Some(0), "{}", said(&alone));
    assert!(begun.elapsed() < Duration::from_secs(20), "it outlived its run");
    assert!(
        said(&alone).contains(&format!("127.0.0.1:{}", base + 1)),
        "{}",
        said(&alone)
    );
    assert!(
        said(&alone).contains("starts without machine 0"),
        "{}",
        said(&alone)
    );
    assert!(text(1).contains("reason=duration"), "{}", said(&alone));
    let (verdict, _) = inspect::check(&run).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
}

#[test]
fn slow_motion_scales_the_rates_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let words = "simulate --rates 60,50,40 --speed 0.1 --duration 60s --seed 3 --logs logs";
    let output = program(folder.path(), words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let run = folder.path().join("logs/sim-3");
    let text = fs::read_to_string(run.join("machine-0.log")).unwrap();
    assert!(
        text.contains(" rate=60 ") && text.contains(" speed=0.1 "),
        "{text}"
    );
    let (_, summary) = inspect::check(&run).unwrap();
    let ticks: Vec<u64> = summary.machines.iter().map(|machine| machine.ticks).collect();
    assert_eq!(ticks, [360, 300, 240]);
    let flow = summary.machines[0].expected.unwrap().flow;
    assert!((flow.rate - 6.0).abs() < 1e-9, "theory counts in real time");
    let output = program(folder.path(), "simulate --rates 60,50,40 --speed 20")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--speed 20"), "{}", said(&output));
}

#[test]
fn no_message_leaves_before_its_event_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = free_addresses(2);
    let config = model::Config {
        me: MachineId(0),
        machines: 2,
        rate: 1000,
        speed: Speed::NORMAL,
        draw: 3,
        traffic: clocklab::trace::Traffic::Assignment,
        phase: Phase::Aligned,
        clock: ClockKind::Lamport,
        seed: 1,
    };
    let header = Header {
        machine: config.me,
        machines: 2,
        rate: Some(config.rate),
        draw: Some(config.draw),
        traffic: config.traffic,
        phase_us: Some(0),
        speed: config.speed,
        clock: config.clock,
        incarnation: None,
        seed: config.seed,
        run: "ahead".parse().unwrap(),
        started: WallTime(0),
    };
    let standing = Standing::Given;
    let run: clocklab::wire::RunId = "ahead".parse().unwrap();
    let own = clocklab::mesh::Config {
        run: run.clone(),
        standing,
        ..place(0, &addresses)
    };
    let log = LogFile::new(folder.path(), header);
    let mesh = Mesh::new(own, Machine::new(config), log).unwrap();
    let handle = mesh.handle();
    let machine = std::thread::Builder::new().spawn(move || mesh.run()).unwrap();
    let mut peer = Peer::connect(addresses[0]);
    peer.join(&Hello {
        system: Stamp::SYSTEM,
        run,
        ..hello(1, 2)
    });
    peer.say(&Control::Ready);
    let path = folder.path().join("ahead/machine-0.log");
    let mut messages = 0;
    while messages < 200 {
        let (kind, body) = peer.frame().unwrap();
        let Ok(Stamp(Timestamp::Lamport(clock))) = Stamp::decode(kind, &body) else {
            continue;
        };
        // The very bytes that a reader would find if the machine were killed now.
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(&format!(" clock={clock} to=1\n")),
            "the message of clock {clock} is here, its line is not"
        );
        messages += 1;
    }
    handle.stop(Reason::Interrupted);
    peer.say(&crate::support::goodbye(1, Reason::Interrupted));
    machine.join().unwrap().unwrap();
}
