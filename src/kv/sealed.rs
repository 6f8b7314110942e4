//! A batch as it is passed on: what all its writes depend on, then the writes as bytes (`batch`).
//!
//! It is sealed by the replica that accepted the writes, at the end of a round, and passed on as the same bytes by
//! everybody. What stands in front says whether its time has come, without reading the writes; they are read when they
//! are applied.

use super::{
    batch::{BATCH_BYTES_MAX, BatchReader, BatchWriter},
    message::BATCHES_BYTES_MAX,
    operation::{DEPENDENCIES_MAX, WRITE_BYTES_MAX, Write},
};
use crate::{
    clock::{Origin, VersionVector},
    wire::{FieldError, Fields, varint_bytes},
};

/// A batch is sealed once it is longer than this: a few of them fit one message.
pub const SEALED_BYTES: usize = 256 << 10;

/// Longest entry of a vector: a machine, an incarnation and a number.
const ENTRY_BYTES_MAX: usize = 3 + 5 + 10;

/// A batch of several writes is sealed before they depend on more origins.
const ORIGINS_MAX: usize = 32;

/// Bytes of the lengths in front of a batch in a message, and in front of its vector.
const LENGTHS_BYTES_MAX: usize = 16;

/// Writes that memory is reserved for before they have been read.
const RESERVED_MAX: usize = 1024;

const _: () = assert!(
    WRITE_BYTES_MAX + DEPENDENCIES_MAX * ENTRY_BYTES_MAX + LENGTHS_BYTES_MAX < BATCHES_BYTES_MAX
        && BATCH_BYTES_MAX + ORIGINS_MAX * ENTRY_BYTES_MAX + LENGTHS_BYTES_MAX < BATCHES_BYTES_MAX,
    "one write, and several, fit a message with all that they depend on"
);

/// Writes of one origin that follow each other, and what they depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    origin: Origin,
    first: u64,
    last: u64,
    dependencies: VersionVector,
    /// The dependencies, then the writes.
    bytes: Box<[u8]>,
    /// Where the writes begin.
    body: usize,
}

/// Writes that will be a batch.
#[derive(Debug)]
pub(super) struct Unsealed {
    origin: Origin,
    writer: BatchWriter,
    dependencies: VersionVector,
}

impl Unsealed {
    /// For the writes of an origin from `first` on.
    pub(super) fn new(origin: Origin, first: u64) -> Self {
        Self {
            origin,
            writer: BatchWriter::new(origin, first),
            dependencies: VersionVector::new(),
        }
    }

    /// Takes a write. Says whether it fitted: if not, all is as it was, and the batch is to be sealed.
    pub(super) fn push(&mut self, write: &Write) -> bool {
        let origins = self.dependencies.len() + write.dependencies.len();
        let is_full = self.writer.bytes() > SEALED_BYTES || origins > ORIGINS_MAX;
        if (is_full && !self.writer.is_empty()) || !self.writer.push(write) {
            return false;
        }
        self.dependencies.merge(&write.dependencies);
        true
    }

    /// The batch; `None` if there is no write in it.
    pub(super) fn seal(self) -> Option<Batch> {
        let (first, count) = (self.writer.first(), u64::from(self.writer.len()));
        if count == 0 {
            return None;
        }
        let mut bytes =
            Vec::with_capacity(self.writer.bytes() + ENTRY_BYTES_MAX * (self.dependencies.len() + 1));
        self.dependencies.encode(&mut bytes);
        let body = bytes.len();
        bytes.append(&mut self.writer.finish());
        Some(Batch {
            origin: self.origin,
            first,
            last: first + count - 1,
            dependencies: self.dependencies,
            bytes: bytes.into(),
            body,
        })
    }
}

impl Batch {
    /// Reads what stands in front, and how many writes of whom there are.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that begin no batch.
    pub fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(bytes);
        let dependencies = VersionVector::decode(&mut fields)?;
        let body = bytes.len() - fields.rest().len();
        let reader = BatchReader::new(fields.rest())?;
        Ok(Self {
            origin: reader.origin(),
            first: reader.first(),
            last: reader.last(),
            dependencies,
            bytes: bytes.into(),
            body,
        })
    }

    /// The writes.
    ///
    /// # Errors
    /// [`FieldError`] for bytes that are no writes.
    pub fn writes(&self) -> Result<Vec<Write>, FieldError> {
        let mut reader = BatchReader::new(self.bytes.get(self.body..).unwrap_or_default())?;
        let count = usize::try_from(self.count()).unwrap_or(usize::MAX);
        let mut writes = Vec::with_capacity(count.min(RESERVED_MAX));
        while let Some(write) = reader.next_write()? {
            writes.push(write);
        }
        Ok(writes)
    }

    /// Whose writes they are.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The number of the first.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number of the last.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// What they depend on, all together, of other origins.
    #[must_use]
    pub fn dependencies(&self) -> &VersionVector {
        &self.dependencies
    }

    /// The batch as bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much room it takes in a message.
    #[must_use]
    pub fn message_bytes(&self) -> usize {
        self.bytes.len() + varint_bytes(self.bytes.len() as u64)
    }
}
