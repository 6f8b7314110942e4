//! The report of a run as text: what each machine did beside what the theory expects, and what is worth
//! saying about it.
//!
//! Readable in 110 columns up to five digits a count; sentences are wrapped at 80. Several runs become one row each, and their mean.

mod grouped;

use super::{
    check::Verdict,
    findings::findings,
    grid::{Grid, Style},
    summary::{Expected, MachineSummary, RunSummary},
    wrap::{COLUMNS, wrap},
};

/// Machines up to which the messages between each two of them are shown.
const MATRIX_MACHINES_MAX: usize = 10;

/// Clocks at the end that a row of several runs shows.
const CLOCKS_SHOWN_MAX: usize = 6;

/// Findings that one report spells out.
const FINDINGS_SHOWN_MAX: usize = 12;

/// Machines up to which each has a row of its own; more are grouped by their rates.
pub const ROWS_MAX: usize = 20;

/// Before the legend, where theory expects something.
const EXPECTED: &str = "In brackets: expected by theory from rates, die and the fastest machine's clock.";

const LEGEND: &[&str] = &[
    "ticks: events of the machine · sent: messages, one a recipient",
    "received: receive events · internal: events without a message",
    "clock: at the end · jump: mean step of the clock · queue: waiting at the end",
    "drift: clock steps behind the fastest machine at the end",
    "late: lateness of ticks, mean/max",
];

/// Behind the legend, where not every message arrived once.
const BALANCE: &[&str] = &[
    "lost, doubled: by injected faults · dropped: the link was down",
    "sent - lost - dropped + doubled = received + queue, summed over all machines, but",
    "for what was in a queue or under way when a machine died or a link went down",
];

/// The report of one run. Machines beyond [`ROWS_MAX`] are grouped by their rates.
#[must_use]
pub fn run(verdict: &Verdict, summary: &RunSummary, style: Style) -> String {
    if summary.machines.len() > ROWS_MAX {
        let rows = grouped::table(summary, style);
        let expected = summary.has_expectations().then_some(grouped::EXPECTED);
        let legend = expected.iter().chain(grouped::LEGEND);
        return report(verdict, summary, style, &rows, legend);
    }
    run_all(verdict, summary, style)
}

/// The report of one run, with a row a machine, however many there are.
#[must_use]
pub fn run_all(verdict: &Verdict, summary: &RunSummary, style: Style) -> String {
    let rows = format!(
        "{}\n{}",
        counts(summary).render(style),
        manners(summary).render(style)
    );
    let expected = summary.has_expectations().then_some(EXPECTED);
    let is_broken = summary.has_faulty_messages() || summary.has_dropped_messages();
    let balance = if is_broken { BALANCE } else { &[] };
    let legend = expected.iter().chain(LEGEND).chain(balance);
    report(verdict, summary, style, &rows, legend)
}

fn report<'a>(
    verdict: &Verdict,
    summary: &RunSummary,
    style: Style,
    rows: &str,
    legend: impl Iterator<Item = &'a &'static str>,
) -> String {
    let (made, judged) = heading(verdict, summary);
    let mut output = match style {
        Style::Text => wrap(&format!("{made}:"), COLUMNS, 2) + "  " + &wrap(&judged, COLUMNS - 2, 2),
        Style::Markdown => format!("**{made}: {judged}**\n"),
    };
    output.push('\n');
    output += rows;
    let is_plain = |machine: &MachineSummary| summary.column(machine.machine) == machine.machine.index();
    if summary.machines.len() <= MATRIX_MACHINES_MAX && summary.machines.iter().all(is_plain) {
        output += "\nMessages sent, from row to column:\n\n";
        output += &matrix(summary, style);
    }
    output.push('\n');
    for line in legend {
        output += line;
        output += match style {
            Style::Text => "\n",
            Style::Markdown => "  \n",
        };
    }
    if let Some(skew) = verdict.skew.as_ref().filter(|skew| skew.is_told()) {
        output += &format!("\n{}", skew.table(style));
    }
    let findings = findings(summary);
    if !findings.is_empty() {
        output.push('\n');
    }
    for finding in findings.iter().take(FINDINGS_SHOWN_MAX) {
        output += &item(finding, style);
    }
    if let Some(more @ 1..) = findings.len().checked_sub(FINDINGS_SHOWN_MAX) {
        output += &item(&format!("and {more} more findings"), style);
    }
    output
}

