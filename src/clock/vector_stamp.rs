//! What a message says of its sender's vector clock, and its bytes: whole, or the entries that changed.
//!
//! Two ways to write the changes, because neither is always the shorter: as a list of gaps, or as a row of bits. Which
//! one a stamp has is no choice of the sender's: it is the shorter, the list if both are as long, so that what was
//! decoded encodes to the same bytes.

use crate::{
    units::{MACHINES_MAX, MachineId},
    wire::{FieldError, Fields, varint_bytes, write_varint},
};

const FULL: u8 = 0;
const LIST: u8 = 1;
const BITS: u8 = 2;

/// The vector clock of a send event, or what the receiver does not know of it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VectorStamp {
    /// Every entry, machine 0 first.
    Full(Box<[u64]>),
    /// The entries that rose since the last message on the link, by machine, ascending; none is 0.
    Changes(Box<[(MachineId, u64)]>),
}

/// How changes are written.
struct Layout {
    form: u8,
    /// Bytes behind the form.
    bytes: usize,
    /// Of the row of bits: its bytes.
    row: usize,
}

impl VectorStamp {
    /// Its entries, ascending by machine.
    pub fn entries(&self) -> impl Iterator<Item = (MachineId, u64)> + '_ {
        let (full, changes): (&[u64], &[(MachineId, u64)]) = match self {
            Self::Full(entries) => (entries, &[]),
            Self::Changes(changes) => (&[], changes),
        };
        let full = (0..).map(MachineId).zip(full.iter().copied());
        full.chain(changes.iter().copied())
    }

    /// Whether it can be of a run of so many machines.
    #[must_use]
    pub fn fits(&self, machines: u16) -> bool {
        match self {
            Self::Full(entries) => entries.len() == usize::from(machines),
            Self::Changes(changes) => changes.last().is_none_or(|(last, _)| last.0 < machines),
        }
    }

    /// The whole vector instead of these changes of it, if that takes no more bytes.
    pub(super) fn or_full_if_shorter(self, entries: &[u64]) -> Self {
        let Self::Changes(changes) = &self else {
            return self;
        };
        // Each entry of the whole vector takes a byte at least.
        let changed = layout(changes).bytes;
        if changed >= entries.len() && changed >= full_bytes(entries) {
            return Self::Full(entries.into());
        }
        self
    }

    /// How many bytes [`encode`](Self::encode) appends.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        1 + match self {
            Self::Full(entries) => full_bytes(entries),
            Self::Changes(changes) => layout(changes).bytes,
        }
    }

    /// Appends form and entries.
    pub fn encode(&self, body: &mut Vec<u8>) {
        match self {
            Self::Full(entries) => {
                body.push(FULL);
                write_varint(entries.len() as u64, body);
                entries.iter().for_each(|entry| write_varint(*entry, body));
            }
            Self::Changes(changes) => match layout(changes) {
                Layout { form: BITS, row, .. } => encode_bits(changes, row, body),
                Layout { .. } => encode_list(changes, body),
            },
        }
    }

    /// Reads form and entries.
    ///
    /// # Errors
    /// [`FieldError`] for an unknown form, more machines than a run may have, or anything that
    /// [`encode`](Self::encode) would write in another way. Memory is reserved for at most one entry a byte.
    pub fn decode(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        let form = fields.u8("form")?;
        let stamp = match form {
            FULL => return decode_full(fields),
            LIST => decode_list(fields)?,
            BITS => decode_bits(fields)?,
            form => return Err(wrong("form", u64::from(form))),
        };
        if layout(&stamp).form != form {
            return Err(wrong("form", u64::from(form)));
        }
        Ok(Self::Changes(stamp.into()))
    }
}

fn wrong(field: &'static str, value: u64) -> FieldError {
    FieldError::Value { field, value }
}

fn full_bytes(entries: &[u64]) -> usize {
    let entries_bytes: usize = entries.iter().map(|entry| varint_bytes(*entry)).sum();
    varint_bytes(entries.len() as u64) + entries_bytes
}

/// The gap in front of each change: machines that are passed over.
fn gaps(changes: &[(MachineId, u64)]) -> impl Iterator<Item = u64> + '_ {
    let mut next = 0;
    changes.iter().map(move |(machine, _)| {
        let gap = u64::from(machine.0).saturating_sub(next);
        next = u64::from(machine.0) + 1;
        gap
    })
}

