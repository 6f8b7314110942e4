//! The three files with vector clocks: ShiViz, TSViz and GoVector.
//!
//! The first line is a regular expression that tells the consumer how to read the rest, the second one what
//! separates runs: empty, there is one. The rules behind them are those of ShiViz' parser: a host's own entry
//! is 1, 2, 3, … without a gap, another's lies between 1 and that host's number of events, hosts are one word.
//! The expressions have no escaped bracket, which that parser would mistake for a group.
//!
//! ```text
//!   shiviz     machine-0 {"machine-0":3} 2026-11-20T23:16:01.373456Z lamport=4 queue=- send to 1
//!   tsviz      machine-0 1795389361373456000 {"machine-0":3} lamport=4 queue=- send to 1
//!   govector   machine-0 {"machine-0":3}
//!              INFO send to 1
//! ```
//!
//! All but the event's text become fields that ShiViz can search.

use std::io::{self, Write};

use super::{
    ExportError, Exported,
    part::Part,
    vectors::{self, Stamped},
};

/// Events that are exported unless more are asked for: ShiViz' parser takes 2 s for 5,000 events and 68 s for
/// 20,000.
pub const SHIVIZ_EVENTS_MAX: u64 = 2_000;

const SHIVIZ_EXPRESSION: &str =
    r"(?<host>\S+) (?<clock>{[^}]*}) (?<date>\S+) lamport=(?<lamport>\d+) queue=(?<queue>\S+) (?<event>.*)";
const TSVIZ_EXPRESSION: &str = concat!(
    r"(?<host>\S+) (?<timestamp>\d{19}) (?<clock>{[^}]*}) ",
    r"lamport=(?<lamport>\d+) queue=(?<queue>\S+) (?<event>.*)"
);
const GOVECTOR_EXPRESSION: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";

/// The first and the last microsecond whose nanoseconds have 19 digits: September 2001 and April 2262.
const NANOSECONDS_US: std::ops::RangeInclusive<i64> = 1_000_000_000_000_000..=9_223_372_036_854_775;

/// Which of the three.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    Shiviz,
    Tsviz,
    Govector,
}

pub(super) fn write(
    part: &Part<'_>,
    dialect: Dialect,
    exported: &mut Exported,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let excerpt = part.excerpt();
    exported.messages = excerpt.messages();
    exported.notes.extend(excerpt.note_of_loose_receives());
    let expression = match dialect {
        Dialect::Shiviz => SHIVIZ_EXPRESSION,
        Dialect::Tsviz => TSVIZ_EXPRESSION,
        Dialect::Govector => GOVECTOR_EXPRESSION,
    };
    write!(output, "{expression}\n\n")?;
    let mut moved = 0_u64;
    let mut result = Ok(());
    let in_order = vectors::each(&excerpt, |event| {
        result = match dialect {
            Dialect::Shiviz => shiviz(event, output),
            Dialect::Tsviz => tsviz(event, &mut moved, output),
            Dialect::Govector => govector(event, output),
        };
        result.is_ok()
    });
    result?;
    if moved > 0 {
        exported.notes.push(format!(
            "times that do not have 19 digits as nanoseconds, moved to the nearest that has: {moved}"
        ));
    }
    if !in_order {
        exported.notes.push(CIRCLE.to_owned());
    }
    Ok(())
}

/// What is said of logs in which an effect comes before its cause.
pub(super) const CIRCLE: &str = "some messages form a circle, as only wrong logs have it: one message of each \
    circle does not count for the order; see `clocklab check`";

fn shiviz(event: &Stamped<'_>, output: &mut impl Write) -> io::Result<()> {
    write!(output, "{} {} ", event.host, event.vector)?;
    match event.at {
        Some(at) => write!(output, "{at}")?,
        None => output.write_all(b"-")?,
    }
    tail(event, output)
}

fn tsviz(event: &Stamped<'_>, moved: &mut u64, output: &mut impl Write) -> io::Result<()> {
    let us = event.at.map_or(0, |at| at.0);
    let fitting = us.clamp(*NANOSECONDS_US.start(), *NANOSECONDS_US.end());
    *moved += u64::from(us != fitting);
    write!(output, "{} {fitting}000 {}", event.host, event.vector)?;
    tail(event, output)
}

/// ` lamport=4 queue=- send to 1`
fn tail(event: &Stamped<'_>, output: &mut impl Write) -> io::Result<()> {
    write!(output, " lamport={} queue=", event.clock)?;
    match event.queue {
        Some(queue) => write!(output, "{queue}")?,
        None => output.write_all(b"-")?,
    }
    writeln!(output, " {}", event.text)
}

fn govector(event: &Stamped<'_>, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "{} {}\nINFO {}", event.host, event.vector, event.text)
}
