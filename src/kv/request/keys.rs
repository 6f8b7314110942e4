//! Which keys a request is about.

use super::Action;
use crate::kv::operation::{Key, Operation};

impl Action {
    /// The single keys that are looked for.
    pub(in crate::kv) fn keys(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let (key, operations): (Option<&Key>, &[Operation]) = match self {
            Self::Get { key } => (Some(key), &[]),
            Self::Write { operations, .. } => (None, operations),
            Self::Scan { .. }
            | Self::Watch { .. }
            | Self::Members
            | Self::Change(_)
            | Self::Status
            | Self::Why { .. }
            | Self::Present { .. }
            | Self::Backup { .. } => (None, &[]),
        };
        let written = operations.iter().map(|operation| &operation.key);
        key.into_iter().chain(written).map(|key| &**key)
    }
}
