//! Records survive their bytes, and what is torn is told from what is damaged.

use std::fs;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::{disk::sync::Sync, service::Row};

const SEED: u64 = 7;

fn group(number: u64, value: &str) -> Group {
    let row = |key: &str, value: Option<&str>| Row {
        table: 1,
        key: key.as_bytes().into(),
        value: value.map(|value| value.as_bytes().into()),
    };
    (
        number,
        vec![row("a", Some(value)), row("gone", None), row("empty", Some(""))],
    )
}

/// A folder in which records with these values were written one by one, beginning behind `last`.
fn written(values: &[&str], last: u64) -> (TempDir, PathBuf, Ahead) {
    let folder = tempdir().unwrap();
    let rows = folder.path().join("rows");
    make(&rows).unwrap();
    let mut ahead = Ahead::open(&rows, SEED, last).unwrap();
    for (number, value) in (1..).zip(values) {
        ahead.append(&[group(number, value)], || {}).unwrap();
    }
    ahead.sync().unwrap();
    (folder, rows, ahead)
}

/// The values of the records that count, in order.
fn values(rows: &Path, through: u64, sync: Sync) -> Result<Vec<String>, DiskError> {
    let found = find(rows, SEED, through, sync)?;
    let mut values = Vec::new();
    for pages in &found.files {
        let mut places = Places::default();
        pages.rows_behind(through, 0, &mut places)?;
        for view in places.rows(&[pages]).map(|row| row.expect("it is there")) {
            match view.key {
                b"a" => values.push(String::from_utf8(view.value.unwrap().to_vec()).unwrap()),
                b"gone" => assert_eq!(view.value, None),
                _ => assert_eq!(
                    (view.key, view.value),
                    (b"empty".as_slice(), Some(b"".as_slice()))
                ),
            }
        }
    }
    Ok(values)
}

#[test]
fn records_come_back_behind_what_the_tree_has() {
    let (_folder, rows, _) = written(&["one", "two", "three"], 4);
    assert_eq!(values(&rows, 4, Sync::Always).unwrap(), ["one", "two", "three"]);
    assert_eq!(values(&rows, 6, Sync::Always).unwrap(), ["three"]);
    assert!(values(&rows, 7, Sync::Always).unwrap().is_empty());
    // The tree has less than what was written behind: something is missing.
    assert!(matches!(
        values(&rows, 3, Sync::Always),
        Err(DiskError::Damaged { .. })
    ));
    // Another folder's records are none.
    assert_eq!(find(&rows, SEED + 1, 9, Sync::Always).unwrap().used, 9);
}

#[test]
fn a_file_is_written_anew_over_its_older_records() {
    let (_folder, rows, mut ahead) = written(&["one", "two", "three"], 0);
    let full = ahead.turn().unwrap();
    assert_eq!((full.turn, full.first, full.last), (Turn::First, 1, 3));
    ahead.append(&[group(4, "four")], || {}).unwrap();
    assert_eq!(
        values(&rows, 0, Sync::Always).unwrap(),
        ["one", "two", "three", "four"]
    );
    let full = ahead.turn().unwrap();
    assert_eq!((full.turn, full.first, full.last), (Turn::Second, 4, 4));
    ahead.append(&[group(5, "FIVE")], || {}).unwrap();
    assert_eq!(ahead.last, 5);
    // Records 1 to 3 are in the tree, and 2 and 3 still lie behind 5.
    assert_eq!(values(&rows, 3, Sync::Always).unwrap(), ["four", "FIVE"]);
    assert_eq!(values(&rows, 4, Sync::Always).unwrap(), ["FIVE"]);
}

#[test]
fn every_truncation_leaves_whole_records() {
    let (_folder, rows, _) = written(&["one", "two", "three"], 0);
    let path = Turn::First.path(&rows);
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 2;
    let mut last = 0;
    for cut in 0..=end {
        fs::write(&path, &bytes[..cut]).unwrap();
        let found = values(&rows, 0, Sync::Always).unwrap();
        assert!(found.len() >= last && found.len() <= 3);
        last = found.len();
    }
    assert_eq!(last, 3);
}

