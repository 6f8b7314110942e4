//! Two runs side by side: what agrees, what differs, and what cannot be compared.

use std::path::Path;

use clocklab::inspect::{self, Comparison, RunSummary, Style};

/// A run of the notebook.
fn run(name: &str) -> RunSummary {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/notebook")
        .join(name);
    inspect::check(&dir).unwrap().1
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
