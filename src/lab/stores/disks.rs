//! What each disk of a simulated run keeps, as the disks themselves say it and not the replicas; and by that what may be
//! gone.
//!
//! # When an acknowledged write may be gone
//!
//! A *copy* of a write is a disk that kept it: a machine, and which of its disks. A copy ends in one of four ways.
//!
//! - The disk is lost. Nobody can do anything about that.
//! - Its machine is removed or replaced by decision, and not taken back: what only it has is given up, as the operator was told.
//! - Its machine is removed as lost, or replaced, and hears of it: then it gives up what it has, and drops it when it is
//!   started again. From that moment on its disk is as one that is lost. Until then it counts as one that was removed.
//! - Its machine is drained and leaves. That is promised to lose nothing: when it leaves, more than half of those who
//!   stay have on their disks all that it had when it began to drain. So a leaving is no excuse, and is judged by
//!   itself at the moment at which it happens ([`Disks::keeps`]). What came to its disk after that beginning it does not
//!   hand over, and tells nobody that it has it: that is no copy.
//!
//! So a write may be gone if it had a copy, every copy has ended, and one at least by a loss or by a decision
//! ([`Disks::judge_gone`]). Since the copies of one that left were handed over to others, who stay, these are among those that
//! have to have ended; if all of a write's copies had ended by leaving, somebody left without handing over. Nothing is
//! excused by a loss that concerns no copy of the write, nor by a member that leaves and has none.
//!
//! What one that leaves can know of the others' disks is what it was told by the life of each that its link led to last.
//! If the disk of that life has been lost since, it counts all the same: nothing tells it in time from one that is there.
//! Who stays are those who were members to it at the moment at which it left: its disk may say that later, in one group with
//! somebody it has heard of since.
//! A leaving is judged when its machine's own disk says it. Where that takes nothing any more it is not, and what is gone
//! by it is found at the end: it is no excuse there either.
//!
//! What was given up may not come back: whose own record says that it was removed as lost, and that it is a member again, had
//! nothing on its disk when it took that record.
//!
//! That a write had its copies is judged when a client hears that it is done ([`Disks::judge_acknowledged`]): the disk of the
//! replica that accepted it, and as many as were asked for; of a majority a bound from below, more than half of the fewest
//! members of the run at one time.
//!
//! # When a write may be let go
//!
//! A replica lets go what nobody has any more who is a member to it ([`Disks::judge_let_go`]): so none of them has it on a disk.
//! Not looked at is what is new within [`LATELY_US`]: the answer was under way. A session has seen only what some disk
//! kept, so there was a copy.

use std::collections::BTreeMap;

use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{Copies, Kept, MemberRecord, MemberStatus},
    service::{Peer, Row},
    units::{MachineId, Time},
};

/// How long an answer may have been under way: what has changed since is not held against it. Less than any time after
/// which a replica lets anything go.
pub(super) const LATELY_US: u64 = 1_000_000;

/// A disk that kept a write.
#[derive(Clone, Copy, Debug)]
struct Copy {
    machine: MachineId,
    /// Which of its disks, from 0.
    disk: u32,
    since: Time,
}

/// What one that drains has to hand over, from the first word of its disk that it drains.
#[derive(Clone, Debug)]
struct Promise {
    /// Of its record.
    version: u64,
    /// At least this.
    least: VersionVector,
    /// At most this, and its own writes. Of the rest it tells nobody that it has it.
    most: VersionVector,
}

/// A machine and its disks.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// What was on those that are lost, first the first.
    lost: Vec<VersionVector>,
    /// What is on the present one.
    known: VersionVector,
    forgotten: VersionVector,
    records: BTreeMap<MachineId, MemberRecord>,
    pub(super) has_joined: bool,
    /// What is on it was given up, and is to be dropped.
    is_given_up: bool,
    /// What was on any of them.
    pub(super) ever: VersionVector,
    /// Its lives, and with which disk each began.
    pub(super) lives: Vec<(u32, u32)>,
    /// To which life of each other its link led last, in its present life.
    met: BTreeMap<MachineId, u32>,
    /// Who are members to its present life, and since when.
    pub(super) view: BTreeMap<MachineId, Time>,
    /// When its present life saw one go last.
    pub(super) dropped: BTreeMap<MachineId, Time>,
    promise: Option<Promise>,
    /// When it ceased to be a member: what it could count upon at each of the others.
    counted: BTreeMap<MachineId, VersionVector>,
    /// Whom it left then; `None` if it has been a member since, or had no others.
    left_behind: Option<Vec<MachineId>>,
    /// What its present life had forgotten before it began.
    pub(super) begun_with: VersionVector,
    /// What its present life said that it took for stable.
    pub(super) stable: Vec<(Time, VersionVector)>,
}

