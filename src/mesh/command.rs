//! Control connections: those who give commands, and what becomes of them (protocol.md, section 8).
//!
//! A commander can cost a run no more than one of [`COMMANDERS_MAX`] places, [`COMMANDS_A_ROUND`] commands a round, and
//! [`UNREAD_BYTES_MAX`] of answers that it does not read.

use std::{net::SocketAddr, time::Duration};

use mio::{Token, net::TcpStream};
use tracing::{debug, info};

use super::{
    COMMAND_IDLE_MS_MAX, COMMANDERS_MAX,
    config::{Config, LogEnd, OnPeerLoss},
    connection::{Connection, Filled},
    event_log::EventLog,
    outcome::MeshError,
    phases::Phase,
    round::Mesh,
};
use crate::{
    control::{Command, Status},
    faults::{Fault, MachineEffect, Timed},
    node::{Input, Node, Order},
    trace::Record,
    units::{MachineId, Time},
    wire::{ANSWER_BYTES_MAX, Control, ErrorCode, Refusal, kind},
};

/// Commands of one connection in one round, so that nobody keeps the machine from its work.
pub(super) const COMMANDS_A_ROUND: usize = 16;

/// Answers that were not read, in bytes, at which no further command is taken.
pub(super) const UNREAD_BYTES_MAX: usize = 64 << 10;

/// A control connection.
#[derive(Debug)]
pub(super) struct Commander {
    pub(super) connection: Connection<TcpStream>,
    pub(super) address: SocketAddr,
    /// When it has been idle for too long.
    pub(super) until: Time,
    /// Commands wait that had no place in the last round.
    pub(super) more: bool,
    /// The command under way has its answer already.
    pub(super) answered: bool,
}

/// What is known of the node, from the records that it asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) started: Time,
    pub(super) tick: u64,
    pub(super) clock: u64,
    pub(super) paused: bool,
    /// The greatest number that a fault of this machine has, or has had.
    pub(super) fault_id_max: u32,
}

/// What a commander said.
pub(super) enum Said {
    Nothing,
    Command(String),
    Broken(Refusal),
    Gone,
}

impl Seen {
    /// Before the start: what earlier lives came to, and the numbers that the plan has given out.
    pub(super) fn new(config: &Config) -> Self {
        let planned = config.faults.faults.iter().map(|timed| timed.id);
        let mut seen = Self::behind(config.log_end);
        seen.fault_id_max = planned.fold(seen.fault_id_max, u32::max);
        seen
    }

    /// What earlier lives came to.
    pub(super) fn behind(end: Option<LogEnd>) -> Self {
        Self {
            started: Time(0),
            tick: end.map_or(0, |end| end.tick),
            clock: end.map_or(0, |end| end.clock),
            paused: false,
            fault_id_max: end.map_or(0, |end| end.fault_id_max),
        }
    }

    /// The run has started.
    pub(super) fn start(&mut self, now: Time) {
        self.started = now;
    }

    #[inline]
    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Event(event) => (self.tick, self.clock) = (event.tick, event.clock),
            Record::Paused => self.paused = true,
            Record::Jumped { ticks, .. } => self.clock = self.clock.saturating_add(*ticks),
            Record::Fault(note) => self.fault_id_max = self.fault_id_max.max(note.id),
            Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Mended { .. }
            | Record::Stepped { .. }
            | Record::Pace { .. }
            | Record::Restarted { .. }
            | Record::Data(_)
            | Record::Ended(_) => {}
        }
    }
}

impl Commander {
    pub(super) fn new(connection: Connection<TcpStream>, address: SocketAddr, now: Time) -> Self {
        Self {
            connection,
            address,
            until: now.after(Duration::from_millis(COMMAND_IDLE_MS_MAX)),
            more: false,
            answered: false,
        }
    }

    pub(super) fn set_ready(&mut self, event: &mio::event::Event) {
        self.connection
            .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
    }

