//! An entry as bytes, for rows of the disk and for transfers of state (protocol.md, "Layout of writes").
//!
//! An entry has one form, so equal entries have equal bytes, and what is read is what would be written.

use super::{
    Entry, Many,
    counter::{Base, Part},
    set::Set,
    version::{Holds, Version},
};
use crate::{
    clock::VersionVector,
    kv::{
        bytes::{
            dot_bytes, read_dot, read_number, read_origin, read_signed, read_value, value_size, write_dot,
            write_origin, write_signed, write_value,
        },
        operation::STAMP_MAX,
    },
    wire::{FieldError, Fields, varint_bytes, write_varint},
};

/// In the head: a counter follows the versions.
const COUNTER: u64 = 1;
/// In the head: a set follows.
const SET: u64 = 2;
/// The head's lowest bit of the number of versions.
const VERSIONS_SHIFT: u32 = 2;

// The form of a version.
const TOMBSTONE: u8 = 0;
const VALUE: u8 = 1;
const VALUE_WITH_END: u8 = 2;

impl Entry {
    /// Its bytes.
    pub(in crate::kv) fn encode(&self, body: &mut Vec<u8>) {
        let (parts, set) = match self {
            Self::One(_) => (&[][..], None),
            Self::Many(many) => (many.counter.parts.as_slice(), Some(&many.set)),
        };
        let set = set.filter(|set| !set.is_empty());
        let mut head = (self.versions().len() as u64) << VERSIONS_SHIFT;
        if !parts.is_empty() {
            head |= COUNTER;
        }
        if set.is_some() {
            head |= SET;
        }
        write_varint(head, body);
        self.versions()
            .iter()
            .for_each(|version| encode_version(version, body));
        if !parts.is_empty() {
            write_varint(parts.len() as u64, body);
            parts.iter().for_each(|part| encode_part(part, body));
        }
        if let Some(set) = set {
            encode_set(set, body);
        }
    }

    /// How long it is as bytes; of several versions, a counter or a set at least so long.
    pub(in crate::kv) fn encoded_bytes(&self) -> usize {
        self.versions()
            .iter()
            .fold(1, |bytes, version| bytes + version_bytes(version))
    }

    /// Reads what [`encode`](Self::encode) wrote, to the end of the bytes.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that are no entry in its one form.
    pub(in crate::kv) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(bytes);
        let head = fields.varint("head")?;
        let mut many = Many::default();
        for _ in 0..head >> VERSIONS_SHIFT {
            let version = decode_version(&mut fields)?;
            let last = many.versions.last();
            if last.is_some_and(|last| last.is_tombstone() || last.rank() <= version.rank()) {
                return Err(wrong("stamp", version.stamp));
            }
            many.versions.push(version);
        }
        if head & COUNTER != 0 {
            for _ in 0..read_number(&mut fields, "parts")? {
                let part = decode_part(&mut fields)?;
                let parts = &mut many.counter.parts;
                if parts.last().is_some_and(|last| last.origin >= part.origin) {
                    return Err(wrong("machine", u64::from(part.origin.machine.0)));
                }
                parts.push(part);
            }
        }
        if head & SET != 0 {
            many.set = decode_set(&mut fields)?;
        }
        fields.end()?;
        Self::Many(Box::new(many)).in_shape().ok_or(wrong("head", head))
    }
}

fn encode_version(version: &Version, body: &mut Vec<u8>) {
    write_dot(version.dot(), body);
    write_varint(version.stamp, body);
    let Holds::Value(format) = version.holds else {
        body.push(TOMBSTONE);
        return;
    };
    match version.ends_us {
        None => body.push(VALUE),
        Some(ends_us) => {
            body.push(VALUE_WITH_END);
            write_varint(ends_us.get(), body);
        }
    }
    write_varint(value_size(format, version.bytes.len()), body);
    body.extend_from_slice(&version.bytes);
}

fn version_bytes(version: &Version) -> usize {
    let ends = version.ends_us.map_or(0, |ends_us| varint_bytes(ends_us.get()));
    let value = match version.holds {
        Holds::Value(format) => varint_bytes(value_size(format, version.bytes.len())) + version.bytes.len(),
        Holds::Nothing => 0,
    };
    dot_bytes(version.dot()) + varint_bytes(version.stamp) + 1 + ends + value
}

fn decode_version(fields: &mut Fields<'_>) -> Result<Version, FieldError> {
    let dot = read_dot(fields)?;
    let stamp = fields.varint("stamp")?;
    if stamp > STAMP_MAX {
        return Err(wrong("stamp", stamp));
    }
    let ends_us = match fields.u8("form")? {
        TOMBSTONE => return Ok(Version::tombstone(dot, stamp)),
        VALUE => None,
        VALUE_WITH_END => Some(read_number(fields, "ends_us")?),
        other => return Err(wrong("form", u64::from(other))),
    };
    Ok(Version::value(dot, stamp, read_value(fields)?, ends_us))
}

fn encode_part(part: &Part, body: &mut Vec<u8>) {
    write_origin(part.origin, body);
    write_varint(part.start, body);
    write_varint(part.number, body);
    write_signed(part.sum, body);
    write_varint(part.base.map_or(0, |base| base.number), body);
    if let Some(base) = part.base {
        write_signed(base.sum, body);
        write_dot(base.by, body);
    }
}

fn decode_part(fields: &mut Fields<'_>) -> Result<Part, FieldError> {
    let origin = read_origin(fields)?;
    let start = read_number(fields, "start")?;
    let number = read_number(fields, "number")?;
    let sum = read_signed(fields, "sum")?;
    let base = match fields.varint("base")? {
        0 => None,
        number => Some(Base {
            number,
            sum: read_signed(fields, "base_sum")?,
            by: read_dot(fields)?,
        }),
    };
    if number < start {
        return Err(wrong("number", number));
    }
    if let Some(base) = base.filter(|base| base.number < start) {
        return Err(wrong("base", base.number));
    }
    Ok(Part {
        origin,
        start,
        number,
        sum,
        base,
    })
}

fn encode_set(set: &Set, body: &mut Vec<u8>) {
    set.removals.encode(body);
    write_varint(set.elements.len() as u64, body);
    for (element, dots) in &set.elements {
        write_value(element, body);
        dots.encode(body);
    }
}

fn decode_set(fields: &mut Fields<'_>) -> Result<Set, FieldError> {
    let mut set = Set {
        removals: VersionVector::decode(fields)?,
        ..Set::default()
    };
    let elements = fields.varint("elements")?;
    for _ in 0..elements {
        let element = read_value(fields)?;
        let dots = VersionVector::decode(fields)?;
        let is_later = set
            .elements
            .last_key_value()
            .is_none_or(|(last, _)| *last < element);
        if dots.is_empty() || !is_later {
            return Err(FieldError::Text { field: "element" });
        }
        set.elements.insert(element, dots);
    }
    if set.is_empty() {
        return Err(wrong("elements", elements));
    }
    Ok(set)
}

fn wrong(field: &'static str, value: u64) -> FieldError {
    FieldError::Value { field, value }
}
