//! Each rule is shown a file that breaks it.

use super::rules;

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(checked: Result<T, String>, word: &str) {
    let error = checked.unwrap_err();
    assert!(error.contains(word), "{error}: not about {word}");
}

const SHIVIZ: &str = r"(?<host>\S+) (?<clock>{[^}]*}) (?<date>\S+) (?<event>.*)";

#[test]
fn wrong_vector_clocks_are_refused() {
    let file = |lines: &str| rules::shiviz(&format!("{SHIVIZ}\n\n{lines}"));
    assert_eq!(
        file("a {\"a\":1} - x\na {\"a\":2,\"b\":1} - x\nb {\"b\":1} - x\n")
            .unwrap()
            .len(),
        3
    );
    for (lines, word) in [
        ("a {\"a\":2} - x\n", "1, 2, 3"),
        ("a {\"a\":1} - x\na {\"a\":3} - x\n", "1, 2, 3"),
        ("a {\"a\":1} - x\na {\"a\":1} - x\n", "1, 2, 3"),
        ("a {\"b\":1} - x\nb {\"b\":1} - x\n", "own"),
        ("a {\"a\":1,\"b\":1} - x\n", "has no event"),
        ("a {\"a\":1,\"b\":2} - x\nb {\"b\":1} - x\n", "entry 2 for b"),
        ("a {\"a\":1,\"b\":0} - x\nb {\"b\":1} - x\n", "entry 0 for b"),
        ("a {\"a\":one} - x\n", "expected"),
        ("", "no event"),
    ] {
        assert_refused(file(lines), word);
    }
    assert_refused(rules::shiviz("x\na {\"a\":1} - x\n"), "second line");
    assert_refused(
        rules::shiviz(&format!(
            "{}\n\na {{\"a\":1}} - x\n",
            SHIVIZ.replace("(?<date>", r"\(")
        )),
        "escaped",
    );
    assert_refused(
        rules::shiviz(&format!(
            "{}\n\na {{\"a\":1}} - x\n",
            SHIVIZ.replace("event", "text")
        )),
        "event",
    );
}

#[test]
fn wrong_times_and_lines_of_the_other_two_are_refused() {
    let tsviz = SHIVIZ.replace("date", "timestamp");
    assert!(rules::tsviz(&format!("{tsviz}\n\na 1795228210858754000 {{\"a\":1}} x\n")).is_ok());
    assert_refused(
        rules::tsviz(&format!("{tsviz}\n\na 179522821085875400 {{\"a\":1}} x\n")),
        "19 digits",
    );
    assert_refused(
        rules::tsviz(&format!("{SHIVIZ}\n\na 1795228210858754000 {{\"a\":1}} x\n")),
        "timestamp",
    );
    let govector = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";
    assert!(rules::govector(&format!("{govector}\n\na {{\"a\":1}}\nINFO x\n")).is_ok());
    assert_refused(rules::govector(&format!("{govector}\n\na {{\"a\":1}}\n")), "half");
    assert_refused(
        rules::govector(&format!("{govector}\n\na {{\"a\":1}}\nx\n")),
        "level",
    );
    assert_refused(
        rules::govector(&format!("{SHIVIZ}\n\na {{\"a\":1}}\nINFO x\n")),
        "GoVector's",
    );
}

#[test]
fn wrong_traces_are_refused() {
    const NAMES: &str = r#"{"ph":"M","name":"process_name","pid":1,"tid":0,"args":{"name":"a"}}"#;
    let slice = |at: f64| format!(r#"{{"ph":"X","ts":{at},"dur":5,"pid":1,"tid":1,"name":"x"}}"#);
    let flow = |ph: &str, at: f64, id: u32| {
        format!(r#"{{"ph":"{ph}","ts":{at},"pid":1,"tid":1,"name":"m","cat":"c","id":{id},"bp":"e"}}"#)
    };
    let file = |entries: &[String]| {
        let entries: String = entries.iter().map(|entry| format!(",{entry}")).collect();
        rules::perfetto(&format!("{{\"traceEvents\":[{NAMES}{entries}]}}"))
    };
    let good = [slice(1.0), flow("s", 1.0, 0), slice(6.0), flow("f", 6.0, 0)];
    assert_eq!(file(&good).unwrap().arrows, 1);
    for (entries, word) in [
        (vec![slice(-1.0)], "no time"),
        (vec![slice(6.0), slice(1.0)], "order of time"),
        (vec![slice(1.0), slice(3.0)], "overlap"),
        (vec![slice(1.0), flow("f", 1.0, 0)], "without its begin"),
        (vec![slice(1.0), flow("s", 1.0, 0)], "never ended"),
        (
            vec![slice(1.0), flow("s", 1.0, 0), flow("f", 6.5, 0)],
            "not in one slice",
        ),
        (vec![slice(1.0), flow("s", 1.0, 0), flow("s", 1.0, 0)], "twice"),
        (vec![slice(1.0).replace("\"pid\":1", "\"pid\":2")], "no name"),
        (vec![slice(1.0).replace("\"pid\":1", "\"pid\":0")], "pid"),
        (vec![slice(1.0).replace("\"dur\":5", "\"dur\":0")], "duration"),
        (vec![slice(1.0).replace('X', "Q")], "phase Q"),
    ] {
        assert_refused(file(&entries), word);
    }
    let next = flow("f", 1.0, 0).replace("\"bp\":\"e\"", "\"bp\":\"n\"");
    assert_refused(file(&[slice(1.0), flow("s", 1.0, 0), next]), "next slice");
    assert_refused(rules::perfetto("[]"), "traceEvents");
}

#[test]
fn wrong_tables_diagrams_and_graphs_are_refused() {
    assert_eq!(rules::csv("a,b\r\n\"1,\"\"2\",\r\n").unwrap()[1], ["1,\"2", ""]);
    for (text, word) in [
        ("a,b\r\n1\r\n", "1 fields instead of 2"),
        ("a\n", "CR LF"),
        ("a\r\nb", "does not end"),
        ("a\r\nb\"c\r\n", "a quote"),
        ("a\r\n\"b\r\n", "does not end"),
    ] {
        assert_refused(rules::csv(text), word);
    }
    let diagram = |lines: &str| rules::mermaid(&format!("sequenceDiagram\nparticipant p0 as a\n{lines}"));
    assert!(diagram("p0->>p0: 1 to 2\n").is_ok());
    assert_refused(diagram("p0->>p1: x\n"), "p1 does not take part");
    assert_refused(diagram("p0->>p0: a#b\n"), "own");
    assert_refused(diagram("p0-p0: x\n"), "neither");
    assert_refused(diagram(&"p0->>p0: 1 to 2\n".repeat(5000)), "maxTextSize");
    let graph = "digraph \"x\" {\np0e0 [label=\"1\"];\np0e1 [label=\"2\"];\np0e0 -> p0e1 [weight=2];\n}\n";
    assert_eq!(rules::dot(graph), Ok((2, 1)));
    assert_refused(
        rules::dot(&graph.replace("-> p0e1", "-> p0e2")),
        "p0e2 is no node",
    );
    assert_refused(rules::dot(&graph.replace("p0e1 [", "p0e0 [")), "twice");
    assert_refused(rules::dot(graph.trim_end().trim_end_matches('}')), "brackets");
    assert_refused(rules::dot(&graph.replace("\"2\"", "\"2")), "does not end");
}
