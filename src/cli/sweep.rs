//! `clocklab sweep`: the phase diagram, by simulation.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

use super::{
    Exit, Usage, options,
    output::{self, Existing},
    print, progress,
};
use crate::{
    inspect::{JUDGED_MACHINES_MAX, Style, phase},
    lab::Sweep,
    model::{DRAW_MAX, DRAW_MIN, Phase, RATE_MAX},
    sim::Latency,
    units::MACHINES_MAX,
};

/// Ticks that a sweep may simulate, so that a slip of the keyboard does not take a day: on two cores some twenty
/// minutes.
const TICKS_MAX: f64 = 1.2e10;

/// Shortest run: in less a queue tells nothing.
const DURATION_MIN: Duration = Duration::from_secs(1);

/// What is written into the folder.
const FILES: [&str; 2] = ["sweep.csv", "sweep.svg"];

/// The page behind `clocklab sweep --help`.
pub(super) const EXAMPLES: &str = "\
In each cell of the diagram all machines but one make --fast ticks a second and the last one fewer. Colour is how \
fast its queue grows, as measured; a dot marks cells whose queue grows like a power of time near one half, as on the \
border; the line is the theory's border. Only the ratio of rates matters, so high rates give a fine grid. Short runs \
blur the border: a queue of a few messages tells no power of time.

Examples:
  clocklab sweep                                       2, 3, 5, 10 machines, dice of 3 to 24
  clocklab sweep --machines 3 --slow 4-12 --trials 20  a closer look at the border";

/// A range of whole numbers, both ends included: `3-24`, or one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    from: u32,
    to: u32,
}

#[derive(Args, Debug)]
pub(super) struct SweepArguments {
    /// Numbers of machines: a diagram each
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "2,3,5,10",
        value_parser = clap::value_parser!(u16).range(2..=i64::from(MACHINES_MAX)))]
    machines: Vec<u16>,
    /// Ticks a second of all machines but one
    #[arg(long, value_name = "RATE", default_value_t = 24,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    fast: u32,
    /// Ticks a second of the slow machine: from-to [default: 1 to --fast]
    #[arg(long, value_name = "RATES")]
    slow: Option<Span>,
    /// Sides of the die: from-to; a die of M sides is internal with probability 1 - 3/M
    #[arg(long, value_name = "SIDES", default_value = "3-24")]
    draw: Span,
    /// Length of a run in virtual time; each cell also has runs of a quarter of it
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = crate::cli::time)]
    duration: Duration,
    /// Runs of each length and cell
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials: u32,
    /// How long messages are under way: constant:TIME, uniform:TIME-TIME or exponential:MEAN
    #[arg(long, value_name = "LATENCY", default_value = "uniform:50us-150us")]
    latency: Latency,
    /// The first seed of each cell
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write sweep.svg and sweep.csv into
    #[arg(long, value_name = "DIR", default_value = "sweep")]
    output: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Print Markdown instead of a table for the terminal
    #[arg(long)]
    markdown: bool,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("`{text}` is no range: write from-to, such as 3-24, or one number");
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (from, to) = (from.parse().map_err(|_| form())?, to.parse().map_err(|_| form())?);
        if from > to {
            return Err(format!(
                "the range {text} is empty: write the smaller number first"
            ));
        }
        Ok(Self { from, to })
    }
}

