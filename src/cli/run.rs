//! `clocklab run`: start all machines, watch, stop, check, report.
#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use super::{
    Exit, Usage,
    args::RunArguments,
    options, print,
    progress::Progress,
    report,
    walkthrough::{self, Playing},
};
use crate::{
    lab::{Fleet, FleetError, Live, MachineEnd, MachineState, RunFile, Settings, point_latest_to, try_logs},
    wire::{Reason, Standing},
};

/// Rates that the first line names.
const RATES_SHOWN_MAX: usize = 12;

/// How often the machines are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs all machines to their end and says whether what happened was right.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let mut settings = options::settings(&arguments.model, Some(arguments.duration))?;
    options::check_fleet(settings.machines(), 1)?;
    if let Some((_, plan)) = &settings.faults {
        options::warn_too_late(plan, arguments.duration);
    }
    // All children get the one id, so that it is the launcher's that counts.
    settings.standing = Standing::Given;
    if arguments.model.run.is_none() {
        settings.run = options::free_name(&settings.logs, &settings.run)?;
    }
    let walkthrough = arguments
        .walkthrough
        .as_ref()
        .map(|file| walkthrough::read_for_run(file, settings.machines(), arguments.duration))
        .transpose()?;
    try_logs(&settings.logs)?;
    let program = env::current_exe().context("cannot find this program's own file")?;
    let mut fleet = Fleet::start(&program, &settings).map_err(|error| match error {
        FleetError::FolderExists { .. } => Usage(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    let folder = fleet.folder().to_owned();
    RunFile::new(&settings, env::args().collect())
        .write(&folder)
        .with_context(|| format!("cannot describe the run in {}", folder.display()))?;
    if let Err(error) = point_latest_to(&settings.logs, &settings.run) {
        tracing::warn!("`latest` does not point to this run: {error}");
    }
    print(&format!(
        "run {}: {} machines, rates {} a second, die of {}, seed {}, {}\n",
        settings.run,
        settings.machines(),
        shown_rates(&settings.rates),
        settings.draw,
        settings.seed,
        humantime::format_duration(arguments.duration),
    ))?;
    print(walkthrough.as_ref().map_or("", walkthrough::nobody))?;
    let playing = walkthrough.map(|walkthrough| Playing::start(walkthrough, &folder));
    let mut playing = playing.transpose()?;
    watch(&mut fleet, &settings, arguments.duration, playing.as_mut())?;
    let failure = playing.and_then(|playing| {
        let (captions, failure) = playing.conclude();
        print(&captions).err().map(|error| error.to_string()).or(failure)
    });
    let ends: Vec<MachineEnd> = fleet.ends().cloned().collect();
    let exit = conclude(&folder, &ends)?;
    match failure {
        None => Ok(exit),
        Some(failure) => {
            print(&format!("\nthe walkthrough did not come to its end: {failure}\n"))?;
            Ok(if exit == Exit::Violated {
                exit
            } else {
                Exit::Failed
            })
        }
    }
}

/// The rates, the first ones where there are many.
pub(super) fn shown_rates(rates: &[u32]) -> String {
    let mut shown: Vec<String> = rates.iter().take(RATES_SHOWN_MAX).map(u32::to_string).collect();
    if rates.len() > RATES_SHOWN_MAX {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// Shows progress until every machine has ended, and the last words of those that failed; passes on the wish
/// to stop.
fn watch(
    fleet: &mut Fleet,
    settings: &Settings,
    duration: Duration,
    mut playing: Option<&mut Playing>,
) -> anyhow::Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&asked)).context("cannot catch signals")?;
    }
    let mut live = Live::new(fleet.folder(), settings.machines());
    let mut progress = Progress::new(&settings.rates, duration);
    let mut all_started: Option<Instant> = None;
    let mut told = BTreeSet::new();
    while fleet.poll()? == MachineState::Running {
        if asked.swap(false, Ordering::SeqCst) {
            fleet.stop(Reason::Interrupted);
        }
        if let Some(playing) = &mut playing
            && !playing.has_ended()
        {
            progress.say(&playing.captions())?;
            if playing.has_ended() {
                fleet.stop(Reason::Interrupted);
            }
        }
        let machines = live.look();
        let fresh: Vec<MachineEnd> = fleet.ends().filter(|end| told.insert(end.id)).cloned().collect();
        let failures = describe_failures(&fresh);
        if !failures.is_empty() {
            progress.say(&failures)?;
            if all_started.is_none() {
                // The others would wait for it in vain.
                fleet.stop(Reason::PeerLost);
            }
        }
        if all_started.is_none() && machines.iter().all(|machine| machine.started) {
            all_started = Some(Instant::now());
            tracing::info!(
                "all machines have started {:.2} s after the first was launched",
                fleet.age().as_secs_f64()
            );
        }
        let elapsed = all_started.map_or(Duration::ZERO, |started| started.elapsed());
        progress.show(&machines, elapsed, duration)?;
        thread::sleep(LOOK_EVERY);
    }
    progress.end();
    let fresh: Vec<MachineEnd> = fleet.ends().filter(|end| told.insert(end.id)).cloned().collect();
    print(&describe_failures(&fresh))
}

/// Reports the run as far as it came.
fn conclude(folder: &Path, ends: &[MachineEnd]) -> anyhow::Result<Exit> {
    let failed = ends.iter().any(|end| end.failure.is_some());
    let logs = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let any_log = logs.flatten().any(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log")
    });
    let checked = if any_log {
        report::report_run(folder)?
    } else {
        Exit::Failed
    };
    let place = folder.display();
    print(&format!("\nrun folder: {place}\n"))?;
    if any_log {
        let page = folder.file_name().unwrap_or_default().to_string_lossy();
        print(&format!(
            "look at it: clocklab draw {place}, clocklab report {place} --html {page}.html\n"
        ))?;
    }
    Ok(if failed { Exit::Failed } else { checked })
}

/// One paragraph for each machine that failed.
pub(super) fn describe_failures(ends: &[MachineEnd]) -> String {
    let failed = ends
        .iter()
        .filter_map(|end| end.failure.as_ref().map(|failure| (end, failure)));
    failed
        .map(|(end, failure)| {
            let said: String = match end.last_lines.is_empty() {
                true => "  it said nothing on standard error\n".to_owned(),
                false => end.last_lines.iter().map(|line| format!("  {line}\n")).collect(),
            };
            format!("machine {} failed ({failure}); its last words:\n{said}", end.id)
        })
        .collect()
}
