//! `clocklab kv put`, `delete`, `add`, `insert`, `remove`: one operation, one write.

use std::{ffi::OsString, fmt::Write, time::Duration};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    ask::{AskOptions, Said},
    exit_codes,
    json::{self, ValueJson},
    value::{self, ValueOptions},
    words,
};
use crate::{
    cli::{Exit, Usage, kv::common::CopiesOption, print},
    clock::VersionVector,
    kv::{Action, Answer, Change, Condition, Deny, Done, Key, Operation, token_text},
};

pub(super) const PUT_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv put color red                               at the replica on port 17200
  clocklab kv put color red --session me.session          and remember it in a session
  clocklab kv put user/7 '{\"name\": \"Ada\"}' --as json      JSON, for those who read it over HTTP
  clocklab kv put photo @photo.jpg                        a file's content
  date | clocklab kv put now -                            standard input
  clocklab kv put lock me --if absent --ttl 30s           only if nothing is there; for half a minute
  clocklab kv put color red --copies majority             answered when more than half of the replicas have it on disk",
    exit_codes!()
);

pub(super) const DELETE_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv delete color
  clocklab kv delete color --session me.session           at a replica that has all that the session has seen

A delete is final for what the replica had; a value that is written concurrently at another stays.",
    exit_codes!()
);

pub(super) const ADD_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv add visits                                  one more
  clocklab kv add visits 10
  clocklab kv add visits -3

Amounts that are added concurrently add up. A command that ends with 3 may have added: look before it is done again.",
    exit_codes!()
);

pub(super) const INSERT_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv insert cart apple pear
  clocklab kv remove cart pear

An element that is put in and taken out concurrently stays.",
    exit_codes!()
);

