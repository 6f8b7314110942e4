//! Control connections on real sockets: commands and answers, who may give them, and those who should not; and the commands
//! `control`, `fault` and `secret` on real processes.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command as Process, Output},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use clocklab::{
    control::{Command, Status},
    faults::Fault,
    lab::{ControlError, Controller, Controllers, RunError, SecretFile, SecretFileError, Target, new_secret},
    mesh::{COMMANDERS_MAX, Config, Handle, LogEnd, Mesh, MeshError, NoLog, Outcome},
    node::{Effect, Effects, Input, Node, Order},
    trace::{Event, Kind, Record, WallTime},
    units::{MachineId, Time},
    wire::{
        COMMAND_BYTES_MAX, Control, ErrorCode, Hello, Reason, Secret, Standing, Trust, encode_frame, kind,
    },
};

use crate::support::{Number, Peer, free_addresses, free_base_port, goodbye, hello, place, program};

/// A node with nothing to do but what it is ordered to.
#[derive(Debug, Default)]
struct Obedient {
    tick: u64,
    paused: bool,
}

impl Node for Obedient {
    type Message = Number;

    fn handle(&mut self, _now: Time, input: Input<Number>, effects: &mut Effects<Number>) {
        let Input::Order(order) = input else { return };
        match order {
            Order::Pause if !self.paused => {
                self.paused = true;
                effects.push(Effect::Record(Record::Paused));
            }
            Order::Step { ticks } if self.paused => {
                effects.push(Effect::Record(Record::Stepped { ticks }));
                for _ in 0..ticks {
                    self.tick += 1;
                    let (tick, clock) = (self.tick, self.tick * 10);
                    effects.push(Effect::Record(Record::Event(Event {
                        tick,
                        clock,
                        vector: None,
                        hybrid: None,
                        store: None,
                        kind: Kind::Internal,
                    })));
                }
            }
            Order::Resume => self.paused = false,
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

/// Machine 0 of 2, and machine 1 as a plain socket.
struct Machine {
    address: SocketAddr,
    peer: Option<Peer>,
    handle: Handle,
    thread: JoinHandle<Result<(Outcome, Obedient), MeshError>>,
}

impl Machine {
    /// It waits for machine 1.
    fn waiting(secret: Option<Secret>) -> Self {
        let addresses = free_addresses(2);
        let config = Config {
            secret,
            ..place(0, &addresses)
        };
        let mesh = Mesh::new(config, Obedient::default(), NoLog).unwrap();
        Self {
            address: addresses[0],
            peer: None,
            handle: mesh.handle(),
            thread: Builder::new().spawn(move || mesh.run()).unwrap(),
        }
    }

    /// It runs.
    fn started() -> Self {
        let mut machine = Self::waiting(None);
        let mut peer = Peer::connect(machine.address);
        peer.join(&hello(1, 2));
        peer.say(&Control::Ready);
        assert_eq!(peer.frame().map(|(kind, _)| kind), Some(kind::READY));
        machine.peer = Some(peer);
        // It has started when it has read our ready, too.
        let mut controller = machine.controller();
        while ask(&mut controller, "status").is_err() {}
        machine
    }

    fn end(self) {
        self.handle.stop(Reason::Interrupted);
        if let Some(mut peer) = self.peer {
            peer.say(&goodbye(1, Reason::Interrupted));
            self.thread.join().unwrap().unwrap();
        }
    }

    fn target(&self) -> Target {
        Target {
            address: self.address,
            machine: Some(MachineId(0)),
            run: None,
        }
    }

    fn controller(&self) -> Controller {
        Controller::connect(&self.target(), None).unwrap()
    }
}

/// What is changed in a hello, and the code that it is refused with.
type Change<'a> = (&'a dyn Fn(&mut Hello), ErrorCode);

/// A controller's hello to machine 0.
fn controller_hello() -> Hello {
    Hello::of_controller(Some(MachineId(0)), None, Trust::Open)
}

fn answer(peer: &mut Peer) -> (bool, String) {
    let (kind, body) = peer.frame().expect("an answer");
    match Control::decode(kind, &body) {
        Ok(Control::Answer { accepted, text }) => (accepted, text),
        other => panic!("kind {kind:#04x}: {other:?}"),
    }
}

fn ask(controller: &mut Controller, command: &str) -> Result<String, String> {
    match controller.ask(&command.parse().unwrap()) {
        Ok(text) => Ok(text),
        Err(ControlError::NotAccepted { text, .. }) => Err(text),
        Err(error) => panic!("{command}: {error}"),
    }
}

fn status(controller: &mut Controller) -> Status {
    serde_json::from_str(&ask(controller, "status").unwrap()).unwrap()
}

#[test]
fn commands_are_carried_out_and_answered() {
    let machine = Machine::started();
    let mut controller = machine.controller();
    assert_eq!(controller.machine(), Some(MachineId(0)));
    assert_eq!(controller.run().unwrap().as_str(), "proposal-0");
    let refused = ask(&mut controller, "step 3").unwrap_err();
    assert!(refused.contains("not paused"), "{refused}");
    assert_eq!(ask(&mut controller, "pause").unwrap(), "paused at tick 0");
    assert!(ask(&mut controller, "pause").unwrap().contains("already"));
    assert_eq!(
        ask(&mut controller, "step 3").unwrap(),
        "3 done, paused at tick 3"
    );
    let seen = status(&mut controller);
    assert_eq!((seen.tick, seen.clock, seen.paused), (3, 30, true));
    assert_eq!((seen.machine, seen.machines, seen.incarnation), (0, 2, 1));
    assert_eq!(
        (seen.process, seen.run.as_str()),
        (std::process::id(), "proposal-0")
    );
    assert_eq!(ask(&mut controller, "resume").unwrap(), "goes on from tick 3");
    assert!(!status(&mut controller).paused);
    assert!(status(&mut controller).elapsed_us >= seen.elapsed_us);
    let refused = ask(&mut controller, "fault 1 partition 0 / 5").unwrap_err();
    assert!(refused.contains("there is no machine 5"), "{refused}");
    machine.end();
}

#[test]
fn faults_are_begun_listed_and_ended() {
    let machine = Machine::started();
    let mut controller = machine.controller();
    ask(&mut controller, "fault 7 loss 0 to 1 30%").unwrap();
    ask(&mut controller, "fault 8 partition all hold for 1h").unwrap();
    // By whoever writes commands without reading ours.
    let mut peer = Peer::connect(machine.address);
    peer.join(&controller_hello());
    for fault in [
        "pause 0",
        "pause 0 for 0s",
        "jump 0 5 for 5s",
        "restart 0 for 5s",
        "rate 0 5 for 0s",
    ] {
        peer.say(&Control::Command(format!("fault 9 {fault}")));
        let (accepted, text) = answer(&mut peer);
        assert!(!accepted && text.contains("`for`"), "{fault}: {text}");
    }
    let refused = ask(&mut controller, "fault 7 partition all").unwrap_err();
    assert!(refused.contains("up to 8 are taken"), "{refused}");
    for (command, part) in [
        ("fault 9 loss 1 to 0 30%", "nothing for machine 0"),
        ("fault 9 kill 1", "nothing for machine 0"),
        ("fault 9 kill 2", "no machine 2"),
    ] {
        let refused = ask(&mut controller, command).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    }
    let on = status(&mut controller).faults;
    let numbers: Vec<u32> = on.iter().map(|(id, _)| *id).collect();
    assert_eq!(numbers, [7, 8]);
    assert!(on[0].1.contains("loss 0 to 1 30%"), "{on:?}");
    assert_eq!(ask(&mut controller, "mend 7").unwrap(), "1 fault ended");
    assert!(ask(&mut controller, "mend 7").unwrap_err().contains("no fault 7"));
    ask(&mut controller, "mend all").unwrap();
    assert!(status(&mut controller).faults.is_empty());
    machine.end();
}

#[test]
fn a_status_with_many_faults_fits_an_answer() {
    let machine = Machine::started();
    let mut controller = machine.controller();
    for id in 1..=200 {
        ask(&mut controller, &format!("fault {id} loss 0 to 1 30%")).unwrap();
    }
    let faults = status(&mut controller).faults;
    let (_, last) = faults.last().unwrap();
    assert_eq!(*last, format!("and {} more", 200 - faults.len() + 1));
    machine.end();
}

#[test]
fn commands_that_follow_each_other_are_answered_in_order() {
    const COMMANDS: u64 = 20_000;
    let machine = Machine::started();
    let mut peer = Peer::connect(machine.address);
    peer.join(&controller_hello());
    peer.say(&Control::Command("pause".to_owned()));
    assert!(answer(&mut peer).0);
    // So many that the answers, which nobody reads meanwhile, fill every buffer on the way.
    let mut stream = peer.stream.try_clone().unwrap();
    let writer = Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        for _ in 0..COMMANDS {
            Control::Command("step".to_owned()).encode(&mut bytes);
        }
        stream.write_all(&bytes).unwrap();
    });
    // Another one is served all the while.
    assert!(status(&mut machine.controller()).paused);
    for tick in 1..=COMMANDS {
        let expected = format!("1 done, paused at tick {tick}");
        assert_eq!(answer(&mut peer), (true, expected));
    }
    writer.unwrap().join().unwrap();
    machine.end();
}

