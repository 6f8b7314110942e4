//! Requests and replies survive their bytes, and no bytes are more than a request or a refusal.

use proptest::prelude::*;

use super::*;
use crate::{
    kv::{BATCH_OPERATIONS_MAX, Change, Condition, Format, KEY_BYTES_MAX, TOKEN_BYTES_MAX, VALUE_BYTES_MAX},
    wire::{FRAME_LENGTH_MAX, FieldError, Message},
};

fn machines() -> impl Strategy<Value = MachineId> {
    any::<u16>().prop_map(MachineId)
}

fn origins() -> impl Strategy<Value = Origin> {
    (machines(), any::<u32>()).prop_map(|(machine, incarnation)| Origin { machine, incarnation })
}

fn dots() -> impl Strategy<Value = Dot> {
    (origins(), 1..=u64::MAX).prop_map(|(origin, number)| Dot::new(origin, number))
}

fn vectors() -> impl Strategy<Value = VersionVector> {
    prop::collection::vec((origins(), any::<u64>()), 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn bytes() -> impl Strategy<Value = Box<[u8]>> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(Into::into)
}

fn keys() -> impl Strategy<Value = Key> {
    prop::collection::vec(any::<u8>(), 1..12).prop_map(Into::into)
}

fn values() -> impl Strategy<Value = Value> {
    (any::<bool>(), bytes()).prop_map(|(is_json, bytes)| Value {
        format: if is_json { Format::Json } else { Format::Bytes },
        bytes,
    })
}

fn several<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(of, 0..4)
}

fn addresses() -> impl Strategy<Value = Address> {
    "[a-z0-9]{1,12}:[1-9][0-9]{0,3}".prop_map(|text| text.parse().unwrap())
}

