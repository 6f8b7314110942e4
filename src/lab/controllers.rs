//! Commands to all machines of a run: who they are and where stands in its `run.json`.
//!
//! Works for the launcher's runs, for three terminals, and across hosts: all it needs is the run's folder, and
//! the secret if the run has one.
#![allow(clippy::disallowed_methods, reason = "waits for machines in real time")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use rayon::{
    ThreadPoolBuilder,
    iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator},
};

use super::{
    controller::{ControlError, Controller, PATIENCE, Target},
    described::{Described, RunError},
    secret_file::SecretFile,
};
use crate::{
    control::{Command, Status},
    faults::Fault,
    units::MachineId,
    wire::{RunId, Secret},
};

/// A connection that was not used for so long is made anew: machines close idle ones after a minute.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Numbers of faults by hand begin here, so that they do not look like those of a fault file.
const FAULT_ID_MIN: u32 = 1000;

/// Numbers that are tried for a fault: of several who break the run at once only one gets each.
const NUMBERS_MAX: u32 = 10;

/// Machines that are called at once. A call blocks until it is answered, so each has a thread.
const CALLS_MAX: usize = 64;

/// What one machine answered: its text, or why there is none.
pub type Said = (MachineId, Result<String, ControlError>);

/// A fault that was begun, and what the machines said to it.
#[derive(Debug)]
pub struct Injected {
    /// The number by which it is mended, and by which the logs name it.
    pub id: u32,
    /// Each machine that it concerns, smallest id first.
    pub said: Vec<Said>,
}

/// Control connections to the machines of one run; made when they are needed, and kept.
#[derive(Debug)]
pub struct Controllers {
    run: RunId,
    name: RunId,
    is_store: bool,
    secret: Option<Secret>,
    addresses: Vec<SocketAddr>,
    connections: Vec<Option<Controller>>,
    patience: Duration,
}

impl Controllers {
    /// The machines of the run in `folder`. Connects to none yet.
    ///
    /// Without a `secret` the run's own is read, from the file that `run.json` names; on another host it is not there.
    ///
    /// # Errors
    /// [`RunError`] if the folder holds no run, a simulated one, or one whose secret cannot be read.
    pub fn of_run(folder: &Path, secret: Option<Secret>) -> Result<Self, RunError> {
        let called = Described::read(folder)?;
        let secret = match (secret, called.secret_file) {
            (None, Some(file)) => Some(SecretFile::read(&file)?.secret),
            (secret, _) => secret,
        };
        Ok(Self {
            run: called.run,
            name: called.name,
            is_store: called.is_store,
            secret,
            connections: called.addresses.iter().map(|_| None).collect(),
            addresses: called.addresses,
            patience: PATIENCE,
        })
    }

    /// The run's name, which is its folder's.
    #[must_use]
    pub fn name(&self) -> &RunId {
        &self.name
    }

    /// Whether its machines are replicas of a store.
    #[must_use]
    pub fn is_store(&self) -> bool {
        self.is_store
    }

    /// How many machines the run has.
    #[must_use]
    pub fn machines(&self) -> u16 {
        u16::try_from(self.addresses.len()).unwrap_or(u16::MAX)
    }

    /// Gives machines another time to be reached and to answer than [`PATIENCE`].
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Asks one machine, or all (`None`), and collects what they say, smallest id first.
    ///
    /// All are asked before any answer is waited for, so that a command reaches them at nearly the same moment, and one
    /// that is silent holds up nobody. Takes at most three times the patience: connect, greet, answer.
    pub fn ask(&mut self, machine: Option<MachineId>, command: &Command) -> Vec<Said> {
        let machines: Vec<MachineId> = match machine {
            Some(machine) => vec![machine],
            None => MachineId::all(self.machines()).collect(),
        };
        self.ask_each(&machines, command)
    }

    /// Begins a fault on the machines that it concerns: of links the senders, else the machine itself. Picks its number,
    /// and another one if somebody else was faster with that.
    pub fn inject(&mut self, fault: &Fault, lasts: Option<Duration>) -> Injected {
        let concerned: Vec<MachineId> = MachineId::all(self.machines())
            .filter(|machine| fault.concerns(*machine))
            .collect();
        let mut left = NUMBERS_MAX;
        loop {
            let id = self.fresh_fault_id();
            let command = Command::Fault {
                id,
                fault: fault.clone(),
                lasts,
            };
            let said = self.ask_each(&concerned, &command);
            left -= 1;
            if left == 0 || !self.came_late(id, &said) {
                return Injected { id, said };
            }
            // On the other machines the number must not stay with this fault.
            let begun: Vec<MachineId> = said
                .iter()
                .filter(|(_, answer)| answer.is_ok())
                .map(|(machine, _)| *machine)
                .collect();
            self.ask_each(&begun, &Command::Mend { id: Some(id) });
        }
    }

    /// Whether a machine has refused a fault because another one has got its number meanwhile.
    fn came_late(&mut self, id: u32, said: &[Said]) -> bool {
        let refused: Vec<MachineId> = said
            .iter()
            .filter(|(_, answer)| matches!(answer, Err(ControlError::NotAccepted { .. })))
            .map(|(machine, _)| *machine)
            .collect();
        !refused.is_empty()
            && self.status().iter().any(|(machine, status)| {
                let taken = status.as_ref().map_or(0, |status| status.fault_id_max);
                refused.contains(machine) && taken >= id
            })
    }

