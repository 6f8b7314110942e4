//! `clocklab control`: how the machines of a running run are; pause, step and resume.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    time::Duration,
};

use clap::{
    Arg, Args,
    builder::{PossibleValue, TypedValueParser},
};
use serde::Serialize;

use super::{Exit, Usage, print, secret::SecretOption};
use crate::{
    control::{self, Command, Status},
    lab::{ControlError, Controllers, Fate, Said, ended},
    units::MachineId,
    wire::Secret,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab control status                        the newest run below logs
  clocklab control logs/demo status --json       a run by its folder, in front or behind
  clocklab control pause                         every machine; messages still arrive
  clocklab control step                          one tick of each
  clocklab control step --machine 1 --ticks 5    five of machine 1
  clocklab control resume

The machines are found by the run's run.json, wherever they run; a run with a secret needs --secret-file, unless the \
secret is where the run was started with it. A folder that has the name of an action is written ./status.

Exit codes: 0 every machine did it, 2 no such run or machine, 3 a machine did not accept or did not answer.";

#[derive(Args, Debug)]
pub(super) struct ControlArguments {
    /// What to do; and the run's folder, in front of it or behind it [default: logs/latest]
    #[arg(value_name = "ACTION", required = true, value_parser = ActionOrFolder)]
    words: Vec<OsString>,
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

/// The first line of help: clap cannot say that of several words one is a folder.
pub(super) const USAGE: &str = "clocklab control [OPTIONS] [DIR] <ACTION>";

/// What can be done.
const ACTIONS: [&str; 4] = ["status", "pause", "step", "resume"];

/// Help and completions list the actions; the folder of a run is taken, too, for who names it last.
#[derive(Clone, Debug)]
struct ActionOrFolder;

impl TypedValueParser for ActionOrFolder {
    type Value = OsString;

    fn parse_ref(
        &self,
        _command: &clap::Command,
        _argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(ACTIONS.into_iter().map(PossibleValue::new)))
    }
}

impl ControlArguments {
    /// The run's folder, if one is named, and the action: in this order or, where that is none, in the other.
    fn sorted(&self) -> Result<(Option<&Path>, &'static str), String> {
        let action = |word: &OsStr| ACTIONS.into_iter().find(|action| *action == word);
        let (word, folder) = match self.words.as_slice() {
            [word] => (word, None),
            [folder, word] if action(word).is_some() => (word, Some(folder)),
            [word, folder] if action(word).is_some() => (word, Some(folder)),
            [_, word, ..] => (word, None),
            [] => return Err(format!("give an action: {}", ACTIONS.join(", "))),
        };
        match action(word) {
            Some(action) if self.words.len() <= 2 => Ok((folder.map(Path::new), action)),
            Some(action) => Err(format!("give `{action}` and one folder at most")),
            None => Err(format!(
                "`{}` is no action: {}; such as `clocklab control logs/latest status`",
                word.display(),
                ACTIONS.join(", ")
            )),
        }
    }
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
pub(super) fn controllers(folder: Option<&Path>, secret: Option<Secret>) -> anyhow::Result<Controllers> {
    let folder = folder.unwrap_or(Path::new("logs/latest"));
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
    let (folder, action) = arguments.sorted().map_err(Usage)?;
    let command = match (action, arguments.ticks) {
        ("step", ticks) => Command::Step {
            ticks: ticks.unwrap_or(1),
        },
        (_, Some(_)) => return Err(Usage("--ticks belongs to step".to_owned()).into()),
        ("status", None) => Command::Status,
        ("pause", None) => Command::Pause,
        (_, None) => Command::Resume,
    };
    let mut controllers = controllers(folder, arguments.secret.read()?)?;
    check_machine(&controllers, arguments.machine)?;
    let said = controllers.ask(arguments.machine, &command);
    let folder = folder.unwrap_or(Path::new("logs/latest"));
    if let (Some(over), false) = (over(folder, &controllers, &said), arguments.json) {
        print(&over)?;
        return Ok(Exit::Failed);
    }
    if arguments.json {
        let answers: Vec<Answer> = said.iter().map(|said| answer(said, &command)).collect();
        print(&(serde_json::to_string_pretty(&answers)? + "\n"))?;
    } else if command == Command::Status {
        print(&table(controllers.name().as_str(), folder, &said))?;
    } else {
        print(&lines(folder, &said))?;
    }
    Ok(exit(&said))
}

/// One line instead of one a machine, if nobody can be reached because the run has ended.
pub(super) fn over(folder: &Path, controllers: &Controllers, said: &[Said]) -> Option<String> {
    let mut answers = said.iter().map(|(_, answer)| answer);
    if !answers.all(|answer| matches!(answer, Err(ControlError::Unreachable { .. }))) {
        return None;
    }
    let ended = ended(folder, controllers.machines())?;
    Some(format!(
        "run {} ended at {ended}: nobody is there to ask\n",
        controllers.name()
    ))
}

/// Whether everyone who was asked did it.
pub(super) fn exit(said: &[Said]) -> Exit {
    if said.iter().all(|(_, answer)| answer.is_ok()) {
        Exit::Valid
    } else {
        Exit::Failed
    }
}

/// A line for each machine of the run in `folder`.
pub(super) fn lines(folder: &Path, said: &[Said]) -> String {
    said.iter()
        .map(|(machine, answer)| match answer {
            Ok(text) => format!("machine {machine}: {text}\n"),
            Err(ControlError::Unreachable { .. }) if Fate::of(folder, *machine) == Fate::Killed => {
                format!("machine {machine}: a fault killed it, and it has not come back\n")
            }
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

fn table(run: &str, folder: &Path, said: &[Said]) -> String {
    let mut text = format!(
        "run {run}\n{:>7} {:>8} {:>5} {:<7} {:>10} {:>10} {:>10}  faults\n",
        "machine", "process", "life", "state", "tick", "clock", "since"
    );
    let mut silent = String::new();
    for (machine, answer) in said {
        let status: Status = match answer {
            Ok(answer) => match serde_json::from_str(answer) {
                Ok(status) => status,
                Err(error) => {
                    silent += &format!("machine {machine}: its answer is no status: {error}\n");
                    continue;
                }
            },
            Err(error) => {
                let state = match (error, Fate::of(folder, *machine)) {
                    (ControlError::Unreachable { .. }, Fate::Ended { .. }) => "ended",
                    (ControlError::Unreachable { .. }, Fate::Killed) => "killed",
                    (ControlError::Unreachable { .. }, Fate::Unsaid) => "gone",
                    _ => "silent",
                };
                text += &format!("{machine:>7} {:>8} {:>5} {state}\n", "-", "-");
                if !matches!(state, "ended" | "killed") {
                    silent += &format!("{error}\n");
                }
                continue;
            }
        };
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
    text + &silent
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{self, Arguments};

    #[test]
    fn the_folder_may_stand_in_front_of_the_action_or_behind_it() {
        for (words, expected) in [
            ("status", Ok((None, "status"))),
            ("/runs/demo status", Ok((Some("/runs/demo"), "status"))),
            ("status /runs/demo", Ok((Some("/runs/demo"), "status"))),
            ("./status pause", Ok((Some("./status"), "pause"))),
            ("pause ./status", Ok((Some("./status"), "pause"))),
            ("status pause", Ok((Some("status"), "pause"))),
            ("step --ticks 3 /runs/demo", Ok((Some("/runs/demo"), "step"))),
            ("/runs/demo --machine 1 step", Ok((Some("/runs/demo"), "step"))),
            ("status a b", Err("is no action")),
            ("a status b", Err("one folder at most")),
            ("/runs/demo", Err("`/runs/demo` is no action: status, pause")),
            ("/runs/demo halt", Err("`halt` is no action: status, pause")),
        ] {
            let line = ["clocklab", "control"].into_iter().chain(words.split(' '));
            let args::Command::Control(arguments) = Arguments::try_parse_from(line).unwrap().command else {
                panic!("{words} is for control");
            };
            let sorted = arguments.sorted();
            match (&sorted, expected) {
                (Ok((folder, action)), Ok(expected)) => {
                    assert_eq!((folder.and_then(Path::to_str), *action), expected, "{words}");
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{words}: {error}"),
                (sorted, _) => panic!("{words}: {sorted:?}"),
            }
        }
    }
}
