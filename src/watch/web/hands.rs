//! The way to the machines: the control client of the run that is shown.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    control::Command,
    faults::Fault,
    lab::{Controllers, Said},
    units::MachineId,
    wire::Secret,
};

/// How long a person who pressed a button waits for a machine, for each of connecting, greeting and answering.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Gives commands to the machines of a run.
#[derive(Debug)]
pub(super) struct Hands {
    secret: Option<Secret>,
    /// The run that the connections belong to.
    folder: PathBuf,
    controllers: Option<Controllers>,
}

impl Hands {
    /// No connections yet. The secret is the run's, if it has one.
    pub(super) fn new(secret: Option<Secret>) -> Self {
        Self {
            secret,
            folder: PathBuf::new(),
            controllers: None,
        }
    }

    /// Asks one machine of the run in `folder`, or all, and waits for the answers.
    ///
    /// # Errors
    /// Why nobody can be asked, and the mend.
    pub(super) fn ask(
        &mut self,
        folder: &Path,
        machine: Option<MachineId>,
        command: &Command,
    ) -> Result<Vec<Said>, String> {
        Ok(self.controllers(folder)?.ask(machine, command))
    }

    /// Begins a fault on the machines of the run in `folder` that it concerns; gives its number and the answers.
    ///
    /// # Errors
    /// Why nobody can be asked, and the mend.
    pub(super) fn inject(
        &mut self,
        folder: &Path,
        fault: &Fault,
        lasts: Option<Duration>,
    ) -> Result<(u32, Vec<Said>), String> {
        let injected = self.controllers(folder)?.inject(fault, lasts);
        Ok((injected.id, injected.said))
    }

    fn controllers(&mut self, folder: &Path) -> Result<&mut Controllers, String> {
        if self.folder != folder {
            folder.clone_into(&mut self.folder);
            self.controllers = None;
        }
        // `run.json` may come after the page.
        let controllers = match self.controllers.take() {
            Some(controllers) => controllers,
            None => {
                let found = Controllers::of_run(folder, self.secret.clone());
                let mut controllers = found.map_err(|error| error.to_string())?;
                controllers.set_patience(PATIENCE);
                controllers
            }
        };
        Ok(self.controllers.insert(controllers))
    }
}
