//! Many machines as a few groups of like rates: what a table shows where a row a machine would be too many.

use super::summary::{MachineSummary, RunSummary};

/// Groups of a run; with more different rates than that, neighbouring rates share one.
pub(super) const GROUPS_MAX: usize = 10;

/// Machines of like rates.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    /// From the slowest to the fastest of them; `None` for systems without rates.
    pub(super) rates: Option<(u32, u32)>,
    /// In the order of their ids.
    pub(super) machines: Vec<&'a MachineSummary>,
}

/// The least, the mean and the most of a number in a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) max: f64,
}

/// The machines of a run by their rates, the fastest first.
pub(super) fn groups(run: &RunSummary) -> Vec<Group<'_>> {
    let mut rates: Vec<Option<u32>> = run.machines.iter().map(|machine| machine.rate).collect();
    rates.sort_unstable_by(|a, b| b.cmp(a));
    rates.dedup();
    let share = rates.len().div_ceil(GROUPS_MAX).max(1);
    let of_rates = |rates: &[Option<u32>]| {
        let machines = run
            .machines
            .iter()
            .filter(|machine| rates.contains(&machine.rate));
        let known = rates.iter().copied().flatten();
        Group {
            rates: known.clone().min().zip(known.max()),
            machines: machines.collect(),
        }
    };
    rates.chunks(share).map(of_rates).collect()
}

impl Group<'_> {
    /// The rates in words: `6`, `83-166`, or `-` for systems without.
    pub(super) fn name(&self) -> String {
        match self.rates {
            None => "-".to_owned(),
            Some((min, max)) if min == max => min.to_string(),
            Some((min, max)) => format!("{min}-{max}"),
        }
    }

    /// A number of each machine; those without it are left out, and all of them give `None`.
    pub(super) fn spread(&self, number: impl Fn(&MachineSummary) -> Option<f64>) -> Option<Spread> {
        let numbers = self.machines.iter().filter_map(|machine| number(machine));
        let (mut sum, mut count, mut min, mut max) = (0.0, 0_u32, f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers {
            sum += number;
            count += 1;
            min = min.min(number);
            max = max.max(number);
        }
        (count > 0).then(|| Spread {
            min,
            mean: sum / f64::from(count),
            max,
        })
    }
}
