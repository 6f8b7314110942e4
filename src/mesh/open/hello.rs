//! Who may come in: peers, those who give commands, those who ask.

use std::time::Duration;

use super::{CLIENTS_MAX, LINKS_MAX, SILENT_MS, round::OpenMesh};
use crate::{
    mesh::{COMMANDERS_MAX, EventLog, rejoin::judge_life},
    service::Service,
    units::Time,
    wire::{CLIENT, CONTROLLER, ErrorCode, Expectation, Hello, Message, Refusal},
};

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Judges a hello, `mine` being the answer to it.
    pub(super) fn may_come_in(&self, mine: &Hello, theirs: &Hello, now: Time) -> Result<(), Refusal> {
        let busy = |text: String| Err(Refusal::new(ErrorCode::Busy, text));
        if theirs.sender == CONTROLLER {
            mine.judge_controller(theirs)?;
            return match self.commanders.len() < COMMANDERS_MAX {
                true => Ok(()),
                false => busy(format!("{COMMANDERS_MAX} control connections are open already")),
            };
        }
        if theirs.sender == CLIENT {
            mine.judge_client(theirs)?;
            if self.is_stopping() {
                return busy("this machine is stopping".to_owned());
            }
            return match self.clients.len() < CLIENTS_MAX {
                true => Ok(()),
                false => busy(format!("{CLIENTS_MAX} clients are here already")),
            };
        }
        Expectation { mine, dialled: None }.judge(theirs)?;
        if self.is_stopping() {
            return busy("this machine is stopping".to_owned());
        }
        let Some(link) = self.links.get(&theirs.sender) else {
            return match self.links_up() < LINKS_MAX {
                true => Ok(()),
                false => busy(format!("{LINKS_MAX} links are up already")),
            };
        };
        let silent = Duration::from_millis(SILENT_MS);
        let is_alive = link
            .up
            .as_ref()
            .is_some_and(|up| up.told && now.since(up.heard) < silent);
        judge_life(link.incarnation, is_alive, theirs)?;
        if self.place.me > theirs.sender && link.has_said_hello() {
            let text = format!("machine {} dials you already", self.place.me);
            return Err(Refusal::new(ErrorCode::DuplicateMachine, text));
        }
        Ok(())
    }
}