/// What must hold of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ConditionOption {
    /// Nothing is there
    Absent,
    /// Something is there
    Present,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct WriteOptions {
    /// How many replicas have it on their disks before the answer
    #[arg(long, value_enum, value_name = "HOW MANY", default_value_t = CopiesOption::Pushed)]
    copies: CopiesOption,
    #[command(flatten)]
    pub(super) ask: AskOptions,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ConditionOptions {
    /// Only if this holds at the replica that is asked
    #[arg(long = "if", value_enum, value_name = "WHAT")]
    condition: Option<ConditionOption>,
    /// Only if the key still has this mark: `clocklab kv get KEY --json` shows it
    #[arg(long, value_name = "MARK", conflicts_with = "condition")]
    if_mark: Option<VersionVector>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct PutArguments {
    /// The key
    key: OsString,
    /// The value: its text, `-` for standard input, `@FILE` for a file's content
    #[arg(allow_hyphen_values = true)]
    value: OsString,
    #[command(flatten)]
    how: ValueOptions,
    /// How long it lasts [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = crate::cli::time)]
    ttl: Option<Duration>,
    /// Stay beside values that the session has not seen, instead of replacing them
    #[arg(long)]
    beside: bool,
    #[command(flatten)]
    condition: ConditionOptions,
    #[command(flatten)]
    options: WriteOptions,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct DeleteArguments {
    /// The key
    key: OsString,
    #[command(flatten)]
    condition: ConditionOptions,
    #[command(flatten)]
    options: WriteOptions,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct AddArguments {
    /// The key
    key: OsString,
    /// How much; less than 0 takes away
    #[arg(default_value_t = 1, allow_negative_numbers = true)]
    amount: i64,
    #[command(flatten)]
    options: WriteOptions,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ElementArguments {
    /// The key
    key: OsString,
    /// The elements, as values are written
    #[arg(required = true)]
    elements: Vec<OsString>,
    #[command(flatten)]
    how: ValueOptions,
    #[command(flatten)]
    options: WriteOptions,
}

impl ConditionOptions {
    fn condition(&self) -> Condition {
        match (&self.if_mark, self.condition) {
            (Some(mark), _) => Condition::Unchanged(mark.clone()),
            (None, Some(ConditionOption::Absent)) => Condition::Absent,
            (None, Some(ConditionOption::Present)) => Condition::Present,
            (None, None) => Condition::Always,
        }
    }
}

pub(super) fn put(arguments: &PutArguments) -> anyhow::Result<Exit> {
    let lasts_us = match arguments.ttl {
        None => None,
        Some(ttl) if ttl.is_zero() => {
            return Err(Usage("--ttl is 0: nothing would be there".to_owned()).into());
        }
        Some(ttl) => Some(u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX)),
    };
    let value = arguments.how.read(&arguments.value)?;
    let change = if arguments.beside {
        Change::PutBeside(value)
    } else {
        Change::Put(value)
    };
    let operation = Operation {
        key: value::key(&arguments.key)?,
        change,
        condition: arguments.condition.condition(),
        lasts_us,
    };
    write(vec![operation], &arguments.options)
}

pub(super) fn delete(arguments: &DeleteArguments) -> anyhow::Result<Exit> {
    let operation = Operation {
        condition: arguments.condition.condition(),
        ..always(value::key(&arguments.key)?, Change::Delete)
    };
    write(vec![operation], &arguments.options)
}

pub(super) fn add(arguments: &AddArguments) -> anyhow::Result<Exit> {
    let key = value::key(&arguments.key)?;
    write(
        vec![always(key, Change::Add(arguments.amount))],
        &arguments.options,
    )
}

pub(super) fn insert(arguments: &ElementArguments) -> anyhow::Result<Exit> {
    elements(arguments, Change::Insert)
}

pub(super) fn remove(arguments: &ElementArguments) -> anyhow::Result<Exit> {
    elements(arguments, Change::Remove)
}

fn elements(
    arguments: &ElementArguments,
    change: fn(Vec<crate::kv::Value>) -> Change,
) -> anyhow::Result<Exit> {
    let read = arguments
        .elements
        .iter()
        .map(|element| arguments.how.read(element));
    let elements = read.collect::<anyhow::Result<Vec<_>>>()?;
    let key = value::key(&arguments.key)?;
    write(vec![always(key, change(elements))], &arguments.options)
}

/// An operation without a condition, for ever.
pub(super) fn always(key: Key, change: Change) -> Operation {
    Operation {
        key,
        change,
        condition: Condition::Always,
        lasts_us: None,
    }
}

#[derive(Serialize)]
struct WriteJson<'a> {
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<String>,
    done: Vec<DoneJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    machine: u16,
    token: &'a str,
}

#[derive(Serialize)]
struct DoneJson {
    key: ValueJson,
    done: &'static str,
}

/// Writes, and says what each operation came to. Where nothing had to be done, or a condition does not hold, the answer
/// is no.
pub(super) fn write(operations: Vec<Operation>, options: &WriteOptions) -> anyhow::Result<Exit> {
    let shown: Vec<(String, bool)> = operations
        .iter()
        .map(|operation| {
            let is_beside = matches!(operation.change, Change::PutBeside(_));
            (words::shown(&operation.key), is_beside)
        })
        .collect();
    let keys: Vec<Key> = operations.iter().map(|operation| operation.key.clone()).collect();
    let mut asker = options.ask.asker()?;
    let copies = options.copies.into();
    let said = asker.ask(Action::Write { operations, copies })?;
    let (dot, done, mark) = match &said.reply.answer {
        Answer::Written { dot, done } => (*dot, done.as_slice(), None),
        Answer::Denied(Deny::Condition { mark, .. }) => (None, [].as_slice(), Some(mark)),
        Answer::Denied(Deny::WrongType { operation }) => {
            let place = usize::try_from(*operation).unwrap_or(usize::MAX);
            let key = keys.get(place).map(|key| words::shown(key)).unwrap_or_default();
            return Err(anyhow::anyhow!("{key}: {}", said.unexpected()));
        }
        _ => return Err(said.unexpected()),
    };
    let exit = if dot.is_some() {
        Exit::Valid
    } else {
        Exit::Violated
    };
    if options.ask.json {
        let pairs = keys.iter().zip(done);
        let token = token_text(asker.token());
        print(&json::line(&WriteJson {
            written: dot.is_some(),
            write: dot.map(|dot| dot.to_string()),
            done: pairs
                .map(|(key, done)| DoneJson {
                    key: json::key(key),
                    done: words::done(*done),
                })
                .collect(),
            mark: mark.map(ToString::to_string),
            machine: said.machine.0,
            token: &token,
        })?)?;
        return Ok(exit);
    }
    match mark {
        Some(_) => tracing::warn!("not written: {}", refused(&said, &keys)),
        None => print(&describe(&shown, done, dot.map(words::dot), &said))?,
    }
    Ok(exit)
}

/// Which key is not as it should be.
fn refused(said: &Said, keys: &[Key]) -> String {
    let Answer::Denied(Deny::Condition { operation, mark }) = &said.reply.answer else {
        return String::new();
    };
    let place = usize::try_from(*operation).unwrap_or(usize::MAX);
    let key = keys.get(place).map(|key| words::shown(key)).unwrap_or_default();
    match mark.is_empty() {
        true => format!("nothing is under {key}"),
        false => format!("what is under {key} has the mark {mark}"),
    }
}

fn describe(keys: &[(String, bool)], done: &[Done], dot: Option<String>, said: &Said) -> String {
    let mut text = String::new();
    for ((key, is_beside), done) in keys.iter().zip(done) {
        // Writing to a text cannot fail.
        let _ = match (done, is_beside) {
            (Done::Updated, true) => writeln!(
                text,
                "{key}: stands beside what this session has not seen: `clocklab kv get {key} --siblings` shows all"
            ),
            (Done::Created | Done::Updated | Done::Deleted | Done::Nothing, _) => {
                writeln!(text, "{key}: {}", words::done(*done))
            }
        };
    }
    if let Some(dot) = dot {
        let _ = writeln!(text, "write {dot}, accepted at {}", said.address);
    }
    text
}
