//! The control frames but hello: ready and goodbye on a link, proof in the handshake, command and answer on a control
//! connection, error on each of them; with their codes (protocol.md, sections 1, 2, 4, 5 and 8).

use std::fmt;

use super::{
    field::{FieldError, Fields},
    frame::{ERROR_TEXT_BYTES_MAX, encode_frame, kind},
};
use crate::units::MachineId;

/// Defines an enum of wire codes together with the table that protocol.md is compared with.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident, $field:literal, { $($(#[$variant_meta:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_meta])* $variant = $code,)* }

        impl $name {
            /// Every value, in the order of its code.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The code on the wire.
            #[must_use]
            pub fn code(self) -> u8 {
                self as u8
            }

            /// The name in protocol.md and in logs.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The value of a code.
            ///
            /// # Errors
            /// [`FieldError::Value`] for a code that this version does not have.
            pub fn from_code(code: u8) -> Result<Self, FieldError> {
                match code {
                    $($code => Ok($name::$variant),)*
                    _ => Err(FieldError::Value { field: $field, value: u64::from(code) }),
                }
            }

            /// The value of a name, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes! {
    /// Why a machine stops: the reason of goodbye and of a log's footer.
    Reason, "reason", {
        /// The time asked for is over.
        Duration = 1, "duration";
        /// SIGINT, or Ctrl-C.
        Interrupted = 2, "interrupted";
        /// SIGTERM.
        Terminated = 3, "terminated";
        /// A peer said goodbye for a reason other than its duration.
        PeerStopped = 4, "peer-stopped";
        /// A link went down without goodbye.
        PeerLost = 5, "peer-lost";
        /// The launcher that started this machine ended.
        LauncherGone = 6, "launcher-gone";
        /// The event log could not be written.
        LogFailed = 7, "log-failed";
        /// A limit of the system was reached.
        Limit = 8, "limit";
    }
}

codes! {
    /// Why a connection is refused or broken off: the code of an error frame.
    ErrorCode, "code", {
        /// The first bytes are not a clocklab hello.
        BadMagic = 1, "bad_magic";
        /// Another version of the protocol.
        WrongVersion = 2, "wrong_version";
        /// Both sides were given a run id, and they differ.
        WrongRun = 3, "wrong_run";
        /// The peer runs another system.
        WrongSystem = 4, "wrong_system";
        /// The peer counts another number of machines.
        WrongMachines = 5, "wrong_machines";
        /// The hello is meant for another machine.
        WrongReceiver = 6, "wrong_receiver";
        /// The sender's id may not stand on this side of the connection.
        IdOutOfRange = 7, "id_out_of_range";
        /// The link to the sender is up already.
        DuplicateMachine = 8, "duplicate_machine";
        /// A length of zero or beyond the limit.
        FrameTooLong = 9, "frame_too_long";
        /// A kind that the system does not have.
        UnknownKind = 10, "unknown_kind";
        /// A body that does not follow its layout.
        Malformed = 11, "malformed";
        /// A known kind in a state that does not allow it.
        UnexpectedFrame = 12, "unexpected_frame";
        /// No complete hello in time.
        HandshakeTimeout = 13, "handshake_timeout";
        /// Unsent bytes reached their limit.
        Overflow = 14, "overflow";
        /// Too many connections are in handshake.
        Busy = 15, "busy";
        /// A life of the sender that is over.
        StaleIncarnation = 16, "stale_incarnation";
        /// No proof of the secret, or a wrong one.
        NotAuthenticated = 17, "not_authenticated";
    }
}

impl ErrorCode {
    /// Whether the same attempt will fail again, so that trying again is no use.
    #[must_use]
    pub fn is_definite(self) -> bool {
        match self {
            ErrorCode::DuplicateMachine
            | ErrorCode::HandshakeTimeout
            | ErrorCode::Overflow
            | ErrorCode::Busy => false,
            ErrorCode::BadMagic
            | ErrorCode::WrongVersion
            | ErrorCode::WrongRun
            | ErrorCode::WrongSystem
            | ErrorCode::WrongMachines
            | ErrorCode::WrongReceiver
            | ErrorCode::IdOutOfRange
            | ErrorCode::FrameTooLong
            | ErrorCode::UnknownKind
            | ErrorCode::Malformed
            | ErrorCode::UnexpectedFrame
            | ErrorCode::StaleIncarnation
            | ErrorCode::NotAuthenticated => true,
        }
    }
}

