//! Text of at most 100 columns: aligned columns, wrapped sentences, times and places.

use std::fmt::Write;

use super::{ChainView, EventView, RunView, StepView};

pub(super) use crate::inspect::words::duration;

/// Columns of a wide terminal.
pub(super) const COLUMNS_MAX: usize = 100;

/// Least width of a wrapped column, however wide the others are.
const WRAPPED_MIN: usize = 24;

/// Cells in columns that begin at the same place. What is too long in the last one goes on below.
#[derive(Debug)]
pub(super) struct Columns<const N: usize> {
    rows: Vec<[String; N]>,
    /// Columns of numbers, which end at the same place.
    right: [usize; N],
}

impl<const N: usize> Columns<N> {
    /// `numbers`: by column, 1 if it holds numbers.
    pub(super) fn new(heading: [&str; N], numbers: [usize; N]) -> Self {
        Self {
            rows: vec![heading.map(str::to_owned)],
            right: numbers,
        }
    }

    pub(super) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// The rows, indented by two.
    pub(super) fn render(&self) -> String {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let before: usize = widths
            .iter()
            .take(N.saturating_sub(1))
            .map(|width| width + 2)
            .sum();
        let room = COLUMNS_MAX.saturating_sub(before + 2).max(WRAPPED_MIN);
        let mut output = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (place, ((cell, width), right)) in row.iter().zip(widths).zip(self.right).enumerate() {
                line += "  ";
                if place + 1 == N && right == 0 {
                    let indent = format!("\n{}", " ".repeat(before + 2));
                    line += &wrapped(cell, room).join(&indent);
                } else if right == 1 {
                    // Writing to a string does not fail.
                    let _ = write!(line, "{cell:>width$}");
                } else {
                    let _ = write!(line, "{cell:<width$}");
                }
            }
            output += line.trim_end();
            output.push('\n');
        }
        output
    }
}

/// Lines of at most `width` characters; a longer word stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A sentence, wrapped; further lines are indented by `indent` more.
pub(super) fn sentence(text: &str, indent: usize) -> String {
    let lines = wrapped(text, COLUMNS_MAX - indent);
    lines.join(&format!("\n{}", " ".repeat(indent))) + "\n"
}

/// The first characters of a text, on one line.
pub(super) fn shortened(text: &str, characters: usize) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    if text.chars().count() <= characters {
        return text;
    }
    let mut start: String = text.chars().take(characters.saturating_sub(1)).collect();
    start.push('…');
    start
}

/// Seconds with microseconds, or a dash.
pub(super) fn seconds(us: Option<i64>) -> String {
    let Some(us) = us else { return "-".to_owned() };
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    format!("{sign}{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A count of things in words: `1 message`, `2 messages`.
pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A share in per cent; a dash of nothing.
pub(super) fn share(part: u128, whole: u128) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let share = part as f64 / whole as f64;
    format!("{:.1} %", share * 100.0)
}

impl EventView {
    /// The log's file name and the line.
    pub(super) fn place(&self) -> String {
        let name = self.file.rsplit(['/', '\\']).next().unwrap_or(&self.file);
        format!("{name}:{}", self.line)
    }

    /// Seconds after the run's start.
    pub(super) fn seconds(&self) -> String {
        seconds(self.after_start_us)
    }
}

impl RunView {
    /// The first line of each report.
    pub(super) fn heading(&self) -> String {
        let started = match &self.started {
            Some(started) => format!("; seconds count from {started}"),
            None => String::new(),
        };
        sentence(&format!("{} in {}{started}", self.name, self.source), 2)
    }

    /// The notes that end each report.
    pub(super) fn notes(&self) -> String {
        let notes = self
            .notes
            .iter()
            .map(|note| sentence(&format!("note: {note}"), 6));
        let notes: String = notes.collect();
        if notes.is_empty() {
            notes
        } else {
            format!("\n{notes}")
        }
    }
}

impl StepView {
    /// What happens, with how the chain came here.
    fn told(&self) -> String {
        let what = &self.event.what;
        match (self.events_later, self.transit_us, self.waited_us) {
            (Some(1), ..) => format!("the next event: {what}"),
            (Some(later), ..) => format!("{later} events later: {what}"),
            (None, Some(transit), Some(waited)) => {
                let waited = duration(i64::try_from(waited).unwrap_or(i64::MAX));
                format!("{what}: {} on its way, {waited} in the queue", duration(transit))
            }
            (None, ..) => match self.message_us {
                Some(us) => format!("{what}: {} from send to receive", duration(us)),
                None => what.clone(),
            },
        }
    }
}

impl ChainView {
    /// A row an event.
    pub(super) fn rows(&self) -> String {
        let mut columns = Columns::new(["event", "seconds", "log line", "what happens"], [0, 1, 0, 0]);
        let left_out = self.steps.len().saturating_sub(super::ROWS_SHOWN_MAX);
        let half = super::ROWS_SHOWN_MAX / 2;
        for (place, step) in self.steps.iter().enumerate() {
            if left_out > 0 && place == half {
                let text = format!("… {left_out} steps left out; --json has them");
                columns.push(["…".to_owned(), String::new(), String::new(), text]);
            }
            if left_out == 0 || place < half || place >= half + left_out {
                let event = &step.event;
                columns.push([event.event.clone(), event.seconds(), event.place(), step.told()]);
            }
        }
        columns.render()
    }

    /// Its events in one line: `0:17 -> 1:20 .. 1:25 -> 2:40`.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            path += match step.by {
                "message" => " -> ",
                "machine" => " .. ",
                _ => "",
            };
            path += &step.event.event;
        }
        path
    }
}
