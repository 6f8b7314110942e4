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
    let rows = Rows::open(&path, Sync::Always).unwrap();
    for (through, key) in (1..).zip([b"a", b"b", b"c"]) {
        rows.take_sorted(through, |take| take(row(key))).unwrap();
        assert_eq!(rows.mark().unwrap().map(|(through, _)| through), Some(through));
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
