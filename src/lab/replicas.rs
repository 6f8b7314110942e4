//! The replicas of a store on this computer, as child processes: started, ended, killed and started again.
//!
//! One that a fault killed is started again if its log says so: the fault stands there, with its end.
#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use signal_hook::consts::signal::SIGKILL;

use super::{
    fleet::FleetError,
    life::{Death, Life},
    process::{MachineEnd, Process, failure},
    run_folder::point_latest_to,
    serving::Serving,
};
use crate::{
    units::MachineId,
    wire::{Reason, RunId, Secret},
};

/// First port of replicas: replica i listens on it + i. Behind the machines', so that both can run.
pub const REPLICA_PORT_DEFAULT: u16 = 17200;

/// The name of the cluster that replicas are in unless told otherwise.
pub const STORE_CLUSTER_DEFAULT: &str = "store";

/// How long a replica may take to say its last words: waiting clients, and a slow disk.
const GRACE: Duration = Duration::from_secs(15);

/// What a run's folder says of it.
const RUN_FILE: &str = "run.json";

/// What only those are told that have a launcher.
const OF_A_LAUNCHER: [&str; 2] = ["--launched", "--quiet"];

/// How often those that are to end are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a replica may take to answer whether it is ready.
const ANSWER: Duration = Duration::from_millis(500);

/// What the replicas have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSettings {
    /// How many: 1 to 100.
    pub replicas: u16,
    /// Replica i listens on this port + i, on 127.0.0.1.
    pub base_port: u16,
    /// Replica i's data are in `replica-<i>` of this folder; `None` keeps them in memory alone.
    pub data: Option<PathBuf>,
    /// The event logs are in a folder of the run's name in this folder; `None` writes none.
    pub logs: Option<PathBuf>,
    /// The name of the run, and of its folder.
    pub run: RunId,
    /// The file with the secret, if there is one.
    pub secret_file: Option<PathBuf>,
    /// Further words of each replica's command line.
    pub more: Vec<String>,
}

/// Replica processes that were started together. Dropping it ends those that still run.
#[derive(Debug)]
pub struct Replicas {
    program: PathBuf,
    settings: ReplicaSettings,
    processes: Vec<Process>,
    /// Those that a fault killed for a while, and when they are started again.
    rises: BTreeMap<MachineId, Instant>,
    /// Those that were started again since somebody asked.
    risen: Vec<MachineId>,
}

/// `run.json` of a store's run, as far as those who read it later need it.
#[derive(Debug, Serialize)]
struct StoreRunFile<'a> {
    clocklab: &'static str,
    command: &'a [String],
    run: &'a str,
    /// What the replicas hold in a handshake, and their data folders know.
    cluster: &'a str,
    system: &'static str,
    machines: u16,
    addresses: Vec<String>,
    clock: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<&'a Path>,
}

impl ReplicaSettings {
    /// All ids.
    pub fn ids(&self) -> impl Iterator<Item = MachineId> + use<> {
        MachineId::all(self.replicas)
    }

