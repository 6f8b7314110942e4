//! Who changes the members of a simulated run: drains, removes, replaces and takes back, all from the seed.
//!
//! The operator speaks to one replica, which is no target of its own, and makes one change after the other, each again until
//! it is answered. A machine that is started again introduces itself and is a member again, whatever was decided before; so
//! once all faults are over, the operator says for each machine that it has touched what it is to be, once more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::book::{Book, Pending};
use crate::{
    dice::{Purpose, Stream},
    kv::{self, Action, Answer, Deny, MemberChange, Request, Token},
    service::{Address, Service},
    sim::open::{Heard, Orders},
    units::{MachineId, Time},
};

/// In the tag of a wake-up: that a change is due.
pub(super) const CHANGE: u64 = 1 << 59;

/// From an answer that is none to the next try, in microseconds.
const AGAIN_US: u64 = 250_000;

/// From one change to the next, at least, in microseconds.
const BETWEEN_US: u64 = 1_200_000;

/// From the end of all faults to the changes that are said once more, in microseconds: all machines have started, which
/// takes until the second of their incarnation. And again later: a member that was draining may have left on its own side
/// of a partition, and its leaving wins against what was decided on the other side.
const ASSERT_US: [u64; 2] = [2_500_000, 5_000_000];

/// Members that have to stay.
const STAY_MIN: usize = 2;

/// A change and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Time,
    pub(super) what: What,
}

/// What is to become of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Add(MachineId),
    Drain(MachineId),
    Remove(MachineId),
    Lose(MachineId),
    Replace(MachineId, MachineId),
}

/// The operator of a run.
#[derive(Debug, Default)]
pub(super) struct Operator {
    coordinator: MachineId,
    /// Still to be made, the next one first.
    changes: Vec<Change>,
    /// All that are made.
    pub(super) planned: Vec<Change>,
    addresses: Vec<Address>,
    is_asking: bool,
}

/// What the operator of a seed does, and who is a member then.
pub(super) struct Plan {
    pub(super) operator: Operator,
    pub(super) members: BTreeSet<MachineId>,
    /// Fewest members at one time.
    pub(super) members_min: usize,
}

impl Plan {
    /// Draws changes of a run whose first `replicas` machines are members from the beginning, and the last one joins by
    /// itself.
    pub(super) fn draw(seed: u64, replicas: u16, addresses: Vec<Address>, heals_us: u64) -> Self {
        let mut dice = Stream::new(seed, MachineId(u16::MAX - 2), Purpose::Faults);
        let machines = replicas + 1;
        let coordinator = MachineId(u16::try_from(dice.below(u64::from(replicas))).unwrap_or(0));
        // In two runs of three nothing is given up, so that nothing may be lost.
        let is_gentle = dice.below(3) > 0;
        let mut members: BTreeSet<MachineId> = MachineId::all(machines).collect();
        let mut members_min = usize::from(replicas);
        let mut planned = Vec::new();
        let mut touched = BTreeSet::new();
        // What one has that is lost is dropped when it is started again, and only the schedule says whether it is.
        let mut lost = BTreeSet::new();
        let mut at = heals_us / 8 + dice.below(heals_us / 8 + 1);
        while at < heals_us * 4 / 5 {
            let machine = MachineId(u16::try_from(dice.below(u64::from(machines))).unwrap_or(0));
            let other = MachineId(u16::try_from(dice.below(u64::from(machines))).unwrap_or(0));
            let can_go = members.len() > STAY_MIN + 1 && machine != coordinator;
            let what = match (members.contains(&machine), dice.below(3)) {
                (false, _) if lost.contains(&machine) => None,
                (false, _) => Some(What::Add(machine)),
                (true, 0) if can_go && !is_gentle && !members.contains(&other) && !lost.contains(&other) => {
                    Some(What::Replace(machine, other))
                }
                (true, 1) if can_go && !is_gentle && dice.below(2) == 0 => Some(What::Lose(machine)),
                (true, 1) if can_go && !is_gentle => Some(What::Remove(machine)),
                (true, _) if can_go => Some(What::Drain(machine)),
                (true, _) => None,
            };
            if let Some(what) = what {
                what.comes_to(&mut members, &mut lost, replicas);
                touched.extend([machine, other]);
                // Nobody knows when the last one has joined.
                let first = members.iter().filter(|member| member.0 < replicas);
                members_min = members_min.min(first.count());
                planned.push(Change { at: Time(at), what });
            }
            at += BETWEEN_US + dice.below(3 * BETWEEN_US);
        }
        let mut changes = planned.clone();
        for after_us in ASSERT_US {
            changes.extend(touched.iter().map(|machine| Change {
                at: Time(heals_us + after_us),
                what: match members.contains(machine) {
                    true => What::Add(*machine),
                    false => What::Drain(*machine),
                },
            }));
        }
        changes.reverse();
        let operator = Operator {
            coordinator,
            changes,
            planned,
            addresses,
            is_asking: false,
        };
        Self {
            operator,
            members,
            members_min,
        }
    }
}

