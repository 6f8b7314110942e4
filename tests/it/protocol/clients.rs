//! Section 9, client frames: its tables against the codec, its examples byte by byte.

use clocklab::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        self, Action, Answer, Change, Condition, Copies, Deny, Done, Format, Operation, Reply, Request,
        Value, parse_token, token_text,
    },
    units::MachineId,
    wire::Message,
};

use super::{PROTOCOL, assert_same, number, table};

/// The store's limits as the code has them.
const LIMITS: &[(&str, usize)] = &[
    ("KEY_BYTES_MAX", kv::KEY_BYTES_MAX),
    ("VALUE_BYTES_MAX", kv::VALUE_BYTES_MAX),
    ("BATCH_OPERATIONS_MAX", kv::BATCH_OPERATIONS_MAX),
    ("ELEMENTS_MAX", kv::ELEMENTS_MAX),
    ("SCAN_ITEMS_MAX", kv::SCAN_ITEMS_MAX as usize),
    ("MEMBERS_MAX", kv::MEMBERS_MAX),
    ("TOKEN_BYTES_MAX", kv::TOKEN_BYTES_MAX),
    ("TOKEN_TEXT_BYTES_MAX", kv::TOKEN_TEXT_BYTES_MAX),
    ("TEXT_BYTES_MAX", kv::TEXT_BYTES_MAX),
    ("REPLY_BYTES_MAX", kv::REPLY_BYTES_MAX),
];

fn dot(number: u64) -> Dot {
    let machine = MachineId(3);
    let origin = Origin {
        machine,
        incarnation: 9,
    };
    Dot::new(origin, number)
}

fn vector(number: u64) -> VersionVector {
    let dot = dot(number);
    [(dot.origin, dot.number)].into_iter().collect()
}

fn request(action: Action) -> Request {
    Request {
        token: VersionVector::new(),
        wait_us: 0,
        action,
    }
}

fn put(change: Change) -> Action {
    Action::Write {
        operations: vec![Operation {
            key: b"k".as_slice().into(),
            change,
            condition: Condition::Always,
            lasts_us: None,
        }],
        copies: Copies::One,
    }
}

fn seven() -> Value {
    Value {
        format: Format::Json,
        bytes: b"7".as_slice().into(),
    }
}

fn encoded(message: &impl Message) -> Vec<u8> {
    let mut body = Vec::new();
    message.encode(&mut body);
    body
}

/// The example whose words these are.
fn example(words: &str) -> Vec<u8> {
    let start = format!("    {words}: ");
    let line = PROTOCOL.lines().find_map(|line| line.strip_prefix(&start));
    let digits = line.unwrap_or_else(|| panic!("protocol.md lacks the example `{words}`"));
    digits
        .split(' ')
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[test]
fn limits_are_those_of_the_code() {
    let document = table(&["store limit", "value", "what happens at the limit"]);
    assert_same(
        document.iter().map(|row| (row[0].clone(), number(&row[1]))),
        LIMITS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value as u64)),
    );
}

#[test]
fn actions_are_those_of_the_code() {
    let key = || b"k".as_slice().into();
    let prefix = Box::default;
    let actions = [
        ("get", Action::Get { key: key() }),
        (
            "scan",
            Action::Scan {
                prefix: prefix(),
                after: None,
                limit: 1,
            },
        ),
        ("write", put(Change::Delete)),
        (
            "watch",
            Action::Watch {
                prefix: prefix(),
                after: None,
            },
        ),
        ("members", Action::Members),
        (
            "change members",
            Action::Change(kv::MemberChange::Remove { id: MachineId(1) }),
        ),
        ("status", Action::Status),
        ("why", Action::Why { key: key() }),
        ("backup", Action::Backup { number: 0 }),
        (
            "present",
            Action::Present {
                bearer: kv::Bearer::new(String::new()),
            },
        ),
    ];
    let code = actions.map(|(name, action)| (name.to_owned(), u64::from(encoded(&request(action))[0])));
    let document = table(&["action", "name", "has"]);
    assert_same(document.iter().map(|row| (row[1].clone(), number(&row[0]))), code);
    // One more is unknown.
    assert!(Request::decode(kv::REQUEST, &[10, 0, 0, 0]).is_err());
}

