//! The disk where it matters: processes that are killed at any moment, torn files, limits of the system.
//!
//! The children are this very binary, told by the environment what to do.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use clocklab::{
    disk::{DataFolder, FolderDisk, Owner, Sync},
    service::{Disk, Row},
    units::MachineId,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::tempdir;

/// What a child is to do, in the environment.
const TASK: &str = "CLOCKLAB_TEST_DISK_TASK";
const FOLDER: &str = "CLOCKLAB_TEST_DISK_FOLDER";

/// Keys that groups write to in turn.
const SLOTS: u64 = 40;

fn owner() -> Owner {
    Owner {
        machine: MachineId(3),
        cluster: "store".to_owned(),
    }
}

/// Group n: a count, and two rows that have to agree.
fn group(number: u64) -> Vec<Row> {
    let repeats = usize::try_from(number * 37 % 2000).unwrap();
    let value: Box<[u8]> = number.to_be_bytes().repeat(1 + repeats).into();
    let row = |table: u8, key: &str| Row {
        table,
        key: format!("{key}{:02}", number % SLOTS).into_bytes().into(),
        value: Some(value.clone()),
    };
    let count = Row {
        table: 0,
        key: b"count".as_slice().into(),
        value: Some(number.to_be_bytes().into()),
    };
    vec![row(1, "first"), count, row(2, "second")]
}

/// How many groups a folder holds: all of them up to that number, whole, and nothing else.
fn groups_in(folder: &DataFolder) -> u64 {
    let mut found = BTreeMap::new();
    let read = |row: Row| {
        found.insert((row.table, row.key), row.value.unwrap());
    };
    folder.each_row(read).unwrap();
    let count = found.get(&(0, b"count".as_slice().into()));
    let count = count.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()));
    let mut expected = BTreeMap::new();
    for number in count.saturating_sub(SLOTS) + 1..=count {
        for row in group(number) {
            expected.insert((row.table, row.key), row.value.unwrap());
        }
    }
    assert!(found == expected, "{count} groups, but not exactly these");
    count
}

fn open(folder: &Path) -> DataFolder {
    DataFolder::open(folder, &owner()).unwrap_or_else(|error| panic!("{error}"))
}

/// A disk and a channel that its thread knocks at.
fn start(folder: DataFolder, sync: Sync) -> (FolderDisk, mpsc::Receiver<()>) {
    let mut disk = folder.into_disk(sync).unwrap();
    let (knock, knocks) = mpsc::channel();
    let knock = std::sync::Mutex::new(knock);
    disk.on_progress(Box::new(move || {
        let _ = knock.lock().unwrap().send(());
    }));
    (disk, knocks)
}

fn fill(folder: &Path, groups: std::ops::RangeInclusive<u64>) {
    let (mut disk, knocks) = start(open(folder), Sync::Always);
    for number in groups {
        disk.append(number, group(number));
        while disk.progress().through < number {
            knocks.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }
    disk.close();
}

/// A child of this binary, at the task.
fn child(task: &str, folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "disk::a_child_does_its_task",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(TASK, task)
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        })
        .unwrap();
    receiver
}

/// What a child says of itself.
fn spoken(line: &str, what: &str) -> Option<String> {
    line.split_once(what).map(|(_, rest)| rest.trim().to_owned())
}

fn say(line: &str) {
    // Past the test harness, which would keep it.
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).unwrap();
}

/// The child's side. Without a task it is the test of its own sentence.
#[test]
fn a_child_does_its_task() {
    let Ok(task) = env::var(TASK) else {
        assert_eq!(
            spoken("test disk::x ... through 7", "through "),
            Some("7".to_owned())
        );
        return;
    };
    let folder = PathBuf::from(env::var(FOLDER).unwrap());
    match task.as_str() {
        "open" => match DataFolder::open(&folder, &owner()) {
            Ok(_) => say("opened"),
            Err(error) => say(&format!("error {error}")),
        },
        "full" => append_until_full(&folder),
        sync => append_for_ever(&folder, sync.parse().unwrap()),
    }
}

