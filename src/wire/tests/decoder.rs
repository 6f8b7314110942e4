//! The decoder: frames in pieces of any size, and the limits of a length.

use super::*;

#[test]
fn frames_are_the_same_at_every_cut_point() {
    let frames = frames_of(&[0, 1, 9, 0, 40, 300]);
    let bytes = bytes_of(&frames);
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let (found, result, waiting) = decode_pieces(FRAME_LENGTH_MAX, [first, second]);
        assert_eq!(
            (found, result, waiting),
            (frames.clone(), Ok(()), 0),
            "cut at {cut}"
        );
    }
}

#[test]
fn frames_are_the_same_byte_by_byte() {
    let frames = frames_of(&[0, 1, 9, 5000, 0]);
    let bytes = bytes_of(&frames);
    let (found, result, waiting) = decode_pieces(FRAME_LENGTH_MAX, bytes.chunks(1));
    assert_eq!((found, result, waiting), (frames, Ok(()), 0));
}

#[test]
fn every_truncation_waits_for_the_rest() {
    let frames = frames_of(&[3, 0, 17]);
    let bytes = bytes_of(&frames);
    let ends: Vec<usize> = frames
        .iter()
        .scan(0, |end, (_, body)| {
            *end += HEADER_BYTES + 1 + body.len();
            Some(*end)
        })
        .collect();
    for cut in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let rest = cut - ends[..whole].last().copied().unwrap_or(0);
        let (found, result, waiting) = decode_pieces(FRAME_LENGTH_MAX, [&bytes[..cut]]);
        assert_eq!(
            (found.as_slice(), result, waiting),
            (&frames[..whole], Ok(()), rest),
            "cut at {cut}"
        );
    }
}

#[test]
fn forbidden_lengths_are_refused_before_any_body_and_without_memory() {
    for length_max in [HANDSHAKE_LENGTH_MAX, FRAME_LENGTH_MAX] {
        let over = u32::try_from(length_max).unwrap() + 1;
        for length in [over, 1 << 31, u32::MAX] {
            let mut decoder = Decoder::new(length_max);
            decoder.extend(&header(length));
            let error = FrameError::TooLong {
                length: length as usize,
                length_max,
            };
            assert_eq!(decoder.next_frame(), Err(error));
            assert_eq!(decoder.next_frame(), Err(error), "the refusal stays");
            assert!(decoder.space().len() <= 4096, "length {length} reserved memory");
        }
        let mut decoder = Decoder::new(length_max);
        decoder.extend(&header(0));
        assert_eq!(decoder.next_frame(), Err(FrameError::Empty));
        assert!(decoder.space().len() <= 4096);
    }
}

#[test]
fn frames_before_a_forbidden_length_are_handed_out() {
    let frames = frames_of(&[4, 0]);
    let mut bytes = bytes_of(&frames);
    bytes.extend_from_slice(&[0, 0, 0, 0, 1]);
    let (found, result, _) = decode_pieces(FRAME_LENGTH_MAX, [bytes.as_slice()]);
    assert_eq!((found, result), (frames, Err(FrameError::Empty)));
}

#[test]
fn the_limit_itself_is_allowed() {
    for length_max in [1, HANDSHAKE_LENGTH_MAX, FRAME_LENGTH_MAX] {
        let frames = frames_of(&[length_max - 1, 0]);
        let bytes = bytes_of(&frames);
        let (found, result, waiting) = decode_pieces(length_max, bytes.chunks(60_000));
        assert_eq!(found, frames, "limit {length_max}");
        assert_eq!((result, waiting), (Ok(()), 0));
    }
}

#[test]
fn an_allowed_length_reserves_no_more_than_its_frame() {
    let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
    decoder.extend(&header(100_000));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(
        decoder.space().len() <= 100_000,
        "{} bytes of space",
        decoder.space().len()
    );
}

#[test]
fn space_is_never_empty_even_if_nobody_takes_the_frames() {
    for body_bytes in [0, 100, 1 << 16] {
        let frame = bytes_of(&frames_of(&[body_bytes]));
        let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
        let mut bytes = 0;
        while bytes < 3 << 20 {
            let space = decoder.space().len();
            assert!(space > 0, "no space behind {bytes} bytes");
            for (target, source) in decoder
                .space()
                .iter_mut()
                .zip(frame.iter().cycle().skip(bytes % frame.len()))
            {
                *target = *source;
            }
            decoder.filled(space);
            bytes += space;
        }
        let mut count = 0;
        while decoder.next_frame().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(
            (count, decoder.waiting()),
            (bytes / frame.len(), bytes % frame.len())
        );
    }
}

#[test]
fn space_is_never_empty_behind_a_forbidden_length() {
    let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
    decoder.extend(&vec![0xff; 1 << 20]);
    assert!(decoder.next_frame().is_err());
    assert!(!decoder.space().is_empty());
}

