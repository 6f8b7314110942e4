//! The mio driver on real sockets: the link contract, the barrier, the shutdown, and strangers.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
    time::Duration,
};

use clocklab::{
    mesh::{Config, Handle, LogEnd, Mesh, MeshError, NoLog, OnPeerLoss, Outcome},
    node::{DownCause, Input},
    units::MachineId,
    wire::{Control, ErrorCode, Reason, Standing},
};

use crate::support::{Number, Peer, Teller, free_addresses, goodbye, hello, place};

const WAIT: Duration = Duration::from_secs(20);

/// A mesh in a thread of this process.
pub(crate) struct Running {
    pub(crate) heard: Receiver<Input<Number>>,
    pub(crate) handle: Handle,
    thread: JoinHandle<Result<(Outcome, Teller), MeshError>>,
}

impl Running {
    pub(crate) fn start(config: Config, numbers: u64) -> Self {
        let (tell, heard) = channel();
        let node = Teller::new(config.me.0, config.machines(), numbers, tell);
        let mesh = Mesh::new(config, node, NoLog).unwrap();
        let handle = mesh.handle();
        Self {
            heard,
            handle,
            thread: std::thread::Builder::new().spawn(move || mesh.run()).unwrap(),
        }
    }

    /// The next input that `wanted` accepts; those before it are passed over.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Input<Number>) -> bool) -> Input<Number> {
        loop {
            let input = self.heard.recv_timeout(WAIT).expect("the input should come");
            if wanted(&input) {
                return input;
            }
        }
    }

    pub(crate) fn end(self) -> Result<Outcome, MeshError> {
        self.thread.join().unwrap().map(|(outcome, _)| outcome)
    }
}

fn start_all(addresses: &[SocketAddr], numbers: u64) -> Vec<Running> {
    (0..u16::try_from(addresses.len()).unwrap())
        .map(|me| Running::start(place(me, addresses), numbers))
        .collect()
}

#[test]
fn messages_arrive_whole_once_and_in_order() {
    const NUMBERS: u64 = 3000;
    let addresses = free_addresses(3);
    let meshes = start_all(&addresses, NUMBERS);
    for (me, mesh) in meshes.iter().enumerate() {
        let mut next: BTreeMap<MachineId, u64> = MachineId(u16::try_from(me).unwrap())
            .peers(3)
            .map(|peer| (peer, 0))
            .collect();
        while next.values().any(|number| *number < NUMBERS) {
            if let Input::Message { from, message } =
                mesh.wait_for(|input| matches!(input, Input::Message { .. }))
            {
                let expected = next.get_mut(&from).expect("a peer");
                assert_eq!(message, Number(*expected), "machine {me} from {from}");
                *expected += 1;
            }
        }
    }
    meshes[1].handle.stop(Reason::Interrupted);
    let outcomes: Vec<Outcome> = meshes.into_iter().map(|mesh| mesh.end().unwrap()).collect();
    assert_eq!(
        (outcomes[1].reason, outcomes[1].peer),
        (Reason::Interrupted, None)
    );
    for other in [0, 2] {
        assert_eq!(outcomes[other].reason, Reason::PeerStopped, "machine {other}");
    }
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.run.as_str() == "proposal-0"),
        "the smallest machine's proposal"
    );
}

#[test]
fn what_was_sent_before_goodbye_arrives() {
    let addresses = free_addresses(2);
    let meshes = start_all(&addresses, 5000);
    // Stopped in the middle: some numbers are sent, the rest never will be.
    for mesh in &meshes {
        mesh.wait_for(|input| matches!(input, Input::Message { .. }));
    }
    meshes[1].handle.stop(Reason::Terminated);
    let mut ends = Vec::new();
    for mesh in meshes {
        let (outcome, node) = mesh.thread.join().unwrap().unwrap();
        let (mut last, mut down) = (None, None);
        // What `wait_for` has taken above is in front of what is left, so the last number is among these or was 0.
        for input in mesh.heard.try_iter() {
            match input {
                Input::Message { message, .. } => last = Some(message.0),
                Input::LinkDown { cause, .. } => down = Some(cause),
                _ => {}
            }
        }
        assert_eq!(down, Some(DownCause::Goodbye));
        ends.push((outcome.reason, node.next, last.unwrap_or(0)));
    }
    let [
        (first_reason, first_sent, first_heard),
        (second_reason, second_sent, second_heard),
    ] = ends[..]
    else {
        panic!("two machines")
    };
    assert_eq!(
        (first_reason, second_reason),
        (Reason::PeerStopped, Reason::Terminated)
    );
    assert_eq!(first_heard + 1, second_sent, "everything that machine 1 sent");
    assert_eq!(second_heard + 1, first_sent, "everything that machine 0 sent");
}

