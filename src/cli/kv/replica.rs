//! `clocklab kv replica`: one replica of a store.
#![allow(
    clippy::disallowed_methods,
    reason = "the watch over the launcher waits in real time"
)]

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::Context;
use clap::Args;

use super::{
    common::{StoreOptions, folder_error, hash_secret},
    page, view,
};
use crate::{
    cli::{Exit, Usage, machine::obey_launcher, options::run_name},
    clock::ClockKind,
    disk::{self, DataFolder, Owner, RowReader},
    gateway::{self, Access, Options, Server},
    kv::{self, DiskRule, Replica, derived_id},
    lab::{Life, STORE_CLUSTER_DEFAULT, try_logs},
    mesh::{
        EventLog, LogEnd, LogFile, MeshError, NoLog,
        open::{Handover, OpenMesh, Place},
    },
    service::{Address, Disk, NoDisk, Peer},
    trace::{Header, Traffic, WallTime},
    units::{MACHINES_MAX, MachineId, Speed},
    wire::{Reason, RunId},
};

mod environment;
mod whereabouts;

use environment::Environment;
use whereabouts::Whereabouts;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples, in three terminals, in any order:
  clocklab kv replica --listen 127.0.0.1:8090 --view 127.0.0.1:8090,127.0.0.1:8091,127.0.0.1:8092
  clocklab kv replica --listen 127.0.0.1:8091 --view 127.0.0.1:8090,127.0.0.1:8091,127.0.0.1:8092
  clocklab kv replica --listen 127.0.0.1:8092 --view 127.0.0.1:8090,127.0.0.1:8091,127.0.0.1:8092

A replica that joins later names those that are there and itself. In a container it listens on every address and \
advertises its own: --listen 0.0.0.0:8090 --advertise 10.10.0.2:8090.

Ended or killed, it is started again with the same command: a further life, with the data of its folder, and with --logs and \
--run in the same event log.

The environment of the course's assignments is understood, and options win over it: SOCKET_ADDRESS (advertised address; it \
listens on every address of the port) and VIEW; or NODE_IDENTIFIER alone (it listens on port 8081 and waits for PUT /view).

Exit codes: 0 it ended in order, 2 usage, 3 it failed.";

/// Where a replica with nothing but NODE_IDENTIFIER listens.
const IDENTIFIED_LISTEN: &str = "0.0.0.0:8081";

/// The folder of the data unless told otherwise.
const DATA: &str = "kv-data";

/// Where a replica that is told nothing listens.
const LISTEN: &str = "127.0.0.1:8090";

#[derive(Args, Debug)]
pub(in crate::cli) struct ReplicaArguments {
    /// Its id: 0 to 64999, unique among all that ever were members [default: as the view has it, else made from the address]
    #[arg(long)]
    id: Option<u16>,
    /// Where it listens, for replicas and clients alike [default: the advertised address if that is of this computer alone, else
    /// every address of its port]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where others reach it [default: where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<Address>,
    /// The members of the beginning, separated by commas: [ID=]HOST:PORT, this one among them
    #[arg(long, value_name = "MEMBERS")]
    view: Option<String>,
    /// Folder of its data [default: kv-data/replica-<id>]
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep the data in memory alone; access tokens, of HTTP and of the wire, have no place then
    #[arg(long)]
    memory: bool,
    /// Folder of run folders: write an event log
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// The run's name, and its folder's [default: made from the time]
    #[arg(long, requires = "logs")]
    run: Option<RunId>,
    /// The cluster's name: replicas of another are refused
    #[arg(long, value_name = "NAME", default_value = STORE_CLUSTER_DEFAULT)]
    cluster: RunId,
    /// Let everybody who reaches the port read, write and join. Without it, a replica that other computers can reach needs a
    /// secret
    #[arg(long)]
    insecure: bool,
    /// Standard input is a launcher's pipe
    #[arg(long, hide = true)]
    launched: bool,
    #[command(flatten)]
    store: StoreOptions,
}