/// Simulates the grid and writes its diagram.
pub(super) fn run(arguments: &SweepArguments) -> anyhow::Result<Exit> {
    let sweep = sweep(arguments)?;
    let existing = Existing::from_force(arguments.force);
    output::check_folder(&arguments.output, &FILES, existing)?;
    output::make_folder(&arguments.output)?;
    let files = FILES.map(|name| arguments.output.join(name));
    print(&format!(
        "{} cells, {} runs of {} in each; machines: {}, all but one at {} ticks/s\n",
        sweep.cells(),
        arguments.trials,
        humantime::format_duration(arguments.duration),
        sweep
            .machines
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        arguments.fast,
    ))?;
    let bar = progress::bar(sweep.cells() as u64, "cells");
    let cells = sweep.run(|| bar.inc(1));
    bar.finish_and_clear();
    let cells = cells?;
    let [csv, svg] = &files;
    output::write(csv, &phase::csv(&cells), existing)?;
    output::write(svg, &phase::figure(&cells), existing)?;
    let style = if arguments.markdown {
        Style::Markdown
    } else {
        Style::Text
    };
    let (judged, agree) = phase::agreement(&cells);
    let rules = match sweep.machines.iter().max() {
        Some(most) if *most > JUDGED_MACHINES_MAX => {
            format!("held in the runs of at most {JUDGED_MACHINES_MAX} machines; larger ones are not judged")
        }
        _ => "every one held in all runs".to_owned(),
    };
    print(&format!(
        "\n{}\nborder: the slow machine's rate on the theory's border; the other columns are rates as measured:\n\
         highest that is saturated, lowest to highest that is critical, lowest that is stable (-: none)\n\
         theory calls {judged} of {} cells stable or saturated; {agree} of these were measured to be so\n\
         rules: {rules}\n\
         written: {}, {}\n",
        phase::table(&cells, style),
        cells.len(),
        csv.display(),
        svg.display(),
    ))?;
    Ok(Exit::Valid)
}

/// Validates what was typed.
fn sweep(arguments: &SweepArguments) -> anyhow::Result<Sweep> {
    let usage = |text: String| anyhow::Error::from(Usage(text));
    let SweepArguments { draw, fast, .. } = arguments;
    let slow = arguments.slow.unwrap_or(Span { from: 1, to: *fast });
    if slow.from == 0 || slow.to > *fast {
        return Err(usage(format!(
            "--slow {}-{}: the slow machine makes 1 to --fast ({fast}) ticks a second",
            slow.from, slow.to
        )));
    }
    if draw.from < DRAW_MIN || draw.to > DRAW_MAX {
        return Err(usage(format!(
            "--draw {}-{}: a die has {DRAW_MIN} to {DRAW_MAX} sides, of which three send",
            draw.from, draw.to
        )));
    }
    options::check_duration("duration", Some(arguments.duration))?;
    if arguments.duration < DURATION_MIN {
        let given = humantime::format_duration(arguments.duration);
        return Err(usage(format!(
            "--duration {given}: a queue needs a second or more to grow"
        )));
    }
    if arguments
        .seed
        .checked_add(u64::from(arguments.trials) - 1)
        .is_none()
    {
        return Err(usage(format!(
            "--seed {}: {} seeds from here are beyond the last",
            arguments.seed, arguments.trials
        )));
    }
    let mut machines = arguments.machines.clone();
    machines.sort_unstable();
    machines.dedup();
    let sweep = Sweep {
        machines,
        fast: *fast,
        slow: (slow.from..=slow.to).collect(),
        draws: (draw.from..=draw.to).collect(),
        duration_us: u64::try_from(arguments.duration.as_micros()).unwrap_or(u64::MAX),
        trials: arguments.trials,
        latency: arguments.latency,
        phase: Phase::Random,
        seed: arguments.seed,
        run: "sweep".parse()?,
    };
    let ticks = ticks(&sweep, arguments.duration);
    if ticks > TICKS_MAX {
        return Err(usage(format!(
            "this sweep would simulate {ticks:.1e} ticks, over the {TICKS_MAX:.1e} allowed: give fewer --machines, \
             --slow or --draw, a shorter --duration, a lower --fast or fewer --trials"
        )));
    }
    Ok(sweep)
}

/// Ticks of all machines of all runs, roughly.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn ticks(sweep: &Sweep, duration: Duration) -> f64 {
    let columns = (sweep.slow.len() * sweep.draws.len()) as f64;
    let machines: f64 = sweep.machines.iter().map(|machines| f64::from(*machines)).sum();
    1.25 * duration.as_secs_f64() * f64::from(sweep.fast) * machines * columns * f64::from(sweep.trials)
}
