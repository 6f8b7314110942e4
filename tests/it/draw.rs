//! The space-time diagram: pictures are well-formed, complete and in bounds; data says what the logs say.

mod foreign;
mod generate;
mod picture;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use clocklab::inspect::{
    draw::{self, Axis, Borders, Choice, Limits, Positions, Relation, Selection, Style},
    history::{EventId, EventKind, Fate, History},
    palette::Theme,
};
use serde_json::Value;

use self::picture::Picture;

fn run(rates: &[u64], seconds: u64) -> (tempfile::TempDir, History) {
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), rates, seconds, 7);
    let history = History::read(dir.path()).unwrap();
    assert_eq!(history.notes, Vec::<String>::new());
    (dir, history)
}

fn foreign_log(name: &str, text: &str) -> (tempfile::TempDir, History) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    fs::write(&file, text).unwrap();
    let history = History::read(&file).unwrap();
    (dir, history)
}

fn choice(window: &str, machines: &str, last: Option<usize>, axis: Axis) -> Choice {
    Choice {
        window: (!window.is_empty()).then(|| window.parse().unwrap()),
        processes: machines
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        last,
        axis,
    }
}

fn select(history: &History, choice: &Choice, limits: &Limits) -> Selection {
    choice.of(history, &Positions::new(history), limits).unwrap()
}

fn style(axis: Axis, highlight: Option<EventId>) -> Style {
    Style {
        axis,
        theme: Theme::Light,
        highlight,
    }
}

fn svg(history: &History, choice: &Choice, highlight: Option<EventId>) -> (Selection, Picture) {
    let selection = select(history, choice, &Limits::SVG);
    let text = draw::svg(
        history,
        &Positions::new(history),
        &selection,
        &style(choice.axis, highlight),
    );
    (selection, Picture::read(&text))
}

#[test]
fn pictures_hold_each_event_and_message_of_their_window_once_and_stay_in_bounds() {
    let (_dir, three) = run(&[6, 4, 1], 30);
    let (_dir, eight) = run(&[6, 5, 4, 3, 2, 1, 1, 6], 10);
    let (_dir, fifty) = run(&[3; 50], 3);
    let (_dir, two) = run(&[1, 1], 1);
    for (history, window, machines) in [
        (&three, "", ""),
        (&three, "10s-14s", ""),
        (&three, "0s-", ""),
        (&three, "20s-", "2,0"),
        (&eight, "", ""),
        (&eight, "3s-5s", "7,1"),
        (&fifty, "", ""),
        (&two, "", ""),
    ] {
        for axis in [Axis::Time, Axis::Clock] {
            let (selection, picture) = svg(history, &choice(window, machines, None, axis), None);
            picture.check();
            let expected: Vec<String> = selection.ids().map(|id| history.name_of(id)).collect();
            assert_eq!(picture.events, expected, "{window} {machines}");
            let shown = |process: u32| selection.row_of(process).is_some();
            let expected: Vec<(String, String)> = history
                .messages()
                .iter()
                .filter(|message| shown(message.send.process) && shown(message.to))
                .filter(|message| {
                    selection.has(message.send) || message.receive().is_some_and(|id| selection.has(id))
                })
                .map(|message| {
                    let to = message.receive().map(|id| history.name_of(id));
                    let name = || history.processes[message.to as usize].name.clone();
                    (history.name_of(message.send), to.unwrap_or_else(name))
                })
                .collect();
            assert_eq!(picture.messages, expected, "{window} {machines}");
        }
    }
}

#[test]
fn what_is_left_out_is_said_in_the_picture() {
    let (_dir, history) = run(&[6, 4, 1], 600);
    let said = |choice: &Choice| svg(&history, choice, None).1.texts.join(" ");
    let all = history.len();
    assert_eq!(all, 6600);
    let text = said(&Choice::default());
    assert!(
        text.contains("The first 1") && text.contains("of 6,600 events, 0 s to 13"),
        "{text}"
    );
    let text = said(&choice("0s-", "", None, Axis::Time));
    assert!(text.contains("The first 5,000 of 6,600 events"), "{text}");
    assert!(text.contains("a static picture holds no more"), "{text}");
    let text = said(&choice("", "", Some(50), Axis::Time));
    assert!(text.contains("The last 50 of 6,600 events"), "{text}");
    let text = said(&choice("1s-2.5s", "0,2", None, Axis::Time));
    assert!(text.contains("1 s to 2.5 s of 600 s: "), "{text}");
    assert!(
        text.contains("messages from or to machines that are not shown"),
        "{text}"
    );
    let (_dir, many) = run(&[1; 70], 2);
    let text = svg(&many, &Choice::default(), None).1.texts.join(" ");
    assert!(text.contains("The first 64 of 70 machines"), "{text}");
    let (_dir, small) = run(&[2, 1], 4);
    assert_eq!(
        select(&small, &Choice::default(), &Limits::SVG).told,
        Vec::<String>::new()
    );
}

