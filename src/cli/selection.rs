//! Which part of a run `draw` and `export` are told to show.

use clap::Args;

use crate::inspect::window::Window;

#[derive(Args, Debug)]
pub(super) struct SelectionArguments {
    /// Only events in this window, in times since the start: 10s-20s, 10s- or -20s
    #[arg(long, value_name = "FROM-UNTIL", allow_hyphen_values = true)]
    pub(super) window: Option<Window>,
    /// Only these machines, such as 0,2
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub(super) machines: Vec<String>,
    /// Only the last N events of these
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) last: Option<u64>,
}
