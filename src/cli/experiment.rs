//! `clocklab experiment`: many runs by a plan, their tables and their figures.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use super::{
    Exit, Usage, args::ExperimentArguments, check::unreadable, options, print, run::describe_failures,
};
use crate::{
    clock::ClockKind,
    inspect::{self, RunSeries, RunSummary, Style, Verdict, figure, palette::Theme, table},
    lab::{Experiment, Group, Plan, RunJob, Settings},
    mesh::OnPeerLoss,
    trace::Traffic,
    units::{MachineId, Speed},
    wire::{RunId, Standing},
};

/// How long machines of an experiment look for each other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes every run of the plan.
pub(super) fn run(arguments: &ExperimentArguments) -> anyhow::Result<Exit> {
    if arguments.print_plan {
        return print(Plan::ASSIGNMENT).map(|()| Exit::Valid);
    }
    let plan = read_plan(arguments.plan.as_deref())?;
    options::check_duration("duration", arguments.duration)?;
    let folder = arguments.logs.join(plan.name.as_str());
    let jobs = jobs(&plan, arguments, &folder)?;
    make_folder(&arguments.logs, &folder)?;
    print(&format!(
        "{}: {} runs, {} at a time\n",
        plan.name,
        jobs.len(),
        arguments.parallel.max(1)
    ))?;

    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&asked)).context("cannot catch signals")?;
    }
    let program = env::current_exe().context("cannot find this program's own file")?;
    let order: Vec<(usize, PathBuf)> = jobs
        .iter()
        .map(|job| (job.group, job.settings.logs.join(job.settings.run.as_str())))
        .collect();
    let mut experiment = Experiment::new(
        program,
        env::args().collect(),
        jobs,
        usize::from(arguments.parallel),
    );
    let mut results = BTreeMap::new();
    let mut exit = Exit::Valid;
    while let Some(finished) = experiment.step()? {
        if asked.swap(false, Ordering::SeqCst) {
            print("stopping: runs under way end in order, no further one is begun\n")?;
            experiment.stop();
            exit = Exit::Failed;
        }
        for run in finished {
            if let Some(error) = run.refused {
                print(&format!("{}: left out: {error}\n", run.job.settings.run))?;
                exit = Exit::Failed;
                continue;
            }
            let failures = describe_failures(&run.ends);
            if !failures.is_empty() {
                print(&format!("{}: left out\n{failures}", run.job.settings.run))?;
                exit = Exit::Failed;
                continue;
            }
            let (verdict, summary) = inspect::check(&run.folder).map_err(unreadable)?;
            print(&format!(
                "{}: {}\n",
                run.job.settings.run,
                verdict.to_string().lines().next().unwrap_or_default()
            ))?;
            if !verdict.is_valid() && exit == Exit::Valid {
                exit = Exit::Violated;
            }
            results.insert(run.folder, (verdict, summary));
        }
    }
    let made = order
        .into_iter()
        .filter_map(|(group, path)| results.remove(&path).map(|result| (group, path, result)));
    write_results(&plan, &folder, &made.collect::<Vec<_>>())?;
    print(&format!(
        "\ntables: {}\nfigures: beside it\n",
        folder.join("results.md").display()
    ))?;
    Ok(exit)
}

fn read_plan(file: Option<&Path>) -> anyhow::Result<Plan> {
    let Some(file) = file else {
        return Ok(Plan::assignment());
    };
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Usage(format!("{name}: {error}")))?;
    Plan::parse(&name, &text).map_err(|error| Usage(error.to_string()).into())
}

fn make_folder(logs: &Path, folder: &Path) -> anyhow::Result<()> {
    let made = fs::create_dir_all(logs).and_then(|()| fs::create_dir(folder));
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Usage(format!(
            "the folder {} exists: an experiment is never overwritten; give another --logs, or move it away",
            folder.display()
        ))
        .into(),
        _ => anyhow::Error::from(error).context(format!("cannot make the folder {}", folder.display())),
    })
}

