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
    /// A number of variable length that is not in its shortest form, or beyond 64 bits.
    #[error("the field `{field}` is no number in its shortest form of at most 64 bits")]
    Number {
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
    #[inline]
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
    #[inline]
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

    /// A number of one to ten bytes: see [`write_varint`].
    ///
    /// # Errors
    /// [`FieldError::Truncated`] if the body ends inside it, [`FieldError::Number`] if it could be shorter or has
    /// more than 64 bits.
    #[inline]
    pub fn varint(&mut self, field: &'static str) -> Result<u64, FieldError> {
        match self.rest {
            // Most numbers are small.
            [byte @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(field),
        }
    }

    fn long_varint(&mut self, field: &'static str) -> Result<u64, FieldError> {
        let mut value: u64 = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit, and a last byte of zero says nothing.
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return Err(FieldError::Number { field });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FieldError::Number { field })
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

/// Appends a number in as few bytes as it needs: seven bits a byte, the lowest first; the highest bit of a byte says
/// that another follows.
#[inline]
pub fn write_varint(mut value: u64, body: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            body.push(low);
            return;
        }
        body.push(low | 0x80);
    }
}

/// How many bytes [`write_varint`] appends: 1 to 10.
#[inline]
#[must_use]
pub fn varint_bytes(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: u64) -> Vec<u8> {
        let mut body = Vec::new();
        write_varint(value, &mut body);
        body
    }

    proptest! {
        #[test]
        fn numbers_of_variable_length_survive(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            let body = written(value);
            prop_assert_eq!(body.len(), varint_bytes(value));
            let mut fields = Fields::new(&body);
            prop_assert_eq!(fields.varint("n"), Ok(value));
            prop_assert_eq!(fields.end(), Ok(()));
            for cut in 0..body.len() {
                let read = Fields::new(&body[..cut]).varint("n");
                prop_assert_eq!(read, Err(FieldError::Truncated { field: "n" }));
            }
        }

        #[test]
        fn what_is_read_is_what_would_be_written(body in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut fields = Fields::new(&body);
            if let Ok(value) = fields.varint("n") {
                prop_assert!(body.starts_with(&written(value)));
                prop_assert_eq!(fields.rest().len() + varint_bytes(value), body.len());
            }
        }
    }

    #[test]
    fn numbers_that_could_be_shorter_or_are_too_long_are_refused() {
        let longest = written(u64::MAX);
        assert_eq!(longest.len(), 10);
        let mut beyond = longest.clone();
        beyond[9] = 2;
        let mut endless = longest;
        endless[9] = 0x81;
        endless.push(0);
        for wrong in [vec![0x80, 0], vec![0xFF, 0x80, 0], beyond, endless] {
            let read = Fields::new(&wrong).varint("n");
            assert_eq!(read, Err(FieldError::Number { field: "n" }), "{wrong:02x?}");
        }
        assert_eq!(written(0), [0]);
        assert_eq!(written(300), [0xAC, 0x02]);
    }
}
