//! Arguments become settings, or a sentence that names the option, the value and what is allowed.

use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::{
    args::{Arguments, Command},
    options, time,
};
use crate::lab::Settings;

fn settings(words: &str) -> Result<Settings, String> {
    let arguments =
        Arguments::try_parse_from(["clocklab", "run"].into_iter().chain(words.split_whitespace()));
    match arguments.map_err(|error| error.to_string())?.command {
        Command::Run(run) => {
            options::settings(&run.model, Some(run.duration)).map_err(|error| error.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn clap_finds_no_fault_with_the_definitions() {
    Arguments::command().debug_assert();
}

#[test]
fn the_number_of_machines_follows_from_what_is_said() {
    assert_eq!(settings("").unwrap().machines(), 3);
    assert_eq!(settings("--rates 6,4,1,2,3").unwrap().machines(), 5);
    assert_eq!(settings("--machines 4").unwrap().machines(), 4);
    assert_eq!(
        settings("--machines 5 --rates 6,4,1,2,3").unwrap().rates,
        [6, 4, 1, 2, 3]
    );
}

#[test]
fn internal_is_another_way_to_say_draw() {
    assert_eq!(settings("").unwrap().draw, 10);
    assert_eq!(settings("--internal 0.25").unwrap().draw, 4);
    assert!(
        settings("--internal 0.25 --draw 4")
            .unwrap_err()
            .contains("cannot be used with")
    );
}

#[test]
fn the_same_seed_gives_the_same_rates() {
    assert_eq!(
        settings("--seed 7").unwrap().rates,
        settings("--seed 7").unwrap().rates
    );
    let drawn: Vec<Vec<u32>> = (0..20)
        .map(|seed| settings(&format!("--seed {seed}")).unwrap().rates)
        .collect();
    assert!(drawn.iter().flatten().all(|rate| (1..=6).contains(rate)));
    assert!(drawn.iter().any(|rates| *rates != drawn[0]));
}

#[test]
fn what_is_not_allowed_is_named_with_its_option() {
    for (words, option, allowed) in [
        ("--machines 1", "--machines 1", "2 to"),
        ("--rates 6", "--rates 6", "one rate a machine"),
        (
            "--machines 2 --rates 6,4,1",
            "--rates 6,4,1",
            "one rate a machine",
        ),
        ("--rates 0,1,2", "--rates", "1 to 1000"),
        ("--rates fast", "--rates", "1 to 1000"),
        ("--rates 6-1", "--rates", "smaller rate first"),
        ("--draw 2", "--draw 2", "3 to"),
        ("--internal 0.6", "--internal 0.6", "--draw 7"),
        ("--internal 1.5", "--internal 1.5", "probability"),
        ("--base-port 65535", "--base-port 65535", "up to 65537"),
        ("--duration 0s", "--duration 0s", "60s"),
        ("--duration soon", "--duration", "expected number"),
        ("--phase odd", "--phase", "random, aligned"),
        ("--clock sun", "--clock", "lamport"),
        ("--on-peer-loss cry", "--on-peer-loss", "stop, continue"),
        ("--run ../up", "--run", "cannot name a run"),
        ("--hosts /nowhere/hosts", "--hosts /nowhere/hosts", "No such file"),
        ("--connect-timeout 0s", "--connect-timeout 0s", "365 days"),
    ] {
        let error = settings(words).expect_err(words);
        assert!(
            error.contains(option) && error.contains(allowed),
            "{words}: {error}"
        );
    }
}

#[test]
fn one_computer_runs_two_hundred_machines() {
    assert!(options::check_fleet(options::FLEET_MACHINES_MAX, 1).is_ok());
    assert!(options::check_fleet(50, 16).is_ok());
    for (machines, meshes, part) in [
        (options::FLEET_MACHINES_MAX + 1, 1, "--machines 201"),
        (options::FLEET_MACHINES_MAX, 2, "2 meshes side by side"),
        (50, 17, "17 meshes side by side"),
    ] {
        let error = options::check_fleet(machines, meshes).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("clocklab simulate"),
            "{error}"
        );
    }
}

#[test]
fn whatever_reads_one_run_reads_the_newest_unless_told() {
    for command in ["check", "report", "watch", "draw", "cut", "concurrency"] {
        let arguments = Arguments::try_parse_from(["clocklab", command]).unwrap();
        assert!(
            format!("{arguments:?}").contains("\"logs/latest\""),
            "{arguments:?}"
        );
    }
}

/// A sentence that is broken by hand is broken twice in a narrow terminal.
#[test]
fn sentences_of_help_are_broken_by_the_terminal_alone() {
    let command = Arguments::command();
    for command in command.get_subcommands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let [first, second] = pair else { continue };
            let is_prose = !first.is_empty()
                && !first.starts_with(' ')
                && !second.is_empty()
                && !second.starts_with(' ');
            assert!(
                !is_prose || first.ends_with(['.', ':', ')']),
                "{}: {first}\n{second}",
                command.get_name()
            );
        }
    }
}

#[test]
fn commands_that_judge_say_their_exit_codes() {
    for name in ["run", "simulate", "check", "report", "experiment"] {
        let command = Arguments::command();
        let command = command.find_subcommand(name).unwrap();
        let help = command.get_after_help().unwrap().to_string();
        assert!(help.contains("Exit codes: 0 "), "{name}");
    }
}

#[test]
fn a_time_without_a_unit_is_told_how_times_are_written() {
    assert_eq!(time("5s"), Ok(Duration::from_secs(5)));
    assert_eq!(time("1m 30s"), Ok(Duration::from_secs(90)));
    assert!(time("5").unwrap_err().contains("5s are seconds"));
    assert!(time("5x").is_err() && time("").is_err());
}
