//! The store against what its callers expect of it.

use super::*;
use crate::{
    clock::Origin,
    kv::{
        operation::{
            BATCH_OPERATIONS_MAX, Change, Condition, ELEMENTS_MAX, Format, KEY_BYTES_MAX, Operation,
            SIBLINGS_MAX, VALUE_BYTES_MAX, Value,
        },
        request::{Content, Deny, Done},
    },
    units::MachineId,
};
use cluster::{Cluster, KEYS};

mod cluster;
mod histories;
mod model;
mod spec;

const ME: Origin = Origin {
    machine: MachineId(1),
    incarnation: 7,
};

fn value(text: &str) -> Value {
    Value {
        format: Format::Bytes,
        bytes: text.as_bytes().into(),
    }
}

fn operation(key: &str, change: Change) -> Operation {
    Operation {
        key: key.as_bytes().into(),
        change,
        condition: Condition::Always,
        lasts_us: None,
    }
}

/// Accepts a write as the only replica there is.
fn write(store: &mut Store, number: u64, operations: Vec<Operation>) -> Vec<Done> {
    let token = VersionVector::new();
    let decided = store.decide(ME, operations, &token, 0).unwrap();
    let stamp = store.stamp() + 1;
    let (mut write, done) = decided.into_write(Dot::new(ME, number), stamp, &token);
    if !write.operations.is_empty() {
        store.apply(&mut write);
    }
    done
}

fn values(store: &Store, key: &str) -> Option<Content> {
    store.get(key.as_bytes(), 0).map(|item| item.content)
}

#[test]
fn a_value_is_put_read_replaced_and_deleted() {
    let mut store = Store::new();
    assert_eq!(
        write(&mut store, 1, vec![operation("k", Change::Put(value("a")))]),
        [Done::Created]
    );
    assert_eq!(
        write(&mut store, 2, vec![operation("k", Change::Put(value("b")))]),
        [Done::Updated]
    );
    assert_eq!(values(&store, "k"), Some(Content::Values(vec![value("b")])));
    assert_eq!((store.keys(), store.tombstones()), (1, 0));
    assert_eq!(
        write(&mut store, 3, vec![operation("k", Change::Delete)]),
        [Done::Deleted]
    );
    assert_eq!(
        write(&mut store, 4, vec![operation("k", Change::Delete)]),
        [Done::Nothing]
    );
    assert_eq!(values(&store, "k"), None);
    assert_eq!((store.keys(), store.tombstones(), store.digest()), (0, 1, 0));
    assert_eq!(
        store.dots(b"k").to_string(),
        "1.7.3",
        "what a read of nothing depends on"
    );
    let stable = store.dots(b"k");
    let collected = store.collect(&stable, 0, None, 10);
    assert_eq!(collected.changed, [Key::from(*b"k")]);
    assert_eq!((store.keys(), store.tombstones()), (0, 0));
    assert_eq!(store.forgotten(), &stable);
}

/// An operation on the first key.
fn on_key(change: Change) -> Vec<Operation> {
    let key = std::str::from_utf8(KEYS[0]).unwrap();
    vec![operation(key, change)]
}

fn content(cluster: &Cluster, at: usize) -> Option<Content> {
    let item = cluster.replicas[at].store.get(KEYS[0], cluster.wall_us);
    item.map(|item| item.content)
}

/// Writes at a replica in a session that has seen nothing, and gives the write's name.
fn accept(cluster: &mut Cluster, at: usize, change: Change) -> Dot {
    let (dot, _) = cluster.write(at, on_key(change), &VersionVector::new()).unwrap();
    dot.unwrap()
}

fn deliver_all(cluster: &mut Cluster) {
    for to in 0..cluster.replicas.len() {
        while let Some(dot) = cluster.deliverable(to).first() {
            cluster.deliver(to, *dot);
        }
    }
}

