//! The section on wall clocks: only where they differ.

use std::fmt::Write as _;

use super::{Report, Section};
use crate::inspect::{markup::escape, skew};

/// Every machine's wall clock beside the first one's, if the messages say that they differ.
pub(super) fn section(report: &Report<'_>) -> Option<Section> {
    let skew = report.verdict.skew.as_ref().filter(|skew| skew.is_told())?;
    let (rows, limits) = skew.rows();
    let shown = match report.diagram.aligned {
        [] => {
            "Figures and diagram show the times of the logs as they are; <code>--align</code> takes the differences out of \
             the diagram"
        }
        _ => "Figures show the times of the logs as they are; the diagram takes the differences out",
    };
    let mut body = format!(
        "<p>{}. {shown}.</p>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table>\n<thead><tr>",
        escape(&skew.title())
    );
    for name in skew::HEADING {
        let _ = write!(body, "<th scope=\"col\">{name}</th>");
    }
    body += "</tr></thead>\n<tbody>\n";
    for [machine, cells @ ..] in &rows {
        let _ = write!(body, "<tr><th scope=\"row\">{}</th>", escape(machine));
        for cell in cells {
            let _ = write!(body, "<td>{}</td>", escape(cell));
        }
        body += "</tr>\n";
    }
    body += "</tbody></table></div>\n";
    for limit in &limits {
        let _ = writeln!(body, "<p class=\"note\">{}</p>", escape(limit));
    }
    Some(Section {
        id: "wall-clocks",
        title: "Wall clocks",
        body,
        ..Section::default()
    })
}
