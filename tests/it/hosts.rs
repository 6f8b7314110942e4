//! Runs of several computers: their folders gathered, their wall clocks compared, their lines aligned.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clocklab::inspect::{
    self,
    draw::{Choice, Limits, Positions, align, backward},
    history::History,
    skew::Skew,
};
use tempfile::TempDir;

fn clocklab(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_clocklab");
    Command::new(program).args(arguments).output().unwrap()
}

fn output(of: &Output) -> String {
    String::from_utf8_lossy(&of.stdout).into_owned() + &String::from_utf8_lossy(&of.stderr)
}

/// Runs it, and gives what it said, in one line a blank; panics at another exit code.
fn said(arguments: &[&str], code: i32) -> String {
    let ran = clocklab(arguments);
    let text = output(&ran);
    assert_eq!(ran.status.code(), Some(code), "{arguments:?}: {text}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A simulated run of three machines in a folder of runs, whose true wall clocks are one.
fn simulated(more: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let logs_text = logs.to_str().unwrap();
    let mut arguments = vec![
        "simulate", "--rates", "6,4,5", "--seed", "3", "--run", "demo", "--logs", logs_text,
    ];
    arguments.extend(more);
    said(&arguments, 0);
    (dir, logs.join("demo"))
}

/// Writes a log anew with every time of it moved: what a computer with another wall clock would have written.
fn set_clock(log: &Path, moved: impl Fn(DateTime<Utc>) -> TimeDelta) {
    let form = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").unwrap();
    let text = fs::read_to_string(log).unwrap();
    let text = form.replace_all(&text, |found: &regex::Captures<'_>| {
        let at: DateTime<Utc> = found[0].parse().unwrap();
        (at + moved(at)).to_rfc3339_opts(SecondsFormat::Micros, true)
    });
    fs::write(log, text.as_bytes()).unwrap();
}

fn ahead(run: &Path, machine: u16, by: TimeDelta) {
    set_clock(&run.join(format!("machine-{machine}.log")), |_| by);
}

/// Folders of two computers, `a` with machine 0 and `b` with 1 and 2, made of a run.
fn on_two_hosts(run: &Path) -> (PathBuf, PathBuf) {
    let parent = run.parent().unwrap();
    let [a, b] = ["a", "b"].map(|host| parent.join(host).join("demo"));
    for (host, machines) in [(&a, &[0][..]), (&b, &[1, 2])] {
        fs::create_dir_all(host).unwrap();
        for machine in machines {
            let name = format!("machine-{machine}.log");
            fs::copy(run.join(&name), host.join(&name)).unwrap();
        }
        let mut described: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
        described["seed"] = machines[0].into();
        fs::write(host.join("run.json"), described.to_string()).unwrap();
    }
    (a, b)
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn clocks_that_are_one_are_not_told_and_lie_within_their_uncertainty() {
    let (_dir, run) = simulated(&[]);
    let (verdict, _) = inspect::check(&run).unwrap();
    let skew = verdict.skew.clone().unwrap();
    assert!(verdict.is_valid() && verdict.notes.is_empty() && !skew.is_told());
    assert_eq!(skew.contradiction, None);
    for offset in &skew.offsets {
        let (estimate, uncertainty) = (offset.estimate_us().unwrap(), offset.uncertainty_us().unwrap());
        assert!(estimate.abs() <= uncertainty && uncertainty <= 150, "{skew:?}");
    }
    assert!(!said(&["report", text_of(&run)], 0).contains("Wall clocks"));
    // Judged from the logs and asked of the run in memory it is the same.
    assert_eq!(Skew::of(&History::read(&run).unwrap()), Some(skew));
}

#[test]
fn a_clock_that_is_ahead_is_told_by_check_and_report() {
    let (dir, run) = simulated(&[]);
    ahead(&run, 2, TimeDelta::microseconds(12_300));
    ahead(&run, 1, TimeDelta::microseconds(-300));
    let (verdict, _) = inspect::check(&run).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    let skew = verdict.skew.clone().unwrap();
    for (offset, truth) in skew.offsets.iter().zip([0, -300, 12_300]) {
        assert!(
            offset.low.unwrap() <= truth && truth <= offset.high.unwrap(),
            "{skew:?}"
        );
        assert!(offset.uncertainty_us().unwrap() <= 150, "{skew:?}");
    }
    assert_eq!(
        verdict.notes.len(),
        1,
        "300 us are told in the table only: {verdict}"
    );
    let note = "note: machine 2's wall clock is 12.3 ms (± ";
    assert!(said(&["check", text_of(&run)], 0).contains(note));
    let report = said(&["report", text_of(&run)], 0);
    assert!(
        report.contains("Wall clocks beside machine 0's") && report.contains("0 reference"),
        "{report}"
    );
    let page = dir.path().join("demo.html");
    said(&["report", text_of(&run), "--html", text_of(&page)], 0);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<section id=\"wall-clocks\">") && page.contains("+12.3 ms"));
}

