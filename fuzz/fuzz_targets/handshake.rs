//! A hello's body: decoding and judging never panic, and decoding followed by encoding changes nothing. A proof about it
//! holds for it and for nothing else.
#![no_main]

use clocklab::{
    units::MachineId,
    wire::{
        Decoder, ERROR_TEXT_BYTES_MAX, Expectation, HANDSHAKE_LENGTH_MAX, Handshake, Hello, Refusal, Role,
        Secret, Standing, kind,
    },
};
use libfuzzer_sys::fuzz_target;

fn expect_of(mine: &Hello, dialled: Option<MachineId>, hello: &Hello) {
    fits((Expectation { mine, dialled }).judge(hello));
    fits(mine.judge_controller(hello));
    fits(mine.judge_controlled(hello));
}

/// What is refused is refused in words that fit a frame.
fn fits(judged: Result<(), Refusal>) {
    if let Err(refusal) = judged {
        assert!(
            !refusal.text.is_empty() && refusal.text.len() <= ERROR_TEXT_BYTES_MAX,
            "{refusal}"
        );
    }
}

fn prove(dialler: &Hello, accepter: &Hello) {
    let secret = Secret::new(&"s".repeat(32)).expect("long enough");
    let handshake = Handshake { dialler, accepter };
    let mut proof = handshake.proof(&secret, Role::Dialler);
    assert!(handshake.verify(&secret, Role::Dialler, &proof).is_ok());
    assert!(handshake.verify(&secret, Role::Accepter, &proof).is_err());
    proof[0] ^= 1;
    assert!(handshake.verify(&secret, Role::Dialler, &proof).is_err());
}

fuzz_target!(|input: (u16, u16, bool, &[u8])| {
    let (me, machines, is_dialler, body) = input;
    let hello = match Hello::decode(body) {
        Ok(hello) => hello,
        Err(refusal) => {
            assert!(refusal.text.len() <= ERROR_TEXT_BYTES_MAX, "{refusal}");
            return;
        }
    };
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
    decoder.extend(&bytes);
    match decoder.next_frame() {
        Ok(Some(frame)) => assert_eq!((frame.kind, frame.body), (kind::HELLO, body)),
        other => panic!("a hello became {other:?}"),
    }
    // Judged by a stranger, by a machine of the same run, and by itself.
    let dialled = is_dialler.then_some(MachineId(me.wrapping_sub(1)));
    let stranger = Hello {
        system: 1,
        machines,
        sender: MachineId(me),
        receiver: MachineId(0),
        incarnation: 1,
        trust: clocklab::wire::Trust::Open,
        standing: Standing::Given,
        run: "r".parse().expect("a run id"),
    };
    expect_of(&stranger, dialled, &hello);
    prove(&hello, &stranger);
    let friend = Hello {
        sender: hello.receiver,
        receiver: hello.sender,
        ..hello.clone()
    };
    expect_of(&friend, dialled, &hello);
    expect_of(&hello, Some(hello.receiver), &hello);
});
