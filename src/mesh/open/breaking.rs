//! Injected faults on a machine of an open mesh. They are begun by commands: there is no plan.
//!
//! A fault of links is on the links to those who are there when it begins, and to those whom it names.

use std::time::Duration;

use tracing::warn;

use super::{link::Link, round::OpenMesh};
use crate::{
    faults::{Change, Gate, MachineEffect, Timed},
    mesh::{EventLog, process},
    service::{Input, Service},
    units::Time,
    wire::Message,
};

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// Begins a fault that was found in order.
    pub(super) fn begin_fault(&mut self, fault: &Timed, now: Time) -> Result<(), String> {
        // What was sent before is not touched.
        self.apply_effects(now);
        let (place, links) = (&self.place, &self.links);
        let gate = self.gate.get_or_insert_with(|| {
            let mut gate = Gate::open(place.seed, place.me, now);
            for (peer, link) in links.iter().filter(|(_, link)| !link.is_idle()) {
                gate.meet(*peer);
                if !link.is_told() {
                    gate.forget(*peer);
                }
            }
            Box::new(gate)
        });
        let mut changes = Vec::new();
        let begun = gate.begin(fault, now, &mut changes);
        begun.map_err(|refused| refused.to_string())?;
        self.change(changes, now);
        Ok(())
    }

    /// Ends the fault of that number, or every one that is on. Returns how many there were.
    pub(super) fn mend(&mut self, id: Option<u32>, now: Time) -> usize {
        let mut changes = Vec::new();
        let gate = self.gate.as_mut();
        let mended = gate.map_or(0, |gate| gate.mend(id, now, &mut changes));
        self.change(changes, now);
        mended
    }

    /// When a fault begins or ends, or a frame that is held back may go.
    pub(super) fn gate_deadline(&self) -> Option<Time> {
        let gate = self.gate.as_ref().filter(|_| !self.is_stopping())?;
        gate.deadline()
    }

    /// Ends the faults that are over.
    pub(super) fn break_links(&mut self, now: Time) {
        if self.gate_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        // What was sent before is not touched by what ends now.
        self.apply_effects(now);
        let mut changes = Vec::new();
        if let Some(gate) = &mut self.gate {
            gate.at(now, &mut changes);
        }
        self.change(changes, now);
    }

    /// Gives links the frames whose time has come.
    pub(super) fn let_go(&mut self, now: Time) {
        if self.gate_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let Some(gate) = &mut self.gate else {
            return;
        };
        let (links, frames, bytes) = (&mut self.links, &mut self.frames_sent, &mut self.bytes_sent);
        gate.due(now, |to, frame| {
            if let Some(output) = links.get_mut(&to).and_then(Link::output) {
                output.extend_from_slice(frame);
                *frames += 1;
                *bytes += frame.len() as u64;
            }
        });
    }

    /// Does what the gate asks for.
    fn change(&mut self, changes: Vec<Change>, now: Time) {
        for change in changes {
            if change.kills() {
                // Nothing follows its line.
                self.apply_effects(now);
            }
            match change {
                Change::Record(mut record) => self.record(now, &mut record),
                Change::Unreliable(peer) => self.input(now, Input::Unreliable { peer }),
                // Only a machine with ticks has a use for one, and `begin` lets none through.
                Change::Order(_) => {}
                Change::Process { effect, lasts } => self.machine_fault(effect, lasts),
            }
        }
        self.apply_effects(now);
    }

    /// Does a fault to this process: its log line first. Where that cannot be written it does not come about.
    fn machine_fault(&mut self, effect: MachineEffect, lasts: Option<Duration>) {
        if self.settle()
            && let Err(error) = process::execute(effect, lasts)
        {
            warn!("the fault does not come about: {error}");
        }
    }
}