#[test]
fn what_slow_messages_leave_open_is_not_told() {
    let (_dir, run) = simulated(&["--latency", "constant:100ms"]);
    ahead(&run, 2, TimeDelta::milliseconds(40));
    let skew = inspect::check(&run).unwrap().0.skew.unwrap();
    assert!(!skew.is_told());
    let offset = skew.offsets[2];
    assert_eq!(
        (offset.estimate_us(), offset.uncertainty_us()),
        (Some(40_000), Some(100_000))
    );
}

#[test]
fn an_hour_of_skew_is_valid_and_exact_in_both_directions() {
    for hours in [1, -1, 30] {
        let (_dir, run) = simulated(&[]);
        ahead(&run, 0, TimeDelta::hours(hours));
        let (verdict, summary) = inspect::check(&run).unwrap();
        assert!(verdict.is_valid(), "{verdict}");
        assert_eq!(
            verdict.matched,
            summary
                .machines
                .iter()
                .map(|machine| machine.receives)
                .sum::<u64>()
        );
        let side = if hours > 0 { "behind" } else { "ahead of" };
        for machine in [1, 2] {
            let note = format!(
                "machine {machine}'s wall clock is {}.00 s (± ",
                hours.abs() * 3600
            );
            let found = verdict.notes.iter().find(|text| text.starts_with(&note));
            assert!(
                found.is_some_and(|text| text.ends_with(&format!("{side} machine 0's"))),
                "{verdict}"
            );
        }
    }
}

#[test]
fn a_clock_that_drifts_or_is_set_during_the_run_is_told() {
    let start: DateTime<Utc> = "2000-01-01T00:00:00Z".parse().unwrap();
    let drifting =
        |at: DateTime<Utc>| TimeDelta::microseconds((at - start).num_microseconds().unwrap() / 2000);
    let set = |at: DateTime<Utc>| TimeDelta::seconds(if (at - start).num_seconds() < 30 { 0 } else { 7 });
    let ways: [&dyn Fn(DateTime<Utc>) -> TimeDelta; 2] = [&drifting, &set];
    // 500 parts in a million are 30 ms in a minute, seen by messages near both of its ends; a step of 7 s is 7 s.
    for (way, least) in ways.into_iter().zip([18_000, 6_900_000]) {
        let (_dir, run) = simulated(&[]);
        set_clock(&run.join("machine-1.log"), way);
        let (verdict, _) = inspect::check(&run).unwrap();
        let skew = verdict.skew.clone().unwrap();
        let contradiction = skew.contradiction.unwrap();
        assert!(
            contradiction.around.contains(&1) && contradiction.excess_us > least,
            "{contradiction:?}"
        );
        let told = verdict.notes.iter().any(|note| {
            note.contains("contradict each other by") && note.contains("a wall clock was set, or ran faster")
        });
        assert!(told, "{verdict}");
    }
}

