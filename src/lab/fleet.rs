//! The machines of one run as child processes.
//!
//! A machine that a fault killed is started again if its log says so: the fault stands there, with its end.
#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use signal_hook::consts::signal::SIGKILL;
use thiserror::Error;

use super::{
    life::{Death, Life},
    process::{MachineEnd, Process, failure},
    settings::Settings,
};
use crate::{mesh::listen_mend, units::MachineId, wire::Reason};

/// How long a machine may take beyond its duration: the drain, and a slow disk.
const GRACE: Duration = Duration::from_secs(15);

/// Machine processes that were started together. Dropping it ends those that still run.
#[derive(Debug)]
pub struct Fleet {
    folder: PathBuf,
    program: PathBuf,
    settings: Settings,
    members: Vec<Member>,
    started: Instant,
    /// It was asked to stop: nobody is started again.
    is_stopping: bool,
    /// When a machine that still runs is beyond hope.
    patience: Option<Duration>,
}

#[derive(Debug)]
struct Member {
    process: Process,
    /// It is dead, and to be started again.
    rises: Option<Rise>,
    /// A fault lets it stand still: it is given until then beyond its time.
    excused: Option<Instant>,
}

/// When a dead machine is started again. Looked up in its log once.
#[derive(Clone, Copy, Debug)]
struct Rise {
    at: Instant,
    /// When the time of its run has passed: who is dead then has nothing to come back to.
    run_ends: Option<Instant>,
}

/// The words of a machine's further life.
const AGAIN: &[&str] = &["--rejoin"];

/// Whether any machine still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// At least one.
    Running,
    /// None.
    AllEnded,
}

/// Why a fleet could not be started. Nothing of it is left running.
#[derive(Debug, Error)]
pub enum FleetError {
    /// Ports are taken.
    #[error("{}; nothing was started", deaf(ports))]
    Ports {
        /// Which.
        ports: Vec<(MachineId, SocketAddr, io::Error)>,
    },
    /// The run's folder is there already.
    #[error("the folder {} exists: a run is never overwritten; give another --run, or move it away", folder.display())]
    FolderExists {
        /// The folder.
        folder: PathBuf,
    },
    /// Something of the system is missing.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        error: io::Error,
    },
}

/// The machines that cannot listen, those together that cannot for the same reason.
fn deaf(ports: &[(MachineId, SocketAddr, io::Error)]) -> String {
    let mut reasons: Vec<(String, &io::Error)> = Vec::new();
    for (machine, address, error) in ports {
        let name = format!("machine {machine} on {address}");
        match reasons.iter_mut().find(|(_, other)| other.kind() == error.kind()) {
            Some((names, _)) => *names += &format!(", {name}"),
            None => reasons.push((name, error)),
        }
    }
    let reasons = reasons
        .iter()
        .map(|(names, error)| format!("cannot listen: {names} ({error}): {}", listen_mend(error)));
    reasons.collect::<Vec<_>>().join("; ")
}

