//! Histories by hand, and against the definitions.

mod oracle;

use std::fmt::Write;

use expect_test::expect;

use super::*;

/// A history of short lines: `a put x 1`, `a get x 1`, `a get x -`, `a delete x`, `a add x 3`, `r final x 1`. Behind the word
/// `?` means that nobody knows whether it was done, `!` that it failed; a fifth word is a mark.
pub(super) fn json(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = words[1].trim_end_matches(['?', '!']);
        let outcome = match words[1].chars().last() {
            Some('?') => "unknown",
            Some('!') => "fail",
            _ => "ok",
        };
        let op = if word == "final" { "get" } else { word };
        write!(
            lines,
            r#"{{"session":"{}","op":"{op}","key":"{}","outcome":"{outcome}""#,
            words[0], words[2]
        )
        .unwrap();
        match words.get(3) {
            Some(&"-") | None => {}
            Some(value) => write!(lines, r#","value":{value}"#).unwrap(),
        }
        if let Some(mark) = words.get(4) {
            write!(lines, r#","mark":"{mark}""#).unwrap();
        }
        if word == "final" {
            write!(lines, r#","final":true,"replica":"{}""#, words[0]).unwrap();
        }
        lines += "}\n";
    }
    lines
}

pub(super) fn history(text: &str) -> History {
    let mut history = History::default();
    history.read("h", &mut json(text).as_bytes()).unwrap();
    history
}

/// Every pattern that was found at a level.
pub(super) fn found(text: &str, level: Level) -> Vec<Pattern> {
    let verdict = history(text).judge(level).unwrap();
    let patterns = verdict.patterns.iter().filter(|count| count.found > 0);
    patterns.map(|count| count.pattern).collect()
}

#[track_caller]
fn assert_found(text: &str, patterns: &[Pattern]) {
    assert_eq!(found(text, Level::Convergent), patterns, "{text}");
}

/// The guarantee of sessions that explains the only finding.
#[track_caller]
fn guarantee(text: &str, pattern: Pattern) -> Option<Guarantee> {
    let verdict = history(text).judge(Level::Convergent).unwrap();
    assert_eq!(verdict.found(pattern), 1, "{verdict}");
    let counts = verdict.patterns.iter();
    let mut kept = counts.flat_map(|count| &count.kept);
    kept.next().unwrap().guarantee
}

#[test]
fn a_read_of_what_nobody_wrote_is_thin_air() {
    assert_found("a put x 1\n b get x 2", &[Pattern::ThinAirRead]);
    assert_found("a put x 1\n b get y 1", &[Pattern::ThinAirRead]);
    assert_found("a put x 1\n b get x 1", &[]);
    assert_found("a put x 1\n b get x \"1\"", &[Pattern::ThinAirRead]);
}

#[test]
fn a_failed_write_is_never_seen_and_an_unknown_one_may_be() {
    assert_found("a put! x 1\n b get x 1", &[Pattern::PhantomRead]);
    assert_found("a put? x 1\n b get x 1", &[]);
    assert_found("a put! x 1\n b get x -", &[]);
    // The second try was done.
    assert_found("a put! x 1\n a put x 1\n b get x 1", &[]);
}

#[test]
fn a_read_of_the_future_is_a_circle() {
    assert_found("a get x 1\n a put x 1", &[Pattern::CyclicCO]);
    assert_found(
        "a get x 1\n a put y 1\n b get y 1\n b put x 1",
        &[Pattern::CyclicCO],
    );
    assert_found("a get x 1\n a put y 1\n b put x 1\n b get y 1", &[]);
}

#[test]
fn circles_are_counted_one_by_one() {
    let verdict = history(
        "a get x 1\n a put x 1\n a get x 2\n a put x 2\n b get y 1\n b put z 1\n c get z 1\n c put y 1",
    );
    let verdict = verdict.judge(Level::Convergent).unwrap();
    assert_eq!(verdict.found(Pattern::CyclicCO), 3, "{verdict}");
}

#[test]
fn nothing_is_read_only_before_every_write_that_is_known() {
    assert_found("a put x 1\n a get x -", &[Pattern::WriteCOInitRead]);
    assert_found(
        "a put x 1\n a put y 1\n b get y 1\n b get x -",
        &[Pattern::WriteCOInitRead],
    );
    assert_found("a put x 1\n a put y 1\n b get x -\n b get y 1", &[]);
    // Not answered, so nobody has to know of it.
    assert_found("a put? x 1\n a get x -", &[]);
}

#[test]
fn an_overwritten_value_is_not_read_by_those_who_know() {
    let first = "a put x 1\n b get x 1\n b put x 2\n c get x 2\n";
    assert_found(&format!("{first} c get x 1"), &[Pattern::WriteCORead]);
    assert_found(&format!("{first} c get x 2"), &[]);
    assert_found(&format!("{first} d get x 1"), &[]);
}

#[test]
fn the_broken_guarantee_is_named() {
    use Guarantee::{MonotonicReads, MonotonicWrites, ReadYourWrites, WritesFollowReads};
    let cases = [
        ("a put x 1\n a put x 2\n a get x 1", Some(ReadYourWrites)),
        (
            "a put x 1\n a put x 2\n b get x 2\n b get x 1",
            Some(MonotonicReads),
        ),
        (
            "a put x 1\n a put x 2\n a put y 1\n b get y 1\n b get x 1",
            Some(MonotonicWrites),
        ),
        (
            "a put x 1\n a put x 2\n b get x 2\n b put y 1\n c get y 1\n c get x 1",
            Some(WritesFollowReads),
        ),
        (
            "a put x 1\n a put x 2\n b get x 2\n b put y 1\n c get y 1\n c put z 1\n d get z 1\n d get x 1",
            None,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(guarantee(text, Pattern::WriteCORead), expected, "{text}");
    }
    let nothing = "a put x 1\n a put y 1\n b get y 1\n b get x -";
    assert_eq!(
        guarantee(nothing, Pattern::WriteCOInitRead),
        Some(MonotonicWrites)
    );
}

/// Two sessions that order two concurrent writes differently, and see both.
const SPLIT: &str = "
    a put x 1
    b put x 2
    a get x 2
    b get x 1";

#[test]
fn all_sessions_have_one_order_of_concurrent_writes() {
    // Legal for causal memory, not for convergence: a orders 1 before 2, b the other way.
    assert_eq!(found(SPLIT, Level::Causal), []);
    assert_eq!(found(SPLIT, Level::Memory), []);
    assert_eq!(found(SPLIT, Level::Convergent), [Pattern::CyclicCF]);
    assert_found("a put x 1\n b put x 2\n a get x 2\n b get x 2", &[]);
}

#[test]
fn a_session_has_one_order_of_concurrent_writes() {
    // Figure 4b of the paper in spirit: legal for CC, for neither CM nor CCv.
    let text = "a put x 1\n b put x 2\n c get x 1\n c get x 2\n c get x 1";
    assert_eq!(found(text, Level::Causal), []);
    assert_eq!(found(text, Level::Memory), [Pattern::CyclicHB]);
    assert_eq!(found(text, Level::Convergent), [Pattern::CyclicCF]);
}

#[test]
fn the_order_of_a_session_may_forbid_a_read_of_nothing() {
    // c's read of x orders a's z before b's x; with that the write of y precedes its read of nothing. Convergence has its
    // own way to say it, or none.
    let text = "
        a put y 1
        a put x 1
        b put x 2
        b put z 1
        c get z 1
        c get x 2
        d get y -";
    assert_eq!(found(text, Level::Memory), []);
    let text = "
        a put z 1
        a put x 1
        a put y 1
        b put x 2
        b get z -
        b get y 1
        b get x 2";
    assert_eq!(found(text, Level::Causal), []);
    assert_eq!(found(text, Level::Memory), [Pattern::WriteHBInitRead]);
    assert_eq!(found(text, Level::Convergent), []);
}

#[test]
fn a_deleted_value_does_not_come_back() {
    assert_found("a put x 1\n a delete x\n a get x 1", &[Pattern::WriteCORead]);
    assert_found("a put x 1\n a delete x\n a get x -", &[]);
    assert_found("a put x 1\n a delete x\n b get x 1", &[]);
}

#[test]
fn nothing_may_be_of_any_delete_that_is_not_superseded() {
    // The delete precedes the put, for everybody.
    assert_found("a delete x\n a put x 1\n a get x -", &[Pattern::WriteCOInitRead]);
    // It may come after the put, since it is concurrent, or has no answer.
    assert_found("b delete x\n a put x 1\n a get x -", &[]);
    assert_found("a delete? x\n a put x 1\n a get x -", &[]);
    // Its own later delete does not explain it.
    assert_found("a put x 1\n a get x -\n a delete x", &[Pattern::WriteCOInitRead]);
}

#[test]
fn a_mark_tells_one_delete_from_another() {
    let deletes = "a delete x - m1\n a put x 1\n a delete x - m2\n b get x - m2\n";
    assert_found(deletes, &[]);
    assert_found(&format!("{deletes} b get x - m1"), &[Pattern::WriteCORead]);
    assert_found("b get x - m3", &[Pattern::ThinAirRead]);
}

#[test]
fn an_unanswered_write_may_be_done_late_but_not_undone() {
    // Done after the session's own read: no violation.
    assert_found("a put x 1\n a put? x 2\n a get x 1\n b get x 2", &[]);
    // Seen, and then not any more.
    assert_found(
        "a put x 1\n a put? x 2\n b get x 2\n b get x 1",
        &[Pattern::WriteCORead],
    );
    // What the session did before it precedes it.
    assert_found(
        "a put y 1\n a put? x 2\n b get x 2\n b get y -",
        &[Pattern::WriteCOInitRead],
    );
}

#[test]
fn replicas_end_with_the_same_values() {
    assert_found(
        "a put x 1\n b put x 2\n r0 final x 1\n r1 final x 2",
        &[Pattern::CyclicCF, Pattern::Divergence],
    );
    assert_found("a put x 1\n b put x 2\n r0 final x 2\n r1 final x 2", &[]);
    assert_found("a put? x 1\n r0 final x 1\n r1 final x -", &[Pattern::Divergence]);
    // Nothing is nothing, whoever deleted it.
    assert_found(
        "a delete x - m1\n b delete x - m2\n r0 final x - m1\n r1 final x -",
        &[],
    );
}

#[test]
fn an_acknowledged_write_is_there_at_the_end() {
    assert_found("a put x 1\n r0 final x -", &[Pattern::LostWrite]);
    assert_found("a put x 1\n a put x 2\n r0 final x 1", &[Pattern::LostWrite]);
    assert_found("a put x 1\n a put? x 2\n r0 final x 1", &[]);
    assert_found("a put x 1\n a put! x 2\n r0 final x 1", &[]);
    assert_found("a put x 1\n a delete x\n r0 final x -", &[]);
    assert_found("a put x 1\n a delete x\n r0 final x 1", &[Pattern::LostWrite]);
    assert_found("a delete x\n a put x 1\n r0 final x -", &[Pattern::LostWrite]);
    assert_found("b delete x\n a put x 1\n r0 final x -", &[]);
    assert_found(
        "a put x 1\n b get x 1\n b put y 1\n r0 final x 1\n r0 final y -",
        &[Pattern::LostWrite],
    );
}

#[test]
fn the_end_agrees_with_what_was_read_before() {
    // c saw 1 beside 2 and kept 1, so 1 is the later one; at the end it is 2.
    let text = "a put x 1\n b put x 2\n c get x 2\n c get x 1\n r0 final x 2";
    assert_found(text, &[Pattern::CyclicCF]);
}

#[test]
fn counters_are_the_sum_of_what_was_added() {
    let adds = "a add x 3\n b add x -1\n c add? x 5\n d add! x 100\n";
    for (value, is_right) in [("2", true), ("7", true), ("1", false), ("8", false), ("-", false)] {
        let expected: &[Pattern] = if is_right { &[] } else { &[Pattern::LostCount] };
        assert_found(&format!("{adds} r0 final x {value}"), expected);
    }
    assert_found(&format!("{adds} a get x 77"), &[]);
}

#[test]
fn a_finding_is_told_step_by_step() {
    let text = "a put x 1\n b get x 1\n b get q -\n b put x 2\n b put y 1\n c get y 1\n c get x 1";
    let verdict = history(text).judge(Level::Convergent).unwrap();
    expect![[r#"
        h: VIOLATED (convergent): 7 operations of 3 sessions on 3 keys, 1 bad pattern
          WriteCORead: h:7: breaks "monotonic writes": session c read what h:1 wrote, although it knew of h:4, which supersedes that
            h:1: session a: put x = 1; is read by
            h:2: session b: get x: 1; and then, in the same session,
            h:4: session b: put x = 2; and then, in the same session,
            h:5: session b: put y = 1; is read by
            h:6: session c: get y: 1; and then, in the same session,
            h:7: session c: get x: 1; reads the old value all the same
          pattern                 found
          ThinAirRead                 0
          PhantomRead                 0
          CyclicCO                    0
          WriteCOInitRead             0
          WriteCORead                 1
          CyclicCF                    0
          note: no final reads: that replicas converge and that nothing is lost was not judged
    "#]]
    .assert_eq(&verdict.to_string());
    let verdict = history(SPLIT).judge(Level::Convergent).unwrap();
    expect![[r#"
        h: VIOLATED (convergent): 4 operations of 2 sessions on 1 keys, 1 bad pattern
          CyclicCF: h:3: no order of all writes explains what was read: by these reads they precede each other in a circle
            h:1: session a: put x = 1; must come before the next, since session a (h:3) knew of it and read the next
            h:2: session b: put x = 2; must come before the next, since session b (h:4) knew of it and read the next
            h:1: session a: put x = 1; which is the first again
          pattern                 found
          ThinAirRead                 0
          PhantomRead                 0
          CyclicCO                    0
          WriteCOInitRead             0
          WriteCORead                 0
          CyclicCF                    1
          note: no final reads: that replicas converge and that nothing is lost was not judged
    "#]].assert_eq(&verdict.to_string());
}

#[test]
fn long_findings_and_many_findings_are_cut() {
    let mut text = String::from("s0 put x 1\n s0 put x 2\n s0 put y0 1\n");
    for session in 1..40 {
        let last = session - 1;
        writeln!(text, "s{session} get y{last} 1\n s{session} put y{session} 1").unwrap();
    }
    for _ in 0..20 {
        text += "s39 get x 1\n";
    }
    let verdict = history(&text).judge(Level::Convergent).unwrap();
    assert_eq!(
        verdict.found(Pattern::WriteCORead),
        1,
        "one for two writes and all who read them"
    );
    let counts = verdict.patterns.iter();
    let kept: Vec<&Finding> = counts.flat_map(|count| &count.kept).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].steps.len(), STEPS_SHOWN_MAX);
    let steps = kept[0].steps.iter();
    assert_eq!(steps.filter(|step| step.meaning.contains("left out")).count(), 1);
    let mut text = String::new();
    for key in 0..20 {
        writeln!(text, "a put x{key} 1\n a get x{key} -").unwrap();
    }
    let verdict = history(&text).judge(Level::Convergent).unwrap();
    assert_eq!(verdict.found(Pattern::WriteCOInitRead), 20);
    let counts = verdict.patterns.iter();
    assert_eq!(counts.flat_map(|count| &count.kept).count(), FINDINGS_KEPT_MAX);
}

#[test]
fn values_are_unique_or_nothing_can_be_said() {
    let error = history("a put x 1\n b put x 1")
        .judge(Level::Convergent)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("h:2 writes 1 to key x, as h:1 does: give each"),
        "{text}"
    );
    assert_found("a put x 1\n b put y 1", &[]);
}

#[test]
fn spellings_of_one_value_are_one_value() {
    let lines = concat!(
        r#"{"session":1,"op":"put","key":"x","value":{"b":1, "a":"\u0041"}}"#,
        "\n\n",
        r#"{"value":{"a":"A","b":1},"key":"x","op":"get","session":"1","begin_us":5,"more":[1]}"#,
        "\n"
    );
    let mut history = History::default();
    history.read("h", &mut lines.as_bytes()).unwrap();
    let verdict = history.judge(Level::Memory).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    assert_eq!((verdict.sessions, verdict.reads, verdict.writes), (1, 1, 1));
}

#[test]
fn lines_that_are_none_are_named() {
    let cases = [
        ("{", "h:1: this is no JSON (EOF while parsing"),
        ("not JSON", "h:1: this is no JSON"),
        ("[]", "h:1: "),
        (
            r#"{"session":"a","op":"jump","key":"x"}"#,
            "unknown variant `jump`",
        ),
        (r#"{"session":"a","op":"put","key":"x"}"#, "a put without a value"),
        (
            r#"{"session":"a","op":"put","key":"x","value":null}"#,
            "a put without a value",
        ),
        (
            r#"{"session":"a","op":"delete","key":"x","value":1}"#,
            "a delete has no value",
        ),
        (
            r#"{"session":"a","op":"add","key":"x","value":1.5}"#,
            "no whole number",
        ),
        (
            r#"{"session":"a","op":"get","key":"x","final":true}"#,
            "has to say its `replica`",
        ),
        (
            r#"{"session":"a","op":"put","key":"x","value":1,"final":true}"#,
            "only a get can be final",
        ),
        (
            r#"{"session":"a","op":"get","key":"x","outcome":"perhaps"}"#,
            "unknown variant `perhaps`",
        ),
    ];
    for (line, expected) in cases {
        let mut history = History::default();
        let error = history
            .read("h", &mut format!("{line}\n").as_bytes())
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
    let error = History::default().read("h", &mut &b"\xff\n"[..]).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn a_last_line_that_was_cut_off_is_left_out() {
    let whole = json("a put x 1\n b get x 1");
    for cut in 1..whole.len() {
        let mut history = History::default();
        let read = history.read("h", &mut &whole.as_bytes()[..cut]);
        assert!(read.is_ok(), "{cut}: {read:?}");
        let verdict = history.judge(Level::Convergent).unwrap();
        assert!(verdict.is_valid(), "{verdict}");
    }
}

#[test]
fn a_session_stands_in_one_file() {
    let mut history = History::default();
    let line = json("a put x 1");
    history.read("one", &mut line.as_bytes()).unwrap();
    let error = history.read("two", &mut line.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("session a stands in one as well"), "{error}");
    let other = json("b get x 1");
    let mut history = History::default();
    history.read("one", &mut other.as_bytes()).unwrap();
    history.read("two", &mut line.as_bytes()).unwrap();
    let verdict = history.judge(Level::Convergent).unwrap();
    assert!(
        verdict.is_valid(),
        "a write may stand behind its reads: {verdict}"
    );
}

#[test]
fn an_empty_history_is_valid() {
    let history = History::default();
    assert!(history.is_empty());
    assert!(history.judge(Level::Convergent).unwrap().is_valid());
}

#[test]
fn thousands_of_short_sessions_take_memory_for_those_alone_that_go_on() {
    let mut text = String::new();
    for session in 0..4000 {
        writeln!(text, "s{session} put x{} {session}", session % 50).unwrap();
        writeln!(text, "s{session} get x{} {session}", session % 50).unwrap();
    }
    let verdict = history(&text).judge(Level::Convergent).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
}
