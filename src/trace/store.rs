//! What an event did to the data of a replicated store: the keys `wrote`, `needs`, `applied` and `adopted` of its
//! line, and the remark `data` (protocol.md, section 7).

use std::{fmt, str::FromStr};

use super::line::LineError;
use crate::clock::{Dot, Origin, VersionVector};

/// What an event of a store did to its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreChange {
    /// Writes that this replica accepted from clients in the event, and so the dots of its present life from the first
    /// number to the last.
    pub wrote: Option<Stretch>,
    /// What those of them depend on that depend on anything of other origins: ascending numbers.
    pub needs: Vec<(u64, VersionVector)>,
    /// Writes of others that were applied in the event, in this order.
    pub applied: Vec<Stretch>,
    /// State of another replica that was taken over whole in the event: the writes that it held.
    pub adopted: Option<VersionVector>,
}

/// Writes of one origin that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whose.
    pub origin: Origin,
    /// The first number, from 1.
    pub first: u64,
    /// The last number, not below the first.
    pub last: u64,
}

/// What a replica holds at a moment: equal knowledge has to mean equal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataNote {
    /// The writes that have been applied.
    pub known: VersionVector,
    /// A digest of what every client can see, values that end by themselves left out.
    pub digest: u64,
}

/// Stretches that a text for people names one by one.
const NAMED_MAX: usize = 4;

/// For people: `wrote 0.1.5, applied 2.1.3-9`; a write alone is its name.
impl fmt::Display for StoreChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if let Some(adopted) = &self.adopted {
            write!(f, "adopted {adopted}")?;
            comma = ", ";
        }
        for (place, stretch) in self.applied.iter().take(NAMED_MAX).enumerate() {
            let start = if place == 0 { "applied " } else { "" };
            write!(f, "{comma}{start}{stretch}")?;
            comma = ", ";
        }
        if let Some(more) = self.applied.len().checked_sub(NAMED_MAX + 1) {
            write!(f, " and {} more", more + 1)?;
        }
        if let Some(wrote) = &self.wrote {
            write!(f, "{comma}wrote {wrote}")?;
        }
        Ok(())
    }
}

/// As `machine.incarnation.first-last`, or as the name of the only write.
impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.origin, self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

impl Stretch {
    /// As `machine.incarnation.first-last`.
    fn write(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(format!("{}.{}-{}", self.origin, self.first, self.last).as_bytes());
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let first = Dot::from_str(first).ok()?;
        let last = last.parse().ok()?;
        (first.number <= last).then_some(Self {
            origin: first.origin,
            first: first.number,
            last,
        })
    }
}

/// Appends the keys that are not empty.
#[cold]
pub(super) fn write_change(change: &StoreChange, output: &mut Vec<u8>) {
    if let Some(wrote) = &change.wrote {
        output.extend_from_slice(b" wrote=");
        wrote.write(output);
    }
    for (place, (number, needs)) in change.needs.iter().enumerate() {
        let start = if place == 0 { " needs=" } else { ";" };
        output.extend_from_slice(format!("{start}{number}:{needs}").as_bytes());
    }
    for (place, stretch) in change.applied.iter().enumerate() {
        output.extend_from_slice(if place == 0 { b" applied=" } else { b"," });
        stretch.write(output);
    }
    if let Some(adopted) = &change.adopted {
        output.extend_from_slice(format!(" adopted={adopted}").as_bytes());
    }
}

/// Takes a key of an event line, if it is one of these; `None` if it is not.
pub(super) fn take(
    change: &mut Option<Box<StoreChange>>,
    key: &[u8],
    value: &[u8],
) -> Option<Result<(), LineError>> {
    if !matches!(key, b"wrote" | b"needs" | b"applied" | b"adopted") {
        return None;
    }
    let change = change.get_or_insert_default();
    let text = std::str::from_utf8(value).unwrap_or_default();
    let twice = || Err(format!("the key `{}` stands twice", String::from_utf8_lossy(key)));
    let read = match key {
        b"wrote" if change.wrote.is_some() => return Some(twice()),
        b"needs" if !change.needs.is_empty() => return Some(twice()),
        b"applied" if !change.applied.is_empty() => return Some(twice()),
        b"adopted" if change.adopted.is_some() => return Some(twice()),
        b"adopted" => text.parse().ok().map(|adopted| change.adopted = Some(adopted)),
        b"wrote" => Stretch::parse(text).map(|wrote| change.wrote = Some(wrote)),
        b"needs" => parse_needs(text).map(|needs| change.needs = needs),
        _ => {
            let stretches = text.split(',').map(Stretch::parse).collect::<Option<_>>();
            stretches.map(|applied| change.applied = applied)
        }
    };
    Some(read.ok_or_else(|| super::line::bad_value(key, value)))
}

fn parse_needs(text: &str) -> Option<Vec<(u64, VersionVector)>> {
    let mut needs: Vec<(u64, VersionVector)> = Vec::new();
    for part in text.split(';') {
        let (number, vector) = part.split_once(':')?;
        let number = number.parse().ok()?;
        if needs.last().is_some_and(|last| last.0 >= number) {
            return None;
        }
        needs.push((number, vector.parse().ok()?));
    }
    Some(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_few_words() {
        let stretch = |text: &str| Stretch::parse(text).expect(text);
        let mut change = StoreChange {
            wrote: Some(stretch("0.5.7-7")),
            applied: vec![stretch("1.5.1-3")],
            ..StoreChange::default()
        };
        assert_eq!(change.to_string(), "applied 1.5.1-3, wrote 0.5.7");
        change.applied = (0..6).map(|_| stretch("1.5.1-3")).collect();
        change.wrote = None;
        assert_eq!(
            change.to_string(),
            "applied 1.5.1-3, 1.5.1-3, 1.5.1-3, 1.5.1-3 and 2 more"
        );
        let adopted = "0.5.2,1.5.1".parse().ok();
        change = StoreChange {
            adopted,
            ..StoreChange::default()
        };
        assert_eq!(change.to_string(), "adopted 0.5.2,1.5.1");
    }
}
