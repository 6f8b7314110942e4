//! What a soak breaks, and when: drawn from its seed before it begins, one line of text each.
//!
//! ```text
//!   @3.200 +1.500 partition 0 to 1 hold     faults of links, as everywhere (protocol.md, section 6)
//!   @4.000 +0.700 kill 2                    SIGKILL; started again with its disk 0.7 s later
//!   @6.000 +2.000 end 1                     ended in order; started again with its disk, and its event log, 2 s later
//!   @9.100 +4.000 pause 0                   SIGSTOP, SIGCONT
//!   @12.000 join 3                          a replica that was never there begins with nothing, under load
//!   @20.000 leave 1                         drained, removed, its disk thrown away; comes back with nothing when it is gone
//!   @31.000 retire 3                        drained and removed for good
//! ```
//!
//! A plan is of chapters, all of one length: in each, faults begin and end, then all heals, settles and is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use crate::{
    dice::{Purpose, Stream},
    faults::Fault,
    units::{MachineId, Time},
};

/// Longest time between two begins of troubles, in milliseconds.
const GAP_MS_MAX: u64 = 3500;

/// Longest trouble, in milliseconds.
const LASTS_MS_MAX: u64 = 9000;

/// How long before its chapter ends a membership change has to begin, in milliseconds: handing over and joining take time.
const CHANGE_MS: u64 = 8000;

/// Something that a soak does to its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// To the messages of some links.
    Link(Fault),
    /// Kills a process, and starts it again with its disk.
    Kill(MachineId),
    /// Ends a process in order, and starts it again with its disk.
    End(MachineId),
    /// Lets a process stand still.
    Pause(MachineId),
    /// Starts a replica that begins with nothing.
    Join(MachineId),
    /// Drains a member; when it is removed it comes back with nothing.
    Leave(MachineId),
    /// Drains a member, for good.
    Retire(MachineId),
}

/// A trouble and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timed {
    /// Since the begin of its chapter.
    pub(super) at: Time,
    /// How long; of what has an end of its own `None`.
    pub(super) lasts: Option<Duration>,
    pub(super) trouble: Trouble,
}

/// All troubles of a soak, chapter by chapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) chapters: Vec<Vec<Timed>>,
}

/// What is drawn from.
struct Draw {
    dice: Stream,
    replicas: u16,
    spares: u16,
    /// Spare replicas that are there.
    joined: BTreeSet<MachineId>,
    /// Until when a process has its own trouble, in milliseconds.
    busy: BTreeMap<MachineId, u64>,
}

impl Plan {
    /// Draws a plan for so many chapters, whose troubles are over after `active`.
    pub(super) fn draw(seed: u64, replicas: u16, spares: u16, chapters: u32, active: Duration) -> Self {
        let mut draw = Draw {
            dice: Stream::new(seed, MachineId(u16::MAX), Purpose::Faults),
            replicas,
            spares,
            joined: BTreeSet::new(),
            busy: BTreeMap::new(),
        };
        let end = u64::try_from(active.as_millis()).unwrap_or(u64::MAX);
        Self {
            chapters: (0..chapters).map(|_| draw.chapter(end)).collect(),
        }
    }

    /// How many troubles there are of each kind.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for timed in self.chapters.iter().flatten() {
            *counts.entry(timed.trouble.kind()).or_default() += 1;
        }
        counts
    }
}

impl Draw {
    fn chapter(&mut self, end: u64) -> Vec<Timed> {
        let mut troubles = Vec::new();
        self.busy.clear();
        let mut has_changed = false;
        let mut at = 700 + self.dice.below(1500);
        while at + 500 < end {
            let lasts = (300 + self.dice.below(LASTS_MS_MAX)).min(end - at);
            let may_change = !has_changed && at + CHANGE_MS < end;
            let timed = |trouble, lasts: Option<u64>| Timed {
                at: Time(at * 1000),
                lasts: lasts.map(Duration::from_millis),
                trouble,
            };
            match self.dice.below(100) {
                0..=11 if may_change => {
                    if let Some(trouble) = self.change(at, end) {
                        has_changed = true;
                        troubles.push(timed(trouble, None));
                    }
                }
                12..=26 => {
                    if let Some(machine) = self.idle(at, at + lasts) {
                        troubles.push(timed(Trouble::Kill(machine), Some(lasts)));
                    }
                }
                27..=31 => {
                    if let Some(machine) = self.idle(at, at + lasts) {
                        troubles.push(timed(Trouble::End(machine), Some(lasts)));
                    }
                }
                32..=43 => {
                    if let Some(machine) = self.idle(at, at + lasts) {
                        troubles.push(timed(Trouble::Pause(machine), Some(lasts)));
                    }
                }
                _ => {
                    if let Some(fault) = self.link() {
                        troubles.push(timed(Trouble::Link(fault), Some(lasts)));
                    }
                }
            }
            at += 200 + self.dice.below(GAP_MS_MAX);
        }
        troubles
    }

    /// A change of who is a member: one a chapter, so that what came of it is judged.
    fn change(&mut self, at: u64, end: u64) -> Option<Trouble> {
        let spare =
            MachineId(self.replicas + u16::try_from(self.dice.below(u64::from(self.spares.max(1)))).ok()?);
        match self.dice.below(3) {
            // Two have to stay, so that what is handed over has somewhere to go.
            0 if self.replicas > 2 => {
                let machine = self.idle(at, end)?;
                (machine.0 < self.replicas).then_some(Trouble::Leave(machine))
            }
            _ if self.spares == 0 => None,
            _ if self.joined.remove(&spare) => {
                self.busy.insert(spare, end);
                Some(Trouble::Retire(spare))
            }
            _ => {
                self.joined.insert(spare);
                // Its own process may fail as well, once it has begun.
                self.busy.insert(spare, at + 3000);
                Some(Trouble::Join(spare))
            }
        }
    }

