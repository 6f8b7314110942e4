//! Whether the steps of a file can follow each other: ticks one by one are made by machines that stand still.

use std::collections::BTreeSet;

use super::{Action, Step};
use crate::units::MachineId;

/// Checks that whatever is stepped was paused before, and not resumed since.
///
/// # Errors
/// The first step for which this is not so.
pub(super) fn check(steps: &[Step], machines: u16) -> Result<(), String> {
    let all = || (0..machines).map(MachineId);
    let mut paused: BTreeSet<MachineId> = BTreeSet::new();
    for (number, step) in (1..).zip(steps) {
        let missing = match &step.action {
            Action::Pause(None) => {
                paused.extend(all());
                None
            }
            Action::Pause(Some(machine)) => {
                paused.insert(*machine);
                None
            }
            Action::Resume(None) => {
                paused.clear();
                None
            }
            Action::Resume(Some(machine)) => {
                paused.remove(machine);
                None
            }
            Action::Step { machine: None, .. } => all().find(|id| !paused.contains(id)),
            Action::Step {
                machine: Some(machine),
                ..
            }
            | Action::StepUntil { machine, .. } => Some(*machine).filter(|id| !paused.contains(id)),
            Action::Nothing
            | Action::Wait(_)
            | Action::Inject { .. }
            | Action::Mend(_)
            | Action::Until { .. } => None,
        };
        if let Some(id) = missing {
            return Err(format!(
                "step {number}: machine {id} goes on by itself, and only who stands still can be stepped: put a step with \
                 `pause = true` before it"
            ));
        }
    }
    Ok(())
}