    /// The next thing that it says.
    pub(super) fn hear(&mut self) -> Said {
        loop {
            match self.connection.decoder.next_frame() {
                Ok(Some(frame)) => {
                    return match Control::decode(frame.kind, frame.body) {
                        Ok(Control::Command(text)) => Said::Command(text),
                        Ok(Control::Error { .. }) => Said::Gone,
                        Err(error) if frame.kind != kind::HELLO => Said::Broken(Refusal::malformed(error)),
                        Ok(
                            Control::Ready
                            | Control::Goodbye { .. }
                            | Control::Proof(_)
                            | Control::Answer { .. },
                        )
                        | Err(_) => {
                            let text = format!("here come commands (0x06), not {:#04x}", frame.kind);
                            Said::Broken(Refusal::new(ErrorCode::UnexpectedFrame, text))
                        }
                    };
                }
                Ok(None) => {}
                Err(error) => {
                    return Said::Broken(Refusal::new(ErrorCode::FrameTooLong, error.to_string()));
                }
            }
            match self.connection.fill() {
                Ok(Filled::Bytes(_)) => {}
                Ok(Filled::Blocked) => return Said::Nothing,
                Ok(Filled::Closed) | Err(_) => return Said::Gone,
            }
        }
    }
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Whether a readiness event is for a connection that is no link, which then has taken note of it.
    pub(super) fn is_no_link(&mut self, token: Token, event: &mio::event::Event) -> bool {
        if let Some(stranger) = self.strangers.get_mut(&token) {
            stranger.set_ready(event);
            return true;
        }
        let commander = self.commanders.get_mut(&token);
        commander.is_some_and(|commander| {
            commander.set_ready(event);
            true
        })
    }

    /// Whether there is a place for one more who gives commands.
    pub(super) fn may_command(&self) -> Result<(), Refusal> {
        if self.commanders.len() < COMMANDERS_MAX {
            return Ok(());
        }
        let text = format!("{COMMANDERS_MAX} control connections are open already");
        Err(Refusal::new(ErrorCode::Busy, text))
    }

    /// Takes a connection whose hello, and proof, were acceptable.
    pub(super) fn obey(
        &mut self,
        token: Token,
        connection: Connection<TcpStream>,
        address: SocketAddr,
        now: Time,
    ) {
        info!("{address} may give commands");
        self.commanders
            .insert(token, Commander::new(connection, address, now));
    }

    /// Hears, does and answers commands.
    pub(super) fn hear_commanders(&mut self, now: Time) -> Result<(), MeshError> {
        if self.commanders.is_empty() {
            return Ok(());
        }
        let tokens: Vec<Token> = self.commanders.keys().copied().collect();
        for token in tokens {
            if self.hear_commander(token, now)? == Stays::No {
                self.commanders.remove(&token);
            }
        }
        Ok(())
    }

    fn hear_commander(&mut self, token: Token, now: Time) -> Result<Stays, MeshError> {
        for _ in 0..COMMANDS_A_ROUND {
            let Some(commander) = self.commanders.get_mut(&token) else {
                return Ok(Stays::No);
            };
            commander.more = false;
            if self.give_answers(token) == Stays::No {
                return Ok(Stays::No);
            }
            let Some(commander) = self.commanders.get_mut(&token) else {
                return Ok(Stays::No);
            };
            if commander.connection.unsent() > UNREAD_BYTES_MAX {
                // It is heard again when it has read.
                break;
            }
            match commander.hear() {
                Said::Nothing => break,
                Said::Gone => return Ok(Stays::No),
                Said::Broken(refusal) => {
                    debug!("{} is not heard any more: {refusal}", commander.address);
                    refusal.to_control().encode(commander.connection.output());
                    // The last words; whether they arrive is the other's business.
                    self.give_answers(token);
                    return Ok(Stays::No);
                }
                Said::Command(text) => {
                    commander.until = now.after(Duration::from_millis(COMMAND_IDLE_MS_MAX));
                    commander.more = true;
                    info!("{} commands: {text:?}", commander.address);
                    let (accepted, text) = match self.command(token, &text, now)? {
                        Ok(text) => (true, text),
                        Err(text) => (false, text),
                    };
                    if let Some(commander) = self.commanders.get_mut(&token)
                        && !std::mem::take(&mut commander.answered)
                    {
                        Control::Answer { accepted, text }.encode(commander.connection.output());
                    }
                }
            }
        }
        if self
            .commanders
            .get(&token)
            .is_none_or(|commander| now >= commander.until)
        {
            self.give_answers(token);
            return Ok(Stays::No);
        }
        Ok(self.give_answers(token))
    }

