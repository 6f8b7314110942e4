//! The sections of the page.

use std::fmt::Write as _;

use super::{
    FIGURE_LINES_SHOWN, FIGURES_SCRIPT, PAGE_ROWS_MAX, Report, Section, UPLOT_LICENSE, UPLOT_SCRIPT,
    UPLOT_STYLE, data, tables,
};
use crate::{
    inspect::{
        MATRIX_MACHINES_MAX,
        findings::findings,
        markup::escape,
        palette::{COLOURS, dashes},
        series::{JUMP_MAX, POINTS_MAX, SERIES_MACHINES_MAX},
        summary::MachineSummary,
    },
    trace::VIOLATIONS_KEPT_MAX,
};

/// Findings that the page spells out.
const FINDINGS_MAX: usize = 100;

/// Violations that the page lists.
const VIOLATIONS_SHOWN_MAX: usize = 1000;

/// A figure of the page: the name of its data, its heading, what there is to see.
const FIGURES: [(&str, &str, &str); 8] = [
    (
        "clock",
        "Logical clocks against system time",
        "A machine that takes a message of a faster one jumps ahead; one that cannot take its messages in time \
         falls behind, because the clocks in them are old.",
    ),
    (
        "drift",
        "Drift: how far each clock is behind the foremost",
        "In clock steps, at each moment. A saw's teeth are jumps.",
    ),
    (
        "queue",
        "Network queues",
        "Messages waiting behind each receive, until the next. A queue that grows without end belongs to a \
         machine whose rate is less than the messages that reach it.",
    ),
    (
        "jumps",
        "Jumps: how far a clock steps in one event",
        "In per cent of the machine's events. A step of 1 is a tick of one's own; more is a message from ahead.",
    ),
    (
        "tick_error_us",
        "Lateness of each tick",
        "From its deadline (start + phase + (n − 1) / rate, stalls left out) to when it was done. Logarithmic. It \
         measures the computer, not the algorithm.",
    ),
    (
        "lateness",
        "Lateness of ticks: how often how late",
        "In per cent of the machine's ticks; a class holds what is less than its name and not in the one before.",
    ),
    (
        "age_s",
        "Age of messages when they are taken, since they were sent",
        "In seconds, by the wall clocks of sender and receiver.",
    ),
    (
        "waited_s",
        "Time in the queue, since they arrived",
        "In seconds. What is missing to the age above is the way from machine to machine.",
    ),
];

/// What run this is, in a line.
pub(super) fn facts(report: &Report<'_>) -> String {
    let summary = report.summary;
    let draw = summary.draw.map(|draw| format!(", die of {draw}"));
    let seed = summary
        .seed
        .map_or_else(|| "a seed each".to_owned(), |seed| format!("seed {seed}"));
    format!(
        "{} machines{}, {seed}, {:.1} s, {} events, started {}.",
        summary.machine_count,
        draw.unwrap_or_default(),
        summary.seconds(),
        summary.events(),
        report.series.started,
    )
}

pub(super) fn summary(report: &Report<'_>) -> Section {
    let looks = report.series.looks(FIGURE_LINES_SHOWN);
    let key = |machine: &MachineSummary| {
        let mut all = report.series.machines.iter().zip(&looks);
        let found = all.find(|(one, _)| one.machine == machine.machine);
        found.map_or_else(String::new, |(_, look)| line_sample(*look))
    };
    let found = findings(report.summary);
    let mut body = tables::summary(report.summary, key) + &tables::legend(report.summary);
    if found.is_empty() {
        body += "<p>Nothing out of the ordinary: everything is where theory expects it.</p>\n";
    } else {
        body += "<h3>Findings</h3>\n<ul class=\"findings\">\n";
        for finding in found.iter().take(FINDINGS_MAX) {
            let _ = writeln!(body, "<li>{}</li>", escape(finding));
        }
        if let Some(more @ 1..) = found.len().checked_sub(FINDINGS_MAX) {
            let _ = writeln!(body, "<li>and {more} more findings</li>");
        }
        body += "</ul>\n";
    }
    Section {
        id: "summary",
        title: "Observed beside expected",
        body,
        ..Section::default()
    }
}

/// How the figures draw a machine of this look: the colour is the style sheet's.
fn line_sample(look: usize) -> String {
    let dashes: Vec<String> = dashes(look).iter().map(u32::to_string).collect();
    format!(
        "<svg class=\"sample\" viewBox=\"0 0 26 8\" width=\"26\" height=\"8\" aria-hidden=\"true\">\
         <path d=\"M0 4H26\" stroke=\"var(--line-{})\" stroke-dasharray=\"{}\"/></svg>",
        look % COLOURS,
        dashes.join(" ")
    )
}

pub(super) fn violations(report: &Report<'_>) -> Option<Section> {
    let verdict = report.verdict;
    if verdict.is_valid() {
        return None;
    }
    let mut body = format!(
        "<p>{} in all. Of each rule and machine the first {VIOLATIONS_KEPT_MAX} are listed, \
         with the line of the log.</p>\n<ol class=\"violations\">\n",
        verdict.broken()
    );
    for violation in verdict.violations.iter().take(VIOLATIONS_SHOWN_MAX) {
        let places: Vec<String> = violation
            .places
            .iter()
            .map(|place| escape(&place.to_string()))
            .collect();
        let _ = writeln!(
            body,
            "<li><strong>{}</strong> <code>{}</code><br>{}</li>",
            escape(violation.rule),
            places.join("</code>, <code>"),
            escape(&violation.text)
        );
    }
    body += "</ol>\n";
    if let Some(more @ 1..) = verdict.violations.len().checked_sub(VIOLATIONS_SHOWN_MAX) {
        let _ = writeln!(
            body,
            "<p class=\"note\">{more} more are not listed here; <code>clocklab check</code> prints them.</p>"
        );
    }
    Some(Section {
        id: "violations",
        title: "Violations",
        body,
        ..Section::default()
    })
}

