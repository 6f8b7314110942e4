//! A token's text comes back as it was, and nothing else passes for one.

use proptest::prelude::*;

use super::*;
use crate::{clock::Origin, units::MachineId};

fn tokens() -> impl Strategy<Value = Token> {
    let entry = ((any::<u16>(), any::<u32>()), any::<u64>());
    prop::collection::vec(entry, 0..8).prop_map(|entries| {
        let entries = entries.into_iter();
        entries
            .map(|((machine, incarnation), number)| {
                let machine = MachineId(machine);
                (Origin { machine, incarnation }, number)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn a_text_comes_back(token in tokens()) {
        let text = token_text(&token);
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        prop_assert_eq!(parse_token(&text), Ok(token.clone()));
        prop_assert_eq!(parse_token(&format!(" {text}\n")), Ok(token));
    }

    #[test]
    fn a_cut_or_changed_text_is_refused(
        token in tokens(), cut in any::<prop::sample::Index>(), other in "[A-Za-z0-9_-]"
    ) {
        let text = token_text(&token);
        prop_assume!(!text.is_empty());
        let at = cut.index(text.len());
        prop_assert!(at == 0 || parse_token(&text[..at]).is_err(), "{}", &text[..at]);
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        prop_assert_eq!(parse_token(&changed).is_ok(), changed == text);
    }

    #[test]
    fn any_text_is_a_token_or_refused(text in "\\PC{0,80}") {
        let _ = parse_token(&text);
    }
}

#[test]
fn errors_say_what_is_wrong() {
    assert_eq!(parse_token(""), Ok(Token::new()));
    assert_eq!(parse_token("null?"), Err(TokenError::Text));
    let long = "A".repeat(TOKEN_TEXT_BYTES_MAX + 1);
    assert_eq!(parse_token(&long), Err(TokenError::TooLong { bytes: long.len() }));
    // A word of a person's, in either interface.
    assert_eq!(parse_token("junk"), Err(TokenError::Foreign));
    assert_eq!(parse_token("junkjunkjunk"), Err(TokenError::Foreign));
    let encode = |bytes: &[u8]| {
        let bytes = [bytes, &check(bytes).to_be_bytes()].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    };
    assert_eq!(
        parse_token(&encode(&[2, 0])),
        Err(TokenError::Version { version: 2 })
    );
    assert_eq!(
        parse_token(&URL_SAFE_NO_PAD.encode([1])),
        Err(TokenError::Damaged)
    );
    assert_eq!(
        parse_token(&URL_SAFE_NO_PAD.encode([1, 0, 0, 0, 0, 0])),
        Err(TokenError::Damaged)
    );
    let trailing = parse_token(&encode(&[1, 0, 7]));
    assert_eq!(trailing, Err(FieldError::Trailing { bytes: 1 }.into()));
    assert!(matches!(
        parse_token(&encode(&[1, 1])),
        Err(TokenError::Layout(_))
    ));
}

#[test]
fn the_longest_text_holds_the_longest_vector() {
    let mut token = Token::new();
    for incarnation in 0..u32::MAX {
        let origin = Origin {
            machine: MachineId(60_000),
            incarnation: (1 << 31) + incarnation,
        };
        let mut longer = token.clone();
        longer.raise(origin, u64::MAX / 4);
        let mut body = Vec::new();
        longer.encode(&mut body);
        if body.len() > TOKEN_BYTES_MAX {
            break;
        }
        token = longer;
    }
    let text = token_text(&token);
    assert!(
        text.len() <= TOKEN_TEXT_BYTES_MAX && token.len() > 150,
        "{} {}",
        text.len(),
        token.len()
    );
    assert_eq!(parse_token(&text), Ok(token));
}