#[test]
fn changes_are_those_of_the_code() {
    let changes = [
        ("put", Change::Put(seven())),
        ("put beside", Change::PutBeside(seven())),
        ("delete", Change::Delete),
        ("add", Change::Add(1)),
        ("insert", Change::Insert(vec![seven()])),
        ("remove", Change::Remove(vec![seven()])),
    ];
    let code = changes.map(|(name, change)| {
        // Behind action, token, wait, copies and the count.
        (
            name.to_owned(),
            u64::from(encoded(&request(put(change)))[5] & 0x07),
        )
    });
    let document = table(&["change", "name", "has"]);
    assert_same(document.iter().map(|row| (row[1].clone(), number(&row[0]))), code);
}

#[test]
fn answers_and_reasons_are_those_of_the_code() {
    let document = table(&["answer", "name", "has"]);
    let numbers = document.iter().map(|row| number(&row[0]));
    assert_same(numbers, 0..=11);
    assert!(Reply::decode(kv::REPLY, &[12, 0, 0]).is_err());
    let what = String::new;
    let reasons = [
        ("unmet", Deny::Unmet { missing: Vec::new() }),
        ("no member", Deny::NoMember),
        ("joining", Deny::Joining),
        ("leaving", Deny::Leaving),
        (
            "condition",
            Deny::Condition {
                operation: 0,
                mark: vector(1),
            },
        ),
        ("wrong type", Deny::WrongType { operation: 0 }),
        ("too large", Deny::TooLarge { what: what() }),
        ("malformed", Deny::Malformed { what: what() }),
        ("busy", Deny::Busy),
        (
            "too few copies",
            Deny::TooFewCopies {
                dot: dot(1),
                have: 1,
                want: 2,
            },
        ),
        ("disk", Deny::Disk { why: what() }),
        ("no such member", Deny::NoSuchMember),
        ("forbidden", Deny::Forbidden { why: what() }),
    ];
    let code = reasons.map(|(name, deny)| {
        let reply = Reply {
            token: VersionVector::new(),
            released: Vec::new(),
            answer: Answer::Denied(deny),
        };
        // Behind answer, token and released.
        (name.to_owned(), u64::from(encoded(&reply)[3]))
    });
    let document = table(&["reason", "name", "has", "was it done?"]);
    assert_same(document.iter().map(|row| (row[1].clone(), number(&row[0]))), code);
}

#[test]
fn the_examples_are_what_they_say() {
    let asked = Request {
        token: vector(5),
        ..request(put(Change::Put(seven())))
    };
    let bytes = example("request, put \"k\" to JSON 7, seen 3.9.5, copies one");
    assert_eq!(encoded(&asked), bytes);
    assert_eq!(Request::decode(kv::REQUEST, &bytes), Ok(asked));

    let presented = Request {
        token: VersionVector::new(),
        ..request(Action::Present {
            bearer: kv::Bearer::new("clk_5a".to_owned()),
        })
    };
    let bytes = example("request, present the token clk_5a");
    assert_eq!(encoded(&presented), bytes);
    assert_eq!(Request::decode(kv::REQUEST, &bytes), Ok(presented));

    let answered = Reply {
        token: vector(6),
        released: Vec::new(),
        answer: Answer::Written {
            dot: Some(dot(6)),
            done: vec![Done::Created],
        },
    };
    let bytes = example("reply, written 3.9.6, created, seen 3.9.6");
    assert_eq!(encoded(&answered), bytes);
    assert_eq!(Reply::decode(kv::REPLY, &bytes), Ok(answered));

    let (_, rest) = PROTOCOL.split_once("The token 3.9.6 as text is `").unwrap();
    let text = rest.split('`').next().unwrap();
    assert_eq!(token_text(&vector(6)), text);
    assert_eq!(parse_token(text), Ok(vector(6)));
}
