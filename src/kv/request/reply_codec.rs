//! An answer's bytes (protocol.md, section 9, client frames).
//!
//! ```text
//!   answer u8 | token | released | what the answer has
//! ```

use std::borrow::Cow;

use super::{
    Answer, BackupPart, Content, Deny, Done, Item, Lag, Member, Reply, Standing, Status, Watched, Why,
    codec::MEMBERS_MAX,
    parts::{
        read_address, read_bool, read_dot, read_key, read_list, read_machine, read_missing, read_number,
        read_option, read_origin, read_signed, read_text, read_value, unknown, write_address, write_bytes,
        write_dot, write_list, write_machine, write_missing, write_option, write_origin, write_signed,
        write_text, write_value,
    },
};
use crate::{
    clock::VersionVector,
    kv::{bytes::read_bytes, operation::BATCH_OPERATIONS_MAX},
    wire::{FRAME_LENGTH_MAX, FieldError, Fields, Message, write_varint},
};

/// The kind of a reply's frame.
pub const REPLY: u8 = 0x31;

/// Longest body of a reply, the driver's ticket in front of it left out. One that comes out longer, such as many large
/// values written concurrently, is denied as too large.
pub const REPLY_BYTES_MAX: usize = FRAME_LENGTH_MAX - 32;

/// No limit but the frame's: an answer is believed.
const ANY: usize = usize::MAX;

/// Of an item's first byte: what it holds, and whether it has an end.
const ENDS_BIT: u8 = 0b0000_0100;

impl Message for Reply {
    const SYSTEM: u8 = crate::kv::SYSTEM;

    fn kind(&self) -> u8 {
        REPLY
    }

    fn encode(&self, body: &mut Vec<u8>) {
        let start = body.len();
        self.write(body);
        let bytes = body.len() - start;
        if bytes <= REPLY_BYTES_MAX {
            return;
        }
        body.truncate(start);
        let what = format!(
            "the answer has {bytes} bytes, and a frame has room for {REPLY_BYTES_MAX}: ask for less, or over HTTP"
        );
        Self {
            token: VersionVector::new(),
            released: Vec::new(),
            answer: Answer::Denied(Deny::TooLarge { what }),
        }
        .write(body);
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != REPLY {
            return Err(FieldError::Kind { kind });
        }
        let mut fields = Fields::new(body);
        let answer = fields.u8("answer")?;
        let token = VersionVector::decode(&mut fields)?;
        let released = read_list(&mut fields, "released", ANY, read_dot)?;
        let answer = read_answer(answer, &mut fields)?;
        fields.end().map(|()| Self {
            token,
            released,
            answer,
        })
    }
}

impl Reply {
    fn write(&self, body: &mut Vec<u8>) {
        body.push(match &self.answer {
            Answer::Found(_) => 0,
            Answer::NotFound => 1,
            Answer::Scanned { .. } => 2,
            Answer::Written { .. } => 3,
            Answer::Changed(_) => 4,
            Answer::Members(_) => 5,
            Answer::MembersChanged { .. } => 6,
            Answer::Status(_) => 7,
            Answer::Why(_) => 8,
            Answer::Denied(_) => 9,
            Answer::Backup(_) => 10,
            Answer::Admitted => 11,
        });
        self.token.encode(body);
        write_list(&self.released, body, |dot, body| write_dot(*dot, body));
        match &self.answer {
            Answer::Found(item) => write_item(item, body),
            Answer::NotFound | Answer::Admitted => {}
            Answer::Scanned { items, next } => {
                write_list(items, body, |(key, item), body| {
                    write_bytes(key, body);
                    write_item(item, body);
                });
                write_option(next.as_ref(), body, |key, body| write_bytes(key, body));
            }
            Answer::Written { dot, done } => {
                write_option(*dot, body, write_dot);
                write_list(done, body, |done, body| body.push(done.number()));
            }
            Answer::Changed(watched) => write_watched(watched, body),
            Answer::Members(members) => write_list(members, body, write_member),
            Answer::MembersChanged { was_so } => body.push(u8::from(*was_so)),
            Answer::Status(status) => write_status(status, body),
            Answer::Why(why) => write_why(why, body),
            Answer::Denied(deny) => write_deny(deny, body),
            Answer::Backup(part) => write_part(part, body),
        }
    }
}

fn read_answer(answer: u8, fields: &mut Fields<'_>) -> Result<Answer, FieldError> {
    Ok(match answer {
        0 => Answer::Found(read_item(fields)?),
        1 => Answer::NotFound,
        2 => Answer::Scanned {
            items: read_list(fields, "items", ANY, |fields| {
                Ok((read_key(fields)?, read_item(fields)?))
            })?,
            next: read_option(fields, "next", read_key)?,
        },
        3 => Answer::Written {
            dot: read_option(fields, "dot", read_dot)?,
            done: read_list(fields, "done", BATCH_OPERATIONS_MAX, Done::read)?,
        },
        4 => Answer::Changed(read_watched(fields)?),
        5 => Answer::Members(read_members(fields)?),
        6 => Answer::MembersChanged {
            was_so: read_bool(fields, "was so")?,
        },
        7 => Answer::Status(Box::new(read_status(fields)?)),
        8 => Answer::Why(Box::new(read_why(fields)?)),
        9 => Answer::Denied(read_deny(fields)?),
        10 => Answer::Backup(read_part(fields)?),
        11 => Answer::Admitted,
        other => return unknown("answer", other),
    })
}

