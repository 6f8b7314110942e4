//! What is worth saying about a run in words. Findings are never violations: statistics may deviate, and
//! machines may be slow.

use super::summary::{Expected, MachineSummary, RunSummary};
use crate::{trace::Traffic, units::MachineId};

/// Lateness of a tick that is worth a word, as a part of its period.
const LATE_PERIODS: f64 = 0.5;

/// Machines of which the same is to be said and that have a line each.
const LINES_EACH_MAX: usize = 3;

/// Machines that a finding names.
const IDS_SHOWN_MAX: usize = 30;

/// Seconds below which statistics say nothing.
const SECONDS_MIN: f64 = 10.0;

/// The findings of a run, in the order of its machines.
#[must_use]
pub fn findings(run: &RunSummary) -> Vec<String> {
    let mut found = Vec::new();
    saturated(run, &mut found);
    endless(run, &mut found);
    let is_broken = run.has_faulty_messages();
    for machine in &run.machines {
        incidents(machine, &mut found);
        if let Some(expected) = &machine.expected {
            capacity(machine, expected, &mut found);
            if !is_broken
                && !expected.flow.is_critical()
                && machine.seconds >= SECONDS_MIN
                && machine.stalls == 0
            {
                deviations(machine, expected, &mut found);
            }
        }
    }
    if run.traffic == Some(Traffic::Ring) {
        found
            .push("sends go around a ring, which the theory is not about, so nothing is expected".to_owned());
    } else if is_broken {
        found.push(
            "messages were lost or doubled on purpose, which theory does not expect: how far this run lies from it is not judged"
                .to_owned(),
        );
    }
    if run.machines.len() < usize::from(run.machine_count) {
        found.push(format!(
            "{} of {} logs are missing, so nothing is expected",
            usize::from(run.machine_count) - run.machines.len(),
            run.machine_count
        ));
    }
    found
}

/// What happened to the machine.
fn incidents(machine: &MachineSummary, found: &mut Vec<String>) {
    let MachineSummary {
        machine: id,
        stalls,
        skipped,
        ..
    } = machine;
    if *stalls > 0 {
        found.push(format!(
            "machine {id} stalled {} and skipped {skipped} ticks: its computer was suspended, or had no time for it",
            times(*stalls)
        ));
    }
    if machine.suspended_us > 1_000_000 {
        let seconds = machine.suspended_us / 1_000_000;
        found.push(format!(
            "machine {id}: {seconds} s of wall time passed while its clock stood still (suspended, or the wall clock was set)"
        ));
    }
    if let (Some(rate), Some(late_us)) = (machine.ticks_per_second(), machine.tick_error_us_max) {
        let late_us = approximate(late_us);
        if late_us * rate > LATE_PERIODS * 1e6 {
            found.push(format!(
                "machine {id}: a tick came {:.1} ms late, of a period of {:.1} ms",
                late_us / 1e3,
                1e3 / rate
            ));
        }
    }
    if machine.restarts > 0 {
        found.push(format!(
            "machine {id} was started again {}; what waited in its queue was lost",
            times(machine.restarts)
        ));
    }
    if machine.orders > 0 {
        found.push(format!(
            "machine {id} was paused, stepped, or given another rate or clock, {} in all: theory says nothing of this run",
            times(machine.orders)
        ));
    }
    if machine.links_lost > 0 {
        found.push(format!(
            "machine {id} lost a link {}; {} of its messages were dropped",
            times(machine.links_lost),
            machine.dropped
        ));
    }
    if machine.lost + machine.duplicated > 0 {
        let MachineSummary { lost, duplicated, .. } = machine;
        found.push(format!(
            "machine {id} sent {} messages, of which injected faults lost {lost} and doubled {duplicated}",
            machine.sent()
        ));
    }
    if let (Some(reason), Some(peer)) = (machine.reason, machine.peer) {
        found.push(format!(
            "machine {id} ended with {reason}, because of machine {peer}"
        ));
    }
}