#[test]
fn the_last_writer_wins_and_the_other_stands_beside() {
    let mut cluster = Cluster::new(2);
    accept(&mut cluster, 0, Change::Put(value("a")));
    accept(&mut cluster, 1, Change::Put(value("b")));
    deliver_all(&mut cluster);
    for at in 0..2 {
        let both = Content::Values(vec![value("b"), value("a")]);
        assert_eq!(
            content(&cluster, at),
            Some(both),
            "equal stamps: the greater origin"
        );
    }
    accept(&mut cluster, 0, Change::Put(value("c")));
    deliver_all(&mut cluster);
    assert_eq!(content(&cluster, 1), Some(Content::Values(vec![value("c")])));
}

#[test]
fn what_a_delete_has_seen_never_returns_and_a_later_concurrent_value_stays() {
    let mut cluster = Cluster::new(3);
    let old = accept(&mut cluster, 0, Change::Put(value("old")));
    cluster.deliver(1, old);
    let delete = accept(&mut cluster, 1, Change::Delete);
    assert!(
        !cluster.deliverable(2).contains(&delete),
        "it depends on what it has seen"
    );
    accept(&mut cluster, 2, Change::Put(value("early")));
    assert_eq!(content(&cluster, 2), Some(Content::Values(vec![value("early")])));
    deliver_all(&mut cluster);
    for at in 0..3 {
        assert_eq!(content(&cluster, at), None, "the deletion is the last writer");
    }
    let token = cluster.replicas[2].known.clone();
    cluster
        .write(2, on_key(Change::Put(value("new"))), &token)
        .unwrap();
    deliver_all(&mut cluster);
    assert_eq!(content(&cluster, 0), Some(Content::Values(vec![value("new")])));
}

#[test]
fn an_increment_that_a_delete_has_not_seen_survives_with_its_own_amount() {
    let mut cluster = Cluster::new(3);
    accept(&mut cluster, 0, Change::Add(5));
    accept(&mut cluster, 1, Change::Add(20));
    deliver_all(&mut cluster);
    accept(&mut cluster, 0, Change::Add(7));
    accept(&mut cluster, 2, Change::Delete);
    accept(&mut cluster, 1, Change::Add(-3));
    deliver_all(&mut cluster);
    for at in 0..3 {
        assert_eq!(content(&cluster, at), Some(Content::Counter(4)));
    }
    accept(&mut cluster, 1, Change::Delete);
    assert_eq!(content(&cluster, 1), None);
    accept(&mut cluster, 1, Change::Add(1));
    deliver_all(&mut cluster);
    assert_eq!(
        content(&cluster, 2),
        Some(Content::Counter(1)),
        "nothing that was taken away returns"
    );
}

/// Else whoever lacks the deletion would lose the amount that it has not seen taken away.
#[test]
fn a_count_that_begins_anew_depends_on_what_took_the_old_one_away() {
    let mut cluster = Cluster::new(3);
    let old = accept(&mut cluster, 0, Change::Add(1));
    cluster.deliver(1, old);
    cluster.deliver(2, old);
    let delete = accept(&mut cluster, 2, Change::Delete);
    cluster.deliver(0, delete);
    let anew = accept(&mut cluster, 0, Change::Add(5));
    assert_eq!(cluster.deliverable(1), [delete]);
    cluster.deliver(1, delete);
    cluster.deliver(1, anew);
    assert_eq!(content(&cluster, 1), Some(Content::Counter(5)));
}

/// Else a replica that forgot the tombstone before the later write, and one that did not, would differ.
#[test]
fn what_a_delete_took_away_does_not_return_beside_a_later_value() {
    let mut cluster = Cluster::new(3);
    accept(&mut cluster, 1, Change::Put(value("old")));
    accept(&mut cluster, 1, Change::Delete);
    let early = accept(&mut cluster, 2, Change::Put(value("early")));
    accept(&mut cluster, 1, Change::Put(value("new")));
    cluster.deliver(0, early);
    deliver_all(&mut cluster);
    for at in 0..3 {
        assert_eq!(content(&cluster, at), Some(Content::Values(vec![value("new")])));
    }
}

