//! The machines of one run as child processes.
//!
//! Each child holds the read end of a pipe from us as its standard input: a line on it is a reason to stop,
//! its end means that the launcher is gone. So no machine outlives its launcher, however that ends, and each
//! still writes its last words.
//!
//! A machine that a fault killed is started again if its log says so: the fault stands there, with its end.
#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::signal::SIGKILL;
use thiserror::Error;

use super::{
    life::{Death, Life},
    settings::Settings,
};
use crate::{mesh::listen_mend, units::MachineId, wire::Reason};

/// Lines of diagnostics that are shown of a machine that failed.
const LAST_LINES: usize = 12;

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
    id: MachineId,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Reads what the machine says on standard error, and keeps the end of it.
    ear: Option<JoinHandle<VecDeque<String>>>,
    ended: Option<MachineEnd>,
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

/// How a machine process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineEnd {
    /// Which.
    pub id: MachineId,
    /// Its exit status, in words if it was not 0.
    pub failure: Option<String>,
    /// The last lines that it wrote on standard error.
    pub last_lines: Vec<String>,
}

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
        self.members.iter().map(|member| member.child.id())
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
            if member.ended.is_some() {
                continue;
            }
            if let Some(rises) = member.rises {
                let is_over = rises.run_ends.is_some_and(|end| Instant::now() >= end);
                if self.is_stopping || is_over {
                    // It stays as dead as it was meant to be.
                    member.note_end(None);
                    continue;
                }
                if Instant::now() >= rises.at {
                    *member = Self::launch(&self.program, &self.settings, member.id, AGAIN)?;
                }
                state = MachineState::Running;
                continue;
            }
            match member.child.try_wait()? {
                Some(status) if status.signal() == Some(SIGKILL) => {
                    match Life::death(&self.folder, member.id) {
                        Death::Unforeseen => member.note_end(failure(status)),
                        Death::Final => member.note_end(None),
                        Death::Until(after) => {
                            member.rises = Some(Rise {
                                at: Instant::now() + after,
                                run_ends: run_end(&self.settings, &self.folder, member.id),
                            });
                            state = MachineState::Running;
                        }
                    }
                }
                Some(status) => member.note_end(failure(status)),
                None if overdue && !self.is_stopping && member.is_excused(&self.folder) => {
                    state = MachineState::Running;
                }
                None if overdue => {
                    member.child.kill()?;
                    member.child.wait()?;
                    member.note_end(Some("did not stop in time and was killed".to_owned()));
                }
                None => {
                    if self.is_stopping {
                        member.wake();
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
            if let Some(stdin) = &mut member.stdin {
                // A machine that has ended hears nothing more, and need not.
                let _ = writeln!(stdin, "{reason}").and_then(|()| stdin.flush());
            }
        }
        let age = self.started.elapsed();
        let patience = age + GRACE;
        self.patience = Some(self.patience.map_or(patience, |current| current.min(patience)));
    }

    /// How each machine that has ended did so, smallest id first.
    pub fn ends(&self) -> impl Iterator<Item = &MachineEnd> + '_ {
        self.members.iter().filter_map(|member| member.ended.as_ref())
    }

    fn launch(program: &Path, settings: &Settings, id: MachineId, more: &[&str]) -> io::Result<Member> {
        let mut child = Command::new(program)
            .args(settings.arguments(id))
            .args(["--launched", "--quiet"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take();
        let mut member = Member {
            id,
            child,
            stdin,
            ear: None,
            ended: None,
            rises: None,
            excused: None,
        };
        if let Some(stderr) = stderr {
            let ear = thread::Builder::new().name(format!("ear-{id}"));
            match ear.spawn(move || last_lines(stderr)) {
                Ok(ear) => member.ear = Some(ear),
                Err(error) => {
                    // Nobody would look after it.
                    member.child.kill()?;
                    member.child.wait()?;
                    return Err(error);
                }
            }
        }
        Ok(member)
    }
}

/// The last lines of a stream that has come to its end. A machine cannot fill memory, nor block, by what it says.
fn last_lines(stderr: ChildStderr) -> VecDeque<String> {
    let mut last = VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line).into_owned());
    }
    last
}

impl Member {
    /// Whether a fault lets it stand still, or did a moment ago: then it says its last words when it wakes. Looks into
    /// its log once for each time.
    fn is_excused(&mut self, folder: &Path) -> bool {
        let now = Instant::now();
        if self.excused.is_some_and(|until| now < until) {
            return true;
        }
        let still = Life::stands_still(folder, self.id);
        self.excused = (still > Duration::ZERO).then(|| now + still + GRACE);
        self.excused.is_some()
    }

    /// Ends a fault that lets it stand still. Of no effect on one that does not.
    fn wake(&self) {
        // Nor on one that has just ended: it is not reaped yet, so that its id is nobody else's.
        let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
    }

    fn note_end(&mut self, failure: Option<String>) {
        // The stream ends with the process, so that this waits for nothing.
        let lines = self
            .ear
            .take()
            .and_then(|ear| ear.join().ok())
            .unwrap_or_default();
        self.ended = Some(MachineEnd {
            id: self.id,
            failure,
            last_lines: lines.into(),
        });
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
        for member in self.members.iter_mut().filter(|member| member.ended.is_none()) {
            // One that is stopped, or worse: it must not stay behind. There is nobody left to tell of a failure.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// When the time of a machine's run has passed, by its log; at once if that cannot be read.
fn run_end(settings: &Settings, folder: &Path, id: MachineId) -> Option<Instant> {
    let duration = settings.duration?;
    let age = Life::read(folder, id).map_or(duration, |life| life.run_age());
    Some(Instant::now() + duration.saturating_sub(age))
}

fn failure(status: ExitStatus) -> Option<String> {
    (!status.success()).then(|| status.to_string())
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
