//! Batches survive their bytes; every truncation and every byte is a batch or an error.

use proptest::prelude::*;

use super::*;
use crate::{kv::operation::Format, units::MachineId};

fn origin(machine: u16, incarnation: u32) -> Origin {
    Origin {
        machine: MachineId(machine),
        incarnation,
    }
}

const OWN: Origin = Origin {
    machine: MachineId(2),
    incarnation: 1_800_000_000,
};

fn vectors() -> impl Strategy<Value = VersionVector> {
    let entry = (
        prop_oneof![Just(OWN), (0_u16..4, 1_u32..3).prop_map(|(m, i)| origin(m, i))],
        1_u64..300,
    );
    prop::collection::vec(entry, 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn values() -> impl Strategy<Value = Value> {
    (any::<bool>(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(is_json, bytes)| Value {
        format: if is_json { Format::Json } else { Format::Bytes },
        bytes: bytes.into(),
    })
}

fn changes() -> impl Strategy<Value = Change> {
    let elements = || prop::collection::vec(values(), 1..4);
    prop_oneof![
        4 => values().prop_map(Change::Put),
        1 => values().prop_map(Change::PutBeside),
        1 => Just(Change::Delete),
        1 => any::<i64>().prop_map(Change::Add),
        1 => elements().prop_map(Change::Insert),
        1 => elements().prop_map(Change::Remove),
    ]
}

fn operations() -> impl Strategy<Value = Applied> {
    let sums = prop::collection::btree_map((0_u16..4, 1_u32..3), any::<i64>(), 0..3);
    (
        prop::collection::vec(any::<u8>(), 1..30),
        changes(),
        vectors(),
        sums,
        any::<bool>(),
        prop::option::of(1_u64..u64::MAX),
    )
        .prop_map(|(key, change, seen, sums, has_set, ends_us)| {
            let clears = matches!(change, Change::Put(_) | Change::Delete);
            let ends = matches!(change, Change::Put(_) | Change::PutBeside(_));
            let sums = sums
                .into_iter()
                .map(|((machine, incarnation), sum)| (origin(machine, incarnation), sum));
            let cleared = Cleared {
                sums: sums.filter(|_| clears).collect(),
                has_set: has_set && clears,
            };
            Applied {
                key: key.into(),
                change,
                seen,
                cleared,
                ends_us: ends_us.filter(|_| ends),
            }
        })
}

/// Writes of one origin, dependencies covering what their operations supersede.
fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write = (1_u64..1000, vectors(), prop::collection::vec(operations(), 1..4));
    (1_u64..1 << 40, prop::collection::vec(write, 1..6)).prop_map(|(first, writes)| {
        let mut stamp = 0;
        let writes = writes.into_iter().zip(first..);
        writes
            .map(|((step, mut dependencies, mut operations), number)| {
                stamp += step;
                operations.sort_by(|a, b| a.key.cmp(&b.key));
                operations.dedup_by(|a, b| a.key == b.key);
                operations
                    .iter()
                    .for_each(|operation| dependencies.merge(&operation.seen));
                dependencies.retain(|origin, _| origin != OWN);
                Write {
                    dot: Dot::new(OWN, number),
                    stamp,
                    dependencies,
                    operations,
                }
            })
            .collect()
    })
}

fn encoded(writes: &[Write]) -> Vec<u8> {
    let mut writer = BatchWriter::new(writes[0].dot.origin, writes[0].dot.number);
    for write in writes {
        assert!(writer.push(write));
    }
    writer.finish()
}

fn decoded(bytes: &[u8]) -> Result<Vec<Write>, FieldError> {
    let mut reader = BatchReader::new(bytes)?;
    let mut writes = Vec::new();
    while let Some(write) = reader.next_write()? {
        writes.push(write);
    }
    Ok(writes)
}

proptest! {
    #[test]
    fn batches_survive_their_bytes_and_truncation_is_told(writes in writes()) {
        let bytes = encoded(&writes);
        let reader = BatchReader::new(&bytes).unwrap();
        prop_assert_eq!((reader.origin(), reader.first()), (OWN, writes[0].dot.number));
        prop_assert_eq!(reader.last(), writes.last().unwrap().dot.number);
        prop_assert_eq!(decoded(&bytes), Ok(writes));
        for cut in 0..bytes.len() {
            prop_assert!(decoded(&bytes[..cut]).is_err());
        }
        let mut longer = bytes;
        longer.push(0);
        prop_assert_eq!(decoded(&longer), Err(FieldError::Trailing { bytes: 1 }));
    }

    #[test]
    fn any_bytes_are_a_batch_in_its_one_form_or_an_error(
        writes in writes(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = decoded(&noise);
        let mut bytes = encoded(&writes);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(writes) = decoded(&bytes) {
            prop_assert_eq!(encoded(&writes), bytes);
        }
    }

    #[test]
    fn a_full_batch_is_as_it_was(size in 100_000_usize..700_000) {
        let mut writer = BatchWriter::new(OWN, 1);
        let mut number = 1;
        while writer.push(&plain(number, size)) {
            number += 1;
        }
        prop_assert_eq!(writer.next(), number);
        prop_assert_eq!(u64::from(writer.len()), number - 1);
        let bytes = writer.finish();
        prop_assert!(bytes.len() <= BATCH_BYTES_MAX && bytes.len() + size + 64 > BATCH_BYTES_MAX);
        prop_assert_eq!(decoded(&bytes).unwrap().len() as u64, number - 1);
    }
}

fn plain(number: u64, size: usize) -> Write {
    Write {
        dot: Dot::new(OWN, number),
        stamp: number,
        dependencies: VersionVector::new(),
        operations: vec![Applied {
            key: b"key".as_slice().into(),
            change: Change::Put(Value {
                format: Format::Bytes,
                bytes: vec![7; size].into(),
            }),
            seen: VersionVector::new(),
            cleared: Cleared::default(),
            ends_us: None,
        }],
    }
}

/// Makes a write wrong.
type Spoil<'a> = &'a dyn Fn(&mut Write);

/// A writer has no limits but the batch's, so that it makes what a reader has to refuse.
#[test]
fn what_exceeds_a_limit_is_refused() {
    let with = |change: Spoil<'_>| {
        let mut write = plain(1, 5);
        change(&mut write);
        decoded(&encoded(&[write]))
    };
    assert!(with(&|_| {}).is_ok());
    let refused: &[(&str, Spoil<'_>)] = &[
        ("key", &|write| write.operations[0].key = Box::default()),
        ("key", &|write| {
            write.operations[0].key = vec![1; KEY_BYTES_MAX + 1].into()
        }),
        ("value", &|write| {
            *write = plain(1, crate::kv::VALUE_BYTES_MAX + 1)
        }),
        ("operations", &|write| write.operations.clear()),
        ("operations", &|write| {
            let operation = write.operations[0].clone();
            let keys = (0..=BATCH_OPERATIONS_MAX).map(|key| key.to_string().into_bytes());
            let operations = keys.map(|key| Applied {
                key: key.into(),
                ..operation.clone()
            });
            write.operations = operations.collect();
        }),
        ("elements", &|write| {
            write.operations[0].change = Change::Insert(Vec::new())
        }),
        ("elements", &|write| {
            let element = Value {
                format: Format::Json,
                bytes: Box::default(),
            };
            write.operations[0].change = Change::Remove(vec![element; ELEMENTS_MAX + 1]);
        }),
        ("stamp", &|write| write.stamp = STAMP_MAX + 1),
        ("ends_us", &|write| write.operations[0].ends_us = Some(0)),
        ("operation", &|write| {
            write.operations[0].change = Change::Delete;
            write.operations[0].ends_us = Some(1);
        }),
        ("dependency", &|write| {
            write.dependencies = [(OWN, 5)].into_iter().collect()
        }),
    ];
    for (expected, change) in refused {
        match with(change) {
            Err(FieldError::Value { field, .. }) => assert_eq!(field, *expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let twice = with(&|write| write.operations.push(write.operations[0].clone()));
    assert_eq!(twice, Err(FieldError::Text { field: "key" }));
}

#[test]
#[should_panic(expected = "behind")]
fn a_write_out_of_its_turn_is_our_own_mistake() {
    BatchWriter::new(OWN, 1).push(&plain(2, 0));
}
