//! `clocklab export`: a run for another tool.

use std::{
    io::{self, BufWriter},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;

use super::{
    Exit, Usage,
    args::one_of,
    check::unreadable,
    output::{self, Existing},
    print,
    selection::SelectionArguments,
};
use crate::inspect::{
    export::{self, Count, ExportError, Exported, Format, Internals, Order, Selection},
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
    #[command(flatten)]
    part: SelectionArguments,
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
    let existing = Existing::from_force(arguments.force);
    match output {
        None if order.format.is_binary() => {
            let format = order.format;
            let text =
                format!("--to {format} writes bytes that no terminal shows: name a file with --output FILE");
            return Err(Usage(text).into());
        }
        // Before the logs are read: they may be long.
        Some(file) => output::check(file, existing)?,
        None => {}
    }
    let history = History::read(&arguments.folder).map_err(unreadable)?;
    let exported = match output {
        Some(file) => output::write_with(file, existing, |output| {
            export::export(&history, &order, output).map_err(told)
        })
        .with_context(|| format!("{} was not written", file.display()))?,
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
            window: arguments.part.window,
            machines: arguments.part.machines.clone(),
            count: match (arguments.part.last, arguments.all) {
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

/// A selection that holds nothing is a slip of the person who made it.
fn told(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Write(_) | ExportError::Parquet(_) => error.into(),
        ExportError::NoEvents { .. }
        | ExportError::Window(_)
        | ExportError::NoneOfMachines { .. }
        | ExportError::Machine(_)
        | ExportError::NoTimes { .. } => Usage(error.to_string()).into(),
    }
}
