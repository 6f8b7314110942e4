//! A simulated client's session: where it is, what it has seen, and what it asks next.

use std::collections::BTreeMap;

use super::ask::{Ask, Own};
use crate::{
    clock::VersionVector,
    dice::{Purpose, Stream},
    kv::{Copies, Token},
    units::{MachineId, Time},
};

/// Registers that everybody writes, and those that keep concurrent values.
const REGISTERS: u64 = 6;
const SIBLINGS: u64 = 2;

/// Sets.
pub(super) const SETS: usize = 2;

/// Longest time that a request may wait at a replica.
const WAIT_US_MAX: u64 = 3_000_000;

/// What a session knows that it has to see again, at least: of each session's register its number.
pub(super) type Floors = BTreeMap<Own, u64>;

/// One client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) place: usize,
    pub(super) at: MachineId,
    /// One in eight does not: it has no guarantees, and asks for none.
    pub(super) carries: bool,
    pub(super) token: Token,
    pub(super) floors: Floors,
    /// Bits of counters that it has seen or added.
    pub(super) bits: BTreeMap<usize, u64>,
    /// Of a register the value that it saw or wrote last.
    pub(super) seen: BTreeMap<String, String>,
    /// The mark of a register that it has read, and nothing since.
    pub(super) marks: BTreeMap<String, VersionVector>,
    /// Elements that it has seen or inserted.
    pub(super) elements: Vec<(usize, String)>,
    /// The register that it alone writes, and the last number that it wrote there.
    pub(super) own: (u32, u64),
    /// Counts sessions in history: a new one begins when something was given up.
    pub(super) epoch: u32,
    values: u64,
    pub(super) dice: Stream,
}

/// What the sessions have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Increments so far: 62 to each counter.
    pub(super) increments: u64,
}

/// Increments of one counter: as many as its sum has bits without the sign.
const BITS: u64 = 62;

impl Shared {
    fn next_bit(&mut self) -> (usize, u32) {
        let place = self.increments;
        self.increments += 1;
        let bit = u32::try_from(place % BITS).unwrap_or(0);
        (usize::try_from(place / BITS).unwrap_or(0), bit)
    }

    /// How many counters there are.
    pub(super) fn counters(&self) -> usize {
        usize::try_from(self.increments.div_ceil(BITS)).unwrap_or(0)
    }
}

impl Session {
    pub(super) fn new(place: usize, seed: u64, replicas: u16) -> Self {
        let id = MachineId(u16::try_from(place).unwrap_or(u16::MAX));
        let mut dice = Stream::new(seed, id, Purpose::Clients);
        let at = MachineId(u16::try_from(dice.below(u64::from(replicas))).unwrap_or(0));
        Self {
            place,
            at,
            carries: dice.below(8) > 0,
            token: Token::new(),
            floors: Floors::new(),
            bits: BTreeMap::new(),
            seen: BTreeMap::new(),
            marks: BTreeMap::new(),
            elements: Vec::new(),
            own: (0, 0),
            epoch: 0,
            values: 0,
            dice,
        }
    }

    /// Goes to another replica.
    pub(super) fn move_on(&mut self, replicas: u16) {
        self.at = MachineId(u16::try_from(self.dice.below(u64::from(replicas))).unwrap_or(0));
    }

    /// What it had seen was given up: it begins anew.
    pub(super) fn begin_anew(&mut self) {
        self.floors.clear();
        self.bits.clear();
        self.seen.clear();
        self.marks.clear();
        self.elements.clear();
        self.new_own();
        self.epoch += 1;
    }

    /// Nobody knows whether its last number was written: it may be written late, so it goes on with another register.
    pub(super) fn new_own(&mut self) {
        self.own = (self.own.0 + 1, 0);
    }

    /// How it is called in the history.
    pub(super) fn name(&self) -> String {
        format!("c{}.{}", self.place, self.epoch)
    }

    /// When it asks next.
    pub(super) fn next_at(&mut self, now: Time, think_us: u64) -> Time {
        Time(now.0 + 1 + self.dice.below(think_us * 2))
    }

    /// How many copies it wants, and how long it lets a replica wait.
    pub(super) fn manner(&mut self) -> (Copies, u64) {
        let copies = match self.dice.below(10) {
            0..=3 => Copies::One,
            4..=6 => Copies::Pushed,
            7 => Copies::Two,
            _ => Copies::Majority,
        };
        let wait_us = match self.dice.below(2) {
            0 => 0,
            _ => self.dice.below(WAIT_US_MAX),
        };
        (copies, wait_us)
    }

    fn value(&mut self) -> String {
        self.values += 1;
        format!("\"{}-{}\"", self.place, self.values)
    }

    fn register(&mut self) -> String {
        format!("r{}", self.dice.below(REGISTERS))
    }

    fn set(&mut self) -> usize {
        usize::try_from(self.dice.below(SETS as u64)).unwrap_or(0)
    }

    /// What it asks next.
    pub(super) fn ask(&mut self, sessions: usize, shared: &mut Shared) -> Ask {
        let choice = self.dice.below(100);
        match choice {
            0..=17 => Ask::Get { key: self.register() },
            18..=31 => Ask::Put {
                key: self.register(),
                value: self.value(),
            },
            32..=36 => Ask::Delete { key: self.register() },
            37..=42 => self.swap(),
            43..=53 if self.carries => Ask::Mine {
                place: self.own_place(),
                number: self.own.1 + 1,
            },
            43..=65 => {
                let session = usize::try_from(self.dice.below(sessions as u64)).unwrap_or(0);
                let generation = self.own.0.min(u32::try_from(self.dice.below(3)).unwrap_or(0));
                Ask::Theirs {
                    place: Own { session, generation },
                }
            }
            66..=71 => {
                let (counter, bit) = shared.next_bit();
                Ask::Add { counter, bit }
            }
            72..=75 => {
                let counters = shared.counters().max(1) as u64;
                let counter = usize::try_from(self.dice.below(counters)).unwrap_or(0);
                Ask::Count { counter }
            }
            76..=79 => Ask::Insert {
                set: self.set(),
                element: self.value(),
            },
            80..=82 => self.removal(),
            83..=84 => Ask::Elements { set: self.set() },
            85..=88 => Ask::Batch { value: self.value() },
            89..=91 => Ask::BatchScan,
            92..=94 => Ask::OwnScan,
            95 | 96 => Ask::Beside {
                key: format!("q{}", self.dice.below(SIBLINGS)),
                value: self.value(),
            },
            97 | 98 => Ask::Siblings {
                key: format!("q{}", self.dice.below(SIBLINGS)),
            },
            _ => Ask::Ending { value: self.value() },
        }
    }

    pub(super) fn own_place(&self) -> Own {
        Own {
            session: self.place,
            generation: self.own.0,
        }
    }

    /// Of a register that it has read; else it reads one.
    fn swap(&mut self) -> Ask {
        match self.marks.pop_first() {
            Some((key, mark)) => Ask::Swap {
                key,
                value: self.value(),
                mark,
            },
            None => Ask::Get { key: self.register() },
        }
    }

    /// Of an element that it has seen; else it looks.
    fn removal(&mut self) -> Ask {
        match self.elements.pop() {
            Some((set, element)) if self.carries => Ask::Remove { set, element },
            _ => Ask::Elements { set: self.set() },
        }
    }
}