#[test]
fn nobody_starts_before_everybody_is_connected() {
    let addresses = free_addresses(3);
    let first = Running::start(place(0, &addresses), 1);
    let second = Running::start(place(1, &addresses), 1);
    // Two of three are linked within a blink; neither may start.
    assert!(first.heard.recv_timeout(Duration::from_millis(600)).is_err());
    assert!(second.heard.try_recv().is_err());
    let third = Running::start(place(2, &addresses), 1);
    for mesh in [&first, &second, &third] {
        mesh.wait_for(|input| matches!(input, Input::Start { .. }));
    }
    first.handle.stop(Reason::Interrupted);
    for mesh in [first, second, third] {
        mesh.end().unwrap();
    }
}

#[test]
fn a_given_run_id_is_taken_over_and_two_that_differ_are_refused() {
    let addresses = free_addresses(3);
    let named = |me, name: &str| Config {
        run: name.parse().unwrap(),
        standing: Standing::Given,
        ..place(me, &addresses)
    };
    let meshes = [
        Running::start(place(0, &addresses), 0),
        Running::start(place(1, &addresses), 0),
        Running::start(named(2, "named"), 0),
    ];
    for mesh in &meshes {
        mesh.wait_for(|input| matches!(input, Input::Start { .. }));
    }
    meshes[0].handle.stop(Reason::Interrupted);
    assert!(
        meshes
            .into_iter()
            .all(|mesh| mesh.end().unwrap().run.as_str() == "named")
    );

    let addresses = free_addresses(2);
    let named = |me, name: &str| Config {
        run: name.parse().unwrap(),
        standing: Standing::Given,
        ..place(me, &addresses)
    };
    let first = Running::start(named(0, "one"), 0);
    let second = Running::start(named(1, "other"), 0).end().unwrap_err();
    let text = second.to_string();
    assert!(
        matches!(second, MeshError::Refused { refusal, .. } if refusal.code == ErrorCode::WrongRun),
        "{text}"
    );
    assert!(
        text.contains("`other`") && text.contains("`one`") && text.contains("--run"),
        "{text}"
    );
    first.handle.stop(Reason::Interrupted);
    assert!(matches!(
        first.end(),
        Err(MeshError::StoppedBeforeStart {
            reason: Reason::Interrupted,
            ..
        })
    ));
}

#[test]
fn a_connect_time_out_names_whom_it_waits_for_and_where() {
    let addresses = free_addresses(3);
    let timeout = Duration::from_millis(300);
    let error = Running::start(
        Config {
            connect_timeout: timeout,
            ..place(1, &addresses)
        },
        0,
    )
    .end()
    .unwrap_err()
    .to_string();
    for words in [
        "0.3 s",
        "machine 0 at",
        &addresses[0].to_string(),
        "machine 2 at",
        "refused",
        "--connect-timeout",
    ] {
        assert!(error.contains(words), "{words} is missing in: {error}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let addresses = free_addresses(2);
    let _taken = std::net::TcpListener::bind(addresses[0]).unwrap();
    let (tell, _heard) = channel();
    let error = Mesh::new(place(0, &addresses), Teller::new(0, 2, 0, tell), NoLog)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&addresses[0].to_string()) && error.contains("--base-port"),
        "{error}"
    );
}