#[test]
fn a_highlight_tells_past_future_and_concurrent_apart_as_vectors_do() {
    let (_dir, history) = run(&[6, 4, 1, 3], 20);
    let mut vectors = BTreeMap::new();
    assert!(history.each_in_causal_order(|id, vector| {
        vectors.insert(id, vector.to_vec());
    }));
    let knows = |a: EventId, b: EventId| vectors[&a][b.process as usize] > b.index;
    for event in history.ids().step_by(17) {
        let borders = Borders::of(&history, event);
        for other in history.ids() {
            let expected = match (other == event, knows(event, other), knows(other, event)) {
                (true, ..) => Relation::Same,
                (_, true, _) => Relation::Past,
                (_, _, true) => Relation::Future,
                _ => Relation::Concurrent,
            };
            assert_eq!(borders.relation(other), expected);
        }
    }
    let event = EventId {
        process: 1,
        index: 12,
    };
    let (_, picture) = svg(&history, &Choice::default(), Some(event));
    picture.check();
    for word in ["past", "future", "concurrent"] {
        assert!(
            picture.relations.values().any(|relation| relation == word),
            "{word}"
        );
    }
    assert_eq!(picture.relations[&history.name_of(event)], "same");
}

#[test]
fn the_queue_band_agrees_with_each_queue_that_the_log_says() {
    let (_dir, history) = run(&[6, 6, 1], 40);
    let mut longest = 0;
    for process in history.process_ids() {
        let steps = draw::steps_of(&history, process);
        assert!(steps.is_sorted_by_key(|step| step.at));
        for id in history.ids_of(process) {
            let event = history.event(id).unwrap();
            if let Some(queue) = event.queue {
                assert_eq!(draw::waiting_at(&steps, event.at.unwrap().0), queue);
                longest = longest.max(queue);
            }
            for message in history.received_by(id) {
                let arrived = history.arrived(message).unwrap();
                let before = draw::waiting_at(&steps, arrived.0 - 1);
                assert!(draw::waiting_at(&steps, arrived.0) > before);
            }
        }
        let end = steps.last().unwrap().waiting;
        assert_eq!(
            u64::from(end),
            history.processes[process as usize].waiting.unwrap()
        );
    }
    assert!(longest > 40, "{longest}");
}

#[test]
fn logs_without_times_are_drawn_against_computed_logical_time() {
    let history = foreign::history();
    let positions = Positions::new(&history);
    assert!(!positions.are_clocks());
    let of = |process, index| positions.logical(&history, EventId { process, index });
    assert_eq!(
        [of(0, 0), of(0, 1), of(1, 0), of(2, 0), of(2, 1)],
        [1, 2, 2, 1, 3]
    );
    let (_, picture) = svg(&history, &choice("", "", None, Axis::Clock), None);
    picture.check();
    assert_eq!((picture.events.len(), picture.messages.len()), (5, 5));
    let text = picture.texts.join(" ");
    assert!(
        text.contains("Lamport's clock, computed from the messages"),
        "{text}"
    );
    assert!(
        picture.events.contains(&"</script><b>&\"':2".to_owned()),
        "{:?}",
        picture.events
    );
    let error = choice("1s-2s", "", None, Axis::Time)
        .of(&history, &positions, &Limits::SVG)
        .unwrap_err();
    assert!(
        error.to_string().contains("needs a time for every event"),
        "{error}"
    );
}