    /// Writes what there is to answer, when what it tells of is in the log: a killed machine does not take back what it
    /// has said. Nothing more is said where the log fails, or nobody listens.
    fn give_answers(&mut self, token: Token) -> Stays {
        let commander = self.commanders.get(&token);
        let may_go = commander.is_none_or(|commander| commander.connection.unsent() == 0) || self.settle();
        let commander = self.commanders.get_mut(&token).filter(|_| may_go);
        match commander.map(|commander| commander.connection.flush()) {
            Some(Ok(_)) => Stays::Yes,
            Some(Err(_)) | None => Stays::No,
        }
    }

    /// When a commander has something left that had no place in a round, or has been idle for too long.
    pub(super) fn commanders_deadline(&self) -> Option<Time> {
        self.commanders
            .values()
            .map(|commander| if commander.more { Time(0) } else { commander.until })
            .min()
    }

    /// Carries a command out: what there is to say, or why not.
    fn command(&mut self, token: Token, text: &str, now: Time) -> Result<Result<String, String>, MeshError> {
        let me = self.config.me;
        match self.phase {
            Phase::Connecting | Phase::Barrier => {
                let text = format!("machine {me} has not started: it waits for its peers");
                return Ok(Err(text));
            }
            Phase::Draining { .. } | Phase::Done => return Ok(Err(format!("machine {me} is stopping"))),
            Phase::Running { .. } => {}
        }
        let command = match text.parse::<Command>() {
            Ok(command) => command,
            Err(error) => return Ok(Err(error)),
        };
        let order = match command {
            Command::Status => return Ok(Ok(self.status(now))),
            Command::Fault { id, fault, lasts } => {
                let at = Time(0).after(now.since(self.seen.started));
                return self.begin(token, &Timed { id, at, lasts, fault }, now);
            }
            Command::Mend { id } => return self.end(id, now),
            Command::Step { .. } if !self.seen.paused => {
                let text = format!("machine {me} is not paused: give `pause` first");
                return Ok(Err(text));
            }
            Command::Pause => Order::Pause,
            Command::Step { ticks } => Order::Step { ticks },
            Command::Resume => Order::Resume,
        };
        let before = self.seen;
        self.input(now, Input::Order(order));
        self.apply_effects(now)?;
        if order == Order::Resume {
            self.seen.paused = false;
        }
        Ok(self.told(order, before))
    }

    /// What an order came to.
    fn told(&self, order: Order, before: Seen) -> Result<String, String> {
        let Seen { tick, paused, .. } = self.seen;
        match (order, before.paused, paused) {
            (Order::Pause, false, true) => Ok(format!("paused at tick {tick}")),
            (Order::Pause, true, _) => Ok(format!("paused already, at tick {tick}")),
            (Order::Pause, false, false) => Err("this machine cannot be paused".to_owned()),
            (Order::Resume, true, _) => Ok(format!("goes on from tick {tick}")),
            (Order::Resume, false, _) => Ok(format!("was not paused, goes on from tick {tick}")),
            (Order::Step { ticks }, ..) => match tick.saturating_sub(before.tick) {
                done if done == ticks => Ok(format!("{ticks} done, paused at tick {tick}")),
                done => Err(format!("{done} of {ticks} done, at tick {tick}")),
            },
            (Order::Rate { .. } | Order::OwnRate | Order::Jump { .. }, ..) => Ok(format!("at tick {tick}")),
        }
    }

    /// How the machine is, as JSON that fits an answer.
    fn status(&self, now: Time) -> String {
        let Seen {
            started,
            tick,
            clock,
            paused,
            fault_id_max,
        } = self.seen;
        let mut status = Status {
            machine: self.config.me.0,
            machines: self.config.machines(),
            run: self.config.run.to_string(),
            incarnation: self.config.incarnation,
            process: std::process::id(),
            paused,
            tick,
            clock,
            elapsed_us: u64::try_from(now.since(started).as_micros()).unwrap_or(u64::MAX),
            faults: self.faults_on(),
            fault_id_max,
        };
        fit(&mut status)
    }

