//! Who the members are: records that are merged by maximum, so that everybody who has heard of the same decisions sees
//! the same members, in whatever order they came.
//!
//! A member is added, drained and removed by decision only: a failed connection changes nothing here. Each decision is a
//! record with a greater version; of two made at once the one that is greater as a whole counts, everywhere. A replica
//! says of itself which life it is in and where it is reached: that is a record, too.
//!
//! ```text
//!   (unknown) --add, or it introduces itself--> Present --drain--> Draining --has handed over--> Left
//!                                                  ^  '---remove------'---------> Removed          |
//!                                                  '---add again, or it introduces itself----------'
//!                                                      in a further life
//! ```
//!
//! Who left had handed over everything. Who was removed may have writes that nobody else has, and may come back with
//! them; what they were accepted without knowing is not forgotten until then (`letting_go`).
//!
//! Who is given up as *lost* never comes back with what it had: once what it had spread is everywhere, nobody waits for it
//! to forget, and what it has beyond what the others know is taken by nobody. The records of a machine have
//! *ages*: the upper half of their version counts
//! how often it was given up. So whoever has not heard of it cannot overrule it, and
//!
//! ```text
//!   a replica's data are of the age of its own record of itself       (it takes a later one only if it has no data)
//!   nothing is taken from a machine whose own record of itself is of an earlier age than the record here
//! ```
//!
//! A lost one that has data hears of it, serves nobody any more (`given_up`), and drops them when it is started again.
//! One that was added by a decision, and was never met, is lost when it is removed: others have nothing of it, and if it
//! was ever there, it was alone.
//!
//! Who was removed and still runs as the same process is not taken back by introducing itself: the decision stands. Who
//! was started again since has been told by somebody to join again.

use std::collections::{BTreeMap, BTreeSet};

use super::request::{MEMBERS_MAX, MemberChange};
use crate::{
    service::{Address, Peer},
    units::MachineId,
    wire::{FieldError, Fields, write_varint},
};

/// Most records: members that are, and that were. At the limit no further one is added, and who asks is told.
pub const RECORDS_MAX: usize = 1000;

/// The first version of one of a configured view, or of one that introduces itself.
const CONFIGURED: u64 = 1;

/// The first version of one that is added by a decision.
const ADDED: u64 = 2;

/// The bits of a version above these count how often the machine was given up.
const AGE_SHIFT: u32 = 32;

const _: () = assert!(RECORDS_MAX <= MEMBERS_MAX, "a client can be told all of them");

/// What was decided of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is one.
    Present,
    /// It hands over and leaves.
    Draining,
    /// It was removed.
    Removed,
    /// It has handed over what it had, and is no member any more.
    Left,
    /// It was given up with all that it had: nobody takes that any more.
    Lost,
}

/// What is known of one that is or was a member. Its place in the order is by version, then by the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who.
    pub id: MachineId,
    /// Counts the decisions, from 1; its upper half is the age.
    pub version: u64,
    /// Its last life that was heard of; 0 if none was.
    pub incarnation: u32,
    /// What was decided.
    pub status: Status,
    /// Where it is reached.
    pub address: Address,
}

/// Why a change of the membership is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no such member.
    NoSuchMember,
    /// There are too many records.
    TooMany,
    /// Another member is at the address.
    AddressTaken(MachineId),
    /// Of the members to be two have one id, or one address.
    Twice(MachineId),
    /// It is the last that does not drain: nobody could take over what it has.
    Last,
}

/// All records.
#[derive(Clone, Debug)]
pub(super) struct Members {
    me: MachineId,
    /// Whether they are only what this replica was told: then nobody hears of ages, nor of lives.
    pub(super) are_told: bool,
    records: BTreeMap<MachineId, Record>,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Self::Present => 1,
            Self::Draining => 2,
            Self::Removed => 3,
            Self::Left => 4,
            Self::Lost => 5,
        }
    }
}

impl Record {
    /// Appends version (varint), incarnation (varint) and status (u8).
    pub(super) fn encode(&self, body: &mut Vec<u8>) {
        write_varint(self.version, body);
        write_varint(u64::from(self.incarnation), body);
        body.push(self.status.code());
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<(u64, u32, Status), FieldError> {
        let version = fields.varint("version")?;
        let life = fields.varint("incarnation")?;
        let incarnation = u32::try_from(life).map_err(|_| FieldError::Value {
            field: "incarnation",
            value: life,
        })?;
        let status = match fields.u8("status")? {
            1 => Status::Present,
            2 => Status::Draining,
            3 => Status::Removed,
            4 => Status::Left,
            5 => Status::Lost,
            value => {
                return Err(FieldError::Value {
                    field: "status",
                    value: u64::from(value),
                });
            }
        };
        Ok((version, incarnation, status))
    }

    /// Whether it takes part.
    pub(super) fn is_member(&self) -> bool {
        matches!(self.status, Status::Present | Status::Draining)
    }

    /// How often its machine was given up as lost.
    pub(crate) fn age(&self) -> u64 {
        self.version >> AGE_SHIFT
    }

    /// Whether it is one of a configured view that nobody has met.
    fn is_configured_only(&self) -> bool {
        (self.version, self.incarnation, self.status) == (CONFIGURED, 0, Status::Present)
    }

    /// Whether it was added by a decision, and nothing has come of that yet.
    fn is_added_only(&self) -> bool {
        (self.version, self.incarnation, self.status) == (ADDED, 0, Status::Present)
    }

    /// The order in which the greater of two records counts.
    fn rank(&self) -> (u64, Status, u32, &Address) {
        (self.version, self.status, self.incarnation, &self.address)
    }
}

impl Members {
    /// Of nobody.
    pub(super) fn new(me: MachineId) -> Self {
        Self {
            me,
            are_told: false,
            records: BTreeMap::new(),
        }
    }

