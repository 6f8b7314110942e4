//! What replicas say to each other: messages and their bytes (protocol.md, section 9).
//!
//! A batch of writes is encoded once, by the replica that accepted it, and passed on as the same bytes by everybody: what
//! is decoded here is its head. All lengths are checked before memory is taken, and memory grows only with bytes that
//! are there.

use std::sync::Arc;

use super::{
    SYSTEM,
    members::{RECORDS_MAX, Record},
    operation::{STAMP_MAX, Stamp},
    sealed::Batch,
    store::Scope,
};
use crate::{
    clock::VersionVector,
    service::{ADDRESS_BYTES_MAX, Address},
    units::MachineId,
    wire::{self, FRAME_LENGTH_MAX, FieldError, Fields, write_varint},
};

/// The kinds of replicas' frames.
pub mod kind {
    /// First on each link.
    pub const INTRODUCE: u8 = 0x20;
    /// Writes, new or asked for.
    pub const WRITES: u8 = 0x21;
    /// What I have, because you sent me something.
    pub const ACKNOWLEDGE: u8 = 0x22;
    /// What I have, because I am alive.
    pub const HEARTBEAT: u8 = 0x23;
    /// Who the members are.
    pub const MEMBERS: u8 = 0x24;
    /// Send me what I do not have.
    pub const PULL: u8 = 0x25;
    /// That is all of it, or as much as goes at once.
    pub const PULLED: u8 = 0x26;
    /// Instead of writes the state itself follows.
    pub const TRANSFER_BEGIN: u8 = 0x27;
    /// A part of the state.
    pub const TRANSFER_PART: u8 = 0x28;
    /// That was the whole state.
    pub const TRANSFER_END: u8 = 0x29;
    /// So many parts have been taken.
    pub const TRANSFER_CREDIT: u8 = 0x2A;
}

/// Most bytes of batches in one message, each with its length: a frame has room for the clock as well.
pub const BATCHES_BYTES_MAX: usize = FRAME_LENGTH_MAX - 64;

/// Most origins, lives of replicas that have written, of which a replica knows writes: what it says of itself has to fit
/// a frame. Writes of a further one are refused.
pub(super) const ORIGINS_KNOWN_MAX: usize = 8192;

/// Most bytes of an origin and a number in a vector.
const DOT_BYTES_MAX: usize = 3 + 5 + 10;

const _: () = assert!(
    3 * ORIGINS_KNOWN_MAX * DOT_BYTES_MAX + RECORDS_MAX * (ADDRESS_BYTES_MAX + 32) < FRAME_LENGTH_MAX,
    "an introduction with its three vectors and all members fits a frame"
);

/// A message of one replica to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// First on each link: who I am and whom I take for members.
    Introduce(Box<Introduce>),
    /// Writes: an event of the log.
    Writes(Writes),
    /// What I have, because you sent me something and want to know.
    Acknowledge(Box<Report>),
    /// What I have, because I am alive; from time to time.
    Heartbeat(Box<Report>),
    /// Who the members are: all records, each newer or older than the receiver's.
    Members(Vec<Record>),
    /// Send me what I do not have.
    Pull {
        /// Counts the sender's pulls.
        number: u64,
        /// What the sender has.
        known: VersionVector,
    },
    /// The writes that were asked for have been sent, or as many as go at once.
    Pulled {
        /// The pull's number.
        number: u64,
        /// Whether there are more: pull again.
        more: More,
    },
    /// Instead of writes the state itself follows.
    TransferBegin {
        /// The pull's number.
        number: u64,
        /// What the state holds.
        known: VersionVector,
        /// How much of it is sent.
        scope: Scope,
        /// What the sender has forgotten of it.
        forgotten: VersionVector,
        /// The greatest stamp that the sender has seen.
        stamp: Stamp,
    },
    /// A part of the state. The parts together are keys and their entries, in ascending order of keys, cut anywhere.
    TransferPart {
        /// The pull's number.
        number: u64,
        /// Counts up from 0.
        part: u64,
        /// The part's bytes.
        bytes: Box<[u8]>,
    },
    /// That was the whole state.
    TransferEnd {
        /// The pull's number.
        number: u64,
        /// How many parts it had.
        parts: u64,
    },
    /// So many parts have been taken: more may follow.
    TransferCredit {
        /// The pull's number.
        number: u64,
        /// How many parts have been taken so far.
        parts: u64,
    },
}

/// Who a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduce {
    /// Where it is reached.
    pub address: Address,
    /// What it has.
    pub report: Report,
    /// What it knows every member to have.
    pub stable: VersionVector,
    /// The members, as it sees them.
    pub members: Vec<Record>,
}

/// Batches of writes in causal order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    /// The sender's clock at the send event.
    pub clock: u64,
    /// Which acknowledgement the sender waits for.
    pub wants: Wants,
    /// The batches.
    pub batches: Vec<Arc<Batch>>,
}

/// Which acknowledgement a sender waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wants {
    /// None: a heartbeat is soon enough.
    #[default]
    Nothing,
    /// That the writes have been applied.
    Known,
    /// That they are on the receiver's disk.
    Kept,
}

