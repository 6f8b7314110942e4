//! Real processes: the launcher, machines by hand, signals, kill -9, bad input. Few, short, on ports of their own.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
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
        .stderr(Stdio::piped());
    command
}

fn output(words: &str) -> Output {
    clocklab(words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that does not outlive its test.
struct Process(Child);

impl Process {
    fn start(words: &str) -> Self {
        Self(clocklab(words).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Its exit code and what it said on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let until = Instant::now() + WAIT;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().unwrap() {
                let mut said = String::new();
                self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                return (status.code(), said);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the process does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `condition` gives something.
fn eventually<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        if let Some(found) = condition() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} does not happen");
}

fn three_by_hand(logs: &Path, more: &str) -> Vec<Process> {
    let base = free_base_port(3);
    let logs = logs.display();
    // The last first: any order will do.
    let mut machines: Vec<Process> = (0..3)
        .rev()
        .map(|id| {
            Process::start(&format!(
                "machine --id {id} --base-port {base} --rates 50,40,30 --logs {logs} {more}"
            ))
        })
        .collect();
    machines.reverse();
    machines
}

/// The folder of the one run below `logs`, once all machines have written `lines` lines.
fn run_folder(logs: &Path, lines: usize) -> PathBuf {
    eventually("the machines' start", || {
        let folder = logs.join("latest").canonicalize().ok()?;
        (0..3)
            .all(|id| footer_and_lines(&folder, id).1 >= lines)
            .then_some(folder)
    })
}

fn footer_and_lines(folder: &Path, id: u16) -> (String, usize) {
    let log = fs::read_to_string(folder.join(format!("machine-{id}.log"))).unwrap_or_default();
    (
        log.lines().last().unwrap_or_default().to_owned(),
        log.lines().count(),
    )
}

fn assert_valid(folder: &Path) {
    let checked = output(&format!("check {}", folder.display()));
    assert_eq!(
        checked.status.code(),
        Some(0),
        "{}{}",
        text(&checked.stdout),
        text(&checked.stderr)
    );
}

#[test]
fn the_launcher_runs_checks_and_reports() {
    let logs = tempfile::tempdir().unwrap();
    let base = free_base_port(3);
    let run = output(&format!(
        "run --rates 60,40,10 --duration 2s --seed 7 --base-port {base} --run first --logs {}",
        logs.path().display()
    ));
    let said = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{said}{}", text(&run.stderr));
    let folder = logs.path().join("first");
    for words in [
        "run first: 3 machines, rates 60, 40, 10",
        "seed 7",
        "valid",
        &folder.display().to_string(),
    ] {
        assert!(said.contains(words), "{words} is missing in:\n{said}");
    }
    let last = said
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("look at it: "));
    for command in last.unwrap_or_else(|| panic!("{said}")).split(", ") {
        let words = command.split(' ').skip(1);
        let looked = clocklab("").args(words).current_dir(&logs).output().unwrap();
        assert_eq!(
            looked.status.code(),
            Some(0),
            "{command}: {}",
            text(&looked.stderr)
        );
    }
    for page in ["diagram.html", "first.html"] {
        assert!(logs.path().join(page).is_file(), "{page}");
    }
    for (id, rate) in [(0, 60), (1, 40), (2, 10)] {
        let (footer, lines) = footer_and_lines(&folder, id);
        assert!(
            footer.starts_with("# ended=") && footer.contains("reason=duration"),
            "{footer}"
        );
        let ticks = lines - 3;
        assert!(ticks.abs_diff(rate * 2) <= 2, "machine {id}: {ticks} ticks");
    }
    let json = fs::read_to_string(folder.join("run.json")).unwrap();
    assert!(json.contains("\"seed\": 7") && json.contains("--rates"), "{json}");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["machine-0.log", "machine-1.log", "machine-2.log", "run.json"],
        "and nothing else"
    );

    let figure = logs.path().join("figure.svg");
    let report = output(&format!(
        "report {} --figure {}",
        logs.path().join("latest").display(),
        figure.display()
    ));
    assert_eq!(report.status.code(), Some(0), "{}", text(&report.stderr));
    assert!(fs::read_to_string(figure).unwrap().contains("</svg>"));
}

#[test]
fn three_terminals_agree_on_a_run_and_end_together_at_ctrl_c() {
    let logs = tempfile::tempdir().unwrap();
    let mut machines = three_by_hand(logs.path(), "");
    let folder = run_folder(logs.path(), 20);
    machines[1].signal("INT");
    for (id, machine) in machines.iter_mut().enumerate() {
        let (code, said) = machine.end();
        assert_eq!(code, Some(0), "machine {id}: {said}");
    }
    for (id, reason) in [
        (0, "reason=peer-stopped peer=1"),
        (1, "reason=interrupted"),
        (2, "reason=peer-stopped peer=1"),
    ] {
        let (footer, _) = footer_and_lines(&folder, id);
        assert!(footer.contains(reason), "machine {id}: {footer}");
    }
    assert_valid(&folder);
}

#[test]
fn sigterm_completes_every_log() {
    let logs = tempfile::tempdir().unwrap();
    let mut machines = three_by_hand(logs.path(), "--run named");
    let folder = run_folder(logs.path(), 10);
    assert!(folder.ends_with("named"));
    machines[2].signal("TERM");
    for machine in &mut machines {
        assert_eq!(machine.end().0, Some(0));
    }
    assert!(footer_and_lines(&folder, 2).0.contains("reason=terminated"));
    assert_valid(&folder);
}

#[test]
fn kill_9_leaves_readable_logs_and_stops_the_others() {
    let logs = tempfile::tempdir().unwrap();
    let mut machines = three_by_hand(logs.path(), "");
    let folder = run_folder(logs.path(), 20);
    machines[0].signal("KILL");
    machines[0].0.wait().unwrap();
    for id in [1, 2] {
        machines[id].end();
        let (footer, _) = footer_and_lines(&folder, u16::try_from(id).unwrap());
        let expected = ["reason=peer-lost peer=0", "reason=peer-stopped"];
        assert!(
            expected.iter().any(|reason| footer.contains(reason)),
            "machine {id}: {footer}"
        );
    }
    assert!(
        !footer_and_lines(&folder, 0).0.starts_with("# ended"),
        "it had no time for last words"
    );
    assert_valid(&folder);
}

#[test]
fn others_go_on_without_a_killed_machine_if_told_to() {
    let logs = tempfile::tempdir().unwrap();
    let mut machines = three_by_hand(logs.path(), "--on-peer-loss continue --duration 3s");
    let folder = run_folder(logs.path(), 20);
    machines[2].signal("KILL");
    for id in [0, 1] {
        let (code, said) = machines[id].end();
        assert_eq!(code, Some(0), "{said}");
        let log = fs::read_to_string(folder.join(format!("machine-{id}.log"))).unwrap();
        assert!(
            log.contains("# link-lost=") && log.contains("reason=duration"),
            "machine {id}"
        );
        assert!(
            log.contains(" dropped=2"),
            "machine {id}: what is not sent is said"
        );
    }
    assert_valid(&folder);
}

#[test]
fn machines_die_with_their_launcher_and_say_so() {
    let logs = tempfile::tempdir().unwrap();
    let base = free_base_port(3);
    let mut launcher = Process::start(&format!(
        "run --rates 50,40,30 --duration 60s --base-port {base} --logs {}",
        logs.path().display()
    ));
    let folder = run_folder(logs.path(), 20);
    launcher.signal("KILL");
    launcher.0.wait().unwrap();
    eventually("the machines' last words", || {
        (0..3)
            .all(|id| footer_and_lines(&folder, id).0.starts_with("# ended="))
            .then_some(())
    });
    let footers: Vec<String> = (0..3).map(|id| footer_and_lines(&folder, id).0).collect();
    assert!(
        footers
            .iter()
            .any(|footer| footer.contains("reason=launcher-gone")),
        "{footers:?}"
    );
    eventually("free ports", || {
        (0..3)
            .all(|id| std::net::TcpListener::bind(("127.0.0.1", base + id)).is_ok())
            .then_some(())
    });
    assert_valid(&folder);
}

#[test]
fn a_machine_that_dies_early_is_reported_with_its_last_words() {
    let logs = tempfile::tempdir().unwrap();
    let base = free_base_port(3);
    let launcher = Process::start(&format!(
        "run --rates 50,40,30 --duration 60s --base-port {base} --logs {}",
        logs.path().display()
    ));
    run_folder(logs.path(), 20);
    // The launcher's children are the processes whose parent it is.
    let children = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &launcher.0.id().to_string()])
        .output()
        .unwrap();
    let children = text(&children.stdout);
    let victim = children.split_whitespace().next().expect("a child");
    assert!(
        Command::new("kill")
            .args(["-9", victim])
            .status()
            .unwrap()
            .success()
    );
    let mut launcher = launcher;
    let mut said = String::new();
    let mut stdout = launcher.0.stdout.take().unwrap();
    let (code, _) = launcher.end();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("failed (signal: 9"), "{said}");
}