#[test]
fn what_a_picture_cannot_hold_is_cut_at_the_asked_end_and_said() {
    let (_dir, history) = run(&[6, 4, 1], 60);
    let all = history.len();
    let limits = Limits {
        events: 100,
        stretch: 50,
        ..Limits::SVG
    };
    for (last, count, words) in [
        (Some(30), 30, "The last 30 of"),
        (Some(200), 100, "The last 100 of"),
        (Some(usize::MAX), 100, ": a static picture holds no more."),
        (None, 50, "The first 50 of"),
    ] {
        let selection = select(&history, &choice("", "", last, Axis::Time), &limits);
        assert_eq!(selection.events(), count, "{last:?} of {all}");
        assert!(selection.told[0].contains(words), "{:?}", selection.told);
        let end = history.span().unwrap().1;
        let has_end = selection
            .ids()
            .any(|id| history.event(id).unwrap().at == Some(end));
        assert_eq!(has_end, last.is_some(), "{last:?}");
    }
}

#[test]
fn events_at_one_moment_are_shown_as_far_as_there_is_room() {
    let mut log = String::from("(?<date>\\S+) (?<host>\\S+) (?<clock>{.*}) (?<event>.*)\n\n");
    for count in 1..=300 {
        for host in ["a", "b"] {
            log += &format!("2026-11-20T23:16:01Z {host} {{\"{host}\":{count}}} x\n");
        }
    }
    let (_, history) = foreign_log("log", &log);
    for last in [None, Some(40), Some(150)] {
        let selection = select(&history, &choice("", "", last, Axis::Time), &Limits::SVG);
        assert_eq!(
            selection.events(),
            last.unwrap_or(Limits::SVG.stretch),
            "{last:?}"
        );
        assert!(selection.shown.iter().all(|shown| shown.first < shown.end));
        let (_, picture) = svg(&history, &choice("", "", last, Axis::Time), None);
        picture.check();
    }
}

/// What the viewer's columns say of one event: name, time, line, kind.
type Row = (String, Option<i64>, i64, char);

/// The columns of a data text, added up again: events by number, and messages as pairs of numbers.
struct Decoded {
    events: Vec<Row>,
    /// Sender, receiver, fate, wait.
    messages: Vec<(usize, Option<usize>, char, Option<i64>)>,
    shown: usize,
    value: Value,
}

fn numbers(value: &Value) -> Vec<i64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_i64().unwrap())
        .collect()
}

fn sums(value: &Value) -> Vec<i64> {
    let mut sum = 0;
    numbers(value)
        .iter()
        .map(|step| {
            sum += step;
            sum
        })
        .collect()
}

fn decode(text: &str) -> Decoded {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut events = Vec::new();
    for process in value["processes"].as_array().unwrap() {
        let name = process["name"].as_str().unwrap();
        let (at, clocks) = (sums(&process["at_steps"]), sums(&process["clock_steps"]));
        let lines = sums(&process["line_steps"]);
        for (place, kind) in process["kinds"].as_str().unwrap().chars().enumerate() {
            let event = format!("{name}:{}", clocks[place]);
            events.push((event, at.get(place).copied(), lines[place], kind));
        }
    }
    let shown = events.len();
    let beyond = &value["beyond"];
    for (place, row) in numbers(&beyond["row"]).into_iter().enumerate() {
        let name = value["processes"][usize::try_from(row).unwrap()]["name"]
            .as_str()
            .unwrap();
        let number = |column: &str| beyond[column].get(place).and_then(Value::as_i64);
        let event = format!("{name}:{}", number("clock").unwrap());
        events.push((event, number("at"), number("line").unwrap(), '?'));
    }
    let columns = &value["messages"];
    let mut taken = sums(&columns["receive_steps"])
        .into_iter()
        .zip(numbers(&columns["waited"]));
    let fates = columns["fates"].as_str().unwrap();
    let messages = sums(&columns["send_steps"])
        .into_iter()
        .zip(fates.chars())
        .map(|(send, fate)| {
            let taken = (fate == 'r').then(|| taken.next().unwrap());
            let number = |number: i64| usize::try_from(number).unwrap();
            let waited = taken.map(|(_, waited)| waited).filter(|waited| *waited >= 0);
            (
                number(send),
                taken.map(|(receive, _)| number(receive)),
                fate,
                waited,
            )
        })
        .collect();
    Decoded {
        events,
        messages,
        shown,
        value,
    }
}

fn letter(kind: EventKind) -> char {
    match kind {
        EventKind::Internal => 'i',
        EventKind::Send => 's',
        EventKind::Receive => 'r',
        EventKind::Exchange => 'x',
        EventKind::Other => 'o',
    }
}

