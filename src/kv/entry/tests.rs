//! Entries: every type alone, types together, and their bytes.

use crate::{
    clock::{Dot, Origin},
    units::MachineId,
};

use super::*;

fn dot(machine: u16, number: u64) -> Dot {
    let origin = Origin {
        machine: MachineId(machine),
        incarnation: 1,
    };
    Dot::new(origin, number)
}

#[test]
fn a_first_write_that_changes_nothing_still_leaves_its_dot() {
    let mut applied = Applied {
        key: b"k".as_slice().into(),
        change: Change::Remove(Vec::new()),
        seen: VersionVector::new(),
        cleared: super::super::operation::Cleared::default(),
        ends_us: None,
    };
    let entry = Entry::new(dot(1, 4), 9, &mut applied);
    assert_eq!(entry.dots().to_string(), "1.1.4");
    assert!(!entry.class().is_there && entry.class().has_memory);
}
