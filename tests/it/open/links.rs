//! Links between peers that come and go.

use std::{
    io::Read,
    net::TcpListener,
    time::{Duration, Instant},
};

use clocklab::{
    node::DownCause,
    units::MachineId,
    wire::{Control, ErrorCode, Hello, Message, Reason, Trust, encode_frame, kind},
};

use super::{
    Ask, Running, Told, WAIT, Want, ask, hello, pair, peer, place, secret, tally::Counts, wait_for_sum,
};
use crate::support::{Peer, free_addresses, goodbye};

fn is_link(told: &Told) -> bool {
    matches!(told, Told::Up(..) | Told::Down(..))
}

#[test]
fn what_is_counted_on_one_is_read_on_all_and_goodbye_is_heard() {
    let (one, two) = pair();
    one.up(2);
    two.up(1);
    assert_eq!(ask(&mut one.client(), &Ask::Add(5)), 5);
    let mut reader = two.client();
    wait_for_sum(&mut reader, 5);
    let (outcome, _) = one.stop();
    assert_eq!(outcome.reason, Reason::Interrupted);
    assert_eq!(
        two.wait_for(is_link),
        Told::Down(MachineId(1), DownCause::Goodbye)
    );
    assert_eq!(ask(&mut reader, &Ask::Add(1)), 6, "it goes on alone");
    two.stop();
}

#[test]
fn machines_that_know_each_other_have_one_link_that_stays() {
    let (one, two) = pair();
    one.up(2);
    two.up(1);
    let until = Instant::now() + Duration::from_millis(900);
    assert_eq!(one.all_until(until, is_link), []);
    assert_eq!(two.all_until(until, is_link), []);
    one.stop();
    two.stop();
}

#[test]
fn a_machine_that_only_the_smaller_one_knows_is_found() {
    let two = Running::start(place(2), Vec::new());
    let one = Running::start(place(1), vec![peer(2, two.address)]);
    // It has the smaller id, so it waits a moment for machine 2, who does not know it.
    two.up(1);
    one.up(2);
    // Whoever is not wanted any more gets goodbye.
    two.want.send(Want::Peers(Vec::new())).unwrap();
    assert_eq!(
        one.wait_for(is_link),
        Told::Down(MachineId(2), DownCause::Goodbye)
    );
    assert_eq!(
        two.wait_for(is_link),
        Told::Down(MachineId(1), DownCause::Goodbye)
    );
    one.stop();
    two.stop();
}

#[test]
fn a_name_is_looked_up_and_an_address_may_change() {
    let (first, second) = (
        Running::start(place(1), Vec::new()),
        Running::start(place(1), Vec::new()),
    );
    let mut named = peer(1, first.address);
    named.address = format!("localhost:{}", first.address.port()).parse().unwrap();
    let two = Running::start(place(2), vec![named]);
    two.up(1);
    first.stop();
    two.wait_for(|told| matches!(told, Told::Down(..)));
    two.want.send(Want::Peers(vec![peer(1, second.address)])).unwrap();
    two.up(1);
    second.stop();
    two.stop();
}

#[test]
fn a_life_ends_the_one_before_and_none_comes_back() {
    let machine = Running::start(place(1), Vec::new());
    let mut first = Peer::connect(machine.address);
    assert_eq!(first.join(&hello(2, 1, 10)).sender, MachineId(1));
    machine.up(2);
    let mut same = Peer::connect(machine.address);
    same.hello(&hello(2, 1, 10));
    assert_eq!(same.error().0, ErrorCode::DuplicateMachine);
    let mut second = Peer::connect(machine.address);
    second.join(&hello(2, 1, 11));
    assert_eq!(
        machine.wait_for(is_link),
        Told::Down(MachineId(2), DownCause::Lost)
    );
    assert_eq!(machine.wait_for(is_link), Told::Up(MachineId(2), 11));
    drop(second);
    machine.wait_for(is_link);
    let mut stale = Peer::connect(machine.address);
    stale.hello(&hello(2, 1, 10));
    assert_eq!(stale.error().0, ErrorCode::StaleIncarnation);
    machine.stop();
}