#[test]
fn messages_one_way_bound_a_clock_on_one_side() {
    let dir = tempfile::tempdir().unwrap();
    let header = |machine: u16, second: u32| {
        format!(
            "# clocklab-log 1\n# machine={machine} machines=2 clock=lamport seed=1 run=r started=2026-01-01T00:00:{second:02}.000000Z\n"
        )
    };
    let log = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    // Machine 1's clock is some nine seconds behind, and its log does not say when messages arrived.
    log(
        "machine-0.log",
        header(0, 20) + "2026-01-01T00:00:30.000000Z send tick=1 clock=1 to=1\n",
    );
    log(
        "machine-1.log",
        header(1, 11) + "2026-01-01T00:00:21.000000Z receive tick=1 clock=2 from=0 sent=1 queue=0\n",
    );
    let checked = said(&["check", text_of(dir.path())], 0);
    assert!(
        checked.contains("note: machine 1's wall clock is at least 9.00 s behind machine 0's"),
        "{checked}"
    );
    let report = said(&["report", text_of(dir.path())], 0);
    assert!(
        report.contains("1 not known - -9.00 s") && report.contains("when messages arrived"),
        "{report}"
    );
}

#[test]
fn the_folders_of_two_hosts_become_one_run() {
    let (dir, run) = simulated(&[]);
    let (a, b) = on_two_hosts(&run);
    ahead(&b, 1, TimeDelta::milliseconds(250));
    ahead(&b, 2, TimeDelta::milliseconds(250));
    let merged = dir.path().join("new").join("merged");
    let text = said(
        &["gather", text_of(&a), text_of(&b), "--into", text_of(&merged)],
        0,
    );
    for part in [
        "run demo of 3 machines",
        "machine 0 from",
        "machines 1-2 from",
        "valid: ",
        "every rule held",
        "1 +250.0 ms",
        "draw",
        "--align",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("MISSING"));
    for (machine, host) in [(0, &a), (1, &b), (2, &b)] {
        let name = format!("machine-{machine}.log");
        assert_eq!(
            fs::read(merged.join(&name)).unwrap(),
            fs::read(host.join(&name)).unwrap()
        );
    }
    let described: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(merged.join("run.json")).unwrap()).unwrap();
    assert_eq!(described["written_by"], "gather");
    assert_eq!(described["rates"], serde_json::json!({"0": 6, "1": 4, "2": 5}));
    assert_eq!(described["draw"], 10);
    assert_eq!(described.get("seed"), None, "the hosts do not agree on it");
    assert_eq!(described["gathered"][1]["folder"], text_of(&b));
    assert_eq!(described["gathered"][1]["machines"], serde_json::json!([1, 2]));
    assert_eq!(described["gathered"][1]["run_json"]["seed"], 1);
    assert_eq!(
        fs::read_dir(merged.parent().unwrap()).unwrap().count(),
        1,
        "nothing beside it"
    );
    // The folders of runs do as well, with the run's name.
    let (runs_a, runs_b) = (a.parent().unwrap(), b.parent().unwrap());
    let again = dir.path().join("again");
    let arguments = [
        "gather",
        text_of(runs_a),
        text_of(runs_b),
        "--run",
        "demo",
        "--into",
        text_of(&again),
    ];
    said(&arguments, 0);
    assert!(again.join("machine-2.log").exists());
    // A page of a merged run names the folders.
    let page = dir.path().join("merged.html");
    said(&["report", text_of(&merged), "--html", text_of(&page)], 0);
    assert!(fs::read_to_string(page).unwrap().contains("(machines 1, 2)"));
}

