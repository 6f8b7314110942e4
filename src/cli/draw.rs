//! `clocklab draw`: the space-time diagram of a run, as a picture or as a page.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{
    Exit, Usage,
    align::AlignArguments,
    args::one_of,
    check::unreadable,
    output::{self, Existing},
    print,
    selection::SelectionArguments,
};
use crate::inspect::{
    draw::{self, Axis, Choice, Limits, PageOptions, Positions, Selection, Style},
    history::{EventId, EventName, History},
    palette::Theme,
};

#[derive(Args, Debug)]
pub(super) struct DrawArguments {
    /// Run folder
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    folder: PathBuf,
    /// Where to: FILE.html is a page to look around in, FILE.svg a picture for slides
    #[arg(long, value_name = "FILE", default_value = "diagram.html")]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    part: SelectionArguments,
    /// What the horizontal axis shows [default: time, or clock where the logs have no times]
    #[arg(long, value_enum)]
    axis: Option<AxisWord>,
    #[command(flatten)]
    align: AlignArguments,
    /// An event, such as 0:17 (machine 0, clock 17), whose causal past and future stand out
    #[arg(long, value_name = "EVENT")]
    highlight: Option<EventName>,
    /// Colours: dark on white, or light on black [default: light for a picture; a page follows the reader's system]
    #[arg(long, value_parser = one_of::<Theme>(["light", "dark"]))]
    theme: Option<Theme>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AxisWord {
    /// Seconds since the start
    Time,
    /// The logical clock
    Clock,
}

/// What the name of the output asks for.
enum Format {
    Svg,
    Html,
}

/// Draws a run into a file.
pub(super) fn run(arguments: &DrawArguments) -> anyhow::Result<Exit> {
    let output = &arguments.output;
    let format = format_of(output)?;
    let existing = Existing::from_force(arguments.force);
    output::check(output, existing)?;
    let mut history = History::read(&arguments.folder).map_err(unreadable)?;
    if history.is_empty() {
        let text = format!(
            "{}: no event in these logs, so there is nothing to draw",
            history.source
        );
        return Err(Usage(text).into());
    }
    let aligned = arguments.align.apply(&mut history)?;
    let positions = Positions::new(&history);
    let limits = match format {
        Format::Svg => Limits::SVG,
        Format::Html => Limits::HTML,
    };
    let axis = axis(arguments, &history)?;
    let choice = Choice {
        window: arguments.part.window,
        processes: arguments.part.machines.clone(),
        last: arguments
            .part
            .last
            .map(|last| usize::try_from(last).unwrap_or(usize::MAX)),
        axis,
    };
    let mut selection = choice.of(&history, &positions, &limits).map_err(usage)?;
    selection.told.extend(aligned);
    if axis == Axis::Time {
        selection.told.extend(draw::backward(&history, &selection));
    }
    let highlight = highlighted(arguments, &history, &selection)?;
    let theme = arguments.theme;
    let text = match format {
        Format::Svg => {
            let theme = theme.unwrap_or_default();
            draw::svg(
                &history,
                &positions,
                &selection,
                &Style {
                    axis,
                    theme,
                    highlight,
                },
            )
        }
        Format::Html => {
            let options = PageOptions {
                axis,
                theme,
                highlight,
            };
            draw::page(&history, &positions, &selection, &options)
        }
    };
    output::write(output, &text, existing)?;
    print(&told(arguments, &history, &selection))?;
    Ok(Exit::Valid)
}

fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    Usage(error.to_string()).into()
}

fn format_of(output: &Path) -> anyhow::Result<Format> {
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(Format::Svg),
        Some("html") => Ok(Format::Html),
        _ => Err(usage(format!(
            "--output {}: the name says what is drawn: FILE.html for a page, FILE.svg for a picture",
            output.display()
        ))),
    }
}

fn highlighted(
    arguments: &DrawArguments,
    history: &History,
    selection: &Selection,
) -> anyhow::Result<Option<EventId>> {
    let Some(name) = &arguments.highlight else {
        return Ok(None);
    };
    let event = history.find(name).map_err(usage)?;
    if !selection.has(event) {
        return Err(usage(format!(
            "--highlight {name}: the event is not in what is drawn ({}); choose with --window or --machines",
            selection.told.join(" ")
        )));
    }
    Ok(Some(event))
}

fn axis(arguments: &DrawArguments, history: &History) -> anyhow::Result<Axis> {
    match (arguments.axis, history.has_times()) {
        (Some(AxisWord::Clock), _) | (None, false) => Ok(Axis::Clock),
        (Some(AxisWord::Time) | None, true) => Ok(Axis::Time),
        (Some(AxisWord::Time), false) => Err(usage(format!(
            "--axis time: {} has events without a time; use --axis clock",
            history.source
        ))),
    }
}

/// What was drawn, and what was not.
fn told(arguments: &DrawArguments, history: &History, selection: &Selection) -> String {
    let mut text = format!(
        "{}: run {}, {} of {} events, {} of {} machines\n",
        arguments.output.display(),
        history.name,
        selection.events(),
        history.len(),
        selection.shown.len(),
        history.processes.len()
    );
    for line in selection.told.iter().chain(&history.notes) {
        text += &format!("  {line}\n");
    }
    text
}
