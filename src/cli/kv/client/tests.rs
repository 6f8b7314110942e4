//! What is shown to a person, and what is made of arguments.

use clap::Parser;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::Dot,
    kv::{Answer, Content, Deny, Format, Item, Member, Missing, Reply, Standing, Value},
    service::Address,
    units::MachineId,
};

fn text(bytes: &[u8]) -> Value {
    Value {
        format: Format::Bytes,
        bytes: bytes.into(),
    }
}

fn dot(text: &str) -> Dot {
    text.parse().unwrap()
}

proptest! {
    #[test]
    fn no_control_character_reaches_a_terminal(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert!(!words::shown(&bytes).chars().any(char::is_control));
        let is_allowed = |one: char| !one.is_control() || one == '\n' || one == '\t';
        prop_assert!(words::value(&text(&bytes)).chars().all(is_allowed));
    }

    #[test]
    fn different_keys_look_different(one in prop::collection::vec(any::<u8>(), 0..6), other in prop::collection::vec(any::<u8>(), 0..6)) {
        prop_assert_eq!(words::shown(&one) == words::shown(&other), one == other);
    }

    #[test]
    fn every_value_is_one_line_of_json(bytes in prop::collection::vec(any::<u8>(), 0..40), is_json in any::<bool>()) {
        let format = if is_json { Format::Json } else { Format::Bytes };
        let value = Value { format, bytes: bytes.into() };
        let line = json::line(&json::ValueJson::from(&value)).unwrap();
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&line).is_ok(), "{}", line);
    }
}

#[test]
fn contents_are_shown_on_one_line() {
    let item = |content| Item {
        mark: [(dot("1.2.3").origin, 3)].into_iter().collect(),
        content,
        ends_us: None,
    };
    let several = item(Content::Values(vec![text(b"a\nb"), text(b"c")]));
    assert_eq!(words::item_line(&several), "a\\nb   (written concurrently: c)");
    assert_eq!(words::item_line(&item(Content::Counter(-4))), "-4   (a counter)");
    assert_eq!(
        words::item_line(&item(Content::Set(vec![text(b"x"), text(b"y")]))),
        "{x, y}   (a set)"
    );
    let line = json::line(&json::ItemJson::from(&several)).unwrap();
    assert_eq!(
        line,
        "{\"type\":\"value\",\"value\":\"a\\nb\",\"siblings\":[\"a\\nb\",\"c\"],\"mark\":\"1.2.3\"}\n"
    );
    let numbers = Value {
        format: Format::Json,
        bytes: b"[1e400,\n 1.0]".as_slice().into(),
    };
    let line = json::line(&json::ValueJson::from(&numbers)).unwrap();
    assert_eq!(line, "[1e400,  1.0]\n");
}

#[test]
fn a_refusal_says_what_is_missing_and_who_has_it() {
    let address: Address = "127.0.0.1:17201".parse().unwrap();
    let missing = Missing {
        dot: dot("0.1795.12"),
        have: 11,
        seen_by: vec![MachineId(0), MachineId(2)],
    };
    let text = words::denied(
        MachineId(1),
        &address,
        &Deny::Unmet {
            missing: vec![missing],
        },
    );
    for part in [
        "machine 1 at 127.0.0.1:17201",
        "write 12 of machine 0 (life 1795)",
        "here are those up to 11",
        "machines 0, 2 have it",
        "--wait",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let nobody = Missing {
        dot: dot("0.1795.12"),
        have: 0,
        seen_by: Vec::new(),
    };
    let text = words::missing(&nobody);
    assert!(
        text.contains("machine 0 accepted it, and nobody else is known"),
        "{text}"
    );
    let text = words::denied(MachineId(1), &address, &Deny::NoMember);
    assert!(text.contains("members add 1=127.0.0.1:17201 --at"), "{text}");
    let mut member = Member {
        id: MachineId(1),
        address: address.clone(),
        standing: Standing::Alive,
        incarnation: 0,
    };
    assert_eq!(words::standing(&member), "not met yet");
    member.incarnation = 7;
    assert_eq!(words::standing(&member), "alive");
    let evil = Deny::Disk {
        why: "\u{1b}[2J".to_owned(),
    };
    let text = words::denied(MachineId(1), &address, &evil);
    assert!(!text.contains('\u{1b}') && text.contains("not known"), "{text}");
}

#[test]
fn a_session_forgets_nothing_over_a_refusal() {
    let token = [(dot("1.2.3").origin, 3)].into_iter().collect();
    let reply = |answer| Reply {
        token: [(dot("4.5.6").origin, 6)].into_iter().collect(),
        released: Vec::new(),
        answer,
    };
    assert_eq!(
        ask::token_after(&token, &reply(Answer::NotFound)).to_string(),
        "4.5.6"
    );
    assert_eq!(
        ask::token_after(&token, &reply(Answer::Denied(Deny::Busy))),
        token
    );
    let telling = [
        Deny::Condition {
            operation: 0,
            mark: [(dot("4.5.6").origin, 6)].into_iter().collect(),
        },
        Deny::WrongType { operation: 0 },
        Deny::TooLarge {
            what: "too many values beside each other".to_owned(),
        },
    ];
    for deny in telling {
        let seen = ask::token_after(&token, &reply(Answer::Denied(deny)));
        assert_eq!(seen.to_string(), "1.2.3,4.5.6", "what is there was told");
    }
    let few = Deny::TooFewCopies {
        dot: dot("7.8.9"),
        have: 1,
        want: 2,
    };
    let seen = ask::token_after(&token, &reply(Answer::Denied(few)));
    assert_eq!(seen.to_string(), "1.2.3,7.8.9");
}

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: ClientCommand,
}

#[test]
fn command_lines_are_understood() {
    let parse = |line: &str| Line::try_parse_from(["kv"].into_iter().chain(line.split_whitespace()));
    for line in [
        "put k v --at a:1,b:2 --session s --wait 2s --json --copies majority --if absent --ttl 30s",
        "put k -",
        "put k -3",
        "put k v --beside --if-mark 1.2.3,4.5.6",
        "add n -3",
        "add n",
        "insert s a b c",
        "get k --raw",
        "scan --limit 5",
        "watch p --after 0.1795301436.118 --count 1",
        "members",
        "members --at a:1",
        "members add 3=a:1 --at b:2 --json",
        "members replace 2 a:1",
        "batch -",
        "why k --session s",
        "backup --data d --into f",
        "restore f --data d",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
    for line in [
        "put k",
        "put k v --if absent --if-mark 1.2.3",
        "put k v --if-mark x",
        "get k --raw --json",
        "insert s",
        "scan --limit 0",
        // A position says whose it is.
        "watch p --after 3",
        "get k --at nowhere",
        "backup --data d",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
