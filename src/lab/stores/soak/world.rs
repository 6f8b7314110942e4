//! How the replicas of a soak are, as far as its own hands know: what clients may be told depends on it.

use std::{collections::BTreeMap, sync::Mutex};

use crate::units::{MachineId, Time};

/// How a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is no process.
    Away,
    /// Its process was started, and does not say yet that it is ready.
    Starting,
    /// It serves.
    Up,
    /// Its process stands still.
    Paused,
    /// It was killed, or ended.
    Dead,
    /// It hands over and leaves.
    Leaving,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: State,
    since: Time,
    /// Faults of its links that are on.
    faults: u32,
    /// When one of them began or ended last.
    faults_since: Time,
    /// Counts its processes.
    life: u32,
}

/// What a replica was all the time from one moment to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calm {
    /// It served, and nothing was wrong with its links.
    Undisturbed,
    /// It served, with faults of its links.
    CutOff,
    /// It did not serve all the time.
    No,
}

/// All replicas.
#[derive(Debug)]
pub(super) struct World {
    slots: Mutex<BTreeMap<MachineId, Slot>>,
}

impl World {
    pub(super) fn new(slots: u16) -> Self {
        let slot = Slot {
            state: State::Away,
            since: Time(0),
            faults: 0,
            faults_since: Time(0),
            life: 0,
        };
        Self {
            slots: Mutex::new(MachineId::all(slots).map(|id| (id, slot)).collect()),
        }
    }

    fn with<T>(&self, id: MachineId, work: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        // Nobody panics while he holds it.
        let mut slots = self
            .slots
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        slots.get_mut(&id).map(work)
    }

    pub(super) fn set(&self, id: MachineId, state: State, now: Time) {
        self.with(id, |slot| {
            slot.life += u32::from(state == State::Starting);
            slot.state = state;
            slot.since = now;
        });
    }

    /// Which of its processes there is, or was last.
    pub(super) fn life(&self, id: MachineId) -> u32 {
        self.with(id, |slot| slot.life).unwrap_or(0)
    }

    /// Those that are in this state.
    pub(super) fn all(&self, state: State) -> Vec<MachineId> {
        let slots = self
            .slots
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let those = slots.iter().filter(|(_, slot)| slot.state == state);
        those.map(|(id, _)| *id).collect()
    }

    pub(super) fn state(&self, id: MachineId) -> State {
        self.with(id, |slot| slot.state).unwrap_or(State::Away)
    }

    /// A fault of its links begins.
    pub(super) fn fault_begins(&self, id: MachineId, now: Time) {
        self.with(id, |slot| {
            slot.faults += 1;
            slot.faults_since = now;
        });
    }

    /// A fault of its links ends.
    pub(super) fn fault_ends(&self, id: MachineId, now: Time) {
        self.with(id, |slot| {
            slot.faults = slot.faults.saturating_sub(1);
            slot.faults_since = now;
        });
    }

    /// How it was since `begun`.
    pub(super) fn calm(&self, id: MachineId, begun: Time) -> Calm {
        let calm = |slot: &mut Slot| match slot.state {
            State::Up if slot.since <= begun => match slot.faults == 0 && slot.faults_since <= begun {
                true => Calm::Undisturbed,
                false => Calm::CutOff,
            },
            State::Up | State::Away | State::Starting | State::Paused | State::Dead | State::Leaving => {
                Calm::No
            }
        };
        self.with(id, calm).unwrap_or(Calm::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_disturbed_meanwhile_was_not_calm() {
        let (world, one) = (World::new(2), MachineId(1));
        assert_eq!(world.calm(one, Time(5)), Calm::No);
        world.set(one, State::Up, Time(10));
        assert_eq!(world.calm(one, Time(9)), Calm::No);
        assert_eq!(world.calm(one, Time(10)), Calm::Undisturbed);
        world.fault_begins(one, Time(20));
        assert_eq!(world.calm(one, Time(30)), Calm::CutOff);
        world.fault_ends(one, Time(40));
        assert_eq!(world.calm(one, Time(30)), Calm::CutOff);
        assert_eq!(world.calm(one, Time(40)), Calm::Undisturbed);
        world.set(one, State::Paused, Time(50));
        assert_eq!(world.calm(one, Time(60)), Calm::No);
        assert_eq!(world.state(MachineId(7)), State::Away);
    }
}
