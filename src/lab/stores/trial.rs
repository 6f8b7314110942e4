//! One simulated run of the store, from its settings to what is wrong with it.

use std::{collections::BTreeSet, fs, io, ops::RangeInclusive, path::Path};

use super::{
    book::{Book, Terms},
    counts::Counts,
    disks::Disks,
    logs::Logs,
    operator::Plan,
};
use crate::{
    dice::{Purpose, Stream},
    kv::{
        self, Replica,
        history::{History, Level},
    },
    lab::EPOCH,
    service::{Peer, Service},
    sim::{
        Latency,
        open::{Config, Made, Place, Schedule, Simulation, Totals},
    },
    units::{MachineId, Time},
    wire::RunId,
};

/// How long before the end of a run all troubles are over, in microseconds: repair, suspicion and a return after a back-off
/// have their time, and one more second is for the last reads.
pub const SETTLE_US: u64 = 12_000_000;

/// From the last reads to the end, in microseconds.
const LAST_US: u64 = 1_000_000;

/// How many replicas a run may have.
pub const REPLICAS: RangeInclusive<u16> = 2..=7;

/// Most clients of a run.
pub const CLIENTS_MAX: usize = 1000;

/// What is broken in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreFaults {
    /// Nothing.
    None,
    /// What is drawn from the seed ([`Schedule::random`]).
    #[default]
    Random,
    /// This.
    Schedule(Schedule),
}

/// Whether members come and go in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// All are members from the beginning to the end.
    #[default]
    Fixed,
    /// One more joins by itself, and an operator drains, removes, replaces and takes back.
    Changes,
}

/// A run of the store to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreTrial {
    /// How many replicas; `None` draws 3 to 5 from the seed.
    pub replicas: Option<u16>,
    /// How many clients.
    pub clients: usize,
    /// How many watches.
    pub watches: u16,
    /// Whether members come and go.
    pub members: Membership,
    /// How long, in microseconds: more than [`SETTLE_US`].
    pub duration_us: u64,
    /// Time between two requests of a client, on average, in microseconds.
    pub think_us: u64,
    /// What is broken.
    pub faults: StoreFaults,
    /// What decides everything.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Trialled {
    /// The seed.
    pub seed: u64,
    /// Everything that is wrong, at most some dozens.
    pub broken: Vec<String>,
    /// What clients did.
    pub counts: Counts,
    /// What the driver counted.
    pub totals: Totals,
    /// What went wrong on purpose.
    pub schedule: Schedule,
    /// How members were to come and go.
    pub changes: Vec<String>,
    /// What clients recorded, one line an operation.
    pub history: String,
    /// The event log of each machine, if they were asked for.
    pub logs: Vec<(MachineId, Vec<u8>)>,
}

/// Whether the event logs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only the verdict and the history.
    Verdict,
    /// The logs too.
    Logs,
}

impl StoreTrial {
    /// How many replicas the run has at first.
    #[must_use]
    pub fn replicas(&self) -> u16 {
        let drawn = || 3 + u16::try_from(self.dice().below(3)).unwrap_or(0);
        self.replicas.unwrap_or_else(drawn)
    }

    /// How many there are at most: with one that joins.
    #[must_use]
    pub fn machines(&self) -> u16 {
        match self.members {
            Membership::Fixed => self.replicas(),
            Membership::Changes => self.replicas() + 1,
        }
    }

    fn dice(&self) -> Stream {
        Stream::new(self.seed, MachineId(u16::MAX), Purpose::Clients)
    }

    /// When all troubles are over.
    fn heals_us(&self) -> u64 {
        self.duration_us.saturating_sub(SETTLE_US)
    }

