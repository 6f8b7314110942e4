//! A bare epoll loop on both sides: wait, read, write, and nothing else but the clock rule. The least that a loop
//! over a socket can do.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use clocklab::clock::Lamport;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    fd::OwnedFd,
};

use super::Trips;

/// Bytes of a frame.
const FRAME_BYTES: usize = 32;

/// Where the clock stands in it: behind length and kind.
const CLOCK_PLACE: std::ops::Range<usize> = 5..13;

pub(super) fn ask(mut trips: Trips) -> Vec<u64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
    let port = listener.local_addr().expect("bound").port();
    let answerer = super::start_answerer(trips.contestant, &port.to_string());
    let (stream, _) = listener.accept().expect("the answerer");
    let mut end = End::new(stream);
    loop {
        end.write();
        assert!(end.read(), "the answerer is gone");
        if !trips.take() {
            break;
        }
    }
    drop(end);
    answerer.join();
    trips.ns
}

pub(super) fn answer(port: &str) {
    let port: u16 = port.parse().expect("a port");
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the asker listens");
    let mut end = End::new(stream);
    while end.read() {
        end.write();
    }
}

/// One end of the connection.
struct End {
    stream: TcpStream,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    clock: Lamport,
    frame: [u8; FRAME_BYTES],
}

impl End {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP option");
        stream.set_nonblocking(true).expect("a socket option");
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll");
        epoll::add(&epoll, &stream, EventData::new_u64(0), EventFlags::IN).expect("registered");
        Self {
            stream,
            epoll,
            events: Vec::with_capacity(16),
            clock: Lamport::default(),
            frame: [0; FRAME_BYTES],
        }
    }

    /// Waits for a frame and merges its clock; `false` at the end of the stream.
    fn read(&mut self) -> bool {
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), None).expect("an event");
        match self.stream.read(&mut self.frame).expect("readable") {
            0 => false,
            // 32 bytes that were written at once come at once on loopback.
            bytes => {
                assert_eq!(bytes, FRAME_BYTES, "a frame in pieces");
                let clock = self.frame[CLOCK_PLACE].try_into().expect("eight bytes");
                self.clock.merge(u64::from_be_bytes(clock));
                true
            }
        }
    }

    fn write(&mut self) {
        let clock = self.clock.tick();
        self.frame[CLOCK_PLACE].copy_from_slice(&clock.to_be_bytes());
        let bytes = self.stream.write(&self.frame).expect("writable");
        assert_eq!(bytes, FRAME_BYTES, "a short write");
    }
}
