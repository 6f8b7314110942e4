//! The loop: poll, read the clock once, drain sockets, run timers, flush links, hand over the log.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpListener};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use tracing::info;

use super::{
    breaking,
    clock_thread::ClockThread,
    command::{Commander, Seen},
    config::Config,
    connection::Connection,
    event_log::{EventLog, LogError},
    link::{Link, State},
    mesh_clock::MeshClock,
    outcome::{Handle, MeshError, Outcome},
    phases::Phase,
    stranger::Stranger,
};
use crate::{
    faults::Gate,
    node::{Effect, Effects, Input, Node},
    trace::{Record, WallTime},
    units::{MachineId, Time},
    wire::{Message, Reason, Refusal, encode_frame},
};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const SIGNALS: Token = Token(2);
/// Connections have tokens from here on; none is used twice, so an event for a closed connection finds nobody.
const FIRST_CONNECTION: usize = 3;

/// Time-outs of the node in one round, before sockets have their turn again.
const TIMEOUTS_MAX: usize = 64;

/// A node on the mesh.
#[derive(Debug)]
pub struct Mesh<N: Node, L> {
    pub(super) config: Config,
    pub(super) node: N,
    pub(super) log: L,
    pub(super) poll: Poll,
    pub(super) listener: TcpListener,
    signals: Option<Caught>,
    pub(super) handle: Handle,
    pub(super) clock: MeshClock,
    clock_thread: ClockThread,
    /// One entry a machine; our own is never used.
    pub(super) links: Vec<Link>,
    pub(super) strangers: BTreeMap<Token, Stranger>,
    pub(super) commanders: BTreeMap<Token, Commander>,
    /// What is known of the node from its records, for those who ask.
    pub(super) seen: Seen,
    /// Whose link or dial a token belongs to.
    pub(super) owners: BTreeMap<Token, MachineId>,
    next_token: usize,
    pub(super) phase: Phase,
    /// When to look at the listener again, after an accept that failed.
    pub(super) accept_again: Option<Time>,
    pub(super) next_waiting_note: Time,
    pub(super) started: Option<WallTime>,
    pub(super) stopped: Option<(Reason, Option<MachineId>)>,
    pub(super) effects: Effects<N::Message>,
    /// Injected faults; `None` as long as there are none.
    pub(super) gate: Option<Box<Gate>>,
    /// Message frames given to links, copies included and lost ones left out.
    pub(super) frames_sent: u64,
    /// Something was recorded that may not be with the operating system yet.
    pub(super) is_unsettled: bool,
    /// Why it could not be settled: until it is told, at the end of the round, nothing goes out.
    pub(super) log_trouble: Option<LogError>,
}

/// The signals being caught.
struct Caught(Signals);

impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caught")
    }
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Listens, and is ready to [`run`](Self::run).
    ///
    /// # Errors
    /// [`MeshError::Listen`] if the port is not to be had; [`MeshError::Loop`] if the system lacks something else.
    pub fn new(config: Config, node: N, log: L) -> Result<Self, MeshError> {
        let poll = Poll::new()?;
        let listen = |error| MeshError::Listen {
            me: config.me,
            address: config.listen,
            error,
        };
        let mut listener = TcpListener::bind(config.listen).map_err(listen)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let clock = MeshClock::start(config.log_end.map(|end| end.at));
        let clock_thread = ClockThread::start(clock, Arc::clone(&waker))?;
        Ok(Self {
            links: MachineId::all(config.machines())
                .map(|peer| Link::new(config.me, peer))
                .collect(),
            seen: Seen::new(&config),
            config,
            node,
            log,
            poll,
            listener,
            signals: None,
            handle: Handle::new(waker),
            clock,
            clock_thread,
            strangers: BTreeMap::new(),
            commanders: BTreeMap::new(),
            owners: BTreeMap::new(),
            next_token: FIRST_CONNECTION,
            phase: Phase::Connecting,
            accept_again: None,
            next_waiting_note: Time(0).after(Duration::from_secs(1)),
            started: None,
            stopped: None,
            effects: Vec::new(),
            gate: None,
            frames_sent: 0,
            is_unsettled: false,
            log_trouble: None,
        })
    }

    /// Stops in order on SIGINT (interrupted), SIGTERM and SIGHUP (terminated).
    ///
    /// # Errors
    /// [`MeshError::Loop`] if the signals cannot be caught.
    pub fn catch_signals(&mut self) -> Result<(), MeshError> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        self.poll
            .registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        self.signals = Some(Caught(signals));
        Ok(())
    }

    /// A handle that stops this mesh from another thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it listens: of interest if the system chose the port.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs the node from the handshake to the last goodbye.
    ///
    /// # Errors
    /// [`MeshError`] if it could not run to an orderly end; the process should then exit with code 3.
    pub fn run(mut self) -> Result<(Outcome, N), MeshError> {
        info!(
            "machine {} of {} listens on {}",
            self.config.me,
            self.config.machines(),
            self.config.listen
        );
        let mut events = Events::with_capacity(1024);
        self.try_barrier(self.clock.now())?;
        while self.phase != Phase::Done {
            let timeout = self.poll_timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
                polled => polled?,
            }
            if let Err(error) = self.round(&events) {
                if matches!(error, MeshError::Log(_)) {
                    self.say_log_failed();
                }
                return Err(error);
            }
        }
        self.flush_links();
        let (reason, peer) = self.stopped.unwrap_or((Reason::Duration, None));
        let started = self.started.unwrap_or_default();
        Ok((
            Outcome {
                run: self.config.run.clone(),
                started,
                reason,
                peer,
            },
            self.node,
        ))
    }

    fn round(&mut self, events: &Events) -> Result<(), MeshError> {
        let now = self.clock.now();
        for event in events {
            match event.token() {
                LISTENER => self.accept_strangers(now),
                WAKER => self.on_wake(now)?,
                SIGNALS => self.on_signals(now)?,
                token => self.on_ready(token, event),
            }
        }
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_strangers(now);
        }
        self.hear_strangers(now)?;
        self.hear_commanders(now)?;
        self.follow_dials(now)?;
        self.read_links(now)?;
        self.phase_timers(now)?;
        self.break_links(now)?;
        self.node_timers(now);
        self.apply_effects(now)?;
        self.let_go(now);
        self.flush_links();
        // Whatever a link's end brought about is done before the loop sleeps.
        while self.drop_overflowing(now)? || !self.effects.is_empty() {
            self.apply_effects(now)?;
            self.let_go(now);
            self.flush_links();
        }
        self.try_end(now)?;
        let committed = match self.log_trouble.take() {
            Some(error) => Err(error),
            None => self.log.commit(),
        };
        committed.map_err(MeshError::Log)
    }

    /// How long to sleep: not at all while something is left to do. The clock thread interrupts for the
    /// node's deadline.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let deadline = self.node.deadline().into_iter().chain(self.gate_deadline()).min();
        let busy = self.links.iter_mut().any(|link| {
            link.connection()
                .is_some_and(|connection| connection.is_readable())
        });
        let now = if busy { Time(0) } else { self.clock.now() };
        if busy || deadline.is_some_and(|deadline| deadline <= now) {
            return Some(Duration::ZERO);
        }
        self.clock_thread.set(deadline);
        let housekeeping = [
            self.phase_deadline(),
            self.dials_deadline(),
            self.strangers_deadline(),
            self.commanders_deadline(),
        ];
        housekeeping
            .into_iter()
            .flatten()
            .min()
            .map(|deadline| deadline.since(now))
    }

    pub(super) fn new_token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    fn on_ready(&mut self, token: Token, event: &mio::event::Event) {
        if self.is_no_link(token, event) {
            return;
        }
        let peer = self.owners.get(&token);
        let Some(link) = peer.and_then(|peer| self.links.get_mut(peer.index())) else {
            return;
        };
        let connection = match &mut link.state {
            State::Up { connection, .. } => connection.as_mut(),
            State::Dialling { dial, .. } => &mut dial.connection,
            State::Waiting | State::Pausing { .. } | State::Ended => return,
        };
        connection.set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
    }

    fn on_wake(&mut self, now: Time) -> Result<(), MeshError> {
        match Reason::from_code(self.handle.asked.load(Ordering::SeqCst)) {
            Ok(reason) => self.stop(reason, None, now),
            Err(_) => Ok(()),
        }
    }

    fn on_signals(&mut self, now: Time) -> Result<(), MeshError> {
        let first = self.signals.as_mut().and_then(|caught| caught.0.pending().next());
        match first {
            Some(SIGINT) => self.stop(Reason::Interrupted, None, now),
            Some(_) => self.stop(Reason::Terminated, None, now),
            None => Ok(()),
        }
    }

    /// Gives the node an input. Its effects wait for [`apply_effects`](Self::apply_effects).
    pub(super) fn input(&mut self, now: Time, input: Input<N::Message>) {
        self.node.handle(now, input, &mut self.effects);
        if self.phase == Phase::Done {
            self.write_records(now);
        }
    }

    fn node_timers(&mut self, now: Time) {
        let mut left = TIMEOUTS_MAX;
        while left > 0 && self.node.deadline().is_some_and(|deadline| deadline <= now) {
            self.node.handle(now, Input::Timeout, &mut self.effects);
            left -= 1;
        }
    }

    /// Does what the node asked for.
    pub(super) fn apply_effects(&mut self, now: Time) -> Result<(), MeshError> {
        let mut effects = std::mem::take(&mut self.effects);
        let (mut stop, mut refused) = (None, Vec::new());
        let mut next = 0;
        // Looked at in their place: an effect is large, and a message small.
        while let Some(effect) = effects.get_mut(next) {
            match effect {
                Effect::Send { to, .. } => {
                    let to = *to;
                    next += self.send(now, to, effects.get(next..).unwrap_or_default());
                    continue;
                }
                Effect::Record(record) => {
                    if let Some(gate) = &mut self.gate {
                        gate.annotate(record);
                    }
                    self.record(now, record);
                }
                Effect::Refuse { peer, error } => refused.push((*peer, error.clone())),
                Effect::Stop { reason } => stop = Some(*reason),
            }
            next += 1;
        }
        effects.clear();
        self.effects = effects;
        for (peer, error) in refused {
            // Of several messages that came together, the first has ended the link.
            if self.is_up(peer) {
                self.break_off(peer, &Refusal::malformed(error), now)?;
            }
        }
        match stop {
            Some(reason) => self.stop(reason, None, now),
            None => Ok(()),
        }
    }

    /// The records among the last effects: nothing can be sent any more.
    fn write_records(&mut self, now: Time) {
        for effect in std::mem::take(&mut self.effects) {
            if let Effect::Record(mut record) = effect {
                self.record(now, &mut record);
            }
        }
    }

    #[inline(never)]
    pub(super) fn record(&mut self, now: Time, record: &mut Record) {
        let at = self.clock.wall(now);
        self.seen.note(record);
        if let Record::Ended(footer) = record {
            footer.ended = at;
            footer.suspended_us = Some(self.clock.suspended_us());
            footer.frames_sent = Some(self.frames_sent);
            footer.bytes_sent = Some(self.links.iter().map(Link::message_bytes).sum());
        }
        self.log.record(at, record);
        self.is_unsettled = true;
    }

    /// Before messages go: what was recorded has to outlive this process. A message whose event the log of a killed
    /// machine does not know would have come from nowhere. Says whether they may go.
    #[must_use]
    pub(super) fn settle(&mut self) -> bool {
        if self.is_unsettled {
            self.is_unsettled = false;
            let settled = self.log.settle();
            self.log_trouble = self.log_trouble.take().or(settled.err());
        }
        self.log_trouble.is_none()
    }

    /// Gives a link the messages to it at the front of `effects`, which follow each other by the thousand where a peer is
    /// sent much. Says how many there are.
    fn send(&mut self, now: Time, to: MachineId, effects: &[Effect<N::Message>]) -> usize {
        let messages = effects.iter().map_while(|effect| match effect {
            Effect::Send { to: other, message } if *other == to => Some(message),
            Effect::Send { .. } | Effect::Record(_) | Effect::Refuse { .. } | Effect::Stop { .. } => None,
        });
        let Some(output) = output_to(&mut self.links, to) else {
            return messages.count();
        };
        let mut count = 0;
        match &mut self.gate {
            None => {
                for message in messages {
                    encode_frame(output, message.kind(), |body| message.encode(body));
                    count += 1;
                }
                self.frames_sent += count as u64;
            }
            Some(gate) => {
                for message in messages {
                    let start = output.len();
                    encode_frame(output, message.kind(), |body| message.encode(body));
                    self.frames_sent += breaking::pass(gate, to, now, output, start);
                    count += 1;
                }
            }
        }
        count
    }
}

/// Where messages to a machine go, if its link is up and goodbye is not said.
#[inline]
fn output_to(links: &mut [Link], to: MachineId) -> Option<&mut Vec<u8>> {
    let link = links.get_mut(to.index())?;
    if link.goodbye_sent {
        return None;
    }
    link.connection().map(Connection::output)
}
