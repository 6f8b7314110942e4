//! What is gone or cut is said, and nothing is changed: rows are never missing without a word.

use std::{collections::BTreeMap, path::PathBuf};

use super::*;

/// A folder whose rows are partly in the tree, in several files, and partly written ahead of it.
pub(super) fn folded() -> TempDir {
    let group = |number: u32| {
        let key = format!("{:02}", number % 40);
        vec![row(1, &key, &format!("{number} {}", "v".repeat(1000)))]
    };
    let folder = tempdir().unwrap();
    let mut bench = Bench::new(open(&folder.path().join("data")), Sync::Always);
    for number in 1..=100 {
        bench.disk.append(u64::from(number), group(number));
        // One by one: a file is full now and then, and not once.
        bench.wait_for(u64::from(number));
    }
    bench.disk.close();
    folder
}

/// Every file below a folder, less the locks, and what is in it.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "lock" {
                files.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Damages a folder, and expects that this is said, with advice, and nothing is changed.
fn refused(folder: &TempDir, damage: impl FnOnce(&Path), what: &str) -> String {
    let data = folder.path().join("data");
    damage(&data);
    let before = content(&data);
    let error = DataFolder::open(&data, &owner()).expect_err(what);
    assert!(matches!(error, DiskError::Damaged { .. }), "{what}: {error}");
    let text = error.to_string();
    assert!(text.contains("clocklab kv restore"), "{what}: {text}");
    let after = content(&data);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before), "{what}: {text}");
    assert!(after == before, "{what}: a file was changed");
    text
}

#[test]
fn a_tree_without_one_of_its_files_is_damage() {
    for name in [
        "rows/0.jnl",
        "rows/version",
        "rows/keyspaces/0/current",
        "rows/keyspaces/1/current",
    ] {
        let text = refused(&folded(), |data| fs::remove_file(data.join(name)).unwrap(), name);
        assert!(text.contains("missing"), "{text}");
    }
    for name in ["rows/keyspaces/0", "rows/keyspaces/1", "rows/keyspaces"] {
        let text = refused(
            &folded(),
            |data| fs::remove_dir_all(data.join(name)).unwrap(),
            name,
        );
        assert!(text.contains("missing"), "{text}");
    }
}
