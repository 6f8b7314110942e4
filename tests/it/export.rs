//! Exports are what their consumers demand, for real runs, every selection, and logs that are cut off, missing
//! or wrong.

mod broken;
mod cli;
mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clocklab::{
    inspect::{
        export::{self, Count, ExportError, Exported, Format, Internals, Order, Selection},
        history::{Event, EventId, EventKind, Fate, History, HistoryBuilder, Message, Process},
    },
    trace::WallTime,
};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, RowAccessor},
};
use proptest::prelude::*;

const START: WallTime = WallTime(1_795_389_361_000_000);

/// The real runs that the notebook tells of.
fn notebook() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notebook/assignment");
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut runs: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    runs.sort();
    assert!(runs.len() > 10, "{runs:?}");
    runs
}

fn selection(window: &str, machines: &[&str], count: Count) -> Selection {
    Selection {
        window: (!window.is_empty()).then(|| window.parse().unwrap()),
        machines: machines.iter().map(|name| (*name).to_owned()).collect(),
        count,
    }
}

fn try_export(
    history: &History,
    format: Format,
    selection: &Selection,
) -> Result<(Vec<u8>, Exported), ExportError> {
    let order = Order {
        format,
        selection: selection.clone(),
        internals: Internals::Hidden,
    };
    let mut bytes = Vec::new();
    let exported = export::export(history, &order, &mut bytes)?;
    Ok((bytes, exported))
}

fn text(history: &History, format: Format, selection: &Selection) -> String {
    String::from_utf8(try_export(history, format, selection).unwrap().0).unwrap()
}

/// Every format of a selection is what its consumer demands, and all tell of the same events.
fn assert_valid(history: &History, selection: &Selection) {
    let export = |format| {
        let (bytes, exported) = try_export(history, format, selection).unwrap();
        (String::from_utf8(bytes).unwrap(), exported)
    };
    let rows = assert_table(history, selection);
    let has_times = history.has_times();
    let mut vectors = Vec::new();
    for (format, check) in [
        (Format::Shiviz, rules::shiviz as fn(&str) -> Result<_, String>),
        (Format::Govector, rules::govector),
        (Format::Tsviz, rules::tsviz),
    ] {
        if format == Format::Tsviz && !has_times {
            continue;
        }
        let (text, exported) = export(format);
        let events = check(&text).unwrap_or_else(|error| panic!("{format}: {error}\n{text}"));
        assert_eq!(events.len() as u64, exported.events, "{format}");
        let stamps: Vec<_> = events
            .into_iter()
            .map(|event| (event.host, event.vector))
            .collect();
        vectors.push(stamps);
    }
    assert!(
        vectors.windows(2).all(|pair| pair[0] == pair[1]),
        "one order, one vector"
    );
    assert_trace(history, selection);
    let (diagram, exported) = export(Format::Mermaid);
    let messages = rules::mermaid(&diagram).unwrap_or_else(|error| panic!("{error}\n{diagram}"));
    assert_eq!(messages.len() as u64, exported.messages);
    let (graph, exported) = export(Format::Dot);
    let (nodes, edges) = rules::dot(&graph).unwrap_or_else(|error| panic!("{error}\n{graph}"));
    assert_eq!(nodes as u64, exported.events);
    let processes = graph.matches("subgraph").count();
    assert_eq!(
        edges,
        nodes - processes + usize::try_from(exported.messages).unwrap()
    );
    if selection.count != Count::Fitting {
        assert_eq!(rows as u64, exported.events);
    }
}

