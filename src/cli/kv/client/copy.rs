//! `clocklab kv backup` and `clocklab kv restore`: a replica's data as one file, and back.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;

use super::{
    ask::{AskOptions, Connection},
    json, words,
};
use crate::{
    cli::{Exit, Usage, kv::common::folder_error, print},
    disk::{self, BackupWriter, Copied, DiskError, Owner, TOKENS, Tokens},
    kv::{Action, Answer, BackupPart, Request, Token},
};

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  clocklab kv backup --at 127.0.0.1:17200 --into monday.backup          of a running replica, which goes on serving
  clocklab kv backup --data kv-data/replica-0 --into monday.backup      of the folder of one that is stopped

The file holds every row as it was at one moment, closed under causality, and a digest of them all (protocol of the file: \
src/disk/backup.rs); only you may read it. With --session, all that the session has seen is in it. A file that is not whole \
never gets its name. Of a replica with tokens an admin's token for all keys is needed.
--at, --session, --wait, --token and --secret-file are for asking a running replica, and none goes with --data. With --json a \
line of JSON says the file, its rows and its bytes, and whose data it is.
The copy of a folder has its tokens.json, too (hashes, and no token's text); a running replica does not give it away: copy it \
from its folder.

Exit codes: 0 done, 2 usage, 3 it could not be done.";

pub(super) const RESTORE_EXAMPLES: &str = "\
Example:
  clocklab kv restore monday.backup --data kv-data/replica-0

The folder has to be new or empty. The file is checked to its end before anything is written. The replica that is started \
with the folder is a further life of the one that was copied: no write's name is given twice, and what the copy lacks it takes \
from the others. To begin a cluster of a backup, restore it at one replica and start the others with empty folders.
Access tokens (tokens.json) are restored if they are in the backup. Where it does not say whether there were some, as one of a \
running replica or of an earlier version, this is said: copy tokens.json into the folder before the start, or no token is needed.

Exit codes: 0 done, 2 usage, 3 it could not be done.";

#[derive(Args, Debug)]
pub(in crate::cli) struct BackupArguments {
    /// The data folder of a replica that is stopped, instead of asking one that runs
    #[arg(long, value_name = "DIR", conflicts_with_all = ["at", "session", "wait", "token", "secret_file"])]
    data: Option<PathBuf>,
    /// The file to write; it must not be there
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
    #[command(flatten)]
    ask: AskOptions,
}

/// What was copied, for programs.
#[derive(Debug, Serialize)]
struct CopiedJson {
    file: String,
    rows: u64,
    bytes: u64,
    machine: u16,
    cluster: String,
    incarnation: u32,
}

impl CopiedJson {
    fn of(copied: &Copied, file: &Path) -> Self {
        Self {
            file: file.display().to_string(),
            rows: copied.rows,
            bytes: copied.bytes,
            machine: copied.owner.machine.0,
            cluster: copied.owner.cluster.clone(),
            incarnation: copied.incarnation,
        }
    }
}

/// Parts that are asked for ahead, so that none is waited for.
const PARTS_AHEAD: usize = 4;

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
    let parent = arguments
        .into
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        let (into, parent) = (arguments.into.display(), parent.display());
        let text = format!("--into {into}: there is no folder {parent}: make it first, `mkdir -p {parent}`");
        return Err(Usage(text).into());
    }
    let copied = match &arguments.data {
        Some(data) => {
            disk::back_up(data, &arguments.into).map_err(|error| of_folder(error, &arguments.into))?
        }
        None => ask(&arguments.ask, &arguments.into)?,
    };
    if arguments.ask.json {
        print(&json::line(&CopiedJson::of(&copied, &arguments.into))?)?;
        return Ok(Exit::Valid);
    }
    say(&copied, &format!("in {}", arguments.into.display()))
}

/// A folder whose replica runs is no dead end: that is asked.
fn of_folder(error: DiskError, into: &Path) -> anyhow::Error {
    match error {
        DiskError::Locked { path } => {
            let (path, into) = (path.display(), into.display());
            anyhow!(
                "the data folder {path} is in use by another process: ask the replica that runs there, `clocklab kv backup --at \
                 HOST:PORT --into {into}`; it goes on serving"
            )
        }
        error => folder_error(error),
    }
}

/// Copies what a running replica has.
fn ask(options: &AskOptions, into: &Path) -> anyhow::Result<Copied> {
    let asker = options.asker()?;
    let mut connection = asker.begin(Action::Status, None)?;
    let Answer::Status(status) = answer(&mut connection)? else {
        return Err(unexpected(&connection));
    };
    let owner = Owner {
        machine: status.origin.machine,
        cluster: connection.run().to_string(),
    };
    // The file of tokens is the folder's, and nothing that a replica tells.
    let file = BackupWriter::create(into, &owner, status.origin.incarnation, &Tokens::NotKnown);
    let mut file = file.map_err(folder_error)?;
    let mut request = asker.request(Action::Backup { number: 0 })?;
    connection.send(&request)?;
    let first = part(&mut connection)?;
    file.put(&first.bytes, first.rows).map_err(folder_error)?;
    request = Request {
        token: Token::new(),
        wait_us: 0,
        action: Action::Backup { number: first.number },
    };
    for _ in 0..PARTS_AHEAD {
        connection.send(&request)?;
    }
    loop {
        let next = part(&mut connection)?;
        file.put(&next.bytes, next.rows).map_err(folder_error)?;
        if next.is_last {
            // What was asked for behind it is of no interest.
            return file.finish().map_err(folder_error);
        }
        connection.send(&request)?;
    }
}

fn answer(connection: &mut Connection) -> anyhow::Result<Answer> {
    match connection.receive()?.reply.answer {
        Answer::Denied(deny) => {
            let text = words::denied(connection.machine(), connection.address(), &deny);
            Err(anyhow!(text))
        }
        answer => Ok(answer),
    }
}

fn part(connection: &mut Connection) -> anyhow::Result<BackupPart> {
    match answer(connection)? {
        Answer::Backup(part) => Ok(part),
        _ => Err(unexpected(connection)),
    }
}

fn unexpected(connection: &Connection) -> anyhow::Error {
    anyhow!("{} answered something else", connection.address())
}

pub(super) fn restore(arguments: &RestoreArguments) -> anyhow::Result<Exit> {
    let copied = disk::restore(&arguments.file, &arguments.data).map_err(folder_error)?;
    match copied.tokens {
        Tokens::NotKnown => tracing::warn!(
            "the backup does not say whether access tokens were needed: copy {TOKENS} of the old folder to {}, or make new \
             tokens with `clocklab kv token`, before the replica is started; without the file no token is needed",
            arguments.data.display()
        ),
        Tokens::None | Tokens::File(_) => {}
    }
    say(&copied, &format!("in the folder {}", arguments.data.display()))
}

fn say(copied: &Copied, place: &str) -> anyhow::Result<Exit> {
    print(&format!(
        "{} rows ({} bytes) of machine {} of the cluster `{}`, up to its life {}, are {place}\n",
        copied.rows, copied.bytes, copied.owner.machine, copied.owner.cluster, copied.incarnation
    ))?;
    Ok(Exit::Valid)
}