#[test]
fn strangers_are_refused_by_the_protocols_error() {
    let addresses = free_addresses(3);
    let here = addresses[0];
    let machine = Running::start(place(0, &addresses), 0);
    let refused = |bytes: &[u8]| {
        let mut peer = Peer::connect(here);
        peer.send(bytes);
        peer.error()
    };
    let refused_hello = |change: &dyn Fn(&mut clocklab::wire::Hello)| {
        let mut wrong = hello(2, 3);
        change(&mut wrong);
        let mut peer = Peer::connect(here);
        peer.hello(&wrong);
        peer.error().0
    };
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\nHost: clocklab\r\n\r\n").0,
        ErrorCode::FrameTooLong
    );
    assert_eq!(refused(&[0, 0, 0, 0]).0, ErrorCode::FrameTooLong);
    assert_eq!(
        refused(&[0, 0, 0, 5, 1, b'N', b'O', b'P', b'E']).0,
        ErrorCode::BadMagic
    );
    assert_eq!(
        refused(&[0, 0, 0, 7, 1, b'C', b'L', b'K', b'L', 0, 1]).0,
        ErrorCode::WrongVersion
    );
    assert_eq!(
        refused(&[0, 0, 0, 8, 1, b'C', b'L', b'K', b'L', 0, 2, 255]).0,
        ErrorCode::Malformed
    );
    assert_eq!(refused(&[0, 0, 0, 1, 2]).0, ErrorCode::UnexpectedFrame);
    assert_eq!(refused_hello(&|hello| hello.system = 1), ErrorCode::WrongSystem);
    assert_eq!(
        refused_hello(&|hello| hello.machines = 4),
        ErrorCode::WrongMachines
    );
    assert_eq!(
        refused_hello(&|hello| hello.receiver = MachineId(1)),
        ErrorCode::WrongReceiver
    );
    assert_eq!(
        refused_hello(&|hello| hello.sender = MachineId(3)),
        ErrorCode::IdOutOfRange
    );
    assert_eq!(
        refused_hello(&|hello| hello.sender = MachineId(0)),
        ErrorCode::IdOutOfRange
    );
    machine.handle.stop(Reason::Interrupted);
    machine.end().unwrap_err();
}

#[test]
fn strangers_cost_a_run_nothing() {
    let addresses = free_addresses(3);
    let here = addresses[0];
    let machine = Running::start(place(0, &addresses), 5);
    // One that says nothing, for as long as the others run.
    let mut silent = Peer::connect(here);
    let mut second = Peer::connect(here);
    second.join(&hello(2, 3));
    let mut twin = Peer::connect(here);
    twin.hello(&hello(2, 3));
    assert_eq!(twin.error().0, ErrorCode::DuplicateMachine);
    let mut first = Peer::connect(here);
    first.join(&hello(1, 3));
    for peer in [&mut first, &mut second] {
        peer.say(&Control::Ready);
    }
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x02), "ready");
        for number in 0..5_u64 {
            assert_eq!(peer.frame().expect("a message").1[..8], number.to_be_bytes());
        }
    }
    let (code, text) = silent.error();
    assert_eq!(code, ErrorCode::HandshakeTimeout, "{text}");
    machine.handle.stop(Reason::Interrupted);
    for peer in [&mut first, &mut second] {
        peer.say(&goodbye(1, Reason::Duration));
    }
    assert_eq!(machine.end().unwrap().reason, Reason::Interrupted);
}

#[test]
fn too_many_strangers_are_told_busy() {
    let addresses = free_addresses(2);
    let machine = Running::start(place(0, &addresses), 0);
    let mut strangers: Vec<Peer> = (0..clocklab::mesh::STRANGERS_MAX)
        .map(|_| Peer::connect(addresses[0]))
        .collect();
    // The last of them is in handshake once it is answered; so are those before it, which connected earlier.
    strangers.last_mut().unwrap().send(&[0, 0, 0, 1]);
    let mut one_more = Peer::connect(addresses[0]);
    assert_eq!(one_more.error().0, ErrorCode::Busy);
    drop(strangers);
    machine.handle.stop(Reason::Interrupted);
    machine.end().unwrap_err();
}

/// Machine 0 of 2, started, with a socket as machine 1.
fn started_pair(on_peer_loss: OnPeerLoss) -> (Running, Peer, SocketAddr) {
    let addresses = free_addresses(2);
    let machine = Running::start(
        Config {
            on_peer_loss,
            ..place(0, &addresses)
        },
        0,
    );
    let mut peer = Peer::connect(addresses[0]);
    peer.join(&hello(1, 2));
    peer.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x02), "ready");
    (machine, peer, addresses[0])
}