/// A line of a list.
fn item(text: &str, style: Style) -> String {
    match style {
        Style::Text => wrap(&format!("- {text}"), COLUMNS, 2),
        Style::Markdown => format!("- {text}\n"),
    }
}

/// One row a run, and the mean over all where there are several.
#[must_use]
pub fn runs(all: &[(Verdict, RunSummary)], style: Style) -> String {
    let mut grid = Grid::new(&[
        "run", "rates", "draw", "seconds", "events", "clocks", "jump max", "mean", "drift", "queue",
        "verdict",
    ]);
    for (verdict, run) in all {
        grid.push(run_row(run, verdict));
    }
    if all.len() > 1 {
        grid.push(mean_row(all));
    }
    let legend = "clocks: at the end, by machine · jump: largest and mean step of a clock";
    format!(
        "{}\n{legend}\ndrift: largest · queue: longest\n",
        grid.render(style)
    )
}

/// What run this is, and whether it was right.
pub(super) fn heading(verdict: &Verdict, summary: &RunSummary) -> (String, String) {
    let draw = summary.draw.map(|draw| format!(", die of {draw}"));
    let judged = if verdict.is_valid() {
        format!(
            "valid{} ({} messages matched, every rule held)",
            verdict.reservation(),
            verdict.matched
        )
    } else {
        format!("VIOLATED ({}; see check)", verdict.violations_counted())
    };
    let seed = summary
        .seed
        .map_or_else(|| "a seed each".to_owned(), |seed| format!("seed {seed}"));
    let made = format!(
        "run {}: {} machines{}, {seed}, {:.1} s, {} events",
        summary.run,
        summary.machine_count,
        draw.unwrap_or_default(),
        summary.seconds(),
        summary.events(),
    );
    (made, judged)
}

fn counts(summary: &RunSummary) -> Grid {
    let mut grid = Grid::new(&[
        "machine", "rate", "ticks", "sent", "received", "internal", "clock", "jump", "queue",
    ]);
    for machine in &summary.machines {
        let expected = machine.expected.as_ref();
        let beside = |observed: u64, pick: fn(&Expected) -> f64| match expected {
            Some(expected) => format!("{observed} ({:.0})", pick(expected)),
            None => observed.to_string(),
        };
        let jump = machine.jump_mean();
        grid.push(vec![
            machine.machine.to_string(),
            rate(machine),
            beside(machine.ticks, |expected| expected.ticks),
            beside(machine.sent(), |expected| expected.sent),
            beside(machine.receives, |expected| expected.receives),
            beside(machine.internals, |expected| expected.internals),
            beside(machine.clock, |expected| expected.clock),
            expected.map_or(format!("{jump:.2}"), |expected| {
                format!("{jump:.2} ({:.2})", expected.jump)
            }),
            match expected {
                Some(expected) if expected.flow.is_critical() => format!("{} (?)", machine.queue_last),
                _ => beside(machine.queue_last, |expected| expected.queue),
            },
        ]);
    }
    grid
}

fn manners(summary: &RunSummary) -> Grid {
    let mut headings = vec![
        "machine",
        "seconds",
        "drift",
        "jump max",
        "queue max",
        "late ms",
        "stalls",
        "ended",
    ];
    let is_faulty = summary.has_faulty_messages();
    if is_faulty {
        headings.extend(["lost", "doubled"]);
    }
    let has_dropped = summary.has_dropped_messages();
    headings.extend(has_dropped.then_some("dropped"));
    let mut grid = Grid::new(&headings);
    for machine in &summary.machines {
        let late = match (machine.tick_error_us_mean, machine.tick_error_us_max) {
            (Some(mean), Some(max)) => format!("{}/{}", milliseconds(mean), milliseconds(max)),
            _ => "-".to_owned(),
        };
        let mut row = vec![
            machine.machine.to_string(),
            format!("{:.1}", machine.seconds),
            machine.drift.to_string(),
            machine.jump_max.to_string(),
            machine.queue_max.to_string(),
            late,
            machine.stalls.to_string(),
            machine
                .reason
                .map_or("-".to_owned(), |reason| reason.name().to_owned()),
        ];
        if is_faulty {
            row.extend([machine.lost.to_string(), machine.duplicated.to_string()]);
        }
        row.extend(has_dropped.then(|| machine.dropped.to_string()));
        grid.push(row);
    }
    grid
}

