//! Replicas as real processes, as people start, break and end them: `clocklab kv run` and `clocklab kv replica`.

mod hands;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use crate::support::{free_base_port, program};

/// How long a store may take for what it is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// The exit code, and what was said on both outputs.
fn done(folder: &Path, words: &str) -> (Option<i32>, String) {
    said(&program(folder, words).output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Does it, and again, until it succeeds with these words.
#[track_caller]
fn until_done(folder: &Path, words: &str, part: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let (code, text) = done(folder, words);
        if code == Some(0) && text.contains(part) {
            return text;
        }
        assert!(Instant::now() < until, "{words}: {code:?} {text}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A store's process that does not outlive its test, and what it says.
struct Started {
    child: Child,
    said: Arc<Mutex<String>>,
    ears: Vec<JoinHandle<()>>,
}

impl Started {
    fn new(folder: &Path, words: &str) -> Self {
        let mut child = program(folder, words).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let ears = vec![listen(stdout, &said), listen(stderr, &said)];
        Self { child, said, ears }
    }

    /// Waits until it has said so.
    #[track_caller]
    fn until_said(&self, part: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.said.lock().unwrap().contains(part) {
            assert!(Instant::now() < until, "{}", self.said.lock().unwrap());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end, as Ctrl-C does.
    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Waits for its end: the exit code, and all that it said.
    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        for ear in self.ears.drain(..) {
            ear.join().unwrap();
        }
        (code, self.said.lock().unwrap().clone())
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    fn end(self) -> String {
        self.interrupt();
        let (code, text) = self.ended();
        assert_eq!(code, Some(0), "{text}");
        text
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stream: impl Read + Send + 'static, said: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let said = Arc::clone(said);
    let ear = thread::Builder::new();
    let hear = move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            *said.lock().unwrap() += &(line + "\n");
        }
    };
    ear.spawn(hear).unwrap()
}

/// That a run's logs prove that it was valid.
#[track_caller]
fn check(folder: &Path, run: &str) -> String {
    let (code, text) = done(folder, &format!("check logs/{run}"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("causal"), "{text}");
    text
}

#[test]
fn a_replica_that_a_fault_kills_for_a_while_comes_back() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(3);
    let at = |id: u16| format!("--at 127.0.0.1:{}", base + id);
    let store = Started::new(folder, &format!("kv run --base-port {base} --run kill"));
    until_done(folder, &format!("kv put before here {}", at(2)), "");
    until_done(folder, "fault kill 2 --for 1s --run logs/kill", "");
    let log = folder.join("logs/kill/machine-2.log");
    let until = Instant::now() + PATIENCE;
    while !fs::read_to_string(&log).unwrap().contains("# restarted=") {
        assert!(Instant::now() < until, "{}", fs::read_to_string(&log).unwrap());
        thread::sleep(Duration::from_millis(20));
    }
    until_done(folder, &format!("kv get before {}", at(2)), "here");
    until_done(folder, &format!("kv put after there {}", at(2)), "");
    until_done(folder, &format!("kv get after {}", at(0)), "there");
    store.until_said("replica 2 is started again");
    // One that is killed for good stays so, which is no failure of the others.
    until_done(folder, "fault kill 1 --run logs/kill", "the replica stays away");
    let (code, text) = done(folder, "fault kill 1 --run logs/kill");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("machine 1: a fault killed it"), "{text}");
    until_done(folder, &format!("kv put last 3 {}", at(0)), "");
    // No advice leads to the loss of its event log; what `kv run` says starts it again.
    let (code, text) = done(folder, "machine --id 1 --rejoin --run kill");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("clocklab kv replica --id 1"), "{text}");
    let line = format!(
        "kv replica --id 1 --listen 127.0.0.1:{} --view 0=127.0.0.1:{base},1=127.0.0.1:{},2=127.0.0.1:{} --data \
         kv-data/replica-1 --logs logs --run kill",
        base + 1,
        base + 1,
        base + 2
    );
    let back = Started::new(folder, &line);
    until_done(folder, &format!("kv get last {}", at(1)), "3");
    // Nobody would start it again now, so nobody is told that.
    for words in ["fault kill 1 --for 1s", "fault restart 1"] {
        let (code, text) = done(folder, &format!("{words} --run logs/kill"));
        assert_eq!(code, Some(3), "{text}");
        assert!(
            text.contains("did not begin") && text.contains("nobody would start it again"),
            "{text}"
        );
    }
    until_done(folder, &format!("kv get last {}", at(1)), "3");
    back.end();
    let text = store.end();
    assert!(!text.contains("failed"), "{text}");
    assert!(text.contains(&line), "{text}");
    assert!(fs::read_to_string(&log).unwrap().contains("# ended="));
    check(folder, "kill");
}

#[test]
fn a_replica_that_cannot_start_is_told_at_once() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(3);
    let words = format!("kv run --base-port {base} --no-log");
    let store = Started::new(folder, &words);
    until_done(folder, &format!("kv put a 1 --at 127.0.0.1:{}", base + 2), "");
    store.end();
    fs::write(folder.join("kv-data/replica-0/life.json"), "{").unwrap();
    let store = Started::new(folder, &words);
    until_done(folder, &format!("kv get a --at 127.0.0.1:{}", base + 2), "1");
    store.until_said("Ctrl-C ends them");
    store.interrupt();
    let (code, text) = store.ended();
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("failed (exit status") && text.contains("life.json"),
        "{text}"
    );
    let of_it = text.lines().find(|line| line.contains("replica 0  ")).unwrap();
    assert!(of_it.ends_with("not there: it failed"), "{text}");
    assert!(
        text.contains(&format!("PUT http://127.0.0.1:{}/", base + 1)),
        "{text}"
    );
    // Where nobody can start, all are named, and nothing is there to try.
    for id in [1, 2] {
        fs::write(folder.join(format!("kv-data/replica-{id}/life.json")), "{").unwrap();
    }
    let (code, text) = done(folder, &words);
    assert_eq!(code, Some(3), "{text}");
    assert_eq!(text.matches("failed (exit status").count(), 3, "{text}");
    assert!(!text.contains("Try it"), "{text}");
}

#[test]
fn who_is_no_member_is_not_waited_for() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(3);
    let words = format!("kv run --base-port {base} --run first");
    let store = Started::new(folder, &words);
    let at = format!("--at 127.0.0.1:{base}");
    until_done(folder, &format!("kv put a 1 --at 127.0.0.1:{}", base + 2), "");
    // It begins to leave, knows so, and can hand nothing over: it does that in its next life.
    let at_it = format!("--at 127.0.0.1:{}", base + 2);
    until_done(folder, "fault partition --run logs/first 2 / 0,1", "");
    until_done(folder, &format!("kv put b 2 {at_it}"), "");
    until_done(folder, &format!("kv members drain 2 {at_it}"), "hands over");
    store.end();
    let store = Started::new(folder, &words.replace("first", "second"));
    store.until_said("Ctrl-C ends them");
    let text = store.end();
    let add = format!("`clocklab kv members add 2=127.0.0.1:{} {at}`", base + 2);
    assert!(text.contains(&format!("no member: {add}")), "{text}");
}

