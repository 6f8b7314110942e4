//! Tokens: made, kept, found, revoked.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};

use super::{
    Access, FILE, Scope, TOKENS_MAX, TokenFile, TokenFileError,
    file::{TokenEntry, find},
};
use crate::{
    kv::{Action, Answer, Bearer, Deny, Request, Token},
    service::{Guard, Shown},
};

const MADE: &str = "2026-11-21T00:00:00Z";

#[test]
fn what_was_written_is_read_and_no_text_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let mut file = TokenFile::read(&path).expect("none is none");
    assert_eq!(file, TokenFile::default());
    let text = file
        .create("a", Scope::Write, "app/", MADE.to_owned())
        .expect("a token");
    file.write(&path).expect("written");
    assert_eq!(TokenFile::read(&path).expect("readable"), file);
    let kept = fs::read_to_string(&path).expect("readable");
    assert!(!kept.contains(text.as_str().trim_start_matches("clk_")), "{kept}");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{text:?}").contains("clk_"));
    // A second time, over one that a crash left.
    fs::write(folder.path().join("tokens.json.new"), "half").expect("written");
    file.write(&path).expect("written");
}

#[test]
fn a_token_is_found_by_its_text_alone() {
    let mut file = TokenFile::default();
    let texts: Vec<String> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let text = file
                .create(name, Scope::Read, "", MADE.to_owned())
                .expect("a token");
            text.as_str().to_owned()
        })
        .collect();
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 3);
    for (text, name) in texts.iter().zip(["a", "b", "c"]) {
        assert_eq!(text.len(), 4 + 64);
        assert_eq!(find(file.entries(), text).map(|entry| &*entry.name), Some(name));
        assert_eq!(find(file.entries(), &text[..text.len() - 1]), None);
    }
    let hash = file.entries()[0].sha256.clone();
    assert_eq!(find(file.entries(), &hash), None, "a hash is no token");
    assert_eq!(find(file.entries(), ""), None);
    file.revoke("b").expect("there");
    assert_eq!(find(file.entries(), &texts[1]), None);
    assert!(matches!(file.revoke("b"), Err(TokenFileError::Unknown(_))));
}

#[test]
fn a_token_that_was_presented_before_any_was_needed_counts_once_one_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let access = Access::open(Some(path.clone()), false).expect("no file");
    let mut file = TokenFile::default();
    let text = file
        .create("a", Scope::Read, "", MADE.to_owned())
        .expect("a token");
    let ask = |shown: &mut Shown, action| {
        let request = Request {
            token: Token::new(),
            wait_us: 0,
            action,
        };
        Guard::judge(&access, shown, &request).map(|reply| reply.answer)
    };
    let get = || Action::Get { key: (*b"k").into() };
    let (mut holder, mut nobody) = (Shown::default(), Shown::default());
    let bearer = Bearer::new(text.as_str().to_owned());
    assert_eq!(ask(&mut holder, Action::Present { bearer }), None);
    assert_eq!(ask(&mut nobody, get()), None);
    file.write(&path).expect("written");
    access.refresh().expect("read");
    assert_eq!(ask(&mut holder, get()), None);
    let denied = ask(&mut nobody, get());
    assert!(
        matches!(denied, Some(Answer::Denied(Deny::Forbidden { .. }))),
        "{denied:?}"
    );
}

#[test]
fn a_name_is_given_once_and_is_a_word() {
    let mut file = TokenFile::default();
    let mut create = |name: &str| file.create(name, Scope::Read, "", MADE.to_owned()).map(|_| ());
    create("ci-1_x.y@z").expect("a name");
    assert!(matches!(create("ci-1_x.y@z"), Err(TokenFileError::Taken(_))));
    for name in ["", "a b", "ü", "a\n", &"x".repeat(65)] {
        assert!(matches!(create(name), Err(TokenFileError::Unfit(_))), "{name}");
    }
    for number in 1..TOKENS_MAX {
        create(&number.to_string()).expect("there is room");
    }
    assert!(matches!(create("last"), Err(TokenFileError::Full)));
}

#[test]
fn a_file_that_is_none_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    for text in [
        "",
        "{",
        "[]",
        r#"{"version":2,"tokens":[]}"#,
        r#"{"version":1,"tokens":[{"name":"a","scope":"all","prefix":"","sha256":"","made":""}]}"#,
        r#"{"version":1,"tokens":[{"name":"a","scope":"read","prefix":"","sha256":"00","made":""}]}"#,
    ] {
        fs::write(&path, text).expect("written");
        let error = TokenFile::read(&path).expect_err(text).to_string();
        assert!(error.contains("tokens.json"), "{error}");
    }
}

#[test]
fn scopes_include_each_other() {
    assert!(Scope::Read < Scope::Write && Scope::Write < Scope::Admin);
    let entry = TokenEntry {
        name: "a".to_owned(),
        scope: Scope::Write,
        prefix: String::new(),
        sha256: String::new(),
        made: String::new(),
    };
    assert!(entry.scope >= Scope::Read && entry.scope < Scope::Admin);
}

#[test]
fn what_goes_on_by_the_wire_may_be_judged_again_when_the_tokens_have_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let access = Access::open(Some(path.clone()), false).expect("none is none");
    let request = |action| Request {
        token: Token::new(),
        wait_us: 0,
        action,
    };
    let prefix = b"app/".as_slice().into();
    let watch = request(Action::Watch { prefix, after: None });
    let judge = |shown: &mut Shown, request: &Request| {
        Guard::judge(&access, shown, request).map(|reply| match reply.answer {
            Answer::Denied(Deny::Forbidden { why }) => why,
            other => format!("{other:?}"),
        })
    };
    let mut turns = BTreeSet::from([access.turn()]);
    let (mut nobody, mut holder) = (Shown::default(), Shown::default());
    assert_eq!(judge(&mut nobody, &watch), None);
    // There is a first token now.
    let mut file = TokenFile::default();
    let mut make = |name| {
        file.create(name, Scope::Read, "", MADE.to_owned())
            .expect("a token")
    };
    let text = make("a").as_str().to_owned();
    make("b");
    file.write(&path).expect("written");
    access.refresh().expect("readable");
    assert!(turns.insert(access.turn()));
    let why = judge(&mut nobody, &watch).expect("it shows none");
    assert!(why.contains("needs a token"), "{why}");
    let bearer = Bearer::new(text);
    let admitted = judge(&mut holder, &request(Action::Present { bearer }));
    assert_eq!(admitted.as_deref(), Some("Admitted"));
    assert_eq!(judge(&mut holder, &watch), None);
    access.refresh().expect("readable");
    assert!(!turns.insert(access.turn()), "nothing has changed");
    // Another token goes, then this one.
    for (name, expected) in [("b", None), ("a", Some("no such token, or it was revoked"))] {
        file.revoke(name).expect("there");
        file.create(&format!("{name}-new"), Scope::Read, "", MADE.to_owned())
            .expect("a token");
        file.write(&path).expect("written");
        access.refresh().expect("readable");
        assert!(turns.insert(access.turn()));
        assert_eq!(judge(&mut holder, &watch).as_deref(), expected);
    }
}
