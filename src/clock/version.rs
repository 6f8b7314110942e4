//! Version vectors: which writes of whom a replica has, or a client has seen.
//!
//! An [`Origin`] is one life of one replica, so a [`Dot`], a write's name, is given once: a replica that is started
//! again counts from 1 in a further incarnation. A [`VersionVector`] says of each origin how many of its writes are
//! known, and always the first ones: n means writes 1 to n.
//!
//! Source: Parker and others, Detection of Mutual Inconsistency in Distributed Systems (1983); dots: Preguiça and
//! others, Dotted Version Vectors (2012).

use std::{fmt, str::FromStr};

use smallvec::SmallVec;
use thiserror::Error;

use crate::{
    units::MachineId,
    wire::{FieldError, Fields, write_varint},
};

/// One life of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Who.
    pub machine: MachineId,
    /// Which life of it: greater than that of every life before.
    pub incarnation: u32,
}

/// The name of a write: the n-th of its origin, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Whose write.
    pub origin: Origin,
    /// Its number, from 1 without a gap.
    pub number: u64,
}

/// How many writes of each origin are known: up to four origins without an allocation.
///
/// Invariants: entries are in ascending order of their origins, and none is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VersionVector {
    entries: SmallVec<[(Origin, u64); 4]>,
}

/// A text that is no origin, dot or version vector.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is not {expected}")]
pub struct VersionError {
    /// What was given.
    pub text: String,
    /// What it should be, in words.
    pub expected: &'static str,
}

impl Dot {
    /// The `number`-th write of `origin`.
    #[must_use]
    pub fn new(origin: Origin, number: u64) -> Self {
        Self { origin, number }
    }
}

impl VersionVector {
    /// Of no writes at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it knows no write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many origins it has writes of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its origins and how many writes of each are known, in ascending order of origins.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Origin, u64)> + '_ {
        self.entries.iter().copied()
    }

    /// How many writes of `origin` are known: 0 if none.
    #[inline]
    #[must_use]
    pub fn get(&self, origin: Origin) -> u64 {
        match self.entries.iter().find(|entry| entry.0 >= origin) {
            Some(entry) if entry.0 == origin => entry.1,
            _ => 0,
        }
    }

    /// Whether the write is known.
    #[inline]
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        dot.number <= self.get(dot.origin)
    }

    /// Whether everything that `other` knows is known: `other ≤ self`.
    #[inline]
    #[must_use]
    pub fn covers(&self, other: &VersionVector) -> bool {
        other.iter().all(|(origin, number)| number <= self.get(origin))
    }

    /// Knows of `origin` at least the writes up to `number`. Says whether that is new.
    #[inline]
    pub fn raise(&mut self, origin: Origin, number: u64) -> bool {
        if number == 0 {
            return false;
        }
        // Mostly it is the last, or there is none yet.
        let place = match self.entries.last() {
            Some(last) if last.0 >= origin => self.entries.iter().position(|entry| entry.0 >= origin),
            Some(_) | None => None,
        };
        let Some(place) = place else {
            self.entries.push((origin, number));
            return true;
        };
        match self.entries.get_mut(place) {
            Some(entry) if entry.0 == origin => {
                let is_new = number > entry.1;
                entry.1 = entry.1.max(number);
                is_new
            }
            Some(_) | None => {
                self.entries.insert(place, (origin, number));
                true
            }
        }
    }

    /// Knows what either knows: the least upper bound.
    pub fn merge(&mut self, other: &VersionVector) {
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        for (origin, number) in other.iter() {
            self.raise(origin, number);
        }
    }

    /// Keeps the entries that `keep` agrees to.
    pub fn retain(&mut self, mut keep: impl FnMut(Origin, u64) -> bool) {
        self.entries.retain(|entry| keep(entry.0, entry.1));
    }

    /// The entries of `other` that are not covered, with the numbers that `other` has.
    pub fn missing<'a>(&'a self, other: &'a VersionVector) -> impl Iterator<Item = Dot> + 'a {
        other
            .iter()
            .filter(|(origin, number)| *number > self.get(*origin))
            .map(|(origin, number)| Dot::new(origin, number))
    }

    /// Appends its bytes: how many entries (varint), then of each machine (varint), incarnation (varint) and number
    /// (varint), in ascending order.
    pub fn encode(&self, body: &mut Vec<u8>) {
        write_varint(self.entries.len() as u64, body);
        for (origin, number) in self.iter() {
            write_varint(u64::from(origin.machine.0), body);
            write_varint(u64::from(origin.incarnation), body);
            write_varint(number, body);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; memory grows only with bytes that are there.
    ///
    /// # Errors
    /// [`FieldError`] if the bytes end early, an entry is out of order or 0, or a number is too large for its field.
    pub fn decode(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        let count = fields.varint("entries")?;
        let mut vector = Self::new();
        for _ in 0..count {
            let machine = narrow(fields.varint("machine")?, "machine")?;
            let incarnation = narrow(fields.varint("incarnation")?, "incarnation")?;
            let number = fields.varint("number")?;
            let origin = Origin {
                machine: MachineId(machine),
                incarnation,
            };
            if number == 0 || vector.entries.last().is_some_and(|last| last.0 >= origin) {
                let field = "number";
                return Err(FieldError::Value { field, value: number });
            }
            vector.entries.push((origin, number));
        }
        Ok(vector)
    }
}

fn narrow<T: TryFrom<u64>>(value: u64, field: &'static str) -> Result<T, FieldError> {
    T::try_from(value).map_err(|_| FieldError::Value { field, value })
}

/// Of the write, and those of its origin before it.
impl From<Dot> for VersionVector {
    fn from(dot: Dot) -> Self {
        let mut vector = Self::new();
        if dot.number > 0 {
            vector.entries.push((dot.origin, dot.number));
        }
        vector
    }
}

impl FromIterator<(Origin, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Origin, u64)>>(entries: I) -> Self {
        let mut vector = Self::new();
        for (origin, number) in entries {
            vector.raise(origin, number);
        }
        vector
    }
}

/// As `machine.incarnation`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.machine.0, self.incarnation)
    }
}

/// As `machine.incarnation.number`.
impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.origin, self.number)
    }
}

/// As dots separated by commas; `-` for the empty one.
impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (place, (origin, number)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{origin}.{number}")?;
        }
        Ok(())
    }
}

impl FromStr for Origin {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError {
            text: text.to_owned(),
            expected: "an origin: machine.incarnation",
        };
        let (machine, incarnation) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self {
            machine: MachineId(machine.parse().map_err(|_| wrong())?),
            incarnation: incarnation.parse().map_err(|_| wrong())?,
        })
    }
}

impl FromStr for Dot {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError {
            text: text.to_owned(),
            expected: "a write's name: machine.incarnation.number",
        };
        let (origin, number) = text.rsplit_once('.').ok_or_else(wrong)?;
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self::new(origin.parse().map_err(|_| wrong())?, number)),
            _ => Err(wrong()),
        }
    }
}

impl FromStr for VersionVector {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut vector = Self::new();
        if text == "-" {
            return Ok(vector);
        }
        for part in text.split(',') {
            let dot: Dot = part.parse()?;
            vector.raise(dot.origin, dot.number);
        }
        Ok(vector)
    }
}

#[cfg(test)]
mod tests;
