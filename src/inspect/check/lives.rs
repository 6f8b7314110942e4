//! The rule *incarnation*: which life of each machine the logs speak of.
//!
//! A machine's own log says when a further life begins: 2, 3, … without a gap. The logs of others say to which life
//! of a peer a link leads: never to an earlier one than before, and never to one that the peer's log does not have.

use std::collections::BTreeMap;

use super::{judge::Files, rules::INCARNATION};
use crate::{
    trace::{Place, Violations},
    units::MachineId,
};

/// The lives that logs speak of. Runs in which nobody was started again keep nothing here.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The last life that each machine's own log says, and the line.
    own: BTreeMap<MachineId, (u32, u64)>,
    /// The last life of a peer that a machine's log says, and the line: by (machine, peer).
    seen: BTreeMap<(MachineId, MachineId), (u32, u64)>,
    pub(super) judged: u64,
}

impl Lives {
    /// The log of `me` says that a further life begins.
    #[cold]
    pub(super) fn restarted(
        &mut self,
        me: MachineId,
        line: u64,
        incarnation: u32,
        files: &Files,
        violations: &mut Violations,
    ) {
        self.judged += 1;
        let known = self.own.insert(me, (incarnation, line));
        let (before, place) = known.unwrap_or((1, 2));
        if incarnation != before.saturating_add(1) {
            violations.add(INCARNATION, me, || {
                let places = vec![files.place(me, line), files.place(me, place)];
                let text = format!(
                    "life {incarnation} begins behind life {before} ({}): lives count 2, 3, … without a gap",
                    files.place(me, place)
                );
                (places, text)
            });
        }
    }

    /// The log of `me` says that a link leads to this life of `peer`.
    #[cold]
    pub(super) fn linked(
        &mut self,
        (me, peer): (MachineId, MachineId),
        line: u64,
        incarnation: u32,
        files: &Files,
        violations: &mut Violations,
    ) {
        let known = self.seen.get(&(me, peer)).copied();
        // The first life is not worth remembering: nothing goes back behind it.
        if incarnation == 1 && known.is_none() {
            return;
        }
        self.judged += 1;
        self.seen.insert((me, peer), (incarnation, line));
        if let Some((before, place)) = known.filter(|(before, _)| incarnation < *before) {
            violations.add(INCARNATION, me, || {
                let places = vec![files.place(me, line), files.place(me, place)];
                let text = format!(
                    "a link to life {incarnation} of machine {peer}, but life {before} was here already ({})",
                    files.place(me, place)
                );
                (places, text)
            });
        }
    }

    /// All logs are at their end; `unsaid` says how many lives may have begun behind the end of a machine's log: none
    /// behind a footer, one that died before it could say so elsewhere; `None` if there is no log.
    pub(super) fn finish(
        &self,
        unsaid: impl Fn(MachineId) -> Option<u32>,
        files: &Files,
        violations: &mut Violations,
    ) {
        for ((me, peer), (incarnation, line)) in &self.seen {
            let last = self.own.get(peer).map_or(1, |(last, _)| *last);
            if unsaid(*peer).is_some_and(|unsaid| *incarnation > last.saturating_add(unsaid)) {
                violations.add(INCARNATION, *me, || {
                    let places: Vec<Place> = vec![files.place(*me, *line), files.place(*peer, 0)];
                    let text = format!(
                        "a link to life {incarnation} of machine {peer}, whose log knows of {last} only ({})",
                        files.place(*peer, 0)
                    );
                    (places, text)
                });
            }
        }
    }

    /// Whether a machine was started again.
    pub(super) fn has_restarted(&self, machine: MachineId) -> bool {
        self.own.contains_key(&machine)
    }
}