#[test]
fn a_wrong_byte_is_a_torn_end_or_damage() {
    let (_folder, rows, _) = written(&["one", "two", "three"], 0);
    let path = Turn::First.path(&rows);
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let third = bytes
        .windows(8)
        .rposition(|window| window == magic(SEED))
        .unwrap();
    for place in 0..=end {
        let mut changed = bytes.clone();
        changed[place] ^= 0x20;
        fs::write(&path, &changed).unwrap();
        let strict = values(&rows, 0, Sync::Always);
        let found = values(&rows, 0, Sync::Never).unwrap();
        if place < third {
            assert!(matches!(strict, Err(DiskError::Damaged { .. })), "{place}");
            assert!(found.len() < 2);
        } else {
            assert_eq!(strict.unwrap(), ["one", "two"]);
            assert_eq!(found, ["one", "two"]);
        }
    }
    // What was torn is not taken for a record by the life that follows.
    let mut changed = bytes;
    changed[third - 1] ^= 0x20;
    fs::write(&path, &changed).unwrap();
    assert_eq!(find(&rows, SEED, 0, Sync::Interval).unwrap().used, 3);
}

#[test]
fn a_wrong_byte_in_a_file_before_the_other_one_began_is_damage_however_it_synced() {
    const MODES: [Sync; 3] = [Sync::Always, Sync::Interval, Sync::Never];
    let (_folder, rows, mut ahead) = written(&["one", "two", "three"], 0);
    // The files in turn, and then the other way round, over what is in the tree.
    for through in [0, 3] {
        let full = ahead.turn().unwrap();
        for value in ["next", "last"] {
            ahead.append(&[group(9, value)], || {}).unwrap();
        }
        let whole = values(&rows, through, Sync::Always).unwrap();
        let (earlier, later) = (full.turn.path(&rows), full.turn.other().path(&rows));
        let places = |path: &Path| {
            let bytes = fs::read(path).unwrap();
            let fronts = memchr::memmem::find_iter(&bytes, &magic(SEED)).collect::<Vec<_>>();
            (bytes, fronts)
        };
        let (bytes, fronts) = places(&earlier);
        let records = usize::try_from(full.last - full.first).unwrap() + 1;
        let end = fronts.get(records).copied().unwrap_or(bytes.len());
        let end = bytes[..end].iter().rposition(|byte| *byte != 0).unwrap();
        for place in 0..=end {
            let mut changed = bytes.clone();
            changed[place] ^= 0x20;
            fs::write(&earlier, &changed).unwrap();
            for sync in MODES {
                let error = values(&rows, through, sync).unwrap_err();
                let is_named = matches!(&error, DiskError::Damaged { path, .. } if *path == earlier);
                assert!(is_named, "{place} {sync}: {error}");
            }
        }
        // A whole record of the other file is enough, wherever it lies.
        let (late_bytes, late_fronts) = places(&later);
        let mut torn = late_bytes.clone();
        torn[late_fronts[0] + 20] ^= 0x20;
        fs::write(&later, &torn).unwrap();
        let mut changed = bytes.clone();
        changed[fronts[records - 2] + 20] ^= 0x20;
        fs::write(&earlier, &changed).unwrap();
        for sync in MODES {
            let error = values(&rows, through, sync).unwrap_err();
            assert!(matches!(error, DiskError::Damaged { .. }), "{sync}: {error}");
        }
        // The later file itself may be torn.
        fs::write(&earlier, &bytes).unwrap();
        let found = values(&rows, through, Sync::Interval).unwrap();
        assert_eq!(found, whole[..whole.len() - 2]);
        fs::write(&later, &late_bytes).unwrap();
        assert_eq!(values(&rows, through, Sync::Never).unwrap(), whole);
    }
}

