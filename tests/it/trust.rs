//! The secret on real sockets: who knows it joins, and each attack of protocol.md's table fails.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::Builder,
    time::{Duration, Instant},
};

use clocklab::{
    mesh::{Config, HANDSHAKE_MS_MAX, MeshError, OnPeerLoss, offer},
    node::Input,
    units::MachineId,
    wire::{
        Control, Decoder, ErrorCode, FRAME_LENGTH_MAX, Handshake, Hello, PROOF_BYTES, Reason, Role, Secret,
        Trust, encode_frame, kind,
    },
};

use crate::{
    mesh::Running,
    support::{Peer, free_addresses, goodbye, hello, place},
};

/// Each attack of the table in protocol.md, and the test that tries it.
const ATTACKS: &[(&str, fn())] = &[
    ("joins without a secret", who_has_no_secret_does_not_join),
    ("joins with another secret", who_has_another_secret_does_not_join),
    (
        "answers a dialler in a machine's place",
        an_impostor_gets_no_proof_and_no_link,
    ),
    (
        "refuses a dialler in a machine's place, while the run goes on",
        an_impostors_refusal_is_a_failed_dial,
    ),
    (
        "replays a recorded handshake",
        a_recorded_handshake_is_worth_nothing,
    ),
    (
        "sends a side its own proof back",
        a_reflected_proof_is_worth_nothing,
    ),
    (
        "uses a proof made for another machine, run or life",
        a_proof_for_another_hello_is_worth_nothing,
    ),
    (
        "passes on proofs between two victims under other names",
        proofs_passed_on_under_another_name_are_worth_nothing,
    ),
    (
        "claims a further life of a machine, to end the link of that one",
        a_further_life_is_believed_only_with_its_proof,
    ),
    (
        "sends a proof cut short or too long",
        a_proof_of_another_length_is_malformed,
    ),
    (
        "sends its proof before any hello",
        a_proof_before_hello_is_unexpected,
    ),
    (
        "says hello and then nothing",
        who_says_nothing_after_hello_is_given_up,
    ),
    (
        "sends frames or commands in place of its proof",
        nothing_passes_before_the_proof,
    ),
    (
        "guesses the proof byte by byte",
        each_guess_needs_a_new_connection_with_a_new_nonce,
    ),
];

fn secret() -> Secret {
    Secret::new("what the machines of these tests know").unwrap()
}

fn with_secret(me: u16, addresses: &[SocketAddr]) -> Config {
    Config {
        secret: Some(secret()),
        ..place(me, addresses)
    }
}

/// Machine 0 of 3, which knows the secret and waits for the others.
fn waiting() -> (Running, SocketAddr) {
    let addresses = free_addresses(3);
    (Running::start(with_secret(0, &addresses), 0), addresses[0])
}

/// Nobody joined: it still waited, and its node heard nothing at all.
fn assert_nobody_joined(machine: Running) {
    assert!(machine.heard.try_recv().is_err());
    machine.handle.stop(Reason::Interrupted);
    let ended = machine.end();
    assert!(
        matches!(ended, Err(MeshError::StoppedBeforeStart { .. })),
        "{ended:?}"
    );
}

/// The hello of machine `sender` of 3 to machine 0, with a fresh nonce.
fn secret_hello(sender: u16) -> Hello {
    Hello {
        trust: offer(Some(&secret())).unwrap(),
        ..hello(sender, 3)
    }
}

fn proof_of(peer: &mut Peer) -> [u8; PROOF_BYTES] {
    let (kind, body) = peer.frame().expect("a proof");
    match Control::decode(kind, &body) {
        Ok(Control::Proof(proof)) => proof,
        other => panic!("kind {kind:#04x}: {other:?}"),
    }
}

/// Says hello, and hears the answer and its proof.
fn greeted(address: SocketAddr, mine: &Hello) -> (Peer, Hello, [u8; PROOF_BYTES]) {
    let mut peer = Peer::connect(address);
    let theirs = peer.join(mine);
    let proof = proof_of(&mut peer);
    (peer, theirs, proof)
}