impl Fleet {
    /// Starts every machine of `settings` as a process of `program`, and makes the run's folder.
    ///
    /// # Errors
    /// [`FleetError`]; ports that are taken and a folder that exists are found before anything is started.
    pub fn start(program: &Path, settings: &Settings) -> Result<Self, FleetError> {
        let ids: Vec<MachineId> = MachineId::all(settings.machines()).collect();
        free_ports(ids.iter().map(|id| (*id, settings.mesh(*id).listen)))?;
        let folder = settings.logs.join(settings.run.as_str());
        let made = fs::create_dir_all(&settings.logs).and_then(|()| fs::create_dir(&folder));
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if folder.is_dir() => FleetError::FolderExists {
                folder: folder.clone(),
            },
            _ => FleetError::Io {
                what: format!("cannot make the folder {}", folder.display()),
                error,
            },
        })?;
        let patience = settings.duration.map(|duration| {
            duration
                .saturating_add(settings.connect_timeout)
                .saturating_add(GRACE)
        });
        let mut fleet = Self {
            folder,
            program: program.to_owned(),
            settings: settings.clone(),
            members: Vec::new(),
            started: Instant::now(),
            is_stopping: false,
            patience,
        };
        for id in ids {
            let member = Self::launch(program, settings, id, &[]);
            let what = format!("cannot start machine {id} ({})", program.display());
            fleet
                .members
                .push(member.map_err(|error| FleetError::Io { what, error })?);
        }
        Ok(fleet)
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How long ago the first machine was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The machines' process ids, machine 0 first.
    pub fn process_ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.members.iter().map(|member| member.process.process_id())
    }

    /// Takes note of machines that have ended, starts those again that faults killed for a while, and kills those that
    /// should have ended long ago.
    ///
    /// # Errors
    /// What the system says of a child process.
    pub fn poll(&mut self) -> io::Result<MachineState> {
        let overdue = self
            .patience
            .is_some_and(|patience| self.started.elapsed() > patience);
        let mut state = MachineState::AllEnded;
        for member in &mut self.members {
            if member.process.ended().is_some() {
                continue;
            }
            if let Some(rises) = member.rises {
                let is_over = rises.run_ends.is_some_and(|end| Instant::now() >= end);
                if self.is_stopping || is_over {
                    // It stays as dead as it was meant to be.
                    member.process.note_end(None);
                    continue;
                }
                if Instant::now() >= rises.at {
                    *member = Self::launch(&self.program, &self.settings, member.process.id, AGAIN)?;
                }
                state = MachineState::Running;
                continue;
            }
            match member.process.look()? {
                Some(status) if status.signal() == Some(SIGKILL) => {
                    match Life::death(&self.folder, member.process.id) {
                        Death::Unforeseen => member.process.note_end(failure(status)),
                        Death::Final => member.process.note_end(None),
                        Death::Until(after) => {
                            member.rises = Some(Rise {
                                at: Instant::now() + after,
                                run_ends: run_end(&self.settings, &self.folder, member.process.id),
                            });
                            state = MachineState::Running;
                        }
                    }
                }
                Some(status) => member.process.note_end(failure(status)),
                None if overdue && !self.is_stopping && member.is_excused(&self.folder) => {
                    state = MachineState::Running;
                }
                None if overdue => {
                    member.process.kill()?;
                    member
                        .process
                        .note_end(Some("did not stop in time and was killed".to_owned()));
                }
                None => {
                    if self.is_stopping {
                        member.process.wake();
                    }
                    state = MachineState::Running;
                }
            }
        }
        Ok(state)
    }

    /// Asks every machine that still runs to stop in order; one that stands still is woken for it.
    pub fn stop(&mut self, reason: Reason) {
        self.is_stopping = true;
        for member in &mut self.members {
            member.process.ask_to_stop(reason);
        }
        let age = self.started.elapsed();
        let patience = age + GRACE;
        self.patience = Some(self.patience.map_or(patience, |current| current.min(patience)));
    }

    /// How each machine that has ended did so, smallest id first.
    pub fn ends(&self) -> impl Iterator<Item = &MachineEnd> + '_ {
        self.members.iter().filter_map(|member| member.process.ended())
    }

    fn launch(program: &Path, settings: &Settings, id: MachineId, more: &[&str]) -> io::Result<Member> {
        let mut command = Command::new(program);
        command
            .args(settings.arguments(id))
            .args(["--launched", "--quiet"])
            .args(more);
        Ok(Member {
            process: Process::start(id, &mut command)?,
            rises: None,
            excused: None,
        })
    }
}

impl Member {
    /// Whether a fault lets it stand still, or did a moment ago: then it says its last words when it wakes. Looks into
    /// its log once for each time.
    fn is_excused(&mut self, folder: &Path) -> bool {
        let now = Instant::now();
        if self.excused.is_some_and(|until| now < until) {
            return true;
        }
        let still = Life::stands_still(folder, self.process.id);
        self.excused = (still > Duration::ZERO).then(|| now + still + GRACE);
        self.excused.is_some()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop(Reason::LauncherGone);
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            match self.poll() {
                Ok(MachineState::Running) => thread::sleep(Duration::from_millis(10)),
                Ok(MachineState::AllEnded) | Err(_) => return,
            }
        }
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.process.ended().is_none())
        {
            // One that is stopped, or worse: it must not stay behind. There is nobody left to tell of a failure.
            let _ = member.process.kill();
        }
    }
}

/// When the time of a machine's run has passed, by its log; at once if that cannot be read.
fn run_end(settings: &Settings, folder: &Path, id: MachineId) -> Option<Instant> {
    let duration = settings.duration?;
    let age = Life::read(folder, id).map_or(duration, |life| life.run_age());
    Some(Instant::now() + duration.saturating_sub(age))
}

/// Tries every port before anything is started.
fn free_ports(addresses: impl Iterator<Item = (MachineId, SocketAddr)>) -> Result<(), FleetError> {
    let taken = addresses
        .filter_map(|(id, address)| TcpListener::bind(address).err().map(|error| (id, address, error)));
    let ports: Vec<_> = taken.collect();
    if ports.is_empty() {
        Ok(())
    } else {
        Err(FleetError::Ports { ports })
    }
}
