//! `clocklab check`: was everything right.

use super::{Exit, Usage, args::FoldersArguments, print};
use crate::inspect::{self, InspectError};

/// Checks each folder; violated if any is.
pub(super) fn run(arguments: &FoldersArguments) -> anyhow::Result<Exit> {
    let mut exit = Exit::Valid;
    for folder in &arguments.folders {
        let (verdict, _) = inspect::check(folder).map_err(unreadable)?;
        if arguments.folders.len() > 1 {
            print(&format!("{}\n", folder.display()))?;
        }
        print(&format!("{verdict}\n"))?;
        if !verdict.is_valid() {
            exit = Exit::Violated;
        }
    }
    Ok(exit)
}

/// A folder that holds no run is a slip of the person who named it.
pub(super) fn unreadable(error: InspectError) -> anyhow::Error {
    match error {
        InspectError::Folder { .. } | InspectError::NoLogs { .. } => Usage(error.to_string()).into(),
        other => other.into(),
    }
}
