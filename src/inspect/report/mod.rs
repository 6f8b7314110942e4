//! `report.html`: a run as one page that needs nothing else, neither network nor program.
//!
//! A page is a list of [`Section`]s, each with its markup and, where it needs them, a style, data and scripts
//! of its own. Numbers come from the same [`RunSummary`], [`RunSeries`] and findings as the text report and the
//! figures. Whatever was not written by this program, such as a path or a log's words, is escaped.
//!
//! The page's scripts read the figures' data (`data.rs` says how it looks) and draw with uPlot, which lies in
//! `vendor/`. The page forbids itself every connection (Content-Security-Policy).

mod data;
mod diagram;
mod made;
mod sections;
mod skew;
mod tables;

use std::{borrow::Cow, fmt::Write as _};

use super::{
    check::Verdict,
    clocks::{self, ClockComparison},
    history::History,
    markup::escape,
    palette::{COLOURS, Palette, Theme},
    series::RunSeries,
    summary::RunSummary,
};

pub use diagram::DIAGRAM_EVENTS_MAX;
pub use made::Made;
pub use tables::PAGE_ROWS_MAX;

/// Machines whose lines the figures show until somebody asks for others: as many as there are colours.
pub const FIGURE_LINES_SHOWN: usize = COLOURS;

const PAGE_STYLE: &str = include_str!("page.css");
const PAGE_SCRIPT: &str = include_str!("page.js");
const FIGURES_SCRIPT: &str = include_str!("figures.js");
const UPLOT_STYLE: &str = include_str!("vendor/uPlot.min.css");
const UPLOT_SCRIPT: &str = include_str!("vendor/uPlot.iife.min.js");
const UPLOT_LICENSE: &str = include_str!("vendor/LICENSE");

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'r> {
    /// Whether it was right.
    pub verdict: &'r Verdict,
    /// What each machine did.
    pub summary: &'r RunSummary,
    /// The data of the figures.
    pub series: &'r RunSeries,
    /// How it was made.
    pub made: &'r Made,
    /// What its diagram is drawn from.
    pub diagram: Diagram<'r>,
    /// What each clock can tell; `None` if the run is too large for that.
    pub clocks: Option<&'r ClockComparison>,
}

/// What the diagram of a page is drawn from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Diagram<'r> {
    /// The run in memory; `None` if it is too large for that.
    pub history: Option<&'r History>,
    /// How its wall clocks were aligned, in words; empty if its times are those of the logs.
    pub aligned: &'r [String],
}

/// A part of the page with a heading of its own.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its place in the page's address: letters and hyphens.
    pub id: &'static str,
    /// Its heading, and its name in the list of sections.
    pub title: &'static str,
    /// Its markup. Foreign text in it is escaped.
    pub body: String,
    /// Style that it adds to the page.
    pub style: Cow<'static, str>,
    /// JSON that its scripts read from the element `<id>-data`, without `<` ([`data.rs`](self)).
    pub data: Option<String>,
    /// Scripts, run in their order when the whole page is there.
    pub scripts: Vec<Cow<'static, str>>,
}

/// The page of a run: its [`sections`], in their order.
#[must_use]
pub fn page(report: &Report<'_>) -> String {
    page_of(report, &sections(report))
}

/// The sections of a run's page.
#[must_use]
pub fn sections(report: &Report<'_>) -> Vec<Section> {
    let mut list = vec![sections::summary(report)];
    list.extend(sections::violations(report));
    list.push(sections::figures(report));
    list.push(diagram::section(report.diagram));
    list.push(clocks::section(
        report.clocks,
        &format!("the run has more than {DIAGRAM_EVENTS_MAX} events"),
    ));
    list.push(sections::messages(report));
    list.extend(skew::section(report));
    list.push(sections::rules(report));
    list.push(sections::made(report));
    list.push(sections::limits(report));
    list
}