/// Machines whose log has no end: a line each, or one for many.
fn endless(run: &RunSummary, found: &mut Vec<String>) {
    let endless = run.machines.iter().filter(|machine| machine.reason.is_none());
    let ids: Vec<MachineId> = endless.map(|machine| machine.machine).collect();
    if ids.len() > LINES_EACH_MAX {
        found.push(format!(
            "{} machines have no footer: they were killed, or still run: {}",
            ids.len(),
            names(ids.iter().copied())
        ));
        return;
    }
    for id in ids {
        found.push(format!(
            "machine {id} has no footer: it was killed, or still runs"
        ));
    }
}

/// The first of many machines, and how many more they are.
fn names(ids: impl ExactSizeIterator<Item = MachineId>) -> String {
    let more = ids.len().saturating_sub(IDS_SHOWN_MAX);
    let names: Vec<String> = ids.take(IDS_SHOWN_MAX).map(|id| id.to_string()).collect();
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Whether it can keep up.
fn capacity(machine: &MachineSummary, expected: &Expected, found: &mut Vec<String>) {
    let (id, flow) = (machine.machine, expected.flow);
    if flow.is_critical() {
        found.push(format!(
            "machine {id} is {}: its queue wanders like the root of time, so no queue is expected",
            match flow.margin * 100.0 {
                margin if margin.abs() < 0.5 =>
                    "exactly on the border between keeping up and falling behind".to_owned(),
                margin if margin < 0.0 => format!("{:.0} % below the border of keeping up", -margin),
                margin => format!("only {margin:.0} % above the border of keeping up"),
            }
        ));
    }
}

/// Machines that theory sees fall behind: a line each, or one for many, which differ in their rates alone.
fn saturated(run: &RunSummary, found: &mut Vec<String>) {
    let expected = run
        .machines
        .iter()
        .filter_map(|machine| Some((machine.machine, machine.expected.as_ref()?.flow)));
    let behind: Vec<_> = expected
        .filter(|(_, flow)| flow.is_saturated() && !flow.is_critical())
        .collect();
    if behind.len() > LINES_EACH_MAX {
        let most = behind.iter().map(|(_, flow)| flow.arrivals).fold(0.0, f64::max);
        found.push(format!(
            "{} machines cannot keep up with the {most:.2} messages a second that reach them: {}",
            behind.len(),
            names(behind.iter().map(|(id, _)| *id))
        ));
        return;
    }
    for (id, flow) in behind {
        found.push(format!(
            "machine {id} cannot keep up: {:.2} messages a second reach a machine that takes {}; its queue grows by {:.2} a second",
            flow.arrivals, flow.rate, flow.growth
        ));
    }
}

/// Where the run is further from the theory than chance explains.
fn deviations(machine: &MachineSummary, expected: &Expected, found: &mut Vec<String>) {
    let id = machine.machine;
    let ticks = approximate(machine.ticks);
    if (ticks - expected.ticks).abs() > Expected::TICKS_TOLERANCE {
        found.push(format!(
            "machine {id} made {ticks} ticks; its rate says {:.1}",
            expected.ticks
        ));
    }
    let jump = machine.jump_mean();
    if (jump / expected.jump - 1.0).abs() > expected.jump_tolerance {
        found.push(format!(
            "machine {id}: the mean jump {jump:.2} is outside {:.2} ± {:.0} %",
            expected.jump,
            expected.jump_tolerance * 100.0
        ));
    }
    if expected.flow.is_saturated() {
        let queue = approximate(machine.queue_last);
        if (queue - expected.queue).abs() > expected.queue_tolerance {
            found.push(format!(
                "machine {id}: the last queue {queue} is outside {:.1} ± {:.1}",
                expected.queue, expected.queue_tolerance
            ));
        }
        return;
    }
    let receives = approximate(machine.receives);
    let allowed = expected.receives_tolerance();
    if (receives - expected.receives).abs() > allowed {
        found.push(format!(
            "machine {id} received {receives} messages, outside {:.1} ± {allowed:.1}",
            expected.receives
        ));
    }
}

fn times(count: u64) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}

#[expect(clippy::cast_precision_loss, reason = "findings are shown with few digits")]
fn approximate(count: u64) -> f64 {
    count as f64
}
