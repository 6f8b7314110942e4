//! The command: good input, bad input, and files that are never half there.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/notebook/assignment/random-1");

fn export(folder: &str, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
    command
        .arg("export")
        .arg(folder)
        .args(words.split_whitespace())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
    for word in words {
        assert!(said.contains(word), "{said}: nothing about `{word}`");
    }
}

#[test]
fn results_go_to_standard_output_and_notes_to_standard_error() {
    let output = export(&RUN.replace("random-1", "chatty-3"), "--to mermaid");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"sequenceDiagram\n"));
    assert!(
        said(&output).contains("only the last 200 of"),
        "{}",
        said(&output)
    );
    let output = export(RUN, "--to csv");
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    let output = export(RUN, "--to mermaid --window 5s-10s --internal");
    assert!(String::from_utf8_lossy(&output.stdout).contains("    Note over p0: "));
}

#[test]
fn what_was_typed_wrong_is_named_with_its_mend() {
    for (words, expected) in [
        ("--to gif", &["gif", "shiviz", "parquet", "dot"][..]),
        ("", &["--to"]),
        ("--to csv --window 20s-10s", &["20s-10s", "earlier time first"]),
        ("--to csv --window 10s", &["10s", "10s-20s"]),
        ("--to csv --window -", &["10s-20s"]),
        ("--to csv --window 10x-", &["10x-", "500ms"]),
        (
            "--to csv --window 90s-",
            &["90s-", "events lie from", "s after the start"],
        ),
        ("--to csv --machines 0,7", &["no machine 7", "0, 1, 2"]),
        ("--to csv --last 0", &["--last", "0"]),
        ("--to csv --last 5 --all", &["--all", "--last"]),
        ("--to parquet", &["--output"]),
        ("--to csv --force", &["--output"]),
        ("--to dot --internal", &["--internal", "mermaid"]),
    ] {
        assert_refused(&export(RUN, words), 2, expected);
    }
    assert_refused(
        &export("/nowhere/at/all", "--to csv"),
        2,
        &["/nowhere/at/all", "clocklab run"],
    );
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    assert_refused(&export(folder, "--to csv"), 2, &[folder, "no log"]);
    let header = "# clocklab-log 1\n# machine=0 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n";
    fs::write(empty.path().join("machine-0.log"), header).unwrap();
    assert_refused(&export(folder, "--to shiviz"), 2, &[folder, "no event"]);
}

#[test]
fn a_file_is_not_overwritten_unless_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.json");
    let write = |more: &str| export(RUN, &format!("--to perfetto --output {} {more}", file.display()));
    let output = write("");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains("600 events") && told.contains("ui.perfetto.dev"),
        "{told}"
    );
    let before = fs::read(&file).unwrap();
    assert_refused(&write("--last 3"), 2, &["run.json", "--force"]);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(write("--last 3 --force").status.code(), Some(0));
    assert!(fs::read(&file).unwrap().len() < before.len() / 10);
    // What fails leaves what was there, and nothing beside it.
    assert_refused(&write("--window 90s- --force"), 2, &["90s-"]);
    assert!(fs::read(&file).unwrap().len() < before.len() / 10);
    assert_eq!(names(dir.path()), ["run.json"]);
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_not_left_half() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("not-there/run.csv");
    let output = export(RUN, &format!("--to csv --output {}", file.display()));
    assert_refused(
        &output,
        2,
        &["not-there/run.csv", "there is no folder", "make it"],
    );
    let file = dir.path().join("run.csv");
    let output = export(
        RUN,
        &format!("--to csv --window 90s- --output {}", file.display()),
    );
    assert_refused(&output, 2, &["90s-"]);
    assert_eq!(names(dir.path()), Vec::<String>::new());
    // A disk that is full.
    if Path::new("/dev/full").exists() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command
            .args(["export", RUN, "--to", "csv"])
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(said(&output).contains("No space left"), "{}", said(&output));
    }
}

#[test]
fn a_cut_log_and_a_missing_one_still_export() {
    let dir = tempfile::tempdir().unwrap();
    for machine in [0, 1] {
        let name = format!("machine-{machine}.log");
        let log = fs::read(Path::new(RUN).join(&name)).unwrap();
        let end = if machine == 0 { log.len() } else { log.len() / 3 };
        fs::write(dir.path().join(name), &log[..end]).unwrap();
    }
    let output = export(dir.path().to_str().unwrap(), "--to shiviz");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("no log of machine 2") && said.contains("without a message"),
        "{said}"
    );
    let events = super::rules::shiviz(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert!(events.len() > 200);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
