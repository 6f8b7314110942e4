//! Simulated runs of the scale model: the virtual-time driver with the model's machines on it, and where its records
//! go: into counts, and into log files like those of real machines.
//!
//! Wall time in the logs begins at [`EPOCH`] with the first dial, so the same settings give the same bytes. The run's
//! name is part of them: it stands in each header.

use std::{
    cell::RefCell,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    rc::Rc,
};

use thiserror::Error;

use super::{run_folder::RunFile, settings};
use crate::{
    clock::ClockKind,
    faults::Plan,
    inspect::{Inspection, RunSummary, Verdict},
    mesh::LogError,
    model::{self, ConfigError, Machine, Memory, Phase},
    sim::{self, Latency, Observer, SimError, Simulation, Totals},
    trace::{Header, LineWriter, Record, Traffic, WallTime},
    units::{MachineId, Speed, Time},
    wire::RunId,
};

/// Wall time of the first dial of every simulated run: 2000-01-01T00:00:00Z.
pub const EPOCH: WallTime = WallTime(946_684_800_000_000);

/// Lines of one machine that are kept before they are written, at most: in bytes.
const BATCH_BYTES_MAX: usize = 64 << 10;

/// The same of all machines together: files are opened for each batch, since thousands cannot stay open.
const BATCHES_BYTES_MAX: usize = 64 << 20;

/// A run of the scale model to simulate, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// Ticks a second, one rate a machine; their number is that of the machines.
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
    /// From each machine's start to its stop, in microseconds.
    pub duration_us: u64,
    /// How long messages are under way.
    pub latency: Latency,
    /// What is broken, if anything.
    pub faults: Option<Plan>,
    /// The run's seed.
    pub seed: u64,
    /// The run's id.
    pub run: RunId,
}

/// Where the faults of simulated runs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SimulatedFaults {
    /// Nothing is broken.
    #[default]
    None,
    /// The same plan for every run; its messages are rolled for with the plan's seed, or else the run's.
    Plan(Plan),
    /// Faults of links and machines, drawn for each run from its seed ([`Plan::random`]).
    Random,
}

impl SimulatedFaults {
    /// The plan of the run with this seed.
    #[must_use]
    pub fn for_run(&self, seed: u64, machines: u16, duration_us: u64) -> Option<Plan> {
        match self {
            SimulatedFaults::None => None,
            SimulatedFaults::Plan(plan) => Some(plan.clone()),
            SimulatedFaults::Random => Some(Plan::random(seed, machines, duration_us)),
        }
    }

    /// A line that says what is broken, for the head of a report; of a run that is the only one its `plan`.
    #[must_use]
    pub fn said(&self, plan: Option<&Plan>) -> String {
        match (self, plan) {
            (SimulatedFaults::None, _) => String::new(),
            (SimulatedFaults::Plan(plan), _) => match plan.faults.len() {
                1 => "1 fault by plan\n".to_owned(),
                faults => format!("{faults} faults by plan\n"),
            },
            (SimulatedFaults::Random, Some(plan)) => {
                let faults = plan.faults.iter().map(|timed| timed.fault.to_string());
                format!(
                    "faults drawn from the seed: {}\n",
                    faults.collect::<Vec<_>>().join("; ")
                )
            }
            (SimulatedFaults::Random, None) => "faults drawn from each seed\n".to_owned(),
        }
    }
}

/// What came of it. There is no verdict on runs too large to be judged.
#[derive(Debug)]
pub struct SimulatedEnd {
    /// Whether every rule held.
    pub verdict: Option<Verdict>,
    /// What each machine did.
    pub summary: RunSummary,
    /// What the driver counted.
    pub totals: Totals,
}

/// Why a run cannot be simulated.
#[derive(Debug, Error)]
pub enum SimulatedError {
    /// The simulation cannot go on.
    #[error("run {run}, seed {seed}: {error}")]
    Sim {
        /// The run.
        run: RunId,
        /// Its seed.
        seed: u64,
        /// Why.
        error: SimError,
    },
    /// A rule is broken: a fault of this program, and no figure of such a run is worth anything.
    #[error("the simulated run of seed {seed} broke a rule:\n{verdict}")]
    Broken {
        /// Its seed.
        seed: u64,
        /// What was broken.
        verdict: Box<Verdict>,
    },
    /// A log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Simulated {
    /// How many machines the run has.
    #[must_use]
    pub fn machines(&self) -> u16 {
        u16::try_from(self.rates.len()).unwrap_or(u16::MAX)
    }

