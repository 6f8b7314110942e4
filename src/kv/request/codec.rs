//! A request's bytes (protocol.md, section 9, client frames).
//!
//! ```text
//!   action u8 | token | wait_us varint | what the action has
//! ```
//!
//! The layout holds the limits that the store has of keys, values, operations and elements: a body beyond them is
//! refused as one that does not follow it. What is too large all together shows when it is encoded, and never leaves.

use super::{
    Action, Bearer, Copies, MemberChange, Request,
    parts::{
        read_address, read_key, read_list, read_machine, read_number, read_option, read_prefix, read_signed,
        read_text, read_value, read_vector, unknown, write_address, write_bytes, write_list, write_machine,
        write_option, write_signed, write_text, write_value,
    },
};
use crate::{
    kv::operation::{BATCH_OPERATIONS_MAX, Change, Condition, ELEMENTS_MAX, Operation},
    wire::{FieldError, Fields, Message, write_varint},
};

/// The kind of a request's frame.
pub const REQUEST: u8 = 0x30;

/// Most items of a scan.
pub const SCAN_ITEMS_MAX: u32 = 10_000;

/// Most members in one change of them.
pub const MEMBERS_MAX: usize = 1000;

/// Of an operation's first byte: which change, which condition, and whether it has an end.
const CONDITION_SHIFT: u32 = 3;
const CONDITION_BITS: u8 = 0b0001_1000;
const LASTS_BIT: u8 = 0b0010_0000;

impl Message for Request {
    const SYSTEM: u8 = crate::kv::SYSTEM;

    fn kind(&self) -> u8 {
        REQUEST
    }

    fn encode(&self, body: &mut Vec<u8>) {
        body.push(self.action.number());
        self.token.encode(body);
        write_varint(self.wait_us, body);
        match &self.action {
            Action::Get { key } | Action::Why { key } => write_bytes(key, body),
            Action::Scan { prefix, after, limit } => {
                write_bytes(prefix, body);
                write_option(after.as_ref(), body, |key, body| write_bytes(key, body));
                write_varint(u64::from(*limit), body);
            }
            Action::Write { operations, copies } => {
                body.push(copies.number());
                write_list(operations, body, write_operation);
            }
            Action::Watch { prefix, after } => {
                write_bytes(prefix, body);
                write_option(*after, body, write_varint);
            }
            Action::Members | Action::Status => {}
            Action::Backup { number } => write_varint(*number, body),
            Action::Present { bearer } => write_text(bearer.text(), body),
            Action::Change(change) => write_member_change(change, body),
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != REQUEST {
            return Err(FieldError::Kind { kind });
        }
        let mut fields = Fields::new(body);
        let action = fields.u8("action")?;
        let token = read_vector(&mut fields, "token")?;
        let wait_us = fields.varint("wait_us")?;
        let action = read_action(action, &mut fields)?;
        fields.end().map(|()| Self {
            token,
            wait_us,
            action,
        })
    }
}

impl Action {
    /// Its number in the layout.
    const fn number(&self) -> u8 {
        match self {
            Self::Get { .. } => 0,
            Self::Scan { .. } => 1,
            Self::Write { .. } => 2,
            Self::Watch { .. } => 3,
            Self::Members => 4,
            Self::Change(_) => 5,
            Self::Status => 6,
            Self::Why { .. } => 7,
            Self::Backup { .. } => 8,
            Self::Present { .. } => 9,
        }
    }
}

impl Copies {
    const fn number(self) -> u8 {
        match self {
            Self::One => 0,
            Self::Pushed => 1,
            Self::Two => 2,
            Self::Majority => 3,
        }
    }