#[test]
fn nothing_is_accepted_before_the_start_and_at_the_end() {
    let machine = Machine::waiting(None);
    let refused = ask(&mut machine.controller(), "pause").unwrap_err();
    assert!(refused.contains("has not started"), "{refused}");
    machine.end();

    let machine = Machine::started();
    let mut controller = machine.controller();
    machine.handle.stop(Reason::Interrupted);
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        match ask(&mut controller, "pause") {
            Err(text) => break assert!(text.contains("is stopping"), "{text}"),
            Ok(_) => assert!(Instant::now() < until, "it does not stop"),
        }
    }
    machine.end();
}

#[test]
fn hellos_that_are_none_of_a_controller_are_refused() {
    let machine = Machine::started();
    let changes: [Change; 5] = [
        (&|hello| hello.system = 255, ErrorCode::WrongSystem),
        (&|hello| hello.machines = 2, ErrorCode::WrongMachines),
        (&|hello| hello.receiver = MachineId(1), ErrorCode::WrongReceiver),
        (&|hello| hello.standing = Standing::Given, ErrorCode::WrongRun),
        (
            &|hello| hello.trust = Trust::Secret { nonce: [1; 32] },
            ErrorCode::NotAuthenticated,
        ),
    ];
    for (change, code) in changes {
        let mut hello = controller_hello();
        change(&mut hello);
        let mut peer = Peer::connect(machine.address);
        peer.hello(&hello);
        assert_eq!(peer.error().0, code);
    }
    machine.end();
}