    /// What goes wrong in it.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        match &self.faults {
            StoreFaults::None => Schedule {
                seed: self.seed,
                troubles: Vec::new(),
            },
            StoreFaults::Random => Schedule::random(self.seed, self.machines(), self.heals_us()),
            StoreFaults::Schedule(schedule) => schedule.clone(),
        }
    }

    /// The run's name.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        let name = format!("store-{}", self.seed);
        match name.parse() {
            Ok(run) => run,
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// Runs it with the store's replicas.
    #[must_use]
    pub fn run(&self, keep: Keep) -> Trialled {
        self.run_with(keep, |_, config| match Replica::new(config) {
            Ok(replica) => replica,
            Err(error) => panic!("a replica of the simulation: {error}"),
        })
    }

    /// Runs it with the replicas that `make` makes.
    #[must_use]
    pub fn run_with<S>(&self, keep: Keep, mut make: impl FnMut(Made, kv::Config) -> S + 'static) -> Trialled
    where
        S: Service<Request = kv::Request, Reply = kv::Reply>,
    {
        let config = self.config();
        let terms = Terms {
            replicas: self.machines(),
            members_min: usize::from(self.replicas()),
            clients: self.clients,
            watches: self.watches,
            think_us: self.think_us,
            heals: Time(self.heals_us()),
            settled: Time(self.duration_us.saturating_sub(LAST_US)),
            seed: self.seed,
        };
        let memory_only: BTreeSet<MachineId> = MachineId::all(terms.replicas)
            .zip(&config.machines)
            .filter(|(_, place)| !place.has_disk)
            .map(|(machine, _)| machine)
            .collect();
        let logs = (keep == Keep::Logs).then(|| Logs::new(self.run_id(), self.seed, terms.replicas));
        let mut book = Book::new(terms, memory_only, logs);
        book.disks = Some(Disks::default());
        if self.members == Membership::Changes {
            let addresses = config.machines.iter().map(|place| place.address.clone());
            let plan = Plan::draw(self.seed, self.replicas(), addresses.collect(), self.heals_us());
            book.terms.members_min = plan.members_min;
            book.operator = plan.operator;
            book.members = plan.members;
        }
        let first = self.replicas();
        let peers: Vec<Peer> = MachineId::all(terms.replicas)
            .zip(&config.machines)
            .map(|(id, place)| Peer {
                id,
                address: place.address.clone(),
            })
            .collect();
        let schedule = config.schedule.clone();
        let simulation = Simulation::new(config, move |made| {
            let mut config = settings(made, &peers, first);
            config.ticks = made.ticks;
            config.clock = made.clock;
            make(made, config)
        });
        let totals = simulation.and_then(|simulation| simulation.run(&mut book));
        let totals = totals.unwrap_or_else(|error| {
            book.breaks(error.to_string());
            Totals::default()
        });
        book.judge_end();
        judge_history(&mut book);
        if book.broken_more > 0 {
            let more = format!("and {} more", book.broken_more);
            book.broken.push(more);
        }
        let logs = book.logs.map(|logs| logs.logs).unwrap_or_default();
        Trialled {
            seed: self.seed,
            broken: book.broken,
            counts: book.counts,
            totals,
            schedule,
            changes: book.operator.planned.iter().map(ToString::to_string).collect(),
            history: book.recorded.text,
            logs: logs
                .into_iter()
                .map(|(machine, log)| (machine, log.bytes))
                .collect(),
        }
    }

    /// The end of a run that came to none.
    pub(super) fn broken_off(&self, why: String) -> Trialled {
        Trialled {
            seed: self.seed,
            broken: vec![why],
            counts: Counts::default(),
            totals: Totals::default(),
            schedule: self.schedule(),
            changes: Vec::new(),
            history: String::new(),
            logs: Vec::new(),
        }
    }

    /// What the driver is told. One replica in some is started late, into a cluster that works; clocks differ; one in many
    /// has no disk.
    fn config(&self) -> Config {
        let replicas = self.machines();
        let mut dice = self.dice();
        dice.bits();
        let joins = self.members == Membership::Changes;
        let place = |id: u16, dice: &mut Stream| {
            let is_late = id == replicas - 1 && (dice.below(4) == 0 || joins);
            let first = dice.below(1_500_000);
            let starts = match is_late {
                true => self.heals_us() / 2 + first,
                false => first,
            };
            let skew_us = i64::try_from(dice.below(4_000_000)).unwrap_or(0) - 2_000_000;
            let rate_ppm = 999_000 + u32::try_from(dice.below(2000)).unwrap_or(0);
            let text = format!("store-{id}:8090");
            Place {
                address: match text.parse() {
                    Ok(address) => address,
                    Err(error) => panic!("{error}"),
                },
                starts: Some(Time(starts)),
                has_disk: dice.below(16) > 0,
                skew_us,
                rate_ppm,
            }
        };
        let machines = (0..replicas).map(|id| place(id, &mut dice)).collect();
        Config {
            machines,
            duration_us: self.duration_us,
            latency: Latency::Exponential {
                mean_us: 300 + dice.below(3000),
            },
            round_us_max: 400,
            sync: Latency::Uniform {
                from_us: 500,
                to_us: 10_000,
            },
            schedule: self.schedule(),
            seed: self.seed,
            epoch: EPOCH,
        }
    }
}

/// What a replica is told: the first members from the beginning, and itself.
fn settings(made: Made, peers: &[Peer], first: u16) -> kv::Config {
    let me = peers.get(made.machine.index());
    let address = match me {
        Some(peer) => peer.address.clone(),
        None => panic!("machine {} is none of the simulation", made.machine),
    };
    let is_told = |peer: &&Peer| peer.id.0 < first || peer.id == made.machine;
    let view = peers.iter().filter(is_told).cloned().collect();
    kv::Config::new(made.machine, address, Some(view))
}

/// The history is causally consistent and convergent.
pub(super) fn judge_history(book: &mut Book) {
    let mut history = History::default();
    let text = std::mem::take(&mut book.recorded.text);
    let judged = history
        .read("history.jsonl", &mut text.as_bytes())
        .and_then(|()| history.judge(Level::Convergent));
    book.recorded.text = text;
    match judged {
        Err(error) => book.breaks(format!("the history cannot be judged: {error}")),
        // What was on lost disks alone was promised, and is gone: the history cannot know that.
        Ok(verdict) if book.counts.destroyed > 0 || book.counts.released > 0 => drop(verdict),
        Ok(verdict) if verdict.is_valid() => {}
        Ok(verdict) => book.breaks(format!("the history is not consistent:\n{verdict}")),
    }
}

impl Trialled {
    /// Writes what is needed to look into it: the event logs, the history, the schedule, and what is broken.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for (machine, bytes) in &self.logs {
            fs::write(folder.join(format!("machine-{machine}.log")), bytes)?;
        }
        fs::write(folder.join("history.jsonl"), &self.history)?;
        fs::write(folder.join("schedule.txt"), self.schedule.to_string())?;
        fs::write(folder.join("members.txt"), self.changes.join("\n"))?;
        fs::write(folder.join("broken.txt"), self.broken.join("\n"))
    }
}
