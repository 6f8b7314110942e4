//! `clocklab kv`: the causal store. One file a subcommand.

mod bench;
mod check;
mod client;
mod common;
mod page;
mod replica;
mod run;
mod simulate;
mod soak;
mod token;
mod view;

use clap::Subcommand;

use super::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum KvCommand {
    /// Start replicas on this computer, until Ctrl-C
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunArguments),
    /// Start one replica
    #[command(after_help = replica::EXAMPLES)]
    Replica(replica::ReplicaArguments),
    /// Measure how many requests a second a replica answers, and how soon
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::BenchArguments),
    /// Bearer tokens for clients: make, list, revoke
    #[command(after_help = token::EXAMPLES)]
    Token(token::TokenArguments),
    /// Judge what clients recorded: can a causally consistent store have shown it to them
    #[command(after_help = check::EXAMPLES)]
    Check(check::CheckArguments),
    #[command(flatten)]
    Client(client::ClientCommand),
    /// Run the store in virtual time, under faults, once or thousands of times
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::SimulateArguments),
    /// Run real replicas under random faults and load, and judge what clients were told
    #[command(after_help = soak::EXAMPLES)]
    Soak(soak::SoakArguments),
}

/// Runs a command of the store.
pub(super) fn run(command: &KvCommand) -> anyhow::Result<Exit> {
    match command {
        KvCommand::Run(arguments) => run::run(arguments),
        KvCommand::Replica(arguments) => replica::run(arguments),
        KvCommand::Bench(arguments) => bench::run(arguments),
        KvCommand::Client(command) => client::run(command),
        KvCommand::Token(arguments) => token::run(arguments),
        KvCommand::Check(arguments) => check::run(arguments),
        KvCommand::Simulate(arguments) => simulate::run(arguments),
        KvCommand::Soak(arguments) => soak::run(arguments),
    }
}
