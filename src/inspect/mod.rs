//! Checks, statistics, tables and figures, from the logs alone.
//!
//! Works on runs of one computer or several, whole or cut off, and on logs that another program wrote in the
//! same format. Opens files for reading only; tables and figures are returned as text.

mod check;
pub mod figure;
mod findings;
mod grid;
mod groups;
pub mod history;
mod markup;
mod matrix;
pub mod palette;
pub mod report;
mod run;
mod series;
mod summary;
pub mod table;
mod wrap;

use std::path::Path;

pub use check::{RuleCount, Verdict};
pub use findings::findings;
pub use grid::Style;
pub use matrix::{MATRIX_MACHINES_MAX, Matrix};
pub use run::{InspectError, Item, RunReader};
pub use series::{
    JUMP_MAX, LATENESS_BOUNDS_US, LatenessCounts, MachineSeries, POINTS_MAX, RunSeries, SERIES_MACHINES_MAX,
    Thinned,
};
pub use summary::{Expected, MachineSummary, RunSummary};

/// Judges and counts a run in one pass over its logs. `dir` is the run's folder, or a link to it such as
/// `logs/latest`.
///
/// # Errors
/// [`InspectError`] if the folder holds no run that can be read. Broken rules are no error: they are the verdict.
pub fn check(dir: &Path) -> Result<(Verdict, RunSummary), InspectError> {
    let mut run = RunReader::open(dir)?;
    let mut check = check::Check::new(&run);
    let mut tally = summary::Tally::new(&run);
    while let Some(item) = run.next_item()? {
        check.take(&item);
        tally.take(&item);
    }
    let summary = tally.finish(&check);
    Ok((check.finish(&run), summary))
}
