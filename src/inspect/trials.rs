//! Many simulated runs of the same settings: how their statistics spread, beside what the theory expects.
//!
//! Machines are grouped: each by itself where there are few, by rate where there are many, and by what becomes of
//! them (keeps up, critical, saturated) where each trial draws rates of its own. A group's numbers are in the order
//! of seeds and machines, so the same trials give the same table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    grid::{Grid, Style},
    summary::{Expected, MachineSummary, RunSummary},
};
use crate::units::MachineId;

/// Machines up to which each has rows of its own.
const ROWS_MACHINES_MAX: u16 = 20;

/// Of machines that theory says nothing of.
const NO_THEORY: &str = "no theory";

/// What that means, where there are any.
const NO_THEORY_LEGEND: &str = "\
no theory: machines of trials in which some machine was killed, paused, or given another rate or clock
";

const LEGEND: &str = "\
theory: mean of what is expected of the rates, the die and each trial's fastest clock
within: trials' machines inside the tolerance that theory gives (jump; queue of saturated machines)
";

/// What one machine did in one trial.
#[derive(Clone, Debug)]
pub struct TrialMachine {
    seed: u64,
    machine: MachineId,
    rate: u32,
    ticks: u64,
    receives: u64,
    sends: u64,
    internals: u64,
    messages_sent: u64,
    clock: u64,
    drift: u64,
    jump_max: u64,
    jump_mean: f64,
    queue_end: u64,
    queue_max: u64,
    reason: &'static str,
    theory: Option<Theory>,
}

/// What theory says of a machine.
#[derive(Clone, Copy, Debug)]
struct Theory {
    ticks: f64,
    clock: f64,
    jump: f64,
    queue: f64,
    receives: f64,
    outcome: Outcome,
    /// Whether its queue grows, be it ever so slowly.
    is_saturated: bool,
    /// Whether the mean jump is as near to the theory as it says; `None` where it says nothing.
    jump_within: Option<bool>,
    /// The same of the queue at the end, of which theory says something where it grows.
    queue_within: Option<bool>,
}

/// What machines are put together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Each machine by itself, in the order of ids.
    Machine,
    /// Machines of the same rate.
    Rate,
    /// Machines of which theory expects the same.
    Outcome,
}

/// What theory expects to become of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Stable,
    Critical,
    Saturated,
}

impl TrialMachine {
    /// The machines of one run.
    #[must_use]
    pub fn all(summary: &RunSummary) -> Vec<TrialMachine> {
        let one = |machine: &MachineSummary| TrialMachine {
            seed: summary.seed.unwrap_or_default(),
            machine: machine.machine,
            rate: machine.rate.unwrap_or_default(),
            ticks: machine.ticks,
            receives: machine.receives,
            sends: machine.sends,
            internals: machine.internals,
            messages_sent: machine.messages_sent,
            clock: machine.clock,
            drift: machine.drift,
            jump_max: machine.jump_max,
            jump_mean: machine.jump_mean(),
            queue_end: machine.queue_last,
            queue_max: machine.queue_max,
            reason: machine.reason.map_or("", |reason| reason.name()),
            theory: machine.expected.map(|expected| Theory::new(machine, &expected)),
        };
        summary.machines.iter().map(one).collect()
    }

    /// Whether it made as many ticks as theory says; `None` where that says nothing.
    fn ticks_within(&self) -> Option<bool> {
        let off = (count(self.ticks) - self.theory?.ticks).abs();
        Some(off <= Expected::TICKS_TOLERANCE)
    }
}

impl Theory {
    fn new(machine: &MachineSummary, expected: &Expected) -> Self {
        let flow = expected.flow;
        let outcome = match (flow.is_critical(), flow.is_saturated()) {
            (true, _) => Outcome::Critical,
            (false, true) => Outcome::Saturated,
            (false, false) => Outcome::Stable,
        };
        let jump_off = (machine.jump_mean() / expected.jump - 1.0).abs();
        let queue_off = (count(machine.queue_last) - expected.queue).abs();
        Self {
            ticks: expected.ticks,
            clock: expected.clock,
            jump: expected.jump,
            queue: expected.queue,
            receives: expected.receives,
            outcome,
            is_saturated: flow.is_saturated(),
            jump_within: (outcome != Outcome::Critical).then_some(jump_off <= expected.jump_tolerance),
            queue_within: (outcome == Outcome::Saturated).then_some(queue_off <= expected.queue_tolerance),
        }
    }
}

