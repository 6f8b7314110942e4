//! What clients ask of a replica, and what they are answered: one meaning for HTTP and for the wire protocol.

pub use standing::Standing;
use std::{borrow::Cow, fmt};

use super::operation::{Key, Operation, Value};
use crate::{
    clock::{Dot, Origin, VersionVector},
    service::Address,
    units::MachineId,
};

mod codec;
mod keys;
mod parts;
mod reply_codec;
mod standing;

pub use codec::{MEMBERS_MAX, REQUEST, SCAN_ITEMS_MAX};
pub use parts::TEXT_BYTES_MAX;
pub use reply_codec::{REPLY, REPLY_BYTES_MAX};

/// What a client's session has seen: opaque to clients, passed from each answer to the next request.
pub type Token = VersionVector;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the session has seen; what it asks for is only answered by a replica that has that too.
    pub token: Token,
    /// How long to wait for what is missing, in microseconds; 0 for an answer at once.
    pub wait_us: u64,
    /// What is asked.
    pub action: Action,
}

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// What is under a key?
    Get {
        /// The key.
        key: Key,
    },
    /// What is under the keys that begin so?
    Scan {
        /// The beginning; empty for all keys.
        prefix: Box<[u8]>,
        /// Only keys behind this one.
        after: Option<Key>,
        /// At most so many items: 1 to 10,000. An answer also ends at half a mebibyte.
        limit: u32,
    },
    /// Do all of this, or nothing.
    Write {
        /// At least one; no key twice.
        operations: Vec<Operation>,
        /// How many replicas shall have it on their disks before the answer.
        copies: Copies,
    },
    /// Tell of every change to the keys that begin so, as it is applied here: in causal order.
    Watch {
        /// The beginning; empty for all keys.
        prefix: Box<[u8]>,
        /// Go on behind this position, as far as it is remembered; `None`: from now on.
        after: Option<u64>,
    },
    /// Who are the members?
    Members,
    /// Change who is a member.
    Change(MemberChange),
    /// How is this replica?
    Status,
    /// What does this replica wait for, as far as the key is concerned?
    Why {
        /// The key; empty for all keys.
        key: Key,
    },
    /// Let me in by this token, for all that this connection asks from now on.
    Present {
        /// The token.
        bearer: Bearer,
    },
    /// Give a copy of everything, as it is at one moment, part by part.
    Backup {
        /// 0 begins one; else the number of one that was begun: its next part.
        number: u64,
    },
}

/// How many replicas have to have a write on their disks before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// This one, and no push to others is waited for.
    One,
    /// This one; and every peer that is not suspected has been sent it and has said that it has it, or a second has
    /// passed. What the assignment's tests expect.
    #[default]
    Pushed,
    /// This one and another.
    Two,
    /// More than half of the members.
    Majority,
}

/// A change of who is a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Be a member, at this address; one that was removed is welcome again.
    Add {
        /// Its id.
        id: MachineId,
        /// Its address.
        address: Address,
    },
    /// Be no member any more: what it alone has is given up. Others stop sending to it and waiting for it.
    Remove {
        /// Its id.
        id: MachineId,
    },
    /// One that is or was a member never comes back with what it had: nobody waits for it to forget, nobody takes that.
    Lose {
        /// Its id.
        id: MachineId,
    },
    /// Take no more writes and no new sessions; hand over what others do not have; then be removed.
    Drain {
        /// Its id.
        id: MachineId,
    },
    /// Take the place of one that is gone for good: that one is lost, the other is added.
    Replace {
        /// Who goes.
        old: MachineId,
        /// Who comes.
        id: MachineId,
        /// Where it is.
        address: Address,
    },
    /// These are the members and nobody else: the 2025 form of the assignment. One that is not in its own list leaves.
    Set {
        /// Their ids and addresses.
        members: Vec<(MachineId, Address)>,
    },
}

