//! The formats by name, and what each consumer can take.

use std::{fmt, str::FromStr};

use super::{DOT_EVENTS_MAX, PERFETTO_EVENTS_MAX, SHIVIZ_EVENTS_MAX};

/// Whom an export is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// ShiViz: vector clocks of any log, as a space-time diagram.
    Shiviz,
    /// TSViz: the same with real time.
    Tsviz,
    /// GoVector: the log of Go programs with vector clocks; ShiViz reads it too.
    Govector,
    /// Perfetto: the JSON of Chrome's traces.
    Perfetto,
    /// CSV after RFC 4180, a row an event.
    Csv,
    /// Parquet with typed columns, a row an event.
    Parquet,
    /// Mermaid: a sequence diagram for Markdown.
    Mermaid,
    /// Graphviz: events and messages as a graph.
    Dot,
}

/// The most events that a consumer can take, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Events.
    pub(super) events: u64,
    /// The end of a sentence.
    pub(super) why: &'static str,
}

impl Format {
    /// All formats, in the order in which they are listed.
    pub const ALL: [Format; 8] = [
        Format::Shiviz,
        Format::Tsviz,
        Format::Govector,
        Format::Perfetto,
        Format::Csv,
        Format::Parquet,
        Format::Mermaid,
        Format::Dot,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Format::Shiviz => "shiviz",
            Format::Tsviz => "tsviz",
            Format::Govector => "govector",
            Format::Perfetto => "perfetto",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::Mermaid => "mermaid",
            Format::Dot => "dot",
        }
    }

    /// Whom it is for, as a noun.
    #[must_use]
    pub fn consumer(self) -> &'static str {
        match self {
            Format::Shiviz => "ShiViz",
            Format::Tsviz => "TSViz",
            Format::Govector => "ShiViz",
            Format::Perfetto => "Perfetto",
            Format::Csv => "CSV",
            Format::Parquet => "Parquet",
            Format::Mermaid => "Mermaid",
            Format::Dot => "Graphviz",
        }
    }

    /// What to do with the file, as a sentence.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Format::Shiviz => "load it at https://bestchai.bitbucket.io/shiviz/",
            Format::Tsviz => "load it at https://bestchai.bitbucket.io/tsviz/",
            Format::Govector => "load it in ShiViz, or read it beside other GoVector logs",
            Format::Perfetto => "open it at https://ui.perfetto.dev",
            Format::Csv => "a row an event, for any table",
            Format::Parquet => "a row an event, for DuckDB, Polars and pandas",
            Format::Mermaid => "put it into a ```mermaid block of a Markdown page",
            Format::Dot => "draw it with `dot -Tsvg FILE`",
        }
    }

    /// Whether it is bytes that no terminal should see.
    #[must_use]
    pub fn is_binary(self) -> bool {
        self == Format::Parquet
    }

    /// Whether every event must have a time.
    pub(super) fn needs_times(self) -> bool {
        matches!(self, Format::Tsviz | Format::Perfetto)
    }

    /// What its consumer can take; `None` where there is no limit, or one of messages.
    pub(super) fn limit(self) -> Option<Limit> {
        let (events, why) = match self {
            Format::Shiviz | Format::Tsviz | Format::Govector => {
                (SHIVIZ_EVENTS_MAX, "its parser's time grows with their square")
            }
            Format::Perfetto => (PERFETTO_EVENTS_MAX, "the page holds the whole trace in memory"),
            Format::Dot => (DOT_EVENTS_MAX, "its layout's time grows with their square"),
            Format::Csv | Format::Parquet | Format::Mermaid => return None,
        };
        Some(Limit { events, why })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Format::ALL.into_iter().find(|format| format.word() == text);
        known.ok_or_else(|| {
            let words = Format::ALL.map(Format::word).join(", ");
            format!("there is no format `{text}`; there are {words}")
        })
    }
}