#[test]
fn a_store_that_is_awaited_can_be_ended() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let words = format!("kv run --replicas 2 --base-port {base} --no-log");
    let store = Started::new(folder, &words);
    until_done(folder, &format!("kv put a 1 --at 127.0.0.1:{}", base + 1), "");
    store.end();
    // Whoever reads this waits until somebody writes it.
    let life = folder.join("kv-data/replica-1/life.json");
    fs::remove_file(&life).unwrap();
    assert!(Command::new("mkfifo").arg(&life).status().unwrap().success());
    let store = Started::new(folder, &words);
    store.until_said("replica 1 is not ready yet: it does not answer");
    let before = Instant::now();
    store.interrupt();
    store.until_said("2 replicas, data in kv-data");
    assert!(
        before.elapsed() < Duration::from_secs(20),
        "{:?}",
        before.elapsed()
    );
    fs::write(&life, "").unwrap();
    assert_eq!(store.ended().0, Some(3));
}

#[test]
fn slips_are_told_with_their_mend() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let address = format!("127.0.0.1:{base}");
    let (code, text) = done(folder, &format!("kv get a --at {address}"));
    assert!(
        code == Some(3) && text.contains("is a replica running? `clocklab kv run`"),
        "{text}"
    );
    let (code, text) = done(folder, "kv token create bob --data nodata");
    assert!(
        code == Some(0) && text.contains("there was no folder nodata"),
        "{text}"
    );
    let words = format!("kv replica --id 0 --listen {address} --view 0={address} --memory");
    let replica = Started::new(folder, &words);
    replica.until_said(&format!("its page: http://{address}/"));
    // Its port is taken: nothing is said of a page that is another's.
    let (code, text) = done(folder, &words);
    assert!(
        code == Some(2) && text.contains("with --listen") && !text.contains("page"),
        "{text}"
    );
    let other = format!("127.0.0.1:{}", base + 1);
    let added = until_done(
        folder,
        &format!("kv members add 1={other} --at {address}"),
        "is a member",
    );
    assert!(
        added.contains(&format!("nobody answers at {other} yet")),
        "{added}"
    );
    let (_, text) = done(folder, &format!("kv members --at {address}"));
    let of_it = text.lines().find(|line| line.contains(&other)).unwrap();
    assert!(
        of_it.contains("not met yet") && !of_it.contains("alive"),
        "{text}"
    );
    replica.end();
}

