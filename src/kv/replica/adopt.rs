//! Another replica's state is taken over: gathered part by part, and then adopted all at once, so that nobody sees a
//! part of it.

use super::{Replica, watching::Adopted};
use crate::{
    clock::VersionVector,
    kv::{
        message::{Message, ORIGINS_KNOWN_MAX},
        operation::{KEY_BYTES_MAX, Stamp},
        store::{self, Scope},
    },
    service::{Effect, Effects},
    trace::StoreChange,
    units::MachineId,
    wire::{FieldError, Fields},
};

/// Longest entry that is taken: far more than the store lets one become.
const ENTRY_BYTES_MAX: u64 = 128 << 20;

/// A state that is under way.
#[derive(Debug)]
pub(super) struct Incoming {
    known: VersionVector,
    scope: Scope,
    forgotten: VersionVector,
    stamp: Stamp,
    /// Parts that have come.
    parts: u64,
    /// The beginning of an entry whose end has not come.
    rest: Vec<u8>,
    entries: store::Incoming,
}

impl Incoming {
    /// The state that a sender announces.
    pub(super) fn new(known: VersionVector, scope: Scope, forgotten: VersionVector, stamp: Stamp) -> Self {
        Self {
            known,
            scope,
            forgotten,
            stamp,
            parts: 0,
            rest: Vec::new(),
            entries: store::Incoming::default(),
        }
    }

    /// Takes a part: the entries that are whole by now.
    fn take(&mut self, bytes: &[u8]) -> Result<(), FieldError> {
        self.parts += 1;
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut fields = Fields::new(&rest);
        loop {
            let before = fields;
            match read_entry(&mut fields) {
                Ok((key, entry)) => self.entries.push(key, entry)?,
                Err(FieldError::Truncated { .. }) => {
                    self.rest = before.rest().to_vec();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The next key and its entry.
fn read_entry<'a>(fields: &mut Fields<'a>) -> Result<(&'a [u8], &'a [u8]), FieldError> {
    let mut read = |field, most: u64| {
        let length = fields.varint(field)?;
        match usize::try_from(length) {
            Ok(count) if length <= most => fields.bytes(field, count),
            _ => Err(FieldError::Value { field, value: length }),
        }
    };
    let key = read("key", KEY_BYTES_MAX as u64)?;
    if key.is_empty() {
        return Err(FieldError::Value {
            field: "key",
            value: 0,
        });
    }
    Ok((key, read("entry", ENTRY_BYTES_MAX)?))
}

impl Replica {
    /// Instead of writes the state itself comes. One that cannot be is refused: nobody has a write of this life that this
    /// life does not know, and too many origins could never be told to others.
    pub(super) fn transfer_begins(
        &mut self,
        from: MachineId,
        number: u64,
        incoming: Incoming,
        effects: &mut Effects<Self>,
    ) {
        let (now, own) = (self.now, self.known.get(self.origin));
        let Some(pull) = self.repair.pull_of(from, number, now) else {
            return;
        };
        let theirs = incoming.known.get(self.origin);
        let mut origins = self.known.clone();
        origins.merge(&incoming.known);
        let (field, value) = match origins.len() {
            _ if theirs > own => ("number", theirs),
            count if count > ORIGINS_KNOWN_MAX => ("origins", count as u64),
            _ => {
                pull.incoming = Some(incoming);
                return;
            }
        };
        self.end_pull();
        self.refuse(from, FieldError::Value { field, value }, effects);
    }

    /// A part has come. One that is out of turn shows that others were lost: then it is pulled anew.
    pub(super) fn transfer_part(
        &mut self,
        from: MachineId,
        number: u64,
        part: u64,
        bytes: &[u8],
        effects: &mut Effects<Self>,
    ) {
        let now = self.now;
        let Some(pull) = self.repair.pull_of(from, number, now) else {
            return;
        };
        let taken = match &mut pull.incoming {
            Some(incoming) if incoming.parts == part => incoming.take(bytes).map(|()| incoming.parts),
            Some(incoming) if part < incoming.parts => return,
            _ => {
                self.give_up_pull(effects);
                return;
            }
        };
        match taken {
            Ok(parts) => {
                let message = Message::TransferCredit { number, parts };
                effects.push(Effect::Signal { to: from, message });
            }
            Err(error) => {
                self.end_pull();
                self.refuse(from, error, effects);
            }
        }
    }

    /// All parts have been sent: if all have come, this replica has what the sender had.
    pub(super) fn transfer_ends(
        &mut self,
        from: MachineId,
        number: u64,
        parts: u64,
        effects: &mut Effects<Self>,
    ) {
        let now = self.now;
        let Some(pull) = self.repair.pull_of(from, number, now) else {
            return;
        };
        let is_whole = |incoming: &Incoming| incoming.parts == parts && incoming.rest.is_empty();
        match pull.incoming.take().filter(is_whole) {
            Some(incoming) => {
                self.end_pull();
                self.adopt(incoming, effects);
                self.look_for_gaps(effects);
                self.look_whether_ready(effects);
            }
            None => self.give_up_pull(effects),
        }
    }

    fn give_up_pull(&mut self, effects: &mut Effects<Self>) {
        self.end_pull();
        self.look_for_gaps(effects);
    }

    fn adopt(&mut self, incoming: Incoming, effects: &mut Effects<Self>) {
        let Incoming {
            known: theirs,
            scope,
            forgotten,
            stamp,
            entries,
            ..
        } = incoming;
        // What the round has accepted is an event of its own, before this one.
        self.flush(effects);
        // Those who are being sent this replica's state were promised another.
        self.transfers.forget_all();
        let mine = self.known.clone();
        let changed = self.store.adopt(entries, scope, &mine, &theirs);
        self.store.raise_stamp(stamp);
        self.store.restore_forgotten(&forgotten);
        self.known.merge(&theirs);
        self.log.adopted(&mine, &self.known);
        self.keeping.changed_whole();
        for key in &changed {
            self.keeping.changed(key);
        }
        for dot in mine.missing(&theirs) {
            self.waiting.applied(dot.origin, dot.number);
        }
        let came = mine.missing(&theirs).next();
        if let Some(dot) = came {
            let known = theirs.clone();
            let keys = changed;
            self.watching.adopted(Adopted { keys, known, dot });
        }
        let adopted = StoreChange {
            adopted: Some(theirs),
            ..StoreChange::default()
        };
        self.record_internal(adopted, effects);
        let mut applied = Vec::new();
        self.apply_ready(&mut applied);
        if !applied.is_empty() {
            let change = StoreChange {
                applied,
                ..StoreChange::default()
            };
            self.record_internal(change, effects);
        }
    }
}