    /// The scale model's configuration of one machine.
    ///
    /// # Errors
    /// [`ConfigError`] for a parameter outside its bounds.
    pub fn model(&self, me: MachineId) -> Result<model::Config, ConfigError> {
        let config = self.unchecked(me);
        config.validate().map(|()| config)
    }

    fn unchecked(&self, me: MachineId) -> model::Config {
        model::Config {
            me,
            machines: self.machines(),
            rate: self.rates.get(me.index()).copied().unwrap_or_default(),
            speed: self.speed,
            draw: self.draw,
            traffic: self.traffic,
            phase: self.phase,
            clock: self.clock,
            seed: self.seed,
        }
    }

    /// Runs it and counts; keeps no record.
    ///
    /// # Errors
    /// [`SimulatedError::Sim`] if a limit of the simulation is reached.
    pub fn count(&self) -> Result<SimulatedEnd, SimulatedError> {
        let (simulation, headers, memories) = self.connect()?;
        let mut counts = Counts(Inspection::new(self.run.as_str(), &headers));
        let totals = run(simulation, &mut counts, memories).map_err(|error| self.failed(error))?;
        let (verdict, summary) = counts.0.finish();
        Ok(SimulatedEnd {
            verdict,
            summary,
            totals,
        })
    }

    /// Runs it, counts, and writes the run's folder below `logs`, described by `file`. Returns the folder as well.
    ///
    /// # Errors
    /// [`SimulatedError`] if a log cannot be written, or a limit of the simulation is reached.
    pub fn write(&self, logs: &Path, file: &RunFile) -> Result<(PathBuf, SimulatedEnd), SimulatedError> {
        let (simulation, headers, memories) = self.connect()?;
        let folder = logs.join(self.run.as_str());
        fs::create_dir_all(&folder)
            .and_then(|()| file.write(&folder))
            .map_err(|error| LogError::Folder {
                folder: folder.clone(),
                error,
            })?;
        let mut both = CountsAndLogs {
            counts: Counts(Inspection::new(&folder.display().to_string(), &headers)),
            logs: Logs::create(&folder, &headers)?,
        };
        let totals = run(simulation, &mut both, memories).map_err(|error| self.failed(error))?;
        both.logs.close()?;
        let (verdict, summary) = both.counts.0.finish();
        let end = SimulatedEnd {
            verdict,
            summary,
            totals,
        };
        Ok((folder, end))
    }

    /// The simulation before its first event, the header of each machine's log, and what logs say of machines that may
    /// die, if any may.
    fn connect(&self) -> Result<Connected, SimulatedError> {
        let config = sim::Config {
            machines: self.machines(),
            duration_us: self.duration_us,
            latency: self.latency,
            faults: self.faults.as_ref().map(|plan| plan.seeded(self.seed)),
            seed: self.seed,
            run: self.run.clone(),
            epoch: EPOCH,
        };
        let node = |me| Machine::new(self.unchecked(me));
        let may_die = self.faults.as_ref().is_some_and(Plan::has_process_faults);
        let memories = may_die.then(Memories::default);
        let simulation = match &memories {
            None => Simulation::new(config, node),
            Some(memories) => {
                let (run, memories) = (self.clone(), Rc::clone(memories));
                Simulation::with_lives(config, node, move |me| run.revive(me, &memories))
            }
        };
        let simulation = simulation.map_err(|error| self.failed(error))?;
        let headers = MachineId::all(self.machines()).zip(simulation.starts());
        let headers: Vec<Header> = headers
            .map(|(me, started)| Header {
                started: wall(*started),
                ..settings::header(&self.unchecked(me), self.run.clone())
            })
            .collect();
        if let Some(memories) = &memories {
            memories.borrow_mut().extend(headers.iter().map(Memory::new));
        }
        Ok((simulation, headers, memories))
    }

