//! `clocklab past` and `clocklab future`: the causal cone of an event.

use clap::Args;

use super::{Exit, causality};
use crate::inspect::{
    causality::{
        Causality, Side,
        report::{ConeReport, Listing},
    },
    history::EventName,
};

pub(super) const PAST_EXAMPLES: &str = "\
Examples:
  clocklab past 2:40                 how much of each machine's log happened before it
  clocklab past 2:40 --list          and the 40 events nearest to it
  clocklab past 2:40 --list --all    and all of them

Exit codes: 0 answered, 2 no such event or folder, 3 a log cannot be read.";

pub(super) const FUTURE_EXAMPLES: &str = "\
Examples:
  clocklab future 0:17               how much of each machine's log it happened before
  clocklab future 0:17 --list        and the 40 events nearest to it
  clocklab future 0:17 --list --all  and all of them

Exit codes: 0 answered, 2 no such event or folder, 3 a log cannot be read.";

#[derive(Args, Debug)]
pub(super) struct ConeArguments {
    /// The event, such as 0:17
    #[arg(value_name = "EVENT")]
    pub(super) event: EventName,
    /// List the events, the 40 nearest
    #[arg(long)]
    pub(super) list: bool,
    /// With --list: all of them
    #[arg(long, requires = "list")]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) run: causality::RunArguments,
}

pub(super) fn run(arguments: &ConeArguments, side: Side) -> anyhow::Result<Exit> {
    let history = arguments.run.history()?;
    let event = causality::find(&history, &arguments.event)?;
    let listing = match (arguments.list, arguments.all) {
        (false, _) => Listing::None,
        (true, false) => Listing::Nearest,
        (true, true) => Listing::All,
    };
    let report = ConeReport::new(&Causality::new(&history), event, side, listing);
    arguments.run.print(&report)
}
