//! The phase diagram of the scale model: where one slow machine among equal fast ones keeps up, and where not.
//!
//! A cell is a rate of the slow machine and a die. Its state is *measured*, from nothing but the lengths of
//! queues: a queue that keeps up does not grow, a saturated one grows like t, and on the border between the two it
//! wanders like √t. So the power of time by which it grows tells the three apart, without any theory; the theory's
//! border ([`theory::critical_ratio`]) is then laid on top.

mod figure;

pub use figure::figure;

use super::grid::{Grid, Style};
use crate::model::{internal_probability, theory};

/// Powers of time between which a queue is taken to be on the border.
const CRITICAL_EXPONENTS: (f64, f64) = (0.25, 0.75);

/// Messages that may wait by chance where nothing grows; added to both lengths, so that an empty queue has a
/// logarithm and a few messages make no power.
const QUEUE_NOISE: f64 = 5.0;

/// How a machine's queue behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It keeps up.
    Stable,
    /// It is on the border.
    Critical,
    /// It falls behind for ever.
    Saturated,
}

/// One cell of the diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Machines of the runs.
    pub machines: u16,
    /// Ticks a second of all but the slow one.
    pub fast: u32,
    /// Ticks a second of the slow one.
    pub slow: u32,
    /// Sides of the die.
    pub draw: u32,
    /// Runs measured.
    pub trials: u32,
    /// Length of the longer runs, in seconds.
    pub seconds: f64,
    /// How many times shorter the shorter ones are.
    part: f64,
    /// Sums over runs: the slow machine's queue at the end of the shorter and of the longer ones.
    queues: (f64, f64),
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Stable => "stable",
            State::Critical => "critical",
            State::Saturated => "saturated",
        }
    }
}

impl Cell {
    /// A cell with nothing measured.
    #[must_use]
    pub fn new(machines: u16, fast: u32, slow: u32, draw: u32) -> Self {
        Self {
            machines,
            fast,
            slow,
            draw,
            trials: 0,
            seconds: 0.0,
            part: 1.0,
            queues: (0.0, 0.0),
        }
    }

    /// Adds a pair of runs: the slow machine's queue after `duration_us` / `part` and after `duration_us`.
    #[expect(clippy::cast_precision_loss, reason = "queues and times are far below 2^52")]
    pub fn add(&mut self, queue_part: u64, queue_whole: u64, duration_us: u64, part: u64) {
        self.trials += 1;
        self.seconds = duration_us as f64 / 1e6;
        self.part = part as f64;
        self.queues.0 += queue_part as f64;
        self.queues.1 += queue_whole as f64;
    }

    /// The slow machine's mean queue at the end of the shorter and of the longer runs.
    #[must_use]
    pub fn queues(&self) -> (f64, f64) {
        let trials = f64::from(self.trials.max(1));
        (self.queues.0 / trials, self.queues.1 / trials)
    }

    /// Measured growth of the slow machine's queue, in messages a second.
    #[must_use]
    pub fn growth(&self) -> f64 {
        let (part, whole) = self.queues();
        let seconds = self.seconds * (1.0 - 1.0 / self.part);
        if seconds > 0.0 {
            ((whole - part) / seconds).max(0.0)
        } else {
            0.0
        }
    }

    /// The power of time by which its queue grows: 0 for none, ½ for a random walk, 1 for a straight line.
    #[must_use]
    pub fn exponent(&self) -> f64 {
        let (part, whole) = self.queues();
        ((whole + QUEUE_NOISE) / (part + QUEUE_NOISE)).ln() / self.part.ln()
    }

    /// What its queue was measured to do; one of fewer than five messages at the end keeps up.
    #[must_use]
    pub fn measured(&self) -> State {
        if self.queues().1 < QUEUE_NOISE {
            return State::Stable;
        }
        match self.exponent() {
            exponent if exponent < CRITICAL_EXPONENTS.0 => State::Stable,
            exponent if exponent > CRITICAL_EXPONENTS.1 => State::Saturated,
            _ => State::Critical,
        }
    }

    /// The rate of the slow machine on the theory's border, in ticks a second.
    #[must_use]
    pub fn border(&self) -> f64 {
        let q = theory::send_probability(self.machines, self.draw);
        theory::critical_ratio(self.machines, q) * f64::from(self.fast)
    }

    /// What theory says, and the growth that it expects in messages a second.
    #[must_use]
    pub fn expected(&self) -> (State, f64) {
        let mut rates = vec![self.fast; usize::from(self.machines)];
        if let Some(last) = rates.last_mut() {
            *last = self.slow;
        }
        let flows = theory::flows(&rates, self.draw);
        let Some(flow) = flows.last() else {
            return (State::Stable, 0.0);
        };
        let state = match flow {
            flow if flow.is_critical() => State::Critical,
            flow if flow.is_saturated() => State::Saturated,
            _ => State::Stable,
        };
        (state, flow.growth)
    }
}

