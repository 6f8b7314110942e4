//! Requests that wait or go on are judged again whenever who may ask what has changed: a watch ends with its token.

use std::{sync::Arc, time::Duration};

use super::round::OpenMesh;
use crate::{
    mesh::EventLog,
    service::{Guard, Input, Last, Service},
    units::Time,
    wire::Message,
};

/// As long as there are clients, it is looked at so often at least whether something has changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How far what goes on has been judged.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// In which turn of the guard's knowledge.
    turn: u64,
    at: Time,
}

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Lets somebody judge what clients by the wire ask. Without one they may ask everything.
    pub fn set_guard(&mut self, guard: Arc<dyn Guard<S>>) {
        self.guard = Some(guard);
    }

    /// Judges the requests that go on or wait, if the guard knows something else than before. Who may not go on is told
    /// so, behind all that it was told before.
    pub(super) fn judge_again(&mut self, now: Time) {
        let Some(guard) = self.guard.as_deref() else {
            return;
        };
        let turn = guard.turn();
        self.judged.at = now;
        if turn == self.judged.turn {
            return;
        }
        self.judged.turn = turn;
        let (clients, mut refused) = (&mut self.clients, Vec::new());
        self.service.open_requests(&mut |ticket, request| {
            // What came by the desk is judged by those who handed it in.
            if let Some(shown) = clients.shown(ticket)
                && let Some(reply) = guard.judge(shown, request)
            {
                refused.push((ticket, reply));
            }
        });
        self.apply_effects(now);
        for (ticket, reply) in refused {
            self.input(now, Input::Cancelled { ticket });
            self.clients.reply(ticket, reply, Last::Yes, now);
        }
    }

    /// When to look again.
    pub(super) fn judging_deadline(&self) -> Option<Time> {
        let is_needed = self.guard.is_some() && self.clients.len() > 0;
        is_needed.then(|| self.judged.at.after(LOOK_EVERY))
    }
}
