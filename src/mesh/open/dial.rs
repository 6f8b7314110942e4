//! Those whom we dial: look the name up, connect, hello, answer; back-off and try again, as long as the service wants a
//! link to them.

use std::{net::SocketAddr, time::Duration};

use mio::{Interest, net::TcpStream};
use tracing::{debug, warn};

use super::{AGAIN_MS, CONNECT_MS_MAX, link::Dialling, round::OpenMesh};
use crate::{
    mesh::{
        BACK_OFF_MAX, EventLog, HANDSHAKE_MS_MAX, connection::Connection, dial::Answer, link::Dial,
        rejoin::judge_life, trust::offer,
    },
    service::{Address, Service},
    units::{MachineId, Time},
    wire::{HANDSHAKE_LENGTH_MAX, Message},
};

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Starts the dials that are due, and follows those under way.
    pub(super) fn follow_dials(&mut self, now: Time) {
        for resolved in self.resolver.take() {
            self.resolved(resolved.peer, &resolved.address, resolved.places, now);
        }
        if !self.dials_ready && self.dials_deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.dials_ready = false;
        let peers: Vec<MachineId> = self.links.keys().copied().collect();
        for peer in peers {
            let Some(link) = self.links.get_mut(&peer) else {
                continue;
            };
            match &link.dial {
                Dialling::Pausing { until, pause } if now >= *until => {
                    let pause = *pause;
                    self.dial(peer, pause, now);
                }
                Dialling::UnderWay { .. } => self.follow(peer, now),
                Dialling::Pausing { .. } | Dialling::Resolving { .. } | Dialling::Idle => {}
            }
            self.end_if_over(peer, now);
        }
        self.dials_deadline = self.links.values().filter_map(|link| link.deadline()).min();
    }

    fn dial(&mut self, peer: MachineId, pause: Duration, now: Time) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Some(address) = link.wanted.clone() else {
            link.dial = Dialling::Idle;
            return;
        };
        link.dials += 1;
        if let Ok(place) = address.as_str().parse::<SocketAddr>() {
            self.connect(peer, place, pause, now);
            return;
        }
        link.dial = Dialling::Resolving { pause };
        if let Err(error) = self.resolver.begin(peer, &address) {
            self.dial_failed(peer, &error.to_string(), now);
        }
    }

    fn resolved(
        &mut self,
        peer: MachineId,
        address: &Address,
        places: std::io::Result<Vec<SocketAddr>>,
        now: Time,
    ) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        let (Dialling::Resolving { pause }, true) = (&link.dial, link.wanted.as_ref() == Some(address))
        else {
            return;
        };
        let (pause, dials) = (*pause, link.dials);
        match places {
            Err(error) => self.dial_failed(peer, &format!("{address} cannot be found: {error}"), now),
            Ok(places) => match places.get(dials.checked_rem(places.len()).unwrap_or(0)) {
                Some(place) => self.connect(peer, *place, pause, now),
                None => self.dial_failed(peer, &format!("{address} has no address"), now),
            },
        }
    }

    fn connect(&mut self, peer: MachineId, place: SocketAddr, pause: Duration, now: Time) {
        let token = self.new_token();
        let trust = offer(self.place.secret.as_ref());
        let connected = trust.and_then(|trust| {
            let mut stream = TcpStream::connect(place)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, token, interest)?;
            Ok((trust, Connection::new(stream, HANDSHAKE_LENGTH_MAX)))
        });
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        match connected {
            Ok((trust, connection)) => {
                self.owners.insert(token, peer);
                let dial = Box::new(Dial {
                    token,
                    connection,
                    until: now.after(Duration::from_millis(HANDSHAKE_MS_MAX)),
                    mine: self.place.hello(S::Message::SYSTEM, peer, trust),
                    hello_sent: false,
                    theirs: None,
                });
                link.dial = Dialling::UnderWay {
                    dial,
                    pause,
                    connected_by: now.after(Duration::from_millis(CONNECT_MS_MAX)),
                };
                self.dials_ready = true;
            }
            Err(error) => {
                link.dial = Dialling::Pausing { until: now, pause };
                self.dial_failed(peer, &error.to_string(), now);
            }
        }
    }

    /// A dial came to nothing: another one after a pause, longer each time.
    fn dial_failed(&mut self, peer: MachineId, trouble: &str, now: Time) {
        debug!("dialling machine {peer} failed: {trouble}");
        self.give_up_dial(peer);
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let pause = match link.dial {
            Dialling::Pausing { pause, .. }
            | Dialling::Resolving { pause }
            | Dialling::UnderWay { pause, .. } => pause,
            Dialling::Idle => return,
        };
        trouble.clone_into(&mut link.trouble);
        link.dial = Dialling::Pausing {
            until: now.after(pause),
            pause: (pause * 2).min(BACK_OFF_MAX),
        };
        self.dials_ready = true;
    }

    /// Forgets the token of a dial under way, whose state is about to be replaced.
    pub(super) fn give_up_dial(&mut self, peer: MachineId) {
        if let Some(link) = self.links.get(&peer)
            && let Dialling::UnderWay { dial, .. } = &link.dial
        {
            self.owners.remove(&dial.token);
        }
    }

    fn follow(&mut self, peer: MachineId, now: Time) {
        let secret = self.place.secret.as_ref();
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Dialling::UnderWay {
            dial, connected_by, ..
        } = &mut link.dial
        else {
            return;
        };
        let connected_by = *connected_by;
        match dial.answer(secret, peer, now) {
            Answer::Wait if now >= connected_by && !dial.hello_sent => {
                let trouble = format!("it cannot be reached within {CONNECT_MS_MAX} ms");
                self.dial_failed(peer, &trouble, now);
            }
            Answer::Wait => {}
            Answer::Failed(trouble) => {
                self.dial_failed(peer, &trouble, now);
            }
            Answer::Refused(refusal) => {
                // It may be another one tomorrow: membership is the service's to decide, never a failed dial's.
                let trouble = refusal.to_string();
                if link.trouble != trouble {
                    warn!("machine {peer} refuses this machine: {trouble}");
                }
                self.dial_failed(peer, &trouble, now);
                if let Some(link) = self.links.get_mut(&peer) {
                    link.dial = Dialling::Pausing {
                        until: now.after(Duration::from_millis(AGAIN_MS)),
                        pause: BACK_OFF_MAX,
                    };
                }
            }
            Answer::Hello(hello) => {
                if let Err(refusal) = judge_life(link.incarnation, link.is_told(), &hello) {
                    self.dial_failed(peer, &refusal.to_string(), now);
                    return;
                }
                let Dialling::UnderWay { dial, .. } = std::mem::replace(&mut link.dial, Dialling::Idle)
                else {
                    return;
                };
                let Dial {
                    token,
                    mut connection,
                    ..
                } = *dial;
                // Frames behind the hello may be in the decoder already: look, whatever the socket says.
                connection.set_ready(true, false, false);
                self.raise(peer, token, connection, &hello, now)
            }
        }
    }
}
