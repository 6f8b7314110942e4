//! `clocklab order`: which of two events happened first, and why.

use clap::Args;

use super::{Exit, causality};
use crate::inspect::{
    causality::{Causality, report::OrderReport},
    history::EventName,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab order 0:17 2:40                  in the newest run
  clocklab order 0:17 2:40 logs/my-run --json | jq .order

An event is named machine:clock, as the log has it: 0:17 is the event of machine 0 with clock=17.
If one happened before the other, the answer is the chain of events and messages that proves it: the one with \
the fewest messages, and of those one that arrives first. If they are concurrent, the answer says for both \
directions what was known, by which messages, and when the other event became known.

Exit codes: 0 answered, whatever the answer; 2 no such event or folder; 3 a log cannot be read.";

#[derive(Args, Debug)]
pub(super) struct OrderArguments {
    /// An event, such as 0:17
    #[arg(value_name = "A")]
    pub(super) a: EventName,
    /// Another event
    #[arg(value_name = "B")]
    pub(super) b: EventName,
    #[command(flatten)]
    pub(super) run: causality::RunArguments,
}

pub(super) fn run(arguments: &OrderArguments) -> anyhow::Result<Exit> {
    let history = arguments.run.history()?;
    let a = causality::find(&history, &arguments.a)?;
    let b = causality::find(&history, &arguments.b)?;
    let report = OrderReport::new(&Causality::new(&history), a, b);
    arguments.run.print(&report)
}
