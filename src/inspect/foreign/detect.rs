//! Which program wrote a log, by its content.
//!
//! Tried in this order, since the later ones are the less sure: a log of a run by its first words, an
//! expression in the first line, a line with a message of Maelstrom, GoVector's two lines at the start, and
//! ShiViz's default expression anywhere.

use std::path::Path;

use super::{
    error::ForeignError,
    expression, govector, maelstrom, shiviz,
    text::{Text, shown},
};

/// The first words of a log of clocklab.
const OWN: &str = "# clocklab-log";

/// Each format, and its first line.
const TRIED: &str = r#"  ShiViz, TSViz   (?<event>.*)\n(?<host>\S*) (?<clock>{.*})    the log's expression; then a line for the delimiter
                  or no expression: a line of text, then a line `n1 {"n1":1}`
  GoVector        n1 {"n1":1}                                  then a line of text
  Maelstrom       … maelstrom.net: :send {:src "c0", :dest "n1", :body {…}, :id 7}
                  {"type":"send","time":1200,"message":{"id":7,"src":"c0","dest":"n1","body":{…}}}
A log with a form of its own needs its expression in the first line, and a second line, which may be empty."#;

/// How a log is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// By the expression in its first line.
    Header,
    /// By an expression that it does not hold.
    Given(&'static str),
    /// As Maelstrom's messages.
    Maelstrom,
}

/// Finds the format out; `path` is for the message.
pub(super) fn detect(text: &Text, path: &Path) -> Result<Format, ForeignError> {
    let file = || text.file.to_string();
    let first = text
        .text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if first.starts_with(OWN) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return Err(ForeignError::OwnLog {
            file: file(),
            folder: folder.unwrap_or(Path::new(".")).display().to_string(),
        });
    }
    if text.text.lines().next().is_some_and(shiviz::is_header) {
        return Ok(Format::Header);
    }
    if text.text.lines().any(maelstrom::is_entry) {
        return Ok(Format::Maelstrom);
    }
    if let Some(expression) = govector::expression(&text.text) {
        return Ok(Format::Given(expression));
    }
    let default = expression::compile(shiviz::DEFAULT);
    if default.is_ok_and(|default| default.is_match(&text.text)) {
        return Ok(Format::Given(shiviz::DEFAULT));
    }
    if maelstrom::is_log(&text.text) {
        return Err(ForeignError::NoMessages {
            file: file(),
            missing: "sent or received",
        });
    }
    Err(ForeignError::Unknown {
        file: file(),
        first: shown(first),
        tried: TRIED,
    })
}
