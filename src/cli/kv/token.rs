//! `clocklab kv token`: bearer tokens for clients.
#![allow(clippy::disallowed_methods, reason = "a token says when it was made")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use crate::{
    cli::{Exit, Usage, print},
    disk,
    gateway::{FILE, Scope, TokenEntry, TokenFile, TokenFileError},
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  clocklab kv token create alice --data kv-data/replica-1 --scope write --prefix app/
  curl -H 'Authorization: Bearer clk_…' http://127.0.0.1:8090/v1/keys/app/name
  clocklab kv token list --data kv-data/replica-1
  clocklab kv token revoke alice --data kv-data/replica-1

  CLOCKLAB_TOKEN=clk_… clocklab kv get app/name --at 127.0.0.1:8090

Where replicas have a secret (clocklab secret), clients by the wire, such as clocklab's own commands, prove that they know it and may \
do everything; without one they present a token, as clients of HTTP do. Each replica has \
its own tokens.json in its data folder, with hashes and no token's text, so a token is shown once. Copy the file to the \
other replicas' folders if their clients shall use the same tokens. A running replica looks at the file every second.
With the first token every request needs one, but /healthz, /ping and the page itself, which asks for a token.

Exit codes: 0 done, 2 usage (a name that is taken, or that is not there), 3 the file cannot be read or written.";

#[derive(Args, Debug)]
pub(in crate::cli) struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and show it once
    Create(CreateArguments),
    /// Show which tokens there are
    List(FolderOption),
    /// Take a token back
    Revoke(RevokeArguments),
}

#[derive(Args, Debug)]
struct FolderOption {
    /// The replica's data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

#[derive(Args, Debug)]
struct CreateArguments {
    /// What you call it: letters, digits, - _ . @
    name: String,
    #[command(flatten)]
    folder: FolderOption,
    /// What it lets its holder do; each includes those before it
    #[arg(long, value_enum, default_value_t = ScopeOption::Read)]
    scope: ScopeOption,
    /// What keys have to begin with [default: any key]
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
}

#[derive(Args, Debug)]
struct RevokeArguments {
    /// Which one
    name: String,
    #[command(flatten)]
    folder: FolderOption,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScopeOption {
    /// Look at keys and at the store
    Read,
    /// Change keys
    Write,
    /// Change who is a member
    Admin,
}

impl From<ScopeOption> for Scope {
    fn from(option: ScopeOption) -> Self {
        match option {
            ScopeOption::Read => Self::Read,
            ScopeOption::Write => Self::Write,
            ScopeOption::Admin => Self::Admin,
        }
    }
}

pub(super) fn run(arguments: &TokenArguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        TokenCommand::Create(arguments) => create(arguments),
        TokenCommand::List(folder) => list(folder),
        TokenCommand::Revoke(arguments) => revoke(arguments),
    }
}

fn create(arguments: &CreateArguments) -> anyhow::Result<Exit> {
    let folder = &arguments.folder.data;
    refuse_folder_of_folders(folder)?;
    if !folder.is_dir() {
        tracing::warn!(
            "there was no folder {0}: it is made, and the token is for a replica that is started with --data {0}; if the name was \
             a slip, delete it and name the folder of the replica that runs. Replicas in memory (--memory) have no folder, and \
             no tokens",
            folder.display()
        );
    }
    // A replica that has not run yet has no folder yet.
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(FILE);
    let _held = TokenFile::lock(&path)?;
    let mut file = TokenFile::read(&path)?;
    let made = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let scope = arguments.scope.into();
    let made = file.create(&arguments.name, scope, &arguments.prefix, made);
    let text = made.map_err(explained)?;
    file.write(&path)?;
    let rights = rights(scope, &arguments.prefix);
    let keys = match arguments.prefix.as_str() {
        "" => String::new(),
        prefix => format!("?prefix={}", in_query(prefix)),
    };
    print(&format!(
        "{}\n\
         This is the only time that it is shown. `{}` may {rights}:\n\
         curl -H 'Authorization: Bearer {}' 'http://HOST:PORT/v1/keys{keys}'\n\
         This replica alone knows it: copy {} to the folders of the others, after each change. One whose folder has no \
         tokens goes on serving everybody, if it listens on loopback or with --insecure.\n",
        text.as_str(),
        arguments.name,
        text.as_str(),
        path.display(),
    ))?;
    Ok(Exit::Valid)
}

fn list(folder: &FolderOption) -> anyhow::Result<Exit> {
    let file = read(&folder.data)?;
    if file.entries().is_empty() {
        print(
            "no tokens: nobody needs one, unless the replica listens for other computers without --insecure\n",
        )?;
        return Ok(Exit::Valid);
    }
    let width = file
        .entries()
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for TokenEntry {
        name,
        scope,
        prefix,
        made,
        ..
    } in file.entries()
    {
        let scope = scope.to_string();
        text += &format!("{name:width$}  {scope:5}  {made}  {}\n", reach(prefix));
    }
    print(&text)?;
    Ok(Exit::Valid)
}

fn revoke(arguments: &RevokeArguments) -> anyhow::Result<Exit> {
    let folder = existing(&arguments.folder.data)?;
    let _held = TokenFile::lock(&folder.join(FILE))?;
    let mut file = read(folder)?;
    file.revoke(&arguments.name).map_err(explained)?;
    file.write(&folder.join(FILE))?;
    let left = file.entries().len();
    print(&format!(
        "`{}` is of no use any more at this replica; {left} left\n\
         Replicas that have the token, too, still take it: copy {} to their folders\n",
        arguments.name,
        folder.join(FILE).display()
    ))?;
    if left == 0 {
        print("that was the last one: a replica that only this computer reaches lets everybody in again\n")?;
    }
    Ok(Exit::Valid)
}

/// Refuses the folder that the replicas of `clocklab kv run` have theirs in: no replica would read a file there.
fn refuse_folder_of_folders(folder: &Path) -> anyhow::Result<()> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    let is_replica = |name: &&String| name.starts_with("replica-") && folder.join(name).is_dir();
    match names.iter().find(is_replica) {
        Some(replica) if !disk::is_data_folder(folder) => {
            let text = format!(
                "--data {}: this is the folder of several replicas' folders, and no replica looks for tokens here: name the \
                 folder of one, such as {}",
                folder.display(),
                folder.join(replica).display()
            );
            Err(Usage(text).into())
        }
        _ => Ok(()),
    }
}