    /// Begins a fault: what there is to say, or why not.
    fn begin(&mut self, token: Token, timed: &Timed, now: Time) -> Result<Result<String, String>, MeshError> {
        let Timed { id, fault, lasts, .. } = timed;
        let taken = self.seen.fault_id_max;
        if *id <= taken {
            return Ok(Err(format!(
                "numbers of faults up to {taken} are taken: {id} cannot name another"
            )));
        }
        if ends_the_run(fault, &self.config) {
            return Ok(Err(format!(
                "`{fault}` would end the run, whose machines stop when a peer goes away: start it with --on-peer-loss continue"
            )));
        }
        let me = self.config.me;
        if needs_a_launcher(fault, *lasts) && !self.handle.is_watched() {
            let again = format!("clocklab machine --id {me} --rejoin");
            return Ok(Err(stays_dead(me, &again)));
        }
        let said = format!("fault {id} is on: {fault}");
        if stops_the_process(fault, me) {
            // It hears and says nothing afterwards, so that it answers before.
            self.say_before(token, &said);
        }
        let begun = self.begin_fault(timed, now)?;
        Ok(begun.map(|()| said))
    }

    /// Gives an answer now instead of after the command.
    fn say_before(&mut self, token: Token, said: &str) {
        if let Some(commander) = self.commanders.get_mut(&token) {
            let text = said.to_owned();
            Control::Answer { accepted: true, text }.encode(commander.connection.output());
            commander.answered = true;
            // If it does not go out at once nobody listens, and the fault comes all the same.
            self.give_answers(token);
        }
    }

    /// Ends a fault, or all.
    fn end(&mut self, id: Option<u32>, now: Time) -> Result<Result<String, String>, MeshError> {
        Ok(match (self.mend(id, now)?, id) {
            (0, Some(id)) => Err(format!("machine {} has no fault {id}", self.config.me)),
            (0, None) => Ok("no fault was on".to_owned()),
            (1, _) => Ok("1 fault ended".to_owned()),
            (ended, _) => Ok(format!("{ended} faults ended")),
        })
    }
}

/// A status as JSON that fits an answer: the last fault shown gives its place to a count of those that are not.
pub(super) fn fit(status: &mut Status) -> String {
    let mut left_out = 1;
    loop {
        let text = serde_json::to_string(status).unwrap_or_default();
        if text.len() <= ANSWER_BYTES_MAX {
            return text;
        }
        status.faults.pop();
        left_out += 1;
        if let Some((_, shown)) = status.faults.last_mut() {
            *shown = format!("and {left_out} more");
        }
    }
}

/// Whether a fault takes this machine away from peers that stop then.
fn ends_the_run(fault: &Fault, config: &Config) -> bool {
    match (fault, config.on_peer_loss) {
        (
            Fault::Machine {
                machine,
                effect: MachineEffect::Kill | MachineEffect::Restart,
            },
            OnPeerLoss::Stop,
        ) => *machine == config.me,
        (Fault::Machine { .. } | Fault::Link { .. }, _) => false,
    }
}

/// Whether a fault is one that this process does not go on after, at least for a while.
pub(super) fn stops_the_process(fault: &Fault, me: MachineId) -> bool {
    match fault {
        Fault::Link { .. } => false,
        Fault::Machine { machine, effect } => match effect {
            MachineEffect::Kill | MachineEffect::Restart | MachineEffect::Pause => *machine == me,
            MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => false,
        },
    }
}

/// Whether somebody has to start the process again for the fault to be what it says.
pub(super) fn needs_a_launcher(fault: &Fault, lasts: Option<Duration>) -> bool {
    match fault {
        Fault::Link { .. } => false,
        Fault::Machine { effect, .. } => match effect {
            MachineEffect::Kill => lasts.is_some(),
            MachineEffect::Restart => true,
            MachineEffect::Pause | MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => false,
        },
    }
}

/// What is said to such a fault where nobody does: how the same is done by hand.
pub(super) fn stays_dead(me: MachineId, again: &str) -> String {
    format!(
        "machine {me} was started by hand, and nobody would start it again: `clocklab fault kill {me}` kills it, and `{again}` \
         starts it again"
    )
}

/// Whether a commander keeps its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    Yes,
    No,
}
