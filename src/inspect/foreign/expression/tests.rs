//! What JavaScript means, and what the translation does with it.

use proptest::prelude::*;

use super::*;

fn found<'a>(expression: &str, text: &'a str) -> Option<&'a str> {
    compile(expression)
        .unwrap()
        .find(text)
        .map(|found| found.as_str())
}

#[test]
fn the_expressions_of_real_logs_find_their_groups() {
    let shiviz = compile(r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})").unwrap();
    let groups = shiviz.captures("Sent hello\nn1 {\"n1\":1}\n").unwrap();
    assert_eq!(
        (&groups["event"], &groups["host"], &groups["clock"]),
        ("Sent hello", "n1", "{\"n1\":1}")
    );
    let akka = [
        r"^\[(?<level>INFO|DEBUG)\] \[(?<date>(\d{2}\/){2}\d{4} (\d{2}:){2}\d{2}\.\d{3})\] \[.*?\] ",
        r"\[akka:[/][/]\w+\/user\/(?<host>\w+)\] (?<clock>{.*?}) (?<event>.*)$",
    ];
    let akka = compile(&akka.concat()).unwrap();
    let line = r#"[INFO] [10/13/2014 14:37:20.543] [Broadcast-2] [akka://Broadcast/user/node0] {"node0" : 2} Sending"#;
    let groups = akka.captures(line).unwrap();
    assert_eq!(
        (&groups["date"], &groups["host"], &groups["event"]),
        ("10/13/2014 14:37:20.543", "node0", "Sending")
    );
}

#[test]
fn each_piece_means_what_it_means_in_javascript() {
    for (expression, text, expected) in [
        ("a{2}", "aaa", Some("aa")),
        ("a{2,}", "aaa", Some("aaa")),
        ("a{,2}", "a{,2}", Some("a{,2}")),
        ("{a}", "x{a}", Some("{a}")),
        ("a]b}", "a]b}", Some("a]b}")),
        (".+", "ab\r\ncd", Some("ab")),
        ("^b$", "a\nb\nc", Some("b")),
        (r"\d+", "٣4", Some("4")),
        (r"\w+", "éa_1", Some("a_1")),
        (r"\bb\b", "éb b", Some("b")),
        (r"\s", "a\u{a0}", Some("\u{a0}")),
        (r"[[a&&b]+", "x[&a", Some("[&a")),
        ("[a-]+", "-a", Some("-a")),
        (r"[\w-.]+", "a-.", Some("a-.")),
        (r"[a-\d]+", "-3a", Some("-3a")),
        (r"[^\S ]", "a \t", Some("\t")),
        ("[^]", "\n", Some("\n")),
        ("[]", "a", None),
        (r"[\]]", "]", Some("]")),
        (r"\x41\u0042\/\-\_", "AB/-_", Some("AB/-_")),
        (r"\u00", "u00", Some("u00")),
        ("(a|ab)c?", "abc", Some("a")),
        ("a+?", "aa", Some("a")),
        ("~#& -", "~#& -", Some("~#& -")),
    ] {
        assert_eq!(found(expression, text), expected, "{expression} in {text:?}");
    }
}

#[test]
fn what_is_not_supported_is_named_with_its_position() {
    for (expression, position, text) in [
        ("ab(?=c)", 5, "looking ahead"),
        ("(?!c)", 3, "looking ahead"),
        ("x(?<=c)", 4, "looking behind"),
        ("(?<!c)", 3, "looking behind"),
        (r"(a)\1", 4, "back-reference"),
        (r"\k<a>", 1, "back-reference"),
        (r"a\B", 2, r"`\B`"),
        ("(?i)a", 3, "neither"),
        ("(?<a b>c)", 5, "name"),
        ("ab[c", 3, "without its end"),
        ("[z-a]", 4, "out of order"),
        ("a\\", 3, "backslash"),
        ("a{2000}", 2, "repeats more than"),
        ("(a", 1, "unclosed group"),
        ("*a", 1, "repetition operator missing expression"),
        ("(?<a>b)(?<a>c)", 1, "duplicate capture group name"),
        ("((a{1000}){1000}){1000}", 1, "exceeds size limit"),
    ] {
        let error = compile(expression).unwrap_err();
        assert_eq!(error.position, position, "{expression}: {error:?}");
        assert!(error.text.contains(text), "{expression}: {error:?}");
    }
}

#[test]
fn names_of_groups_are_found_in_broken_expressions_too() {
    let names: Vec<&str> = group_names("(?<event>.*(?<=x)(?<host>(?<cl ock>").collect();
    assert_eq!(names, ["event", "host"]);
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_an_error(text in "[\\[\\](){}?<>=!:\\\\^$*+.|,\\-0-9a-dk&~ué\n]{0,40}") {
        if let Err(error) = compile(&text) {
            prop_assert!(error.position >= 1 && error.position <= text.chars().count() + 1);
        }
    }

    #[test]
    fn a_text_without_signs_finds_itself(text in "[a-z0-9 _~#&@'\"<>=!:,;é-]{1,20}") {
        let found = found(&text, &text);
        prop_assert_eq!(found, Some(text.as_str()));
    }
}
