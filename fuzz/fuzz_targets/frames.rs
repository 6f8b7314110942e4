//! Bytes in arbitrary pieces through the decoder: the same frames as in one piece, and encoding them gives the same bytes.
#![no_main]

use clocklab::wire::{Decoder, FrameError, HANDSHAKE_LENGTH_MAX, encode_frame};
use libfuzzer_sys::fuzz_target;

/// Frames re-encoded, and what ended them.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Result<usize, FrameError>) {
    let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
    let mut encoded = Vec::new();
    for piece in pieces {
        decoder.extend(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => encode_frame(&mut encoded, frame.kind, |body| {
                    body.extend_from_slice(frame.body)
                }),
                Ok(None) => break,
                Err(error) => return (encoded, Err(error)),
            }
        }
        assert!(
            !decoder.space().is_empty(),
            "an empty space reads as the end of the stream"
        );
    }
    let waiting = decoder.waiting();
    (encoded, Ok(waiting))
}

/// Cuts `bytes` into pieces whose lengths `cuts` gives in turn.
fn cut<'a>(mut bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = cuts.iter().map(|cut| usize::from(*cut) + 1).chain([17]).cycle();
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let length = lengths.next().unwrap_or(1).min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        bytes = rest;
        Some(piece)
    })
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (cuts, bytes) = input;
    let whole = decode(std::iter::once(bytes));
    let pieces = decode(cut(bytes, cuts));
    assert_eq!(whole, pieces);
    let (encoded, end) = whole;
    assert!(bytes.starts_with(&encoded));
    if let Ok(waiting) = end {
        assert_eq!(encoded.len() + waiting, bytes.len());
    }
});
