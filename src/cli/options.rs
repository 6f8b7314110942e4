//! The one place where options are validated: what a person typed becomes [`Settings`], or a sentence that
//! names the option.
#![allow(clippy::disallowed_methods, reason = "a run is named after its start")]

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use chrono::Utc;
use rand::{TryRng, rngs::SysRng};

use super::{
    Usage,
    args::{MachineArguments, ModelArguments, SimulateArguments, SystemArguments},
    secret,
};
use crate::{
    faults::Plan,
    lab::{BASE_PORT_DEFAULT, Described, Hosts, Life, RunError, Settings, Simulated, SimulatedFaults},
    mesh::OnPeerLoss,
    model::{ConfigError, DRAW_DEFAULT, Rates, draw_from_internal},
    sim::CONTROL_MACHINES_MAX,
    trace::WallTime,
    units::MachineId,
    wire::{RunId, Standing},
};

/// Instead of a file: faults that are drawn.
const RANDOM: &str = "random";

/// Machines of a run unless told otherwise.
const MACHINES_DEFAULT: u16 = 3;

/// Seeds that are drawn stay short enough to be typed.
const SEED_DRAWN_MAX: u64 = 999_999;

/// Machines of a run on one computer. Each is a process, and each two have a connection: 200 machines have 19,900,
/// each with a port of its own where it was dialled from, and a system gives 16,000 to 28,000 such ports. A machine
/// also needs as many open files as it has peers, and some; 200 stay within the 256 that the smallest limits allow.
pub(super) const FLEET_MACHINES_MAX: u16 = 200;

/// Longest run: beyond it a microsecond count of a machine's deadlines would need care.
const DURATION_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Validates everything that `run` and `machine` have in common.
///
/// # Errors
/// [`Usage`] inside the error for whatever is not allowed.
pub(super) fn settings(arguments: &ModelArguments, duration: Option<Duration>) -> anyhow::Result<Settings> {
    settings_at(addresses(arguments)?, arguments, duration)
}

fn settings_at(
    addresses: Vec<SocketAddr>,
    arguments: &ModelArguments,
    duration: Option<Duration>,
) -> anyhow::Result<Settings> {
    let system = &arguments.system;
    let seed = seed(system)?;
    let machines = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
    if machines < 2 {
        return Err(usage(&ConfigError::new(
            "machines",
            machines,
            "a run has at least 2 machines",
        )));
    }
    check_run_name(arguments.run.as_ref())?;
    check_duration("duration", duration)?;
    check_duration("connect-timeout", Some(arguments.connect_timeout))?;
    let settings = Settings {
        addresses,
        bind: arguments.bind,
        hosts: arguments.hosts.clone(),
        rates: system
            .rates
            .resolve(machines, seed)
            .map_err(|error| usage(&error))?,
        speed: system.speed,
        draw: draw(system)?,
        traffic: system.traffic,
        phase: system.phase,
        clock: system.clock,
        duration,
        seed,
        on_peer_loss: arguments.on_peer_loss.unwrap_or(match arguments.faults {
            Some(_) => OnPeerLoss::Continue,
            None => OnPeerLoss::Stop,
        }),
        faults: match &arguments.faults {
            Some(file) => Some((file.clone(), faults(file, machines, seed, duration)?)),
            None => None,
        },
        connect_timeout: arguments.connect_timeout,
        logs: arguments.logs.clone(),
        run: arguments.run.clone().map_or_else(run_name, Ok)?,
        standing: if arguments.run.is_some() {
            Standing::Given
        } else {
            Standing::Proposed
        },
        secret: secret::read(arguments.secret_file.as_deref())?,
    };
    check_exposure(&settings)?;
    for machine in MachineId::all(machines) {
        settings.model(machine).map_err(|error| usage(&error))?;
    }
    Ok(settings)
}

