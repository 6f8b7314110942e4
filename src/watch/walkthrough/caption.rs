//! What is shown of a step: its number, its text, what is done, and how the machines then stand, in lines of the
//! width that there is.

use super::{Action, Step};
use crate::inspect::wrap::wrap;

/// Columns by which all but a step's number is set in.
const INDENT: usize = 5;

/// The step's number, what is said, and what is done. Lines of a text are joined and broken anew; an empty line
/// begins a paragraph, and a line that begins with a blank stays one.
pub(super) fn caption(number: usize, steps: usize, step: &Step, columns: usize) -> String {
    let mut blocks = paragraphs(step.say.as_deref().unwrap_or_default());
    if step.action != Action::Nothing {
        blocks.push(format!("> {}", step.action));
    }
    let mut blocks = blocks.into_iter();
    let first = format!("[{number}/{steps}] {}", blocks.next().unwrap_or_default());
    let first = wrap(first.trim_end(), columns, INDENT).trim_end().to_owned();
    blocks.fold(first, |text, block| {
        format!("{text}\n{}", set_in(&block, columns))
    })
}

/// How the machines stand: in one line if there is room, else a line each.
pub(super) fn standing(machines: &[String], columns: usize) -> String {
    let line = machines.join(" | ");
    if line.chars().count() + INDENT <= columns {
        return set_in(&line, columns);
    }
    let lines: Vec<String> = machines.iter().map(|machine| set_in(machine, columns)).collect();
    lines.join("\n")
}

/// A paragraph, set in; lines behind its first by two more.
pub(super) fn set_in(text: &str, columns: usize) -> String {
    let wrapped = wrap(text, columns.saturating_sub(INDENT), 2);
    let lines: Vec<String> = wrapped
        .lines()
        .map(|line| format!("{:INDENT$}{line}", ""))
        .collect();
    lines.join("\n")
}

/// Joins the lines of a text that belong together.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.trim().lines() {
        let stands_alone = line.trim().is_empty() || line.starts_with(char::is_whitespace);
        match paragraphs.last_mut().filter(|_| goes_on && !stands_alone) {
            Some(paragraph) => *paragraph += &format!(" {}", line.trim()),
            None if line.trim().is_empty() => {}
            None => paragraphs.push(line.trim().to_owned()),
        }
        goes_on = !stands_alone;
    }
    paragraphs
}
