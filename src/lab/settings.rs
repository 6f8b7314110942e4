//! What a run is: every option, validated, and what each machine gets of it.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

use thiserror::Error;

use super::secret_file::SecretFile;
use crate::{
    clock::ClockKind,
    faults::Plan,
    mesh::{self, OnPeerLoss},
    model::{self, ConfigError, Phase},
    trace::{Header, Traffic},
    units::{MACHINES_MAX, MachineId, Speed},
    wire::{RunId, Standing},
};

/// The first machine's port unless told otherwise: outside the range that systems give to outgoing connections.
pub const BASE_PORT_DEFAULT: u16 = 17_100;

/// A run of the scale model, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where each machine can be dialled, machine 0 first; their number is that of the machines.
    pub addresses: Vec<SocketAddr>,
    /// Where to listen instead of at the machine's address; the port stays.
    pub bind: Option<IpAddr>,
    /// The file that the addresses came from, if there was one.
    pub hosts: Option<PathBuf>,
    /// Ticks a second, one rate a machine.
    pub rates: Vec<u32>,
    /// How fast time passes for the machines.
    pub speed: Speed,
    /// Sides of the die.
    pub draw: u32,
    /// Whom sends go to.
    pub traffic: Traffic,
    /// Where the first tick falls.
    pub phase: Phase,
    /// The logical clock.
    pub clock: ClockKind,
    /// When to stop after the start; `None` means never by itself.
    pub duration: Option<Duration>,
    /// The run's seed.
    pub seed: u64,
    /// What a machine does when a peer goes away.
    pub on_peer_loss: OnPeerLoss,
    /// The file with what is to be broken, if there is one, and what it says.
    pub faults: Option<(PathBuf, Plan)>,
    /// How long to look for peers.
    pub connect_timeout: Duration,
    /// The folder of run folders.
    pub logs: PathBuf,
    /// The run's id.
    pub run: RunId,
    /// Whether a person named the run, or its start time did.
    pub standing: Standing,
    /// What all machines of the run know; `None` trusts everybody who reaches a port.
    pub secret: Option<SecretFile>,
}

/// A hosts file: where each machine can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(pub Vec<SocketAddr>);

/// A hosts file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}, line {line}: {what}")]
pub struct HostsError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub what: String,
}

impl Settings {
    /// How many machines the run has.
    #[must_use]
    pub fn machines(&self) -> u16 {
        u16::try_from(self.addresses.len()).unwrap_or(u16::MAX)
    }

    /// The scale model's configuration of one machine.
    ///
    /// # Errors
    /// [`ConfigError`] for a parameter outside its bounds, or an id that is not of this run.
    pub fn model(&self, me: MachineId) -> Result<model::Config, ConfigError> {
        let config = model::Config {
            me,
            machines: self.machines(),
            rate: self.rates.get(me.index()).copied().unwrap_or_default(),
            speed: self.speed,
            draw: self.draw,
            traffic: self.traffic,
            phase: self.phase,
            clock: self.clock,
            seed: self.seed,
        };
        // An id out of range has no rate: say that it is the id.
        config.validate().map(|()| config)
    }

    /// One machine's place in the mesh.
    #[must_use]
    pub fn mesh(&self, me: MachineId) -> mesh::Config {
        let own = self.addresses.get(me.index()).copied();
        let own = own.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        mesh::Config {
            me,
            incarnation: 1,
            addresses: self.addresses.clone(),
            listen: SocketAddr::new(self.bind.unwrap_or(own.ip()), own.port()),
            run: self.run.clone(),
            standing: self.standing,
            connect_timeout: self.connect_timeout,
            on_peer_loss: self.on_peer_loss,
            duration: self.duration,
            secret: self.secret.as_ref().map(|file| file.secret.clone()),
            faults: self
                .faults
                .as_ref()
                .map_or_else(Plan::default, |(_, plan)| plan.clone())
                .seeded(self.seed),
            run_age: Duration::ZERO,
            log_end: None,
        }
    }

    /// The header of one machine's log; run and start are settled by the handshake.
    #[must_use]
    pub fn header(&self, config: &model::Config) -> Header {
        header(config, self.run.clone())
    }