    fn from_number(number: u8) -> Result<Self, FieldError> {
        match number {
            0 => Ok(Self::One),
            1 => Ok(Self::Pushed),
            2 => Ok(Self::Two),
            3 => Ok(Self::Majority),
            other => unknown("copies", other),
        }
    }
}

fn read_action(action: u8, fields: &mut Fields<'_>) -> Result<Action, FieldError> {
    Ok(match action {
        0 => Action::Get {
            key: read_key(fields)?,
        },
        1 => Action::Scan {
            prefix: read_prefix(fields)?,
            after: read_option(fields, "after", read_key)?,
            limit: match read_number(fields, "limit", u64::from(SCAN_ITEMS_MAX))? {
                0 => return unknown("limit", 0_u8),
                limit => limit,
            },
        },
        2 => Action::Write {
            copies: Copies::from_number(fields.u8("copies")?)?,
            operations: match read_list(fields, "operations", BATCH_OPERATIONS_MAX, read_operation)? {
                none if none.is_empty() => return unknown("operations", 0_u8),
                operations => operations,
            },
        },
        3 => Action::Watch {
            prefix: read_prefix(fields)?,
            after: read_option(fields, "after", |fields| fields.varint("after"))?,
        },
        4 => Action::Members,
        5 => Action::Change(read_member_change(fields)?),
        6 => Action::Status,
        7 => Action::Why {
            key: read_prefix(fields)?,
        },
        8 => Action::Backup {
            number: fields.varint("number")?,
        },
        9 => Action::Present {
            bearer: Bearer::new(read_text(fields, "bearer")?),
        },
        other => return unknown("action", other),
    })
}

fn write_operation(operation: &Operation, body: &mut Vec<u8>) {
    let change = match &operation.change {
        Change::Put(_) => 0,
        Change::PutBeside(_) => 1,
        Change::Delete => 2,
        Change::Add(_) => 3,
        Change::Insert(_) => 4,
        Change::Remove(_) => 5,
    };
    let condition = match &operation.condition {
        Condition::Always => 0,
        Condition::Absent => 1,
        Condition::Present => 2,
        Condition::Unchanged(_) => 3,
    };
    let lasts = if operation.lasts_us.is_some() {
        LASTS_BIT
    } else {
        0
    };
    body.push(change | condition << CONDITION_SHIFT | lasts);
    write_bytes(&operation.key, body);
    if let Condition::Unchanged(mark) = &operation.condition {
        mark.encode(body);
    }
    if let Some(lasts_us) = operation.lasts_us {
        write_varint(lasts_us, body);
    }
    match &operation.change {
        Change::Put(value) | Change::PutBeside(value) => write_value(value, body),
        Change::Delete => {}
        Change::Add(amount) => write_signed(*amount, body),
        Change::Insert(elements) | Change::Remove(elements) => write_list(elements, body, write_value),
    }
}

fn read_operation(fields: &mut Fields<'_>) -> Result<Operation, FieldError> {
    let form = fields.u8("operation")?;
    let key = read_key(fields)?;
    let condition = match (form & CONDITION_BITS) >> CONDITION_SHIFT {
        0 => Condition::Always,
        1 => Condition::Absent,
        2 => Condition::Present,
        _ => Condition::Unchanged(read_vector(fields, "mark")?),
    };
    let lasts_us = match form & LASTS_BIT {
        0 => None,
        _ => Some(fields.varint("lasts_us")?),
    };
    let elements = |fields: &mut Fields<'_>| read_list(fields, "elements", ELEMENTS_MAX, read_value);
    // The two highest bits mean nothing yet.
    let change = match form & !(CONDITION_BITS | LASTS_BIT) {
        0 => Change::Put(read_value(fields)?),
        1 => Change::PutBeside(read_value(fields)?),
        2 => Change::Delete,
        3 => Change::Add(read_signed(fields, "amount")?),
        4 => Change::Insert(elements(fields)?),
        5 => Change::Remove(elements(fields)?),
        _ => return unknown("operation", form),
    };
    Ok(Operation {
        key,
        change,
        condition,
        lasts_us,
    })
}

fn write_member_change(change: &MemberChange, body: &mut Vec<u8>) {
    body.push(match change {
        MemberChange::Add { .. } => 0,
        MemberChange::Remove { .. } => 1,
        MemberChange::Drain { .. } => 2,
        MemberChange::Replace { .. } => 3,
        MemberChange::Set { .. } => 4,
        MemberChange::Lose { .. } => 5,
    });
    match change {
        MemberChange::Add { id, address } => {
            write_machine(*id, body);
            write_address(address, body);
        }
        MemberChange::Remove { id } | MemberChange::Drain { id } | MemberChange::Lose { id } => {
            write_machine(*id, body);
        }
        MemberChange::Replace { old, id, address } => {
            write_machine(*old, body);
            write_machine(*id, body);
            write_address(address, body);
        }
        MemberChange::Set { members } => write_list(members, body, |(id, address), body| {
            write_machine(*id, body);
            write_address(address, body);
        }),
    }
}

fn read_member_change(fields: &mut Fields<'_>) -> Result<MemberChange, FieldError> {
    Ok(match fields.u8("change")? {
        0 => MemberChange::Add {
            id: read_machine(fields)?,
            address: read_address(fields)?,
        },
        1 => MemberChange::Remove {
            id: read_machine(fields)?,
        },
        2 => MemberChange::Drain {
            id: read_machine(fields)?,
        },
        3 => MemberChange::Replace {
            old: read_machine(fields)?,
            id: read_machine(fields)?,
            address: read_address(fields)?,
        },
        4 => MemberChange::Set {
            members: read_list(fields, "members", MEMBERS_MAX, |fields| {
                Ok((read_machine(fields)?, read_address(fields)?))
            })?,
        },
        5 => MemberChange::Lose {
            id: read_machine(fields)?,
        },
        other => return unknown("change", other),
    })
}