/// Runs the replica to its end.
pub(in crate::cli) fn run(arguments: &ReplicaArguments) -> anyhow::Result<Exit> {
    let place = arguments.place(&Environment::read())?;
    let secret = arguments.store.secret()?;
    let is_exposed = !place.listen.ip().is_loopback();
    let has_secret = secret.is_some();
    arguments.say_who_may(place.listen, has_secret)?;
    if let Some(what) = &place.left_out {
        tracing::warn!("{what}");
    }
    let mut config = kv::Config::new(place.id, place.address.clone(), place.members.clone());
    arguments.store.apply(&mut config);
    config.hash_secret = hash_secret()?;
    let folder = arguments.open_data(&place)?;
    config.disk = folder.as_ref().map_or(DiskRule::Nowhere, |_| config.disk);
    let incarnation = match &folder {
        Some(folder) => folder.incarnation(),
        None => disk::incarnation_without_disk(),
    };
    let log = arguments.open_log(&place, incarnation, &mut config)?;
    let mesh_place = Place {
        me: place.id,
        incarnation,
        listen: place.listen,
        run: arguments.cluster.clone(),
        log_run: log.run.clone(),
        secret,
        seed: u64::from(incarnation),
        log_end: log.end,
    };
    let access = Arc::new(
        Access::open(
            folder.as_ref().map(|folder| folder.path().join(gateway::FILE)),
            is_exposed && !arguments.insecure,
        )
        .map_err(|error| Usage(error.to_string()))?,
    );
    let replica = Replica::new(config).map_err(|error| Usage(error.to_string()))?;
    // Rows go from the disk into the replica one by one: a second copy of them all would be as large as the data.
    let rows = folder.as_ref().map(DataFolder::reader);
    let kept: Box<dyn Disk> = match folder {
        Some(folder) => Box::new(folder.into_disk(arguments.store.sync)?),
        None => Box::new(NoDisk::default()),
    };
    let run_folder = arguments.logs.as_ref().map(|logs| logs.join(log.run.as_str()));
    let face = Face {
        me: place.id,
        alone: place.alone(),
        options: page::options(&place.address, place.listen, run_folder.as_deref()),
        page_at: view::reached(&place.address),
        // Who has proved the secret may ask everything, and nobody else gets so far.
        guard: (!has_secret).then(|| Arc::clone(&access)),
        access,
    };
    match log.file {
        Some(file) => serve(
            arguments,
            incarnation,
            OpenMesh::new(mesh_place, replica, file, kept, None).map_err(cannot_listen)?,
            rows,
            face,
        ),
        None => serve(
            arguments,
            incarnation,
            OpenMesh::new(mesh_place, replica, NoLog, kept, None).map_err(cannot_listen)?,
            rows,
            face,
        ),
    }
}

/// A port that cannot be had, in the words of this command.
fn cannot_listen(error: MeshError) -> anyhow::Error {
    match error {
        MeshError::Listen { me, address, error } => {
            let mend = match error.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    "it is no address of this computer: give one with --listen, and with --advertise where others reach it"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 are the system's: give a higher one with --listen"
                }
                _ => "end what uses the port, or give another with --listen, and in the view",
            };
            Usage(format!(
                "machine {me} cannot listen on {address}: {error}; {mend}"
            ))
            .into()
        }
        error => error.into(),
    }
}

/// What a replica shows to clients.
struct Face {
    me: MachineId,
    /// What it waits for, unless its data names others.
    alone: Option<String>,
    options: Options,
    page_at: String,
    access: Arc<Access>,
    /// Who judges clients by the wire, if anybody does.
    guard: Option<Arc<Access>>,
}