/// One line a cell, with a heading (RFC 4180).
#[must_use]
pub fn csv(cells: &[Cell]) -> String {
    let mut output =
        "machines,fast,slow,draw,internal,trials,seconds,queue_part,queue_whole,growth,exponent,measured,\
                      expected,expected_growth\r\n"
            .to_owned();
    for cell in cells {
        let ((part, whole), (state, growth)) = (cell.queues(), cell.expected());
        output += &format!(
            "{},{},{},{},{:.4},{},{},{part:.2},{whole:.2},{:.5},{:.4},{},{},{growth:.5}\r\n",
            cell.machines,
            cell.fast,
            cell.slow,
            cell.draw,
            internal_probability(cell.draw),
            cell.trials,
            cell.seconds,
            cell.growth(),
            cell.exponent(),
            cell.measured().name(),
            state.name(),
        );
    }
    output
}

/// For each number of machines and die: from which rate on the slow machine keeps up, by theory and as measured.
#[must_use]
pub fn table(cells: &[Cell], style: Style) -> String {
    let mut grid = Grid::new(&[
        "machines",
        "die",
        "internal",
        "border",
        "saturated up to",
        "critical",
        "stable from",
    ]);
    for column in cells.chunk_by(|a, b| (a.machines, a.draw) == (b.machines, b.draw)) {
        let Some(first) = column.first() else { continue };
        let of = |state: State| {
            let mut rates = column
                .iter()
                .filter(move |cell| cell.measured() == state)
                .map(|cell| cell.slow);
            let first = rates.next();
            (first, rates.next_back().or(first))
        };
        let shown = |rate: Option<u32>| rate.map_or("-".to_owned(), |rate| rate.to_string());
        let (critical_first, critical_last) = of(State::Critical);
        let critical = match (critical_first, critical_last) {
            (Some(first), Some(last)) if first < last => format!("{first}-{last}"),
            (first, _) => shown(first),
        };
        grid.push(vec![
            first.machines.to_string(),
            first.draw.to_string(),
            format!("{:.3}", internal_probability(first.draw)),
            format!("{:.1}", first.border()),
            shown(of(State::Saturated).1),
            critical,
            shown(of(State::Stable).0),
        ]);
    }
    grid.render(style)
}

/// How many cells theory calls stable or saturated, and how many of these were measured to be so.
#[must_use]
pub fn agreement(cells: &[Cell]) -> (usize, usize) {
    let judged = cells.iter().map(|cell| (cell.expected().0, cell.measured()));
    let judged = judged.filter(|(expected, _)| *expected != State::Critical);
    judged.fold((0, 0), |(all, same), (expected, measured)| {
        (all + 1, same + usize::from(expected == measured))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(part: u64, whole: u64) -> Cell {
        let mut cell = Cell::new(3, 24, 4, 10);
        cell.add(part, whole, 400_000_000, 4);
        cell
    }

    #[test]
    fn the_power_of_time_tells_the_states_apart() {
        for (part, whole, state) in [
            (0, 0, State::Stable),
            (3, 2, State::Stable),
            (95, 195, State::Critical),
            (100, 400, State::Saturated),
            (1000, 4100, State::Saturated),
        ] {
            assert_eq!(cell(part, whole).measured(), state, "{part} {whole}");
        }
    }

    #[test]
    fn growth_is_what_was_added_in_the_time_between() {
        assert!((cell(100, 400).growth() - 1.0).abs() < 1e-9);
        assert!(
            cell(5, 3).growth().abs() < 1e-9,
            "a queue that shrank does not grow"
        );
    }

    #[test]
    fn the_table_and_the_csv_say_what_the_cells_say() {
        let mut cells = Vec::new();
        for (slow, queues) in [
            (4, (400, 1600)),
            (7, (200, 800)),
            (8, (50, 100)),
            (9, (2, 2)),
            (20, (0, 0)),
        ] {
            let mut cell = Cell::new(3, 24, slow, 10);
            cell.add(queues.0, queues.1, 400_000_000, 4);
            cells.push(cell);
        }
        let table = table(&cells, Style::Text);
        let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["3", "10", "0.700", "8.0", "7", "8", "9"]);
        assert_eq!(agreement(&cells), (4, 4), "8 of 24 is exactly on the border");
        let csv = csv(&cells);
        assert_eq!(csv.lines().count(), 6);
        assert!(
            csv.lines()
                .nth(1)
                .unwrap()
                .starts_with("3,24,4,10,0.7000,1,400,400.00,1600.00,4.00000,"),
            "{csv}"
        );
        assert!(
            csv.lines()
                .nth(1)
                .unwrap()
                .ends_with(",saturated,saturated,4.00000"),
            "{csv}"
        );
    }
}
