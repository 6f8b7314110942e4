//! Walkthroughs: validated before a run begins, played on machines that answer as the protocol says.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clocklab::{
    lab::Controllers,
    units::MachineId,
    watch::walkthrough::{Player, Scene, Walkthrough},
    wire::{CONTROLLER, Control, Hello, Standing, Trust},
};

use crate::support::{Peer, free_base_port};

/// A machine as a controller sees it: it speaks the protocol and writes a log, but nothing ticks in it. Each step
/// does the next thing of a script; a fault it refuses, but for a partition.
struct Stand {
    me: u16,
    log: File,
    script: &'static [&'static str],
    tick: usize,
    paused: bool,
}

const HEADER: &str = "# clocklab-log 1\n# machine=ID machines=2 clock=lamport seed=1 run=demo started=2026-01-01T00:00:00.000000Z\n";

impl Stand {
    fn listen(folder: &Path, me: u16, script: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut log = File::create(folder.join(format!("machine-{me}.log"))).unwrap();
        log.write_all(HEADER.replace("ID", &me.to_string()).as_bytes())
            .unwrap();
        let mut stand = Self {
            me,
            log,
            script,
            tick: 0,
            paused: false,
        };
        thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming() {
                    stand.serve(stream.unwrap());
                }
            })
            .unwrap();
        address
    }

    fn serve(&mut self, stream: TcpStream) {
        let mut peer = Peer::of(stream);
        let Some((_, body)) = peer.frame() else { return };
        let theirs = Hello::decode(&body).unwrap();
        assert_eq!(theirs.sender, CONTROLLER);
        peer.hello(&Hello {
            system: 1,
            machines: 2,
            sender: MachineId(self.me),
            receiver: CONTROLLER,
            incarnation: 1,
            trust: Trust::Open,
            standing: Standing::Given,
            run: "demo".parse().unwrap(),
        });
        while let Some((kind, body)) = peer.frame() {
            let Control::Command(text) = Control::decode(kind, &body).unwrap() else {
                panic!("a controller gives commands");
            };
            let (accepted, text) = self.answer(&text);
            peer.say(&Control::Answer { accepted, text });
        }
    }

    fn answer(&mut self, text: &str) -> (bool, String) {
        match text.split(' ').collect::<Vec<_>>().as_slice() {
            ["status"] => {
                let (me, tick, paused) = (self.me, self.tick, self.paused);
                let status = format!(
                    r#"{{"machine":{me},"machines":2,"run":"demo","incarnation":1,"process":1,"paused":{paused},
                    "tick":{tick},"clock":{tick},"elapsed_us":5,"faults":[],"fault_id_max":0}}"#
                );
                (true, status)
            }
            ["pause"] => {
                self.paused = true;
                (true, "paused".to_owned())
            }
            ["resume"] => (self.me == 0, "resumed, or not".to_owned()),
            ["step", ticks] if self.paused => {
                for _ in 0..ticks.parse().unwrap() {
                    self.tick += 1;
                    let (tick, event) = (self.tick, self.script[(self.tick - 1) % self.script.len()]);
                    let (kind, more) = event.split_once(' ').unwrap_or((event, ""));
                    let line = format!("2026-01-01T00:00:00.000000Z {kind} tick={tick} clock={tick} {more}");
                    writeln!(self.log, "{}", line.trim_end()).unwrap();
                }
                (true, "stepped".to_owned())
            }
            ["fault", _, "partition", ..] | ["mend", _] => (true, "so be it".to_owned()),
            _ => (false, format!("`{text}` is not for me")),
        }
    }
}