/// Joins as someone who knows the secret.
fn joined(address: SocketAddr, mine: &Hello) -> Peer {
    let (mut peer, theirs, proof) = greeted(address, mine);
    let handshake = Handshake {
        dialler: mine,
        accepter: &theirs,
    };
    handshake
        .verify(&secret(), Role::Accepter, &proof)
        .expect("machine 0 knows the secret");
    peer.say(&Control::Proof(handshake.proof(&secret(), Role::Dialler)));
    peer
}

#[test]
fn every_attack_of_the_table_is_tried_here() {
    let protocol = include_str!("../../protocol.md");
    let rows = protocol
        .lines()
        .skip_while(|line| *line != "| attack | why it fails |")
        .skip(2);
    let rows: Vec<&str> = rows
        .take_while(|line| line.starts_with("| "))
        .map(|line| line.split(" | ").next().unwrap().trim_start_matches("| "))
        .collect();
    let tried: Vec<&str> = ATTACKS.iter().map(|(attack, _)| *attack).collect();
    assert_eq!(rows, tried);
}

#[test]
fn machines_that_know_the_secret_find_each_other() {
    let addresses = free_addresses(3);
    let meshes: Vec<Running> = (0..3)
        .map(|me| Running::start(with_secret(me, &addresses), 50))
        .collect();
    for mesh in &meshes {
        // Messages of a peer that started a moment earlier may come before the start.
        for _ in 0..100 {
            mesh.wait_for(|input| matches!(input, Input::Message { .. }));
        }
    }
    meshes[2].handle.stop(Reason::Interrupted);
    for mesh in meshes {
        mesh.end().unwrap();
    }
}

#[test]
fn who_comes_back_proves_the_secret_again() {
    let addresses = free_addresses(2);
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        ..with_secret(0, &addresses)
    };
    let machine = Running::start(config, 0);
    let mine = || Hello {
        machines: 2,
        ..secret_hello(1)
    };
    let mut peer = joined(addresses[0], &mine());
    peer.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    drop(peer);
    machine.wait_for(|input| matches!(input, Input::LinkDown { .. }));
    // A hello alone brings nobody back.
    let (mut without, ..) = greeted(addresses[0], &mine());
    without.say(&Control::Ready);
    assert_eq!(without.error().0, ErrorCode::UnexpectedFrame);
    let mut peer = joined(addresses[0], &mine());
    machine.wait_for(|input| matches!(input, Input::LinkUp { .. }));
    machine.handle.stop(Reason::Interrupted);
    peer.say(&goodbye(1, Reason::Interrupted));
    machine.end().unwrap();
}

/// Of two who prove the secret under one id, the second is a duplicate, however early it said hello.
#[test]
fn the_hello_is_judged_again_when_the_proof_has_come() {
    let (machine, address) = waiting();
    let mine = secret_hello(1);
    let (mut slow, theirs, _) = greeted(address, &mine);
    let fast = joined(address, &secret_hello(1));
    // Its link is up once its twin is refused at hello.
    loop {
        let mut twin = Peer::connect(address);
        twin.hello(&secret_hello(1));
        if twin.frame().unwrap().0 == kind::ERROR {
            break;
        }
    }
    let handshake = Handshake {
        dialler: &mine,
        accepter: &theirs,
    };
    slow.say(&Control::Proof(handshake.proof(&secret(), Role::Dialler)));
    assert_eq!(slow.error().0, ErrorCode::DuplicateMachine);
    drop(fast);
    assert_nobody_joined(machine);
}

