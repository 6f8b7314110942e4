//! Whether a diagram aligns the wall clocks of several computers: of `draw` and `report`.

use clap::Args;

use super::Usage;
use crate::inspect::{draw, history::History};

#[derive(Args, Debug)]
pub(super) struct AlignArguments {
    /// In the diagram, move each machine's line by how far its wall clock is from the first one's, as the messages say: for
    /// runs of several computers
    #[arg(long)]
    pub(super) align: bool,
}

impl AlignArguments {
    /// Aligns wall clocks if that was asked for, and says what was done.
    pub(super) fn apply(&self, history: &mut History) -> anyhow::Result<Vec<String>> {
        if !self.align {
            return Ok(Vec::new());
        }
        if !history.has_times() {
            let text = format!(
                "--align: {} has events without a time, so there are no wall clocks to align",
                history.source
            );
            return Err(Usage(text).into());
        }
        Ok(draw::align(history))
    }
}
