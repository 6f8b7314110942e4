//! Folders keep what they acknowledged, belong to one life at a time, and say what is wrong with them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::{
    service::{Disk, Row},
    units::MachineId,
};

fn owner() -> Owner {
    Owner {
        machine: MachineId(3),
        cluster: "store".to_owned(),
    }
}

fn row(table: u8, key: &str, value: &str) -> Row {
    Row {
        table,
        key: key.as_bytes().into(),
        value: Some(value.as_bytes().into()),
    }
}

fn gone(table: u8, key: &str) -> Row {
    Row {
        value: None,
        ..row(table, key, "")
    }
}

/// A disk, and a bell that it rings whenever there is progress.
struct Bench {
    disk: FolderDisk,
    bell: Arc<(Mutex<u64>, Condvar)>,
}

impl Bench {
    fn new(folder: DataFolder, sync: Sync) -> Self {
        let mut disk = folder.into_disk(sync).unwrap();
        let bell = Arc::<(Mutex<u64>, Condvar)>::default();
        let rung = Arc::clone(&bell);
        disk.on_progress(Box::new(move || {
            *rung.0.lock().unwrap() += 1;
            rung.1.notify_all();
        }));
        Self { disk, bell }
    }

    /// Waits until this group is kept.
    fn wait_for(&mut self, number: u64) {
        let (count, rung) = &*self.bell;
        let mut count = count.lock().unwrap();
        loop {
            let progress = self.disk.progress();
            assert_eq!(progress.failed, None);
            if progress.through >= number {
                return;
            }
            count = rung.wait_timeout(count, Duration::from_secs(20)).unwrap().0;
        }
    }
}

fn open(path: &Path) -> DataFolder {
    DataFolder::open(path, &owner()).unwrap()
}

fn rows(path: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let folder = open(path);
    let count = folder.each_row(|row| rows.push(row)).unwrap();
    assert_eq!(count, rows.len() as u64);
    rows
}

/// A folder with these groups in it, closed.
fn filled(groups: Vec<Vec<Row>>) -> TempDir {
    let folder = tempdir().unwrap();
    let mut bench = Bench::new(open(&folder.path().join("data")), Sync::Always);
    let last = groups.len() as u64;
    for (number, rows) in (1..).zip(groups) {
        bench.disk.append(number, rows);
    }
    bench.wait_for(last);
    bench.disk.close();
    folder
}

#[test]
fn rows_come_back_in_the_order_of_tables_and_keys() {
    let folder = filled(vec![
        vec![
            row(1, "b", "1"),
            row(0, "z", "2"),
            row(1, "a", "3"),
            row(7, "x", ""),
        ],
        vec![row(1, "b", "4"), gone(7, "x"), gone(2, "never")],
        vec![row(7, "\u{0}", "5")],
    ]);
    assert_eq!(
        rows(&folder.path().join("data")),
        [
            row(0, "z", "2"),
            row(1, "a", "3"),
            row(1, "b", "4"),
            row(7, "\u{0}", "5")
        ]
    );
}

