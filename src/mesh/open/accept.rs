//! Those who connect to us: by their first byte handed on, or strangers until their hello is judged and, where there is a
//! secret, proved. Then they are a peer, someone who gives commands, or a client.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use mio::{Interest, Token, net::TcpStream};
use tracing::{debug, info, warn};

use super::{
    QUIET_MAX,
    clients::Client,
    link::{Dialling, Link, Up},
    round::OpenMesh,
};
use crate::{
    mesh::{
        EventLog, HANDSHAKE_MS_MAX, STRANGERS_MAX,
        accept::ACCEPT_AGAIN,
        command::Commander,
        connection::Connection,
        stranger::{Hellos, Judgement, Stage, Stranger},
        trust::offer,
    },
    service::Service,
    units::{MachineId, Time},
    wire::{
        CLIENT, CONTROLLER, Control, ErrorCode, FRAME_LENGTH_MAX, Handshake, Hello, Message, PROOF_BYTES,
        Refusal, Role,
    },
};

/// The first byte of every frame within the limits: the highest of its length.
const FIRST_BYTE_OF_A_FRAME: u8 = 0;

const _: () = assert!(FRAME_LENGTH_MAX < 1 << 24, "a frame begins with a zero");

/// A connection that we accepted.
#[derive(Debug)]
pub(super) enum Door {
    /// It has said nothing yet.
    Quiet {
        stream: TcpStream,
        address: SocketAddr,
        until: Time,
    },
    /// It speaks in frames.
    Stranger(Box<Stranger>),
}

/// What a first byte says.
enum First {
    Nothing,
    Frame,
    Other,
    Gone,
}

impl Door {
    pub(super) fn until(&self) -> Time {
        match self {
            Door::Quiet { until, .. } => *until,
            Door::Stranger(stranger) => stranger.until,
        }
    }
}

fn first(stream: &TcpStream) -> First {
    let mut byte = [0];
    match stream.peek(&mut byte) {
        Ok(0) => First::Gone,
        Ok(_) if byte == [FIRST_BYTE_OF_A_FRAME] => First::Frame,
        Ok(_) => First::Other,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            First::Nothing
        }
        Err(_) => First::Gone,
    }
}