    /// All records, in the order of the ids.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// What is known of one.
    pub(super) fn get(&self, id: MachineId) -> Option<&Record> {
        self.records.get(&id)
    }

    /// Those that take part, this replica among them.
    pub(super) fn present(&self) -> impl Iterator<Item = &Record> {
        self.records.values().filter(|record| record.is_member())
    }

    /// Whether one takes part.
    pub(super) fn has(&self, id: MachineId) -> bool {
        self.records.get(&id).is_some_and(Record::is_member)
    }

    /// Whether this replica takes part.
    pub(super) fn has_me(&self) -> bool {
        self.has(self.me)
    }

    /// Whom links are kept to: nobody, if this replica is no member.
    pub(super) fn peers(&self) -> Vec<Peer> {
        if !self.has_me() {
            return Vec::new();
        }
        let others = self.present().filter(|record| record.id != self.me);
        others
            .map(|record| Peer {
                id: record.id,
                address: record.address.clone(),
            })
            .collect()
    }

    /// Takes a record of somebody else's if it is greater than the one here. Says whether it was.
    pub(super) fn merge(&mut self, record: &Record) -> bool {
        match self.records.get(&record.id) {
            Some(mine) if mine.rank() >= record.rank() => false,
            None if self.records.len() >= RECORDS_MAX => false,
            _ => {
                self.records.insert(record.id, record.clone());
                true
            }
        }
    }

    /// Puts back what the disk had.
    pub(super) fn restore(&mut self, record: Record) {
        self.records.insert(record.id, record);
    }

    /// One of the view of the beginning: only if nothing is known of it yet.
    pub(super) fn begin_with(&mut self, id: MachineId, address: &Address) {
        if !self.records.contains_key(&id) && self.records.len() < RECORDS_MAX {
            let record = Record {
                id,
                version: CONFIGURED,
                incarnation: 0,
                status: Status::Present,
                address: address.clone(),
            };
            self.records.insert(id, record);
        }
    }

    /// Leaves out who is only configured, and was never met, if somebody who was met is a member at that address: a view
    /// named it by another id. Everybody who has the same records leaves out the same. Says who was.
    pub(super) fn leave_out_phantoms(&mut self) -> Vec<Record> {
        let is_met_at = |address: &Address| {
            let mut met = self.present().filter(|record| record.incarnation > 0);
            met.any(|record| record.address == *address)
        };
        let records = self.records.values();
        let phantoms: Vec<Record> = records
            .filter(|record| {
                record.id != self.me && record.is_configured_only() && is_met_at(&record.address)
            })
            .cloned()
            .collect();
        for record in &phantoms {
            self.records.remove(&record.id);
        }
        phantoms
    }

    /// Somebody whose machine was given up runs in this life: it has ended, too.
    pub(super) fn lives_of_lost(&mut self, id: MachineId, incarnation: u32) -> bool {
        let record = self.records.get_mut(&id);
        match record.filter(|record| record.status == Status::Lost && record.incarnation < incarnation) {
            Some(record) => {
                record.incarnation = incarnation;
                true
            }
            None => false,
        }
    }

    /// This replica, in a further life, at this address: a member if its record says so, or if it has none and is to
    /// be one. Says whether the record changed.
    pub(super) fn begin_myself(&mut self, address: &Address, incarnation: u32) -> bool {
        let me = self.me;
        self.greet(me, address, incarnation)
    }

    /// One has introduced itself: it is added, or its record follows its life and address. Who was removed in this very
    /// life stays removed. Says whether the record changed.
    ///
    /// Another member may be at that address, one that is gone for good as a rule. It is added all the same: who refused it
    /// would have to refuse its record from others, too, and which of two records came first is another one everywhere. Who
    /// keeps links to both says so in its diagnostics.
    pub(super) fn greet(&mut self, id: MachineId, address: &Address, incarnation: u32) -> bool {
        let (version, status) = match self.records.get(&id) {
            None if self.records.len() >= RECORDS_MAX => return false,
            None => (1, Status::Present),
            Some(known) if known.incarnation > incarnation => return false,
            Some(known) if known.incarnation == incarnation => {
                if !known.is_member() || known.address == *address {
                    return false;
                }
                (known.version.saturating_add(1), known.status)
            }
            // To leave was decided of the machine, whatever life it is in.
            Some(known) if known.status == Status::Draining => {
                (known.version.saturating_add(1), Status::Draining)
            }
            // It was added or removed before it was ever heard of, or is in a further life now.
            Some(known) => (known.version.saturating_add(1), Status::Present),
        };
        let record = Record {
            id,
            version,
            incarnation,
            status,
            address: address.clone(),
        };
        self.records.insert(id, record);
        true
    }