#[test]
fn who_has_no_secret_does_not_join() {
    let (machine, address) = waiting();
    let mut peer = Peer::connect(address);
    peer.hello(&hello(1, 3));
    let (code, text) = peer.error();
    assert_eq!(code, ErrorCode::NotAuthenticated);
    assert!(text.contains("--secret-file"), "{text}");
    assert_nobody_joined(machine);

    // A whole machine without the secret gives up at once and says why, and so does one that has one alone.
    for (first, second) in [(Some(secret()), None), (None, Some(secret()))] {
        let addresses = free_addresses(2);
        let config = |me, secret: &Option<Secret>| Config {
            secret: secret.clone(),
            ..place(me, &addresses)
        };
        let accepter = Running::start(config(0, &first), 0);
        let error = Running::start(config(1, &second), 0).end().unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, MeshError::Refused { refusal, .. } if refusal.code == ErrorCode::NotAuthenticated),
            "{text}"
        );
        assert!(
            text.contains("--secret-file") && text.contains(&addresses[0].to_string()),
            "{text}"
        );
        assert_nobody_joined(accepter);
    }
}

#[test]
fn who_has_another_secret_does_not_join() {
    let (machine, address) = waiting();
    let other = Secret::new("what nobody else in these tests knows").unwrap();
    let mine = secret_hello(1);
    let (mut peer, theirs, proof) = greeted(address, &mine);
    let handshake = Handshake {
        dialler: &mine,
        accepter: &theirs,
    };
    assert!(handshake.verify(&other, Role::Accepter, &proof).is_err());
    peer.say(&Control::Proof(handshake.proof(&other, Role::Dialler)));
    assert_eq!(peer.error().0, ErrorCode::NotAuthenticated);
    assert_nobody_joined(machine);

    let addresses = free_addresses(2);
    let accepter = Running::start(with_secret(0, &addresses), 0);
    let intruder = Config {
        secret: Some(other),
        ..place(1, &addresses)
    };
    let text = Running::start(intruder, 0).end().unwrap_err().to_string();
    assert!(
        text.contains("not_authenticated") && text.contains("--secret-file"),
        "{text}"
    );
    assert_nobody_joined(accepter);
}

#[test]
fn an_impostor_gets_no_proof_and_no_link() {
    for impostor_trust in [Trust::Open, offer(Some(&secret())).unwrap()] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = free_addresses(1)[0];
        let addresses = [listener.local_addr().unwrap(), own];
        let machine = Running::start(with_secret(1, &addresses), 0);
        let mut impostor = Peer::of(listener.accept().unwrap().0);
        let (kind, body) = impostor.frame().unwrap();
        assert_eq!(kind, kind::HELLO);
        let theirs = Hello::decode(&body).unwrap();
        impostor.hello(&Hello {
            sender: MachineId(0),
            receiver: MachineId(1),
            trust: impostor_trust,
            ..theirs
        });
        impostor.say(&Control::Proof([7; PROOF_BYTES]));
        assert_eq!(impostor.frame(), None, "no proof for an impostor");
        let error = machine.end().unwrap_err();
        assert!(
            matches!(&error, MeshError::Refused { refusal, .. } if refusal.code == ErrorCode::NotAuthenticated),
            "{error}"
        );
    }
}

/// Machine 0 of 2, which machine 1 dials: answers its hello, proves the secret, and verifies its proof.
fn accepted(listener: &TcpListener) -> Peer {
    let mut peer = Peer::of(listener.accept().unwrap().0);
    let (kind, body) = peer.frame().unwrap();
    assert_eq!(kind, kind::HELLO);
    let theirs = Hello::decode(&body).unwrap();
    let mine = Hello {
        sender: MachineId(0),
        receiver: MachineId(1),
        trust: offer(Some(&secret())).unwrap(),
        ..theirs.clone()
    };
    let handshake = Handshake {
        dialler: &theirs,
        accepter: &mine,
    };
    peer.hello(&mine);
    peer.say(&Control::Proof(handshake.proof(&secret(), Role::Accepter)));
    let proof = proof_of(&mut peer);
    handshake.verify(&secret(), Role::Dialler, &proof).unwrap();
    peer
}

