//! What the tree says it has, it gives.

use tempfile::tempdir;

use super::*;

fn row(key: &[u8]) -> RowView<'_> {
    RowView {
        table: 1,
        key,
        value: Some(b"value"),
    }
}

#[test]
fn rows_that_the_tree_has_and_would_not_give_are_damage() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("rows");
    let rows = Rows::open(&path, None).unwrap();
    for (through, key) in (1..).zip([b"a", b"b", b"c"]) {
        rows.take_sorted(through, |take| take(row(key))).unwrap();
        assert_eq!(rows.mark().unwrap().map(|mark| mark.through), Some(through));
        assert_eq!(rows.each(|_| Ok(())).unwrap(), through);
    }
    drop(rows);
    // fjall makes it anew, and begins to count anew.
    fs::remove_file(path.join("0.jnl")).unwrap();
    let (database, tree) = open_files(&path).unwrap();
    let rows = Rows {
        path,
        database,
        tree,
        seed: 0,
        used: 0,
    };
    assert!(rows.each(|_| Ok(())).unwrap() < 3, "or it is no longer needed");
    let error = rows.mark().unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
}

#[test]
fn a_mark_of_a_version_that_noted_no_lengths_is_read() {
    let mark = Mark {
        through: 7,
        seed: 9,
        lengths: Some([4096, 1 << 20]),
    };
    let bytes = mark.encode();
    assert_eq!(bytes.len(), 32);
    assert_eq!(Mark::decode(&bytes), Some(mark));
    let before = Mark {
        lengths: None,
        ..mark
    };
    assert_eq!(before.encode(), bytes[..16]);
    assert_eq!(Mark::decode(&bytes[..16]), Some(before));
    for cut in (0..16).chain(17..32) {
        assert_eq!(Mark::decode(&bytes[..cut]), None, "{cut}");
    }
}

#[test]
fn a_folder_of_a_version_that_noted_no_lengths_is_taken_up_and_notes_them() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("rows");
    let rows = Rows::open(&path, None).unwrap();
    let mark = rows.mark().unwrap().unwrap();
    // As it was left by one: the files were made empty, and grew when they were written.
    let plain = Mark {
        lengths: None,
        ..mark
    };
    let mut ingestion = rows.tree.start_ingestion().unwrap();
    ingestion.write(MARK, plain.encode()).unwrap();
    ingestion.finish().unwrap();
    drop(rows);
    let names = ["rows-0.log", "rows-1.log"].map(|name| folder.path().join(name));
    for name in &names {
        fs::write(name, []).unwrap();
    }
    let rows = Rows::open(&path, Some(Sync::Always)).unwrap();
    assert_eq!(rows.mark().unwrap(), Some(mark));
    drop(rows);
    for name in &names {
        assert_eq!(fs::metadata(name).unwrap().len(), 4096);
        fs::write(name, []).unwrap();
        let error = Rows::open(&path, Some(Sync::Always)).unwrap_err();
        assert!(error.to_string().contains("had 4096 or more"), "{error}");
        fs::write(name, [0; 4096]).unwrap();
    }
    Rows::open(&path, Some(Sync::Always)).unwrap();
}
