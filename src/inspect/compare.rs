//! Two runs of the same configuration side by side, such as a real one and a simulated one: do they agree?
//!
//! Runs differ by chance, so they are compared within the tolerances that hold between one run and the theory
//! ([`theory`](crate::model::theory)), times √2 because both runs scatter. What has no such tolerance (the
//! queue of a machine that keeps up, anything near the border) is shown and not judged. Where one run is a little
//! longer, what theory expects of that time is allowed as well.

use super::{
    grid::{Grid, Style},
    summary::{Expected, MachineSummary, RunSummary},
};

/// Both runs scatter: the difference of two scatters √2 times as far.
const BOTH: f64 = std::f64::consts::SQRT_2;

/// Seconds by which the runs' lengths may differ.
const SECONDS_OFF_MAX: f64 = 0.5;

/// Machines that are shown one by one.
const MACHINES_SHOWN_MAX: usize = 20;

/// Two runs, quantity by quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The runs' names.
    pub runs: [String; 2],
    /// Every quantity of every machine.
    pub rows: Vec<Row>,
}

/// One quantity of one machine in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The machine's id.
    pub machine: u16,
    /// Its rate.
    pub rate: u32,
    /// What is compared.
    pub quantity: &'static str,
    /// Its value in each run.
    pub values: [f64; 2],
    /// What theory expects in the first run's time, where it says anything.
    pub expected: Option<f64>,
    /// How far the values may lie apart, where that is known.
    pub tolerance: Option<f64>,
}

/// Why two runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not compared: {0}")]
pub struct Incomparable(String);

impl Row {
    /// Whether the values lie within the tolerance; `None` where there is none.
    #[must_use]
    pub fn agrees(&self) -> Option<bool> {
        let [first, second] = self.values;
        self.tolerance
            .map(|tolerance| (first - second).abs() <= tolerance)
    }
}

impl Comparison {
    /// Compares two runs.
    ///
    /// # Errors
    /// [`Incomparable`] if they are not runs of one configuration: machines, rates, die and length.
    pub fn new(first: &RunSummary, second: &RunSummary) -> Result<Self, Incomparable> {
        let differ = |what: &str, a: String, b: String| {
            Err(Incomparable(format!("the runs differ in {what}: {a} and {b}")))
        };
        if first.machine_count != second.machine_count {
            let counts = [first.machine_count, second.machine_count].map(|count| count.to_string());
            let [a, b] = counts;
            return differ("their machines", a, b);
        }
        for (a, b) in first.machines.iter().zip(&second.machines) {
            if a.machine != b.machine {
                return Err(Incomparable(format!(
                    "machine {} has no log in one of the runs",
                    a.machine
                )));
            }
            if a.rate != b.rate {
                let told = |machine: &MachineSummary| {
                    machine.rate.map_or("none".to_owned(), |rate| rate.to_string())
                };
                return differ(&format!("the rate of machine {}", a.machine), told(a), told(b));
            }
        }
        if first.draw != second.draw {
            let told = |run: &RunSummary| run.draw.map_or("none".to_owned(), |draw| draw.to_string());
            return differ("the die", told(first), told(second));
        }
        if (first.seconds() - second.seconds()).abs() > SECONDS_OFF_MAX {
            let told = |run: &RunSummary| format!("{:.1} s", run.seconds());
            return differ("their length", told(first), told(second));
        }
        let mut rows = Vec::new();
        for (a, b) in first.machines.iter().zip(&second.machines) {
            let (Some(expected), Some(other), Some(rate)) = (&a.expected, &b.expected, a.rate) else {
                return Err(Incomparable(
                    "nothing is expected of these runs: logs are missing, or are not the scale model's"
                        .to_owned(),
                ));
            };
            for (quantity, values, theory, tolerance) in quantities([a, b], [expected, other]) {
                rows.push(Row {
                    machine: a.machine.0,
                    rate,
                    quantity,
                    values,
                    expected: theory,
                    tolerance,
                });
            }
        }
        Ok(Self {
            runs: [first.run.clone(), second.run.clone()],
            rows,
        })
    }

