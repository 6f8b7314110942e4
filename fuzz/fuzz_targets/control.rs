//! Control frames, commands and stamps: decoding never panics, and what decodes encodes to the same bytes.
#![no_main]

use clocklab::{
    control::Command,
    model::Stamp,
    wire::{Control, ERROR_TEXT_BYTES_MAX, HEADER_BYTES, Message, encode_frame},
};
use libfuzzer_sys::fuzz_target;

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
        // Only a text over the limit is shorter when it is sent on.
        assert!(body.starts_with(encoded), "{control:?}");
        assert!(
            encoded.len() == body.len() || body.len() > ERROR_TEXT_BYTES_MAX + 1,
            "{control:?}"
        );
    }
    if let Ok(stamp) = Stamp::decode(kind, body) {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, stamp.kind(), |body| stamp.encode(body));
        assert_eq!(bytes.get(HEADER_BYTES), Some(&kind));
        assert_eq!(&bytes[HEADER_BYTES + 1..], body);
    }
});