    /// A further life of a machine, made from what its log says.
    fn revive(&self, me: MachineId, memories: &Memories) -> Machine {
        let memory = memories.borrow().get(me.index()).cloned();
        match memory {
            Some(memory) => Machine::resumed(self.unchecked(me), &memory.at_death()),
            None => panic!("machine {me} has no log"),
        }
    }

    fn failed(&self, error: SimError) -> SimulatedError {
        SimulatedError::Sim {
            run: self.run.clone(),
            seed: self.seed,
            error,
        }
    }
}

/// A simulation, the headers of its logs, and what the logs say of machines that may die.
type Connected = (Simulation<Machine>, Vec<Header>, Option<Memories>);

/// By machine; shared by those who write it and those who make further lives from it.
type Memories = Rc<RefCell<Vec<Memory>>>;

/// Runs a simulation to its end, and keeps what machines that may die go on from.
fn run(
    simulation: Simulation<Machine>,
    observer: &mut impl Observer,
    memories: Option<Memories>,
) -> Result<Totals, SimError> {
    match memories {
        None => simulation.run(observer),
        Some(memories) => simulation.run(&mut Remembering { observer, memories }),
    }
}

/// Tells an observer, and keeps what machines go on from.
struct Remembering<'a, O> {
    observer: &'a mut O,
    memories: Memories,
}

impl<O: Observer> Observer for Remembering<'_, O> {
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        if let Some(memory) = self.memories.borrow_mut().get_mut(machine.index()) {
            memory.take(wall(at), record);
        }
        self.observer.record(machine, at, record);
    }
}

/// Virtual time as it stands in logs.
fn wall(at: Time) -> WallTime {
    EPOCH.carried(Time(0), at)
}

struct Counts(Inspection);

impl Observer for Counts {
    #[inline]
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        self.0.record(machine, wall(at), record);
    }
}

struct CountsAndLogs {
    counts: Counts,
    logs: Logs,
}

impl Observer for CountsAndLogs {
    #[inline]
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        self.counts.record(machine, at, record);
        self.logs.record(machine, at, record);
    }
}

/// The log files of all machines.
struct Logs {
    machines: Vec<Log>,
    batch_bytes: usize,
    /// The first that went wrong; nothing is written behind it.
    error: Option<LogError>,
}

struct Log {
    path: PathBuf,
    lines: LineWriter,
    batch: Vec<u8>,
}

impl Logs {
    /// Makes the files, with their headers.
    fn create(folder: &Path, headers: &[Header]) -> Result<Self, LogError> {
        let mut logs = Self {
            machines: Vec::with_capacity(headers.len()),
            batch_bytes: (BATCHES_BYTES_MAX / headers.len().max(1)).min(BATCH_BYTES_MAX),
            error: None,
        };
        for header in headers {
            let mut log = Log {
                path: folder.join(format!("machine-{}.log", header.machine)),
                lines: LineWriter::default(),
                batch: Vec::new(),
            };
            log.lines.write_header(header, &mut log.batch);
            let created = OpenOptions::new().write(true).create_new(true).open(&log.path);
            created
                .and_then(|mut file| file.write_all(&log.batch))
                .map_err(|error| LogError::Create {
                    path: log.path.clone(),
                    error,
                })?;
            log.batch.clear();
            logs.machines.push(log);
        }
        Ok(logs)
    }

    /// Writes what is left.
    fn close(mut self) -> Result<(), LogError> {
        for log in &mut self.machines {
            if self.error.is_none() {
                self.error = log.flush().err();
            }
        }
        self.error.map_or(Ok(()), Err)
    }
}

impl Observer for Logs {
    #[inline]
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        let Some(log) = self.machines.get_mut(machine.index()) else {
            return;
        };
        log.lines.write(wall(at), record, &mut log.batch);
        if log.batch.len() >= self.batch_bytes {
            if self.error.is_none() {
                self.error = log.flush().err();
            }
            log.batch.clear();
        }
    }
}

impl Log {
    fn flush(&mut self) -> Result<(), LogError> {
        let written: io::Result<()> = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(&self.batch));
        self.batch.clear();
        written.map_err(|error| LogError::Write {
            path: self.path.clone(),
            error,
        })
    }
}
