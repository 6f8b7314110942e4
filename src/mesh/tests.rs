//! The connection on a choked stream, and the connect time-out's words. Real sockets are in `tests/it/mesh.rs`.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
};

use proptest::prelude::*;

use super::{Connection, Filled, Flushed};
use crate::wire::{FRAME_LENGTH_MAX, encode_frame};

/// A stream that gives and takes at most `piece` bytes at a time and blocks in between.
#[derive(Debug, Default)]
struct Choked {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    piece: usize,
    /// Bytes that it still takes before it blocks.
    room: usize,
    /// The next call is interrupted.
    interrupted: bool,
    closed: bool,
}

impl Choked {
    fn interrupt(&mut self) -> io::Result<()> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            Err(ErrorKind::Interrupted.into())
        } else {
            Ok(())
        }
    }
}

impl Read for Choked {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.interrupt()?;
        let count = self.piece.min(space.len()).min(self.incoming.len());
        if count == 0 {
            return if self.closed {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        for place in &mut space[..count] {
            *place = self.incoming.pop_front().unwrap();
        }
        Ok(count)
    }
}

impl Write for Choked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt()?;
        let count = self.piece.min(bytes.len()).min(self.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #[test]
    fn short_reads_and_writes_lose_and_repeat_nothing(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40),
        piece in 1..50_usize,
        room in 1..200_usize,
    ) {
        let mut connection = Connection::new(Choked { piece, ..Choked::default() }, FRAME_LENGTH_MAX);
        for body in &bodies {
            encode_frame(connection.output(), 0xF0, |output| output.extend_from_slice(body));
        }
        // Out through a stream that takes a little at a time …
        let mut rounds = 0;
        loop {
            connection.stream_mut().room = room;
            connection.set_ready(false, false, true);
            let before = connection.unsent();
            match connection.flush().unwrap() {
                Flushed::All => break,
                Flushed::Blocked => prop_assert_eq!(connection.unsent(), before - room, "a blocked flush has used the room"),
            }
            rounds += 1;
            prop_assert!(rounds < 100_000);
        }
        prop_assert_eq!(connection.appended(), connection.stream_mut().outgoing.len() as u64, "what went out is counted");
        // … and in again.
        let sent = std::mem::take(&mut connection.stream_mut().outgoing);
        connection.stream_mut().incoming = sent.into();
        let mut came = Vec::new();
        loop {
            while let Some(frame) = connection.decoder.next_frame().unwrap() {
                came.push(frame.body.to_vec());
            }
            connection.set_ready(true, false, false);
            match connection.fill().unwrap() {
                Filled::Bytes(_) => {}
                Filled::Blocked => break,
                Filled::Closed => prop_assert!(false, "the stream is open"),
            }
        }
        prop_assert_eq!(came, bodies);
    }
}

#[test]
fn a_read_that_leaves_space_asks_no_second_time() {
    let mut connection = Connection::new(
        Choked {
            piece: 9,
            ..Choked::default()
        },
        FRAME_LENGTH_MAX,
    );
    connection.stream_mut().incoming = vec![0; 9].into();
    assert_eq!(connection.fill().unwrap(), Filled::Bytes(9));
    assert!(!connection.is_readable());
    assert_eq!(connection.fill().unwrap(), Filled::Blocked);
}

#[test]
fn bytes_in_front_of_the_end_come_before_the_end() {
    let mut connection = Connection::new(
        Choked {
            piece: 9,
            closed: true,
            ..Choked::default()
        },
        FRAME_LENGTH_MAX,
    );
    connection.stream_mut().incoming = vec![0; 9].into();
    connection.set_ready(true, true, false);
    assert_eq!(connection.fill().unwrap(), Filled::Bytes(9));
    assert!(connection.is_readable(), "the end is still to be read");
    assert_eq!(connection.fill().unwrap(), Filled::Closed);
}

#[test]
fn a_write_that_fails_halfway_leaves_nothing_unsent() {
    let mut connection = Connection::new(
        Choked {
            piece: 5,
            room: 7,
            ..Choked::default()
        },
        FRAME_LENGTH_MAX,
    );
    connection.output().extend_from_slice(&[0; 20]);
    assert_eq!(connection.flush().unwrap(), Flushed::Blocked);
    assert_eq!(connection.unsent(), 13);
    connection.discard_output();
    assert_eq!(connection.unsent(), 0);
    assert_eq!(
        connection.appended(),
        20,
        "what was given up was appended all the same"
    );
}