#[test]
fn a_replica_that_ended_in_order_goes_on_with_the_same_command() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let view = format!("0=127.0.0.1:{base},1=127.0.0.1:{}", base + 1);
    let words = |id: u16| {
        let port = base + id;
        format!(
            "kv replica --id {id} --listen 127.0.0.1:{port} --view {view} --data data-{id} --logs logs --run again"
        )
    };
    let at = |id: u16| format!("--at 127.0.0.1:{}", base + id);
    let other = Started::new(folder, &words(1));
    let mut replica = Started::new(folder, &words(0));
    for life in 0..3 {
        until_done(folder, &format!("kv put life-{life} {life} {}", at(0)), "");
        until_done(
            folder,
            &format!("kv get life-{life} {}", at(1)),
            &life.to_string(),
        );
        until_done(folder, &format!("kv put other-{life} {life} {}", at(1)), "");
        replica.end();
        until_done(folder, &format!("kv put alone-{life} {life} {}", at(1)), "");
        replica = Started::new(folder, &words(0));
        until_done(
            folder,
            &format!("kv get alone-{life} {}", at(0)),
            &life.to_string(),
        );
    }
    replica.end();
    other.end();
    let log = fs::read_to_string(folder.join("logs/again/machine-0.log")).unwrap();
    assert_eq!(log.matches("# ended=").count(), 4, "{log}");
    assert_eq!(log.matches("# restarted=").count(), 3, "{log}");
    let text = check(folder, "again");
    assert!(!text.contains("no footer"), "{text}");
    let (code, text) = done(folder, "draw logs/again --output again.html");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn tokens_that_are_made_at_the_same_moment_are_all_there() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let words = |number: usize| format!("kv token create name-{number} --data data");
    let makers: Vec<Child> = (0..12)
        .map(|number| program(folder, &words(number)).spawn().unwrap())
        .collect();
    for maker in makers {
        let (code, text) = said(&maker.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{text}");
    }
    let (code, list) = done(folder, "kv token list --data data");
    assert_eq!(code, Some(0), "{list}");
    for number in 0..12 {
        assert!(list.contains(&format!("name-{number} ")), "{list}");
    }
    // While they are revoked, others are made.
    let changers: Vec<Child> = (0..12)
        .map(|number| match number % 2 {
            0 => program(folder, &format!("kv token revoke name-{number} --data data")),
            _ => program(folder, &words(100 + number)),
        })
        .map(|mut command| command.spawn().unwrap())
        .collect();
    for changer in changers {
        let (code, text) = said(&changer.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{text}");
    }
    let (_, list) = done(folder, "kv token list --data data");
    assert_eq!(list.lines().count(), 12, "{list}");
}

/// A way to a port that ends, both ways, when so many bytes have come back.
fn cut_off_behind(port: u16, bytes_max: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let relay = move || {
        let (client, _) = listener.accept().unwrap();
        let replica = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), replica.try_clone().unwrap());
        let there = thread::Builder::new().spawn(move || std::io::copy(&mut from, &mut to));
        let mut back = replica.try_clone().unwrap().take(bytes_max as u64);
        let _ = std::io::copy(&mut back, &mut &client);
        for stream in [&client, &replica] {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = there.unwrap().join();
    };
    thread::Builder::new().spawn(relay).unwrap();
    address
}

