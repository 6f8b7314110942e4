//! Logs for ShiViz and TSViz: an expression that finds events, in the log's first line or none.
//!
//! | line | holds |
//! |---|---|
//! | 1 | a regular expression of JavaScript with the groups `event`, `host` and `clock` |
//! | 2 | an expression for what separates executions, with a group `trace` for their names; may be empty |
//! | 3 on | the log: whatever the first expression does not match is skipped |
//!
//! Both lines are often missing, because people type them into ShiViz's page: then ShiViz's default expression
//! is tried, and lines of `===` separate executions. The first of the groups `timestamp`, `date` and `time`
//! that there is gives events their time; a group `kind` or `type`, or the event's first word behind a level,
//! may say that it is a send, a receive or internal. Source: ShiViz, `js/model/parser.js` and the help on its
//! page.

use regex::{Captures, Regex};

use super::{
    error::ForeignError,
    expression::{self, group_names},
    text::{Lines, Text, shown},
    times,
    vectors::{Found, Said, VectorLog, VectorLogBuilder},
};

/// ShiViz's default: the text of an event, then its host and clock on a line of their own.
pub(super) const DEFAULT: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})";

/// Separates executions where no expression says how: `=== Execution #… ===` of GoVector, or a ruler.
pub(super) const DEFAULT_DELIMITER: &str = r"^={3,} *(?<trace>[^=\n]*?) *=*$";

/// The groups that an expression must have.
const GROUPS: [&str; 3] = ["event", "host", "clock"];

/// Groups that may say what an event is.
const KIND_GROUPS: [&str; 2] = ["kind", "type"];

/// Levels that GoVector puts before a text.
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "FATAL"];

/// How a log is to be taken apart.
#[derive(Debug)]
pub(super) struct Grammar {
    expression: String,
    event: Regex,
    delimiter: Option<Regex>,
    /// Where the log begins: its byte, and its line.
    start: (usize, u32),
    notes: Vec<String>,
}

/// Whether a first line is an expression for events: it has one of the groups at least.
pub(super) fn is_header(line: &str) -> bool {
    group_names(line).any(|name| GROUPS.contains(&name))
}

impl Grammar {
    /// The one that the first two lines of a log give.
    pub(super) fn of_header(text: &Text) -> Result<Self, ForeignError> {
        let mut lines = text.text.split_inclusive('\n');
        let first = lines.next().unwrap_or_default();
        let second = lines.next().unwrap_or_default();
        let expression = first.trim();
        let event = compile(text, 1, expression)?;
        for group in GROUPS {
            if !event.capture_names().flatten().any(|name| name == group) {
                return Err(ForeignError::NoGroup {
                    file: text.file.to_string(),
                    expression: expression.to_owned(),
                    group,
                });
            }
        }
        let mut grammar = Self {
            expression: expression.to_owned(),
            event,
            delimiter: None,
            start: (first.len() + second.len(), 3),
            notes: Vec::new(),
        };
        if !second.trim().is_empty() {
            let rest = text.text.get(first.len()..).unwrap_or_default();
            if grammar.event.find(rest).is_some_and(|found| found.start() == 0) {
                grammar.start = (first.len(), 2);
                grammar.notes.push(format!(
                    "{}:2: the line for the delimiter is missing, an empty one would do; the log is taken to begin here",
                    text.file
                ));
            } else {
                grammar.delimiter = Some(compile(text, 2, second.trim())?);
            }
        }
        Ok(grammar)
    }

    /// A given one, for a log without a header.
    pub(super) fn given(text: &Text, expression: &str) -> Result<Self, ForeignError> {
        Ok(Self {
            expression: expression.to_owned(),
            event: compile(text, 1, expression)?,
            delimiter: Some(compile(text, 1, DEFAULT_DELIMITER)?),
            start: (0, 1),
            notes: Vec::new(),
        })
    }

    /// The executions of a log, each with the events of one file. There is one at least.
    pub(super) fn read(&self, text: &Text) -> Result<Vec<VectorLog>, ForeignError> {
        let mut logs = Vec::new();
        let mut head = Lines::new(text.text.get(self.start.0..).unwrap_or_default(), self.start.1);
        for (label, start, end) in self.executions(&text.text) {
            let mut builder = VectorLogBuilder::default();
            builder.label = label;
            let line = head.line_at(start - self.start.0);
            self.read_into(text, (start, end, line), &mut builder)?;
            if !builder.is_empty() {
                logs.push(builder.finish());
            }
        }
        if logs.is_empty() {
            return Err(ForeignError::NoEvents {
                file: text.file.to_string(),
                expression: self.expression.clone(),
            });
        }
        Ok(logs)
    }

    /// The events of a file of one execution, added to those of other files.
    pub(super) fn read_file(&self, text: &Text, builder: &mut VectorLogBuilder) -> Result<(), ForeignError> {
        self.read_into(text, (self.start.0, text.text.len(), self.start.1), builder)
    }

