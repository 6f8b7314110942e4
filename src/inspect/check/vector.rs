//! The rules of vector clocks, where a log has them.
//!
//! Source: C. Fidge 1988 and F. Mattern 1989. Own entry 1 in the first event and one more in each; a receive
//! takes the entrywise maximum of what it knows and what the message says, then counts itself; nobody knows
//! more of a machine than the machine.

use super::{
    judge::{Context, Files, Pair},
    message::{Received, Sent},
    rules::VECTOR,
};
use crate::{
    trace::{Place, Vector, Violations},
    units::MachineId,
};

/// The vector clock of one machine, followed through its log.
#[derive(Clone, Debug, Default)]
pub(super) struct VectorTrack {
    /// After the last event, if that had one.
    last: Option<Vector>,
    /// Events with a vector.
    pub(super) judged: u64,
}

/// The greatest entry that others hold for each machine, and where.
pub(super) type Claims = Vec<Option<(u64, MachineId, u64)>>;

impl VectorTrack {
    /// Follows one event. `merges` tells a receive, whose other entries are judged when its send is known.
    /// Returns the vector before.
    pub(super) fn take(
        &mut self,
        me: MachineId,
        step: Step<'_>,
        claims: &mut Claims,
        files: &Files,
        violations: &mut Violations,
    ) -> Option<Vector> {
        self.judged += 1;
        let Step {
            line,
            tick,
            vector,
            merges,
        } = step;
        let machines = claims.len();
        let mut wrong = |text: String| violations.add(VECTOR, me, || (vec![files.place(me, line)], text));
        if vector.len() != machines {
            wrong(format!(
                "the vector has {} entries for {machines} machines",
                vector.len()
            ));
            self.last = None;
            return None;
        }
        let before = self
            .last
            .take()
            .or_else(|| (tick == 1).then(|| vec![0; machines].into()));
        self.last = Some(vector.clone());
        for (claim, (machine, entry)) in claims.iter_mut().zip((0..).map(MachineId).zip(vector)) {
            if machine != me && claim.is_none_or(|(most, ..)| *entry > most) {
                *claim = Some((*entry, me, line));
            }
        }
        if let Some(before) = &before {
            for (machine, (old, new)) in (0..).map(MachineId).zip(before.iter().zip(vector)) {
                if machine == me && *new != old.saturating_add(1) {
                    wrong(format!(
                        "the own entry goes from {old} to {new}: it rises by 1 with every event"
                    ));
                }
                if machine != me && merges && new < old {
                    wrong(format!(
                        "the entry of machine {machine} falls from {old} to {new}"
                    ));
                }
                if machine != me && !merges && new != old {
                    wrong(format!(
                        "the entry of machine {machine} goes from {old} to {new} without a receive"
                    ));
                }
            }
        }
        before
    }

    /// The own entry after the last event.
    pub(super) fn own(&self, me: MachineId) -> Option<u64> {
        self.last.as_ref()?.get(me.index()).copied()
    }
}

/// One event with a vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) line: u64,
    pub(super) tick: u64,
    pub(super) vector: &'a Vector,
    pub(super) merges: bool,
}

/// A receive beside its send: entrywise maximum, own entry apart.
pub(super) fn judge_receive(
    pair: Pair,
    (send, sent): (&Sent, &Vector),
    receive: &Received,
    (before, after): (&Vector, &Vector),
    context: &mut Context<'_>,
) {
    let entries = before.iter().zip(sent).zip(after);
    let wrong = (0..)
        .map(MachineId)
        .zip(entries)
        // An entry that falls was told of already.
        .find(|(machine, ((old, sent), new))| *machine != pair.to && new >= old && **new != **old.max(sent));
    let Some((machine, ((old, sent), new))) = wrong else {
        return;
    };
    let files = context.files;
    context.violations.add(VECTOR, pair.to, || {
        let places = vec![files.place(pair.to, receive.line), files.place(pair.from, send.line)];
        let text = format!(
            "receive of the message sent at {}: the entry of machine {machine} must become max({old}, {sent}) = {}; the log says {new}",
            files.place(pair.from, send.line),
            old.max(sent),
        );
        (places, text)
    });
}

/// At the end of a whole log of `machine`: does anybody know more of it than it does?
pub(super) fn judge_claim(
    machine: MachineId,
    own: u64,
    claims: &Claims,
    files: &Files,
    violations: &mut Violations,
) {
    let Some(Some((entry, holder, line))) = claims.get(machine.index()) else {
        return;
    };
    if *entry > own {
        let place: Place = files.place(*holder, *line);
        violations.add(VECTOR, *holder, || {
            let text = format!(
                "the entry of machine {machine} is {entry}, but that machine's own ends at {own} ({}): \
                 nobody knows more of a machine than it does",
                files.place(machine, 0),
            );
            (vec![place, files.place(machine, 0)], text)
        });
    }
}