#[test]
fn what_is_missing_or_there_twice_is_said() {
    let (dir, run) = simulated(&[]);
    let (a, b) = on_two_hosts(&run);
    fs::remove_file(b.join("machine-2.log")).unwrap();
    fs::copy(a.join("machine-0.log"), b.join("machine-0.log")).unwrap();
    fs::remove_file(a.join("run.json")).unwrap();
    fs::write(b.join("run.json"), r#"{"run":"other"}"#).unwrap();
    let merged = dir.path().join("merged");
    let text = said(
        &["gather", text_of(&a), text_of(&b), "--into", text_of(&merged)],
        1,
    );
    for part in [
        "MISSING: machine 2: no folder has a log",
        "machine-0.log is the same, byte for byte, as",
        "machine 1 from",
        "has no run.json",
        "is of run other, not of demo as the logs are",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A log that is missing is all that is wrong here.
    let incomplete = "incomplete, 1 of 3 logs missing: in the others no rule is broken";
    assert!(text.contains(incomplete) && !text.contains("VIOLATED"), "{text}");
    assert!(
        text.contains("gather again when it is there, into a new folder"),
        "{text}"
    );
    let described = fs::read_to_string(merged.join("run.json")).unwrap();
    assert!(described.contains("\"missing\""), "{described}");
}

#[test]
fn what_does_not_belong_together_is_refused_and_nothing_is_left() {
    let (dir, run) = simulated(&[]);
    let (a, b) = on_two_hosts(&run);
    let merged = dir.path().join("merged");
    let gather = |more: &[&str], code: i32| {
        let mut arguments = vec!["gather"];
        arguments.extend(more);
        arguments.extend(["--into", text_of(&merged)]);
        let text = said(&arguments, code);
        assert!(!merged.exists(), "{text}");
        text
    };
    // A second log of a machine: longer, or altogether another.
    let copy = dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let whole = fs::read_to_string(a.join("machine-0.log")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    fs::write(copy.join("machine-0.log"), lines[..20].join("\n") + "\n").unwrap();
    let text = gather(&[text_of(&a), text_of(&copy)], 2);
    assert!(
        text.contains("a/demo/machine-0.log and")
            && text.contains("copy/machine-0.log are both logs of machine 0")
    );
    assert!(
        text.contains("the second is the beginning of the first"),
        "{text}"
    );
    fs::write(copy.join("machine-0.log"), whole.replace("internal", "received")).unwrap();
    assert!(gather(&[text_of(&copy), text_of(&a)], 2).contains("and they differ; leave one of them out"));
    // Another run's log.
    fs::write(copy.join("machine-0.log"), whole.replace("run=demo", "run=other")).unwrap();
    let text = gather(&[text_of(&b), text_of(&copy)], 2);
    assert!(
        text.contains("copy/machine-0.log, line 2: run other of 3 machines, but"),
        "{text}"
    );
    assert!(
        text.contains("b/demo/machine-1.log is of run demo of 3"),
        "{text}"
    );
    let text = gather(&[text_of(&copy), "--run", "demo"], 2);
    assert!(text.contains("run other, but --run demo was asked for"), "{text}");
    // No log, no folder, no such run.
    let runs = a.parent().unwrap();
    assert!(gather(&[text_of(runs)], 2).contains("it holds runs: name one with --run, such as demo"));
    assert!(gather(&[text_of(runs), "--run", "no"], 2).contains("no log here; nor a run no; there are demo"));
    fs::remove_file(copy.join("machine-0.log")).unwrap();
    assert!(gather(&[text_of(&copy)], 2).contains("name a folder with machine-0.log"));
    assert!(gather(&["nowhere"], 2).contains("nowhere: No such file"));
    assert!(gather(&[text_of(&a), "--run", "../x"], 2).contains("--run"));
    // A place that is taken.
    fs::create_dir(&merged).unwrap();
    fs::write(merged.join("notes.txt"), "mine").unwrap();
    let text = said(
        &["gather", text_of(&a), text_of(&b), "--into", text_of(&merged)],
        2,
    );
    assert!(text.contains("a run is never replaced"), "{text}");
    assert_eq!(fs::read_dir(&merged).unwrap().count(), 1);
}

#[test]
fn a_log_without_a_header_is_no_log_and_an_empty_folder_is_not_taken() {
    let (dir, run) = simulated(&[]);
    let (a, b) = on_two_hosts(&run);
    let [merged, copy] = ["merged", "copy"].map(|name| dir.path().join(name));
    fs::create_dir(&merged).unwrap();
    fs::create_dir(&copy).unwrap();
    let alone = ["gather", text_of(&copy), "--into", text_of(&merged)];
    fs::write(copy.join("machine-0.log"), "hello\n").unwrap();
    assert!(said(&alone, 2).contains("remove the file from the folder"));
    fs::write(copy.join("machine-0.log"), "# clocklab-log 1\n# mach").unwrap();
    assert!(said(&alone, 2).contains("cut off before their headers were complete"));
    let text = said(
        &[
            "gather",
            text_of(&copy),
            text_of(&a),
            text_of(&b),
            "--into",
            text_of(&merged),
        ],
        0,
    );
    assert!(
        text.contains("nothing new from") && text.contains("valid"),
        "{text}"
    );
    let [kept, source] = [&merged, &a].map(|folder| fs::read(folder.join("machine-0.log")).unwrap());
    assert_eq!(kept, source);
}

#[test]
fn aligned_arrows_do_not_lead_back_in_time() {
    let (dir, run) = simulated(&[]);
    ahead(&run, 1, TimeDelta::milliseconds(-700));
    ahead(&run, 2, TimeDelta::milliseconds(1500));
    let mut history = History::read(&run).unwrap();
    let shown = |history: &History| {
        let positions = Positions::new(history);
        Choice::default().of(history, &positions, &Limits::HTML).unwrap()
    };
    let warning = backward(&history, &shown(&history)).unwrap();
    assert!(warning.contains("lead back in time"), "{warning}");
    let told = align(&mut history);
    assert!(
        told[0].contains("machine 1's by 700.0 ms ahead, machine 2's by 1.50 s back"),
        "{told:?}"
    );
    assert_eq!(backward(&history, &shown(&history)), None);
    for message in history.received() {
        let sent = history.event(message.send).unwrap().at.unwrap();
        assert!(history.arrived(message).unwrap() >= sent);
    }
    // As pictures and pages, from the command line.
    for name in ["plain.svg", "plain.html"] {
        let file = dir.path().join(name);
        let text = said(&["draw", text_of(&run), "--output", text_of(&file)], 0);
        assert!(
            text.contains("back in time") && text.contains("--align"),
            "{text}"
        );
        assert!(fs::read_to_string(file).unwrap().contains("back in time"));
    }
    for name in ["aligned.svg", "aligned.html"] {
        let file = dir.path().join(name);
        let text = said(&["draw", text_of(&run), "--align", "--output", text_of(&file)], 0);
        assert!(
            text.contains("Wall clocks are aligned") && !text.contains("back in time"),
            "{text}"
        );
        assert!(
            fs::read_to_string(file)
                .unwrap()
                .contains("Wall clocks are aligned")
        );
    }
}

#[test]
fn the_diagram_of_a_page_is_aligned_as_a_drawn_one_is() {
    let (dir, run) = simulated(&[]);
    ahead(&run, 2, TimeDelta::milliseconds(1500));
    let page = |name: &str, align: &[&str]| {
        let file = dir.path().join(name);
        let words = ["report", text_of(&run), "--html", text_of(&file)];
        said(&[&words, align].concat(), 0);
        fs::read_to_string(file).unwrap()
    };
    let (plain, aligned) = (page("plain.html", &[]), page("aligned.html", &["--align"]));
    assert!(plain.contains("back in time") && plain.contains("Figures and diagram show the times"));
    assert!(!plain.contains("Wall clocks are aligned"));
    assert!(
        aligned.contains("Wall clocks are aligned")
            && aligned.contains("the diagram takes the differences out")
    );
    assert!(!aligned.contains("back in time"));
    let text = said(&["report", text_of(&run), "--align"], 2);
    assert!(text.contains("--html FILE.html"), "{text}");
}

#[test]
fn where_clocks_do_not_differ_nothing_is_moved() {
    let (dir, run) = simulated(&[]);
    let [plain, aligned] = ["plain.svg", "aligned.svg"].map(|name| dir.path().join(name));
    said(&["draw", text_of(&run), "--output", text_of(&plain)], 0);
    let text = said(
        &["draw", text_of(&run), "--align", "--output", text_of(&aligned)],
        0,
    );
    assert!(text.contains("No line was moved"), "{text}");
    let before = History::read(&run).unwrap();
    let mut after = before.clone();
    align(&mut after);
    assert!(before.ids().all(|id| before.event(id) == after.event(id)));
}