/// What the log of a machine that is to be started again says, of the run named or the newest, and the settings of its
/// run: what the log does not say stands in `run.json`, and what is given here goes before that.
///
/// # Errors
/// [`Usage`] inside the error if there is no such log, or nothing to come back to, or nobody says where the peers are.
pub(super) fn further_life(arguments: &MachineArguments) -> anyhow::Result<(Life, Settings)> {
    let mut model = arguments.model.clone();
    let folder = match &model.run {
        Some(run) => model.logs.join(run.as_str()),
        None => model.logs.join("latest"),
    };
    let life = Life::read(&folder, arguments.id).map_err(|error| Usage(error.to_string()))?;
    let header = &life.header;
    model.run = Some(header.run.clone());
    model.system.machines = model.hosts.is_none().then_some(header.machines);
    // What the others' rates are is none of this machine's business.
    let rate = header.rate.unwrap_or_default();
    model.system.rates = Rates::List(vec![rate; usize::from(header.machines)]);
    (model.system.draw, model.system.internal) = (header.draw, None);
    model.system.speed = header.speed;
    model.system.phase = life.phase();
    model.system.clock = header.clock;
    model.system.traffic = header.traffic;
    model.system.seed = Some(header.seed);
    model.on_peer_loss.get_or_insert(OnPeerLoss::Continue);
    let (machines, mut duration) = (header.machines, arguments.duration);
    let mut described_addresses = None;
    // The launcher says everything itself.
    if !arguments.launched
        && let Some(described) = described(&folder)?
    {
        model.secret_file = model.secret_file.or(described.secret_file);
        duration = duration.or(described.duration);
        described_addresses = Some(described.addresses);
    }
    let addresses = match described_addresses {
        _ if model.hosts.is_some() || model.base_port.is_some() => addresses(&model)?,
        Some(addresses) if addresses.len() == usize::from(machines) => addresses,
        Some(addresses) => {
            let (file, count) = (folder.join("run.json"), addresses.len());
            let what = format!(
                "{} says where {count} machines are, and the run has {machines}: say it with --hosts or --base-port",
                file.display()
            );
            return Err(Usage(what).into());
        }
        None => {
            let what = format!(
                "{} has no run.json that says where the peers are: say it with --hosts or --base-port, and --duration if \
                 the run has one",
                folder.display()
            );
            return Err(Usage(what).into());
        }
    };
    let settings = settings_at(addresses, &model, duration)?;
    Ok((life, settings))
}

/// What the run's file says, if there is one.
fn described(folder: &Path) -> anyhow::Result<Option<Described>> {
    match Described::read(folder) {
        Ok(described) => Ok(Some(described)),
        Err(RunError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Usage(error.to_string()).into()),
    }
}

/// Validates a run to simulate, with this seed and this name.
///
/// # Errors
/// [`Usage`] inside the error for whatever is not allowed.
pub(super) fn simulated(
    arguments: &SimulateArguments,
    faults: &SimulatedFaults,
    seed: u64,
    run: RunId,
) -> anyhow::Result<Simulated> {
    let system = &arguments.system;
    let machines = machines(system)?;
    check_run_name(arguments.run.as_ref())?;
    check_duration("duration", Some(arguments.duration))?;
    let duration_us = u64::try_from(arguments.duration.as_micros()).unwrap_or(u64::MAX);
    let rates = system.rates.resolve(machines, seed);
    let run = Simulated {
        rates: rates.map_err(|error| usage(&error))?,
        speed: system.speed,
        draw: draw(system)?,
        traffic: system.traffic,
        phase: system.phase,
        clock: system.clock,
        duration_us: duration_us.max(1),
        latency: arguments.latency,
        faults: faults.for_run(seed, machines, duration_us.max(1)),
        seed,
        run,
    };
    for machine in MachineId::all(machines) {
        run.model(machine).map_err(|error| usage(&error))?;
    }
    Ok(run)
}

/// Checks that one computer bears so many machines, in so many meshes side by side: no more connections than
/// [`FLEET_MACHINES_MAX`] machines have among them.
///
/// # Errors
/// [`Usage`] inside the error, with the way that bears more.
pub(super) fn check_fleet(machines: u16, meshes: u16) -> anyhow::Result<()> {
    let connections = |machines: u16| u64::from(machines) * u64::from(machines.saturating_sub(1)) / 2;
    if u64::from(meshes) * connections(machines) <= connections(FLEET_MACHINES_MAX) {
        return Ok(());
    }
    let side_by_side = match meshes {
        0 | 1 => String::new(),
        _ => format!(", or fewer in {meshes} meshes side by side (--parallel)"),
    };
    let allowed = format!(
        "one computer runs 2 to {FLEET_MACHINES_MAX} machines{side_by_side}: each is a process, and each two have a connection; \
         `clocklab simulate` runs the same machines, up to {}, in virtual time",
        crate::units::MACHINES_MAX
    );
    Err(usage(&ConfigError::new("machines", machines, allowed)))
}