pub(super) fn figures(report: &Report<'_>) -> Section {
    let series = report.series;
    let mut body = String::from(
        "<p class=\"hint\">Drag across a figure to zoom all of them, double-click to see all again; the cursor \
         shows the values of the same moment in every figure. With the keyboard: arrows move the cursor, \
         + and − zoom, 0 shows all.</p>\n",
    );
    if series.machines.len() < usize::from(series.machine_count) {
        let _ = writeln!(
            body,
            "<p class=\"note\">{} of {} machines have lines here{}.</p>",
            series.machines.len(),
            series.machine_count,
            if series.machines.len() == SERIES_MACHINES_MAX {
                ", chosen from the fastest to the slowest"
            } else {
                ": the other logs are missing"
            }
        );
    }
    body +=
        "<div id=\"machines\" role=\"group\" aria-label=\"machines shown\"></div>\n<div class=\"figures\">\n";
    for (name, title, words) in FIGURES {
        let _ = writeln!(
            body,
            "<figure data-figure=\"{name}\"><h3>{title}</h3><p>{words}</p>\
             <div class=\"plot\" tabindex=\"0\" role=\"img\" aria-label=\"{title}\"></div></figure>"
        );
    }
    body += "</div>\n";
    let licence = format!("/* uPlot\n{UPLOT_LICENSE}*/\n{UPLOT_SCRIPT}");
    Section {
        id: "figures",
        title: "Figures",
        body,
        style: UPLOT_STYLE.into(),
        data: Some(data::json(series)),
        scripts: vec![licence.into(), FIGURES_SCRIPT.into()],
    }
}

pub(super) fn messages(report: &Report<'_>) -> Section {
    let body = format!(
        "<p>Messages sent from the row's machine to the column's, whatever became of them.</p>\n{}",
        tables::matrix(report.summary)
    );
    Section {
        id: "messages",
        title: "Messages",
        body,
        ..Section::default()
    }
}

pub(super) fn rules(report: &Report<'_>) -> Section {
    let mut body = String::from(
        "<p>What <code>clocklab check</code> judged, from the logs alone.</p>\n\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table class=\"rules\">\n\
         <thead><tr><th scope=\"col\">rule</th><th scope=\"col\">judged</th>\
         <th scope=\"col\">broken</th></tr></thead>\n<tbody>\n",
    );
    for count in &report.verdict.rules {
        let class = if count.broken > 0 { " class=\"off\"" } else { "" };
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td{class}>{}</td></tr>",
            escape(count.rule),
            count.judged,
            count.broken
        );
    }
    body += "</tbody></table></div>\n";
    if !report.verdict.notes.is_empty() {
        body += "<ul>\n";
        for note in &report.verdict.notes {
            let _ = writeln!(body, "<li>{}</li>", escape(note));
        }
        body += "</ul>\n";
    }
    Section {
        id: "rules",
        title: "Rules",
        body,
        ..Section::default()
    }
}

pub(super) fn made(report: &Report<'_>) -> Section {
    let made = report.made;
    let mut body = String::new();
    if let Some(command) = &made.command {
        let _ = writeln!(body, "<pre><code>{}</code></pre>", escape(command));
    }
    if let Some(note) = &made.note {
        let _ = writeln!(body, "<p class=\"note\">{}.</p>", escape(note));
    }
    body += "<dl class=\"facts\">\n";
    let folder = ("folder".to_owned(), report.summary.dir.clone());
    for (name, value) in [folder].iter().chain(&made.facts) {
        let name = if name == "clocklab" {
            "clocklab version"
        } else {
            name
        };
        let _ = writeln!(
            body,
            "<dt>{}</dt><dd>{}</dd>",
            escape(&name.replace('_', " ")),
            escape(value)
        );
    }
    let _ = writeln!(
        body,
        "<dt>this page</dt><dd>made by clocklab {}</dd>\n</dl>",
        env!("CARGO_PKG_VERSION")
    );
    Section {
        id: "made",
        title: "How the run was made",
        body,
        ..Section::default()
    }
}

pub(super) fn limits(report: &Report<'_>) -> Section {
    let thinned = if report.series.is_thinned() {
        "lines of this run were thinned"
    } else {
        "no line of this run was thinned"
    };
    let body = format!(
        "<ul>\n\
         <li>Figures have lines of at most {SERIES_MACHINES_MAX} machines, chosen from the fastest to the \
         slowest; {FIGURE_LINES_SHOWN} are shown at first.</li>\n\
         <li>A line has at most {POINTS_MAX} points; of a longer one the extremes of equal stretches of \
         time are kept ({thinned}).</li>\n\
         <li>Jumps of {JUMP_MAX} steps and more are counted together.</li>\n\
         <li>The table of machines has at most {PAGE_ROWS_MAX} rows, the table of messages a row for \
         each of at most {MATRIX_MACHINES_MAX} machines; more are grouped by their rates.</li>\n\
         <li>Of each rule and machine the first {VIOLATIONS_KEPT_MAX} violations are listed, of all of these \
         the first {VIOLATIONS_SHOWN_MAX}, of findings the first {FINDINGS_MAX}.</li>\n\
         <li>Times are those of the machines' wall clocks: between hosts they may be skewed.</li>\n\
         </ul>\n"
    );
    Section {
        id: "limits",
        title: "Limits of this page",
        body,
        ..Section::default()
    }
}
