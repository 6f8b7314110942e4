//! x
use super::{Exit, args::FoldersArguments};
pub(super) fn run(_: &FoldersArguments) -> anyhow::Result<Exit> {
    Ok(Exit::Valid)
}