#[test]
fn an_element_that_is_added_while_it_is_removed_stays() {
    let mut cluster = Cluster::new(2);
    accept(&mut cluster, 0, Change::Insert(vec![value("a"), value("b")]));
    deliver_all(&mut cluster);
    accept(&mut cluster, 0, Change::Remove(vec![value("a"), value("b")]));
    accept(&mut cluster, 1, Change::Insert(vec![value("a")]));
    deliver_all(&mut cluster);
    for at in 0..2 {
        assert_eq!(content(&cluster, at), Some(Content::Set(vec![value("a")])));
    }
}

#[test]
fn types_that_were_created_concurrently_are_shown_by_one_rule_and_replaced_together() {
    let mut cluster = Cluster::new(3);
    accept(&mut cluster, 0, Change::Put(value("v")));
    accept(&mut cluster, 1, Change::Add(2));
    accept(&mut cluster, 2, Change::Insert(vec![value("e")]));
    deliver_all(&mut cluster);
    assert_eq!(content(&cluster, 1), Some(Content::Values(vec![value("v")])));
    let denied = cluster.write(1, on_key(Change::Add(1)), &VersionVector::new());
    assert_eq!(denied, Err(Deny::WrongType { operation: 0 }));
    accept(&mut cluster, 2, Change::Delete);
    deliver_all(&mut cluster);
    assert_eq!(content(&cluster, 0), None);
}

#[test]
fn values_beside_each_other_are_replaced_by_who_has_read_them() {
    let mut cluster = Cluster::new(1);
    let nobody = VersionVector::new();
    for name in ["a", "b"] {
        cluster
            .write(0, on_key(Change::PutBeside(value(name))), &nobody)
            .unwrap();
    }
    assert_eq!(
        content(&cluster, 0),
        Some(Content::Values(vec![value("b"), value("a")]))
    );
    let token = cluster.replicas[0].store.dots(KEYS[0]);
    cluster
        .write(0, on_key(Change::PutBeside(value("both"))), &token)
        .unwrap();
    assert_eq!(content(&cluster, 0), Some(Content::Values(vec![value("both")])));
    for _ in 1..SIBLINGS_MAX {
        cluster
            .write(0, on_key(Change::PutBeside(value("more"))), &nobody)
            .unwrap();
    }
    let full = cluster.write(0, on_key(Change::PutBeside(value("more"))), &nobody);
    assert!(matches!(full, Err(Deny::TooLarge { .. })), "{full:?}");
    let large = value(&"x".repeat(VALUE_BYTES_MAX));
    cluster
        .write(0, on_key(Change::Put(large.clone())), &nobody)
        .unwrap();
    let full = cluster.write(0, on_key(Change::PutBeside(value("x"))), &nobody);
    assert!(
        matches!(full, Err(Deny::TooLarge { .. })),
        "an answer has to fit a frame: {full:?}"
    );
}

/// A receiver that knows less than what was forgotten is sent everything, and drops what it is not sent.
#[test]
fn a_value_that_was_deleted_and_forgotten_does_not_return_from_an_old_disk() {
    let mut cluster = Cluster::new(2);
    accept(&mut cluster, 0, Change::Put(value("old")));
    deliver_all(&mut cluster);
    let old = cluster.disk(1);
    accept(&mut cluster, 1, Change::Delete);
    deliver_all(&mut cluster);
    cluster.say(1, 0);
    cluster.collect(0);
    assert_eq!((cluster.forgot, cluster.replicas[0].store.tombstones()), (1, 0));
    cluster.restart(1, &old);
    assert_eq!(content(&cluster, 1), Some(Content::Values(vec![value("old")])));
    assert_eq!(
        cluster.replicas[0].store.scope(&cluster.replicas[1].known),
        Scope::Whole
    );
    cluster.transfer(0, 1, 10);
    assert_eq!((cluster.whole, content(&cluster, 1)), (1, None));
    assert_eq!(cluster.replicas[1].store.tombstones(), 0);
}

