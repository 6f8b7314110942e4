//! The loop: poll, read the clock once, take what came in, run the timers, end the round, let everything out.

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
    PROGRESS_LOOKS_MAX, TIMEOUTS_MAX,
    accept::Door,
    clients::Clients,
    config::{Handover, Place},
    desk::{self, Counter, OpenDesk},
    judging::Judged,
    link::{Dialling, Link},
    resolve::Resolver,
    stopping::Stopping,
};
use crate::{
    faults::Gate,
    mesh::{
        EventLog, Handle, LogError, MeshError, Outcome,
        command::{Commander, Seen},
        mesh_clock::MeshClock,
    },
    service::{Disk, Effects, Guard, Input, Row, Service},
    trace::{Record, WallTime},
    units::{MachineId, Time},
    wire::{Message, Reason, Refusal},
};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const SIGNALS: Token = Token(2);
/// Connections have tokens from here on; none is used twice, so an event for a closed connection finds nobody.
const FIRST_CONNECTION: usize = 3;

/// A service on an open mesh.
#[derive(Debug)]
pub struct OpenMesh<S: Service, L> {
    pub(super) place: Place,
    pub(super) service: S,
    pub(super) log: L,
    pub(super) disk: Kept,
    pub(super) handover: Option<Handover>,
    pub(super) guard: Option<Arc<dyn Guard<S>>>,
    pub(super) judged: Judged,
    pub(super) poll: Poll,
    pub(super) listener: TcpListener,
    signals: Option<Caught>,
    pub(super) handle: Handle,
    pub(super) clock: MeshClock,
    desk: Arc<OpenDesk<S>>,
    pub(super) counter: Counter<S>,
    pub(super) said: Vec<desk::Said<S>>,
    pub(super) links: BTreeMap<MachineId, Link>,
    /// Links that are read in this round.
    pub(super) readable: Vec<MachineId>,
    pub(super) doors: BTreeMap<Token, Door>,
    pub(super) commanders: BTreeMap<Token, Commander>,
    pub(super) clients: Clients,
    /// Whose link or dial a token belongs to.
    pub(super) owners: BTreeMap<Token, MachineId>,
    /// Which client's connection a token belongs to.
    pub(super) seats: BTreeMap<Token, usize>,
    pub(super) resolver: Resolver,
    /// Doors at which something happened; else the deadline, which may be early, says when to look at them again.
    pub(super) doors_ready: Vec<Token>,
    pub(super) doors_deadline: Option<Time>,
    /// The same for dials.
    pub(super) dials_ready: bool,
    pub(super) dials_deadline: Option<Time>,
    next_token: usize,
    /// When to look at the listener again, after an accept that failed.
    pub(super) accept_again: Option<Time>,
    pub(super) stopping: Stopping,
    pub(super) is_farewell_said: bool,
    /// What is known of the service from its records, for those who ask.
    pub(super) seen: Seen,
    pub(super) effects: Effects<S>,
    /// The room of effects that were done.
    pub(super) spare: Effects<S>,
    /// The service was given something in this round.
    pub(super) gave: bool,
    /// To whom messages of the next record were not sent, because their link was down.
    pub(super) dropped: Vec<MachineId>,
    pub(super) reset_later: Vec<MachineId>,
    pub(super) refused: Vec<(MachineId, Refusal)>,
    pub(super) stop_wanted: Option<Reason>,
    /// The last group that the disk was given, and the last that it keeps.
    pub(super) append_last: u64,
    pub(super) append_through: u64,
    pub(super) append_failed: bool,
    /// Somebody has woken the loop: it may have been the disk.
    pub(super) is_woken: bool,
    /// Injected faults; `None` as long as there are none.
    pub(super) gate: Option<Box<Gate>>,
    pub(super) frames_sent: u64,
    pub(super) bytes_sent: u64,
    /// Something was recorded that may not be with the operating system yet.
    pub(super) is_unsettled: bool,
    /// Why it could not be settled: until it is told, at the end of the round, nothing goes out.
    pub(super) log_trouble: Option<LogError>,
}

/// The disk.
pub(super) struct Kept(Box<dyn Disk>);

/// The signals being caught.
struct Caught(Signals);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl std::ops::Deref for Kept {
    type Target = dyn Disk;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl std::ops::DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.0
    }
}

impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caught")
    }
}

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Listens, and is ready to [`restore`](Self::restore) and [`run`](Self::run). Connections that do not begin with a
    /// frame go to `handover`; where there is none they are closed.
    ///
    /// # Errors
    /// [`MeshError::Listen`] if the port is not to be had; [`MeshError::Loop`] if the system lacks something else.
    pub fn new(
        place: Place,
        service: S,
        log: L,
        mut disk: Box<dyn Disk>,
        handover: Option<Handover>,
    ) -> Result<Self, MeshError> {
        let poll = Poll::new()?;
        let listen = |error| MeshError::Listen {
            me: place.me,
            address: place.listen,
            error,
        };
        let mut listener = TcpListener::bind(place.listen).map_err(listen)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let wake = Arc::clone(&waker);
        disk.on_progress(Box::new(move || {
            // It fails only when the loop is gone.
            let _ = wake.wake();
        }));
        let (desk, counter) = desk::desk(Arc::clone(&waker));
        Ok(Self {
            clock: MeshClock::start(place.log_end.map(|end| end.at)),
            seen: Seen::behind(place.log_end),
            place,
            service,
            log,
            disk: Kept(disk),
            handover,
            guard: None,
            judged: Judged::default(),
            poll,
            listener,
            signals: None,
            resolver: Resolver::new(Arc::clone(&waker)),
            handle: Handle::new(waker),
            desk: Arc::new(desk),
            counter,
            said: Vec::new(),
            links: BTreeMap::new(),
            readable: Vec::new(),
            doors: BTreeMap::new(),
            commanders: BTreeMap::new(),
            clients: Clients::new(),
            owners: BTreeMap::new(),
            seats: BTreeMap::new(),
            doors_ready: Vec::new(),
            doors_deadline: None,
            dials_ready: false,
            dials_deadline: None,
            next_token: FIRST_CONNECTION,
            accept_again: None,
            stopping: Stopping::No,
            is_farewell_said: false,
            effects: Vec::new(),
            spare: Vec::new(),
            gave: false,
            dropped: Vec::new(),
            reset_later: Vec::new(),
            refused: Vec::new(),
            stop_wanted: None,
            append_last: 0,
            append_through: 0,
            append_failed: false,
            is_woken: false,
            gate: None,
            frames_sent: 0,
            bytes_sent: 0,
            is_unsettled: false,
            log_trouble: None,
        })
    }

    /// Stops in order on SIGINT (interrupted), SIGTERM and SIGHUP (terminated); a second signal ends the wait for peers.
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

    /// A handle that stops this machine from another thread; a second call ends the wait for peers.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where other threads hand requests in.
    #[must_use]
    pub fn desk(&self) -> Arc<OpenDesk<S>> {
        Arc::clone(&self.desk)
    }

    /// Where it listens: of interest if the system chose the port.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Hands connections that do not begin with a frame to somebody, who may need the desk first.
    pub fn set_handover(&mut self, handover: Handover) {
        self.handover = Some(handover);
    }

    /// Gives the service a row that an earlier life has left: all of them, table by table, key by key, before
    /// [`run`](Self::run).
    pub fn restore(&mut self, row: Row) {
        let input = Input::Restored { row };
        self.service.handle(Time(0), input, &mut self.effects);
    }

    /// Runs the service until it is stopped.
    ///
    /// # Errors
    /// [`MeshError::Log`] or [`MeshError::Loop`] if it could not run to an orderly end; [`MeshError::Disk`] if the disk
    /// does not have everything then.
    pub fn run(mut self) -> Result<(Outcome, S), MeshError> {
        let mut events = Events::with_capacity(1024);
        let started = self.start()?;
        loop {
            if let Stopping::Done(reason) = self.stopping {
                if let Some(why) = self.disk.progress().failed {
                    let me = self.place.me;
                    return Err(MeshError::Disk { me, why });
                }
                let run = self.place.run.clone();
                let outcome = Outcome {
                    run,
                    started,
                    reason,
                    peer: None,
                };
                return Ok((outcome, self.service));
            }
            let timeout = self.poll_timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
                polled => polled?,
            }
            if let Err(error) = self.round(&events) {
                self.say_log_failed();
                return Err(MeshError::Log(error));
            }
        }
    }

    /// Opens the log, and starts the service.
    fn start(&mut self) -> Result<WallTime, MeshError> {
        let (me, now) = (self.place.me, self.clock.now());
        info!("machine {me} listens on {}", self.place.listen);
        let wall = self.clock.wall(now);
        self.log.open(&self.place.log_run, wall).map_err(MeshError::Log)?;
        self.seen.start(now);
        let incarnation = self.place.incarnation;
        if self.place.log_end.is_some() {
            self.record(now, &mut Record::Restarted { incarnation });
        }
        self.input(now, Input::Start { wall, incarnation });
        self.finish_round(now);
        self.end_round(now).map_err(MeshError::Log)?;
        Ok(wall)
    }

    fn round(&mut self, events: &Events) -> Result<(), LogError> {
        let now = self.clock.now();
        for event in events {
            match event.token() {
                LISTENER => self.accept_all(now),
                WAKER => self.on_wake(now),
                SIGNALS => self.on_signals(now),
                token => self.on_ready(token, event),
            }
        }
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_all(now);
        }
        // Links first: what is lost makes place for what comes after it.
        self.read_links(now);
        self.hear_doors(now);
        self.hear_commanders(now);
        self.follow_dials(now);
        self.hear_desk(now);
        self.hear_clients(now);
        self.break_links(now);
        self.timers(now);
        self.look_at_disk(now);
        self.finish_round(now);
        self.let_go(now);
        self.end_round(now)
    }

    /// Tells the service that the round is over, does what it wants, and looks whether the disk has kept it already.
    pub(super) fn finish_round(&mut self, now: Time) {
        for _ in 0..PROGRESS_LOOKS_MAX {
            if !self.gave {
                break;
            }
            self.input(now, Input::RoundEnd);
            self.gave = false;
            self.apply_effects(now);
            self.end_links(now);
            self.look_at_disk(now);
        }
        self.apply_effects(now);
    }

    /// Lets everything out that the round has brought about.
    fn end_round(&mut self, now: Time) -> Result<(), LogError> {
        self.flush_all(now);
        self.close_clients(now);
        // Whatever a link's end brings about is done before the loop sleeps.
        while self.drop_overflowing(now) {
            self.finish_round(now);
            self.flush_all(now);
        }
        self.try_end(now)?;
        match self.log_trouble.take() {
            Some(error) => Err(error),
            None => self.log.commit(),
        }
    }

    /// How long to sleep: not at all while something is left to do.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let is_readable = |link: &Link| link.up.as_ref().is_some_and(|up| up.connection.is_readable());
        let busy = self.gave
            || !self.effects.is_empty()
            || !self.doors_ready.is_empty()
            || self.dials_ready
            || self.counter.has_more
            || self.has_requests()
            || self.links.values().any(is_readable);
        if busy {
            return Some(Duration::ZERO);
        }
        let draining = match self.stopping {
            Stopping::Draining { until, .. } => Some(until),
            Stopping::No | Stopping::Done(_) => None,
        };
        let deadlines = [
            self.service.deadline(),
            self.gate_deadline(),
            self.doors_deadline,
            self.dials_deadline,
            self.commanders_deadline(),
            self.clients.deadline(),
            self.judging_deadline(),
            self.accept_again,
            draining,
        ];
        let deadline = deadlines.into_iter().flatten().min()?;
        Some(deadline.since(self.clock.now()))
    }

    pub(super) fn new_token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    /// Links that are up.
    pub(super) fn links_up(&self) -> usize {
        self.links.values().filter(|link| link.up.is_some()).count()
    }

    fn on_ready(&mut self, token: Token, event: &mio::event::Event) {
        if let Some(seat) = self.seats.get(&token) {
            self.clients.set_ready(*seat, event);
            return;
        }
        if let Some(peer) = self.owners.get(&token) {
            let Some(link) = self.links.get_mut(peer) else {
                return;
            };
            if let Some(up) = link.up.as_mut().filter(|up| up.token == token) {
                up.connection
                    .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
                // A goodbye that is out may have been all that was waited for.
                self.dials_ready |= up.ends.is_some();
            } else if let Dialling::UnderWay { dial, .. } = &mut link.dial {
                dial.connection
                    .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
                self.dials_ready = true;
            }
            return;
        }
        if let Some(door) = self.doors.get_mut(&token) {
            if let Door::Stranger(stranger) = door {
                stranger.set_ready(event);
            }
            self.doors_ready.push(token);
            return;
        }
        if let Some(commander) = self.commanders.get_mut(&token) {
            commander.set_ready(event);
        }
    }

    fn on_wake(&mut self, now: Time) {
        self.is_woken = true;
        if let Ok(reason) = Reason::from_code(self.handle.asked.swap(0, Ordering::SeqCst)) {
            self.stop(reason, now);
        }
    }

    fn on_signals(&mut self, now: Time) {
        let Some(caught) = &mut self.signals else {
            return;
        };
        let pending: Vec<i32> = caught.0.pending().collect();
        for signal in pending {
            match signal {
                SIGINT => self.stop(Reason::Interrupted, now),
                _ => self.stop(Reason::Terminated, now),
            }
        }
    }

    fn timers(&mut self, now: Time) {
        let is_due = |service: &S| service.deadline().is_some_and(|deadline| deadline <= now);
        if is_due(&self.service) {
            let wall = MeshClock::physical();
            self.input(now, Input::WallClock { wall });
        }
        let mut left = TIMEOUTS_MAX;
        while left > 0 && is_due(&self.service) {
            self.input(now, Input::Timeout);
            left -= 1;
        }
    }
}