#[test]
fn an_impostors_refusal_is_a_failed_dial() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free_addresses(1)[0];
    let addresses = [listener.local_addr().unwrap(), own];
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        ..with_secret(1, &addresses)
    };
    let machine = Running::start(config, 0);
    let mut peer = accepted(&listener);
    peer.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    drop(peer);
    machine.wait_for(|input| matches!(input, Input::LinkDown { .. }));
    for code in [
        ErrorCode::WrongRun,
        ErrorCode::NotAuthenticated,
        ErrorCode::BadMagic,
    ] {
        let mut impostor = Peer::of(listener.accept().unwrap().0);
        let text = "go away".to_owned();
        impostor.say(&Control::Error { code, text });
    }
    let mut impostor = Peer::of(listener.accept().unwrap().0);
    impostor.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let mut peer = accepted(&listener);
    machine.wait_for(|input| matches!(input, Input::LinkUp { .. }));
    machine.handle.stop(Reason::Interrupted);
    peer.say(&goodbye(0, Reason::Interrupted));
    machine.end().unwrap();
}

/// What passed through a relay, both ways.
type Recorded = Arc<Mutex<(Vec<u8>, Vec<u8>)>>;

/// Passes on whatever comes to `listener` to `to` and back, and writes it down.
fn relay(listener: TcpListener, to: SocketAddr) -> Recorded {
    let recorded = Recorded::default();
    let record = Arc::clone(&recorded);
    let serve = move || {
        let near = listener.accept().unwrap().0;
        let far = Peer::connect(to).stream;
        let pass = |mut from: TcpStream, mut to: TcpStream, record: Recorded, there: bool| {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let mut record = record.lock().unwrap();
                let place = if there { &mut record.0 } else { &mut record.1 };
                place.extend_from_slice(&bytes[..count]);
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        };
        let (back_from, back_to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let other = Arc::clone(&record);
        let back = Builder::new().spawn(move || pass(back_from, back_to, other, false));
        pass(near, far, record, true);
        back.unwrap().join().unwrap();
    };
    Builder::new().spawn(serve).unwrap();
    recorded
}

/// The first two frames of a stream, header and all.
fn first_two(bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
    decoder.extend(bytes);
    [kind::HELLO, kind::PROOF].map(|kind| {
        let frame = decoder.next_frame().unwrap().expect("two frames");
        assert_eq!(frame.kind, kind);
        let mut again = Vec::new();
        encode_frame(&mut again, kind, |body| body.extend_from_slice(frame.body));
        again
    })
}

#[test]
fn a_recorded_handshake_is_worth_nothing() {
    let addresses = free_addresses(2);
    let way = TcpListener::bind("127.0.0.1:0").unwrap();
    let way_address = way.local_addr().unwrap();
    let recorded = relay(way, addresses[0]);
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        ..with_secret(0, &addresses)
    };
    let machine = Running::start(config, 0);
    let dialler = Running::start(with_secret(1, &[way_address, addresses[1]]), 0);
    for mesh in [&machine, &dialler] {
        mesh.wait_for(|input| matches!(input, Input::Start { .. }));
    }
    dialler.handle.stop(Reason::Interrupted);
    dialler.end().unwrap();
    machine.wait_for(|input| matches!(input, Input::LinkDown { .. }));
    let (there, back) = recorded.lock().unwrap().clone();

    // To the accepter, as soon as its old link is gone, step by step and all at once.
    let [hello, proof] = first_two(&there);
    loop {
        let mut peer = Peer::connect(addresses[0]);
        peer.send(&hello);
        if peer.frame().expect("an answer").0 == kind::HELLO {
            break;
        }
    }
    for at_once in [false, true] {
        let mut peer = Peer::connect(addresses[0]);
        peer.send(&hello);
        if !at_once {
            peer.frame().expect("its hello");
            proof_of(&mut peer);
            peer.send(&proof);
        } else {
            peer.send(&proof);
            peer.frame().expect("its hello");
            proof_of(&mut peer);
        }
        assert_eq!(peer.error().0, ErrorCode::NotAuthenticated);
    }
    machine.handle.stop(Reason::Interrupted);
    machine.end().unwrap();

    // To a dialler, which has a new nonce, too.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free_addresses(1)[0];
    let victim = Running::start(with_secret(1, &[listener.local_addr().unwrap(), own]), 0);
    let mut impostor = Peer::of(listener.accept().unwrap().0);
    impostor.frame().expect("its hello");
    impostor.send(&first_two(&back).concat());
    assert_eq!(impostor.frame(), None, "no proof for an impostor");
    let text = victim.end().unwrap_err().to_string();
    assert!(text.contains("not_authenticated"), "{text}");
}