/// What a replica answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the session has seen now: to be sent with the next request, in place of the token of this one.
    pub token: Token,
    /// Dots of the request's token that nobody alive has any more and whose origin has ended: they were let go.
    pub released: Vec<Dot>,
    /// The answer.
    pub answer: Answer,
}

/// The answer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This is under the key.
    Found(Item),
    /// Nothing is under the key.
    NotFound,
    /// These are under the keys, in the order of the keys.
    Scanned {
        /// Keys and what is under them.
        items: Vec<(Key, Item)>,
        /// There may be more behind this key.
        next: Option<Key>,
    },
    /// All of it was done.
    Written {
        /// The write's name; `None` where nothing had to be done.
        dot: Option<Dot>,
        /// What each operation came to.
        done: Vec<Done>,
    },
    /// A change that a watch asked for; more follow.
    Changed(Watched),
    /// The members.
    Members(Vec<Member>),
    /// The membership was changed; for an `Add`, whether there was something to change.
    MembersChanged {
        /// It was so already.
        was_so: bool,
    },
    /// How the replica is.
    Status(Box<Status>),
    /// What it waits for.
    Why(Box<Why>),
    /// A part of a copy of everything.
    Backup(BackupPart),
    /// The token is good, or none is needed.
    Admitted,
    /// No. Nothing was done, now or later, unless the reason says otherwise.
    Denied(Deny),
}

/// What is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The dots of what is there, for each origin the greatest: a key's state has one mark, so it serves as ETag.
    pub mark: VersionVector,
    /// The winner of the values that are there: one, unless the key holds a counter or a set.
    pub content: Content,
    /// When the value ends, in microseconds since 1970.
    pub ends_us: Option<u64>,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A value, chosen by (stamp, origin), and all that were written concurrently, the chosen one first.
    Values(Vec<Value>),
    /// A counter's sum.
    Counter(i64),
    /// A set's elements, in ascending order.
    Set(Vec<Value>),
}

/// What an operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// There was nothing under the key.
    Created,
    /// There was something under the key.
    Updated,
    /// There was something, and it is gone.
    Deleted,
    /// There was nothing to take away; nothing was written.
    Nothing,
}

/// A change, as a watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The position in the order in which this life of this replica applied writes: to go on from later.
    pub position: u64,
    /// The write, of several that are told together the last; of a key that went with a state that was taken over, and left
    /// nothing, one that came with it.
    pub dot: Dot,
    /// The keys that it changed, of those watched, and what is under them now.
    pub changes: Vec<(Key, Option<Item>)>,
}

/// A member, as the answering replica sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: MachineId,
    /// Its address.
    pub address: Address,
    /// How it stands.
    pub standing: Standing,
    /// The life that was heard of last; 0 if none was.
    pub incarnation: u32,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deny {
    /// The session has seen writes that this replica does not have yet; try again, here or elsewhere.
    Unmet {
        /// Which.
        missing: Vec<Missing>,
    },
    /// This replica is no member of any view.
    NoMember,
    /// It is new and does not have the data yet.
    Joining,
    /// It leaves, or stops.
    Leaving,
    /// A condition does not hold.
    Condition {
        /// Of which operation, from 0.
        operation: u32,
        /// What the key's mark is.
        mark: VersionVector,
    },
    /// The key holds something else, such as a counter.
    WrongType {
        /// Of which operation, from 0.
        operation: u32,
    },
    /// Something is too large, or there is too much of it.
    TooLarge {
        /// What, and how much is allowed.
        what: String,
    },
    /// The request makes no sense.
    Malformed {
        /// Why.
        what: String,
    },
    /// Too many requests wait already, or too many writes for the disk.
    Busy,
    /// The write is here and will reach the others, but not as many have it as was asked for: **indefinite**.
    TooFewCopies {
        /// Its name.
        dot: Dot,
        /// How many have it.
        have: u32,
        /// How many were asked for.
        want: u32,
    },
    /// The disk takes nothing any more: this replica only reads. A write that was being made is **indefinite**.
    Disk {
        /// Why.
        why: String,
    },
    /// There is no such member.
    NoSuchMember,
    /// The connection has presented no token that lets it ask this.
    Forbidden {
        /// What is missing.
        why: String,
    },
}

