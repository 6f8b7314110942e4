//! The phases of a machine: connect, barrier, run, drain (protocol.md, section 4).
//!
//! ```text
//!   Connecting --all links up--> Barrier --ready from all--> Running --stop--> Draining --goodbye from all--> Done
//! ```

use std::time::Duration;

use mio::Token;
use tracing::{info, warn};

use super::{
    DRAIN_MS_MAX,
    config::OnPeerLoss,
    event_log::EventLog,
    link::State,
    outcome::{MeshError, Missing},
    rejoin::REJOIN_GRACE,
    round::Mesh,
};
use crate::{
    node::{DownCause, Input, Node},
    units::{MachineId, Time},
    wire::{Control, ErrorCode, Hello, Reason, Refusal, RunId, Standing},
};

/// A peer whose time is over does not stop a machine whose own end is at most this far away.
const ENDS_TOGETHER: Duration = Duration::from_secs(1);

/// How often a waiting machine says for whom.
const WAITING_NOTE_EVERY: Duration = Duration::from_secs(5);

const _: () = assert!(
    ENDS_TOGETHER.as_millis() < DRAIN_MS_MAX as u128,
    "who drains must outlast who ends a little later"
);

/// Where a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Links are missing.
    Connecting,
    /// All links are up; not every peer can say the same yet.
    Barrier,
    /// The node works, until `end` if there is one.
    Running { end: Option<Time> },
    /// Goodbye was said; what peers still send is taken, until `until` at most.
    Draining { until: Time },
    /// The last words are written.
    Done,
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// A link has come up: both hellos were acceptable.
    pub(super) fn link_up(&mut self, peer: MachineId, hello: &Hello, now: Time) -> Result<(), MeshError> {
        if let Some(link) = self.links.get_mut(peer.index()) {
            link.run = Some((hello.standing, hello.run.clone()));
            link.incarnation = hello.incarnation;
            link.trouble.clear();
        }
        match self.phase {
            Phase::Connecting if self.is_rejoining() => {
                self.say(peer, &Control::Ready);
                self.tell_up(peer, now);
            }
            Phase::Connecting => self.try_barrier(now)?,
            Phase::Barrier | Phase::Running { .. } => {
                self.say(peer, &Control::Ready);
                info!("machine {peer} is back");
                self.tell_up(peer, now);
            }
            Phase::Draining { .. } | Phase::Done => {}
        }
        Ok(())
    }

    /// Passes from Connecting to Barrier if every link is up.
    pub(super) fn try_barrier(&mut self, now: Time) -> Result<(), MeshError> {
        let me = self.config.me;
        let peers = me.peers(self.config.machines());
        if self.phase != Phase::Connecting || !peers.clone().all(|peer| self.is_up(peer)) {
            return Ok(());
        }
        let own = (self.config.standing, me, &self.config.run);
        let theirs = self
            .links
            .iter()
            .zip(MachineId::all(u16::MAX))
            .filter_map(|(link, peer)| link.run.as_ref().map(|(standing, run)| (*standing, peer, run)));
        let agreed: Option<RunId> = RunId::agree(theirs.chain([own])).cloned();
        if let Some(run) = agreed {
            self.config.run = run;
        }
        self.config.standing = Standing::Given;
        self.phase = Phase::Barrier;
        for peer in peers {
            self.say(peer, &Control::Ready);
            self.tell_up(peer, now);
        }
        self.try_start(now)
    }

    /// Passes from Barrier to Running if every peer is ready.
    pub(super) fn try_start(&mut self, now: Time) -> Result<(), MeshError> {
        let mut peers = self.config.me.peers(self.config.machines());
        let all_ready = peers.all(|peer| self.links.get(peer.index()).is_some_and(|link| link.ready));
        let waits = self.phase == Phase::Barrier || self.is_rejoining();
        if !waits || !all_ready {
            return Ok(());
        }
        self.start(now)
    }

    /// Opens the log, and starts the node.
    pub(super) fn start(&mut self, now: Time) -> Result<(), MeshError> {
        if self.is_rejoining() {
            // The run has gone on while this machine looked for its peers.
            self.config.run_age += now.since(Time(0));
        }
        let started = self.clock.wall(now);
        self.log.open(&self.config.run, started).map_err(MeshError::Log)?;
        info!("machine {} starts in run {}", self.config.me, self.config.run);
        self.started = Some(started);
        self.seen.start(now);
        self.phase = Phase::Running {
            end: self
                .config
                .duration
                .map(|duration| now.after(duration.saturating_sub(self.config.run_age))),
        };
        self.input(now, Input::Start { wall: started });
        self.plan_faults(now);
        self.leave_the_missing();
        self.break_links(now)
    }

    /// A control frame has come in on a link that is up.
    pub(super) fn on_control(
        &mut self,
        peer: MachineId,
        control: &Control,
        now: Time,
    ) -> Result<(), MeshError> {
        let Some(link) = self.links.get_mut(peer.index()) else {
            return Ok(());
        };
        match control {
            Control::Ready => {
                link.ready = true;
                self.try_start(now)
            }
            Control::Goodbye { reason, origin } => {
                link.goodbye = Some(*reason);
                self.on_goodbye(peer, *reason, *origin, now)
            }
            Control::Error { code, text } => self.lost(peer, format!("it says {code}: {text}"), now),
            Control::Proof(_) | Control::Command(_) | Control::Answer { .. } => {
                let text = "proofs, commands and answers have no place on a link";
                self.break_off(peer, &Refusal::new(ErrorCode::UnexpectedFrame, text), now)
            }
        }
    }

    pub(super) fn tell_up(&mut self, peer: MachineId, now: Time) {
        if let Some(link) = self.links.get_mut(peer.index()) {
            link.told_up = true;
            let incarnation = link.incarnation;
            self.input(now, Input::LinkUp { peer, incarnation });
            self.faults_meet(peer, now);
        }
    }

    /// Tells the node that a link is down, once for each time that it was told that it is up.
    pub(super) fn tell_down(&mut self, peer: MachineId, cause: DownCause, now: Time) {
        if self
            .links
            .get_mut(peer.index())
            .is_some_and(|link| std::mem::take(&mut link.told_up))
        {
            self.input(now, Input::LinkDown { peer, cause });
            self.faults_leave(peer);
        }
    }

    fn on_goodbye(
        &mut self,
        peer: MachineId,
        reason: Reason,
        origin: MachineId,
        now: Time,
    ) -> Result<(), MeshError> {
        match self.phase {
            // It may be started again in time; if not, the time-out names it.
            Phase::Connecting => self.lost(peer, format!("it stopped before the start: {reason}"), now),
            Phase::Barrier => {
                self.say_goodbye(Reason::PeerStopped, Some(origin));
                self.flush_links();
                Err(MeshError::StoppedBeforeStart {
                    reason,
                    peer: Some(origin),
                })
            }
            Phase::Running { end } => {
                let ends_together = end.is_some_and(|end| end <= now.after(ENDS_TOGETHER));
                if reason == Reason::Duration && ends_together {
                    return Ok(());
                }
                match self.config.on_peer_loss {
                    OnPeerLoss::Stop => self.stop(Reason::PeerStopped, Some(origin), now),
                    OnPeerLoss::Continue => {
                        info!("machine {peer} has stopped ({reason}); this machine goes on");
                        self.say(
                            peer,
                            &Control::Goodbye {
                                reason: Reason::PeerStopped,
                                origin,
                            },
                        );
                        self.tell_down(peer, DownCause::Goodbye, now);
                        Ok(())
                    }
                }
            }
            Phase::Draining { .. } => {
                self.tell_down(peer, DownCause::Goodbye, now);
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    /// A connection ended or broke the protocol.
    pub(super) fn lost(&mut self, peer: MachineId, why: String, now: Time) -> Result<(), MeshError> {
        let me = self.config.me;
        let Some(link) = self.links.get_mut(peer.index()) else {
            return Ok(());
        };
        let said_goodbye = link.goodbye.is_some() && self.phase != Phase::Connecting;
        if let State::Up { token, .. } = &link.state {
            let token: Token = *token;
            self.owners.remove(&token);
        }
        link.begin(me, peer, now);
        link.trouble.clone_from(&why);
        if said_goodbye {
            // The end of a link that ended in order.
            link.state = State::Ended;
            self.tell_down(peer, DownCause::Goodbye, now);
            return Ok(());
        }
        match self.phase {
            Phase::Connecting => {
                warn!("machine {peer} is gone again before the start: {why}");
                self.tell_down(peer, DownCause::Lost, now);
                Ok(())
            }
            Phase::Barrier => Err(MeshError::LostBeforeStart { peer, why }),
            Phase::Running { .. } => {
                warn!("machine {peer} is lost: {why}");
                self.tell_down(peer, DownCause::Lost, now);
                match self.config.on_peer_loss {
                    OnPeerLoss::Stop => self.stop(Reason::PeerLost, Some(peer), now),
                    OnPeerLoss::Continue => Ok(()),
                }
            }
            Phase::Draining { .. } => {
                if let Some(link) = self.links.get_mut(peer.index()) {
                    link.state = State::Ended;
                }
                self.tell_down(peer, DownCause::Lost, now);
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    /// Begins the shutdown in order. Has no effect on a machine that stops already.
    pub(super) fn stop(
        &mut self,
        reason: Reason,
        peer: Option<MachineId>,
        now: Time,
    ) -> Result<(), MeshError> {
        if self.is_rejoining() {
            // It has a log already, which is to have its last words.
            self.start(now)?;
        }
        match self.phase {
            Phase::Connecting | Phase::Barrier => {
                self.say_goodbye(reason, peer);
                self.flush_links();
                Err(MeshError::StoppedBeforeStart { reason, peer })
            }
            Phase::Running { end } => {
                match peer {
                    Some(peer) => info!("machine {} stops: {reason} ({peer})", self.config.me),
                    None => info!("machine {} stops: {reason}", self.config.me),
                }
                self.phase = Phase::Draining {
                    until: now.after(Duration::from_millis(DRAIN_MS_MAX)),
                };
                self.stopped = Some((reason, peer));
                let until = end.map_or(now, |end| end.min(now));
                self.input(now, Input::Stop { reason, peer, until });
                self.apply_effects(now)?;
                self.say_goodbye(reason, peer);
                // Nobody is looked for any more.
                for link in self.links.iter_mut().filter(|link| !link.is_up()) {
                    link.state = State::Ended;
                }
                for peer in self.config.me.peers(self.config.machines()) {
                    if self
                        .links
                        .get(peer.index())
                        .is_some_and(|link| link.is_up() && link.goodbye.is_some())
                    {
                        self.tell_down(peer, DownCause::Goodbye, now);
                    }
                }
                Ok(())
            }
            Phase::Draining { .. } | Phase::Done => Ok(()),
        }
    }

    /// Ends the drain when nothing more can come, or its time is over.
    pub(super) fn try_end(&mut self, now: Time) -> Result<(), MeshError> {
        let Phase::Draining { until } = self.phase else {
            return Ok(());
        };
        let drained = self.links.iter_mut().all(|link| {
            let heard = link.goodbye.is_some();
            link.connection()
                .is_none_or(|connection| heard && connection.unsent() == 0)
        });
        if !drained && now < until {
            return Ok(());
        }
        self.phase = Phase::Done;
        self.input(now, Input::End);
        self.log
            .commit()
            .and_then(|()| self.log.close())
            .map_err(MeshError::Log)
    }

    /// The deadlines of the phases themselves.
    pub(super) fn phase_timers(&mut self, now: Time) -> Result<(), MeshError> {
        if self.is_rejoining() && now >= Time(0).after(REJOIN_GRACE) {
            for missing in self.missing() {
                info!("starts without {missing}, and goes on looking for it");
            }
            return self.start(now);
        }
        match self.phase {
            Phase::Connecting | Phase::Barrier => {
                if now >= Time(0).after(self.config.connect_timeout) {
                    let missing = self.missing();
                    self.say_goodbye(Reason::PeerLost, None);
                    self.flush_links();
                    let seconds = self.config.connect_timeout.as_secs_f64();
                    return Err(MeshError::ConnectTimeout { seconds, missing });
                }
                if now >= self.next_waiting_note {
                    self.next_waiting_note = now.after(WAITING_NOTE_EVERY);
                    for missing in self.missing() {
                        info!("waiting for {missing}");
                    }
                }
                Ok(())
            }
            Phase::Running { end: Some(end) } if now >= end => self.stop(Reason::Duration, None, now),
            Phase::Running { .. } | Phase::Draining { .. } | Phase::Done => Ok(()),
        }
    }

    /// When [`phase_timers`](Self::phase_timers) or [`try_end`](Self::try_end) has something to do next.
    pub(super) fn phase_deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Connecting if self.is_rejoining() => Some(Time(0).after(REJOIN_GRACE)),
            Phase::Connecting | Phase::Barrier => Some(
                self.next_waiting_note
                    .min(Time(0).after(self.config.connect_timeout)),
            ),
            Phase::Running { end } => end,
            Phase::Draining { until } => Some(until),
            Phase::Done => None,
        }
    }

    /// Whom this machine waits for: those whose link is not up; if all are, those that wait for others.
    fn missing(&self) -> Vec<Missing> {
        let me = self.config.me;
        let all_up = me.peers(self.config.machines()).all(|peer| self.is_up(peer));
        me.peers(self.config.machines())
            .filter_map(|peer| {
                let link = self.links.get(peer.index())?;
                let trouble = match link.is_up() {
                    true if link.ready || !all_up => return None,
                    true => "it waits for another machine itself".to_owned(),
                    false if peer > me => "it has not dialled this machine yet".to_owned(),
                    false => link.trouble.clone(),
                };
                Some(Missing {
                    peer,
                    address: self.config.addresses.get(peer.index()).copied()?,
                    trouble,
                })
            })
            .collect()
    }
}
