//! Replicas as real processes, as people start, break and end them: `clocklab kv run` and `clocklab kv replica`.

use std::{
    fs,
    io::Read,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use crate::support::free_base_port;

/// How long a store may take for what it is asked.
const PATIENCE: Duration = Duration::from_secs(30);

fn clocklab(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
    command
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The exit code, and what was said on both outputs.
fn done(folder: &Path, words: &str) -> (Option<i32>, String) {
    said(&clocklab(folder, words).output().unwrap())
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

/// A store's process that does not outlive its test.
struct Started(Option<Child>);

impl Started {
    fn new(folder: &Path, words: &str) -> Self {
        Self(Some(clocklab(folder, words).spawn().unwrap()))
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    fn end(mut self) -> String {
        let child = self.0.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let (code, text) = said(&child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{text}");
        text
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
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
    // One that is killed for good stays so, which is no failure of the others.
    until_done(folder, "fault kill 1 --run logs/kill", "");
    until_done(folder, &format!("kv put last 3 {}", at(0)), "");
    let text = store.end();
    assert!(!text.contains("failed"), "{text}");
    assert!(fs::read_to_string(&log).unwrap().contains("# ended="));
    check(folder, "kill");
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
        .map(|number| clocklab(folder, &words(number)).spawn().unwrap())
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
            0 => clocklab(folder, &format!("kv token revoke name-{number} --data data")),
            _ => clocklab(folder, &words(100 + number)),
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
    let bench = clocklab(folder, &words).spawn().unwrap();
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
    assert_eq!(code, Some(3), "{text}");

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

/// The text of a token that is made now.
#[track_caller]
fn token(folder: &Path, words: &str) -> String {
    let (code, text) = done(folder, &format!("kv token create {words} --data data"));
    assert_eq!(code, Some(0), "{text}");
    text.split_whitespace().next().unwrap().to_owned()
}

/// Does it with this token in the environment.
fn with_token(folder: &Path, token: &str, words: &str) -> (Option<i32>, String) {
    let mut command = clocklab(folder, words);
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
