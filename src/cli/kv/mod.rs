//! `clocklab kv`: the causal store. One file a subcommand.

mod check;

use clap::Subcommand;

use super::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum KvCommand {
    /// Judge what clients recorded: can a causally consistent store have shown it to them
    #[command(after_help = check::EXAMPLES)]
    Check(check::CheckArguments),
}

/// Runs a command of the store.
pub(super) fn run(command: &KvCommand) -> anyhow::Result<Exit> {
    match command {
        KvCommand::Check(arguments) => check::run(arguments),
    }
}
