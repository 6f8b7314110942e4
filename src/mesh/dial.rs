//! Those whom we dial: connect, hello, answer; back-off and try again.

use std::{io, time::Duration};

use mio::{Interest, net::TcpStream};
use tracing::{debug, warn};

use super::{
    BACK_OFF_MAX, HANDSHAKE_MS_MAX,
    connection::{Connection, Filled},
    event_log::EventLog,
    link::{Dial, State},
    outcome::MeshError,
    phases::Phase,
    rejoin::judge_life,
    round::Mesh,
    trust::offer,
};
use crate::{
    node::Node,
    units::{MachineId, Time},
    wire::{
        Control, ErrorCode, Expectation, FRAME_LENGTH_MAX, HANDSHAKE_LENGTH_MAX, Handshake, Hello, Message,
        Refusal, Role, Secret, kind,
    },
};

/// How a dial stands after a look at its bytes.
pub(super) enum Answer {
    Wait,
    Hello(Hello),
    /// Worth another try.
    Failed(String),
    /// Not worth another try: who refuses, and why.
    Refused(Refusal),
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Starts the dials that are due and follows those under way. A peer that was lost while the run goes on may be
    /// started again at any time, so it is dialled to the end; before the start the time-out ends the whole machine.
    pub(super) fn follow_dials(&mut self, now: Time) -> Result<(), MeshError> {
        for peer in MachineId::all(self.config.me.0) {
            let Some(link) = self.links.get_mut(peer.index()) else {
                continue;
            };
            match &link.state {
                State::Pausing { until, pause } if now >= *until => {
                    let pause = *pause;
                    self.dial(peer, pause, now);
                }
                State::Dialling { .. } => self.follow(peer, now)?,
                State::Pausing { .. } | State::Waiting | State::Up { .. } | State::Ended => {}
            }
        }
        Ok(())
    }

    /// When the next dial is due, or one under way to be given up.
    pub(super) fn dials_deadline(&self) -> Option<Time> {
        let deadline = |state: &State| match state {
            State::Pausing { until, .. } => Some(*until),
            State::Dialling { dial, .. } => Some(dial.until),
            State::Waiting | State::Up { .. } | State::Ended => None,
        };
        self.links.iter().filter_map(|link| deadline(&link.state)).min()
    }

    fn give_up_peer(&mut self, peer: MachineId) {
        if let Some(link) = self.links.get_mut(peer.index()) {
            warn!("machine {peer} is given up: {}", link.trouble);
            link.state = State::Ended;
        }
    }

    fn dial(&mut self, peer: MachineId, pause: Duration, now: Time) {
        let Some(address) = self.config.addresses.get(peer.index()).copied() else {
            return;
        };
        let trust = match offer(self.config.secret.as_ref()) {
            Ok(trust) => trust,
            Err(error) => return self.dial_failed(peer, pause, error.to_string(), now),
        };
        let mine = self.config.hello(<N::Message as Message>::SYSTEM, peer, trust);
        let token = self.new_token();
        let connected = TcpStream::connect(address).and_then(|mut stream| {
            self.poll
                .registry()
                .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(Connection::new(stream, HANDSHAKE_LENGTH_MAX))
        });
        match connected {
            Ok(connection) => {
                self.owners.insert(token, peer);
                let until = now.after(Duration::from_millis(HANDSHAKE_MS_MAX));
                let dial = Box::new(Dial {
                    token,
                    connection,
                    until,
                    mine,
                    hello_sent: false,
                    theirs: None,
                });
                if let Some(link) = self.links.get_mut(peer.index()) {
                    link.state = State::Dialling { dial, pause };
                }
            }
            Err(error) => self.dial_failed(peer, pause, error.to_string(), now),
        }
    }

    fn dial_failed(&mut self, peer: MachineId, pause: Duration, trouble: String, now: Time) {
        debug!("dialling machine {peer} failed: {trouble}");
        let Some(link) = self.links.get_mut(peer.index()) else {
            return;
        };
        if let State::Dialling { dial, .. } = &link.state {
            self.owners.remove(&dial.token);
        }
        link.trouble = trouble;
        link.state = State::Pausing {
            until: now.after(pause),
            pause: (pause * 2).min(BACK_OFF_MAX),
        };
    }

    fn follow(&mut self, peer: MachineId, now: Time) -> Result<(), MeshError> {
        let secret = self.config.secret.as_ref();
        let Some(link) = self.links.get_mut(peer.index()) else {
            return Ok(());
        };
        let State::Dialling { dial, pause } = &mut link.state else {
            return Ok(());
        };
        let pause = *pause;
        match dial.answer(secret, peer, now) {
            Answer::Wait => Ok(()),
            Answer::Failed(trouble) => {
                self.dial_failed(peer, pause, trouble, now);
                Ok(())
            }
            Answer::Refused(refusal) => {
                self.dial_failed(peer, pause, refusal.to_string(), now);
                self.refused_by(peer, refusal)
            }
            Answer::Hello(hello) => {
                if let Err(refusal) = judge_life(link.incarnation, link.is_up(), &hello) {
                    self.dial_failed(peer, pause, refusal.to_string(), now);
                    return Ok(());
                }
                let State::Dialling { dial, .. } = std::mem::replace(&mut link.state, State::Ended) else {
                    return Ok(());
                };
                let Dial {
                    token,
                    mut connection,
                    ..
                } = *dial;
                connection.decoder.set_length_max(FRAME_LENGTH_MAX);
                // Frames behind the hello may be in the decoder already: look, whatever the socket says.
                connection.set_ready(true, false, false);
                link.raise(token, connection);
                self.link_up(peer, &hello, now)
            }
        }
    }

