//! Commands to running machines: one connection to one of them (protocol.md, section 8).
//!
//! Blocks, with time-outs. The steps are apart (call, greet, send, answer), so that a whole run is asked at once: see
//! [`Controllers`](super::Controllers).
#![allow(clippy::disallowed_methods, reason = "waits for machines in real time")]

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    control::Command,
    mesh::offer,
    units::MachineId,
    wire::{
        ANSWER_BYTES_MAX, COMMAND_BYTES_MAX, Control, Decoder, ErrorCode, HANDSHAKE_LENGTH_MAX, Handshake,
        Hello, Refusal, Role, RunId, Secret, Trust, kind,
    },
};

/// How long a machine may take to be reached and to answer, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// The least time that is given to one step, however late it is.
const STEP_MIN: Duration = Duration::from_millis(50);

/// Longest frame that a machine may send here: an answer.
const LENGTH_MAX: usize = ANSWER_BYTES_MAX + 2;

const _: () = assert!(HANDSHAKE_LENGTH_MAX <= LENGTH_MAX);

/// Whom a controller calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which machine must be there; `None` is whichever is.
    pub machine: Option<MachineId>,
    /// In which run it must be; `None` is whichever it is in.
    pub run: Option<RunId>,
}

/// Why a machine could not be asked, or would not.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens there, or nobody answers.
    #[error("{target} cannot be reached ({error}): the run has ended, or this machine has")]
    Unreachable {
        /// Who was called.
        target: Target,
        /// The system's words.
        error: io::Error,
    },
    /// It says nothing.
    #[error("{target} does not answer in time: it is stopped (a pause fault, SIGSTOP), or its host is")]
    Silent {
        /// Who was called.
        target: Target,
    },
    /// The connection ended before the answer. Whether the command was carried out is not known.
    #[error("{target} closed the connection before it answered; its log says what it did")]
    Gone {
        /// Who was called.
        target: Target,
    },
    /// The handshake failed: another run, another secret, another program.
    #[error("{target}: {refusal}")]
    Refused {
        /// Who was called.
        target: Target,
        /// Why.
        refusal: Refusal,
    },
    /// Only one side has a secret, or they have different ones.
    #[error("{target} and this command do not have the same secret: name the run's with --secret-file")]
    NotTrusted {
        /// Who was called.
        target: Target,
    },
    /// It heard the command, and does not carry it out.
    #[error("machine {machine} did not accept `{command}`: {text}")]
    NotAccepted {
        /// Who.
        machine: MachineId,
        /// What it was asked.
        command: String,
        /// Why not.
        text: String,
    },
    /// The command does not fit a frame.
    #[error(
        "the command is {bytes} bytes long, {COMMAND_BYTES_MAX} are allowed: name fewer machines at once"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The run has no such machine.
    #[error("there is no machine {machine}: the run has 0 to {}", machines.saturating_sub(1))]
    NoMachine {
        /// Who was asked for.
        machine: MachineId,
        /// How many there are.
        machines: u16,
    },
    /// The system gives no random numbers for a nonce.
    #[error("cannot prove the secret: {0}")]
    Nonce(io::Error),
}

/// A control connection to one machine.
#[derive(Debug)]
pub struct Controller {
    target: Target,
    secret: Option<Secret>,
    stream: TcpStream,
    decoder: Decoder,
    mine: Hello,
    /// The machine's hello, when it was judged and, where there is a secret, proved.
    theirs: Option<Hello>,
    /// The command under way.
    asked: String,
    last_used: Instant,
}

impl Controller {
    /// Connects and makes sure of each other, within [`PATIENCE`].
    ///
    /// # Errors
    /// [`ControlError`]: nobody is there, it is another machine or another run, or the secret is not the same.
    pub fn connect(target: &Target, secret: Option<&Secret>) -> Result<Self, ControlError> {
        let until = Instant::now() + PATIENCE;
        let mut controller = Self::call(target, secret, until)?;
        controller.greet(until)?;
        Ok(controller)
    }

    /// Asks, and waits for the answer, within [`PATIENCE`].
    ///
    /// # Errors
    /// [`ControlError`]: it did not accept, or could not be heard; the connection is then of no further use, but
    /// after [`ControlError::NotAccepted`] and [`ControlError::TooLong`].
    pub fn ask(&mut self, command: &Command) -> Result<String, ControlError> {
        self.send(command)?;
        self.answer(Instant::now() + PATIENCE)
    }

    /// The machine that it is connected to; `None` before it was greeted.
    #[must_use]
    pub fn machine(&self) -> Option<MachineId> {
        self.theirs.as_ref().map(|hello| hello.sender)
    }

    /// The run that the machine is in; `None` before it was greeted.
    #[must_use]
    pub fn run(&self) -> Option<&RunId> {
        self.theirs.as_ref().map(|hello| &hello.run)
    }

    /// Connects and says hello, without waiting for the answer.
    pub(super) fn call(
        target: &Target,
        secret: Option<&Secret>,
        until: Instant,
    ) -> Result<Self, ControlError> {
        let unreachable = |error| ControlError::Unreachable {
            target: target.clone(),
            error,
        };
        let stream = TcpStream::connect_timeout(&target.address, left(until)).map_err(unreachable)?;
        // A port that is free can be given to the very dial that looks for it.
        if stream.local_addr().is_ok_and(|own| own == target.address) {
            return Err(unreachable(ErrorKind::ConnectionRefused.into()));
        }
        stream.set_nodelay(true).map_err(unreachable)?;
        let trust = offer(secret).map_err(ControlError::Nonce)?;
        let mine = Hello::of_controller(target.machine, target.run.as_ref(), trust);
        let mut controller = Self {
            target: target.clone(),
            secret: secret.cloned(),
            stream,
            decoder: Decoder::new(LENGTH_MAX),
            mine,
            theirs: None,
            asked: String::new(),
            last_used: Instant::now(),
        };
        let mut bytes = Vec::new();
        controller.mine.encode(&mut bytes);
        controller.write(&bytes)?;
        Ok(controller)
    }

