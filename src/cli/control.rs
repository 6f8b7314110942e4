//! `clocklab control`: how the machines of a running run are; pause, step and resume.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::PossibleValuesParser};
use serde::Serialize;

use super::{Exit, Usage, print, secret::SecretOption};
use crate::{
    control::{self, Command, Status},
    lab::{ControlError, Controllers, Said},
    units::MachineId,
    wire::Secret,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab control status                        the newest run below logs
  clocklab control logs/demo status --json
  clocklab control pause                         every machine; messages still arrive
  clocklab control step                          one tick of each
  clocklab control step --machine 1 --ticks 5    five of machine 1
  clocklab control resume

The machines are found by the run's run.json, wherever they run; a run with a secret needs --secret-file, unless the
secret is where the run was started with it.

Exit codes: 0 every machine did it, 2 no such run or machine, 3 a machine did not accept or did not answer.";

#[derive(Args, Debug)]
pub(super) struct ControlArguments {
    /// Run folder [default: logs/latest]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// What to do
    #[arg(value_name = "ACTION", required = true, value_parser = PossibleValuesParser::new(["status", "pause", "step", "resume"]))]
    action: String,
    /// Only this machine
    #[arg(long, value_name = "I")]
    machine: Option<MachineId>,
    /// How many ticks a step is [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=control::STEPS_MAX))]
    ticks: Option<u64>,
    /// Print the answers as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    secret: SecretOption,
}

/// What one machine said.
#[derive(Debug, Serialize)]
struct Answer {
    machine: u16,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The machines of a run, or the slip of whoever named it.
pub(super) fn controllers(folder: Option<&PathBuf>, secret: Option<Secret>) -> anyhow::Result<Controllers> {
    let latest = PathBuf::from("logs/latest");
    let folder = folder.unwrap_or(&latest);
    Controllers::of_run(folder, secret).map_err(|error| Usage(error.to_string()).into())
}

/// Refuses a machine that is none of the run.
pub(super) fn check_machine(controllers: &Controllers, machine: Option<MachineId>) -> anyhow::Result<()> {
    let machines = controllers.machines();
    match machine.filter(|machine| machine.0 >= machines) {
        Some(machine) => Err(Usage(ControlError::NoMachine { machine, machines }.to_string()).into()),
        None => Ok(()),
    }
}

pub(super) fn run(arguments: &ControlArguments) -> anyhow::Result<Exit> {
    let command = match (arguments.action.as_str(), arguments.ticks) {
        ("step", ticks) => Command::Step {
            ticks: ticks.unwrap_or(1),
        },
        (_, Some(_)) => return Err(Usage("--ticks belongs to step".to_owned()).into()),
        ("status", None) => Command::Status,
        ("pause", None) => Command::Pause,
        (_, None) => Command::Resume,
    };
    let mut controllers = controllers(arguments.folder.as_ref(), arguments.secret.read()?)?;
    check_machine(&controllers, arguments.machine)?;
    let said = controllers.ask(arguments.machine, &command);
    if arguments.json {
        let answers: Vec<Answer> = said.iter().map(|said| answer(said, &command)).collect();
        print(&(serde_json::to_string_pretty(&answers)? + "\n"))?;
    } else if command == Command::Status {
        print(&table(controllers.run().as_str(), &said))?;
    } else {
        print(&lines(&said))?;
    }
    Ok(exit(&said))
}

/// Whether everyone who was asked did it.
pub(super) fn exit(said: &[Said]) -> Exit {
    if said.iter().all(|(_, answer)| answer.is_ok()) {
        Exit::Valid
    } else {
        Exit::Failed
    }
}

/// A line for each machine.
pub(super) fn lines(said: &[Said]) -> String {
    said.iter()
        .map(|(machine, answer)| match answer {
            Ok(text) => format!("machine {machine}: {text}\n"),
            Err(error) => format!("{error}\n"),
        })
        .collect()
}

fn answer((machine, answer): &Said, command: &Command) -> Answer {
    let status = match (answer, command) {
        (Ok(text), Command::Status) => serde_json::from_str(text).ok(),
        _ => None,
    };
    let text = match answer {
        Ok(text) => status.is_none().then(|| text.clone()),
        Err(error) => Some(error.to_string()),
    };
    Answer {
        machine: machine.0,
        accepted: answer.is_ok(),
        status,
        text,
    }
}

fn table(run: &str, said: &[Said]) -> String {
    let statuses: Vec<Status> = said
        .iter()
        .filter_map(|(_, answer)| serde_json::from_str(answer.as_ref().ok()?).ok())
        .collect();
    let mut text = String::new();
    if !statuses.is_empty() {
        text += &format!("run {run}\n");
        text += &format!(
            "{:>7} {:>8} {:>5} {:<7} {:>10} {:>10} {:>10}  faults\n",
            "machine", "process", "life", "state", "tick", "clock", "since"
        );
    }
    for status in &statuses {
        let state = if status.paused { "paused" } else { "runs" };
        let since = Duration::from_secs(status.elapsed_us / 1_000_000);
        let faults: Vec<String> = status
            .faults
            .iter()
            .map(|(id, fault)| format!("{id}: {fault}"))
            .collect();
        text += &format!(
            "{:>7} {:>8} {:>5} {state:<7} {:>10} {:>10} {:>10}  {}\n",
            status.machine,
            status.process,
            status.incarnation,
            status.tick,
            status.clock,
            humantime::format_duration(since).to_string(),
            if faults.is_empty() {
                "none".to_owned()
            } else {
                faults.join("; ")
            },
        );
    }
    let silent = said.iter().filter_map(|(_, answer)| answer.as_ref().err());
    text + &silent.map(|error| format!("{error}\n")).collect::<String>()
}
