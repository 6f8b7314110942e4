//! Logical clocks as plain values: tick, merge, compare.
//!
//! No messages, no machines, no time. A timestamp carries its kind, so that one wire format and one log serve
//! every clock.

mod hybrid;
mod lamport;

use std::{fmt, str::FromStr};

use byteorder::{BigEndian, WriteBytesExt};

pub use hybrid::HybridTime;
pub use lamport::Lamport;

use crate::wire::{FieldError, Fields};

/// Which logical clock a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockKind {
    /// Lamport 1978: one number.
    Lamport,
}

impl ClockKind {
    /// Every kind, in the order of its code.
    pub const ALL: &'static [ClockKind] = &[ClockKind::Lamport];

    /// The code on the wire (protocol.md, section 6).
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            ClockKind::Lamport => 1,
        }
    }

    /// The name in options, logs and protocol.md.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ClockKind::Lamport => "lamport",
        }
    }
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ClockKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || {
            ClockKind::ALL
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
                .join(", ")
        };
        ClockKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("`{text}` is no clock; there are: {}", known()))
    }
}

/// The clock of a send event, as a message carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamp {
    /// Lamport's clock after the send event.
    Lamport(u64),
}

impl Timestamp {
    /// The kind of clock that made it.
    #[must_use]
    pub fn kind(self) -> ClockKind {
        match self {
            Timestamp::Lamport(_) => ClockKind::Lamport,
        }
    }

    /// Appends kind and value: 9 bytes for Lamport.
    #[inline]
    pub fn encode(self, body: &mut Vec<u8>) {
        body.push(self.kind().code());
        match self {
            // Writing into a Vec cannot fail; `Write` only says it could.
            Timestamp::Lamport(value) => {
                let _ = body.write_u64::<BigEndian>(value);
            }
        }
    }

    /// Reads kind and value.
    ///
    /// # Errors
    /// [`FieldError`] if the fields end early or name a clock that version 1 does not have.
    #[inline]
    pub fn decode(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        match fields.u8("clock kind")? {
            1 => fields.u64("timestamp").map(Timestamp::Lamport),
            kind => Err(FieldError::Value {
                field: "clock kind",
                value: u64::from(kind),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_survive_the_wire() {
        for timestamp in [
            Timestamp::Lamport(0),
            Timestamp::Lamport(17),
            Timestamp::Lamport(u64::MAX),
        ] {
            let mut body = Vec::new();
            timestamp.encode(&mut body);
            let mut fields = Fields::new(&body);
            assert_eq!(Timestamp::decode(&mut fields), Ok(timestamp));
            assert_eq!(fields.end(), Ok(()));
            for cut in 0..body.len() {
                assert!(
                    Timestamp::decode(&mut Fields::new(&body[..cut])).is_err(),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_clock_kind_is_named() {
        let error = Timestamp::decode(&mut Fields::new(&[9, 0, 0, 0, 0, 0, 0, 0, 1]));
        assert_eq!(
            error,
            Err(FieldError::Value {
                field: "clock kind",
                value: 9
            })
        );
    }
}
