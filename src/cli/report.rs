//! `clocklab report`: what happened, beside what theory expects.

use std::{fs, path::Path};

use anyhow::Context;

use super::{Exit, Usage, args::ReportArguments, check::unreadable, compare::compare, print};
use crate::inspect::{self, RunSeries, RunSummary, Style, Verdict, figure, table};

/// One folder: its table. Several: a row each and the mean; two of one configuration are compared as well.
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
        [(verdict, summary)] => print(&table::run(verdict, summary, style))?,
        [(_, first), (_, second)] => {
            print(&table::runs(&runs, style))?;
            compare(folders, [first, second], style)?;
        }
        several => print(&table::runs(several, style))?,
    }
    if let (Some(file), [folder]) = (&arguments.figure, folders.as_slice()) {
        let drawn = figure::overview(&RunSeries::read(folder).map_err(unreadable)?);
        fs::write(file, drawn).with_context(|| format!("cannot write the figure {}", file.display()))?;
    }
    let valid = runs.iter().all(|(verdict, _)| verdict.is_valid());
    Ok(if valid { Exit::Valid } else { Exit::Violated })
}

/// The report that ends `clocklab run`: the table, and every violation in words.
pub(super) fn report_run(folder: &Path) -> anyhow::Result<Exit> {
    let (verdict, summary) = inspect::check(folder)?;
    print_run(&verdict, &summary)
}

/// The table of one run, and every violation in words.
pub(super) fn print_run(verdict: &Verdict, summary: &RunSummary) -> anyhow::Result<Exit> {
    print(&format!("\n{}", table::run(verdict, summary, Style::Text)))?;
    if !verdict.is_valid() {
        print(&format!("\n{verdict}\n"))?;
    }
    Ok(if verdict.is_valid() {
        Exit::Valid
    } else {
        Exit::Violated
    })
}
