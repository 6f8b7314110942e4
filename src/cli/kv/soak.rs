//! `clocklab kv soak`: real replicas under random faults and load, and what clients were told judged.

use std::{
    env, fs,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use super::common::StoreOptions;
use crate::{
    cli::{
        Exit, Usage,
        options::{free_name, run_name},
        print,
    },
    inspect,
    lab::{
        FleetError, ReplicaSettings, point_latest_to,
        stores::{CHAPTER, SESSIONS, SPARES, Soak},
        try_logs,
    },
    wire::RunId,
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  clocklab kv soak                                 thirty minutes, three replicas, 16 sessions, a seed of the time
  clocklab kv soak --duration 2m --seed 7          shorter, with the faults and sessions of seed 7
  clocklab kv soak --replicas 5 --clients 32 --rate 1000

It starts replicas as `clocklab kv run` does, and breaks them by a plan that is drawn from the seed: links cut both ways or \
one way, slow, narrow, losing and doubling messages; processes killed with SIGKILL, or ended in order, and started again with \
their disks, or standing still; replicas that join with nothing under load, members that are drained and come back with nothing, and that \
leave for good. Meanwhile sessions put, read, delete, swap, add, insert, remove, scan and write batches with tokens that go \
from replica to replica, by the wire, by /v1 and by /kvs, and others watch.

Chapters of a minute: five seconds before the end of each all heals, and has to converge. Judged is all that `clocklab kv \
simulate` judges (every read as it comes, nothing acknowledged lost, nothing denied seen, counters and sets exact, all replicas \
equal, the history consistent), and that clients are told nothing they may not be: no 500, and a replica that serves answers at \
once, or with 503 for what it lacks. Watches are told each write once and in causal order. At the end what every chapter left \
is read again, on every replica, and the event logs are checked.

The seed decides faults and requests; how real processes interleave it does not. The run folder has the plan (plan.txt), a \
history a chapter (history-N.jsonl, for `clocklab kv check`), the event logs, and the disks (data) if something is wrong. With the \
default rate it grows by about 3 MiB a minute; --no-check leaves the event logs unread at the end.

Ctrl-C heals, judges what was, and ends. Exit codes: 0 all held, 1 something did not, 2 usage, 3 it could not go on.";

/// First port unless told otherwise: behind those of `kv run`, so that both can run.
const BASE_PORT: u16 = 17400;

/// Fewest and most replicas at first.
const REPLICAS: std::ops::RangeInclusive<i64> = 2..=16;

/// Shortest soak: something has to happen in it.
const DURATION_MIN: Duration = Duration::from_secs(5);

/// Longest soak.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

#[derive(Args, Debug)]
pub(in crate::cli) struct SoakArguments {
    /// How many replicas at first; two more join and leave
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(REPLICAS))]
    replicas: u16,
    /// How long, in chapters of a minute
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = crate::cli::time)]
    duration: Duration,
    /// The seed of faults and requests [default: made from the time]
    #[arg(long)]
    seed: Option<u64>,
    /// How many sessions, each with a thread of its own
    #[arg(long, value_name = "N", default_value_t = 16)]
    clients: usize,
    /// Requests a second, of all sessions together
    #[arg(long, value_name = "OPS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Folder of run folders
    #[arg(long, value_name = "DIR", default_value = "logs")]
    logs: PathBuf,
    /// The run's name, and its folder's [default: made from the time]
    #[arg(long)]
    run: Option<RunId>,
    /// Replica i listens on this port + i
    #[arg(long, default_value_t = BASE_PORT)]
    base_port: u16,
    /// Do not check the event logs at the end
    #[arg(long)]
    no_check: bool,
    #[command(flatten)]
    store: StoreOptions,
}

