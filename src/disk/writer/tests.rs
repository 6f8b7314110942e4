//! What cannot be kept is said at once, and nothing is written over that is not in the tree.

use std::fs;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::disk::{QUEUE_GROUPS_MAX, ROW_KEY_BYTES_MAX};

fn row(key: &[u8], value_bytes: usize) -> Row {
    Row {
        table: 1,
        key: key.into(),
        value: Some(vec![b'v'; value_bytes].into()),
    }
}

/// A fold whose thread the test is, and what that thread has in its hands.
fn fold_by_hand() -> (
    Fold,
    mpsc::Receiver<Full>,
    mpsc::SyncSender<Result<(), DiskError>>,
) {
    let (jobs, taken) = mpsc::sync_channel(1);
    let (told, done) = mpsc::sync_channel(1);
    let fold = Fold {
        jobs: Some(jobs),
        done,
        is_busy: true,
        steps: Arc::default(),
        path: PathBuf::from("rows"),
        thread: None,
    };
    (fold, taken, told)
}

/// A writer in a new folder.
fn writer(sync: Sync, fold: Fold) -> (TempDir, Writer) {
    let folder = tempdir().unwrap();
    let rows = Rows::open(&folder.path().join("rows"), None).unwrap();
    let (seed, last) = rows.ahead();
    let writer = Writer {
        ahead: Ahead::open(rows.path(), seed, last).unwrap(),
        fold,
        sync,
        queue: Arc::default(),
        sync_due: None,
        _lock: Lock::acquire(folder.path()).unwrap(),
    };
    (folder, writer)
}

#[test]
fn a_fold_whose_thread_is_gone_has_failed() {
    let (mut fold, taken, told) = fold_by_hand();
    assert!(fold.look().is_ok(), "it is at work");
    drop((taken, told));
    assert!(fold.look().is_err());
    assert!(fold.wait(|| {}).is_err());
    let full = Full {
        turn: crate::disk::ahead::Turn::First,
        first: 1,
        last: 1,
    };
    let error = fold.begin(full).unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
}

#[test]
fn a_fold_that_gets_on_is_no_stall() {
    let (mut fold, _taken, told) = fold_by_hand();
    let (steps, signs) = (Arc::clone(&fold.steps), std::cell::Cell::new(0));
    thread::scope(|scope| {
        scope.spawn(move || {
            // Many more steps than looks, and then it is done.
            for _ in 0..40 {
                steps.fetch_add(1, Ordering::Relaxed);
                let (_never, pause) = mpsc::channel::<()>();
                let _ = pause.recv_timeout(Duration::from_millis(2));
            }
            told.send(Ok(())).unwrap();
        });
        fold.wait(|| signs.set(signs.get() + 1)).unwrap();
    });
    assert!(signs.get() > 0 && !fold.is_busy);
}

#[test]
fn what_is_full_is_synced_before_the_last_fold_is_waited_for() {
    let (fold, taken, told) = fold_by_hand();
    let (_folder, mut writer) = writer(Sync::Interval, fold);
    writer.write(&[(1, vec![row(b"k", 100)])]).unwrap();
    assert!(writer.sync_due.is_some() && !writer.ahead.is_synced());
    // The wait for the fold ends with an error; what was told was synced before.
    drop((taken, told));
    assert!(writer.turn().is_err());
    assert!(writer.ahead.is_synced() && writer.sync_due.is_none());
}

#[test]
fn a_file_that_was_changed_is_not_written_over() {
    let folder = tempdir().unwrap();
    let lock = Lock::acquire(folder.path()).unwrap();
    let rows = Rows::open(&folder.path().join("rows"), None).unwrap();
    let path = crate::disk::ahead::Turn::First.path(rows.path());
    let mut disk = FolderDisk::start(rows, lock, folder.path(), Sync::Always).unwrap();
    let (bell, rung) = mpsc::channel();
    let bell = std::sync::Mutex::new(bell);
    disk.on_progress(Box::new(move || {
        let _ = bell.lock().unwrap().send(());
    }));
    let mut number = 0;
    let mut append = |disk: &mut FolderDisk| {
        number += 1;
        disk.append(number, vec![row(&number.to_be_bytes(), 4000)]);
        while disk.progress().through < number && disk.progress().failed.is_none() {
            rung.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    };
    append(&mut disk);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for _ in 0..8 {
        append(&mut disk);
    }
    disk.close();
    let failed = disk.progress().failed.unwrap();
    assert!(failed.contains("record 1 is not whole"), "{failed}");
    assert_eq!(fs::read(&path).unwrap()[1000], bytes[1000]);
}

#[test]
fn a_key_that_no_row_may_have_is_never_acknowledged() {
    for bytes in [0, ROW_KEY_BYTES_MAX + 1] {
        let mut disk = FolderDisk {
            queue: Arc::default(),
            sync: Sync::Never,
            given: 0,
            told: 0,
            thread: None,
        };
        disk.append(1, vec![row(&vec![b'k'; ROW_KEY_BYTES_MAX], 1)]);
        assert_eq!(disk.progress().through, 1);
        disk.append(2, vec![row(b"k", 1), row(&vec![b'k'; bytes], 1)]);
        let progress = disk.progress();
        assert_eq!(progress.through, 0);
        assert!(progress.failed.unwrap().contains(&format!("{bytes} bytes")));
    }
}

#[test]
fn what_is_never_synced_counts_as_kept_while_there_is_room() {
    let mut disk = FolderDisk {
        queue: Arc::default(),
        sync: Sync::Never,
        given: 0,
        told: 0,
        thread: None,
    };
    let mut given = 0;
    while disk.progress().through == given {
        given += 1;
        disk.append(given, Vec::new());
    }
    assert_eq!(usize::try_from(given), Ok(QUEUE_GROUPS_MAX / 2));
    assert_eq!(disk.progress().through, given - 1);
    assert!(matches!(disk.queue.take(None), Work::Write(_)));
    assert_eq!(disk.progress().through, given, "there is room again");
}
