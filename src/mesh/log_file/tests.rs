//! Logs on disks that fill, and logs that a further life writes on.

use super::*;

/// A disk with room for a number of bytes, which takes at most seven at a time.
#[derive(Debug)]
struct Disk {
    held: Vec<u8>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(7).min(self.room - self.held.len());
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.held.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Cut for Disk {
    fn cut(&mut self, bytes: u64) {
        self.held.truncate(usize::try_from(bytes).unwrap());
    }
}

#[test]
fn a_full_disk_keeps_whole_lines_and_nothing_after_the_gap() {
    let batches: [&[u8]; 3] = [b"one\ntwo\n", b"three\nfour\n", b"five\n"];
    let all = batches.concat();
    for room in 0..all.len() {
        let disk = Disk {
            held: Vec::new(),
            room,
        };
        let mut sink = Sink {
            file: disk,
            whole_bytes: 0,
            progress: Arc::default(),
            failed: false,
        };
        for batch in batches {
            sink.write_all(batch).unwrap();
        }
        assert!(all.starts_with(&sink.file.held), "room {room}");
        assert!(
            sink.file.held.is_empty() || sink.file.held.ends_with(b"\n"),
            "room {room}"
        );
        assert!(
            sink.file.held.len() + b"three\n".len() > room,
            "room {room}: a line that fitted is missing"
        );
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "nobody waits, the clock says")]
fn a_failed_write_is_told_every_time_and_by_name_and_waited_for_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = LogFile::new(folder.path(), header());
    log.open(&"first".parse().unwrap(), WallTime(0)).unwrap();
    log.settle().unwrap();
    let before = fs::read(log.path()).unwrap();
    if let Some(sink) = &log.sink {
        // Every write fails from here on.
        sink.0.lock().unwrap().file = File::open(log.path()).unwrap();
    }
    let begun = std::time::Instant::now();
    for _ in 0..3 {
        log.record(WallTime(1), &Record::Paused);
        let errors = [
            log.settle().unwrap_err(),
            log.commit().unwrap_err(),
            log.close().unwrap_err(),
        ];
        for error in errors.map(|error| error.to_string()) {
            assert!(
                error.contains("first/machine-1.log") && error.contains("os error"),
                "{error}"
            );
        }
    }
    assert!(begun.elapsed() < CLOSE_WAIT / 2, "{:?}", begun.elapsed());
    assert_eq!(
        fs::read(log.path()).unwrap(),
        before,
        "nothing is written after it"
    );
}

#[test]
fn a_log_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let run: RunId = "again".parse().unwrap();
    let mut log = LogFile::new(folder.path(), header());
    log.open(&run, WallTime(0)).unwrap();
    log.close().unwrap();
    let before = fs::read(log.path()).unwrap();
    let error = LogFile::new(folder.path(), header())
        .open(&run, WallTime(9))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("never overwritten") && error.contains("--run"),
        "{error}"
    );
    assert_eq!(fs::read(log.path()).unwrap(), before);
}

#[test]
fn a_new_life_writes_on_behind_the_last_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let run: RunId = "again".parse().unwrap();
    for torn in ["", "2026-11", "# x"] {
        let mut log = LogFile::new(folder.path(), header());
        let _ = fs::remove_file(folder.path().join("again/machine-1.log"));
        log.open(&run, WallTime(0)).unwrap();
        log.record(WallTime(1), &Record::Paused);
        log.close().unwrap();
        let whole = fs::read_to_string(log.path()).unwrap();
        fs::write(log.path(), format!("{whole}{torn}")).unwrap();
        let bytes = fs::metadata(log.path()).unwrap().len();
        let mut log = LogFile::resumed(folder.path(), of_run(&run), bytes).unwrap();
        log.open(&run, WallTime(5)).unwrap();
        log.record(WallTime(6), &Record::Restarted { incarnation: 2 });
        log.close().unwrap();
        let text = fs::read_to_string(log.path()).unwrap();
        let behind = text.strip_prefix(&whole).unwrap();
        assert!(
            behind.starts_with("# restarted=") && behind.lines().count() == 1,
            "{behind}"
        );
    }
    let absent = LogFile::resumed(folder.path(), of_run(&"none".parse().unwrap()), 0);
    let error = absent.unwrap_err().to_string();
    assert!(
        error.contains("none/machine-1.log") && error.contains("--run"),
        "{error}"
    );
}

#[test]
fn what_is_settled_is_in_the_file_whoever_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = LogFile::new(folder.path(), header());
    log.open(&"settled".parse().unwrap(), WallTime(0)).unwrap();
    for n in 0..300 {
        log.record(WallTime(n), &Record::Paused);
        if n % 3 == 0 {
            log.commit().unwrap();
            log.record(WallTime(n), &Record::Mended { id: 1 });
        }
        if n % 2 == 0 {
            log.settle().unwrap();
            let text = fs::read_to_string(log.path()).unwrap();
            let expected = 2 + n + 1 + n / 3 + 1;
            assert_eq!(i64::try_from(text.lines().count()).unwrap(), expected);
        }
    }
    log.close().unwrap();
}

#[test]
fn an_unusable_folder_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = LogFile::new(&file, header())
        .open(&"run".parse().unwrap(), WallTime(0))
        .unwrap_err();
    assert!(error.to_string().contains("file/run"), "{error}");
}

#[test]
fn a_log_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let run: RunId = "one".parse().unwrap();
    let again = |bytes| LogFile::resumed(folder.path(), of_run(&run), bytes);
    let length = || {
        fs::metadata(folder.path().join("one/machine-1.log"))
            .unwrap()
            .len()
    };
    let refused = |bytes| again(bytes).unwrap_err().to_string();
    let mut first = LogFile::new(folder.path(), header());
    first.open(&run, WallTime(0)).unwrap();
    first.settle().unwrap();
    let error = refused(length());
    assert!(
        error.contains("one/machine-1.log") && error.contains("still runs"),
        "{error}"
    );
    first.close().unwrap();
    drop(first);
    let second = again(length()).unwrap();
    assert!(
        refused(length()).contains("still runs"),
        "a further life holds it, too"
    );
    drop(second);
    let before = length() - 1;
    let error = refused(before);
    assert!(error.contains(&format!("had {before} bytes")), "{error}");
}

fn of_run(run: &RunId) -> Header {
    Header {
        run: run.clone(),
        ..header()
    }
}

fn header() -> Header {
    Header {
        machine: crate::units::MachineId(1),
        machines: 2,
        rate: None,
        draw: None,
        phase_us: None,
        speed: crate::units::Speed::NORMAL,
        traffic: crate::trace::Traffic::Assignment,
        clock: crate::clock::ClockKind::Lamport,
        incarnation: None,
        seed: 1,
        run: "unknown".parse().unwrap(),
        started: WallTime(0),
    }
}