    /// How each machine is, smallest id first.
    pub fn status(&mut self) -> Vec<(MachineId, Result<Status, ControlError>)> {
        let said = self.ask(None, &Command::Status);
        said.into_iter()
            .map(|(machine, answer)| {
                let status = answer.and_then(|text| {
                    serde_json::from_str(&text).map_err(|error| ControlError::NotAccepted {
                        machine,
                        command: Command::Status.to_string(),
                        text: format!("its answer is no status: {error}"),
                    })
                });
                (machine, status)
            })
            .collect()
    }

    /// A number that no fault of the run has or has had: hundredths of a second since its start, so that machines that
    /// cannot be asked do not have it either, and behind the greatest that the others know.
    fn fresh_fault_id(&mut self) -> u32 {
        let known: Vec<Status> = self
            .status()
            .into_iter()
            .filter_map(|(_, status)| status.ok())
            .collect();
        let elapsed_us = known.iter().map(|status| status.elapsed_us).max();
        let hundredths = u32::try_from(elapsed_us.unwrap_or(0) / 10_000).unwrap_or(0);
        let taken = known.iter().map(|status| status.fault_id_max).max();
        FAULT_ID_MIN
            .saturating_add(hundredths)
            .max(taken.unwrap_or(0).saturating_add(1))
    }

    fn ask_each(&mut self, machines: &[MachineId], command: &Command) -> Vec<Said> {
        let mut failed = self.call(machines);
        for step in [Step::Greet, Step::Send] {
            let until = Instant::now() + self.patience;
            for (machine, failed) in machines.iter().zip(&mut failed) {
                if failed.is_none() {
                    *failed = self.step(*machine, step, command, until).err();
                }
            }
        }
        let until = Instant::now() + self.patience;
        let answers = machines.iter().zip(failed).map(|(machine, failed)| {
            let answer = match (failed, self.connection(*machine)) {
                (Some(error), _) => Err(error),
                (None, Some(connection)) => connection.answer(until),
                (None, None) => Err(self.unknown(*machine)),
            };
            // A connection that failed is of no further use; one that was answered no, is.
            let is_over = matches!(&answer, Err(error) if !matches!(error, ControlError::NotAccepted { .. }));
            if is_over && let Some(place) = self.connections.get_mut(machine.index()) {
                *place = None;
            }
            (*machine, answer)
        });
        answers.collect()
    }

    /// Connects to those to whom there is no connection that still serves, and says for each why that failed.
    fn call(&mut self, machines: &[MachineId]) -> Vec<Option<ControlError>> {
        let wanted: Vec<(MachineId, Target)> = machines
            .iter()
            .filter(|machine| !self.serves(**machine))
            .filter_map(|machine| Some((*machine, self.target(*machine).ok()?)))
            .collect();
        let (secret, until) = (self.secret.as_ref(), Instant::now() + self.patience);
        let called = at_once(&wanted, |(_, target)| Controller::call(target, secret, until));
        let mut failed = BTreeMap::new();
        for ((machine, _), called) in wanted.into_iter().zip(called) {
            match (called, self.connections.get_mut(machine.index())) {
                (Err(error), _) => {
                    failed.insert(machine, error);
                }
                (Ok(called), Some(place)) => *place = Some(called),
                (Ok(_), None) => {}
            }
        }
        machines.iter().map(|machine| failed.remove(machine)).collect()
    }

    /// Whether there is a connection that can be used again.
    fn serves(&self, machine: MachineId) -> bool {
        let connection = self.connections.get(machine.index()).and_then(Option::as_ref);
        connection.is_some_and(|connection| connection.idle() < IDLE_MAX && !connection.is_closed())
    }

    fn step(
        &mut self,
        machine: MachineId,
        step: Step,
        command: &Command,
        until: Instant,
    ) -> Result<(), ControlError> {
        match (step, self.connection(machine)) {
            (_, None) => Err(self.unknown(machine)),
            (Step::Greet, Some(connection)) => connection.greet(until),
            (Step::Send, Some(connection)) => connection.send(command),
        }
    }

    fn connection(&mut self, machine: MachineId) -> Option<&mut Controller> {
        self.connections.get_mut(machine.index()).and_then(Option::as_mut)
    }

    fn target(&self, machine: MachineId) -> Result<Target, ControlError> {
        let address = self.addresses.get(machine.index()).copied();
        Ok(Target {
            address: address.ok_or_else(|| self.unknown(machine))?,
            machine: Some(machine),
            run: Some(self.run.clone()),
        })
    }

    fn unknown(&self, machine: MachineId) -> ControlError {
        ControlError::NoMachine {
            machine,
            machines: self.machines(),
        }
    }
}

/// Does something for all, each on a thread of its own up to [`CALLS_MAX`]; the results in the same order.
fn at_once<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = all.len().min(CALLS_MAX);
    let pool = (threads > 1).then(|| ThreadPoolBuilder::new().num_threads(threads).build());
    match pool {
        Some(Ok(pool)) => pool.install(|| all.par_iter().with_max_len(1).map(&work).collect()),
        // One after the other, if there is only one or the system gives no threads.
        Some(Err(_)) | None => all.iter().map(work).collect(),
    }
}

/// What is done for all machines before the next is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Greet,
    Send,
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn nobody_waits_for_the_call_of_another() {
        // Each goes on only once all have begun.
        let barrier = Barrier::new(CALLS_MAX);
        let all: Vec<usize> = (0..CALLS_MAX).collect();
        let done = at_once(&all, |number| {
            barrier.wait();
            number + 1
        });
        assert_eq!(done, (1..=CALLS_MAX).collect::<Vec<_>>());
        let many: Vec<usize> = (0..3 * CALLS_MAX).collect();
        assert_eq!(at_once(&many, |number| *number), many);
    }
}
