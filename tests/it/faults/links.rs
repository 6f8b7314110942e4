//! Faults on one real link, with a plain socket at its other end.

use clocklab::{
    faults::{Plan, Timed},
    mesh::{Config, OnPeerLoss},
    node::{DownCause, Input},
    units::{MachineId, Time},
    wire::{Control, Message, Reason, encode_frame},
};

use crate::{
    mesh::Running,
    support::{Number, Peer, free_addresses, hello, place},
};

/// Numbers that are sent in the round of the start: fewer than time-outs that a round has.
const NUMBERS: u64 = 50;

/// A machine under these faults from its start on, and the socket that is its peer.
fn started(faults: &[&str], numbers: u64) -> (Running, Peer) {
    let addresses = free_addresses(2);
    let timed = (1..).zip(faults).map(|(id, text)| Timed {
        id,
        at: Time(0),
        lasts: None,
        fault: text.parse().unwrap(),
    });
    let config = Config {
        on_peer_loss: OnPeerLoss::Continue,
        faults: Plan {
            seed: Some(7),
            faults: timed.collect(),
        },
        ..place(0, &addresses)
    };
    let machine = Running::start(config, numbers);
    let mut peer = Peer::connect(addresses[0]);
    peer.join(&hello(1, 2));
    peer.say(&Control::Ready);
    machine.wait_for(|input| matches!(input, Input::Start { .. }));
    (machine, peer)
}

/// Stops the machine once it has sent its numbers, and gives those that reached the link.
fn numbers_until_goodbye(machine: Running, mut peer: Peer) -> Vec<u64> {
    let (mut bytes, message) = (Vec::new(), Number(0));
    encode_frame(&mut bytes, message.kind(), |body| message.encode(body));
    peer.send(&bytes);
    machine.wait_for(|input| matches!(input, Input::Message { .. }));
    machine.handle.stop(Reason::Interrupted);
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x02), "ready");
    let mut numbers = Vec::new();
    loop {
        let (kind, body) = peer.frame().expect("goodbye before the end");
        if kind == 0x03 {
            break;
        }
        numbers.push(Number::decode(kind, &body).unwrap().0);
    }
    peer.say(&crate::support::goodbye(1, Reason::PeerStopped));
    assert_eq!(machine.end().unwrap().reason, Reason::Interrupted);
    numbers
}

#[test]
fn what_is_held_back_goes_before_goodbye_in_order() {
    for fault in [
        "partition all hold",
        "delay all constant:1h",
        "bandwidth 0 to 1 1",
    ] {
        let (machine, peer) = started(&[fault], NUMBERS);
        assert_eq!(
            numbers_until_goodbye(machine, peer),
            (0..NUMBERS).collect::<Vec<_>>(),
            "{fault}"
        );
    }
}

#[test]
fn copies_follow_their_message_and_nothing_passes_a_partition_but_goodbye() {
    let (machine, peer) = started(&["duplicate all 100%"], NUMBERS);
    let twice: Vec<u64> = (0..NUMBERS).flat_map(|number| [number, number]).collect();
    assert_eq!(numbers_until_goodbye(machine, peer), twice);
    let (machine, peer) = started(&["partition 0 / 1"], NUMBERS);
    assert_eq!(numbers_until_goodbye(machine, peer), Vec::<u64>::new());
    // The other direction is the peer's business.
    let (machine, peer) = started(&["loss 1 to 0 100%"], NUMBERS);
    assert_eq!(
        numbers_until_goodbye(machine, peer),
        (0..NUMBERS).collect::<Vec<_>>()
    );
}

#[test]
fn a_node_hears_of_a_fault_before_its_messages_meet_it() {
    let (machine, peer) = started(&["delay all constant:1ms", "loss 0 to 1 0%"], NUMBERS);
    let told = Input::Unreliable { peer: MachineId(1) };
    assert_eq!(
        machine.wait_for(|input| matches!(input, Input::Unreliable { .. })),
        told
    );
    assert_eq!(numbers_until_goodbye(machine, peer).len(), 50);
}

#[test]
fn a_link_breaks_at_the_limit_of_what_is_held_back() {
    let (machine, mut peer) = started(&["partition all hold"], u64::MAX);
    let lost = Input::LinkDown {
        peer: MachineId(1),
        cause: DownCause::Lost,
    };
    machine.wait_for(|input| *input == lost);
    // The bytes that were held back died with it.
    assert_eq!(peer.frame().map(|(kind, _)| kind), Some(0x02), "ready");
    let (code, text) = peer.error();
    assert_eq!(code, clocklab::wire::ErrorCode::Overflow, "{text}");
    machine.handle.stop(Reason::Interrupted);
    machine.end().unwrap();
}