    /// A peer refuses us for good: fatal before the start, the end of the link after it. Where there is a secret, who
    /// refuses has not proved that it is the peer: after the start it is worth no more than silence.
    fn refused_by(&mut self, peer: MachineId, refusal: Refusal) -> Result<(), MeshError> {
        match self.phase {
            Phase::Connecting | Phase::Barrier => {
                let address = self.config.addresses.get(peer.index()).copied();
                Err(MeshError::Refused {
                    peer,
                    address: address.unwrap_or(self.config.listen),
                    refusal,
                })
            }
            Phase::Running { .. } if self.config.secret.is_some() => Ok(()),
            Phase::Running { .. } | Phase::Draining { .. } | Phase::Done => {
                self.give_up_peer(peer);
                Ok(())
            }
        }
    }
}

impl Dial {
    /// How it stands; flushes and reads as far as it can.
    pub(super) fn answer(&mut self, secret: Option<&Secret>, peer: MachineId, now: Time) -> Answer {
        if now >= self.until {
            let what = match (self.hello_sent, &self.theirs) {
                (true, Some(_)) => "it does not prove that it knows the secret",
                (true, None) => "it does not answer our hello",
                (false, _) => "it cannot be reached",
            };
            return Answer::Failed(format!("{what} within {HANDSHAKE_MS_MAX} ms"));
        }
        if !self.hello_sent {
            match self.is_connected() {
                Ok(true) => {}
                Ok(false) => return Answer::Wait,
                Err(error) => return Answer::Failed(error.to_string()),
            }
            self.mine.encode(self.connection.output());
            self.hello_sent = true;
        }
        if let Err(error) = self.connection.flush() {
            return Answer::Failed(error.to_string());
        }
        loop {
            match self.connection.decoder.next_frame() {
                Ok(Some(frame)) => {
                    let answer = match &self.theirs {
                        None => judge_answer(frame.kind, frame.body, &self.mine, peer),
                        Some(theirs) => judge_proof(frame.kind, frame.body, secret, &self.mine, theirs),
                    };
                    match (answer, secret) {
                        (Answer::Hello(theirs), Some(_)) if self.theirs.is_none() => {
                            self.theirs = Some(theirs);
                            continue;
                        }
                        (Answer::Hello(theirs), Some(secret)) => {
                            let proof = prove(secret, &self.mine, &theirs);
                            proof.encode(self.connection.output());
                            return Answer::Hello(theirs);
                        }
                        (answer, _) => return answer,
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let text = format!("what listens there is no clocklab machine ({error})");
                    return Answer::Refused(Refusal::new(ErrorCode::BadMagic, text));
                }
            }
            match self.connection.fill() {
                Ok(Filled::Bytes(_)) => {}
                Ok(Filled::Blocked) => return Answer::Wait,
                Ok(Filled::Closed) => return Answer::Failed("it closed the connection".to_owned()),
                Err(error) => return Answer::Failed(error.to_string()),
            }
        }
    }

    /// The last steps of a connect, as mio's `TcpStream::connect` prescribes them.
    fn is_connected(&mut self) -> io::Result<bool> {
        let stream = self.connection.stream_mut();
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            // A port of the range for outgoing connections can be given to the very dial that looks for it.
            Ok(peer) if stream.local_addr()? == peer => Err(io::ErrorKind::ConnectionRefused.into()),
            Ok(_) => {
                stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Judges the proof behind an acceptable hello, which is the answer again if it is right.
fn judge_proof(kind: u8, body: &[u8], secret: Option<&Secret>, mine: &Hello, theirs: &Hello) -> Answer {
    let handshake = Handshake {
        dialler: mine,
        accepter: theirs,
    };
    match (Control::decode(kind, body), secret) {
        (Ok(Control::Proof(proof)), Some(secret)) => {
            let verified = handshake.verify(secret, Role::Accepter, &proof);
            verified.map_or_else(Answer::Refused, |()| Answer::Hello(theirs.clone()))
        }
        (Err(error), _) => Answer::Refused(Refusal::malformed(error)),
        _ => judge_other(kind, body, "hello, and then its proof"),
    }
}

/// Our own proof, when theirs was right.
fn prove(secret: &Secret, mine: &Hello, theirs: &Hello) -> Control {
    let handshake = Handshake {
        dialler: mine,
        accepter: theirs,
    };
    Control::Proof(handshake.proof(secret, Role::Dialler))
}

fn judge_answer(kind: u8, body: &[u8], mine: &Hello, peer: MachineId) -> Answer {
    if kind == kind::HELLO {
        let judged = Hello::decode(body).and_then(|hello| {
            Expectation {
                mine,
                dialled: Some(peer),
            }
            .judge(&hello)?;
            Ok(hello)
        });
        return judged.map_or_else(Answer::Refused, Answer::Hello);
    }
    judge_other(kind, body, "hello")
}

/// What a frame means that is not the expected one.
fn judge_other(kind: u8, body: &[u8], expected: &str) -> Answer {
    match Control::decode(kind, body) {
        Ok(Control::Error { code, text }) if code.is_definite() => Answer::Refused(Refusal::new(code, text)),
        Ok(Control::Error { code, text }) => Answer::Failed(format!("{code}: {text}")),
        Ok(
            Control::Ready
            | Control::Goodbye { .. }
            | Control::Proof(_)
            | Control::Command(_)
            | Control::Answer { .. },
        )
        | Err(_) => {
            let text = format!("it sent a frame of kind {kind:#04x} in place of {expected}");
            Answer::Refused(Refusal::new(ErrorCode::UnexpectedFrame, text))
        }
    }
}
