//! Fields that the store's layouts share: origins, signed numbers, bytes with their length.

use super::operation::{Format, VALUE_BYTES_MAX, Value};
use crate::{
    clock::{Dot, Origin},
    units::MachineId,
    wire::{FieldError, Fields, varint_bytes, write_varint},
};

/// Appends machine (varint) and incarnation (varint).
pub(super) fn write_origin(origin: Origin, body: &mut Vec<u8>) {
    write_varint(u64::from(origin.machine.0), body);
    write_varint(u64::from(origin.incarnation), body);
}

/// How many bytes [`write_origin`] appends.
pub(super) fn origin_bytes(origin: Origin) -> usize {
    varint_bytes(u64::from(origin.machine.0)) + varint_bytes(u64::from(origin.incarnation))
}

pub(super) fn read_origin(fields: &mut Fields<'_>) -> Result<Origin, FieldError> {
    let machine = fields.varint("machine")?;
    let incarnation = fields.varint("incarnation")?;
    Ok(Origin {
        machine: MachineId(narrow(machine, "machine")?),
        incarnation: narrow(incarnation, "incarnation")?,
    })
}

/// Appends an origin and a number.
pub(super) fn write_dot(dot: Dot, body: &mut Vec<u8>) {
    write_origin(dot.origin, body);
    write_varint(dot.number, body);
}

/// How many bytes [`write_dot`] appends.
pub(super) fn dot_bytes(dot: Dot) -> usize {
    origin_bytes(dot.origin) + varint_bytes(dot.number)
}

pub(super) fn read_dot(fields: &mut Fields<'_>) -> Result<Dot, FieldError> {
    let origin = read_origin(fields)?;
    Ok(Dot::new(origin, read_number(fields, "number")?))
}

/// A number that is not 0.
pub(super) fn read_number(fields: &mut Fields<'_>, field: &'static str) -> Result<u64, FieldError> {
    match fields.varint(field)? {
        0 => Err(FieldError::Value { field, value: 0 }),
        number => Ok(number),
    }
}

/// Appends a signed number: the small ones of both signs in few bytes (0, −1, 1, −2, … as 0, 1, 2, 3, …).
pub(super) fn write_signed(number: i64, body: &mut Vec<u8>) {
    write_varint(((number << 1) ^ (number >> 63)).cast_unsigned(), body);
}

pub(super) fn read_signed(fields: &mut Fields<'_>, field: &'static str) -> Result<i64, FieldError> {
    let folded = fields.varint(field)?;
    Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

/// Appends how many bytes (varint), and the bytes.
pub(super) fn write_bytes(bytes: &[u8], body: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, body);
    body.extend_from_slice(bytes);
}

/// Reads what [`write_bytes`] wrote, if there are not more than `bytes_max`.
pub(super) fn read_bytes<'a>(
    fields: &mut Fields<'a>,
    field: &'static str,
    bytes_max: usize,
) -> Result<&'a [u8], FieldError> {
    let value = fields.varint(field)?;
    match usize::try_from(value) {
        Ok(bytes) if bytes <= bytes_max => fields.bytes(field, bytes),
        _ => Err(FieldError::Value { field, value }),
    }
}

/// Appends a value: its length doubled, plus 1 where it is bytes and not JSON (varint); then it.
pub(super) fn write_value(value: &Value, body: &mut Vec<u8>) {
    write_varint(value_size(value.format, value.bytes.len()), body);
    body.extend_from_slice(&value.bytes);
}

/// What stands before a value.
pub(super) fn value_size(format: Format, bytes: usize) -> u64 {
    let is_bytes = match format {
        Format::Json => 0,
        Format::Bytes => 1,
    };
    (bytes as u64) << 1 | is_bytes
}

pub(super) fn read_value(fields: &mut Fields<'_>) -> Result<Value, FieldError> {
    let field = "value";
    let size = fields.varint(field)?;
    let format = if size & 1 == 0 {
        Format::Json
    } else {
        Format::Bytes
    };
    match usize::try_from(size >> 1) {
        Ok(bytes) if bytes <= VALUE_BYTES_MAX => Ok(Value {
            format,
            bytes: fields.bytes(field, bytes)?.into(),
        }),
        _ => Err(FieldError::Value { field, value: size }),
    }
}

fn narrow<T: TryFrom<u64>>(value: u64, field: &'static str) -> Result<T, FieldError> {
    T::try_from(value).map_err(|_| FieldError::Value { field, value })
}