/// Restores what was kept, serves HTTP beside the wire, and runs until the end.
fn serve<L: EventLog>(
    arguments: &ReplicaArguments,
    incarnation: u32,
    mut mesh: OpenMesh<Replica, L>,
    rows: Option<RowReader>,
    face: Face,
) -> anyhow::Result<Exit> {
    let mut knows_others = false;
    if let Some(rows) = rows {
        rows.each_row(|row| {
            knows_others |= kv::member_of(&row).is_some_and(|member| member != face.me);
            mesh.restore(row);
        })?;
    }
    if let Some(guard) = face.guard {
        mesh.set_guard(guard);
    }
    let server = Arc::new(Server::start(mesh.desk(), face.access, face.options)?);
    let http = Arc::clone(&server);
    mesh.set_handover(Handover(Box::new(move |stream, _| http.take(stream))));
    if arguments.launched {
        let handle = mesh.handle();
        handle.watched();
        let watch = thread::Builder::new().name("launcher".to_owned());
        watch
            .spawn(move || obey_launcher(&handle))
            .context("cannot start the watch over the launcher")?;
    }
    mesh.catch_signals()?;
    if let Some(what) = face.alone.filter(|_| !knows_others) {
        tracing::info!("{what}");
    }
    tracing::info!("its page: http://{}/", face.page_at);
    disk::wait_for_incarnation(incarnation);
    let ended = mesh.run();
    if let Some(server) = Arc::into_inner(server) {
        server.stop();
    }
    let (outcome, _) = ended?;
    tracing::info!("the replica ended: {}", outcome.reason);
    Ok(if outcome.reason == Reason::Limit {
        Exit::Failed
    } else {
        Exit::Valid
    })
}

/// The event log of a replica, if it writes one.
struct Log {
    file: Option<LogFile>,
    run: RunId,
    end: Option<LogEnd>,
}

impl ReplicaArguments {
    /// Refuses to be open to other computers without a word, and says on each start who is let in.
    fn say_who_may(&self, listen: SocketAddr, has_secret: bool) -> anyhow::Result<()> {
        let is_exposed = !listen.ip().is_loopback();
        if is_exposed && !has_secret && !self.insecure {
            let text = format!(
                "at {listen} other computers can reach this replica, and without a secret whoever does may read, write and join: \
                 make one with `clocklab secret` and give it to every replica with --secret-file, or say --insecure"
            );
            return Err(Usage(text).into());
        }
        if self.insecure {
            tracing::warn!("--insecure: whoever reaches {listen} may read, write and join");
        }
        if let Some(what) = self.locked_out(is_exposed) {
            tracing::warn!("{what}");
        }
        Ok(())
    }

