//! `clocklab kv simulate`: runs of the store in virtual time, their verdict, and how one is done again.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use clocklab::inspect;
use tempfile::tempdir;

fn clocklab(folder: &Path, words: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_run_is_told_kept_and_done_again() {
    let folder = tempdir().unwrap();
    let (code, said, wrong) = clocklab(folder.path(), "kv simulate --seed 7 --duration 20s --logs logs");
    assert_eq!((code, wrong.as_str()), (Some(0), ""), "{said}");
    assert!(
        said.contains("everything held") && said.contains("run folder: logs/store-7"),
        "{said}"
    );
    let run = folder.path().join("logs/store-7");
    let (verdict, _) = inspect::check(&run).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    let (code, said, _) = clocklab(folder.path(), "kv check logs/store-7/history.jsonl");
    assert_eq!(code, Some(0), "{said}");
    let again = "kv simulate --seed 7 --duration 20s --logs again --faults logs/store-7/schedule.txt";
    assert_eq!(clocklab(folder.path(), again).0, Some(0));
    for file in ["machine-0.log", "machine-1.log", "history.jsonl", "schedule.txt"] {
        let (one, other) = (run.join(file), folder.path().join("again/store-7").join(file));
        assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{file}");
    }
    // What is no history is no proof of anything.
    fs::write(folder.path().join("empty.jsonl"), "").unwrap();
    for (name, part) in [
        (
            "logs/store-7",
            "name the file, such as logs/store-7/history.jsonl",
        ),
        ("empty.jsonl", "nothing was judged"),
        ("none.jsonl", "No such file"),
    ] {
        let (code, said, wrong) = clocklab(folder.path(), &format!("kv check {name}"));
        assert!(code == Some(2) && wrong.contains(part), "{name}: {said} {wrong}");
    }
    // A run is never overwritten.
    fs::write(run.join("history.jsonl"), "mine").unwrap();
    let (code, _, wrong) = clocklab(folder.path(), "kv simulate --seed 7 --duration 20s --logs logs");
    assert_eq!(code, Some(2), "{wrong}");
    assert!(
        wrong.contains("logs/store-7 exists: a run is never overwritten"),
        "{wrong}"
    );
    assert_eq!(fs::read_to_string(run.join("history.jsonl")).unwrap(), "mine");
}

#[test]
fn several_runs_are_summed_up() {
    let folder = tempdir().unwrap();
    let (code, said, _) = clocklab(
        folder.path(),
        "kv simulate --seed 1 --trials 4 --duration 20s --replicas 3",
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("everything held in all 4 runs"), "{said}");
}

#[test]
fn members_come_and_go() {
    let folder = tempdir().unwrap();
    let (code, said, _) = clocklab(folder.path(), "kv simulate --members --seed 5 --logs logs");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(" drain ") && said.contains(" changes told to watches"),
        "{said}"
    );
    let members = fs::read_to_string(folder.path().join("logs/store-5/members.txt")).unwrap();
    assert!(members.contains("drain "), "{members}");
    let (verdict, _) = inspect::check(&folder.path().join("logs/store-5")).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
}

#[test]
fn mistakes_are_explained() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("bad.txt"), "@3 +1 burn 1\n").unwrap();
    fs::write(folder.path().join("far.txt"), "@3 +1 kill 9\n").unwrap();
    for (words, part) in [
        ("--duration 5s", "give 13s to 1h"),
        ("--replicas 1", "give 2 to 7"),
        ("--clients 0", "give 1 to 1000"),
        ("--trials 0", "give 1 to"),
        ("--think 0s", "give 1ms to 1h"),
        ("--faults none.txt", "none.txt"),
        ("--faults bad.txt", "line 1"),
        ("--faults far.txt --replicas 3", "no machine 9"),
    ] {
        let (code, said, wrong) = clocklab(folder.path(), &format!("kv simulate {words}"));
        assert_eq!((code, said.as_str()), (Some(2), ""), "{words}: {wrong}");
        assert!(wrong.contains(part), "{words}: {wrong}");
    }
}