/// Whether there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// No.
    No,
    /// Yes.
    Yes,
}

/// What a replica has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The clock of the last `writes` that came over this link; 0 if none did.
    pub heard: u64,
    /// Since when it has been lacking something that others have, in microseconds before now; 0 if it lacks nothing.
    pub gap_us: u64,
    /// Whether it has the data of the beginning, and serves clients.
    pub readiness: Readiness,
    /// What has been applied.
    pub known: VersionVector,
    /// What of it is on its disk: at most `known`.
    pub kept: VersionVector,
    /// A digest of its member records.
    pub members_digest: u64,
    /// A digest of the members and of the life of each that its link leads to: it takes nothing any more from earlier ones.
    pub lives_digest: u64,
}

/// Whether a replica serves clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// It is new, and has not got the data yet.
    #[default]
    Joining,
    /// It serves.
    Ready,
}

impl wire::Message for Message {
    const SYSTEM: u8 = SYSTEM;

    fn kind(&self) -> u8 {
        match self {
            Self::Introduce(_) => kind::INTRODUCE,
            Self::Writes(_) => kind::WRITES,
            Self::Acknowledge(_) => kind::ACKNOWLEDGE,
            Self::Heartbeat(_) => kind::HEARTBEAT,
            Self::Members(_) => kind::MEMBERS,
            Self::Pull { .. } => kind::PULL,
            Self::Pulled { .. } => kind::PULLED,
            Self::TransferBegin { .. } => kind::TRANSFER_BEGIN,
            Self::TransferPart { .. } => kind::TRANSFER_PART,
            Self::TransferEnd { .. } => kind::TRANSFER_END,
            Self::TransferCredit { .. } => kind::TRANSFER_CREDIT,
        }
    }

    fn encode(&self, body: &mut Vec<u8>) {
        match self {
            Self::Introduce(introduce) => {
                write_address(&introduce.address, body);
                introduce.report.encode(body);
                introduce.stable.encode(body);
                write_members(&introduce.members, body);
            }
            Self::Writes(writes) => writes.encode(body),
            Self::Acknowledge(report) | Self::Heartbeat(report) => report.encode(body),
            Self::Members(records) => write_members(records, body),
            Self::Pull { number, known } => {
                write_varint(*number, body);
                known.encode(body);
            }
            Self::Pulled { number, more } => {
                write_varint(*number, body);
                body.push(u8::from(*more == More::Yes));
            }
            Self::TransferBegin {
                number,
                known,
                scope,
                forgotten,
                stamp,
            } => {
                write_varint(*number, body);
                body.push(u8::from(*scope == Scope::Whole));
                known.encode(body);
                forgotten.encode(body);
                write_varint(*stamp, body);
            }
            Self::TransferPart { number, part, bytes } => {
                write_varint(*number, body);
                write_varint(*part, body);
                body.extend_from_slice(bytes);
            }
            Self::TransferEnd { number, parts } | Self::TransferCredit { number, parts } => {
                write_varint(*number, body);
                write_varint(*parts, body);
            }
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(body);
        let message = match kind {
            kind::INTRODUCE => Self::Introduce(Box::new(Introduce {
                address: read_address(&mut fields)?,
                report: Report::decode(&mut fields)?,
                stable: VersionVector::decode(&mut fields)?,
                members: read_members(&mut fields)?,
            })),
            kind::WRITES => return Writes::decode(fields).map(Self::Writes),
            kind::ACKNOWLEDGE => Self::Acknowledge(Box::new(Report::decode(&mut fields)?)),
            kind::HEARTBEAT => Self::Heartbeat(Box::new(Report::decode(&mut fields)?)),
            kind::MEMBERS => Self::Members(read_members(&mut fields)?),
            kind::PULL => Self::Pull {
                number: fields.varint("pull")?,
                known: VersionVector::decode(&mut fields)?,
            },
            kind::PULLED => Self::Pulled {
                number: fields.varint("pull")?,
                more: if read_flag(&mut fields, "more")? {
                    More::Yes
                } else {
                    More::No
                },
            },
            kind::TRANSFER_BEGIN => Self::TransferBegin {
                number: fields.varint("pull")?,
                scope: if read_flag(&mut fields, "scope")? {
                    Scope::Whole
                } else {
                    Scope::Beyond
                },
                known: VersionVector::decode(&mut fields)?,
                forgotten: VersionVector::decode(&mut fields)?,
                stamp: read_stamp(&mut fields)?,
            },
            kind::TRANSFER_PART => {
                return Ok(Self::TransferPart {
                    number: fields.varint("pull")?,
                    part: fields.varint("part")?,
                    bytes: fields.rest().into(),
                });
            }
            kind::TRANSFER_END => Self::TransferEnd {
                number: fields.varint("pull")?,
                parts: fields.varint("parts")?,
            },
            kind::TRANSFER_CREDIT => Self::TransferCredit {
                number: fields.varint("pull")?,
                parts: fields.varint("parts")?,
            },
            kind => return Err(FieldError::Kind { kind }),
        };
        fields.end().map(|()| message)
    }
}

impl Writes {
    fn encode(&self, body: &mut Vec<u8>) {
        write_varint(self.clock, body);
        body.push(match self.wants {
            Wants::Nothing => 0,
            Wants::Known => 1,
            Wants::Kept => 2,
        });
        for batch in &self.batches {
            write_bytes(batch.bytes(), body);
        }
    }