impl Grouping {
    /// What suits runs of `machines` machines, whose rates each trial draws anew or not.
    #[must_use]
    pub fn suited(machines: u16, draws_rates: bool, trials: u64) -> Self {
        match (draws_rates && trials > 1, machines) {
            (true, _) => Grouping::Outcome,
            (false, 0..=ROWS_MACHINES_MAX) => Grouping::Machine,
            (false, _) => Grouping::Rate,
        }
    }

    /// The group's place among the others, and its name.
    fn of(self, machine: &TrialMachine) -> (u32, String) {
        match (self, machine.theory.map(|theory| theory.outcome)) {
            (Grouping::Machine, _) => (
                u32::from(machine.machine.0),
                format!("machine {}, rate {}", machine.machine, machine.rate),
            ),
            (Grouping::Rate, _) => (machine.rate, format!("rate {}", machine.rate)),
            (Grouping::Outcome, Some(Outcome::Stable)) => (0, "keeps up".to_owned()),
            (Grouping::Outcome, Some(Outcome::Critical)) => (1, "critical".to_owned()),
            (Grouping::Outcome, Some(Outcome::Saturated)) => (2, "saturated".to_owned()),
            (Grouping::Outcome, None) => (3, NO_THEORY.to_owned()),
        }
    }
}

/// The table of some trials: their machines in the order of seeds.
#[must_use]
pub fn table(machines: &[TrialMachine], grouping: Grouping, style: Style) -> String {
    let mut groups: BTreeMap<(u32, String), Vec<&TrialMachine>> = BTreeMap::new();
    for machine in machines {
        groups.entry(grouping.of(machine)).or_default().push(machine);
    }
    let mut grid = Grid::new(&[
        "machines",
        "of",
        "figure",
        "theory",
        "mean ± sd",
        "5 %",
        "50 %",
        "95 %",
        "within",
    ]);
    for ((_, name), group) in &groups {
        for row in rows(name, group) {
            grid.push(row);
        }
    }
    let ticks: Vec<bool> = machines.iter().filter_map(TrialMachine::ticks_within).collect();
    let mut legend = LEGEND.to_owned();
    if ticks.len() < machines.len() {
        legend += NO_THEORY_LEGEND;
    }
    let mut output = grid.render(style);
    output.push('\n');
    output += &match style {
        Style::Text => legend,
        Style::Markdown => legend.replace('\n', "  \n"),
    };
    let _ = writeln!(
        output,
        "ticks: within {} of rate x seconds in {} of {} machines",
        Expected::TICKS_TOLERANCE,
        ticks.iter().filter(|within| **within).count(),
        ticks.len()
    );
    output
}

/// One figure of a machine: its name, its value, what is expected of it, and whether that is near enough.
type Figure = (
    &'static str,
    fn(&TrialMachine) -> f64,
    fn(&Theory) -> f64,
    fn(&Theory) -> Option<bool>,
);

const FIGURES: [Figure; 4] = [
    (
        "clock",
        |machine| count(machine.clock),
        |theory| theory.clock,
        |_| None,
    ),
    (
        "jump",
        |machine| machine.jump_mean,
        |theory| theory.jump,
        |theory| theory.jump_within,
    ),
    (
        "queue",
        |machine| count(machine.queue_end),
        |theory| theory.queue,
        |theory| theory.queue_within,
    ),
    (
        "received",
        |machine| count(machine.receives),
        |theory| theory.receives,
        |_| None,
    ),
];

fn rows(name: &str, group: &[&TrialMachine]) -> Vec<Vec<String>> {
    let row = |(place, (figure, value, expected, within)): (usize, &Figure)| {
        let values: Vec<f64> = group.iter().map(|machine| value(machine)).collect();
        let theories = group.iter().filter_map(|machine| machine.theory.as_ref());
        let theory: Vec<f64> = theories.clone().map(expected).collect();
        let judged: Vec<bool> = theories.filter_map(within).collect();
        let digits = if *figure == "jump" { 2 } else { 1 };
        let spread = Spread::of(&values);
        let first = |text: String| if place == 0 { text } else { String::new() };
        vec![
            first(name.to_owned()),
            first(group.len().to_string()),
            (*figure).to_owned(),
            match theory.is_empty() {
                true => "-".to_owned(),
                false => format!("{:.digits$}", Spread::of(&theory).mean),
            },
            format!("{:.digits$} ± {:.digits$}", spread.mean, spread.deviation),
            format!("{:.digits$}", spread.percentiles[0]),
            format!("{:.digits$}", spread.percentiles[1]),
            format!("{:.digits$}", spread.percentiles[2]),
            match judged.is_empty() {
                true => "-".to_owned(),
                false => format!(
                    "{}/{}",
                    judged.iter().filter(|inside| **inside).count(),
                    judged.len()
                ),
            },
        ]
    };
    FIGURES.iter().enumerate().map(row).collect()
}