fn write_part(part: &BackupPart, body: &mut Vec<u8>) {
    write_varint(part.number, body);
    write_varint(part.rows, body);
    body.push(u8::from(part.is_last));
    write_bytes(&part.bytes, body);
}

fn read_part(fields: &mut Fields<'_>) -> Result<BackupPart, FieldError> {
    Ok(BackupPart {
        number: fields.varint("number")?,
        rows: fields.varint("rows")?,
        is_last: read_bool(fields, "is last")?,
        bytes: read_bytes(fields, "bytes", ANY)?.into(),
    })
}

fn write_item(item: &Item, body: &mut Vec<u8>) {
    let content = match &item.content {
        Content::Values(_) => 0,
        Content::Counter(_) => 1,
        Content::Set(_) => 2,
    };
    let ends = if item.ends_us.is_some() { ENDS_BIT } else { 0 };
    body.push(content | ends);
    item.mark.encode(body);
    if let Some(ends_us) = item.ends_us {
        write_varint(ends_us, body);
    }
    match &item.content {
        Content::Values(values) | Content::Set(values) => write_list(values, body, write_value),
        Content::Counter(sum) => write_signed(*sum, body),
    }
}

fn read_item(fields: &mut Fields<'_>) -> Result<Item, FieldError> {
    let form = fields.u8("item")?;
    let mark = VersionVector::decode(fields)?;
    let ends_us = match form & ENDS_BIT {
        0 => None,
        _ => Some(fields.varint("ends_us")?),
    };
    let content = match form & !ENDS_BIT {
        0 => Content::Values(read_list(fields, "values", ANY, read_value)?),
        1 => Content::Counter(read_signed(fields, "sum")?),
        2 => Content::Set(read_list(fields, "elements", ANY, read_value)?),
        _ => return unknown("item", form),
    };
    Ok(Item {
        mark,
        content,
        ends_us,
    })
}

impl Done {
    const fn number(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Updated => 1,
            Self::Deleted => 2,
            Self::Nothing => 3,
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        match fields.u8("done")? {
            0 => Ok(Self::Created),
            1 => Ok(Self::Updated),
            2 => Ok(Self::Deleted),
            3 => Ok(Self::Nothing),
            other => unknown("done", other),
        }
    }
}

fn write_watched(watched: &Watched, body: &mut Vec<u8>) {
    write_varint(watched.position, body);
    write_dot(watched.dot, body);
    write_list(&watched.changes, body, |(key, item), body| {
        write_bytes(key, body);
        write_option(item.as_ref(), body, write_item);
    });
}

fn read_watched(fields: &mut Fields<'_>) -> Result<Watched, FieldError> {
    Ok(Watched {
        position: fields.varint("position")?,
        dot: read_dot(fields)?,
        changes: read_list(fields, "changes", BATCH_OPERATIONS_MAX, |fields| {
            Ok((read_key(fields)?, read_option(fields, "item", read_item)?))
        })?,
    })
}

fn write_member(member: &Member, body: &mut Vec<u8>) {
    write_machine(member.id, body);
    write_address(&member.address, body);
    body.push(match member.standing {
        Standing::Myself => 0,
        Standing::Alive => 1,
        Standing::Suspected => 2,
        Standing::Draining => 3,
        Standing::Removed => 4,
        Standing::Left => 5,
        Standing::Lost => 6,
    });
    write_varint(u64::from(member.incarnation), body);
}

fn read_members(fields: &mut Fields<'_>) -> Result<Vec<Member>, FieldError> {
    read_list(fields, "members", ANY, |fields| {
        Ok(Member {
            id: read_machine(fields)?,
            address: read_address(fields)?,
            standing: match fields.u8("standing")? {
                0 => Standing::Myself,
                1 => Standing::Alive,
                2 => Standing::Suspected,
                3 => Standing::Draining,
                4 => Standing::Removed,
                5 => Standing::Left,
                6 => Standing::Lost,
                other => return unknown("standing", other),
            },
            incarnation: read_number(fields, "incarnation", u64::from(u32::MAX))?,
        })
    })
}

fn write_status(status: &Status, body: &mut Vec<u8>) {
    write_origin(status.origin, body);
    write_address(&status.address, body);
    body.push(u8::from(status.is_ready));
    status.known.encode(body);
    status.kept.encode(body);
    status.stable.encode(body);
    write_list(&status.members, body, write_member);
    write_list(&status.lags, body, |lag, body| {
        write_machine(lag.peer, body);
        lag.known.encode(body);
        for number in [lag.writes, lag.behind_us, lag.silent_us, lag.phi_permille] {
            write_varint(number, body);
        }
    });
    let (writes, bytes) = status.logged;
    for number in [
        status.keys,
        status.tombstones,
        status.buffered,
        status.waiting,
        writes,
        bytes,
    ] {
        write_varint(number, body);
    }
    write_list(&status.counts, body, |(name, count), body| {
        write_text(name, body);
        write_varint(*count, body);
    });
    write_option(status.disk_trouble.as_deref(), body, write_text);
}

