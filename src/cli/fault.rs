//! `clocklab fault`: breaks a running run on purpose, and mends it.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Exit, Usage,
    control::{controllers, exit, lines},
    print,
    secret::SecretOption,
};
use crate::{
    control::{self, Command},
    faults::{Fault, MachineEffect},
    lab::Controllers,
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
  clocklab fault 'jump 1 -2s'                        its physical clock, back
  clocklab fault mend 1042                           end one
  clocklab fault mend all

No word means anything to a shell; a fault may also be one argument in quotes, as it must be where a word begins \
with a minus sign. Each fault gets a number, by which it is mended and by which the logs name it.

Exit codes: 0 every machine that it concerns did it, 2 no such run, machine or fault, 3 a machine did not accept or did \
not answer.";

#[derive(Args, Debug)]
pub(super) struct FaultArguments {
    /// The fault, or `mend NUMBER`, or `mend all`
    #[arg(required = true, value_name = "FAULT")]
    words: Vec<String>,
    /// How long it lasts, such as 5s [default: until it is mended]
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
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
        Wish::Begin(fault, lasts) => begin(&mut controllers, &fault, lasts),
        Wish::Mend(id) => mend(&mut controllers, id),
    }
}

fn begin(controllers: &mut Controllers, fault: &Fault, lasts: Option<Duration>) -> anyhow::Result<Exit> {
    fault
        .validate(controllers.machines())
        .map_err(|error| Usage(error.to_string()))?;
    let injected = controllers.inject(fault, lasts);
    let id = injected.id;
    let began = injected.said.iter().any(|(_, answer)| answer.is_ok());
    let end = match began {
        true => end(fault, lasts, id),
        false => "did not begin".to_owned(),
    };
    print(&format!("fault {id} ({fault}) {end}\n{}", lines(&injected.said)))?;
    Ok(exit(&injected.said))
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
fn mend(controllers: &mut Controllers, id: Option<u32>) -> anyhow::Result<Exit> {
    let said = controllers.ask(None, &Command::Mend { id });
    print(&lines(&said))?;
    let ended = said.iter().any(|(_, answer)| answer.is_ok());
    Ok(if ended { Exit::Valid } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
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
            (vec!["flood", "1"], None, "is no fault"),
        ] {
            let error = wish(&words, lasts).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
