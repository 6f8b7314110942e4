//! `clocklab watch` beside real machines: one picture as text, and the full screen in a pseudo-terminal.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support::free_base_port;

const WAIT: Duration = Duration::from_secs(30);

fn clocklab(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
    command
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("COLUMNS");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run that does not outlive its test.
struct Run(Child);

impl Run {
    fn start(logs: &Path, rates: &str, duration: &str) -> Self {
        Self::start_with(logs, rates, duration, "")
    }

    fn start_with(logs: &Path, rates: &str, duration: &str, more: &str) -> Self {
        let machines = u16::try_from(rates.split(',').count()).unwrap();
        let port = free_base_port(machines);
        let words = format!(
            "run --run demo --seed 7 --rates {rates} --duration {duration} --base-port {port} --logs {} {more}",
            logs.display()
        );
        Self(
            clocklab(&words)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn end(&mut self) {
        let until = Instant::now() + WAIT;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "the run: {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the run does not end");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            // SIGTERM, which the launcher passes on to its machines.
            let _ = Command::new("kill").arg(self.0.id().to_string()).status();
            let _ = self.0.wait();
        }
    }
}

fn once(folder: &Path, words: &str) -> Output {
    clocklab(&format!("watch --once {words} {}", folder.display()))
        .output()
        .unwrap()
}

/// Events in the logs of a run, counted as lines that are no remark.
fn events_logged(folder: &Path) -> usize {
    let logs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| {
            let log = fs::read_to_string(path).unwrap();
            log.lines().filter(|line| !line.starts_with('#')).count()
        })
        .sum()
}

#[test]
fn a_picture_of_a_run_while_it_goes_on_and_afterwards() {
    let logs = tempfile::tempdir().unwrap();
    let folder = logs.path().join("demo");
    let mut run = Run::start(logs.path(), "60,40,10", "2s");
    let until = Instant::now() + WAIT;
    let picture = loop {
        let picture = text(&once(&folder, "").stdout);
        if picture.contains("receive") {
            break picture;
        }
        assert!(Instant::now() < until, "nothing to see: {picture}");
    };
    assert!(picture.starts_with(" demo  running"), "{picture}");
    for what in ["60/s", "40/s", "10/s", "last events", "events/s"] {
        assert!(picture.contains(what), "{what}: {picture}");
    }
    run.end();
    let ended = once(&folder, "--ascii");
    let picture = text(&ended.stdout);
    assert!(ended.status.success() && picture.is_ascii(), "{picture}");
    let header = format!(" demo  ended  2.0 s  {} events", events_logged(&folder));
    assert_eq!(picture.lines().next(), Some(header.as_str()));
    assert_eq!(picture.matches("ended: duration, ").count(), 3, "{picture}");
}

#[test]
fn without_a_terminal_or_a_run_the_mend_is_named() {
    let logs = tempfile::tempdir().unwrap();
    let output = clocklab(&format!("watch {}", logs.path().display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("`--once`"),
        "{}",
        text(&output.stderr)
    );
    for folder in [logs.path().to_owned(), logs.path().join("later")] {
        let output = once(&folder, "");
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(
            said.contains("no log of a run") && said.contains("logs/latest"),
            "{said}"
        );
    }
}

/// A shell's command in a pseudo-terminal of 80 x 24.
fn script(command: &str, term: &str) -> std::io::Result<Child> {
    script_to(command, term, Stdio::piped())
}

fn script_to(command: &str, term: &str, output: Stdio) -> std::io::Result<Child> {
    let command = format!("stty rows 24 columns 80; {command}");
    Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", term)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
}

/// Runs the full screen in a pseudo-terminal of `script`, which not every system has.
fn in_a_terminal(words: &str, term: &str) -> Option<Output> {
    let command = format!("exec {} watch {words}", env!("CARGO_BIN_EXE_clocklab"));
    let output = script(&command, term).and_then(Child::wait_with_output);
    match output {
        Ok(output) if !text(&output.stderr).contains("unrecognized option") => Some(output),
        // Nothing to test with, as on systems whose `script` has other options.
        Ok(_) | Err(_) => None,
    }
}

#[test]
fn the_full_screen_sees_every_event_and_gives_the_terminal_back() {
    let logs = tempfile::tempdir().unwrap();
    let folder = logs.path().join("demo");
    let mut run = Run::start(logs.path(), "60,40,10", "2s");
    // Begins before the run's folder is there, or at least before its logs are.
    let shown = in_a_terminal(&format!("--until-end --no-color {}", folder.display()), "xterm");
    run.end();
    let Some(output) = shown else { return };
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    // The alternate screen is entered and left, once each, and the last words stand behind it.
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert_eq!((said.matches(enter).count(), said.matches(leave).count()), (1, 1));
    let after = said.split(leave).nth(1).unwrap();
    let events = format!("{} events of 3 machines", events_logged(&folder));
    assert!(after.contains(&events), "{events}: {after}");
    assert!(!said.contains("\u{1b}[38;5;"), "no colour was asked for");
}

#[test]
fn a_run_in_which_a_machine_was_killed_for_good_ends_for_those_who_watch() {
    let logs = tempfile::tempdir().unwrap();
    let folder = logs.path().join("demo");
    let faults = logs.path().join("kill.toml");
    fs::write(&faults, "[[fault]]\nat = \"500ms\"\ndo = \"kill 2\"\n").unwrap();
    let more = format!("--faults {}", faults.display());
    let mut run = Run::start_with(logs.path(), "60,40,10", "2s", &more);
    run.end();
    let picture = text(&once(&folder, "").stdout);
    assert!(picture.starts_with(" demo  ended"), "{picture}");
    assert!(picture.contains("killed"), "{picture}");
    if let Some(output) = in_a_terminal(&format!("--until-end {}", folder.display()), "xterm") {
        assert!(output.status.success(), "{}", text(&output.stdout));
    }
}

#[test]
fn a_dumb_terminal_is_refused_with_words() {
    let Some(output) = in_a_terminal("logs/latest", "dumb") else {
        return;
    };
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("TERM is `dumb`") && !said.contains("\u{1b}[?1049h"),
        "{said}"
    );
}

