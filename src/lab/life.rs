//! A further life of a machine: what its own log says it was, and how old its run is by now.
#![allow(clippy::disallowed_methods, reason = "how old a run is, the wall clock says")]

use std::{
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::Utc;
use thiserror::Error;

use crate::{
    faults::lasts_in,
    mesh,
    model::{self, Memory, Phase},
    trace::{Entry, FaultNote, Header, Line, LogReader, ReadError, Record, WallTime},
    units::MachineId,
    wire::{Reason, Standing},
};

/// What a machine's log says of its earlier lives.
#[derive(Clone, Debug)]
pub struct Life {
    /// What it was told at its first start.
    pub header: Header,
    /// What it goes on from.
    pub memory: Memory,
    /// The greatest number of a fault in its log; 0 if there was none.
    fault_id_max: u32,
    /// How long its log was, in bytes; whoever writes it on finds it as long.
    pub bytes: u64,
    /// The last fault of the machine itself in its log, and when it began.
    fault: Option<(WallTime, FaultNote)>,
    ended: Option<Reason>,
}

/// What is to become of a machine that SIGKILL ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// No fault of its own log explains it.
    Unforeseen,
    /// A fault killed it, and it stays dead.
    Final,
    /// A fault killed it, and it is to be started again so long after that.
    Until(Duration),
}

/// Why a machine cannot be started again.
#[derive(Debug, Error)]
pub enum LifeError {
    /// Its log is not there.
    #[error(
        "{}: {error}; a machine is started again in a run that it was in: name it with --run, and its folder's place with --logs",
        path.display()
    )]
    NoLog {
        /// Where it should be.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// Its log cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// It ended in order.
    #[error("{}: machine {machine} ended in order ({reason}), so it cannot be started again; make a new run", path.display())]
    Ended {
        /// Its log.
        path: PathBuf,
        /// Who.
        machine: MachineId,
        /// Why it ended.
        reason: Reason,
    },
    /// The log is of another machine, or of another system.
    #[error("{}: this is no log of a store's replica {machine}; give another --run", path.display())]
    ForeignReplica {
        /// The log.
        path: PathBuf,
        /// Whose it should be.
        machine: MachineId,
    },
    /// The log is of a store's replica.
    #[error(
        "{}: {machine} is a replica of a store: start it again with `clocklab kv replica --id {machine} …`; the `clocklab kv run` \
         that started it says the whole line, and so does the README",
        path.display()
    )]
    OfAStore {
        /// The log.
        path: PathBuf,
        /// Whose it is.
        machine: MachineId,
    },
    /// The log is of another machine, or of another system.
    #[error(
        "{}: this is no log of a scale model's machine {machine}: give another --run, or another --id",
        path.display()
    )]
    Foreign {
        /// The log.
        path: PathBuf,
        /// Whose it should be.
        machine: MachineId,
    },
}

impl Life {
    /// Reads the log of machine `me` in a run's folder, up to its last whole line.
    ///
    /// # Errors
    /// [`LifeError`] if it is not there, or is not one that a machine can go on from.
    pub fn read(folder: &Path, me: MachineId) -> Result<Self, LifeError> {
        let path = folder.join(format!("machine-{me}.log"));
        let life = Self::of(&path)?;
        if life.header.machine == me && life.header.incarnation.is_some() {
            return Err(LifeError::OfAStore { path, machine: me });
        }
        if life.header.machine != me || life.header.rate.is_none() || life.header.draw.is_none() {
            return Err(LifeError::Foreign { path, machine: me });
        }
        match life.ended {
            Some(reason) => Err(LifeError::Ended {
                path,
                machine: me,
                reason,
            }),
            None => Ok(life),
        }
    }