#[test]
fn a_silent_link_gives_way_to_a_new_connection_of_the_same_life() {
    let machine = Running::start(place(1), Vec::new());
    let mut first = Peer::connect(machine.address);
    first.join(&hello(2, 1, 10));
    machine.up(2);
    let until = Instant::now() + WAIT;
    loop {
        let mut again = Peer::connect(machine.address);
        again.hello(&hello(2, 1, 10));
        match again.frame() {
            Some((kind::HELLO, _)) => break,
            _ => assert!(Instant::now() < until, "the silent link stays"),
        }
    }
    assert_eq!(
        machine.wait_for(is_link),
        Told::Down(MachineId(2), DownCause::Lost)
    );
    machine.stop();
}

#[test]
fn the_dial_of_the_greater_one_stays() {
    // The test is machine 1; machine 5 dials it, and it keeps the answer back.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let five = Running::start(place(5), vec![peer(1, listener.local_addr().unwrap())]);
    let mut dialled = Peer::of(listener.accept().unwrap().0);
    let (kind, body) = dialled.frame().unwrap();
    assert_eq!(kind, kind::HELLO);
    assert_eq!(Hello::decode(&body).unwrap().receiver, MachineId(1));
    let mut dialling = Peer::connect(five.address);
    dialling.hello(&hello(1, 5, 1));
    assert_eq!(dialling.error().0, ErrorCode::DuplicateMachine);
    dialled.hello(&hello(1, 5, 1));
    five.up(1);

    // The test is machine 9; machine 5 dials it because it has not dialled, and then it does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = Running::start(place(5), vec![peer(9, listener.local_addr().unwrap())]);
    let mut dialled = Peer::of(listener.accept().unwrap().0);
    assert_eq!(dialled.frame().unwrap().0, kind::HELLO);
    let mut dialling = Peer::connect(other.address);
    dialling.join(&hello(9, 5, 1));
    other.up(9);
    assert_eq!(dialled.frame(), None, "the smaller one gives its own dial up");
    five.stop();
    other.stop();
}

#[test]
fn a_reset_throws_away_what_is_unsent_and_the_link_comes_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let machine = Running::start(place(5), vec![peer(1, listener.local_addr().unwrap())]);
    let accept = || {
        let mut dialled = Peer::of(listener.accept().unwrap().0);
        assert_eq!(dialled.frame().unwrap().0, kind::HELLO);
        dialled.hello(&hello(1, 5, 1));
        dialled
    };
    let mut dialled = accept();
    machine.up(1);
    machine.want.send(Want::Reset(MachineId(1))).unwrap();
    assert_eq!(
        machine.wait_for(is_link),
        Told::Down(MachineId(1), DownCause::Lost)
    );
    let error = loop {
        match dialled.stream.read(&mut [0; 4096]) {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(error, Some(std::io::ErrorKind::ConnectionReset));
    accept();
    machine.up(1);
    machine.stop();
}

#[test]
fn who_breaks_the_protocol_is_told_and_lost() {
    let machine = Running::start(place(1), Vec::new());
    let mut number = 10;
    let mut linked = || {
        number += 1;
        let mut peer = Peer::connect(machine.address);
        peer.join(&hello(2, 1, number));
        machine.up(2);
        peer
    };
    let frame = |kind: u8, body: &[u8]| {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, kind, |out| out.extend_from_slice(body));
        bytes
    };
    let ready = frame(kind::READY, &[]);
    let cases: [(&[u8], ErrorCode); 5] = [
        (&[0, 0, 0, 0], ErrorCode::FrameTooLong),
        (&[0xFF, 0, 0, 0, 1], ErrorCode::FrameTooLong),
        (&frame(0xF2, &[0x80]), ErrorCode::Malformed),
        (&frame(0x42, &[]), ErrorCode::UnknownKind),
        (&ready, ErrorCode::UnexpectedFrame),
    ];
    for (bytes, expected) in cases {
        let mut peer = linked();
        peer.send(bytes);
        let code = loop {
            let (kind, body) = peer.frame().expect("an error");
            if kind == kind::ERROR {
                break Control::decode(kind, &body).unwrap();
            }
        };
        assert!(
            matches!(code, Control::Error { code, .. } if code == expected),
            "{code:?}"
        );
        assert_eq!(
            machine.wait_for(is_link),
            Told::Down(MachineId(2), DownCause::Lost)
        );
    }
    machine.stop();
}

