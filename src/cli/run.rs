//! x
use super::{Exit, args::RunArguments};
pub(super) fn run(_: &RunArguments) -> anyhow::Result<Exit> {
    Ok(Exit::Valid)
}
