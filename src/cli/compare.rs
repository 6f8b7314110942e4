//! `clocklab report FIRST SECOND`: two runs side by side, such as a real one and a simulated one.

use std::path::PathBuf;

use super::{check::unreadable, print};
use crate::inspect::{Comparison, RunSummary, Style, same_events};

/// Prints whether two runs agree and, if they have the same seed, whether the same happened in both.
pub(super) fn compare(folders: &[PathBuf], runs: [&RunSummary; 2], style: Style) -> anyhow::Result<()> {
    let [first, second] = runs;
    match Comparison::new(first, second) {
        Ok(comparison) => print(&format!("\n{}", comparison.render(style)))?,
        Err(reason) => return print(&format!("\n{reason}\n")),
    }
    match folders {
        [one, other] if first.seed.is_some() && first.seed == second.seed => {
            let same = same_events(one, other).map_err(unreadable)?;
            print(&format!("{same}\n"))
        }
        _ => Ok(()),
    }
}
