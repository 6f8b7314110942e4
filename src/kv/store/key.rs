//! A key as the store's tree keeps it: short ones in place, so that looking for one touches no other memory, and a key
//! costs no allocation of its own. Longer ones are shared by all that keep them.

use std::{borrow::Borrow, cmp::Ordering, sync::Arc};

/// Longest key that is kept in place.
const IN_PLACE_BYTES_MAX: usize = 22;

/// A key; in the order of its bytes.
///
/// Two keys in place are compared as numbers: the zeros behind the shorter one are below every other byte, and where the
/// bytes are equal, zeros included, the length decides.
#[derive(Clone, Debug)]
pub(super) enum TreeKey {
    /// `bytes` up to `length`.
    InPlace {
        /// How many there are.
        length: u8,
        /// The bytes, with zeros behind them.
        bytes: [u8; IN_PLACE_BYTES_MAX],
    },
    /// Elsewhere.
    Shared(Arc<[u8]>),
}

const _: () = assert!(
    size_of::<TreeKey>() == 24,
    "as large as a key elsewhere and its length"
);

impl TreeKey {
    /// No bytes at all: no key of a client's.
    pub(super) const EMPTY: Self = Self::InPlace {
        length: 0,
        bytes: [0; IN_PLACE_BYTES_MAX],
    };

    #[inline]
    pub(super) fn new(key: &[u8]) -> Self {
        Self::in_place(key).unwrap_or_else(|| Self::Shared(key.into()))
    }

    /// A key that is short enough.
    #[inline]
    fn in_place(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; IN_PLACE_BYTES_MAX];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        let length = u8::try_from(key.len()).ok()?;
        Some(Self::InPlace { length, bytes })
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::InPlace { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for TreeKey {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for TreeKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for TreeKey {}

impl PartialOrd for TreeKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TreeKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (
                Self::InPlace { length, bytes },
                Self::InPlace {
                    length: other_length,
                    bytes: other_bytes,
                },
            ) => numbers(bytes, *length).cmp(&numbers(other_bytes, *other_length)),
            _ => self.as_bytes().cmp(other.as_bytes()),
        }
    }
}

/// Bytes and length as numbers that compare as the keys do.
#[inline]
fn numbers(bytes: &[u8; IN_PLACE_BYTES_MAX], length: u8) -> (u128, u64) {
    let [
        b0,
        b1,
        b2,
        b3,
        b4,
        b5,
        b6,
        b7,
        b8,
        b9,
        b10,
        b11,
        b12,
        b13,
        b14,
        b15,
        rest @ ..,
    ] = *bytes;
    let [r0, r1, r2, r3, r4, r5] = rest;
    (
        u128::from_be_bytes([
            b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15,
        ]),
        u64::from_be_bytes([0, r0, r1, r2, r3, r4, r5, length]),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_their_bytes(
            one in prop::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 0..26),
            other in prop::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 0..26),
            shared in 0_usize..26,
        ) {
            let mut other = other;
            let shared = shared.min(one.len()).min(other.len());
            other[..shared].copy_from_slice(&one[..shared]);
            let (first, second) = (TreeKey::new(&one), TreeKey::new(&other));
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(first.as_bytes(), &one[..]);
        }
    }
}