/// A run of two stands.
fn stands(folder: &Path) {
    let zero = Stand::listen(folder, 0, &["internal", "internal", "send to=1"]);
    let one = Stand::listen(folder, 1, &["receive from=0 sent=3 queue=0", "internal"]);
    let text = format!(r#"{{"run":"demo","addresses":["{zero}","{one}"]}}"#);
    fs::write(folder.join("run.json"), text).unwrap();
}

#[derive(Default)]
struct Heard {
    text: String,
    asked: usize,
}

impl Scene for Heard {
    fn show(&mut self, text: &str) -> io::Result<()> {
        self.text += &format!("{text}\n");
        Ok(())
    }

    fn columns(&self) -> usize {
        80
    }

    fn ask(&mut self) -> io::Result<()> {
        self.asked += 1;
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.asked > 1
    }
}

/// Plays a text, and gives what was shown and how it ended.
fn play(text: &str) -> (String, Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    stands(folder.path());
    let walkthrough = Walkthrough::parse("demo.toml", text, 2).unwrap();
    let controllers = Controllers::of_run(folder.path(), None).unwrap();
    let mut heard = Heard::default();
    let played = Player::new(walkthrough, controllers, folder.path()).play(&mut heard);
    (heard.text, played.map_err(|error| error.to_string()))
}

#[test]
fn captions_have_the_step_its_text_and_how_the_machines_stand() {
    let (text, played) = play(
        "title = 'A demonstration'\n\
         [[step]]\nsay = 'Stand still.'\npause = true\n\
         [[step]]\nsay = '''\nA message\nis sent.'''\nmachine = 0\nstep = 'send to 1'\n\
         [[step]]\nmachine = 1\nstep = 'receive from 0'\n\
         [[step]]\nsay = 'Both.'\nstep = 2\n\
         [[step]]\ninject = 'partition 0 / 1'\nfor = '2s'\nask = true\n\
         [[step]]\nmend = 5\n\
         [[step]]\nuntil = { machine = 0, clock = 5 }\n\
         [[step]]\nwait = '10ms'\n",
    );
    assert_eq!(played, Ok(()), "{text}");
    expect_test::expect![[r#"
        A demonstration
        [1/8] Stand still.
             > pause all machines
             0: tick 0, clock 0 | 1: tick 0, clock 0
        [2/8] A message is sent.
             > step machine 0 until send to 1
             after 3 ticks
             0: tick 3, clock 3, sent to 1 | 1: tick 0, clock 0, 1 to take
        [3/8] > step machine 1 until receive from 0
             after 1 tick
             0: tick 3, clock 3, sent to 1 | 1: tick 1, clock 1, took 0:3
        [4/8] Both.
             > step all machines, 2 ticks
             0: tick 5, clock 5, internal | 1: tick 3, clock 3, took 0:3
        [5/8] > inject partition 0 / 1 for 2s
             0: tick 5, clock 5, internal | 1: tick 3, clock 3, took 0:3
        [6/8] > mend the fault of step 5
             0: tick 5, clock 5, internal | 1: tick 3, clock 3, took 0:3
        [7/8] > wait until machine 0 reaches clock 5
             0: tick 5, clock 5, internal | 1: tick 3, clock 3, took 0:3
        [8/8] > wait 10ms
             0: tick 5, clock 5, internal | 1: tick 3, clock 3, took 0:3
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_no_machine_does_ends_it_and_what_one_does_not_is_shown() {
    let (text, played) = play("[[step]]\nresume = true\n[[step]]\ninject = 'delay all constant:1ms'\n");
    assert!(
        text.contains("machine 1 did not accept `resume`: resumed, or not"),
        "{text}"
    );
    let error = played.unwrap_err();
    assert!(
        error.starts_with("step 2 (fault delay all constant:1ms): machine 0 did not accept")
            && error.contains("is not for me"),
        "{error}"
    );
    let (_, played) = play("[[step]]\npause = true\n[[step]]\ninject = 'kill 1'\n");
    assert!(
        played
            .unwrap_err()
            .starts_with("step 2 (fault kill 1): machine 1 did not accept")
    );
}

#[test]
fn what_never_happens_is_told_with_how_the_machines_stand() {
    let (_, played) = play("[[step]]\nuntil = { machine = 1, tick = 9 }\nwithin = '50ms'\n");
    assert_eq!(
        played.unwrap_err(),
        "step 1: machine 1 reaching tick 9 did not happen within 50ms; the machines: 0: tick 0, clock 0 | 1: tick 0, clock 0"
    );
    let (_, played) = play("[[step]]\npause = true\n[[step]]\nmachine = 1\nstep = 'send to 0'\n");
    let error = played.unwrap_err();
    assert!(
        error.starts_with("step 2 (step machine 1 until send to 0): 500 ticks passed without it"),
        "{error}"
    );
    let (_, played) = play("[[step]]\nask = true\n[[step]]\nask = true\n[[step]]\nwait = '1h'\n");
    assert_eq!(played.unwrap_err(), "the walkthrough was stopped at step 3 of 3");
}

#[test]
fn a_run_that_has_ended_or_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    stands(folder.path());
    for machine in 0..2 {
        let log = folder.path().join(format!("machine-{machine}.log"));
        let end = "# ended=2026-01-01T00:00:09.000000Z reason=duration ticks=0 queued=0\n";
        let text = fs::read_to_string(&log).unwrap();
        fs::write(&log, text + end).unwrap();
    }
    let file = folder.path().join("demo.toml");
    fs::write(&file, "[[step]]\nsay = 'hello'\n[[step]]\nwait = '1h'\n").unwrap();
    let (code, text) = said(&["walkthrough", text_of(&file), text_of(folder.path())]);
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("run demo ended at 0.0 s (duration): a walkthrough plays on one that goes on")
            && !text.contains("hello"),
        "{text}"
    );
    let (code, text) = said(&["walkthrough", text_of(&file), "nowhere"]);
    assert!(
        code == Some(2) && text.contains("nowhere: No such file"),
        "{text}"
    );
    let (code, text) = said(&["walkthrough", text_of(folder.path()), text_of(&file)]);
    assert!(
        code == Some(2) && text.contains("the file comes first, then the run's folder"),
        "{text}"
    );
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let (code, text) = said(&["walkthrough", text_of(&file), text_of(&empty)]);
    assert!(
        code == Some(2) && text.contains("name the folder of a run"),
        "{text}"
    );
    fs::write(&file, "[[step]]\npause = true\nmachine = 2\n").unwrap();
    let (code, text) = said(&["walkthrough", text_of(&file), text_of(folder.path())]);
    assert!(
        code == Some(2) && text.contains("step 1: there is no machine 2"),
        "{text}"
    );
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_clocklab");
    let ran = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (ran.status.code(), text.concat())
}

#[test]
fn a_run_does_not_begin_with_a_walkthrough_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    let logs = folder.path().join("logs");
    let run = |text: &str| {
        fs::write(&file, text).unwrap();
        let arguments = [
            "run",
            "--walkthrough",
            text_of(&file),
            "--duration",
            "5s",
            "--logs",
            text_of(&logs),
        ];
        let (code, text) = said(&arguments);
        assert_eq!(code, Some(2), "{text}");
        assert!(!logs.exists(), "nothing was begun");
        text
    };
    assert!(run("[[step]]\npause = true\nfor = '1s'").contains("demo.toml: step 1: `for` belongs to inject"));
    assert!(run("[[step]]\ninject = 'kill 3'").contains("there is no machine 3; the run has 0 to 2"));
    let text = run("[[step]]\nwait = '3s'\n[[step]]\nwait = '3s'");
    assert!(
        text.contains("its waits alone take 6s, and the run lasts 5s: give it longer with --duration"),
        "{text}"
    );
    fs::remove_file(&file).unwrap();
    let (code, text) = said(&["run", "--walkthrough", text_of(&file)]);
    assert!(
        code == Some(2) && text.contains("demo.toml: No such file"),
        "{text}"
    );
}

#[test]
fn the_example_plays_on_real_machines_and_shows_what_it_tells_of() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/walkthrough.toml");
    let port = free_base_port(3).to_string();
    let (code, text) = said(&[
        "run",
        "--rates",
        "4,3,2",
        "--phase",
        "aligned",
        "--seed",
        "1263",
        "--duration",
        "2m",
        "--base-port",
        &port,
        "--logs",
        text_of(folder.path()),
        "--run",
        "demo",
        "--walkthrough",
        text_of(&example),
    ]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "Lamport's clock in ten steps",
        "> pause all machines",
        "sent to 1\n     1: ",
        "1 to take",
        "took 0:",
        "> inject partition 0 / 1,2 hold",
        "> mend all faults",
        "1 held back",
        "nobody can be asked for Enter",
        "> wait 5s",
        "valid (",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("did not come to its end"), "{text}");
    let log = fs::read_to_string(folder.path().join("demo/machine-0.log")).unwrap();
    for part in ["# paused=", "# step=", "kind=partition", "# mended="] {
        assert!(log.contains(part), "{part}: {log}");
    }
    // Whoever hears the launcher first is interrupted; another may hear it from that one.
    let is_interrupted = |machine: u16| {
        let log = fs::read_to_string(folder.path().join(format!("demo/machine-{machine}.log"))).unwrap();
        log.contains("reason=interrupted")
    };
    assert!((0..3).any(is_interrupted), "the run ends with its walkthrough");
}