#[test]
fn a_frame_larger_than_the_first_buffer_comes_whole() {
    let frames = frames_of(&[10, 5000, 0, 70_000, 300_000, 1]);
    let bytes = bytes_of(&frames);
    for piece in [1000, 4096, 65_536, bytes.len()] {
        let (found, result, waiting) = decode_pieces(FRAME_LENGTH_MAX, bytes.chunks(piece));
        assert!(found == frames, "pieces of {piece}");
        assert_eq!((result, waiting), (Ok(()), 0));
    }
}

#[test]
fn a_hundred_thousand_frames_come_in_order() {
    let mut bytes = Vec::new();
    for number in 0..100_000_u64 {
        encode_frame(&mut bytes, 0x10, |body| {
            body.extend_from_slice(&number.to_be_bytes())
        });
    }
    let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
    let mut expected = 0_u64;
    for piece in bytes.chunks(7919) {
        decoder.extend(piece);
        while let Some(frame) = decoder.next_frame().unwrap() {
            assert_eq!(frame.body, expected.to_be_bytes());
            expected += 1;
        }
    }
    assert_eq!((expected, decoder.waiting()), (100_000, 0));
}

#[test]
fn the_limit_changes_for_the_frames_to_come() {
    let frames = frames_of(&[30, HANDSHAKE_LENGTH_MAX]);
    let bytes = bytes_of(&frames);
    let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
    decoder.extend(&bytes);
    assert_eq!(decoder.next_frame().unwrap().unwrap().body, frames[0].1);
    assert_eq!(
        decoder.next_frame(),
        Err(FrameError::TooLong {
            length: HANDSHAKE_LENGTH_MAX + 1,
            length_max: HANDSHAKE_LENGTH_MAX
        })
    );
    decoder.set_length_max(FRAME_LENGTH_MAX);
    assert_eq!(decoder.next_frame().unwrap().unwrap().body, frames[1].1);
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn bodies_are_views_into_one_buffer_and_never_copied() {
    let body_bytes = 9;
    let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
    let bytes = bytes_of(&frames_of(&vec![body_bytes; 200]));
    let mut first = None;
    for _round in 0..50 {
        decoder.extend(&bytes);
        let mut places = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            places.push(frame.body.as_ptr().addr());
        }
        assert_eq!(places.len(), 200);
        let stride = HEADER_BYTES + 1 + body_bytes;
        assert!(
            places.windows(2).all(|pair| pair[1] - pair[0] == stride),
            "each body lies right behind the one before"
        );
        let start = *first.get_or_insert(places[0]);
        assert_eq!(
            places[0], start,
            "an empty decoder starts at the front of the same buffer"
        );
    }
}

#[test]
fn a_cut_frame_moves_and_keeps_its_bytes() {
    let frames = frames_of(&vec![1000; 200]);
    let bytes = bytes_of(&frames);
    let (found, result, waiting) = decode_pieces(FRAME_LENGTH_MAX, bytes.chunks(4090));
    assert!(found == frames);
    assert_eq!((result, waiting), (Ok(()), 0));
}

#[test]
#[should_panic(expected = "were declared in a space of")]
fn more_bytes_than_space_break_the_contract() {
    let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
    let space = decoder.space().len();
    decoder.filled(space + 1);
}

proptest! {
    #[test]
    fn random_pieces_give_the_same_frames(
        lengths in vec(prop_oneof![4 => 0_usize..40, 1 => 0_usize..6000], 0..30),
        pieces in vec(1_usize..700, 1..50),
        reads in any::<bool>(),
    ) {
        let frames = frames_of(&lengths);
        let bytes = bytes_of(&frames);
        let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
        let mut found = Vec::new();
        let mut rest = bytes.as_slice();
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            // Through `space` and `filled` as a driver does, or through `extend`.
            let count = (*piece).min(rest.len());
            let count = if reads {
                let space = decoder.space();
                let count = count.min(space.len());
                space[..count].copy_from_slice(&rest[..count]);
                decoder.filled(count);
                count
            } else {
                decoder.extend(&rest[..count]);
                count
            };
            rest = &rest[count..];
            drain(&mut decoder, &mut found).unwrap();
        }
        prop_assert_eq!(found, frames);
        prop_assert_eq!(decoder.waiting(), 0);
    }

    #[test]
    fn arbitrary_bytes_give_the_same_result_in_one_piece_and_in_many(
        bytes in vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200),
        piece in 1_usize..20,
    ) {
        let whole = decode_pieces(HANDSHAKE_LENGTH_MAX, [bytes.as_slice()]);
        let cut = decode_pieces(HANDSHAKE_LENGTH_MAX, bytes.chunks(piece));
        prop_assert_eq!(&whole.0, &cut.0);
        prop_assert_eq!(whole.1, cut.1);
    }
}
