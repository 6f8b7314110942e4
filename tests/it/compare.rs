//! Two runs side by side: what agrees, what differs, and what cannot be compared.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clocklab::inspect::{self, Comparison, RunSummary, Style, same_events};

/// The folder of a run of the notebook.
fn notebook(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/notebook")
        .join(name)
}

/// A run of the notebook.
fn run(name: &str) -> RunSummary {
    inspect::check(&notebook(name)).unwrap().1
}

#[test]
fn runs_of_one_configuration_agree_whatever_their_seed() {
    for (first, second) in [(1, 2), (1, 4), (3, 5)] {
        let runs = [first, second].map(|n| run(&format!("phase/saturated-{n}")));
        let comparison = Comparison::new(&runs[0], &runs[1]).unwrap();
        assert_eq!(comparison.judged(), (9, 9), "{}", comparison.render(Style::Text));
        assert!(
            comparison
                .render(Style::Text)
                .ends_with("The runs agree in all 9 quantities that can be judged.\n")
        );
    }
}

#[test]
fn what_lies_too_far_apart_differs_and_is_named() {
    let first = run("phase/saturated-1");
    for (change, quantity) in [
        (
            (|run| run.machines[2].queue_last = 90) as fn(&mut RunSummary),
            "queue",
        ),
        (|run| run.machines[1].receives = 120, "received"),
        (|run| run.machines[0].ticks -= 5, "ticks"),
        (|run| run.machines[0].clock *= 2, "jump"),
    ] {
        let mut second = run("phase/saturated-4");
        change(&mut second);
        let comparison = Comparison::new(&first, &second).unwrap();
        let differing: Vec<_> = comparison
            .rows
            .iter()
            .filter(|row| row.agrees() == Some(false))
            .collect();
        assert_eq!(
            differing.iter().map(|row| row.quantity).collect::<Vec<_>>(),
            [quantity]
        );
        assert!(comparison.render(Style::Text).contains("differ in 1 of 9"));
    }
}

#[test]
fn a_run_that_is_a_little_longer_may_have_as_much_more() {
    let mut rates = run("phase/saturated-1");
    for machine in &mut rates.machines {
        machine.ticks *= 100;
        let expected = machine.expected.as_mut().unwrap();
        expected.ticks *= 100.0;
    }
    let mut longer = rates.clone();
    for machine in &mut longer.machines {
        machine.seconds += 0.4;
        let more = f64::from(machine.rate.unwrap()) * 40.0;
        machine.expected.as_mut().unwrap().ticks += more;
        machine.ticks += u64::from(machine.rate.unwrap()) * 40;
    }
    let comparison = Comparison::new(&rates, &longer).unwrap();
    let ticks = comparison.rows.iter().filter(|row| row.quantity == "ticks");
    assert!(
        ticks.clone().count() == 3 && ticks.clone().all(|row| row.agrees() == Some(true)),
        "{}",
        comparison.render(Style::Text)
    );
    longer.machines[0].ticks += 10;
    let comparison = Comparison::new(&rates, &longer).unwrap();
    assert_eq!(
        comparison.rows[0].agrees(),
        Some(false),
        "{:?}",
        comparison.rows[0]
    );
}

#[test]
fn near_the_border_nothing_statistical_is_judged() {
    let comparison = Comparison::new(&run("phase/critical-1"), &run("phase/critical-2")).unwrap();
    let judged = comparison
        .rows
        .iter()
        .filter(|row| row.machine == 2 && row.agrees().is_some());
    assert_eq!(judged.map(|row| row.quantity).collect::<Vec<_>>(), ["ticks"]);
}

#[test]
fn runs_of_different_configurations_are_not_compared_and_the_reason_is_said() {
    let reason = |a: &str, b: &str| Comparison::new(&run(a), &run(b)).unwrap_err().to_string();
    assert_eq!(
        reason("assignment/random-1", "assignment/random-2"),
        "not compared: the runs differ in the rate of machine 0: 4 and 5"
    );
    assert_eq!(
        reason("assignment/random-1", "assignment/chatty-1"),
        "not compared: the runs differ in the die: 10 and 4"
    );
    let (whole, mut cut) = (run("assignment/random-1"), run("assignment/random-1"));
    cut.machines.iter_mut().for_each(|machine| machine.seconds = 30.0);
    let reason = Comparison::new(&whole, &cut).unwrap_err().to_string();
    assert_eq!(
        reason,
        "not compared: the runs differ in their length: 60.0 s and 30.0 s"
    );
}

/// Simulates a run of the notebook: the same rates, die, phase and seed.
fn simulated(name: &str, dir: &Path) -> PathBuf {
    let json = notebook(name).join("run.json");
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let rates: Vec<String> = json["rates"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let made = Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args(["simulate", "--run", "again", "--rates", &rates.join(",")])
        .args([
            "--draw",
            &json["draw"].to_string(),
            "--seed",
            &json["seed"].to_string(),
        ])
        .args(["--phase", json["phase"].as_str().unwrap(), "--logs"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir.join("again")
}

#[test]
fn a_minute_of_real_machines_is_simulated_event_for_event() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "assignment/random-5",
        "assignment/chatty-2",
        "phase/saturated-1",
        "phase/equal-random-3",
    ] {
        let (real, again) = (notebook(name), simulated(name, &dir.path().join(name)));
        let same = same_events(&real, &again).unwrap();
        assert!(same.is_whole(), "{name}: {same}");
        let told = same.to_string();
        assert!(
            told.starts_with("Event for event the runs are the same: all "),
            "{told}"
        );
        let comparison = Comparison::new(&run(name), &inspect::check(&again).unwrap().1).unwrap();
        assert!(
            comparison.rows.iter().all(|row| row.values[0] == row.values[1]),
            "{name}"
        );
    }
}

#[test]
fn where_two_runs_part_is_said_with_both_lines() {
    let dir = tempfile::tempdir().unwrap();
    let (real, again) = (
        notebook("phase/equal-aligned-1"),
        simulated("phase/equal-aligned-1", dir.path()),
    );
    let same = same_events(&real, &again).unwrap();
    assert_eq!((same.machines_same, same.machines), (0, 3));
    let (machine, places) = same.parting.unwrap();
    for (place, dir) in places.iter().zip([&real, &again]) {
        assert_eq!(
            &*place.file,
            dir.join(format!("machine-{machine}.log")).to_str().unwrap()
        );
    }
    let lines = places.map(|place| {
        let text = fs::read_to_string(&*place.file).unwrap();
        let line = text
            .lines()
            .nth(usize::try_from(place.line).unwrap() - 1)
            .unwrap();
        line.split_once(' ').unwrap().1.to_owned()
    });
    assert_ne!(lines[0], lines[1]);
}
