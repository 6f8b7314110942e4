//! Options and environment joined.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: ReplicaArguments,
}

fn arguments(words: &str) -> ReplicaArguments {
    let words = std::iter::once("replica").chain(words.split_whitespace());
    Line::try_parse_from(words)
        .map(|line| line.arguments)
        .expect("usage")
}

fn environment(socket_address: &str, view: &str, node_identifier: &str) -> Environment {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Environment {
        socket_address: given(socket_address),
        view: given(view),
        node_identifier: given(node_identifier),
    }
}

fn place(words: &str, environment: &Environment) -> Result<Whereabouts, String> {
    let place = arguments(words).place(environment);
    place.map_err(|error| error.to_string())
}

#[test]
fn the_assignment_of_2024_is_understood() {
    let view = "10.10.0.2:8090,10.10.0.3:8090";
    let place = place("", &environment("10.10.0.3:8090", view, "")).expect("place");
    assert_eq!(place.listen.to_string(), "0.0.0.0:8090");
    assert_eq!(place.address.as_str(), "10.10.0.3:8090");
    let members = place.members.expect("members");
    assert_eq!(members.len(), 2);
    assert!(
        members
            .iter()
            .any(|member| member.id == place.id && member.address == place.address)
    );
}

#[test]
fn the_assignment_of_2025_is_understood() {
    let place = place("", &environment("", "", "7")).expect("place");
    assert_eq!(
        (place.listen.to_string().as_str(), place.id),
        ("0.0.0.0:8081", MachineId(7))
    );
    assert_eq!(place.members, None);
}

#[test]
fn options_win_over_the_environment() {
    let environment = environment("10.10.0.3:8090", "10.10.0.3:8090", "7");
    let words = "--id 1 --listen 127.0.0.1:9000 --advertise localhost:9001 --view 0=a:1,1=localhost:9001";
    let place = place(words, &environment).expect("place");
    assert_eq!(place.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(
        (place.id, place.address.as_str()),
        (MachineId(1), "localhost:9001")
    );
    assert_eq!(place.members.map(|members| members.len()), Some(2));
}

#[test]
fn who_is_told_nothing_is_alone_on_this_computer() {
    let place = place("", &Environment::default()).expect("place");
    assert_eq!(place.listen.to_string(), "127.0.0.1:8090");
    assert_eq!(place.members.map(|members| members.len()), Some(1));
}

#[test]
fn who_locks_everybody_out_is_told_so() {
    let said = |words, is_exposed| arguments(words).locked_out(is_exposed);
    assert!(said("--memory", true).is_some_and(|what| what.contains("--data")));
    for (words, is_exposed) in [("--memory", false), ("--memory --insecure", true), ("", true)] {
        assert_eq!(said(words, is_exposed), None, "{words}");
    }
}

#[test]
fn who_waits_for_others_says_for_whom() {
    let said = |words: &str, identifier: &str| {
        let place = arguments(words)
            .place(&environment("", "", identifier))
            .expect("place");
        (
            place.alone().unwrap_or_default(),
            place.left_out.unwrap_or_default(),
        )
    };
    let (alone, left_out) = said("", "7");
    assert!(
        alone.contains("PUT /view") && alone.contains("members add 7=HOST:8081 --at HOST:PORT"),
        "{alone}"
    );
    assert!(alone.contains("--advertise HOST:8081"), "{alone}");
    assert_eq!(left_out, "");
    for (words, view) in [
        ("--id 1 --listen 0.0.0.0:9", "--view 1=HOST:9,"),
        ("--id 1 --listen [::]:9", "--view 1=HOST:9,"),
        (
            "--id 1 --listen 0.0.0.0:9 --advertise 10.0.0.1:9",
            "--view 1=10.0.0.1:9,",
        ),
    ] {
        let (alone, _) = said(words, "");
        assert!(alone.contains(view), "{words}: {alone}");
        // What everybody listens on is nobody's address.
        assert_eq!(
            alone.contains("--advertise"),
            view.contains("HOST"),
            "{words}: {alone}"
        );
        assert!(
            !alone.contains("=0.0.0.0") && !alone.contains("=[::]"),
            "{words}: {alone}"
        );
    }
    let (alone, left_out) = said("--id 1 --listen 127.0.0.1:9", "");
    assert!(alone.contains("the only member"), "{alone}");
    assert_eq!(left_out, "");
    let (alone, left_out) = said("--id 1 --listen 127.0.0.1:9 --view 0=127.0.0.1:8", "");
    assert_eq!(alone, "");
    assert!(
        left_out.contains("does not have this replica's own address 127.0.0.1:9"),
        "{left_out}"
    );
    let whole = said(
        "--id 1 --listen 127.0.0.1:9 --view 0=127.0.0.1:8,1=127.0.0.1:9",
        "",
    );
    assert_eq!(whole, (String::new(), String::new()));
}

#[test]
fn mistakes_are_named() {
    let none = Environment::default();
    for (words, expected) in [
        ("--id 65000", "--id: 65000"),
        (
            "--id 2 --listen 127.0.0.1:17202 --view 127.0.0.1:17202",
            "made from the address, and --id says 2: write 2=127.0.0.1:17202",
        ),
        (
            "--id 2 --listen 127.0.0.1:1 --view 1=127.0.0.1:1",
            "the id 1, and --id says 2",
        ),
        ("--view 127.0.0.1", "--view: `127.0.0.1` is no address"),
        ("--view x=127.0.0.1:1", "`x` is no id"),
        ("--view ,", "--view: a view names at least one member"),
        ("--listen nowhere", "--listen nowhere"),
    ] {
        let error = place(words, &none).expect_err(words);
        assert!(error.contains(expected), "{words}: {error}");
    }
    let error = place("", &environment("here", "", "")).expect_err("SOCKET_ADDRESS");
    assert!(error.contains("SOCKET_ADDRESS: `here`"), "{error}");
    let error = place("", &environment("", "", "me")).expect_err("NODE_IDENTIFIER");
    assert!(error.contains("NODE_IDENTIFIER: `me`"), "{error}");
}
