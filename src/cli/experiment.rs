//! x
use super::{Exit, args::ExperimentArguments};
pub(super) fn run(_: &ExperimentArguments) -> anyhow::Result<Exit> {
    Ok(Exit::Valid)
}
