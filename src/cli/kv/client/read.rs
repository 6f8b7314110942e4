//! `clocklab kv get` and `clocklab kv scan`.

use std::{ffi::OsString, fmt::Write, io};

use clap::Args;
use serde::Serialize;

use super::{
    ask::{AskOptions, Asker},
    exit_codes,
    json::{self, ItemJson, ValueJson},
    value, words,
};
use crate::{
    cli::{Exit, print},
    kv::{Action, Answer, Content, Item, Key, token_text},
};

pub(super) const GET_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv get color                                   at the replica on port 17200
  clocklab kv get color --at 127.0.0.1:17202              at another one
  clocklab kv get color --session me.session              at least what this session wrote and saw
  clocklab kv get photo --raw > photo.jpg                 the very bytes

Several values that were written concurrently are one for those who do not ask: the last writer's. --siblings shows all.",
    exit_codes!()
);

pub(super) const SCAN_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv scan                                        all keys
  clocklab kv scan user/                                  those that begin with user/
  clocklab kv scan user/ --after user/17 --limit 10       ten behind that one",
    exit_codes!()
);

/// Items that are asked for at once.
const PAGE_ITEMS: u32 = 1000;

#[derive(Args, Debug)]
pub(in crate::cli) struct GetArguments {
    /// The key
    key: OsString,
    /// Show all values that were written concurrently, a line each, the chosen one first
    #[arg(long)]
    siblings: bool,
    /// Write the value's bytes as they are, without a line feed
    #[arg(long, conflicts_with_all = ["siblings", "json"])]
    raw: bool,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ScanArguments {
    /// What the keys begin with [default: nothing: all keys]
    prefix: Option<OsString>,
    /// Only keys behind this one
    #[arg(long, value_name = "KEY")]
    after: Option<OsString>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only the keys
    #[arg(long)]
    keys: bool,
    #[command(flatten)]
    options: AskOptions,
}

/// An answer to `get`, and each line of `scan`.
#[derive(Serialize)]
struct ReadJson<'a> {
    key: ValueJson,
    found: bool,
    #[serde(flatten)]
    item: Option<ItemJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

pub(super) fn get(arguments: &GetArguments) -> anyhow::Result<Exit> {
    let key = value::key(&arguments.key)?;
    let mut asker = arguments.options.asker()?;
    let said = asker.ask(Action::Get { key: key.clone() })?;
    let item = match &said.reply.answer {
        Answer::Found(item) => Some(item),
        Answer::NotFound => None,
        _ => return Err(said.unexpected()),
    };
    let exit = if item.is_some() {
        Exit::Valid
    } else {
        Exit::Violated
    };
    if arguments.options.json {
        let token = token_text(asker.token());
        print(&json::line(&ReadJson {
            key: json::key(&key),
            found: item.is_some(),
            item: item.map(ItemJson::from),
            machine: Some(said.machine.0),
            token: Some(&token),
        })?)?;
        return Ok(exit);
    }
    match item {
        None => tracing::warn!("nothing is under {}", words::shown(&key)),
        Some(item) => show(arguments, item)?,
    }
    Ok(exit)
}

fn show(arguments: &GetArguments, item: &Item) -> anyhow::Result<()> {
    let values = match &item.content {
        Content::Counter(sum) => return print(&format!("{sum}\n")),
        Content::Set(elements) if arguments.raw => elements.as_slice(),
        Content::Set(elements) => {
            let lines: Vec<String> = elements.iter().map(|one| words::value_line(one) + "\n").collect();
            return print(&lines.concat());
        }
        Content::Values(values) => values.as_slice(),
    };
    if arguments.raw {
        let bytes = values
            .first()
            .map(|value| value.bytes.as_ref())
            .unwrap_or_default();
        return match io::Write::write_all(&mut io::stdout().lock(), bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        };
    }
    if arguments.siblings {
        let lines: Vec<String> = values.iter().map(|one| words::value_line(one) + "\n").collect();
        return print(&lines.concat());
    }
    if values.len() > 1 {
        tracing::warn!(
            "{} values were written concurrently; this is the last writer's, and --siblings shows all",
            values.len()
        );
    }
    let text = values.first().map(words::value).unwrap_or_default();
    print(&(text + "\n"))
}

pub(super) fn scan(arguments: &ScanArguments) -> anyhow::Result<Exit> {
    let prefix = value::prefix(arguments.prefix.as_deref())?;
    let mut after = arguments.after.as_deref().map(value::key).transpose()?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut asker = arguments.options.asker()?;
    let mut found = 0_u64;
    loop {
        let limit = u32::try_from(left.min(u64::from(PAGE_ITEMS))).unwrap_or(PAGE_ITEMS);
        let (items, next) = page(&mut asker, &prefix, after.as_ref(), limit)?;
        found += items.len() as u64;
        left = left.saturating_sub(items.len() as u64);
        print(&lines(arguments, &items)?)?;
        match next {
            Some(next) if left > 0 => after = Some(next),
            Some(_) | None => break,
        }
    }
    Ok(if found > 0 { Exit::Valid } else { Exit::Violated })
}

type Page = (Vec<(Key, Item)>, Option<Key>);

fn page(asker: &mut Asker, prefix: &[u8], after: Option<&Key>, limit: u32) -> anyhow::Result<Page> {
    let said = asker.ask(Action::Scan {
        prefix: prefix.into(),
        after: after.cloned(),
        limit,
    })?;
    match said.reply.answer {
        Answer::Scanned { items, next } => Ok((items, next)),
        _ => Err(said.unexpected()),
    }
}

fn lines(arguments: &ScanArguments, items: &[(Key, Item)]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (key, item) in items {
        if arguments.options.json {
            text += &json::line(&ReadJson {
                key: json::key(key),
                found: true,
                item: (!arguments.keys).then(|| ItemJson::from(item)),
                machine: None,
                token: None,
            })?;
        } else if arguments.keys {
            let _ = writeln!(text, "{}", words::shown(key));
        } else {
            let _ = writeln!(text, "{}\t{}", words::shown(key), words::item_line(item));
        }
    }
    Ok(text)
}