#[test]
fn goodbye_is_answered_and_nothing_may_follow_it() {
    let machine = Running::start(place(1), Vec::new());
    let mut leaving = Peer::connect(machine.address);
    leaving.join(&hello(2, 1, 1));
    machine.up(2);
    let mut bytes = Vec::new();
    let last = Counts([(MachineId(2), 3)].into());
    encode_frame(&mut bytes, last.kind(), |body| last.encode(body));
    goodbye(2, Reason::Terminated).encode(&mut bytes);
    leaving.send(&bytes);
    machine.wait_for(|told| *told == Told::Heard(MachineId(2), last.clone()));
    assert_eq!(
        machine.wait_for(is_link),
        Told::Down(MachineId(2), DownCause::Goodbye)
    );
    loop {
        match leaving.frame() {
            Some((kind::GOODBYE, _)) => break,
            Some(_) => {}
            None => panic!("no goodbye"),
        }
    }
    assert_eq!(leaving.frame(), None, "both have said it");
    machine.stop();
}

#[test]
fn only_who_knows_the_secret_joins() {
    let addresses = free_addresses(2);
    let with = |me: u16, known: &str| {
        let mut place = place(me);
        place.listen = addresses[usize::from(me) - 1];
        place.secret = Some(secret(known));
        let other = 3 - me;
        Running::start(place, vec![peer(other, addresses[usize::from(other) - 1])])
    };
    let one = with(1, "a");
    let wrong = with(2, "b");
    let mut open = Peer::connect(one.address);
    open.hello(&hello(2, 1, 1));
    assert_eq!(open.error().0, ErrorCode::NotAuthenticated);
    let mut unproved = Peer::connect(one.address);
    let mut theirs = hello(2, 1, 1);
    theirs.trust = Trust::Secret { nonce: [1; 32] };
    unproved.join(&theirs);
    assert_eq!(unproved.frame().unwrap().0, kind::PROOF);
    unproved.say(&Control::Proof([0; 32]));
    assert_eq!(unproved.error().0, ErrorCode::NotAuthenticated);
    let until = Instant::now() + Duration::from_millis(400);
    assert_eq!(one.all_until(until, is_link), []);
    wrong.stop();
    let right = with(2, "a");
    one.up(2);
    right.up(1);
    one.stop();
    right.stop();
}

#[test]
fn who_is_of_another_mesh_or_system_is_refused() {
    let machine = Running::start(place(1), Vec::new());
    let mut cases = Vec::new();
    let mut case = |change: &dyn Fn(&mut Hello), code| {
        let mut theirs = hello(2, 1, 1);
        change(&mut theirs);
        cases.push((theirs, code));
    };
    case(&|hello| hello.system = 2, ErrorCode::WrongSystem);
    case(&|hello| hello.machines = 3, ErrorCode::WrongMachines);
    case(&|hello| hello.receiver = MachineId(7), ErrorCode::WrongReceiver);
    case(&|hello| hello.sender = MachineId(1), ErrorCode::IdOutOfRange);
    case(&|hello| hello.sender = MachineId(65_000), ErrorCode::IdOutOfRange);
    case(&|hello| hello.run = "other".parse().unwrap(), ErrorCode::WrongRun);
    case(
        &|hello| hello.standing = clocklab::wire::Standing::Proposed,
        ErrorCode::WrongRun,
    );
    for (theirs, code) in cases {
        let mut peer = Peer::connect(machine.address);
        peer.hello(&theirs);
        assert_eq!(peer.error().0, code, "{theirs:?}");
    }
    machine.stop();
}
