//! A digest of what clients can see, the same whatever the order in which it came to be, and on every platform.
//!
//! Each entry is hashed with its key, and the hashes are added: so the tree's order is of no importance. It tells
//! states apart that should be equal; it does not withstand somebody who looks for two states with one digest.

use super::operation::Format;

/// An odd number with bits in no order: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// The hash of one entry, as it grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

impl Digest {
    /// Of an entry under this key.
    pub(super) fn new(key: &[u8]) -> Self {
        let mut digest = Self(FACTOR);
        digest.bytes(key);
        digest
    }

    /// A number.
    pub(super) fn number(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(FACTOR).wrapping_add(FACTOR);
        self.0 ^= self.0 >> 32;
    }

    /// Bytes, and how many.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            if let Some(start) = last.get_mut(..rest.len()) {
                start.copy_from_slice(rest);
            }
            self.number(u64::from_le_bytes(last));
        }
    }

    /// A value's format.
    pub(super) fn format(&mut self, format: Format) {
        self.number(match format {
            Format::Json => 1,
            Format::Bytes => 2,
        });
    }

    /// The hash; never 0, which is that of nothing.
    pub(super) fn end(self) -> u64 {
        let mut end = self.0;
        end = (end ^ (end >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        end = (end ^ (end >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (end ^ (end >> 31)).max(1)
    }
}