    /// Makes a change. Says whether there was something to change.
    pub(super) fn change(&mut self, change: &MemberChange) -> Result<bool, Refused> {
        match change {
            MemberChange::Add { id, address } => {
                self.is_free(address, &[*id])?;
                self.add(*id, address)
            }
            MemberChange::Remove { id } => match self.get(*id) {
                Some(record) if record.is_added_only() => self.give_up(*id),
                _ => self.decide(*id, Status::Removed),
            },
            MemberChange::Lose { id } => self.give_up(*id),
            MemberChange::Drain { id } => {
                let stay = self.present().filter(|record| record.status == Status::Present);
                let stay: Vec<MachineId> = stay.map(|record| record.id).collect();
                if stay == [*id] {
                    return Err(Refused::Last);
                }
                self.decide(*id, Status::Draining)
            }
            MemberChange::Replace { old, id, address } => {
                if !self.has(*old) {
                    return Err(Refused::NoSuchMember);
                }
                self.is_free(address, &[*id, *old])?;
                // First the one that can fail.
                self.add(*id, address)?;
                if old != id {
                    self.give_up(*old)?;
                }
                Ok(true)
            }
            MemberChange::Set { members } => self.set(members),
        }
    }

    /// Whether no other members than these are at an address.
    fn is_free(&self, address: &Address, but: &[MachineId]) -> Result<(), Refused> {
        let mut others = self.present().filter(|record| !but.contains(&record.id));
        match others.find(|record| record.address == *address) {
            None => Ok(()),
            Some(other) => Err(Refused::AddressTaken(other.id)),
        }
    }

    fn add(&mut self, id: MachineId, address: &Address) -> Result<bool, Refused> {
        match self.records.get(&id) {
            Some(known) if known.status == Status::Present && known.address == *address => return Ok(false),
            None if self.records.len() >= RECORDS_MAX => return Err(Refused::TooMany),
            _ => {}
        }
        let known = self.records.get(&id);
        let record = Record {
            id,
            version: known.map_or(ADDED, |known| known.version.saturating_add(1)),
            incarnation: known.map_or(0, |known| known.incarnation),
            status: Status::Present,
            address: address.clone(),
        };
        self.records.insert(id, record);
        Ok(true)
    }

    /// Another status for a member.
    pub(super) fn decide(&mut self, id: MachineId, status: Status) -> Result<bool, Refused> {
        let record = self.records.get_mut(&id).filter(|record| record.is_member());
        let record = record.ok_or(Refused::NoSuchMember)?;
        let is_new = record.status != status;
        if is_new {
            record.status = status;
            record.version = record.version.saturating_add(1);
        }
        Ok(is_new)
    }

    /// One that is or was a member is gone with all that it had, and never comes back with that.
    fn give_up(&mut self, id: MachineId) -> Result<bool, Refused> {
        if self.are_told {
            return self.decide(id, Status::Removed);
        }
        let record = self.records.get_mut(&id).ok_or(Refused::NoSuchMember)?;
        let is_new = record.status != Status::Lost;
        if is_new {
            record.status = Status::Lost;
            record.version = record.age().saturating_add(1) << AGE_SHIFT;
        }
        Ok(is_new)
    }

    fn set(&mut self, members: &[(MachineId, Address)]) -> Result<bool, Refused> {
        let (mut ids, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        if let Some((id, _)) = members
            .iter()
            .find(|(id, address)| !ids.insert(*id) || !addresses.insert(address.as_str()))
        {
            return Err(Refused::Twice(*id));
        }
        let new = members.iter().filter(|(id, _)| !self.records.contains_key(id));
        if self.records.len() + new.count() > RECORDS_MAX {
            return Err(Refused::TooMany);
        }
        let mut is_new = false;
        for (id, address) in members {
            is_new |= self.add(*id, address)?;
        }
        let gone: Vec<MachineId> = self
            .present()
            .map(|record| record.id)
            .filter(|id| members.iter().all(|(member, _)| member != id))
            .collect();
        for id in gone {
            is_new |= self.decide(id, Status::Removed)?;
        }
        Ok(is_new)
    }

    /// A digest of all records: equal ones have been merged.
    pub(super) fn digest(&self) -> u64 {
        let mut bytes = Vec::new();
        super::message::write_members(&self.records.values().cloned().collect::<Vec<_>>(), &mut bytes);
        // FNV-1a, 64 bits (Fowler, Noll and Vo).
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

#[cfg(test)]
mod tests;
