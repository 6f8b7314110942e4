//! The wire under every split, every truncation and the edges of every limit.

mod client;
mod control;
mod decoder;
mod handshake;
mod trust;

use proptest::{collection::vec, prelude::*, sample};

use super::*;
use crate::units::MachineId;

/// Frames as they are compared: kind and body.
type Frames = Vec<(u8, Vec<u8>)>;

/// Frames with bodies of these lengths; the n-th has kind `n` and bytes that differ from place to place.
fn frames_of(lengths: &[usize]) -> Frames {
    (0_u8..)
        .zip(lengths)
        .map(|(kind, length)| {
            let pattern = (kind..251).chain(0..kind).cycle();
            (kind, pattern.take(*length).collect())
        })
        .collect()
}

fn bytes_of(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, content) in frames {
        encode_frame(&mut bytes, *kind, |body| body.extend_from_slice(content));
    }
    bytes
}

/// Takes every frame that is whole by now.
fn drain(decoder: &mut Decoder, frames: &mut Frames) -> Result<(), FrameError> {
    while let Some(frame) = decoder.next_frame()? {
        frames.push((frame.kind, frame.body.to_vec()));
    }
    Ok(())
}

/// What a decoder makes of the pieces, in turn, and how many bytes wait at the end.
fn decode_pieces<'a>(
    length_max: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Frames, Result<(), FrameError>, usize) {
    let mut decoder = Decoder::new(length_max);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.extend(piece);
        if let Err(error) = drain(&mut decoder, &mut frames) {
            return (frames, Err(error), decoder.waiting());
        }
    }
    let waiting = decoder.waiting();
    (frames, Ok(()), waiting)
}

fn header(length: u32) -> [u8; HEADER_BYTES] {
    length.to_be_bytes()
}

mod field {
    use super::*;

    #[test]
    fn numbers_are_big_endian_and_in_order() {
        let mut fields = Fields::new(&[1, 2, 3, 0, 0, 0, 0, 0, 0, 1, 0, 7, 8]);
        assert_eq!(fields.u8("a"), Ok(1));
        assert_eq!(fields.u16("b"), Ok(0x0203));
        assert_eq!(fields.u64("c"), Ok(256));
        assert_eq!(fields.bytes("d", 1), Ok([7].as_slice()));
        assert_eq!(fields.end(), Err(FieldError::Trailing { bytes: 1 }));
        assert_eq!(fields.rest(), [8]);
    }

    #[test]
    fn a_field_that_is_cut_is_named_and_nothing_of_it_taken() {
        let mut fields = Fields::new(&[1]);
        assert_eq!(
            fields.u16("machines"),
            Err(FieldError::Truncated { field: "machines" })
        );
        assert_eq!(
            fields.u64("timestamp"),
            Err(FieldError::Truncated { field: "timestamp" })
        );
        assert_eq!(
            fields.bytes("run id", 2),
            Err(FieldError::Truncated { field: "run id" })
        );
        assert_eq!(fields.u8("system"), Ok(1));
        assert_eq!(
            fields.u8("system"),
            Err(FieldError::Truncated { field: "system" })
        );
        assert_eq!(fields.bytes("nothing", 0), Ok([].as_slice()));
        assert_eq!(fields.end(), Ok(()));
    }

    #[test]
    fn a_count_beyond_memory_is_only_a_truncation() {
        let error = Err(FieldError::Truncated { field: "run id" });
        assert_eq!(Fields::new(&[1, 2]).bytes("run id", usize::MAX), error);
    }

    #[test]
    fn errors_say_which_field_and_what_value() {
        let words = |error: FieldError| error.to_string();
        assert!(words(FieldError::Truncated { field: "sender" }).contains("`sender`"));
        assert!(words(FieldError::Trailing { bytes: 3 }).contains("3 bytes"));
        let value = words(FieldError::Value {
            field: "reason",
            value: 99,
        });
        assert!(value.contains("`reason`") && value.contains("99"));
        assert!(words(FieldError::Kind { kind: 0x0f }).contains("0x0f"));
    }
}