/// All disks of a run.
#[derive(Debug, Default)]
pub(super) struct Disks {
    pub(super) machines: BTreeMap<MachineId, Machine>,
    copies: BTreeMap<Dot, Vec<Copy>>,
}

impl Machine {
    /// Which disk it is: so many were lost before.
    fn disk(&self) -> u32 {
        u32::try_from(self.lost.len()).unwrap_or(u32::MAX)
    }

    /// What is or was on a disk.
    fn on(&self, disk: u32) -> &VersionVector {
        self.lost.get(disk as usize).unwrap_or(&self.known)
    }

    /// What was on the disk of a life at last.
    fn of_life(&self, incarnation: u32) -> VersionVector {
        let life = self.lives.iter().find(|(life, _)| *life == incarnation);
        life.map(|(_, disk)| self.on(*disk).clone()).unwrap_or_default()
    }

    /// Takes the rows of a group. Says what is wrong with them.
    fn take(&mut self, id: MachineId, rows: &[Row]) -> Vec<String> {
        let mut wrong = Vec::new();
        self.drop_given_up(rows);
        let kept = self.known.clone();
        let age = self.age(id);
        for row in rows {
            match Kept::of(row) {
                Ok(Some(Kept::Known { known, forgotten })) => {
                    self.known = known;
                    self.forgotten = forgotten;
                }
                Ok(Some(Kept::Lost(is_lost))) => self.is_given_up = is_lost,
                Ok(Some(Kept::Joined(has_joined))) => self.has_joined = has_joined,
                Ok(Some(Kept::Members(records))) => {
                    let records = records.into_iter().map(|record| (record.id, record));
                    self.records.extend(records);
                }
                Ok(None) => {}
                Err(error) => {
                    wrong.push(format!(
                        "machine {id} gives its disk a row that nobody can read: {error}"
                    ));
                }
            }
        }
        if !self.known.covers(&kept) {
            let known = &self.known;
            wrong.push(format!(
                "the disk of machine {id} had {kept}, and is given {known} instead"
            ));
        }
        if self.age(id) > age && !kept.is_empty() {
            wrong.push(format!(
                "machine {id} was removed as lost, and goes on with what it had, {kept}"
            ));
        }
        self.ever.merge(&self.known);
        wrong
    }

    /// How often it was given up, as its own record says: what it has then is of a later time.
    fn age(&self, id: MachineId) -> u64 {
        self.records.get(&id).map_or(0, MemberRecord::age)
    }

    /// Its present life drops what was given up: as if its disk were lost, and the life had begun with another.
    fn drop_given_up(&mut self, rows: &[Row]) {
        let is_dropped = |row: &Row| matches!(Kept::of(row), Ok(Some(Kept::Lost(false))));
        if self.is_given_up && rows.iter().any(is_dropped) {
            self.lose();
            let disk = self.disk();
            if let Some((_, of)) = self.lives.last_mut() {
                *of = disk;
            }
        }
    }

    fn lose(&mut self) {
        self.lost.push(std::mem::take(&mut self.known));
        self.forgotten = VersionVector::new();
        self.records.clear();
        self.has_joined = false;
        self.is_given_up = false;
        self.promise = None;
    }

    /// Its present life's writes.
    fn own(&self, id: MachineId) -> Option<Origin> {
        self.lives.last().map(|(incarnation, _)| Origin {
            machine: id,
            incarnation: *incarnation,
        })
    }

    fn standing(&self, id: MachineId) -> Option<(MemberStatus, u64)> {
        self.records
            .get(&id)
            .map(|record| (record.status, record.version))
    }

    /// A group is on its disk: it may have begun to drain with it, or have left. `before` says what was there before.
    fn drains(
        &mut self,
        id: MachineId,
        before: &VersionVector,
        standing: Option<(MemberStatus, u64)>,
    ) -> Option<String> {
        let now = self.standing(id);
        match now {
            Some((MemberStatus::Draining, version)) => {
                let is_new = |promise: &Promise| promise.version != version;
                if self.promise.as_ref().is_none_or(is_new) {
                    self.promise = Some(Promise {
                        version,
                        least: before.clone(),
                        most: self.known.clone(),
                    });
                }
                None
            }
            Some((MemberStatus::Left, _)) if now != standing => {
                let promise = self.promise.as_ref();
                let mut promised = promise.map_or(before, |promise| &promise.least).clone();
                if let Some(own) = self.own(id) {
                    promised.raise(own, self.known.get(own));
                }
                self.judge_leaving(id, &promised)
            }
            // What it keeps from telling goes on being so when it has left.
            Some((MemberStatus::Left, _)) => None,
            Some((MemberStatus::Present | MemberStatus::Removed | MemberStatus::Lost, _)) | None => {
                self.promise = None;
                None
            }
        }
    }

