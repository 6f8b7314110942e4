//! The tables of the page: what each machine did beside what theory expects, and who sent how much to whom.

use std::fmt::Write as _;

use crate::inspect::{
    groups::{Group, groups},
    markup::escape,
    matrix::{MATRIX_MACHINES_MAX, Matrix},
    palette::{Palette, Theme},
    summary::{Expected, MachineSummary, RunSummary},
    table::ROWS_MAX,
};

/// Rows of the page's table of machines; a run of more has its groups, and a note.
pub const PAGE_ROWS_MAX: usize = 500;

/// What was observed, what was expected, and how far the one may lie from the other.
struct Cell {
    observed: f64,
    decimals: usize,
    expected: Option<f64>,
    tolerance: Option<f64>,
    /// Said instead of an expectation.
    instead: &'static str,
}

impl Cell {
    fn count(observed: u64, expected: Option<f64>) -> Self {
        Self {
            observed: number(observed),
            decimals: 0,
            expected,
            tolerance: None,
            instead: "",
        }
    }

    fn within(mut self, tolerance: Option<f64>) -> Self {
        self.tolerance = tolerance;
        self
    }

    fn html(&self) -> String {
        let decimals = self.decimals;
        let observed = format!("{:.decimals$}", self.observed);
        let Some(expected) = self.expected else {
            return format!("<td>{observed}<small>{}</small></td>", self.instead);
        };
        let mut words = format!("{expected:.decimals$}");
        let mut class = "";
        if let Some(tolerance) = self.tolerance {
            let _ = write!(words, " ± {tolerance:.decimals$}");
            if (self.observed - expected).abs() > tolerance {
                class = " class=\"off\"";
            }
        }
        let title = match (class.is_empty(), self.tolerance) {
            (_, None) => format!("observed {observed}, expected {expected:.2}"),
            (true, Some(tolerance)) => {
                format!("observed {observed}, expected {expected:.2} ± {tolerance:.2}: within")
            }
            (false, Some(tolerance)) => {
                format!("observed {observed}, expected {expected:.2} ± {tolerance:.2}: OUTSIDE")
            }
        };
        format!("<td{class} title=\"{title}\">{observed}<small>{words}</small></td>")
    }
}

/// The columns with an expectation, in their order.
const EXPECTED_COLUMNS: [(&str, &str); 7] = [
    (
        "ticks",
        "Events of the machine. Expected: rate × seconds; a whole run lies within 2.",
    ),
    (
        "sent",
        "Messages sent, one a recipient, whatever became of them; one that was doubled counts once.",
    ),
    ("received", "Receive events: one message taken each."),
    ("internal", "Events without a message."),
    (
        "clock",
        "The logical clock at the end, which is the sum of its jumps.",
    ),
    ("jump", "The mean step of the clock in an event."),
    ("queue", "Messages still waiting at the end."),
];

const OTHER_COLUMNS: [(&str, &str); 7] = [
    ("drift", "Clock steps behind the fastest machine at the end."),
    ("jump max", "The largest step of the clock in one event."),
    ("queue max", "The longest queue behind a receive, or at the end."),
    (
        "late ms",
        "Lateness of ticks against their deadlines, in milliseconds: mean and largest.",
    ),
    (
        "stalls",
        "How often the machine woke so late that it skipped ticks.",
    ),
    ("seconds", "How long it ticked."),
    ("ended", "Why it ended; - for a log without a footer."),
];