#[test]
fn a_stall_is_called_out_even_if_it_lasts_to_the_end() {
    let logs = tempfile::tempdir().unwrap();
    let mut machines = three_by_hand(logs.path(), "--duration 3s --run stalled");
    let folder = run_folder(logs.path(), 20);
    machines[1].signal("STOP");
    machines[0].end();
    machines[2].end();
    machines[1].signal("CONT");
    machines[1].end();
    let log = fs::read_to_string(folder.join("machine-1.log")).unwrap();
    assert!(log.contains("\n# stall="), "{log}");
    let report = text(&output(&format!("report {}", folder.display())).stdout);
    assert!(report.contains("machine 1 stalled once"), "{report}");
    assert_valid(&folder);
}

#[test]
fn a_port_in_use_is_named_before_anything_starts() {
    let logs = tempfile::tempdir().unwrap();
    let base = free_base_port(3);
    let _taken = std::net::TcpListener::bind(("127.0.0.1", base + 1)).unwrap();
    let run = output(&format!(
        "run --base-port {base} --duration 1s --logs {}",
        logs.path().display()
    ));
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(3), "{said}");
    for words in [
        &format!("127.0.0.1:{}", base + 1),
        "machine 1",
        "nothing was started",
        "--base-port",
    ] {
        assert!(said.contains(words), "{words} is missing in: {said}");
    }
    assert_eq!(
        fs::read_dir(logs.path()).unwrap().count(),
        0,
        "nothing was written"
    );
}

