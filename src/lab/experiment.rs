//! Carries out many runs, several meshes side by side on ports of their own.
#![allow(clippy::disallowed_methods, reason = "the lab waits in real time")]

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    fleet::{Fleet, FleetError, MachineState},
    process::MachineEnd,
    run_folder::RunFile,
    settings::Settings,
};
use crate::wire::Reason;

/// How often running fleets are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One run to be made.
#[derive(Clone, Debug)]
pub struct RunJob {
    /// The group that it belongs to: an index into the plan's groups.
    pub group: usize,
    /// Its settings, the run's id among them.
    pub settings: Settings,
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// What was asked for.
    pub job: RunJob,
    /// The run's folder.
    pub folder: PathBuf,
    /// How its machines ended.
    pub ends: Vec<MachineEnd>,
    /// Why it could not be started, if it could not.
    pub refused: Option<FleetError>,
}

/// Runs under way and runs to come.
#[derive(Debug)]
pub struct Experiment {
    program: PathBuf,
    command: Vec<String>,
    /// Runs to come, in order.
    waiting: VecDeque<RunJob>,
    /// Runs under way: as many as there are places, each with ports of its own.
    places: Vec<Option<(RunJob, Fleet)>>,
    /// Ports between the base ports of two places.
    ports_a_place: u16,
}

impl Experiment {
    /// The runs of `jobs`, `parallel` at a time (at least one); `command` is the command line for each run's
    /// `run.json`.
    #[must_use]
    pub fn new(program: PathBuf, command: Vec<String>, jobs: Vec<RunJob>, parallel: usize) -> Self {
        let ports_a_place = jobs
            .iter()
            .map(|job| job.settings.machines())
            .max()
            .unwrap_or_default();
        let places = (0..parallel.max(1)).map(|_| None).collect();
        Self {
            program,
            command,
            waiting: jobs.into(),
            places,
            ports_a_place,
        }
    }

    /// Starts what has a place, waits a moment, and gives the runs that are over; `None` when all are.
    ///
    /// # Errors
    /// [`FleetError`] if a run cannot be looked after; runs under way are then stopped. One that cannot be started is
    /// given as finished, with the reason, and the others go on.
    pub fn step(&mut self) -> Result<Option<Vec<Finished>>, FleetError> {
        let mut finished = Vec::new();
        for (index, place) in (0_u16..).zip(&mut self.places) {
            if place.is_none()
                && let Some(mut job) = self.waiting.pop_front()
            {
                for address in &mut job.settings.addresses {
                    address.set_port(
                        address
                            .port()
                            .saturating_add(index.saturating_mul(self.ports_a_place)),
                    );
                }
                match start(&self.program, &self.command, &job) {
                    Ok(fleet) => *place = Some((job, fleet)),
                    Err(error) => {
                        let folder = job.settings.logs.join(job.settings.run.as_str());
                        finished.push(Finished {
                            job,
                            folder,
                            ends: Vec::new(),
                            refused: Some(error),
                        });
                    }
                }
            }
        }
        if !finished.is_empty() {
            return Ok(Some(finished));
        }
        if self.places.iter().all(Option::is_none) {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
        for place in &mut self.places {
            let Some((_, fleet)) = place else { continue };
            let state = fleet.poll();
            let state = state.map_err(|error| FleetError::Io {
                what: "cannot look after a machine".to_owned(),
                error,
            })?;
            if state == MachineState::AllEnded
                && let Some((job, fleet)) = place.take()
            {
                let (folder, ends) = (fleet.folder().to_owned(), fleet.ends().cloned().collect());
                finished.push(Finished {
                    job,
                    folder,
                    ends,
                    refused: None,
                });
            }
        }
        Ok(Some(finished))
    }

    /// Asks all machines under way to stop, and starts no further run.
    pub fn stop(&mut self) {
        self.waiting.clear();
        for (_, fleet) in self.places.iter_mut().flatten() {
            fleet.stop(Reason::Interrupted);
        }
    }
}

/// Starts one run and describes it.
fn start(program: &Path, command: &[String], job: &RunJob) -> Result<Fleet, FleetError> {
    let fleet = Fleet::start(program, &job.settings)?;
    let file = RunFile::new(&job.settings, command.to_vec());
    let what = || format!("cannot write run.json in {}", fleet.folder().display());
    file.write(fleet.folder())
        .map_err(|error| FleetError::Io { what: what(), error })?;
    Ok(fleet)
}