    /// Where a replica listens.
    #[must_use]
    pub fn address(&self, id: MachineId) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.base_port.saturating_add(id.0)))
    }

    /// The members, as `--view` has them.
    #[must_use]
    pub fn view(&self) -> String {
        let entries = self.ids().map(|id| format!("{}={}", id.0, self.address(id)));
        entries.collect::<Vec<_>>().join(",")
    }

    /// Where the logs of the run are, if there are any.
    #[must_use]
    pub fn run_folder(&self) -> Option<PathBuf> {
        Some(self.logs.as_ref()?.join(self.run.as_str()))
    }

    /// A replica's data, if they are kept.
    #[must_use]
    pub fn data_of(&self, id: MachineId) -> Option<PathBuf> {
        Some(self.data.as_ref()?.join(format!("replica-{}", id.0)))
    }

    /// What starts a replica whose members of the beginning are `view`.
    pub(super) fn command(&self, program: &Path, id: MachineId, view: &str) -> Command {
        let mut command = Command::new(program);
        let address = self.address(id).to_string();
        command
            .args(["kv", "replica", "--id", &id.0.to_string(), "--listen", &address])
            .args(["--view", view])
            .args(OF_A_LAUNCHER);
        match self.data_of(id) {
            Some(data) => command.arg("--data").arg(data),
            None => command.arg("--memory"),
        };
        if let Some(logs) = &self.logs {
            command.arg("--logs").arg(logs).args(["--run", self.run.as_str()]);
        }
        if let Some(file) = &self.secret_file {
            command.arg("--secret-file").arg(file);
        }
        command.args(&self.more);
        command
    }

    /// The command line that starts a replica in a terminal of its own, with the same data and in the same event log.
    #[must_use]
    pub fn by_hand(&self, id: MachineId) -> String {
        let command = self.command(Path::new("clocklab"), id, &self.view());
        let words = command
            .get_args()
            .map(OsStr::to_string_lossy)
            .filter(|word| !OF_A_LAUNCHER.contains(&word.as_ref()))
            .map(|word| quoted(&word));
        ["clocklab".to_owned()]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Makes sure of the ports, and makes and describes the run's folder, if there are logs.
    ///
    /// # Errors
    /// [`FleetError`]; nothing was started.
    pub(super) fn prepare(&self, command: &[String]) -> Result<(), FleetError> {
        let taken: Vec<_> = self
            .ids()
            .map(|id| (id, self.address(id)))
            .filter_map(|(id, address)| TcpListener::bind(address).err().map(|error| (id, address, error)))
            .collect();
        if !taken.is_empty() {
            return Err(FleetError::Ports { ports: taken });
        }
        if let (Some(logs), Some(folder)) = (&self.logs, self.run_folder()) {
            let made = fs::create_dir_all(logs)
                .and_then(|()| fs::create_dir(&folder))
                .and_then(|()| self.describe(&folder, command));
            made.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => FleetError::FolderExists {
                    folder: folder.clone(),
                },
                _ => FleetError::Io {
                    what: format!("cannot make the run's folder {}", folder.display()),
                    error,
                },
            })?;
        }
        Ok(())
    }

    /// Makes `latest` point to the run. That it does not is told, and no failure.
    pub fn point_latest(&self) {
        if let Some(logs) = &self.logs
            && let Err(error) = point_latest_to(logs, &self.run)
        {
            tracing::warn!("`latest` does not point to this run: {error}");
        }
    }

    /// Takes the run's folder away where nobody has begun a log in it, so that nobody is led to a run that never was.
    pub fn forget_empty_run(&self) {
        let Some(folder) = self.run_folder() else {
            return;
        };
        let is_description = |name: &OsStr| name == RUN_FILE;
        let names = fs::read_dir(&folder).into_iter().flatten().flatten();
        if names
            .map(|entry| entry.file_name())
            .all(|name| is_description(&name))
        {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(folder.join(RUN_FILE));
            let _ = fs::remove_dir(&folder);
        }
    }

    fn describe(&self, folder: &Path, command: &[String]) -> io::Result<()> {
        let file = StoreRunFile {
            clocklab: env!("CARGO_PKG_VERSION"),
            command,
            run: self.run.as_str(),
            cluster: STORE_CLUSTER_DEFAULT,
            system: "store",
            machines: self.replicas,
            addresses: self.ids().map(|id| self.address(id).to_string()).collect(),
            clock: "lamport",
            secret_file: self.secret_file.as_deref(),
        };
        let mut text = serde_json::to_string_pretty(&file)?;
        text.push('\n');
        fs::write(folder.join(RUN_FILE), text)
    }
}

impl Replicas {
    /// Starts every replica of `settings` as a process of `program`; makes and describes the run's folder, if there are
    /// logs. `command` is the command line that goes into its `run.json`.
    ///
    /// # Errors
    /// [`FleetError`]; ports that are taken and a folder that exists are found before anything is started.
    pub fn start(program: &Path, settings: &ReplicaSettings, command: &[String]) -> Result<Self, FleetError> {
        settings.prepare(command)?;
        let mut replicas = Self {
            program: program.to_owned(),
            settings: settings.clone(),
            processes: Vec::new(),
            rises: BTreeMap::new(),
            risen: Vec::new(),
        };
        let view = settings.view();
        for id in settings.ids() {
            let process = Process::start(id, &mut settings.command(program, id, &view));
            let what = format!("cannot start replica {id} ({})", program.display());
            replicas
                .processes
                .push(process.map_err(|error| FleetError::Io { what, error })?);
        }
        Ok(replicas)
    }

    /// What they have in common.
    #[must_use]
    pub fn settings(&self) -> &ReplicaSettings {
        &self.settings
    }

    /// The process id of a replica that runs.
    #[must_use]
    pub fn process_id(&self, id: MachineId) -> Option<u32> {
        let process = self.processes.get(id.index())?;
        process.ended().is_none().then(|| process.process_id())
    }

