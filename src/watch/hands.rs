//! Hands for eyes: commands to the machines of the run that is watched, given on a thread of their own, so that a view
//! never waits for the network.

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use crate::{
    control::Command,
    faults::Fault,
    lab::{Controllers, Injected, Said},
    units::MachineId,
    wire::Secret,
};

/// Machines with one answer that are named one by one.
const NAMED_MAX: usize = 8;

/// Something to do to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A command to one machine, or to all.
    Tell(Option<MachineId>, Command),
    /// A fault begins, for a time or until it is mended.
    Break(Fault, Option<Duration>),
}

/// The control connections of the run in a folder, made when they are first needed: a run that has none can still be
/// watched, and says why when it is to do something.
#[derive(Debug)]
pub struct Reach {
    folder: PathBuf,
    secret: Option<Secret>,
    patience: Duration,
    controllers: Option<Controllers>,
}

impl Reach {
    /// The machines of the run in `folder`; with its secret, unless `run.json` says where that is. Each has `patience` to
    /// be reached, to greet and to answer.
    #[must_use]
    pub fn new(folder: &Path, secret: Option<Secret>, patience: Duration) -> Self {
        Self {
            folder: folder.to_owned(),
            secret,
            patience,
            controllers: None,
        }
    }

    /// Gives a command to one machine, or to all, and waits for the answers.
    ///
    /// # Errors
    /// Why nobody can be asked, and the mend.
    pub fn tell(&mut self, machine: Option<MachineId>, command: &Command) -> Result<Vec<Said>, String> {
        Ok(self.controllers()?.ask(machine, command))
    }

    /// Begins a fault on the machines that it concerns, for a time or until it is mended.
    ///
    /// # Errors
    /// Why nobody can be asked, and the mend.
    pub fn inject(&mut self, fault: &Fault, lasts: Option<Duration>) -> Result<Injected, String> {
        Ok(self.controllers()?.inject(fault, lasts))
    }

    /// Does something, and returns what the machines say to it, in a sentence.
    ///
    /// # Errors
    /// Why not, in a sentence: nobody is there any more, or a machine refused.
    pub fn act(&mut self, deed: &Deed) -> Result<String, String> {
        summed_up(&match deed {
            Deed::Tell(machine, command) => self.tell(*machine, command)?,
            Deed::Break(fault, lasts) => self.inject(fault, *lasts)?.said,
        })
    }

    fn controllers(&mut self) -> Result<&mut Controllers, String> {
        let controllers = match self.controllers.take() {
            Some(controllers) => controllers,
            // `run.json` may come after the view.
            None => {
                let found = Controllers::of_run(&self.folder, self.secret.clone());
                let mut controllers = found.map_err(|error| error.to_string())?;
                controllers.set_patience(self.patience);
                controllers
            }
        };
        Ok(self.controllers.insert(controllers))
    }
}

/// What machines said, in a sentence: the first refusal, if there is one, else each answer with those who gave it.
fn summed_up(said: &[Said]) -> Result<String, String> {
    let mut refusals = said.iter().filter_map(|(_, answer)| answer.as_ref().err());
    if let Some(first) = refusals.next() {
        return Err(match refusals.count() {
            0 => first.to_string(),
            more => format!("{first} (and {more} more)"),
        });
    }
    let mut answers: Vec<(&str, Vec<String>)> = Vec::new();
    for (machine, answer) in said {
        let text = answer.as_deref().unwrap_or_default();
        match answers.iter_mut().find(|(other, _)| *other == text) {
            Some((_, machines)) => machines.push(machine.to_string()),
            None => answers.push((text, vec![machine.to_string()])),
        }
    }
    if answers.is_empty() {
        return Err("no machine is concerned".to_owned());
    }
    let told: Vec<String> = answers
        .iter()
        .map(|(text, machines)| match machines.as_slice() {
            [one] => format!("machine {one}: {text}"),
            [.., last] if machines.len() > NAMED_MAX => {
                format!("{} machines up to {last}: {text}", machines.len())
            }
            several => format!("machines {}: {text}", several.join(",")),
        })
        .collect();
    Ok(told.join("; "))
}

/// A thread that does one deed after the other.
#[derive(Debug)]
pub struct HandsThread {
    deeds: Sender<Deed>,
    answers: Receiver<Result<String, String>>,
}

impl HandsThread {
    /// Starts the thread, which gives each deed to `act`. It ends when this value is dropped, behind the deed at hand.
    ///
    /// # Errors
    /// What the system says if it gives no thread.
    pub fn start(mut act: impl FnMut(&Deed) -> Result<String, String> + Send + 'static) -> io::Result<Self> {
        let (deeds, to_do) = channel::<Deed>();
        let (answer, answers) = channel();
        thread::Builder::new().name("hands".to_owned()).spawn(move || {
            for deed in to_do {
                if answer.send(act(&deed)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { deeds, answers })
    }

    /// Does something soon.
    pub fn act(&self, deed: Deed) {
        // The thread goes only with this value.
        let _ = self.deeds.send(deed);
    }

    /// The answer to the oldest deed that has one by now.
    #[must_use]
    pub fn answer(&self) -> Option<Result<String, String>> {
        self.answers.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::ControlError;

    #[test]
    fn deeds_are_answered_in_order() {
        let hands = HandsThread::start(|deed| match deed {
            Deed::Tell(Some(machine), command) => Ok(format!("{machine}: {command}")),
            Deed::Tell(None, _) | Deed::Break(..) => Err("nobody is there".to_owned()),
        })
        .unwrap();
        hands.act(Deed::Tell(Some(MachineId(1)), Command::Pause));
        hands.act(Deed::Tell(None, Command::Resume));
        assert_eq!(hands.answers.recv().unwrap(), Ok("1: pause".to_owned()));
        assert_eq!(hands.answers.recv().unwrap(), Err("nobody is there".to_owned()));
        assert_eq!(hands.answer(), None);
    }

    #[test]
    fn a_run_that_cannot_be_reached_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut reach = Reach::new(folder.path(), None, Duration::from_secs(1));
        let deed = Deed::Tell(None, Command::Pause);
        let error = reach.act(&deed).unwrap_err();
        assert!(error.contains("run.json"), "{error}");
        // Nobody listens on a port that was just given back.
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let text = format!(r#"{{"run":"r","addresses":["{address}"]}}"#);
        std::fs::write(folder.path().join("run.json"), text).unwrap();
        let error = reach.act(&deed).unwrap_err();
        assert!(error.contains("the run has ended"), "{error}");
    }

    #[test]
    fn answers_are_summed_up() {
        let ok = |id| (MachineId(id), Ok("paused at tick 3".to_owned()));
        let refused = |id| {
            let error = ControlError::NoMachine {
                machine: MachineId(id),
                machines: 3,
            };
            (MachineId(id), Err(error))
        };
        for (said, text) in [
            (vec![ok(1)], Ok("machine 1: paused at tick 3")),
            (vec![ok(0), ok(1)], Ok("machines 0,1: paused at tick 3")),
            (
                vec![ok(0), refused(7)],
                Err("there is no machine 7: the run has 0 to 2"),
            ),
            (
                vec![refused(7), refused(8)],
                Err("there is no machine 7: the run has 0 to 2 (and 1 more)"),
            ),
            (vec![], Err("no machine is concerned")),
        ] {
            let said = summed_up(&said);
            assert_eq!(said.as_deref().map_err(String::as_str), text);
        }
    }
}
