//! Section 9, replicas' messages: its tables against the code, its examples byte by byte.

use clocklab::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        Config, Introduce, JOIN_US_MAX, MemberRecord, MemberStatus, Message, More, Readiness, Report, Scope,
        kind,
    },
    units::MachineId,
    wire::{self, Message as _, encode_frame},
};

use super::{PROTOCOL, assert_same, number, table};

/// The kinds as the code has them.
const KINDS: &[(&str, u8)] = &[
    ("introduce", kind::INTRODUCE),
    ("writes", kind::WRITES),
    ("acknowledge", kind::ACKNOWLEDGE),
    ("heartbeat", kind::HEARTBEAT),
    ("members", kind::MEMBERS),
    ("pull", kind::PULL),
    ("pulled", kind::PULLED),
    ("transfer-begin", kind::TRANSFER_BEGIN),
    ("transfer-part", kind::TRANSFER_PART),
    ("transfer-end", kind::TRANSFER_END),
    ("transfer-credit", kind::TRANSFER_CREDIT),
];

fn vector(number: u64) -> VersionVector {
    let origin = Origin {
        machine: MachineId(3),
        incarnation: 9,
    };
    [(origin, number)].into_iter().collect()
}

fn report(heard: u64) -> Report {
    Report {
        heard,
        gap_us: 0,
        readiness: Readiness::Ready,
        known: vector(5),
        kept: vector(4),
        members_digest: 7,
        lives_digest: 6,
    }
}

/// What the example of a kind means; `None` for writes, whose bytes are read instead.
fn meaning(name: &str) -> Option<Message> {
    let number = 4;
    let members = vec![MemberRecord {
        id: MachineId(3),
        version: 2,
        incarnation: 9,
        status: MemberStatus::Present,
        address: "a:1".parse().unwrap(),
    }];
    Some(match name {
        "introduce" => Message::Introduce(Box::new(Introduce {
            address: "a:1".parse().unwrap(),
            report: report(0),
            stable: VersionVector::new(),
            members,
        })),
        "writes" => return None,
        "acknowledge" => Message::Acknowledge(Box::new(report(17))),
        "heartbeat" => Message::Heartbeat(Box::new(report(17))),
        "members" => Message::Members(members),
        "pull" => Message::Pull {
            number,
            known: vector(5),
        },
        "pulled" => Message::Pulled {
            number,
            more: More::Yes,
        },
        "transfer-begin" => Message::TransferBegin {
            number,
            known: vector(5),
            scope: Scope::Beyond,
            forgotten: VersionVector::new(),
            stamp: 12,
        },
        "transfer-part" => Message::TransferPart {
            number,
            part: 0,
            bytes: [1, b'k'].into(),
        },
        "transfer-end" => Message::TransferEnd { number, parts: 1 },
        "transfer-credit" => Message::TransferCredit { number, parts: 1 },
        name => panic!("{name}"),
    })
}

/// The frame of the example of a kind.
fn example(name: &str) -> Vec<u8> {
    let start = format!("    replica, {name}: ");
    let line = PROTOCOL.lines().find_map(|line| line.strip_prefix(&start));
    let digits = line.unwrap_or_else(|| panic!("protocol.md lacks the example of {name}"));
    let pairs = digits.split_whitespace();
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn kinds_are_those_of_the_code() {
    assert_same(
        table(&["store kind", "name", "body"])
            .iter()
            .map(|row| (row[1].clone(), number(&row[0]))),
        KINDS
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), u64::from(*kind))),
    );
}

#[test]
fn times_are_those_of_the_code() {
    let config = Config::new(MachineId(1), "a:1".parse().unwrap(), None);
    let times = [
        ("heartbeat", config.heartbeat_us),
        ("repair", config.repair_after_us),
        ("push", config.push_us_max),
        ("join", JOIN_US_MAX),
    ];
    assert_same(
        table(&["time", "value in microseconds", "what for"])
            .iter()
            .map(|row| (row[0].clone(), number(&row[1]))),
        times.map(|(name, value)| (name.to_owned(), value)),
    );
}

#[test]
fn each_message_is_the_bytes_of_its_example() {
    for (name, kind) in KINDS {
        let bytes = example(name);
        assert_eq!(bytes[4], *kind, "{name}");
        let read = Message::decode(*kind, &bytes[wire::HEADER_BYTES + 1..]);
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(message) = meaning(name) {
            assert_eq!(read, message, "{name}");
        }
        let mut again = Vec::new();
        encode_frame(&mut again, read.kind(), |body| read.encode(body));
        assert_eq!(again, bytes, "{name}");
    }
}

#[test]
fn the_writes_of_the_example_are_what_the_words_say() {
    let bytes = example("writes");
    let Ok(Message::Writes(writes)) = Message::decode(kind::WRITES, &bytes[5..]) else {
        panic!("{bytes:02x?}")
    };
    assert_eq!(writes.clock, 17);
    let [batch] = writes.batches.as_slice() else {
        panic!("{writes:?}")
    };
    assert_eq!((batch.first(), batch.last()), (5, 5));
    assert_eq!(batch.dependencies().to_string(), "2.4.6");
    let all = batch.writes().unwrap();
    let origin = batch.origin();
    assert_eq!((all[0].dot, all[0].stamp), (Dot::new(origin, 5), 12));
    assert_eq!(all[0].dependencies, *batch.dependencies());
    assert_eq!(*all[0].operations[0].key, *b"k");
}
