//! What the rows of a replica's disk say, to one who judges what its disk keeps and not what it says of that.

#[cfg(test)]
use std::str::FromStr;

use super::rows::{TABLE_MEMBERS, TABLE_WHOLE};
use crate::{
    clock::VersionVector,
    kv::{members::Record, message::read_members},
    service::Row,
    wire::{FieldError, Fields},
};

/// What a row says, as far as it concerns the replica as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Which writes are on the disk, and the greatest that was forgotten of each origin.
    Known {
        /// The writes.
        known: VersionVector,
        /// What was forgotten.
        forgotten: VersionVector,
    },
    /// Whether the replica had the data of the beginning.
    Joined(bool),
    /// Whether what is on the disk was given up, and is to be dropped by the life that begins next.
    Lost(bool),
    /// What is known of one that is or was a member.
    Members(Vec<Record>),
}

impl Kept {
    /// What a row says; `None` of an entry, and of what nobody judges.
    ///
    /// # Errors
    /// [`FieldError`] for a row that no replica could read.
    pub(crate) fn of(row: &Row) -> Result<Option<Self>, FieldError> {
        let value = row.value.as_deref().unwrap_or_default();
        let mut fields = Fields::new(value);
        let kept = match (row.table, &*row.key) {
            (TABLE_WHOLE, b"known") => {
                let known = VersionVector::decode(&mut fields)?;
                fields.varint("stamp")?;
                let forgotten = VersionVector::decode(&mut fields)?;
                Self::Known { known, forgotten }
            }
            (TABLE_WHOLE, b"ready") => return Ok(Some(Self::Joined(value.first() == Some(&1)))),
            (TABLE_WHOLE, b"lost") => Self::Lost(!read_members(&mut fields)?.is_empty()),
            (TABLE_MEMBERS, _) => Self::Members(read_members(&mut fields)?),
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(kept))
    }
}

#[cfg(test)]
impl Kept {
    /// The row that says it, as a replica makes it.
    pub(crate) fn row(&self) -> Row {
        let mut value = Vec::new();
        let (table, key) = match self {
            Self::Known { known, forgotten } => {
                known.encode(&mut value);
                crate::wire::write_varint(7, &mut value);
                forgotten.encode(&mut value);
                (TABLE_WHOLE, b"known".to_vec())
            }
            Self::Joined(has_joined) => {
                value.push(u8::from(*has_joined));
                (TABLE_WHOLE, b"ready".to_vec())
            }
            Self::Lost(is_lost) => {
                let address = crate::service::Address::from_str("store:1");
                let record = address.ok().map(|address| Record {
                    id: crate::units::MachineId(0),
                    version: 1 << 32,
                    incarnation: 0,
                    status: crate::kv::MemberStatus::Lost,
                    address,
                });
                let records: Vec<Record> = record.into_iter().filter(|_| *is_lost).collect();
                crate::kv::message::write_members(&records, &mut value);
                (TABLE_WHOLE, b"lost".to_vec())
            }
            Self::Members(records) => {
                crate::kv::message::write_members(records, &mut value);
                let id = records.first().map_or(0, |record| record.id.0);
                (TABLE_MEMBERS, id.to_be_bytes().to_vec())
            }
        };
        Row {
            table,
            key: key.into(),
            value: Some(value.into()),
        }
    }
}
