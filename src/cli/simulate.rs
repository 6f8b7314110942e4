//! `clocklab simulate`: the machines of a run in virtual time, once or many times.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{
    Exit, Usage,
    args::SimulateArguments,
    options,
    output::{self, Existing},
    print, progress, report,
    run::shown_rates,
};
use crate::{
    inspect::{
        self, JUDGED_MACHINES_MAX, Style, Verdict,
        trials::{self, Grouping, TrialMachine},
    },
    lab::{
        RunFile, Simulated, SimulatedEnd, SimulatedFaults, TrialLogs, point_latest_to, simulate_all, try_logs,
    },
    model::Rates,
    wire::RunId,
};

/// Machines of all trials together: their results are kept until the table is made, some 300 bytes each.
const TRIAL_MACHINES_MAX: u64 = 1_000_000;

/// Machines up to which a run's report has a row for each.
const ROWS_MACHINES_MAX: u16 = 100;

/// Trials that broke a rule and are named.
const BROKEN_SHOWN_MAX: usize = 5;

/// Simulates what was asked for, and says whether every rule held.
pub(super) fn run(arguments: &SimulateArguments) -> anyhow::Result<Exit> {
    let seed = options::seed(&arguments.system)?;
    if let Some(logs) = &arguments.logs {
        try_logs(logs)?;
    }
    if let Some(file) = &arguments.csv {
        output::check(file, Existing::from_force(arguments.force))?;
    }
    let faults = options::simulated_faults(arguments)?;
    if let SimulatedFaults::Plan(plan) = &faults {
        options::warn_too_late(plan, arguments.duration);
    }
    match arguments.trials {
        None => one(arguments, &faults, seed),
        Some(trials) => many(arguments, &faults, seed, trials),
    }
}

/// One run: its report, as after a real one.
fn one(arguments: &SimulateArguments, faults: &SimulatedFaults, seed: u64) -> anyhow::Result<Exit> {
    let mut run = options::simulated(arguments, faults, seed, name(arguments, seed, 1)?)?;
    if let (Some(logs), None) = (&arguments.logs, &arguments.run) {
        run.run = options::free_name(logs, &run.run)?;
    }
    print(&format!(
        "run {}: {} machines, rates {} a second, die of {}, seed {}, {}, latency {}\n",
        run.run,
        run.machines(),
        shown_rates(&run.rates),
        run.draw,
        run.seed,
        humantime::format_duration(arguments.duration),
        run.latency,
    ))?;
    print(&faults.said(run.faults.as_ref()))?;
    let (folder, end) = match &arguments.logs {
        None => (None, run.count()?),
        Some(logs) => {
            let file = RunFile::simulated(&run, env::args().collect());
            let (folder, end) = run.write(logs, &file)?;
            point_to(logs, &run.run);
            (Some(folder), end)
        }
    };
    let (verdict, end) = judged(end, folder.as_deref())?;
    let exit = match &verdict {
        Some(verdict) if run.machines() <= ROWS_MACHINES_MAX => report::print_run(verdict, &end.summary)?,
        _ => grouped(&end, verdict.as_ref())?,
    };
    write_csv(arguments, &TrialMachine::all(&end.summary))?;
    match folder {
        Some(folder) => print(&format!("\nrun folder: {}\n", folder.display()))?,
        None => print("\nno logs were kept: `--logs DIR` writes the run's folder\n")?,
    }
    Ok(exit)
}

/// The verdict: from the logs, if there are any and they can be judged.
fn judged(end: SimulatedEnd, folder: Option<&Path>) -> anyhow::Result<(Option<Verdict>, SimulatedEnd)> {
    let SimulatedEnd {
        verdict,
        summary,
        totals,
    } = end;
    let (verdict, summary) = match folder {
        Some(folder) if verdict.is_some() => {
            let (verdict, summary) = inspect::check(folder)?;
            (Some(verdict), summary)
        }
        _ => (verdict, summary),
    };
    let end = SimulatedEnd {
        verdict: None,
        summary,
        totals,
    };
    Ok((verdict, end))
}

/// The report of a run with too many machines for a row each.
fn grouped(end: &SimulatedEnd, verdict: Option<&Verdict>) -> anyhow::Result<Exit> {
    let summary = &end.summary;
    let said = match verdict {
        Some(verdict) if verdict.is_valid() => {
            format!("valid ({} messages matched, every rule held)", verdict.matched)
        }
        Some(verdict) => format!("VIOLATED ({})", verdict.violations_counted()),
        None => format!("not judged, which is for at most {JUDGED_MACHINES_MAX} machines"),
    };
    print(&format!(
        "\n{:.1} s, {} events, {} messages: {said}\n\n{}",
        summary.seconds(),
        summary.events(),
        end.totals.messages,
        trials::table(&TrialMachine::all(summary), Grouping::Rate, Style::Text)
    ))?;
    match verdict {
        Some(verdict) if !verdict.is_valid() => {
            print(&format!("\n{verdict}\n"))?;
            Ok(Exit::Violated)
        }
        Some(_) | None => Ok(Exit::Valid),
    }
}

