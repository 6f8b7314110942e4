//! `clocklab concurrency`: how much of a run is concurrent, and its critical path.

use clap::Args;

use super::{Exit, Usage, causality};
use crate::inspect::causality::{Causality, report::ConcurrencyReport};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab concurrency
  clocklab concurrency logs/my-run --json | jq .ranked_concurrent

Lamport's clocks put events into an order that agrees with causality, and rank many pairs that causality does not. \
This counts them, exactly. A message is overtaken if its receiver could have known of it, by another path, before \
it took it. The longest causal chain is the critical path of the run; how long the chain that ends in an event is, \
is its Lamport clock where clocks step by 1, which is verified.

Exit codes: 0 counted, 2 no such folder or too large a run, 3 a log cannot be read.";

#[derive(Args, Debug)]
pub(super) struct ConcurrencyArguments {
    #[command(flatten)]
    pub(super) run: causality::RunArguments,
}

pub(super) fn run(arguments: &ConcurrencyArguments) -> anyhow::Result<Exit> {
    let history = arguments.run.history()?;
    let report = ConcurrencyReport::new(&Causality::new(&history));
    arguments
        .run
        .print(&report.map_err(|error| Usage(error.to_string()))?)
}
