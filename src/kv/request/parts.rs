//! Fields that requests and answers share: keys, values, dots, vectors, addresses; each with its limit (protocol.md,
//! section 9, client frames).

use crate::{
    clock::VersionVector,
    kv::{KEY_BYTES_MAX, Key, bytes::read_bytes, request::Missing, token::TOKEN_BYTES_MAX},
    service::{ADDRESS_BYTES_MAX, Address},
    units::MachineId,
    wire::{FieldError, Fields, write_varint},
};

pub(super) use crate::kv::bytes::{
    read_dot, read_origin, read_signed, read_value, write_bytes, write_dot, write_origin, write_signed,
    write_value,
};

/// Longest text of an answer, in bytes: it is for people.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Elements that memory is reserved for before they have been read.
const RESERVED_MAX: usize = 64;

/// A number of the layout that means nothing.
pub(super) fn unknown<T>(field: &'static str, value: impl Into<u64>) -> Result<T, FieldError> {
    let value = value.into();
    Err(FieldError::Value { field, value })
}

/// A number that has to fit its type, and be at most `most`.
pub(super) fn read_number<T: TryFrom<u64>>(
    fields: &mut Fields<'_>,
    field: &'static str,
    most: u64,
) -> Result<T, FieldError> {
    let value = fields.varint(field)?;
    match T::try_from(value) {
        Ok(number) if value <= most => Ok(number),
        _ => unknown(field, value),
    }
}

/// A count, and so many of what `read` reads: memory grows only with bytes that are there.
pub(super) fn read_list<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    most: usize,
    mut read: impl FnMut(&mut Fields<'_>) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let count: usize = read_number(fields, field, most as u64)?;
    let mut list = Vec::with_capacity(count.min(RESERVED_MAX));
    for _ in 0..count {
        list.push(read(fields)?);
    }
    Ok(list)
}

pub(super) fn write_list<T>(list: &[T], body: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    write_varint(list.len() as u64, body);
    for element in list {
        write(element, body);
    }
}

/// A byte of 0 or 1, and behind 1 what `read` reads.
pub(super) fn read_option<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, FieldError>,
) -> Result<Option<T>, FieldError> {
    match fields.u8(field)? {
        0 => Ok(None),
        1 => read(fields).map(Some),
        other => unknown(field, other),
    }
}

pub(super) fn write_option<T>(option: Option<T>, body: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
    body.push(u8::from(option.is_some()));
    if let Some(inner) = option {
        write(inner, body);
    }
}

pub(super) fn read_bool(fields: &mut Fields<'_>, field: &'static str) -> Result<bool, FieldError> {
    read_option(fields, field, |_| Ok(())).map(|inner| inner.is_some())
}

/// A text of at most [`TEXT_BYTES_MAX`] bytes: a longer one is cut at a character.
pub(super) fn write_text(text: &str, body: &mut Vec<u8>) {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    write_bytes(text.get(..end).unwrap_or_default().as_bytes(), body);
}

pub(super) fn read_text(fields: &mut Fields<'_>, field: &'static str) -> Result<String, FieldError> {
    let bytes = read_bytes(fields, field, TEXT_BYTES_MAX)?;
    let text = std::str::from_utf8(bytes).map_err(|_| FieldError::Text { field })?;
    Ok(text.to_owned())
}

/// A key: 1 to [`KEY_BYTES_MAX`] bytes.
pub(super) fn read_key(fields: &mut Fields<'_>) -> Result<Key, FieldError> {
    match read_bytes(fields, "key", KEY_BYTES_MAX)? {
        [] => unknown("key", 0_u8),
        key => Ok(key.into()),
    }
}

/// The beginning of keys: 0 to [`KEY_BYTES_MAX`] bytes.
pub(super) fn read_prefix(fields: &mut Fields<'_>) -> Result<Box<[u8]>, FieldError> {
    read_bytes(fields, "prefix", KEY_BYTES_MAX).map(Into::into)
}

pub(super) fn write_machine(machine: MachineId, body: &mut Vec<u8>) {
    write_varint(u64::from(machine.0), body);
}

pub(super) fn read_machine(fields: &mut Fields<'_>) -> Result<MachineId, FieldError> {
    read_number(fields, "machine", u64::from(u16::MAX)).map(MachineId)
}

/// A vector that a client gives, or a key's mark: at most [`TOKEN_BYTES_MAX`] bytes, since it is compared for each
/// request.
pub(super) fn read_vector(fields: &mut Fields<'_>, field: &'static str) -> Result<VersionVector, FieldError> {
    let before = fields.rest().len();
    let vector = VersionVector::decode(fields)?;
    match before - fields.rest().len() {
        bytes if bytes <= TOKEN_BYTES_MAX => Ok(vector),
        bytes => unknown(field, bytes as u64),
    }
}

pub(super) fn write_address(address: &Address, body: &mut Vec<u8>) {
    write_bytes(address.as_str().as_bytes(), body);
}

pub(super) fn read_address(fields: &mut Fields<'_>) -> Result<Address, FieldError> {
    let field = "address";
    let bytes = read_bytes(fields, field, ADDRESS_BYTES_MAX)?;
    let text = std::str::from_utf8(bytes).map_err(|_| FieldError::Text { field })?;
    match text.parse::<Address>() {
        // One text an address: what `parse` tolerates, spaces around it, is none.
        Ok(address) if address.as_str() == text => Ok(address),
        _ => Err(FieldError::Text { field }),
    }
}

pub(super) fn write_missing(missing: &[Missing], body: &mut Vec<u8>) {
    write_list(missing, body, |missing, body| {
        write_dot(missing.dot, body);
        write_varint(missing.have, body);
        write_list(&missing.seen_by, body, |machine, body| {
            write_machine(*machine, body)
        });
    });
}

pub(super) fn read_missing(fields: &mut Fields<'_>) -> Result<Vec<Missing>, FieldError> {
    read_list(fields, "missing", usize::MAX, |fields| {
        Ok(Missing {
            dot: read_dot(fields)?,
            have: fields.varint("have")?,
            seen_by: read_list(fields, "seen by", usize::from(u16::MAX), read_machine)?,
        })
    })
}