/// The shorter of the two.
fn layout(changes: &[(MachineId, u64)]) -> Layout {
    let count = varint_bytes(changes.len() as u64);
    let list = count + gaps(changes).map(varint_bytes).sum::<usize>();
    let entries: usize = changes.iter().map(|(_, entry)| varint_bytes(*entry)).sum();
    if let ([(first, _), ..], Some((last, _))) = (changes, changes.last()) {
        let row = usize::from(last.0.saturating_sub(first.0)) / 8 + 1;
        let bits = varint_bytes(u64::from(first.0)) + varint_bytes(row as u64) + row;
        if bits < list {
            return Layout {
                form: BITS,
                bytes: bits + entries,
                row,
            };
        }
    }
    Layout {
        form: LIST,
        bytes: list + entries,
        row: 0,
    }
}

fn encode_list(changes: &[(MachineId, u64)], body: &mut Vec<u8>) {
    body.push(LIST);
    write_varint(changes.len() as u64, body);
    for (gap, (_, entry)) in gaps(changes).zip(changes) {
        write_varint(gap, body);
        write_varint(*entry, body);
    }
}

fn encode_bits(changes: &[(MachineId, u64)], row: usize, body: &mut Vec<u8>) {
    body.push(BITS);
    let first = changes.first().map_or(0, |(first, _)| first.0);
    write_varint(u64::from(first), body);
    write_varint(row as u64, body);
    let start = body.len();
    body.resize(start + row, 0);
    for (machine, _) in changes {
        let bit = machine.0.saturating_sub(first);
        if let Some(byte) = body.get_mut(start + usize::from(bit / 8)) {
            *byte |= 1 << (bit % 8);
        }
    }
    changes.iter().for_each(|(_, entry)| write_varint(*entry, body));
}

fn decode_full(fields: &mut Fields<'_>) -> Result<VectorStamp, FieldError> {
    let machines = fields.varint("machines")?;
    if machines > u64::from(MACHINES_MAX) {
        return Err(wrong("machines", machines));
    }
    // An entry takes a byte at least.
    if (fields.rest().len() as u64) < machines {
        return Err(FieldError::Truncated { field: "entry" });
    }
    let entries: Result<Box<[u64]>, FieldError> = (0..machines).map(|_| fields.varint("entry")).collect();
    entries.map(VectorStamp::Full)
}

/// A change that can be: a machine of a run, and an entry that has risen.
fn change(machine: u64, entry: u64) -> Result<(MachineId, u64), FieldError> {
    let known = u16::try_from(machine)
        .ok()
        .filter(|machine| *machine < MACHINES_MAX);
    let machine = known.ok_or(wrong("machine", machine))?;
    if entry == 0 {
        return Err(wrong("entry", entry));
    }
    Ok((MachineId(machine), entry))
}

fn decode_list(fields: &mut Fields<'_>) -> Result<Vec<(MachineId, u64)>, FieldError> {
    let count = fields.varint("count")?;
    // A gap and an entry take two bytes at least.
    if count > fields.rest().len() as u64 / 2 {
        return Err(FieldError::Truncated { field: "entry" });
    }
    let mut next: u64 = 0;
    let read = |_| {
        let gap = fields.varint("gap")?;
        let machine = next.saturating_add(gap);
        next = machine.saturating_add(1);
        change(machine, fields.varint("entry")?)
    };
    (0..count).map(read).collect()
}

