//! `clocklab kv run`: replicas on this computer, until somebody ends them.
#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

use std::{
    env,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
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
        run::describe_failures,
    },
    lab::{
        Death, FleetError, Life, MachineEnd, REPLICA_PORT_DEFAULT, ReplicaSettings, Replicas, Serving,
        try_logs,
    },
    units::MachineId,
    wire::{Reason, RunId, Secret},
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  clocklab kv run                        three replicas on ports 17200 to 17202, data in kv-data
  clocklab kv run --replicas 5           five
  clocklab kv run --memory               nothing kept on disk
  clocklab kv run --duration 30s         ends by itself

Open http://127.0.0.1:17200/ in a browser: each replica has a page that shows how it is, what it holds, and how its \
writes spread.

Ctrl-C ends them in order. Started again with the same --data, they have everything. One that `clocklab fault kill 2 \
--for 5s` kills is started again then; \
without --for it stays away, and the line that starts it again is printed. Their event logs are a run: \
`clocklab watch` shows it live, `clocklab check`, `order` and `draw` read it afterwards.

Exit codes: 0 they ended in order, 2 usage, 3 a replica failed.";

/// Most replicas on one computer.
const REPLICAS_MAX: u16 = 100;

/// How often the replicas are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the replicas may take to be ready before it goes on without those that are not: a large folder takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// When it is said whom it is waited for.
const SAY_AFTER: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
pub(in crate::cli) struct RunArguments {
    /// How many replicas
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=i64::from(REPLICAS_MAX)))]
    replicas: u16,
    /// Replica i listens on this port + i
    #[arg(long, default_value_t = REPLICA_PORT_DEFAULT)]
    base_port: u16,
    /// Folder of the data: replica i's are in replica-<i>
    #[arg(
        long,
        value_name = "DIR",
        default_value = "kv-data",
        conflicts_with = "memory"
    )]
    data: PathBuf,
    /// Keep the data in memory alone
    #[arg(long)]
    memory: bool,
    /// End after this time; without it, when somebody ends it
    #[arg(long, value_name = "TIME", value_parser = crate::cli::time)]
    duration: Option<Duration>,
    /// Folder of run folders
    #[arg(long, value_name = "DIR", default_value = "logs", conflicts_with = "no_log")]
    logs: PathBuf,
    /// The run's name, and its folder's [default: made from the time]
    #[arg(long)]
    run: Option<RunId>,
    /// Write no event logs
    #[arg(long)]
    no_log: bool,
    #[command(flatten)]
    store: StoreOptions,
}

/// Starts the replicas, says how to talk to them, and ends them.
pub(in crate::cli) fn run(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let settings = settings(arguments)?;
    if let Some(logs) = &settings.logs {
        try_logs(logs)?;
    }
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&asked)).context("cannot catch signals")?;
    }
    let program = env::current_exe().context("cannot find this program's own file")?;
    let command: Vec<String> = env::args().collect();
    let mut replicas = Replicas::start(&program, &settings, &command).map_err(|error| match error {
        FleetError::FolderExists { .. } | FleetError::Ports { .. } => Usage(error.to_string()).into(),
        error @ FleetError::Io { .. } => anyhow::Error::from(error),
    })?;
    let beginning = Beginning::wait(&mut replicas, arguments.store.secret()?.as_ref(), &asked)?;
    print(&describe_failures(&beginning.ends))?;
    print(&introduction(&settings, &beginning))?;
    match beginning.is_anybody_there() {
        false => settings.forget_empty_run(),
        // Those that were waited for in vain may come yet.
        true if !beginning.is_newest && !asked.load(Ordering::SeqCst) => settings.point_latest(),
        true => {}
    }
    let until = arguments.duration.map(|duration| Instant::now() + duration);
    let mut has_failed = beginning.ends.iter().any(|end| end.failure.is_some());
    while replicas.any_runs()
        && !asked.load(Ordering::SeqCst)
        && until.is_none_or(|until| Instant::now() < until)
    {
        let ends = replicas.poll()?;
        has_failed |= ends.iter().any(|end| end.failure.is_some());
        print(&describe_failures(&ends))?;
        print(&ways_back(&settings, &ends))?;
        for (id, line) in replicas.heard() {
            print(&format!("replica {id}: {}\n", line.trim()))?;
        }
        for id in replicas.risen() {
            print(&format!(
                "replica {id} is started again: the fault that killed it is over\n"
            ))?;
        }
        thread::sleep(LOOK_EVERY);
    }
    let reason = if asked.load(Ordering::SeqCst) {
        Reason::Interrupted
    } else {
        Reason::Duration
    };
    let ends = replicas.stop(reason)?;
    has_failed |= ends.iter().any(|end| end.failure.is_some());
    print(&describe_failures(&ends))?;
    if let Some(folder) = settings.run_folder()
        && beginning.is_anybody_there()
    {
        let place = folder.display();
        print(&format!(
            "\nrun folder: {place}\nlook at it: clocklab check {place}, clocklab draw {place}\n"
        ))?;
    }
    Ok(if has_failed { Exit::Failed } else { Exit::Valid })
}

