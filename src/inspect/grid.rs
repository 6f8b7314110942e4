//! Cells in aligned columns: for a terminal, or as Markdown.

/// Columns of a plain terminal.
const TERMINAL_COLUMNS: usize = 80;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Aligned columns for a terminal.
    Text,
    /// A Markdown table, for the notebook.
    Markdown,
}

/// A table of texts. Every row has as many cells as the heading.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(super) fn new(heading: &[&'static str]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Vec<String>) {
        assert_eq!(
            row.len(),
            self.heading.len(),
            "a row has one cell a column: {row:?}"
        );
        self.rows.push(row);
    }

    pub(super) fn render(&self, style: Style) -> String {
        let mut widths: Vec<usize> = self.heading.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let heading: Vec<String> = self.heading.iter().map(|cell| (*cell).to_owned()).collect();
        // Two spaces between columns, or one where that keeps the table within a terminal of 80 columns.
        let wide = widths.iter().map(|width| width + 2).sum::<usize>() > TERMINAL_COLUMNS;
        let gap = if wide { " " } else { "  " };
        let mut output = line(&heading, &widths, gap, style);
        if style == Style::Markdown {
            output += &"|---:".repeat(widths.len());
            output += "|\n";
        }
        for row in &self.rows {
            output += &line(row, &widths, gap, style);
        }
        output
    }
}

fn line(cells: &[String], widths: &[usize], gap: &str, style: Style) -> String {
    let mut output = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        output += match style {
            Style::Text => gap,
            Style::Markdown => "| ",
        };
        output += &format!("{cell:>width$}");
        if style == Style::Markdown {
            output.push(' ');
        }
    }
    match style {
        Style::Text => output.truncate(output.trim_end().len()),
        Style::Markdown => output.push('|'),
    }
    output.push('\n');
    output
}
