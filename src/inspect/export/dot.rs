//! A graph for Graphviz: a row a machine, events as nodes, process order and messages as edges.
//!
//! Time goes from left to right. Columns are those of Graphviz' own ranking, in which every edge leads to the
//! right: causality, not seconds.

use std::io::Write;

use super::{
    ExportError, Exported, names,
    part::{Excerpt, Part},
};
use crate::inspect::history::{EventId, EventKind};

/// Events that are exported unless more are asked for: `dot` takes 0.2 s for 1,000 events of eight machines,
/// 3 s for 4,000 and 19 s for 8,000, and no screen shows a wider picture.
pub const DOT_EVENTS_MAX: u64 = 1_000;

pub(super) fn write(
    part: &Part<'_>,
    exported: &mut Exported,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let excerpt = part.excerpt();
    let history = &excerpt.history;
    exported.messages = excerpt.messages();
    exported.notes.extend(excerpt.note_of_loose_receives());
    writeln!(output, "digraph {} {{", quoted(&history.name))?;
    writeln!(output, "  rankdir=LR; newrank=true; nodesep=0.15; ranksep=0.25;")?;
    writeln!(
        output,
        "  node [shape=circle, fixedsize=true, width=0.45, fontsize=9, fontname=\"sans-serif\"];"
    )?;
    writeln!(output, "  edge [arrowsize=0.5];")?;
    for (process, name) in history.process_ids().zip(names::words(history)) {
        writeln!(output, "  subgraph cluster_{process} {{")?;
        writeln!(
            output,
            "    label={}; color=gray85; fontname=\"sans-serif\";",
            quoted(&name)
        )?;
        for id in history.ids_of(process) {
            node(&excerpt, id, output)?;
        }
        for id in history.ids_of(process).skip(1) {
            let before = EventId {
                index: id.index - 1,
                ..id
            };
            writeln!(
                output,
                "    {} -> {} [color=gray60, arrowhead=none, weight=20];",
                Node(before),
                Node(id)
            )?;
        }
        writeln!(output, "  }}")?;
    }
    for message in history.received() {
        if let Some(receive) = message.receive() {
            writeln!(
                output,
                "  {} -> {} [color=\"#1f77b4\"];",
                Node(message.send),
                Node(receive)
            )?;
        }
    }
    Ok(writeln!(output, "}}")?)
}

fn node(excerpt: &Excerpt<'_>, id: EventId, output: &mut impl Write) -> Result<(), ExportError> {
    let Some(event) = excerpt.history.event(id) else {
        return Ok(());
    };
    let fill = match event.kind {
        EventKind::Internal | EventKind::Other => "white",
        EventKind::Send => "#cfe5f5",
        EventKind::Receive | EventKind::Exchange => "#fde2c4",
    };
    let tip = format!("{} {}", excerpt.history.name_of(id), excerpt.describe(id));
    let (clock, tip) = (event.clock, quoted(&tip));
    writeln!(
        output,
        "    {} [label=\"{clock}\", tooltip={tip}, style=filled, fillcolor=\"{fill}\"];",
        Node(id)
    )?;
    Ok(())
}

/// The name of an event in the graph: its process and place, because clocks of wrong logs repeat.
struct Node(EventId);

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}e{}", self.0.process, self.0.index)
    }
}

/// A text in double quotes, as the language of graphs reads it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => quoted.push(' '),
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
