//! Keys and values as a person types them.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use std::ffi::OsStr;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::{
    cli::Usage,
    kv::{Format, KEY_BYTES_MAX, Key, VALUE_BYTES_MAX, Value},
};

/// How a value is to be understood by those who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatOption {
    /// Any bytes
    Bytes,
    /// One JSON text; what is none is refused
    Json,
}

#[derive(Args, Clone, Copy, Debug)]
pub(in crate::cli) struct ValueOptions {
    /// What the value is for those who read it
    #[arg(long = "as", value_enum, value_name = "FORMAT", default_value_t = FormatOption::Bytes)]
    format: FormatOption,
    /// Take the value as it stands, also `-` and `@NAME`
    #[arg(long)]
    literal: bool,
}

impl ValueOptions {
    /// The value of an argument: its text, `-` for standard input, `@FILE` for a file's content.
    pub(super) fn read(self, argument: &OsStr) -> anyhow::Result<Value> {
        let bytes = match argument.as_bytes() {
            b"-" if !self.literal => {
                let read = limited(io::stdin().lock());
                read.context("cannot read standard input")?
            }
            [b'@', name @ ..] if !self.literal => {
                let path = Path::new(OsStr::from_bytes(name));
                let read = File::open(path).and_then(limited);
                read.map_err(|error| Usage(format!("the value's file {}: {error}", path.display())))?
            }
            bytes => bytes.to_vec(),
        };
        value(bytes, self.format).map_err(|what| Usage(what).into())
    }
}

fn limited(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A value of these bytes, if it can be one.
pub(super) fn value(bytes: Vec<u8>, format: FormatOption) -> Result<Value, String> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(format!(
            "a value has at most {VALUE_BYTES_MAX} bytes: split it up"
        ));
    }
    let format = match format {
        FormatOption::Bytes => Format::Bytes,
        FormatOption::Json => {
            let read = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes);
            read.map_err(|error| format!("the value is no JSON: {error}; text stands in quotes: '\"red\"'"))?;
            Format::Json
        }
    };
    let bytes = bytes.into();
    Ok(Value { format, bytes })
}

/// The key of an argument.
pub(super) fn key(argument: &OsStr) -> Result<Key, Usage> {
    key_of(argument.as_bytes()).map_err(Usage)
}

pub(super) fn key_of(bytes: &[u8]) -> Result<Key, String> {
    match bytes.len() {
        1..=KEY_BYTES_MAX => Ok(bytes.into()),
        0 => Err("a key has at least one byte".to_owned()),
        bytes => Err(format!(
            "this key has {bytes} bytes, and a key has at most {KEY_BYTES_MAX}"
        )),
    }
}

/// The beginning of keys.
pub(super) fn prefix(argument: Option<&OsStr>) -> Result<Box<[u8]>, Usage> {
    let bytes = argument.map(OsStr::as_bytes).unwrap_or_default();
    match bytes.len() {
        0..=KEY_BYTES_MAX => Ok(bytes.into()),
        bytes => Err(Usage(format!(
            "this beginning of keys has {bytes} bytes, and a key has at most {KEY_BYTES_MAX}"
        ))),
    }
}
