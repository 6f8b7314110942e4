//! The data of the page's figures as JSON, which page.js reads.
//!
//! ```text
//! { "seconds": 60.1,                        length of the run; second 0 is the earliest start
//!   "jump_max": 20,                         jumps of this size and above are counted together
//!   "lateness_bounds_us": [10, 20, …],      upper bounds of the classes of lateness
//!   "machines": [                           in the order of their ids
//!     { "machine": 0, "rate": 6,            rate: ticks a second, or null
//!       "colour": 0, "dashes": [9, 4],      its line: custom property --line-<colour>, pixels drawn and not
//!       "shown": true,                      whether its lines are drawn until somebody asks otherwise
//!       "clock": [[seconds…], [values…]],   a line: as many values as seconds, at most POINTS_MAX or so
//!       "drift": …,                         clock steps behind the foremost clock
//!       "queue": …,                         messages waiting, until the next value
//!       "tick_error_us": …,                 microseconds
//!       "age_s": …, "waited_s": …,          seconds
//!       "jumps": [[size, count], …],        sizes in ascending order
//!       "lateness": [[class, count], …] },  class: index of its upper bound
//!     … ] }
//! ```
//!
//! Times of points are rounded to tenths of milliseconds, values to millionths.

use serde::Serialize;

use super::FIGURE_LINES_SHOWN;
use crate::inspect::{
    markup::json_in_script,
    palette::{COLOURS, dashes},
    series::{JUMP_MAX, LATENESS_BOUNDS_US, MachineSeries, RunSeries, Thinned},
};

type Line = (Vec<f64>, Vec<f64>);

#[derive(Serialize)]
struct Data {
    seconds: f64,
    jump_max: u64,
    lateness_bounds_us: &'static [u32],
    machines: Vec<Machine>,
}

#[derive(Serialize)]
struct Machine {
    machine: u16,
    rate: Option<u32>,
    colour: usize,
    dashes: &'static [u32],
    shown: bool,
    clock: Line,
    drift: Line,
    queue: Line,
    tick_error_us: Line,
    age_s: Line,
    waited_s: Line,
    jumps: Vec<(u64, u64)>,
    lateness: Vec<(usize, u64)>,
}

/// The data as JSON that can stand inside a `<script>`.
pub(super) fn json(run: &RunSeries) -> String {
    let data = Data {
        seconds: rounded(run.seconds),
        jump_max: JUMP_MAX,
        lateness_bounds_us: &LATENESS_BOUNDS_US,
        machines: run
            .machines
            .iter()
            .zip(run.looks(FIGURE_LINES_SHOWN))
            .map(|(series, look)| machine(look, series))
            .collect(),
    };
    let json = serde_json::to_string(&data);
    assert!(json.is_ok(), "numbers and their names are JSON: {json:?}");
    json_in_script(&json.unwrap_or_default())
}

fn machine(look: usize, series: &MachineSeries) -> Machine {
    let lateness = series.lateness.iter().copied().enumerate();
    Machine {
        machine: series.machine.0,
        rate: series.rate,
        colour: look % COLOURS,
        dashes: dashes(look),
        shown: look < FIGURE_LINES_SHOWN,
        clock: line(&series.clock),
        drift: line(&series.drift),
        queue: line(&series.queue),
        tick_error_us: line(&series.tick_error),
        age_s: line(&series.age),
        waited_s: line(&series.waited),
        jumps: series.jumps.iter().map(|(jump, count)| (*jump, *count)).collect(),
        lateness: lateness.filter(|(_, count)| *count > 0).collect(),
    }
}

fn line(line: &Thinned) -> Line {
    let points = line.points().into_iter();
    points
        .map(|(seconds, value)| (rounded(seconds), (value * 1e6).round() / 1e6))
        .unzip()
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