/// Every run of the plan, group by group.
fn jobs(plan: &Plan, arguments: &ExperimentArguments, folder: &Path) -> anyhow::Result<Vec<RunJob>> {
    let mut jobs = Vec::new();
    for (index, group) in plan.groups.iter().enumerate() {
        for number in 1..=group.runs {
            let settings = settings(group, number, arguments, folder)
                .with_context(|| format!("group {}, run {number}", group.name))?;
            jobs.push(RunJob {
                group: index,
                settings,
            });
        }
    }
    Ok(jobs)
}

fn settings(
    group: &Group,
    number: u32,
    arguments: &ExperimentArguments,
    folder: &Path,
) -> anyhow::Result<Settings> {
    let duration = arguments.duration.unwrap_or(group.duration);
    options::check_duration("duration", Some(duration))?;
    let draw = group.draw().map_err(|error| options::usage(&error))?;
    let seed = group.seed.saturating_add(u64::from(number) - 1);
    let rates = group
        .rates
        .resolve(group.machines, seed)
        .map_err(|error| options::usage(&error))?;
    options::check_fleet(group.machines, arguments.parallel.max(1))?;
    let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    // Room for every mesh that runs at the same time.
    let ports = group.machines.saturating_mul(arguments.parallel.max(1));
    Settings::consecutive(host, arguments.base_port, ports).map_err(|error| options::usage(&error))?;
    let addresses = Settings::consecutive(host, arguments.base_port, group.machines);
    let run: RunId = format!("{}-{number}", group.name)
        .parse()
        .map_err(|error: crate::wire::RunIdError| Usage(error.to_string()))?;
    let settings = Settings {
        addresses: addresses.map_err(|error| options::usage(&error))?,
        bind: None,
        hosts: None,
        rates,
        speed: Speed::NORMAL,
        draw,
        traffic: Traffic::Assignment,
        phase: group.phase,
        clock: ClockKind::Lamport,
        duration: Some(duration),
        seed,
        on_peer_loss: OnPeerLoss::Stop,
        faults: None,
        connect_timeout: CONNECT_TIMEOUT,
        logs: folder.to_owned(),
        run,
        standing: Standing::Given,
        secret: None,
    };
    for machine in MachineId::all(settings.machines()) {
        settings.model(machine).map_err(|error| options::usage(&error))?;
    }
    Ok(settings)
}

/// One run's group, folder and results.
type Made = (usize, PathBuf, (Verdict, RunSummary));

/// `results.md` with a table a group and a table a run, and a figure a run.
fn write_results(plan: &Plan, folder: &Path, made: &[Made]) -> anyhow::Result<()> {
    let mut text = format!("# Experiment {}\n", plan.name);
    for (index, group) in plan.groups.iter().enumerate() {
        let runs: Vec<&Made> = made.iter().filter(|(of, ..)| *of == index).collect();
        if runs.is_empty() {
            continue;
        }
        let made = runs.len();
        let seconds = runs.first().map_or(0.0, |(_, _, (_, summary))| summary.seconds());
        let draw = runs
            .first()
            .and_then(|(_, _, (_, summary))| summary.draw)
            .unwrap_or_default();
        let _ = write!(
            text,
            "\n## {}\n\n{made} of {} runs, each {seconds:.0} s: {} machines, rates {}, die of {draw}, phase {}, seeds from {}.\n\n",
            group.name, group.runs, group.machines, group.rates, group.phase, group.seed
        );
        let all: Vec<(Verdict, RunSummary)> = runs.iter().map(|(_, _, result)| result.clone()).collect();
        text += &table::runs(&all, Style::Markdown);
        for (_, path, (verdict, summary)) in runs {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let series = RunSeries::read(path).map_err(unreadable)?;
            let figure = folder.join(format!("{name}.svg"));
            fs::write(&figure, figure::overview(&series, Theme::Light))
                .with_context(|| format!("cannot write {}", figure.display()))?;
            let _ = write!(
                text,
                "\n### {name}\n\n{}\n![{name}]({name}.svg)\n",
                table::run(verdict, summary, Style::Markdown)
            );
        }
    }
    let file = folder.join("results.md");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}
