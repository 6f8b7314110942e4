//! The run folder: what stands in it beside the logs, and the pointer to the newest.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::{settings::Settings, simulated::Simulated};
use crate::{
    faults::Plan,
    mesh::{EventLog, LogError, LogFile},
    trace::{Record, Traffic, WallTime},
    units::{MachineId, Speed},
    wire::RunId,
};

/// `run.json`: how a run was made, for whoever wants to make it again.
#[derive(Clone, Debug, Serialize)]
pub struct RunFile {
    /// The version of this program.
    clocklab: &'static str,
    /// The command line, word by word.
    command: Vec<String>,
    run: String,
    /// Who wrote this: the launcher, or the first of the machines that were started by hand. What the others
    /// were told, each of their logs says.
    written_by: String,
    machines: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    /// Of a simulated run: what stands in for the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<SimulatedNetwork>,
    /// Each machine's rate; of a machine by hand its own alone.
    rates: BTreeMap<u16, u32>,
    #[serde(skip_serializing_if = "is_normal")]
    speed: String,
    draw: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<String>,
    phase: String,
    clock: String,
    seed: u64,
    duration_seconds: Option<f64>,
    /// What was to be broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<PlannedFaults>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_peer_loss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_timeout_seconds: Option<f64>,
    /// Where the secret stands, for those who give commands on this computer; never the secret itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct SimulatedNetwork {
    latency: String,
}

/// Runs in real time need no word about it.
fn is_normal(speed: &str) -> bool {
    speed == Speed::NORMAL.to_string()
}

/// A plan as it stands in `run.json`.
#[derive(Clone, Debug, Serialize)]
struct PlannedFaults {
    /// Of what chance decides about messages.
    seed: u64,
    plan: Vec<PlannedFault>,
}

#[derive(Clone, Debug, Serialize)]
struct PlannedFault {
    id: u32,
    at: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    lasts: Option<String>,
    #[serde(rename = "do")]
    fault: String,
}

impl PlannedFaults {
    /// The plan of a run with this seed.
    fn new(plan: &Plan, seed: u64) -> Self {
        let shown = |time| humantime::format_duration(time).to_string();
        let faults = plan.faults.iter().map(|timed| PlannedFault {
            id: timed.id,
            at: shown(Duration::from_micros(timed.at.0)),
            lasts: timed.lasts.map(shown),
            fault: timed.fault.to_string(),
        });
        Self {
            seed: plan.seed.unwrap_or(seed),
            plan: faults.collect(),
        }
    }
}

/// Whom sends go to, if it is not as the assignment says.
fn shown_traffic(traffic: Traffic) -> Option<String> {
    (traffic != Traffic::Assignment).then(|| traffic.to_string())
}

impl RunFile {
    /// What the launcher knows: `settings`, and its command line.
    #[must_use]
    pub fn new(settings: &Settings, command: Vec<String>) -> Self {
        Self {
            written_by: "launcher".to_owned(),
            clocklab: env!("CARGO_PKG_VERSION"),
            command,
            run: settings.run.to_string(),
            machines: settings.machines(),
            addresses: settings.addresses.iter().map(ToString::to_string).collect(),
            simulated: None,
            rates: (0..).zip(settings.rates.iter().copied()).collect(),
            speed: settings.speed.to_string(),
            draw: settings.draw,
            traffic: shown_traffic(settings.traffic),
            phase: settings.phase.to_string(),
            clock: settings.clock.to_string(),
            seed: settings.seed,
            duration_seconds: settings.duration.map(|duration| duration.as_secs_f64()),
            faults: settings
                .faults
                .as_ref()
                .map(|(_, plan)| PlannedFaults::new(plan, settings.seed)),
            on_peer_loss: Some(settings.on_peer_loss.to_string()),
            connect_timeout_seconds: Some(settings.connect_timeout.as_secs_f64()),
            secret_file: settings
                .secret
                .as_ref()
                .map(|file| file.absolute().display().to_string()),
        }
    }

    /// What machine `me` knows that was started by hand: others may have drawn rates from seeds of their own.
    #[must_use]
    pub fn by_hand(me: MachineId, settings: &Settings, command: Vec<String>) -> Self {
        let mut file = Self::new(settings, command);
        file.written_by = format!("machine {me}");
        file.rates.retain(|machine, _| *machine == me.0);
        file
    }

