//! The end of a machine of an open mesh: stop, goodbye to all, the last words, the disk and the log closed.

use std::time::Duration;

use tracing::info;

use super::{link::Dialling, round::OpenMesh};
use crate::{
    mesh::{DRAIN_MS_MAX, EventLog, LogError},
    service::{Input, Service},
    units::{MachineId, Time},
    wire::{Message, Reason},
};

/// Whether the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    No,
    /// Goodbye was said; what peers still send is taken, and what waits for the disk is answered, until `until` at most.
    Draining {
        reason: Reason,
        until: Time,
    },
    /// The last words are said.
    Done(Reason),
}

impl Stopping {
    pub(super) fn is_on(self) -> bool {
        self != Stopping::No
    }
}

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_on()
    }

    /// Begins the shutdown in order; of a machine that stops already it ends the wait.
    pub(super) fn stop(&mut self, reason: Reason, now: Time) {
        match self.stopping {
            Stopping::No => {}
            Stopping::Draining { reason, .. } => {
                self.stopping = Stopping::Draining { reason, until: now };
                return;
            }
            Stopping::Done(_) => return,
        }
        info!("machine {} stops: {reason}", self.place.me);
        let until = now.after(Duration::from_millis(DRAIN_MS_MAX));
        self.apply_effects(now);
        self.input(now, Input::Stop { reason });
        self.finish_round(now);
        self.stopping = Stopping::Draining { reason, until };
        let peers: Vec<MachineId> = self.links.keys().copied().collect();
        for peer in peers {
            self.give_up_dial(peer);
            if let Some(link) = self.links.get_mut(&peer) {
                link.dial = Dialling::Idle;
            }
            self.say_goodbye(peer, reason, now);
        }
        // Who has not said who it is will learn nothing more.
        self.doors.clear();
    }

    /// Ends the drain when nothing more can come, or its time is over.
    ///
    /// # Errors
    /// [`LogError`] if the log could not be written to its end.
    pub(super) fn try_end(&mut self, now: Time) -> Result<(), LogError> {
        let Stopping::Draining { reason, until } = self.stopping else {
            return Ok(());
        };
        let has_links = self.links.values().any(|link| link.up.is_some());
        let is_kept = self.append_through >= self.append_last || self.append_failed;
        if now < until && (has_links || !is_kept) {
            return Ok(());
        }
        if !self.is_farewell_said {
            // What was answered by now goes first. Then nobody is read any more.
            self.is_farewell_said = true;
            self.clients.say_goodbye(reason, self.place.me);
            self.flush_all(now);
        }
        if now < until && !self.clients.is_flushed() {
            return Ok(());
        }
        self.input(now, Input::End);
        self.finish_round(now);
        self.stopping = Stopping::Done(reason);
        self.flush_all(now);
        self.disk.close();
        self.log.commit().and_then(|()| self.log.close())
    }

    /// The log has failed, and this machine ends for it: the last words on every link. What is about events that could
    /// not be written never leaves.
    pub(super) fn say_log_failed(&mut self) {
        self.gate = None;
        let now = self.clock.now();
        let peers: Vec<MachineId> = self.links.keys().copied().collect();
        for peer in peers {
            if let Some(up) = self.links.get_mut(&peer).and_then(|link| link.up.as_mut())
                && up.connection.retract() > 0
            {
                // Nothing follows goodbye: if it was said, it is among what was taken back.
                up.ends = None;
            }
            self.say_goodbye(peer, Reason::LogFailed, now);
            if let Some(up) = self.links.get_mut(&peer).and_then(|link| link.up.as_mut()) {
                // Whoever does not take it learns from the end of the connection.
                let _ = up.connection.flush();
            }
        }
        self.disk.close();
    }
}
