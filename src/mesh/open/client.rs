//! The client's side of a connection by the wire: connect, send any number of requests, receive the answers as they come.
//!
//! One thread, one connection, no surprise: [`send`](Client::send) only fills a buffer, [`receive`](Client::receive) writes
//! what was sent and waits for one answer, and while it waits it writes and reads both; so neither side ever waits for the
//! other to read.
#![allow(clippy::disallowed_methods, reason = "waits for a machine in real time")]

use std::{
    io::{self, ErrorKind},
    marker::PhantomData,
    net::{TcpStream as StdStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use thiserror::Error;

use super::PIPELINE_MAX;
use crate::{
    clock::Origin,
    mesh::{
        connection::{Connection, Filled, Flushed},
        trust::offer,
    },
    service::Address,
    units::MachineId,
    wire::{
        Answer, Control, ErrorCode, FRAME_LENGTH_MAX, FieldError, FrameError, HANDSHAKE_LENGTH_MAX,
        Handshake, Hello, Message, Reason, Refusal, Role, RunId, Secret, encode_request, kind, read_answer,
    },
};

/// Requests are written when so many bytes of them wait.
const WRITE_BYTES: usize = 64 << 10;

/// Why a machine could not be asked, or its answer not be had.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("{address} cannot be reached: {error}")]
    Unreachable {
        /// Where.
        address: Address,
        /// The system's words.
        error: io::Error,
    },
    /// The handshake failed: another mesh, another secret, another program; or no place.
    #[error("{address}: {refusal}")]
    Refused {
        /// Where.
        address: Address,
        /// Why.
        refusal: Refusal,
    },
    /// No answer came in time. What was asked for may still be done.
    #[error("{address} does not answer within {patience:?}; what was asked for may have been done")]
    Silent {
        /// Where.
        address: Address,
        /// How long it was given.
        patience: Duration,
    },
    /// The machine stops. What was asked for and not answered may have been done.
    #[error("{address} stops ({reason}); what it has not answered may have been done")]
    Stopped {
        /// Where.
        address: Address,
        /// Why.
        reason: Reason,
    },
    /// The connection ended. What was asked for and not answered may have been done.
    #[error("the connection to {address} ended ({why}); what it has not answered may have been done")]
    Ended {
        /// Where.
        address: Address,
        /// What was seen.
        why: String,
    },
    /// As many requests wait for answers as may.
    #[error("{PIPELINE_MAX} requests wait for their answers already: receive some first")]
    TooMany,
}

impl ClientError {
    /// Whether the request was certainly not carried out: there was no connection to ask it on.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } | ClientError::Refused { .. } | ClientError::TooMany => true,
            ClientError::Silent { .. } | ClientError::Stopped { .. } | ClientError::Ended { .. } => false,
        }
    }
}

/// A connection to a machine that serves clients, who ask `Q` and are answered `A`. Not usable any more after an error
/// other than [`ClientError::Silent`] and [`ClientError::TooMany`].
#[derive(Debug)]
pub struct Client<Q, A> {
    address: Address,
    connection: Connection<TcpStream>,
    poll: Poll,
    events: Events,
    patience: Duration,
    theirs: Hello,
    next: u64,
    waiting: usize,
    meaning: PhantomData<fn(Q) -> A>,
}

impl<Q: Message, A: Message> Client<Q, A> {
    /// Connects and shakes hands; each step, and later each answer, may take as long as `patience`. Of a name with several
    /// addresses the first that takes the connection counts.
    ///
    /// # Errors
    /// [`ClientError`], all of them definite.
    pub fn connect(
        address: &Address,
        run: Option<&RunId>,
        secret: Option<&Secret>,
        patience: Duration,
    ) -> Result<Self, ClientError> {
        let unreachable = |error| ClientError::Unreachable {
            address: address.clone(),
            error,
        };
        let trust = offer(secret).map_err(unreachable)?;
        let mine = Hello::of_client(Q::SYSTEM, run, trust);
        let mut client = Self::open(address, &mine, patience).map_err(unreachable)?;
        client.shake_hands(&mine, secret).map_err(|error| match error {
            Failed::Refused(refusal) => ClientError::Refused {
                address: address.clone(),
                refusal,
            },
            Failed::Io(error) => unreachable(error),
        })?;
        client.connection.decoder.set_length_max(FRAME_LENGTH_MAX);
        Ok(client)
    }

