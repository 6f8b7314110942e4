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

/// Damages a folder, and expects that this is said, with advice, and nothing is changed. Says what is said.
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

#[test]
fn a_file_written_ahead_that_was_cut_is_damage() {
    let folder = folded();
    let data = folder.path().join("data");
    let life = data.join("life.json");
    let text = fs::read_to_string(&life).unwrap();
    for name in ["rows-0.log", "rows-1.log"] {
        let file = data.join(name);
        let whole = fs::read(&file).unwrap();
        assert_eq!(whole.len(), 1 << 20);
        for bytes in [0, 100, 4096, 15_000] {
            fs::write(&file, &whole[..bytes]).unwrap();
            for sync in [Sync::Always, Sync::Never] {
                let said = text.replace("\"always\"", &format!("\"{sync}\""));
                fs::write(&life, &said).unwrap();
                let error = DataFolder::open(&data, &owner()).unwrap_err();
                assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
                assert!(
                    error.to_string().contains(&format!("has {bytes} bytes")),
                    "{error}"
                );
                assert_eq!(fs::metadata(&file).unwrap().len(), bytes as u64);
                assert_eq!(fs::read_to_string(&life).unwrap(), said);
            }
        }
        fs::write(&file, &whole).unwrap();
    }
    // Nothing was changed: made whole again by hand, it has everything.
    assert_eq!(rows(&data).len(), 40);
}

#[test]
fn rows_that_are_gone_are_damage_once_a_life_has_written() {
    let remove = |data: &Path, names: &[&str]| {
        for name in names {
            match data.join(name) {
                path if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                path => fs::remove_file(path).unwrap(),
            }
        }
    };
    let text = refused(&folded(), |data| remove(data, &["rows"]), "the tree");
    assert!(text.contains("missing"), "{text}");
    let all = ["rows", "rows-0.log", "rows-1.log"];
    refused(&folded(), |data| remove(data, &all), "tree and files");
    // A restored folder has written, too.
    let folder = filled(vec![vec![row(1, "key", "value")]]);
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    back_up(&data, &copy).unwrap();
    fs::remove_dir_all(&data).unwrap();
    restore(&copy, &data).unwrap();
    refused(&folder, |data| remove(data, &all), "restored");
    assert!(matches!(
        back_up(&data, &folder.path().join("more")),
        Err(DiskError::Damaged { .. })
    ));
    // Where nobody has written yet, they are made.
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    drop(open(&data));
    remove(&data, &all);
    assert_eq!(rows(&data), []);
}

#[test]
fn a_file_of_the_tree_that_is_gone_or_cut_is_damage_with_advice() {
    let tree = |data: &Path| data.join("rows/keyspaces/1");
    let newest = |data: &Path| {
        let current = fs::read(tree(data).join("current")).unwrap();
        let number = u64::from_le_bytes(current[..8].try_into().unwrap());
        tree(data).join(format!("v{number}"))
    };
    let cut = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let table = |data: &Path| {
        let mut tables = fs::read_dir(tree(data).join("tables")).unwrap();
        tables.next().unwrap().unwrap().path()
    };
    refused(
        &folded(),
        |data| fs::write(tree(data).join("current"), "").unwrap(),
        "current emptied",
    );
    refused(
        &folded(),
        |data| fs::write(tree(data).join("current"), [7; 8]).unwrap(),
        "current wrong",
    );
    refused(
        &folded(),
        |data| fs::remove_file(newest(data)).unwrap(),
        "list gone",
    );
    refused(&folded(), |data| cut(newest(data)), "list cut");
    refused(
        &folded(),
        |data| fs::write(newest(data), "").unwrap(),
        "list emptied",
    );
    refused(
        &folded(),
        |data| fs::remove_file(table(data)).unwrap(),
        "table gone",
    );
    refused(&folded(), |data| cut(table(data)), "table cut");
}