#[test]
fn data_says_every_event_message_and_moment_of_the_logs() {
    let (_dir, three) = run(&[6, 4, 1], 30);
    let foreign = foreign::history();
    for history in [&three, &foreign] {
        for (window, last) in [("", None), ("", Some(3)), ("10s-12s", None), ("", Some(40))] {
            if !window.is_empty() && !history.has_times() {
                continue;
            }
            let selection = select(history, &choice(window, "", last, Axis::Time), &Limits::HTML);
            let text = draw::data(history, &Positions::new(history), &selection);
            assert!(!text.contains('<'));
            let decoded = decode(&text);
            let start = history.processes[0].started;
            let row = |id: EventId| -> Row {
                let event = history.event(id).unwrap();
                let at = event.at.map(|at| at.us_since(start.unwrap()));
                (history.name_of(id), at, i64::from(event.line), letter(event.kind))
            };
            let expected: Vec<Row> = selection.ids().map(row).collect();
            assert_eq!(decoded.events[..decoded.shown], expected);
            let expected: Vec<_> = history
                .messages()
                .iter()
                .filter(|message| {
                    selection.has(message.send) || message.receive().is_some_and(|id| selection.has(id))
                })
                .collect();
            assert_eq!(decoded.messages.len(), expected.len());
            for ((send, receive, fate, waited), message) in decoded.messages.iter().zip(expected) {
                let same = |number: usize, id: EventId| {
                    let (name, at, line, _) = row(id);
                    let found = &decoded.events[number];
                    assert_eq!((&found.0, found.1, found.2), (&name, at, line));
                };
                same(*send, message.send);
                assert_eq!(receive.is_some(), message.receive().is_some());
                if let (Some(number), Some(id)) = (receive, message.receive()) {
                    same(*number, id);
                }
                assert_eq!(waited.map(i64::unsigned_abs), message.waited_us);
                let expected = match message.fate {
                    Fate::Received(_) => 'r',
                    Fate::Waiting => 'w',
                    Fate::Dropped => 'd',
                    Fate::Lost => 'l',
                    Fate::Unknown => 'u',
                };
                assert_eq!(*fate, expected);
            }
        }
    }
}

#[test]
fn paths_through_machines_that_are_not_shown_are_kept() {
    let (_dir, history) = run(&[5, 3, 4, 2], 20);
    let selection = select(
        &history,
        &choice("4s-16s", "0,3", None, Axis::Time),
        &Limits::HTML,
    );
    let decoded = decode(&draw::data(&history, &Positions::new(&history), &selection));
    let ids: Vec<EventId> = selection.ids().collect();
    // Everything that a viewer knows: lines, shown messages, and hops through what is not shown.
    let mut reaches = vec![vec![false; ids.len()]; ids.len()];
    let mut hops: Vec<(usize, usize)> = decoded
        .messages
        .iter()
        .filter_map(|(send, receive, ..)| Some((*send, (*receive)?)))
        .filter(|(send, receive)| *send < ids.len() && *receive < ids.len())
        .collect();
    let via = &decoded.value["via"];
    let pairs = numbers(&via["from"]).into_iter().zip(numbers(&via["to"]));
    hops.extend(pairs.map(|(from, to)| (usize::try_from(from).unwrap(), usize::try_from(to).unwrap())));
    for place in 1..ids.len() {
        if ids[place - 1].process == ids[place].process {
            hops.push((place - 1, place));
        }
    }
    hops.sort_by_key(|(_, to)| history.event(ids[*to]).unwrap().at);
    for (from, to) in hops {
        reaches[from][to] = true;
        for row in &mut reaches {
            row[to] |= row[from];
        }
    }
    let mut through = 0;
    for (place, event) in ids.iter().enumerate() {
        let borders = Borders::of(&history, *event);
        for (other, id) in ids.iter().enumerate() {
            let expected = borders.relation(*id) == Relation::Future;
            assert_eq!(reaches[place][other], expected, "{event:?} {id:?}");
            through += usize::from(expected && event.process != id.process);
        }
    }
    assert!(through > 100, "{through}");
    let told = decoded.value["told"].to_string();
    assert!(
        told.contains("messages from or to machines that are not shown are not drawn"),
        "{told}"
    );
}