#[test]
fn other_frames_end_a_control_connection() {
    let machine = Machine::started();
    let frame = |kind: u8, body: &[u8]| {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, kind, |output| output.extend_from_slice(body));
        bytes
    };
    for (bytes, code) in [
        (frame(kind::READY, &[]), ErrorCode::UnexpectedFrame),
        (frame(kind::ANSWER, b"\x01yes"), ErrorCode::UnexpectedFrame),
        (frame(kind::HELLO, b"CLKL"), ErrorCode::UnexpectedFrame),
        (frame(0x10, &[1; 9]), ErrorCode::UnknownKind),
        (frame(kind::COMMAND, &[0xFF, 0xFE]), ErrorCode::Malformed),
        (
            frame(kind::COMMAND, &[b'x'; COMMAND_BYTES_MAX + 1]),
            ErrorCode::Malformed,
        ),
        (vec![0, 0, 2, 1], ErrorCode::FrameTooLong),
        (vec![0, 0, 0, 0], ErrorCode::FrameTooLong),
    ] {
        let mut peer = Peer::connect(machine.address);
        peer.join(&controller_hello());
        // What is no command is answered and ends nothing.
        peer.say(&Control::Command("halt".to_owned()));
        assert!(!answer(&mut peer).0);
        peer.send(&bytes);
        assert_eq!(peer.error().0, code, "{bytes:?}");
    }
    machine.end();
}

