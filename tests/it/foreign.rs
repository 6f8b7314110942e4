//! Logs of other programs: real ones are valid and read as they are meant, hand-made bad ones are explained
//! with both lines, generated ones are accepted, and each single change of them is found or harmless.

mod generate;

use std::path::{Path, PathBuf};

use clocklab::inspect::{
    self, ForeignError, InspectError,
    foreign::{LINE_BYTES_MAX, read_bytes},
    history::{EventKind, Fate, History},
};
use expect_test::{Expect, expect};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/foreign")
        .join(name)
}

/// Rules judged and broken, then violations and notes, of a log that is called `log`.
fn judged(text: &str) -> String {
    let (verdict, _) = match read_bytes("log", text.into()) {
        Ok(read) => read,
        Err(error) => return folded(&format!("error: {error}")),
    };
    let mut told = String::new();
    for violation in &verdict.violations {
        told += &format!("{violation}\n");
        assert!(!violation.places.is_empty());
    }
    for note in &verdict.notes {
        told += &format!("note: {note}\n");
    }
    if told.is_empty() {
        told += "valid\n";
    }
    told.lines().map(folded).collect()
}

/// A line in pieces that fit a reader, behind the first one indented.
fn folded(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        if width > 0 && width + word.chars().count() > 88 {
            text += "\n   ";
            width = 3;
        }
        if width > 0 {
            text.push(' ');
        }
        text += word;
        width += word.chars().count() + 1;
    }
    text + "\n"
}

#[track_caller]
fn assert_judged(text: &str, expected: &Expect) {
    expected.assert_eq(&judged(text));
}

/// A log of GoVector's form: `host clock text` a line.
fn log(lines: &[&str]) -> String {
    let event = |line: &&str| {
        let (head, text) = line.split_once('}').unwrap();
        format!("{head}}}\n{}\n", text.trim())
    };
    lines.iter().map(event).collect()
}

/// Each event: its name, its kind, and where the messages that it takes were sent.
fn drawn(history: &History) -> Vec<String> {
    let event = |id| {
        let kind = match history.event(id).unwrap().kind {
            EventKind::Internal => "internal",
            EventKind::Send => "send",
            EventKind::Receive => "receive",
            EventKind::Exchange => "exchange",
            EventKind::Other => "other",
        };
        let sends: Vec<String> = history
            .received_by(id)
            .map(|message| history.name_of(message.send))
            .collect();
        format!("{} {kind} {}", history.name_of(id), sends.join(" "))
            .trim()
            .to_owned()
    };
    history.ids().map(event).collect()
}

#[test]
fn real_logs_are_valid() {
    for (name, hosts, events, messages) in [
        ("govector-rpc.log", 2, 10, 4),
        ("govector-plain-Log.txt", 1, 3, 0),
        ("shiviz-broadcast.log", 3, 20, 7),
        ("shiviz-executions.log", 4, 19, 9),
        ("maelstrom-jepsen.log", 3, 7, 3),
    ] {
        let verdict = inspect::judge(&sample(name)).unwrap();
        assert_eq!(verdict.violations, [], "{name}");
        assert!(verdict.is_valid());
        let counts = (verdict.machines, verdict.events, verdict.matched);
        assert_eq!(counts, (hosts, events, messages), "{name}");
    }
}

#[test]
fn a_merged_log_of_govector_becomes_its_arrows() {
    let history = History::read(&sample("govector-rpc.log")).unwrap();
    assert_eq!(history.name, "govector-rpc.log");
    let expected = [
        "client:1 internal",
        "client:2 send",
        "client:3 receive server:3",
        "client:4 send",
        "client:5 receive server:5",
        "server:1 internal",
        "server:2 receive client:2",
        "server:3 send",
        "server:4 receive client:4",
        "server:5 send",
    ];
    assert_eq!(drawn(&history), expected);
    let id = history.find(&"server:3".parse().unwrap()).unwrap();
    assert_eq!(history.text(id), Some("Sending response to RPC request"));
    assert_eq!(history.event(id).unwrap().line, 18);
    assert_eq!(history.notes, Vec::<String>::new());
    let mut vectors = Vec::new();
    assert!(history.each_in_causal_order(|id, vector| vectors.push((history.name_of(id), vector.to_vec()))));
    let last = vectors.iter().find(|(name, _)| name == "client:5").unwrap();
    assert_eq!(
        last.1,
        [5, 5],
        "the arrows alone give the vectors of the log again"
    );
}

