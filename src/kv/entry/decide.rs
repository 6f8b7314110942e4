//! A client's operation on a key, judged by what the accepting replica holds: done, denied, or nothing to do.

use super::{Entry, show::Shown};
use crate::{
    clock::{Origin, VersionVector},
    kv::{
        operation::{
            Applied, Change, Cleared, Condition, ELEMENTS_MAX, Operation, SIBLINGS_MAX, VALUE_BYTES_MAX,
            Value,
        },
        request::{Deny, Done},
    },
};

/// In whose name an operation is judged.
#[derive(Clone, Copy, Debug)]
pub(in crate::kv) struct Asked<'a> {
    /// The accepting replica.
    pub(in crate::kv) origin: Origin,
    /// What the client's session has seen.
    pub(in crate::kv) token: &'a VersionVector,
    /// The wall time.
    pub(in crate::kv) wall_us: u64,
    /// The operation's place in the write, from 0.
    pub(in crate::kv) place: u32,
}

/// Judges an operation whose sizes have been checked; `None`: there is nothing to do.
///
/// # Errors
/// [`Deny`]: the condition does not hold, the key shows another type, or too much would be under it.
pub(in crate::kv) fn decide(
    entry: Option<&Entry>,
    operation: Operation,
    asked: Asked<'_>,
) -> Result<(Option<Applied>, Done), Deny> {
    let Asked { place, wall_us, .. } = asked;
    let shown = entry.map_or(Shown::Nothing, |entry| entry.shown(wall_us));
    if !holds(entry, &operation.condition, wall_us) {
        return Err(Deny::Condition {
            operation: place,
            mark: entry.map(|entry| entry.mark(wall_us)).unwrap_or_default(),
        });
    }
    let fits = match operation.change {
        Change::Put(_) | Change::Delete => true,
        Change::PutBeside(_) => matches!(shown, Shown::Nothing | Shown::Values),
        Change::Add(_) => matches!(shown, Shown::Nothing | Shown::Counter),
        Change::Insert(_) | Change::Remove(_) => matches!(shown, Shown::Nothing | Shown::Set),
    };
    if !fits {
        return Err(Deny::WrongType { operation: place });
    }
    let ends_us = operation
        .lasts_us
        .map(|lasts_us| wall_us.saturating_add(lasts_us).max(1));
    let (to_do, done) = to_do(entry, shown, operation.change, asked)?;
    let key = operation.key;
    let applied = to_do.map(|(change, seen, cleared)| Applied {
        key,
        change,
        seen,
        cleared,
        ends_us,
    });
    Ok((applied, done))
}

/// What there is to do to the key, what of it is superseded, and what that comes to.
type ToDo = (Option<(Change, VersionVector, Cleared)>, Done);

fn to_do(entry: Option<&Entry>, shown: Shown, change: Change, asked: Asked<'_>) -> Result<ToDo, Deny> {
    let done = if shown == Shown::Nothing {
        Done::Created
    } else {
        Done::Updated
    };
    let to_do = |change, seen| Some((change, seen, Cleared::default()));
    Ok(match change {
        Change::Delete if shown == Shown::Nothing => (None, Done::Nothing),
        Change::Put(_) | Change::Delete => {
            let done = if change == Change::Delete {
                Done::Deleted
            } else {
                done
            };
            let (seen, cleared) = entry.map(all_of).unwrap_or_default();
            (Some((change, seen, cleared)), done)
        }
        Change::PutBeside(ref value) => {
            let seen = beside(entry, value, asked)?;
            (to_do(change, seen), done)
        }
        Change::Add(_) => {
            let seen = entry.map(|entry| own_part(entry, asked.origin));
            (to_do(change, seen.unwrap_or_default()), done)
        }
        Change::Insert(elements) => {
            let elements = inserted(entry, elements)?;
            if elements.is_empty() {
                return Ok((None, Done::Nothing));
            }
            (to_do(Change::Insert(elements), VersionVector::new()), done)
        }
        Change::Remove(elements) => {
            let (elements, seen, is_last) = removed(entry, elements);
            if elements.is_empty() {
                return Ok((None, Done::Nothing));
            }
            let done = if is_last { Done::Deleted } else { Done::Updated };
            (to_do(Change::Remove(elements), seen), done)
        }
    })
}