#[test]
fn one_controller_too_many_is_told_busy() {
    let machine = Machine::started();
    let all: Vec<Controller> = (0..COMMANDERS_MAX).map(|_| machine.controller()).collect();
    let refused = Controller::connect(&machine.target(), None).unwrap_err();
    assert!(
        matches!(&refused, ControlError::Refused { refusal, .. } if refusal.code == ErrorCode::Busy),
        "{refused}"
    );
    drop(all);
    // Places of those who left are free again.
    let until = Instant::now() + Duration::from_secs(5);
    while Controller::connect(&machine.target(), None).is_err() {
        assert!(Instant::now() < until);
    }
    machine.end();
}

#[test]
fn only_who_knows_the_secret_gives_commands() {
    let secret = |text: &str| Secret::new(&text.repeat(8)).unwrap();
    let machine = Machine::waiting(Some(secret("true")));
    let target = machine.target();
    let mut trusted = Controller::connect(&target, Some(&secret("true"))).unwrap();
    assert!(ask(&mut trusted, "status").is_err(), "not started, but heard");
    for wrong in [None, Some(secret("fake"))] {
        let error = Controller::connect(&target, wrong.as_ref()).unwrap_err();
        assert!(matches!(error, ControlError::NotTrusted { .. }), "{error}");
        assert!(error.to_string().contains("--secret-file"), "{error}");
    }
    // A command in place of the proof is not heard.
    let mut peer = Peer::connect(machine.address);
    let trust = Trust::Secret { nonce: [1; 32] };
    peer.join(&Hello::of_controller(None, None, trust));
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(kind::PROOF));
    peer.say(&Control::Command("pause".to_owned()));
    assert_eq!(peer.error().0, ErrorCode::UnexpectedFrame);
    machine.end();
}

/// A folder with a run.json that names these addresses.
fn folder_of(run: &str, addresses: &[SocketAddr]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let text = serde_json::json!({ "run": run, "addresses": addresses }).to_string();
    fs::write(folder.path().join("run.json"), text).unwrap();
    folder
}

#[test]
fn a_whole_run_is_asked_at_once_and_the_silent_hold_up_nobody() {
    let machine = Machine::started();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free_addresses(1)[0];
    let addresses = [machine.address, silent.local_addr().unwrap(), nobody];
    let folder = folder_of("proposal-0", &addresses);
    let mut controllers = Controllers::of_run(folder.path(), None).unwrap();
    controllers.set_patience(Duration::from_millis(300));
    let before = Instant::now();
    let said = controllers.ask(None, &Command::Pause);
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(said[0].1.as_ref().unwrap(), "paused at tick 0");
    assert!(matches!(said[1].1, Err(ControlError::Silent { .. })), "{said:?}");
    assert!(
        matches!(said[2].1, Err(ControlError::Unreachable { .. })),
        "{said:?}"
    );
    // The connection that serves is kept.
    let again = controllers.ask(Some(MachineId(0)), &Command::Step { ticks: 2 });
    assert_eq!(again[0].1.as_ref().unwrap(), "2 done, paused at tick 2");
    let beyond = controllers.ask(Some(MachineId(3)), &Command::Pause);
    assert!(matches!(beyond[0].1, Err(ControlError::NoMachine { .. })));
    machine.end();
}

