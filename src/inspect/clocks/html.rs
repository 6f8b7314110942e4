//! The comparison as a section of the report's page.

use std::fmt::Write as _;

use super::{
    ClockComparison,
    text::{COLUMN_NAMES, TITLE, classes, pairs_in_words, row, sentences},
};
use crate::{
    clock::ClockKind,
    inspect::{markup::escape, report::Section, words::thousands},
};

/// The comparison, or why there is none.
pub(in crate::inspect) fn section(comparison: Option<&ClockComparison>, missing: &str) -> Section {
    let body = match comparison {
        Some(comparison) => body(comparison),
        None => format!("<p class=\"note\">{}.</p>\n", escape(missing)),
    };
    Section {
        id: "clocks",
        title: TITLE,
        body,
        ..Section::default()
    }
}

fn body(comparison: &ClockComparison) -> String {
    let mut html = format!("<p>Of {}.</p>\n", escape(&pairs_in_words(&comparison.pairs)));
    let rows = ClockKind::ALL.iter().map(|kind| row(comparison, *kind));
    html += &table(&COLUMN_NAMES, rows);
    html += "<ul>\n";
    for sentence in sentences(comparison) {
        let _ = writeln!(html, "<li>{}</li>", escape(&sentence));
    }
    html += "</ul>\n";
    if let Some(distance) = &comparison.distance {
        html += "<h3>The hybrid clock's distance from physical time</h3>\n";
        let rows = classes(distance)
            .into_iter()
            .map(|(name, count)| vec![name, thousands(count)]);
        html += &table(&["ahead", "events"], rows);
    }
    html
}

/// A table whose first cell of each row is its heading.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut html = String::from(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table>\n<thead><tr>",
    );
    for head in heads {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(head));
    }
    html += "</tr></thead>\n<tbody>\n";
    for cells in rows {
        html += "<tr>";
        for (place, cell) in cells.iter().enumerate() {
            let (open, close) = if place == 0 {
                ("<th scope=\"row\">", "</th>")
            } else {
                ("<td>", "</td>")
            };
            let _ = write!(html, "{open}{}{close}", escape(cell));
        }
        html += "</tr>\n";
    }
    html += "</tbody></table></div>\n";
    html
}
