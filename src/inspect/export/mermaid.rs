//! A sequence diagram for Mermaid, as Markdown pages show it.
//!
//! Such a diagram has one line a message, sent and received at once; so a message stands where it was
//! received, and messages stand in the order of time as far as causality allows. That messages overtake each
//! other, or are under way at the same time, cannot be seen in it: vector-clock formats show that. A message that
//! was not received in the export ends in a cross, where it was sent.

use std::{collections::BTreeSet, io::Write};

use super::{
    Count, ExportError, Exported, Selection, names,
    part::{Excerpt, Part},
    shiviz::CIRCLE,
};
use crate::inspect::{
    history::{EventId, EventKind, Fate},
    words::thousands,
};

/// Lines of messages and notes that are exported unless more are asked for: what a person follows, and well
/// within the 50,000 characters beyond which Mermaid draws nothing.
pub const MERMAID_LINES_MAX: usize = 200;

/// Whether events without a message are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Internals {
    /// Only messages.
    #[default]
    Hidden,
    /// Each as a note.
    Shown,
}

/// One line of the diagram.
struct Step {
    /// The time of its event, or of the latest one in its past if that is later.
    time: i64,
    /// The processes that take part: sender and recipient, or the one that the note is over.
    ends: (u32, u32),
    text: String,
    arrow: &'static str,
}

pub(super) fn write(
    part: &Part<'_>,
    selection: &Selection,
    internals: Internals,
    exported: &mut Exported,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let excerpt = part.excerpt();
    exported.notes.extend(excerpt.note_of_loose_receives());
    let mut steps = steps(&excerpt, internals, &mut exported.notes);
    let more = steps.len().saturating_sub(MERMAID_LINES_MAX);
    if more > 0 && selection.count == Count::Fitting {
        exported.notes.push(format!(
            "only the last {} of {} messages and notes: a longer diagram is not readable, and Mermaid draws \
             none of over 50,000 characters; choose with --window or --last; --all exports everything",
            thousands(MERMAID_LINES_MAX as u64),
            thousands(steps.len() as u64),
        ));
        steps.drain(..more);
    }
    exported.messages = steps.iter().filter(|step| step.arrow == RECEIVED).count() as u64;
    let parties: BTreeSet<u32> = steps.iter().flat_map(|step| [step.ends.0, step.ends.1]).collect();
    writeln!(output, "sequenceDiagram")?;
    for (process, word) in (0..).zip(names::words(&excerpt.history)) {
        if parties.is_empty() || parties.contains(&process) {
            writeln!(output, "    participant p{process} as {}", escaped(&word))?;
        }
    }
    for Step {
        time: _,
        ends: (from, to),
        text,
        arrow,
    } in &steps
    {
        if *arrow == NOTE {
            writeln!(output, "    Note over p{from}: {text}")?;
        } else {
            writeln!(output, "    p{from}{arrow}p{to}: {text}")?;
        }
    }
    Ok(())
}

const RECEIVED: &str = "->>";
const NOT_RECEIVED: &str = "-x";
const NOTE: &str = "";

/// All lines, causes before effects.
fn steps(excerpt: &Excerpt<'_>, internals: Internals, notes: &mut Vec<String>) -> Vec<Step> {
    let history = &excerpt.history;
    let clock = |id: EventId| history.event(id).map_or(0, |event| event.clock);
    let mut steps = Vec::new();
    // By process and event: a time that rises along every path of causes and effects, so that sorting by it
    // keeps the order.
    let mut times: Vec<Vec<i64>> = vec![Vec::new(); history.processes.len()];
    let in_order = history.each_causes_first(|id| {
        let Some(event) = history.event(id) else { return };
        let time_of = |id: EventId| times.get(id.process as usize)?.get(id.index as usize).copied();
        let causes = history
            .received_by(id)
            .filter_map(|message| time_of(message.send));
        let before = id
            .index
            .checked_sub(1)
            .and_then(|index| time_of(EventId { index, ..id }));
        let own = event.at.map_or(i64::MIN, |at| at.0);
        let time = causes.chain(before).fold(own, i64::max);
        if let Some(times) = times.get_mut(id.process as usize) {
            times.push(time);
        }
        for message in history.received_by(id) {
            steps.push(Step {
                time,
                ends: (message.send.process, id.process),
                text: format!("{} to {}", clock(message.send), event.clock),
                arrow: RECEIVED,
            });
        }
        for message in history.sent_by(id) {
            let fate = match message.fate {
                Fate::Received(_) => continue,
                Fate::Waiting => "waits at the end",
                Fate::Dropped => "dropped",
                Fate::Lost => "lost by a fault",
                Fate::Unknown => "not received here",
            };
            steps.push(Step {
                time,
                ends: (id.process, message.to),
                text: format!("{}, {fate}", event.clock),
                arrow: NOT_RECEIVED,
            });
        }
        let is_silent = matches!(event.kind, EventKind::Internal | EventKind::Other);
        if internals == Internals::Shown && is_silent {
            steps.push(Step {
                time,
                ends: (id.process, id.process),
                text: escaped(&format!("{} {}", event.clock, excerpt.describe(id))),
                arrow: NOTE,
            });
        }
    });
    if !in_order {
        notes.push(CIRCLE.to_owned());
    }
    steps.sort_by_key(|step| step.time);
    steps
}

/// A text without what Mermaid reads as its own: other characters become numbered entities.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if character.is_alphanumeric() || " -_.,".contains(character) {
            escaped.push(character);
        } else {
            escaped += &format!("#{};", u32::from(character));
        }
    }
    escaped
}
