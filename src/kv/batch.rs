//! Writes as bytes: those of one origin that follow each other, encoded once, and sent, kept and passed on as bytes
//! (protocol.md, "Layout of writes").
//!
//! A batch names each origin once and refers to it by its place from then on; numbers of writes are counted, stamps are
//! differences, and what a write depends on is not said again where its operations say it. It is read from the front, a
//! write at a time, so that whoever has applied the first part needs no memory for the rest.

use super::{
    bytes::{
        read_bytes, read_number, read_origin, read_signed, read_value, write_bytes, write_origin,
        write_signed, write_value,
    },
    operation::{
        Applied, BATCH_OPERATIONS_MAX, Change, Cleared, ELEMENTS_MAX, KEY_BYTES_MAX, STAMP_MAX, Stamp, Value,
        WRITE_BYTES_MAX, Write,
    },
};
use crate::{
    clock::{Dot, Origin, VersionVector},
    wire::{FRAME_LENGTH_MAX, FieldError, Fields, write_varint},
};

/// Longest batch, in bytes: a frame, less what a message puts before it.
pub const BATCH_BYTES_MAX: usize = FRAME_LENGTH_MAX - 1024;

/// Most origins that a batch names. A writer ends its batch before; a reader takes no more.
pub const ORIGINS_MAX: usize = 4096;

const _: () = assert!(WRITE_BYTES_MAX < BATCH_BYTES_MAX, "every write fits a batch");

/// Operations that memory is reserved for before they have been read.
const RESERVED_MAX: usize = 16;

/// Bytes of the number of writes, which stands first.
const COUNT_BYTES: usize = 4;

// What an operation does: the lowest bits of its first byte.
const PUT: u8 = 0;
const PUT_BESIDE: u8 = 1;
const DELETE: u8 = 2;
const ADD: u8 = 3;
const INSERT: u8 = 4;
const REMOVE: u8 = 5;
/// The bits that say what it does.
const CHANGE: u8 = 7;
// What follows of it: the bits above.
const ENDS: u8 = 8;
const SUMS: u8 = 16;
const HAS_SET: u8 = 32;
const SEEN: u8 = 64;

/// A batch that grows: writes of one origin, in the order of their numbers.
#[derive(Debug)]
pub struct BatchWriter {
    /// The batch so far.
    bytes: Vec<u8>,
    /// Origins in the order in which they were named; the batch's own first.
    origins: Vec<Origin>,
    first: u64,
    count: u32,
    stamp: Stamp,
}

/// Reads a batch, write by write.
#[derive(Clone, Debug)]
pub struct BatchReader<'a> {
    fields: Fields<'a>,
    origins: Vec<Origin>,
    first: u64,
    count: u32,
    /// How many have been read.
    read: u32,
    stamp: Stamp,
}

impl BatchWriter {
    /// For writes of `origin`, from its `first` on.
    #[must_use]
    pub fn new(origin: Origin, first: u64) -> Self {
        let mut bytes = vec![0; COUNT_BYTES];
        write_origin(origin, &mut bytes);
        write_varint(first, &mut bytes);
        Self {
            bytes,
            origins: vec![origin],
            first,
            count: 0,
            stamp: 0,
        }
    }

    /// Appends a write, before its values are moved into a store. Says whether it fitted: if not, the batch is full and
    /// as it was; the write is the first of the next. An empty batch takes any write.
    ///
    /// # Panics
    /// If it is not the next write of the origin, or not stamped above the one before.
    pub fn push(&mut self, write: &Write) -> bool {
        let next = Some(&write.dot.origin) == self.origins.first() && write.dot.number == self.next();
        let (dot, stamp) = (write.dot, write.stamp);
        assert!(
            next && (self.count == 0 || stamp > self.stamp),
            "{dot} at {stamp} behind {self:?}"
        );
        let (bytes, origins) = (self.bytes.len(), self.origins.len());
        self.append(write);
        if self.count > 0 && (self.bytes.len() > BATCH_BYTES_MAX || self.origins.len() > ORIGINS_MAX) {
            self.bytes.truncate(bytes);
            self.origins.truncate(origins);
            return false;
        }
        self.count += 1;
        self.stamp = write.stamp;
        true
    }