    /// It has left: more than half of those who stay, as it saw them, had on their disks what it was to hand over.
    fn judge_leaving(&self, id: MachineId, promised: &VersionVector) -> Option<String> {
        // Whom it has heard of since it left came with the same group, and was not there for it.
        let was_there = |record: &&MemberRecord| {
            let left_behind = self.left_behind.as_ref();
            record.id != id && left_behind.is_none_or(|ids| ids.contains(&record.id))
        };
        let others = self.records.values().filter(was_there);
        let is_away = |record: &MemberRecord| match record.status {
            MemberStatus::Removed | MemberStatus::Left | MemberStatus::Lost => true,
            MemberStatus::Present | MemberStatus::Draining => false,
        };
        let is_alone = others.clone().all(is_away);
        let staying: Vec<MachineId> = others
            .filter(|record| record.status == MemberStatus::Present)
            .map(|record| record.id)
            .collect();
        // One that it never met has what is nothing.
        let nothing = VersionVector::new();
        let has = |id: &&MachineId| self.counted.get(id).unwrap_or(&nothing).covers(promised);
        let have: Vec<MachineId> = staying.iter().filter(has).copied().collect();
        let is_handed_over = is_alone || have.len() > staying.len() / 2;
        (!is_handed_over).then(|| {
            format!(
                "machine {id} left, and of those who stay ({staying:?}) only {have:?} had on their disks what it had, {promised}"
            )
        })
    }
}

impl Disks {
    fn machine(&mut self, id: MachineId) -> &mut Machine {
        self.machines.entry(id).or_default()
    }

    /// A life begins.
    pub(super) fn started(&mut self, id: MachineId, incarnation: u32) {
        let machine = self.machine(id);
        machine.lives.push((incarnation, machine.disk()));
        machine.met.clear();
        machine.view.clear();
        machine.dropped.clear();
        machine.stable.clear();
        machine.begun_with = match machine.is_given_up {
            true => VersionVector::new(),
            false => machine.forgotten.clone(),
        };
        if let Some(promise) = &mut machine.promise {
            // It drains on, and begins with what is on its disk.
            promise.least = machine.known.clone();
            promise.most = machine.known.clone();
        }
    }

    /// What a life says that it begins with is what its disk has.
    pub(super) fn judge_restored(&self, id: MachineId, known: &VersionVector) -> Result<(), String> {
        let nothing = VersionVector::new();
        let machine = self.machines.get(&id).filter(|machine| !machine.is_given_up);
        let kept = machine.map_or(&nothing, |machine| &machine.known);
        match kept == known {
            true => Ok(()),
            false => Err(format!(
                "machine {id} is restarted with {known}, and its disk has {kept}"
            )),
        }
    }

    /// A process is gone.
    pub(super) fn died(&mut self, id: MachineId) {
        self.machine(id).view.clear();
    }

    /// A disk is lost.
    pub(super) fn lost(&mut self, id: MachineId) {
        self.machine(id).lose();
    }

    /// A link of a machine is up.
    pub(super) fn met(&mut self, id: MachineId, peer: MachineId, incarnation: u32) {
        self.machine(id).met.insert(peer, incarnation);
    }

    /// Who the others are that are members to a machine; nobody, if it is none itself.
    pub(super) fn views(&mut self, id: MachineId, at: Time, peers: &[Peer]) {
        let mut counted = BTreeMap::new();
        if peers.is_empty() {
            let met = self.machine(id).met.clone();
            for (peer, incarnation) in met {
                counted.insert(peer, self.machine(peer).of_life(incarnation));
            }
        }
        let machine = self.machine(id);
        let is_there = |id: &MachineId| peers.iter().any(|peer| peer.id == *id);
        let gone: Vec<MachineId> = machine.view.keys().copied().filter(|id| !is_there(id)).collect();
        if peers.is_empty() && !gone.is_empty() {
            machine.counted = counted;
            machine.left_behind = Some(gone.clone());
        }
        for id in gone {
            machine.view.remove(&id);
            machine.dropped.insert(id, at);
        }
        if !peers.is_empty() {
            machine.left_behind = None;
        }
        for peer in peers {
            machine.view.entry(peer.id).or_insert(at);
        }
    }

