//! What the machines say: the clocks of a send event.

use crate::{
    clock::Timestamp,
    wire::{FieldError, Fields, Message},
};

/// The kind of a stamp frame.
pub const STAMP: u8 = 0x10;

/// A message of the scale model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(pub Timestamp);

impl Message for Stamp {
    const SYSTEM: u8 = 1;

    #[inline]
    fn kind(&self) -> u8 {
        STAMP
    }

    #[inline]
    fn encode(&self, body: &mut Vec<u8>) {
        self.0.encode(body);
    }

    #[inline]
    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != STAMP {
            return Err(FieldError::Kind { kind });
        }
        let mut fields = Fields::new(body);
        let timestamp = Timestamp::decode(&mut fields)?;
        fields.end().map(|()| Stamp(timestamp))
    }
}