#[test]
fn a_reflected_proof_is_worth_nothing() {
    let (machine, address) = waiting();
    let (mut peer, _, its_own) = greeted(address, &secret_hello(1));
    peer.say(&Control::Proof(its_own));
    assert_eq!(peer.error().0, ErrorCode::NotAuthenticated);
    // With the machine's own nonce in the hello, too: it is known from an earlier connection.
    let (_, theirs, _) = greeted(address, &secret_hello(1));
    let mirrored = Hello {
        trust: theirs.trust,
        ..secret_hello(1)
    };
    let (mut peer, _, its_own) = greeted(address, &mirrored);
    peer.say(&Control::Proof(its_own));
    assert_eq!(peer.error().0, ErrorCode::NotAuthenticated);
    assert_nobody_joined(machine);
}

#[test]
fn a_proof_for_another_hello_is_worth_nothing() {
    let (machine, address) = waiting();
    let changes: [&dyn Fn(&mut Hello); 4] = [
        &|hello| hello.sender = MachineId(2),
        &|hello| hello.receiver = MachineId(1),
        &|hello| hello.incarnation = 2,
        &|hello| hello.run = "another".parse().unwrap(),
    ];
    for change in changes {
        let mine = secret_hello(1);
        let (mut peer, theirs, _) = greeted(address, &mine);
        let mut other = mine.clone();
        change(&mut other);
        let handshake = Handshake {
            dialler: &other,
            accepter: &theirs,
        };
        peer.say(&Control::Proof(handshake.proof(&secret(), Role::Dialler)));
        assert_eq!(peer.error().0, ErrorCode::NotAuthenticated, "{other:?}");
    }
    assert_nobody_joined(machine);
}

#[test]
fn proofs_passed_on_under_another_name_are_worth_nothing() {
    let (machine, address) = waiting();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Machine 1 dials who it believes is machine 0.
    let mut addresses = free_addresses(3);
    addresses[0] = listener.local_addr().unwrap();
    let victim = Running::start(with_secret(1, &addresses), 0);
    let mut near = Peer::of(listener.accept().unwrap().0);
    let (_, body) = near.frame().expect("machine 1's hello");
    let theirs = Hello::decode(&body).unwrap();
    // The one in the middle says it is machine 2, with machine 1's nonce …
    let (_far, answer, proof) = greeted(
        address,
        &Hello {
            sender: MachineId(2),
            ..theirs
        },
    );
    // … and passes the answer on to machine 1.
    near.hello(&Hello {
        receiver: MachineId(1),
        ..answer
    });
    near.say(&Control::Proof(proof));
    assert_eq!(near.frame(), None, "no proof for the one in the middle");
    let text = victim.end().unwrap_err().to_string();
    assert!(text.contains("not_authenticated"), "{text}");
    assert_nobody_joined(machine);
}

#[test]
fn a_further_life_is_believed_only_with_its_proof() {
    let addresses = free_addresses(2);
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        ..with_secret(0, &addresses)
    };
    let machine = Running::start(config, 0);
    let life = |incarnation| Hello {
        machines: 2,
        incarnation,
        ..secret_hello(1)
    };
    let mut first = joined(addresses[0], &life(1));
    first.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    let (mut claims, ..) = greeted(addresses[0], &life(2));
    claims.say(&Control::Proof([7; PROOF_BYTES]));
    assert_eq!(claims.error().0, ErrorCode::NotAuthenticated);
    // The link of the first is as it was …
    let mut bytes = Vec::new();
    encode_frame(&mut bytes, 0xF1, |body| {
        body.extend_from_slice(&0_u64.to_be_bytes())
    });
    first.send(&bytes);
    assert!(matches!(machine.heard.recv(), Ok(Input::Message { .. })));
    // … until one comes that proves itself.
    let mut second = joined(addresses[0], &life(2));
    machine.wait_for(|input| matches!(input, Input::LinkDown { .. }));
    machine.wait_for(|input| matches!(input, Input::LinkUp { incarnation: 2, .. }));
    machine.handle.stop(Reason::Interrupted);
    second.say(&goodbye(1, Reason::Interrupted));
    machine.end().unwrap();
}