fn holds(entry: Option<&Entry>, condition: &Condition, wall_us: u64) -> bool {
    let is_there = || entry.is_some_and(|entry| entry.shown(wall_us) != Shown::Nothing);
    match condition {
        Condition::Always => true,
        Condition::Absent => !is_there(),
        Condition::Present => is_there(),
        Condition::Unchanged(mark) => match entry {
            Some(entry) => entry.mark(wall_us) == *mark,
            None => mark.is_empty(),
        },
    }
}

/// Everything that is under the key.
fn all_of(entry: &Entry) -> (VersionVector, Cleared) {
    let parts = entry.counter().into_iter().flat_map(|counter| &counter.parts);
    let there = parts.filter(|part| part.is_there());
    let cleared = Cleared {
        sums: there.map(|part| (part.origin, part.sum)).collect(),
        has_set: entry.set().is_some_and(|set| !set.is_empty()),
    };
    (entry.dots(), cleared)
}

/// The versions that the client has seen, if there is room for another beside the rest.
fn beside(entry: Option<&Entry>, value: &Value, asked: Asked<'_>) -> Result<VersionVector, Deny> {
    let mut seen = VersionVector::new();
    let (mut others, mut bytes) = (1, value.bytes.len());
    for version in entry.into_iter().flat_map(Entry::versions) {
        let dot = version.dot();
        if asked.token.contains(dot) {
            seen.raise(dot.origin, dot.number);
        } else {
            others += 1;
            bytes += version.bytes.len();
        }
    }
    if others > SIBLINGS_MAX || bytes > VALUE_BYTES_MAX {
        return Err(Deny::TooLarge {
            what: format!(
                "{others} values beside each other, of {bytes} bytes in all: at most {SIBLINGS_MAX}, of \
                 {VALUE_BYTES_MAX} bytes; read them and write what replaces them"
            ),
        });
    }
    Ok(seen)
}

/// The addition of this origin that a further one goes on from; or, since it begins anew, the write that took away all
/// that the origin had added: it has to be applied everywhere before.
fn own_part(entry: &Entry, origin: Origin) -> VersionVector {
    let part = entry.counter().and_then(|counter| counter.get(origin));
    let superseded = part.map(|part| match part.base {
        Some(base) if !part.is_there() => base.by,
        _ => part.dot(),
    });
    let entry = superseded.map(|dot| (dot.origin, dot.number));
    entry.into_iter().collect()
}

/// The elements, each once, if the set has room for them.
fn inserted(entry: Option<&Entry>, mut elements: Vec<Value>) -> Result<Vec<Value>, Deny> {
    elements.sort_unstable();
    elements.dedup();
    let set = entry.and_then(Entry::set);
    let is_new = |element: &&Value| set.is_none_or(|set| !set.elements.contains_key(*element));
    let all = || {
        let held = set.into_iter().flat_map(|set| set.elements.keys());
        held.chain(elements.iter().filter(is_new))
    };
    let (count, bytes) = (
        all().count(),
        all().map(|element| element.bytes.len()).sum::<usize>(),
    );
    if count > ELEMENTS_MAX || bytes > VALUE_BYTES_MAX {
        return Err(Deny::TooLarge {
            what: format!(
                "a set of {count} elements, of {bytes} bytes in all: at most {ELEMENTS_MAX}, of \
                 {VALUE_BYTES_MAX} bytes"
            ),
        });
    }
    Ok(elements)
}

/// Those of the elements that are in the set, their dots, and whether no others are.
fn removed(entry: Option<&Entry>, mut elements: Vec<Value>) -> (Vec<Value>, VersionVector, bool) {
    let mut seen = VersionVector::new();
    let Some(set) = entry.and_then(Entry::set) else {
        return (Vec::new(), seen, false);
    };
    elements.sort_unstable();
    elements.dedup();
    elements.retain(|element| match set.elements.get(element) {
        Some(dots) => {
            seen.merge(dots);
            true
        }
        None => false,
    });
    let is_last = elements.len() == set.elements.len();
    (elements, seen, is_last)
}
