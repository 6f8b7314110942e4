//! How far the wall clocks of a run's computers are apart, from its messages alone.
//!
//! A message seems to take `d = arrival by the receiver's clock - sending by the sender's`. Its true delay is not
//! negative, so the receiver's clock is at most `d` ahead of the sender's: the least of many `d` says most. With
//! messages both ways an offset lies between two bounds, and nothing more can be known without assuming that ways
//! are equally fast; the estimate is the middle, as good as half the distance. Bounds are carried from machine to
//! machine, so that two that never spoke are compared through others.
//!
//! There is one offset a machine, for the whole run. Clocks that are set, or that drift apart by more than the
//! bounds leave room for, make the bounds contradict each other: that is said. A drift that stays within them is not
//! seen.
//!
//! Source: F. Cristian, "Probabilistic clock synchronization", 1989; A. Duda, G. Harrus, Y. Haddad, G. Bernard,
//! "Estimating global time in distributed systems", 1987.

mod bounds;
mod least;

use std::collections::BTreeMap;

use self::bounds::{Bounds, half_up, middle};
use super::{
    grid::{Grid, Style},
    history::{History, Message},
    words::duration,
    wrap::{COLUMNS, wrap},
};

pub use least::Least;

/// What two clocks may seem apart on one computer, in microseconds: a driver reads its clock once a round, so a
/// message can seem to arrive that much before it did. Less is not told as a difference.
pub const MOMENT_US: i64 = 1_000;

/// Machines that notes name one by one.
const NOTES_MAX: usize = 5;

/// Machines of a table.
const ROWS_MAX: usize = 20;

/// The columns of a table.
pub(super) const HEADING: [&str; 5] = ["machine", "wall clock", "±", "at least", "at most"];

/// The least apparent delays of the messages from one machine to another: arrival less sending, each by its own
/// machine's clock, in microseconds, so negative as often as not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// The sender, as an index.
    pub from: u32,
    /// The receiver, as an index.
    pub to: u32,
    /// The least of all.
    pub least_us: i64,
    /// One that a few wrong moments do not change ([`Least`]).
    pub firm_us: i64,
}

/// What is known of one machine's wall clock: how far it is ahead of the reference's, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// At least; `None` if no chain of messages leads to the reference.
    pub low: Option<i64>,
    /// At most; `None` if no chain of messages leads here from the reference.
    pub high: Option<i64>,
}

/// Delays that no clocks allow that run alike from beginning to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Around these machines, as indices, the least delays sum up to less than nothing.
    pub around: Vec<u32>,
    /// By so much, in microseconds.
    pub excess_us: i64,
}

/// The wall clocks of a run beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skew {
    /// By machine, as an index: its name.
    pub names: Vec<String>,
    /// With which machine the others are compared.
    pub reference: u32,
    /// By machine.
    pub offsets: Vec<Offset>,
    /// Why offsets are less certain than the messages' delays make them.
    pub contradiction: Option<Contradiction>,
    /// Whether some logs do not say when messages arrived, so that the moment they were taken stands in.
    pub lacks_arrivals: bool,
    aligned: Vec<i64>,
}

impl Delay {
    /// Those of a channel; `None` if it had no message.
    #[must_use]
    pub fn new(from: u32, to: u32, channel: &Least) -> Option<Self> {
        let (least_us, firm_us) = channel.get()?;
        Some(Self {
            from,
            to,
            least_us,
            firm_us,
        })
    }
}

impl Offset {
    /// The middle of both bounds.
    #[must_use]
    pub fn estimate_us(self) -> Option<i64> {
        Some(middle(self.low?, self.high?))
    }

    /// Half the distance of both bounds, rounded up.
    #[must_use]
    pub fn uncertainty_us(self) -> Option<i64> {
        Some(half_up(self.high?.saturating_sub(self.low?)))
    }

    /// Whether the clock differs from the reference's by more than logs leave open.
    #[must_use]
    pub fn differs(self) -> bool {
        self.low.is_some_and(|low| low > MOMENT_US) || self.high.is_some_and(|high| high < -MOMENT_US)
    }

