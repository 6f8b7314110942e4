//! `clocklab machine`: one machine of a mesh.
#![allow(
    clippy::disallowed_methods,
    reason = "the watch over the launcher waits in real time"
)]

use std::{
    env,
    io::{self, BufRead},
    thread,
    time::Duration,
};

use anyhow::Context;

use super::{Exit, Usage, args::MachineArguments, options};
use crate::{
    lab::{RunFile, RunLog, try_logs},
    mesh::{EventLog, Handle, LogFile, Mesh},
    model::Machine,
    wire::Reason,
};

/// How long a machine whose launcher is gone may take to say its last words.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Runs the machine to its end.
pub(super) fn run(arguments: &MachineArguments) -> anyhow::Result<Exit> {
    if !arguments.rejoin {
        options::check_drawn_faults(&arguments.model)?;
    }
    let (life, settings) = if arguments.rejoin {
        let (life, settings) = options::further_life(arguments)?;
        (Some(life), settings)
    } else {
        (None, options::settings(&arguments.model, arguments.duration)?)
    };
    if let (Some((_, plan)), Some(duration), false) =
        (&settings.faults, arguments.duration, arguments.launched)
    {
        options::warn_too_late(plan, duration);
    }
    let config = settings
        .model(arguments.id)
        .map_err(|error| options::usage(&error))?;
    try_logs(&settings.logs)?;
    let header = settings.header(&config);
    let (place, node, log) = match &life {
        Some(life) => (
            life.place(settings.mesh(config.me)),
            Machine::resumed(config, &life.memory),
            LogFile::resumed(&settings.logs, header, life.bytes).map_err(|error| Usage(error.to_string()))?,
        ),
        None => (
            settings.mesh(config.me),
            Machine::new(config),
            LogFile::new(&settings.logs, header),
        ),
    };
    if arguments.launched {
        // The launcher describes the run; a machine of it writes nothing but its log.
        let mesh = Mesh::new(place, node, log)?;
        let handle = mesh.handle();
        handle.watched();
        let watch = thread::Builder::new().name("launcher".to_owned());
        watch
            .spawn(move || obey_launcher(&handle))
            .context("cannot start the watch over the launcher")?;
        run_to_end(mesh)
    } else {
        let log = RunLog::new(
            log,
            &settings.logs,
            RunFile::by_hand(config.me, &settings, env::args().collect()),
        );
        run_to_end(Mesh::new(place, node, log)?)
    }
}

fn run_to_end<L: EventLog>(mut mesh: Mesh<Machine, L>) -> anyhow::Result<Exit> {
    mesh.catch_signals()?;
    let (outcome, _) = mesh.run()?;
    match outcome.peer {
        Some(peer) => tracing::info!("run {} ended: {} (machine {peer})", outcome.run, outcome.reason),
        None => tracing::info!("run {} ended: {}", outcome.run, outcome.reason),
    }
    // Whoever was told to stop, or lost a peer, has done its duty; a machine that came to a limit has not.
    Ok(if outcome.reason == Reason::Limit {
        Exit::Failed
    } else {
        Exit::Valid
    })
}

/// Reads what the launcher says until it is gone; then this process does not stay behind, whatever happens.
pub(super) fn obey_launcher(handle: &Handle) {
    for line in io::stdin().lock().lines() {
        match line.ok().as_deref().and_then(Reason::from_name) {
            Some(reason) => handle.stop(reason),
            None => break,
        }
    }
    handle.stop(Reason::LauncherGone);
    thread::sleep(LAST_WORDS);
    std::process::exit(3);
}