#[test]
fn a_lost_peer_stops_the_machine_by_default() {
    let (machine, peer, _) = started_pair(OnPeerLoss::Stop);
    drop(peer);
    machine.wait_for(|input| {
        *input
            == Input::LinkDown {
                peer: MachineId(1),
                cause: DownCause::Lost,
            }
    });
    machine.wait_for(|input| {
        matches!(
            input,
            Input::Stop {
                reason: Reason::PeerLost,
                peer: Some(MachineId(1)),
                ..
            }
        )
    });
    let outcome = machine.end().unwrap();
    assert_eq!(
        (outcome.reason, outcome.peer),
        (Reason::PeerLost, Some(MachineId(1)))
    );
}

#[test]
fn a_lost_peer_may_come_back() {
    let (machine, peer, address) = started_pair(OnPeerLoss::Continue);
    drop(peer);
    machine.wait_for(|input| {
        *input
            == Input::LinkDown {
                peer: MachineId(1),
                cause: DownCause::Lost,
            }
    });
    let mut peer = Peer::connect(address);
    let answer = peer.join(&hello(1, 2));
    assert_eq!(
        (answer.standing, answer.run.as_str()),
        (Standing::Given, "proposal-0"),
        "the run has begun"
    );
    machine.wait_for(|input| {
        *input
            == Input::LinkUp {
                peer: MachineId(1),
                incarnation: 1,
            }
    });
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x02), "ready, at once");
    let mut bytes = Vec::new();
    clocklab::wire::encode_frame(&mut bytes, 0xF1, |body| {
        body.extend_from_slice(&7_u64.to_be_bytes())
    });
    peer.send(&bytes);
    machine.wait_for(|input| {
        *input
            == Input::Message {
                from: MachineId(1),
                message: Number(7),
            }
    });
    peer.say(&goodbye(1, Reason::Interrupted));
    machine.wait_for(|input| {
        *input
            == Input::LinkDown {
                peer: MachineId(1),
                cause: DownCause::Goodbye,
            }
    });
    machine.handle.stop(Reason::Interrupted);
    assert_eq!(machine.end().unwrap().reason, Reason::Interrupted);
}

#[test]
fn a_lost_peer_is_dialled_for_as_long_as_the_run_lasts() {
    let addresses = free_addresses(2);
    let listener = TcpListener::bind(addresses[0]).unwrap();
    let connect_timeout = Duration::from_secs(1);
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        connect_timeout,
        ..place(1, &addresses)
    };
    let machine = Running::start(config, 0);
    let mine = clocklab::wire::Hello {
        receiver: MachineId(1),
        ..hello(0, 2)
    };
    let join = |hello: &clocklab::wire::Hello| {
        let mut peer = Peer::of(listener.accept().unwrap().0);
        peer.join(hello);
        peer.say(&Control::Ready);
        peer
    };
    let first = join(&mine);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    drop(first);
    machine.wait_for(|input| matches!(input, Input::LinkDown { .. }));
    // Whoever is there for now hangs up, far beyond the connect time-out.
    listener.set_nonblocking(true).unwrap();
    let (lost, mut dials) = (std::time::Instant::now(), 0);
    let mut last = lost;
    while last < lost + 4 * connect_timeout {
        if let Ok((stream, _)) = listener.accept() {
            (dials, last) = (dials + 1, std::time::Instant::now());
            drop(stream);
        }
        assert!(last.elapsed() < WAIT, "dialled {dials} times, and no more");
        std::thread::yield_now();
    }
    listener.set_nonblocking(false).unwrap();
    let mut again = join(&clocklab::wire::Hello {
        incarnation: 2,
        standing: Standing::Given,
        run: "proposal-0".parse().unwrap(),
        ..mine
    });
    machine.wait_for(|input| matches!(input, Input::LinkUp { incarnation: 2, .. }));
    machine.handle.stop(Reason::Interrupted);
    again.say(&goodbye(0, Reason::Interrupted));
    machine.end().unwrap();
}

