//! `clocklab kv soak`: a short one with real processes, one that is interrupted, and mistakes.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use crate::support::free_base_port;

/// Three replicas, and two that join.
const PORTS: u16 = 5;

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
    command
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_short_soak_is_judged_and_leaves_what_it_says() {
    let folder = tempdir().unwrap();
    let port = free_base_port(PORTS);
    let words =
        format!("kv soak --duration 8s --seed 7 --clients 6 --rate 120 --run short --base-port {port}");
    let (code, text, wrong) = said(&command(folder.path(), &words).output().unwrap());
    assert_eq!(code, Some(0), "{text}{wrong}");
    for part in [
        "everything held",
        "chapter 1:",
        "by /kvs",
        "by wire",
        "every rule held",
        "converged after",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    let run = folder.path().join("logs/short");
    let plan = fs::read_to_string(run.join("plan.txt")).unwrap();
    assert!(plan.lines().count() > 1, "{plan}");
    assert!(
        !run.join("data").exists(),
        "the disks of a run that held are taken away"
    );
    let history = "kv check logs/short/history-1.jsonl";
    let (code, text, _) = said(&command(folder.path(), history).output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    // A folder is never overwritten.
    let (code, _, wrong) = said(&command(folder.path(), &words).output().unwrap());
    assert_eq!(code, Some(2));
    assert!(wrong.contains("exists"), "{wrong}");
}

#[test]
fn one_that_is_interrupted_heals_and_judges_what_was() {
    let folder = tempdir().unwrap();
    let port = free_base_port(PORTS);
    let words = format!("kv soak --duration 10m --seed 3 --clients 4 --rate 80 --run cut --base-port {port}");
    let mut soak = command(folder.path(), &words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(soak.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(" requests, ") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
    }
    kill_process(Pid::from_child(&soak), Signal::INT).unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let status = soak.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{rest}");
    assert!(
        rest.contains("1 chapters") && rest.contains("everything held"),
        "{rest}"
    );
}

#[test]
fn mistakes_are_explained() {
    let folder = tempdir().unwrap();
    for (words, part) in [
        ("--duration 1s", "give 5s to 1day"),
        ("--clients 0", "give 1 to 256"),
        ("--base-port 65534", "5 ports"),
        ("--secret-file x", "leave it out"),
        ("--replicas 1", "1 is not in 2..=16"),
    ] {
        let (code, text, wrong) = said(
            &command(folder.path(), &format!("kv soak {words}"))
                .output()
                .unwrap(),
        );
        assert_eq!((code, text.as_str()), (Some(2), ""), "{words}: {wrong}");
        assert!(wrong.contains(part), "{words}: {wrong}");
    }
}