/// Soaks, and prints what came of it.
pub(in crate::cli) fn run(arguments: &SoakArguments) -> anyhow::Result<Exit> {
    let soak = soak(arguments)?;
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&asked)).context("cannot catch signals")?;
    }
    try_logs(&arguments.logs)?;
    let program = env::current_exe().context("cannot find this program")?;
    let command: Vec<String> = env::args().collect();
    print(&format!("seed {}, run {}\n", soak.seed, soak.settings.run))?;
    let mut unheard = None;
    let end = soak.run(&program, &command, &asked, &mut |line| {
        if let Err(error) = print(&format!("{line}\n")) {
            unheard.get_or_insert(error);
        }
    });
    let end = end.map_err(|error| match error {
        FleetError::FolderExists { .. } | FleetError::Ports { .. } => Usage(error.to_string()).into(),
        error @ FleetError::Io { .. } => anyhow::Error::from(error),
    })?;
    if let Err(error) = point_latest_to(&arguments.logs, &soak.settings.run) {
        tracing::warn!("`latest` does not point to this run: {error}");
    }
    print(&format!("\n{}\n", end.summary))?;
    let folder = soak.settings.run_folder().unwrap_or_default();
    let mut findings = end.findings;
    if !arguments.no_check {
        let verdict = inspect::judge(&folder)?;
        print(&format!("{verdict}\n"))?;
        if !verdict.is_valid() {
            findings.push(format!(
                "the event logs are not valid: clocklab check {}",
                folder.display()
            ));
        }
    }
    if let Some(error) = unheard {
        return Err(error);
    }
    if findings.is_empty() {
        if let Some(data) = &soak.settings.data {
            fs::remove_dir_all(data).with_context(|| format!("cannot take {} away", data.display()))?;
        }
        print(&format!("everything held; run folder: {}\n", folder.display()))?;
        return Ok(Exit::Valid);
    }
    print(&format!(
        "went wrong, with seed {}:\n  {}\n",
        soak.seed,
        findings.join("\n  ")
    ))?;
    print(&format!("run folder: {}\n", folder.display()))?;
    Ok(Exit::Violated)
}

fn soak(arguments: &SoakArguments) -> anyhow::Result<Soak> {
    let wrong = |what: String| Err(Usage(what).into());
    let replicas = arguments.replicas + SPARES;
    let last = u32::from(arguments.base_port) + u32::from(replicas) - 1;
    if arguments.base_port == 0 || last > u32::from(u16::MAX) {
        return wrong(format!(
            "--base-port {}: replicas need {replicas} ports from it on, and ports are 1 to 65535",
            arguments.base_port
        ));
    }
    if !(DURATION_MIN..=DURATION_MAX).contains(&arguments.duration) {
        let (least, most) = (
            humantime::format_duration(DURATION_MIN),
            humantime::format_duration(DURATION_MAX),
        );
        return wrong(format!("--duration: give {least} to {most}"));
    }
    if !SESSIONS.contains(&arguments.clients) {
        let (least, most) = (SESSIONS.start(), SESSIONS.end());
        return wrong(format!("--clients {}: give {least} to {most}", arguments.clients));
    }
    if arguments.store.secret_file.is_some() {
        return wrong(
            "--secret-file: a soak is on loopback and among its own replicas: leave it out".to_owned(),
        );
    }
    let run = match &arguments.run {
        Some(run) => run.clone(),
        None => free_name(&arguments.logs, &run_name()?)?,
    };
    let settings = ReplicaSettings {
        replicas,
        base_port: arguments.base_port,
        data: Some(arguments.logs.join(run.as_str()).join("data")),
        logs: Some(arguments.logs.clone()),
        run,
        secret_file: None,
        more: arguments.store.words(),
    };
    Ok(Soak {
        settings,
        replicas: arguments.replicas,
        sessions: arguments.clients,
        rate: arguments.rate,
        // Whole chapters, if there are several.
        duration: match arguments.duration > CHAPTER {
            true => Duration::from_secs(arguments.duration.as_secs() / CHAPTER.as_secs() * CHAPTER.as_secs()),
            false => arguments.duration,
        },
        seed: arguments.seed.map_or_else(seed_of_time, Ok)?,
    })
}

fn seed_of_time() -> anyhow::Result<u64> {
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .context("the clock is before 1970")?;
    Ok(now.as_secs())
}