    fn decode(mut fields: Fields<'_>) -> Result<Self, FieldError> {
        let clock = fields.varint("clock")?;
        let wants = match fields.u8("wants")? {
            0 => Wants::Nothing,
            1 => Wants::Known,
            2 => Wants::Kept,
            value => {
                let field = "wants";
                return Err(FieldError::Value {
                    field,
                    value: u64::from(value),
                });
            }
        };
        let mut batches = Vec::new();
        while !fields.rest().is_empty() {
            let bytes = read_bytes(&mut fields, "batch", FRAME_LENGTH_MAX)?;
            batches.push(Arc::new(Batch::decode(bytes)?));
        }
        Ok(Self {
            clock,
            wants,
            batches,
        })
    }
}

impl Report {
    fn encode(&self, body: &mut Vec<u8>) {
        write_varint(self.heard, body);
        write_varint(self.gap_us, body);
        body.push(u8::from(self.readiness == Readiness::Ready));
        self.known.encode(body);
        self.kept.encode(body);
        write_varint(self.members_digest, body);
        write_varint(self.lives_digest, body);
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            heard: fields.varint("heard")?,
            gap_us: fields.varint("gap")?,
            readiness: if read_flag(fields, "readiness")? {
                Readiness::Ready
            } else {
                Readiness::Joining
            },
            known: VersionVector::decode(fields)?,
            kept: VersionVector::decode(fields)?,
            members_digest: fields.varint("members digest")?,
            lives_digest: fields.varint("lives digest")?,
        })
    }
}

/// A stamp: far below the end of its range, so that no peer can use the range up.
fn read_stamp(fields: &mut Fields<'_>) -> Result<Stamp, FieldError> {
    match fields.varint("stamp")? {
        stamp if stamp <= STAMP_MAX => Ok(stamp),
        value => Err(FieldError::Value {
            field: "stamp",
            value,
        }),
    }
}

/// Appends bytes behind their length, a varint.
fn write_bytes(bytes: &[u8], body: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, body);
    body.extend_from_slice(bytes);
}

fn read_bytes<'a>(
    fields: &mut Fields<'a>,
    field: &'static str,
    bytes_max: usize,
) -> Result<&'a [u8], FieldError> {
    let length = fields.varint(field)?;
    match usize::try_from(length) {
        Ok(count) if count <= bytes_max => fields.bytes(field, count),
        _ => Err(FieldError::Value { field, value: length }),
    }
}

fn read_flag(fields: &mut Fields<'_>, field: &'static str) -> Result<bool, FieldError> {
    match fields.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        value => Err(FieldError::Value {
            field,
            value: u64::from(value),
        }),
    }
}

fn write_address(address: &Address, body: &mut Vec<u8>) {
    write_bytes(address.as_str().as_bytes(), body);
}

fn read_address(fields: &mut Fields<'_>) -> Result<Address, FieldError> {
    let field = "address";
    let bytes = read_bytes(fields, field, ADDRESS_BYTES_MAX)?;
    let text = std::str::from_utf8(bytes).map_err(|_| FieldError::Text { field })?;
    let address: Address = text.parse().map_err(|_| FieldError::Text { field })?;
    // Space around it would make what is encoded again another text.
    if address.as_str() == text {
        Ok(address)
    } else {
        Err(FieldError::Text { field })
    }
}

/// Appends records: how many, then each; ids ascend.
pub(super) fn write_members(records: &[Record], body: &mut Vec<u8>) {
    write_varint(records.len() as u64, body);
    for record in records {
        write_varint(u64::from(record.id.0), body);
        record.encode(body);
        write_address(&record.address, body);
    }
}

/// Reads what [`write_members`] wrote.
pub(super) fn read_members(fields: &mut Fields<'_>) -> Result<Vec<Record>, FieldError> {
    let count = fields.varint("members")?;
    if count > RECORDS_MAX as u64 {
        return Err(FieldError::Value {
            field: "members",
            value: count,
        });
    }
    let mut records: Vec<Record> = Vec::new();
    for _ in 0..count {
        let id = fields.varint("machine")?;
        let machine = u16::try_from(id).ok().map(MachineId);
        let machine = machine.filter(|id| records.last().is_none_or(|last| last.id < *id));
        let Some(machine) = machine else {
            return Err(FieldError::Value {
                field: "machine",
                value: id,
            });
        };
        let (version, incarnation, status) = Record::decode(fields)?;
        records.push(Record {
            id: machine,
            version,
            incarnation,
            status,
            address: read_address(fields)?,
        });
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
