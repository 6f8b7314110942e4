//! `clocklab report`: what happened, beside what theory expects.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    Exit, Usage,
    args::FoldersArguments,
    check::unreadable,
    output::{self, Existing},
    print,
};
use crate::inspect::{self, RunSeries, Style, figure, table};

#[derive(Args, Debug)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    folders: FoldersArguments,
    /// Print Markdown instead of a table for the terminal
    #[arg(long)]
    markdown: bool,
    /// A row for each machine: more than twenty are else grouped by their rates
    #[arg(long)]
    all: bool,
    /// Also draw clocks, drift, queues and jumps of the one run named into this file
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// One folder: its table. Several: a row each and the mean.
pub(super) fn run(arguments: &ReportArguments) -> anyhow::Result<Exit> {
    let style = if arguments.markdown {
        Style::Markdown
    } else {
        Style::Text
    };
    let folders = &arguments.folders.folders;
    if arguments.figure.is_some() && folders.len() != 1 {
        return Err(Usage("--figure draws one run: name one folder".to_owned()).into());
    }
    let runs = folders
        .iter()
        .map(|folder| inspect::check(folder).map_err(unreadable));
    let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
    match runs.as_slice() {
        [(verdict, summary)] if arguments.all => print(&table::run_all(verdict, summary, style))?,
        [(verdict, summary)] => print(&table::run(verdict, summary, style))?,
        several => print(&table::runs(several, style))?,
    }
    if let (Some(file), [folder]) = (&arguments.figure, folders.as_slice()) {
        let drawn = figure::overview(&RunSeries::read(folder).map_err(unreadable)?);
        output::write(file, &drawn, Existing::from_force(arguments.force))?;
    }
    let valid = runs.iter().all(|(verdict, _)| verdict.is_valid());
    Ok(if valid { Exit::Valid } else { Exit::Violated })
}

/// The report that ends `clocklab run`: the table, and every violation in words.
pub(super) fn report_run(folder: &Path) -> anyhow::Result<Exit> {
    let (verdict, summary) = inspect::check(folder)?;
    print(&format!("\n{}", table::run(&verdict, &summary, Style::Text)))?;
    if !verdict.is_valid() {
        print(&format!("\n{verdict}\n"))?;
    }
    Ok(if verdict.is_valid() {
        Exit::Valid
    } else {
        Exit::Violated
    })
}