#[test]
fn a_further_life_takes_the_place_of_the_one_before_which_never_comes_back() {
    let (machine, mut first, address) = started_pair(OnPeerLoss::Continue);
    let life = |incarnation| clocklab::wire::Hello {
        incarnation,
        ..hello(1, 2)
    };
    let refusal = |incarnation| {
        let mut peer = Peer::connect(address);
        peer.hello(&life(incarnation));
        peer.error()
    };
    assert_eq!(refusal(1).0, ErrorCode::DuplicateMachine, "that life is here");
    // The connection to the life before looks as well as ever: nobody has closed it.
    let mut second = Peer::connect(address);
    assert_eq!(second.join(&life(3)).incarnation, 1);
    let is_down = |input: &Input<Number>| {
        *input
            == Input::LinkDown {
                peer: MachineId(1),
                cause: DownCause::Lost,
            }
    };
    machine.wait_for(is_down);
    machine.wait_for(|input| {
        *input
            == Input::LinkUp {
                peer: MachineId(1),
                incarnation: 3,
            }
    });
    assert_eq!(first.frame(), None, "the connection of the life before is closed");
    assert_eq!(second.frame().map(|(kind, _)| kind), Some(0x02), "ready, at once");
    for stale in [1, 2] {
        let (code, text) = refusal(stale);
        assert_eq!(code, ErrorCode::StaleIncarnation);
        assert!(text.contains("life 3") && text.contains("--rejoin"), "{text}");
    }
    assert_eq!(refusal(3).0, ErrorCode::DuplicateMachine);
    drop(second);
    machine.wait_for(is_down);
    assert_eq!(
        refusal(2).0,
        ErrorCode::StaleIncarnation,
        "also when nobody is there"
    );
    machine.handle.stop(Reason::Interrupted);
    machine.end().unwrap();
}

#[test]
fn a_machine_that_is_started_again_waits_for_its_peers_no_longer_than_a_grace() {
    let addresses = free_addresses(3);
    let again = Config {
        incarnation: 2,
        standing: Standing::Given,
        on_peer_loss: OnPeerLoss::Continue,
        duration: Some(Duration::from_secs(60)),
        // All but four seconds of the run are over.
        run_age: Duration::from_secs(56),
        log_end: Some(LogEnd {
            at: clocklab::trace::WallTime(0),
            tick: 0,
            clock: 0,
            fault_id_max: 0,
        }),
        ..place(0, &addresses)
    };
    let begun = std::time::Instant::now();
    let machine = Running::start(again, 0);
    let mut peer = Peer::connect(addresses[0]);
    let proposed = hello(1, 3);
    assert_eq!(peer.join(&proposed).incarnation, 2);
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x02), "ready, at once");
    machine.wait_for(|input| matches!(input, Input::LinkUp { .. }));
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(1900), "{waited:?}");
    let mut late = Peer::connect(addresses[0]);
    late.join(&hello(2, 3));
    machine.wait_for(|input| {
        matches!(
            input,
            Input::LinkUp {
                peer: MachineId(2),
                ..
            }
        )
    });
    assert_eq!(late.frame().map(|(kind, _)| kind), Some(0x02), "ready, at once");
    peer.say(&goodbye(1, Reason::Interrupted));
    late.say(&goodbye(2, Reason::Interrupted));
    machine.wait_for(|input| {
        matches!(
            input,
            Input::Stop {
                reason: Reason::Duration,
                ..
            }
        )
    });
    machine.end().unwrap();
    let lasted = begun.elapsed();
    assert!(
        lasted >= Duration::from_millis(3900) && lasted < Duration::from_secs(20),
        "{lasted:?}"
    );
}