    /// What a simulation knows: `run`, and its command line.
    #[must_use]
    pub fn simulated(run: &Simulated, command: Vec<String>) -> Self {
        Self {
            written_by: "simulation".to_owned(),
            clocklab: env!("CARGO_PKG_VERSION"),
            command,
            run: run.run.to_string(),
            machines: run.machines(),
            addresses: Vec::new(),
            simulated: Some(SimulatedNetwork {
                latency: run.latency.to_string(),
            }),
            rates: (0..).zip(run.rates.iter().copied()).collect(),
            speed: run.speed.to_string(),
            draw: run.draw,
            traffic: shown_traffic(run.traffic),
            phase: run.phase.to_string(),
            clock: run.clock.to_string(),
            seed: run.seed,
            duration_seconds: Some(Duration::from_micros(run.duration_us).as_secs_f64()),
            faults: run.faults.as_ref().map(|plan| PlannedFaults::new(plan, run.seed)),
            on_peer_loss: None,
            connect_timeout_seconds: None,
            secret_file: None,
        }
    }

    /// Writes `run.json` into `folder`, unless one is there: the first machine of a run, or its launcher,
    /// writes it.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(folder.join("run.json"));
        match file {
            Ok(mut file) => {
                let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
                file.write_all(text.as_bytes())?;
                file.write_all(b"\n")
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Makes `<logs>/latest` a link to the run's folder, replacing an older link in one step.
///
/// # Errors
/// What the system says; something called `latest` that is no link is left alone and reported.
pub fn point_latest_to(logs: &Path, run: &RunId) -> io::Result<()> {
    let latest = logs.join("latest");
    if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
        let text = format!("{} is no link; move it away", latest.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let fresh = logs.join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(run.as_str(), &fresh)?;
    fs::rename(&fresh, &latest).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}

/// What the name of a folder begins with that is only made to see whether one can be.
const PROBE: &str = ".try-";

/// Tries whether run folders can be made below `logs`, so that it is known before peers are looked for. What was left
/// by somebody who was killed while trying goes with it.
///
/// # Errors
/// [`LogError::Folder`] if not; the words name the mend.
pub fn try_logs(logs: &Path) -> Result<(), LogError> {
    let probe = logs.join(format!("{PROBE}{}", std::process::id()));
    let tried = fs::create_dir_all(logs)
        .and_then(|()| fs::create_dir(&probe))
        .and_then(|()| remove_probe(&probe));
    remove_old_probes(logs);
    tried.map_err(|error| {
        // What exists and is in the way is no folder.
        let in_the_way = error.kind() == io::ErrorKind::AlreadyExists;
        let error = if in_the_way {
            io::ErrorKind::NotADirectory.into()
        } else {
            error
        };
        LogError::Folder {
            folder: logs.to_owned(),
            error,
        }
    })
}

fn remove_probe(probe: &Path) -> io::Result<()> {
    match fs::remove_dir(probe) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes what others left: a folder that could be made has said all it can. What cannot be removed is none of ours, and
/// in nobody's way.
fn remove_old_probes(logs: &Path) {
    for entry in fs::read_dir(logs).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PROBE) {
            let _ = remove_probe(&entry.path());
        }
    }
}

/// A log file that also writes `run.json` and `latest` when the run's id is settled: for machines started by hand.
#[derive(Debug)]
pub struct RunLog {
    log: LogFile,
    logs: PathBuf,
    file: RunFile,
}

impl RunLog {
    /// A log below `logs`, described by `file`.
    #[must_use]
    pub fn new(log: LogFile, logs: &Path, file: RunFile) -> Self {
        Self {
            log,
            logs: logs.to_owned(),
            file,
        }
    }
}

impl EventLog for RunLog {
    fn open(&mut self, run: &RunId, started: WallTime) -> Result<(), LogError> {
        self.log.open(run, started)?;
        let folder = self.logs.join(run.as_str());
        self.file.run = run.to_string();
        self.file
            .write(&folder)
            .map_err(|error| LogError::Folder { folder, error })?;
        if let Err(error) = point_latest_to(&self.logs, run) {
            tracing::warn!("`latest` does not point to this run: {error}");
        }
        tracing::info!("log: {}", self.log.path().display());
        Ok(())
    }

    #[inline]
    fn record(&mut self, at: WallTime, record: &Record) {
        self.log.record(at, record);
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.log.commit()
    }

    fn settle(&mut self) -> Result<(), LogError> {
        self.log.settle()
    }

    fn close(&mut self) -> Result<(), LogError> {
        self.log.close()
    }
}