#[test]
fn an_expression_of_the_log_itself_gives_hosts_times_and_texts() {
    let history = History::read(&sample("shiviz-broadcast.log")).unwrap();
    assert!(history.has_times());
    let names: Vec<&str> = history
        .processes
        .iter()
        .map(|process| process.name.as_str())
        .collect();
    assert_eq!(names, ["node0", "node1", "node2"]);
    let id = history.find(&"node1:6".parse().unwrap()).unwrap();
    let event = history.event(id).unwrap();
    assert_eq!(event.at.unwrap().to_string(), "2014-10-13T14:37:20.549000Z");
    assert_eq!(event.line, 16);
    let senders: Vec<String> = history
        .received_by(id)
        .map(|message| history.name_of(message.send))
        .collect();
    assert_eq!(senders, ["node2:5"], "node0:3 came through node2");
}

#[test]
fn of_several_executions_the_first_is_read_and_all_are_judged() {
    let history = History::read(&sample("shiviz-executions.log")).unwrap();
    assert_eq!(history.len(), 15);
    let note = history
        .notes
        .iter()
        .find(|note| note.contains("2 executions"))
        .unwrap();
    assert!(
        note.ends_with("this is the first, one without a name, the others are one without a name"),
        "{note}"
    );

    let text = "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n^=== (?<trace>.*) ===$\n\
        === one ===\na {\"a\":1}\nx\n=== two ===\na {\"a\":1}\nx\na {\"a\":3}\ny\n";
    let (verdict, history) = read_bytes("log", text.into()).unwrap();
    assert_eq!((history.len(), verdict.events), (1, 3));
    assert!(
        history.notes[0].contains("this is the first, `one`, the others are `two`"),
        "{:?}",
        history.notes
    );
    assert_judged(
        text,
        &expect![[r#"
            own entry: log:9: the own entry of a goes from 1 (log:7) to 3; it must be 2: events are
                missing between them
            note: 2 executions, each judged by itself: `one`, `two`
        "#]],
    );
}

#[test]
fn a_folder_of_govector_is_one_execution_of_several_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "a-Log.txt",
        "17000000001 a {\"a\":1}\nsend\n17000000003 a {\"a\":2, \"b\":3}\nreceive\n",
    );
    write("b-Log.txt", "b {\"b\":1}\nx\nb {\"a\":1, \"b\":2}\nreceive\n");
    write("c-Log.txt", "");
    write("notes.txt", "not a log");
    let verdict = inspect::judge(dir.path()).unwrap();
    let violations: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    let shown = dir.path().display().to_string();
    let expected = format!(
        "no future: {shown}/a-Log.txt:3: the entry of b is 3, but the last event of b has 2 ({shown}/b-Log.txt:3): \
         nobody knows more of a host than the host, or its log is cut off"
    );
    assert_eq!(violations, [expected]);
    assert!(
        verdict
            .notes
            .iter()
            .any(|note| note.ends_with("c-Log.txt: the file is empty"))
    );
    let history = History::read(dir.path()).unwrap();
    assert_eq!(history.processes.len(), 2);
    assert!(history.processes[1].file.ends_with("b-Log.txt"));
    // Those that come after ten thousand files are left out, and that is said.
    for number in 0..10_000 {
        write(&format!("d{number}-Log.txt"), "");
    }
    let verdict = inspect::judge(dir.path()).unwrap();
    assert!(verdict.notes[0].starts_with("3 files of GoVector are left out"));
}