fn decode_bits(fields: &mut Fields<'_>) -> Result<Vec<(MachineId, u64)>, FieldError> {
    let first = fields.varint("first")?;
    let bytes = fields.varint("bytes")?;
    let row_max = u64::from(MACHINES_MAX).div_ceil(8);
    let count = usize::try_from(bytes).ok().filter(|_| bytes <= row_max);
    let row = fields.bytes("row", count.ok_or(wrong("bytes", bytes))?)?;
    // The row begins with the first change and ends with the last.
    let is_tight = row.first().is_some_and(|byte| byte & 1 == 1) && row.last() != Some(&0);
    if !is_tight {
        return Err(wrong("bytes", bytes));
    }
    let bits = (0..).zip(row).flat_map(|(place, byte)| {
        let set = (0..8).filter(move |bit| byte >> bit & 1 == 1);
        set.map(move |bit| place * 8 + bit)
    });
    bits.map(|bit: u64| change(first.saturating_add(bit), fields.varint("entry")?))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(stamp: &VectorStamp) -> Vec<u8> {
        let mut body = Vec::new();
        stamp.encode(&mut body);
        assert_eq!(body.len(), stamp.encoded_bytes());
        body
    }

    fn changes(list: &[(u16, u64)]) -> VectorStamp {
        VectorStamp::Changes(
            list.iter()
                .map(|(machine, entry)| (MachineId(*machine), *entry))
                .collect(),
        )
    }

    fn any_stamp() -> impl Strategy<Value = VectorStamp> {
        let entry = (0_u32..64, any::<u64>()).prop_map(|(shift, number)| number >> shift);
        let full = prop::collection::vec(entry.clone(), 0..200);
        let spread = prop_oneof![Just(40_u16), Just(MACHINES_MAX)];
        let listed = spread.prop_flat_map(move |machines| {
            prop::collection::btree_map(0..machines, entry.clone().prop_map(|n| n.max(1)), 0..60)
        });
        prop_oneof![
            full.prop_map(|entries| VectorStamp::Full(entries.into())),
            listed.prop_map(|map| changes(&map.into_iter().collect::<Vec<_>>())),
        ]
    }

    proptest! {
        #[test]
        fn stamps_survive_the_wire_and_no_part_of_one_is_one(stamp in any_stamp()) {
            let body = encoded(&stamp);
            let mut fields = Fields::new(&body);
            prop_assert_eq!(VectorStamp::decode(&mut fields), Ok(stamp));
            prop_assert_eq!(fields.end(), Ok(()));
            for cut in 0..body.len() {
                prop_assert!(VectorStamp::decode(&mut Fields::new(&body[..cut])).is_err(), "cut at {}", cut);
            }
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(form in 0_u8..4, rest in prop::collection::vec(0_u8..20, 0..40)) {
            let mut body = vec![form];
            body.extend(rest);
            let mut fields = Fields::new(&body);
            if let Ok(stamp) = VectorStamp::decode(&mut fields) {
                prop_assert_eq!(&encoded(&stamp)[..], &body[..body.len() - fields.rest().len()]);
            }
        }
    }

    #[test]
    fn the_shorter_form_is_taken() {
        for (stamp, bytes) in [
            (VectorStamp::Full([4, 9, 300].into()), vec![0, 3, 4, 9, 0xAC, 2]),
            (changes(&[]), vec![1, 0]),
            (changes(&[(2, 17), (5, 1)]), vec![1, 2, 2, 17, 2, 1]),
            // Four neighbours: a row of one byte, 1111.
            (
                changes(&[(3, 1), (4, 2), (5, 3), (6, 4)]),
                vec![2, 3, 1, 0b1111, 1, 2, 3, 4],
            ),
        ] {
            assert_eq!(encoded(&stamp), bytes, "{stamp:?}");
        }
    }

    #[test]
    fn a_whole_vector_is_sent_where_its_changes_are_no_shorter() {
        let entries: Vec<u64> = (1..=20).collect();
        let all: Vec<(u16, u64)> = (0..).zip(entries.iter().copied()).collect();
        let full = VectorStamp::Full(entries.clone().into());
        assert_eq!(changes(&all).or_full_if_shorter(&entries), full);
        let few = changes(&all[..3]);
        assert_eq!(few.clone().or_full_if_shorter(&entries), few);
    }

    #[test]
    fn hostile_bytes_are_refused_before_memory_is_reserved() {
        let mut huge = vec![FULL];
        write_varint(10_000, &mut huge);
        let mut many = vec![LIST];
        write_varint(u64::MAX, &mut many);
        let mut wide = vec![BITS, 0];
        write_varint(1251, &mut wide);
        wide.resize(2000, 0xFF);
        let mut far = vec![LIST, 1];
        write_varint(u64::MAX, &mut far);
        far.push(1);
        for (body, field) in [
            (huge, "entry"),
            (vec![FULL, 0x91, 0x4E], "machines"),
            (many, "entry"),
            (wide, "bytes"),
            (far, "machine"),
            (vec![LIST, 1, 3, 0], "entry"),
            (vec![3], "form"),
            // Changes that are not in their shorter form.
            (vec![LIST, 4, 3, 1, 0, 2, 0, 3, 0, 4], "form"),
            (vec![BITS, 3, 1, 1, 7], "form"),
            // A row that begins or ends with nothing.
            (vec![BITS, 3, 1, 0b1110, 1, 2, 3], "bytes"),
            (vec![BITS, 3, 2, 0b1111, 0, 1, 2, 3, 4], "bytes"),
            (vec![BITS, 3, 0], "bytes"),
        ] {
            let error = VectorStamp::decode(&mut Fields::new(&body)).unwrap_err();
            let named = match &error {
                FieldError::Value { field, .. } | FieldError::Truncated { field } => *field,
                other => panic!("{other:?}"),
            };
            assert_eq!(named, field, "{body:02x?}: {error}");
        }
    }
}