#[test]
fn a_walkthrough_plays_on_a_run_that_somebody_else_started() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_base_port(3).to_string();
    let logs = folder.path().join("logs");
    let run = Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args([
            "run",
            "--rates",
            "6,4,1",
            "--duration",
            "8s",
            "--base-port",
            &port,
            "--run",
            "demo",
        ])
        .args(["--logs", text_of(&logs)])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let file = folder.path().join("demo.toml");
    let steps = "[[step]]\npause = true\nmachine = 1\n[[step]]\nmachine = 1\nstep = 3\n\
        [[step]]\nuntil = { machine = 0, tick = 9 }\n[[step]]\nresume = true\n\
        [[step]]\ninject = 'loss all 50%'\nfor = '1s'\n[[step]]\nwait = '100ms'\n[[step]]\nmend = 5\n";
    fs::write(&file, steps).unwrap();
    let run_folder = logs.join("demo");
    let until = Instant::now() + Duration::from_secs(20);
    while !run_folder.join("run.json").exists() {
        assert!(Instant::now() < until, "the run has not begun");
        thread::yield_now();
    }
    let (code, text) = said(&["walkthrough", text_of(&file), text_of(&run_folder)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("[7/7] > mend the fault of step 5"), "{text}");
    let ran = run.wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{report}");
    let log = fs::read_to_string(run_folder.join("machine-1.log")).unwrap();
    assert!(
        log.contains("# paused=") && log.contains("# step=") && log.contains("kind=loss"),
        "{log}"
    );
}
