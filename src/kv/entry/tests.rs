//! Entries as bytes: one form each, and any bytes are an entry or an error. What entries mean is tested with the store.

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Origin,
    kv::operation::{Cleared, Format, Value},
    units::MachineId,
};

fn dot(machine: u16, number: u64) -> Dot {
    let origin = Origin {
        machine: MachineId(machine),
        incarnation: 1,
    };
    Dot::new(origin, number)
}

fn applied(change: Change, ends_us: Option<u64>) -> Applied {
    Applied {
        key: b"k".as_slice().into(),
        change,
        seen: VersionVector::new(),
        cleared: Cleared::default(),
        ends_us,
    }
}

fn values() -> impl Strategy<Value = Value> {
    (any::<bool>(), prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(is_json, bytes)| Value {
        format: if is_json { Format::Json } else { Format::Bytes },
        bytes: bytes.into(),
    })
}

fn vectors() -> impl Strategy<Value = VersionVector> {
    let entries = prop::collection::vec((0_u16..4, 1_u64..30), 0..3);
    entries.prop_map(|entries| {
        let dots = entries.into_iter().map(|(machine, number)| dot(machine, number));
        dots.map(|dot| (dot.origin, dot.number)).collect()
    })
}

/// An operation, whether or not a replica would accept it.
fn operations() -> impl Strategy<Value = Applied> {
    let elements = || prop::collection::vec(values(), 0..3);
    let change = prop_oneof![
        values().prop_map(Change::Put),
        values().prop_map(Change::PutBeside),
        Just(Change::Delete),
        any::<i64>().prop_map(Change::Add),
        elements().prop_map(Change::Insert),
        elements().prop_map(Change::Remove),
    ];
    let sums = prop::collection::btree_map(0_u16..4, any::<i64>(), 0..3);
    let parts = (
        change,
        vectors(),
        sums,
        any::<bool>(),
        prop::option::of(1_u64..1 << 50),
    );
    parts.prop_map(|(change, seen, sums, has_set, ends_us)| {
        let sums = sums
            .into_iter()
            .map(|(machine, sum)| (dot(machine, 1).origin, sum));
        let cleared = Cleared {
            sums: sums.collect(),
            has_set,
        };
        Applied {
            seen,
            cleared,
            ..applied(change, ends_us)
        }
    })
}

/// Entries as any operations leave them, in turn.
fn entries() -> impl Strategy<Value = Entry> {
    let steps = prop::collection::vec((operations(), 0_u16..4, 0_u64..50), 1..8);
    steps.prop_map(|steps| {
        let mut entry: Option<Entry> = None;
        for ((mut operation, machine, stamp), number) in steps.into_iter().zip(1..) {
            let dot = dot(machine, number);
            match &mut entry {
                Some(entry) => entry.apply(dot, stamp, &mut operation),
                None => entry = Some(Entry::new(dot, stamp, &mut operation)),
            }
        }
        entry.unwrap()
    })
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    bytes
}

/// What is stable, closed under the causality that an entry itself shows: a write that took additions away had seen them, so
/// who has it has them. What is stable in a store is closed: nobody has a write before what it depends on. Vectors that
/// are drawn are not, and a part is forgotten by what took it away, whether or not its own last addition is among them.
fn closed(stable: &VersionVector, entry: &Entry) -> VersionVector {
    let mut closed = stable.clone();
    for part in entry.counter().into_iter().flat_map(|counter| &counter.parts) {
        if let Some(base) = part.base.filter(|base| stable.contains(base.by)) {
            closed.raise(part.origin, base.number);
        }
    }
    closed
}