    /// The number that the next write has to have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// The number of its first write.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How many writes are in it.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// How long it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no write is in it: then it is not to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        for (place, byte) in self.bytes.iter_mut().zip(self.count.to_be_bytes()) {
            *place = byte;
        }
        self.bytes
    }

    fn append(&mut self, write: &Write) {
        write_varint(write.stamp - self.stamp, &mut self.bytes);
        let said = |origin| seen_of(&write.operations, origin);
        let unsaid = write.dependencies.iter();
        let unsaid: VersionVector = unsaid
            .filter(|(origin, number)| *number > said(*origin))
            .collect();
        self.append_vector(&unsaid);
        write_varint(write.operations.len() as u64, &mut self.bytes);
        for operation in &write.operations {
            self.append_operation(operation);
        }
    }

    fn append_operation(&mut self, operation: &Applied) {
        let mut code = match operation.change {
            Change::Put(_) => PUT,
            Change::PutBeside(_) => PUT_BESIDE,
            Change::Delete => DELETE,
            Change::Add(_) => ADD,
            Change::Insert(_) => INSERT,
            Change::Remove(_) => REMOVE,
        };
        let bits = [
            (ENDS, operation.ends_us.is_some()),
            (SUMS, !operation.cleared.sums.is_empty()),
            (HAS_SET, operation.cleared.has_set),
            (SEEN, !operation.seen.is_empty()),
        ];
        code |= bits
            .iter()
            .map(|(bit, is_set)| bit * u8::from(*is_set))
            .sum::<u8>();
        self.bytes.push(code);
        write_bytes(&operation.key, &mut self.bytes);
        if !operation.seen.is_empty() {
            self.append_vector(&operation.seen);
        }
        if !operation.cleared.sums.is_empty() {
            write_varint(operation.cleared.sums.len() as u64, &mut self.bytes);
            for (origin, sum) in &operation.cleared.sums {
                self.append_origin(*origin);
                write_signed(*sum, &mut self.bytes);
            }
        }
        if let Some(ends_us) = operation.ends_us {
            write_varint(ends_us, &mut self.bytes);
        }
        match &operation.change {
            Change::Put(value) | Change::PutBeside(value) => write_value(value, &mut self.bytes),
            Change::Delete => {}
            Change::Add(amount) => write_signed(*amount, &mut self.bytes),
            Change::Insert(elements) | Change::Remove(elements) => {
                write_varint(elements.len() as u64, &mut self.bytes);
                elements
                    .iter()
                    .for_each(|element| write_value(element, &mut self.bytes));
            }
        }
    }

    fn append_vector(&mut self, vector: &VersionVector) {
        write_varint(vector.len() as u64, &mut self.bytes);
        for (origin, number) in vector.iter() {
            self.append_origin(origin);
            write_varint(number, &mut self.bytes);
        }
    }

    /// An origin's place, and behind a place that is new the origin.
    fn append_origin(&mut self, origin: Origin) {
        let place = self.origins.iter().position(|other| *other == origin);
        write_varint(place.unwrap_or(self.origins.len()) as u64, &mut self.bytes);
        if place.is_none() {
            write_origin(origin, &mut self.bytes);
            self.origins.push(origin);
        }
    }
}

