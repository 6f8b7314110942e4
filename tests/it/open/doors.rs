//! One port for all: frames, and whatever else begins with another byte.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use clocklab::{
    control::Status,
    lab::{Controller, Target},
    mesh::{NoLog, open::Handover},
    service::NoDisk,
    units::MachineId,
    wire::ErrorCode,
};

use super::{Ask, Running, Told, WAIT, ask, pair, peer, place};
use crate::support::{Peer, free_addresses};

fn with_handover() -> (Running, Receiver<(TcpStream, SocketAddr)>) {
    let (give, given) = channel();
    let handover = Handover(Box::new(move |stream, address| {
        // A test that has ended takes no more.
        let _ = give.send((stream, address));
    }));
    let disk = Box::new(NoDisk::default());
    (
        Running::start_with(place(1), Vec::new(), NoLog, disk, Some(handover)),
        given,
    )
}

#[test]
fn what_is_no_frame_is_handed_over_whole() {
    let (machine, given) = with_handover();
    for wait in [false, true] {
        let mut http = TcpStream::connect(machine.address).unwrap();
        if wait {
            // It is accepted before it says anything.
            assert_eq!(ask(&mut machine.client(), &Ask::Read), 0);
        }
        http.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let (mut stream, address) = given.recv_timeout(WAIT).unwrap();
        assert_eq!(address, http.local_addr().unwrap());
        assert_eq!(
            stream
                .set_nonblocking(false)
                .and_then(|()| {
                    let mut bytes = [0; 18];
                    stream.read_exact(&mut bytes).map(|()| bytes)
                })
                .unwrap(),
            *b"GET / HTTP/1.1\r\n\r\n"
        );
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        drop(stream);
        let mut answer = String::new();
        http.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK\r\n\r\n");
    }
    assert_eq!(ask(&mut machine.client(), &Ask::Add(1)), 1, "and frames go on");
    machine.stop();
}

#[test]
fn garbage_ends_its_own_connection_and_nothing_else() {
    let machine = Running::start(place(1), Vec::new());
    for bytes in [
        &b"\x00\xFF\xFF\xFF\x01"[..],
        b"\x00\x00\x00\x00",
        b"\x00\x00\x02\x01\x01",
    ] {
        let mut peer = Peer::connect(machine.address);
        peer.send(bytes);
        assert_eq!(peer.error().0, ErrorCode::FrameTooLong, "{bytes:02x?}");
    }
    for (bytes, code) in [
        (&b"\x00\x00\x00\x02\x01x"[..], ErrorCode::BadMagic),
        (b"\x00\x00\x00\x01\x02", ErrorCode::UnexpectedFrame),
    ] {
        let mut peer = Peer::connect(machine.address);
        peer.send(bytes);
        assert_eq!(peer.error().0, code, "{bytes:02x?}");
    }
    // Nobody serves what is no frame.
    let mut http = TcpStream::connect(machine.address).unwrap();
    http.set_read_timeout(Some(WAIT)).unwrap();
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(matches!(http.read(&mut [0; 10]), Ok(0) | Err(_)));
    assert_eq!(ask(&mut machine.client(), &Ask::Add(1)), 1);
    machine.stop();
}

#[test]
fn who_says_nothing_or_half_a_hello_is_left() {
    let machine = Running::start(place(1), Vec::new());
    let (mut quiet, mut half) = (Peer::connect(machine.address), Peer::connect(machine.address));
    half.send(&[0, 0, 0]);
    let begun = Instant::now();
    assert_eq!(quiet.frame(), None);
    assert_eq!(half.error().0, ErrorCode::HandshakeTimeout);
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    machine.stop();
}

fn commander(machine: &Running) -> Controller {
    let target = Target {
        address: machine.address,
        machine: Some(MachineId(1)),
        run: Some("tally".parse().unwrap()),
    };
    Controller::connect(&target, None).unwrap()
}

#[test]
fn commands_break_links_and_mend_them() {
    let (one, two) = pair();
    one.up(2);
    two.up(1);
    let mut commander = commander(&one);
    let mut order = |text: &str| commander.ask(&text.parse().unwrap());
    let status: Status = serde_json::from_str(&order("status").unwrap()).unwrap();
    assert_eq!((status.machine, status.machines, status.incarnation), (1, 3, 1));
    for text in [
        "pause",
        "step 3",
        "resume",
        "fault 1 rate 1 5",
        "fault 1 loss 3 / 4 10%",
    ] {
        let error = order(text).unwrap_err().to_string();
        assert!(error.contains("machine 1"), "{text}: {error}");
    }
    order("fault 1 partition 1 / 2").unwrap();
    one.wait_for(|told| *told == Told::Unreliable(MachineId(2)));
    let (mut here, mut there) = (one.client(), two.client());
    assert_eq!(ask(&mut here, &Ask::Add(5)), 5);
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        assert_eq!(ask(&mut there, &Ask::Read), 0, "nothing passes");
    }
    assert!(order("fault 1 partition 1 / 2").is_err(), "the number is taken");
    let status: Status = serde_json::from_str(&order("status").unwrap()).unwrap();
    assert_eq!(status.faults.len(), 1);
    assert!(order("mend 1").unwrap().contains("1 fault ended"));
    super::wait_for_sum(&mut there, 5);
    one.stop();
    two.stop();
}

#[test]
fn a_cold_start_in_any_order_links_everybody() {
    let addresses = free_addresses(5);
    let ids = [40, 3, 64_999, 17, 8];
    let machines: Vec<Running> = (0..5)
        .map(|place_of| {
            let mut place = place(ids[place_of]);
            place.listen = addresses[place_of];
            let peers = (0..5).map(|other| peer(ids[other], addresses[other]));
            Running::start(place, peers.collect())
        })
        .collect();
    for (me, machine) in machines.iter().enumerate() {
        let mut missing: Vec<u16> = ids.iter().copied().filter(|id| *id != ids[me]).collect();
        while !missing.is_empty() {
            if let Told::Up(up, _) = machine.wait_for(|told| matches!(told, Told::Up(..))) {
                assert!(missing.contains(&up.0), "a link came up twice");
                missing.retain(|id| *id != up.0);
            }
        }
    }
    for (number, machine) in machines.iter().enumerate() {
        ask(&mut machine.client(), &Ask::Add(1 << number));
    }
    for machine in &machines {
        super::wait_for_sum(&mut machine.client(), 31);
    }
    for machine in machines {
        machine.stop();
    }
}
