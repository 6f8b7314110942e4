//! Messages survive their bytes, and bytes that are none do no harm.

use proptest::prelude::*;

use super::*;
use crate::{
    clock::{Dot, Origin},
    kv::{
        Change, Format, Value, Write,
        members::Status,
        operation::{Applied, Cleared},
        sealed::Unsealed,
    },
    wire::Message as _,
};

fn origin() -> impl Strategy<Value = Origin> {
    (0_u16..5, 0_u32..4).prop_map(|(machine, incarnation)| Origin {
        machine: MachineId(machine),
        incarnation,
    })
}

fn vector() -> impl Strategy<Value = VersionVector> {
    prop::collection::vec((origin(), 1_u64..1_000_000), 0..6)
        .prop_map(|entries| entries.into_iter().collect())
}

fn report() -> impl Strategy<Value = Report> {
    let flag = prop_oneof![Just(Readiness::Joining), Just(Readiness::Ready)];
    let digests = (any::<u64>(), any::<u64>());
    (any::<u64>(), any::<u64>(), flag, vector(), vector(), digests).prop_map(
        |(heard, gap_us, readiness, known, kept, (members_digest, lives_digest))| Report {
            heard,
            gap_us,
            readiness,
            known,
            kept,
            members_digest,
            lives_digest,
        },
    )
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let status = prop_oneof![
        Just(Status::Present),
        Just(Status::Draining),
        Just(Status::Removed),
        Just(Status::Left),
        Just(Status::Lost)
    ];
    let record = (any::<u16>(), any::<u64>(), any::<u32>(), status);
    prop::collection::btree_map(any::<u16>(), record, 0..5).prop_map(|records| {
        let record = |(id, (port, version, incarnation, status)): (u16, (u16, u64, u32, Status))| Record {
            id: MachineId(id),
            version,
            incarnation,
            status,
            address: format!("store-{id}:{}", port.max(1)).parse().unwrap(),
        };
        records.into_iter().map(record).collect()
    })
}

fn batch() -> impl Strategy<Value = Arc<Batch>> {
    let key = prop::collection::vec(any::<u8>(), 1..10);
    let writes = prop::collection::vec((key, prop::collection::vec(any::<u8>(), 0..30), vector()), 1..5);
    (origin(), 1_u64..1000, writes).prop_map(|(origin, first, writes)| {
        let mut batch = Unsealed::new(origin, first);
        for (number, (key, bytes, mut dependencies)) in (first..).zip(writes) {
            dependencies.retain(|other, _| other != origin);
            let value = Value {
                format: Format::Bytes,
                bytes: bytes.into(),
            };
            assert!(batch.push(&Write {
                dot: Dot::new(origin, number),
                stamp: number * 3,
                dependencies,
                operations: vec![Applied {
                    key: key.into(),
                    change: Change::Put(value),
                    seen: VersionVector::new(),
                    cleared: Cleared::default(),
                    ends_us: None,
                }],
            }));
        }
        Arc::new(batch.seal().unwrap())
    })
}

fn message() -> impl Strategy<Value = Message> {
    let scope = prop_oneof![Just(Scope::Beyond), Just(Scope::Whole)];
    let more = prop_oneof![Just(More::No), Just(More::Yes)];
    let wants = prop_oneof![Just(Wants::Nothing), Just(Wants::Known), Just(Wants::Kept)];
    let number = any::<u64>();
    prop_oneof![
        (report(), vector(), records()).prop_map(|(report, stable, members)| {
            Message::Introduce(Box::new(Introduce {
                address: "10.0.0.1:8090".parse().unwrap(),
                report,
                stable,
                members,
            }))
        }),
        (number, wants, prop::collection::vec(batch(), 0..4)).prop_map(|(clock, wants, batches)| {
            Message::Writes(Writes {
                clock,
                wants,
                batches,
            })
        }),
        report().prop_map(|report| Message::Acknowledge(Box::new(report))),
        report().prop_map(|report| Message::Heartbeat(Box::new(report))),
        records().prop_map(Message::Members),
        (number, vector()).prop_map(|(number, known)| Message::Pull { number, known }),
        (number, more).prop_map(|(number, more)| Message::Pulled { number, more }),
        (number, vector(), scope, vector(), 0..=STAMP_MAX).prop_map(
            |(number, known, scope, forgotten, stamp)| Message::TransferBegin {
                number,
                known,
                scope,
                forgotten,
                stamp,
            }
        ),
        (number, number, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(number, part, bytes)| {
            let bytes = bytes.into();
            Message::TransferPart { number, part, bytes }
        }),
        (number, number).prop_map(|(number, parts)| Message::TransferEnd { number, parts }),
        (number, number).prop_map(|(number, parts)| Message::TransferCredit { number, parts }),
    ]
}

proptest! {
    #[test]
    fn messages_survive_their_bytes(message in message()) {
        let mut body = Vec::new();
        message.encode(&mut body);
        prop_assert_eq!(Message::decode(message.kind(), &body), Ok(message.clone()));
        let is_open = matches!(message, Message::Writes(_) | Message::TransferPart { .. });
        for cut in 0..body.len() {
            let read = Message::decode(message.kind(), &body[..cut]);
            prop_assert!(read.is_err() || is_open, "{cut} of {message:?}");
        }
        if !is_open {
            body.push(0);
            prop_assert!(Message::decode(message.kind(), &body).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_as_what_would_be_written_or_refused(
        kind in 0x1F_u8..0x2D,
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        if let Ok(message) = Message::decode(kind, &body) {
            let mut again = Vec::new();
            message.encode(&mut again);
            prop_assert_eq!(again, body);
            if let Message::Writes(writes) = message {
                for batch in writes.batches {
                    // The writes are read later: they may be wrong, and are told so.
                    let _read = batch.writes();
                }
            }
        }
    }

    #[test]
    fn changed_bytes_of_a_message_do_no_harm(
        message in message(),
        at in any::<prop::sample::Index>(),
        bits in 1_u8..,
    ) {
        let mut body = Vec::new();
        message.encode(&mut body);
        if !body.is_empty() {
            let place = at.index(body.len());
            body[place] ^= bits;
            if let Ok(Message::Writes(writes)) = Message::decode(message.kind(), &body) {
                for batch in writes.batches {
                    let _read = batch.writes();
                }
            }
        }
    }
}