#[test]
fn faults_that_are_begun_at_once_have_a_number_each() {
    let machine = Machine::started();
    let folder = folder_of("proposal-0", &[machine.address]);
    let breakers: Vec<JoinHandle<Vec<u32>>> = (0..3)
        .map(|_| {
            let mut controllers = Controllers::of_run(folder.path(), None).unwrap();
            let fault: Fault = "jump 0 5".parse().unwrap();
            let inject = move || {
                let injected = (0..10).map(|_| controllers.inject(&fault, None));
                let judged = injected.map(|injected| {
                    assert!(injected.said[0].1.is_ok(), "{injected:?}");
                    injected.id
                });
                judged.collect()
            };
            Builder::new().spawn(inject).unwrap()
        })
        .collect();
    let numbers = breakers.into_iter().flat_map(|breaker| breaker.join().unwrap());
    let numbers: Vec<u32> = numbers.collect();
    let greatest = *numbers.iter().max().unwrap();
    let distinct: BTreeSet<u32> = numbers.into_iter().collect();
    assert_eq!(distinct.len(), 30, "{distinct:?}");
    let mut controller = machine.controller();
    assert_eq!(status(&mut controller).fault_id_max, greatest);
    // A jump is over at once, and its number is its own all the same.
    let refused = ask(&mut controller, &format!("fault {greatest} loss all 1%")).unwrap_err();
    assert!(refused.contains("are taken"), "{refused}");
    machine.end();
}

#[test]
fn a_further_life_knows_where_its_log_ends() {
    let addresses = free_addresses(1);
    let config = Config {
        incarnation: 2,
        standing: Standing::Given,
        log_end: Some(LogEnd {
            at: WallTime(0),
            tick: 12,
            clock: 17,
            fault_id_max: 1042,
        }),
        ..place(0, &addresses)
    };
    let node = Obedient {
        tick: 12,
        paused: false,
    };
    let mesh = Mesh::new(config, node, NoLog).unwrap();
    let handle = mesh.handle();
    let thread = Builder::new().spawn(move || mesh.run()).unwrap();
    let target = Target {
        address: addresses[0],
        machine: Some(MachineId(0)),
        run: None,
    };
    let mut controller = Controller::connect(&target, None).unwrap();
    while ask(&mut controller, "pause").is_err() {}
    let seen = status(&mut controller);
    assert_eq!((seen.tick, seen.clock, seen.fault_id_max), (12, 17, 1042));
    assert_eq!(ask(&mut controller, "step").unwrap(), "1 done, paused at tick 13");
    let refused = ask(&mut controller, "fault 1042 loss all 1%").unwrap_err();
    assert!(refused.contains("up to 1042 are taken"), "{refused}");
    handle.stop(Reason::Interrupted);
    thread.join().unwrap().unwrap();
}

#[test]
fn another_run_on_the_same_port_is_not_commanded() {
    let machine = Machine::started();
    let folder = folder_of("an-old-run", &[machine.address]);
    let mut controllers = Controllers::of_run(folder.path(), None).unwrap();
    let said = controllers.ask(None, &Command::Pause);
    let error = said[0].1.as_ref().unwrap_err();
    assert!(
        matches!(error, ControlError::Refused { refusal, .. } if refusal.code == ErrorCode::WrongRun),
        "{error}"
    );
    assert!(!status(&mut machine.controller()).paused);
    machine.end();
}

#[test]
fn a_folder_that_has_nobody_to_ask_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let error = Controllers::of_run(empty.path(), None).unwrap_err();
    assert!(matches!(error, RunError::Read { .. }), "{error}");
    let simulated = folder_of("sim-1", &[]);
    let error = Controllers::of_run(simulated.path(), None).unwrap_err();
    assert!(matches!(error, RunError::Simulated { .. }), "{error}");
    fs::write(simulated.path().join("run.json"), "{}").unwrap();
    let error = Controllers::of_run(simulated.path(), None).unwrap_err();
    assert!(error.to_string().contains("run.json"), "{error}");
}

