//! One connection: a decoder in front, unsent bytes behind. Generic over the stream, so that short reads and
//! writes are tested without a socket.

use std::io::{self, ErrorKind, Read, Write};

use crate::wire::Decoder;

/// Bytes of sent output that are kept before what is unsent moves to the front.
const SENT_BYTES_KEPT: usize = 1 << 20;

/// A stream with its two buffers.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    /// Frames that came in.
    pub decoder: Decoder,
    /// Bytes to go out; the first `sent` of them are gone already.
    output: Vec<u8>,
    sent: usize,
    /// So many bytes of `output` were there at the last flush: they may be gone in part, so the rest has to follow.
    kept: usize,
    /// Bytes that were appended to `output` and are no longer in it.
    gone: u64,
    /// The stream may have something to read.
    readable: bool,
    /// The peer has closed its side, so a short read does not mean that there is nothing more to learn.
    read_closed: bool,
    /// The stream may take something.
    writable: bool,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing until the stream is readable again.
    Blocked,
    /// The end of the stream.
    Closed,
}

/// How far a flush came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Everything is with the operating system.
    All,
    /// The rest waits until the stream is writable again.
    Blocked,
}

impl<S: Read + Write> Connection<S> {
    /// A connection whose frames are at most `length_max` long.
    pub fn new(stream: S, length_max: usize) -> Self {
        Self {
            stream,
            decoder: Decoder::new(length_max),
            output: Vec::new(),
            sent: 0,
            kept: 0,
            gone: 0,
            readable: true,
            read_closed: false,
            writable: true,
        }
    }

    /// The stream itself.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Takes note of a readiness event.
    pub fn set_ready(&mut self, readable: bool, read_closed: bool, writable: bool) {
        self.readable |= readable || read_closed;
        self.read_closed |= read_closed;
        self.writable |= writable;
    }

    /// Whether a read may bring something.
    #[inline]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Reads once into the decoder.
    ///
    /// A read that does not fill its space has emptied the socket (epoll(7), question 9), so no second read
    /// has to find that out; the next bytes bring a new event. Interrupted reads are repeated.
    ///
    /// # Errors
    /// What the stream says; the connection is then of no further use.
    #[inline]
    pub fn fill(&mut self) -> io::Result<Filled> {
        if !self.readable {
            return Ok(Filled::Blocked);
        }
        loop {
            let space = self.decoder.space();
            let room = space.len();
            match self.stream.read(space) {
                Ok(0) => return Ok(Filled::Closed),
                Ok(bytes) => {
                    self.decoder.filled(bytes);
                    self.readable = bytes == room || self.read_closed;
                    return Ok(Filled::Bytes(bytes));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(Filled::Blocked);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where frames to send are appended.
    #[inline]
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Bytes that were ever appended to the output.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.gone + self.output.len() as u64
    }

    /// Forgets what was not sent, on a connection that is of no further use for sending.
    pub fn discard_output(&mut self) {
        self.gone += self.output.len() as u64;
        self.output.clear();
        (self.sent, self.kept) = (0, 0);
    }

    /// What was appended by now goes, whatever comes.
    pub fn keep(&mut self) {
        self.kept = self.output.len();
    }

    /// Takes back what was appended since the last flush, or since it was kept: whole frames. Says how many bytes it was.
    pub fn retract(&mut self) -> usize {
        let bytes = self.output.len() - self.kept;
        self.output.truncate(self.kept);
        self.gone += bytes as u64;
        bytes
    }

    /// Bytes that were not yet given to the operating system.
    #[inline]
    pub fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Writes until everything is out or the stream takes no more; keeps the tail of a short write.
    ///
    /// # Errors
    /// What the stream says, or `WriteZero`; the connection is then of no further use.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        self.keep();
        while self.unsent() > 0 {
            if !self.writable {
                return Ok(Flushed::Blocked);
            }
            match self
                .stream
                .write(self.output.get(self.sent..).unwrap_or_default())
            {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
            if self.sent >= SENT_BYTES_KEPT {
                self.output.drain(..self.sent);
                self.gone += self.sent as u64;
                self.kept -= self.sent;
                self.sent = 0;
            }
        }
        self.discard_output();
        self.output.shrink_to(SENT_BYTES_KEPT);
        Ok(Flushed::All)
    }
}
