//! `clocklab gather`: the folders of several computers made into one.

use std::{env, path::PathBuf};

use clap::Args;

use super::{Exit, Usage, print};
use crate::{
    inspect::{self, Style},
    lab::{GatherError, Gathering},
    units::MachineId,
    wire::RunId,
};

/// What stands below the options in `--help`.
pub(super) const EXAMPLES: &str = "\
Each computer holds the logs of its own machines. Copy the folders to one computer, then:
  clocklab gather from-a/demo from-b/demo --into demo     the run folders themselves
  clocklab gather from-a from-b --run demo --into demo    the folders of runs they lie in
  clocklab check demo
  clocklab draw demo --align

Logs are copied as they are; nothing is replaced. How far the computers' wall clocks are apart is \
estimated from the messages and printed. Then every rule of `clocklab check` is judged.

Exit codes: 0 every rule held, 1 one was violated or a log is missing, 2 folders that do not belong together or a place that is taken, \
3 a log cannot be read or written.";

#[derive(Args, Debug)]
pub(super) struct GatherArguments {
    /// Run folders of the computers, or with --run the folders of runs that they lie in
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The run's name, where folders hold several
    #[arg(long, value_name = "NAME")]
    run: Option<RunId>,
}

/// Merges the folders, and says what is in the merged one: violated if a rule is, though all is copied.
pub(super) fn run(arguments: &GatherArguments) -> anyhow::Result<Exit> {
    let command: Vec<String> = env::args().collect();
    let gathering = Gathering::find(&arguments.folders, arguments.run.as_ref()).map_err(refused)?;
    gathering.write(&arguments.into, &command).map_err(refused)?;
    print(&told(&gathering, arguments))?;
    let (verdict, _) = inspect::check(&arguments.into)?;
    let place = arguments.into.display();
    let missing = gathering.missing().len();
    let mut text = if !verdict.is_valid() && verdict.broken() == verdict.incomplete() {
        format!(
            "incomplete, {missing} of {} logs missing: in the others no rule is broken, {} events, {} messages matched\n",
            gathering.machines(),
            verdict.events,
            verdict.matched
        )
    } else if verdict.is_valid() {
        format!(
            "valid{}: {} events, {} messages matched, every rule held\n",
            verdict.reservation(),
            verdict.events,
            verdict.matched
        )
    } else {
        format!(
            "VIOLATED: {}; clocklab check {place} lists them\n",
            verdict.violations_counted()
        )
    };
    let mut align = "";
    match &verdict.skew {
        Some(skew) => {
            text += &format!("\n{}", skew.table(Style::Text));
            align = if skew.is_told() { " --align" } else { "" };
        }
        None => text += "No message was matched, so how far wall clocks are apart is not known.\n",
    }
    text += &format!(
        "\nlook at it: clocklab check {place}, clocklab report {place}, clocklab draw {place}{align}\n"
    );
    print(&text)?;
    Ok(if verdict.is_valid() {
        Exit::Valid
    } else {
        Exit::Violated
    })
}

/// What came from where, and what is missing.
fn told(gathering: &Gathering, arguments: &GatherArguments) -> String {
    let mut text = format!(
        "run {} of {} machines, gathered into {}:\n",
        gathering.run(),
        gathering.machines(),
        arguments.into.display()
    );
    for (folder, machines) in gathering.sources() {
        text += &match machines.as_slice() {
            [] => format!("  nothing new from {}\n", folder.display()),
            machines => format!("  {} from {}\n", named(machines), folder.display()),
        };
    }
    let missing = gathering.missing();
    if !missing.is_empty() {
        text += &format!(
            "  MISSING: {}: no folder has a log; gather again when it is there, into a new folder\n",
            named(&missing)
        );
    }
    for note in gathering.notes() {
        text += &format!("  note: {note}\n");
    }
    text
}

/// Machines in words, consecutive ones as a range: `machines 0-9, 12`.
fn named(machines: &[MachineId]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for MachineId(id) in machines {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => ranges.push((*id, *id)),
        }
    }
    let one = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let plural = if machines.len() == 1 { "" } else { "s" };
    format!(
        "machine{plural} {}",
        ranges.iter().map(one).collect::<Vec<_>>().join(", ")
    )
}

/// What was named wrongly is an error of usage; what the system refuses is not.
fn refused(error: GatherError) -> anyhow::Error {
    match error {
        GatherError::Write { .. } | GatherError::Read { .. } => error.into(),
        other => Usage(other.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_machines_are_a_range() {
        let named = |ids: &[u16]| named(&ids.iter().copied().map(MachineId).collect::<Vec<_>>());
        assert_eq!(named(&[3]), "machine 3");
        assert_eq!(named(&[0, 1, 2, 7, 9, 10]), "machines 0-2, 7, 9-10");
    }
}