/// What `kv status --json` says.
fn status(folder: &Path, port: u16) -> serde_json::Value {
    let text = until_done(
        folder,
        &format!("kv status --json --at 127.0.0.1:{port}"),
        "known",
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_running_replica_is_copied_while_it_serves() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let replica = |id: u16, data: &str| {
        let port = base + id;
        format!("kv replica --id 0 --listen 127.0.0.1:{port} --data {data}")
    };
    let at = |id: u16| format!("--at 127.0.0.1:{}", base + id);
    let running = Started::new(folder, &replica(0, "data"));
    until_done(folder, &format!("kv bench {} --fill --keys 20000", at(0)), "");
    until_done(folder, &format!("kv put before 1 {} --session s", at(0)), "");
    // Writes all the while.
    let words = format!("kv bench {} --keys 20000 --duration 2s --connections 2", at(0));
    let bench = program(folder, &words).spawn().unwrap();
    thread::sleep(Duration::from_millis(200));
    let copy = format!("kv backup {} --session s --into one.backup", at(0));
    let (code, text) = done(folder, &copy);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(&bench.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    until_done(folder, &format!("kv put after 1 {}", at(0)), "");
    let mode = fs::metadata(folder.join("one.backup"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // A name is never given twice.
    let (code, text) = done(folder, &copy);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("one.backup: there is such a file already: name another"),
        "{text}"
    );

    // One that is cut off is none, and leaves nothing.
    let way = cut_off_behind(base, 900_000);
    let (code, text) = done(folder, &format!("kv backup --at {way} --into cut.backup"));
    assert_eq!(code, Some(3), "{text}");
    let left: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("cut") || name.contains("part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let whole = fs::read(folder.join("one.backup")).unwrap();
    for bytes in [whole.len() - 1, whole.len() / 2, 40] {
        fs::write(folder.join("half.backup"), &whole[..bytes]).unwrap();
        let (code, text) = done(folder, "kv restore half.backup --data half");
        assert!(
            code == Some(3) && text.contains("in the middle"),
            "{code:?} {text}"
        );
        assert!(!folder.join("half").exists());
    }

    // What was restored is what was there, and goes on as a further life; it knows no more than was copied.
    let (code, text) = done(folder, "kv restore one.backup --data restored");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("tokens.json"),
        "it is not known whether there were some: {text}"
    );
    let again = Started::new(folder, &replica(1, "restored"));
    until_done(folder, &format!("kv get before {}", at(1)), "1");
    let (first, second) = (status(folder, base), status(folder, base + 1));
    assert_eq!(second["keys"], 20_001, "{second}");
    assert_eq!(first["keys"], 20_002);
    let (code, text) = done(folder, &format!("kv get after {}", at(1)));
    assert_eq!(code, Some(1), "{text}");
    until_done(folder, &format!("kv get bench-19999 {} --session s", at(1)), "");
    until_done(folder, &format!("kv put more 2 {}", at(1)), "");
    again.end();
    running.end();
}

#[test]
fn a_secret_may_come_by_a_pipe() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let at = format!("127.0.0.1:{}", free_base_port(1));
    assert_eq!(done(folder, "secret").0, Some(0));
    let pipe = Command::new("mkfifo")
        .args(["-m", "600", "pipe"])
        .current_dir(folder)
        .status();
    assert!(pipe.unwrap().success());
    let words = format!("kv replica --id 0 --listen {at} --memory --secret-file pipe");
    let replica = Started::new(folder, &words);
    let secret = fs::read(folder.join("clocklab.secret")).unwrap();
    fs::write(folder.join("pipe"), secret).unwrap();
    // Who read it a second time would wait there.
    let put = format!("kv put a 1 --at {at} --secret-file clocklab.secret");
    until_done(folder, &put, "created");
    replica.end();
}

/// The text of a token that is made now.
#[track_caller]
fn token(folder: &Path, words: &str) -> String {
    let (code, text) = done(folder, &format!("kv token create {words} --data data"));
    assert_eq!(code, Some(0), "{text}");
    text.split_whitespace().next().unwrap().to_owned()
}

/// Does it with this token in the environment.
fn with_token(folder: &Path, token: &str, words: &str) -> (Option<i32>, String) {
    let mut command = program(folder, words);
    said(&command.env("CLOCKLAB_TOKEN", token).output().unwrap())
}

/// Which token may do what, by the wire, and what else is answered.
const RIGHTS: &[(&str, &str, Result<&str, &str>)] = &[
    ("", "kv get app/x", Err("needs a token")),
    ("", "kv put app/x 0", Err("needs a token")),
    ("", "kv status", Err("needs a token")),
    ("", "kv bench --duration 1s", Err("needs a token")),
    ("", "kv backup --into none.backup", Err("needs a token")),
    ("clk_0", "kv get app/x", Err("no such token")),
    ("writer", "kv put app/x 1", Ok("")),
    ("reader", "kv get app/x", Ok("1")),
    ("reader", "kv scan app/", Ok("app/x")),
    ("reader", "kv status", Ok("")),
    ("reader", "kv put app/x 2", Err("may read, and this needs write")),
    ("reader", "kv get other", Err("keys that begin with `app/`")),
    ("reader", "kv scan", Err("keys that begin with `app/`")),
    (
        "reader",
        "kv watch other --count 1",
        Err("keys that begin with `app/`"),
    ),
    ("reader", "kv why other", Err("keys that begin with `app/`")),
    ("writer", "kv delete other", Err("keys that begin with `app/`")),
    (
        "writer",
        "kv bench --duration 1s",
        Err("keys that begin with `app/`"),
    ),
    ("writer", "kv members remove 7", Err("this needs admin")),
    ("writer", "kv backup --into none.backup", Err("this needs admin")),
    ("bencher", "kv bench --duration 1s", Ok("")),
    ("bencher", "kv put app/x 3", Err("keys that begin with `bench-`")),
    (
        "part",
        "kv backup --into none.backup",
        Err("keys that begin with `app/`"),
    ),
    ("admin", "kv backup --into all.backup", Ok("rows")),
    ("admin", "kv get app/x", Ok("1")),
];

#[test]
fn by_the_wire_a_token_lets_its_holder_do_what_it_says() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(1);
    let tokens: Vec<(&str, String)> = [
        ("reader", "reader --scope read --prefix app/"),
        ("writer", "writer --scope write --prefix app/"),
        ("bencher", "bencher --scope write --prefix bench-"),
        ("part", "part --scope admin --prefix app/"),
        ("admin", "admin --scope admin"),
    ]
    .map(|(name, words)| (name, token(folder, words)))
    .into();
    let text_of = |name: &str| {
        let found = tokens.iter().find(|(other, _)| *other == name);
        found.map_or(name.to_owned(), |(_, text)| text.clone())
    };
    let replica = format!("kv replica --id 0 --listen 127.0.0.1:{base} --data data");
    let running = Started::new(folder, &replica);
    let at = format!("--at 127.0.0.1:{base}");
    until_done(
        folder,
        &format!("kv status {at} --token {}", text_of("admin")),
        "",
    );
    for (name, words, expected) in RIGHTS {
        let (code, text) = with_token(folder, &text_of(name), &format!("{words} {at}"));
        let (wanted, part) = match expected {
            Ok(part) => (Some(0), part),
            Err(part) => (Some(3), part),
        };
        assert!(
            code == wanted && text.contains(part),
            "{name}, {words}: {code:?} {text}"
        );
        assert!(!text.contains("clk_"), "a secret is shown: {text}");
    }
    assert!(!folder.join("none.backup").exists());
    // One that is revoked is of no use any more, soon.
    let (code, text) = done(folder, "kv token revoke reader --data data");
    assert_eq!(code, Some(0), "{text}");
    let until = Instant::now() + PATIENCE;
    loop {
        let (code, text) = with_token(folder, &text_of("reader"), &format!("kv get app/x {at}"));
        if code == Some(3) {
            assert!(text.contains("revoked"), "{text}");
            break;
        }
        assert!(Instant::now() < until, "{text}");
        thread::sleep(Duration::from_millis(100));
    }
    running.end();
    // Who has proved the secret needs no token, and who has not gets nowhere with one.
    assert_eq!(done(folder, "secret").0, Some(0));
    let running = Started::new(folder, &format!("{replica} --secret-file clocklab.secret"));
    until_done(
        folder,
        &format!("kv get app/x {at} --secret-file clocklab.secret"),
        "1",
    );
    let (code, text) = with_token(folder, &text_of("admin"), &format!("kv get app/x {at}"));
    assert_eq!(code, Some(3), "{text}");
    running.end();
}

#[test]
fn a_watch_by_the_wire_ends_when_its_token_is_revoked() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(1);
    let reader = token(folder, "reader --scope read --prefix app/");
    let writer = token(folder, "writer --scope write --prefix app/");
    let replica = format!("kv replica --id 0 --listen 127.0.0.1:{base} --data data");
    let running = Started::new(folder, &replica);
    let at = format!("--at 127.0.0.1:{base}");
    let put = format!("kv put app/x 1 {at} --token {writer}");
    until_done(folder, &put, "");
    let watch = |token: &str| Started::new(folder, &format!("kv watch app/ {at} --token {token}"));
    let (ends, stays) = (watch(&reader), watch(&writer));
    for watch in [&ends, &stays] {
        let until = Instant::now() + PATIENCE;
        while !watch.said.lock().unwrap().contains("app/x") {
            assert!(Instant::now() < until, "{}", watch.said.lock().unwrap());
            until_done(folder, &put, "");
        }
    }
    let (code, text) = done(folder, "kv token revoke reader --data data");
    assert_eq!(code, Some(0), "{text}");
    // Without a word of the watcher, and without anything to tell it.
    let revoked = Instant::now();
    ends.until_said("revoked");
    assert_eq!(ends.ended().0, Some(3));
    assert!(
        revoked.elapsed() < Duration::from_secs(10),
        "{:?}",
        revoked.elapsed()
    );
    until_done(folder, &format!("kv put app/y 2 {at} --token {writer}"), "");
    stays.until_said("app/y");
    drop(stays);
    running.end();
}

#[test]
fn a_newcomer_at_a_dead_members_address_is_told_of() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let [first, second] = [base, base + 1].map(|port| format!("127.0.0.1:{port}"));
    let replica = |id: u16, listen: &str, view: &str| {
        let words = format!("kv replica --id {id} --listen {listen} --view {view} --data data-{id}");
        Started::new(folder, &words)
    };
    let stays = replica(0, &first, &format!("0={first},1={second}"));
    let dies = replica(1, &second, &format!("0={first},1={second}"));
    until_done(folder, &format!("kv put k 1 --at {second}"), "");
    drop(dies);
    let comes = replica(2, &second, &format!("0={first},2={second}"));
    stays.until_said(&format!("machines 1 and 2 are both to be at {second}"));
    until_done(folder, &format!("kv get k --at {second}"), "1");
    until_done(folder, &format!("kv members remove 1 --at {first}"), "");
    let text = until_done(folder, &format!("kv members --at {first}"), "alive");
    assert_eq!(
        text.matches(&second).count(),
        2,
        "with the one that was removed: {text}"
    );
    comes.end();
    stays.end();
}