    /// How the clock stands, to be followed by the reference's name; `None` if nothing is known.
    fn words(self) -> Option<String> {
        match (self.low, self.high) {
            (None, None) => None,
            // That it is at most behind is that it is at least so far ahead, and the other way round.
            (Some(low), None) => Some(format!(
                "at {} {}",
                if low < 0 { "most" } else { "least" },
                side(low)
            )),
            (None, Some(high)) => Some(format!(
                "at {} {}",
                if high < 0 { "least" } else { "most" },
                side(high)
            )),
            (Some(_), Some(_)) => {
                let (estimate, uncertainty) = (self.estimate_us()?, self.uncertainty_us()?);
                let (amount, side) = amount(estimate);
                Some(format!("{amount} (± {}) {side}", duration(uncertainty)))
            }
        }
    }
}

impl Skew {
    /// Compares clocks by the least delays between each two machines. `None` if there are none.
    #[must_use]
    pub fn new(
        names: Vec<String>,
        reference: u32,
        delays: impl IntoIterator<Item = Delay>,
        lacks_arrivals: bool,
    ) -> Option<Self> {
        let delays: Vec<Delay> = delays.into_iter().collect();
        if delays.is_empty() {
            return None;
        }
        let bounds = |us: fn(&Delay) -> i64| {
            let edges = delays.iter().map(|delay| (delay.from, delay.to, us(delay)));
            Bounds::new(names.len(), reference, edges)
        };
        let mut found = bounds(|delay| delay.least_us);
        if found.cycle.is_some() {
            found = bounds(|delay| delay.firm_us);
        }
        let Bounds {
            low,
            high,
            aligned,
            cycle,
        } = found;
        let offsets = low.into_iter().zip(high);
        Some(Self {
            reference,
            offsets: offsets.map(|(low, high)| Offset { low, high }).collect(),
            contradiction: cycle.map(|(around, excess_us)| Contradiction { around, excess_us }),
            lacks_arrivals,
            aligned,
            names,
        })
    }

    /// Compares the clocks of a run in memory. `None` if it has no received message or no times.
    #[must_use]
    pub fn of(history: &History) -> Option<Self> {
        if !history.has_times() {
            return None;
        }
        let mut channels: BTreeMap<(u32, u32), Least> = BTreeMap::new();
        let mut lacks_arrivals = false;
        for message in history.received() {
            if let Some((sent, arrived)) = moments(history, message) {
                lacks_arrivals |= message.waited_us.is_none();
                let channel = channels.entry((message.send.process, message.to)).or_default();
                channel.take(arrived.saturating_sub(sent));
            }
        }
        let names = history.processes.iter().map(|process| process.name.clone());
        let delays = channels
            .into_iter()
            .filter_map(|((from, to), channel)| Delay::new(from, to, &channel));
        Self::new(names.collect(), 0, delays, lacks_arrivals)
    }