#[test]
fn a_signal_ends_the_view_in_order() {
    for signal in ["TERM", "QUIT"] {
        let logs = tempfile::tempdir().unwrap();
        // `exec` makes the view the shell's own process, so that the shell's id is the view's.
        let command = format!(
            "echo $$ > {0}/id; exec {1} watch {0}/later",
            logs.path().display(),
            env!("CARGO_BIN_EXE_clocklab")
        );
        let started = script(&command, "xterm");
        let Ok(mut script) = started else { return };
        let until = Instant::now() + WAIT;
        let mut ended = None;
        while ended.is_none() {
            assert!(Instant::now() < until, "the view does not end");
            // Signals before the view has caught them would end it without order: it is asked again and again.
            std::thread::sleep(Duration::from_millis(500));
            if let Ok(id) = fs::read_to_string(logs.path().join("id")) {
                send(signal, id.trim());
            }
            ended = script.try_wait().unwrap();
        }
        let output = script.wait_with_output().unwrap();
        let said = text(&output.stdout);
        if text(&output.stderr).contains("unrecognized option") {
            return;
        }
        assert!(
            said.contains("no log in") && said.contains("\u{1b}[?1049l"),
            "{signal}: {said}"
        );
        assert_eq!(output.status.code(), Some(0), "{signal}: {said}");
    }
}

#[test]
fn a_view_that_is_stopped_gives_the_terminal_back_until_it_goes_on() {
    let logs = tempfile::tempdir().unwrap();
    let (screen, id) = (logs.path().join("screen"), logs.path().join("id"));
    let command = format!(
        "echo $$ > {}; exec {} watch {}/later",
        id.display(),
        env!("CARGO_BIN_EXE_clocklab"),
        logs.path().display(),
    );
    let output = fs::File::create(&screen).unwrap();
    let Ok(mut script) = script_to(&command, "xterm", output.into()) else {
        return;
    };
    let (until, around) = (Instant::now() + WAIT, script.id().to_string());
    let mut wait = |what: &str, is_so: &dyn Fn(&str) -> bool| {
        while !is_so(&text(&fs::read(&screen).unwrap())) {
            if script.try_wait().unwrap().is_some() {
                // A `script` with other options.
                return false;
            }
            assert!(Instant::now() < until, "{what}: {:?}", fs::read(&screen));
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    };
    if !wait("a picture", &|said| said.contains("no log in")) {
        return;
    }
    let id = fs::read_to_string(id).unwrap().trim().to_owned();
    send("TSTP", &id);
    assert!(wait("a stop", &|_| state(&id) == Some('T')));
    // `script` stops with what it runs, and wakes it.
    send("CONT", &id);
    send("CONT", &around);
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(wait("a picture again", &|said| {
        let parts: Vec<&str> = said.split(leave).collect();
        matches!(parts.as_slice(), [_, again] if again.contains(enter) && again.contains("no log in"))
    }));
    send("TERM", &id);
    assert_eq!(script.wait().unwrap().code(), Some(0));
    let said = text(&fs::read(&screen).unwrap());
    assert_eq!((said.matches(enter).count(), said.matches(leave).count()), (2, 2));
}

/// Sends a signal to a process, which may be gone.
fn send(signal: &str, id: &str) {
    let _ = Command::new("kill")
        .args(["-s", signal, id])
        .stderr(Stdio::null())
        .status();
}

/// The state of a process, as `ps` writes it; `None` if it is not there.
fn state(id: &str) -> Option<char> {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", id])
        .output()
        .unwrap();
    text(&output.stdout).trim().chars().next()
}

/// Whether a process is there, and has not ended without anybody having asked for its status.
fn lives(id: &str) -> bool {
    !matches!(state(id), None | Some('Z'))
}

#[test]
fn a_terminal_that_hangs_up_ends_the_view() {
    let logs = tempfile::tempdir().unwrap();
    let command = format!(
        "echo $$ > {0}/id; exec {1} watch {0}/later",
        logs.path().display(),
        env!("CARGO_BIN_EXE_clocklab")
    );
    let Ok(mut script) = script(&command, "xterm") else {
        return;
    };
    let until = Instant::now() + WAIT;
    let id = loop {
        if let Ok(id) = fs::read_to_string(logs.path().join("id"))
            && id.ends_with('\n')
        {
            break id.trim().to_owned();
        }
        if script.try_wait().unwrap().is_some() {
            // A `script` with other options.
            return;
        }
        assert!(Instant::now() < until, "the view does not start");
        std::thread::sleep(Duration::from_millis(10));
    };
    // Whatever the view is at by now, the other end of its terminal goes away.
    std::thread::sleep(Duration::from_millis(500));
    script.kill().unwrap();
    script.wait().unwrap();
    while lives(&id) {
        if Instant::now() > until {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
            panic!("the view goes on without a terminal");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
