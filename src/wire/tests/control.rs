//! Control frames: every code, every truncation.

use super::*;

/// The one frame that `bytes` are, decoded.
fn decode(bytes: &[u8]) -> Result<Control, FieldError> {
    let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
    decoder.extend(bytes);
    let frame = decoder.next_frame().unwrap().unwrap();
    Control::decode(frame.kind, frame.body)
}

fn encoded(control: &Control) -> Vec<u8> {
    let mut bytes = Vec::new();
    control.encode(&mut bytes);
    bytes
}

fn error_of(text: impl Into<String>) -> Control {
    Control::Error {
        code: ErrorCode::Busy,
        text: text.into(),
    }
}

fn every_control() -> Vec<Control> {
    let origins = (0..).map(|id| MachineId(id * 300));
    let goodbyes = Reason::ALL
        .iter()
        .zip(origins)
        .map(|(reason, origin)| Control::Goodbye {
            reason: *reason,
            origin,
        });
    let errors = ErrorCode::ALL.iter().map(|code| Control::Error {
        code: *code,
        text: format!("{code} — in words"),
    });
    [Control::Ready]
        .into_iter()
        .chain(goodbyes)
        .chain(errors)
        .collect()
}

#[test]
fn every_control_frame_survives_the_wire() {
    for control in every_control() {
        assert_eq!(decode(&encoded(&control)), Ok(control));
    }
}

#[test]
fn frames_are_appended_behind_what_is_there() {
    let mut bytes = encoded(&Control::Ready);
    Control::Goodbye {
        reason: Reason::Limit,
        origin: MachineId(2),
    }
    .encode(&mut bytes);
    assert_eq!(bytes, [0, 0, 0, 1, 2, 0, 0, 0, 4, 3, 8, 0, 2]);
}

#[test]
fn a_body_cut_inside_a_field_is_truncated() {
    assert_eq!(
        Control::decode(kind::GOODBYE, &[]),
        Err(FieldError::Truncated { field: "reason" })
    );
    assert_eq!(
        Control::decode(kind::ERROR, &[]),
        Err(FieldError::Truncated { field: "code" })
    );
    // A shorter text is a text: the end of the frame is its end.
    assert_eq!(Control::decode(kind::ERROR, &[15]), Ok(error_of("")));
    for control in every_control() {
        let bytes = encoded(&control);
        let body = &bytes[HEADER_BYTES + 1..];
        for cut in 0..body.len() {
            assert_ne!(
                Control::decode(bytes[HEADER_BYTES], &body[..cut]),
                Ok(control.clone())
            );
        }
    }
}

#[test]
fn unknown_codes_are_named() {
    for code in (0..=u8::MAX).filter(|code| !(1..=8).contains(code)) {
        let value = u64::from(code);
        assert_eq!(
            Control::decode(kind::GOODBYE, &[code]),
            Err(FieldError::Value {
                field: "reason",
                value
            })
        );
        if code == 0 || code > 17 {
            assert_eq!(
                Control::decode(kind::ERROR, &[code, b'a']),
                Err(FieldError::Value { field: "code", value })
            );
        }
    }
}

#[test]
fn unknown_kinds_are_named() {
    for kind in (0..=u8::MAX).filter(|kind| !(kind::READY..=kind::ANSWER).contains(kind)) {
        assert_eq!(Control::decode(kind, &[1]), Err(FieldError::Kind { kind }));
    }
}

#[test]
fn bytes_behind_the_last_field_are_refused() {
    assert_eq!(
        Control::decode(kind::READY, &[0]),
        Err(FieldError::Trailing { bytes: 1 })
    );
    assert_eq!(
        Control::decode(kind::GOODBYE, &[1, 0, 2, 0, 0]),
        Err(FieldError::Trailing { bytes: 2 })
    );
}

#[test]
fn a_text_that_is_not_utf8_is_refused() {
    assert_eq!(
        Control::decode(kind::ERROR, &[1, 0xc3]),
        Err(FieldError::Text { field: "text" })
    );
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    for (text, kept) in [
        ("x".repeat(199), 199),
        ("x".repeat(200), 200),
        ("x".repeat(201), 200),
        // Two, three and four bytes a character; 200 is a multiple of two and four only.
        ("ü".repeat(101), 200),
        (format!("x{}", "ü".repeat(100)), 199),
        ("€".repeat(100), 198),
        ("🕰".repeat(51), 200),
        (format!("xxx{}", "🕰".repeat(51)), 199),
    ] {
        let expected = error_of(&text[..kept]);
        assert_eq!(decode(&encoded(&error_of(text.clone()))), Ok(expected), "{text}");
    }
}

#[test]
fn control_characters_of_a_text_come_as_blanks() {
    let text = "no \x1b[31mRED\x1b]0;owned\x07 you\r\n\u{85}ü\x7f".to_owned();
    let expected = "no  [31mRED ]0;owned  you   ü ";
    assert_eq!(decode(&encoded(&error_of(text.clone()))), Ok(error_of(expected)));
    let [answer, clean] = [text, expected.to_owned()].map(|text| Control::Answer {
        accepted: false,
        text,
    });
    assert_eq!(decode(&encoded(&answer)), Ok(clean));
}

#[test]
#[should_panic(expected = "a command of 401 bytes")]
fn a_command_is_never_cut() {
    encoded(&Control::Command("x".repeat(COMMAND_BYTES_MAX + 1)));
}

#[test]
fn codes_and_names_lead_to_the_same_value() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.code()), Ok(*reason));
        assert_eq!(Reason::from_name(reason.name()), Some(*reason));
        assert_eq!(reason.to_string(), reason.name());
    }
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(code.code()), Ok(*code));
        assert_eq!(ErrorCode::from_name(code.name()), Some(*code));
    }
    assert_eq!(Reason::from_name("Duration"), None);
    assert_eq!(ErrorCode::from_name(""), None);
}

proptest! {
    #[test]
    fn any_text_arrives_as_a_prefix_within_the_limit(text in "\\PC{0,220}") {
        let bytes = encoded(&error_of(text.clone()));
        prop_assert!(bytes.len() <= HEADER_BYTES + 2 + ERROR_TEXT_BYTES_MAX);
        let Ok(Control::Error { text: arrived, .. }) = decode(&bytes) else {
            return Err(TestCaseError::fail("no error frame"));
        };
        prop_assert!(text.starts_with(&arrived));
        prop_assert!(arrived.len() + 4 > text.len().min(ERROR_TEXT_BYTES_MAX));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(kind in 0_u8..8, mut body in vec(0_u8..20, 0..6)) {
        if let Ok(control) = Control::decode(kind, &body) {
            if matches!(control, Control::Error { .. } | Control::Answer { .. }) {
                // Behind the code all of these bytes are control characters.
                body[1..].fill(b' ');
            }
            let mut frame = Vec::new();
            encode_frame(&mut frame, kind, |out| out.extend_from_slice(&body));
            prop_assert_eq!(encoded(&control), frame);
        }
    }
}