/// Messages between each two machines. Columns are as many as machines, which a grid's fixed headings cannot say.
fn matrix(summary: &RunSummary, style: Style) -> String {
    const NAMES: [&str; MATRIX_MACHINES_MAX] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let mut heading = vec!["from \\ to"];
    heading.extend(NAMES.iter().take(usize::from(summary.machine_count)));
    let mut grid = Grid::new(&heading);
    for machine in &summary.machines {
        let mut row = vec![machine.machine.to_string()];
        let to = machine.sent_to.iter().enumerate();
        row.extend(to.take(heading.len() - 1).map(|(to, count)| {
            if to == summary.column(machine.machine) {
                "-".to_owned()
            } else {
                count.to_string()
            }
        }));
        grid.push(row);
    }
    grid.render(style)
}

fn rate(machine: &MachineSummary) -> String {
    machine.rate.map_or("-".to_owned(), |rate| rate.to_string())
}

fn milliseconds(us: u64) -> String {
    let tenths = us.saturating_add(50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn run_row(run: &RunSummary, verdict: &Verdict) -> Vec<String> {
    let figures = Figures::of(run);
    let verdict = if verdict.is_valid() { "valid" } else { "VIOLATED" };
    vec![
        run.run.clone(),
        few(run.machines.iter().map(rate).collect()),
        run.draw.map_or("-".to_owned(), |draw| draw.to_string()),
        format!("{:.1}", figures.seconds),
        format!("{:.0}", figures.events),
        few(run
            .machines
            .iter()
            .map(|machine| machine.clock.to_string())
            .collect()),
        format!("{:.0}", figures.jump_max),
        format!("{:.2}", figures.jump_mean),
        format!("{:.0}", figures.drift_max),
        format!("{:.0}", figures.queue_max),
        verdict.to_owned(),
    ]
}

fn mean_row(all: &[(Verdict, RunSummary)]) -> Vec<String> {
    let figures: Vec<Figures> = all.iter().map(|(_, run)| Figures::of(run)).collect();
    let mean = |pick: fn(&Figures) -> f64| mean(figures.iter().map(pick));
    let valid = all.iter().filter(|(verdict, _)| verdict.is_valid()).count();
    vec![
        "mean".to_owned(),
        String::new(),
        String::new(),
        format!("{:.1}", mean(|figures| figures.seconds)),
        format!("{:.1}", mean(|figures| figures.events)),
        String::new(),
        format!("{:.1}", mean(|figures| figures.jump_max)),
        format!("{:.2}", mean(|figures| figures.jump_mean)),
        format!("{:.1}", mean(|figures| figures.drift_max)),
        format!("{:.1}", mean(|figures| figures.queue_max)),
        format!("{valid}/{} valid", all.len()),
    ]
}

/// A list with commas, shortened where it is long.
fn few(values: Vec<String>) -> String {
    let more = values.len().saturating_sub(CLOCKS_SHOWN_MAX);
    let shown: Vec<String> = values.into_iter().take(CLOCKS_SHOWN_MAX).collect();
    let end = if more > 0 {
        format!(",+{more}")
    } else {
        String::new()
    };
    shown.join(",") + &end
}

/// The numbers of a run that a mean can be taken of.
struct Figures {
    seconds: f64,
    events: f64,
    jump_max: f64,
    jump_mean: f64,
    drift_max: f64,
    queue_max: f64,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "shown with at most two decimals")]
    fn of(run: &RunSummary) -> Self {
        let most = |pick: fn(&MachineSummary) -> u64| run.machines.iter().map(pick).max().unwrap_or(0) as f64;
        Self {
            seconds: run.seconds(),
            events: run.events() as f64,
            jump_max: most(|machine| machine.jump_max),
            jump_mean: mean(run.machines.iter().map(MachineSummary::jump_mean)),
            drift_max: most(|machine| machine.drift),
            queue_max: most(|machine| machine.queue_max),
        }
    }
}

/// 0 for no values.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
