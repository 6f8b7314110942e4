//! `clocklab check`: was everything right.

use super::{Exit, Usage, args::CheckArguments, print};
use crate::inspect::{self, InspectError};

/// Checks each folder, also behind one that cannot be read: violated if any is.
pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let mut exit = Exit::Valid;
    let mut unread = None;
    for folder in &arguments.folders {
        match inspect::judge(folder) {
            Ok(verdict) => {
                print(&format!("{verdict}\n"))?;
                if !verdict.is_valid() {
                    exit = Exit::Violated;
                }
            }
            Err(error) if arguments.folders.len() == 1 => return Err(unreadable(error)),
            Err(error) => {
                let error = unreadable(error);
                print(&format!("{}: not checked: {error:#}\n\n", folder.display()))?;
                unread.get_or_insert(error);
            }
        }
    }
    match unread {
        Some(error) => Err(error.context("not every folder could be checked; the first that could not")),
        None => Ok(exit),
    }
}

/// A folder that holds no run is a slip of the person who named it.
pub(super) fn unreadable(error: InspectError) -> anyhow::Error {
    match error {
        InspectError::Folder { .. } | InspectError::NoLogs { .. } => Usage(error.to_string()).into(),
        InspectError::Foreign(ref foreign) if foreign.is_usage() => Usage(error.to_string()).into(),
        other => other.into(),
    }
}