    /// Name, start and end of each execution, in bytes; those of blanks only are left out.
    fn executions(&self, text: &str) -> Vec<(String, usize, usize)> {
        let mut executions = Vec::new();
        let (mut label, mut start) = (String::new(), self.start.0);
        let mut add = |label: &mut String, start: usize, end: usize| {
            if text.get(start..end).is_some_and(|part| !part.trim().is_empty()) {
                executions.push((std::mem::take(label), start, end));
            }
        };
        let rest = text.get(self.start.0..).unwrap_or_default();
        let delimiters = self
            .delimiter
            .iter()
            .flat_map(|delimiter| delimiter.captures_iter(rest));
        for found in delimiters {
            let Some(whole) = found.get(0).filter(|whole| !whole.is_empty()) else {
                continue;
            };
            add(&mut label, start, self.start.0 + whole.start());
            start = self.start.0 + whole.end();
            label = found
                .name("trace")
                .map_or("", |trace| trace.as_str())
                .trim()
                .to_owned();
        }
        add(&mut label, start, text.len());
        executions
    }

    fn read_into(
        &self,
        text: &Text,
        (start, end, line): (usize, usize, u32),
        builder: &mut VectorLogBuilder,
    ) -> Result<(), ForeignError> {
        let part = text.text.get(start..end).unwrap_or_default();
        builder.files.push(text.file.clone());
        builder.notes.extend(self.notes.iter().cloned());
        let mut lines = Lines::new(part, line);
        let mut skipped = Skipped::default();
        let (mut behind, mut timeless) = (0, 0_u64);
        let time_group = times::TIME_GROUPS
            .into_iter()
            .find(|group| self.event.capture_names().flatten().any(|name| name == *group));
        for found in self.event.captures_iter(part) {
            let (Some(whole), Some(host), Some(clock)) =
                (found.get(0), found.name("host"), found.name("clock"))
            else {
                continue;
            };
            skipped.take(part, behind, whole.start(), &mut lines);
            behind = whole.end();
            let event = found.name("event").map_or("", |event| event.as_str());
            let at = time_group.and_then(|group| times::parse(found.name(group)?.as_str()));
            timeless += u64::from(time_group.is_some() && at.is_none());
            builder.add(&Found {
                line: lines.line_at(clock.start()),
                host: host.as_str(),
                clock: clock.as_str(),
                text: event,
                at,
                said: said(&found, event),
            })?;
        }
        skipped.take(part, behind, part.len(), &mut lines);
        builder.notes.extend(skipped.told(text));
        if let (Some(group), 1..) = (time_group, timeless) {
            builder.notes.push(format!(
                "{}: the group `{group}` of {timeless} events is no time that is understood; they have none",
                text.file
            ));
        }
        if text.is_mended {
            builder
                .notes
                .push(format!("{}: bytes that are no UTF-8 are shown as �", text.file));
        }
        Ok(())
    }
}

/// Lines between events.
#[derive(Debug, Default)]
struct Skipped {
    count: u64,
    first: Option<(u32, String)>,
}

impl Skipped {
    fn take(&mut self, part: &str, start: usize, end: usize, lines: &mut Lines<'_>) {
        let mut offset = start;
        for line in part.get(start..end).unwrap_or_default().split_inclusive('\n') {
            if !line.trim().is_empty() {
                self.count += 1;
                self.first
                    .get_or_insert_with(|| (lines.line_at(offset), shown(line)));
            }
            offset += line.len();
        }
    }

    fn told(self, text: &Text) -> Option<String> {
        let (line, first) = self.first?;
        Some(format!(
            "{} lines are no events and are skipped; the first is {}: `{first}`",
            self.count,
            text.place(line)
        ))
    }
}

fn compile(text: &Text, line: u64, expression: &str) -> Result<Regex, ForeignError> {
    expression::compile(expression).map_err(|error| ForeignError::Expression {
        file: text.file.to_string(),
        line,
        expression: shown(expression),
        position: error.position,
        text: error.text,
    })
}

fn first_word(text: &str) -> &str {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words
        .find(|word| !word.is_empty() && !LEVELS.contains(word))
        .unwrap_or_default()
}

/// What an event is, if a group or its first word says so.
fn said(found: &Captures<'_>, event: &str) -> Option<Said> {
    let group = KIND_GROUPS.into_iter().find_map(|group| found.name(group));
    let word = group.map_or_else(|| first_word(event), |group| group.as_str().trim());
    match word.to_ascii_lowercase().as_str() {
        "send" | "sends" | "sent" | "sending" => Some(Said::Send),
        "receive" | "receives" | "received" | "receiving" | "recv" => Some(Said::Receive),
        "internal" | "local" => Some(Said::Internal),
        _ => None,
    }
}