/// A bearer token's text: a secret, which is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(String);

/// A write that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name: this one and those of its origin before it.
    pub dot: Dot,
    /// How many of that origin are here.
    pub have: u64,
    /// Members that have said that they have it.
    pub seen_by: Vec<MachineId>,
}

impl Missing {
    /// Whether nothing of that life is here, and no member is known to have this write.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.have == 0 && self.seen_by.is_empty()
    }
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Who.
    pub origin: Origin,
    /// Where.
    pub address: Address,
    /// Whether it is a member and has the data.
    pub is_ready: bool,
    /// What has been applied here.
    pub known: VersionVector,
    /// What of it is on this replica's disk.
    pub kept: VersionVector,
    /// What of it every member is known to have.
    pub stable: VersionVector,
    /// The members.
    pub members: Vec<Member>,
    /// How far each peer is behind, and what is known of it.
    pub lags: Vec<Lag>,
    /// Keys that hold something.
    pub keys: u64,
    /// Keys that hold nothing but the memory that something was deleted.
    pub tombstones: u64,
    /// Writes that wait for others.
    pub buffered: u64,
    /// Requests that wait.
    pub waiting: u64,
    /// Writes that are kept to be sent again, and their bytes.
    pub logged: (u64, u64),
    /// Counts since the start, by name: for metrics.
    pub counts: Vec<(Cow<'static, str>, u64)>,
    /// Why the disk takes nothing any more, if it does not.
    pub disk_trouble: Option<String>,
}

/// How far a peer is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Who.
    pub peer: MachineId,
    /// What it said last that it has.
    pub known: VersionVector,
    /// Writes that this replica has and the peer has not said it has.
    pub writes: u64,
    /// Since when, in microseconds; 0 if it has everything.
    pub behind_us: u64,
    /// Microseconds since it was heard of last.
    pub silent_us: u64,
    /// Suspicion, in thousandths of phi.
    pub phi_permille: u64,
}

/// What a replica waits for, as far as one key is concerned, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What is under the key now: the writes by name, with stamps, the chosen first.
    pub present: Vec<(Dot, u64)>,
    /// Writes of the key that wait, and what each of them waits for; of all keys the first that waits of each origin.
    pub buffered: Vec<(Dot, Vec<Missing>)>,
    /// What the request's token names and this replica does not have.
    pub unmet: Vec<Missing>,
}

/// A part of a copy of everything. All parts together are the rows of a backup's file, in their order, cut anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPart {
    /// The copy's number: what its next part is asked for with.
    pub number: u64,
    /// How many rows begin in this part.
    pub rows: u64,
    /// Whether it is the last.
    pub is_last: bool,
    /// Bytes of rows ([`Row::lay_out`](crate::service::Row::lay_out)).
    pub bytes: Box<[u8]>,
}

impl Bearer {
    /// The token with this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl Answer {
    /// How many bytes its keys and values have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Found(item) => item.bytes(),
            Self::Scanned { items, .. } => items.iter().map(|(key, item)| key.len() + item.bytes()).sum(),
            Self::Changed(watched) => {
                let item = |item: &Option<Item>| item.as_ref().map_or(0, Item::bytes);
                let changes = watched.changes.iter();
                changes.map(|(key, value)| key.len() + item(value)).sum()
            }
            Self::Backup(part) => part.bytes.len(),
            Self::NotFound
            | Self::Written { .. }
            | Self::Members(_)
            | Self::MembersChanged { .. }
            | Self::Status(_)
            | Self::Why(_)
            | Self::Admitted
            | Self::Denied(_) => 0,
        }
    }
}

impl Item {
    /// How many bytes its values have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Values(values) | Content::Set(values) => {
                values.iter().map(|value| value.bytes.len()).sum()
            }
            Content::Counter(_) => size_of::<i64>(),
        }
    }
}

#[cfg(test)]
mod tests;