fn settings(arguments: &RunArguments) -> anyhow::Result<ReplicaSettings> {
    let last = u32::from(arguments.base_port) + u32::from(arguments.replicas) - 1;
    if arguments.base_port == 0 || last > u32::from(u16::MAX) {
        let text = format!(
            "--base-port {}: {} replicas need that many ports from it on, and ports are 1 to 65535",
            arguments.base_port, arguments.replicas
        );
        return Err(Usage(text).into());
    }
    let run = match (&arguments.run, arguments.no_log) {
        (Some(run), _) => run.clone(),
        (None, true) => run_name()?,
        (None, false) => free_name(&arguments.logs, &run_name()?)?,
    };
    // Read here once, so that a wrong file is told before anything is started.
    arguments.store.secret()?;
    Ok(ReplicaSettings {
        replicas: arguments.replicas,
        base_port: arguments.base_port,
        data: (!arguments.memory).then(|| arguments.data.clone()),
        logs: (!arguments.no_log).then(|| arguments.logs.clone()),
        run,
        secret_file: arguments.store.secret_file.clone(),
        more: arguments.store.words(),
    })
}

/// How the replicas came up.
struct Beginning {
    /// How each stood when it was waited for no longer, replica 0 first.
    standings: Vec<Standing>,
    /// Those that ended meanwhile.
    ends: Vec<MachineEnd>,
    /// Whether `latest` points to this run.
    is_newest: bool,
}

/// How a replica stands at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its process runs, and this is what it says.
    Runs(Serving),
    /// Its process has ended.
    Ended,
}

impl Standing {
    /// Whether waiting changes nothing.
    fn is_settled(self) -> bool {
        match self {
            Self::Runs(Serving::Ready | Serving::NoMember | Serving::Unsaid) | Self::Ended => true,
            Self::Runs(Serving::NotYet | Serving::Silent) => false,
        }
    }
}

