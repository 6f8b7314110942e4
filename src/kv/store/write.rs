//! What a client wants to write, judged as a whole: all of it is done, or nothing.

use smallvec::SmallVec;

use super::{Place, Store};
use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        entry::{self, Asked},
        operation::{
            Applied, BATCH_OPERATIONS_MAX, Change, Condition, DEPENDENCIES_MAX, KEY_BYTES_MAX, Operation,
            Stamp, VALUE_BYTES_MAX, Value, WRITE_BYTES_MAX, Write,
        },
        request::{Deny, Done},
    },
};

/// Bytes of an operation in a write beside its key, its values and its vectors, at most.
const OPERATION_BYTES_MAX: usize = 64;

/// Bytes of an entry of a vector in a write, at most.
const DOT_BYTES_MAX: usize = 20;

/// Bytes of an element beside its own, at most.
const ELEMENT_BYTES_MAX: usize = 4;

/// Operations that can be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// What there is to do; empty: nothing has to be written.
    pub operations: Vec<Applied>,
    /// What each of the client's operations comes to.
    pub done: Vec<Done>,
    /// What they depend on beside the client's token, of any origin.
    pub depends: VersionVector,
    /// Where the keys of `operations` are; `None` of those that are not there.
    pub(in crate::kv) places: Places,
}

/// Where the keys of a write are, for [`Store::apply_at`].
pub(in crate::kv) type Places = SmallVec<[Option<Place>; 2]>;

/// Operations that are not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub deny: Deny,
    /// What was read to say so: who is told has seen it.
    pub read: VersionVector,
}

impl From<Deny> for Box<Denied> {
    fn from(deny: Deny) -> Self {
        let read = VersionVector::new();
        Self::new(Denied { deny, read })
    }
}

impl Decided {
    /// The write itself, and what the client's operations came to. `token` is the client's.
    #[must_use]
    pub fn into_write(self, dot: Dot, stamp: Stamp, token: &VersionVector) -> (Write, Vec<Done>) {
        let is_other = |entry: &(Origin, u64)| entry.0 != dot.origin;
        let mut dependencies: VersionVector = token.iter().filter(is_other).collect();
        for (origin, number) in self.depends.iter().filter(is_other) {
            dependencies.raise(origin, number);
        }
        let write = Write {
            dot,
            stamp,
            dependencies,
            operations: self.operations,
        };
        (write, self.done)
    }
}

impl Store {
    /// Judges a client's write, which this replica (`origin`) would accept at `wall_us`. Its token is covered by what
    /// the replica knows. Nothing is changed.
    ///
    /// # Errors
    /// [`Denied`] for what makes no sense, is too large, is of another type than what the key shows, or whose condition
    /// does not hold.
    pub fn decide(
        &self,
        origin: Origin,
        operations: Vec<Operation>,
        token: &VersionVector,
        wall_us: u64,
    ) -> Result<Decided, Box<Denied>> {
        check(&operations)?;
        let mut decided = Decided {
            operations: Vec::with_capacity(operations.len()),
            done: Vec::with_capacity(operations.len()),
            depends: VersionVector::new(),
            places: Places::new(),
        };
        let mut bytes = 0;
        for (place, operation) in (0_u32..).zip(operations) {
            let place_found = self.entries.find(&operation.key);
            let found = place_found.and_then(|place| self.entries.at(place));
            if operation.condition != Condition::Always {
                // The answer tells what is there: as good as a read.
                found.inspect(|entry| decided.depends.merge(&entry.dots()));
            }
            let asked = Asked {
                origin,
                token,
                wall_us,
                place,
            };
            let (applied, done) = match entry::decide(found, operation, asked) {
                Ok(judged) => judged,
                Err(deny) => {
                    let mut read = decided.depends;
                    found.inspect(|entry| read.merge(&entry.dots()));
                    return Err(Box::new(Denied { deny, read }));
                }
            };
            decided.done.push(done);
            match applied {
                Some(applied) => {
                    decided.depends.merge(&applied.seen);
                    bytes += bytes_max(&applied);
                    decided.operations.push(applied);
                    decided.places.push(place_found);
                }
                // The answer tells that nothing had to be done: as good as a read, too.
                None => {
                    found.inspect(|entry| decided.depends.merge(&entry.dots()));
                }
            }
        }
        if decided.operations.is_empty() {
            return Ok(decided);
        }
        let origins = token.len() + decided.depends.len();
        if origins > DEPENDENCIES_MAX {
            let what =
                format!("a write that depends on {origins} lives of replicas: at most {DEPENDENCIES_MAX}");
            return Err(Deny::TooLarge { what }.into());
        }
        bytes += origins * DOT_BYTES_MAX;
        if bytes > WRITE_BYTES_MAX {
            let what = format!("a write of {bytes} bytes: at most {WRITE_BYTES_MAX}; make it several");
            return Err(Deny::TooLarge { what }.into());
        }
        Ok(decided)
    }
}

/// What can be said of a write without looking at what is there.
fn check(operations: &[Operation]) -> Result<(), Deny> {
    let malformed = |what: &str| Deny::Malformed {
        what: what.to_owned(),
    };
    let too_large = |what: &str, is: usize, most: usize| Deny::TooLarge {
        what: format!("{what}, {is} bytes: at most {most}"),
    };
    if operations.is_empty() {
        return Err(malformed("a write without operations"));
    }
    if operations.len() > BATCH_OPERATIONS_MAX {
        let count = operations.len();
        return Err(Deny::TooLarge {
            what: format!("a write of {count} operations: at most {BATCH_OPERATIONS_MAX}"),
        });
    }
    for operation in operations {
        match operation.key.len() {
            0 => return Err(malformed("an empty key")),
            1..=KEY_BYTES_MAX => {}
            bytes => return Err(too_large("a key", bytes, KEY_BYTES_MAX)),
        }
        let (values, is_value) = match &operation.change {
            Change::Put(value) | Change::PutBeside(value) => (std::slice::from_ref(value), true),
            Change::Insert(elements) | Change::Remove(elements) => (elements.as_slice(), false),
            Change::Delete | Change::Add(_) => (&[][..], false),
        };
        if operation.lasts_us == Some(0) {
            return Err(malformed("a value that lasts no time"));
        }
        if operation.lasts_us.is_some() && !is_value {
            return Err(malformed("only a value can end by itself"));
        }
        let longest = values.iter().map(|value| value.bytes.len()).max();
        if let Some(bytes) = longest.filter(|bytes| *bytes > VALUE_BYTES_MAX) {
            return Err(too_large("a value", bytes, VALUE_BYTES_MAX));
        }
    }
    if operations.len() > 1 {
        let mut keys: Vec<&[u8]> = operations.iter().map(|operation| &*operation.key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(malformed("a key twice in one write"));
        }
    }
    Ok(())
}

/// No fewer bytes than the operation has in a write.
fn bytes_max(applied: &Applied) -> usize {
    let element = |value: &Value| value.bytes.len() + ELEMENT_BYTES_MAX;
    let values = match &applied.change {
        Change::Put(value) | Change::PutBeside(value) => element(value),
        Change::Insert(elements) | Change::Remove(elements) => elements.iter().map(element).sum(),
        Change::Delete | Change::Add(_) => 0,
    };
    let vectors = applied.seen.len() + applied.cleared.sums.len();
    OPERATION_BYTES_MAX + applied.key.len() + values + vectors * DOT_BYTES_MAX
}