fn operations() -> impl Strategy<Value = Operation> {
    let change = prop_oneof![
        values().prop_map(Change::Put),
        values().prop_map(Change::PutBeside),
        Just(Change::Delete),
        any::<i64>().prop_map(Change::Add),
        several(values()).prop_map(Change::Insert),
        several(values()).prop_map(Change::Remove),
    ];
    let condition = prop_oneof![
        Just(Condition::Always),
        Just(Condition::Absent),
        Just(Condition::Present),
        vectors().prop_map(Condition::Unchanged),
    ];
    (keys(), change, condition, any::<Option<u64>>()).prop_map(|(key, change, condition, lasts_us)| {
        Operation {
            key,
            change,
            condition,
            lasts_us,
        }
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let copies = prop::sample::select(vec![Copies::One, Copies::Pushed, Copies::Two, Copies::Majority]);
    let change = prop_oneof![
        (machines(), addresses()).prop_map(|(id, address)| MemberChange::Add { id, address }),
        machines().prop_map(|id| MemberChange::Remove { id }),
        machines().prop_map(|id| MemberChange::Drain { id }),
        machines().prop_map(|id| MemberChange::Lose { id }),
        (machines(), machines(), addresses()).prop_map(|(old, id, address)| MemberChange::Replace {
            old,
            id,
            address
        }),
        several((machines(), addresses())).prop_map(|members| MemberChange::Set { members }),
    ];
    let action = prop_oneof![
        keys().prop_map(|key| Action::Get { key }),
        (bytes(), prop::option::of(keys()), 1..=SCAN_ITEMS_MAX)
            .prop_map(|(prefix, after, limit)| { Action::Scan { prefix, after, limit } }),
        (prop::collection::vec(operations(), 1..5), copies)
            .prop_map(|(operations, copies)| Action::Write { operations, copies }),
        (bytes(), any::<Option<u64>>()).prop_map(|(prefix, after)| Action::Watch { prefix, after }),
        Just(Action::Members),
        change.prop_map(Action::Change),
        Just(Action::Status),
        keys().prop_map(|key| Action::Why { key }),
        any::<u64>().prop_map(|number| Action::Backup { number }),
        "[a-z_0-9]{0,70}".prop_map(|text| Action::Present {
            bearer: Bearer::new(text)
        }),
    ];
    (vectors(), any::<u64>(), action).prop_map(|(token, wait_us, action)| Request {
        token,
        wait_us,
        action,
    })
}

fn items() -> impl Strategy<Value = Item> {
    let content = prop_oneof![
        several(values()).prop_map(Content::Values),
        any::<i64>().prop_map(Content::Counter),
        several(values()).prop_map(Content::Set),
    ];
    (vectors(), content, any::<Option<u64>>()).prop_map(|(mark, content, ends_us)| Item {
        mark,
        content,
        ends_us,
    })
}

fn members() -> impl Strategy<Value = Member> {
    let standing = prop::sample::select(vec![
        Standing::Myself,
        Standing::Alive,
        Standing::Suspected,
        Standing::Draining,
        Standing::Removed,
        Standing::Left,
        Standing::Lost,
    ]);
    (machines(), addresses(), standing, any::<u32>()).prop_map(|(id, address, standing, incarnation)| {
        Member {
            id,
            address,
            standing,
            incarnation,
        }
    })
}

fn missing() -> impl Strategy<Value = Missing> {
    (dots(), any::<u64>(), several(machines())).prop_map(|(dot, have, seen_by)| Missing {
        dot,
        have,
        seen_by,
    })
}

fn statuses() -> impl Strategy<Value = Status> {
    let lag = (machines(), vectors(), any::<[u64; 4]>()).prop_map(|(peer, known, numbers)| Lag {
        peer,
        known,
        writes: numbers[0],
        behind_us: numbers[1],
        silent_us: numbers[2],
        phi_permille: numbers[3],
    });
    let who = (
        origins(),
        addresses(),
        any::<bool>(),
        [vectors(), vectors(), vectors()],
    );
    let counts = several(("[a-zé]{0,9}".prop_map(Cow::Owned), any::<u64>()));
    let trouble = prop::option::of("[a-zé ]{0,20}");
    (
        who,
        several(members()),
        several(lag),
        any::<[u64; 6]>(),
        counts,
        trouble,
    )
        .prop_map(
            |(
                (origin, address, is_ready, [known, kept, stable]),
                members,
                lags,
                numbers,
                counts,
                disk_trouble,
            )| {
                Status {
                    origin,
                    address,
                    is_ready,
                    known,
                    kept,
                    stable,
                    members,
                    lags,
                    keys: numbers[0],
                    tombstones: numbers[1],
                    buffered: numbers[2],
                    waiting: numbers[3],
                    logged: (numbers[4], numbers[5]),
                    counts,
                    disk_trouble,
                }
            },
        )
}

fn denials() -> impl Strategy<Value = Deny> {
    let text = || "[a-zé ]{0,20}";
    prop_oneof![
        several(missing()).prop_map(|missing| Deny::Unmet { missing }),
        Just(Deny::NoMember),
        Just(Deny::Joining),
        Just(Deny::Leaving),
        (any::<u32>(), vectors()).prop_map(|(operation, mark)| Deny::Condition { operation, mark }),
        any::<u32>().prop_map(|operation| Deny::WrongType { operation }),
        text().prop_map(|what| Deny::TooLarge { what }),
        text().prop_map(|what| Deny::Malformed { what }),
        Just(Deny::Busy),
        (dots(), any::<u32>(), any::<u32>()).prop_map(|(dot, have, want)| Deny::TooFewCopies {
            dot,
            have,
            want
        }),
        text().prop_map(|why| Deny::Disk { why }),
        Just(Deny::NoSuchMember),
        text().prop_map(|why| Deny::Forbidden { why }),
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    let done = prop::sample::select(vec![Done::Created, Done::Updated, Done::Deleted, Done::Nothing]);
    let present = several((dots(), any::<u64>()));
    let changes = several((keys(), prop::option::of(items())));
    let answer = prop_oneof![
        items().prop_map(Answer::Found),
        Just(Answer::NotFound),
        (several((keys(), items())), prop::option::of(keys()))
            .prop_map(|(items, next)| Answer::Scanned { items, next }),
        (prop::option::of(dots()), several(done)).prop_map(|(dot, done)| Answer::Written { dot, done }),
        (any::<u64>(), dots(), changes).prop_map(|(position, dot, changes)| Answer::Changed(Watched {
            position,
            dot,
            changes
        })),
        several(members()).prop_map(Answer::Members),
        any::<bool>().prop_map(|was_so| Answer::MembersChanged { was_so }),
        statuses().prop_map(|status| Answer::Status(Box::new(status))),
        (present, several((dots(), several(missing()))), several(missing())).prop_map(
            |(present, buffered, unmet)| Answer::Why(Box::new(Why {
                present,
                buffered,
                unmet
            }))
        ),
        denials().prop_map(Answer::Denied),
        Just(Answer::Admitted),
        (any::<u64>(), any::<u64>(), any::<bool>(), bytes()).prop_map(|(number, rows, is_last, bytes)| {
            Answer::Backup(BackupPart {
                number,
                rows,
                is_last,
                bytes,
            })
        }),
    ];
    (vectors(), several(dots()), answer).prop_map(|(token, released, answer)| Reply {
        token,
        released,
        answer,
    })
}

fn encoded(message: &impl Message) -> Vec<u8> {
    let mut body = Vec::new();
    message.encode(&mut body);
    body
}

/// Encodes, decodes and compares; then cuts it everywhere, and adds to it.
fn survives<M: Message + PartialEq + std::fmt::Debug>(message: &M) -> Result<(), TestCaseError> {
    let mut body = encoded(message);
    let read = M::decode(message.kind(), &body);
    prop_assert_eq!(read.as_ref(), Ok(message));
    for cut in 0..body.len() {
        prop_assert!(
            M::decode(message.kind(), &body[..cut]).is_err(),
            "cut at {cut} of {}",
            body.len()
        );
    }
    body.push(0);
    prop_assert_eq!(
        M::decode(message.kind(), &body),
        Err(FieldError::Trailing { bytes: 1 })
    );
    Ok(())
}

/// Whatever is read is written the same: a meaning has one form.
fn reads_one_form<M: Message + std::fmt::Debug>(kind: u8, body: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = M::decode(kind, body) {
        prop_assert_eq!(encoded(&message), body, "{:?}", message);
    }
    Ok(())
}

proptest! {
    #[test]
    fn requests_survive_their_bytes(request in requests()) {
        survives(&request)?;
    }

    #[test]
    fn replies_survive_their_bytes(reply in replies()) {
        survives(&reply)?;
    }

    #[test]
    fn any_bytes_are_a_message_in_its_one_form_or_refused(
        first in 0_u8..12,
        rest in prop::collection::vec(prop_oneof![0_u8..8, any::<u8>()], 0..60),
    ) {
        let body: Vec<u8> = std::iter::once(first).chain(rest).collect();
        reads_one_form::<Request>(REQUEST, &body)?;
        reads_one_form::<Reply>(REPLY, &body)?;
    }

    #[test]
    fn a_changed_byte_is_another_message_or_refused(
        request in requests(), reply in replies(), place in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut body = encoded(&request);
        let at = place.index(body.len());
        body[at] = byte;
        reads_one_form::<Request>(REQUEST, &body)?;
        let mut body = encoded(&reply);
        let at = place.index(body.len());
        body[at] = byte;
        reads_one_form::<Reply>(REPLY, &body)?;
    }
}

fn put(key: usize, value: usize) -> Operation {
    Operation {
        key: vec![7; key].into(),
        change: Change::Put(Value {
            format: Format::Bytes,
            bytes: vec![9; value].into(),
        }),
        condition: Condition::Always,
        lasts_us: None,
    }
}

fn write(operations: Vec<Operation>) -> Request {
    Request {
        token: Token::new(),
        wait_us: 0,
        action: Action::Write {
            operations,
            copies: Copies::One,
        },
    }
}

fn is_read(request: &Request) -> bool {
    match Request::decode(REQUEST, &encoded(request)) {
        Ok(read) => {
            assert_eq!(&read, request);
            true
        }
        Err(_) => false,
    }
}

#[test]
fn limits_hold_to_the_byte() {
    assert!(!is_read(&write(vec![put(0, 0)])));
    assert!(is_read(&write(vec![put(1, 0)])));
    assert!(is_read(&write(vec![put(KEY_BYTES_MAX, 0)])));
    assert!(!is_read(&write(vec![put(KEY_BYTES_MAX + 1, 0)])));
    assert!(is_read(&write(vec![put(1, VALUE_BYTES_MAX)])));
    assert!(!is_read(&write(vec![put(1, VALUE_BYTES_MAX + 1)])));
    assert!(!is_read(&write(Vec::new())));
    assert!(is_read(&write(vec![put(1, 1); BATCH_OPERATIONS_MAX])));
    assert!(!is_read(&write(vec![put(1, 1); BATCH_OPERATIONS_MAX + 1])));
    let scan = |limit| Request {
        token: Token::new(),
        wait_us: 0,
        action: Action::Scan {
            prefix: Box::default(),
            after: None,
            limit,
        },
    };
    assert!(!is_read(&scan(0)) && is_read(&scan(SCAN_ITEMS_MAX)) && !is_read(&scan(SCAN_ITEMS_MAX + 1)));
}

#[test]
fn a_token_that_no_session_has_is_refused() {
    let lives = |count: u32| Request {
        token: (0..count)
            .map(|incarnation| {
                let machine = MachineId(0);
                (
                    Origin {
                        machine,
                        incarnation: incarnation << 24 | 0x0080_0000,
                    },
                    1,
                )
            })
            .collect(),
        wait_us: 0,
        action: Action::Status,
    };
    assert!(is_read(&lives(100)));
    let field = "token";
    let body = encoded(&Request {
        token: (0..40_000)
            .map(|machine| {
                let machine = MachineId(machine);
                (
                    Origin {
                        machine,
                        incarnation: 1,
                    },
                    1,
                )
            })
            .collect(),
        ..lives(0)
    });
    match Request::decode(REQUEST, &body) {
        Err(FieldError::Value { field: named, value }) => {
            assert_eq!(named, field);
            assert!(value > TOKEN_BYTES_MAX as u64);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reply_that_fits_no_frame_says_so() {
    let value = |byte| Value {
        format: Format::Bytes,
        bytes: vec![byte; 600 << 10].into(),
    };
    let mut reply = Reply {
        token: Token::new(),
        released: Vec::new(),
        answer: Answer::Found(Item {
            mark: VersionVector::new(),
            content: Content::Values(vec![value(1), value(2)]),
            ends_us: None,
        }),
    };
    let mut body = vec![1, 2, 3];
    reply.encode(&mut body);
    assert!(body.len() < FRAME_LENGTH_MAX && body.starts_with(&[1, 2, 3]));
    match Reply::decode(REPLY, &body[3..]).unwrap().answer {
        Answer::Denied(Deny::TooLarge { what }) => assert!(what.contains("1228"), "{what}"),
        other => panic!("{other:?}"),
    }
    // One value of the greatest length fits.
    if let Answer::Found(item) = &mut reply.answer {
        item.content = Content::Values(vec![Value {
            format: Format::Json,
            bytes: vec![0; VALUE_BYTES_MAX].into(),
        }]);
    }
    assert_eq!(Reply::decode(REPLY, &encoded(&reply)), Ok(reply));
}

#[test]
fn texts_are_cut_at_a_character() {
    let why = "é".repeat(TEXT_BYTES_MAX);
    let reply = Reply {
        token: Token::new(),
        released: Vec::new(),
        answer: Answer::Denied(Deny::Disk { why }),
    };
    match Reply::decode(REPLY, &encoded(&reply)).unwrap().answer {
        Answer::Denied(Deny::Disk { why }) => assert_eq!(why, "é".repeat(TEXT_BYTES_MAX / 2)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_kinds_are_none_of_it() {
    let request = write(vec![put(1, 1)]);
    assert_eq!(
        Request::decode(REPLY, &encoded(&request)),
        Err(FieldError::Kind { kind: REPLY })
    );
    assert_eq!(
        Reply::decode(REQUEST, &[]),
        Err(FieldError::Kind { kind: REQUEST })
    );
}
