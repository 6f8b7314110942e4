//! Checks, statistics, tables and figures, from the logs alone.
//!
//! Works on runs of one computer or several, whole or cut off, and on logs that another program wrote in the
//! same format; on simulated runs also record by record, before they are logs. Opens files for
//! reading only; tables and figures are returned as text.

pub mod causality;
mod check;
pub mod clocks;
mod compare;
pub mod draw;
pub mod export;
pub mod figure;
mod findings;
pub mod foreign;
mod grid;
mod groups;
pub mod history;
mod inspection;
mod markup;
mod matrix;
pub mod palette;
pub mod phase;
pub mod report;
mod run;
mod same;
mod series;
pub mod skew;
mod summary;
pub mod table;
pub mod trials;
pub mod window;
mod words;
pub mod wrap;

use std::path::Path;

pub use check::{RuleCount, Verdict};
pub use compare::{Comparison, Incomparable, Row};
pub use findings::findings;
pub use foreign::ForeignError;
pub use grid::Style;
pub use inspection::{Inspection, JUDGED_MACHINES_MAX};
pub use matrix::{MATRIX_MACHINES_MAX, Matrix};
pub use run::{InspectError, Item, RunReader};
pub use same::{Sameness, same_events};
pub use series::{
    JUMP_MAX, LATENESS_BOUNDS_US, LatenessCounts, MachineSeries, POINTS_MAX, RunSeries, SERIES_MACHINES_MAX,
    Thinned,
};
pub use summary::{Expected, MachineSummary, RunSummary, SENT_TO_MACHINES_MAX};

/// Judges and counts a run in one pass over its logs. `dir` is the run's folder, or a link to it such as
/// `logs/latest`.
///
/// # Errors
/// [`InspectError`] if the folder holds no run that can be read. Broken rules are no error: they are the verdict.
pub fn check(dir: &Path) -> Result<(Verdict, RunSummary), InspectError> {
    foreign::refuse(dir, "a report")?;
    let mut run = RunReader::open(dir)?;
    let mut check = check::Check::new(run.files(), run.headers());
    let mut tally = summary::Tally::new(run.dir(), run.headers());
    while let Some(item) = run.next_item()? {
        check.take(&item);
        if let Item::Record {
            machine, at, record, ..
        } = item
        {
            tally.take(machine, at, record);
        }
    }
    let verdict = check.finish(run.dir(), run.headless(), run.cut());
    Ok((verdict, tally.finish()))
}

/// Judges a run as [`check`] does, or a log of another program by the rules of [`foreign`].
///
/// # Errors
/// [`InspectError`] if there is nothing that can be read. Broken rules are no error: they are the verdict.
pub fn judge(path: &Path) -> Result<Verdict, InspectError> {
    match foreign::source(path) {
        Some(source) => Ok(foreign::check(path, &source)?),
        None => Ok(check(path)?.0),
    }
}