#[test]
fn pages_hold_their_data_and_nothing_from_elsewhere() {
    let history = foreign::history();
    let positions = Positions::new(&history);
    let selection = select(&history, &Choice::default(), &Limits::HTML);
    let options = draw::PageOptions {
        axis: Axis::Clock,
        theme: None,
        highlight: Some(EventId { process: 2, index: 1 }),
    };
    let page = draw::page(&history, &positions, &selection, &options);
    let data = page.split_once("id=\"diagram-data\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    assert_eq!(data, draw::data(&history, &positions, &selection));
    assert!(page.contains("data-pinned=\"&lt;/script&gt;&lt;b&gt;&amp;&quot;&#39;:2\""));
    assert_eq!(page.matches("</script>").count(), 3, "data, viewer, start");
    for from_elsewhere in [
        "src=",
        "href=",
        "import(",
        "fetch(",
        "url(",
        "XMLHttpRequest",
        "eval(",
    ] {
        assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains(draw::viewer_script()) && page.contains(&draw::viewer_style()));
    let style = draw::viewer_style();
    let classes = style
        .split('.')
        .skip(1)
        .filter(|part| part.starts_with(char::is_alphabetic));
    for class in classes {
        assert!(class.starts_with("cl-"), "{class}");
    }
    assert!(
        !draw::viewer_script().contains("</"),
        "the script must not end its element"
    );
}

fn clocklab(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
    command.arg("draw").args(words).current_dir(dir).output().unwrap()
}

#[test]
fn the_command_writes_what_the_name_says_and_replaces_nothing_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs/latest");
    fs::create_dir_all(&logs).unwrap();
    generate::write(&logs, &[6, 4, 1], 60, 3);
    let done = clocklab(dir.path(), &[]);
    assert!(done.status.success(), "{done:?}");
    assert!(
        fs::read_to_string(dir.path().join("diagram.html"))
            .unwrap()
            .starts_with("<!DOCTYPE html>")
    );
    let again = clocklab(dir.path(), &[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("--force"),
        "{again:?}"
    );
    assert!(clocklab(dir.path(), &["--force"]).status.success());
    let words = [
        "--output",
        "a.svg",
        "--window",
        "-9s",
        "--highlight",
        "0:17",
        "--theme",
        "dark",
        "--axis",
        "clock",
    ];
    let done = clocklab(dir.path(), &words);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("0 s to 9 s of 60"),
        "{done:?}"
    );
    Picture::read(&fs::read_to_string(dir.path().join("a.svg")).unwrap()).check();
}

#[test]
fn bad_words_are_refused_with_what_would_do() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("run");
    fs::create_dir_all(&logs).unwrap();
    generate::write(&logs, &[6, 4, 1], 60, 3);
    fs::create_dir(dir.path().join("empty")).unwrap();
    for (words, answer) in [
        (
            "run --output a.png",
            "FILE.html for a page, FILE.svg for a picture",
        ),
        (
            "run --output nowhere/a.svg",
            "there is no folder nowhere: make it",
        ),
        ("run --output a.svg --window 20s-10s", "ends before it begins"),
        ("run --output a.svg --window 70s-", "events lie from 0.1"),
        (
            "run --output a.svg --machines 0,9",
            "no machine 9; there are 0, 1, 2",
        ),
        ("run --output a.svg --last 0", "--last"),
        ("run --output a.svg --highlight 0:100000", "its last event is 0:"),
        ("run --output a.svg --highlight seventeen", "machine:clock"),
        ("run --output a.svg --highlight 0:200", "not in what is drawn"),
        ("run --output a.svg --axis sun", "time, clock"),
        ("nowhere --output a.svg", "nowhere"),
        ("empty --output a.svg", "no log here"),
    ] {
        let done = clocklab(dir.path(), &words.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains(answer), "{words}: {said}");
        assert!(!dir.path().join("a.svg").exists(), "{words}");
    }
}

#[test]
fn a_log_cut_off_or_without_events_is_drawn_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), &[6, 4, 1], 10, 3);
    let file = dir.path().join("machine-1.log");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.get(..text.len() / 2).unwrap()).unwrap();
    let file = dir.path().join("machine-2.log");
    let header: String = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&file, header).unwrap();
    let history = History::read(dir.path()).unwrap();
    for axis in [Axis::Time, Axis::Clock] {
        let (_, picture) = svg(&history, &choice("", "", None, axis), None);
        picture.check();
        assert!(
            picture.texts.iter().any(|text| text.contains("no events")),
            "{:?}",
            picture.texts
        );
    }
}