#[test]
fn each_way_to_sync_keeps_what_was_closed_in_order() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let folder = tempdir().unwrap();
        let mut bench = Bench::new(open(folder.path()), sync);
        for number in 1..=50 {
            bench.disk.append(number, vec![row(0, "n", &number.to_string())]);
            if sync == Sync::Never {
                assert_eq!(bench.disk.progress().through, number);
            }
        }
        bench.wait_for(50);
        bench.disk.close();
        assert_eq!(bench.disk.progress().failed, None);
        assert_eq!(rows(folder.path()), [row(0, "n", "50")], "{sync}");
        assert_eq!(sync.to_string().parse(), Ok(sync));
    }
    assert!(
        "fsync"
            .parse::<Sync>()
            .unwrap_err()
            .to_string()
            .contains("always")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Groups that share a batch, and groups that do not: the last row of a key counts.
    #[test]
    fn the_last_row_of_a_key_counts(
        groups in prop::collection::vec(
            prop::collection::btree_map((0_u8..2, "[a-d]{1,2}"), prop::option::of("[a-z]{0,4}"), 0..6), 1..20
        ),
        pauses in prop::collection::vec(any::<bool>(), 20),
    ) {
        let mut expected = std::collections::BTreeMap::new();
        let folder = tempdir().unwrap();
        let mut bench = Bench::new(open(folder.path()), Sync::Always);
        for ((number, group), pause) in (1..).zip(groups).zip(pauses) {
            let mut rows = Vec::new();
            for ((table, key), value) in group {
                rows.push(match &value {
                    Some(value) => row(table, &key, value),
                    None => gone(table, &key),
                });
                match value {
                    Some(value) => expected.insert((table, key), value),
                    None => expected.remove(&(table, key)),
                };
            }
            bench.disk.append(number, rows);
            if pause {
                bench.wait_for(number);
            }
        }
        bench.disk.close();
        prop_assert_eq!(bench.disk.progress().failed, None);
        let expected: Vec<Row> =
            expected.into_iter().map(|((table, key), value)| row(table, &key, &value)).collect();
        prop_assert_eq!(rows(folder.path()), expected);
    }
}

#[test]
fn files_written_ahead_come_into_the_tree_in_turn() {
    let folder = tempdir().unwrap();
    let long = "v".repeat(3000);
    for life in 0..4 {
        let mut bench = Bench::new(open(folder.path()), Sync::Always);
        for number in 1..=60 {
            let name = format!("k{:02}", (number * 7 + life) % 40);
            let other = row(2, &format!("k{:02}", number % 9), &number.to_string());
            let other = if number % 4 == 0 { gone(2, "k01") } else { other };
            bench.disk.append(
                number,
                vec![row(1, &name, &format!("{life} {number} {long}")), other],
            );
            bench.wait_for(number);
        }
        // Every other life ends without a word: what the system has it keeps.
        match life % 2 {
            0 => bench.disk.close(),
            _ => drop(bench),
        }
        let found = rows(folder.path());
        let of_first = found.iter().filter(|row| row.table == 1);
        let newest = of_first.filter(|row| {
            let value = String::from_utf8_lossy(row.value.as_deref().unwrap_or_default());
            value.starts_with(&format!("{life} "))
        });
        assert_eq!(newest.count(), 40);
        let at = |key: &str| {
            found
                .iter()
                .find(|found| (found.table, &*found.key) == (2, key.as_bytes()))
        };
        assert_eq!(at("k01"), None, "it was taken away last");
        assert_eq!(at("k05"), Some(&row(2, "k05", "59")));
    }
    let both = ["rows-0.log", "rows-1.log"];
    let lengths = both.map(|name| fs::metadata(folder.path().join(name)).unwrap().len());
    assert_eq!(lengths, [1 << 20; 2], "they are written again and again");
}

#[test]
fn what_was_written_ahead_needs_its_tree() {
    let folder = filled(vec![vec![row(1, "a", "1")]]);
    let data = folder.path().join("data");
    fs::remove_dir_all(data.join("rows")).unwrap();
    let error = DataFolder::open(&data, &owner()).unwrap_err();
    assert!(error.to_string().contains("written ahead"), "{error}");
}

#[test]
fn a_file_written_ahead_that_is_gone_is_damage() {
    for gone in [
        &["rows-0.log"][..],
        &["rows-1.log"],
        &["rows-0.log", "rows-1.log"],
    ] {
        let folder = filled(vec![vec![row(1, "a", "1")]]);
        let data = folder.path().join("data");
        let life = fs::read(data.join("life.json")).unwrap();
        for name in gone {
            fs::remove_file(data.join(name)).unwrap();
        }
        let error = DataFolder::open(&data, &owner()).unwrap_err();
        assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(gone[0]), "{error}");
        assert_eq!(
            fs::read(data.join("life.json")).unwrap(),
            life,
            "nothing was changed"
        );
    }
}

