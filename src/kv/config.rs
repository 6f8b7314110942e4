//! Parameters of a replica, with units and bounds.

use thiserror::Error;

use crate::{
    service::{Address, Peer},
    units::MachineId,
};

/// What a replica is told before its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its id: unique among all that ever were members.
    pub id: MachineId,
    /// Where others reach it.
    pub address: Address,
    /// The members of the beginning, in any order, with or without this one; `None`: no member of anything until it is
    /// told (the 2025 form of the assignment).
    pub members: Option<Vec<Peer>>,
    /// Time between heartbeats.
    pub heartbeat_us: u64,
    /// Suspicion at which a silent peer is taken to be gone (phi; Hayashibara and others 2004), in thousandths.
    pub phi_permille_max: u64,
    /// How long a gap is seen before it is pulled. Not at once: what is only under way would be sent twice, and the
    /// assignment's tests look at a gap for more than a second.
    pub repair_after_us: u64,
    /// How long an answer waits for pushes to live peers ([`Copies::Pushed`](super::Copies)).
    pub push_us_max: u64,
    /// Bytes of writes that are kept to be sent again.
    pub log_bytes_max: usize,
    /// Bytes of writes that wait for others; beyond it they are dropped and pulled later.
    pub buffer_bytes_max: usize,
    /// Whether answers wait for the disk.
    pub disk: DiskRule,
    /// Requests of the wire's clients that wait at once, and as many that watch; beyond it they are told that it is busy.
    /// (HTTP bounds its own.)
    pub waiting_max: usize,
    /// Those of one client's connection among them: so many wait, and as many watch.
    pub waiting_seat_max: usize,
    /// Writes that a watch may go back to …
    pub history_max: usize,
    /// … as far as they have no more bytes than this, about.
    pub history_bytes_max: usize,
    /// Bytes of the requests of the wire's clients that wait, about; beyond it they are told that it is busy.
    pub waiting_bytes_max: usize,
    /// The last tick in the event log of its earlier lives; 0 if there is none.
    pub ticks: u64,
    /// The last clock there; 0 if there is none.
    pub clock: u64,
    /// The secret of the hash by which keys are found in memory: random, so that no client can choose keys which meet.
    /// Nothing that is done or answered depends on it.
    pub hash_secret: [u64; 2],
}

/// Whether answers wait for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskRule {
    /// An answer leaves once the disk has what it names.
    #[default]
    Waits,
    /// Answers leave at once; the disk gets what changed within a tenth of a second, or later if it is slower.
    Behind,
    /// Answers leave at once: there is no disk, and no row is made for it.
    Nowhere,
}

/// A parameter out of its bounds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A number is too small or too large.
    #[error("{name} is {value}, and has to be {least} to {most}")]
    OutOfBounds {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: u64,
        /// Lower bound.
        least: u64,
        /// Upper bound.
        most: u64,
    },
    /// Two members have one id, or one address.
    #[error(
        "{first} and {second} of the view are both {what}: give each member an id and an address of its own"
    )]
    Twice {
        /// The one.
        first: Address,
        /// The other.
        second: Address,
        /// What they share.
        what: String,
    },
    /// This replica's own id is another one's.
    #[error("the view has {other} as machine {id}, and this replica is {mine}: give it its own id with --id")]
    NotMe {
        /// The id.
        id: MachineId,
        /// Who the view says has it.
        other: Address,
        /// This replica's address.
        mine: Address,
    },
}

impl Config {
    /// A replica with the usual times and limits.
    #[must_use]
    pub fn new(id: MachineId, address: Address, members: Option<Vec<Peer>>) -> Self {
        Self {
            id,
            address,
            members,
            heartbeat_us: 200_000,
            phi_permille_max: 8000,
            repair_after_us: 2_000_000,
            push_us_max: 1_000_000,
            log_bytes_max: 64 << 20,
            buffer_bytes_max: 64 << 20,
            disk: DiskRule::Waits,
            waiting_max: 10_000,
            waiting_seat_max: 500,
            history_max: 10_000,
            history_bytes_max: 64 << 20,
            waiting_bytes_max: 64 << 20,
            ticks: 0,
            clock: 0,
            hash_secret: [0, 0],
        }
    }

    /// Whether a replica can work with this.
    ///
    /// # Errors
    /// [`ConfigError`] names the parameter.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let bounds = [
            (
                "the time between heartbeats, in microseconds",
                self.heartbeat_us,
                1000,
                60_000_000,
            ),
            (
                "the suspicion, in thousandths of phi",
                self.phi_permille_max,
                500,
                100_000,
            ),
            (
                "the time before repair, in microseconds",
                self.repair_after_us,
                1000,
                3_600_000_000,
            ),
            (
                "the longest push, in microseconds",
                self.push_us_max,
                1000,
                60_000_000,
            ),
            (
                "the log's size, in bytes",
                self.log_bytes_max as u64,
                1 << 20,
                1 << 40,
            ),
            (
                "the buffer's size, in bytes",
                self.buffer_bytes_max as u64,
                1 << 20,
                1 << 40,
            ),
            (
                "the number of waiting requests",
                self.waiting_max as u64,
                1,
                1_000_000,
            ),
            (
                "the number of remembered writes",
                self.history_max as u64,
                0,
                10_000_000,
            ),
        ];
        for (name, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::OutOfBounds {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        self.validate_members()
    }

    /// No two members share an id or an address, and this replica's id is its own.
    fn validate_members(&self) -> Result<(), ConfigError> {
        let members = self.members.as_deref().unwrap_or_default();
        for (place, first) in members.iter().enumerate() {
            if first.id == self.id && first.address != self.address {
                return Err(ConfigError::NotMe {
                    id: self.id,
                    other: first.address.clone(),
                    mine: self.address.clone(),
                });
            }
            for second in members.iter().skip(place + 1) {
                let what = match () {
                    () if first.id == second.id => format!("machine {}", first.id),
                    () if first.address == second.address => format!("at {}", first.address),
                    () => continue,
                };
                return Err(ConfigError::Twice {
                    first: first.address.clone(),
                    second: second.address.clone(),
                    what,
                });
            }
        }
        Ok(())
    }
}
