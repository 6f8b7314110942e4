//! Those who dial us: strangers until their hello is judged and, where the run has a secret, they have proved that they
//! know it. Then they are the peer that they say, or someone who gives commands.
//!
//! A stranger can cost a run no more than one of [`STRANGERS_MAX`] places for a time that `stranger.rs` bounds, as it does
//! what is read of it, and one line of diagnostics.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use mio::{Interest, Token, net::TcpStream};
use tracing::{debug, warn};

use super::{
    STRANGERS_MAX,
    event_log::EventLog,
    outcome::MeshError,
    phases::Phase,
    rejoin::judge_life,
    round::Mesh,
    stranger::{Hellos, Judgement, Stage, Stranger},
    trust::offer,
};
use crate::{
    node::Node,
    units::Time,
    wire::{
        CONTROLLER, Control, ErrorCode, Expectation, FRAME_LENGTH_MAX, Handshake, Hello, Message,
        PROOF_BYTES, Refusal, Role,
    },
};

/// Pause after an accept that failed for lack of something, such as file descriptors.
pub(super) const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Whether a stranger may go on, or why not.
type Admitted = Result<(), Refusal>;

/// Whether a stranger said anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
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
        let mut stranger = Stranger::new(stream, address, now);
        if self.strangers.len() >= STRANGERS_MAX {
            return stranger.turn_away();
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
            while self.hear_stranger(token, now)? == Heard::Something {}
        }
        Ok(())
    }

    /// Takes the next frame of a stranger.
    fn hear_stranger(&mut self, token: Token, now: Time) -> Result<Heard, MeshError> {
        let Some(stranger) = self.strangers.get_mut(&token) else {
            return Ok(Heard::Nothing);
        };
        let done = match stranger.judge() {
            Judgement::Wait => {
                if now >= stranger.until {
                    self.give_up_stranger(token, now);
                }
                return Ok(Heard::Nothing);
            }
            Judgement::Gone => {
                self.strangers.remove(&token);
                return Ok(Heard::Nothing);
            }
            Judgement::RefusedBy(text) => {
                warn!("{} refuses this machine: {text}", stranger.address);
                self.strangers.remove(&token);
                return Ok(Heard::Nothing);
            }
            Judgement::Refuse(refusal) => Err(refusal),
            Judgement::Hello(hello) => self.greet(token, hello, now)?,
            Judgement::Proof(proof) => self.verify(token, &proof, now)?,
        };
        if let Err(refusal) = done {
            self.refuse(token, &refusal, now);
        }
        Ok(Heard::Something)
    }

    /// Answers a hello; without a secret, that is all.
    fn greet(&mut self, token: Token, theirs: Hello, now: Time) -> Result<Admitted, MeshError> {
        let trust = match offer(self.config.secret.as_ref()) {
            Ok(trust) => trust,
            Err(error) => return Ok(Err(Refusal::new(ErrorCode::Busy, error.to_string()))),
        };
        let mine = self
            .config
            .hello(<N::Message as Message>::SYSTEM, theirs.sender, trust);
        if let Err(refusal) = self.may_come_in(&mine, &theirs) {
            return Ok(Err(refusal));
        }
        let Some(secret) = &self.config.secret else {
            return self.let_in(token, &theirs, Some(&mine), now);
        };
        let Some(stranger) = self.strangers.get_mut(&token) else {
            return Ok(Ok(()));
        };
        mine.encode(stranger.connection.output());
        let handshake = Handshake {
            dialler: &theirs,
            accepter: &mine,
        };
        Control::Proof(handshake.proof(secret, Role::Accepter)).encode(stranger.connection.output());
        stranger.stage = Stage::Proof(Box::new(Hellos { theirs, mine }));
        if stranger.connection.flush().is_err() {
            self.strangers.remove(&token);
        }
        Ok(Ok(()))
    }

    /// Judges a proof, and the hello once more: another connection may have been faster.
    fn verify(&mut self, token: Token, proof: &[u8; PROOF_BYTES], now: Time) -> Result<Admitted, MeshError> {
        let Some(stranger) = self.strangers.get_mut(&token) else {
            return Ok(Ok(()));
        };
        let (Stage::Proof(hellos), Some(secret)) = (
            std::mem::replace(&mut stranger.stage, Stage::Hello),
            &self.config.secret,
        ) else {
            return Ok(Ok(()));
        };
        let Hellos { theirs, mine } = *hellos;
        let handshake = Handshake {
            dialler: &theirs,
            accepter: &mine,
        };
        let judged = handshake
            .verify(secret, Role::Dialler, proof)
            .and_then(|()| self.may_come_in(&mine, &theirs));
        match judged {
            Ok(()) => self.let_in(token, &theirs, None, now),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// When the next stranger is to be given up, or the listener to be looked at again.
    pub(super) fn strangers_deadline(&self) -> Option<Time> {
        let given_up = self.strangers.values().map(|stranger| stranger.until).min();
        given_up.into_iter().chain(self.accept_again).min()
    }

    fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. } | Phase::Done)
    }

    /// Judges a hello, `mine` being the answer to it.
    fn may_come_in(&self, mine: &Hello, theirs: &Hello) -> Result<(), Refusal> {
        if theirs.sender == CONTROLLER {
            mine.judge_controller(theirs)?;
            return self.may_command();
        }
        Expectation { mine, dialled: None }.judge(theirs)?;
        if self.is_stopping() {
            return Err(Refusal::new(ErrorCode::Busy, "this machine is stopping"));
        }
        match self.links.get(theirs.sender.index()) {
            Some(link) => judge_life(link.incarnation, link.is_up(), theirs),
            None => Ok(()),
        }
    }

    /// Makes a stranger the peer that it is, or a commander; `answer` is our hello, if it was not sent yet.
    fn let_in(
        &mut self,
        token: Token,
        hello: &Hello,
        answer: Option<&Hello>,
        now: Time,
    ) -> Result<Admitted, MeshError> {
        let peer = hello.sender;
        // Only now: nobody who is not proved ends the link to an earlier life.
        if peer != CONTROLLER {
            self.make_way(peer, now)?;
            if self.is_stopping() {
                // The loss of the life before was the end of this one.
                return Ok(Err(Refusal::new(ErrorCode::Busy, "this machine is stopping")));
            }
        }
        let Some(mut stranger) = self.strangers.remove(&token) else {
            return Ok(Ok(()));
        };
        if let Some(answer) = answer {
            answer.encode(stranger.connection.output());
        }
        // Frames behind the hello may be in the decoder already: look, whatever the socket says.
        stranger.connection.set_ready(true, false, false);
        if peer == CONTROLLER {
            self.obey(token, stranger.connection, stranger.address, now);
            return Ok(Ok(()));
        }
        stranger.connection.decoder.set_length_max(FRAME_LENGTH_MAX);
        self.owners.insert(token, peer);
        if let Some(link) = self.links.get_mut(peer.index()) {
            link.begin(self.config.me, peer, now);
            link.raise(token, stranger.connection);
        }
        self.link_up(peer, hello, now).map(Ok)
    }

    fn refuse(&mut self, token: Token, refusal: &Refusal, now: Time) {
        let Some(stranger) = self.strangers.get_mut(&token) else {
            return;
        };
        if stranger.refuse(refusal, now).is_err() {
            self.strangers.remove(&token);
        }
    }

    fn give_up_stranger(&mut self, token: Token, now: Time) {
        match self.strangers.get(&token).and_then(Stranger::late) {
            Some(refusal) => self.refuse(token, &refusal, now),
            None => {
                self.strangers.remove(&token);
            }
        }
    }
}
