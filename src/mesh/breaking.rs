//! Injected faults on this machine: the gate in front of its links, and what begins and ends there.
//!
//! Without a fault there is no gate, and a message costs one branch more. What can be asked for while the machine
//! runs, [`begin_fault`](Mesh::begin_fault) and [`mend`](Mesh::mend), is what a plan does at its times.

use std::time::Duration;

use super::{event_log::EventLog, outcome::MeshError, phases::Phase, process, round::Mesh};
use crate::{
    faults::{Change, Fate, Gate, MachineEffect, Timed},
    node::{Input, Node},
    units::{MachineId, Time},
};

/// Decides about the frame at the end of `output`, which stands there from `start` on: leaves as many copies of it as go
/// at once, and says how many.
pub(super) fn pass(gate: &mut Gate, to: MachineId, now: Time, output: &mut Vec<u8>, start: usize) -> u64 {
    let fate = gate.send(to, now, output.get(start..).unwrap_or_default());
    meet(fate, output, start)
}

/// Leaves as many copies of the frame at the end of `output`, from `start` on, as go at once; says how many.
pub(super) fn meet(fate: Fate, output: &mut Vec<u8>, start: usize) -> u64 {
    match fate.now {
        0 => output.truncate(start),
        1 => {}
        _ => output.extend_from_within(start..),
    }
    u64::from(fate.now)
}

/// Appends what is held back from a peer; says how many frames it was.
pub(super) fn flush(gate: &mut Gate, peer: MachineId, output: &mut Vec<u8>) -> u64 {
    let mut frames = 0;
    gate.flush(peer, |frame| {
        output.extend_from_slice(frame);
        frames += 1;
    });
    frames
}

impl<N: Node, L: EventLog> Mesh<N, L> {
    /// Begins a fault, as far as it is this machine's, whatever its `at` says. It ends after its time, or when it is
    /// mended, or with the run. The inner error says in words why it cannot begin: nothing of it is this machine's, too.
    ///
    /// # Errors
    /// [`MeshError`] if this machine cannot go on.
    pub fn begin_fault(&mut self, fault: &Timed, now: Time) -> Result<Result<(), String>, MeshError> {
        if !matches!(self.phase, Phase::Running { .. }) {
            return Ok(Err("this machine does not run yet, or stops already".to_owned()));
        }
        if let Err(error) = fault.fault.validate(self.config.machines()) {
            return Ok(Err(error.to_string()));
        }
        let me = self.config.me;
        if !fault.fault.concerns(me) {
            let text = format!(
                "`{}` is nothing for machine {me}: give it to the machines that it breaks",
                fault.fault
            );
            return Ok(Err(text));
        }
        if let Err(error) = fault.fault.validate_end(fault.lasts) {
            return Ok(Err(error.to_string()));
        }
        let mut changes = Vec::new();
        let gate = self.gate.get_or_insert_with(|| {
            // Only the seed: what the plan had for this machine is over.
            let mut plan = self.config.faults.clone();
            plan.faults.clear();
            let machines = self.config.machines();
            Box::new(Gate::new(&plan, self.config.me, machines, now, None))
        });
        if let Err(refused) = gate.begin(fault, now, &mut changes) {
            return Ok(Err(refused.to_string()));
        }
        self.change(changes, now).map(Ok)
    }

    /// Ends the fault of that number, or every one that is on. Returns how many there were on this machine.
    ///
    /// # Errors
    /// [`MeshError`] if this machine cannot go on.
    pub fn mend(&mut self, id: Option<u32>, now: Time) -> Result<usize, MeshError> {
        let mut changes = Vec::new();
        let mended = match &mut self.gate {
            Some(gate) => gate.mend(id, now, &mut changes),
            None => 0,
        };
        self.change(changes, now)?;
        Ok(mended)
    }

    /// The faults that are on: number and text.
    #[must_use]
    pub fn faults_on(&self) -> Vec<(u32, String)> {
        let on = self.gate.as_ref().map(|gate| gate.on());
        on.unwrap_or_default()
    }

    /// The machine starts, and with it the time of its plan.
    pub(super) fn plan_faults(&mut self, now: Time) {
        let config = &self.config;
        if !config.faults.faults.is_empty() {
            let again = (config.incarnation > 1).then_some(config.run_age);
            let gate = Gate::new(&config.faults, config.me, config.machines(), now, again);
            self.gate = Some(Box::new(gate));
        }
    }

    /// When a fault begins or ends, or a frame that is held back may go.
    pub(super) fn gate_deadline(&self) -> Option<Time> {
        let gate = self.gate.as_ref()?;
        matches!(self.phase, Phase::Running { .. })
            .then(|| gate.deadline())
            .flatten()
    }

    /// Begins and ends the faults that are due.
    pub(super) fn break_links(&mut self, now: Time) -> Result<(), MeshError> {
        if self.gate_deadline().is_none_or(|deadline| deadline > now) {
            return Ok(());
        }
        // What was sent before is not touched by what begins now.
        self.apply_effects(now)?;
        let mut changes = Vec::new();
        if let Some(gate) = &mut self.gate
            && matches!(self.phase, Phase::Running { .. })
        {
            gate.at(now, &mut changes);
        }
        self.change(changes, now)
    }

    /// Gives links the frames whose time has come.
    pub(super) fn let_go(&mut self, now: Time) {
        if self.gate_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let Some(gate) = &mut self.gate else {
            return;
        };
        let (links, frames_sent) = (&mut self.links, &mut self.frames_sent);
        gate.due(now, |to, frame| {
            let connection = links.get_mut(to.index()).and_then(|link| link.connection());
            if let Some(connection) = connection {
                connection.output().extend_from_slice(frame);
                *frames_sent += 1;
            }
        });
    }

    /// The node was told that a link is up: tell it if a fault is on it already.
    pub(super) fn faults_meet(&mut self, peer: MachineId, now: Time) {
        if let Some(gate) = &mut self.gate
            && gate.link_up(peer)
        {
            self.input(now, Input::Unreliable { peer });
        }
    }

    /// A link is down, and what was held back from its peer is lost with it.
    pub(super) fn faults_leave(&mut self, peer: MachineId) {
        if let Some(gate) = &mut self.gate {
            gate.forget(peer);
        }
    }

    /// Does a fault to this process: its log line first, whatever comes then.
    fn machine_fault(&mut self, effect: MachineEffect, lasts: Option<Duration>) -> Result<(), MeshError> {
        // Where its line cannot be written it does not come about: the end of the round tells why.
        if self.settle() {
            process::execute(effect, lasts)?;
        }
        Ok(())
    }

    /// Does what the gate asks for.
    fn change(&mut self, changes: Vec<Change>, now: Time) -> Result<(), MeshError> {
        for change in changes {
            if change.kills() {
                // Nothing follows its line.
                self.apply_effects(now)?;
            }
            match change {
                Change::Record(mut record) => self.record(now, &mut record),
                Change::Unreliable(peer) => self.input(now, Input::Unreliable { peer }),
                Change::Order(order) => self.input(now, Input::Order(order)),
                Change::Process { effect, lasts } => self.machine_fault(effect, lasts)?,
            }
        }
        self.apply_effects(now)
    }
}
