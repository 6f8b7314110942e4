//! Arguments become settings, or a sentence that names the option, the value and what is allowed.

use clap::{CommandFactory, Parser};

use super::{
    args::{Arguments, Command},
    options,
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
