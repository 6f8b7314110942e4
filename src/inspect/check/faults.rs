//! The rule *faults*: what a send line says of its messages, beside the faults that its log says are on.
//!
//! Whatever befalls a message is the work of a fault on its link, which the log names before: its begin, the links that it
//! is on, and its end. A fault of a kind that this version does not know may do anything.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{FAULTS, FORMAT};
use crate::{
    trace::{FaultNote, Mishaps, Recipients},
    units::MachineId,
};

/// What a fault may do to messages.
#[derive(Clone, Copy, Debug, Default)]
struct Effect {
    loses: bool,
    doubles: bool,
    reorders: bool,
}

/// The faults that are on, as one machine's log says.
#[derive(Debug, Default)]
pub(super) struct FaultsOn {
    on: BTreeMap<u32, (Effect, Recipients)>,
    /// The numbers of all that began in this life.
    begun: BTreeSet<u32>,
    /// One has killed the process.
    pub(super) is_killed: bool,
    /// How often the rule was judged.
    pub(super) judged: u64,
}

/// Whether a fault does that.
type Cause = fn(&Effect) -> bool;

/// A rule that is broken, and how.
pub(super) type Wrong = (&'static str, String);

impl Effect {
    fn of(note: &FaultNote) -> Self {
        let says = |word: &str| note.detail.split(',').any(|part| part == word);
        let [loses, doubles, reorders] = match note.kind.as_str() {
            "loss" => [true, false, false],
            "duplicate" => [false, true, false],
            "delay" => [false, false, says("reorder")],
            "partition" => [!says("hold"), false, false],
            "bandwidth" | "kill" | "pause" | "restart" | "rate" | "jump" => [false; 3],
            _ => [true; 3],
        };
        Self {
            loses,
            doubles,
            reorders,
        }
    }
}

impl FaultsOn {
    /// A fault begins.
    pub(super) fn begin(&mut self, note: &FaultNote) -> Option<Wrong> {
        self.judged += 1;
        self.is_killed |= note.kills();
        if !note.is_instant() {
            self.on.insert(note.id, (Effect::of(note), note.to.clone()));
        }
        let text = || {
            format!(
                "fault {} begins, but one of that number began in this life already",
                note.id
            )
        };
        (!self.begun.insert(note.id)).then(|| (FAULTS, text()))
    }

    /// A fault is over.
    pub(super) fn end(&mut self, id: u32) -> Option<Wrong> {
        self.judged += 1;
        let text = || format!("fault {id} is mended, but no fault of that number is on");
        self.on.remove(&id).is_none().then(|| (FAULTS, text()))
    }

    /// The process was started again: what is on, begins again. Returns whether a fault ended the life before.
    pub(super) fn restart(&mut self) -> bool {
        self.on.clear();
        self.begun.clear();
        std::mem::take(&mut self.is_killed)
    }

    /// A line of a life that a fault has killed.
    pub(super) fn behind_kill(&mut self) -> Wrong {
        self.judged += 1;
        let text = "a fault has killed the process, so that nothing follows but `restarted`";
        (FAULTS, text.to_owned())
    }

    /// Judges what a send line says of its messages.
    pub(super) fn judge(&mut self, to: &[MachineId], mishaps: &Mishaps) -> Vec<Wrong> {
        self.judged += 1;
        let Mishaps {
            dropped,
            lost,
            duplicated,
            unordered,
        } = mishaps;
        let keys = [
            ("dropped", dropped),
            ("lost", lost),
            ("duplicated", duplicated),
            ("unordered", unordered),
        ];
        let mut wrong = Vec::new();
        for (place, (key, machines)) in keys.iter().enumerate() {
            if let Some(other) = machines.iter().find(|peer| !to.contains(peer)) {
                let text = format!("{key}={other} names a machine that is no recipient of this send");
                wrong.push((FORMAT, text));
            }
            // Who was dropped or lost exclude each other and all others.
            let others = keys.iter().skip(if place < 2 { place + 1 } else { keys.len() });
            for (other, also) in others {
                if let Some(both) = machines.iter().find(|peer| also.contains(peer)) {
                    let text = format!("{key}={both} and {other}={both}, which exclude each other");
                    wrong.push((FORMAT, text));
                }
            }
        }
        let causes: [(_, _, Cause, _); 3] = [
            ("lost", lost, |effect| effect.loses, "loses messages"),
            (
                "duplicated",
                duplicated,
                |effect| effect.doubles,
                "sends them twice",
            ),
            (
                "unordered",
                unordered,
                |effect| effect.reorders,
                "lets them overtake",
            ),
        ];
        for (key, machines, is_cause, what) in causes {
            let has_cause = |peer: &MachineId| {
                let mut on = self.on.values();
                on.any(|(effect, to)| is_cause(effect) && to.contains(peer))
            };
            if let Some(peer) = machines.iter().find(|peer| !has_cause(peer)) {
                let text = format!("{key}={peer}, but no fault that {what} is on the link to machine {peer}");
                wrong.push((FAULTS, text));
            }
        }
        wrong
    }
}
