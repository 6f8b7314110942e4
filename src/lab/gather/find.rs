//! What belongs together, found in folders and compared before anything is written.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{Folder, GatherError, Gathering, Log, unread};
use crate::{
    trace::{Header, LogReader, ReadError},
    units::MachineId,
    wire::RunId,
};

/// Bytes of a `run.json` that are read.
const RUN_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of two logs that are compared at once.
const COMPARED_BYTES: u64 = 64 * 1024;

/// Runs that an error lists.
const RUNS_LISTED_MAX: usize = 5;

/// A gathering being made.
#[derive(Debug, Default)]
pub(super) struct Finding {
    pub(super) folders: Vec<Folder>,
    logs: BTreeMap<MachineId, Log>,
    notes: Vec<String>,
    /// The first log with a header.
    first: Option<(PathBuf, Header)>,
}

impl Finding {
    pub(super) fn take(
        &mut self,
        folder: usize,
        named: MachineId,
        file: PathBuf,
        asked: Option<&RunId>,
    ) -> Result<(), GatherError> {
        let name = file.display().to_string();
        let source = File::open(&file).map_err(|error| unread(&file, error))?;
        let header = match LogReader::new(name.as_str(), BufReader::new(source)) {
            Ok(reader) => Some(reader.header().clone()),
            Err(ReadError::Headless { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(header) = &header {
            self.same_run(&file, header, asked)?;
        }
        let machine = header.as_ref().map_or(named, |header| header.machine);
        let log = Log { file, folder, header };
        if log.header.is_none() {
            self.notes.push(format!(
                "{name} was cut off before its header was complete; it says nothing"
            ));
        }
        let Some(other) = self.logs.get_mut(&machine) else {
            self.logs.insert(machine, log);
            return Ok(());
        };
        match (&other.header, &log.header) {
            (Some(_), None) => Ok(()),
            (None, Some(_)) => {
                *other = log;
                Ok(())
            }
            (Some(_), Some(_)) | (None, None) => {
                let how = match compare(&other.file, &log.file)? {
                    Likeness::Same => {
                        let first = other.file.display();
                        self.notes.push(format!(
                            "{name} is the same, byte for byte, as {first}; it is taken once"
                        ));
                        return Ok(());
                    }
                    Likeness::FirstIsBeginning => ": the first is the beginning of the second",
                    Likeness::SecondIsBeginning => ": the second is the beginning of the first",
                    Likeness::Different => "",
                };
                Err(GatherError::Twice {
                    machine,
                    first: other.file.display().to_string(),
                    second: name,
                    how,
                })
            }
        }
    }

    fn same_run(&mut self, file: &Path, header: &Header, asked: Option<&RunId>) -> Result<(), GatherError> {
        // `latest` is the name of a link, not of a run.
        let asked = asked.filter(|asked| asked.as_str() != "latest" && **asked != header.run);
        if let Some(asked) = asked {
            return Err(GatherError::NotAsked {
                file: file.display().to_string(),
                run: header.run.clone(),
                asked: asked.clone(),
            });
        }
        let (first_file, first) = self
            .first
            .get_or_insert_with(|| (file.to_owned(), header.clone()));
        if first.run == header.run && first.machines == header.machines {
            return Ok(());
        }
        Err(GatherError::OtherRun {
            file: file.display().to_string(),
            run: header.run.clone(),
            machines: header.machines,
            first: first_file.display().to_string(),
            first_run: first.run.clone(),
            first_machines: first.machines,
        })
    }

    pub(super) fn finish(mut self) -> Result<Gathering, GatherError> {
        let Some((_, first)) = self.first else {
            let dirs = self.folders.iter().map(|folder| folder.dir.display().to_string());
            return Err(GatherError::NoLogs {
                dir: dirs.collect::<Vec<_>>().join(", "),
                mend: "those that are there were cut off before their headers were complete".to_owned(),
            });
        };
        self.logs.retain(|machine, _| machine.0 < first.machines);
        for folder in &mut self.folders {
            match description(&folder.dir, &first.run) {
                Ok(description) => folder.description = Some(description),
                Err(why) => self.notes.push(why),
            }
        }
        Ok(Gathering {
            run: first.run,
            machines: first.machines,
            folders: self.folders,
            logs: self.logs,
            notes: self.notes,
        })
    }
}

/// The run folder that a person named, or the one of that name in the folder of runs that was named.
pub(super) fn run_folder(folder: &Path, asked: Option<&RunId>) -> Result<PathBuf, GatherError> {
    if !logs_in(folder)?.is_empty() {
        return Ok(folder.to_owned());
    }
    let runs: Vec<String> = entries(folder)?
        .into_iter()
        .filter(|path| !path.is_symlink() && logs_in(path).is_ok_and(|logs| !logs.is_empty()))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    if let Some(asked) = asked {
        let inside = folder.join(asked.as_str());
        if inside.is_dir() && !logs_in(&inside)?.is_empty() {
            return Ok(inside);
        }
    }
    let mut listed: Vec<&str> = runs.iter().take(RUNS_LISTED_MAX).map(String::as_str).collect();
    if runs.len() > RUNS_LISTED_MAX {
        listed.push("…");
    }
    let listed = listed.join(", ");
    let mend = match (asked, runs.is_empty()) {
        (None, true) => "name a folder with machine-0.log and so on in it".to_owned(),
        (Some(asked), true) => format!("nor a run {asked}; name the folder that holds the run"),
        (None, false) => format!("but it holds runs: name one with --run, such as {listed}"),
        (Some(asked), false) => format!("nor a run {asked}; there are {listed}"),
    };
    Err(GatherError::NoLogs {
        dir: folder.display().to_string(),
        mend,
    })
}

/// What is in a folder, in order.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, GatherError> {
    let folder = |error| GatherError::Folder {
        dir: dir.display().to_string(),
        error,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(folder)? {
        entries.push(entry.map_err(folder)?.path());
    }
    entries.sort();
    Ok(entries)
}

/// The logs in a folder, with the machine that each one's name says.
pub(super) fn logs_in(dir: &Path) -> Result<Vec<(MachineId, PathBuf)>, GatherError> {
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let id = name.strip_prefix("machine-")?.strip_suffix(".log")?;
        let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
        Some((is_number.then(|| id.parse().ok())??, path))
    };
    Ok(entries(dir)?.into_iter().filter_map(named).collect())
}

/// The `run.json` of a folder, if it is of this run; else why not.
fn description(dir: &Path, run: &RunId) -> Result<Map<String, Value>, String> {
    let file = dir.join("run.json");
    let name = file.display();
    let mut text = String::new();
    let opened = File::open(&file);
    let read = opened.and_then(|file| file.take(RUN_FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!(
                "{} has no run.json, so how its machines were started is not known",
                dir.display()
            ));
        }
        Err(error) => return Err(format!("{name}: {error}; it is left out")),
        Ok(bytes) if bytes as u64 > RUN_FILE_BYTES_MAX => {
            return Err(format!(
                "{name} has more than {RUN_FILE_BYTES_MAX} bytes; it is left out"
            ));
        }
        Ok(_) => {}
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(fields)) => match fields.get("run").and_then(Value::as_str) {
            Some(other) if other != run.as_str() => Err(format!(
                "{name} is of run {other}, not of {run} as the logs are; it is left out"
            )),
            Some(_) | None => Ok(fields),
        },
        Ok(_) => Err(format!("{name} holds no object; it is left out")),
        Err(error) => Err(format!("{name} is no JSON: {error}; it is left out")),
    }
}

/// How two logs are alike.
enum Likeness {
    Same,
    FirstIsBeginning,
    SecondIsBeginning,
    Different,
}

fn compare(first: &Path, second: &Path) -> Result<Likeness, GatherError> {
    let open = |file: &Path| File::open(file).map_err(|error| unread(file, error));
    let (mut one, mut two) = (open(first)?, open(second)?);
    let (mut bytes_one, mut bytes_two) = (Vec::new(), Vec::new());
    loop {
        for (file, path, bytes) in [
            (&mut one, first, &mut bytes_one),
            (&mut two, second, &mut bytes_two),
        ] {
            bytes.clear();
            let mut part = file.by_ref().take(COMPARED_BYTES);
            part.read_to_end(bytes).map_err(|error| unread(path, error))?;
        }
        if bytes_one == bytes_two && bytes_one.is_empty() {
            return Ok(Likeness::Same);
        }
        if bytes_one != bytes_two {
            return Ok(if bytes_two.starts_with(&bytes_one) {
                Likeness::FirstIsBeginning
            } else if bytes_one.starts_with(&bytes_two) {
                Likeness::SecondIsBeginning
            } else {
                Likeness::Different
            });
        }
    }
}