#[test]
fn each_life_is_numbered_above_the_last() {
    let folder = tempdir().unwrap();
    let lives: Vec<u32> = (0..3).map(|_| open(folder.path()).incarnation()).collect();
    assert!(lives[0] < lives[1] && lives[1] < lives[2], "{lives:?}");
    wait_for_incarnation(lives[0]);
    assert!(incarnation_without_disk() > lives[0]);
}

#[test]
fn a_folder_has_one_user() {
    let folder = tempdir().unwrap();
    let first = open(folder.path());
    let error = DataFolder::open(folder.path(), &owner()).unwrap_err();
    assert!(matches!(error, DiskError::Locked { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&folder.path().display().to_string()) && text.contains("--data"),
        "{text}"
    );
    // As long as the disk writes, too; a backup is refused meanwhile.
    let mut bench = Bench::new(first, Sync::Always);
    let copy = folder.path().join("copy");
    assert!(matches!(
        DataFolder::open(folder.path(), &owner()),
        Err(DiskError::Locked { .. })
    ));
    assert!(matches!(
        back_up(folder.path(), &copy),
        Err(DiskError::Locked { .. })
    ));
    bench.disk.close();
    open(folder.path());
}

#[test]
fn a_folder_belongs_to_one_replica_of_one_cluster() {
    let folder = tempdir().unwrap();
    open(folder.path());
    let others = [
        Owner {
            machine: MachineId(4),
            ..owner()
        },
        Owner {
            cluster: "shop".to_owned(),
            ..owner()
        },
    ];
    for other in others {
        let error = DataFolder::open(folder.path(), &other).unwrap_err();
        assert!(matches!(error, DiskError::Another { .. }), "{error}");
    }
    // Nothing was changed by them.
    open(folder.path());
}

#[test]
fn what_is_no_data_is_said_to_be_none() {
    let folder = tempdir().unwrap();
    let life = folder.path().join("life.json");
    let refused = |text: &str| {
        fs::write(&life, text).unwrap();
        DataFolder::open(folder.path(), &owner()).unwrap_err()
    };
    let newer = refused("{\"format\":4,\"cluster\":7}");
    assert!(matches!(newer, DiskError::Newer { found: 4, .. }), "{newer}");
    for found in [1, 2] {
        let text = format!("{{\"format\":{found},\"cluster\":\"store\",\"machine\":3,\"incarnation\":7}}");
        let older = refused(&text);
        assert!(matches!(older, DiskError::Older { .. }), "{older}");
        assert!(older.to_string().contains("clocklab kv backup"), "{older}");
        // Nothing was raised: the version that wrote it still reads it.
        assert_eq!(fs::read_to_string(&life).unwrap(), text);
    }
    for text in ["", "{", "{\"format\":3}", "[]", "\u{0}\u{0}", &"x".repeat(10_000)] {
        let error = refused(text);
        assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("clocklab kv restore"), "{error}");
    }
    fs::remove_file(&life).unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    let error = DataFolder::open(folder.path(), &owner()).unwrap_err();
    assert!(
        matches!(&error, DiskError::Foreign { found, .. } if found == "photos"),
        "{error}"
    );
    let missing = back_up(&folder.path().join("nowhere"), &folder.path().join("copy"));
    assert!(matches!(missing, Err(DiskError::Empty { .. })));
}

