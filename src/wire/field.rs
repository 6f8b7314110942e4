//! The fields of a body: big-endian numbers, bytes and text, read with a length check each.

use byteorder::{BigEndian, ByteOrder};
use thiserror::Error;

/// A body that does not follow its layout.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FieldError {
    /// The body ends inside a field.
    #[error("the body ends inside the field `{field}`")]
    Truncated {
        /// The field's name in protocol.md.
        field: &'static str,
    },
    /// Bytes are left behind the last field.
    #[error("{bytes} bytes are left behind the last field")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A field has a value that its layout does not allow.
    #[error("the field `{field}` has the value {value}, which the protocol does not know")]
    Value {
        /// The field's name in protocol.md.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
    /// A text field is not UTF-8, or not of the form asked for.
    #[error("the field `{field}` is no text of the form asked for")]
    Text {
        /// The field's name in protocol.md.
        field: &'static str,
    },
    /// The system has no such kind.
    #[error("the kind {kind:#04x} is unknown")]
    Kind {
        /// The frame's kind.
        kind: u8,
    },
}

/// Reads a body from front to back.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// All fields of `body`.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`FieldError::Truncated`] if fewer are left. The same holds for each reader below.
    pub fn bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], FieldError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(FieldError::Truncated { field })?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A number of one byte.
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, FieldError> {
        self.bytes(field, 1)
            .map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    /// A number of two bytes.
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, FieldError> {
        self.bytes(field, 2).map(BigEndian::read_u16)
    }

    /// A number of four bytes.
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, FieldError> {
        self.bytes(field, 4).map(BigEndian::read_u32)
    }

    /// A number of eight bytes.
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, FieldError> {
        self.bytes(field, 8).map(BigEndian::read_u64)
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Declares the body read to its end.
    ///
    /// # Errors
    /// [`FieldError::Trailing`] if bytes are left.
    pub fn end(self) -> Result<(), FieldError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(FieldError::Trailing { bytes }),
        }
    }
}