    /// The arguments with which the launcher starts machine `me`: everything said, nothing left to defaults.
    #[must_use]
    pub fn arguments(&self, me: MachineId) -> Vec<String> {
        let mut arguments = vec!["machine".to_owned()];
        let mut add = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        add("id", me.to_string());
        match &self.hosts {
            Some(file) => add("hosts", file.display().to_string()),
            None => {
                add("machines", self.machines().to_string());
                add(
                    "base-port",
                    self.addresses.first().map_or(0, SocketAddr::port).to_string(),
                );
            }
        }
        if let Some(bind) = self.bind {
            add("bind", bind.to_string());
        }
        add(
            "rates",
            self.rates
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(","),
        );
        add("speed", self.speed.to_string());
        add("draw", self.draw.to_string());
        add("traffic", self.traffic.to_string());
        add("phase", self.phase.to_string());
        add("clock", self.clock.to_string());
        if let Some(duration) = self.duration {
            add("duration", format!("{}us", duration.as_micros()));
        }
        add("seed", self.seed.to_string());
        add("on-peer-loss", self.on_peer_loss.to_string());
        if let Some((file, _)) = &self.faults {
            add("faults", file.display().to_string());
        }
        add(
            "connect-timeout",
            format!("{}us", self.connect_timeout.as_micros()),
        );
        if let Some(file) = &self.secret {
            add("secret-file", file.path.display().to_string());
        }
        add("logs", self.logs.display().to_string());
        add("run", self.run.to_string());
        arguments
    }

    /// The addresses of `machines` machines on consecutive ports of one host.
    ///
    /// # Errors
    /// [`ConfigError`] if the ports do not fit below 65536.
    pub fn consecutive(host: IpAddr, base_port: u16, machines: u16) -> Result<Vec<SocketAddr>, ConfigError> {
        let last = u32::from(base_port) + u32::from(machines.max(1)) - 1;
        if base_port == 0 || last > u32::from(u16::MAX) {
            let allowed = format!(
                "{machines} machines would need ports up to {last}; there are 1 to {}",
                u16::MAX
            );
            return Err(ConfigError::new("base-port", base_port, allowed));
        }
        Ok(MachineId::all(machines)
            .map(|machine| SocketAddr::new(host, base_port + machine.0))
            .collect())
    }
}

/// The header of a log of the scale model, but for the start, which is not known yet.
pub(super) fn header(config: &model::Config, run: RunId) -> Header {
    Header {
        machine: config.me,
        machines: config.machines,
        rate: Some(config.rate),
        draw: Some(config.draw),
        traffic: config.traffic,
        phase_us: Some(config.phase_us()),
        speed: config.speed,
        clock: config.clock,
        incarnation: None,
        seed: config.seed,
        run,
        started: crate::trace::WallTime(0),
    }
}

/// What is said of an address that is none, or that nobody knows.
fn not_found(host: &str, id: MachineId, error: &io::Error) -> String {
    let port = BASE_PORT_DEFAULT.saturating_add(id.0);
    if host.parse::<Ipv6Addr>().is_ok() {
        return format!("`{host}`: the port is missing; write host:port, such as `{id} [{host}]:{port}`");
    }
    if !host.contains(':') {
        return format!("`{host}`: the port is missing; write host:port, such as `{id} {host}:{port}`");
    }
    format!("`{host}` is no address that can be found: {error}")
}

impl Hosts {
    /// Reads lines `id host:port`; blank lines, and what stands behind a `#`, are skipped. Names are looked up.
    ///
    /// # Errors
    /// [`HostsError`] with the line, if one is not of that form, an id is missing or stands twice, or a name
    /// is unknown.
    pub fn parse(file: &str, text: &str) -> Result<Self, HostsError> {
        let fail = |line: usize, what: String| HostsError {
            file: file.to_owned(),
            line,
            what,
        };
        let mut addresses: Vec<Option<SocketAddr>> = Vec::new();
        let mut last = 0;
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            last = line;
            let form = || {
                fail(
                    line,
                    format!("`{text}` is not of the form `id host:port`, such as `0 10.0.0.5:17100`"),
                )
            };
            let (id, host) = text.split_once(char::is_whitespace).ok_or_else(form)?;
            let id: MachineId = id.parse().map_err(|_| form())?;
            if id.0 >= MACHINES_MAX {
                return Err(fail(
                    line,
                    format!("machine {id}: ids go up to {}", MACHINES_MAX - 1),
                ));
            }
            let mut found = host
                .trim()
                .to_socket_addrs()
                .map_err(|error| fail(line, not_found(host.trim(), id, &error)))?
                .collect::<Vec<_>>();
            found.sort_by_key(SocketAddr::is_ipv6);
            let address = found.first().copied().ok_or_else(form)?;
            if let Some(other) = addresses.iter().position(|known| *known == Some(address)) {
                return Err(fail(
                    line,
                    format!("machines {other} and {id} cannot both be at {address}"),
                ));
            }
            if addresses.len() <= id.index() {
                addresses.resize(id.index() + 1, None);
            }
            match addresses.get_mut(id.index()) {
                Some(place @ None) => *place = Some(address),
                _ => return Err(fail(line, format!("machine {id} stands twice"))),
            }
        }
        let count = addresses.len();
        let known: Vec<SocketAddr> = addresses.iter().flatten().copied().collect();
        if known.len() < count {
            let missing = addresses.iter().position(Option::is_none).unwrap_or_default();
            return Err(fail(
                last,
                format!("machine {missing} is missing: ids are 0, 1, 2, … without a gap"),
            ));
        }
        Ok(Self(known))
    }
}
