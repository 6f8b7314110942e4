//! Which lines are shown: the words that the search of a diagram takes, for the lines of a live view.

use std::str::FromStr;

use super::scene::Kept;
use crate::{
    trace::{Kind, Record, WallTime},
    units::MachineId,
};

/// Words that must all hold. A word of digits, or several with commas, names machines, as `machine=2` does; a
/// comparison such as `queue>5` is of numbers; any other word is a part of the line's text, such as `receive`,
/// `0:17` or `fault`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    machines: Vec<MachineId>,
    bounds: Vec<Bound>,
    parts: Vec<String>,
}

/// A comparison of a line's number with one that is given.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    key: Key,
    sign: Sign,
    wanted: f64,
}

/// Which number of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// What waits behind an event.
    Queue,
    /// The clock of an event.
    Clock,
    /// The tick of an event.
    Tick,
    /// The line in its file.
    Line,
    /// Seconds since the start of the run.
    Time,
    /// Seconds that a message waited in the queue.
    Waited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// Longer signs first: `<` begins `<=`.
const SIGNS: [(&str, Sign); 6] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("=", Sign::Equal),
    (":", Sign::Equal),
    ("<", Sign::Less),
    (">", Sign::More),
];

const KEYS: [(&str, Key); 6] = [
    ("queue", Key::Queue),
    ("clock", Key::Clock),
    ("tick", Key::Tick),
    ("line", Key::Line),
    ("time", Key::Time),
    ("waited", Key::Waited),
];

impl Filter {
    /// Reads a filter; every text is one.
    #[must_use]
    pub(super) fn new(text: &str) -> Self {
        let mut filter = Self::default();
        for word in text.split_whitespace() {
            let ids = word
                .strip_prefix("machine=")
                .unwrap_or(word)
                .split(',')
                .map(str::parse);
            if let Ok(ids) = ids.collect::<Result<Vec<MachineId>, _>>() {
                filter.machines.extend(ids);
            } else if let Ok(bound) = word.parse() {
                filter.bounds.push(bound);
            } else {
                filter.parts.push(word.to_lowercase());
            }
        }
        filter
    }

    /// Whether lines of a machine may pass at all.
    #[must_use]
    pub(super) fn takes(&self, machine: MachineId) -> bool {
        self.machines.is_empty() || self.machines.contains(&machine)
    }

    /// Whether a line passes whose text is this, in a run that started then.
    #[must_use]
    pub(super) fn passes(&self, kept: &Kept, started: Option<WallTime>, text: &str) -> bool {
        let mut bounds = self.bounds.iter();
        if !bounds.all(|bound| bound.holds(kept, started)) {
            return false;
        }
        self.parts.is_empty() || {
            let text = text.to_lowercase();
            self.parts.iter().all(|part| text.contains(part))
        }
    }
}

impl FromStr for Bound {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let mut keys = KEYS.iter();
        let (rest, key) = keys
            .find_map(|(name, key)| Some((word.strip_prefix(name)?, *key)))
            .ok_or(())?;
        let mut signs = SIGNS.iter();
        let (number, sign) = signs
            .find_map(|(name, sign)| Some((rest.strip_prefix(name)?, *sign)))
            .ok_or(())?;
        let number = number.strip_suffix('s').unwrap_or(number);
        let is_number = number.chars().all(|digit| digit.is_ascii_digit() || digit == '.');
        match number.parse() {
            Ok(wanted) if is_number => Ok(Self { key, sign, wanted }),
            _ => Err(()),
        }
    }
}

impl Bound {
    fn holds(self, kept: &Kept, started: Option<WallTime>) -> bool {
        let value = self.key.of(kept, started);
        value.is_some_and(|value| match self.sign {
            Sign::Less => value < self.wanted,
            Sign::AtMost => value <= self.wanted,
            #[expect(clippy::float_cmp, reason = "whole numbers, or a time as it was typed")]
            Sign::Equal => value == self.wanted,
            Sign::AtLeast => value >= self.wanted,
            Sign::More => value > self.wanted,
        })
    }
}

impl Key {
    /// The number, where the line has it.
    #[expect(clippy::cast_precision_loss, reason = "compared with what a person types")]
    fn of(self, kept: &Kept, started: Option<WallTime>) -> Option<f64> {
        let event = match &kept.record {
            Record::Event(event) => Some(event),
            _ => None,
        };
        match self {
            Key::Line => Some(kept.line as f64),
            Key::Time => Some(kept.at.us_since(started?) as f64 / 1e6),
            Key::Queue => event.map(|_| kept.queue as f64),
            Key::Clock => event.map(|event| event.clock as f64),
            Key::Tick => event.map(|event| event.tick as f64),
            Key::Waited => match event?.kind {
                Kind::Receive { waited_us, .. } => waited_us.map(|us| us as f64 / 1e6),
                Kind::Internal | Kind::Send { .. } | Kind::Other => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Event;

    fn receive(queue: u64, waited_us: u64) -> Kept {
        Kept {
            at: WallTime(2_500_000),
            line: 3,
            clock: 60,
            tick: 40,
            queue,
            record: Record::Event(Event {
                tick: 40,
                clock: 60,
                vector: None,
                hybrid: None,
                store: None,
                kind: Kind::Receive {
                    from: MachineId(1),
                    sent: 17,
                    queue,
                    waited_us: Some(waited_us),
                },
            }),
        }
    }

    fn passes(filter: &str, kept: &Kept) -> bool {
        Filter::new(filter).passes(kept, Some(WallTime(500_000)), "0:60 receive 1:17, waited 3.41 s")
    }

    #[test]
    fn a_filter_holds_machines_and_parts_of_text() {
        let filter = Filter::new("0,2 Receive 1:");
        assert!(filter.takes(MachineId(2)) && !filter.takes(MachineId(1)));
        assert!(!Filter::new("machine=2").takes(MachineId(1)));
        let kept = receive(0, 3_410_000);
        assert!(passes("0,2 Receive 1:", &kept) && passes(" ", &kept));
        assert!(!passes("2:17", &kept));
        assert!(Filter::new("").takes(MachineId(9)));
    }

    #[test]
    fn numbers_are_compared_as_in_the_search_of_a_diagram() {
        let kept = receive(6, 3_410_000);
        for (word, holds) in [
            ("queue>5", true),
            ("queue>6", false),
            ("queue>=6", true),
            ("queue=6", true),
            ("queue:6", true),
            ("queue<6", false),
            ("queue<=6", true),
            ("clock>=100", false),
            ("clock=60", true),
            ("tick<41", true),
            ("line=3", true),
            ("waited>0.5", true),
            ("waited>4s", false),
            ("time<3", true),
            ("time<2", false),
            ("receive queue>5 clock<61", true),
            ("receive queue>5 clock<60", false),
        ] {
            assert_eq!(passes(word, &kept), holds, "{word}");
        }
        for word in ["queue>", "queue", "queue>many", "queues>2", "queue>inf"] {
            assert!(!passes(word, &kept), "{word} is looked for in the text");
        }
        let remark = Kept {
            record: Record::Paused,
            ..kept
        };
        assert!(!passes("queue>5", &remark) && passes("time<3", &remark));
    }
}