#[test]
fn a_proof_of_another_length_is_malformed() {
    let (machine, address) = waiting();
    for length in [0, 1, PROOF_BYTES - 1, PROOF_BYTES + 1, 400] {
        let mine = secret_hello(1);
        let (mut peer, theirs, _) = greeted(address, &mine);
        let handshake = Handshake {
            dialler: &mine,
            accepter: &theirs,
        };
        let mut body = handshake.proof(&secret(), Role::Dialler).to_vec();
        body.resize(length, 0);
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, kind::PROOF, |frame| frame.extend_from_slice(&body));
        peer.send(&bytes);
        assert_eq!(peer.error().0, ErrorCode::Malformed, "{length}");
    }
    assert_nobody_joined(machine);
}

#[test]
fn a_proof_before_hello_is_unexpected() {
    let (machine, address) = waiting();
    let mut peer = Peer::connect(address);
    peer.say(&Control::Proof([0; PROOF_BYTES]));
    assert_eq!(peer.error().0, ErrorCode::UnexpectedFrame);
    assert_nobody_joined(machine);
}

#[test]
fn who_says_nothing_after_hello_is_given_up() {
    let (machine, address) = waiting();
    let before = Instant::now();
    let (mut peer, ..) = greeted(address, &secret_hello(1));
    // Half a proof keeps nobody waiting longer.
    peer.send(&[0, 0, 0, 33, kind::PROOF, 1, 2, 3]);
    let (code, text) = peer.error();
    assert_eq!(code, ErrorCode::HandshakeTimeout);
    assert!(text.contains("proof"), "{text}");
    let waited = before.elapsed();
    let limit = Duration::from_millis(HANDSHAKE_MS_MAX);
    assert!(
        waited + Duration::from_millis(200) > limit && waited < limit * 3,
        "{waited:?}"
    );
    assert_nobody_joined(machine);
}

#[test]
fn nothing_passes_before_the_proof() {
    let (machine, address) = waiting();
    for control in [
        Control::Ready,
        goodbye(1, Reason::Interrupted),
        Control::Command("pause".to_owned()),
    ] {
        let (mut peer, ..) = greeted(address, &secret_hello(1));
        peer.say(&control);
        assert_eq!(peer.error().0, ErrorCode::UnexpectedFrame, "{control:?}");
    }
    // A message of the system, and one longer than a handshake may be.
    for (length, code) in [
        (8, ErrorCode::UnexpectedFrame),
        (100_000, ErrorCode::FrameTooLong),
    ] {
        let (mut peer, ..) = greeted(address, &secret_hello(1));
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, 0xF1, |body| body.resize(length, 0));
        peer.send(&bytes[..bytes.len().min(1000)]);
        assert_eq!(peer.error().0, code);
    }
    assert_nobody_joined(machine);
}

#[test]
fn each_guess_needs_a_new_connection_with_a_new_nonce() {
    let (machine, address) = waiting();
    let mut nonces = Vec::new();
    for guess in 0..20 {
        let (mut peer, theirs, _) = greeted(address, &secret_hello(1));
        let Trust::Secret { nonce } = theirs.trust else {
            panic!("it has a secret");
        };
        assert!(!nonces.contains(&nonce), "a nonce came twice");
        nonces.push(nonce);
        peer.say(&Control::Proof([guess; PROOF_BYTES]));
        // The error is the last frame of the connection.
        assert_eq!(peer.error().0, ErrorCode::NotAuthenticated);
    }
    assert_nobody_joined(machine);
}
