//! One frame: its limits, its kinds and its encoding (protocol.md, section 1).

use byteorder::{BigEndian, ByteOrder};
use thiserror::Error;

/// Bytes of the length field in front of each frame.
pub const HEADER_BYTES: usize = 4;

/// Largest value of a frame's length field on a link: 1 MiB.
///
/// Large enough for a batch of store writes, small enough that a mesh of a hundred cannot fill a laptop's memory.
pub const FRAME_LENGTH_MAX: usize = 1 << 20;

/// Largest value of the length field before the handshake is done, so that a stranger cannot make us wait for
/// more.
pub const HANDSHAKE_LENGTH_MAX: usize = 512;

/// Longest text of an error frame, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 200;

const _: () = assert!(
    ERROR_TEXT_BYTES_MAX + 2 <= HANDSHAKE_LENGTH_MAX,
    "an error must fit a handshake"
);
const _: () = assert!(HANDSHAKE_LENGTH_MAX <= FRAME_LENGTH_MAX);

/// The kinds of control frames.
pub mod kind {
    /// First frame in each direction.
    pub const HELLO: u8 = 0x01;
    /// All links of the sender are up.
    pub const READY: u8 = 0x02;
    /// Last frame of a machine that stops in order.
    pub const GOODBYE: u8 = 0x03;
    /// Last frame of a connection that is refused or broken off.
    pub const ERROR: u8 = 0x04;
    /// Behind hello, where both sides have a secret: that the sender knows it.
    pub const PROOF: u8 = 0x05;
    /// On a control connection: something to do, as text.
    pub const COMMAND: u8 = 0x06;
    /// The answer to a command.
    pub const ANSWER: u8 = 0x07;
    /// The last kind of the control range.
    pub const CONTROL_LAST: u8 = 0x0F;
}

/// A whole frame, borrowed from the decoder's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body means.
    pub kind: u8,
    /// Everything behind the kind: 0 to limit − 1 bytes.
    pub body: &'a [u8],
}

/// A length field that no frame may have.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The length is zero, so the frame has no kind.
    #[error("a frame of length 0 has no kind")]
    Empty,
    /// The length is beyond the limit that applies.
    #[error("a frame of length {length} is longer than the {length_max} allowed here")]
    TooLong {
        /// The length field, in bytes.
        length: usize,
        /// The limit, in bytes.
        length_max: usize,
    },
}

/// Appends one frame to `output`: the length is written when the body is known.
///
/// # Panics
/// If `body` appends more than [`FRAME_LENGTH_MAX`] − 1 bytes: a system's message must have its own limit
/// below that.
#[inline]
pub fn encode_frame(output: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = output.len();
    output.extend_from_slice(&[0, 0, 0, 0, kind]);
    body(output);
    let length = output.len() - start - HEADER_BYTES;
    assert!(
        length <= FRAME_LENGTH_MAX,
        "a frame of length {length} is over {FRAME_LENGTH_MAX}"
    );
    if let (Some(header), Ok(length)) = (output.get_mut(start..start + HEADER_BYTES), u32::try_from(length)) {
        BigEndian::write_u32(header, length);
    }
}