/// Appends as fast as it can, a few groups ahead of the disk, and says what is kept.
fn append_for_ever(folder: &Path, sync: Sync) {
    let folder = open(folder);
    let before = groups_in(&folder);
    let mut number = before;
    let (mut disk, knocks) = start(folder, sync);
    say(&format!("through {number}"));
    loop {
        let kept = disk.progress().through.max(before);
        if number - kept < 20 {
            number += 1;
            disk.append(number, group(number));
            say(&format!("through {kept}"));
        } else {
            let _ = knocks.recv_timeout(Duration::from_millis(50));
        }
    }
}

/// Appends until the system gives no more room, and then some.
fn append_until_full(folder: &Path) {
    // Without a handler the signal would end the process.
    let told = std::sync::Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, told).unwrap();
    let folder = open(folder);
    let limit = Rlimit {
        current: Some(3 << 20),
        ..getrlimit(Resource::Fsize)
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let (mut disk, knocks) = start(folder, Sync::Always);
    for number in 1..=3000 {
        disk.append(number, group(number));
        while disk.progress().through < number && disk.progress().failed.is_none() {
            knocks.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }
    let at_failure = disk.progress();
    disk.append(3001, group(3001));
    disk.close();
    assert_eq!(disk.progress(), at_failure);
    say(&format!("through {}", at_failure.through));
    say(&format!("failed {}", at_failure.failed.unwrap()));
}

/// Kills a child again and again; what it said was kept is there, and groups are whole.
fn survives_kills(sync: Sync, rounds: u64, loses: bool) {
    let place = tempdir().unwrap();
    let folder = place.path().join("data");
    let mut had = 0;
    // Where a kill loses what waits, a busy computer may have written hardly anything in these rounds.
    let rounds_max = if loses { 10 * rounds } else { rounds };
    for round in 0..rounds_max {
        if round >= rounds && had > rounds {
            break;
        }
        let mut command = child(&sync.to_string(), &folder);
        let mut process: Child = command.spawn().unwrap();
        let output = lines(process.stdout.take().unwrap());
        // The first words, and then a while that differs from round to round.
        let mut said = 0;
        let mut heard = 0;
        let patience = 1 + round * round * 13 % 120;
        while heard < patience {
            let line = output
                .recv_timeout(Duration::from_secs(30))
                .expect("the child speaks");
            if let Some(number) = spoken(&line, "through ") {
                said = number.parse().unwrap();
                heard += 1;
            }
        }
        process.kill().unwrap();
        process.wait().unwrap();
        for line in output {
            // A last line that is cut off names a smaller number, or none.
            if let Some(number) = spoken(&line, "through ").and_then(|text| text.parse().ok()) {
                said = said.max(number);
            }
        }
        let found = groups_in(&open(&folder));
        assert!(loses || found >= said, "round {round}: {found} of {said} groups");
        assert!(
            loses || found >= had,
            "round {round}: {found}, and there were {had}"
        );
        had = found;
    }
    assert!(had > rounds, "{had} groups in {rounds} rounds");
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    survives_kills(Sync::Always, 20, false);
}

#[test]
fn a_kill_loses_nothing_that_the_system_has() {
    survives_kills(Sync::Interval, 10, false);
}

#[test]
fn without_sync_groups_are_whole_all_the_same() {
    survives_kills(Sync::Never, 10, true);
}

/// The file that is written ahead of a folder's tree, and its bytes up to the last that is not zero.
fn ahead(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("rows-0.log");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(end + 1);
    (path, bytes)
}

fn copy_folder(from: &Path, to: &Path, without: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target, without);
        } else if entry.path() != without {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// How long the files that rows are written ahead into are from the beginning: a shorter one was cut, and is refused.
const LENGTH_MIN: usize = 4096;

#[test]
fn a_torn_file_is_read_up_to_its_last_whole_group() {
    let place = tempdir().unwrap();
    let folder = place.path().join("data");
    fill(&folder, 1..=12);
    let (path, bytes) = ahead(&folder);
    // Where groups end: the shortest file that has them.
    let mut last = None;
    let mut seen = std::collections::BTreeSet::new();
    let places = (0..bytes.len())
        .step_by(1 + bytes.len() / 50)
        .chain([bytes.len()]);
    for (turn, cut) in places.enumerate() {
        let torn = place.path().join(format!("torn-{cut}"));
        copy_folder(&folder, &torn, &path);
        let torn_file = torn.join(path.file_name().unwrap());
        fs::write(&torn_file, &bytes[..cut]).unwrap();
        if turn % 2 == 0 {
            // As a file whose length was set before it was written.
            let file = fs::OpenOptions::new().write(true).open(&torn_file).unwrap();
            file.set_len(bytes.len() as u64 + 5000).unwrap();
        } else if cut < LENGTH_MIN {
            // No shorter than it was made.
            let file = fs::OpenOptions::new().write(true).open(&torn_file).unwrap();
            file.set_len(LENGTH_MIN as u64).unwrap();
        }
        let groups = groups_in(&open(&torn));
        assert!(last <= Some(groups), "cut at {cut}: {groups} after {last:?}");
        last = Some(groups);
        seen.insert(groups);
        // It goes on behind what was kept.
        fill(&torn, groups + 1..=groups + 2);
        assert_eq!(groups_in(&open(&torn)), groups + 2);
        fs::remove_dir_all(&torn).unwrap();
    }
    assert_eq!(last, Some(12));
    assert!(seen.len() > 8, "{seen:?}");
}

#[test]
fn a_hole_in_the_last_group_costs_that_group_and_damage_before_it_is_refused() {
    let place = tempdir().unwrap();
    let folder = place.path().join("data");
    fill(&folder, 1..=12);
    let (path, bytes) = ahead(&folder);
    let damaged = |name: &str, at: usize, length: usize| {
        let torn = place.path().join(name);
        copy_folder(&folder, &torn, &path);
        let mut changed = bytes.clone();
        changed[at..at + length].fill(0);
        let torn_file = torn.join(path.file_name().unwrap());
        fs::write(&torn_file, &changed).unwrap();
        (torn, torn_file, changed)
    };
    // Inside the last value: the record still has its end.
    let (torn, ..) = damaged("hole", bytes.len() - 200, 100);
    assert_eq!(groups_in(&open(&torn)), 11);
    fill(&torn, 12..=14);
    assert_eq!(groups_in(&open(&torn)), 14);
    // Inside a group that was synced long ago.
    let (torn, torn_file, changed) = damaged("rot", bytes.len() / 2, 8);
    let error = DataFolder::open(&torn, &owner()).unwrap_err().to_string();
    assert!(
        error.contains("damaged") && error.contains("clocklab kv restore"),
        "{error}"
    );
    assert!(fs::read(&torn_file).unwrap() == changed, "the file was changed");
}

#[test]
fn a_full_disk_is_said_once_and_what_was_acknowledged_is_kept() {
    let place = tempdir().unwrap();
    let folder = place.path().join("data");
    let output = child("full", &folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |what| text.lines().find_map(|line| spoken(line, what));
    let through: u64 = line("through ").expect(&text).parse().unwrap();
    let failed = line("failed ").expect(&text);
    assert!(
        failed.contains("File too large") && failed.contains("make room") && failed.contains("rows"),
        "{failed}"
    );
    assert!((10..3000).contains(&through), "{through}");
    let found = groups_in(&open(&folder));
    assert!(
        found == through || found == through + 1,
        "{found} groups of {through}"
    );
    // With room again it goes on.
    fill(&folder, found + 1..=found + 5);
    assert_eq!(groups_in(&open(&folder)), found + 5);
}

#[test]
fn a_folder_that_may_not_be_written_is_said_to_be_so() {
    let place = tempdir().unwrap();
    let folder = place.path().join("data");
    fill(&folder, 1..=3);
    let close = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    close(place.path(), 0o755);
    close(&folder, 0o555);
    fs::set_permissions(folder.join("lock"), fs::Permissions::from_mode(0o444)).unwrap();
    let mut command = child("open", &folder);
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere: somebody else tries.
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = text.lines().find_map(|line| spoken(line, "error ")).expect(&text);
    assert!(
        error.contains("the right to write") && error.contains("data"),
        "{error}"
    );
    close(&folder, 0o755);
    fs::set_permissions(folder.join("lock"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(groups_in(&open(&folder)), 3);
}