    /// Reads the log of replica `me` of a store in a run's folder, up to its last whole line; `None` if it has none yet.
    /// Unlike a machine, whose run is over then, a replica that ended in order may go on.
    ///
    /// # Errors
    /// [`LifeError`] if it is not one that a replica can go on from.
    pub fn of_replica(folder: &Path, me: MachineId) -> Result<Option<Self>, LifeError> {
        let path = folder.join(format!("machine-{me}.log"));
        let life = match Self::of(&path) {
            Err(LifeError::NoLog { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            life => life?,
        };
        if life.header.machine != me || life.header.incarnation.is_none() {
            return Err(LifeError::ForeignReplica { path, machine: me });
        }
        Ok(Some(life))
    }

    /// What its log ends with.
    #[must_use]
    pub fn log_end(&self) -> mesh::LogEnd {
        mesh::LogEnd {
            at: self.memory.last_at,
            tick: self.memory.ticks,
            clock: self.memory.clock,
            fault_id_max: self.fault_id_max,
        }
    }

    fn of(path: &Path) -> Result<Self, LifeError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.map_err(|error| LifeError::NoLog {
            path: path.to_owned(),
            error,
        })?;
        let mut reader = LogReader::new(path.display().to_string(), BufReader::new(file))?;
        let mut life = Self {
            header: reader.header().clone(),
            memory: Memory::new(reader.header()),
            fault_id_max: 0,
            bytes,
            fault: None,
            ended: None,
        };
        let mut entry = Entry {
            line: 0,
            what: Line::Unknown,
        };
        while reader.next_into(&mut entry)? {
            if let Line::Record { at, record } = &entry.what {
                life.take(*at, record);
            }
        }
        life.memory = life.memory.at_death();
        Ok(life)
    }

    fn take(&mut self, at: WallTime, record: &Record) {
        self.memory.take(at, record);
        match record {
            Record::Fault(note) => {
                self.fault_id_max = self.fault_id_max.max(note.id);
                if note.to.is_empty() {
                    self.fault = Some((at, (**note).clone()));
                }
            }
            // What killed the life before explains nothing any more.
            Record::Restarted { .. } => (self.fault, self.ended) = (None, None),
            Record::Ended(footer) => self.ended = footer.reason,
            Record::Event(_)
            | Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Mended { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Pace { .. }
            | Record::Jumped { .. }
            | Record::Data(_) => {}
        }
    }

    /// How a machine or a replica that SIGKILL ended is to go on, by the log in its run's folder.
    #[must_use]
    pub fn death(folder: &Path, me: MachineId) -> Death {
        let life = Self::unended(folder, me);
        let Some((at, note)) = life.and_then(|life| life.fault).filter(|(_, note)| note.kills()) else {
            return Death::Unforeseen;
        };
        match lasts_in(&note) {
            Some(lasts) => {
                // The time since the kill is gone already.
                let gone = u64::try_from(now().us_since(at)).unwrap_or(0);
                Death::Until(lasts.saturating_sub(Duration::from_micros(gone)))
            }
            None => Death::Final,
        }
    }

    /// How much longer a fault lets a machine stand still; nothing if none does.
    #[must_use]
    pub fn stands_still(folder: &Path, me: MachineId) -> Duration {
        match Self::unended(folder, me).and_then(|life| life.fault) {
            Some((at, note)) if note.kind == "pause" => {
                let gone = u64::try_from(now().us_since(at)).unwrap_or(0);
                let lasts = lasts_in(&note).unwrap_or_default();
                lasts.saturating_sub(Duration::from_micros(gone))
            }
            _ => Duration::ZERO,
        }
    }

    /// What the log of a machine or a replica says, unless it cannot be read or its last life ended in order.
    fn unended(folder: &Path, me: MachineId) -> Option<Self> {
        let life = Self::of(&folder.join(format!("machine-{me}.log"))).ok()?;
        (life.header.machine == me && life.ended.is_none()).then_some(life)
    }

    /// How old the run is.
    #[must_use]
    pub fn run_age(&self) -> Duration {
        let age = now().us_since(self.header.started);
        Duration::from_micros(u64::try_from(age).unwrap_or(0))
    }

    /// Its place in the mesh, made from that of a first life.
    #[must_use]
    pub fn place(&self, first: mesh::Config) -> mesh::Config {
        mesh::Config {
            incarnation: self.memory.incarnation,
            run: self.header.run.clone(),
            standing: Standing::Given,
            run_age: self.run_age(),
            log_end: Some(self.log_end()),
            ..first
        }
    }

    /// Where its first tick fell: drawn, or at the start.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let drawn = model::Config {
            me: self.header.machine,
            machines: self.header.machines,
            rate: self.header.rate.unwrap_or(1),
            speed: self.header.speed,
            draw: self.header.draw.unwrap_or(model::DRAW_DEFAULT),
            traffic: self.header.traffic,
            phase: Phase::Random,
            clock: self.header.clock,
            seed: self.header.seed,
        };
        match Some(drawn.phase_us()) == self.header.phase_us {
            true => Phase::Random,
            false => Phase::Aligned,
        }
    }
}

fn now() -> WallTime {
    WallTime(Utc::now().timestamp_micros())
}