#[test]
fn a_secret_file_is_private_and_long() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let write = |text: &[u8], mode: u32| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        SecretFile::read(&file)
    };
    let text = new_secret().unwrap();
    assert_eq!(text.len(), 64);
    assert_ne!(text, new_secret().unwrap());
    for mode in [0o600, 0o400] {
        let read = write(format!("{text}\n").as_bytes(), mode).unwrap();
        assert_eq!(read.secret, Secret::new(&text).unwrap());
        fs::remove_file(&file).unwrap();
    }
    for mode in [0o640, 0o604, 0o602, 0o660, 0o610] {
        let error = write(text.as_bytes(), mode).unwrap_err();
        assert!(matches!(error, SecretFileError::Open { .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    let error = write(b"short", 0o600).unwrap_err();
    assert!(matches!(error, SecretFileError::Short { .. }), "{error}");
    for wrong in [&[0xFF; 64][..], &[b'x'; 5000]] {
        let error = write(wrong, 0o600).unwrap_err();
        assert!(matches!(error, SecretFileError::NoText { .. }), "{error}");
    }
    let error = SecretFile::read(&folder.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("clocklab secret"), "{error}");
}

fn output(folder: &Path, words: &str) -> Output {
    program(folder, words).output().unwrap()
}

/// Standard output and standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A launcher that does not outlive its test, nor do its machines.
struct Launcher(Child);

impl Drop for Launcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cuts a cable and mends it; gives the number of that fault.
#[track_caller]
fn broken_and_mended(folder: &Path) -> String {
    let fault = output(folder, "fault partition 0,1 / 2 --for 1h");
    let words = said(&fault);
    assert_eq!(fault.status.code(), Some(0), "{words}");
    assert_eq!(words.matches("is on: partition 0,1 / 2").count(), 3, "{words}");
    let (_, id) = words.split_once("clocklab fault mend ").unwrap();
    let id = id.split('`').next().unwrap();
    assert!(said(&output(folder, "control status")).contains(&format!("{id}: partition 0,1 / 2")));
    let mended = output(folder, &format!("fault mend {id}"));
    assert_eq!(mended.status.code(), Some(0), "{}", said(&mended));
    let again = output(folder, &format!("fault mend {id}"));
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(
        said(&again).contains(&format!("there is no fault {id}: none is on")),
        "{}",
        said(&again)
    );
    // Of one direction only the sender is asked.
    let words = said(&output(folder, "fault loss 0 to 1 30% --run logs/latest"));
    assert!(
        words.contains("machine 0:") && !words.contains("machine 1:"),
        "{words}"
    );
    id.to_owned()
}

/// That a run which is over says so once, and not once a machine.
#[track_caller]
fn says_that_it_is_over(folder: &Path) {
    let ended = output(folder, "control status");
    assert_eq!(ended.status.code(), Some(3));
    let words = said(&ended);
    assert!(
        words.lines().count() == 1 && words.contains(" s (interrupted"),
        "{words}"
    );
    let broken = output(folder, "fault loss all 10%");
    assert!(
        said(&broken).contains(": nobody is there to ask"),
        "{}",
        said(&broken)
    );
}

#[test]
fn a_running_run_is_asked_and_broken_from_another_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(output(folder, "secret").status.success());
    let base = free_base_port(3);
    let run = format!("run --base-port {base} --duration 60s --rates 50,40,30 --secret-file clocklab.secret");
    let mut launcher = Launcher(program(folder, &run).spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    // The run's own file says where the secret is.
    let status = loop {
        let status = output(folder, "control status --json");
        if status.status.success() {
            break status;
        }
        assert!(Instant::now() < until, "{}", said(&status));
    };
    let answers: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(answers.as_array().map(Vec::len), Some(3));
    assert_eq!(answers[2]["status"]["machine"], 2);

    let id = broken_and_mended(folder);

    let other = output(folder, "secret --output other.secret");
    assert!(other.status.success());
    let refused = output(folder, "control status --secret-file other.secret");
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        said(&refused).contains("do not have the same secret"),
        "{}",
        said(&refused)
    );
    for (words, part) in [
        ("control status --machine 3", "there is no machine 3"),
        ("control status logs/none", "logs/none/run.json"),
        ("control logs/latest", "is no action"),
        ("control pause --ticks 3", "--ticks"),
        ("fault kill 3", "there is no machine 3"),
        ("fault flood 1", "is no fault"),
        ("fault pause 1", "add `for`"),
        ("fault pause 1 --for 0s", "longer than 0s"),
        ("fault kill 1 --run logs/none", "run.json"),
    ] {
        let refused = output(folder, words);
        assert_eq!(refused.status.code(), Some(2), "{words}: {}", said(&refused));
        assert!(said(&refused).contains(part), "{words}: {}", said(&refused));
    }
    // The logs name what was done.
    let log = fs::read_to_string(folder.join("logs/latest/machine-2.log")).unwrap();
    assert!(log.contains(&format!(" id={id} kind=partition to=0,1")), "{log}");

    interrupt(&launcher.0);
    assert!(launcher.0.wait().unwrap().success());
    says_that_it_is_over(folder);
    // The secret itself stands nowhere but in its file.
    let secret = fs::read_to_string(folder.join("clocklab.secret")).unwrap();
    for entry in fs::read_dir(folder.join("logs/latest")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(secret.trim()));
    }
}

/// The status of each machine, once that is so.
fn statuses_when(folder: &Path, is_so: impl Fn(&[Status]) -> bool) -> Vec<Status> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let asked = output(folder, "control status --json");
        let answers: Vec<serde_json::Value> = serde_json::from_slice(&asked.stdout).unwrap_or_default();
        let statuses: Vec<Status> = answers
            .into_iter()
            .filter_map(|mut answer| serde_json::from_value(answer["status"].take()).ok())
            .collect();
        if is_so(&statuses) {
            return statuses;
        }
        assert!(Instant::now() < until, "{statuses:?}: {}", said(&asked));
    }
}