/// The seed given, or one that is drawn.
pub(super) fn seed(system: &SystemArguments) -> anyhow::Result<u64> {
    system.seed.map_or_else(draw_seed, Ok)
}

fn draw(system: &SystemArguments) -> anyhow::Result<u32> {
    match system.internal {
        Some(internal) => draw_from_internal(internal).map_err(|error| usage(&error)),
        None => Ok(system.draw.unwrap_or(DRAW_DEFAULT)),
    }
}

/// How many machines: as said, or as many as there are rates.
fn machines(system: &SystemArguments) -> anyhow::Result<u16> {
    let listed = match &system.rates {
        Rates::List(list) if list.len() > 1 => u16::try_from(list.len()).ok(),
        Rates::List(_) | Rates::Range { .. } => None,
    };
    let machines = system.machines.or(listed).unwrap_or(MACHINES_DEFAULT);
    if !(2..=crate::units::MACHINES_MAX).contains(&machines) {
        let allowed = format!("a run has 2 to {} machines", crate::units::MACHINES_MAX);
        return Err(usage(&ConfigError::new("machines", machines, allowed)));
    }
    Ok(machines)
}

fn check_run_name(run: Option<&RunId>) -> anyhow::Result<()> {
    match run {
        Some(run) if run.as_str() == "latest" => Err(usage(&ConfigError::new(
            "run",
            "latest",
            "this name is the link to the newest run; give another",
        ))),
        _ => Ok(()),
    }
}

/// Refuses machines that other computers can reach and that trust everybody.
fn check_exposure(settings: &Settings) -> anyhow::Result<()> {
    let exposed = settings.bind.filter(|bind| !bind.is_loopback());
    let mut elsewhere = settings.addresses.iter().map(SocketAddr::ip);
    let Some(address) = exposed.or_else(|| elsewhere.find(|address| !address.is_loopback())) else {
        return Ok(());
    };
    if settings.secret.is_some() {
        return Ok(());
    }
    Err(Usage(format!(
        "at {address} other computers can reach this run, and without a secret whoever does may join and command it: \
         make one with `clocklab secret`, copy the file to every host, and give it to every machine with --secret-file"
    ))
    .into())
}

/// A configuration error as an error of usage.
pub(super) fn usage(error: &ConfigError) -> anyhow::Error {
    Usage(error.to_string()).into()
}

/// A run's id made from the time.
pub(super) fn run_name() -> anyhow::Result<RunId> {
    let now = WallTime(Utc::now().timestamp_micros());
    now.run_name()
        .parse()
        .context("the computer's clock shows no usable date")
}

/// `name`, or the first of `name-2`, `name-3`, … that is not there: two runs may be started in one second.
pub(super) fn free_name(logs: &Path, name: &RunId) -> anyhow::Result<RunId> {
    let is_free = |name: &RunId| !logs.join(name.as_str()).exists();
    if is_free(name) {
        return Ok(name.clone());
    }
    let further = (2..1000).filter_map(|number| format!("{name}-{number}").parse().ok());
    further
        .into_iter()
        .find(is_free)
        .context("a thousand runs were started in this second; give one a --run")
}

/// Checks that a time-out or duration is more than nothing and less than a year.
pub(super) fn check_duration(option: &'static str, duration: Option<Duration>) -> anyhow::Result<()> {
    match duration {
        Some(given) if given.is_zero() || given > DURATION_MAX => {
            let shown = humantime::format_duration(given);
            Err(usage(&ConfigError::new(
                option,
                shown,
                "more than nothing and at most 365 days, such as 60s",
            )))
        }
        _ => Ok(()),
    }
}

fn draw_seed() -> anyhow::Result<u64> {
    let drawn = SysRng
        .try_next_u64()
        .context("the system gives no random number; give one with --seed")?;
    Ok(drawn % SEED_DRAWN_MAX + 1)
}

