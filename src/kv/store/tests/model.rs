//! One replica alone is a plain sequential store: against one that is written down as such.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{ME, operation, value};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        operation::{Change, Condition, Operation, Value},
        request::{Content, Deny, Done},
        store::Store,
    },
};

/// What is under a key.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Value(Value, Option<u64>),
    Counter(i64),
    Set(BTreeSet<Value>),
}

#[derive(Default)]
struct Model(BTreeMap<String, Held>);

impl Model {
    fn end(&mut self, wall_us: u64) {
        self.0
            .retain(|_, held| !matches!(held, Held::Value(_, Some(ends)) if *ends <= wall_us));
    }

    fn content(&self, key: &str) -> Option<Content> {
        self.0.get(key).map(|held| match held {
            Held::Value(value, _) => Content::Values(vec![value.clone()]),
            Held::Counter(sum) => Content::Counter(*sum),
            Held::Set(elements) => Content::Set(elements.iter().cloned().collect()),
        })
    }

    /// Does an operation; `None`: it is of the wrong type.
    fn take(&mut self, key: &str, change: Change, ends_us: Option<u64>) -> Option<Done> {
        let held = self.0.get_mut(key);
        let done = if held.is_some() {
            Done::Updated
        } else {
            Done::Created
        };
        match (change, held) {
            (Change::PutBeside(_), Some(Held::Counter(_) | Held::Set(_)))
            | (Change::Add(_), Some(Held::Value(..) | Held::Set(_)))
            | (Change::Insert(_) | Change::Remove(_), Some(Held::Value(..) | Held::Counter(_))) => {
                return None;
            }
            (Change::Delete | Change::Remove(_), None) => return Some(Done::Nothing),
            (Change::Insert(elements), _) if elements.is_empty() => return Some(Done::Nothing),
            // Told to a session that has seen everything, so it replaces.
            (Change::Put(value) | Change::PutBeside(value), _) => {
                self.0.insert(key.to_owned(), Held::Value(value, ends_us));
            }
            (Change::Delete, Some(_)) => {
                self.0.remove(key);
                return Some(Done::Deleted);
            }
            (Change::Add(amount), Some(Held::Counter(sum))) => *sum = sum.wrapping_add(amount),
            (Change::Add(amount), None) => {
                self.0.insert(key.to_owned(), Held::Counter(amount));
            }
            (Change::Insert(elements), Some(Held::Set(set))) => set.extend(elements),
            (Change::Insert(elements), None) => {
                self.0
                    .insert(key.to_owned(), Held::Set(elements.into_iter().collect()));
            }
            (Change::Remove(elements), Some(Held::Set(set))) => {
                let before = set.len();
                set.retain(|element| !elements.contains(element));
                if set.len() == before {
                    return Some(Done::Nothing);
                }
                if set.is_empty() {
                    self.0.remove(key);
                    return Some(Done::Deleted);
                }
            }
        }
        Some(done)
    }
}

const KEYS: [&str; 3] = ["a", "b", "c"];

fn operations() -> impl Strategy<Value = Operation> {
    let elements = || prop::collection::vec((0_u8..4).prop_map(|n| value(&n.to_string())), 0..3);
    let change = prop_oneof![
        any::<u8>().prop_map(|n| Change::Put(value(&n.to_string()))),
        any::<u8>().prop_map(|n| Change::PutBeside(value(&n.to_string()))),
        Just(Change::Delete),
        any::<i64>().prop_map(Change::Add),
        elements().prop_map(Change::Insert),
        elements().prop_map(Change::Remove),
    ];
    let condition = prop_oneof![
        4 => Just(Condition::Always),
        1 => Just(Condition::Absent),
        1 => Just(Condition::Present),
        1 => Just(Condition::Unchanged(VersionVector::new())),
    ];
    let lasts = prop::option::weighted(0.3, 1_u64..30);
    (0..KEYS.len(), change, condition, lasts).prop_map(|(key, change, condition, lasts_us)| {
        let ends = matches!(change, Change::Put(_) | Change::PutBeside(_));
        Operation {
            condition,
            lasts_us: lasts_us.filter(|_| ends),
            ..operation(KEYS[key], change)
        }
    })
}

proptest! {
    #[test]
    fn a_replica_alone_is_a_sequential_store(
        steps in prop::collection::vec((operations(), 0_u64..5, any::<bool>()), 1..60),
    ) {
        let (mut store, mut model) = (Store::new(), Model::default());
        let (mut number, mut wall_us) = (0, 1);
        let mut known = VersionVector::new();
        for (operation, wait_us, forgets) in steps {
            wall_us += wait_us;
            model.end(wall_us);
            if forgets {
                let before = store.digest();
                store.collect(&known, wall_us, None, 100);
                prop_assert_eq!((store.digest(), store.tombstones()), (before, 0));
            }
            let key = String::from_utf8(operation.key.to_vec()).unwrap();
            let is_there = model.0.contains_key(&key);
            let holds = match operation.condition {
                Condition::Always => true,
                Condition::Absent | Condition::Unchanged(_) => !is_there,
                Condition::Present => is_there,
            };
            let (change, ends_us) = (operation.change.clone(), operation.lasts_us.map(|lasts| wall_us + lasts));
            match store.decide(ME, vec![operation], &known, wall_us).map_err(|denied| denied.deny) {
                Err(Deny::Condition { operation: 0, mark }) => {
                    prop_assert!(!holds);
                    prop_assert_eq!(mark, store.get(key.as_bytes(), wall_us).map(|item| item.mark).unwrap_or_default());
                }
                Err(Deny::WrongType { operation: 0 }) => {
                    prop_assert!(holds);
                    prop_assert_eq!(model.take(&key, change, ends_us), None);
                }
                Err(other) => panic!("{other:?}"),
                Ok(decided) => {
                    prop_assert!(holds);
                    let done = model.take(&key, change, ends_us);
                    prop_assert_eq!(Some(&decided.done[0]), done.as_ref());
                    prop_assert_eq!(decided.operations.is_empty(), done == Some(Done::Nothing));
                    if done != Some(Done::Nothing) {
                        number += 1;
                        let (mut write, _) = decided.into_write(Dot::new(ME, number), store.stamp() + 1, &known);
                        prop_assert!(write.dependencies.is_empty(), "its own order is understood");
                        store.apply(&mut write);
                        known.raise(ME, number);
                    }
                }
            }
            for key in KEYS {
                let item = store.get(key.as_bytes(), wall_us);
                prop_assert_eq!(item.map(|item| item.content), model.content(key));
            }
            let shown = store.scan(b"", None, 10, usize::MAX, wall_us).0;
            prop_assert_eq!(shown.len(), model.0.len());
        }
    }
}
