//! The frames of clients: what is written is read, and nothing else is.

use proptest::prelude::*;

use crate::wire::{
    Answer, Decoder, ErrorCode, FRAME_LENGTH_MAX, FieldError, Fields, Hello, Message, NOT_COUNTED, RunId,
    Standing, Trust, encode_answer, encode_request, read_answer, read_request,
};

/// Any bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl Message for Bytes {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF5
    }

    fn encode(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.0);
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        match kind {
            0xF5 => Ok(Self(body.to_vec())),
            kind => Err(FieldError::Kind { kind }),
        }
    }
}

proptest! {
    #[test]
    fn requests_and_answers_survive(
        ticket in any::<u64>(),
        shift in 0_u32..64,
        is_last in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let (ticket, message) = (ticket >> shift, Bytes(bytes));
        let mut output = Vec::new();
        encode_request(&mut output, ticket, &message);
        let fits = encode_answer(&mut output, &Answer { ticket, is_last, reply: &message });
        prop_assert!(fits);
        let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
        prop_assert!(!decoder.has_frame());
        decoder.extend(&output);
        prop_assert!(decoder.has_frame());
        let frame = decoder.next_frame().unwrap().unwrap();
        prop_assert_eq!(read_request(frame.kind, frame.body), Ok((ticket, message.clone())));
        let frame = decoder.next_frame().unwrap().unwrap();
        prop_assert_eq!(read_answer(frame.kind, frame.body), Ok(Answer { ticket, is_last, reply: message }));
        prop_assert!(!decoder.has_frame());
    }

    #[test]
    fn whatever_comes_is_read_or_refused(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok((ticket, message)) = read_request::<Bytes>(kind, &body) {
            let mut again = Vec::new();
            encode_request(&mut again, ticket, &message);
            prop_assert_eq!(again.get(5..), Some(&body[..]));
        }
        if let Ok(answer) = read_answer::<Bytes>(kind, &body) {
            let Answer { ticket, is_last, reply } = answer;
            let mut again = Vec::new();
            let fits = encode_answer(&mut again, &Answer { ticket, is_last, reply: &reply });
            prop_assert!(fits);
            prop_assert_eq!(again.get(5..), Some(&body[..]));
        }
    }

    #[test]
    fn a_decoder_knows_whether_it_has_something_to_say(bytes in prop::collection::vec(0_u8..4, 0..12)) {
        let mut decoder = Decoder::new(3);
        decoder.extend(&bytes);
        let has_frame = decoder.has_frame();
        prop_assert_eq!(!matches!(decoder.next_frame(), Ok(None)), has_frame);
    }
}

#[test]
fn an_answer_that_fits_no_frame_leaves_nothing_behind() {
    let fits = |length: usize| {
        let mut output = vec![1, 2, 3];
        let answer = Answer {
            ticket: u64::MAX,
            is_last: true,
            reply: &Bytes(vec![0; length]),
        };
        let fits = encode_answer(&mut output, &answer);
        assert_eq!(output.len() > 3, fits);
        fits
    };
    // Kind, ten bytes of ticket, last.
    assert!(fits(FRAME_LENGTH_MAX - super::super::ANSWER_EXTRA_BYTES_MAX));
    assert!(!fits(FRAME_LENGTH_MAX - super::super::ANSWER_EXTRA_BYTES_MAX + 1));
}

#[test]
fn a_request_ends_with_its_fields() {
    assert_eq!(
        read_request::<Bytes>(0xF5, &[0x80]),
        Err(FieldError::Truncated { field: "ticket" })
    );
    assert_eq!(
        read_answer::<Bytes>(0xF5, &[7, 2]),
        Err(FieldError::Value {
            field: "last",
            value: 2
        })
    );
    assert_eq!(Fields::new(&[]).end(), Ok(()));
}

#[test]
fn both_sides_judge_a_clients_hello() {
    let run: RunId = "store".parse().unwrap();
    let machine = |receiver| Hello {
        system: 255,
        machines: NOT_COUNTED,
        sender: crate::units::MachineId(3),
        receiver,
        incarnation: 9,
        trust: Trust::Open,
        standing: Standing::Given,
        run: run.clone(),
    };
    let mine = machine(super::super::CLIENT);
    let client = Hello::of_client(255, Some(&run), Trust::Open);
    assert_eq!(
        (mine.judge_client(&client), client.judge_served(&mine)),
        (Ok(()), Ok(()))
    );
    let any = Hello::of_client(255, None, Trust::Open);
    assert_eq!(
        (mine.judge_client(&any), any.judge_served(&mine)),
        (Ok(()), Ok(()))
    );
    let code = |judged: Result<(), crate::wire::Refusal>| judged.unwrap_err().code;
    let other = Hello::of_client(255, Some(&"other".parse().unwrap()), Trust::Open);
    assert_eq!(code(mine.judge_client(&other)), ErrorCode::WrongRun);
    assert_eq!(code(other.judge_served(&mine)), ErrorCode::WrongRun);
    let other = Hello::of_client(2, None, Trust::Open);
    assert_eq!(code(mine.judge_client(&other)), ErrorCode::WrongSystem);
    assert_eq!(code(other.judge_served(&mine)), ErrorCode::WrongSystem);
    let secret = Hello::of_client(255, None, Trust::Secret { nonce: [1; 32] });
    assert_eq!(code(mine.judge_client(&secret)), ErrorCode::NotAuthenticated);
    assert_eq!(code(secret.judge_served(&mine)), ErrorCode::NotAuthenticated);
    let mut counts = any.clone();
    counts.machines = 3;
    assert_eq!(code(mine.judge_client(&counts)), ErrorCode::WrongMachines);
    let mut elsewhere = any.clone();
    elsewhere.receiver = crate::units::MachineId(4);
    assert_eq!(code(mine.judge_client(&elsewhere)), ErrorCode::WrongReceiver);
    assert_eq!(
        code(any.judge_served(&machine(crate::units::MachineId(4)))),
        ErrorCode::WrongReceiver
    );
}
