//! Keys, values and refusals in words for a person. Nothing from a store reaches a terminal as a control character.

use std::fmt::Write;

use crate::{
    clock::{Dot, VersionVector},
    kv::{Content, Deny, Done, Item, Member, Missing, Standing, Value},
    service::Address,
    units::MachineId,
};

/// Bytes as text: what cannot be shown stands as `\xNN`.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a text cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A value as text: line feeds and tabs of a text stay.
pub(super) fn value(value: &Value) -> String {
    let is_plain = |text: &&str| {
        !text
            .chars()
            .any(|one| one.is_control() && one != '\n' && one != '\t')
    };
    match std::str::from_utf8(&value.bytes).ok().filter(is_plain) {
        Some(text) => text.to_owned(),
        None => shown(&value.bytes),
    }
}

/// A value on one line.
pub(super) fn value_line(value: &Value) -> String {
    shown(&value.bytes)
}

/// What is under a key, on one line.
pub(super) fn item_line(item: &Item) -> String {
    match &item.content {
        Content::Values(values) => {
            let mut text = values.first().map(value_line).unwrap_or_default();
            if let [_, others @ ..] = values.as_slice()
                && !others.is_empty()
            {
                let others: Vec<String> = others.iter().map(value_line).collect();
                let _ = write!(text, "   (written concurrently: {})", others.join(", "));
            }
            text
        }
        Content::Counter(sum) => format!("{sum}   (a counter)"),
        Content::Set(elements) => {
            let elements: Vec<String> = elements.iter().map(value_line).collect();
            format!("{{{}}}   (a set)", elements.join(", "))
        }
    }
}

/// A write by its name.
pub(super) fn dot(dot: Dot) -> String {
    let origin = dot.origin;
    format!(
        "{} of machine {} (life {})",
        dot.number, origin.machine, origin.incarnation
    )
}

/// What an operation came to.
pub(super) fn done(done: Done) -> &'static str {
    match done {
        Done::Created => "created",
        Done::Updated => "updated",
        Done::Deleted => "deleted",
        Done::Nothing => "nothing to do",
    }
}

/// How a member stands; one that was never heard of is neither alive nor dead.
pub(super) fn standing(member: &Member) -> &'static str {
    match member.standing {
        Standing::Alive if member.incarnation == 0 => "not met yet",
        Standing::Myself => "answers",
        Standing::Alive => "alive",
        Standing::Suspected => "suspected",
        Standing::Draining => "draining",
        Standing::Removed => "removed",
        Standing::Left => "left",
        Standing::Lost => "lost",
    }
}

/// What it means that these were removed, and may come back.
pub(super) fn held_back_by(removed: &[MachineId]) -> String {
    let ids: Vec<String> = removed.iter().map(ToString::to_string).collect();
    let (machine, it) = match removed {
        [_] => ("machine", "it is a member again, was drained, or is"),
        _ => ("machines", "they are members again, were drained, or are"),
    };
    format!(
        "writes and deletions are kept for {machine} {}, until {it} removed with --lost",
        ids.join(", ")
    )
}

/// A write that is missing, how far the replica is, and who has it.
pub(super) fn missing(missing: &Missing) -> String {
    let here = match missing.have {
        0 => "none of that life is here".to_owned(),
        have => format!("here are those up to {have}"),
    };
    let holders = match missing.seen_by.as_slice() {
        [] => format!(
            "machine {} accepted it, and nobody else is known to have it",
            missing.dot.origin.machine
        ),
        [one] => format!("machine {one} has it"),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("machines {} have it", several.join(", "))
        }
    };
    format!("write {}: {here}; {holders}", dot(missing.dot))
}

/// How many writes of whom, a line each.
pub(super) fn vector(vector: &VersionVector, indent: &str) -> String {
    let mut text = String::new();
    for (origin, number) in vector.iter() {
        let _ = writeln!(
            text,
            "{indent}machine {} (life {}): {number}",
            origin.machine, origin.incarnation
        );
    }
    text
}

/// Why a replica did not do it, and what to do.
pub(super) fn denied(machine: MachineId, address: &Address, deny: &Deny) -> String {
    let who = format!("machine {machine} at {address}");
    match deny {
        Deny::Unmet { missing: lacks } => {
            let mut text = format!("{who} does not have yet what this session has seen:");
            for lack in lacks {
                let _ = write!(text, "\n            {}", missing(lack));
            }
            text.push_str("\n          wait longer (--wait), or ask another replica (--at)");
            text
        }
        Deny::NoMember => format!(
            "{who} is no member of any view: `clocklab kv members add {machine}={address} --at HOST:PORT`, the address of one that is"
        ),
        Deny::Joining => format!("{who} is new and does not have the data yet: ask another, or again"),
        Deny::Leaving => format!("{who} leaves, or stops: ask another (--at)"),
        Deny::Condition { operation, mark } => {
            format!(
                "the condition of operation {} does not hold: the key's mark is {mark}",
                operation + 1
            )
        }
        Deny::WrongType { operation } => format!(
            "operation {} does not fit what its key holds, such as adding to a value: `clocklab kv get` shows it; delete it first, \
             or use another key",
            operation + 1
        ),
        Deny::TooLarge { what } => format!("{who}: too large: {}", shown(what.as_bytes())),
        Deny::Malformed { what } => format!("{who}: this makes no sense: {}", shown(what.as_bytes())),
        Deny::Busy => format!("{who} has too many requests already: ask again later"),
        Deny::TooFewCopies {
            dot: name,
            have,
            want,
        } => format!(
            "write {} is made at machine {machine} and will reach the others, but {have} of the {want} copies that were asked for \
             were there in time; do not write it again",
            dot(*name)
        ),
        Deny::Disk { why } => format!(
            "{who} cannot write to its disk and only reads ({}); whether a write that was just being made stays is not known: look, \
             and write at another replica",
            shown(why.as_bytes())
        ),
        Deny::Forbidden { why } => shown(why.as_bytes()).to_string(),
        Deny::NoSuchMember => "there is no such member: `clocklab kv members` lists them".to_owned(),
    }
}