#[test]
fn each_rule_of_vector_clocks_is_explained_with_both_lines() {
    // The first event, a gap, a repeat, an own entry that is missing.
    assert_judged(
        &log(&[
            r#"a {"a":2}"#,
            r#"b {"b":1}"#,
            r#"b {"b":1}"#,
            r#"c {"c":1}"#,
            r#"c {"a":2}"#,
            r#"d {"d":1}"#,
            r#"d {"d":3}"#,
        ]),
        &expect![[r#"
            own entry: log:1: the first event of a has its own entry at 2; it must be 1
            own entry: log:5: the own entry of b goes from 1 (log:3) to 1; it must be 2
            own entry: log:9: the own entry of c goes from 1 (log:7) to 0; it must be 2
            own entry: log:13: the own entry of d goes from 1 (log:11) to 3; it must be 2: events
                are missing between them
        "#]],
    );
    // A host without events, told once, and an event that is not there yet.
    assert_judged(
        &log(&[
            r#"a {"a":1, "z":4}"#,
            r#"a {"a":2, "z":4}"#,
            r#"b {"a":3, "b":1}"#,
        ]),
        &expect![[r#"
            known hosts: log:1: the entry of z is 4, but the log has no event of z: its log is
                missing, or the name is wrong
            no future: log:5: the entry of a is 3, but the last event of a has 2 (log:3): nobody
                knows more of a host than the host, or its log is cut off
        "#]],
    );
    // What was known is forgotten.
    assert_judged(
        &log(&[
            r#"a {"a":1}"#,
            r#"a {"a":2}"#,
            r#"b {"a":2, "b":1}"#,
            r#"b {"a":1, "b":2}"#,
        ]),
        &expect![[r#"
            never back: log:7: the entry of a goes back from 2 (log:5) to 1; it must be at least 2
        "#]],
    );
    // A receive that takes over the sender's entry, and not what the sender knew.
    assert_judged(
        &log(&[r#"a {"a":1}"#, r#"b {"a":1, "b":1}"#, r#"c {"b":1, "c":1}"#]),
        &expect![[r#"
            merge: log:5: the entry of a must be max(0, 1) = 1, because this event knows of event 1
                of b (log:3), which has 1; the log says 0
        "#]],
    );
}

#[test]
fn circles_and_arrows_between_the_wrong_events_are_explained_with_both_lines() {
    // Two events that each know the other.
    assert_judged(
        &log(&[r#"a {"a":1, "b":1}"#, r#"b {"a":1, "b":1}"#]),
        &expect![[r#"
            causes first: log:1: this event of a, number 1, knows of event 1 of b (log:3), which has
                1 for a and so knows of this one: each would be before the other
            causes first: log:3: this event of b, number 1, knows of event 1 of a (log:1), which has
                1 for b and so knows of this one: each would be before the other
        "#]],
    );
    // The log says what events are, and the arrows say otherwise.
    assert_judged(
        &log(&[
            r#"a {"a":1} Received x"#,
            r#"b {"a":1, "b":1} Received y"#,
            r#"c {"b":1, "c":1, "a":1} Local work"#,
        ]),
        &expect![[r#"
            arrow ends: log:3: this event takes a message of event 1 of a (log:1), which the log
                calls a receive: a message starts at a send
            arrow ends: log:5: this event takes a message of event 1 of b (log:3), which the log
                calls a receive: a message starts at a send
        "#]],
    );
    assert_judged(
        &log(&[r#"a {"a":1} INFO-Sending x"#, r#"b {"a":1, "b":1} INFO internal"#]),
        &expect![[r#"
            arrow ends: log:3: the log calls this event internal, but it newly knows of event 1 of a
                (log:1), as only a receive does
        "#]],
    );
}

#[test]
fn clocks_that_cannot_be_read_are_told_and_their_events_left_out() {
    let text = log(&[
        r#"a {"a":1}"#,
        r#"a {"a":-1}"#,
        r#"a {"a":1.5}"#,
        r#"a {"a":"2"}"#,
        r#"a {a:2}"#,
        r#"a {"a":2}"#,
    ]);
    assert_judged(
        &text,
        &expect![[r#"
            format: log:3: the clock's entry of a is -1, and must be a whole number from 0; the
                event is left out
            format: log:5: the clock's entry of a is 1.5, and must be a whole number from 0; the
                event is left out
            format: log:7: the clock's entry of a is "2", and must be a whole number from 0; the
                event is left out
            format: log:9: the clock `{a:2}` is no JSON object: key must be a string at line 1
                column 2; the event is left out
        "#]],
    );
    assert_judged(
        "(?<host>\\S*) (?<clock>.*) (?<event>.*)\n\na [1] x\na 7 x\n",
        &expect![[r#"
            format: log:3: the clock `[1]` is no JSON object such as {"host":1}; the event is left
                out
            format: log:4: the clock `7` is no JSON object such as {"host":1}; the event is left out
        "#]],
    );
    let (_, history) = read_bytes("log", text.into()).unwrap();
    assert_eq!(history.len(), 2);
    assert!(
        history
            .notes
            .iter()
            .any(|note| note.contains("breaks rules, 4 times")),
        "{:?}",
        history.notes
    );
}

#[test]
fn many_violations_of_a_rule_are_counted_and_the_host_is_named() {
    let mut lines = vec![r#"a {"x":1}"#; 7];
    lines.extend([r#"x {"x":"?"}"#; 8]);
    let (verdict, _) = read_bytes("log", log(&lines).into()).unwrap();
    let last: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    assert_eq!(last.len(), 5 + 5 + 1);
    assert!(
        last[4].ends_with("(and 3 more of this rule on the log)"),
        "{}",
        last[4]
    );
    assert!(
        last[9].ends_with("(and 2 more of this rule on host a)"),
        "{}",
        last[9]
    );
    assert!(
        last[10].starts_with("known hosts: log:1: the entry of x is 1"),
        "{}",
        last[10]
    );
    assert_eq!(verdict.broken(), 8 + 7 + 1);
}

#[test]
fn lines_that_are_no_events_and_a_cut_end_are_noted() {
    assert_judged(
        "a {\"a\":1}\nx\n\nnoise\n\na {\"a\":2}\ny\na {\"a\":3,",
        &expect![[r#"
            note: 2 lines are no events and are skipped; the first is log:4: `noise`
        "#]],
    );
}

#[test]
fn lines_of_a_host_may_stand_in_any_order() {
    let text = log(&[r#"a {"a":2}"#, r#"a {"a":1}"#, r#"b {"a":2, "b":1}"#]);
    assert_judged(
        &text,
        &expect![[r#"
            note: the lines of a are not in the order of its own entries; the entries count
        "#]],
    );
    let (_, history) = read_bytes("log", text.into()).unwrap();
    assert_eq!(drawn(&history), ["a:1 internal", "a:2 send", "b:1 receive a:2"]);
}

#[test]
fn an_event_may_take_several_messages_and_send_as_well() {
    let text = log(&[
        r#"a {"a":1}"#,
        r#"b {"b":1}"#,
        r#"c {"a":1, "b":1, "c":1}"#,
        r#"d {"a":1, "b":1, "c":1, "d":1}"#,
    ]);
    let (verdict, history) = read_bytes("log", text.into()).unwrap();
    assert!(verdict.is_valid());
    assert_eq!(
        drawn(&history),
        ["a:1 send", "b:1 send", "c:1 exchange a:1 b:1", "d:1 receive c:1"]
    );
}

#[test]
fn hosts_with_blanks_and_colons_get_names_of_their_own() {
    let text = "^(?<host>[^{\\n]*) (?<clock>{.*})(?<event>.*)\n\n\
        10.0.0.1:80 {\"10.0.0.1:80\":1}\n10.0.0.1_80 {\"10.0.0.1_80\":1}\nmy host {\"my host\":1, \"10.0.0.1:80\":1}\n";
    let (verdict, history) = read_bytes("log", text.into()).unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    let names: Vec<&str> = history
        .processes
        .iter()
        .map(|process| process.name.as_str())
        .collect();
    assert_eq!(names, ["10.0.0.1_80", "10.0.0.1_80_2", "my_host"]);
    assert_eq!(history.notes.len(), 3, "{:?}", history.notes);
    assert!(history.find(&"my_host:1".parse().unwrap()).is_ok());
}

#[test]
fn numbered_hosts_stand_in_the_order_of_their_numbers() {
    let text = log(&[r#"10 {"10":1}"#, r#"2 {"2":1}"#, r#"1 {"1":1, "10":1}"#]);
    let (_, history) = read_bytes("log", text.into()).unwrap();
    assert_eq!(drawn(&history), ["1:1 receive 10:1", "2:1 internal", "10:1 send"]);
}

#[test]
fn a_line_feed_of_windows_and_a_byte_order_mark_change_nothing() {
    let text = std::fs::read_to_string(sample("govector-rpc.log")).unwrap();
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let (verdict, history) = read_bytes("log", windows.into()).unwrap();
    assert!(verdict.is_valid());
    assert_eq!(drawn(&history), drawn(&read_bytes("log", text.into()).unwrap().1));
}

#[test]
fn tsviz_times_are_nanoseconds_since_1970() {
    let text = "(?<timestamp>\\d+) (?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\n\
        1795216561123456789 a {\"a\":1}\nx\n";
    let (_, history) = read_bytes("log", text.into()).unwrap();
    let (first, _) = history.span().unwrap();
    assert_eq!(first.to_string(), "2026-11-20T23:16:01.123456Z");
}

#[test]
fn an_expression_that_cannot_be_used_is_named_with_its_position() {
    for (header, expected) in [
        (
            r"(?<event>.*)(?=x)(?<host>\S*) (?<clock>{.*})",
            "log:1: the expression `(?<event>.*)(?=x)(?<host>\\S*) (?<clock>{.*})` cannot be used: at character 15, looking ahead",
        ),
        (
            r"(?<event>.*)\n(?<host>\S*)",
            "log:1: the expression `(?<event>.*)\\n(?<host>\\S*)` has no group `(?<clock>…)`; `event`, `host` and `clock` must be there",
        ),
        (
            r"(?<event>.*)!(?<host>\S*) (?<clock>{.*})",
            "log: the expression `(?<event>.*)!(?<host>\\S*) (?<clock>{.*})` finds no event in it",
        ),
    ] {
        let error = read_bytes("log", format!("{header}\n\nx\na {{\"a\":1}}\n").into()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let text = "(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n(?<trace>x\n\nx\na {\"a\":1}\n";
    let error = read_bytes("log", text.into()).unwrap_err().to_string();
    assert!(
        error.starts_with("log:2: the expression `(?<trace>x` cannot be used: at character 1,"),
        "{error}"
    );
}

#[test]
fn a_header_without_its_second_line_is_forgiven() {
    let text = "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\na {\"a\":1}\nx\na {\"a\":2}\ny\n";
    assert_judged(
        text,
        &expect![[r#"
            note: log:2: the line for the delimiter is missing, an empty one would do; the log is
                taken to begin here
        "#]],
    );
}

#[test]
fn maelstrom_messages_are_matched_by_id_and_lost_ones_stay_open() {
    let history = History::read(&sample("maelstrom-jepsen.log")).unwrap();
    let expected = [
        "c0:1 send",
        "c0:2 receive n1:2",
        "n1:1 receive c0:1",
        "n1:2 send",
        "n1:3 send",
        "n1:4 send",
        "n2:1 receive n1:4",
    ];
    assert_eq!(drawn(&history), expected);
    let lost = history.find(&"n1:3".parse().unwrap()).unwrap();
    assert_eq!(history.sent_by(lost)[0].fate, Fate::Unknown);
    assert_eq!(history.text(lost), Some("broadcast msg_id=1"));
    assert_eq!(
        history.event(lost).unwrap().at.unwrap().to_string(),
        "2023-02-25T21:15:32.002000Z"
    );
    assert_eq!(
        history.notes,
        ["sent and never received: 1 messages, lost or on their way at the end"]
    );
}

/// A line of a Maelstrom journal as JSON.
fn message(end: &str, id: Option<u64>, from: &str, to: &str, msg_id: u64) -> String {
    let id = id.map_or(String::new(), |id| format!("\"id\":{id},"));
    format!(
        "{{\"type\":\"{end}\",\"time\":{msg_id}000,\"message\":{{{id}\"src\":\"{from}\",\"dest\":\"{to}\",\
         \"body\":{{\"type\":\"echo\",\"msg_id\":{msg_id}}}}}}}\n"
    )
}

#[test]
fn each_rule_of_maelstrom_is_explained_with_both_lines() {
    let send = |id, from, to| message("send", Some(id), from, to, id);
    let recv = |id, from, to| message("recv", Some(id), from, to, id);
    let text = [
        send(1, "a", "b"),
        recv(1, "a", "b"),
        recv(1, "a", "b"),
        recv(2, "a", "b"),
        send(3, "a", "b"),
        send(3, "a", "b"),
        recv(3, "c", "b"),
        "{\"type\":\"what\",\"src\":\"a\",\"dest\":\"b\",\"body\":{}}\n".to_owned(),
        "{\"type\":\"send\",\"src\":\"a\",\"dest\":7,\"body\":{}}\n".to_owned(),
        "{\"type\":\"send\",\"src\":\"a\",\"dest\":".to_owned(),
    ];
    assert_judged(
        &text.concat(),
        &expect![[r#"
            format: log:8: the line says neither `send` nor `recv`: it needs a "type" of one of them
            format: log:9: no message: {"src":"…","dest":"…","body":{…}} was expected, with an "id"
                that is a number from 0, if any
            sent once: log:6: message 3 is sent a second time; the first is log:5: ids are given
                once
            known send: log:4: message 2 from a to b is received, but no line sends it
            received once: log:3: message 1 from a to b is received a second time; the first is
                log:2: the network never copies a message
            same message: log:7: message 3 from c to b is received, but it was sent as message 3
                from a to b (log:5)
            note: log:10: the last line was cut and is left out
            note: sent and never received: 1 messages, lost or on their way at the end
        "#]],
    );
}

#[test]
fn a_receive_may_stand_before_its_send_unless_it_is_its_own_cause() {
    let (send, recv) = (
        |id, from, to| message("send", Some(id), from, to, id),
        |id, from, to| message("recv", Some(id), from, to, id),
    );
    assert_judged(
        &[recv(1, "a", "b"), send(1, "a", "b")].concat(),
        &expect![["valid\n"]],
    );
    assert_judged(
        &[recv(1, "a", "a"), send(1, "a", "a")].concat(),
        &expect![[r#"
            causes first: log:1: message 1 from a to a is received here, but its send (log:2) is
                behind events that came of this one: no event is its own cause
        "#]],
    );
    // c only waits for b, which is on the circle with a.
    let circle = [
        recv(9, "b", "c"),
        recv(1, "a", "b"),
        send(2, "b", "a"),
        send(9, "b", "c"),
        recv(2, "b", "a"),
        send(1, "a", "b"),
    ];
    assert_judged(
        &circle.concat(),
        &expect![[r#"
            causes first: log:2: message 1 from a to b is received here, but its send (log:6) is
                behind events that came of this one: no event is its own cause
        "#]],
    );
}

#[test]
fn messages_without_ids_are_matched_by_their_fields() {
    let line = |end: &str, from: &str, to: &str, body: &str| {
        format!("{end} {{\"src\":\"{from}\",\"dest\":\"{to}\",\"body\":{body}}}\n")
    };
    let text = [
        line("Sent", "c1", "n1", r#"{"type":"echo","msg_id":1}"#),
        line("2026/11/20 Received", "c1", "n1", r#"{"type":"echo","msg_id":1}"#),
        line("Sent", "n1", "c1", r#"{"type":"echo_ok","in_reply_to":1}"#),
        line("Received", "n1", "c1", r#"{"type":"echo_ok","in_reply_to":1}"#),
        line("Received", "n1", "c1", r#"{"type":"echo_ok","in_reply_to":2}"#),
    ];
    let (_, history) = read_bytes("log", text.concat().into()).unwrap();
    let expected = [
        "c1:1 send",
        "c1:2 receive n1:2",
        "c1:3 receive",
        "n1:1 receive c1:1",
        "n1:2 send",
    ];
    assert_eq!(drawn(&history), expected);
    assert_judged(
        &text.concat(),
        &expect![[r#"
            known send: log:5: the message `echo_ok in_reply_to=2` from n1 to c1 is received, but no
                line sends it
        "#]],
    );
}

#[test]
fn a_maelstrom_log_without_messages_says_how_to_get_them() {
    let recv = message("recv", Some(1), "a", "b", 1);
    for (text, missing) in [
        (
            "INFO [2024-12-07 12:51:12,778] main - maelstrom.db Setting up n1\n".to_owned(),
            "sent or received",
        ),
        (recv, "sent"),
    ] {
        let error = read_bytes("log", text.into()).unwrap_err().to_string();
        let expected = format!(
            "log: a Maelstrom log that says nothing of messages {missing}; \
             make it with `maelstrom test --log-net-send true --log-net-recv true`"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn what_is_no_log_is_refused_with_its_reason() {
    let of = |bytes: &[u8]| read_bytes("dir/log", bytes.to_vec()).unwrap_err();
    assert!(matches!(of(b""), ForeignError::Empty { .. }));
    assert!(matches!(of(b" \n\n"), ForeignError::Empty { .. }));
    assert!(matches!(
        of(b"a {\"a\":1}\n\0\n"),
        ForeignError::Binary { offset: 10, .. }
    ));
    assert_eq!(
        of(b"# clocklab-log 1\n# machine=0\n").to_string(),
        "dir/log: this is the log of one machine of a run; name its folder: dir"
    );
    let error = of(b"\nhello\n").to_string();
    assert!(
        error.starts_with("dir/log: no log that is known; its first line is `hello`."),
        "{error}"
    );
    for name in ["ShiViz", "GoVector", "Maelstrom"] {
        assert!(error.contains(name), "{error}");
    }
    let mut long = b"a {\"a\":1}\n".to_vec();
    long.extend(vec![b'x'; LINE_BYTES_MAX + 1]);
    assert!(matches!(of(&long), ForeignError::LongLine { line: 2, .. }));
    long.pop();
    assert!(read_bytes("log", long).is_ok());
    let mut many = String::new();
    for host in 0..=inspect::foreign::HOSTS_MAX {
        many += &format!("h{host} {{\"h{host}\":1}}\nx\n");
    }
    assert!(matches!(
        of(many.as_bytes()),
        ForeignError::ManyHosts { line: 20_001, .. }
    ));
}

#[test]
fn bytes_that_are_no_utf8_do_not_hide_the_rest() {
    let (verdict, history) =
        read_bytes("log", b"a {\"a\":1}\nbad \xff\xfe\na {\"a\":2}\ny\n".to_vec()).unwrap();
    assert!(verdict.is_valid());
    assert_eq!(verdict.notes, ["log: bytes that are no UTF-8 are shown as �"]);
    assert_eq!(history.len(), 2);
}

#[test]
fn logs_in_the_forms_of_the_exports_are_read() {
    let shiviz = r"(?<host>\S+) (?<clock>{[^}]*}) (?<date>\S+) lamport=(?<lamport>\d+) queue=(?<queue>\S+) (?<event>.*)";
    let tsviz = r"(?<host>\S+) (?<timestamp>\d{19}) (?<clock>{[^}]*}) queue=(?<queue>\S+) (?<event>.*)";
    let at = "2026-11-20T23:16:01.373456Z";
    for text in [
        format!(
            "{shiviz}\n\nmachine-0 {{\"machine-0\":1}} {at} lamport=4 queue=- send to 1\n\
             machine-1 {{\"machine-0\":1,\"machine-1\":1}} {at} lamport=5 queue=0 receive from 0\n"
        ),
        format!(
            "{tsviz}\n\nmachine-0 1795216561373456000 {{\"machine-0\":1}} queue=- send to 1\n\
             machine-1 1795216561373456000 {{\"machine-0\":1,\"machine-1\":1}} queue=0 receive from 0\n"
        ),
    ] {
        let (verdict, history) = read_bytes("log", text.into()).unwrap();
        assert!(verdict.is_valid(), "{verdict}");
        assert_eq!(
            drawn(&history),
            ["machine-0:1 send", "machine-1:1 receive machine-0:1"]
        );
        assert_eq!(history.span().unwrap().0.to_string(), at);
    }
}

#[test]
fn a_report_of_a_foreign_log_is_refused() {
    let Err(InspectError::Foreign(error)) = inspect::check(&sample("govector-rpc.log")) else {
        panic!("a report is for runs");
    };
    assert!(error.is_usage());
    assert!(error.to_string().contains("a report is for runs"), "{error}");
}
