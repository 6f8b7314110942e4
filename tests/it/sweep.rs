//! The phase diagram: measured states against the theory's border, its files, and what is refused.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn sweep(output: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .arg("sweep")
        .args(arguments)
        .arg("--output")
        .arg(output)
        .output()
        .unwrap()
}

#[test]
fn measured_states_lie_on_the_theorys_sides_of_the_border() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("deep/sweep");
    let made = sweep(
        &output,
        &[
            "--machines",
            "3,5",
            "--fast",
            "12",
            "--slow",
            "1-12",
            "--draw",
            "8-10",
            "--trials",
            "3",
        ],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let csv = fs::read_to_string(output.join("sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * 12 * 3);
    let (mut saturated, mut stable) = (0, 0);
    for row in csv.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let (growth, measured, expected): (f64, _, _) = (cells[9].parse().unwrap(), cells[11], cells[12]);
        let expected_growth: f64 = cells[13].trim().parse().unwrap();
        match expected {
            "saturated" => {
                assert_eq!(measured, "saturated", "{row}");
                assert!((growth / expected_growth - 1.0).abs() < 0.6, "{row}");
                saturated += 1;
            }
            "stable" => {
                assert_ne!(measured, "saturated", "{row}");
                assert!(growth < 0.1, "{row}");
                stable += 1;
            }
            other => assert_eq!(other, "critical"),
        }
    }
    assert!(saturated > 10 && stable > 30, "{saturated} {stable}");
    let figure = fs::read_to_string(output.join("sweep.svg")).unwrap();
    assert!(
        figure.contains("3 machines, 2 of them at 12 ticks/s"),
        "a panel for each number of machines"
    );
    assert!(figure.contains("5 machines, 4 of them at 12 ticks/s"));
}

#[test]
fn the_same_seed_gives_the_same_diagram_and_none_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let small = [
        "--machines",
        "2",
        "--fast",
        "4",
        "--draw",
        "5",
        "--trials",
        "1",
        "--duration",
        "10s",
    ];
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    assert!(sweep(&first, &small).status.success());
    assert!(sweep(&second, &small).status.success());
    for file in ["sweep.csv", "sweep.svg"] {
        let texts = [&first, &second].map(|dir| fs::read(dir.join(file)).unwrap());
        assert_eq!(texts[0], texts[1], "{file}");
    }
    let again = sweep(&first, &small);
    assert_eq!(again.status.code(), Some(2));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        said.contains("sweep.csv exists: name another file, or replace it with --force"),
        "{said}"
    );
    assert!(
        sweep(&first, &[&small[..], &["--force"]].concat())
            .status
            .success()
    );
    let file = sweep(&first.join("sweep.csv"), &small);
    assert_eq!(file.status.code(), Some(2), "a file is no folder");
}

#[test]
fn what_cannot_be_swept_is_refused_with_the_option_and_the_mend() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["--slow", "5-1"], "write the smaller number first"),
        (
            ["--slow", "1-25"],
            "the slow machine makes 1 to --fast (24) ticks a second",
        ),
        (["--slow", "fast"], "`fast` is no range"),
        (["--draw", "2-5"], "a die has 3 to 10000 sides"),
        (["--machines", "1"], "1 is not in 2..=10000"),
        (["--trials", "0"], "0 is not in 1..=10000"),
        (["--duration", "10ms"], "a queue needs a second or more to grow"),
        (["--duration", "1000h"], "give fewer --machines"),
        (
            ["--seed", "18446744073709551615"],
            "5 seeds from here are beyond the last",
        ),
    ] {
        let refused = sweep(&dir.path().join("none"), &arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was begun");
}