#[test]
fn files_that_were_changed_by_hand_are_an_error_and_no_panic() {
    let folder = filled(vec![vec![row(1, "a", "1")]]);
    let data = folder.path().join("data");
    let version = data.join("rows/version");
    fs::write(&version, "something else").unwrap();
    let error = DataFolder::open(&data, &owner()).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn a_start_that_was_broken_off_is_begun_anew() {
    let folder = tempdir().unwrap();
    drop(open(folder.path()));
    // Killed while the rows were made: their name is given last.
    let (rows, new) = (folder.path().join("rows"), folder.path().join("rows.new"));
    fs::rename(&rows, &new).unwrap();
    fs::remove_file(new.join("version")).unwrap();
    drop(open(folder.path()));
    assert!(rows.is_dir() && !new.exists());
}

#[test]
fn what_was_not_synced_one_by_one_is_read_up_to_the_first_wrong_record() {
    for (sync, is_read) in [(Sync::Interval, true), (Sync::Always, false)] {
        let folder = tempdir().unwrap();
        let mut bench = Bench::new(open(folder.path()), sync);
        for number in 1..=20 {
            let mark = row(1, &format!("mark{number:02}"), &"v".repeat(100));
            bench
                .disk
                .append(number, vec![row(0, "n", &number.to_string()), mark]);
            bench.wait_for(number);
        }
        bench.disk.close();
        drop(bench);
        // Two holes, as a loss of power leaves them: blocks that read as zeros.
        let path = folder.path().join("rows-0.log");
        let mut bytes = fs::read(&path).unwrap();
        for mark in [b"mark10", b"mark15"] {
            let place = bytes.windows(mark.len()).position(|window| window == mark);
            bytes[place.unwrap() + mark.len()..][..50].fill(0);
        }
        fs::write(&path, &bytes).unwrap();
        match DataFolder::open(folder.path(), &owner()) {
            Ok(opened) => {
                assert!(is_read, "{sync}");
                drop(opened);
                let found = rows(folder.path());
                assert_eq!(found.first(), Some(&row(0, "n", "9")));
                assert_eq!(found.len(), 10);
                // It goes on from there.
                let mut bench = Bench::new(open(folder.path()), Sync::Always);
                bench.disk.append(1, vec![row(0, "n", "again")]);
                bench.wait_for(1);
                bench.disk.close();
                assert_eq!(rows(folder.path()).first(), Some(&row(0, "n", "again")));
            }
            Err(error) => {
                assert!(!is_read, "{error}");
                assert_eq!(fs::read(&path).unwrap().len(), bytes.len(), "nothing is touched");
            }
        }
    }
}

mod damage;

mod backups {
    use super::*;

    fn groups() -> Vec<Vec<Row>> {
        let group = |number: u32| {
            let key = format!("{:04}", number * 7 % 1000);
            vec![
                row(1, &key, &"v".repeat(number as usize % 300)),
                row(0, "n", &number.to_string()),
            ]
        };
        (0..500).map(group).collect()
    }

    #[test]
    fn a_copy_is_restored_as_a_further_life() {
        let folder = filled(groups());
        let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
        let made = back_up(&data, &copy).unwrap();
        assert_eq!(made.owner, owner());
        assert_eq!((made.rows, made.bytes), (501, fs::metadata(&copy).unwrap().len()));
        let again = folder.path().join("again");
        assert_eq!(restore(&copy, &again).unwrap(), made);
        assert!(open(&again).incarnation() > made.incarnation);
        assert_eq!(rows(&again), rows(&data));
        // Never over something.
        assert!(matches!(restore(&copy, &again), Err(DiskError::Occupied { .. })));
        assert!(matches!(back_up(&data, &copy), Err(DiskError::Io { .. })));
        assert_eq!(fs::metadata(&copy).unwrap().len(), made.bytes);
    }

    #[test]
    fn access_tokens_are_restored_with_the_rows() {
        let folder = filled(vec![vec![row(1, "key", "value")]]);
        let data = folder.path().join("data");
        let copied = |name: &str| {
            let (copy, again) = (
                folder.path().join(name),
                folder.path().join(format!("{name}-again")),
            );
            let made = back_up(&data, &copy).unwrap();
            assert_eq!(restore(&copy, &again).unwrap(), made);
            (made.tokens, again.join(TOKENS))
        };
        let (tokens, file) = copied("without");
        assert_eq!((tokens, file.exists()), (Tokens::None, false));
        // An empty file is one, too: it lets nobody in.
        for (name, text) in [("with", "{\"version\":1,\"tokens\":[]}\n"), ("empty", "")] {
            fs::write(data.join(TOKENS), text).unwrap();
            let (tokens, file) = copied(name);
            assert_eq!(tokens, Tokens::File(text.as_bytes().into()));
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(data.join(TOKENS), vec![b' '; TOKENS_BYTES_MAX + 1]).unwrap();
        let error = back_up(&data, &folder.path().join("long")).unwrap_err();
        assert!(error.to_string().contains(TOKENS), "{error}");
    }

    #[test]
    fn a_backup_of_the_version_before_tokens_is_read_and_says_nothing_of_them() {
        use sha2::{Digest, Sha256};

        let folder = filled(vec![vec![row(1, "key", "value"), row(2, "k", "")]]);
        let copy = folder.path().join("copy");
        let made = back_up(&folder.path().join("data"), &copy).unwrap();
        // As that version wrote it: another number, and nothing of tokens.
        let mut bytes = fs::read(&copy).unwrap();
        bytes.truncate(bytes.len() - 32);
        bytes[BACKUP_FORMAT.len() - 2] = b'1';
        let head = BACKUP_FORMAT.len() + 4;
        let head_bytes = u32::from_be_bytes(bytes[head - 4..head].try_into().unwrap());
        let tokens = head + usize::try_from(head_bytes).unwrap();
        assert_eq!(bytes.drain(tokens..tokens + 4).as_slice(), [0, 0, 0, 1]);
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        fs::write(&copy, &bytes).unwrap();
        let again = folder.path().join("again");
        let expected = Copied {
            tokens: Tokens::NotKnown,
            bytes: made.bytes - 4,
            ..made
        };
        assert_eq!(restore(&copy, &again).unwrap(), expected);
        assert_eq!(rows(&again), rows(&folder.path().join("data")));
    }

    #[test]
    fn who_restores_looks_again_behind_the_lock() {
        let folder = tempdir().unwrap();
        let data = folder.path().join("far/away/data");
        folder::make_folder(&data).unwrap();
        assert!(folder::refuse_occupied(&data, None).is_ok());
        let lock = folder::Lock::acquire(&data).unwrap();
        assert!(folder::refuse_occupied(&data, None).is_err());
        assert!(folder::refuse_occupied(&data, Some(&lock)).is_ok());
        fs::write(data.join("life.json"), "{}").unwrap();
        let error = folder::refuse_occupied(&data, Some(&lock)).unwrap_err();
        assert!(matches!(error, DiskError::Occupied { .. }), "{error}");
    }

    #[test]
    fn a_damaged_copy_is_refused_before_anything_is_written() {
        let folder = filled(vec![vec![row(1, "key", "value"), row(2, "k", "")]]);
        let copy = folder.path().join("copy");
        fs::write(folder.path().join("data").join(TOKENS), "{}").unwrap();
        back_up(&folder.path().join("data"), &copy).unwrap();
        let whole = fs::read(&copy).unwrap();
        let broken = folder.path().join("broken");
        let target = folder.path().join("target");
        let refused = |bytes: &[u8], what: &str| {
            fs::write(&broken, bytes).unwrap();
            let error = restore(&broken, &target).expect_err(what);
            let is_said = matches!(
                error,
                DiskError::Damaged { .. } | DiskError::NoBackup { .. } | DiskError::Newer { .. }
            );
            assert!(is_said && !target.exists(), "{what}: {error}");
        };
        for cut in 0..whole.len() {
            refused(&whole[..cut], &format!("cut at {cut}"));
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            refused(&changed, &format!("changed at {place}"));
        }
        refused(&[whole.as_slice(), &[0]].concat(), "longer");
        refused(b"something else, and long enough for a head", "another file");
        fs::write(&broken, &whole).unwrap();
        assert_eq!(restore(&broken, &target).unwrap().rows, 2);
    }

    #[test]
    fn a_restore_that_was_broken_off_is_seen() {
        let folder = filled(vec![vec![row(1, "key", "value")]]);
        let data = folder.path().join("data");
        fs::remove_file(data.join("life.json")).unwrap();
        let error = DataFolder::open(&data, &owner()).unwrap_err();
        assert!(error.to_string().contains("restore was broken off"), "{error}");
    }
}
