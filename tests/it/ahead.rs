//! The log goes ahead of everything that others can see: what it could not write was never said.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use clocklab::{
    clock::{ClockKind, Timestamp},
    mesh::{Config, EventLog, LogError, Mesh, MeshError, Outcome},
    model::{self, Machine, Phase, Stamp},
    trace::{Record, Traffic, WallTime},
    units::MachineId,
    wire::{Control, Hello, Message, Reason, RunId, Trust, kind},
};

use crate::support::{Peer, free_addresses, hello, place};

/// A log on a disk with room for so many events. What the machine may speak of is counted in `settled`.
#[derive(Debug)]
struct Full {
    room: u64,
    last_clock: u64,
    settled: Arc<AtomicU64>,
}

impl Full {
    fn keep(&self) -> Result<(), LogError> {
        if self.last_clock > self.room {
            return Err(LogError::Write {
                path: "full/machine-0.log".into(),
                error: io::ErrorKind::StorageFull.into(),
            });
        }
        self.settled.store(self.last_clock, Ordering::SeqCst);
        Ok(())
    }
}

impl EventLog for Full {
    fn open(&mut self, _run: &RunId, _started: WallTime) -> Result<(), LogError> {
        Ok(())
    }

    fn record(&mut self, _at: WallTime, record: &Record) {
        if let Record::Event(event) = record {
            self.last_clock = event.clock;
        }
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.keep()
    }

    fn settle(&mut self) -> Result<(), LogError> {
        self.keep()
    }

    fn close(&mut self) -> Result<(), LogError> {
        self.keep()
    }
}

/// Machine 0 of 2 on a disk that fills, and machine 1 as a plain socket. Nothing is received, so clocks count events.
struct Filling {
    address: SocketAddr,
    peer: Peer,
    settled: Arc<AtomicU64>,
    thread: JoinHandle<Result<(Outcome, Machine), MeshError>>,
}

impl Filling {
    fn start(room: u64, rate: u32, speed: &str) -> Self {
        let addresses = free_addresses(2);
        let model = model::Config {
            me: MachineId(0),
            machines: 2,
            rate,
            speed: speed.parse().unwrap(),
            draw: 3,
            traffic: Traffic::Assignment,
            phase: Phase::Aligned,
            clock: ClockKind::Lamport,
            seed: 1,
        };
        let settled = Arc::new(AtomicU64::new(0));
        let log = Full {
            room,
            last_clock: 0,
            settled: Arc::clone(&settled),
        };
        let config: Config = place(0, &addresses);
        let mesh = Mesh::new(config, Machine::new(model), log).unwrap();
        let thread = Builder::new().spawn(move || mesh.run()).unwrap();
        let mut peer = Peer::connect(addresses[0]);
        peer.join(&Hello {
            system: Stamp::SYSTEM,
            ..hello(1, 2)
        });
        peer.say(&Control::Ready);
        assert_eq!(peer.frame().map(|(kind, _)| kind), Some(kind::READY));
        Self {
            address: addresses[0],
            peer,
            settled,
            thread,
        }
    }

    /// The clocks of the messages that come until goodbye, which says that the log failed.
    fn heard_to_the_end(&mut self) -> Vec<u64> {
        let mut clocks = Vec::new();
        while let Some((kind, body)) = self.peer.frame() {
            if let Ok(Stamp(Timestamp::Lamport(clock))) = Stamp::decode(kind, &body) {
                clocks.push(clock);
                continue;
            }
            let Ok(Control::Goodbye { reason, .. }) = Control::decode(kind, &body) else {
                panic!("kind {kind:#04x}");
            };
            assert_eq!(reason, Reason::LogFailed);
            assert_eq!(self.peer.frame(), None, "nothing follows goodbye");
            return clocks;
        }
        panic!("the connection ended without goodbye");
    }

    fn ended(self) -> MeshError {
        self.thread.join().unwrap().expect_err("its log failed")
    }
}

#[test]
fn a_message_whose_event_could_not_be_written_never_leaves() {
    for room in [1, 7, 40] {
        let mut machine = Filling::start(room, 1000, "1");
        let clocks = machine.heard_to_the_end();
        assert!(
            clocks.iter().all(|clock| *clock <= room),
            "room {room}: {clocks:?}"
        );
        let error = machine.ended();
        assert!(
            matches!(&error, MeshError::Log(error) if error.to_string().contains("full/machine-0.log")),
            "{error}"
        );
    }
}

/// A controller of machine 0 as a plain socket.
fn controller(address: SocketAddr) -> Peer {
    let mut controller = Peer::connect(address);
    controller.join(&Hello::of_controller(Some(MachineId(0)), None, Trust::Open));
    controller
}

fn answer(controller: &mut Peer) -> Option<String> {
    let (kind, body) = controller.frame()?;
    match Control::decode(kind, &body) {
        Ok(Control::Answer { text, .. }) => Some(text),
        other => panic!("kind {kind:#04x}: {other:?}"),
    }
}

fn command(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    Control::Command(text.to_owned()).encode(&mut frame);
    frame
}

#[test]
fn what_is_answered_is_in_the_log() {
    // Every 1000 seconds a tick, but for the steps.
    let mut machine = Filling::start(4, 1, "0.001");
    let mut controller = controller(machine.address);
    while !answer_to(&mut controller, "pause").contains("paused at") {}
    let before = machine.settled.load(Ordering::SeqCst);
    assert!(before <= 1, "it has hardly begun");
    let mut several = command("step 1");
    several.extend(command("step 1"));
    controller.send(&several);
    for tick in before + 1..=before + 2 {
        let said = answer(&mut controller).unwrap();
        assert!(said.contains(&format!("paused at tick {tick}")), "{said}");
        assert!(
            machine.settled.load(Ordering::SeqCst) >= tick,
            "step {tick} is answered, and not in the log"
        );
    }
    controller.send(
        &[
            command("step 5"),
            command("status"),
            command("fault 3 pause 0 for 1h"),
        ]
        .concat(),
    );
    assert_eq!(answer(&mut controller), None, "no word of what is not in the log");
    machine.heard_to_the_end();
    assert!(matches!(machine.ended(), MeshError::Log(_)));
}

fn answer_to(controller: &mut Peer, text: &str) -> String {
    controller.send(&command(text));
    answer(controller).unwrap()
}
