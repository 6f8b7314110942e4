//! The incremental decoder: bytes in pieces of any size go in, whole frames come out.
//!
//! ```text
//!            start          end              capacity
//!     +--------+-------------+-----------------+
//!     | handed |  waiting    |  free: space()  |
//!     |  out   |  for next() |                 |
//!     +--------+-------------+-----------------+
//! ```
//!
//! A frame is a view into the buffer: the body of a frame that is whole is never copied, and no frame
//! allocates. Bytes move only when the free part is used up, and then only those of the one frame that is cut
//! at the end.

use byteorder::{BigEndian, ByteOrder};

use super::frame::{Frame, FrameError, HEADER_BYTES};

/// The buffer's size before anything was read. Small: an idle mesh of 100 has 99 of them in each process.
const BUFFER_BYTES_MIN: usize = 4 << 10;

/// The size up to which the buffer grows because reads fill it. Beyond it, it grows only for one longer frame.
const BUFFER_BYTES_BUSY: usize = 256 << 10;

/// Finds frames in a stream of bytes.
#[derive(Debug)]
pub struct Decoder {
    /// Invariant: `start <= end <= buffer.len()`, and the bytes of `start..end` came in and were not handed
    /// out yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    length_max: usize,
    /// The last read filled all the space there was: a longer buffer saves system calls.
    was_filled: bool,
}

impl Decoder {
    /// A decoder that refuses frames whose length field exceeds `length_max` bytes.
    #[must_use]
    pub fn new(length_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            length_max,
            was_filled: false,
        }
    }

    /// Sets the limit for the frames to come, as when the handshake is done.
    pub fn set_length_max(&mut self, length_max: usize) {
        self.length_max = length_max;
    }

    /// Bytes that came in and belong to no frame yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.end - self.start
    }

    /// Whether [`next_frame`](Self::next_frame) has something to say without another read.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((header, rest)) = waiting.split_at_checked(HEADER_BYTES) else {
            return false;
        };
        let length = BigEndian::read_u32(header) as usize;
        length == 0 || length > self.length_max || rest.len() >= length
    }

    /// Room for the next read, never empty. Tell [`filled`](Self::filled) how much of it was used.
    ///
    /// Grows by doubling while reads fill it, up to 256 KiB, and beyond that only as far as one frame within
    /// the limit needs. Take the frames between two reads: bytes that nobody takes stay, and the buffer grows
    /// with them, 4 KiB at a time.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let needed = self.frame_bytes_known().max(BUFFER_BYTES_MIN);
        let busy = if self.was_filled {
            (self.buffer.len() * 2).min(BUFFER_BYTES_BUSY)
        } else {
            0
        };
        // Frames that nobody took fill all of it. An empty space would read as the end of the stream.
        let untaken = if self.waiting() == self.buffer.len() {
            self.buffer.len() + BUFFER_BYTES_MIN
        } else {
            0
        };
        let capacity = needed.max(busy).max(untaken).max(self.buffer.len());
        if capacity > self.buffer.len() {
            self.buffer.resize(capacity, 0);
        }
        // A cut frame moves to the front only when what is behind it could not hold the rest, or hardly anything.
        let room = self.buffer.len() - self.end;
        let rest = self.frame_bytes_known().saturating_sub(self.waiting());
        if self.start > 0 && (room < rest || room < self.buffer.len() / 2) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.was_filled = false;
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Declares that the first `bytes` of the last [`space`](Self::space) hold data now.
    ///
    /// # Panics
    /// If `bytes` is more than the space there was.
    pub fn filled(&mut self, bytes: usize) {
        let space = self.buffer.len() - self.end;
        assert!(
            bytes <= space,
            "{bytes} bytes were declared in a space of {space}"
        );
        self.end += bytes;
        self.was_filled = bytes == space;
    }

    /// Copies `bytes` in: for tests, fuzzing and sources that are no `Read`.
    pub fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            if let Some(target) = space.get_mut(..count) {
                target.copy_from_slice(now);
            }
            self.filled(count);
            bytes = later;
        }
    }

    /// The next whole frame, or `None` if its end has not come in yet.
    ///
    /// # Errors
    /// [`FrameError`] as soon as a length field is zero or over the limit, before any of the body is waited
    /// for. The stream has no next frame after that: close the connection.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((header, rest)) = waiting.split_at_checked(HEADER_BYTES) else {
            return Ok(None);
        };
        let length = BigEndian::read_u32(header) as usize;
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > self.length_max {
            return Err(FrameError::TooLong {
                length,
                length_max: self.length_max,
            });
        }
        let Some((kind, body)) = rest.get(..length).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        self.start += HEADER_BYTES + length;
        Ok(Some(Frame { kind: *kind, body }))
    }

    /// Bytes of the frame at the front, header included, as far as its header is known and allowed; else of a
    /// header.
    fn frame_bytes_known(&self) -> usize {
        let header = self
            .buffer
            .get(self.start..self.end)
            .and_then(|waiting| waiting.get(..HEADER_BYTES));
        let length = header.map_or(0, |header| BigEndian::read_u32(header) as usize);
        HEADER_BYTES + if length <= self.length_max { length } else { 0 }
    }
}
