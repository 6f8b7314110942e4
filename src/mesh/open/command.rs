//! Control connections to a machine of an open mesh: the same commands (protocol.md, section 8), as far as they have a
//! meaning here. A service has no ticks, so nothing of them can be paused, stepped, or given another rate.

use std::time::Duration;

use mio::Token;
use tracing::{debug, info};

use super::round::OpenMesh;
use crate::{
    control::{Command, Status},
    faults::{Fault, MachineEffect, Timed},
    mesh::{
        COMMAND_IDLE_MS_MAX, EventLog,
        command::{
            COMMANDS_A_ROUND, Said, Seen, Stays, UNREAD_BYTES_MAX, fit, needs_a_launcher, stays_dead,
            stops_the_process,
        },
    },
    service::Service,
    units::Time,
    wire::{Control, Message},
};

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Hears, does and answers commands.
    pub(super) fn hear_commanders(&mut self, now: Time) {
        if self.commanders.is_empty() {
            return;
        }
        let tokens: Vec<Token> = self.commanders.keys().copied().collect();
        for token in tokens {
            if self.hear_commander(token, now) == Stays::No {
                self.commanders.remove(&token);
            }
        }
    }

    fn hear_commander(&mut self, token: Token, now: Time) -> Stays {
        for _ in 0..COMMANDS_A_ROUND {
            if self.give_answers(token) == Stays::No {
                return Stays::No;
            }
            let Some(commander) = self.commanders.get_mut(&token) else {
                return Stays::No;
            };
            commander.more = false;
            if commander.connection.unsent() > UNREAD_BYTES_MAX {
                // It is heard again when it has read.
                break;
            }
            match commander.hear() {
                Said::Nothing => break,
                Said::Gone => return Stays::No,
                Said::Broken(refusal) => {
                    debug!("{} is not heard any more: {refusal}", commander.address);
                    refusal.to_control().encode(commander.connection.output());
                    // The last words; whether they arrive is the other's business.
                    self.give_answers(token);
                    return Stays::No;
                }
                Said::Command(text) => {
                    commander.until = now.after(Duration::from_millis(COMMAND_IDLE_MS_MAX));
                    commander.more = true;
                    info!("{} commands: {text:?}", commander.address);
                    let (accepted, text) = match self.command(token, &text, now) {
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
        let commander = self.commanders.get(&token);
        let is_late = commander.is_none_or(|commander| now >= commander.until);
        match self.give_answers(token) {
            Stays::Yes if !is_late => Stays::Yes,
            Stays::Yes | Stays::No => Stays::No,
        }
    }

    /// Writes what there is to answer, when what it tells of is in the log.
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
    fn command(&mut self, token: Token, text: &str, now: Time) -> Result<String, String> {
        let me = self.place.me;
        if self.is_stopping() {
            return Err(format!("machine {me} is stopping"));
        }
        match text.parse::<Command>()? {
            Command::Status => Ok(self.status(now)),
            Command::Fault { id, fault, lasts } => {
                let at = Time(0).after(now.since(self.seen.started));
                self.begin(token, &Timed { id, at, lasts, fault }, now)
            }
            Command::Mend { id } => match (self.mend(id, now), id) {
                (0, Some(id)) => Err(format!("machine {me} has no fault {id}")),
                (0, None) => Ok("no fault was on".to_owned()),
                (1, _) => Ok("1 fault ended".to_owned()),
                (ended, _) => Ok(format!("{ended} faults ended")),
            },
            Command::Resume => Err(format!(
                "machine {me} serves clients and has no ticks that were paused: a pause of its process (`clocklab fault pause`) \
                 ends by itself"
            )),
            Command::Pause | Command::Step { .. } => Err(format!(
                "machine {me} serves clients and has no ticks: to let it stand still, give `clocklab fault pause {me} --for 5s`"
            )),
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
        let greatest = self.links.keys().next_back().copied();
        let greatest = greatest.unwrap_or_default().max(self.place.me);
        let faults = self.gate.as_ref().map(|gate| gate.on());
        fit(&mut Status {
            machine: self.place.me.0,
            machines: greatest.0.saturating_add(1),
            run: self.place.run.to_string(),
            incarnation: self.place.incarnation,
            process: std::process::id(),
            paused,
            tick,
            clock,
            elapsed_us: u64::try_from(now.since(started).as_micros()).unwrap_or(u64::MAX),
            faults: faults.unwrap_or_default(),
            fault_id_max,
        })
    }

    /// Begins a fault: what there is to say, or why not.
    fn begin(&mut self, token: Token, timed: &Timed, now: Time) -> Result<String, String> {
        let Timed { id, fault, lasts, .. } = timed;
        let (me, taken) = (self.place.me, self.seen.fault_id_max);
        if *id <= taken {
            return Err(format!(
                "numbers of faults up to {taken} are taken: {id} cannot name another"
            ));
        }
        if let Fault::Machine {
            effect: MachineEffect::Rate { .. } | MachineEffect::Jump { .. },
            ..
        } = fault
        {
            return Err(format!(
                "machine {me} serves clients: its time has no ticks and is not moved"
            ));
        }
        if !fault.concerns(me) {
            return Err(format!(
                "`{fault}` is nothing for machine {me}: give it to the machines that it breaks"
            ));
        }
        fault.validate_end(*lasts).map_err(|error| error.to_string())?;
        if needs_a_launcher(fault, *lasts) && !self.handle.is_watched() {
            return Err(stays_dead(me, "clocklab kv replica …"));
        }
        let said = format!("fault {id} is on: {fault}");
        if stops_the_process(fault, me)
            && let Some(commander) = self.commanders.get_mut(&token)
        {
            // It hears and says nothing afterwards, so that it answers before.
            let text = said.clone();
            Control::Answer { accepted: true, text }.encode(commander.connection.output());
            commander.answered = true;
            self.give_answers(token);
        }
        self.begin_fault(timed, now)?;
        Ok(said)
    }
}
