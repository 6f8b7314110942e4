//! Injected faults as a run's logs tell them, on which machine, from when to when, in words; and when processes died.

use super::{History, HistoryBuilder};
use crate::{
    faults::detail_in_words,
    trace::{FaultNote, WallTime},
};

/// One fault on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The machine: an index into [`History::processes`].
    pub process: u32,
    /// The fault's number in the run.
    pub id: u32,
    /// What it is: `loss to 1,2 30%`, or `kill for 3s`.
    pub text: String,
    /// Since when.
    pub from: WallTime,
    /// Until when, or when the process died that it was on; `None` if the log says neither.
    pub until: Option<WallTime>,
}

impl HistoryBuilder {
    /// Says that a fault begins on a process.
    pub fn fault(&mut self, process: u32, at: WallTime, note: &FaultNote) {
        let mut text = note.kind.clone();
        if !note.to.is_empty() {
            let to: Vec<String> = note.to.iter().map(ToString::to_string).collect();
            text += &format!(" to {}", to.join(","));
        }
        if !note.detail.is_empty() {
            text += &format!(" {}", detail_in_words(note));
        }
        self.breaks.push(Break {
            process,
            id: note.id,
            text,
            from: at,
            until: note.is_instant().then_some(at),
        });
    }

    /// Says that the fault of that number is over on a process.
    pub fn mended(&mut self, process: u32, at: WallTime, id: u32) {
        let mut open = self.breaks.iter_mut().rev();
        let found = open.find(|found| (found.process, found.id, found.until) == (process, id, None));
        if let Some(found) = found {
            found.until = Some(at);
        }
    }

    /// Says that a process was started again; of the life before, `last` is all that is known of its end. What was on
    /// died with it: what is still on in the life that begins is said anew there.
    pub fn restarted(&mut self, process: u32, last: WallTime) {
        self.deaths.push((process, last));
        for found in self.breaks.iter_mut().filter(|found| found.process == process) {
            found.until.get_or_insert(last);
        }
    }
}

impl History {
    /// When a process died that was started again, as far as its log goes: the last line of each such life.
    pub fn deaths_of(&self, process: u32) -> impl Iterator<Item = WallTime> {
        let deaths = self.deaths.iter().filter(move |(found, _)| *found == process);
        deaths.map(|(_, at)| *at)
    }

    /// The faults of a process, in the order of its log.
    pub fn breaks_of(&self, process: u32) -> impl Iterator<Item = &Break> {
        self.breaks.iter().filter(move |found| found.process == process)
    }
}
