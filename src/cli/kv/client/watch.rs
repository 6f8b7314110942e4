//! `clocklab kv watch`: changes as they are applied.

use std::{ffi::OsString, fmt::Write, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{
    ask::{AskOptions, Connection, token_after},
    exit_codes,
    json::{self, ItemJson, ValueJson},
    session::Session,
    value, words,
};
use crate::{
    cli::{Exit, print},
    clock::{Dot, Origin},
    kv::{Action, Answer, Token, Watched},
    mesh::open::ClientError,
};

pub(super) const EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv watch                                       every change
  clocklab kv watch user/ --at 127.0.0.1:17202            of these keys, as that replica applies them
  clocklab kv watch --after 0.1795301436.1795301436123460 --json
                                                          on behind that position, as far as it is remembered

Each line: the position in the order in which this replica applies writes, the write's name, key and value. A position is \
of one life of one replica. A replica applies a write after everything that it depends on, so what is shown never comes \
before its cause.",
    exit_codes!()
);

/// How long silence lasts before the connection is asked for again; nothing is wrong with it.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

#[derive(Args, Debug)]
pub(in crate::cli) struct WatchArguments {
    /// What the keys begin with [default: nothing: all keys]
    prefix: Option<OsString>,
    /// Go on behind this position: MACHINE.LIFE.NUMBER, as shown
    #[arg(long, value_name = "POSITION")]
    after: Option<Dot>,
    /// End after so many changed keys
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(Serialize)]
struct ChangeJson {
    position: String,
    write: String,
    key: ValueJson,
    found: bool,
    #[serde(flatten)]
    item: Option<ItemJson>,
}

pub(super) fn run(arguments: &WatchArguments) -> anyhow::Result<Exit> {
    let asker = arguments.options.asker()?;
    let watch = Action::Watch {
        prefix: value::prefix(arguments.prefix.as_deref())?,
        after: arguments.after.map(|position| position.number),
    };
    let mut connection = asker.begin(watch, arguments.after.map(|position| position.origin))?;
    let what = match &arguments.prefix {
        Some(prefix) => format!(
            "keys that begin with `{}`",
            words::shown(prefix.as_encoded_bytes())
        ),
        None => "all keys".to_owned(),
    };
    tracing::info!(
        "watching {what} at {}: a line for each change from now on; Ctrl-C ends it",
        connection.address()
    );
    let mut seen = asker.token().clone();
    // The session is free for other commands meanwhile.
    drop(asker);
    connection.set_patience(LOOK_EVERY);
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(watched) = next(&mut connection, &mut seen)? else {
            return Ok(Exit::Valid);
        };
        left = left.saturating_sub(watched.changes.len() as u64);
        print(&lines(&watched, connection.origin(), arguments.options.json)?)?;
        keep(arguments, &seen)?;
    }
    Ok(Exit::Valid)
}

/// The next change; `None` if the replica has ended the watch in order.
fn next(connection: &mut Connection, seen: &mut Token) -> anyhow::Result<Option<Watched>> {
    loop {
        let answer = match connection.receive() {
            Ok(answer) => answer,
            Err(ClientError::Silent { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        *seen = token_after(seen, &answer.reply);
        match answer.reply.answer {
            Answer::Changed(watched) => return Ok(Some(watched)),
            Answer::Denied(deny) => {
                let text = words::denied(connection.machine(), connection.address(), &deny);
                return Err(anyhow::anyhow!(text));
            }
            _ if answer.is_last => return Ok(None),
            _ => {}
        }
    }
}

/// The session has seen what was shown, beside what other commands of it saw meanwhile.
fn keep(arguments: &WatchArguments, seen: &Token) -> anyhow::Result<()> {
    let Some(path) = arguments.options.session() else {
        return Ok(());
    };
    let mut session = Session::hold(path)?;
    let mut token = session.token().clone();
    token.merge(seen);
    session.keep(&token)
}

/// Positions of several replicas, or lives, are not told apart by their numbers: each says whose it is.
fn lines(watched: &Watched, origin: Origin, is_json: bool) -> anyhow::Result<String> {
    let position = Dot::new(origin, watched.position);
    let mut text = String::new();
    for (key, item) in &watched.changes {
        if is_json {
            text += &json::line(&ChangeJson {
                position: position.to_string(),
                write: watched.dot.to_string(),
                key: json::key(key),
                found: item.is_some(),
                item: item.as_ref().map(ItemJson::from),
            })?;
            continue;
        }
        let (dot, key) = (watched.dot, words::shown(key));
        let _ = match item {
            Some(item) => writeln!(text, "{position}\t{dot}\t{key}\t{}", words::item_line(item)),
            None => writeln!(text, "{position}\t{dot}\t{key}\t(deleted)"),
        };
    }
    Ok(text)
}
