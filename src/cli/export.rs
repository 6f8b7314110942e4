//! `clocklab export`: a run for another tool.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;

use super::{Exit, Usage, args::one_of, check::unreadable, print};
use crate::inspect::{
    export::{self, Count, ExportError, Exported, Format, Internals, Order, Selection, Window},
    history::History,
};

/// What stands below the options in `--help`.
pub(super) const EXAMPLES: &str = "\
Formats:
  shiviz, tsviz, govector  vector clocks, for those tools' space-time diagrams
  perfetto                 Chrome trace JSON for https://ui.perfetto.dev
  csv, parquet             a row an event; DuckDB and Polars read many runs
  mermaid, dot             a sequence diagram for Markdown; a graph for Graphviz

Examples:
  clocklab export --to perfetto --output run.json
  clocklab export logs/demo --to shiviz --window 10s-20s > demo.shiviz
  clocklab export logs/demo --to mermaid --machines 0,2 --last 50
  clocklab export logs/demo --to parquet --output runs/demo.parquet

What a consumer cannot take is left out and said on standard error: see --all.";

/// What `clocklab export` is told.
#[derive(Args, Debug)]
pub(super) struct ExportArguments {
    /// Run folder
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    folder: PathBuf,
    /// Format
    #[arg(long, value_name = "FORMAT", value_parser = one_of::<Format>(Format::ALL.map(Format::word)))]
    to: Format,
    /// File to write [default: standard output, except for Parquet]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// Only events in this window, in times since the start: 10s-20s, 10s- or -20s
    #[arg(long, value_name = "FROM-UNTIL", allow_hyphen_values = true)]
    window: Option<Window>,
    /// Only these machines, such as 0,2,5
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    machines: Vec<String>,
    /// Only the last N events of these
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// All events, also more than the consumer can take well
    #[arg(long, conflicts_with = "last")]
    all: bool,
    /// Mermaid: also show events without a message, as notes
    #[arg(long)]
    internal: bool,
}

/// Exports one run.
pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<Exit> {
    let order = order(arguments)?;
    let output = arguments.output.as_deref();
    match output {
        None if order.format.is_binary() => {
            let format = order.format;
            let text =
                format!("--to {format} writes bytes that no terminal shows: name a file with --output FILE");
            return Err(Usage(text).into());
        }
        // Before the logs are read: they may be long.
        Some(file) if !arguments.force && file.symlink_metadata().is_ok() => return Err(exists(file)),
        Some(_) | None => {}
    }
    let history = History::read(&arguments.folder).map_err(unreadable)?;
    let exported = match output {
        Some(file) => to_file(&history, &order, file, arguments.force)?,
        None => match export::export(&history, &order, BufWriter::new(io::stdout())) {
            // A reader that has gone away, as `head` does, has seen enough.
            Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(Exit::Valid);
            }
            result => result.map_err(told)?,
        },
    };
    for note in &exported.notes {
        tracing::warn!("{note}");
    }
    if let Some(file) = output {
        let Exported { events, messages, .. } = exported;
        let (name, advice) = (file.display(), order.format.advice());
        print(&format!(
            "{name}: {events} events, {messages} messages: {advice}\n"
        ))?;
    }
    Ok(Exit::Valid)
}

/// What was typed, as an order.
fn order(arguments: &ExportArguments) -> Result<Order, Usage> {
    let (is_mermaid, internal) = (arguments.to == Format::Mermaid, arguments.internal);
    if internal && !is_mermaid {
        return Err(Usage(format!(
            "--internal is for --to mermaid; {} shows every event anyway",
            arguments.to
        )));
    }
    Ok(Order {
        format: arguments.to,
        selection: Selection {
            window: arguments.window,
            machines: arguments.machines.clone(),
            count: match (arguments.last, arguments.all) {
                (Some(last), _) => Count::Last(last),
                (None, true) => Count::All,
                (None, false) => Count::Fitting,
            },
        },
        internals: if internal {
            Internals::Shown
        } else {
            Internals::Hidden
        },
    })
}

/// Writes a file that is whole or not there.
fn to_file(history: &History, order: &Order, file: &Path, force: bool) -> anyhow::Result<Exported> {
    let cannot = || {
        format!(
            "cannot write {}; name a file in a folder that is there and yours with --output",
            file.display()
        )
    };
    // What is replaced stays until what replaces it is whole.
    let written = if force { beside(file) } else { file.to_owned() };
    let opened = match force {
        true => File::create(&written),
        false => OpenOptions::new().write(true).create_new(true).open(&written),
    };
    let opened = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(file)),
        opened => opened.with_context(cannot)?,
    };
    let result = export::export(history, order, BufWriter::new(opened)).map_err(told);
    let result = result.with_context(|| format!("{} was not written", file.display()));
    let result = match result {
        Ok(exported) if force => fs::rename(&written, file).with_context(cannot).map(|()| exported),
        result => result,
    };
    if result.is_err() {
        // Half a file helps nobody; if it cannot even be removed, the first error is the one to tell.
        let _ = fs::remove_file(&written);
    }
    result
}

/// `run.json` as `run.json.part`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn exists(file: &Path) -> anyhow::Error {
    let file = file.display();
    Usage(format!(
        "{file} exists and is not overwritten: name another file, or say --force to replace it"
    ))
    .into()
}

/// A selection that holds nothing is a slip of the person who made it.
fn told(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Write(_) | ExportError::Parquet(_) => error.into(),
        ExportError::NoEvents { .. }
        | ExportError::Window { .. }
        | ExportError::NoneOfMachines { .. }
        | ExportError::Machine(_)
        | ExportError::NoTimes { .. } => Usage(error.to_string()).into(),
    }
}