#[test]
fn a_write_depends_on_what_it_replaces_and_on_what_its_conditions_saw() {
    let mut cluster = Cluster::new(2);
    let first = accept(&mut cluster, 0, Change::Put(value("a")));
    cluster.deliver(1, first);
    let key = std::str::from_utf8(KEYS[0]).unwrap();
    let on_other = Operation {
        condition: Condition::Present,
        ..operation(key, Change::Delete)
    };
    let store = &cluster.replicas[1].store;
    let origin = cluster.replicas[1].origin;
    let token = VersionVector::new();
    let decided = store.decide(origin, vec![on_other], &token, 0).unwrap();
    assert!(decided.depends.contains(first));
    let (write, _) = decided.into_write(Dot::new(origin, 1), store.stamp() + 1, &token);
    assert!(write.dependencies.contains(first));
    let mut absent = on_key(Change::Put(value("b")));
    absent[0].condition = Condition::Absent;
    let denied = store.decide(origin, absent, &token, 0);
    let mark = store.dots(KEYS[0]);
    assert_eq!(
        denied,
        Err(Box::new(Denied {
            deny: Deny::Condition {
                operation: 0,
                mark: mark.clone()
            },
            read: mark.clone(),
        }))
    );
    let mut unchanged = on_key(Change::Put(value("b")));
    unchanged[0].condition = Condition::Unchanged(mark);
    assert!(store.decide(origin, unchanged, &token, 0).is_ok());
}

#[test]
fn a_write_is_done_as_a_whole_or_not_at_all() {
    let mut store = Store::new();
    let both = vec![
        operation("n", Change::Add(1)),
        operation("v", Change::Put(value("x"))),
    ];
    assert_eq!(write(&mut store, 1, both), [Done::Created, Done::Created]);
    let token = VersionVector::new();
    let one_is_wrong = vec![
        operation("v", Change::Put(value("y"))),
        operation("v2", Change::Delete),
        { operation("n", Change::Insert(vec![value("e")])) },
    ];
    let denied = store.decide(ME, one_is_wrong, &token, 0);
    let denied = denied.unwrap_err();
    assert_eq!(denied.deny, Deny::WrongType { operation: 2 });
    assert_eq!(
        denied.read,
        store.dots(b"n"),
        "who is told so has seen what is there"
    );
    assert_eq!(values(&store, "v"), Some(Content::Values(vec![value("x")])));
    let nothing = vec![operation("v2", Change::Delete)];
    assert_eq!(store.decide(ME, nothing, &token, 0).unwrap().operations, []);
}

#[test]
fn what_makes_no_sense_or_is_too_large_is_denied() {
    let store = Store::new();
    let decide = |operations| {
        let decided = store.decide(ME, operations, &VersionVector::new(), 5);
        decided.map_err(|denied| denied.deny)
    };
    let put = |key: &str| operation(key, Change::Put(value("x")));
    let lasting = |change, lasts_us| Operation {
        lasts_us: Some(lasts_us),
        ..operation("k", change)
    };
    let malformed = [
        vec![],
        vec![put("")],
        vec![put("k"), put("j"), put("k")],
        vec![lasting(Change::Put(value("x")), 0)],
        vec![lasting(Change::Add(1), 10)],
    ];
    for operations in malformed {
        let denied = decide(operations.clone());
        assert!(
            matches!(denied, Err(Deny::Malformed { .. })),
            "{operations:?}: {denied:?}"
        );
    }
    let longest = put(&"k".repeat(KEY_BYTES_MAX));
    let largest = operation("k", Change::Put(value(&"x".repeat(VALUE_BYTES_MAX))));
    let elements = |count: usize| (0..count).map(|element| value(&element.to_string())).collect();
    for allowed in [
        vec![longest],
        vec![largest.clone()],
        (0..BATCH_OPERATIONS_MAX)
            .map(|key| put(&key.to_string()))
            .collect(),
        vec![operation("k", Change::Insert(elements(ELEMENTS_MAX)))],
    ] {
        assert!(decide(allowed).is_ok());
    }
    let too_large = [
        vec![put(&"k".repeat(KEY_BYTES_MAX + 1))],
        vec![operation(
            "k",
            Change::Put(value(&"x".repeat(VALUE_BYTES_MAX + 1))),
        )],
        (0..=BATCH_OPERATIONS_MAX)
            .map(|key| put(&key.to_string()))
            .collect(),
        vec![operation("k", Change::Insert(elements(ELEMENTS_MAX + 1)))],
        vec![operation(
            "k",
            Change::Insert(vec![value(&"x".repeat(VALUE_BYTES_MAX)), value("y")]),
        )],
        vec![
            largest,
            operation("j", Change::Put(value(&"x".repeat(VALUE_BYTES_MAX)))),
        ],
    ];
    for operations in too_large {
        let denied = decide(operations);
        assert!(matches!(denied, Err(Deny::TooLarge { .. })), "{denied:?}");
    }
}

