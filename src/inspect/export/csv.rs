//! CSV after RFC 4180: a heading, then a row an event, machine by machine.
//!
//! | column | what it is |
//! |---|---|
//! | run, machine, index | the event's identity: its number on its machine, from 1 |
//! | at, at_us | when: UTC with microseconds, and microseconds since 1970 |
//! | kind, clock, jump | what; the clock after it, and by how much that rose |
//! | from, sent | of a receive: the sender, and the clock of the send event, be it in a log or not |
//! | queue, waited_us | of a receive: messages still waiting, and how long this one waited |
//! | to | of a send: the recipients, separated by `;`, which in a name becomes `_` |
//! | line | the line of the machine's log |
//!
//! What is not known is empty. Lines end with CR LF, as the RFC has it.

use std::io::Write;

use super::{ExportError, Exported, part::Part, row};
use crate::{inspect::history::Sender, trace::TimeText};

const HEADING: &str = "run,machine,index,at,at_us,kind,clock,jump,from,sent,queue,waited_us,to,line\r\n";

/// Bytes that are gathered before they are written.
const BATCH_BYTES: usize = 64 * 1024;

pub(super) fn write(
    part: &Part<'_>,
    exported: &mut Exported,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let history = part.history;
    exported.messages = part.messages();
    exported.notes.extend(row::notes_of_strays(part));
    let run = field(&history.name);
    let names: Vec<String> = history
        .processes
        .iter()
        .map(|process| process.name.replace(';', "_"))
        .collect();
    let fields: Vec<String> = names.iter().map(|name| field(name)).collect();
    let name = |process: u32| fields.get(process as usize).map_or("", String::as_str).as_bytes();
    let mut times = TimeText::default();
    let mut lines = HEADING.as_bytes().to_vec();
    for id in part.ids() {
        let Some(row) = row::row(history, id) else {
            continue;
        };
        lines.extend_from_slice(run.as_bytes());
        lines.push(b',');
        lines.extend_from_slice(name(id.process));
        number(&mut lines, Some(row.index));
        lines.push(b',');
        if let Some(at) = row.at {
            times.write(at, &mut lines);
        }
        number(&mut lines, row.at.map(|at| at.0));
        lines.push(b',');
        lines.extend_from_slice(row.kind.as_bytes());
        number(&mut lines, Some(row.clock));
        number(&mut lines, Some(row.jump));
        lines.push(b',');
        match row.from {
            Some(Sender::Process(process)) => lines.extend_from_slice(name(process)),
            Some(Sender::Missing(machine)) => {
                lines.extend_from_slice(itoa::Buffer::new().format(machine.0).as_bytes());
            }
            None => {}
        }
        number(&mut lines, row.sent);
        number(&mut lines, row.queue);
        number(&mut lines, row.waited_us);
        lines.push(b',');
        lines.extend_from_slice(recipients(history.recipients_of(id), &names).as_bytes());
        number(&mut lines, Some(row.line));
        lines.extend_from_slice(b"\r\n");
        if lines.len() >= BATCH_BYTES {
            output.write_all(&lines)?;
            lines.clear();
        }
    }
    Ok(output.write_all(&lines)?)
}

/// Appends a comma and a number, or nothing behind the comma.
fn number(line: &mut Vec<u8>, number: Option<impl itoa::Integer>) {
    line.push(b',');
    if let Some(number) = number {
        line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// The recipients as one field.
fn recipients(recipients: impl Iterator<Item = u32>, names: &[String]) -> String {
    let mut list = String::new();
    for to in recipients {
        let separator = if list.is_empty() { "" } else { ";" };
        list += separator;
        list += names.get(to as usize).map_or("", String::as_str);
    }
    field(&list)
}

/// A text as a field: in quotes where it needs them.
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