    /// Whether a clock is known to differ, or the messages contradict each other.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.contradicts().is_some() || self.offsets.iter().any(|offset| offset.differs())
    }

    /// The contradiction, unless it is less than what logs leave open.
    fn contradicts(&self) -> Option<&Contradiction> {
        self.contradiction
            .as_ref()
            .filter(|contradiction| contradiction.excess_us > MOMENT_US)
    }

    /// For each machine so many microseconds to take from its times, so that they are the reference's and no
    /// message arrives before it was sent, but by half a [`Contradiction`].
    #[must_use]
    pub fn aligned_us(&self) -> &[i64] {
        &self.aligned
    }

    fn name(&self, machine: u32) -> &str {
        self.names.get(machine as usize).map_or("?", String::as_str)
    }

    /// What is worth a sentence each: clocks that differ, the first few of them, and contradictions.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let reference = self.name(self.reference);
        let differ = (0..).zip(&self.offsets).filter(|(_, offset)| offset.differs());
        let said = differ.clone().take(NOTES_MAX).filter_map(|(machine, offset)| {
            let (name, words) = (self.name(machine), offset.words()?);
            Some(format!(
                "machine {name}'s wall clock is {words} machine {reference}'s"
            ))
        });
        let mut notes: Vec<String> = said.collect();
        if let Some(more @ 1..) = differ.count().checked_sub(NOTES_MAX) {
            notes.push(format!(
                "and {more} more machines' wall clocks differ from machine {reference}'s; `clocklab report` lists them"
            ));
        }
        notes.extend(self.contradiction_note());
        notes
    }

    fn contradiction_note(&self) -> Option<String> {
        let contradiction = self.contradicts()?;
        let names: Vec<&str> = contradiction
            .around
            .iter()
            .map(|machine| self.name(*machine))
            .collect();
        Some(format!(
            "the messages between machines {} contradict each other by {}: a wall clock was set, or ran faster or slower than \
             another, during the run, and one offset a machine does not fit all of it",
            names.join(", "),
            duration(contradiction.excess_us)
        ))
    }

    /// What is known of each clock, as a table for people; in runs of many machines the first ones that differ.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        let (rows, limits) = self.rows();
        let mut grid = Grid::new(&HEADING);
        rows.into_iter().for_each(|row| grid.push(row.to_vec()));
        let mut text = format!("{}:\n\n{}", self.title(), grid.render(style));
        for limit in limits {
            text += &match style {
                Style::Text => wrap(&limit, COLUMNS, 0),
                Style::Markdown => format!("\n{limit}\n"),
            };
        }
        text
    }

    /// What the table shows.
    pub(super) fn title(&self) -> String {
        let reference = self.name(self.reference);
        format!("Wall clocks beside machine {reference}'s, as the messages say")
    }

    /// The cells of the table under [`HEADING`], and sentences on what limits it.
    pub(super) fn rows(&self) -> (Vec<[String; 5]>, Vec<String>) {
        let is_long = self.offsets.len() > ROWS_MAX;
        let all = (0..).zip(&self.offsets);
        let listed: Vec<(u32, &Offset)> = all.filter(|(_, offset)| !is_long || offset.differs()).collect();
        let known = |us: Option<i64>| us.map_or_else(|| "-".to_owned(), signed);
        let row = |(machine, offset): &(u32, &Offset)| {
            let [clock, uncertainty] = match (*machine == self.reference, offset.estimate_us()) {
                (true, _) => ["reference".to_owned(), String::new()],
                (false, None) => ["not known".to_owned(), String::new()],
                (false, Some(us)) => [signed(us), duration(offset.uncertainty_us().unwrap_or_default())],
            };
            let name = self.name(*machine).to_owned();
            [name, clock, uncertainty, known(offset.low), known(offset.high)]
        };
        let rows = listed.iter().take(ROWS_MAX).map(row).collect();
        let mut limits = Vec::new();
        if let Some(more @ 1..) = listed.len().checked_sub(ROWS_MAX) {
            limits.push(format!("And {more} more that differ."));
        }
        if is_long {
            let same = self.offsets.len() - listed.len();
            limits.push(format!(
                "{same} machines are not listed: nothing says that their clocks differ."
            ));
        }
        if self.lacks_arrivals {
            limits.push(
                "Logs do not say when messages arrived; the moment they were taken stands in, so bounds are wide.".to_owned(),
            );
        }
        limits.extend(self.contradiction_note());
        (rows, limits)
    }
}

/// When a received message was sent and when it arrived, in microseconds since 1970, each by its own machine's clock;
/// where the log does not say when it arrived, when it was taken.
pub(super) fn moments(history: &History, message: &Message) -> Option<(i64, i64)> {
    let sent = history.event(message.send)?.at?;
    let taken = || history.event(message.receive()?)?.at;
    let arrived = history.arrived(message).or_else(taken)?;
    Some((sent.0, arrived.0))
}

/// A difference of clocks: how much, and on which side.
fn amount(us: i64) -> (String, &'static str) {
    let side = if us < 0 { "behind" } else { "ahead of" };
    (duration(us.saturating_abs()), side)
}

/// A bound in words.
fn side(us: i64) -> String {
    let (amount, side) = amount(us);
    format!("{amount} {side}")
}

/// With a sign, for a table.
fn signed(us: i64) -> String {
    let sign = if us > 0 { "+" } else { "" };
    format!("{sign}{}", duration(us))
}

#[cfg(test)]
mod tests;