/// A folder that is there.
fn existing(folder: &Path) -> anyhow::Result<&Path> {
    if !folder.is_dir() {
        let text = format!("--data {}: there is no such folder", folder.display());
        return Err(Usage(text).into());
    }
    Ok(folder)
}

/// The tokens of a folder that is there.
fn read(folder: &Path) -> anyhow::Result<TokenFile> {
    Ok(TokenFile::read(&existing(folder)?.join(FILE))?)
}

/// What a new token lets its holder do, in words.
fn rights(scope: Scope, prefix: &str) -> String {
    match (scope, prefix) {
        (Scope::Admin, "") => "do everything".to_owned(),
        (Scope::Admin, _) => format!("change who is a member, and read and write {}", reach(prefix)),
        (Scope::Write, _) => format!("read and write {}", reach(prefix)),
        (Scope::Read, _) => format!("read {}", reach(prefix)),
    }
}

/// A text as a value in a query, in single quotes of a shell: what might mean something there is written in hexadecimal.
fn in_query(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b':' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn reach(prefix: &str) -> String {
    if prefix.is_empty() {
        "all keys".to_owned()
    } else {
        format!("keys that begin with `{prefix}`")
    }
}

/// A name that is taken or unknown is a slip of the person who gave it.
fn explained(error: TokenFileError) -> anyhow::Error {
    match error {
        TokenFileError::Taken(_)
        | TokenFileError::Unknown(_)
        | TokenFileError::Unfit(_)
        | TokenFileError::Full => Usage(error.to_string()).into(),
        TokenFileError::System { .. } | TokenFileError::Format { .. } | TokenFileError::Random(_) => {
            error.into()
        }
    }
}