#[test]
fn machines_of_other_computers_are_named_together() {
    let folder = tempfile::tempdir().unwrap();
    let (hosts, secret) = (folder.path().join("hosts.txt"), folder.path().join("run.secret"));
    // Addresses that are nobody's (RFC 5737).
    fs::write(
        &hosts,
        "0 203.0.113.21:17100\n1 203.0.113.22:17101\n2 203.0.113.23:17102\n",
    )
    .unwrap();
    assert!(
        output(&format!("secret --output {}", secret.display()))
            .status
            .success()
    );
    let run = output(&format!(
        "run --hosts {} --secret-file {} --logs {}",
        hosts.display(),
        secret.display(),
        folder.path().display()
    ));
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(3), "{said}");
    assert!(
        said.contains("machine 0 on 203.0.113.21:17100, machine 1 on 203.0.113.22:17101, machine 2 on"),
        "{said}"
    );
    assert_eq!(said.matches("clocklab machine").count(), 1, "{said}");
}

#[test]
fn a_run_is_never_overwritten() {
    let logs = tempfile::tempdir().unwrap();
    fs::create_dir(logs.path().join("mine")).unwrap();
    let base = free_base_port(3);
    let run = output(&format!(
        "run --run mine --base-port {base} --duration 1s --logs {}",
        logs.path().display()
    ));
    assert_eq!(run.status.code(), Some(2));
    assert!(
        text(&run.stderr).contains("never overwritten"),
        "{}",
        text(&run.stderr)
    );
}

