//! The comparison as text: a row a clock, and sentences for what a row cannot say.

use super::{ClockComparison, Distance, Pairs, logged::DISTANCE_BOUNDS_US};
use crate::{
    clock::ClockKind,
    inspect::{
        grid::{Grid, Style},
        words::thousands,
        wrap::{COLUMNS, wrap},
    },
};

/// The heading of the comparison, wherever it stands.
pub(super) const TITLE: &str = "What each clock can tell";

/// The columns of the comparison.
pub(super) const COLUMN_NAMES: [&str; 5] = [
    "clock",
    "pairs ordered",
    "though concurrent",
    "told apart",
    "bytes a message",
];

pub(super) fn render(comparison: &ClockComparison, style: Style) -> String {
    let mut grid = Grid::new(&COLUMN_NAMES);
    for kind in ClockKind::ALL {
        grid.push(row(comparison, *kind));
    }
    let mut output = match style {
        Style::Text => format!("{TITLE}, of {}:\n\n", pairs_in_words(&comparison.pairs)),
        Style::Markdown => format!("**{TITLE}**, of {}:\n\n", pairs_in_words(&comparison.pairs)),
    };
    output += &grid.render(style);
    output.push('\n');
    for sentence in sentences(comparison) {
        output += &match style {
            Style::Text => wrap(&format!("- {sentence}"), COLUMNS, 2),
            Style::Markdown => format!("- {sentence}\n"),
        };
    }
    output
}

pub(super) fn pairs_in_words(pairs: &Pairs) -> String {
    let concurrent = format!(
        "{} concurrent ({})",
        thousands(pairs.concurrent),
        share(pairs.concurrent, pairs.counted)
    );
    if pairs.is_sample() {
        return format!(
            "a sample of {} of {} pairs of events, {concurrent}",
            thousands(pairs.counted),
            thousands(pairs.all)
        );
    }
    format!("{} pairs of events, {concurrent}", thousands(pairs.all))
}

/// A clock's row: pairs it orders, those of them that are concurrent, concurrent pairs that it tells to be so, bytes.
pub(super) fn row(comparison: &ClockComparison, kind: ClockKind) -> Vec<String> {
    let pairs = &comparison.pairs;
    let wrongly = match kind {
        ClockKind::Lamport => Some(pairs.lamport_ordered()),
        ClockKind::Vector => Some(0),
        ClockKind::Hybrid => pairs.hybrid_ordered(),
    };
    let happened = pairs.counted.saturating_sub(pairs.concurrent);
    let cell = |count: Option<u128>| count.map_or("-".to_owned(), thousands);
    let bytes = match (kind, comparison.bytes_of(kind)) {
        (_, Some(bytes)) => format!("{bytes:.1}"),
        (_, None) => "-".to_owned(),
    };
    vec![
        kind.name().to_owned(),
        cell(wrongly.map(|wrongly| happened + wrongly)),
        wrongly.map_or("-".to_owned(), |wrongly| {
            let of = happened + wrongly;
            format!("{} ({})", thousands(wrongly), share(wrongly, of))
        }),
        cell(wrongly.map(|wrongly| pairs.concurrent.saturating_sub(wrongly))),
        bytes,
    ]
}

/// What the rows cannot say.
pub(super) fn sentences(comparison: &ClockComparison) -> Vec<String> {
    let mut all = vec![
        "pairs ordered: the clock puts one event before the other. though concurrent: neither can have caused the other. \
         told apart: concurrent pairs that the clock shows to be so."
            .to_owned(),
    ];
    all.push(match &comparison.vectors {
        Some(vectors) if vectors.different == 0 => format!(
            "vector: exact. Each of the {} logged vectors is the one that the messages give.",
            thousands(vectors.logged)
        ),
        Some(vectors) => format!(
            "vector: {} of {} logged vectors are not those that the messages give; logs are missing, or check says what is wrong.",
            thousands(vectors.different),
            thousands(vectors.logged)
        ),
        None => "vector: computed from the messages; this run has no `vector=`. `--clock vector` makes one.".to_owned(),
    });
    let full = comparison.full_vector_bytes();
    if let (Some(ClockKind::Vector), Some(bytes)) = (comparison.kind, comparison.timestamp_bytes()) {
        all.push(format!(
            "bytes: a vector timestamp had {bytes:.1} bytes, Lamport's clock included. Whole vectors of 8 bytes an entry \
             would have {full:.0}: this is {:.1} % of it.",
            100.0 * bytes / full
        ));
    } else {
        all.push(format!(
            "bytes: a whole vector of 8 bytes an entry would have {full:.0}; a vector run says how many changes need."
        ));
    }
    let is_measured = comparison.kind != Some(ClockKind::Lamport);
    if is_measured && comparison.sent.is_some_and(|sent| sent.restarts > 0) {
        let text =
            "bytes: footers count them, those of machines that were started again in their last life alone.";
        all.push(text.to_owned());
    }
    match &comparison.distance {
        Some(distance) => all.push(distance_in_words(distance)),
        None => {
            all.push("hybrid: unknown, this run has no `hybrid=`. `--clock hybrid` makes one.".to_owned())
        }
    }
    all
}

fn distance_in_words(distance: &Distance) -> String {
    let classes = classes(distance).into_iter().filter(|(_, count)| *count > 0);
    let classes = classes.map(|(name, count)| format!("{name}: {}", thousands(count)));
    format!(
        "hybrid: ahead of physical time by {} in the mean, {} at most; greatest count {}. Events by distance: {}.",
        microseconds(distance.mean_us),
        whole_microseconds(distance.max_us),
        distance.logical_max,
        classes.collect::<Vec<_>>().join(", ")
    )
}

/// The classes of distance by name, and how many events lie in each.
pub(super) fn classes(distance: &Distance) -> Vec<(String, u64)> {
    let names = DISTANCE_BOUNDS_US.iter().map(|us| match us {
        1 => "none".to_owned(),
        us => format!("under {}", whole_microseconds(*us)),
    });
    let last = DISTANCE_BOUNDS_US
        .last()
        .map(|us| format!("{} or more", whole_microseconds(*us)));
    names.chain(last).zip(distance.counts).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn whole_microseconds(us: u64) -> String {
    microseconds(us as f64)
}

fn microseconds(us: f64) -> String {
    let (number, unit) = match us {
        us if us >= 1e6 => (us / 1e6, "s"),
        us if us >= 1e3 => (us / 1e3, "ms"),
        us => (us, "µs"),
    };
    let text = format!("{number:.1}");
    format!("{} {unit}", text.trim_end_matches(".0"))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn share(part: u128, of: u128) -> String {
    format!("{:.1} %", 100.0 * part as f64 / of.max(1) as f64)
}
