//! Decoding and encoding frames of 32 bytes in memory, on one core: frames a second.
//!
//! `cargo bench --bench decode`. The figure is `frames`; the others show what the layers above and beside it cost.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use std::hint::black_box;

use clocklab::{
    clock::{Lamport, Timestamp},
    model::Stamp,
    wire::{Decoder, FRAME_LENGTH_MAX, Message, encode_frame},
};
use divan::{Bencher, counter::ItemsCount};

/// Frames in memory: 128 KiB, half of what a busy link's buffer holds.
const FRAMES: usize = 4096;

/// Bytes of a frame, of which 5 are length and kind.
const FRAME_BYTES: usize = 32;
const BODY: [u8; FRAME_BYTES - 5] = [7; FRAME_BYTES - 5];

const KIND: u8 = 0xF0;

fn main() {
    divan::main();
}

/// Bytes go in as a read would put them, whole frames come out, and each body is looked at.
#[divan::bench]
fn frames(bencher: Bencher) {
    let mut bytes = Vec::new();
    for _ in 0..FRAMES {
        encode_frame(&mut bytes, KIND, |body| body.extend_from_slice(&BODY));
    }
    assert_eq!(bytes.len(), FRAMES * FRAME_BYTES);
    let mut decoder = warm_decoder(&bytes);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        decoder.extend(black_box(&bytes));
        let mut found = 0;
        while let Some(frame) = decoder.next_frame().unwrap() {
            black_box(frame);
            found += 1;
        }
        assert_eq!(found, FRAMES);
    });
}

/// The scale model's message (a frame of 14 bytes), and Lamport's rule for each.
#[divan::bench]
fn stamps_merged(bencher: Bencher) {
    let mut bytes = Vec::new();
    for clock in 0..FRAMES {
        let stamp = Stamp(Timestamp::Lamport(clock as u64));
        encode_frame(&mut bytes, stamp.kind(), |body| stamp.encode(body));
    }
    let mut decoder = warm_decoder(&bytes);
    let mut clock = Lamport::default();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        decoder.extend(black_box(&bytes));
        let mut found = 0;
        while let Some(frame) = decoder.next_frame().unwrap() {
            let Stamp(sent) = Stamp::decode(frame.kind, frame.body).unwrap();
            clock.merge(sent.lamport());
            found += 1;
        }
        assert_eq!(found, FRAMES);
        clock
    });
}

/// Frames appended to a link's output, which has grown already.
#[divan::bench]
fn frames_encoded(bencher: Bencher) {
    let mut output = Vec::with_capacity(FRAMES * FRAME_BYTES);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        output.clear();
        for _ in 0..FRAMES {
            encode_frame(&mut output, KIND, |body| body.extend_from_slice(black_box(&BODY)));
        }
        black_box(output.as_slice());
    });
}

/// A decoder whose buffer has grown to what a busy link's does.
fn warm_decoder(bytes: &[u8]) -> Decoder {
    let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
    for _ in 0..16 {
        decoder.extend(bytes);
        while decoder.next_frame().unwrap().is_some() {}
    }
    decoder
}
