//! Somebody who has connected and whose hello, and proof, are awaited: what a look at its bytes says.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use mio::net::TcpStream;
use tracing::warn;

use super::{
    HANDSHAKE_MS_MAX, STRANGERS_MAX,
    connection::{Connection, Filled},
};
use crate::{
    units::Time,
    wire::{Control, ErrorCode, FrameError, HANDSHAKE_LENGTH_MAX, Hello, PROOF_BYTES, Refusal, kind},
};

/// Bytes that are read of one stranger, ever: a hello and a proof have at most 158.
const STRANGER_BYTES_MAX: usize = 64 << 10;

/// How long a refused stranger may take to read why; its bytes are thrown away meanwhile.
const LINGER: Duration = Duration::from_secs(1);

/// A connection that we accepted and that is not a link yet.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) connection: Connection<TcpStream>,
    pub(super) address: SocketAddr,
    /// When to give it up.
    pub(super) until: Time,
    pub(super) stage: Stage,
    pub(super) bytes: usize,
}

/// How far a stranger has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its hello is awaited.
    Hello,
    /// Its hello was acceptable; ours and our proof are sent, and its proof is awaited.
    Proof(Box<Hellos>),
    /// It was told why it is refused.
    Refused,
}

/// The hellos of both sides.
#[derive(Debug)]
pub(super) struct Hellos {
    pub(super) theirs: Hello,
    pub(super) mine: Hello,
}

/// What to do with a stranger after a look at its bytes.
pub(super) enum Judgement {
    Wait,
    Hello(Hello),
    Proof([u8; PROOF_BYTES]),
    Refuse(Refusal),
    /// It refuses us, in words for a person.
    RefusedBy(String),
    Gone,
}

impl Stranger {
    /// Somebody who has just connected.
    pub(super) fn new(stream: TcpStream, address: SocketAddr, now: Time) -> Self {
        Self {
            connection: Connection::new(stream, HANDSHAKE_LENGTH_MAX),
            address,
            until: now.after(Duration::from_millis(HANDSHAKE_MS_MAX)),
            stage: Stage::Hello,
            bytes: 0,
        }
    }

    /// There is no place for it: told so, and no more.
    ///
    /// # Errors
    /// What the stream says.
    pub(super) fn turn_away(&mut self) -> io::Result<()> {
        let text = format!("{STRANGERS_MAX} connections are in handshake already");
        let refusal = Refusal::new(ErrorCode::Busy, text);
        warn!("{} is refused: {refusal}", self.address);
        refusal.to_control().encode(self.connection.output());
        self.connection.flush()?;
        Ok(())
    }

    /// Tells it why, and leaves it a moment to read that.
    ///
    /// # Errors
    /// What the stream says; then it is not worth the moment.
    pub(super) fn refuse(&mut self, refusal: &Refusal, now: Time) -> io::Result<()> {
        warn!("{} is refused: {refusal}", self.address);
        refusal.to_control().encode(self.connection.output());
        self.stage = Stage::Refused;
        self.until = now.after(LINGER);
        self.connection.flush()?;
        self.connection.stream_mut().shutdown(Shutdown::Write)
    }

    /// What to refuse it with when its time is over; `None` if that was done.
    pub(super) fn late(&self) -> Option<Refusal> {
        let missing = match self.stage {
            Stage::Hello => "hello",
            Stage::Proof(_) => "proof",
            Stage::Refused => return None,
        };
        let text = format!("no complete {missing} within {HANDSHAKE_MS_MAX} ms");
        Some(Refusal::new(ErrorCode::HandshakeTimeout, text))
    }

    pub(super) fn set_ready(&mut self, event: &mio::event::Event) {
        self.connection
            .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
    }

    /// What its next frame says, as far as it has come.
    pub(super) fn judge(&mut self) -> Judgement {
        loop {
            match (self.connection.decoder.next_frame(), &self.stage) {
                (Ok(Some(_)), Stage::Refused) => continue,
                (Ok(Some(frame)), Stage::Hello) if frame.kind == kind::HELLO => {
                    return Hello::decode(frame.body).map_or_else(Judgement::Refuse, Judgement::Hello);
                }
                (Ok(Some(frame)), Stage::Hello) => {
                    let text = format!("the first frame must be hello (0x01), not {:#04x}", frame.kind);
                    return Judgement::Refuse(Refusal::new(ErrorCode::UnexpectedFrame, text));
                }
                (Ok(Some(frame)), Stage::Proof(_)) => {
                    return match Control::decode(frame.kind, frame.body) {
                        Ok(Control::Proof(proof)) => Judgement::Proof(proof),
                        Ok(Control::Error { code, text }) => Judgement::RefusedBy(format!("{code}: {text}")),
                        Err(error) if frame.kind == kind::PROOF => {
                            Judgement::Refuse(Refusal::malformed(error))
                        }
                        _ => {
                            let text = format!("behind hello comes proof (0x05), not {:#04x}", frame.kind);
                            Judgement::Refuse(Refusal::new(ErrorCode::UnexpectedFrame, text))
                        }
                    };
                }
                (Ok(None), _) => {}
                // Once refused, what it still sends is thrown away.
                (Err(_), Stage::Refused) => {
                    self.connection.decoder = crate::wire::Decoder::new(HANDSHAKE_LENGTH_MAX)
                }
                (Err(error @ (FrameError::Empty | FrameError::TooLong { .. })), _) => {
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
