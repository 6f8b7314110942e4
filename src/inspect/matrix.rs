//! The messages between each two machines, or between groups of machines of like rates where they are many.

use super::{groups::groups, summary::RunSummary};

/// Machines up to which each has a row and a column; more are grouped by their rates.
pub const MATRIX_MACHINES_MAX: usize = 20;

/// Counts of messages sent, whatever became of them: a row a sender, a column a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Whether rows and columns are groups of machines of like rates.
    pub is_grouped: bool,
    /// The rows' names: a machine's id, or a group's rates.
    pub from: Vec<String>,
    /// The columns' names.
    pub to: Vec<String>,
    /// By row and column; `None` where a machine would send to itself.
    pub cells: Vec<Vec<Option<u64>>>,
}

impl Matrix {
    /// The messages of a run. Machines whose log is missing have no row, and in groups no column either.
    #[must_use]
    pub fn of(run: &RunSummary) -> Self {
        if usize::from(run.machine_count) > MATRIX_MACHINES_MAX {
            return Self::grouped(run);
        }
        let row = |sent_to: &[u64], me: usize| {
            let cell = |(to, count): (usize, &u64)| (to != me).then_some(*count);
            sent_to.iter().enumerate().map(cell).collect()
        };
        Self {
            is_grouped: false,
            from: run
                .machines
                .iter()
                .map(|machine| machine.machine.to_string())
                .collect(),
            to: match run.machines.len() == usize::from(run.machine_count) {
                true => run
                    .machines
                    .iter()
                    .map(|machine| machine.machine.to_string())
                    .collect(),
                false => (0..run.machine_count).map(|id| id.to_string()).collect(),
            },
            cells: run
                .machines
                .iter()
                .map(|machine| row(&machine.sent_to, run.column(machine.machine)))
                .collect(),
        }
    }

    fn grouped(run: &RunSummary) -> Self {
        let groups = groups(run);
        let names: Vec<String> = groups
            .iter()
            .map(|group| format!("{}/s × {}", group.name(), group.machines.len()))
            .collect();
        let mut group_of = vec![None; usize::from(run.machine_count)];
        for (place, group) in groups.iter().enumerate() {
            for machine in &group.machines {
                if let Some(of) = group_of.get_mut(run.column(machine.machine)) {
                    *of = Some(place);
                }
            }
        }
        let mut cells = vec![vec![Some(0); groups.len()]; groups.len()];
        for (row, group) in cells.iter_mut().zip(&groups) {
            for machine in &group.machines {
                for (to, count) in group_of.iter().zip(&machine.sent_to) {
                    let cell = to.and_then(|to| row.get_mut(to)).and_then(Option::as_mut);
                    cell.into_iter().for_each(|cell| *cell += count);
                }
            }
        }
        Self {
            is_grouped: true,
            from: names.clone(),
            to: names,
            cells,
        }
    }

    /// The largest count.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.cells.iter().flatten().copied().flatten().max().unwrap_or(0)
    }
}
