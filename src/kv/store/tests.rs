//! The store against what its callers expect of it.

use super::*;
use crate::{
    clock::Origin,
    kv::{
        operation::{Change, Condition, Format, Operation, Value},
        request::{Content, Done},
    },
    units::MachineId,
};

mod cluster;
mod histories;
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
