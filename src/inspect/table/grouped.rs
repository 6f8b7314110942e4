//! Many machines by their rates: of each group the least, the mean and the most, beside what theory expects.

use std::collections::BTreeMap;

use crate::inspect::{
    grid::{Grid, Style},
    groups::{Group, Spread, groups},
    summary::{Expected, MachineSummary, RunSummary},
    wrap::{COLUMNS, wrap},
};

/// Before the legend, where theory expects something.
pub(super) const EXPECTED: &str =
    "expected: the mean of what theory expects from rates, die and the fastest clock";

pub(super) const LEGEND: &[&str] = &[
    "ticks: events of a machine · sent: messages, one a recipient",
    "received: receive events · internal: events without a message",
    "clock: at the end · jump: mean step of the clock · queue: waiting at the end",
    "drift: clock steps behind the fastest machine at the end",
    "late: largest lateness of a machine's ticks",
];

/// A column: its name, its decimals, what was observed, what was expected.
struct Column {
    name: &'static str,
    decimals: usize,
    observed: fn(&MachineSummary) -> Option<f64>,
    expected: fn(&Expected) -> Option<f64>,
}

const COLUMNS_SHOWN: &[Column] = &[
    Column {
        name: "ticks",
        decimals: 0,
        observed: |machine| Some(number(machine.ticks)),
        expected: |expected| Some(expected.ticks),
    },
    Column {
        name: "sent",
        decimals: 0,
        observed: |machine| Some(number(machine.sent())),
        expected: |expected| Some(expected.sent),
    },
    Column {
        name: "received",
        decimals: 0,
        observed: |machine| Some(number(machine.receives)),
        expected: |expected| Some(expected.receives),
    },
    Column {
        name: "internal",
        decimals: 0,
        observed: |machine| Some(number(machine.internals)),
        expected: |expected| Some(expected.internals),
    },
    Column {
        name: "clock",
        decimals: 0,
        observed: |machine| Some(number(machine.clock)),
        expected: |expected| Some(expected.clock),
    },
    Column {
        name: "jump",
        decimals: 2,
        observed: |machine| Some(machine.jump_mean()),
        expected: |expected| Some(expected.jump),
    },
    Column {
        name: "queue",
        decimals: 0,
        observed: |machine| Some(number(machine.queue_last)),
        expected: |expected| (!expected.flow.is_critical()).then_some(expected.queue),
    },
    Column {
        name: "drift",
        decimals: 0,
        observed: |machine| Some(number(machine.drift)),
        expected: |_| None,
    },
    Column {
        name: "late ms",
        decimals: 1,
        observed: |machine| machine.tick_error_us_max.map(|us| number(us) / 1e3),
        expected: |_| None,
    },
];

/// Four rows a group, and what all machines have in common.
pub(super) fn table(summary: &RunSummary, style: Style) -> String {
    let mut heading = vec!["rate", "machines", ""];
    heading.extend(COLUMNS_SHOWN.iter().map(|column| column.name));
    let mut grid = Grid::new(&heading);
    for group in groups(summary) {
        push(&mut grid, &group);
    }
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for machine in &summary.machines {
        let reason = machine.reason.map_or("without a footer", |reason| reason.name());
        *ends.entry(reason).or_insert(0) += 1;
    }
    let ends: Vec<String> = ends
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let stalls: u64 = summary.machines.iter().map(|machine| machine.stalls).sum();
    let said = format!(
        "{} machines in groups of like rates; `--all` shows each. Ended: {}. Stalls: {stalls}.",
        summary.machines.len(),
        ends.join(", ")
    );
    let said = match style {
        Style::Text => wrap(&said, COLUMNS, 0),
        Style::Markdown => said + "\n",
    };
    format!("{}\n{said}", grid.render(style))
}

/// One of a spread's three numbers.
type Pick = fn(&Spread) -> f64;

fn push(grid: &mut Grid, group: &Group<'_>) {
    let spreads: Vec<Option<Spread>> = COLUMNS_SHOWN
        .iter()
        .map(|column| group.spread(column.observed))
        .collect();
    let rows: [(&str, Pick); 3] = [
        ("least", |spread| spread.min),
        ("mean", |spread| spread.mean),
        ("most", |spread| spread.max),
    ];
    for (index, (name, pick)) in rows.iter().enumerate() {
        let (rate, machines) = match index {
            0 => (group.name(), group.machines.len().to_string()),
            _ => Default::default(),
        };
        let mut row = vec![rate, machines, (*name).to_owned()];
        // A mean of whole numbers is shown with one decimal.
        let extra = usize::from(index == 1);
        row.extend(COLUMNS_SHOWN.iter().zip(&spreads).map(|(column, spread)| {
            let decimals = column.decimals.max(extra);
            spread
                .as_ref()
                .map_or("-".to_owned(), |spread| format!("{:.decimals$}", pick(spread)))
        }));
        grid.push(row);
    }
    let expected: Vec<Option<Spread>> = COLUMNS_SHOWN
        .iter()
        .map(|column| group.spread(|machine| machine.expected.as_ref().and_then(column.expected)))
        .collect();
    if expected.iter().any(Option::is_some) {
        let mut row = vec![String::new(), String::new(), "expected".to_owned()];
        row.extend(COLUMNS_SHOWN.iter().zip(&expected).map(|(column, spread)| {
            let decimals = column.decimals.max(1);
            spread
                .as_ref()
                .map_or(String::new(), |spread| format!("{:.decimals$}", spread.mean))
        }));
        grid.push(row);
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with at most two decimals")]
fn number(count: u64) -> f64 {
    count as f64
}
