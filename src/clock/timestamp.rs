//! What a message says of its sender's clocks, and its bytes (protocol.md, section 6).

use byteorder::{BigEndian, WriteBytesExt};

use super::{ClockKind, HybridTime, VectorStamp};
use crate::wire::{FieldError, Fields, write_varint};

/// The clocks of a send event, as a message carries them. Lamport's alone needs no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timestamp {
    /// Lamport's clock after the send event.
    Lamport(u64),
    /// The same, and what the receiver needs to know of the vector clock.
    Vector {
        /// Lamport's clock.
        lamport: u64,
        /// The vector clock, or what changed of it.
        vector: Box<VectorStamp>,
    },
    /// The same, and the hybrid clock.
    Hybrid {
        /// Lamport's clock.
        lamport: u64,
        /// The hybrid clock.
        hybrid: HybridTime,
    },
}

impl Timestamp {
    /// The kind of clock that made it.
    #[must_use]
    pub fn kind(&self) -> ClockKind {
        match self {
            Timestamp::Lamport(_) => ClockKind::Lamport,
            Timestamp::Vector { .. } => ClockKind::Vector,
            Timestamp::Hybrid { .. } => ClockKind::Hybrid,
        }
    }

    /// Lamport's clock of the send event.
    #[inline]
    #[must_use]
    pub fn lamport(&self) -> u64 {
        match self {
            Timestamp::Lamport(lamport)
            | Timestamp::Vector { lamport, .. }
            | Timestamp::Hybrid { lamport, .. } => *lamport,
        }
    }

    /// Appends kind and value: 9 bytes for Lamport, 11 to 24 for hybrid.
    #[inline]
    pub fn encode(&self, body: &mut Vec<u8>) {
        body.push(self.kind().code());
        match self {
            // Writing into a Vec cannot fail; `Write` only says it could.
            Timestamp::Lamport(value) => {
                let _ = body.write_u64::<BigEndian>(*value);
            }
            Timestamp::Vector { lamport, vector } => {
                write_varint(*lamport, body);
                vector.encode(body);
            }
            Timestamp::Hybrid { lamport, hybrid } => {
                write_varint(*lamport, body);
                let _ = body.write_u64::<BigEndian>(hybrid.physical_us);
                write_varint(u64::from(hybrid.logical), body);
            }
        }
    }

    /// Reads kind and value.
    ///
    /// # Errors
    /// [`FieldError`] if the fields end early, name a clock that this version does not have, or hold a number beyond
    /// its bounds.
    #[inline]
    pub fn decode(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        match fields.u8("clock kind")? {
            1 => fields.u64("timestamp").map(Timestamp::Lamport),
            2 => Self::decode_vector(fields),
            3 => Self::decode_hybrid(fields),
            kind => Err(FieldError::Value {
                field: "clock kind",
                value: u64::from(kind),
            }),
        }
    }

    fn decode_vector(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Timestamp::Vector {
            lamport: fields.varint("lamport")?,
            vector: Box::new(VectorStamp::decode(fields)?),
        })
    }

    fn decode_hybrid(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        let lamport = fields.varint("lamport")?;
        let physical_us = fields.u64("physical")?;
        let value = fields.varint("count")?;
        let logical = u32::try_from(value).map_err(|_| FieldError::Value {
            field: "count",
            value,
        })?;
        let hybrid = HybridTime { physical_us, logical };
        Ok(Timestamp::Hybrid { lamport, hybrid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MachineId;

    fn encoded(timestamp: &Timestamp) -> Vec<u8> {
        let mut body = Vec::new();
        timestamp.encode(&mut body);
        body
    }

    fn hybrid(lamport: u64, physical_us: u64, logical: u32) -> Timestamp {
        let hybrid = HybridTime { physical_us, logical };
        Timestamp::Hybrid { lamport, hybrid }
    }

    #[test]
    fn timestamps_survive_the_wire() {
        let vector = |lamport, vector| Timestamp::Vector {
            lamport,
            vector: Box::new(vector),
        };
        for (timestamp, bytes) in [
            (Timestamp::Lamport(0), 9),
            (Timestamp::Lamport(17), 9),
            (Timestamp::Lamport(u64::MAX), 9),
            (hybrid(0, 0, 0), 11),
            (hybrid(17, 1_795_389_361_373_456, 3), 11),
            (hybrid(u64::MAX, u64::MAX, u32::MAX), 24),
            (vector(17, VectorStamp::Full([4, 9, 300].into())), 8),
            (vector(300, VectorStamp::Changes([(MachineId(2), 9)].into())), 7),
        ] {
            let body = encoded(&timestamp);
            assert_eq!(body.len(), bytes, "{timestamp:?}");
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

    #[test]
    fn a_count_beyond_its_bounds_is_refused() {
        let mut body = encoded(&hybrid(1, 2, 0));
        body.pop();
        write_varint(u64::from(u32::MAX) + 1, &mut body);
        let error = Timestamp::decode(&mut Fields::new(&body)).unwrap_err();
        assert!(error.to_string().contains("`count`"), "{error}");
    }
}
