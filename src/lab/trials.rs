//! Many simulated runs side by side, one a processor core at a time, with their results in the order asked for.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{
    run_folder::RunFile,
    simulated::{Simulated, SimulatedEnd, SimulatedError},
};

/// Where the logs of trials go, if anywhere.
#[derive(Clone, Copy, Debug)]
pub struct TrialLogs<'a> {
    /// The folder of run folders.
    pub logs: &'a Path,
    /// The command line, for `run.json`.
    pub command: &'a [String],
}

/// Simulates every run, gives each to `reduce` with its folder if it has one, and returns what `reduce` made of
/// them, in the order of `runs`. `reduce` works on several threads at once.
///
/// # Errors
/// The error of one of the runs that failed; no further one is begun then.
pub fn simulate_all<T: Send, E: From<SimulatedError> + Send>(
    runs: Vec<Simulated>,
    logs: Option<TrialLogs<'_>>,
    reduce: impl Fn(SimulatedEnd, Option<PathBuf>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let one = |run: Simulated| match logs {
        None => reduce(run.count()?, None),
        Some(TrialLogs { logs, command }) => {
            let file = RunFile::simulated(&run, command.to_vec());
            let (folder, end) = run.write(logs, &file)?;
            reduce(end, Some(folder))
        }
    };
    runs.into_par_iter().map(one).collect()
}
