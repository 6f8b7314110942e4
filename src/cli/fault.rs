//! `clocklab fault`: breaks a running run on purpose, and mends it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{
    Exit, Usage,
    control::{controllers, exit, lines, over},
    print,
    secret::SecretOption,
};
use crate::{
    control::{self, Command},
    faults::{Fault, MachineEffect},
    lab::{ControlError, Controllers},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab fault partition 0,1 / 2 --for 5s          what is sent across is lost, both ways
  clocklab fault partition 0 to 1 hold --for 5s      one way; what is sent waits until it is over
  clocklab fault delay all uniform:5ms-50ms          until it is mended
  clocklab fault delay 0 / 1 exponential:20ms reorder
  clocklab fault loss 0 to 1 30% --for 10s
  clocklab fault duplicate all 10%
  clocklab fault bandwidth 0 / 2 1000                bytes a second
  clocklab fault kill 1 --for 3s                     and started again after three seconds
  clocklab fault pause 1 --for 2s
  clocklab fault restart 1
  clocklab fault rate 1 3 --for 10s                  ticks a second
  clocklab fault jump 1 100                          its logical clock, ahead
  clocklab fault jump 1 -2s                          its physical clock, back
  clocklab fault mend 1042                           end one
  clocklab fault mend all

No word means anything to a shell; a fault may also be one argument in quotes. Each fault gets a number, by which it \
is mended and by which the logs name it. `restart`, and `kill` with --for, are for machines and replicas that \
`clocklab run` or `clocklab kv run` started: nobody would start one again that you started by hand.

Exit codes: 0 every machine that it concerns did it, 2 no such run, machine or fault, 3 a machine did not accept or did \
not answer.";

#[derive(Args, Debug)]
pub(super) struct FaultArguments {
    /// The fault, or `mend NUMBER`, or `mend all`
    #[arg(required = true, value_name = "FAULT")]
    words: Vec<String>,
    /// How long it lasts, such as 5s [default: until it is mended]
    #[arg(long = "for", value_name = "TIME", value_parser = crate::cli::time)]
    lasts: Option<Duration>,
    /// Run folder
    #[arg(long, value_name = "DIR", default_value = "logs/latest")]
    run: PathBuf,
    #[command(flatten)]
    secret: SecretOption,
}

/// What the words ask for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Mend(Option<u32>),
    Begin(Fault, Option<Duration>),
}

impl FaultArguments {
    fn wish(&self) -> Result<Wish, String> {
        // An argument in quotes holds several words.
        let mut words: Vec<&str> = self
            .words
            .iter()
            .flat_map(|argument| argument.split_whitespace())
            .collect();
        if let ["mend"] = words.as_slice() {
            return Err(
                "say what to mend: a fault by its number, or all: `clocklab fault mend all`".to_owned(),
            );
        }
        if let ["mend", ..] = words.as_slice() {
            return match (words.join(" ").parse()?, self.lasts) {
                (Command::Mend { id }, None) => Ok(Wish::Mend(id)),
                _ => Err("--for belongs to a fault, not to its end".to_owned()),
            };
        }
        let lasts = self.lasts.map(|lasts| format!("{}us", lasts.as_micros()));
        if let Some(lasts) = &lasts {
            if let [.., "for", _] = words.as_slice() {
                return Err("it is said twice how long the fault lasts".to_owned());
            }
            words.extend(["for", lasts]);
        }
        let (fault, lasts) = control::fault_for(&words)?;
        Ok(Wish::Begin(fault, lasts))
    }
}

pub(super) fn run(arguments: &FaultArguments) -> anyhow::Result<Exit> {
    let wish = arguments.wish().map_err(Usage)?;
    let mut controllers = controllers(Some(arguments.run.as_path()), arguments.secret.read()?)?;
    match wish {
        Wish::Begin(fault, lasts) => begin(&mut controllers, &arguments.run, &fault, lasts),
        Wish::Mend(id) => mend(&mut controllers, &arguments.run, id),
    }
}

/// The command line with a blank before each word that begins with a minus sign and a digit, so that it is a word of a
/// fault and no option.
pub(super) fn with_times_back(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut is_fault = false;
    let words = words.map(|word| {
        is_fault |= word == "fault";
        let is_time = word.to_str().is_some_and(|word| {
            let mut letters = word.chars();
            letters.next() == Some('-') && letters.next().is_some_and(|letter| letter.is_ascii_digit())
        });
        let mut text = OsString::from(if is_fault && is_time { " " } else { "" });
        text.push(word);
        text
    });
    words.collect()
}

fn begin(
    controllers: &mut Controllers,
    folder: &Path,
    fault: &Fault,
    lasts: Option<Duration>,
) -> anyhow::Result<Exit> {
    fault
        .validate(controllers.machines())
        .map_err(|error| Usage(error.to_string()))?;
    let injected = controllers.inject(fault, lasts);
    let id = injected.id;
    if let Some(over) = over(folder, controllers, &injected.said) {
        return print(&over).map(|()| Exit::Failed);
    }
    let began = injected.said.iter().any(|(_, answer)| answer.is_ok());
    let end = match began {
        true if controllers.is_store() && is_kill(fault) && lasts.is_none() => {
            "is done; the replica stays away: where `clocklab kv run` runs stands the line that starts it again; one that was \
             started by hand is started again by the same line"
                .to_owned()
        }
        true => end(fault, lasts, id),
        false => "did not begin".to_owned(),
    };
    print(&format!(
        "fault {id} ({fault}) {end}\n{}",
        lines(folder, &injected.said)
    ))?;
    Ok(exit(&injected.said))
}

