//! `clocklab kv batch`: several operations as one write.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;

use super::{
    exit_codes,
    value::{self, FormatOption},
    write::{WriteOptions, always, write},
};
use crate::{
    cli::{Exit, Usage},
    kv::{BATCH_OPERATIONS_MAX, Change, Operation},
    wire::FRAME_LENGTH_MAX,
};

pub(super) const EXAMPLES: &str = concat!(
    "\
Examples:
  printf 'put color red\\nadd visits 1\\n' | clocklab kv batch -
  clocklab kv batch changes.txt

A line is an operation; words are separated by one blank, and a value goes to the end of its line:
  put KEY VALUE         json KEY VALUE        delete KEY
  add KEY AMOUNT        insert KEY ELEMENT    remove KEY ELEMENT
Empty lines and lines that begin with # are none. All of it happens at once, at every replica, or nothing does; a key can \
occur once.",
    exit_codes!()
);

#[derive(Args, Debug)]
pub(in crate::cli) struct BatchArguments {
    /// File of operations; `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    options: WriteOptions,
}

pub(super) fn run(arguments: &BatchArguments) -> anyhow::Result<Exit> {
    let name = arguments.file.display();
    let input: Box<dyn Read> = if arguments.file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let file = File::open(&arguments.file);
        Box::new(file.map_err(|error| Usage(format!("{name}: {error}")))?)
    };
    // More would not fit the one frame that it all goes into.
    let mut lines = BufReader::new(input.take(FRAME_LENGTH_MAX as u64 * 2));
    let mut operations = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read {name}"))? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let operation = parse(text).map_err(|what| Usage(format!("{name}, line {number}: {what}")))?;
        operations.push(operation);
    }
    check(&operations).map_err(|what| Usage(format!("{name}: {what}")))?;
    write(operations, &arguments.options)
}

/// As many as one write can have, and no key twice.
fn check(operations: &[Operation]) -> Result<(), String> {
    match operations.len() {
        0 => return Err("it has no operation".to_owned()),
        1..=BATCH_OPERATIONS_MAX => {}
        count => {
            return Err(format!(
                "it has {count} operations, and one write has at most {BATCH_OPERATIONS_MAX}"
            ));
        }
    }
    let mut keys = std::collections::BTreeSet::new();
    match operations.iter().find(|operation| !keys.insert(&operation.key)) {
        Some(twice) => Err(format!(
            "the key {} occurs twice: one write changes a key once",
            super::words::shown(&twice.key)
        )),
        None => Ok(()),
    }
}

/// One line.
fn parse(line: &[u8]) -> Result<Operation, String> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let verb = words.next().unwrap_or_default();
    let key = words.next().filter(|key| !key.is_empty());
    let key = value::key_of(key.ok_or("write VERB KEY, such as `put color red`")?)?;
    let rest = words.next();
    let change = match (verb, rest) {
        (b"put", Some(rest)) => Change::Put(value::value(rest.to_vec(), FormatOption::Bytes)?),
        (b"json", Some(rest)) => Change::Put(value::value(rest.to_vec(), FormatOption::Json)?),
        (b"delete", None) => Change::Delete,
        (b"add", Some(rest)) => {
            let amount = std::str::from_utf8(rest)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            Change::Add(amount.ok_or("an amount is a whole number, such as 1 or -3")?)
        }
        (b"insert", Some(rest)) => Change::Insert(vec![value::value(rest.to_vec(), FormatOption::Bytes)?]),
        (b"remove", Some(rest)) => Change::Remove(vec![value::value(rest.to_vec(), FormatOption::Bytes)?]),
        (b"delete", Some(_)) => return Err("delete has a key and nothing else".to_owned()),
        (b"put" | b"json" | b"add" | b"insert" | b"remove", None) => {
            return Err("something is missing behind the key".to_owned());
        }
        (other, _) => {
            return Err(format!(
                "`{}` is no operation: put, json, delete, add, insert or remove",
                super::words::shown(other)
            ));
        }
    };
    Ok(always(key, change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Format, Value};

    fn text(bytes: &str) -> Value {
        Value {
            format: Format::Bytes,
            bytes: bytes.as_bytes().into(),
        }
    }

    #[test]
    fn lines_are_operations() {
        for (line, change) in [
            ("put k a b  c", Change::Put(text("a b  c"))),
            ("put k ", Change::Put(text(""))),
            ("delete k", Change::Delete),
            ("add k -3", Change::Add(-3)),
            ("insert k e", Change::Insert(vec![text("e")])),
            ("remove k e", Change::Remove(vec![text("e")])),
        ] {
            assert_eq!(
                parse(line.as_bytes()),
                Ok(always(b"k".as_slice().into(), change)),
                "{line}"
            );
        }
        let json = parse(b"json k {\"a\": 1}").unwrap();
        assert!(matches!(json.change, Change::Put(value) if value.format == Format::Json));
        for line in [
            "put",
            "put  v",
            "put k",
            "add k",
            "add k x",
            "delete k v",
            "json k {",
            "set k v",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_key_occurs_once() {
        let operation = || parse(b"put k v").unwrap();
        assert!(check(&[]).is_err() && check(&[operation()]).is_ok());
        assert!(
            check(&[operation(), operation()])
                .unwrap_err()
                .contains("k occurs twice")
        );
    }
}