    fn present(&self) -> Vec<MachineId> {
        MachineId::all(self.replicas)
            .chain(self.joined.iter().copied())
            .collect()
    }

    fn one(&mut self) -> Option<MachineId> {
        let present = self.present();
        let place = usize::try_from(self.dice.below(present.len().max(1) as u64)).ok()?;
        present.get(place).copied()
    }

    /// A process without a trouble of its own, which has one until then.
    fn idle(&mut self, at: u64, until: u64) -> Option<MachineId> {
        let machine = self.one()?;
        // Started again, it has a moment to itself.
        let is_busy = self.busy.get(&machine).is_some_and(|busy| *busy + 1500 > at);
        if is_busy {
            return None;
        }
        self.busy.insert(machine, until);
        Some(machine)
    }

    /// A fault of links. What is said is what [`Fault`] reads.
    fn link(&mut self) -> Option<Fault> {
        let (one, other) = (self.one()?, self.one()?);
        if one == other {
            return None;
        }
        let others = self.present().into_iter().filter(|machine| *machine != one);
        let others: Vec<String> = others.map(|machine| machine.to_string()).collect();
        let others = others.join(",");
        let hold = if self.dice.below(2) == 0 { " hold" } else { "" };
        let text = match self.dice.below(10) {
            0 => format!("partition {one} / {others}{hold}"),
            1 => format!("partition {one} / {other}{hold}"),
            2 => format!("partition {one} to {others}{hold}"),
            3 => format!("partition {one} to {other}{hold}"),
            4 => format!(
                "delay {one} / {other} uniform:5ms-{}ms",
                20 + self.dice.below(400)
            ),
            5 => format!(
                "delay {one} / {others} exponential:{}ms reorder",
                5 + self.dice.below(100)
            ),
            6 => format!("loss {one} / {others} {}%", 5 + self.dice.below(60)),
            7 => format!("loss {one} to {other} {}%", 5 + self.dice.below(90)),
            8 => format!("duplicate all {}%", 5 + self.dice.below(60)),
            _ => format!("bandwidth {one} / {other} {}", 10_000 + self.dice.below(200_000)),
        };
        text.parse().ok()
    }
}

impl Trouble {
    /// In a word.
    pub(super) fn kind(&self) -> String {
        match self {
            Trouble::Link(fault) => {
                let text = fault.to_string();
                let kind = text.split(' ').next().unwrap_or_default();
                match text.contains(" to ") && kind == "partition" {
                    true => "one-way cut".to_owned(),
                    false => kind.to_owned(),
                }
            }
            Trouble::Kill(_) => "kill".to_owned(),
            Trouble::End(_) => "end".to_owned(),
            Trouble::Pause(_) => "pause".to_owned(),
            Trouble::Join(_) => "join".to_owned(),
            Trouble::Leave(_) => "leave".to_owned(),
            Trouble::Retire(_) => "retire".to_owned(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Link(fault) => write!(f, "{fault}"),
            Trouble::Kill(machine) => write!(f, "kill {machine}"),
            Trouble::End(machine) => write!(f, "end {machine}"),
            Trouble::Pause(machine) => write!(f, "pause {machine}"),
            Trouble::Join(machine) => write!(f, "join {machine}"),
            Trouble::Leave(machine) => write!(f, "leave {machine}"),
            Trouble::Retire(machine) => write!(f, "retire {machine}"),
        }
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}.{:03} ", self.at.0 / 1_000_000, self.at.0 / 1000 % 1000)?;
        if let Some(lasts) = self.lasts {
            write!(f, "+{}.{:03} ", lasts.as_secs(), lasts.subsec_millis())?;
        }
        self.trouble.fmt(f)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, chapter) in (1..).zip(&self.chapters) {
            writeln!(f, "# chapter {number}")?;
            for timed in chapter {
                writeln!(f, "{timed}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_with_every_kind_in_it() {
        let draw = |seed| Plan::draw(seed, 3, 2, 30, Duration::from_secs(45));
        assert_eq!(draw(7).to_string(), draw(7).to_string());
        assert_ne!(draw(7).to_string(), draw(8).to_string());
        let counts = draw(7).counts();
        for kind in [
            "partition",
            "one-way cut",
            "delay",
            "loss",
            "duplicate",
            "bandwidth",
            "kill",
            "end",
            "pause",
            "join",
            "leave",
            "retire",
        ] {
            assert!(counts.contains_key(kind), "{kind}: {counts:?}");
        }
    }

    #[test]
    fn troubles_end_with_their_chapter_and_leave_members_that_are_there() {
        for seed in 0..50 {
            let plan = Plan::draw(seed, 3, 2, 10, Duration::from_secs(30));
            let mut joined = BTreeSet::new();
            for timed in plan.chapters.iter().flatten() {
                let end = timed.at.after(timed.lasts.unwrap_or_default());
                assert!(end <= Time(30_000_000), "{timed}");
                match timed.trouble {
                    Trouble::Join(machine) => assert!(joined.insert(machine), "{timed}"),
                    Trouble::Retire(machine) => assert!(joined.remove(&machine), "{timed}"),
                    Trouble::Leave(machine) => assert!(machine.0 < 3, "{timed}"),
                    Trouble::Kill(machine) | Trouble::End(machine) | Trouble::Pause(machine) => {
                        assert!(machine.0 < 3 || joined.contains(&machine), "{timed}");
                    }
                    Trouble::Link(_) => {}
                }
            }
        }
    }
}