#[test]
fn a_machine_that_was_started_again_counts_on_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let run = format!("run --base-port {base} --duration 60s --rates 50,40 --on-peer-loss continue");
    let mut launcher = Launcher(program(folder, &run).spawn().unwrap());
    statuses_when(folder, |all| {
        all.len() == 2 && all.iter().all(|status| status.tick > 3)
    });
    assert!(output(folder, "control pause").status.success());
    let before = statuses_when(folder, |all| all.len() == 2);
    assert!(output(folder, "fault restart 1").status.success());
    let again = |all: &[Status]| {
        all.iter()
            .any(|status| status.machine == 1 && status.incarnation == 2)
    };
    let after = statuses_when(folder, again).pop().unwrap();
    assert!(after.paused);
    assert_eq!((after.tick, after.clock), (before[1].tick, before[1].clock));
    assert!(after.fault_id_max >= 1000, "{after:?}");
    let step = output(folder, "control step --machine 1");
    assert!(step.status.success(), "{}", said(&step));
    let again = output(folder, "fault mend 77");
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(output(folder, "fault kill 0").status.success());
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let status = said(&output(folder, "control status"));
        let row = status.lines().find(|line| line.trim_start().starts_with("0 "));
        if row.is_some_and(|row| row.ends_with(" killed")) {
            assert!(!status.contains("the run has ended"), "{status}");
            break;
        }
        assert!(Instant::now() < until, "{status}");
    }
    let counted = format!("1 done, paused at tick {}", after.tick + 1);
    assert!(said(&step).contains(&counted), "{}", said(&step));
    interrupt(&launcher.0);
    assert!(launcher.0.wait().unwrap().success());
}

