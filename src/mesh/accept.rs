//! Those who dial us: strangers until their hello is judged.
//!
//! A stranger can cost a run no more than one of [`STRANGERS_MAX`] places for [`HANDSHAKE_MS_MAX`] and [`LINGER`],
//! the reading of [`STRANGER_BYTES_MAX`], and one line of diagnostics.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use mio::{Interest, Token, net::TcpStream};
use tracing::{debug, warn};

use super::{
    HANDSHAKE_MS_MAX, STRANGERS_MAX,
    connection::{Connection, Filled},
    event_log::EventLog,
    link::State,
    outcome::MeshError,
    phases::Phase,
    rejoin::judge_life,
    round::Mesh,
};
use crate::{
    node::Node,
    units::Time,
    wire::{
        ErrorCode, Expectation, FRAME_LENGTH_MAX, FrameError, HANDSHAKE_LENGTH_MAX, Hello, Message, Refusal,
        kind,
    },
};

/// Bytes that are read of one stranger, ever: a hello has at most 84.
const STRANGER_BYTES_MAX: usize = 64 << 10;

/// Pause after an accept that failed for lack of something, such as file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How long a refused stranger may take to read why; its bytes are thrown away meanwhile.
const LINGER: Duration = Duration::from_secs(1);

/// A connection that we accepted and that is not a link yet.
#[derive(Debug)]
pub(super) struct Stranger {
    connection: Connection<TcpStream>,
    address: SocketAddr,
    /// When to give it up.
    until: Time,
    /// It was told why it is refused.
    refused: bool,
    bytes: usize,
}

/// What to do with a stranger after a look at its bytes.
enum Judgement {
    Wait,
    Accept(Hello),
    Refuse(Refusal),
    Gone,
}

impl Stranger {
    pub(super) fn set_ready(&mut self, event: &mio::event::Event) {
        self.connection
            .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
    }