/// Many runs: their statistics.
fn many(
    arguments: &SimulateArguments,
    faults: &SimulatedFaults,
    seed: u64,
    trials: u64,
) -> anyhow::Result<Exit> {
    let runs = trial_runs(arguments, faults, seed, trials)?;
    let first = runs.first().context("no trial")?.clone();
    let last = runs.last().context("no trial")?.run.clone();
    print(&format!(
        "{trials} trials of {} machines, rates {}, die of {}, seeds {seed} to {}, {}, latency {}\n",
        first.machines(),
        match &arguments.system.rates {
            Rates::List(list) => format!("{} a second", shown_rates(list)),
            drawn @ Rates::Range { .. } => format!("{drawn} a second, drawn anew in each"),
        },
        first.draw,
        seed + (trials - 1),
        humantime::format_duration(arguments.duration),
        first.latency,
    ))?;
    print(&faults.said(None))?;
    let command: Vec<String> = env::args().collect();
    let logs = arguments.logs.as_deref().map(|logs| TrialLogs {
        logs,
        command: &command,
    });
    let bar = progress::bar(trials, "trials");
    let results = simulate_all(runs, logs, |end, folder: Option<PathBuf>| {
        let (verdict, end) = judged(end, folder.as_deref())?;
        bar.inc(1);
        anyhow::Ok((TrialMachine::all(&end.summary), Judged::of(verdict)))
    });
    bar.finish_and_clear();
    let (mut machines, mut broken, mut unjudged) = (Vec::new(), Vec::new(), 0);
    for (made, judged) in results? {
        machines.extend(made);
        match judged {
            Judged::Held => {}
            Judged::Not => unjudged += 1,
            Judged::Broken(verdict) => broken.push(verdict),
        }
    }
    let draws_rates = matches!(arguments.system.rates, Rates::Range { .. });
    let grouping = Grouping::suited(first.machines(), draws_rates, trials);
    print(&format!("\n{}", trials::table(&machines, grouping, Style::Text)))?;
    if draws_rates {
        print(&trials::outcomes(&machines))?;
    }
    write_csv(arguments, &machines)?;
    if let Some(logs) = &arguments.logs {
        point_to(logs, &last);
        print(&format!(
            "run folders: {} to {last} in {}\n",
            first.run,
            logs.display()
        ))?;
    }
    verdicts(trials, unjudged, &broken)
}

/// What is kept of a verdict: of a million of them only what will be shown.
enum Judged {
    Held,
    Not,
    Broken(Box<Verdict>),
}

impl Judged {
    fn of(verdict: Option<Verdict>) -> Self {
        match verdict {
            None => Judged::Not,
            Some(verdict) if verdict.is_valid() => Judged::Held,
            Some(verdict) => Judged::Broken(Box::new(verdict)),
        }
    }
}

/// Prints how many trials kept every rule, and the first that did not.
fn verdicts(trials: u64, unjudged: u64, broken: &[Box<Verdict>]) -> anyhow::Result<Exit> {
    if unjudged > 0 {
        return print(&format!(
            "rules: not judged, which is for at most {JUDGED_MACHINES_MAX} machines\n"
        ))
        .map(|()| Exit::Valid);
    }
    let held = trials - broken.len() as u64;
    print(&format!("rules: every one held in {held} of {trials} trials\n"))?;
    for verdict in broken.iter().take(BROKEN_SHOWN_MAX) {
        print(&format!("\n{verdict}"))?;
    }
    Ok(if broken.is_empty() {
        Exit::Valid
    } else {
        Exit::Violated
    })
}

/// The settings of every trial.
fn trial_runs(
    arguments: &SimulateArguments,
    faults: &SimulatedFaults,
    seed: u64,
    trials: u64,
) -> anyhow::Result<Vec<Simulated>> {
    let first = options::simulated(arguments, faults, seed, name(arguments, seed, trials)?)?;
    let machines = u64::from(first.machines());
    if trials == 0 || trials.saturating_mul(machines) > TRIAL_MACHINES_MAX {
        let most = TRIAL_MACHINES_MAX / machines.max(1);
        return Err(Usage(format!(
            "--trials {trials}: with {machines} machines give 1 to {most}"
        ))
        .into());
    }
    if seed.checked_add(trials - 1).is_none() {
        return Err(Usage(format!(
            "--seed {seed}: {trials} seeds from here are beyond the last"
        ))
        .into());
    }
    let mut runs = Vec::new();
    for seed in seed..=seed + (trials - 1) {
        runs.push(options::simulated(
            arguments,
            faults,
            seed,
            name(arguments, seed, trials)?,
        )?);
    }
    Ok(runs)
}

/// The run's id: as asked for, with the seed behind it in trials; else after the seed.
fn name(arguments: &SimulateArguments, seed: u64, trials: u64) -> anyhow::Result<RunId> {
    let name = match &arguments.run {
        Some(run) if trials == 1 => run.to_string(),
        Some(run) => format!("{run}-{seed}"),
        None => format!("sim-{seed}"),
    };
    name.parse()
        .map_err(|error| Usage(format!("--run: {error}")).into())
}

fn point_to(logs: &Path, run: &RunId) {
    if let Err(error) = point_latest_to(logs, run) {
        tracing::warn!("`latest` does not point to this run: {error}");
    }
}

fn write_csv(arguments: &SimulateArguments, machines: &[TrialMachine]) -> anyhow::Result<()> {
    match &arguments.csv {
        None => Ok(()),
        Some(file) => output::write(
            file,
            &trials::csv(machines),
            Existing::from_force(arguments.force),
        ),
    }
}
