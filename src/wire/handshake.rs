//! The handshake: what a hello says, and how it is judged (protocol.md, section 2).
//!
//! Both sides run the same judgement; no I/O, no time. Whether a link is already up is the driver's knowledge
//! and passed in.

use std::{fmt, str::FromStr};

use byteorder::{BigEndian, WriteBytesExt};
use thiserror::Error;

use super::{
    control::{Control, ErrorCode},
    field::{FieldError, Fields},
    frame::{encode_frame, kind},
};
use crate::units::MachineId;

/// The first bytes of every hello: "CLKL".
pub const MAGIC: [u8; 4] = *b"CLKL";

/// The version of protocol.md that this code speaks.
pub const VERSION: u16 = 2;

/// The name of a run: 1 to 64 characters of `A–Z a–z 0–9 . _ -`, the first a letter or a digit, so that it
/// can name a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(String);

/// Longest run id, in bytes.
pub const RUN_ID_BYTES_MAX: usize = 64;

/// A text that cannot name a run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` cannot name a run: use 1 to {RUN_ID_BYTES_MAX} of A-Z a-z 0-9 . _ - and begin with a letter or a digit"
)]
pub struct RunIdError {
    /// What was given.
    pub text: String,
}

/// The sender of a hello that is no machine: a person or a tool that wants to give commands.
pub const CONTROLLER: MachineId = MachineId(u16::MAX);

/// The sender of a hello that is no machine: who asks a system that serves clients.
pub const CLIENT: MachineId = MachineId(u16::MAX - 1);

/// The number of machines in the hello of an open mesh, whose machines come and go: they are not counted.
pub const NOT_COUNTED: u16 = 0;

/// Ids of machines in an open mesh lie below this; those above are for whoever is no machine.
pub const OPEN_IDS: u16 = 65_000;

const _: () = assert!(OPEN_IDS < CLIENT.0 && CLIENT.0 < CONTROLLER.0);

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;

/// How two sides make sure of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Not at all: whoever reaches the port may join.
    Open,
    /// By proofs that both know the run's secret; the nonce makes each handshake another one.
    Secret {
        /// Random bytes, never used twice.
        nonce: [u8; NONCE_BYTES],
    },
}

/// How firmly a machine holds its run id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A person or a launcher named it, or the run has begun. Sorts first: a given id wins.
    Given,
    /// Made from the machine's start time; gives way.
    Proposed,
}

/// The first frame in each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The system's number.
    pub system: u8,
    /// How many machines the run has; [`NOT_COUNTED`] in an open mesh.
    pub machines: u16,
    /// Who speaks.
    pub sender: MachineId,
    /// Who is meant.
    pub receiver: MachineId,
    /// Which life of the sender, from 1: a machine that is started again in its run has the next.
    pub incarnation: u32,
    /// How the sender wants to be sure of the receiver, and offers to be proved.
    pub trust: Trust,
    /// How firmly `run` is held.
    pub standing: Standing,
    /// The run's id.
    pub run: RunId,
}

/// What this side of a handshake accepts.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// Our own hello, as it is or would be sent.
    pub mine: &'a Hello,
    /// The peer that we dialled; `None` if we were dialled, by a machine with a greater id (in an open mesh by any).
    pub dialled: Option<MachineId>,
}

/// Why a hello is not acceptable: an error frame, in parts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{code}: {text}")]
pub struct Refusal {
    /// The code to answer with.
    pub code: ErrorCode,
    /// The same in words.
    pub text: String,
}

