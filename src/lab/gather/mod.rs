//! The folders of one run, from several computers, made into one run folder.
//!
//! Each computer holds the logs of its own machines. [`Gathering::find`] looks at all of them and refuses what does not
//! belong together, before anything is written; [`Gathering::write`] copies the logs and describes in `run.json`
//! where each came from. The folder is made beside its place and then moved: it is there whole or not at all, and never
//! in place of another.

mod find;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process,
};

use serde_json::{Map, Value, json};
use thiserror::Error;

use self::find::{Finding, logs_in, run_folder};
use crate::{
    trace::{Header, ReadError},
    units::MachineId,
    wire::RunId,
};

/// Why folders cannot be gathered.
#[derive(Debug, Error)]
pub enum GatherError {
    /// A folder cannot be listed.
    #[error("{dir}: {error}; name the run folder of a computer, or its folder of runs with --run NAME")]
    Folder {
        /// The folder as it was named.
        dir: String,
        /// The system's words.
        error: io::Error,
    },
    /// A folder holds no log.
    #[error("{dir}: no log here; {mend}")]
    NoLogs {
        /// The folder as it was named.
        dir: String,
        /// What to do.
        mend: String,
    },
    /// A log cannot be read, or is none.
    #[error("{0}; remove the file from the folder if it does not belong there")]
    Log(#[from] ReadError),
    /// A log's run is not the one that was asked for.
    #[error(
        "{file}, line 2: run {run}, but --run {asked} was asked for; name another folder, or another --run"
    )]
    NotAsked {
        /// The log.
        file: String,
        /// Its run.
        run: RunId,
        /// What was asked for.
        asked: RunId,
    },
    /// Two logs are of different runs.
    #[error(
        "{file}, line 2: run {run} of {machines} machines, but {first} is of run {first_run} of {first_machines}; gather \
         the folders of one run"
    )]
    OtherRun {
        /// The log that differs.
        file: String,
        /// Its run.
        run: RunId,
        /// Its number of machines.
        machines: u16,
        /// The log it differs from.
        first: String,
        /// That one's run.
        first_run: RunId,
        /// That one's number of machines.
        first_machines: u16,
    },
    /// Two logs are of one machine and differ.
    #[error(
        "{first} and {second} are both logs of machine {machine}, and they differ{how}; leave one of them out"
    )]
    Twice {
        /// The machine.
        machine: MachineId,
        /// One log.
        first: String,
        /// The other.
        second: String,
        /// How they differ, if that is known.
        how: &'static str,
    },
    /// The place of the merged folder is taken.
    #[error("{dir} exists; name another folder: a run is never replaced")]
    Taken {
        /// The folder as it was named.
        dir: String,
    },
    /// The merged folder cannot be written.
    #[error("cannot write {path}: {error}")]
    Write {
        /// What cannot be written.
        path: String,
        /// The system's words.
        error: io::Error,
    },
    /// A log cannot be read on.
    #[error("{file}: {error}")]
    Read {
        /// The log.
        file: String,
        /// The system's words.
        error: io::Error,
    },
}

/// Logs of one run, found in the folders of several computers.
#[derive(Debug)]
pub struct Gathering {
    run: RunId,
    machines: u16,
    folders: Vec<Folder>,
    /// By machine: whose folder, and which file there.
    logs: BTreeMap<MachineId, Log>,
    notes: Vec<String>,
}

/// The run folder of one computer.
#[derive(Debug)]
struct Folder {
    dir: PathBuf,
    /// Its `run.json`, if it has one of this run.
    description: Option<Map<String, Value>>,
}

/// One machine's log.
#[derive(Debug)]
struct Log {
    file: PathBuf,
    folder: usize,
    /// `None` for a log that was cut off before its header was complete.
    header: Option<Header>,
}

