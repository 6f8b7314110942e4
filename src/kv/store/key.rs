//! A key as the store's tree keeps it: short ones in place, so that looking for one touches no other memory, and a key
//! costs no allocation of its own.

use std::{borrow::Borrow, cmp::Ordering};

/// Longest key that is kept in place.
const IN_PLACE_BYTES_MAX: usize = 22;

/// A key; in the order of its bytes.
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
    Boxed(Box<[u8]>),
}

const _: () = assert!(
    size_of::<TreeKey>() == 24,
    "as large as a key elsewhere and its length"
);

impl TreeKey {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut bytes = [0; IN_PLACE_BYTES_MAX];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(key);
                Self::InPlace { length, bytes }
            }
            _ => Self::Boxed(key.into()),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::InPlace { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Boxed(bytes) => bytes,
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
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TreeKey {}

impl PartialOrd for TreeKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TreeKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}