#[test]
fn an_unusable_log_folder_is_an_error_with_the_mend() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let base = free_base_port(2);
    let words = |id| {
        format!(
            "machine --id {id} --machines 2 --base-port {base} --logs {}",
            file.path().display()
        )
    };
    let mut machines = [Process::start(&words(0)), Process::start(&words(1))];
    let said: Vec<(Option<i32>, String)> = machines.iter_mut().map(Process::end).collect();
    assert!(said.iter().all(|(code, _)| *code == Some(3)), "{said:?}");
    assert!(
        said.iter()
            .any(|(_, said)| said.contains("cannot keep event logs in ")
                && said.contains(": give a folder with --logs")),
        "{said:?}"
    );
    assert!(
        said.iter().all(|(_, said)| !said.contains("panicked")),
        "{said:?}"
    );
}

#[test]
fn usage_errors_have_code_2_and_unreadable_logs_code_3() {
    for words in [
        "run --machines 1",
        "machine --id 3",
        "run --rates 0,1",
        "check /nowhere",
        "run --machines 5000",
        "experiment --parallel 0",
        "frobnicate",
    ] {
        let said = output(words);
        assert_eq!(said.status.code(), Some(2), "{words}: {}", text(&said.stderr));
        assert!(!said.stderr.is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    for command in ["check", "report"] {
        let said = clocklab(command).current_dir(folder.path()).output().unwrap();
        assert_eq!(said.status.code(), Some(2), "{command}: {}", text(&said.stderr));
        assert!(
            text(&said.stderr).contains("logs/latest"),
            "{}",
            text(&said.stderr)
        );
    }
    fs::write(folder.path().join("machine-0.log"), "this is no log\n").unwrap();
    let said = output(&format!("check {}", folder.path().display()));
    assert_eq!(said.status.code(), Some(3), "{}", text(&said.stderr));
    assert!(
        text(&said.stderr).contains("machine-0.log, line 1"),
        "{}",
        text(&said.stderr)
    );
}

#[test]
fn completions_and_the_manual_page_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            text(&output(&format!("completions {shell}")).stdout).contains("on-peer-loss"),
            "{shell}"
        );
    }
    let manual = text(&output("man").stdout);
    assert!(
        manual.contains(".TH clocklab") && manual.contains("connect\\-timeout"),
        "{manual}"
    );
}

#[test]
fn an_experiment_writes_tables_and_figures() {
    let logs = tempfile::tempdir().unwrap();
    let base = free_base_port(6);
    let plan = logs.path().join("plan.toml");
    let group = |name: &str, draw: u32| {
        format!(
            "[[group]]\nname = \"{name}\"\nruns = 2\nrates = \"20-60\"\ndraw = {draw}\nduration = \"1s\"\nseed = 5\n"
        )
    };
    fs::write(
        &plan,
        format!("name = \"small\"\n{}{}", group("quiet", 10), group("chatty", 4)),
    )
    .unwrap();
    let words = format!(
        "experiment {} --parallel 2 --base-port {base} --logs {}",
        plan.display(),
        logs.path().display()
    );
    let made = output(&words);
    assert_eq!(
        made.status.code(),
        Some(0),
        "{}{}",
        text(&made.stdout),
        text(&made.stderr)
    );
    let folder = logs.path().join("small");
    let results = fs::read_to_string(folder.join("results.md")).unwrap();
    for run in ["quiet-1", "quiet-2", "chatty-1", "chatty-2"] {
        assert!(results.contains(&format!("![{run}]({run}.svg)")), "{run}");
        assert!(folder.join(format!("{run}.svg")).is_file(), "{run}");
        assert_valid(&folder.join(run));
    }
    let again = output(&words);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("never overwritten"));
}
