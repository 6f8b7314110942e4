//! The wire: frames, an incremental decoder, a field codec, the handshake and the error codes.
//!
//! Knows no system's messages and no socket: bytes go in, frames come out, and the other way round.
//! protocol.md is the specification, sections 1 to 5; `tests/it/protocol.rs` compares the two.

mod client;
mod control;
mod controller;
mod decoder;
mod field;
mod frame;
mod handshake;
mod trust;

pub use client::{ANSWER_EXTRA_BYTES_MAX, Answer, encode_answer, encode_request, read_answer, read_request};
pub use control::{ANSWER_BYTES_MAX, COMMAND_BYTES_MAX, Control, ErrorCode, PROOF_BYTES, Reason};
pub use decoder::Decoder;
pub use field::{FieldError, Fields, varint_bytes, write_varint};
pub use frame::{
    ERROR_TEXT_BYTES_MAX, FRAME_LENGTH_MAX, Frame, FrameError, HANDSHAKE_LENGTH_MAX, HEADER_BYTES,
    encode_frame, kind,
};
pub use handshake::{
    CLIENT, CONTROLLER, Expectation, Hello, MAGIC, NONCE_BYTES, NOT_COUNTED, OPEN_IDS, RUN_ID_BYTES_MAX,
    Refusal, RunId, RunIdError, Standing, Trust, VERSION,
};
pub use trust::{Handshake, Role, SECRET_BYTES_MIN, Secret, SecretError};

/// A message of one system, and its bytes.
pub trait Message: Sized {
    /// The system's number in the hello (protocol.md, section 1, ranges).
    const SYSTEM: u8;

    /// The frame's kind.
    fn kind(&self) -> u8;

    /// Appends the body to `body`: at most [`FRAME_LENGTH_MAX`] − 1 bytes.
    fn encode(&self, body: &mut Vec<u8>);

    /// Reads a body of the given kind.
    ///
    /// # Errors
    /// [`FieldError::Kind`] for a kind that this system does not have; another [`FieldError`] for a body that
    /// does not follow its layout. The link is then closed with the matching error code.
    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError>;
}

#[cfg(test)]
mod tests;
