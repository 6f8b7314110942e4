//! A run's `run.json`, as far as it says where the run's machines are: for those who call them, and for a machine that is
//! started again.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use thiserror::Error;

use super::secret_file::SecretFileError;
use crate::wire::RunId;

/// What `run.json` says of a run of machines that listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The name that its machines hold in a handshake: the run's id, of a store the cluster's name.
    pub run: RunId,
    /// The name of the run, and of its folder.
    pub name: RunId,
    /// Whether its machines are replicas of a store, which `clocklab kv run` started.
    pub is_store: bool,
    /// Where each machine can be dialled, machine 0 first; at least one.
    pub addresses: Vec<SocketAddr>,
    /// How long the run is; `None` if it ends when somebody ends it.
    pub duration: Option<Duration>,
    /// The file with the run's secret, if it has one.
    pub secret_file: Option<PathBuf>,
}

/// Why a run has nobody to ask.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no `run.json`, or it cannot be read.
    #[error(
        "{}: {error}; name the folder of a run, such as logs/latest, or make one with `clocklab run` or `clocklab kv run`",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// It is not as a run writes it.
    #[error("{} does not describe a run: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The run has no machines that listen.
    #[error("{} describes a simulated run: nobody is there to ask", path.display())]
    Simulated {
        /// The file.
        path: PathBuf,
    },
    /// The run's own secret file cannot be used.
    #[error("{0}; or name the secret with --secret-file")]
    Secret(#[from] SecretFileError),
}

/// The file's own form.
#[derive(Debug, Deserialize)]
struct Form {
    run: String,
    system: Option<String>,
    cluster: Option<String>,
    #[serde(default)]
    addresses: Vec<SocketAddr>,
    duration_seconds: Option<f64>,
    secret_file: Option<PathBuf>,
}

impl Described {
    /// Reads the `run.json` of a run's folder.
    ///
    /// # Errors
    /// [`RunError`] if the folder holds no run, or a simulated one.
    pub fn read(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join("run.json");
        let text = fs::read_to_string(&path).map_err(|error| RunError::Read {
            path: path.clone(),
            error,
        })?;
        let wrong = |what: String| RunError::Format {
            path: path.clone(),
            what,
        };
        let form: Form = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if form.addresses.is_empty() {
            return Err(RunError::Simulated { path });
        }
        let id = |text: &str| text.parse::<RunId>().map_err(|error| wrong(error.to_string()));
        let name = id(&form.run)?;
        let run = form.cluster.as_deref().map_or(Ok(name.clone()), id)?;
        let duration = form.duration_seconds.map(Duration::try_from_secs_f64).transpose();
        Ok(Self {
            run,
            name,
            is_store: form.system.as_deref() == Some("store"),
            addresses: form.addresses,
            duration: duration.map_err(|error| wrong(format!("duration_seconds: {error}")))?,
            secret_file: form.secret_file,
        })
    }
}