impl What {
    /// Who is a member behind it, and who is lost.
    fn comes_to(self, members: &mut BTreeSet<MachineId>, lost: &mut BTreeSet<MachineId>, replicas: u16) {
        match self {
            Self::Add(machine) => {
                members.insert(machine);
            }
            Self::Drain(machine) => {
                members.remove(&machine);
            }
            Self::Remove(machine) => {
                members.remove(&machine);
                // One that joins by itself may be added before anybody has met it: removed then, it is lost.
                lost.extend((machine.0 >= replicas).then_some(machine));
            }
            Self::Lose(machine) => {
                members.remove(&machine);
                lost.insert(machine);
            }
            Self::Replace(old, new) => {
                members.remove(&old);
                lost.insert(old);
                members.insert(new);
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}.{:06} ", self.at.0 / 1_000_000, self.at.0 % 1_000_000)?;
        match self.what {
            What::Add(machine) => write!(f, "add {machine}"),
            What::Drain(machine) => write!(f, "drain {machine}"),
            What::Remove(machine) => write!(f, "remove {machine}"),
            What::Lose(machine) => write!(f, "remove {machine} as lost"),
            What::Replace(old, new) => write!(f, "replace {old} by {new}"),
        }
    }
}

impl Operator {
    /// When the next change is due.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.changes.last().map(|change| change.at)
    }

    fn change(&self, what: What) -> Option<MemberChange> {
        let address = |id: MachineId| self.addresses.get(id.index()).cloned();
        Some(match what {
            What::Add(id) => MemberChange::Add {
                id,
                address: address(id)?,
            },
            What::Drain(id) => MemberChange::Drain { id },
            What::Remove(id) => MemberChange::Remove { id },
            What::Lose(id) => MemberChange::Lose { id },
            What::Replace(old, id) => MemberChange::Replace {
                old,
                id,
                address: address(id)?,
            },
        })
    }
}

impl Book {
    /// A change may be due.
    pub(super) fn wake_operator<S>(&mut self, at: Time, orders: &mut Orders<S>)
    where
        S: Service<Request = Request, Reply = kv::Reply>,
    {
        let operator = &mut self.operator;
        let Some(change) = operator.changes.last().filter(|_| !operator.is_asking).cloned() else {
            return;
        };
        if change.at > at {
            return orders.wake(change.at, CHANGE);
        }
        let Some(asked) = operator.change(change.what) else {
            operator.changes.pop();
            return orders.wake(at, CHANGE);
        };
        operator.is_asking = true;
        let request = Request {
            token: Token::new(),
            wait_us: 0,
            action: Action::Change(asked),
        };
        let ticket = orders.request(operator.coordinator, request);
        self.pending.insert(ticket, Pending::Change);
    }

    /// What came of a change.
    pub(super) fn change_heard<S>(&mut self, at: Time, heard: &Heard<kv::Reply>, orders: &mut Orders<S>)
    where
        S: Service<Request = Request, Reply = kv::Reply>,
    {
        self.operator.is_asking = false;
        let is_done = match heard {
            Heard::Reply { reply, .. } => match &reply.answer {
                // One that is no member need not go.
                Answer::MembersChanged { .. } | Answer::Denied(Deny::NoSuchMember) => true,
                Answer::Denied(Deny::Joining | Deny::Leaving | Deny::NoMember | Deny::Disk { .. }) => false,
                other => {
                    let what = format!("a change of the members is answered {other:?}");
                    self.breaks(what);
                    true
                }
            },
            Heard::Refused | Heard::Broken => false,
        };
        let next = match is_done {
            true => {
                self.operator.changes.pop();
                self.counts.changes += 1;
                at
            }
            false => Time(at.0 + AGAIN_US),
        };
        orders.wake(next, CHANGE);
    }

    /// Who has to be a member is one, to everybody, and nobody else.
    pub(super) fn judge_members(&mut self) {
        let mut broken = Vec::new();
        for (machine, last) in &self.finals {
            let Some(status) = &last.status else {
                continue;
            };
            let stands = |member: &&kv::Member| member.standing.is_member();
            let seen: BTreeSet<MachineId> = status
                .members
                .iter()
                .filter(stands)
                .map(|member| member.id)
                .collect();
            if seen != self.members {
                let standing: BTreeMap<MachineId, kv::Standing> = status
                    .members
                    .iter()
                    .map(|member| (member.id, member.standing))
                    .collect();
                broken.push(format!(
                    "when all has settled, the members are to be {:?}, and to machine {machine} they are {standing:?}",
                    self.members
                ));
            }
        }
        broken.into_iter().for_each(|what| self.breaks(what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_members_stay_and_the_coordinator_is_one_of_them() {
        for seed in 0..200 {
            let plan = Plan::draw(seed, 3, Vec::new(), 12_000_000);
            assert!(
                plan.members_min + 1 >= STAY_MIN && plan.members.len() >= STAY_MIN,
                "seed {seed}"
            );
            assert!(plan.members.contains(&plan.operator.coordinator), "seed {seed}");
            let goes = |change: &Change| match change.what {
                What::Add(_) => None,
                What::Drain(machine)
                | What::Remove(machine)
                | What::Lose(machine)
                | What::Replace(machine, _) => Some(machine),
            };
            let mut gone = plan.operator.planned.iter().filter_map(goes);
            assert!(
                gone.all(|machine| machine != plan.operator.coordinator),
                "seed {seed}"
            );
        }
    }
}