/// How values spread; all 0 for none.
#[derive(Clone, Copy, Debug)]
struct Spread {
    mean: f64,
    /// Of the sample: divided by n − 1.
    deviation: f64,
    /// 5, 50 and 95 %: the smallest value that as many values do not exceed.
    percentiles: [f64; 3],
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let number = count(values.len() as u64);
        let mean = values.iter().sum::<f64>() / number.max(1.0);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self {
            mean,
            deviation: (squares / (number - 1.0).max(1.0)).sqrt(),
            percentiles: [at(5), at(50), at(95)],
        }
    }
}

/// In how many trials theory sees a machine saturated, and in how many one that is critical, in words, of those of
/// which it says anything; only where trials draw rates.
#[must_use]
pub fn outcomes(machines: &[TrialMachine]) -> String {
    let mut trials: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
    let mut all: BTreeSet<u64> = BTreeSet::new();
    for machine in machines {
        all.insert(machine.seed);
        let Some(theory) = machine.theory else { continue };
        let (saturated, critical) = trials.entry(machine.seed).or_default();
        *saturated |= theory.is_saturated;
        *critical |= theory.outcome == Outcome::Critical;
    }
    let share = |pick: fn(&(bool, bool)) -> bool| {
        let number = trials.values().filter(|trial| pick(trial)).count();
        let percent = count(number as u64) / count(trials.len().max(1) as u64) * 100.0;
        format!("{number} ({percent:.1} %)")
    };
    let whose = match trials.len() {
        judged if judged == all.len() => "trials".to_owned(),
        judged => format!("of the {judged} trials of which theory says something, those"),
    };
    format!(
        "{whose} with a machine that cannot keep up: {}; with one near the border: {}\n",
        share(|(saturated, _)| *saturated),
        share(|(_, critical)| *critical)
    )
}

/// One line a machine and trial, with a heading, separated by commas.
#[must_use]
pub fn csv(machines: &[TrialMachine]) -> String {
    let mut output = String::from(
        "seed,machine,rate,ticks,receives,sends,internals,messages_sent,clock,drift,jump_mean,jump_max,\
queue_end,queue_max,reason,expected_clock,expected_jump,expected_queue,expected_receives\n",
    );
    for machine in machines {
        let TrialMachine {
            seed,
            machine: id,
            rate,
            ticks,
            receives,
            sends,
            internals,
            messages_sent,
            clock,
            drift,
            jump_max,
            jump_mean,
            queue_end,
            queue_max,
            reason,
            theory,
        } = machine;
        let _ = write!(
            output,
            "{seed},{id},{rate},{ticks},{receives},{sends},{internals},{messages_sent},{clock},{drift},{jump_mean:.4},\
{jump_max},{queue_end},{queue_max},{reason}"
        );
        let _ = match theory {
            Some(Theory {
                clock,
                jump,
                queue,
                receives,
                ..
            }) => writeln!(output, ",{clock:.2},{jump:.4},{queue:.2},{receives:.2}"),
            None => writeln!(output, ",,,,"),
        };
    }
    output
}

#[expect(clippy::cast_precision_loss, reason = "statistics are shown with few digits")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_its_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let spread = Spread::of(&values);
        assert!((spread.mean - 50.5).abs() < 1e-9 && (spread.deviation - 29.011).abs() < 1e-3);
        assert_eq!(spread.percentiles, [5.0, 50.0, 95.0]);
        let one = Spread::of(&[7.0]);
        assert_eq!((one.mean, one.deviation, one.percentiles), (7.0, 0.0, [7.0; 3]));
        assert_eq!(Spread::of(&[]).percentiles, [0.0; 3]);
    }
}