    /// Hears the machine's hello, and proves and is proved the secret. Once done it has no effect.
    pub(super) fn greet(&mut self, until: Instant) -> Result<(), ControlError> {
        if self.theirs.is_some() {
            return Ok(());
        }
        let (kind, body) = self.frame(until)?;
        if kind != kind::HELLO {
            return Err(self.unexpected(kind, &body));
        }
        let judged = Hello::decode(&body).and_then(|theirs| {
            self.mine.judge_controlled(&theirs)?;
            Ok(theirs)
        });
        let theirs = judged.map_err(|refusal| self.refused(refusal))?;
        if let (Some(secret), Trust::Secret { .. }) = (self.secret.clone(), &theirs.trust) {
            let (kind, body) = self.frame(until)?;
            let proof = match Control::decode(kind, &body) {
                Ok(Control::Proof(proof)) => proof,
                _ => return Err(self.unexpected(kind, &body)),
            };
            let handshake = Handshake {
                dialler: &self.mine,
                accepter: &theirs,
            };
            let verified = handshake.verify(&secret, Role::Accepter, &proof);
            verified.map_err(|refusal| self.refused(refusal))?;
            let mut bytes = Vec::new();
            Control::Proof(handshake.proof(&secret, Role::Dialler)).encode(&mut bytes);
            self.write(&bytes)?;
        }
        self.theirs = Some(theirs);
        Ok(())
    }

    /// Sends a command, without waiting for the answer.
    pub(super) fn send(&mut self, command: &Command) -> Result<(), ControlError> {
        let text = command.to_string();
        if text.len() > COMMAND_BYTES_MAX {
            return Err(ControlError::TooLong { bytes: text.len() });
        }
        let mut bytes = Vec::new();
        Control::Command(text.clone()).encode(&mut bytes);
        self.asked = text;
        self.last_used = Instant::now();
        self.write(&bytes)
    }

    /// Waits for the answer to the last command.
    pub(super) fn answer(&mut self, until: Instant) -> Result<String, ControlError> {
        let (kind, body) = self.frame(until)?;
        match Control::decode(kind, &body) {
            Ok(Control::Answer { accepted: true, text }) => Ok(text),
            Ok(Control::Answer {
                accepted: false,
                text,
            }) => Err(ControlError::NotAccepted {
                machine: self.machine().unwrap_or(self.mine.receiver),
                command: self.asked.clone(),
                text,
            }),
            _ => Err(self.unexpected(kind, &body)),
        }
    }

    /// Since when nothing was asked.
    pub(super) fn idle(&self) -> Duration {
        self.last_used.elapsed()
    }

    /// Whether the machine has ended the connection meanwhile.
    pub(super) fn is_closed(&self) -> bool {
        let looked = self.stream.set_nonblocking(true).and_then(|()| {
            let looked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            looked
        });
        // Nothing to read is as it should be: nothing was asked. A byte, an end or an error is not.
        !matches!(looked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ControlError> {
        // A few hundred bytes always fit the system's buffer; a write waits only behind ones that nobody reads.
        let written = self
            .stream
            .set_write_timeout(Some(PATIENCE))
            .and_then(|()| self.stream.write_all(bytes));
        written.map_err(|error| self.failed(&error))
    }

    /// The next frame.
    fn frame(&mut self, until: Instant) -> Result<(u8, Vec<u8>), ControlError> {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => return Ok((frame.kind, frame.body.to_vec())),
                Ok(None) => {}
                Err(error) => {
                    let text = format!("what listens there is no clocklab machine ({error})");
                    return Err(self.refused(Refusal::new(ErrorCode::BadMagic, text)));
                }
            }
            let space = self.decoder.space();
            let read = self
                .stream
                .set_read_timeout(Some(left(until)))
                .and_then(|()| self.stream.read(space));
            match read {
                Ok(0) => return Err(self.gone()),
                Ok(bytes) => self.decoder.filled(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// What a frame means that is none of those that may come.
    fn unexpected(&self, kind: u8, body: &[u8]) -> ControlError {
        self.refused(match Control::decode(kind, body) {
            Ok(Control::Error { code, text }) => Refusal::new(code, text),
            _ => Refusal::new(
                ErrorCode::UnexpectedFrame,
                format!("it sent a frame of kind {kind:#04x}"),
            ),
        })
    }

    fn refused(&self, refusal: Refusal) -> ControlError {
        let target = self.target.clone();
        match refusal.code {
            ErrorCode::NotAuthenticated => ControlError::NotTrusted { target },
            _ => ControlError::Refused { target, refusal },
        }
    }

    fn gone(&self) -> ControlError {
        ControlError::Gone {
            target: self.target.clone(),
        }
    }

    fn failed(&self, error: &io::Error) -> ControlError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ControlError::Silent {
                target: self.target.clone(),
            },
            _ => self.gone(),
        }
    }
}

/// What is left until a moment, and never nothing: no time at all means for ever.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(STEP_MIN)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.machine {
            Some(machine) => write!(f, "machine {machine} at {}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}
