//! The store by hand: commands that ask a replica over the wire protocol, and copies of a replica's data.
//!
//! Each command is one request, or a few. With `--session` the token that an answer carries goes into a file and from
//! there into the next request, so that commands in a row see what those before them saw, at whichever replica.

mod ask;
mod batch;
mod copy;
mod json;
mod members;
mod read;
mod session;
mod state;
mod value;
mod watch;
mod words;
mod write;

use clap::Subcommand;

use crate::cli::Exit;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ClientCommand {
    /// Write a value under a key
    #[command(after_help = write::PUT_EXAMPLES)]
    Put(write::PutArguments),
    /// Show what is under a key
    #[command(after_help = read::GET_EXAMPLES)]
    Get(read::GetArguments),
    /// Take away what is under a key
    #[command(after_help = write::DELETE_EXAMPLES)]
    Delete(write::DeleteArguments),
    /// Add to a counter
    #[command(after_help = write::ADD_EXAMPLES)]
    Add(write::AddArguments),
    /// Put elements into a set
    #[command(after_help = write::INSERT_EXAMPLES)]
    Insert(write::ElementArguments),
    /// Take elements out of a set
    #[command(after_help = write::INSERT_EXAMPLES)]
    Remove(write::ElementArguments),
    /// Do several operations at once, or none of them
    #[command(after_help = batch::EXAMPLES)]
    Batch(batch::BatchArguments),
    /// List keys and what is under them
    #[command(after_help = read::SCAN_EXAMPLES)]
    Scan(read::ScanArguments),
    /// Show every change to keys as it is applied, in causal order, until Ctrl-C
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::WatchArguments),
    /// Show how a replica is, who the members are and how far each is behind
    #[command(after_help = state::STATUS_EXAMPLES)]
    Status(state::StatusArguments),
    /// Say which write is waited for, of whom, and who has it
    #[command(after_help = state::WHY_EXAMPLES)]
    Why(state::WhyArguments),
    /// List the members, or change who is one
    #[command(after_help = members::EXAMPLES)]
    Members(members::MembersArguments),
    /// Copy a replica's data into one file, while it runs or when it is stopped
    #[command(after_help = copy::BACKUP_EXAMPLES)]
    Backup(copy::BackupArguments),
    /// Make a data folder of a backup
    #[command(after_help = copy::RESTORE_EXAMPLES)]
    Restore(copy::RestoreArguments),
}

/// Runs a command.
pub(super) fn run(command: &ClientCommand) -> anyhow::Result<Exit> {
    match command {
        ClientCommand::Put(arguments) => write::put(arguments),
        ClientCommand::Get(arguments) => read::get(arguments),
        ClientCommand::Delete(arguments) => write::delete(arguments),
        ClientCommand::Add(arguments) => write::add(arguments),
        ClientCommand::Insert(arguments) => write::insert(arguments),
        ClientCommand::Remove(arguments) => write::remove(arguments),
        ClientCommand::Batch(arguments) => batch::run(arguments),
        ClientCommand::Scan(arguments) => read::scan(arguments),
        ClientCommand::Watch(arguments) => watch::run(arguments),
        ClientCommand::Status(arguments) => state::status(arguments),
        ClientCommand::Why(arguments) => state::why(arguments),
        ClientCommand::Members(arguments) => members::run(arguments),
        ClientCommand::Backup(arguments) => copy::backup(arguments),
        ClientCommand::Restore(arguments) => copy::restore(arguments),
    }
}

/// What the help of each command ends with.
macro_rules! exit_codes {
    () => {
        "\n\nExit codes: 0 done, 1 no: nothing is there, or a condition does not hold, 2 usage, 3 it could not be done or it is \
         not known whether it was."
    };
}
use exit_codes;

#[cfg(test)]
mod tests;
