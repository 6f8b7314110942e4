//! The store by hand: the built program against three replicas with disks, on loopback.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use clocklab::{
    disk::{DataFolder, Owner, Sync},
    kv::{Config, Replica},
    mesh::{
        Handle, NoLog,
        open::{OpenMesh, Place},
    },
    service::{Disk, NoDisk, Peer},
    units::MachineId,
    wire::Reason,
};
use tempfile::{TempDir, tempdir};

use crate::support::free_base_port;

/// How long a store may take for what is not a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Three replicas in threads of this process, and a folder for what commands leave.
struct Cluster {
    folder: TempDir,
    base_port: u16,
    replicas: Vec<Option<(Handle, JoinHandle<()>)>>,
}

impl Cluster {
    fn start() -> Self {
        let mut cluster = Self {
            folder: tempdir().unwrap(),
            base_port: free_base_port(3),
            replicas: vec![None, None, None],
        };
        for id in 0..3 {
            cluster.start_replica(id);
        }
        cluster.ready();
        cluster
    }

    fn address(&self, id: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base_port + id))
    }

    fn data(&self, id: u16) -> PathBuf {
        self.folder.path().join(format!("replica-{id}"))
    }

    fn start_replica(&mut self, id: u16) {
        let peer = |id| Peer {
            id: MachineId(id),
            address: self.address(id).to_string().parse().unwrap(),
        };
        let Peer { id: me, address } = peer(id);
        let config = Config::new(me, address, Some((0..3).map(peer).collect()));
        let owner = Owner {
            machine: me,
            cluster: "store".to_owned(),
        };
        let folder = DataFolder::open(&self.data(id), &owner).unwrap();
        let (incarnation, reader) = (folder.incarnation(), folder.reader());
        let disk: Box<dyn Disk> = match id {
            // One without a disk: what it says is the same.
            2 => Box::new(NoDisk::default()),
            _ => Box::new(folder.into_disk(Sync::Always).unwrap()),
        };
        let place = Place {
            me,
            incarnation,
            listen: self.address(id),
            run: "store".parse().unwrap(),
            log_run: "store".parse().unwrap(),
            secret: None,
            seed: u64::from(id),
            log_end: None,
        };
        let mut mesh = OpenMesh::new(place, Replica::new(config).unwrap(), NoLog, disk, None).unwrap();
        reader.each_row(|row| mesh.restore(row)).unwrap();
        let handle = mesh.handle();
        let thread = thread::Builder::new().spawn(move || {
            mesh.run().unwrap();
        });
        self.replicas[usize::from(id)] = Some((handle, thread.unwrap()));
    }

    fn stop_replica(&mut self, id: u16) {
        let (handle, thread) = self.replicas[usize::from(id)].take().unwrap();
        handle.stop(Reason::Interrupted);
        thread.join().unwrap();
    }

    /// Waits until each replica that runs says that it is.
    fn ready(&self) {
        let running = (0..3).filter(|id| self.replicas[usize::from(*id)].is_some());
        for id in running {
            let until = Instant::now() + PATIENCE;
            loop {
                let said = self.at(id, &["status", "--json"]);
                let text = String::from_utf8_lossy(&said.stdout).into_owned();
                if text.contains("\"ready\":true") {
                    break;
                }
                assert!(Instant::now() < until, "replica {id}: {said:?}");
                thread::yield_now();
            }
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
        command.arg("kv").args(words).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// What a command says at this replica.
    fn at(&self, id: u16, words: &[&str]) -> Output {
        let address = self.address(id).to_string();
        self.command(words).args(["--at", &address]).output().unwrap()
    }

    /// What it prints, and its exit code.
    fn says(&self, id: u16, words: &[&str]) -> (i32, String) {
        let output = self.at(id, words);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn done(&self, id: u16, words: &[&str]) -> String {
        let (code, text) = self.says(id, words);
        assert_eq!(code, 0, "{words:?}: {text}");
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for replica in self.replicas.drain(..).flatten() {
            replica.0.stop(Reason::Interrupted);
            let _ = replica.1.join();
        }
    }
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}

#[test]
fn what_a_session_wrote_it_reads_at_every_replica() {
    let cluster = Cluster::start();
    let session = ["--session", "me.session"];
    for round in 0..6_u16 {
        let value = format!("red {round}");
        let words = ["put", "color", &value, "--copies", "one"];
        let text = cluster.done(round % 3, &[&words[..], &session].concat());
        assert!(text.starts_with("color: ") && text.contains("machine"), "{text}");
        for id in 0..3 {
            assert_eq!(
                cluster.done(id, &[&["get", "color"], &session[..]].concat()),
                value.clone() + "\n"
            );
        }
    }
    let file = fs::read_to_string(cluster.folder.path().join("me.session")).unwrap();
    assert!(file.starts_with("clocklab-session 1\n"), "{file}");
}

#[test]
fn each_kind_of_content_is_written_read_and_taken_away() {
    let cluster = Cluster::start();
    // Bytes of a file, of standard input, and as they stand.
    let bytes: Vec<u8> = (0..=255).collect();
    fs::write(cluster.folder.path().join("bytes"), &bytes).unwrap();
    cluster.done(0, &["put", "file", "@bytes"]);
    assert_eq!(cluster.at(0, &["get", "file", "--raw"]).stdout, bytes);
    assert!(cluster.done(0, &["get", "file"]).starts_with("\\u{0}\\u{1}"));
    cluster.done(0, &["put", "at", "@bytes", "--literal"]);
    assert_eq!(cluster.done(0, &["get", "at"]), "@bytes\n");
    let address = cluster.address(0).to_string();
    let mut piped = cluster.command(&["put", "input", "-", "--at", &address]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(cluster.done(0, &["get", "input"]), "from a pipe\n");
    // JSON as it was written.
    cluster.done(0, &["put", "json", "{\"n\": 1e400}", "--as", "json"]);
    assert!(
        cluster
            .done(0, &["get", "json", "--json"])
            .contains("\"value\":{\"n\": 1e400}")
    );
    assert_eq!(cluster.says(0, &["put", "json", "{", "--as", "json"]).0, 2);
    // Counters and sets.
    cluster.done(0, &["add", "visits", "10"]);
    cluster.done(0, &["add", "visits", "-3"]);
    assert_eq!(cluster.done(0, &["get", "visits"]), "7\n");
    cluster.done(0, &["insert", "cart", "pear", "apple"]);
    cluster.done(0, &["remove", "cart", "pear"]);
    assert_eq!(cluster.done(0, &["get", "cart"]), "apple\n");
    let (code, text) = cluster.says(0, &["add", "cart"]);
    assert!(code == 3 && text.contains("does not fit"), "{code} {text}");
    // Several at once, listed.
    fs::write(
        cluster.folder.path().join("batch"),
        "put user/1 Ada\nput user/2 Bob\n\n# no\ndelete at\n",
    )
    .unwrap();
    let text = cluster.done(0, &["batch", "batch"]);
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(cluster.done(0, &["scan", "user/"]), "user/1\tAda\nuser/2\tBob\n");
    assert_eq!(
        cluster.done(0, &["scan", "--keys", "--after", "json", "--limit", "2"]),
        "user/1\nuser/2\n"
    );
    assert_eq!(
        cluster.says(0, &["get", "at"]),
        (1, " WARN nothing is under at\n".to_owned())
    );
    // Conditions.
    let (code, text) = cluster.says(0, &["put", "user/1", "x", "--if", "absent"]);
    assert!(code == 1 && text.contains("not written"), "{code} {text}");
    let shown: serde_json::Value =
        serde_json::from_str(&cluster.done(0, &["get", "user/1", "--json"])).unwrap();
    let mark = shown["mark"].as_str().unwrap();
    cluster.done(0, &["put", "user/1", "Ada L.", "--if-mark", mark]);
    assert_eq!(cluster.says(0, &["put", "user/1", "x", "--if-mark", mark]).0, 1);
    assert!(
        cluster
            .done(0, &["delete", "user/1"])
            .starts_with("user/1: deleted")
    );
    assert_eq!(cluster.says(0, &["delete", "user/1"]).0, 1);
}

#[test]
fn a_replica_that_cannot_serve_gives_way_to_the_next() {
    let mut cluster = Cluster::start();
    cluster.stop_replica(0);
    let both = format!("{},{}", cluster.address(0), cluster.address(1));
    let put = cluster
        .command(&["put", "color", "red", "--at", &both])
        .output()
        .unwrap();
    assert!(put.status.success(), "{put:?}");
    let (code, text) = cluster.says(0, &["get", "color"]);
    assert!(code == 3 && text.contains("cannot be reached"), "{text}");
    // A session that has seen what nobody has: each says what it lacks.
    let forged: clocklab::clock::Dot = "1.5.9".parse().unwrap();
    let token = [(forged.origin, forged.number)].into_iter().collect();
    let text = format!("clocklab-session 1\n{}\n", clocklab::kv::token_text(&token));
    fs::write(cluster.folder.path().join("forged"), text).unwrap();
    let words = ["get", "color", "--session", "forged", "--wait", "100ms"];
    let (code, text) = cluster.says(1, &words);
    assert!(
        code == 3 && text.contains("write 9 of machine 1 (life 5)"),
        "{text}"
    );
    let accepted = "machine 1 accepted it, and nobody else is known to have it";
    assert!(text.contains(accepted), "{text}");
    let why = cluster.done(1, &["why", "color", "--session", "forged"]);
    assert!(
        why.contains("there is write 1 of machine 1") && why.contains("has seen what is not here"),
        "{why}"
    );
    let all = cluster.done(1, &["why", "--session", "forged"]);
    assert!(
        all.contains("all keys at machine 1")
            && all.contains("no write waits")
            && all.contains("is not here"),
        "{all}"
    );
    let elsewhere = cluster.done(2, &["why", "--session", "forged"]);
    let place = format!("machine 1 is at {}, ", cluster.address(1));
    assert!(
        elsewhere.contains(&place) && elsewhere.contains("s ago"),
        "{elsewhere}"
    );
    let (code, text) = cluster.says(1, &["add", "color", "3"]);
    assert!(
        code == 3 && text.contains("color: operation 1 does not fit"),
        "{text}"
    );
    fs::write(cluster.folder.path().join("forged"), "clocklab-session 1\nAQ\n").unwrap();
    assert_eq!(cluster.says(1, &words).0, 2);
}

#[test]
fn a_backup_waits_for_what_the_session_has_seen_as_long_as_it_is_told() {
    let mut cluster = Cluster::start();
    // Writes that only one who is away may have.
    let status: serde_json::Value = serde_json::from_str(&cluster.done(2, &["status", "--json"])).unwrap();
    let forged: clocklab::clock::Dot = format!("2.{}.9", status["incarnation"]).parse().unwrap();
    cluster.stop_replica(2);
    let token = [(forged.origin, forged.number)].into_iter().collect();
    let text = format!("clocklab-session 1\n{}\n", clocklab::kv::token_text(&token));
    fs::write(cluster.folder.path().join("forged"), text).unwrap();
    // Longer than a replica is given for an answer that waits for nothing.
    let words = ["backup", "--into", "copy", "--session", "forged", "--wait", "11s"];
    let (code, text) = cluster.says(1, &words);
    assert!(code == 3 && text.contains("write 9 of machine 2"), "{text}");
    assert!(!exists(&cluster.folder.path().join("copy")));
}

#[test]
fn a_watch_shows_changes_and_members_are_listed() {
    let cluster = Cluster::start();
    let address = cluster.address(1).to_string();
    let mut watch = cluster.command(&["watch", "user/", "--count", "3", "--json", "--at", &address]);
    let child = watch.stdout(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    // Until the watch has begun, writes are nothing to it.
    let mut child = Some(child);
    let mut number = 0;
    let output = loop {
        number += 1;
        cluster.done(0, &["put", "user/1", &number.to_string()]);
        if child.as_mut().unwrap().try_wait().unwrap().is_some() {
            break child.take().unwrap().wait_with_output().unwrap();
        }
        assert!(Instant::now() < until, "the watch does not end");
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<u64> = text
        .lines()
        .map(|line| {
            let change: serde_json::Value = serde_json::from_str(line).unwrap();
            change["value"].as_str().unwrap().parse().unwrap()
        })
        .collect();
    assert!(
        values.len() == 3 && values.windows(2).all(|two| two[0] < two[1]),
        "{text}"
    );
    let members = cluster.done(2, &["members"]);
    assert_eq!(members.lines().count(), 3, "{members}");
    assert!(
        members.contains("machine 2") && members.contains("answers"),
        "{members}"
    );
    let status = cluster.done(0, &["status"]);
    assert!(
        status.contains("ready") && status.contains("machine 1"),
        "{status}"
    );
    let (code, text) = cluster.says(0, &["members", "remove", "77"]);
    assert_eq!(code, 1, "{text}");
}

#[test]
fn a_backup_says_what_it_copied_and_takes_no_option_in_silence() {
    let mut cluster = Cluster::start();
    for number in 0..20 {
        cluster.done(0, &["put", &format!("key{number}"), &number.to_string()]);
    }
    cluster.stop_replica(0);
    let folder = cluster.data(0).display().to_string();
    for (into, words) in [
        ("json1", vec!["--data", &folder]),
        ("json2", vec!["--at", &cluster.address(1).to_string()]),
    ] {
        let words = [vec!["backup", "--into", into, "--json"], words].concat();
        let said = cluster.command(&words).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        let bytes = fs::metadata(cluster.folder.path().join(into)).unwrap().len();
        assert_eq!((&said["file"], &said["bytes"]), (&into.into(), &bytes.into()));
        assert!(said["rows"].as_u64().is_some_and(|rows| rows > 20), "{said}");
    }
    // What is for asking a replica is not taken in silence.
    for option in [
        "--at=localhost:1",
        "--session=s",
        "--wait=1s",
        "--token=t",
        "--secret-file=f",
    ] {
        let words = ["backup", "--data", &folder, "--into", "copy3", option];
        let said = cluster.command(&words).output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(
            said.status.code() == Some(2) && text.contains("cannot be used with"),
            "{option}: {text}"
        );
    }
}

#[test]
fn a_replica_comes_back_from_its_disk_and_from_a_backup() {
    let mut cluster = Cluster::start();
    for number in 0..20 {
        cluster.done(0, &["put", &format!("key{number}"), &number.to_string()]);
    }
    let all = cluster.done(0, &["scan"]);
    cluster.stop_replica(0);
    let folder = cluster.data(0).display().to_string();
    let text = cluster.done(1, &["put", "after", "it"]);
    assert!(text.contains("created"));
    let backup = cluster
        .command(&["backup", "--data", &folder, "--into", "copy"])
        .output()
        .unwrap();
    assert!(backup.status.success(), "{backup:?}");
    let twice = cluster
        .command(&["backup", "--data", &folder, "--into", "copy"])
        .output()
        .unwrap();
    assert_eq!(twice.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&twice.stderr).contains("name another"),
        "{twice:?}"
    );
    // From its own folder.
    cluster.start_replica(0);
    cluster.ready();
    let running = cluster
        .command(&["backup", "--data", &folder, "--into", "copy2"])
        .output()
        .unwrap();
    assert_eq!(running.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&running.stderr).contains("in use by another process"));
    assert!(!exists(&cluster.folder.path().join("copy2")));
    let again = cluster.done(0, &["scan"]);
    assert!(all.lines().all(|line| again.contains(line)), "{again}");
    // The folder is lost, and the backup takes its place.
    cluster.stop_replica(0);
    fs::remove_dir_all(cluster.data(0)).unwrap();
    let restore = cluster
        .command(&["restore", "copy", "--data", &folder])
        .output()
        .unwrap();
    assert!(restore.status.success(), "{restore:?}");
    cluster.start_replica(0);
    cluster.ready();
    cluster.done(0, &["put", "new", "life"]);
    let again = cluster.done(0, &["scan"]);
    assert!(all.lines().all(|line| again.contains(line)), "{again}");
}
