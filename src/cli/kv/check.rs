//! `clocklab kv check`: histories that clients recorded.

use std::{fs::File, io::BufReader, path::PathBuf};

use clap::Args;

use crate::{
    cli::{Exit, Usage, args::one_of, print},
    kv::history::{History, HistoryError, Level},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab kv check history.jsonl
  clocklab kv check client-0.jsonl client-1.jsonl    one history in several files
  clocklab kv check history.jsonl --level memory --json

A history has an operation a line, each session's in order, and a value of its own for each write of a key (protocol.md, \
section 10):
  {\"session\":\"a\",\"op\":\"put\",\"key\":\"x\",\"value\":1}
  {\"session\":\"b\",\"op\":\"get\",\"key\":\"x\",\"value\":1}

What is looked for are the bad patterns of Bouajjani, Enea, Guerraoui and Hamza (POPL 2017), and in final reads: \
Divergence, LostWrite, LostCount. Levels: causal (every read is explained by some order of what precedes it), convergent \
(and one order of all writes explains all reads: causal+), memory (causal, and each session has one order for itself; takes \
long beyond some 10,000 operations).
All files are read first; memory grows with them.

Exit codes: 0 no bad pattern, 1 one was found, 2 no such file, no history, or values that are not unique, 3 a file cannot be \
read.";

#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArguments {
    /// Files of JSON lines; together they are one history
    #[arg(value_name = "HISTORY", required = true)]
    files: Vec<PathBuf>,
    /// What is asked of the history
    #[arg(long, default_value_t, value_parser = one_of::<Level>(["causal", "convergent", "memory"]))]
    level: Level,
    /// The verdict as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let mut history = History::default();
    for path in &arguments.files {
        let name = path.display().to_string();
        if path.is_dir() {
            let text = format!(
                "{name} is a folder: name the file, such as {}",
                path.join("history.jsonl").display()
            );
            return Err(Usage(text).into());
        }
        let file = File::open(path).map_err(|error| Usage(format!("{name}: {error}")))?;
        history
            .read(&name, &mut BufReader::new(file))
            .map_err(explained)?;
    }
    if history.is_empty() {
        let names: Vec<String> = arguments
            .files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let text = format!(
            "{}: there is no operation in it: nothing was judged",
            names.join(", ")
        );
        return Err(Usage(text).into());
    }
    let verdict = history.judge(arguments.level).map_err(explained)?;
    if arguments.json {
        print(&format!("{:#}\n", verdict.to_json()))?;
    } else {
        print(&verdict.to_string())?;
    }
    Ok(if verdict.is_valid() {
        Exit::Valid
    } else {
        Exit::Violated
    })
}

/// A file that is no history is a slip of the person who named it; one that cannot be read is not.
fn explained(error: HistoryError) -> anyhow::Error {
    match error {
        HistoryError::Read { .. } => error.into(),
        HistoryError::Line { .. } | HistoryError::Twice { .. } | HistoryError::TooLarge { .. } => {
            Usage(error.to_string()).into()
        }
    }
}