fn is_kill(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Machine {
            effect: MachineEffect::Kill,
            ..
        }
    )
}

/// When a fault is over, and how to end it earlier.
fn end(fault: &Fault, lasts: Option<Duration>, id: u32) -> String {
    let lasts = lasts.map(humantime::format_duration);
    let effect = match fault {
        Fault::Link { .. } => None,
        Fault::Machine { effect, .. } => Some(effect),
    };
    match (effect, lasts) {
        (Some(MachineEffect::Jump { .. } | MachineEffect::Restart), _) => "is done".to_owned(),
        (Some(MachineEffect::Kill), None) => "is done; the machine stays away".to_owned(),
        (Some(MachineEffect::Kill), Some(lasts)) => {
            format!("is done; the machine is started again after {lasts}")
        }
        (Some(MachineEffect::Pause), Some(lasts)) => format!("lasts {lasts}"),
        (_, Some(lasts)) => format!("lasts {lasts}; end it earlier with `clocklab fault mend {id}`"),
        (_, None) => format!("lasts until `clocklab fault mend {id}`"),
    }
}

/// Every machine is told; one that does not have the fault need not end it.
fn mend(controllers: &mut Controllers, folder: &Path, id: Option<u32>) -> anyhow::Result<Exit> {
    let said = controllers.ask(None, &Command::Mend { id });
    if let Some(over) = over(folder, controllers, &said) {
        return print(&over).map(|()| Exit::Failed);
    }
    let mut answers = said.iter().map(|(_, answer)| answer);
    if let Some(id) = id
        && answers.all(|answer| matches!(answer, Err(ControlError::NotAccepted { .. })))
    {
        return Err(Usage(no_fault(controllers, id)).into());
    }
    print(&lines(folder, &said))?;
    let ended = said.iter().any(|(_, answer)| answer.is_ok());
    Ok(if ended { Exit::Valid } else { Exit::Failed })
}

/// Said of a number that no fault has which is on: which ones are.
fn no_fault(controllers: &mut Controllers, id: u32) -> String {
    let statuses = controllers.status().into_iter();
    let on: BTreeMap<u32, String> = statuses
        .filter_map(|(_, status)| status.ok())
        .flat_map(|status| status.faults)
        .collect();
    let on: Vec<String> = on
        .into_iter()
        .map(|(id, fault)| format!("{id} ({fault})"))
        .collect();
    match on.as_slice() {
        [] => format!("there is no fault {id}: none is on"),
        on => format!("there is no fault {id}; on are {}", on.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn wish(words: &[&str], lasts: Option<u64>) -> Result<Wish, String> {
        let arguments = FaultArguments {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            lasts: lasts.map(Duration::from_secs),
            run: PathBuf::new(),
            secret: SecretOption::none(),
        };
        arguments.wish()
    }

    #[test]
    fn words_and_quotes_say_the_same() {
        let fault: Fault = "partition 0,1 / 2".parse().unwrap();
        let five = Some(Duration::from_secs(5));
        let begin = Ok(Wish::Begin(fault, five));
        assert_eq!(wish(&["partition", "0,1", "/", "2"], Some(5)), begin);
        assert_eq!(wish(&["partition 0,1 / 2"], Some(5)), begin);
        assert_eq!(wish(&["partition", "0,1", "/", "2", "for", "5s"], None), begin);
        assert_eq!(wish(&["mend", "all"], None), Ok(Wish::Mend(None)));
        assert_eq!(wish(&["mend", "7"], None), Ok(Wish::Mend(Some(7))));
    }

    #[test]
    fn contradictions_are_refused() {
        for (words, lasts, part) in [
            (vec!["kill", "1", "for", "2s"], Some(2), "twice"),
            (vec!["mend", "7"], Some(2), "--for"),
            (vec!["pause", "1"], None, "`for`, such as 5s"),
            (vec!["pause", "1"], Some(0), "longer than 0s"),
            (vec!["jump", "1", "5"], Some(5), "leave `for` out"),
            (vec!["restart", "1"], Some(5), "leave `for` out"),
            (vec!["mend", "x"], None, "no number of a fault"),
            (vec!["mend"], None, "say what to mend"),
            (vec!["flood", "1"], None, "is no fault"),
        ] {
            let error = wish(&words, lasts).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }

    #[test]
    fn a_time_back_is_a_word_of_a_fault() {
        use crate::cli::args::{self, Arguments};
        let words = ["clocklab", "fault", "jump", "1", "-2s", "--run", "logs/demo"];
        let line = with_times_back(words.into_iter().map(OsString::from));
        let args::Command::Fault(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("{words:?} is a fault");
        };
        let fault: Fault = "jump 1 -2s".parse().unwrap();
        assert_eq!(arguments.wish(), Ok(Wish::Begin(fault, None)));
        assert_eq!(arguments.run, Path::new("logs/demo"));
        let others = ["clocklab", "control", "-2s"].map(OsString::from);
        assert_eq!(with_times_back(others.clone().into_iter()), others);
    }
}