#[test]
fn frames_that_break_the_protocol_take_the_link_down_with_their_error() {
    let frames: [(&[u8], ErrorCode); 7] = [
        (&[0, 0, 0, 0], ErrorCode::FrameTooLong),
        (&[0, 0x10, 0, 1], ErrorCode::FrameTooLong),
        (&[0, 0, 0, 1, 0xEE], ErrorCode::UnknownKind),
        (&[0, 0, 0, 1, 0x0F], ErrorCode::UnknownKind),
        (&[0, 0, 0, 2, 0xF1, 0], ErrorCode::Malformed),
        (&[0, 0, 0, 4, 0x03, 2, 0, 2], ErrorCode::Malformed),
        (&[0, 0, 0, 1, 0x01], ErrorCode::UnexpectedFrame),
    ];
    for (frame, code) in frames {
        let (machine, mut peer, _) = started_pair(OnPeerLoss::Continue);
        peer.send(frame);
        assert_eq!(peer.error().0, code, "{frame:02x?}");
        machine.wait_for(|input| {
            *input
                == Input::LinkDown {
                    peer: MachineId(1),
                    cause: DownCause::Lost,
                }
        });
        machine.handle.stop(Reason::Interrupted);
        machine.end().unwrap();
    }
}

#[test]
fn a_peer_whose_time_is_over_stops_only_machines_that_would_go_on() {
    let (machine, mut peer, _) = started_pair(OnPeerLoss::Stop);
    peer.say(&goodbye(1, Reason::Duration));
    assert_eq!(machine.end().unwrap().reason, Reason::PeerStopped);

    let addresses = free_addresses(2);
    let duration = Some(Duration::from_millis(400));
    let machine = Running::start(
        Config {
            duration,
            ..place(0, &addresses)
        },
        0,
    );
    let mut peer = Peer::connect(addresses[0]);
    peer.join(&hello(1, 2));
    peer.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    peer.say(&goodbye(1, Reason::Duration));
    assert_eq!(machine.end().unwrap().reason, Reason::Duration);
}

#[test]
fn a_stranger_that_never_stops_talking_is_left() {
    let addresses = free_addresses(2);
    let machine = Running::start(place(0, &addresses), 0);
    let mut flood = Peer::connect(addresses[0]);
    let bytes = [0_u8; 4096];
    // It is refused at once, and hung up on when it goes on: the write fails long before this many bytes.
    let stopped = (0..100_000).find(|_| std::io::Write::write_all(&mut flood.stream, &bytes).is_err());
    assert!(stopped.is_some(), "400 MB were read of a stranger");
    machine.handle.stop(Reason::Interrupted);
    machine.end().unwrap_err();
}

#[test]
fn a_peer_that_does_not_read_is_broken_off_at_the_limit() {
    let addresses = free_addresses(2);
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        ..place(0, &addresses)
    };
    let machine = Running::start(config, u64::MAX);
    let mut peer = Peer::connect(addresses[0]);
    peer.join(&hello(1, 2));
    peer.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    machine.wait_for(|input| {
        *input
            == Input::LinkDown {
                peer: MachineId(1),
                cause: DownCause::Lost,
            }
    });
    machine.handle.stop(Reason::Interrupted);
    assert_eq!(machine.end().unwrap().reason, Reason::Interrupted);
}

#[test]
fn a_peer_that_says_nothing_after_goodbye_is_not_waited_for_longer_than_the_drain() {
    let (machine, mut peer, _) = started_pair(OnPeerLoss::Stop);
    let before = std::time::Instant::now();
    machine.handle.stop(Reason::Interrupted);
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x03), "goodbye");
    assert_eq!(machine.end().unwrap().reason, Reason::Interrupted);
    let waited = before.elapsed();
    let drain = Duration::from_millis(clocklab::mesh::DRAIN_MS_MAX);
    assert!(
        waited >= drain && waited < drain + Duration::from_secs(5),
        "{waited:?}"
    );
}

#[test]
fn a_peer_that_stops_before_the_start_may_be_started_again() {
    let addresses = free_addresses(3);
    let machine = Running::start(place(0, &addresses), 0);
    let mut early = Peer::connect(addresses[0]);
    early.join(&hello(1, 3));
    early.say(&goodbye(1, Reason::Interrupted));
    assert_eq!(early.frame(), None, "the link is closed");
    let mut peers = [1, 2].map(|sender| (Peer::connect(addresses[0]), sender));
    for (peer, sender) in &mut peers {
        peer.join(&hello(*sender, 3));
        peer.say(&Control::Ready);
    }
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    machine.handle.stop(Reason::Interrupted);
    for (peer, _) in &mut peers {
        peer.say(&goodbye(1, Reason::Duration));
    }
    machine.end().unwrap();
}
