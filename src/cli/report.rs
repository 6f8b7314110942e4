//! `clocklab report`: what happened, beside what theory expects.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    Exit, Usage,
    align::AlignArguments,
    args::one_of,
    check::unreadable,
    compare::compare,
    output::{self, Existing},
    print,
};
use crate::inspect::{
    self, RunSeries, RunSummary, Style, Verdict,
    clocks::ClockComparison,
    figure,
    history::History,
    palette::Theme,
    report::{self, Diagram, Made, Report},
    table,
};
use crate::wire::Reason;

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab report                                    the newest run
  clocklab report logs/demo --html demo.html         everything on one page
  clocklab report logs/demo --figures figures        an SVG file each
  clocklab report logs/demo simulated/again          two runs side by side
  clocklab report logs/a logs/b logs/c --markdown    a row a run, and the mean

In brackets stands what theory expects of the rates, the die and the fastest machine's clock, where it says anything: \
not of runs whose machines were paused, killed or given another rate or clock.

Exit codes: 0 every rule held, 1 one was violated (`clocklab check` shows it), 2 no such folder or usage, 3 a log \
cannot be read.";

#[derive(Args, Debug)]
pub(super) struct ReportArguments {
    /// Run folders
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    folders: Vec<PathBuf>,
    /// Print Markdown instead of a table for the terminal
    #[arg(long)]
    markdown: bool,
    /// A row for each machine: more than twenty are else grouped by their rates
    #[arg(long)]
    all: bool,
    /// Also draw clocks, drift, queues and jumps of the one run named into this file
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    /// Also draw every figure of the one run named into this folder, an SVG file each
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    /// Also write the one run named as a page with everything in it: tables, findings, interactive figures
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    #[command(flatten)]
    align: AlignArguments,
    /// Colours of figures: dark on white, or light on black
    #[arg(long, default_value_t, value_parser = one_of::<Theme>(["light", "dark"]))]
    theme: Theme,
    /// Replace the files if they exist
    #[arg(long)]
    force: bool,
}

/// One folder: its table, and what else was asked for. Several: a row each and the mean; two of one configuration are
/// compared as well.
pub(super) fn run(arguments: &ReportArguments) -> anyhow::Result<Exit> {
    let style = if arguments.markdown {
        Style::Markdown
    } else {
        Style::Text
    };
    check_outputs(arguments)?;
    let folders = &arguments.folders;
    let runs = folders
        .iter()
        .map(|folder| inspect::check(folder).map_err(unreadable));
    let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
    match runs.as_slice() {
        [(verdict, summary)] if arguments.all => print(&table::run_all(verdict, summary, style))?,
        [(verdict, summary)] => print(&table::run(verdict, summary, style))?,
        [(_, first), (_, second)] => {
            print(&table::runs(&runs, style))?;
            compare(folders, [first, second], style)?;
        }
        several => print(&table::runs(several, style))?,
    }
    if let ([run], [folder]) = (runs.as_slice(), folders.as_slice()) {
        let history = (run.1.events() <= report::DIAGRAM_EVENTS_MAX).then(|| History::read(folder));
        let mut history = history.transpose().map_err(unreadable)?;
        let compared = history
            .as_ref()
            .map(|history| ClockComparison::read(folder, history));
        let clocks = compared.transpose().map_err(unreadable)?;
        match &clocks {
            Some(clocks) => print(&format!("\n{}", clocks.render(style)))?,
            None => print(&format!(
                "\nWhat each clock can tell is left out: the run has more than {} events.\n",
                report::DIAGRAM_EVENTS_MAX
            ))?,
        }
        let aligned = history.as_mut().map(|history| arguments.align.apply(history));
        let diagram = Diagram {
            history: history.as_ref(),
            aligned: &aligned.transpose()?.unwrap_or_default(),
        };
        write_outputs(arguments, folder, run, diagram, clocks.as_ref())?;
    }
    let valid = runs.iter().all(|(verdict, _)| verdict.is_valid());
    Ok(if valid { Exit::Valid } else { Exit::Violated })
}

/// Refuses what could not be written, before logs are read for it.
fn check_outputs(arguments: &ReportArguments) -> anyhow::Result<()> {
    let several = arguments.folders.len() > 1;
    for (option, output) in [
        ("--figure", &arguments.figure),
        ("--figures", &arguments.figures),
        ("--html", &arguments.html),
    ] {
        if let (Some(output), true) = (output, several) {
            return Err(Usage(format!(
                "{option} {} shows one run, but several folders are named: name one",
                output.display()
            ))
            .into());
        }
    }
    if arguments.align.align && arguments.html.is_none() {
        let text = "--align moves the lines of the page's diagram: name the page with --html FILE.html";
        return Err(Usage(text.to_owned()).into());
    }
    let existing = Existing::from_force(arguments.force);
    for file in [&arguments.figure, &arguments.html].into_iter().flatten() {
        output::check(file, existing)?;
    }
    if let Some(folder) = &arguments.figures {
        output::check_folder(folder, &figure::FILES, existing)?;
    }
    Ok(())
}

fn write_outputs(
    arguments: &ReportArguments,
    folder: &Path,
    (verdict, summary): &(Verdict, RunSummary),
    diagram: Diagram<'_>,
    clocks: Option<&ClockComparison>,
) -> anyhow::Result<()> {
    if arguments.figure.is_none() && arguments.figures.is_none() && arguments.html.is_none() {
        return Ok(());
    }
    let existing = Existing::from_force(arguments.force);
    let series = RunSeries::read(folder).map_err(unreadable)?;
    if let Some(file) = &arguments.html {
        let page = report::page(&Report {
            verdict,
            summary,
            series: &series,
            made: &Made::read(folder),
            diagram,
            clocks,
        });
        output::write(file, &page, existing)?;
        print(&format!("\npage: {}\n", file.display()))?;
    }
    if let Some(file) = &arguments.figure {
        output::write(file, &figure::overview(&series, arguments.theme), existing)?;
        print(&format!("\nfigure: {}\n", file.display()))?;
    }
    if let Some(folder) = &arguments.figures {
        output::make_folder(folder)?;
        for (name, drawn) in figure::all(&series, summary, arguments.theme) {
            output::write(&folder.join(name), &drawn, existing)?;
        }
        print(&format!(
            "\nfigures: {} in {}\n",
            figure::FILES.join(", "),
            folder.display()
        ))?;
    }
    Ok(())
}

/// The report that ends `clocklab run`: the table, and every violation in words. A machine that lost a peer did not end
/// in order.
pub(super) fn report_run(folder: &Path) -> anyhow::Result<Exit> {
    let (verdict, summary) = inspect::check(folder)?;
    let mut machines = summary.machines.iter();
    let is_broken = machines.any(|machine| machine.reason == Some(Reason::PeerLost));
    let exit = print_run(&verdict, &summary)?;
    Ok(if is_broken && exit == Exit::Valid {
        Exit::Failed
    } else {
        exit
    })
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