    /// What keeps every client of HTTP out, if it does.
    fn locked_out(&self, is_exposed: bool) -> Option<&'static str> {
        (self.memory && is_exposed && !self.insecure).then_some(
            "--memory: by HTTP nobody is let in, since other computers can reach this replica, so that every request needs a \
             token, and tokens are kept in the folder of the data. Replicas and the commands of `clocklab kv` come in with the \
             secret; for HTTP use --data, or say --insecure",
        )
    }

    /// Opens the folder of the data, unless all is in memory.
    fn open_data(&self, place: &Whereabouts) -> anyhow::Result<Option<DataFolder>> {
        if self.memory {
            return Ok(None);
        }
        let data = match &self.data {
            Some(data) => data.clone(),
            None => Path::new(DATA).join(format!("replica-{}", place.id.0)),
        };
        let owner = Owner {
            machine: place.id,
            cluster: self.cluster.to_string(),
        };
        DataFolder::open(&data, &owner).map(Some).map_err(folder_error)
    }

    /// Begins the event log, or goes on with that of an earlier life in the same run.
    fn open_log(
        &self,
        place: &Whereabouts,
        incarnation: u32,
        config: &mut kv::Config,
    ) -> anyhow::Result<Log> {
        let run = match &self.run {
            Some(run) => run.clone(),
            None => run_name()?,
        };
        let Some(logs) = &self.logs else {
            return Ok(Log {
                file: None,
                run,
                end: None,
            });
        };
        try_logs(logs)?;
        let greatest = place.members.iter().flatten().map(|member| member.id.0).max();
        let machines = greatest.unwrap_or(0).max(place.id.0).saturating_add(1);
        if machines > MACHINES_MAX {
            let text = format!(
                "--logs: the tools that read event logs know up to {MACHINES_MAX} machines, and this replica, or a member of its \
                 view, has a greater id: give every member a small one, as in --view 0={}",
                place.address
            );
            return Err(Usage(text).into());
        }
        let life =
            Life::of_replica(&logs.join(run.as_str()), place.id).map_err(|error| Usage(error.to_string()))?;
        let Some(life) = life else {
            let header = Header {
                machine: place.id,
                machines,
                rate: None,
                draw: None,
                traffic: Traffic::default(),
                phase_us: None,
                speed: Speed::NORMAL,
                clock: ClockKind::Lamport,
                incarnation: Some(incarnation),
                seed: 0,
                run: run.clone(),
                started: WallTime::default(),
            };
            return Ok(Log {
                file: Some(LogFile::new(logs, header)),
                run,
                end: None,
            });
        };
        let end = life.log_end();
        (config.ticks, config.clock) = (end.tick, end.clock);
        let file = LogFile::resumed(logs, life.header.clone(), life.bytes);
        Ok(Log {
            file: Some(file.map_err(|error| Usage(error.to_string()))?),
            run,
            end: Some(end),
        })
    }

    /// Refuses an id that is none, or is another than the view has for this replica's address.
    fn check_id(&self, id: MachineId, of_view: Option<&Peer>) -> Result<(), Usage> {
        let said = match self.id {
            Some(_) => "--id",
            None => "NODE_IDENTIFIER",
        };
        if id.0 >= kv::IDS {
            return Err(Usage(format!(
                "{said}: {id} is no id: write a number below {}",
                kv::IDS
            )));
        }
        let Some(Peer { id: other, address }) = of_view.filter(|member| member.id != id) else {
            return Ok(());
        };
        let made = match *other == derived_id(address) {
            true => ", made from the address",
            false => "",
        };
        Err(Usage(format!(
            "the view gives {address} the id {other}{made}, and {said} says {id}: write {id}={address} in the view"
        )))
    }

    /// Joins options and environment; options win.
    fn place(&self, environment: &Environment) -> anyhow::Result<Whereabouts> {
        let usage = |name: &str, what: String| Usage(format!("{name}: {what}"));
        let advertised = match (&self.advertise, &environment.socket_address) {
            (Some(address), _) => Some(address.clone()),
            (None, Some(text)) => {
                let address = text.parse::<Address>();
                Some(address.map_err(|error| usage("SOCKET_ADDRESS", error.to_string()))?)
            }
            (None, None) => None,
        };
        let members = match (&self.view, &environment.view) {
            (Some(text), _) => Some(view::parse(text).map_err(|what| usage("--view", what))?),
            (None, Some(text)) => Some(view::parse(text).map_err(|what| usage("VIEW", what))?),
            (None, None) => None,
        };
        let identified = environment.identifier()?;
        let listen = match (&self.listen, &advertised) {
            (Some(text), _) => view::listen_address(text)?,
            (None, Some(address)) if view::is_loopback(address) => view::listen_address(address.as_str())?,
            (None, Some(address)) => SocketAddr::from(([0, 0, 0, 0], address.port())),
            (None, None) if identified.is_some() => view::listen_address(IDENTIFIED_LISTEN)?,
            (None, None) => view::listen_address(LISTEN)?,
        };
        let address = match advertised {
            Some(address) => address,
            None => listen
                .to_string()
                .parse()
                .map_err(|error: crate::service::AddressError| usage("--listen", error.to_string()))?,
        };
        let of_view = members.iter().flatten().find(|member| member.address == address);
        let id = self
            .id
            .map(MachineId)
            .or(identified)
            .or(of_view.map(|member| member.id))
            .unwrap_or_else(|| derived_id(&address));
        self.check_id(id, of_view)?;
        let left_out = members
            .as_deref()
            .and_then(|view| view::left_out(view, id, &address));
        // Nobody but itself, as long as nothing else is said; but one with NODE_IDENTIFIER waits for its view.
        let members = match members {
            None if identified.is_some() => None,
            members => {
                let mut members = members.unwrap_or_default();
                if !members.iter().any(|member| member.id == id) {
                    let address = address.clone();
                    members.push(Peer { id, address });
                }
                Some(members)
            }
        };
        Ok(Whereabouts {
            listen,
            id,
            address,
            members,
            left_out,
        })
    }
}

#[cfg(test)]
mod tests;