proptest! {
    #[test]
    fn entries_survive_their_bytes_and_truncation_is_told(entry in entries()) {
        let bytes = encoded(&entry);
        match &entry {
            Entry::One(_) => prop_assert_eq!(bytes.len(), entry.encoded_bytes()),
            Entry::Many(_) => prop_assert!(bytes.len() >= entry.encoded_bytes()),
        }
        prop_assert_eq!(Entry::decode(&bytes), Ok(entry));
        for cut in 0..bytes.len() {
            prop_assert!(Entry::decode(&bytes[..cut]).is_err());
        }
        let mut longer = bytes;
        longer.push(0);
        prop_assert!(Entry::decode(&longer).is_err());
    }

    #[test]
    fn any_bytes_are_an_entry_in_its_one_form_or_an_error(
        entry in entries(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = encoded(&entry);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        for bytes in [bytes, noise] {
            if let Ok(entry) = Entry::decode(&bytes) {
                prop_assert_eq!(encoded(&entry), bytes);
            }
        }
    }

    /// Whatever a peer makes of the rules: entries that no replica would have made are merged without a panic, and
    /// forgetting takes from them what it says, and nothing that is not stable.
    #[test]
    fn absurd_entries_are_merged(
        mine in prop::option::of(entries()),
        theirs in prop::option::of(entries()),
        known in (vectors(), vectors()),
        mut operation in operations(),
    ) {
        let merged = Entry::merged(mine, &known.0, theirs, &known.1);
        if let Some(mut merged) = merged {
            merged.apply(dot(1, 60), 60, &mut operation);
            let bytes = encoded(&merged);
            prop_assert_eq!(Entry::decode(&bytes), Ok(merged.clone()));
            let (had, stable) = (merged.dots(), closed(&known.0, &merged));
            let mut forgotten = VersionVector::new();
            let outcome = merged.collect(&known.0, 1 << 40, &mut forgotten);
            prop_assert!(stable.covers(&forgotten), "{stable} does not cover {forgotten}");
            let mut all = if outcome.is_empty { VersionVector::new() } else { merged.dots() };
            all.merge(&forgotten);
            prop_assert_eq!(all, had, "what it had is what is left and what it says it has forgotten");
            prop_assert!(outcome.has_changed || forgotten.is_empty());
            let _ = (merged.item(0), merged.present(), merged.digest(b"k"));
        }
    }

    #[test]
    fn merging_with_itself_changes_nothing(entry in entries()) {
        let known: VersionVector = (0..4).map(|machine| (dot(machine, 1).origin, 100)).collect();
        let merged = Entry::merged(Some(entry.clone()), &known, Some(entry.clone()), &known);
        prop_assert_eq!(merged, Some(entry));
    }
}

#[test]
fn a_first_write_that_changes_nothing_still_leaves_its_dot() {
    let entry = Entry::new(dot(1, 4), 9, &mut applied(Change::Remove(Vec::new()), None));
    assert_eq!(entry.dots().to_string(), "1.1.4");
    assert!(!entry.class().is_there && entry.class().has_memory);
}

#[test]
fn entries_not_in_their_one_form_are_refused() {
    let mut entry = Entry::new(dot(1, 4), 9, &mut applied(Change::Add(1), None));
    entry.apply(dot(2, 5), 8, &mut applied(Change::Delete, None));
    entry.apply(dot(3, 5), 9, &mut applied(Change::Delete, None));
    let bytes = encoded(&entry);
    assert!(Entry::decode(&bytes).is_ok());
    let refused: &[(&str, &[u8])] = &[
        ("nothing at all", &[0]),
        ("a counter without parts", &[1, 0]),
        ("a set that is empty", &[2, 0, 0]),
        (
            "a tombstone with something below it",
            &[8, 1, 1, 1, 9, 0, 1, 1, 2, 8, 0],
        ),
        ("ascending stamps", &[8, 1, 1, 1, 8, 1, 0, 1, 1, 2, 9, 1, 0]),
        ("a form that is none", &[4, 1, 1, 1, 9, 3, 0]),
        ("a value that ends at no time", &[4, 1, 1, 1, 9, 2, 0, 0]),
        ("a part that ends before its start", &[1, 1, 1, 1, 5, 4, 2, 0]),
        ("a base before the start", &[1, 1, 1, 1, 5, 6, 2, 4, 2, 1, 1, 7]),
    ];
    for (why, bytes) in refused {
        assert!(Entry::decode(bytes).is_err(), "{why}");
    }
}