    /// Takes note of replicas that have ended, and names those that ended since the last call; starts those again that
    /// faults killed for a while.
    ///
    /// # Errors
    /// What the system says of a child process.
    pub fn poll(&mut self) -> io::Result<Vec<MachineEnd>> {
        let now = Instant::now();
        let due = self.rises.iter().filter(|(_, at)| **at <= now);
        let due: Vec<MachineId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.start_again(id)?;
            self.risen.push(id);
        }
        self.look()
    }

    /// What replicas that run have said on standard error since the last call, a line each: warnings. What one says that
    /// ends is with its [`MachineEnd`].
    #[must_use]
    pub fn heard(&self) -> Vec<(MachineId, String)> {
        let running = self.processes.iter().filter(|process| process.ended().is_none());
        let lines = running.flat_map(|process| process.heard().into_iter().map(|line| (process.id, line)));
        lines.collect()
    }

    /// Those that [`poll`](Self::poll) has started again since the last call.
    pub fn risen(&mut self) -> Vec<MachineId> {
        std::mem::take(&mut self.risen)
    }

    /// Takes note of replicas that have ended.
    fn look(&mut self) -> io::Result<Vec<MachineEnd>> {
        let folder = self.settings.run_folder();
        let mut fresh = Vec::new();
        for process in self
            .processes
            .iter_mut()
            .filter(|process| process.ended().is_none())
        {
            let Some(status) = process.look()? else { continue };
            // What killed it stands in its log, if it writes one.
            let death = match &folder {
                Some(folder) if status.signal() == Some(SIGKILL) => Life::death(folder, process.id),
                _ => Death::Unforeseen,
            };
            process.note_end(match death {
                Death::Unforeseen => failure(status),
                Death::Final | Death::Until(_) => None,
            });
            if let Death::Until(after) = death {
                self.rises.insert(process.id, Instant::now() + after);
            }
            fresh.extend(process.ended().cloned());
        }
        Ok(fresh)
    }

    /// Whether any replica still runs, as far as the last [`poll`](Self::poll) saw, or is to be started again.
    #[must_use]
    pub fn any_runs(&self) -> bool {
        !self.rises.is_empty() || self.processes.iter().any(|process| process.ended().is_none())
    }

    /// How a replica says that it stands.
    #[must_use]
    pub fn serving(&self, id: MachineId, secret: Option<&Secret>) -> Serving {
        Serving::of(self.settings.address(id), secret)
    }

    /// Kills a replica at once, as `kill -9` does, and waits for its end.
    ///
    /// # Errors
    /// What the system says of the child process.
    pub fn kill(&mut self, id: MachineId) -> io::Result<()> {
        let Some(process) = self.processes.get_mut(id.index()) else {
            return Ok(());
        };
        process.kill()?;
        process.note_end(None);
        Ok(())
    }

    /// Starts a replica that has ended again, as it was started before.
    ///
    /// # Errors
    /// What the system says.
    pub fn start_again(&mut self, id: MachineId) -> io::Result<()> {
        self.rises.remove(&id);
        if let Some(process) = self.processes.get_mut(id.index())
            && process.ended().is_some()
        {
            let view = self.settings.view();
            *process = Process::start(id, &mut self.settings.command(&self.program, id, &view))?;
        }
        Ok(())
    }

    /// Asks every replica that still runs to stop in order, and waits for it; those that do not are killed.
    ///
    /// # Errors
    /// What the system says of a child process.
    pub fn stop(&mut self, reason: Reason) -> io::Result<Vec<MachineEnd>> {
        let mut ends = Vec::new();
        for process in self
            .processes
            .iter_mut()
            .filter(|process| process.ended().is_none())
        {
            process.wake();
            process.ask_to_stop(reason);
        }
        let until = Instant::now() + GRACE;
        loop {
            ends.extend(self.look()?);
            // Who is dead by then stays so.
            self.rises.clear();
            if !self.any_runs() || Instant::now() >= until {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        for process in self
            .processes
            .iter_mut()
            .filter(|process| process.ended().is_none())
        {
            process.kill()?;
            process.note_end(Some("did not stop in time and was killed".to_owned()));
            ends.extend(process.ended().cloned());
        }
        Ok(ends)
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        // There is nobody left to tell of a failure.
        let _ = self.stop(Reason::LauncherGone);
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "-_./:=,@+".contains(one);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether the replica there answers that it is ready to serve.
pub(super) fn is_ready(address: SocketAddr) -> bool {
    ask(address, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// The answer to a GET, as far as its head goes.
fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = [0; 512];
    let bytes = stream.read(&mut answer)?;
    let head = answer.get(..bytes).unwrap_or_default();
    Ok(String::from_utf8_lossy(head).into_owned())
}