/// A page with the sections given.
#[must_use]
pub fn page_of(report: &Report<'_>, sections: &[Section]) -> String {
    let title = format!("Run {}", report.summary.run);
    let mut html = String::new();
    let _ = writeln!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"clocklab {}\">\n<title>{}</title>\n<style>",
        env!("CARGO_PKG_VERSION"),
        escape(&title),
    );
    // The page's own style comes last, and so has the last word.
    for section in sections.iter().filter(|section| !section.style.is_empty()) {
        html += &section.style;
        html.push('\n');
    }
    html += &page_style();
    html += "</style>\n</head>\n<body>\n";
    html += &header(report, &title, sections);
    html += "<main>\n";
    for Section { id, title, body, .. } in sections {
        let _ = write!(
            html,
            "<section id=\"{id}\">\n<h2>{}</h2>\n{body}</section>\n",
            escape(title)
        );
    }
    html += "</main>\n";
    for section in sections {
        if let Some(data) = &section.data {
            let _ = writeln!(
                html,
                "<script type=\"application/json\" id=\"{}-data\">{data}</script>",
                section.id
            );
        }
    }
    let _ = writeln!(html, "<script>\n{PAGE_SCRIPT}</script>");
    for script in sections.iter().flat_map(|section| &section.scripts) {
        let _ = writeln!(html, "<script>\n{script}\n</script>");
    }
    html += "</body>\n</html>\n";
    html
}

fn header(report: &Report<'_>, title: &str, sections: &[Section]) -> String {
    let Report { verdict, summary, .. } = report;
    let (class, badge, words) = if verdict.is_valid() {
        let held = format!(
            "{} messages matched, every rule held{}",
            verdict.matched,
            verdict.reservation()
        );
        ("valid", "valid", held)
    } else {
        let broken = verdict.broken();
        let plural = if broken == 1 { "" } else { "s" };
        (
            "violated",
            "VIOLATED",
            format!("{broken} violation{plural} of the rules, listed below"),
        )
    };
    let mut html = format!(
        "<header>\n<button type=\"button\" id=\"theme\" aria-label=\"switch between light and dark\">dark</button>\n\
         <h1>{}</h1>\n<p class=\"verdict {class}\"><strong>{badge}</strong> {}</p>\n<p>{}</p>\n<nav aria-label=\"sections\">",
        escape(title),
        escape(&words),
        escape(&sections::facts(report)),
    );
    for Section { id, title, .. } in sections {
        let _ = write!(html, "<a href=\"#{id}\">{}</a> ", escape(title));
    }
    let _ = writeln!(
        html,
        "</nav>\n</header>\n<noscript><p>The figures of this page need JavaScript; \
         <code>clocklab report {} --figures FOLDER</code> draws them as files.</p></noscript>",
        escape(&summary.dir)
    );
    html
}

/// The style of a page of the lab, without that of its sections: colours of both themes, text, tables, buttons.
#[must_use]
pub fn page_style() -> String {
    properties() + PAGE_STYLE
}

/// The script of a page's button `#theme`, which changes between light and dark.
#[must_use]
pub fn theme_script() -> &'static str {
    PAGE_SCRIPT
}

/// The colours of both themes as custom properties, so that style sheet and scripts have them from one place.
fn properties() -> String {
    let (light, dark) = (colours(Theme::Light.palette()), colours(Theme::Dark.palette()));
    format!(
        ":root {{ color-scheme: light; {light}}}\n:root[data-theme=\"dark\"] {{ color-scheme: dark; {dark}}}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme]) {{ color-scheme: dark; {dark}}} }}\n"
    )
}

fn colours(palette: &Palette) -> String {
    let named = [
        ("background", palette.background),
        ("ink", palette.ink),
        ("faint", palette.faint),
        ("grid", palette.grid),
        ("bad", palette.bad),
        ("good", palette.good),
    ];
    let mut css = String::new();
    for (name, colour) in named {
        let _ = write!(css, "--{name}: {}; ", colour.hex());
    }
    for (place, colour) in palette.lines.iter().enumerate() {
        let _ = write!(css, "--line-{place}: {}; ", colour.hex());
    }
    css
}