    /// A group of rows is on a disk. Says what is wrong with that.
    pub(super) fn keeps(&mut self, id: MachineId, at: Time, rows: &[Row]) -> Vec<String> {
        let machine = self.machines.entry(id).or_default();
        let before = machine.known.clone();
        let standing = machine.standing(id);
        let mut wrong = machine.take(id, rows);
        wrong.extend(machine.drains(id, &before, standing));
        let disk = machine.disk();
        for last in before.missing(&machine.known) {
            for number in before.get(last.origin) + 1..=last.number {
                let dot = Dot::new(last.origin, number);
                self.copies.entry(dot).or_default().push(Copy {
                    machine: id,
                    disk,
                    since: at,
                });
            }
        }
        wrong
    }

    fn copies(&self, dot: Dot) -> &[Copy] {
        self.copies.get(&dot).map_or(&[], Vec::as_slice)
    }

    fn is_lost(&self, copy: &Copy) -> bool {
        self.machines
            .get(&copy.machine)
            .is_none_or(|machine| machine.disk() != copy.disk || machine.is_given_up)
    }

    /// Whether a copy's machine tells others of it: one that drains does not of what came later, unless it was taken back,
    /// which others' disks may say before its own.
    fn is_told(&self, copy: &Copy, dot: Dot) -> bool {
        let machine = self.machines.get(&copy.machine);
        let promise = machine.and_then(|machine| machine.promise.as_ref());
        let is_own = dot.origin.machine == copy.machine;
        is_own
            || self.is_lost(copy)
            || promise.is_none_or(|promise| promise.most.contains(dot))
            || self.decided(copy.machine) == Some(MemberStatus::Present)
    }

    /// A client was told that a write is done, with so many copies.
    pub(super) fn judge_acknowledged(
        &self,
        dot: Dot,
        copies: Copies,
        members_min: usize,
    ) -> Result<(), String> {
        let mut have: Vec<MachineId> = self
            .copies(dot)
            .iter()
            .filter(|copy| self.is_told(copy, dot))
            .map(|copy| copy.machine)
            .collect();
        have.sort_unstable();
        have.dedup();
        let want = match copies {
            Copies::One | Copies::Pushed => 1,
            Copies::Two => 2,
            Copies::Majority => members_min / 2 + 1,
        };
        match have.contains(&dot.origin.machine) && have.len() >= want {
            true => Ok(()),
            false => Err(format!(
                "{dot} is acknowledged ({copies:?}), and was on the disks of {have:?} alone"
            )),
        }
    }

    /// An acknowledged write is not there at the end, when these are members: whether it may be so.
    pub(super) fn judge_gone(&self, dot: Dot, is_member: impl Fn(MachineId) -> bool) -> Result<(), String> {
        let mut is_excused = false;
        for copy in self.copies(dot) {
            if self.is_lost(copy) {
                is_excused = true;
            } else if is_member(copy.machine) {
                return Err(format!("it is on the disk of machine {}, a member", copy.machine));
            } else {
                let decided = self.decided(copy.machine);
                is_excused |= matches!(decided, Some(MemberStatus::Removed | MemberStatus::Lost));
            }
        }
        match is_excused {
            true => Ok(()),
            false => Err("no disk that kept it was lost or given up".to_owned()),
        }
    }

    /// What was decided of a machine, as far as any disk has it.
    fn decided(&self, id: MachineId) -> Option<MemberStatus> {
        let records = self
            .machines
            .values()
            .filter_map(|machine| machine.records.get(&id));
        let last = records.max_by_key(|record| (record.version, record.status));
        last.map(|record| record.status)
    }

    /// Whether somebody may be given up for good, so that not everything that was decided of is forgotten: some disk says
    /// that one was removed.
    pub(super) fn is_one_removed(&self) -> bool {
        let ids: Vec<MachineId> = self.machines.keys().copied().collect();
        ids.into_iter()
            .any(|id| self.decided(id) == Some(MemberStatus::Removed))
    }

    /// A replica has let a write go: whether it may.
    pub(super) fn judge_let_go(&self, dot: Dot, by: MachineId, at: Time) -> Result<(), String> {
        let copies = self.copies(dot);
        if copies.is_empty() {
            return Err("a session has seen it, and no disk ever had it".to_owned());
        }
        let is_old = |since: Time| since.0 + LATELY_US <= at.0;
        let view = self.machines.get(&by).map(|machine| &machine.view);
        let is_member = |id: MachineId| {
            let since = view.and_then(|view| view.get(&id));
            id == by || since.is_some_and(|since| is_old(*since))
        };
        let held = copies
            .iter()
            .find(|copy| !self.is_lost(copy) && is_old(copy.since) && is_member(copy.machine));
        match held {
            Some(copy) => Err(format!(
                "it is on the disk of machine {}, a member to it",
                copy.machine
            )),
            None => Ok(()),
        }
    }
}