/// Whether a stranger said anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
}

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Takes every connection that waits at the listener.
    pub(super) fn accept_all(&mut self, now: Time) {
        self.accept_again = None;
        loop {
            match self.listener.accept() {
                Ok((stream, address)) => {
                    if let Err(error) = self.admit(stream, address, now) {
                        debug!("a connection from {address} ended at once: {error}");
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => {
                        warn!("cannot accept a connection: {error}");
                        self.accept_again = Some(now.after(ACCEPT_AGAIN));
                        return;
                    }
                },
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, address: SocketAddr, now: Time) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // Most have said something by the time that they are accepted: they cost no registration.
        let has_said = match first(&stream) {
            First::Other => {
                self.hand_over(stream, address);
                return Ok(());
            }
            First::Gone => return Ok(()),
            First::Nothing => false,
            First::Frame => true,
        };
        if self.doors.len() >= QUIET_MAX {
            warn!("{address} is turned away: {QUIET_MAX} connections have not said who they are");
            return Ok(());
        }
        let token = self.new_token();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, token, interest)?;
        let until = now.after(Duration::from_millis(HANDSHAKE_MS_MAX));
        let quiet = Door::Quiet {
            stream,
            address,
            until,
        };
        self.doors.insert(token, quiet);
        if has_said {
            self.doors_ready.push(token);
        }
        self.doors_deadline = Some(self.doors_deadline.map_or(until, |deadline| deadline.min(until)));
        Ok(())
    }

    /// Gives a connection to whoever serves what is not in frames.
    fn hand_over(&mut self, stream: TcpStream, address: SocketAddr) {
        match &mut self.handover {
            Some(handover) if !self.stopping.is_on() => (handover.0)(stream.into(), address),
            _ => debug!("{address} speaks no frames, and nobody here speaks anything else: closed"),
        }
    }

    /// Hears those who have connected: whoever said something, and whoever has had its time.
    pub(super) fn hear_doors(&mut self, now: Time) {
        let is_time = self.doors_deadline.is_some_and(|deadline| now >= deadline);
        let mut tokens = std::mem::take(&mut self.doors_ready);
        if is_time {
            let late = self.doors.iter().filter(|(_, door)| door.until() <= now);
            tokens.extend(late.map(|(token, _)| *token));
        }
        for token in tokens.drain(..) {
            self.hear_first(token, now);
            while self.hear_stranger(token, now) == Heard::Something {}
        }
        if self.doors_ready.is_empty() {
            // Its room is used again.
            self.doors_ready = tokens;
        }
        if is_time {
            self.doors_deadline = self.doors.values().map(Door::until).min();
        }
    }

    /// Looks at the first byte of a connection that has said nothing yet.
    fn hear_first(&mut self, token: Token, now: Time) {
        let Some(Door::Quiet { stream, until, .. }) = self.doors.get(&token) else {
            return;
        };
        let first = first(stream);
        if matches!(first, First::Nothing) && now < *until {
            return;
        }
        let Some(Door::Quiet {
            mut stream, address, ..
        }) = self.doors.remove(&token)
        else {
            return;
        };
        match first {
            First::Other => {
                if self.poll.registry().deregister(&mut stream).is_ok() {
                    self.hand_over(stream, address);
                }
            }
            First::Frame => {
                let mut stranger = Box::new(Stranger::new(stream, address, now));
                let in_handshake = |door: &&Door| matches!(door, Door::Stranger(_));
                if self.doors.values().filter(in_handshake).count() >= STRANGERS_MAX {
                    if let Err(error) = stranger.turn_away() {
                        debug!("{address} is gone: {error}");
                    }
                    return;
                }
                self.doors.insert(token, Door::Stranger(stranger));
            }
            First::Nothing => debug!("{address} has said nothing within {HANDSHAKE_MS_MAX} ms: closed"),
            First::Gone => {}
        }
    }

    fn stranger(&mut self, token: Token) -> Option<&mut Stranger> {
        match self.doors.get_mut(&token) {
            Some(Door::Stranger(stranger)) => Some(stranger),
            Some(Door::Quiet { .. }) | None => None,
        }
    }

    /// Takes the next frame of a stranger.
    fn hear_stranger(&mut self, token: Token, now: Time) -> Heard {
        let Some(stranger) = self.stranger(token) else {
            return Heard::Nothing;
        };
        let judged = match stranger.judge() {
            Judgement::Wait => {
                if now >= stranger.until {
                    match stranger.late() {
                        Some(refusal) => self.refuse(token, &refusal, now),
                        None => drop(self.doors.remove(&token)),
                    }
                }
                return Heard::Nothing;
            }
            Judgement::Gone => {
                self.doors.remove(&token);
                return Heard::Nothing;
            }
            Judgement::RefusedBy(text) => {
                warn!("{} refuses this machine: {text}", stranger.address);
                self.doors.remove(&token);
                return Heard::Nothing;
            }
            Judgement::Refuse(refusal) => Err(refusal),
            Judgement::Hello(hello) => self.greet(token, hello, now),
            Judgement::Proof(proof) => self.verify(token, &proof, now),
        };
        if let Err(refusal) = judged {
            self.refuse(token, &refusal, now);
        }
        Heard::Something
    }

    fn refuse(&mut self, token: Token, refusal: &Refusal, now: Time) {
        if let Some(stranger) = self.stranger(token)
            && stranger.refuse(refusal, now).is_err()
        {
            self.doors.remove(&token);
        }
    }

    /// Answers a hello; without a secret, that is all.
    fn greet(&mut self, token: Token, theirs: Hello, now: Time) -> Result<(), Refusal> {
        let trust = match offer(self.place.secret.as_ref()) {
            Ok(trust) => trust,
            Err(error) => return Err(Refusal::new(ErrorCode::Busy, error.to_string())),
        };
        let mine = self.place.hello(S::Message::SYSTEM, theirs.sender, trust);
        self.may_come_in(&mine, &theirs, now)?;
        let Some(secret) = self.place.secret.clone() else {
            self.let_in(token, &theirs, Some(&mine), now);
            return Ok(());
        };
        let Some(stranger) = self.stranger(token) else {
            return Ok(());
        };
        mine.encode(stranger.connection.output());
        let handshake = Handshake {
            dialler: &theirs,
            accepter: &mine,
        };
        Control::Proof(handshake.proof(&secret, Role::Accepter)).encode(stranger.connection.output());
        stranger.stage = Stage::Proof(Box::new(Hellos { theirs, mine }));
        if stranger.connection.flush().is_err() {
            self.doors.remove(&token);
        }
        Ok(())
    }

    /// Judges a proof, and the hello once more: another connection may have been faster.
    fn verify(&mut self, token: Token, proof: &[u8; PROOF_BYTES], now: Time) -> Result<(), Refusal> {
        let secret = self.place.secret.clone();
        let Some(stranger) = self.stranger(token) else {
            return Ok(());
        };
        let (Stage::Proof(hellos), Some(secret)) =
            (std::mem::replace(&mut stranger.stage, Stage::Hello), secret)
        else {
            return Ok(());
        };
        let Hellos { theirs, mine } = *hellos;
        let handshake = Handshake {
            dialler: &theirs,
            accepter: &mine,
        };
        handshake.verify(&secret, Role::Dialler, proof)?;
        self.may_come_in(&mine, &theirs, now)?;
        self.let_in(token, &theirs, None, now);
        Ok(())
    }

    /// Makes a stranger what it is; `answer` is our hello, if it was not sent yet.
    fn let_in(&mut self, token: Token, hello: &Hello, answer: Option<&Hello>, now: Time) {
        let Some(Door::Stranger(stranger)) = self.doors.remove(&token) else {
            return;
        };
        let (mut connection, address) = (stranger.connection, stranger.address);
        if let Some(answer) = answer {
            answer.encode(connection.output());
        }
        // Frames behind the hello may be in the decoder already: look, whatever the socket says.
        connection.set_ready(true, false, false);
        match hello.sender {
            CONTROLLER => {
                info!("{address} may give commands");
                self.commanders
                    .insert(token, Commander::new(connection, address, now));
                self.hear_commanders(now)
            }
            CLIENT => {
                connection.decoder.set_length_max(FRAME_LENGTH_MAX);
                connection.keep();
                self.seat(token, Client::new(token, connection, address, now));
            }
            peer => self.raise(peer, token, connection, hello, now),
        }
    }

    /// A connection whose hellos were acceptable becomes the link to a peer, in place of any other.
    pub(super) fn raise(
        &mut self,
        peer: MachineId,
        token: Token,
        mut connection: Connection<TcpStream>,
        hello: &Hello,
        now: Time,
    ) {
        self.lost(peer, "another connection took its place", now);
        connection.decoder.set_length_max(FRAME_LENGTH_MAX);
        connection.keep();
        let link = self.links.entry(peer).or_insert_with(Link::new);
        link.dial = Dialling::Idle;
        link.incarnation = hello.incarnation;
        link.trouble.clear();
        link.up = Some(Up {
            token,
            connection,
            heard: now,
            goodbye: None,
            ends: None,
            told: false,
        });
        self.owners.insert(token, peer);
        self.tell_up(peer, now)
    }
}