    fn judge(&mut self) -> Judgement {
        loop {
            match self.connection.decoder.next_frame() {
                Ok(Some(_)) if self.refused => continue,
                Ok(Some(frame)) if frame.kind == kind::HELLO => {
                    return Hello::decode(frame.body).map_or_else(Judgement::Refuse, Judgement::Accept);
                }
                Ok(Some(frame)) => {
                    let text = format!("the first frame must be hello (0x01), not {:#04x}", frame.kind);
                    return Judgement::Refuse(Refusal::new(ErrorCode::UnexpectedFrame, text));
                }
                Ok(None) => {}
                // Once refused, what it still sends is thrown away.
                Err(_) if self.refused => {
                    self.connection.decoder = crate::wire::Decoder::new(HANDSHAKE_LENGTH_MAX)
                }
                Err(error @ (FrameError::Empty | FrameError::TooLong { .. })) => {
                    return Judgement::Refuse(Refusal::new(ErrorCode::FrameTooLong, error.to_string()));
                }
            }
            match self.connection.fill() {
                // Nobody whom it concerns says so much: it is not read to its end, however long it goes on.
                Ok(Filled::Bytes(bytes)) if self.bytes + bytes > STRANGER_BYTES_MAX => {
                    return Judgement::Gone;
                }
                Ok(Filled::Bytes(bytes)) => self.bytes += bytes,
                Ok(Filled::Blocked) => return Judgement::Wait,
                Ok(Filled::Closed) | Err(_) => return Judgement::Gone,
            }
        }
    }
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Takes every connection that waits at the listener.
    pub(super) fn accept_strangers(&mut self, now: Time) {
        self.accept_again = None;
        loop {
            let (stream, address) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                    _ => {
                        // The listener does not tell again of those who wait already: look again by the clock.
                        warn!("cannot accept a connection: {error}");
                        self.accept_again = Some(now.after(ACCEPT_AGAIN));
                        return;
                    }
                },
            };
            if let Err(error) = self.admit(stream, address, now) {
                debug!("a connection from {address} ended at once: {error}");
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, address: SocketAddr, now: Time) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let token = self.new_token();
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut stranger = Stranger {
            connection: Connection::new(stream, HANDSHAKE_LENGTH_MAX),
            address,
            until: now.after(Duration::from_millis(HANDSHAKE_MS_MAX)),
            refused: false,
            bytes: 0,
        };
        if self.strangers.len() >= STRANGERS_MAX {
            let refusal = Refusal::new(
                ErrorCode::Busy,
                format!("{STRANGERS_MAX} connections are in handshake already"),
            );
            warn!("{address} is refused: {refusal}");
            refusal.to_control().encode(stranger.connection.output());
            stranger.connection.flush()?;
            return Ok(());
        }
        self.strangers.insert(token, stranger);
        Ok(())
    }

    /// Reads what strangers say, and judges their hello.
    pub(super) fn hear_strangers(&mut self, now: Time) -> Result<(), MeshError> {
        if self.strangers.is_empty() {
            return Ok(());
        }
        let tokens: Vec<Token> = self.strangers.keys().copied().collect();
        for token in tokens {
            let Some(stranger) = self.strangers.get_mut(&token) else {
                continue;
            };
            match stranger.judge() {
                Judgement::Wait => {
                    if now >= stranger.until {
                        self.give_up_stranger(token, now);
                    }
                }
                Judgement::Gone => {
                    self.strangers.remove(&token);
                }
                Judgement::Refuse(refusal) => self.refuse(token, &refusal, now),
                Judgement::Accept(hello) => match self.may_join(&hello) {
                    Ok(()) => self.join(token, &hello, now)?,
                    Err(refusal) => self.refuse(token, &refusal, now),
                },
            }
        }
        Ok(())
    }

    /// When the next stranger is to be given up, or the listener to be looked at again.
    pub(super) fn strangers_deadline(&self) -> Option<Time> {
        let given_up = self.strangers.values().map(|stranger| stranger.until).min();
        given_up.into_iter().chain(self.accept_again).min()
    }

    fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. } | Phase::Done)
    }

    fn may_join(&self, hello: &Hello) -> Result<(), Refusal> {
        let mine = self.config.hello(<N::Message as Message>::SYSTEM, hello.sender);
        Expectation {
            mine: &mine,
            dialled: None,
        }
        .judge(hello)?;
        if self.is_stopping() {
            return Err(Refusal::new(ErrorCode::Busy, "this machine is stopping"));
        }
        match self.links.get(hello.sender.index()) {
            Some(link) => judge_life(link, hello),
            None => Ok(()),
        }
    }

    /// Makes a stranger the peer that it is.
    fn join(&mut self, token: Token, hello: &Hello, now: Time) -> Result<(), MeshError> {
        let (peer, mine) = (
            hello.sender,
            self.config.hello(<N::Message as Message>::SYSTEM, hello.sender),
        );
        self.make_way(peer, now)?;
        if self.is_stopping() {
            // The loss of the life before was the end of this one.
            let refusal = Refusal::new(ErrorCode::Busy, "this machine is stopping");
            self.refuse(token, &refusal, now);
            return Ok(());
        }
        let Some(mut stranger) = self.strangers.remove(&token) else {
            return Ok(());
        };
        stranger.connection.decoder.set_length_max(FRAME_LENGTH_MAX);
        mine.encode(stranger.connection.output());
        // Frames behind the hello may be in the decoder already: look, whatever the socket says.
        stranger.connection.set_ready(true, false, false);
        self.owners.insert(token, peer);
        if let Some(link) = self.links.get_mut(peer.index()) {
            link.begin(self.config.me, peer, now);
            link.state = State::Up {
                token,
                connection: Box::new(stranger.connection),
            };
        }
        self.link_up(peer, hello, now)
    }

    fn refuse(&mut self, token: Token, refusal: &Refusal, now: Time) {
        let Some(stranger) = self.strangers.get_mut(&token) else {
            return;
        };
        warn!("{} is refused: {refusal}", stranger.address);
        refusal.to_control().encode(stranger.connection.output());
        stranger.refused = true;
        stranger.until = now.after(LINGER);
        let sent = stranger.connection.flush();
        let closed = stranger
            .connection
            .stream_mut()
            .shutdown(std::net::Shutdown::Write);
        if sent.and(closed).is_err() {
            self.strangers.remove(&token);
        }
    }

    fn give_up_stranger(&mut self, token: Token, now: Time) {
        match self.strangers.get(&token) {
            Some(stranger) if !stranger.refused => {
                let text = format!("no complete hello within {HANDSHAKE_MS_MAX} ms");
                self.refuse(token, &Refusal::new(ErrorCode::HandshakeTimeout, text), now);
            }
            _ => {
                self.strangers.remove(&token);
            }
        }
    }
}