/// A control frame other than hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// On a link: all links of the sender are up.
    Ready,
    /// On a link: the sender stops in order and sends nothing more.
    Goodbye {
        /// Why.
        reason: Reason,
        /// The machine with which it began: the sender, but for `peer-stopped` and `peer-lost`.
        origin: MachineId,
    },
    /// On any connection: the sender closes it because of what we sent.
    Error {
        /// What kind of error.
        code: ErrorCode,
        /// The same in words, with the values.
        text: String,
    },
    /// In the handshake, behind hello: the sender knows the secret.
    Proof([u8; PROOF_BYTES]),
    /// On a control connection: something to do, in at most [`COMMAND_BYTES_MAX`] bytes.
    Command(String),
    /// On a control connection: what became of a command.
    Answer {
        /// Whether it was done, or is under way.
        accepted: bool,
        /// What there is to say: a result, or why not.
        text: String,
    },
}

/// Bytes of a proof: an HMAC-SHA-256.
pub const PROOF_BYTES: usize = 32;

/// Longest command, in bytes.
pub const COMMAND_BYTES_MAX: usize = 400;

/// Longest answer, in bytes; a longer one is cut by its sender at a character.
pub const ANSWER_BYTES_MAX: usize = 4000;

/// The beginning of `text` that has at most `bytes_max` bytes and ends with a whole character.
fn cut(text: &str, bytes_max: usize) -> &[u8] {
    // `str::floor_char_boundary` is younger than the Rust that Cargo.toml asks for.
    let end = (0..=text.len().min(bytes_max))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().as_bytes()
}

fn text_of(bytes: &[u8], bytes_max: usize) -> Result<&str, FieldError> {
    let text = (bytes.len() <= bytes_max)
        .then(|| std::str::from_utf8(bytes).ok())
        .flatten();
    text.ok_or(FieldError::Text { field: "text" })
}

/// A text for a person's terminal: nothing in it may steer that, whoever wrote it.
fn harmless(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl Control {
    /// Appends the frame to `output`. A longer text of an error or an answer is cut at a character.
    ///
    /// # Panics
    /// If a command is longer than [`COMMAND_BYTES_MAX`]: a part of it would be another command.
    pub fn encode(&self, output: &mut Vec<u8>) {
        match self {
            Control::Ready => encode_frame(output, kind::READY, |_| ()),
            Control::Goodbye { reason, origin } => encode_frame(output, kind::GOODBYE, |body| {
                body.push(reason.code());
                body.extend_from_slice(&origin.0.to_be_bytes());
            }),
            Control::Error { code, text } => encode_frame(output, kind::ERROR, |body| {
                body.push(code.code());
                body.extend_from_slice(cut(text, ERROR_TEXT_BYTES_MAX));
            }),
            Control::Proof(proof) => encode_frame(output, kind::PROOF, |body| body.extend_from_slice(proof)),
            Control::Command(text) => {
                let bytes = text.len();
                assert!(bytes <= COMMAND_BYTES_MAX, "a command of {bytes} bytes: {text}");
                encode_frame(output, kind::COMMAND, |body| {
                    body.extend_from_slice(text.as_bytes())
                });
            }
            Control::Answer { accepted, text } => encode_frame(output, kind::ANSWER, |body| {
                body.push(u8::from(*accepted));
                body.extend_from_slice(cut(text, ANSWER_BYTES_MAX));
            }),
        }
    }

    /// Reads the body of a control frame other than hello. Control characters in the text of an error or an answer
    /// become blanks.
    ///
    /// # Errors
    /// [`FieldError::Kind`] for a kind that is none of these; else what is wrong with the body.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        let mut fields = Fields::new(body);
        match kind {
            kind::READY => fields.end().map(|()| Control::Ready),
            kind::GOODBYE => {
                let reason = Reason::from_code(fields.u8("reason")?)?;
                let origin = MachineId(fields.u16("origin")?);
                fields.end().map(|()| Control::Goodbye { reason, origin })
            }
            kind::ERROR => {
                let code = ErrorCode::from_code(fields.u8("code")?)?;
                let text = text_of(fields.rest(), usize::MAX)?;
                Ok(Control::Error {
                    code,
                    text: harmless(text),
                })
            }
            kind::PROOF => {
                let bytes = fields.bytes("proof", PROOF_BYTES)?;
                let proof = bytes.first_chunk().copied();
                fields.end()?;
                proof
                    .map(Control::Proof)
                    .ok_or(FieldError::Truncated { field: "proof" })
            }
            kind::COMMAND => {
                let text = text_of(fields.rest(), COMMAND_BYTES_MAX)?;
                Ok(Control::Command(text.to_owned()))
            }
            kind::ANSWER => {
                let accepted = match fields.u8("accepted")? {
                    0 => false,
                    1 => true,
                    value => {
                        return Err(FieldError::Value {
                            field: "accepted",
                            value: u64::from(value),
                        });
                    }
                };
                let text = text_of(fields.rest(), ANSWER_BYTES_MAX)?;
                Ok(Control::Answer {
                    accepted,
                    text: harmless(text),
                })
            }
            kind => Err(FieldError::Kind { kind }),
        }
    }
}
