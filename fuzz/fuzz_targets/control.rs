//! Control frames, commands and stamps: decoding never panics, what decodes encodes to the same bytes, and a machine with
//! any clock takes every stamp or refuses it.
#![no_main]

use clocklab::{
    clock::ClockKind,
    control::Command,
    model::{Config, Machine, Phase, Stamp},
    node::{Input, Node},
    trace::{Traffic, WallTime},
    units::{MachineId, Time},
    wire::{Control, ERROR_TEXT_BYTES_MAX, HEADER_BYTES, Message, encode_frame},
};
use libfuzzer_sys::fuzz_target;

/// A machine takes the stamp twice and ticks three times.
fn take(clock: ClockKind, message: &Stamp) {
    let mut machine = Machine::new(Config {
        me: MachineId(0),
        machines: 3,
        rate: 1000,
        draw: 3,
        traffic: Traffic::Assignment,
        speed: clocklab::units::Speed::NORMAL,
        phase: Phase::Aligned,
        clock,
        seed: 1,
    });
    let mut effects = Vec::new();
    let wall = WallTime(0);
    machine.handle(Time(0), Input::Start { wall }, &mut effects);
    for _ in 0..2 {
        let (from, message) = (MachineId(1), message.clone());
        machine.handle(Time(0), Input::Message { from, message }, &mut effects);
    }
    for now in [0, 1000, 2000] {
        machine.handle(Time(now), Input::Timeout, &mut effects);
    }
    assert!(effects.len() >= 3, "{effects:?}");
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, body) = input;
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(command) = text.parse::<Command>()
    {
        // As the client writes it, it means the same.
        assert_eq!(command.to_string().parse(), Ok(command), "{text}");
    }
    if let Ok(control) = Control::decode(kind, body) {
        let mut bytes = Vec::new();
        control.encode(&mut bytes);
        assert_eq!(bytes.get(HEADER_BYTES), Some(&kind));
        let encoded = &bytes[HEADER_BYTES + 1..];
        // Control characters of a text for people became blanks, and one over the limit is shorter when it is sent on.
        let is_clean = !std::str::from_utf8(body.get(1..).unwrap_or_default())
            .is_ok_and(|text| text.contains(char::is_control));
        let is_for_people = matches!(control, Control::Error { .. } | Control::Answer { .. });
        if is_clean || !is_for_people {
            assert!(body.starts_with(encoded), "{control:?}");
            assert!(
                encoded.len() == body.len() || body.len() > ERROR_TEXT_BYTES_MAX + 1,
                "{control:?}"
            );
        }
    }
    if let Ok(stamp) = Stamp::decode(kind, body) {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, stamp.kind(), |body| stamp.encode(body));
        assert_eq!(bytes.get(HEADER_BYTES), Some(&kind));
        assert_eq!(&bytes[HEADER_BYTES + 1..], body);
        ClockKind::ALL.iter().for_each(|clock| take(*clock, &stamp));
    }
});