    /// How many quantities were judged, and how many of them agree.
    #[must_use]
    pub fn judged(&self) -> (usize, usize) {
        let judged = self.rows.iter().filter_map(Row::agrees);
        judged.fold((0, 0), |(all, agree), agrees| {
            (all + 1, agree + usize::from(agrees))
        })
    }

    /// The comparison as a table and a sentence. Of many machines, only what disagrees.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let machines = self.rows.last().map_or(0, |row| usize::from(row.machine) + 1);
        let [first, second] = &self.runs;
        let mut grid = Grid::new(&[
            "machine", "rate", "quantity", "first", "second", "apart", "allowed", "theory", "",
        ]);
        let shown = |row: &&Row| machines <= MACHINES_SHOWN_MAX || row.agrees() == Some(false);
        for row in self.rows.iter().filter(shown) {
            let [a, b] = row.values;
            let digits = if row.quantity == "jump" { 2 } else { 0 };
            grid.push(vec![
                row.machine.to_string(),
                row.rate.to_string(),
                row.quantity.to_owned(),
                format!("{a:.digits$}"),
                format!("{b:.digits$}"),
                format!("{:.digits$}", (a - b).abs()),
                row.tolerance.map_or("-".to_owned(), |tolerance| {
                    format!("{tolerance:.*}", digits.max(1))
                }),
                row.expected
                    .map_or("?".to_owned(), |expected| format!("{expected:.*}", digits.max(1))),
                match row.agrees() {
                    Some(true) => "agrees".to_owned(),
                    Some(false) => "DIFFERS".to_owned(),
                    None => String::new(),
                },
            ]);
        }
        let mut output = format!("first: {first} · second: {second}\n\n");
        if machines <= MACHINES_SHOWN_MAX || self.judged().0 != self.judged().1 {
            output += &grid.render(style);
            output.push('\n');
        }
        if machines > MACHINES_SHOWN_MAX {
            output += &format!("Of {machines} machines only what differs is shown.\n");
        }
        let (judged, agree) = self.judged();
        output += &match judged - agree {
            0 => format!("The runs agree in all {judged} quantities that can be judged.\n"),
            apart => format!("The runs differ in {apart} of {judged} quantities that can be judged.\n"),
        };
        output
    }
}

/// The quantities of one machine in both runs: name, values, theory, tolerance.
type Quantity = (&'static str, [f64; 2], Option<f64>, Option<f64>);

fn quantities(machines: [&MachineSummary; 2], [expected, other]: [&Expected; 2]) -> [Quantity; 5] {
    let of = |pick: fn(&MachineSummary) -> u64| machines.map(|machine| approximate(pick(machine)));
    let (flow, critical) = (expected.flow, expected.flow.is_critical());
    let jump_tolerance = expected.jump * expected.jump_tolerance * BOTH;
    let stable = |tolerance: f64| (!critical).then_some(tolerance);
    // What the longer run has more of.
    let longer = |pick: fn(&Expected) -> f64| (pick(expected) - pick(other)).abs();
    let queue = if flow.is_saturated() {
        stable(expected.queue_tolerance * BOTH + longer(|expected| expected.queue))
    } else {
        None
    };
    [
        (
            "ticks",
            of(|machine| machine.ticks),
            Some(expected.ticks),
            Some(2.0 * Expected::TICKS_TOLERANCE + longer(|expected| expected.ticks)),
        ),
        (
            "received",
            of(|machine| machine.receives),
            Some(expected.receives),
            // A saturated machine receives at every tick: its ticks say it all.
            stable(BOTH * expected.receives_tolerance() + longer(|expected| expected.receives))
                .filter(|_| !flow.is_saturated()),
        ),
        ("clock", of(|machine| machine.clock), Some(expected.clock), None),
        (
            "jump",
            machines.map(MachineSummary::jump_mean),
            Some(expected.jump),
            stable(jump_tolerance),
        ),
        (
            "queue",
            of(|machine| machine.queue_last),
            (!critical).then_some(expected.queue),
            queue,
        ),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts are compared within whole standard deviations"
)]
fn approximate(count: u64) -> f64 {
    count as f64
}