    fn open(address: &Address, mine: &Hello, patience: Duration) -> io::Result<Self> {
        let mut failed: io::Error = ErrorKind::AddrNotAvailable.into();
        for place in address.as_str().to_socket_addrs()? {
            match StdStream::connect_timeout(&place, patience) {
                Err(error) => failed = error,
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    let (poll, mut stream) = (Poll::new()?, TcpStream::from_std(stream));
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(0), interest)?;
                    return Ok(Self {
                        address: address.clone(),
                        connection: Connection::new(stream, HANDSHAKE_LENGTH_MAX),
                        poll,
                        events: Events::with_capacity(4),
                        patience,
                        theirs: mine.clone(),
                        next: 0,
                        waiting: 0,
                        meaning: PhantomData,
                    });
                }
            }
        }
        Err(failed)
    }

    fn shake_hands(&mut self, mine: &Hello, secret: Option<&Secret>) -> Result<(), Failed> {
        mine.encode(self.connection.output());
        let until = Instant::now() + self.patience;
        let hello = self.control(until, |kind, body| match kind {
            kind::HELLO => Some(Hello::decode(body)),
            _ => None,
        })?;
        mine.judge_served(&hello)?;
        if let Some(secret) = secret {
            let handshake = Handshake {
                dialler: mine,
                accepter: &hello,
            };
            let proof = self.control(until, |kind, body| match Control::decode(kind, body) {
                Ok(Control::Proof(proof)) => Some(Ok(proof)),
                _ => None,
            })?;
            handshake.verify(secret, Role::Accepter, &proof)?;
            Control::Proof(handshake.proof(secret, Role::Dialler)).encode(self.connection.output());
        }
        self.theirs = hello;
        Ok(())
    }

    /// The next frame of the handshake.
    fn control<T>(
        &mut self,
        until: Instant,
        read: impl Fn(u8, &[u8]) -> Option<Result<T, Refusal>>,
    ) -> Result<T, Failed> {
        loop {
            match self.connection.decoder.next_frame() {
                Ok(Some(frame)) => {
                    if let Some(read) = read(frame.kind, frame.body) {
                        return Ok(read?);
                    }
                    return Err(Failed::Refused(match Control::decode(frame.kind, frame.body) {
                        Ok(Control::Error { code, text }) => Refusal::new(code, text),
                        _ => {
                            let text =
                                format!("it sent a frame of kind {:#04x} in its handshake", frame.kind);
                            Refusal::new(ErrorCode::UnexpectedFrame, text)
                        }
                    }));
                }
                Ok(None) => {}
                Err(error) => {
                    let text = format!("what listens there is no clocklab machine ({error})");
                    return Err(Failed::Refused(Refusal::new(ErrorCode::BadMagic, text)));
                }
            }
            if !self.pump(until)? {
                return Err(Failed::Io(ErrorKind::TimedOut.into()));
            }
        }
    }

    /// Who answers.
    #[must_use]
    pub fn machine(&self) -> MachineId {
        self.theirs.sender
    }

    /// Which life of it answers.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            machine: self.theirs.sender,
            incarnation: self.theirs.incarnation,
        }
    }

    /// The name of its mesh.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.theirs.run
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Requests that wait for their last answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How long to wait for the next answers.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Hands a request to the connection, and says its ticket. It is written by [`receive`](Self::receive) or
    /// [`flush`](Self::flush), or when many wait.
    ///
    /// # Errors
    /// [`ClientError::TooMany`]; [`ClientError::Ended`] if the connection has.
    pub fn send(&mut self, request: &Q) -> Result<u64, ClientError> {
        if self.waiting >= PIPELINE_MAX {
            return Err(ClientError::TooMany);
        }
        let ticket = self.next;
        self.next += 1;
        self.waiting += 1;
        encode_request(self.connection.output(), ticket, request);
        if self.connection.unsent() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(ticket)
    }

    /// Writes as much of what was sent as the connection takes now.
    ///
    /// # Errors
    /// [`ClientError::Ended`] if the connection has.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        match self.connection.flush() {
            Ok(Flushed::All | Flushed::Blocked) => Ok(()),
            Err(error) => Err(self.ended(&error)),
        }
    }

    /// Waits for the next answer, whichever request it is to.
    ///
    /// # Errors
    /// [`ClientError`], none of them definite.
    pub fn receive(&mut self) -> Result<Answer<A>, ClientError> {
        // What is there already costs no look at the clock.
        if let Some(answer) = self.take()? {
            return Ok(answer);
        }
        let until = Instant::now() + self.patience;
        loop {
            match self.pump(until) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(ClientError::Silent {
                        address: self.address.clone(),
                        patience: self.patience,
                    });
                }
                Err(error) => return Err(self.ended(&error)),
            }
            if let Some(answer) = self.take()? {
                return Ok(answer);
            }
        }
    }

    /// The next answer that has come in already.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn take(&mut self) -> Result<Option<Answer<A>>, ClientError> {
        let read = match self.connection.decoder.next_frame() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) if frame.kind <= kind::CONTROL_LAST => {
                return Err(match Control::decode(frame.kind, frame.body) {
                    Ok(Control::Goodbye { reason, .. }) => ClientError::Stopped {
                        address: self.address.clone(),
                        reason,
                    },
                    Ok(Control::Error { code, text }) => self.ended(&format!("{code}: {text}")),
                    other => self.ended(&format!("it sent {other:?}")),
                });
            }
            Ok(Some(frame)) => read_answer(frame.kind, frame.body),
            Err(error @ (FrameError::Empty | FrameError::TooLong { .. })) => return Err(self.ended(&error)),
        };
        let answer: Answer<A> = read.map_err(|error: FieldError| self.ended(&error))?;
        if answer.is_last {
            self.waiting = self.waiting.saturating_sub(1);
        }
        Ok(Some(answer))
    }

    fn ended(&self, why: &impl ToString) -> ClientError {
        ClientError::Ended {
            address: self.address.clone(),
            why: why.to_string(),
        }
    }

    /// Writes, and waits until something has come in; says whether that was before `until`.
    fn pump(&mut self, until: Instant) -> io::Result<bool> {
        loop {
            self.connection.flush()?;
            match self.connection.fill()? {
                Filled::Bytes(_) => return Ok(true),
                Filled::Closed => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "it closed the connection",
                    ));
                }
                Filled::Blocked => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &self.events {
                self.connection
                    .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
            }
        }
    }
}

/// How a handshake failed.
enum Failed {
    Refused(Refusal),
    Io(io::Error),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Failed::Refused(refusal)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Io(error)
    }
}
