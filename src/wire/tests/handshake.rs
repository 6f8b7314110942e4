//! The handshake: what a hello may hold, and which rule it breaks first.

use super::*;

fn run(text: &str) -> RunId {
    text.parse().unwrap()
}

/// The hello of machine `sender` of 3 to machine `receiver`, in a proposed run.
fn hello(sender: u16, receiver: u16) -> Hello {
    Hello {
        system: 1,
        machines: 3,
        sender: MachineId(sender),
        receiver: MachineId(receiver),
        incarnation: 1,
        trust: Trust::Open,
        standing: Standing::Proposed,
        run: run("20261120-231601"),
    }
}

fn body_of(hello: &Hello) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
    decoder.extend(&bytes);
    let frame = decoder.next_frame().unwrap().unwrap();
    assert_eq!(frame.kind, kind::HELLO);
    frame.body.to_vec()
}

/// The code that a body is refused with by its layout.
fn refused(body: &[u8]) -> ErrorCode {
    Hello::decode(body).unwrap_err().code
}

/// The judgement of machine 1 of 3, which was dialled by a greater machine.
fn judged_as_dialled(hello: &Hello) -> Result<(), ErrorCode> {
    let mine = self::hello(1, 2);
    let expectation = Expectation {
        mine: &mine,
        dialled: None,
    };
    expectation.judge(hello).map_err(|refusal| refusal.code)
}

/// The judgement of machine 1 of 3, which dialled machine 0.
fn judged_as_dialler(hello: &Hello) -> Result<(), ErrorCode> {
    let mine = self::hello(1, 0);
    let expectation = Expectation {
        mine: &mine,
        dialled: Some(MachineId(0)),
    };
    expectation.judge(hello).map_err(|refusal| refusal.code)
}

#[test]
fn the_shortest_and_the_longest_hello_have_26_and_121_bytes() {
    let secret = Trust::Secret {
        nonce: [7; NONCE_BYTES],
    };
    for (text, trust, length) in [("a".to_owned(), Trust::Open, 26), ("a".repeat(64), secret, 121)] {
        let mut bytes = Vec::new();
        Hello {
            run: run(&text),
            trust,
            ..hello(1, 0)
        }
        .encode(&mut bytes);
        assert_eq!(bytes.len(), length);
    }
}

#[test]
fn every_truncation_is_refused() {
    let body = body_of(&hello(1, 0));
    assert!(Hello::decode(&body).is_ok());
    for cut in 0..body.len() {
        let expected = if cut < MAGIC.len() {
            ErrorCode::BadMagic
        } else {
            ErrorCode::Malformed
        };
        assert_eq!(refused(&body[..cut]), expected, "cut at {cut}");
    }
}

#[test]
fn bytes_behind_the_run_id_are_malformed() {
    let mut body = body_of(&hello(1, 0));
    body.push(b'x');
    assert_eq!(refused(&body), ErrorCode::Malformed);
}

#[test]
fn a_stranger_is_told_that_this_is_a_clocklab_port() {
    for body in [b"GET / HTTP/1.1\r\n".as_slice(), b"CLKM", b"clkl", b"", b"CLK"] {
        let refusal = Hello::decode(body).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::BadMagic);
        assert!(refusal.text.contains("clocklab port"), "{}", refusal.text);
    }
}

#[test]
fn other_versions_are_refused_whatever_follows() {
    for version in [0_u16, 1, 3, 256, 65_535] {
        let mut body = body_of(&hello(1, 0));
        body[4..6].copy_from_slice(&version.to_be_bytes());
        let refusal = Hello::decode(&body).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::WrongVersion);
        assert!(refusal.text.contains(&version.to_string()), "{}", refusal.text);
        // A later version may have any layout behind the version.
        for length in 6..body.len() {
            assert_eq!(refused(&body[..length]), ErrorCode::WrongVersion);
        }
    }
}

#[test]
fn the_magic_is_judged_before_the_version() {
    let mut body = body_of(&hello(1, 0));
    body[0] = b'X';
    body[5] = 9;
    assert_eq!(refused(&body), ErrorCode::BadMagic);
}

#[test]
fn standings_other_than_two_are_malformed() {
    let place = 18;
    let mut body = body_of(&hello(1, 0));
    assert_eq!(body[place], 0);
    for (value, accepted) in [(0, true), (1, true), (2, false), (255, false)] {
        body[place] = value;
        assert_eq!(Hello::decode(&body).is_ok(), accepted, "standing {value}");
    }
}

#[test]
fn a_run_id_that_breaks_its_rule_is_malformed() {
    let head = &body_of(&hello(1, 0))[..19];
    for (id, accepted) in [
        (b"".to_vec(), false),
        (b"a".to_vec(), true),
        (vec![b'a'; 64], true),
        (vec![b'a'; 65], false),
        (vec![b'a'; 255], false),
        (b".a".to_vec(), false),
        (b"a/b".to_vec(), false),
        (vec![0xff, 0xfe], false),
        ("ä".as_bytes().to_vec(), false),
    ] {
        let body = [head, &[u8::try_from(id.len()).unwrap()], &id].concat();
        let result = Hello::decode(&body).map_err(|refusal| refusal.code);
        match accepted {
            true => assert!(result.is_ok(), "{id:?}"),
            false => assert_eq!(result, Err(ErrorCode::Malformed), "{id:?}"),
        }
    }
}

