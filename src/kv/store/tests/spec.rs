//! What is under a key, said from the writes alone: the meaning that the store has to have, without its economies.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        operation::{Applied, Change, Stamp, Value, Write},
        request::Content,
    },
};

/// A register's version.
struct Kept {
    rank: (Stamp, Origin),
    value: Option<Value>,
    ends_us: u64,
}

/// The operations on a key among the writes that are known.
fn operations<'a>(
    writes: &'a BTreeMap<Dot, Write>,
    known: &'a VersionVector,
    key: &'a [u8],
) -> Vec<(&'a Write, &'a Applied)> {
    let known = writes.values().filter(|write| known.contains(write.dot));
    let operations = known.flat_map(|write| write.operations.iter().map(move |operation| (write, operation)));
    operations
        .filter(|(_, operation)| *operation.key == *key)
        .collect()
}

/// What a reader who knows these writes finds under the key.
pub(super) fn content(
    writes: &BTreeMap<Dot, Write>,
    known: &VersionVector,
    key: &[u8],
    wall_us: u64,
) -> Option<Content> {
    let operations = operations(writes, known, key);
    let takes_all = |change: &Change| matches!(change, Change::Put(_) | Change::Delete);
    let is_superseded = |dot: Dot, by: &dyn Fn(&Change) -> bool| {
        let mut others = operations.iter().filter(|(_, operation)| by(&operation.change));
        others.any(|(_, operation)| operation.seen.contains(dot))
    };
    let mut versions = Vec::new();
    let mut floor = None;
    let (mut sum, mut is_counted) = (0_i64, false);
    let mut elements = BTreeSet::new();
    for (write, operation) in &operations {
        let (value, ends_us) = match &operation.change {
            Change::Put(value) | Change::PutBeside(value) => (Some(value.clone()), operation.ends_us),
            Change::Delete => (None, None),
            Change::Add(amount) => {
                if !is_superseded(write.dot, &takes_all) {
                    sum = sum.wrapping_add(*amount);
                    is_counted = true;
                }
                continue;
            }
            Change::Insert(inserted) => {
                for element in inserted {
                    let takes = |change: &Change| match change {
                        Change::Remove(removed) => removed.contains(element),
                        other => takes_all(other),
                    };
                    if !is_superseded(write.dot, &takes) {
                        elements.insert(element.clone());
                    }
                }
                continue;
            }
            Change::Remove(_) => continue,
        };
        let rank = (write.stamp, write.dot.origin);
        if value.is_none() {
            floor = floor.max(Some(rank));
        }
        let replaces = |change: &Change| takes_all(change) || matches!(change, Change::PutBeside(_));
        if !is_superseded(write.dot, &replaces) {
            versions.push(Kept {
                rank,
                value,
                ends_us: ends_us.unwrap_or(u64::MAX),
            });
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version.rank));
    versions.retain(|version| Some(version.rank) > floor && version.ends_us > wall_us);
    let values: Vec<Value> = versions.into_iter().filter_map(|version| version.value).collect();
    if !values.is_empty() {
        Some(Content::Values(values))
    } else if is_counted {
        Some(Content::Counter(sum))
    } else if !elements.is_empty() {
        Some(Content::Set(elements.into_iter().collect()))
    } else {
        None
    }
}