#[test]
fn a_value_that_looks_like_a_record_is_none() {
    let mut forged = Vec::new();
    record(SEED + 1, 900, &[group(1, "forged")], &mut forged);
    let forged = forged.repeat(100);
    let folder = tempdir().unwrap();
    let rows = folder.path().join("rows");
    make(&rows).unwrap();
    let mut ahead = Ahead::open(&rows, SEED, 0).unwrap();
    let row = Row {
        table: 1,
        key: b"a".as_slice().into(),
        value: Some(forged.into()),
    };
    ahead.append(&[(1, vec![row])], || {}).unwrap();
    assert_eq!(find(&rows, SEED, 0, Sync::Always).unwrap().used, 1);
    // Not even its beginning is one: nothing of it is hashed.
    let bytes = fs::read(Turn::First.path(&rows)).unwrap();
    assert_eq!(memchr::memmem::find_iter(&bytes, &magic(SEED)).count(), 1);
}

#[test]
fn a_large_group_gives_its_room_back() {
    let (_folder, rows, mut ahead) = written(&["one"], 0);
    ahead.append(&[group(2, &"x".repeat(3 << 20))], || {}).unwrap();
    let length = || fs::metadata(Turn::First.path(&rows)).unwrap().len();
    assert!(ahead.is_full() && length() > 3 << 20);
    ahead.turn().unwrap();
    ahead.turn().unwrap();
    assert_eq!(length(), FULL_BYTES);
    ahead.append(&[group(3, "three")], || {}).unwrap();
    assert_eq!(values(&rows, 2, Sync::Always).unwrap(), ["three"]);
}

#[test]
fn a_large_record_is_written_in_parts_and_once() {
    let (_folder, rows, mut ahead) = written(&["one"], 0);
    let parts = std::cell::Cell::new(0);
    let value = "x".repeat(3 << 20);
    ahead
        .append(&[group(2, &value)], || parts.set(parts.get() + 1))
        .unwrap();
    assert_eq!(parts.get(), 3);
    assert!(!ahead.is_synced());
    let end = ahead.sheet().end;
    let length = fs::metadata(Turn::First.path(&rows)).unwrap().len();
    assert_eq!(length, end.next_multiple_of(GROWTH_BYTES));
    assert_eq!(values(&rows, 0, Sync::Always).unwrap(), ["one", &value]);
}

#[test]
fn a_full_file_is_read_from_the_first_record_of_its_turn_to_the_last() {
    let (_folder, rows, mut ahead) = written(&["one", "two", "three"], 4);
    let full = ahead.turn().unwrap();
    let path = Turn::First.path(&rows);
    let read = |full| {
        let pages = Pages::read(&rows, Turn::First, SEED)?;
        let mut places = Places::default();
        pages.rows_of_turn(full, &mut places)?;
        Ok::<_, DiskError>(places.rows(&[&pages]).flatten().count())
    };
    assert_eq!(read(full).unwrap(), 9);
    for other in [
        Full { first: 4, ..full },
        Full { last: 8, ..full },
        Full { first: 6, ..full },
    ] {
        assert!(matches!(read(other), Err(DiskError::Damaged { .. })), "{other:?}");
    }
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for place in 0..=end {
        let mut changed = bytes.clone();
        changed[place] ^= 0x20;
        fs::write(&path, &changed).unwrap();
        assert!(
            matches!(read(full), Err(DiskError::Damaged { .. })),
            "changed at {place}"
        );
        fs::write(&path, &bytes[..place]).unwrap();
        assert!(
            matches!(read(full), Err(DiskError::Damaged { .. })),
            "cut at {place}"
        );
    }
    fs::remove_file(&path).unwrap();
    let error = read(full).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_file_that_is_gone_is_damage() {
    for gone in [Turn::First, Turn::Second] {
        let (_folder, rows, _) = written(&["one"], 0);
        fs::remove_file(gone.path(&rows)).unwrap();
        for sync in [Sync::Always, Sync::Never] {
            let error = find(&rows, SEED, 0, sync).unwrap_err();
            assert!(error.to_string().contains("missing"), "{error}");
        }
    }
}