#[test]
fn the_dialled_side_accepts_each_greater_machine_and_no_other() {
    for (sender, verdict) in [
        (0, Err(ErrorCode::IdOutOfRange)),
        (1, Err(ErrorCode::IdOutOfRange)),
        (2, Ok(())),
        (3, Err(ErrorCode::IdOutOfRange)),
        (65_535, Err(ErrorCode::IdOutOfRange)),
    ] {
        assert_eq!(judged_as_dialled(&hello(sender, 1)), verdict, "sender {sender}");
    }
}

#[test]
fn the_dialling_side_accepts_the_machine_it_dialled_and_no_other() {
    for (sender, verdict) in [
        (0, Ok(())),
        (1, Err(ErrorCode::IdOutOfRange)),
        (2, Err(ErrorCode::IdOutOfRange)),
    ] {
        assert_eq!(judged_as_dialler(&hello(sender, 1)), verdict, "sender {sender}");
    }
}

#[test]
fn the_last_machine_is_dialled_by_nobody() {
    let mine = hello(2, 0);
    let last = Expectation {
        mine: &mine,
        dialled: None,
    };
    for sender in 0..5 {
        let refusal = last.judge(&hello(sender, 2)).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::IdOutOfRange);
    }
}

#[test]
fn a_hello_that_breaks_several_rules_gets_the_first() {
    // Each rule of protocol.md in its order, and a change that breaks it alone.
    type Break = fn(&mut Hello);
    let rules: [(ErrorCode, Break); 5] = [
        (ErrorCode::WrongSystem, |hello| hello.system = 2),
        (ErrorCode::WrongMachines, |hello| hello.machines = 4),
        (ErrorCode::WrongReceiver, |hello| hello.receiver = MachineId(2)),
        (ErrorCode::IdOutOfRange, |hello| hello.sender = MachineId(1)),
        (ErrorCode::WrongRun, |hello| hello.run = "other".parse().unwrap()),
    ];
    let given = |sender, receiver| Hello {
        standing: Standing::Given,
        ..hello(sender, receiver)
    };
    for (mine, dialled, good) in [
        (given(1, 2), None, given(2, 1)),
        (given(1, 0), Some(MachineId(0)), given(0, 1)),
    ] {
        let expectation = Expectation { mine: &mine, dialled };
        assert_eq!(expectation.judge(&good), Ok(()));
        for broken in 1_u32..1 << rules.len() {
            let mut hello = good.clone();
            for (bit, (_, spoil)) in rules.iter().enumerate() {
                if broken & 1 << bit != 0 {
                    spoil(&mut hello);
                }
            }
            let first = rules[broken.trailing_zeros() as usize].0;
            let refusal = expectation.judge(&hello).unwrap_err();
            assert_eq!(refusal.code, first, "{hello:?}");
        }
    }
}

#[test]
fn only_two_given_runs_that_differ_are_refused() {
    use Standing::{Given, Proposed};
    for (mine, other, same, accepted) in [
        (Given, Given, true, true),
        (Given, Given, false, false),
        (Given, Proposed, false, true),
        (Proposed, Given, false, true),
        (Proposed, Proposed, false, true),
    ] {
        let mine = Hello {
            standing: mine,
            ..hello(0, 1)
        };
        let hello = Hello {
            standing: other,
            run: run(if same { mine.run.as_str() } else { "other" }),
            ..hello(1, 0)
        };
        let expectation = Expectation {
            mine: &mine,
            dialled: None,
        };
        let result = expectation.judge(&hello).map_err(|refusal| refusal.code);
        let expected = if accepted {
            Ok(())
        } else {
            Err(ErrorCode::WrongRun)
        };
        assert_eq!(result, expected, "{mine:?} {hello:?}");
    }
}

#[test]
fn refusals_say_both_values_and_fit_an_error_frame() {
    let mine = Hello {
        standing: Standing::Given,
        run: run(&"m".repeat(64)),
        ..hello(0, 1)
    };
    let other = Hello {
        standing: Standing::Given,
        run: run(&"o".repeat(64)),
        ..hello(1, 0)
    };
    let expectation = Expectation {
        mine: &mine,
        dialled: None,
    };
    for (hello, words) in [
        (other.clone(), [mine.run.as_str(), other.run.as_str()]),
        (
            Hello {
                system: 2,
                ..other.clone()
            },
            ["system 2", "system 1"],
        ),
        (
            Hello {
                machines: 900,
                ..other.clone()
            },
            ["900 machines", "counts 3"],
        ),
        (
            Hello {
                receiver: MachineId(7),
                ..other.clone()
            },
            ["machine 7", "machine 0"],
        ),
        (
            Hello {
                sender: MachineId(9),
                ..other.clone()
            },
            ["machines 1 to 2", "not by 9"],
        ),
    ] {
        let refusal = expectation.judge(&hello).unwrap_err();
        for word in words {
            assert!(refusal.text.contains(word), "{} lacks {word}", refusal.text);
        }
        assert!(refusal.text.len() <= ERROR_TEXT_BYTES_MAX, "{}", refusal.text);
        let control = refusal.to_control();
        let mut bytes = Vec::new();
        control.encode(&mut bytes);
        assert_eq!(
            Control::decode(bytes[HEADER_BYTES], &bytes[HEADER_BYTES + 1..]),
            Ok(control)
        );
    }
}