#[test]
fn a_run_that_would_not_survive_it_refuses_to_lose_a_machine() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let run = format!("run --base-port {base} --duration 60s --rates 50,40");
    let mut launcher = Launcher(program(folder, &run).spawn().unwrap());
    statuses_when(folder, |all| all.len() == 2);
    for words in ["fault restart 1", "fault kill 1 --for 1s", "fault kill 1"] {
        let refused = output(folder, words);
        assert_eq!(refused.status.code(), Some(3), "{words}: {}", said(&refused));
        let text = said(&refused);
        assert!(
            text.contains("start it with --on-peer-loss continue"),
            "{words}: {text}"
        );
        assert!(text.contains("did not begin"), "{words}: {text}");
    }
    assert!(
        output(folder, "fault pause 1 --for 100ms").status.success(),
        "who stands still is not lost"
    );
    assert_eq!(statuses_when(folder, |all| all.len() == 2).len(), 2);
    interrupt(&launcher.0);
    assert!(launcher.0.wait().unwrap().success());
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let status = Process::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_secret_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clocklab.secret");
    let made = output(folder.path(), "secret");
    assert!(
        said(&made).contains("--secret-file clocklab.secret"),
        "{}",
        said(&made)
    );
    let first = fs::read_to_string(&file).unwrap();
    assert!(!said(&made).contains(first.trim()), "it is not shown");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = output(folder.path(), "secret");
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    assert!(output(folder.path(), "secret --force").status.success());
    assert_ne!(fs::read_to_string(&file).unwrap(), first);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_secret_file_that_is_none_is_named_with_its_option() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        "control status",
        "fault mend all",
        "watch",
        "watch --web",
        "walkthrough demo.toml",
    ] {
        let refused = output(folder.path(), &format!("{words} --secret-file nowhere"));
        assert_eq!(refused.status.code(), Some(2), "{words}: {}", said(&refused));
        assert!(
            said(&refused).contains("--secret-file: the secret file nowhere"),
            "{words}: {}",
            said(&refused)
        );
    }
}

#[test]
fn a_run_that_others_can_reach_needs_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("hosts.txt"),
        "0 127.0.0.1:17100\n1 192.0.2.1:17100\n",
    )
    .unwrap();
    for words in [
        "run --bind 0.0.0.0",
        "machine --id 0 --bind ::",
        "run --hosts hosts.txt",
        "machine --id 0 --hosts hosts.txt",
    ] {
        let refused = output(folder.path(), words);
        let text = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{words}: {text}");
        for part in ["clocklab secret", "--secret-file", "other computers"] {
            assert!(text.contains(part), "{words}: {text}");
        }
        assert!(!folder.path().join("logs").exists(), "nothing was begun");
    }
    let open = folder.path().join("open");
    fs::write(&open, "x".repeat(64)).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = output(folder.path(), "run --bind 0.0.0.0 --secret-file open");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("chmod 600"), "{}", said(&refused));
}

/// The addresses of loopback that Linux has without being asked; elsewhere there is one.
#[test]
#[cfg(target_os = "linux")]
fn a_mesh_lives_on_several_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_base_port(1);
    let hosts: String = (0..3)
        .map(|id| format!("{id} 127.0.0.{}:{port}\n", id + 1))
        .collect();
    fs::write(folder.path().join("hosts.txt"), hosts).unwrap();
    let run = output(
        folder.path(),
        "run --hosts hosts.txt --rates 60,40,20 --duration 1s",
    );
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert!(said(&run).contains("valid"), "{}", said(&run));
    let file: PathBuf = folder.path().join("logs/latest/run.json");
    assert!(fs::read_to_string(file).unwrap().contains("127.0.0.3"));
}
