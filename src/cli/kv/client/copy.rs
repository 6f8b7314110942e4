//! `clocklab kv backup` and `clocklab kv restore`: a replica's data as one file, and back.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{Exit, Usage, kv::common::folder_error, print},
    disk::{self, Copied},
};

pub(super) const BACKUP_EXAMPLES: &str = "\
Example:
  clocklab kv backup --data kv-data/replica-0 --into monday.backup

The replica has to be stopped meanwhile: the others serve, and it takes from them what it missed. The file holds every row \
and a digest of them all (protocol of the file: src/disk/backup.rs); only you may read it.

Exit codes: 0 done, 2 usage, 3 it could not be done.";

pub(super) const RESTORE_EXAMPLES: &str = "\
Example:
  clocklab kv restore monday.backup --data kv-data/replica-0

The folder has to be new or empty. The file is checked to its end before anything is written. The replica that is started \
with the folder is a further life of the one that was copied: no write's name is given twice, and what the copy lacks it takes \
from the others. To begin a cluster of a backup, restore it at one replica and start the others with empty folders.

Exit codes: 0 done, 2 usage, 3 it could not be done.";

#[derive(Args, Debug)]
pub(in crate::cli) struct BackupArguments {
    /// The stopped replica's data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The file to write; it must not be there
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

pub(super) fn backup(arguments: &BackupArguments) -> anyhow::Result<Exit> {
    if arguments.into.exists() {
        let text = format!(
            "--into {}: there is such a file already: name another",
            arguments.into.display()
        );
        return Err(Usage(text).into());
    }
    let copied = disk::back_up(&arguments.data, &arguments.into).map_err(folder_error)?;
    say(&copied, &format!("in {}", arguments.into.display()))
}

pub(super) fn restore(arguments: &RestoreArguments) -> anyhow::Result<Exit> {
    let copied = disk::restore(&arguments.file, &arguments.data).map_err(folder_error)?;
    say(&copied, &format!("in the folder {}", arguments.data.display()))
}

fn say(copied: &Copied, place: &str) -> anyhow::Result<Exit> {
    print(&format!(
        "{} rows ({} bytes) of machine {} of the cluster `{}`, up to its life {}, are {place}\n",
        copied.rows, copied.bytes, copied.owner.machine, copied.owner.cluster, copied.incarnation
    ))?;
    Ok(Exit::Valid)
}
