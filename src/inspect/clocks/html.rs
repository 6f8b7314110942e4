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
        let _ = writeln!(html, "<li>{}</li>", with_code(&sentence));
    }
    html += "</ul>\n";
    if let Some(distance) = &comparison.distance {
        html += "<h3>The hybrid clock's distance from physical time</h3>\n";
        html += &histogram(&classes(distance));
    }
    html
}

/// A sentence, with what stands in back quotes as code.
fn with_code(sentence: &str) -> String {
    let parts = sentence.split('`').enumerate();
    let parts = parts.map(|(place, part)| match place % 2 {
        1 => format!("<code>{}</code>", escape(part)),
        _ => escape(part),
    });
    parts.collect()
}

/// A row a class: its name, its count, and a bar as long as its part of the largest.
fn histogram(classes: &[(String, u64)]) -> String {
    let most = classes.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut html = String::from(
        "<table>\n<thead><tr><th scope=\"col\">ahead</th><th scope=\"col\">events</th><th></th></tr></thead>\n<tbody>\n",
    );
    for (name, count) in classes {
        let permille = u128::from(*count) * 1000 / u128::from(most);
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td style=\"text-align:left;width:16rem\">\
             <div style=\"height:0.8em;width:{}.{}%;background:var(--line-0)\"></div></td></tr>",
            escape(name),
            thousands(*count),
            permille / 10,
            permille % 10,
        );
    }
    html + "</tbody></table>\n"
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