impl<'a> BatchReader<'a> {
    /// Reads what stands before the writes. `bytes` end with the batch.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that begin no batch.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(bytes);
        let count = fields.u32("count")?;
        let origin = read_origin(&mut fields)?;
        let first = read_number(&mut fields, "first")?;
        if count == 0 {
            return Err(wrong("count", 0));
        }
        if first > STAMP_MAX {
            return Err(wrong("first", first));
        }
        Ok(Self {
            fields,
            origins: vec![origin],
            first,
            count,
            read: 0,
            stamp: 0,
        })
    }

    /// Whose writes they are.
    #[must_use]
    pub fn origin(&self) -> Origin {
        // The batch's own origin is named first.
        let first = self.origins.first().copied();
        first.unwrap_or(Origin {
            machine: crate::units::MachineId(0),
            incarnation: 0,
        })
    }

    /// The number of the first.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number of the last.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    /// The next write; `None` behind the last, where the bytes end.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that are no write in its one form, or exceed a limit. Reading ends there.
    pub fn next_write(&mut self) -> Result<Option<Write>, FieldError> {
        if self.read == self.count {
            return self.fields.end().map(|()| None);
        }
        let number = self.first + u64::from(self.read);
        let step = self.fields.varint("stamp")?;
        let stamp = self.stamp.checked_add(step).filter(|stamp| *stamp <= STAMP_MAX);
        let stamp = stamp
            .filter(|_| step > 0 || self.read == 0)
            .ok_or(wrong("stamp", step))?;
        let unsaid = self.read_vector()?;
        let count = self.read_count("operations", BATCH_OPERATIONS_MAX)?;
        let mut operations =
            Vec::with_capacity(usize::try_from(count).map_or(0, |count| count.min(RESERVED_MAX)));
        for _ in 0..count {
            operations.push(self.read_operation()?);
        }
        check_keys(&operations)?;
        let origin = self.origin();
        for (other, number) in unsaid.iter() {
            if other == origin || number <= seen_of(&operations, other) {
                return Err(wrong("dependency", number));
            }
        }
        let mut dependencies = unsaid;
        for operation in &operations {
            dependencies.merge(&operation.seen);
        }
        dependencies.retain(|other, _| other != origin);
        (self.stamp, self.read) = (stamp, self.read + 1);
        Ok(Some(Write {
            dot: Dot::new(origin, number),
            stamp,
            dependencies,
            operations,
        }))
    }

    fn read_operation(&mut self) -> Result<Applied, FieldError> {
        let code = self.fields.u8("operation")?;
        let wrong_code = wrong("operation", u64::from(code));
        let allowed = match code & CHANGE {
            PUT => ENDS | SUMS | HAS_SET | SEEN,
            PUT_BESIDE => ENDS | SEEN,
            DELETE => SUMS | HAS_SET | SEEN,
            ADD | INSERT | REMOVE => SEEN,
            _ => return Err(wrong_code),
        };
        if code & !CHANGE & !allowed != 0 {
            return Err(wrong_code);
        }
        let key = read_bytes(&mut self.fields, "key", KEY_BYTES_MAX)?;
        if key.is_empty() {
            return Err(wrong("key", 0));
        }
        let seen = if code & SEEN == 0 {
            VersionVector::new()
        } else {
            self.read_vector()?
        };
        if code & SEEN != 0 && seen.is_empty() {
            return Err(wrong("seen", 0));
        }
        let mut cleared = Cleared {
            has_set: code & HAS_SET != 0,
            ..Cleared::default()
        };
        if code & SUMS != 0 {
            for _ in 0..self.read_count("sums", ORIGINS_MAX)? {
                let origin = self.read_origin()?;
                if cleared.sums.last().is_some_and(|last| last.0 >= origin) {
                    return Err(wrong("sums", u64::from(origin.machine.0)));
                }
                cleared.sums.push((origin, read_signed(&mut self.fields, "sum")?));
            }
        }
        let ends_us = match code & ENDS {
            0 => None,
            _ => Some(read_number(&mut self.fields, "ends_us")?),
        };
        let change = match code & CHANGE {
            PUT => Change::Put(read_value(&mut self.fields)?),
            PUT_BESIDE => Change::PutBeside(read_value(&mut self.fields)?),
            DELETE => Change::Delete,
            ADD => Change::Add(read_signed(&mut self.fields, "amount")?),
            INSERT => Change::Insert(self.read_elements()?),
            _ => Change::Remove(self.read_elements()?),
        };
        Ok(Applied {
            key: key.into(),
            change,
            seen,
            cleared,
            ends_us,
        })
    }

    fn read_elements(&mut self) -> Result<Vec<Value>, FieldError> {
        let count = self.read_count("elements", ELEMENTS_MAX)?;
        (0..count).map(|_| read_value(&mut self.fields)).collect()
    }

    fn read_vector(&mut self) -> Result<VersionVector, FieldError> {
        let mut vector = VersionVector::new();
        let mut last = None;
        for _ in 0..self.fields.varint("entries")? {
            let origin = self.read_origin()?;
            if last >= Some(origin) {
                return Err(wrong("machine", u64::from(origin.machine.0)));
            }
            last = Some(origin);
            vector.raise(origin, read_number(&mut self.fields, "number")?);
        }
        Ok(vector)
    }

    fn read_origin(&mut self) -> Result<Origin, FieldError> {
        let value = self.fields.varint("origin")?;
        let place = usize::try_from(value).unwrap_or(usize::MAX);
        if let Some(origin) = self.origins.get(place) {
            return Ok(*origin);
        }
        let origin = read_origin(&mut self.fields)?;
        if place != self.origins.len() || place >= ORIGINS_MAX || self.origins.contains(&origin) {
            return Err(wrong("origin", value));
        }
        self.origins.push(origin);
        Ok(origin)
    }

    /// A number of things from 1 to `most`.
    fn read_count(&mut self, field: &'static str, most: usize) -> Result<u64, FieldError> {
        let count = read_number(&mut self.fields, field)?;
        if count > most as u64 {
            Err(wrong(field, count))
        } else {
            Ok(count)
        }
    }
}

/// How many writes of an origin the operations supersede something of, together.
fn seen_of(operations: &[Applied], origin: Origin) -> u64 {
    let numbers = operations.iter().map(|operation| operation.seen.get(origin));
    numbers.max().unwrap_or_default()
}

/// No key may stand twice in one write.
fn check_keys(operations: &[Applied]) -> Result<(), FieldError> {
    if operations.len() < 2 {
        return Ok(());
    }
    let mut keys: Vec<&[u8]> = operations.iter().map(|operation| &*operation.key).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(FieldError::Text { field: "key" });
    }
    Ok(())
}

fn wrong(field: &'static str, value: u64) -> FieldError {
    FieldError::Value { field, value }
}

#[cfg(test)]
mod tests;