/// The CSV and the Parquet file hold the same; gives the number of rows.
fn assert_table(history: &History, selection: &Selection) -> usize {
    let mut rows = rules::csv(&text(history, Format::Csv, selection)).unwrap();
    assert_eq!(
        rows.remove(0).join(","),
        "run,machine,index,at,at_us,kind,clock,jump,from,sent,queue,waited_us,to,line"
    );
    let (bytes, exported) = try_export(history, Format::Parquet, selection).unwrap();
    assert_eq!(rows.len() as u64, exported.events);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let reader = SerializedFileReader::new(file.reopen().unwrap()).unwrap();
    let number = |field: &Field| match field {
        Field::Null => String::new(),
        Field::TimestampMicros(number) | Field::Long(number) => number.to_string(),
        Field::Int(number) => number.to_string(),
        Field::Str(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    // Of hosts with other names the Parquet file has places.
    let is_number = |name: &str| name.parse::<u16>().is_ok_and(|number| number.to_string() == name);
    let is_numbered = history.processes.iter().all(|process| is_number(&process.name));
    let mut read = Vec::new();
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let fields: BTreeMap<&str, &Field> = row
            .get_column_iter()
            .map(|(name, field)| (name.as_str(), field))
            .collect();
        let to: Vec<i32> = row
            .get_list(13)
            .unwrap()
            .elements()
            .iter()
            .map(|to| match to {
                Field::Int(to) => *to,
                other => panic!("{other:?}"),
            })
            .collect();
        let from = if is_numbered {
            number(fields["from"])
        } else {
            String::new()
        };
        let keys = [
            "run",
            "host",
            "index",
            "at",
            "kind",
            "clock",
            "jump",
            "sent",
            "queue",
            "waited_us",
        ];
        let mut fields: Vec<String> = keys.iter().map(|key| number(fields[key])).collect();
        // In a list of names this separates.
        fields[1] = fields[1].replace(';', "_");
        fields.push(to.len().to_string());
        fields.push(from);
        read.push(fields);
    }
    let expected = rows.iter().map(|row| fields_of_both(row, is_numbered));
    let mut expected: Vec<Vec<String>> = expected.collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
    rows.len()
}

/// The fields of a row of the CSV that the Parquet file has in the same words; senders only of numbered machines.
fn fields_of_both(row: &[String], is_numbered: bool) -> Vec<String> {
    let recipients = row[12].split(';').filter(|to| !to.is_empty()).count();
    let places = [0, 1, 2, 4, 5, 6, 7, 9, 10, 11];
    let fields = places.iter().map(|place| row[*place].clone());
    let from = if is_numbered {
        row[8].clone()
    } else {
        String::new()
    };
    fields.chain([recipients.to_string(), from]).collect()
}

fn assert_trace(history: &History, selection: &Selection) {
    if !history.has_times() {
        let error = try_export(history, Format::Perfetto, selection).unwrap_err();
        assert!(matches!(error, ExportError::NoTimes { .. }), "{error}");
        return;
    }
    let (bytes, exported) = try_export(history, Format::Perfetto, selection).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let trace = rules::perfetto(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(trace.slices.len() as u64, exported.events);
    assert!(trace.arrows as u64 <= exported.messages);
}

#[test]
fn real_runs_are_valid_for_every_consumer_and_selection() {
    for run in notebook() {
        let history = History::read(&run).unwrap();
        let sizes = history.len() as u64;
        for selection in [
            selection("", &[], Count::Fitting),
            selection("10s-20s", &[], Count::All),
            selection("30s-", &["0", "2"], Count::Fitting),
            selection("-5s", &["1"], Count::All),
            selection("", &["2", "1", "2"], Count::Last(77)),
            selection("", &[], Count::Last(1)),
            selection("", &[], Count::Last(sizes + 1)),
        ] {
            assert_valid(&history, &selection);
        }
    }
}

/// Which events happened before which, from the rows of a CSV: process order, and the messages of which both
/// ends are rows. Gives for each event (machine, number from 1 in the rows) its vector.
fn vectors_of_rows(rows: &[Vec<String>]) -> BTreeMap<(String, u64), BTreeMap<String, u64>> {
    let by_clock: BTreeMap<(&str, &str), usize> = (0..)
        .zip(rows)
        .map(|(place, row)| ((row[1].as_str(), row[6].as_str()), place))
        .collect();
    let mut pasts: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut numbers = Vec::new();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // Lamport's clock is an order that causality allows.
    order.sort_by_key(|place| rows[*place][6].parse::<u64>().unwrap());
    for (place, row) in rows.iter().enumerate() {
        numbers.push((
            row[1].clone(),
            rows[..=place].iter().filter(|other| other[1] == row[1]).count() as u64,
        ));
    }
    for place in order {
        let row = &rows[place];
        let before = place.checked_sub(1).filter(|before| rows[*before][1] == row[1]);
        let send = by_clock.get(&(row[8].as_str(), row[9].as_str())).copied();
        let causes = before.into_iter().chain(send);
        let mut past: BTreeSet<usize> = causes.flat_map(|cause| pasts[&cause].clone()).collect();
        past.insert(place);
        pasts.insert(place, past);
    }
    pasts
        .iter()
        .map(|(place, past)| {
            let mut vector = BTreeMap::new();
            for event in past {
                *vector.entry(format!("machine-{}", rows[*event][1])).or_insert(0) += 1;
            }
            (numbers[*place].clone(), vector)
        })
        .collect()
}

#[test]
fn vectors_are_those_of_the_exported_part() {
    for run in &notebook()[..4] {
        let history = History::read(run).unwrap();
        for selection in [
            selection("10s-20s", &[], Count::All),
            selection("", &["0", "2"], Count::Last(150)),
            selection("", &[], Count::All),
        ] {
            let mut rows = rules::csv(&text(&history, Format::Csv, &selection)).unwrap();
            rows.remove(0);
            let expected = vectors_of_rows(&rows);
            let events = rules::shiviz(&text(&history, Format::Shiviz, &selection)).unwrap();
            assert_eq!(events.len(), expected.len());
            for event in events {
                let machine = event.host.strip_prefix("machine-").unwrap().to_owned();
                assert_eq!(
                    event.vector,
                    expected[&(machine, event.vector[&event.host])],
                    "{event:?}"
                );
            }
        }
    }
}

#[test]
fn a_diagram_tells_messages_in_an_order_that_causality_allows() {
    for run in notebook() {
        let history = History::read(&run).unwrap();
        let diagram = text(&history, Format::Mermaid, &selection("", &[], Count::Last(300)));
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for (_, to, text) in rules::mermaid(&diagram).unwrap() {
            // Receives of a process come in its order, and none before the send that it answers.
            let (sent, received) = text.split_once(" to ").unwrap();
            let (sent, received): (u64, u64) = (sent.parse().unwrap(), received.parse().unwrap());
            assert!(
                sent < received && last.get(&to).is_none_or(|last| *last < received),
                "{text}"
            );
            last.insert(to, received);
        }
    }
}

/// Some processes, their events' times and kinds, and messages between any two of them: right or wrong.
fn any_history() -> impl Strategy<Value = History> {
    let kinds = prop_oneof![
        Just(EventKind::Internal),
        Just(EventKind::Send),
        Just(EventKind::Receive),
        Just(EventKind::Exchange),
        Just(EventKind::Other),
    ];
    let event = (0_u64..40, 0_i64..30, kinds, proptest::option::of(0_u32..3));
    let name = "[0-9]{1,2}|[a-z:;,\"#{}é]{1,6}";
    let process = (name, proptest::collection::vec(event, 0..12));
    let message = (
        any::<u32>(),
        any::<u32>(),
        0..4_u8,
        proptest::option::of(0_u64..10),
    );
    let history = (
        proptest::collection::vec(process, 1..5),
        proptest::collection::vec(message, 0..20),
        any::<bool>(),
    );
    history.prop_map(|(processes, messages, has_times)| {
        let mut builder = HistoryBuilder::default();
        let mut ids = Vec::new();
        for (place, (name, events)) in (0..).zip(processes) {
            let process = builder.process(Process {
                // Unique, as histories promise.
                name: format!("{name}{place}"),
                rate: None,
                started: has_times.then_some(START),
                ended: None,
                waiting: None,
                file: "a log".into(),
            });
            for (line, (clock, at, kind, queue)) in (1..).zip(events) {
                let at = has_times.then_some(WallTime(START.0 + at));
                let event = Event {
                    clock,
                    at,
                    kind,
                    queue,
                    line,
                };
                ids.extend(builder.event(process, event));
                if line == 3 {
                    builder.text(*ids.last().unwrap(), "a text: } \" # ; \n, of its own");
                }
            }
        }
        add_messages(&mut builder, &ids, messages);
        builder.finish("a, \"run\"".to_owned(), "made".to_owned())
    })
}

/// Messages between any two events of different processes, one to a process from each.
fn add_messages(builder: &mut HistoryBuilder, ids: &[EventId], messages: Vec<(u32, u32, u8, Option<u64>)>) {
    let mut taken = BTreeSet::new();
    for (send, receive, fate, waited_us) in messages {
        let pick = |number: u32| ids.get(number as usize % ids.len().max(1)).copied();
        let (Some(send), Some(receive)) = (pick(send), pick(receive)) else {
            continue;
        };
        if send.process == receive.process || !taken.insert((send, receive.process)) {
            continue;
        }
        let fate = match fate {
            0 => Fate::Waiting,
            1 => Fate::Unknown,
            _ => Fate::Received(receive),
        };
        builder.message(Message {
            send,
            to: receive.process,
            fate,
            waited_us,
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_logs_say_every_export_is_valid(
        history in any_history(),
        count in prop_oneof![Just(Count::Fitting), Just(Count::All), (1_u64..20).prop_map(Count::Last)],
        window in prop_oneof![Just(""), Just("5us-20us"), Just("-10us")],
    ) {
        let window = if history.has_times() { window } else { "" };
        let selection = selection(window, &[], count);
        match try_export(&history, Format::Csv, &selection) {
            Ok(_) => assert_valid(&history, &selection),
            Err(ExportError::NoEvents { .. }) => prop_assert!(history.is_empty()),
            Err(ExportError::Window(_)) => prop_assert!(!window.is_empty()),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_receive_keeps_what_it_says_of_its_message_also_where_no_log_has_the_send() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notebook/assignment/random-1");
    let dir = tempfile::tempdir().unwrap();
    let mut receives = Vec::new();
    for machine in [0, 1] {
        let name = format!("machine-{machine}.log");
        let log = std::fs::read_to_string(run.join(&name)).unwrap();
        // Machine 0 loses its beginning, machine 2 its log; a message of machine 0 is taken a second time.
        let lines = log.lines().enumerate();
        let mut kept: Vec<&str> = lines
            .filter(|(line, _)| machine == 1 || *line < 2 || *line > 60)
            .map(|(_, line)| line)
            .collect();
        let again = kept.iter().rposition(|line| line.contains(" from=0 "));
        if let Some(again) = again {
            kept.insert(again, kept[again]);
        }
        std::fs::write(dir.path().join(name), kept.join("\n") + "\n").unwrap();
        for line in kept.iter().filter(|line| line.contains(" receive ")) {
            let value = |key: &str| {
                let word = line.split(' ').find_map(|word| word.strip_prefix(key));
                word.unwrap_or_default().to_owned()
            };
            let sent = [value("from="), value("sent="), value("waited_us=")];
            receives.push([[machine.to_string()].as_slice(), &sent].concat());
        }
    }
    let history = History::read(dir.path()).unwrap();
    let whole = selection("", &[], Count::All);
    assert_table(&history, &whole);
    let (bytes, exported) = try_export(&history, Format::Csv, &whole).unwrap();
    let rows = rules::csv(&String::from_utf8(bytes).unwrap()).unwrap();
    let mut exported_receives: Vec<Vec<String>> = rows
        .iter()
        .filter(|row| row[5] == "receive")
        .map(|row| [1, 8, 9, 11].map(|place: usize| row[place].clone()).to_vec())
        .collect();
    receives.sort();
    exported_receives.sort();
    assert_eq!(exported_receives, receives);
    let strays = history.ids().filter(|id| history.stray(*id).is_some()).count();
    assert!(strays > 20, "{strays}");
    assert!(
        exported
            .notes
            .iter()
            .any(|note| note.ends_with(&format!("as they say: {strays}"))),
        "{:?}",
        exported.notes
    );
}

#[test]
fn what_a_consumer_cannot_take_is_left_out_and_said() {
    let mut builder = HistoryBuilder::default();
    let process = builder.process(Process {
        name: "0".to_owned(),
        rate: None,
        started: Some(START),
        ended: None,
        waiting: None,
        file: "a log".into(),
    });
    for tick in 1..=5000_u32 {
        builder.event(
            process,
            Event {
                clock: tick.into(),
                at: Some(WallTime(START.0 + i64::from(tick))),
                kind: EventKind::Internal,
                queue: None,
                line: tick + 2,
            },
        );
    }
    let history = builder.finish("long".to_owned(), "made".to_owned());
    let notes = |count| {
        let (bytes, exported) = try_export(&history, Format::Shiviz, &selection("", &[], count)).unwrap();
        let events = rules::shiviz(&String::from_utf8(bytes).unwrap()).unwrap();
        (events.len(), exported.notes.join("\n"))
    };
    let (events, said) = notes(Count::Fitting);
    assert_eq!(events as u64, export::SHIVIZ_EVENTS_MAX);
    assert!(
        said.contains("only the last 2,000 of 5,000 events") && said.contains("--all"),
        "{said}"
    );
    let (events, said) = notes(Count::All);
    assert!(
        events == 5000 && said.contains("5,000 events are much for ShiViz"),
        "{said}"
    );
    assert_eq!(notes(Count::Last(2000)), (2000, String::new()));
    assert_eq!(notes(Count::Last(3)).0, 3);
    assert_eq!(
        history
            .event(EventId {
                process: 0,
                index: 4999
            })
            .unwrap()
            .clock,
        5000
    );
}

#[test]
fn times_too_far_apart_for_nanoseconds_still_make_a_trace() {
    let mut log = String::from("(?<date>\\S+) (?<host>\\S+) (?<clock>{.*}) (?<event>.*)\n\n");
    for (count, year) in (1..).zip(["0001", "9998", "9998", "9999"]) {
        log += &format!("{year}-01-01T00:00:00Z a {{\"a\":{count}}} x\n");
    }
    let (_, history) = clocklab::inspect::foreign::read_bytes("log", log.into_bytes()).unwrap();
    let (bytes, exported) = try_export(&history, Format::Perfetto, &Selection::default()).unwrap();
    assert_eq!(exported.events, 4);
    serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
}

#[test]
fn hosts_whose_names_lose_their_letters_stay_apart() {
    let mut log = String::from("(?<host>\\S+) (?<clock>{.*}) (?<event>.*)\n\n");
    let letters = ('\u{4e00}'..).take(1000);
    for letter in letters {
        log += &format!("{letter} {{\"{letter}\":1}} x\n");
    }
    let (_, history) = clocklab::inspect::foreign::read_bytes("log", log.into_bytes()).unwrap();
    let all = Selection {
        count: Count::All,
        ..Selection::default()
    };
    let (bytes, _) = try_export(&history, Format::Govector, &all).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let hosts: BTreeSet<&str> = text
        .lines()
        .skip(2)
        .step_by(2)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(hosts.len(), 1000);
}