impl Beginning {
    /// Waits until each replica serves, or will not by itself; until somebody asks for the end; or until it takes too long.
    fn wait(replicas: &mut Replicas, secret: Option<&Secret>, asked: &AtomicBool) -> anyhow::Result<Self> {
        let started = Instant::now();
        let count = usize::from(replicas.settings().replicas);
        let mut beginning = Self {
            standings: vec![Standing::Runs(Serving::Silent); count],
            ends: Vec::new(),
            is_newest: false,
        };
        let mut is_told = false;
        loop {
            beginning.ends.extend(replicas.poll()?);
            for (id, standing) in MachineId::all(replicas.settings().replicas).zip(&mut beginning.standings) {
                *standing = match (*standing, replicas.process_id(id)) {
                    (_, None) => Standing::Ended,
                    (Standing::Runs(Serving::Ready), Some(_)) => continue,
                    (_, Some(_)) => Standing::Runs(replicas.serving(id, secret)),
                };
                if asked.load(Ordering::SeqCst) {
                    return Ok(beginning);
                }
            }
            if !beginning.is_newest && beginning.is_anybody_up() {
                beginning.is_newest = true;
                replicas.settings().point_latest();
            }
            let is_settled = beginning.standings.iter().all(|standing| standing.is_settled());
            if is_settled || asked.load(Ordering::SeqCst) || started.elapsed() >= PATIENCE {
                return Ok(beginning);
            }
            if !is_told && started.elapsed() >= SAY_AFTER {
                is_told = true;
                print(&beginning.waits_for(replicas.settings()))?;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether anybody has its data and its port: a start that fails, such as where another store has the folder, leaves
    /// `latest` to the run that goes on.
    fn is_anybody_up(&self) -> bool {
        let is_up = |standing: &Standing| match standing {
            Standing::Runs(Serving::Silent) | Standing::Ended => false,
            Standing::Runs(Serving::Ready | Serving::NotYet | Serving::NoMember | Serving::Unsaid) => true,
        };
        self.standings.iter().any(is_up)
    }

    /// Whether there is anybody to talk to.
    fn is_anybody_there(&self) -> bool {
        self.standings.iter().any(|standing| *standing != Standing::Ended)
    }

    /// Whom it is waited for, and why.
    fn waits_for(&self, settings: &ReplicaSettings) -> String {
        let lines = settings.ids().zip(&self.standings).map(|(id, standing)| {
            let state = self.state(settings, id, *standing);
            format!("  replica {id} is{state}\n")
        });
        let late = lines
            .zip(&self.standings)
            .filter(|(_, standing)| !standing.is_settled());
        let late: String = late.map(|(line, _)| line).collect();
        let most = humantime::format_duration(PATIENCE);
        format!("waiting, {most} at most (Ctrl-C ends it), because\n{late}")
    }

    /// How a replica stands, in words behind its name; nothing where all is well.
    fn state(&self, settings: &ReplicaSettings, id: MachineId, standing: Standing) -> String {
        match standing {
            Standing::Runs(Serving::Ready) => String::new(),
            Standing::Runs(Serving::Unsaid) => {
                " there: how it is it tells those that have a token".to_owned()
            }
            Standing::Runs(Serving::Silent) => " not ready yet: it does not answer".to_owned(),
            Standing::Runs(Serving::NotYet) => {
                " not ready yet: it waits for others that have the data, or its disk takes nothing".to_owned()
            }
            Standing::Runs(Serving::NoMember) => {
                let member = format!("{id}={}", settings.address(id));
                let other = settings.ids().zip(&self.standings);
                let at = other
                    .filter(|(_, standing)| **standing == Standing::Runs(Serving::Ready))
                    .map(|(other, _)| format!(" --at {}", settings.address(other)))
                    .next();
                format!(
                    " no member: `clocklab kv members add {member}{}` makes it one again",
                    at.unwrap_or_default()
                )
            }
            Standing::Ended if self.ends.iter().any(|end| end.id == id && end.failure.is_some()) => {
                " not there: it failed".to_owned()
            }
            Standing::Ended => " not there: it has ended".to_owned(),
        }
    }
}

/// How those are started again that a fault killed for good.
fn ways_back(settings: &ReplicaSettings, ends: &[MachineEnd]) -> String {
    let Some(folder) = settings.run_folder() else {
        return String::new();
    };
    let killed = ends
        .iter()
        .filter(|end| end.failure.is_none() && Life::death(&folder, end.id) == Death::Final);
    killed
        .map(|end| {
            format!(
                "replica {} was killed by a fault and stays away; this starts it again, in a terminal of its own:\n  {}\n",
                end.id,
                settings.by_hand(end.id)
            )
        })
        .collect()
}

/// Who is there, and what to type.
fn introduction(settings: &ReplicaSettings, beginning: &Beginning) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let data = match &settings.data {
        Some(data) => format!("data in {}", data.display()),
        None => "data in memory alone".to_owned(),
    };
    let logs = match settings.run_folder() {
        Some(folder) => format!("event logs in {}", folder.display()),
        None => "no event logs".to_owned(),
    };
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{} replicas, {data}, {logs}", settings.replicas);
    for (id, standing) in settings.ids().zip(&beginning.standings) {
        let state = beginning.state(settings, id, *standing);
        let state = if state.is_empty() {
            state
        } else {
            format!("  {state}")
        };
        let _ = writeln!(text, "  replica {id}  http://{}/{state}", settings.address(id));
    }
    let ready = settings.ids().zip(&beginning.standings);
    let ready: Vec<MachineId> = ready
        .filter(|(_, standing)| matches!(standing, Standing::Runs(Serving::Ready | Serving::Unsaid)))
        .map(|(id, _)| id)
        .collect();
    let (Some(first), Some(last)) = (ready.first(), ready.last()) else {
        return text;
    };
    let (first, last) = (settings.address(*first), settings.address(*last));
    let _ = writeln!(text, "Each address is a page, too: open it in a browser.");
    let secret = settings.secret_file.as_ref();
    let secret = secret.map_or_else(String::new, |file| format!(" --secret-file {}", file.display()));
    let _ = write!(
        text,
        "
Try it:
  curl -i -X PUT http://{first}/v1/keys/color -d red          write at one replica …
  curl -i http://{last}/v1/keys/color                         … read at another
  clocklab kv put color blue --at {first} --session me.session{secret}
  clocklab kv get color --at {last} --session me.session{secret}
Ctrl-C ends them.
"
    );
    text
}