#[test]
fn field_errors_become_the_code_of_protocol_md() {
    for (error, code) in [
        (FieldError::Kind { kind: 9 }, ErrorCode::UnknownKind),
        (FieldError::Truncated { field: "x" }, ErrorCode::Malformed),
        (FieldError::Trailing { bytes: 1 }, ErrorCode::Malformed),
        (FieldError::Text { field: "x" }, ErrorCode::Malformed),
        (FieldError::Value { field: "x", value: 1 }, ErrorCode::Malformed),
    ] {
        assert_eq!(Refusal::malformed(error).code, code);
    }
}

#[test]
fn run_ids_can_name_a_folder() {
    let longest = "r".repeat(RUN_ID_BYTES_MAX);
    for text in [
        "a",
        "Z",
        "0",
        "20261120-231601",
        "a.b_c-d",
        "1..",
        "a-",
        longest.as_str(),
    ] {
        assert_eq!(text.parse::<RunId>().unwrap().as_str(), text);
    }
    let too_long = "r".repeat(RUN_ID_BYTES_MAX + 1);
    for text in [
        "",
        ".",
        "..",
        ".a",
        "-a",
        "_a",
        "a/b",
        "/",
        "a\\b",
        "a b",
        " a",
        "a ",
        "a\n",
        "a\0",
        "ä",
        "a:b",
        "a=b",
        too_long.as_str(),
    ] {
        let error = text.parse::<RunId>().unwrap_err();
        assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
    }
    let huge = "é".repeat(1_000_000).parse::<RunId>().unwrap_err();
    assert!(huge.to_string().len() < 300, "a message stays short");
}

#[test]
fn no_machine_brings_no_run() {
    assert_eq!(RunId::agree([]), None);
}

#[test]
fn a_given_run_wins_over_smaller_machines_and_else_the_smallest_machine() {
    let [a, b, c] = ["a", "b", "c"].map(run);
    let brought = |second| {
        [
            (Standing::Proposed, MachineId(0), &a),
            (second, MachineId(1), &b),
            (Standing::Proposed, MachineId(2), &c),
        ]
    };
    assert_eq!(RunId::agree(brought(Standing::Given)), Some(&b));
    assert_eq!(RunId::agree(brought(Standing::Proposed)), Some(&a));
}

fn any_hello() -> impl Strategy<Value = Hello> {
    (
        any::<(u8, u16, u16, u16, bool)>(),
        any::<(u32, Option<[u8; NONCE_BYTES]>)>(),
        "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    )
        .prop_map(
            |((system, machines, sender, receiver, is_given), (incarnation, nonce), id)| Hello {
                system,
                machines,
                sender: MachineId(sender),
                receiver: MachineId(receiver),
                incarnation,
                trust: nonce.map_or(Trust::Open, |nonce| Trust::Secret { nonce }),
                standing: if is_given {
                    Standing::Given
                } else {
                    Standing::Proposed
                },
                run: run(&id),
            },
        )
}

proptest! {
    #[test]
    fn every_hello_survives_the_wire(hello in any_hello()) {
        prop_assert_eq!(Hello::decode(&body_of(&hello)), Ok(hello));
    }

    #[test]
    fn a_body_that_decodes_encodes_to_the_same_bytes(
        hello in any_hello(),
        place in any::<sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = body_of(&hello);
        let place = place.index(body.len());
        body[place] = byte;
        if let Ok(other) = Hello::decode(&body) {
            prop_assert_eq!(body_of(&other), body);
        }
    }

    #[test]
    fn all_machines_choose_the_same_run_in_whatever_order_they_heard(
        standings in vec(any::<bool>(), 1..8),
        order in any::<u64>(),
    ) {
        // Given ids are one id: the handshake refuses others.
        let ids: Vec<RunId> = (0..standings.len()).map(|n| run(&format!("proposal-{n}"))).collect();
        let given = run("given");
        let mut brought: Vec<_> = (0_u16..)
            .zip(standings.iter().zip(&ids))
            .map(|(machine, (is_given, id))| match is_given {
                true => (Standing::Given, MachineId(machine), &given),
                false => (Standing::Proposed, MachineId(machine), id),
            })
            .collect();
        let expected = if standings.contains(&true) { given.clone() } else { ids[0].clone() };
        let rotation = usize::try_from(order % brought.len() as u64).unwrap();
        brought.rotate_left(rotation);
        if order.is_multiple_of(2) {
            brought.reverse();
        }
        prop_assert_eq!(RunId::agree(brought), Some(&expected));
    }
}