fn cells(machine: &MachineSummary) -> [Cell; 7] {
    let expected = machine.expected.as_ref();
    let of = |pick: fn(&Expected) -> f64| expected.map(pick);
    let is_critical = expected.is_some_and(|expected| expected.flow.is_critical());
    // At the border of keeping up, nothing statistical can be said.
    let judged = expected.filter(|_| !is_critical);
    let saturated = judged.filter(|expected| expected.flow.is_saturated());
    let keeps_up = judged.filter(|expected| !expected.flow.is_saturated());
    let jump = Cell {
        observed: machine.jump_mean(),
        decimals: 2,
        ..Cell::count(0, of(|expected| expected.jump))
    };
    let queue = Cell {
        instead: if is_critical { "on the border" } else { "" },
        ..Cell::count(machine.queue_last, judged.map(|expected| expected.queue))
    };
    [
        Cell::count(machine.ticks, of(|expected| expected.ticks))
            .within(expected.map(|_| Expected::TICKS_TOLERANCE)),
        Cell::count(machine.sent(), of(|expected| expected.sent)),
        Cell::count(machine.receives, of(|expected| expected.receives))
            .within(keeps_up.map(Expected::receives_tolerance)),
        Cell::count(machine.internals, of(|expected| expected.internals)),
        Cell::count(machine.clock, of(|expected| expected.clock)),
        jump.within(judged.map(|expected| expected.jump * expected.jump_tolerance)),
        queue.within(saturated.map(|expected| expected.queue_tolerance)),
    ]
}

/// What every machine did, and for many machines first what those of a rate did.
pub(super) fn summary(run: &RunSummary, key: impl Fn(&MachineSummary) -> String) -> String {
    let shown = run.machines.len().min(PAGE_ROWS_MAX);
    let mut rows = String::new();
    for machine in run.machines.iter().take(shown) {
        let _ = write!(
            rows,
            "<tr data-machine=\"{0}\"><th scope=\"row\">{1}{0}</th><td>{2}</td>",
            machine.machine,
            key(machine),
            machine.rate.map_or("-".to_owned(), |rate| rate.to_string()),
        );
        for cell in cells(machine) {
            rows += &cell.html();
        }
        rows += &others(machine);
        rows += "</tr>\n";
    }
    let table = table(&heading("machine", "rate"), &rows);
    if run.machines.len() <= ROWS_MAX {
        return table;
    }
    let rest = match run.machines.len() - shown {
        0 => String::new(),
        more => format!(
            "<p class=\"note\">{more} more machines are not in this table, which has at most \
             {PAGE_ROWS_MAX} rows; <code>clocklab report --all</code> prints them.</p>"
        ),
    };
    format!(
        "{}<details><summary>Every machine, a row each</summary>\n{table}{rest}</details>\n",
        grouped(run)
    )
}

fn others(machine: &MachineSummary) -> String {
    let late = match (machine.tick_error_us_mean, machine.tick_error_us_max) {
        (Some(mean), Some(max)) => {
            format!(
                "{:.1}<small>max {:.1}</small>",
                number(mean) / 1e3,
                number(max) / 1e3
            )
        }
        _ => "-".to_owned(),
    };
    let ended = machine.reason.map_or("-", |reason| reason.name());
    format!(
        "<td>{}</td><td>{}</td><td>{}</td><td>{late}</td><td>{}</td><td>{:.1}</td><td>{ended}</td>",
        machine.drift, machine.jump_max, machine.queue_max, machine.stalls, machine.seconds,
    )
}

/// The mean of each group of like rates, from the least to the most, and the mean expectation.
fn grouped(run: &RunSummary) -> String {
    let mut rows = String::new();
    for group in groups(run) {
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}</td>",
            group.name(),
            group.machines.len()
        );
        for index in 0..EXPECTED_COLUMNS.len() {
            rows += &group_cell(&group, index);
        }
        rows += "</tr>\n";
    }
    let heads: String = [
        ("rate", "Ticks a second"),
        ("machines", "How many have this rate"),
    ]
    .iter()
    .chain(&EXPECTED_COLUMNS)
    .map(|(name, why)| head(name, why))
    .collect();
    format!(
        "<p>More than {ROWS_MAX} machines: a row for each rate. The mean of the machines; beneath \
         it from the least to the most, and the mean of what theory expects.</p>\n{}",
        table(&heads, &rows)
    )
}

