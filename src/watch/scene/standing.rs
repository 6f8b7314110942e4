//! How a machine stands, by the remarks of its log; and whether a run is over, by how all of its machines stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    faults::lasts_in,
    trace::{FaultNote, Footer, Record, WallTime},
    units::MachineId,
};

/// What remarks say of a machine, up to a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which life of the machine, from 1.
    pub incarnation: u32,
    /// Ticks come only as steps.
    pub paused: bool,
    /// Faults that are on, by number.
    pub faults: BTreeMap<u32, FaultNote>,
    /// Peers whose link is down.
    pub lost: BTreeSet<MachineId>,
    /// Its process died of a fault, and nothing came since.
    pub killed: Option<Killed>,
    /// The footer, once it is there.
    pub ended: Option<Box<Footer>>,
}

/// What is to become of a machine whose process a fault killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// It stays dead.
    ForGood,
    /// It is to be started again then.
    Until(WallTime),
}

/// Whether a run of so many machines is over for those who read its logs: each machine has its footer, or is down and
/// will not come back.
///
/// It will not if a fault killed it for good, or until a time that no machine lived to see; nor if every machine that has
/// a footer ended without a link to it, and it should have been back by then. Without any footer nobody can say that.
pub(in crate::watch) fn is_over<'a>(
    machines: u16,
    standings: impl Iterator<Item = (MachineId, &'a Standing)> + Clone,
) -> bool {
    let footers = standings
        .clone()
        .filter_map(|(_, standing)| Some((standing, standing.ended.as_deref()?)));
    let last = footers.clone().map(|(_, footer)| footer.ended).max();
    let was_left = |machine: MachineId| {
        last.is_some()
            && footers
                .clone()
                .all(|(standing, _)| standing.lost.contains(&machine))
    };
    let is_down = |machine, standing: &Standing| match standing.killed {
        Some(Killed::ForGood) => true,
        Some(Killed::Until(back)) => last.is_some_and(|last| last < back) || was_left(machine),
        None => was_left(machine),
    };
    let found = standings.clone().count();
    let mut are_over =
        standings.map(|(machine, standing)| standing.ended.is_some() || is_down(machine, standing));
    found > 0 && found >= usize::from(machines) && are_over.all(|is_over| is_over)
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            incarnation: 1,
            paused: false,
            faults: BTreeMap::new(),
            lost: BTreeSet::new(),
            killed: None,
            ended: None,
        }
    }
}

impl Standing {
    /// Takes a line of the log.
    pub(in crate::watch) fn take(&mut self, at: WallTime, record: &Record) {
        match record {
            Record::LinkUp { peer, .. } => {
                self.lost.remove(peer);
            }
            Record::LinkLost { peer } => {
                self.lost.insert(*peer);
            }
            Record::Fault(note) => {
                self.killed = Killed::by(note, at);
                if self.killed.is_some() {
                    // What was on goes with the process.
                    self.faults.clear();
                } else if !note.is_instant() {
                    self.faults.insert(note.id, (**note).clone());
                }
            }
            Record::Mended { id } => {
                self.faults.remove(id);
            }
            Record::Paused => self.paused = true,
            // A schedule by time again.
            Record::Pace { .. } => self.paused = false,
            Record::Restarted { incarnation } => {
                *self = Self {
                    incarnation: *incarnation,
                    paused: self.paused,
                    ..Self::default()
                };
            }
            Record::Ended(footer) => {
                self.ended = Some(footer.clone());
                self.faults.clear();
            }
            Record::Event(_)
            | Record::Stall { .. }
            | Record::Stepped { .. }
            | Record::Jumped { .. }
            | Record::Data(_) => {}
        }
    }
}

impl Killed {
    /// What a fault that begins makes of the process; `None` if that lives on.
    fn by(note: &FaultNote, at: WallTime) -> Option<Self> {
        note.kills().then(|| match lasts_in(note) {
            Some(lasts) => {
                let us = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
                Self::Until(WallTime(at.0.saturating_add(us)))
            }
            None => Self::ForGood,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> WallTime {
        WallTime(second * 1_000_000)
    }

    /// A machine that ended then, without links to some peers.
    fn ended(at: i64, lost: &[u16]) -> Standing {
        let footer = Footer {
            ended: second(at),
            ..Footer::default()
        };
        let mut standing = Standing::default();
        for peer in lost.iter().copied().map(MachineId) {
            standing.take(second(at), &Record::LinkLost { peer });
        }
        standing.take(second(at), &Record::Ended(Box::new(footer)));
        standing
    }

    /// A machine that a fault killed then.
    fn killed(at: i64, kind: &str, detail: &str) -> Standing {
        let note = FaultNote {
            id: 1,
            kind: kind.to_owned(),
            to: std::iter::empty().collect(),
            detail: detail.to_owned(),
        };
        let mut standing = Standing::default();
        standing.take(second(at), &Record::Fault(Box::new(note)));
        standing
    }

    fn over(standings: &[&Standing]) -> bool {
        is_over(3, (0..).map(MachineId).zip(standings.iter().copied()))
    }

    #[test]
    fn a_run_is_over_when_nobody_is_to_come_any_more() {
        let (lives, dead) = (Standing::default(), killed(3, "kill", ""));
        let (whole, left) = (ended(9, &[]), ended(9, &[2]));
        for (standings, wanted, why) in [
            (vec![], false, "no log"),
            (vec![&whole, &whole], false, "a log is missing"),
            (vec![&whole, &whole, &whole], true, "footers"),
            (vec![&whole, &whole, &lives], false, "one lives"),
            (vec![&lives, &lives, &dead], false, "two live"),
            (vec![&lives, &left, &dead], false, "one lives"),
            (vec![&left, &left, &dead], true, "killed for good"),
            (vec![&dead, &dead, &dead], true, "all killed"),
            (vec![&left, &left, &lives], true, "killed by somebody else"),
            (vec![&left, &whole, &lives], false, "one still has its link"),
            (vec![&ended(9, &[1, 2]), &lives, &lives], true, "both gone"),
            (vec![&lives, &lives, &lives], false, "nobody has ended"),
        ] {
            assert_eq!(over(&standings), wanted, "{why}: {standings:?}");
        }
    }

    #[test]
    fn a_machine_that_is_to_come_back_is_waited_for() {
        // At second 8.
        let (away, lives) = (killed(3, "kill", "for:5000000us"), Standing::default());
        let (whole, left) = (ended(9, &[]), ended(9, &[2]));
        for (standings, wanted, why) in [
            (vec![&lives, &lives, &away], false, "two live"),
            (vec![&ended(7, &[2]), &ended(7, &[2]), &away], true, "over before"),
            (vec![&whole, &left, &away], false, "it comes"),
            (vec![&left, &left, &away], true, "it did not come"),
            (
                vec![&left, &whole, &killed(3, "restart", "")],
                false,
                "it comes at once",
            ),
            (
                vec![&whole, &whole, &killed(3, "pause", "for:9000000us")],
                false,
                "it stands still",
            ),
        ] {
            assert_eq!(over(&standings), wanted, "{why}: {standings:?}");
        }
    }

    #[test]
    fn what_happens_once_is_not_on() {
        for kind in ["jump", "kill", "restart"] {
            assert!(killed(3, kind, "").faults.is_empty(), "{kind}");
        }
        assert_eq!(killed(3, "jump", "").killed, None);
        assert_eq!(killed(3, "loss", "30%").faults.len(), 1);
        assert_eq!(
            killed(3, "kill", "for:5000000us").killed,
            Some(Killed::Until(second(8)))
        );
    }
}