impl Gathering {
    /// Finds the logs of one run in these folders. Each is a run folder, or a folder of runs if `asked` names the run.
    ///
    /// # Errors
    /// [`GatherError`] for what cannot be read or does not belong together; nothing was written.
    pub fn find(folders: &[PathBuf], asked: Option<&RunId>) -> Result<Self, GatherError> {
        let mut finding = Finding::default();
        for folder in folders {
            let dir = run_folder(folder, asked)?;
            let place = finding.folders.len();
            for (machine, file) in logs_in(&dir)? {
                finding.take(place, machine, file, asked)?;
            }
            finding.folders.push(Folder {
                dir,
                description: None,
            });
        }
        finding.finish()
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// How many machines it has.
    #[must_use]
    pub fn machines(&self) -> u16 {
        self.machines
    }

    /// Each folder, and the machines whose logs are taken from it.
    pub fn sources(&self) -> impl Iterator<Item = (&Path, Vec<MachineId>)> {
        self.folders.iter().enumerate().map(|(place, folder)| {
            let logs = self.logs.iter().filter(move |(_, log)| log.folder == place);
            (folder.dir.as_path(), logs.map(|(machine, _)| *machine).collect())
        })
    }

    /// Machines whose log is in none of the folders.
    #[must_use]
    pub fn missing(&self) -> Vec<MachineId> {
        let all = MachineId::all(self.machines);
        all.filter(|machine| !self.logs.contains_key(machine)).collect()
    }

    /// What is worth knowing: logs that are there twice, descriptions that could not be used.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Makes the merged folder: all logs, and a `run.json` that says where each came from, made by `command`.
    ///
    /// # Errors
    /// [`GatherError::Taken`] if `into` is there and is no empty folder; [`GatherError::Write`] or
    /// [`GatherError::Read`] for what the system says. Then nothing was left behind.
    pub fn write(&self, into: &Path, command: &[String]) -> Result<(), GatherError> {
        free(into)?;
        let written = |path: &Path| {
            let path = path.display().to_string();
            |error| GatherError::Write { path, error }
        };
        let parent = match into.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(written(parent))?;
        let name = into.file_name().unwrap_or_default().to_string_lossy();
        let fresh = parent.join(format!(".{name}.{}", process::id()));
        fs::create_dir(&fresh).map_err(written(&fresh))?;
        let filled = self.fill(&fresh, command).and_then(|()| {
            fs::rename(&fresh, into).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => taken(into),
                _ => written(into)(error),
            })
        });
        if filled.is_err() {
            // Half a run helps nobody; if it cannot even be removed, the first error is the one to tell.
            let _ = fs::remove_dir_all(&fresh);
        }
        filled
    }

    fn fill(&self, dir: &Path, command: &[String]) -> Result<(), GatherError> {
        for (machine, log) in &self.logs {
            let copy = dir.join(format!("machine-{machine}.log"));
            let mut source = File::open(&log.file).map_err(|error| unread(&log.file, error))?;
            File::create_new(&copy)
                .and_then(|mut copy| io::copy(&mut source, &mut copy))
                .map_err(|error| GatherError::Write {
                    path: format!("{}, a copy of {}", copy.display(), log.file.display()),
                    error,
                })?;
        }
        let file = dir.join("run.json");
        let text = format!("{:#}\n", self.description(command));
        fs::write(&file, text).map_err(|error| GatherError::Write {
            path: file.display().to_string(),
            error,
        })
    }

    /// The merged `run.json`: what all descriptions agree on, what the logs say, and each description by itself.
    fn description(&self, command: &[String]) -> Value {
        let described = || {
            self.folders
                .iter()
                .filter_map(|folder| folder.description.as_ref())
        };
        let mut merged = described().next().cloned().unwrap_or_default();
        merged.retain(|name, value| described().all(|other| other.get(name) == Some(value)));
        let rates = self.logs.iter().filter_map(|(machine, log)| {
            let rate = log.header.as_ref()?.rate?;
            Some((machine.to_string(), Value::from(rate)))
        });
        let mut told: Map<String, Value> = described()
            .filter_map(|other| other.get("rates")?.as_object().cloned())
            .flatten()
            .collect();
        told.extend(rates);
        let ids = |machines: &[MachineId]| -> Vec<u16> { machines.iter().map(|machine| machine.0).collect() };
        let gathered: Vec<Value> = self
            .sources()
            .zip(&self.folders)
            .map(|((dir, machines), folder)| {
                json!({
                    "folder": dir.display().to_string(),
                    "machines": ids(&machines),
                    "run_json": folder.description,
                })
            })
            .collect();
        merged.insert("written_by".to_owned(), "gather".into());
        merged.insert("clocklab".to_owned(), env!("CARGO_PKG_VERSION").into());
        merged.insert("command".to_owned(), command.into());
        merged.insert("run".to_owned(), self.run.to_string().into());
        merged.insert("machines".to_owned(), self.machines.into());
        merged.insert("rates".to_owned(), told.into());
        merged.insert("gathered".to_owned(), gathered.into());
        if !self.missing().is_empty() {
            merged.insert("missing".to_owned(), ids(&self.missing()).into());
        }
        Value::Object(merged)
    }
}

/// Refuses a place that is taken: only an empty folder may be there.
///
/// # Errors
/// [`GatherError::Taken`].
fn free(into: &Path) -> Result<(), GatherError> {
    let is_there = fs::symlink_metadata(into).is_ok();
    let is_empty =
        || !into.is_symlink() && fs::read_dir(into).is_ok_and(|mut inside| inside.next().is_none());
    if is_there && !is_empty() {
        return Err(taken(into));
    }
    Ok(())
}

fn taken(into: &Path) -> GatherError {
    GatherError::Taken {
        dir: into.display().to_string(),
    }
}

fn unread(file: &Path, error: io::Error) -> GatherError {
    GatherError::Read {
        file: file.display().to_string(),
        error,
    }
}
