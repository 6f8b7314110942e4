//! ZeroMQ PUSH/PULL over TCP on loopback: what its own guide recommends for a one-way stream.
//!
//! libzmq batches by itself, in an I/O thread of its own on each side. Messages of up to 33 bytes live inside
//! `zmq_msg_t`, so neither side allocates; the receiver reads into one buffer.

use std::time::Duration;

use clocklab::clock::Lamport;

use super::{
    Plan, Receipt,
    support::mesh::{BODY_BYTES, body_of, clock_in},
};

/// Messages that a side may queue. The default is 1000; of 1000, 10 thousand, 64 thousand, a million and no limit
/// this was fastest.
const HIGH_WATER_MARK: i32 = 1_000_000;

pub(super) fn receive(plan: Plan) -> Duration {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PULL).expect("a socket");
    socket.set_rcvhwm(HIGH_WATER_MARK).expect("before bind");
    socket.bind("tcp://127.0.0.1:*").expect("a port on loopback");
    let place = socket.get_last_endpoint().expect("bound").expect("text");
    let sender = plan.start_sender(&place);
    let mut receipt = Receipt::new(plan);
    let mut body = [0; BODY_BYTES];
    loop {
        let bytes = socket.recv_into(&mut body, 0).expect("a message");
        assert_eq!(bytes, BODY_BYTES, "a message of another length");
        if receipt.take(clock_in(&body).expect("the right length")) {
            break;
        }
    }
    sender.join();
    receipt.finish()
}

pub(super) fn send(plan: Plan, place: &str) {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUSH).expect("a socket");
    socket.set_sndhwm(HIGH_WATER_MARK).expect("before connect");
    socket.connect(place).expect("the receiver listens");
    let mut clock = Lamport::default();
    for _ in 0..plan.total() {
        let body = body_of(clock.tick());
        socket.send(body.as_slice(), 0).expect("sent");
    }
    // Dropping the context waits until everything is out.
}