fn read_status(fields: &mut Fields<'_>) -> Result<Status, FieldError> {
    Ok(Status {
        origin: read_origin(fields)?,
        address: read_address(fields)?,
        is_ready: read_bool(fields, "is ready")?,
        known: VersionVector::decode(fields)?,
        kept: VersionVector::decode(fields)?,
        stable: VersionVector::decode(fields)?,
        members: read_members(fields)?,
        lags: read_list(fields, "lags", MEMBERS_MAX, |fields| {
            Ok(Lag {
                peer: read_machine(fields)?,
                known: VersionVector::decode(fields)?,
                writes: fields.varint("writes")?,
                behind_us: fields.varint("behind_us")?,
                silent_us: fields.varint("silent_us")?,
                phi_permille: fields.varint("phi_permille")?,
            })
        })?,
        keys: fields.varint("keys")?,
        tombstones: fields.varint("tombstones")?,
        buffered: fields.varint("buffered")?,
        waiting: fields.varint("waiting")?,
        logged: (fields.varint("logged writes")?, fields.varint("logged bytes")?),
        counts: read_list(fields, "counts", ANY, |fields| {
            let name = Cow::Owned(read_text(fields, "name")?);
            Ok((name, fields.varint("count")?))
        })?,
        disk_trouble: read_option(fields, "disk trouble", |fields| read_text(fields, "disk trouble"))?,
    })
}

fn write_why(why: &Why, body: &mut Vec<u8>) {
    write_list(&why.present, body, |(dot, stamp), body| {
        write_dot(*dot, body);
        write_varint(*stamp, body);
    });
    write_list(&why.buffered, body, |(dot, missing), body| {
        write_dot(*dot, body);
        write_missing(missing, body);
    });
    write_missing(&why.unmet, body);
}

fn read_why(fields: &mut Fields<'_>) -> Result<Why, FieldError> {
    Ok(Why {
        present: read_list(fields, "present", ANY, |fields| {
            Ok((read_dot(fields)?, fields.varint("stamp")?))
        })?,
        buffered: read_list(fields, "buffered", ANY, |fields| {
            Ok((read_dot(fields)?, read_missing(fields)?))
        })?,
        unmet: read_missing(fields)?,
    })
}

fn write_deny(deny: &Deny, body: &mut Vec<u8>) {
    body.push(match deny {
        Deny::Unmet { .. } => 0,
        Deny::NoMember => 1,
        Deny::Joining => 2,
        Deny::Leaving => 3,
        Deny::Condition { .. } => 4,
        Deny::WrongType { .. } => 5,
        Deny::TooLarge { .. } => 6,
        Deny::Malformed { .. } => 7,
        Deny::Busy => 8,
        Deny::TooFewCopies { .. } => 9,
        Deny::Disk { .. } => 10,
        Deny::NoSuchMember => 11,
        Deny::Forbidden { .. } => 12,
    });
    match deny {
        Deny::NoMember | Deny::Joining | Deny::Leaving | Deny::Busy | Deny::NoSuchMember => {}
        Deny::Unmet { missing } => write_missing(missing, body),
        Deny::Condition { operation, mark } => {
            write_varint(u64::from(*operation), body);
            mark.encode(body);
        }
        Deny::WrongType { operation } => write_varint(u64::from(*operation), body),
        Deny::TooLarge { what } | Deny::Malformed { what } => write_text(what, body),
        Deny::TooFewCopies { dot, have, want } => {
            write_dot(*dot, body);
            write_varint(u64::from(*have), body);
            write_varint(u64::from(*want), body);
        }
        Deny::Disk { why } | Deny::Forbidden { why } => write_text(why, body),
    }
}

fn read_deny(fields: &mut Fields<'_>) -> Result<Deny, FieldError> {
    let small = |fields: &mut Fields<'_>, field| read_number(fields, field, u64::from(u32::MAX));
    Ok(match fields.u8("reason")? {
        0 => Deny::Unmet {
            missing: read_missing(fields)?,
        },
        1 => Deny::NoMember,
        2 => Deny::Joining,
        3 => Deny::Leaving,
        4 => Deny::Condition {
            operation: small(fields, "operation")?,
            mark: VersionVector::decode(fields)?,
        },
        5 => Deny::WrongType {
            operation: small(fields, "operation")?,
        },
        6 => Deny::TooLarge {
            what: read_text(fields, "what")?,
        },
        7 => Deny::Malformed {
            what: read_text(fields, "what")?,
        },
        8 => Deny::Busy,
        9 => Deny::TooFewCopies {
            dot: read_dot(fields)?,
            have: small(fields, "have")?,
            want: small(fields, "want")?,
        },
        10 => Deny::Disk {
            why: read_text(fields, "why")?,
        },
        11 => Deny::NoSuchMember,
        12 => Deny::Forbidden {
            why: read_text(fields, "why")?,
        },
        other => return unknown("reason", other),
    })
}