impl RunId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that all machines of a run choose from what each brought: a given one, else that of the
    /// smallest machine.
    ///
    /// `None` only for an empty list. Differing given ids never get here: the handshake refuses them.
    pub fn agree<'a>(
        brought: impl IntoIterator<Item = (Standing, MachineId, &'a RunId)>,
    ) -> Option<&'a RunId> {
        brought
            .into_iter()
            .min_by_key(|(standing, machine, _)| (*standing, *machine))
            .map(|(_, _, run)| run)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && text.len() <= RUN_ID_BYTES_MAX && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError {
                text: text.chars().take(RUN_ID_BYTES_MAX + 1).collect(),
            })
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Hello {
    /// Appends the frame to `output`: 26 to 121 bytes.
    pub fn encode(&self, output: &mut Vec<u8>) {
        encode_frame(output, kind::HELLO, |body| self.encode_body(body));
    }

    /// The frame's body: what a proof is about.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.encode_body(&mut body);
        body
    }

    fn encode_body(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&MAGIC);
        // Writing into a Vec cannot fail; `Write` only says it could.
        let _ = body.write_u16::<BigEndian>(VERSION);
        body.push(self.system);
        for number in [self.machines, self.sender.0, self.receiver.0] {
            let _ = body.write_u16::<BigEndian>(number);
        }
        let _ = body.write_u32::<BigEndian>(self.incarnation);
        match &self.trust {
            Trust::Open => body.push(0),
            Trust::Secret { nonce } => {
                body.push(1);
                body.extend_from_slice(nonce);
            }
        }
        body.push(match self.standing {
            Standing::Proposed => 0,
            Standing::Given => 1,
        });
        body.push(u8::try_from(self.run.0.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(self.run.0.as_bytes());
    }

    /// Reads a hello from the body of a frame of kind hello.
    ///
    /// # Errors
    /// [`Refusal`] with `bad_magic`, `wrong_version` or `malformed`, in this order.
    pub fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields::new(body);
        if fields.bytes("magic", MAGIC.len()) != Ok(MAGIC.as_slice()) {
            return Err(Refusal::new(
                ErrorCode::BadMagic,
                "this is a clocklab port; the hello must begin with CLKL",
            ));
        }
        let version = fields.u16("version").map_err(Refusal::malformed)?;
        if version != VERSION {
            return Err(Refusal::new(
                ErrorCode::WrongVersion,
                format!(
                    "you speak version {version}, this machine version {VERSION}: use the same clocklab on both"
                ),
            ));
        }
        Self::decode_fields(fields).map_err(Refusal::malformed)
    }

    /// The layout behind magic and version.
    fn decode_fields(mut fields: Fields<'_>) -> Result<Self, FieldError> {
        let system = fields.u8("system")?;
        let machines = fields.u16("machines")?;
        let sender = MachineId(fields.u16("sender")?);
        let receiver = MachineId(fields.u16("receiver")?);
        let incarnation = fields.u32("incarnation")?;
        let trust = match fields.u8("trust")? {
            0 => Trust::Open,
            1 => Trust::Secret {
                nonce: *fields
                    .bytes("nonce", NONCE_BYTES)?
                    .first_chunk()
                    .ok_or(FieldError::Truncated { field: "nonce" })?,
            },
            value => {
                return Err(FieldError::Value {
                    field: "trust",
                    value: u64::from(value),
                });
            }
        };
        let standing = match fields.u8("run standing")? {
            0 => Standing::Proposed,
            1 => Standing::Given,
            value => {
                return Err(FieldError::Value {
                    field: "run standing",
                    value: u64::from(value),
                });
            }
        };
        let length = usize::from(fields.u8("run length")?);
        let run = std::str::from_utf8(fields.bytes("run id", length)?)
            .ok()
            .and_then(|text| text.parse().ok());
        let run = run.ok_or(FieldError::Text { field: "run id" })?;
        fields.end()?;
        Ok(Self {
            system,
            machines,
            sender,
            receiver,
            incarnation,
            trust,
            standing,
            run,
        })
    }
}

impl Expectation<'_> {
    /// Judges a hello that was decoded.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule of protocol.md, section 2, that it breaks.
    pub fn judge(&self, hello: &Hello) -> Result<(), Refusal> {
        let mine = self.mine;
        mine.trust.judge(&hello.trust)?;
        if hello.system != mine.system {
            let text = format!(
                "you run system {}, this machine system {}",
                hello.system, mine.system
            );
            return Err(Refusal::new(ErrorCode::WrongSystem, text));
        }
        if hello.machines != mine.machines {
            let text = format!(
                "you count {} machines, machine {} counts {}: give both the same --machines",
                hello.machines, mine.sender, mine.machines
            );
            return Err(Refusal::new(ErrorCode::WrongMachines, text));
        }
        if hello.receiver != mine.sender {
            let text = format!(
                "you look for machine {}, this is machine {}",
                hello.receiver, mine.sender
            );
            return Err(Refusal::new(ErrorCode::WrongReceiver, text));
        }
        let fits = match self.dialled {
            Some(peer) => hello.sender == peer,
            None if mine.machines == NOT_COUNTED => hello.sender != mine.sender && hello.sender.0 < OPEN_IDS,
            None => hello.sender > mine.sender && hello.sender.0 < mine.machines,
        };
        if !fits {
            let text = match self.dialled {
                Some(peer) => format!("machine {peer} was dialled, machine {} answers", hello.sender),
                None if mine.machines == NOT_COUNTED => format!(
                    "this is machine {}; others have other ids, below {OPEN_IDS}, and you say {}",
                    mine.sender, hello.sender
                ),
                None => format!(
                    "machine {} is dialled by machines {} to {}, not by {}",
                    mine.sender,
                    u32::from(mine.sender.0) + 1,
                    mine.machines.saturating_sub(1),
                    hello.sender
                ),
            };
            return Err(Refusal::new(ErrorCode::IdOutOfRange, text));
        }
        let is_held = hello.standing == Standing::Given && mine.standing == Standing::Given;
        let is_other = hello.run != mine.run || hello.standing != mine.standing;
        if (is_held && hello.run != mine.run) || (mine.machines == NOT_COUNTED && is_other) {
            let text = format!(
                "you are in run `{}`, machine {} in run `{}`: give the same --run, or none",
                hello.run, mine.sender, mine.run
            );
            return Err(Refusal::new(ErrorCode::WrongRun, text));
        }
        Ok(())
    }
}

impl Refusal {
    /// A refusal in the words of `text`.
    #[must_use]
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The refusal of a body that does not follow its layout.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
    pub fn malformed(error: FieldError) -> Self {
        let code = match error {
            FieldError::Kind { .. } => ErrorCode::UnknownKind,
            FieldError::Truncated { .. }
            | FieldError::Trailing { .. }
            | FieldError::Value { .. }
            | FieldError::Text { .. }
            | FieldError::Number { .. } => ErrorCode::Malformed,
        };
        Self::new(code, error.to_string())
    }

    /// The error frame that says so.
    #[must_use]
    pub fn to_control(&self) -> Control {
        Control::Error {
            code: self.code,
            text: self.text.clone(),
        }
    }
}