fn addresses(arguments: &ModelArguments) -> anyhow::Result<Vec<SocketAddr>> {
    if let Some(file) = &arguments.hosts {
        let hosts = read_hosts(file)?;
        return match arguments.system.machines {
            Some(machines) if usize::from(machines) != hosts.0.len() => {
                let allowed = format!("{} names {} machines", file.display(), hosts.0.len());
                Err(usage(&ConfigError::new("machines", machines, allowed)))
            }
            _ => Ok(hosts.0),
        };
    }
    let machines = machines(&arguments.system)?;
    // Peers on one computer dial each other where they listen; one that listens everywhere is dialled at loopback.
    let host = arguments
        .bind
        .filter(|bind| !bind.is_unspecified())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let base_port = arguments.base_port.unwrap_or(BASE_PORT_DEFAULT);
    Settings::consecutive(host, base_port, machines).map_err(|error| usage(&error))
}

/// What `--faults` of a simulation says: a file, or `random`.
///
/// # Errors
/// [`Usage`] inside the error for a file that cannot be read, or that a simulation cannot carry out.
pub(super) fn simulated_faults(arguments: &SimulateArguments) -> anyhow::Result<SimulatedFaults> {
    let machines = machines(&arguments.system)?;
    let faults = match &arguments.faults {
        None => return Ok(SimulatedFaults::None),
        Some(file) if file.as_os_str() == RANDOM => SimulatedFaults::Random,
        Some(file) => SimulatedFaults::Plan(read_faults(file, machines)?),
    };
    if machines > CONTROL_MACHINES_MAX {
        let what = format!(
            "--faults: faults are simulated with up to {CONTROL_MACHINES_MAX} machines, not {machines}"
        );
        return Err(Usage(what).into());
    }
    Ok(faults)
}

/// Checks that machines started one by one draw the same faults: each would draw a seed of its own.
///
/// # Errors
/// [`Usage`] inside the error for `random` without a seed.
pub(super) fn check_drawn_faults(arguments: &ModelArguments) -> anyhow::Result<()> {
    let is_random = arguments
        .faults
        .as_ref()
        .is_some_and(|file| file.as_os_str() == RANDOM);
    if is_random && arguments.system.seed.is_none() {
        let what = "--faults random: give every machine the same --seed, or each draws faults of its own";
        return Err(Usage(what.to_owned()).into());
    }
    Ok(())
}

/// What `--faults` of real machines says: a file, or `random`, which the same seed and duration draw alike everywhere.
fn faults(file: &Path, machines: u16, seed: u64, duration: Option<Duration>) -> anyhow::Result<Plan> {
    if file.as_os_str() != RANDOM {
        return read_faults(file, machines);
    }
    let Some(duration) = duration else {
        return Err(Usage("--faults random: give a --duration to spread them over".to_owned()).into());
    };
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Ok(Plan::random(seed, machines, duration_us))
}

/// Warns of each fault of a plan that a run of this length never comes to.
pub(super) fn warn_too_late(plan: &Plan, duration: Duration) {
    for timed in plan.too_late(duration) {
        tracing::warn!(
            "fault {} ({}) will not happen: it would begin at {}, and the run is over after {}",
            timed.id,
            timed.fault,
            humantime::format_duration(Duration::from_micros(timed.at.0)),
            humantime::format_duration(duration),
        );
    }
}

fn read_faults(file: &Path, machines: u16) -> anyhow::Result<Plan> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Usage(format!("--faults {name}: {error}")))?;
    let plan = Plan::parse(&name, &text).map_err(|error| Usage(format!("--faults {error}")))?;
    plan.validate(&name, machines)
        .map_err(|error| Usage(format!("--faults {error}")))?;
    Ok(plan)
}

fn read_hosts(file: &Path) -> anyhow::Result<Hosts> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Usage(format!("--hosts {name}: {error}")))?;
    let hosts = Hosts::parse(&name, &text).map_err(|error| Usage(error.to_string()))?;
    if hosts.0.is_empty() {
        return Err(Usage(format!(
            "--hosts {name}: no machine in it; write lines such as `0 10.0.0.5:17100`"
        ))
        .into());
    }
    Ok(hosts)
}