#[test]
fn a_write_depends_on_only_so_many_lives() {
    let store = Store::new();
    let put = vec![operation("k", Change::Put(value("x")))];
    let many: VersionVector = (0..=u16::try_from(crate::kv::DEPENDENCIES_MAX).unwrap())
        .map(|machine| {
            (
                Origin {
                    machine: MachineId(machine),
                    incarnation: 1,
                },
                1,
            )
        })
        .collect();
    let denied = store.decide(ME, put, &many, 0).unwrap_err();
    assert!(matches!(denied.deny, Deny::TooLarge { .. }), "{denied:?}");
}

#[test]
fn scans_are_in_order_and_go_on_where_they_ended() {
    let mut store = Store::new();
    let keys = [
        "a",
        "b/1",
        "b/2",
        "b/a key that is longer than what is kept in place",
        "b/z",
        "c",
    ];
    for (key, number) in keys.iter().zip(1..) {
        write(&mut store, number, vec![operation(key, Change::Put(value(key)))]);
    }
    write(&mut store, 7, vec![operation("b/2", Change::Delete)]);
    let names = |items: Vec<(Key, Item)>| -> Vec<String> {
        items
            .into_iter()
            .map(|(key, _)| String::from_utf8(key.into()).unwrap())
            .collect()
    };
    let (items, next) = store.scan(b"b/", None, 10, usize::MAX, 0);
    assert_eq!(
        (names(items), next),
        (vec![keys[1].into(), keys[3].into(), keys[4].into()], None)
    );
    for (limit, bytes_max) in [(1, usize::MAX), (usize::MAX, 1)] {
        let (mut found, mut after, mut calls) = (Vec::new(), None::<Key>, 0);
        loop {
            let (items, next) = store.scan(b"", after.as_deref(), limit, bytes_max, 0);
            assert!(items.len() <= 1);
            found.extend(names(items));
            calls += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(
            found,
            [keys[0], keys[1], keys[3], keys[4], keys[5]],
            "in {calls} calls"
        );
    }
    assert!(store.scan(b"b/", Some(b"b/z"), 10, usize::MAX, 0).0.is_empty());
    assert_eq!(names(store.scan(b"b/", Some(b"a"), 1, usize::MAX, 0).0), ["b/1"]);
    assert!(store.scan(b"", None, 0, usize::MAX, 0).0.is_empty());
}

/// A long stretch of deleted keys ends a scan before it ends the patience of others.
#[test]
fn a_scan_over_many_tombstones_ends_early_and_goes_on() {
    let mut store = Store::new();
    let count = u64::try_from(SCANNED_MAX).unwrap() + 5;
    for number in 1..=count {
        let key = format!("{number:08}");
        write(
            &mut store,
            2 * number,
            vec![operation(&key, Change::Put(value("x")))],
        );
        write(&mut store, 2 * number + 1, vec![operation(&key, Change::Delete)]);
    }
    write(
        &mut store,
        3 * count,
        vec![operation("last", Change::Put(value("x")))],
    );
    let (items, next) = store.scan(b"", None, 10, usize::MAX, 0);
    assert!(items.is_empty());
    let (items, next) = store.scan(b"", next.as_deref(), 10, usize::MAX, 0);
    assert_eq!((items.len(), next), (1, None));
}

#[test]
fn a_value_ends_and_what_is_beside_it_is_shown() {
    let mut cluster = Cluster::new(2);
    accept(&mut cluster, 0, Change::Put(value("stays")));
    let mut ending = on_key(Change::Put(value("ends")));
    ending[0].lasts_us = Some(10);
    cluster.write(1, ending, &VersionVector::new()).unwrap();
    deliver_all(&mut cluster);
    let item = cluster.replicas[0].store.get(KEYS[0], cluster.wall_us).unwrap();
    assert_eq!(item.ends_us, Some(11));
    assert_eq!(item.content, Content::Values(vec![value("ends"), value("stays")]));
    let digest = cluster.replicas[0].store.digest();
    cluster.wall_us = 11;
    assert_eq!(content(&cluster, 0), Some(Content::Values(vec![value("stays")])));
    cluster.say(1, 0);
    cluster.collect(0);
    let store = &cluster.replicas[0].store;
    assert_eq!(
        (cluster.forgot, store.digest(), store.fading.len()),
        (1, digest, 0)
    );
}

/// The numbers of two platforms are compared here: whoever gets another digest has another idea of bytes.
#[test]
fn a_digest_is_the_same_on_every_platform() {
    let mut store = Store::new();
    write(
        &mut store,
        1,
        vec![operation("key", Change::Put(value("a value of some length")))],
    );
    write(
        &mut store,
        2,
        vec![
            operation("n", Change::Add(-4)),
            operation("s", Change::Insert(vec![value("e")])),
        ],
    );
    assert_eq!(format!("{:016x}", store.digest()), "dfca3b2fa89159e5");
}

/// Whatever is new, replaced by a value of the same length or another, taken away, or there several times in a stretch.
#[test]
fn writes_applied_together_are_as_applied_one_by_one() {
    let mut accepting = Store::with_secret([1, 2]);
    let mut writes = Vec::new();
    for number in 1..=5 * u64::try_from(FOUND_TOGETHER).unwrap() {
        let key = |step: u64| format!("key-{}", number * step % 41);
        let text = "x".repeat(usize::try_from(number % 3 * 400).unwrap());
        let mut operations = vec![operation(&key(7), Change::Put(value(&text)))];
        if number % 5 == 0 {
            operations.push(operation(&format!("new-{number}"), Change::Put(value("y"))));
        }
        if number % 11 == 0 {
            operations = vec![operation(&key(3), Change::Delete)];
        }
        if number % 13 == 0 {
            operations = vec![operation("count", Change::Add(1))];
        }
        let decided = accepting
            .decide(ME, operations, &VersionVector::new(), 0)
            .unwrap();
        let stamp = accepting.stamp() + 1;
        let (mut write, _) = decided.into_write(Dot::new(ME, number), stamp, &VersionVector::new());
        if !write.operations.is_empty() {
            writes.push(write.clone());
            accepting.apply(&mut write);
        }
    }
    let (mut one_by_one, mut together) = (Store::new(), Store::with_secret([5, 6]));
    writes
        .clone()
        .iter_mut()
        .for_each(|write| one_by_one.apply(write));
    together.apply_all(&mut writes);
    let rows = [&mut accepting, &mut one_by_one, &mut together].map(|store| {
        let mut rows = Vec::new();
        store.take_changes(|key, bytes| rows.push((key.to_vec(), bytes)));
        (
            rows,
            store.keys(),
            store.tombstones(),
            store.stamp(),
            store.digest(),
        )
    });
    assert!(rows[0].0.len() > 41);
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[1], rows[2]);
}
