//! What `order`, `past`, `future`, `cut` and `concurrency` share: the run, the names of events, and how an
//! answer is printed.

use std::{fmt::Display, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Exit, Usage, check::unreadable, print};
use crate::inspect::history::{EventId, EventName, History};

/// Which run, and how to print.
#[derive(Args, Debug)]
pub(super) struct RunArguments {
    /// Run folder
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    pub(super) folder: PathBuf,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl RunArguments {
    /// Reads the run.
    pub(super) fn history(&self) -> anyhow::Result<History> {
        History::read(&self.folder).map_err(unreadable)
    }

    /// Prints an answer.
    pub(super) fn print(&self, report: &(impl Display + Serialize)) -> anyhow::Result<Exit> {
        let text = if self.json {
            serde_json::to_string_pretty(report)? + "\n"
        } else {
            report.to_string()
        };
        print(&text).map(|()| Exit::Valid)
    }
}

/// The event of a name; one that is not there is a slip of the person who named it.
pub(super) fn find(history: &History, name: &EventName) -> anyhow::Result<EventId> {
    history
        .find(name)
        .map_err(|error| Usage(error.to_string()).into())
}