fn group_cell(group: &Group<'_>, index: usize) -> String {
    let observed = |machine: &MachineSummary| cells(machine).get(index).map(|cell| cell.observed);
    let expected = |machine: &MachineSummary| cells(machine).get(index).and_then(|cell| cell.expected);
    let Some(spread) = group.spread(observed) else {
        return "<td>-</td>".to_owned();
    };
    // The mean step of a clock is the one number that is no count.
    let is_count = EXPECTED_COLUMNS
        .get(index)
        .is_none_or(|(name, _)| *name != "jump");
    let (mean, ends) = if is_count { (1, 0) } else { (2, 2) };
    let mut html = format!(
        "<td>{:.mean$}<small>{:.ends$} to {:.ends$}</small>",
        spread.mean, spread.min, spread.max
    );
    if let Some(expected) = group.spread(expected) {
        let _ = write!(html, "<small>expected {:.mean$}</small>", expected.mean);
    }
    html + "</td>"
}

fn heading(first: &str, second: &str) -> String {
    let own = [
        (first, "Its line in the figures, and its id"),
        (second, "Ticks a second"),
    ];
    own.iter()
        .chain(&EXPECTED_COLUMNS)
        .chain(&OTHER_COLUMNS)
        .map(|(name, why)| head(name, why))
        .collect()
}

fn head(name: &str, why: &str) -> String {
    format!(
        "<th scope=\"col\" title=\"{}\">{}</th>",
        escape(why),
        escape(name)
    )
}

fn table(heads: &str, rows: &str) -> String {
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// Behind the meaning of the columns, where theory expects something.
const EXPECTATIONS: &str = "<p>The small number beneath an observed one is what theory expects of the rates, \
    the die and the fastest machine's clock, with its tolerance where there is one. A number outside it is marked; \
    by chance alone about one machine in a hundred is. No queue is expected of a machine on the border between \
    keeping up and falling behind: there it wanders like the root of time.</p>";

/// What the columns mean.
pub(super) fn legend(run: &RunSummary) -> String {
    let mut html = String::from("<details><summary>What the columns mean</summary><dl>\n");
    for (name, why) in EXPECTED_COLUMNS.iter().chain(&OTHER_COLUMNS) {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(why));
    }
    html += "</dl>";
    if run.has_expectations() {
        html += EXPECTATIONS;
    }
    html + "</details>\n"
}

/// The messages between each two machines, or groups of them.
pub(super) fn matrix(run: &RunSummary) -> String {
    let matrix = Matrix::of(run);
    let mut html = String::new();
    if matrix.is_grouped {
        let _ = writeln!(
            html,
            "<p>More than {MATRIX_MACHINES_MAX} machines: they are grouped by their rates (ticks a second × how many they are).</p>"
        );
    }
    let heads: String = matrix
        .to
        .iter()
        .map(|name| format!("<th scope=\"col\">{}</th>", escape(name)))
        .collect();
    let most = matrix.most();
    let mut rows = String::new();
    for (name, cells) in matrix.from.iter().zip(&matrix.cells) {
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", escape(name));
        for cell in cells {
            rows += &cell.map_or("<td>·</td>".to_owned(), |count| heat(count, most));
        }
        rows += "</tr>\n";
    }
    html += &table(&format!("<th scope=\"col\">from \\ to</th>{heads}"), &rows).replacen(
        "<table>",
        "<table class=\"heat\">",
        1,
    );
    html
}

/// A cell whose colours, of both themes, are custom properties that the style sheet chooses from.
fn heat(count: u64, most: u64) -> String {
    let of = |palette: &Palette| palette.heat_of(count, most);
    let ((light, light_ink), (dark, dark_ink)) = (of(Theme::Light.palette()), of(Theme::Dark.palette()));
    format!(
        "<td style=\"--l:{};--li:{};--d:{};--di:{}\">{count}</td>",
        light.hex(),
        light_ink.hex(),
        dark.hex(),
        dark_ink.hex()
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with at most two decimals")]
fn number(count: u64) -> f64 {
    count as f64
}
